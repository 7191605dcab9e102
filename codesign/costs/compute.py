"""Compute cycles of a layer on a PE array, by what its rows and columns take.

What a layer does not fit is folded: done in turn. In all mappings its cycles are the product of
four counts of turns (`Folds`): of groups, of the reduction over input channels and window, of
output channels, and of output pixels. ``g`` groups run side by side as a block diagonal where rows
and columns hold several.

    window   g = min(G, ⌊rows·pack/C⌋, ⌊cols/K⌋)          reduction ⌈C/(rows·pack)⌉·passes  N·P·Q
    im2col   g = min(G, ⌊rows·engine/(C·R·S)⌋, ⌊cols/K⌋)  reduction ⌈C·R·S/(rows·engine)⌉   N·P·Q
    output   g = min(G, ⌊cols/K⌋)                         reduction ⌈C·R·S/engine⌉    N·⌈P·Q/rows⌉

each with ``⌈G/g⌉`` and ``⌈K/cols⌉``, and ``g = 1`` where no whole group fits. ``pack =
max(1, ⌊engine/(R·S)⌋)`` input channels share a PE, ``passes = ⌈R·S/engine⌉``.

A pass is as long as the array holds the same weights (window, im2col) or the same sums (output);
what a machine takes to fill, drain and load the array, it takes once in each.

A machine that skips inserted zeros computes the outputs of a transposed convolution phase by phase
(`codesign.specs.zeros`), each as a layer of its own whose window has as many positions as hold
stored elements: its ``pack``, ``passes`` and reduction are those of that window. Groups side by
side are as many as fit at the largest of them, and tiles have granules of all. In mapping output
the rows take pixels of one phase at a time, all phases as many as the largest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.arrays import Ints
from codesign.specs.machine import PLAIN, Machine, Mapping
from codesign.specs.network import Layer
from codesign.specs.zeros import WindowPhases


def ceil_div(numerator: int, denominator: int) -> int:
    """``⌈numerator / denominator⌉`` in integers."""
    return -(-numerator // denominator)


@dataclass(frozen=True)
class PEArray:
    """An array of ``rows × cols`` PEs of ``engine`` multipliers, and what rows and columns take."""

    rows: int
    cols: int
    engine: int
    mapping: Mapping = "window"
    zero_skipping: bool = False


@dataclass(frozen=True)
class Folding:
    """How a layer is laid over an array.

    Attributes
    ----------
    side_by_side : int
        ``g``: groups that run together as a block diagonal.
    tile_c, tile_k : int
        Granules of input and output channels that keep the array as busy as the whole layer, or the
        layer's own C and K when smaller.
    pixels : int
        Granule of output pixels likewise, of one phase where inserted zeros are skipped.
    phases : (int, int)
        That rows, and columns, of outputs go through in turn, if pixels have a granule in each.
    """

    side_by_side: int
    tile_c: int
    tile_k: int
    pixels: int = 1
    phases: tuple[int, int] = (1, 1)


class Folds(NamedTuple):
    """Turns that a layer takes; arrays of one shape, or numbers."""

    groups: Ints
    reduction: Ints
    outputs: Ints
    pixels: Ints


def phases_on(
    layer: Layer, mapping: Mapping = "window", zero_skipping: bool = False
) -> tuple[WindowPhases, ...]:
    """Outputs of an image that an array computes in turn: one phase where no zeros are skipped.

    In mapping output all phases have as many outputs as the largest.
    """
    if not zero_skipping:
        return (WindowPhases(1, layer.P, layer.Q, layer.window),)
    if mapping != "output":
        return layer.phases
    rows, cols = (max(x) for x in zip(*((x.rows, x.cols) for x in layer.phases), strict=True))
    return tuple(x._replace(rows=rows, cols=cols) for x in layer.phases)


def windows(layer: Layer, zero_skipping: bool = False) -> list[int]:
    """Positions of the windows that are computed, those of each phase once, the most first."""
    found = {x.window for x in phases_on(layer, "window", zero_skipping)} - {0}
    return sorted(found, reverse=True)


def channels_per_pe(window: int, engine: int) -> int:
    """``pack = max(1, ⌊engine/(R·S)⌋)``: input channels that share a PE where windows are small."""
    return max(1, engine // window)


def channel_granule(
    layer: Layer, rows: Ints, engine: int, mapping: Mapping, zero_skipping: bool = False
) -> Ints:
    """(…): the fewest input channels that fill whole turns of every phase, at most all."""
    granule: Ints = np.ones_like(rows)
    for window in windows(layer, zero_skipping):
        if mapping == "window":
            mine = rows * channels_per_pe(window, engine)
        else:
            products = np.full_like(rows, engine) if mapping == "output" else rows * engine
            mine = products // np.gcd(products, window)
        mine = np.minimum(mine, layer.C)  # from where on all of them is the one tile
        granule = np.where(mine < layer.C, np.lcm(granule, mine), layer.C)
        granule = np.minimum(granule, layer.C)
    return granule


def fold(layer: Layer, array: PEArray) -> Folding:
    """Lay a layer over the array.

    Tiles of multiples of the granules take as many cycles, all together, as the whole layer.
    """
    return fold_on_each(layer, array, np.array([array.rows]), np.array([array.cols]))[0]


def fold_on_each(layer: Layer, array: PEArray, rows: Ints, cols: Ints) -> list[Folding]:
    """The same over arrays like one, but of other sides, (n,) each."""
    on = array.engine, array.mapping, array.zero_skipping
    together, tile_c = side_by_side(layer, rows, cols, *on), channel_granule(layer, rows, *on)
    output, in_turn = array.mapping == "output", (1, 1)
    pixels = rows if output else np.ones_like(rows)
    if output and array.zero_skipping:
        in_turn = layer.phases_in_turn
    each = np.stack([together, tile_c, np.minimum(cols, layer.K), pixels], axis=1)
    return [Folding(g, c, k, p, in_turn) for g, c, k, p in each.tolist()]


def folds(
    layer: Layer,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    engine: int,
    mapping: Mapping = "window",
    zero_skipping: bool = False,
) -> list[tuple[WindowPhases, Folds]]:
    """The turns a layer takes, those of each phase; rows and columns broadcast together.

    Phases of no products take none of pixels, and one over the reduction.
    """
    rows, cols = _together(rows, cols)
    together = side_by_side(layer, rows, cols, engine, mapping, zero_skipping)
    groups, outputs = -(-layer.G // together), -(-layer.K // cols)
    found = []
    for phase in phases_on(layer, mapping, zero_skipping):
        pixels = np.full(rows.shape, phase.outputs)
        if mapping == "output":
            pixels = -(-pixels // rows)
        reduction = _reduction(layer, phase.window, rows, engine, mapping)
        if not phase.window:
            pixels = np.zeros_like(pixels)
        found.append((phase, Folds(groups, reduction, outputs, layer.N * pixels)))
    return found


def _together(rows: npt.ArrayLike, cols: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Both as whole numbers of one shape."""
    every = np.broadcast_arrays(np.asarray(rows, np.int64), np.asarray(cols, np.int64))
    return every[0], every[1]


