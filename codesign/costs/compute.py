"""Compute cycles of a layer on a PE array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codesign.arrays import Ints
from codesign.specs.network import Layer


def ceil_div(numerator: int, denominator: int) -> int:
    """``⌈numerator / denominator⌉`` in integers."""
    return -(-numerator // denominator)


@dataclass(frozen=True)
class Folding:
    """How a layer is laid over an array of ``rows × cols`` PEs of ``engine`` multipliers.

    Attributes
    ----------
    pack : int
        `channels_per_pe`.
    passes : int
        Cycles one window takes because it is larger than the engine.
    side_by_side : int
        ``g``: groups that run together as a block diagonal.
    tile_c, tile_k : int
        Granules of input and output channels that keep the array as busy as the whole layer:
        ``rows·pack`` and ``cols``, or the layer's own C and K when smaller.
    """

    pack: int
    passes: int
    side_by_side: int
    tile_c: int
    tile_k: int


def channels_per_pe(layer: Layer, engine: int) -> int:
    """``pack = max(1, ⌊engine/(R·S)⌋)``: input channels that share a PE where windows are small."""
    return max(1, engine // layer.window)


def fold(layer: Layer, rows: int, cols: int, engine: int) -> Folding:
    """Lay a layer over the array: ``pack``, ``passes`` and groups side by side."""
    pack = channels_per_pe(layer, engine)
    passes = ceil_div(layer.window, engine)
    side_by_side = 1
    if rows * pack >= layer.C and cols >= layer.K:
        side_by_side = min(layer.G, rows * pack // layer.C, cols // layer.K)
    return Folding(
        pack, passes, side_by_side, tile_c=min(rows * pack, layer.C), tile_k=min(cols, layer.K)
    )


def cycles(layer: Layer, rows: npt.ArrayLike, cols: npt.ArrayLike, engine: int) -> Ints:
    """``N·P·Q·passes·⌈G/g⌉·⌈C/(rows·pack)⌉·⌈K/cols⌉``, at widths the PE holds natively.

    Rows and columns broadcast together. None where a layer only moves data: the array is not
    involved.
    """
    rows, cols = np.broadcast_arrays(
        np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    )
    if layer.moves:
        return np.zeros(rows.shape, dtype=np.int64)
    pack = channels_per_pe(layer, engine)
    per_group = -(-layer.C // (rows * pack)) * -(-layer.K // cols)
    in_turn = -(-layer.G // side_by_side(layer, rows, cols, engine))
    return np.asarray(
        layer.N * layer.P * layer.Q * ceil_div(layer.window, engine) * in_turn * per_group
    )


def movement_cycles(elements: int, rows: npt.ArrayLike, engine: int) -> Ints:
    """``⌈elements / (rows·engine)⌉``: of a layer that only moves data, where tensors stay on chip.

    ``elements`` is the larger of what it reads and writes; the SRAM feeds the array at that rate.
    """
    return np.asarray(-(-elements // (np.asarray(rows, dtype=np.int64) * engine)))


def side_by_side(layer: Layer, rows: Ints, cols: Ints, engine: int) -> Ints:
    """``g = min(G, ⌊rows·pack/C⌋, ⌊cols/K⌋)``, at least 1: groups that run together, as `fold`."""
    channels = rows * channels_per_pe(layer, engine)
    fitting = np.minimum(channels // layer.C, cols // layer.K)
    return np.asarray(np.clip(fitting, 1, layer.G))


def trips(layer: Layer, rows: Ints, cols: Ints, engine: int) -> tuple[Ints, Ints]:
    """(rows, 2), (cols, 2): what of a layer's folding some rows, and some columns, decide.

    ``⌈C/(rows·pack)⌉`` and ``⌈K/cols⌉``, and how many groups fit side by side, at most G.
    """
    sides = []
    for size, most in ((layer.C, rows * channels_per_pe(layer, engine)), (layer.K, cols)):
        sides.append(np.stack([-(-size // most), np.minimum(most // size, layer.G)], axis=1))
    return sides[0], sides[1]


def precision_passes(
    weight_bits: int, activation_bits: int, pe_weight_bits: int, pe_activation_bits: int
) -> int:
    """``⌈bw/Bw⌉·⌈ba/Ba⌉``: times a layer's cycles grow when wide operands take several passes."""
    return ceil_div(weight_bits, pe_weight_bits) * ceil_div(activation_bits, pe_activation_bits)
