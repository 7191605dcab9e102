"""Operators as most files have them."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_graphs import integers, model

from onnx_corpus.entry import Entry


def convolution() -> ModelProto:
    """3 × 3 by stride 2 over 9 × 7, rounded down with padding 1 at the top and left alone."""
    line = "a: y = Conv <strides=[2,2], pads=[1,1,0,0]> (x, w)"
    return model(line, {"x": (2, 3, 9, 7)}, {"w": (5, 3, 3, 3)})


def depthwise() -> ModelProto:
    """A depthwise and a pointwise convolution, with what exporters put between them."""
    lines = """
        a: h = Conv <group=6, pads=[1,1,1,1]> (x, w)
        r = Clip (h, zero, six)
        b: g = Conv (r, v)
        y = Add (g, x)
    """
    constants = {"w": (6, 1, 3, 3), "v": (6, 6, 1, 1)}
    bounds = {name: np.array(value, np.float32) for name, value in (("zero", 0), ("six", 6))}
    return model(lines, {"x": (1, 6, 8, 8)}, {**constants, **bounds})


def transposed() -> ModelProto:
    """An image twice as large; each result is a sum over the zero-inserted image."""
    return model(
        "a: y = ConvTranspose <strides=[2,2]> (x, w)", {"x": (1, 4, 5, 5)}, {"w": (4, 3, 2, 2)}
    )


def one_dimensional() -> ModelProto:
    """A dilated convolution over samples."""
    return model("a: y = Conv <dilations=[3]> (x, w)", {"x": (1, 2, 20)}, {"w": (4, 2, 3)})


def perceptron() -> ModelProto:
    """Rows of a batch of any size, through two layers of which one is stored transposed."""
    lines = "a: h = Gemm <transB=1> (x, w, c)\nr = Relu (h)\nb: y = MatMul (r, v)"
    made = model(lines, {"x": (1, 12)}, {"w": (20, 12), "c": (20,), "v": (20, 4)})
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    return made


def attention() -> ModelProto:
    """Two heads over 6 tokens of 8 features, spelt out, and the projection of their result."""
    lines = """
        q: q0 = MatMul (x, wq)
        k: k0 = MatMul (x, wk)
        v: v0 = MatMul (x, wv)
        q1 = Reshape (q0, heads)
        k1 = Reshape (k0, heads)
        v1 = Reshape (v0, heads)
        q2 = Transpose <perm=[0,2,1,3]> (q1)
        k2 = Transpose <perm=[0,2,3,1]> (k1)
        v2 = Transpose <perm=[0,2,1,3]> (v1)
        qk: s0 = MatMul (q2, k2)
        s1 = Div (s0, two)
        s2 = Softmax <axis=-1> (s1)
        av: o0 = MatMul (s2, v2)
        o1 = Transpose <perm=[0,2,1,3]> (o0)
        o2 = Reshape (o1, rows)
        o: o3 = MatMul (o2, wo)
        y = Add (o3, x)
    """
    weights = dict.fromkeys(("wq", "wk", "wv", "wo"), (8, 8))
    shapes = {"heads": integers(1, 6, 2, 4), "rows": integers(1, 6, 8)}
    return model(lines, {"x": (1, 6, 8)}, {**weights, **shapes, "two": np.array(2, np.float32)})


ENTRIES = (
    Entry("convolution", convolution, 2 * 5 * 3 * 9 * (4 * 3), 5 * 3 * 9, layers=1),
    Entry("depthwise", depthwise, 64 * (6 * 9 + 6 * 6), 6 * 9 + 6 * 6, layers=2, solved=True),
    Entry("transposed", transposed, 10 * 10 * 3 * 4 * 4, 4 * 3 * 4, layers=1),
    Entry("one-dimensional", one_dimensional, 14 * 4 * 2 * 3, 4 * 2 * 3, layers=1),
    Entry(
        *("perceptron", perceptron, 7 * (12 * 20 + 20 * 4), 12 * 20 + 20 * 4),
        how={"dims": {"rows": 7}},
        layers=2,
    ),
    Entry(
        *("attention", attention, 4 * 6 * 8 * 8 + 2 * 2 * (6 * 6 * 4), 4 * 8 * 8),
        layers=6,
        solved=True,
    ),
)
