"""Buffers of operands' own, beside the unified SRAM.

Where weights, ifmap or partial sums have a buffer, their part of every tile (twice, where there is
more than one, as ever) must fit it, and takes no room in the unified SRAM. What else is on chip is
in the unified SRAM: resident tensors, which need no tile, and all that a fused run holds, its
weights, rows and partial sums. Each buffer is an SRAM, with the area that the technology gives one.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.tiling import Tilings
from codesign.errors import SpecError
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer
from codesign.units import BITS_PER_KBIT, distinct_texts

Buffers = tuple[int | None, int | None, int | None]  # bits, of weights, ifmap and partial sums
NO_BUFFERS: Buffers = (None, None, None)
NAMES = ("weight buffer", "ifmap buffer", "accumulator")


def in_unified(buffers: Buffers) -> Ints:
    """(3,): 1 of weights, ifmap and partial sums that are in the unified SRAM, else 0."""
    return np.array([bits is None for bits in buffers], dtype=np.int64)


def fits_buffers(need: Ints, bits: Ints | Floats, buffers: Buffers) -> Bools:
    """Which tilings fit the buffers.

    Parameters
    ----------
    need : ints, shape (…, n, 3)
        Elements, as `codesign.costs.tiling.Tilings` has them.
    bits : ints or floats, shape (…, 3)
        Of an element of each operand; 0 of one that is resident.

    Returns
    -------
    bools, shape (…, n)
    """
    held = need * bits[..., None, :]
    fits = np.ones(held.shape[:-1], dtype=bool)
    for operand, most in enumerate(buffers):
        if most is not None:
            fits &= held[..., operand] <= most
    return fits


def fitting_tilings(
    table: Tilings,
    layer: Layer,
    accelerator: Accelerator,
    bits: Ints,
    lacks: str = "holds no tile of",
) -> Tilings:
    """The tilings whose operands fit their buffers; else said is what a buffer ``lacks``.

    Raises
    ------
    SpecError
        There is none.
    """
    if accelerator.buffers == NO_BUFFERS:
        return table
    fitting = np.flatnonzero(fits_buffers(table.need, bits, accelerator.buffers))
    if len(fitting):
        return table.take(fitting)
    where = f"accelerator {accelerator.name!r}: "
    short = _too_small(table.need, bits, accelerator.buffers)
    if short is None:
        raise SpecError(f"{where}its buffers together hold no tile of layer {layer.name!r}")
    held, (needed,) = distinct_texts(short[1], [short[2]], BITS_PER_KBIT)
    raise SpecError(
        f"{where}its {short[0]} of {held} kbit {lacks} layer {layer.name!r}, which needs {needed} "
        "kbit"
    )


def _too_small(need: Ints, bits: Ints, buffers: Buffers) -> tuple[str, int, int] | None:
    """A buffer that holds no tiling's part: its name, its bits and the least that would do.

    None where each by itself holds some.

    Parameters
    ----------
    need, bits : ints, shape (n, 3), (3,)
    """
    least = (need * bits).min(axis=0)
    for name, most, needed in zip(NAMES, buffers, least.tolist(), strict=True):
        if most is not None and needed > most:
            return name, most, needed
    return None
