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
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.arrays import Ints
from codesign.specs.machine import PLAIN, Machine, Mapping
from codesign.specs.network import Layer


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
        Granule of output pixels likewise.
    """

    side_by_side: int
    tile_c: int
    tile_k: int
    pixels: int = 1


class Folds(NamedTuple):
    """Turns that a layer takes; arrays of one shape, or numbers."""

    groups: Ints
    reduction: Ints
    outputs: Ints
    pixels: Ints


def channels_per_pe(layer: Layer, engine: int) -> int:
    """``pack = max(1, ⌊engine/(R·S)⌋)``: input channels that share a PE where windows are small."""
    return max(1, engine // layer.window)


def fold(layer: Layer, array: PEArray) -> Folding:
    """Lay a layer over the array.

    Tiles of multiples of the granules take as many cycles, all together, as the whole layer.
    """
    rows, cols = np.array(array.rows), np.array(array.cols)
    together = int(side_by_side(layer, rows, cols, array.engine, array.mapping))
    tile_k, pixels = min(array.cols, layer.K), 1
    if array.mapping == "window":
        tile_c = array.rows * channels_per_pe(layer, array.engine)
    else:
        products = array.engine if array.mapping == "output" else array.rows * array.engine
        tile_c = products // math.gcd(products, layer.window)
        pixels = array.rows if array.mapping == "output" else 1
    return Folding(together, min(tile_c, layer.C), tile_k, pixels)


def folds(
    layer: Layer, rows: npt.ArrayLike, cols: npt.ArrayLike, engine: int, mapping: Mapping = "window"
) -> Folds:
    """The turns a layer takes; rows and columns broadcast together."""
    rows, cols = np.broadcast_arrays(
        np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    )
    together = side_by_side(layer, rows, cols, engine, mapping)
    products, pixels = layer.C * layer.window, np.full(rows.shape, layer.P * layer.Q)
    if mapping == "window":
        each = -(-layer.C // (rows * channels_per_pe(layer, engine)))
        reduction = each * ceil_div(layer.window, engine)
    elif mapping == "im2col":
        reduction = -(-products // (rows * engine))
    else:
        reduction = np.full(rows.shape, ceil_div(products, engine))
        pixels = -(-layer.P * layer.Q // rows)
    return Folds(-(-layer.G // together), reduction, -(-layer.K // cols), layer.N * pixels)


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
    rows, cols = np.broadcast_arrays(
        np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    )
    if layer.moves:
        return np.zeros(rows.shape, dtype=np.int64)
    turns = folds(layer, rows, cols, engine, mapping)
    streamed = turns.groups * turns.reduction * turns.outputs * turns.pixels
    if machine.cycle_factors:
        factor = machine.factor_of(layer)
        streamed = _scaled(streamed, factor.numerator, factor.denominator)
    held = turns.pixels if mapping == "output" else turns.reduction
    beside = (rows + cols - 1) * machine.fill_cycles
    beside = beside + rows * (machine.weight_load and mapping != "output")
    return np.asarray(streamed + turns.groups * turns.outputs * held * beside)


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
    layer: Layer, rows: Ints, cols: Ints, engine: int, mapping: Mapping = "window"
) -> Ints:
    """``g``, at least 1: groups that run together, as `fold`."""
    fitting = cols // layer.K
    if mapping == "window":
        fitting = np.minimum(fitting, rows * channels_per_pe(layer, engine) // layer.C)
    elif mapping == "im2col":
        fitting = np.minimum(fitting, rows * engine // (layer.C * layer.window))
    return np.asarray(np.clip(fitting, 1, layer.G))


def trips(
    layer: Layer, rows: Ints, cols: Ints, engine: int, mapping: Mapping = "window"
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
    if mapping == "window":
        most, size, granule = rows * channels_per_pe(layer, engine), layer.C, np.zeros_like(rows)
    else:
        most, size = rows * engine, layer.C * layer.window
        granule = np.minimum(most // np.gcd(most, layer.window), layer.C)
    groups = np.minimum(most // size, layer.G)
    return np.stack([-(-size // most), groups, granule], axis=1), of_cols


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
