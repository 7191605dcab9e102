"""Symmetric uniform quantisation with the clipping of least squared error.

At ``b`` bits a weight becomes one of the ``2·n + 1 = 2^b − 1`` levels ``−n·s, …, −s, 0, s, …, n·s``
with ``n = 2^(b−1) − 1``; at one bit it becomes ``±s``. Rounding is to the nearest level, weights
beyond ``n·s`` are clipped to it. The step ``s``, one for each output channel or one for the whole
tensor, is the one of least ``‖W − Q(W)‖²``, found by a search with a guarantee:

    With the codes ``z`` of the best step ``s*``, ``s*·z`` is the projection of ``W`` on ``z``, so
    ``‖W − s·z‖² = ‖W − s*·z‖² + (s − s*)²·‖z‖²`` and ``s*·‖z‖ ≤ ‖W‖``. Rounding to nearest does no
    worse than ``z``, hence ``E(s) ≤ E(s*) + ((s − s*)/s*)²`` for ``E = ‖W − Q(W)‖²/‖W‖²``.

Steps are tried from ``max|W|/n`` (nothing clipped) downwards, so close together that ``E`` is at
most ``4^(−b)/4`` above that of any such step, until what is clipped alone costs more than the best
step found. Larger steps leave levels unused, which pays for weights that lie on a grid already:
they are tried where the largest weight falls on a level and a sample of the weights says that it
may pay, and only down to half the levels, because a step of which half the levels do is no better
than half that step. Of these steps nothing is promised but that weights on a grid are found to be.

At one bit ``s = mean|W|`` is exact. Above 10 bits clipping no longer pays: there the step is
``max|W|/n`` or the 10-bit one, halved for each further bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.specs.accelerator import MAX_BITS

Array = npt.NDArray[np.floating]
Granularity = Literal["channel", "tensor"]
GRANULARITIES = get_args(Granularity)

SEARCHED_BITS = 10  # most for which clipping is searched
BLOCK = 1 << 15  # elements worked on at once, to stay in the cache
SORTED_FROM = 64  # elements per level from which one row is searched sorted
SAMPLE = 64  # elements of a row that say whether a step with unused levels may pay
POLISHES = 2


class Quantised(NamedTuple):
    """A quantised array.

    Attributes
    ----------
    values : array of the original's shape
    steps : (channels,) or (1,) array
        Distance of neighbouring levels; at one bit the magnitude of both. 0 where all is 0.
    relative_error : float
        ``‖W − Q(W)‖²/‖W‖²``; 0 where all weights are 0.
    """

    values: Floats
    steps: Floats
    relative_error: float


def quantise(array: npt.ArrayLike, bits: int, granularity: Granularity = "channel") -> Quantised:
    """Quantise an array at ``bits`` with the clipping of least squared error.

    Parameters
    ----------
    array : (channels, …) array
        Weights, output channels first.
    bits : int
        1 to 32.
    granularity : "channel" or "tensor"
        One step for each output channel, or one for all.

    Raises
    ------
    SpecError
        Empty or not finite numbers, or a width or granularity that does not exist.
    """
    rows, exponent = _rows(array, granularity)
    _check_bits([bits])
    steps = np.concatenate([_best_steps(np.abs(part), bits)[0] for part in _parts(rows)])
    codes = _codes(np.abs(rows), steps[:, None], bits)
    values = np.where(rows < 0, -codes, codes) * steps[:, None]
    whole, lost = _square_sum(rows), _square_sum(rows - values)
    return Quantised(
        values=np.ldexp(values, exponent).reshape(np.shape(array)),
        steps=np.ldexp(steps, exponent),
        relative_error=lost / whole if whole else 0.0,
    )


def relative_errors(
    array: npt.ArrayLike, bits: Iterable[int], granularity: Granularity = "channel"
) -> dict[int, float]:
    """``‖W − Q_b(W)‖²/‖W‖²`` at each width ``b``: the reciprocal SQNR of the quantised array.

    Parameters and errors as of `quantise`. All-zero arrays have the error 0 at every width.
    """
    rows, _ = _rows(array, granularity)
    lost = dict.fromkeys(_check_bits(bits), 0.0)
    for part in _parts(rows):
        magnitudes = np.abs(part)
        for width in lost:
            lost[width] += float(_best_steps(magnitudes, width)[1].sum())
    whole = _square_sum(rows)
    return {width: error / whole if whole else 0.0 for width, error in lost.items()}


def most_code(bits: int) -> int:
    """``n`` of the levels ``−n … n`` at ``bits``; 1 at one bit, whose levels are −1 and 1."""
    return max(1, (1 << (bits - 1)) - 1)


# --- input --------------------------------------------------------------------------------------


def _rows(array: npt.ArrayLike, granularity: Granularity) -> tuple[Array, int]:
    """One row for each step, and the power of two it was divided by so that the largest is ≤ 1."""
    if granularity not in GRANULARITIES:
        raise SpecError(f"granularity {granularity!r}: write {' or '.join(GRANULARITIES)}")
    given = np.asarray(array)
    if given.dtype.kind not in "fiu":
        raise SpecError(f"weights are real numbers, not {given.dtype}")
    if given.size == 0:
        raise SpecError("no weights: the array is empty")
    if given.dtype != np.float32:
        given = given.astype(np.float64)
    finite = np.isfinite(given)
    if not finite.all():
        wrong = given.size - int(finite.sum())
        raise SpecError(f"{wrong} of {given.size} weights are not finite (NaN or infinity)")
    exponent = int(np.frexp(np.abs(given).max())[1])
    rows = given.reshape(len(given) if granularity == "channel" and given.ndim else 1, -1)
    return np.ldexp(rows, -exponent), exponent


def _check_bits(bits: Iterable[int]) -> tuple[int, ...]:
    widths = tuple(bits)
    for width in widths:
        if not isinstance(width, int) or not 1 <= width <= MAX_BITS:
            raise SpecError(f"{width!r}: a bitwidth is a whole number from 1 to {MAX_BITS}")
    return widths


def _parts(rows: Array) -> Iterator[Array]:
    """Rows, as many at once as the cache takes."""
    count = max(1, BLOCK // rows.shape[1])
    for first in range(0, len(rows), count):
        yield rows[first : first + count]


def _square_sum(rows: Array) -> float:
    return sum(float(np.square(part, dtype=np.float64).sum()) for part in _parts(rows))


# --- the search ---------------------------------------------------------------------------------


def _best_steps(magnitudes: Array, bits: int) -> tuple[Floats, Floats]:
    """Step and squared error of each row of magnitudes.

    Parameters
    ----------
    magnitudes : (rows, elements) array
    """
    exponents = np.frexp(magnitudes.max(axis=1))[1]
    unit = np.ldexp(magnitudes, -exponents[:, None])  # its largest in [0.5, 1), or all 0
    if bits == 1:
        steps = unit.mean(axis=1, dtype=np.float64)
    elif bits <= SEARCHED_BITS:
        steps = _searched(unit, most_code(bits))
    else:
        steps = unit.max(axis=1) / np.float64(most_code(bits))
    errors = _errors(unit, steps, bits)
    if bits > SEARCHED_BITS:
        halved = np.ldexp(_searched(unit, most_code(SEARCHED_BITS)), SEARCHED_BITS - bits)
        steps, errors = _better(steps, errors, halved, _errors(unit, halved, bits))
    if bits > 1:
        steps, errors = _polished(unit, steps, errors, bits)
    return np.ldexp(steps, exponents), np.ldexp(errors, 2 * exponents)


def _codes(magnitudes: Array, steps: Array, bits: int) -> Array:
    """The level of each magnitude, in steps."""
    if bits == 1:
        return np.ones_like(magnitudes)
    codes: Array = magnitudes / np.where(steps > 0, steps, steps.dtype.type(1))
    np.rint(codes, out=codes)
    np.clip(codes, 0, most_code(bits), out=codes)  # several times faster than `minimum`
    return codes


def _errors(unit: Array, steps: Array, bits: int) -> Floats:
    """Squared error of each row at its step, in the precision of ``steps``."""
    total = np.zeros(len(unit))
    for columns in _column_parts(unit):
        magnitudes = columns.astype(steps.dtype, copy=False)
        codes = _codes(magnitudes, steps[:, None], bits)
        codes *= -steps[:, None]
        codes += magnitudes
        total += np.einsum("ij,ij->i", codes, codes)
    return total


def _column_parts(unit: Array) -> Iterator[Array]:
    width = max(1, BLOCK // max(1, len(unit)))
    for first in range(0, unit.shape[1], width):
        yield unit[:, first : first + width]


def _better(
    steps: Floats, errors: Floats, others: Floats, other_errors: Floats
) -> tuple[Floats, Floats]:
    better = other_errors < errors
    return np.where(better, others, steps), np.where(better, other_errors, errors)


def _searched(unit: Array, most: int) -> Floats:
    """The best step tried for each row, with levels up to ``most``."""
    bits = most.bit_length() + 1
    if len(unit) == 1 and unit.size > SORTED_FROM * most:
        return _searched_sorted(unit[0], most)
    unit = unit.astype(np.float32, copy=False)
    peaks = unit.max(axis=1)
    steps = peaks / np.float32(most)
    errors = _errors(unit, steps, bits)
    _try_unused_levels(unit, peaks, steps, errors, bits)
    _try_clipping(unit, peaks, steps, errors, bits)
    found: Floats = steps.astype(np.float64)
    return found


def _searched_sorted(magnitudes: Array, most: int) -> Floats:
    """The same for one long row: sums up to each threshold give the errors of all steps at once."""
    ascending = np.sort(magnitudes).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ascending)])
    if sums[-1] == 0:
        return np.zeros(1, np.float64)
    unclipped = ascending[-1] / np.arange(most, most // 2, -1)
    kept = _kept_squares(ascending, sums, unclipped, most).max()
    lowest = math.sqrt(kept / ascending.size) / most  # for as much: elements·(n·s)² ≥ kept
    count = math.ceil(math.log(lowest / unclipped[0]) / math.log(_ratio(most)))
    clipped = unclipped[0] * _ratio(most) ** np.arange(1, count + 1)
    tried: Floats = np.concatenate([unclipped, clipped])
    best = _kept_squares(ascending, sums, tried, most).argmax()
    return tried[best : best + 1]


def _kept_squares(ascending: Floats, sums: Floats, steps: Floats, most: int) -> Floats:
    """``⟨W, z⟩²/‖z‖²`` with the codes ``z`` of each step: ``‖W‖²`` less the squared error.

    Parameters
    ----------
    ascending : (elements,) array
    sums : (elements + 1,) array
        Of the elements before each one.
    steps : (steps,) array
    """
    codes = np.arange(1, most + 1)
    before = np.searchsorted(ascending, steps[:, None] * (codes - 0.5))
    along = (sums[-1] - sums[before]).sum(axis=1)
    square = (ascending.size - before) @ (2 * codes - 1)
    kept: Floats = np.square(along) / square
    return kept


def _ratio(most: int) -> float:
    """Of one step tried to the one before."""
    return 1 - 1 / (2 * (most + 3))


def _try_unused_levels(unit: Array, peaks: Array, steps: Array, errors: Floats, bits: int) -> None:
    """Improve steps by those that put the largest weight on a level above half of the last one.

    A row is tried where a sample of it has a smaller mean error than the row now.
    """
    elements = unit.shape[1]
    sample = np.ascontiguousarray(unit[:, :: -(-elements // SAMPLE)])
    for code in range(most_code(bits) - 1, most_code(bits) // 2, -1):
        tried = peaks / np.float32(code)
        hopeful = _errors(sample, tried, bits) * elements < errors * sample.shape[1]
        _improve(unit, np.flatnonzero(hopeful), tried, steps, errors, bits)


def _try_clipping(unit: Array, peaks: Array, steps: Array, errors: Floats, bits: int) -> None:
    """Improve steps by smaller ones, until clipping alone costs more than the best error.

    Neither can a step be best whose levels are too small for the square sum that must be kept:
    ``‖W‖² − E ≤ elements·(n·s)²``.
    """
    most, elements = most_code(bits), unit.shape[1]
    largest = np.partition(unit, elements - -(-elements // 8), axis=1)[:, -(-elements // 8) * -1 :]
    whole = np.einsum("ij,ij->i", unit, unit)
    tried, rows = peaks / np.float32(most), np.arange(len(unit))
    ratio = np.float32(_ratio(most))
    while rows.size:
        tried = tried * ratio
        clipped = np.maximum(largest[rows] - most * tried[rows, None], 0)
        hopeful = np.einsum("ij,ij->i", clipped, clipped) < errors[rows]
        hopeful &= whole[rows] - errors[rows] <= elements * np.square(most * tried[rows])
        rows = rows[hopeful]
        _improve(unit, rows, tried, steps, errors, bits)


def _improve(
    unit: Array, rows: npt.NDArray[np.intp], tried: Array, steps: Array, errors: Floats, bits: int
) -> None:
    """Put the tried steps of some rows in place of their steps where they are better."""
    if rows.size == 0:
        return
    chosen = unit if rows.size == len(unit) else unit[rows]
    found = _errors(chosen, tried[rows], bits)
    better = found < errors[rows]
    steps[rows[better]], errors[rows[better]] = tried[rows[better]], found[better]


def _polished(unit: Array, steps: Floats, errors: Floats, bits: int) -> tuple[Floats, Floats]:
    """Steps that are the projection on their own codes, a few times over; never worse."""
    for _ in range(POLISHES):
        along, square = np.zeros(len(unit)), np.zeros(len(unit))
        for columns in _column_parts(unit):
            codes = _codes(columns.astype(np.float64), steps[:, None], bits)
            along += np.einsum("ij,ij->i", columns, codes)
            square += np.einsum("ij,ij->i", codes, codes)
        projected = np.where(square > 0, along / np.maximum(square, 1), steps)
        steps, errors = _better(steps, errors, projected, _errors(unit, projected, bits))
    return steps, errors
