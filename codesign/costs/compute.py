"""Compute cycles of a layer on a PE array."""

from __future__ import annotations

from dataclasses import dataclass

from codesign.network import Layer


def ceil_div(numerator: int, denominator: int) -> int:
    """``⌈numerator / denominator⌉`` in integers."""
    return -(-numerator // denominator)


@dataclass(frozen=True)
class Folding:
    """How a layer is laid over an array of ``rows × cols`` PEs of ``engine`` multipliers.

    Attributes
    ----------
    pack : int
        Input channels that share a PE because the kernel window is small.
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


def fold(layer: Layer, rows: int, cols: int, engine: int) -> Folding:
    """Lay a layer over the array: ``pack``, ``passes`` and groups side by side."""
    pack = max(1, engine // layer.window)
    passes = ceil_div(layer.window, engine)
    side_by_side = 1
    if rows * pack >= layer.C and cols >= layer.K:
        side_by_side = min(layer.G, rows * pack // layer.C, cols // layer.K)
    return Folding(
        pack, passes, side_by_side, tile_c=min(rows * pack, layer.C), tile_k=min(cols, layer.K)
    )


def cycles(layer: Layer, rows: int, cols: int, engine: int) -> int:
    """``N·P·Q·passes·⌈G/g⌉·⌈C/(rows·pack)⌉·⌈K/cols⌉``, at widths the PE holds natively.

    None where a layer only moves data: the array is not involved.
    """
    if layer.moves:
        return 0
    folding = fold(layer, rows, cols, engine)
    return (
        layer.N
        * layer.P
        * layer.Q
        * folding.passes
        * ceil_div(layer.G, folding.side_by_side)
        * ceil_div(layer.C, rows * folding.pack)
        * ceil_div(layer.K, cols)
    )


def precision_passes(
    weight_bits: int, activation_bits: int, pe_weight_bits: int, pe_activation_bits: int
) -> int:
    """``⌈bw/Bw⌉·⌈ba/Ba⌉``: times a layer's cycles grow when wide operands take several passes."""
    return ceil_div(weight_bits, pe_weight_bits) * ceil_div(activation_bits, pe_activation_bits)
