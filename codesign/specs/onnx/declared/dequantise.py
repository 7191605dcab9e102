"""Constants turned into real numbers, as ONNX's and ONNX Runtime's operators store them.

A code ``q`` stands for ``(q − zero point) · scale``; both may be one number, one for each position
along an axis, or one for each block of positions along it. Sources: the descriptions of
QuantizeLinear and DequantizeLinear in ONNX, versions 10 to 25, and of the operators of
``com.microsoft`` in ONNX Runtime's ``docs/ContribOperators.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from codesign.errors import SpecError
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.operators import MS, PACKED

Array = npt.NDArray[Any]
Constant = Callable[[str], Array]

QUANTISE = ("QuantizeLinear", MS + "QuantizeLinear")
DEQUANTISE = ("DequantizeLinear", MS + "DequantizeLinear")
# For the position of an operand: those of its scale (−1: none) and zero point, and the axis along
# which they may vary.
OPERANDS: dict[str, dict[int, tuple[int, int, int]]] = {
    "QLinearConv": {0: (1, 2, 0), 3: (4, 5, 0)},
    "QLinearMatMul": {0: (1, 2, -2), 3: (4, 5, -1)},
    "ConvInteger": {0: (-1, 2, 0), 1: (-1, 3, 0)},
    "MatMulInteger": {0: (-1, 2, -2), 1: (-1, 3, -1)},
    MS + "QGemm": {0: (1, 2, -2), 3: (4, 5, -1)},
    MS + "MatMulIntegerToFloat": {0: (2, 4, -2), 1: (3, 5, -1)},
    MS + "DynamicQuantizeMatMul": {1: (2, 3, -1)},
}
# The real numbers that 4 bits stand for in MatMulBnb4, by its ``quant_type``: FP4 of bitsandbytes,
# and NF4 (Dettmers et al. 2023, "QLoRA", appendix E).
FP4 = (0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4)
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941),
    *(0.7229568362236023, 1.0),
)
CODEBOOKS = ((*FP4, *(-value for value in FP4)), NF4)
MOST_STEPS = 4  # from an integer product to its scale


def dequantised(
    codes: Array, scale: Array, zero: Array | None, axis: int = 1, block: int = 0
) -> Array:
    """The numbers that codes stand for.

    Parameters
    ----------
    codes : array
    scale, zero : array or None
        One number; or a row of them, for each position of ``codes`` along the axis; or, with a
        block, as ``codes`` with one in place of each block of positions along the axis.
    axis, block : int
        Positions of a block; 0 for none.
    """
    real = codes.astype(np.float64)
    if zero is not None:
        real = real - _spread(zero.astype(np.float64), real.shape, axis, block)
    found: Array = real * _spread(scale.astype(np.float64), real.shape, axis, block)
    return found


def _spread(given: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Parameters of a quantisation in a shape that goes with the codes."""
    if block and given.ndim == len(shape):
        axis %= len(shape)
        kept = (slice(None),) * axis + (slice(shape[axis]),)
        return np.repeat(given, block, axis)[kept]
    if given.size == 1:
        return given.reshape(())
    if given.ndim == 1 and shape:
        along = [1] * len(shape)
        along[axis % len(shape)] = -1
        return given.reshape(along)
    return given


def linear(graph: Graph, node: Node, constant: Constant) -> Array:
    """What a QuantizeLinear or DequantizeLinear of constants computes."""
    array, scale = constant(node.input(0)), constant(node.input(1))
    zero = constant(node.input(2)) if node.input(2) else None
    axis, block = (int(node.attributes.get(x, d)) for x, d in (("axis", 1), ("block_size", 0)))
    if node.operator in DEQUANTISE:
        return dequantised(array, scale, zero, axis, block).astype(scale.dtype)
    steps = array.astype(np.float32) / _spread(scale.astype(np.float32), array.shape, axis, block)
    if node.outputs[0] not in graph.integers:  # floating point of few bits
        return steps if zero is None else steps.astype(zero.dtype)
    least, most = graph.integers[node.outputs[0]]
    codes = np.rint(steps)
    if zero is not None:
        codes = codes + _spread(zero.astype(np.float32), array.shape, axis, block)
    kind = np.min_scalar_type(least or most) if zero is None else zero.dtype
    return np.clip(codes, least, most).astype(kind)


