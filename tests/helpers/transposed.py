"""A network on its side: rows are columns, and columns rows."""

from __future__ import annotations

from dataclasses import replace

from codesign.specs.network import Layer, Network


def transposed(network: Network) -> Network:
    """The same products of the same elements, all images and kernels transposed."""
    return replace(network, layers=tuple(map(_transposed, network.layers)))


def _transposed(layer: Layer) -> Layer:
    sides = {"P": layer.Q, "Q": layer.P, "R": layer.S, "S": layer.R, "H": layer.W, "W": layer.H}
    pairs = {name: _swapped(getattr(layer, name)) for name in ("stride", "dilation")}
    pairs |= {x: _swapped(getattr(layer, x)) for x in ("input_dilation", "input_repetition")}
    return replace(layer, **sides, **pairs)


def _swapped(pair: int | tuple[int, int]) -> int | tuple[int, int]:
    return pair if isinstance(pair, int) else pair[::-1]
