"""Networks whose fused operations are layers of their own, as a compiler of graphs sees them.

A skip addition and a pooling that a MAC layer absorbs become layers that only move data. The
result is a `codesign.Network` like any other: its lifetimes are those of the graph's tensors.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from codesign import Layer, Network


def separated(network: Network) -> Network:
    """The same network with every fused skip addition and pooling as a layer of its own.

    Such a layer and what it reads are named after the layer that absorbs it: ``<layer>.add``
    reads ``<layer>.mac``, ``<layer>.pool`` reads ``<layer>.unpooled``.

    Raises
    ------
    ValueError
        A layer that is no convolution of one image by weights, whole, with at most one residual.
    """
    layers: list[Layer] = []
    tensors = dict(network.tensors)
    for layer in network.layers:
        for step in _steps(layer, network.tensors[layer.output]):
            layers.append(step)
            tensors.setdefault(step.output, step.computed_outputs)
    return replace(network, layers=tuple(layers), tensors=tensors)


def stored_sides(layer: Layer, elements: int) -> tuple[int, int]:
    """Rows and columns of the tensor that a layer writes, ``elements`` in all.

    Raises
    ------
    ValueError
        They are neither those it computes nor those of a square.
    """
    if elements == layer.computed_outputs:
        return layer.P, layer.Q
    channels = layer.G * layer.K
    side = isqrt(elements // channels)
    if channels * side * side != elements:
        raise ValueError(f"layer {layer.name!r}: {elements} outputs are no squares of {channels}")
    return side, side


def _steps(layer: Layer, elements: int) -> list[Layer]:
    """A layer's MACs, its addition and its pooling, one after the other."""
    plain = layer.owns_weights and layer.N == 1 and not layer.parts and not layer.appended
    if not plain or len(layer.residuals) > 1:
        raise ValueError(
            f"layer {layer.name!r}: only convolutions of one image by weights, whole and with one "
            "residual at most, can be separated"
        )
    pooled = elements < layer.computed_outputs
    summed = f"{layer.name}.unpooled" if pooled else layer.output
    computed = f"{layer.name}.mac" if layer.residuals else summed
    steps = [replace(layer, output=computed, residuals=())]
    if layer.residuals:
        same = layer.P, layer.Q
        steps.append(_movement(layer, "add", computed, summed, same, layer.residuals))
    if pooled:
        sides = stored_sides(layer, elements)
        steps.append(_movement(layer, "pool", summed, layer.output, sides))
    return steps


def _movement(
    layer: Layer,
    what: str,
    source: str,
    output: str,
    sides: tuple[int, int],
    residuals: tuple[str, ...] = (),
) -> Layer:
    """A layer that moves what another computes, from one tensor to the next."""
    channels, (rows, cols) = layer.G * layer.K, sides
    return Layer(
        name=f"{layer.name}.{what}",
        K=channels,
        C=channels,
        input=source,
        output=output,
        P=rows,
        Q=cols,
        H=layer.P,
        W=layer.Q,
        residuals=residuals,
        moves=True,
    )