def operand(graph: Graph, node: Node, position: int, constant: Constant) -> Array:
    """A constant operand of a product as real numbers, whatever the product itself reads.

    An integer product has no scale of its own: it is found behind it, where what is multiplied
    becomes a real number again, and taken to be 1 where it is not.
    """
    array = constant(node.input(position))
    if node.operator == MS + "MatMulBnb4":
        return _looked_up(node, array, constant(node.input(2)))
    if node.operator in PACKED:
        return _unpacked(node, array, constant)
    roles = OPERANDS.get(node.operator, {}).get(position)
    if roles is None:
        return array.astype(np.float64)
    scale_at, zero_at, axis = roles
    if node.operator == MS + "QGemm" and node.attributes.get("transB" if position else "transA", 0):
        axis = -3 - axis
    zero = constant(node.input(zero_at)) if node.input(zero_at) else None
    if scale_at >= 0:
        scale = constant(node.input(scale_at))
    else:
        along = array.shape[axis]
        scale = _scale_behind(graph, node, along, constant)
    return dequantised(array, scale, zero, axis)


def _scale_behind(graph: Graph, node: Node, channels: int, constant: Constant) -> Array:
    """The constant factor an integer product is multiplied by: one number, or one a channel."""
    value = node.outputs[0]
    for _ in range(MOST_STEPS):
        readers = graph.readers.get(value, ())
        if len(readers) != 1 or readers[0].operator not in ("Cast", "Mul"):
            break
        (reader,) = readers
        if reader.operator == "Mul":
            other = reader.inputs[1 - reader.inputs.index(value)]
            for name in (other, *_factors(graph, other)):
                if _is_fixed(graph, name) and graph.size(name) in (1, channels):
                    return constant(name).reshape(-1)
        value = reader.outputs[0]
    return np.ones(1)


def _factors(graph: Graph, value: str) -> tuple[str, ...]:
    """What a constant is the product of."""
    node = graph.sources.get(value)
    return node.inputs if node is not None and node.operator == "Mul" else ()


def _is_fixed(graph: Graph, value: str) -> bool:
    """Whether a value is the same for all inputs, which scales found on the way are not."""
    if value in graph.writers or value not in graph.constants:
        return False
    node = graph.sources.get(value)
    return node is None or all(_is_fixed(graph, name) for name in node.inputs if name)


def _unpacked(node: Node, packed: Array, constant: Constant) -> Array:
    """Weights of a MatMulNBits, outputs first: ``N × K``; codes lie from the lowest bit on."""
    if node.attributes.get("weight_prepacked", 0):
        raise SpecError("weights in the order of one processor (weight_prepacked)")
    outputs, inputs, size = (int(node.attributes[name]) for name in ("N", "K", "block_size"))
    bits, blocks = int(node.attributes.get("bits", 4)), -(-inputs // size)
    codes = _codes(packed.reshape(outputs, -1), bits).reshape(outputs, blocks, -1)[..., :size]
    scale = constant(node.input(2)).reshape(outputs, blocks, 1).astype(np.float64)
    zero = np.full((outputs, blocks, 1), 2.0 ** (bits - 1))
    if node.input(3):
        given = constant(node.input(3)).reshape(outputs, -1)
        zeros = _codes(given, bits) if given.dtype == np.uint8 else given.astype(np.float64)
        zero = zeros[:, :blocks, None].astype(np.float64)
    if node.input(4):  # the block of each input, where they were sorted
        block = constant(node.input(4)).reshape(-1)[:inputs].astype(np.int64)
        flat = codes.reshape(outputs, -1)[:, :inputs]
        found: Array = (flat - zero[:, block, 0]) * scale[:, block, 0]
        return found
    whole: Array = ((codes - zero) * scale).reshape(outputs, -1)
    return whole[:, :inputs]


def _looked_up(node: Node, packed: Array, scale: Array) -> Array:
    """Weights of a MatMulBnb4, ``N × K``: places in a codebook, the first in the higher bits."""
    outputs, inputs, size = (int(node.attributes[name]) for name in ("N", "K", "block_size"))
    codes = np.stack([packed.reshape(-1) >> 4, packed.reshape(-1) & 15], axis=1).reshape(-1)
    values = np.array(CODEBOOKS[int(node.attributes["quant_type"])])[codes[: outputs * inputs]]
    found: Array = values * np.repeat(scale.astype(np.float64), size)[: values.size]
    return found.reshape(outputs, inputs)


def _codes(rows: Array, bits: int) -> Array:
    """The codes packed in rows of bytes."""
    each = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")
    whole = each[:, : each.shape[1] // bits * bits].reshape(len(rows), -1, bits)
    return whole @ (1 << np.arange(bits))
