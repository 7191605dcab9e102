"""Operators of ``com.microsoft``, and those that ONNX Runtime takes before ONNX has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper
from onnx_graphs import model

from onnx_corpus.entry import Entry

MS = "com.microsoft"
INT32, UINT8 = TensorProto.INT32, TensorProto.UINT8


def contributed(
    line: str,
    inputs: dict[str, Any],
    constants: dict[str, Any],
    outputs: Sequence[str] = ("y",),
    **how: Any,
) -> ModelProto:
    """A model of opset 14, the names of its operators after a dot in that domain."""
    return model(
        line.replace(" .", f" {MS}."), inputs, constants, outputs, domains=(MS,), opset=14, **how
    )


def whole(value: float, kind: type = np.float32) -> np.ndarray[Any, Any]:
    """A constant without axes."""
    return np.array(value, kind)


def stored(array: np.ndarray[Any, Any], name: str) -> TensorProto:
    """A constant of these values."""
    return numpy_helper.from_array(array, name)


def projecting() -> ModelProto:
    """4 heads over 6 tokens of 12 features; values of another size than keys."""
    line = "a: y = .Attention <num_heads=4, qkv_hidden_sizes=[16,16,8]> (x, w, b)"
    return contributed(line, {"x": (2, 6, 12)}, {"w": (12, 40), "b": (40,)})


def projecting_past() -> ModelProto:
    """The same of 6 new tokens after 3 earlier ones, with a mask of all 9."""
    line = "a: y, kv = .Attention <num_heads=4, unidirectional=1> (x, w, b, m, p)"
    inputs = {"x": (2, 6, 16), "m": (2, 9), "p": (2, 2, 4, 3, 4)}
    constants = {"w": (16, 48), "b": (48,)}
    return contributed(line, inputs, constants, ("y", "kv"), kinds={"m": INT32})


def projecting_integers() -> ModelProto:
    """The same of integers, with their scales and zero points."""
    line = "a: y = .QAttention <num_heads=4> (x, w, b, s, s, , z, q)"
    constants = {"w": np.ones((16, 48), np.int8), "b": (48,), "s": whole(0.1)}
    constants |= {"z": whole(3, np.uint8), "q": whole(0, np.int8)}
    return contributed(line, {"x": (2, 6, 16)}, constants, kinds={"x": UINT8})


def across() -> ModelProto:
    """Queries of a decoder to the keys of an encoder, which stand in heads."""
    line = "a: y = .MultiHeadAttention <num_heads=4> (q, k, v)"
    return contributed(line, {"q": (2, 6, 16), "k": (2, 4, 9, 4), "v": (2, 4, 9, 4)}, {})


def packed_heads() -> ModelProto:
    """Queries, keys and values of 5 tokens, side by side in each of 4 heads."""
    line = "p: h = MatMul (x, w)\nr = Reshape (h, s)\n"
    line += "a: y = .MultiHeadAttention <num_heads=4> (r)"
    shape = np.array([2, 5, 4, 3, 8])
    return contributed(line, {"x": (2, 5, 16)}, {"w": (16, 96), "s": shape})


def grouped_queries() -> ModelProto:
    """8 heads over 6 tokens, read with the keys and values of 2: one product makes all three."""
    line = "p: h = MatMul (x, u)\n"
    line += "a: a0 = .GroupQueryAttention <num_heads=8, kv_num_heads=2> (h, , , , , n, t)\n"
    line += "o: y = MatMul (a0, v)"
    constants = {"u": (16, 96), "v": (64, 4), "t": whole(6, np.int32)}
    return contributed(line, {"x": (2, 6, 16), "n": (2,)}, constants, kinds={"n": INT32})


def cached_queries(tokens: int, held: int) -> ModelProto:
    """New tokens behind a cache that has so many rows: those of earlier ones, or a buffer."""
    line = "a: y, nk, nv = .GroupQueryAttention <num_heads=8, kv_num_heads=2> "
    line += "(q, k, v, pk, pv, n, t)"
    inputs = {"q": (1, tokens, 64), "k": (1, tokens, 16), "v": (1, tokens, 16), "n": (1,)}
    inputs |= {"pk": (1, 2, held, 8), "pv": (1, 2, held, 8)}
    constants = {"t": whole(6, np.int32)}
    return contributed(line, inputs, constants, ("y", "nk", "nv"), kinds={"n": INT32})


def four_bits() -> ModelProto:
    """Weights of 4 bits, in 3 blocks along 40 rows of which the last is not full."""
    line = "a: y = .MatMulNBits <K=40, N=6, bits=4, block_size=16> (x, w, s)"
    constants = {"w": np.full((6, 3, 8), 0x2C, np.uint8), "s": (6, 3)}
    return contributed(line, {"x": (2, 5, 40)}, constants)


def dynamic() -> ModelProto:
    """Weights of 8 bits, a scale for each column, data quantised on the way."""
    line = "a: y = .DynamicQuantizeMatMul (x, w, s, z, b)"
    constants = {"w": np.ones((8, 4), np.uint8), "s": (4,), "z": np.ones(4, np.uint8), "b": (4,)}
    return contributed(line, {"x": (2, 5, 8)}, constants)


def to_float() -> ModelProto:
    """A product of integers, scaled."""
    line = "a: y = .MatMulIntegerToFloat (x, w, s, s)"
    constants = {"w": np.ones((8, 4), np.uint8), "s": whole(0.1)}
    return contributed(line, {"x": (2, 5, 8)}, constants, kinds={"x": UINT8})


def fused() -> ModelProto:
    """A Gemm and convolutions with what follows them; one padded as TensorFlow does."""
    line = """
        c: h = .FusedConv <activation="Relu", auto_pad="SAME_UPPER", strides=[2,2]> (x, w, b)
        d: g = .FusedConv <activation="Relu", pads=[1,1,1,1]> (h, v, b, h)
        f = Flatten (g)
        e: y = .FusedGemm <transB=1, activation="Relu"> (f, u, t)
    """
    constants = {"w": (4, 3, 3, 3), "b": (4,), "v": (4, 4, 3, 3), "u": (5, 36), "t": (5,)}
    return contributed(line, {"x": (1, 3, 5, 6)}, constants)


def residual_stream() -> ModelProto:
    """Sums that one normalisation makes and the next one adds to."""
    line = """
        a: h = MatMul (x, w)
        n: z, , , s = .SkipLayerNormalization (h, x, g, g, g)
        b: u = MatMul (z, v)
        m: y, , , t = .SkipSimplifiedLayerNormalization (u, s, g)
    """
    constants = {"w": (16, 16), "v": (16, 16), "g": (16,)}
    return contributed(line, {"x": (2, 6, 16)}, constants, ("y", "t"))


def embedding() -> ModelProto:
    """Rows of words, places and segments, and a product."""
    line = "e: x, m = .EmbedLayerNormalization (i, j, w, p, t, g, g)\na: y = MatMul (x, u)"
    constants = {"w": (30, 8), "p": (10, 8), "t": (2, 8), "g": (8,), "u": (8, 5)}
    return contributed(line, {"i": (2, 6), "j": (2, 6)}, constants, kinds={"i": INT32, "j": INT32})


def packed_rows() -> ModelProto:
    """Rows of a table of 4 bits, two in a byte."""
    line = "e: h = .GatherBlockQuantized <bits=4, block_size=16, quantize_axis=1> (t, i, s)\n"
    line += "a: y = MatMul (h, w)"
    constants = {"t": np.ones((10, 16), np.uint8), "s": (10, 2), "w": (32, 5)}
    return contributed(line, {"i": (2, 3)}, constants, kinds={"i": INT32})


def channels_last() -> ModelProto:
    """A quantised convolution whose channels come last."""
    line = "c: y = .QLinearConv <pads=[1,1,1,1], channels_last=1> (x, s, o, w, s, p, s, o)"
    constants = {"w": np.ones((4, 8, 3, 3), np.int8), "s": whole(0.1)}
    constants |= {"o": whole(0, np.uint8), "p": whole(0, np.int8)}
    return contributed(line, {"x": (1, 5, 6, 8)}, constants, kinds={"x": UINT8, "y": UINT8})


def channels_last_pooled() -> ModelProto:
    """Convolutions, one with a sum, whose channels come last."""
    line = """
        c: h = .NhwcConv <pads=[1,1,1,1]> (x, w)
        y = .NhwcFusedConv <kernel_shape=[1,1]> (h, v, b, x)
    """
    constants = {"w": (4, 8, 3, 3), "v": (8, 4, 1, 1), "b": (8,)}
    return contributed(line, {"x": (1, 5, 6, 8)}, constants)


def rows_first() -> ModelProto:
    """A product of batches where the rows stand before the batches."""
    line = "a: y = .FusedMatMul <transBatchA=1, transB=1> (x, z)"
    return contributed(line, {"x": (5, 2, 3, 7), "z": (2, 3, 4, 7)}, {})


def early(operator: str, further: str = "") -> ModelProto:
    """A normalisation that ONNX does not have in this version."""
    made = model(
        "a: h = MatMul (x, w)\nn: y = Mul (h, g)",
        {"x": (2, 6, 16)},
        {"w": (16, 8), "g": (8,)},
        opset=12,
    )
    made.graph.node[1].op_type = operator
    made.graph.node[1].output.extend(further.split())
    return made


PRODUCTS = 2 * 4 * 6 * 6 * (4 + 2)
ENTRIES = (
    Entry(
        name="projecting attention",
        build=projecting,
        macs=2 * 6 * 12 * 40 + PRODUCTS,
        weights=12 * 40,
        legal=False,
    ),
    Entry(
        name="projecting attention with past",
        build=projecting_past,
        macs=2 * 6 * 16 * 48 + 2 * (2 * 4 * 6 * 9 * 4),
        weights=16 * 48,
        layers=5,
        legal=False,
    ),
    Entry(
        name="projecting attention of integers",
        build=projecting_integers,
        macs=2 * 6 * 16 * 48 + 2 * (2 * 4 * 6 * 6 * 4),
        weights=16 * 48,
        pins={"weight:a.qkv": 8, "tensor:x": 8},
        legal=False,
    ),
    Entry(name="cross attention", build=across, macs=2 * 2 * 6 * 9 * 16, weights=0, legal=False),
    Entry(
        name="attention packed in heads",
        build=packed_heads,
        macs=2 * 5 * 16 * 96 + 2 * (2 * 4 * 5 * 5 * 8),
        weights=16 * 96,
        layers=3,
        legal=False,
        runs=False,  # not on a CPU
    ),
    Entry(
        name="grouped queries",
        build=grouped_queries,
        macs=2 * 6 * 16 * 96 + 2 * (2 * 8 * 6 * 6 * 8) + 2 * 6 * 64 * 4,
        weights=16 * 96 + 64 * 4,
        layers=4,
        feeds={"n": np.array([5, 5], np.int32)},
        legal=False,
        solved=True,
    ),
    *(
        Entry(
            name=f"grouped queries with {name}",
            build=partial(cached_queries, 1, held),
            macs=2 * (8 * 6 * 8),
            weights=0,
            feeds={"n": np.array([5], np.int32)},
            legal=False,
            solved=name == "past",
        )
        for name, held in (("past", 5), ("buffer", 12))
    ),
    Entry(
        name="grouped queries of a prompt in a buffer",
        build=partial(cached_queries, 6, 12),
        macs=2 * (8 * 6 * 6 * 8),
        weights=0,
        layers=4,
        feeds={"n": np.array([5], np.int32)},
        legal=False,
    ),
    Entry(
        name="weights of 4 bits",
        build=four_bits,
        macs=2 * 5 * 40 * 6,
        weights=40 * 6,
        pins={"weight:a": 4},
        legal=False,
    ),
    Entry(
        name="data quantised on the way",
        build=dynamic,
        macs=2 * 5 * 8 * 4,
        weights=8 * 4,
        pins={"weight:a": 8},
        legal=False,
    ),
    Entry(
        name="product of integers, scaled",
        build=to_float,
        macs=2 * 5 * 8 * 4,
        weights=8 * 4,
        pins={"weight:a": 8, "tensor:x": 8},
        legal=False,
    ),
    Entry(
        name="fused",
        build=fused,
        macs=3 * 3 * (27 * 4 + 36 * 4) + 36 * 5,
        weights=27 * 4 + 36 * 4 + 36 * 5,
        layers=3,
        legal=False,
    ),
    Entry(
        name="residual stream",
        build=residual_stream,
        macs=2 * 2 * 6 * 16 * 16,
        weights=2 * 16 * 16,
        layers=2,
        legal=False,
    ),
    Entry(
        name="embedding of three tables",
        build=embedding,
        macs=2 * 6 * 8 * 5,
        weights=8 * 5,
        layers=3,
        legal=False,
    ),
    Entry(
        name="rows of 4 bits",
        build=packed_rows,
        macs=2 * 3 * 32 * 5,
        weights=32 * 5,
        layers=2,
        legal=False,
    ),
    Entry(
        name="channels last",
        build=channels_last,
        macs=5 * 6 * 72 * 4,
        weights=72 * 4,
        layers=1,
        legal=False,
    ),
    Entry(
        name="channels last, with a sum",
        build=channels_last_pooled,
        macs=5 * 6 * (72 * 4 + 4 * 8),
        weights=72 * 4 + 4 * 8,
        layers=2,
        legal=False,
        runs=False,  # not on a CPU
    ),
    Entry(name="rows before batches", build=rows_first, macs=6 * 5 * 7 * 4, weights=0, legal=False),
    *(
        Entry(
            name=name,
            build=lambda name=name, further=further: early(name, further),
            macs=2 * 6 * 16 * 8,
            weights=16 * 8,
            layers=1,
            legal=False,
        )
        for name, further in (("LayerNormalization", ""), ("SimplifiedLayerNormalization", "s"))
    ),
)
