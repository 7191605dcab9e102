"""Quantised networks, in the ways that exporters write them."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_graphs import model

from onnx_corpus.entry import Entry

SCALE = {"s": np.array(0.5, np.float32)}
ZERO = {"z": np.zeros((), np.int8), "u": np.zeros((), np.uint8)}


def quantise_dequantise() -> ModelProto:
    """Weights and activations through QuantizeLinear and DequantizeLinear, scales per channel."""
    lines = """
        xq = QuantizeLinear (x, s, u)
        xd = DequantizeLinear (xq, s, u)
        wd = DequantizeLinear <axis=0> (w, ws, wz)
        a: h = Conv (xd, wd)
        r = Relu (h)
        hq = QuantizeLinear (r, s, u)
        hd = DequantizeLinear (hq, s, u)
        vd = DequantizeLinear (v, s)
        b: y = Conv (hd, vd)
    """
    weights = {
        "w": np.ones((4, 3, 3, 3), np.int8),
        "v": np.ones((2, 4, 1, 1), np.int8),
        "ws": np.full(4, 0.25, np.float32),
        "wz": np.zeros(4, np.int8),
    }
    return model(lines, {"x": (1, 3, 6, 6)}, {**SCALE, **ZERO, **weights})


def integer_operators() -> ModelProto:
    """QLinearConv and QLinearMatMul."""
    lines = """
        xq = QuantizeLinear (x, s, u)
        a: h = QLinearConv (xq, s, u, w, s, z, s, u)
        f = Flatten (h)
        b: g = QLinearMatMul (f, s, u, v, s, z, s, u)
        y = DequantizeLinear (g, s, u)
    """
    weights = {"w": np.ones((2, 3, 1, 1), np.int8), "v": np.ones((8, 5), np.int8)}
    return model(lines, {"x": (1, 3, 2, 2)}, {**SCALE, **ZERO, **weights})


def dynamic() -> ModelProto:
    """Activations quantised by the range they turn out to have."""
    lines = """
        xq, xs, xz = DynamicQuantizeLinear (x)
        a: h = MatMulInteger (xq, w, xz, z)
        f = Cast <to=1> (h)
        t = Mul (xs, s)
        y = Mul (f, t)
    """
    return model(lines, {"x": (3, 8)}, {**SCALE, **ZERO, "w": np.ones((8, 4), np.int8)})


ENTRIES = (
    Entry(
        *("quantise-dequantise", quantise_dequantise, 16 * 4 * 27 + 16 * 2 * 4, 4 * 27 + 8),
        pins={"weight:a": 8, "weight:b": 8, "tensor:x": 8, "tensor:h": 8},
        layers=2,
        solved=True,
    ),
    Entry(
        *("integer operators", integer_operators, 4 * 2 * 3 + 8 * 5, 2 * 3 + 8 * 5),
        pins={"weight:a": 8, "weight:b": 8, "tensor:x": 8, "tensor:h": 8},
        layers=2,
    ),
    Entry(
        *("dynamic quantisation", dynamic, 3 * 8 * 4, 8 * 4),
        pins={"weight:a": 8, "tensor:x": 8},
        layers=1,
    ),
)
