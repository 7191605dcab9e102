"""Shapes of the results of ``com.microsoft`` operators, which ONNX itself does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codesign.specs.onnx.graph import Shape
from codesign.specs.onnx.operators import ELEMENTWISE, FIRST, MS

Shapes = Sequence[Shape | None]
# Which input has the element type of the result, if not the first.
TYPE_FROM = {MS + "QLinearConcat": 2, MS + "QuantizeLinear": 2, MS + "DequantizeLinear": 1}
BINARY = {MS + "QLinearAdd": (0, 3), MS + "QLinearMul": (0, 3)}


def foreign_shape(operator: str, shapes: Shapes, attributes: Mapping[str, Any]) -> Shape | None:
    """Shape of an operator's first result; None where a rule or an input's shape is missing.

    Source: the operators' descriptions in ONNX Runtime's ``docs/ContribOperators.md``.
    """
    first = shapes[0] if shapes else None
    if operator in BINARY:
        given = [shapes[position] for position in BINARY[operator]]
        return broadcast(*given) if None not in given else None  # type: ignore[arg-type]
    if operator == MS + "QLinearConcat":
        return _concat(shapes[2::3], int(attributes["axis"]))
    if first is None:
        return None
    if operator in ELEMENTWISE | FIRST:
        return first
    if operator == MS + "QLinearGlobalAveragePool":
        if attributes.get("channels_last", 0):
            return (first[0], *(1 for _ in first[2:]), first[-1])
        return (*first[:2], *(1 for _ in first[2:]))
    if operator == MS + "QLinearReduceMean":
        return _reduced(first, attributes)
    if operator == MS + "QGemm":
        return _gemm(first, shapes[3], attributes)
    if operator == MS + "FusedMatMul":
        return _matmul(first, shapes[1], attributes)
    if operator in (MS + "FusedConv", MS + "QLinearAveragePool"):
        weights = shapes[1] if operator == MS + "FusedConv" else None
        if operator == MS + "FusedConv" and weights is None:
            return None
        return _windowed(first, weights, attributes)
    return None


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an element-wise result."""
    rank = max(len(shape) for shape in shapes)
    filled = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*filled, strict=True))


def _concat(shapes: Shapes, axis: int) -> Shape | None:
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes) or not known:
        return None
    axis %= len(known[0])
    return tuple(
        sum(shape[axis] for shape in known) if position == axis else size
        for position, size in enumerate(known[0])
    )


def _reduced(shape: Shape, attributes: Mapping[str, Any]) -> Shape:
    axes = {axis % len(shape) for axis in attributes.get("axes", range(len(shape)))}
    kept = bool(attributes.get("keepdims", 1))
    return tuple(
        1 if axis in axes else size for axis, size in enumerate(shape) if kept or axis not in axes
    )


def _gemm(one: Shape, other: Shape | None, attributes: Mapping[str, Any]) -> Shape | None:
    if other is None:
        return None
    rows = one[1] if attributes.get("transA", 0) else one[0]
    return rows, other[0] if attributes.get("transB", 0) else other[1]


def _matmul(one: Shape, other: Shape | None, attributes: Mapping[str, Any]) -> Shape | None:
    if other is None or len(one) < 2 or len(other) < 2:
        return None
    if attributes.get("transBatchA", 0) or attributes.get("transBatchB", 0):
        return None
    rows = one[-1] if attributes.get("transA", 0) else one[-2]
    columns = other[-2] if attributes.get("transB", 0) else other[-1]
    return (*broadcast(one[:-2], other[:-2]), rows, columns)


def _windowed(image: Shape, weights: Shape | None, attributes: Mapping[str, Any]) -> Shape | None:
    """Of a convolution, or of a pooling where there are no weights."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    if attributes.get("channels_last", 0):
        return None
    rank = len(image) - 2
    kernel = weights[2:] if weights is not None else tuple(attributes["kernel_shape"])
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    rounding = math.ceil if attributes.get("ceil_mode", 0) else math.floor
    sizes = []
    for axis in range(rank):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        room = image[2 + axis] + pads[axis] + pads[rank + axis] - reach
        sizes.append(rounding(room / strides[axis]) + 1)
    return (image[0], weights[0] if weights is not None else image[1], *sizes)
