"""Widths below 8 bit: clipped codes, types of 4 and 2 bits, and the quantisers of QONNX."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx_graphs import model

from onnx_corpus.entry import Entry

SCALE = {"s": np.array(0.5, np.float32)}
QONNX = "qonnx.custom_op.general"


def codes(**given: int) -> dict[str, np.ndarray]:
    """Constants of one signed byte each."""
    return {name: np.array(value, np.int8) for name, value in given.items()}


def clipped_codes() -> ModelProto:
    """As Brevitas writes QCDQ: weights of −7 … 7, activations of 0 … 15."""
    lines = """
        xq = QuantizeLinear (x, s, z)
        xd = DequantizeLinear (xq, s, z)
        wc = Clip (w, n7, p7)
        wd = DequantizeLinear (wc, s, z)
        a: h = Conv (xd, wd)
        r = Relu (h)
        hq = QuantizeLinear (r, s, u)
        hc = Clip (hq, u, u15)
        hd = DequantizeLinear (hc, s, u)
        b: y = Conv (hd, v)
    """
    unsigned = {"u": np.array(0, np.uint8), "u15": np.array(15, np.uint8)}
    weights = {"w": np.full((4, 3, 3, 3), 5, np.int8), "v": (2, 4, 1, 1)}
    constants = {**SCALE, **codes(z=0, n7=-7, p7=7), **unsigned, **weights}
    return model(lines, {"x": (1, 3, 6, 6)}, constants, opset=13)


def four_and_two_bits() -> ModelProto:
    """Weights stored in types of 4 and of 2 bits, the first in blocks of 4 with a scale each."""
    lines = """
        wd = DequantizeLinear <axis=0, block_size=4> (w, ws)
        a: h = MatMul (x, wd)
        vd = DequantizeLinear (v, s)
        b: y = MatMul (h, vd)
    """
    scales = np.full((2, 5), 0.5, np.float32)
    made = model(lines, {"x": (3, 8)}, {**SCALE, "ws": scales, "w": (8, 5), "v": (5, 4)}, opset=25)
    made.ir_version = 13
    for tensor in made.graph.initializer:
        if tensor.name in "wv":
            kind = TensorProto.INT4 if tensor.name == "w" else TensorProto.UINT2
            ones = [1] * int(np.prod(tensor.dims))
            tensor.CopyFrom(helper.make_tensor(tensor.name, kind, tensor.dims, ones))
    return made


def quantisers() -> ModelProto:
    """As Brevitas writes QONNX: everything in floating point, each width an input of a node."""
    lines = f"""
        xq = {QONNX}.Quant <signed=1, narrow=0, rounding_mode="ROUND"> (x, s, z, b8)
        wq = {QONNX}.IntQuant <signed=1, narrow=1, rounding_mode="ROUND"> (w, s, z, b3)
        a: h = Conv (xq, wq)
        hq = {QONNX}.BipolarQuant (h, s)
        vq = {QONNX}.BipolarQuant (v, s)
        b: g = Conv (hq, vq)
        gq = {QONNX}.Quant <signed=0, narrow=0, rounding_mode="ROUND"> (g, s, z, b8)
        p = AveragePool <kernel_shape=[2,2], strides=[2,2]> (gq)
        t = {QONNX}.Trunc <rounding_mode="FLOOR", signed=0, narrow=0> (p, s, z, b8, s, b5)
        c: y = Conv (t, u)
    """
    widths = {f"b{bits}": np.array(bits, np.float32) for bits in (3, 5, 8)}
    weights = {"w": (4, 3, 3, 3), "v": (2, 4, 1, 1), "u": (3, 2, 1, 1)}
    zero = {"z": np.array(0, np.float32)}
    made = model(
        lines, {"x": (1, 3, 6, 6)}, {**SCALE, **zero, **widths, **weights}, domains=[QONNX]
    )
    made.opset_import[1].version = 2
    return made


ENTRIES = (
    Entry(
        *("clipped codes", clipped_codes, 16 * 4 * 27 + 16 * 2 * 4, 4 * 27 + 2 * 4),
        pins={"weight:a": 4, "tensor:x": 8, "tensor:h": 4},
        layers=2,
    ),
    Entry(
        *("types of 4 and 2 bits", four_and_two_bits, 3 * (8 * 5 + 5 * 4), 8 * 5 + 5 * 4),
        pins={"weight:a": 4, "weight:b": 2},
        layers=2,
        runs=False,  # ONNX Runtime has no kernels for 2 bits in this place
    ),
    Entry(
        *("quantisers of QONNX", quantisers, 16 * 4 * 27 + 16 * 2 * 4 + 4 * 3 * 2, 108 + 8 + 6),
        pins={"weight:a": 3, "weight:b": 1, "tensor:x": 8, "tensor:h": 1, "tensor:p": 5},
        layers=3,
        legal=False,
        runs=False,
        solved=True,
    ),
)
