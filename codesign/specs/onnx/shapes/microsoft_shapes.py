"""Shapes of the results of ``com.microsoft`` operators, which ONNX itself does not know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codesign.specs.onnx.graph.graph import Shape
from codesign.specs.onnx.graph.operators import ELEMENTWISE, FIRST, MS

Attributes = Mapping[str, Any]
# Which input has the element type of the result, if not the first.
TYPE_FROM = {MS + "QLinearConcat": 2, MS + "QuantizeLinear": 2, MS + "DequantizeLinear": 1}
TYPE_FROM |= {MS + "QLinearWhere": 1, MS + "MatMulIntegerToFloat": 2}
# Which inputs the shape of the result depends on, if not the first alone.
READ: dict[str, tuple[int, ...]]
READ = {"QLinearAdd": (0, 3), "QLinearMul": (0, 3), "QGemm": (0, 3), "FusedMatMul": (0, 1)}
READ |= dict.fromkeys(("DynamicQuantizeMatMul", "FusedConv", "FusedGemm"), (0, 1))
READ |= dict.fromkeys(("FusedMatMulActivation", "MatMulIntegerToFloat", "TransposeMatMul"), (0, 1))
READ |= {"QLinearWhere": (0, 1, 4)}


def microsoft_shape(
    operator: str, shapes: Sequence[Shape | None], attributes: Attributes
) -> Shape | None:
    """Shape of an operator's first result; None where a rule or an input's shape is missing.

    Source: the operators' descriptions in ONNX Runtime's ``docs/ContribOperators.md``.
    """
    name = operator.removeprefix(MS)
    if name == "QLinearConcat":
        read = [*shapes[2::3]]
    else:
        read = [shapes[n] if n < len(shapes) else None for n in READ.get(name, (0,))]
    given = [shape for shape in read if shape is not None]
    if not given or len(given) < len(read):
        return None
    rules = {
        "QLinearAdd": _broadcast_all,
        "QLinearMul": _broadcast_all,
        "QLinearWhere": _broadcast_all,
        "QLinearConcat": _concat,
        "QLinearGlobalAveragePool": _global_pool,
        "QLinearReduceMean": _reduced,
        "QGemm": _gemm,
        "FusedGemm": _gemm,
        "FusedMatMul": _matmul,
        "FusedMatMulActivation": _matmul,
        "TransposeMatMul": _matmul,
        "DynamicQuantizeMatMul": _matmul,
        "MatMulIntegerToFloat": _matmul,
        "MatMulNBits": _packed,
        "MatMulBnb4": _packed,
        "FusedConv": _windowed,
        "QLinearAveragePool": _windowed,
    }
    if name in rules:
        return rules[name](given, attributes)
    return given[0] if operator in ELEMENTWISE | FIRST else None


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an element-wise result."""
    rank = max(len(shape) for shape in shapes)
    filled = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*filled, strict=True))


def _broadcast_all(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    return broadcast(*shapes)


def _concat(known: Sequence[Shape], attributes: Attributes) -> Shape:
    axis = int(attributes["axis"])
    axis %= len(known[0])
    return tuple(
        sum(shape[axis] for shape in known) if position == axis else size
        for position, size in enumerate(known[0])
    )


def _global_pool(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    (shape,) = shapes
    if attributes.get("channels_last", 0):
        return (shape[0], *(1 for _ in shape[2:]), shape[-1])
    return (*shape[:2], *(1 for _ in shape[2:]))


def _reduced(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    (shape,) = shapes
    axes = {axis % len(shape) for axis in attributes.get("axes", range(len(shape)))}
    kept = bool(attributes.get("keepdims", 1))
    return tuple(
        1 if axis in axes else size for axis, size in enumerate(shape) if kept or axis not in axes
    )


def _gemm(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    one, other = shapes
    rows = one[1] if attributes.get("transA", 0) else one[0]
    return rows, other[0] if attributes.get("transB", 0) else other[1]


def _matmul(shapes: Sequence[Shape], attributes: Attributes) -> Shape | None:
    one, other = shapes
    if len(one) < 2 or len(other) < 2:
        return None
    if attributes.get("transBatchA", 0) or attributes.get("transBatchB", 0):
        return None
    rows = one[-1] if attributes.get("transA", 0) else one[-2]
    columns = other[-2] if attributes.get("transB", 0) else other[-1]
    return (*broadcast(one[:-2], other[:-2]), rows, columns)


def _packed(shapes: Sequence[Shape], attributes: Attributes) -> Shape:
    return (*shapes[0][:-1], int(attributes["N"]))


def _windowed(shapes: Sequence[Shape], attributes: Attributes) -> Shape | None:
    """Of a convolution, or of a pooling where there are no weights."""
    image, weights = (*shapes, None)[:2]
    assert image is not None
    if attributes.get("channels_last", 0):
        return None
    rank = len(image) - 2
    kernel = weights[2:] if weights is not None else tuple(attributes["kernel_shape"])
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    rounding = math.ceil if attributes.get("ceil_mode", 0) else math.floor
    automatic = attributes.get("auto_pad", b"NOTSET")
    sizes = []
    for axis in range(rank):
        if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
            sizes.append(-(-image[2 + axis] // strides[axis]))
            continue
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        padding = 0 if automatic == b"VALID" else pads[axis] + pads[rank + axis]
        room = image[2 + axis] + padding - reach
        sizes.append(rounding(room / strides[axis]) + 1)
    return (image[0], weights[0] if weights is not None else image[1], *sizes)