def _reduction(layer: Layer, window: int, rows: Ints, engine: int, mapping: Mapping) -> Ints:
    """Turns over input channels and the positions of a window."""
    products = layer.C * window
    if not window:
        return np.ones_like(rows)
    if mapping == "window":
        each = -(-layer.C // (rows * channels_per_pe(window, engine)))
        return np.asarray(each * ceil_div(window, engine))
    if mapping == "im2col":
        return np.asarray(-(-products // (rows * engine)))
    return np.full(rows.shape, ceil_div(products, engine))


def cycles(
    layer: Layer,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    engine: int,
    mapping: Mapping = "window",
    machine: Machine = PLAIN,
) -> Ints:
    """Compute cycles at widths the PE holds natively, with all that the machine counts.

    Rows and columns broadcast together. None where a layer only moves data: the array is not
    involved.
    """
    rows, cols = _together(rows, cols)
    if layer.moves:
        return np.zeros(rows.shape, dtype=np.int64)
    streamed, passes = np.zeros_like(rows), np.zeros_like(rows)
    for phase, turns in folds(layer, rows, cols, engine, mapping, machine.zero_skipping):
        if phase.window:
            channels = phase.alike * turns.groups * turns.outputs
            streamed = streamed + channels * turns.reduction * turns.pixels
            passes = passes + channels * (turns.pixels if mapping == "output" else turns.reduction)
    if machine.cycle_factors:
        factor = machine.factor_of(layer)
        streamed = _scaled(streamed, factor.numerator, factor.denominator)
    beside = (rows + cols - 1) * machine.fill_cycles
    beside = beside + rows * (machine.weight_load and mapping != "output")
    return np.asarray(streamed + passes * beside)


def _scaled(count: Ints, numerator: int, denominator: int) -> Ints:
    """``⌈count·numerator / denominator⌉`` in integers of any size."""
    exact = [-(-int(x) * numerator // denominator) for x in count.ravel()]
    return np.array(exact, dtype=np.int64).reshape(count.shape)


def movement_cycles(elements: int, rows: npt.ArrayLike, engine: int) -> Ints:
    """``⌈elements / (rows·engine)⌉``: of a layer that only moves data, where tensors stay on chip.

    ``elements`` is the larger of what it reads and writes; the SRAM feeds the array at that rate.
    """
    return np.asarray(-(-elements // (np.asarray(rows, dtype=np.int64) * engine)))


def side_by_side(
    layer: Layer,
    rows: Ints,
    cols: Ints,
    engine: int,
    mapping: Mapping = "window",
    zero_skipping: bool = False,
) -> Ints:
    """``g``, at least 1: groups that run together, as `fold`."""
    fitting, window = cols // layer.K, windows(layer, zero_skipping)[0]
    if mapping == "window":
        fitting = np.minimum(fitting, rows * channels_per_pe(window, engine) // layer.C)
    elif mapping == "im2col":
        fitting = np.minimum(fitting, rows * engine // (layer.C * window))
    return np.asarray(np.clip(fitting, 1, layer.G))


def trips(
    layer: Layer,
    rows: Ints,
    cols: Ints,
    engine: int,
    mapping: Mapping = "window",
    zero_skipping: bool = False,
) -> tuple[Ints, Ints]:
    """(rows, n), (cols, 2): what of a layer's folding some rows, and some columns, decide.

    The turns over the reduction or the pixels, and over output channels; how many groups fit side
    by side, at most G; and the granules of tiles, but where those of fewer rows or columns, at the
    same turns, are no larger ones.
    """
    groups = np.minimum(cols // layer.K, layer.G)
    of_cols = np.stack([-(-layer.K // cols), groups], axis=1)
    if mapping == "output":  # any two granules of pixels allow different tiles
        return rows[:, None], of_cols
    every = windows(layer, zero_skipping)
    each = [_reduction(layer, window, rows, engine, mapping) for window in every]
    if mapping == "window":
        most, size, granule = rows * channels_per_pe(every[0], engine), layer.C, np.zeros_like(rows)
    else:
        most, size = rows * engine, layer.C * every[0]
        granule = channel_granule(layer, rows, engine, mapping, zero_skipping)
    groups = np.minimum(most // size, layer.G)
    return np.stack([*each, groups, granule], axis=1), of_cols


def precision_passes(
    weight_bits: int, activation_bits: int, pe_weight_bits: int, pe_activation_bits: int
) -> int:
    """``⌈bw/Bw⌉·⌈ba/Ba⌉``: times a layer's cycles grow when wide operands take several passes."""
    return ceil_div(weight_bits, pe_weight_bits) * ceil_div(activation_bits, pe_activation_bits)


def widened(
    engine: int,
    weight_bits: int,
    activation_bits: int,
    pe_weight_bits: int,
    pe_activation_bits: int,
) -> int:
    """``engine·(Bw/u(bw))·(Ba/u(ba))`` multipliers of a PE that splits into narrower ones.

    ``u(x) = 2^⌈log2 x⌉``; the PE's widths are powers of two. One that does not hold the operands,
    and so does not run, is not split.
    """
    weights = max(1, pe_weight_bits // power_of_two(weight_bits))
    return engine * weights * max(1, pe_activation_bits // power_of_two(activation_bits))


def power_of_two(bits: int) -> int:
    """``2^⌈log2 bits⌉``: the least power of two that is no less."""
    return 1 << (bits - 1).bit_length()


def macs_per_pe(window: int, engine: int, mapping: Mapping) -> float:
    """MACs per cycle of a PE in a full array, at kernels of so many positions."""
    if mapping != "window":
        return float(engine)
    return max(1, engine // window) * window / ceil_div(window, engine)
