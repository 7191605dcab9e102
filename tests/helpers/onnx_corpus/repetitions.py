"""Data that are repeated: by operators of their own, before products and additions."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_graphs import integers, model

from onnx_corpus.entry import Entry


def shared_heads() -> ModelProto:
    """Four heads of queries share the keys and values of two: repeated as exporters write it."""
    lines = """
        q: q0 = MatMul (x, wq)
        k: k0 = MatMul (x, wk)
        v: v0 = MatMul (x, wv)
        q1 = Reshape (q0, queries)
        k1 = Reshape (k0, keys)
        v1 = Reshape (v0, keys)
        q2 = Transpose <perm=[0,2,1,3]> (q1)
        k2 = Transpose <perm=[0,2,1,3]> (k1)
        v2 = Transpose <perm=[0,2,1,3]> (v1)
        k3 = Unsqueeze (k2, two)
        v3 = Unsqueeze (v2, two)
        k4 = Expand (k3, twice)
        v4 = Expand (v3, twice)
        k5 = Reshape (k4, heads)
        v5 = Reshape (v4, heads)
        k6 = Transpose <perm=[0,1,3,2]> (k5)
        qk: s0 = MatMul (q2, k6)
        s1 = Softmax (s0)
        av: o0 = MatMul (s1, v5)
        o1 = Transpose <perm=[0,2,1,3]> (o0)
        o2 = Reshape (o1, rows)
        o: y = MatMul (o2, wo)
    """
    weights = {"wq": (8, 16), "wk": (8, 8), "wv": (8, 8), "wo": (16, 8)}
    shapes = {
        "queries": integers(1, 6, 4, 4),
        "keys": integers(1, 6, 2, 4),
        "two": integers(2),
        "twice": integers(1, 2, 2, 6, 4),
        "heads": integers(1, 4, 6, 4),
        "rows": integers(1, 6, 16),
    }
    return model(lines, {"x": (1, 6, 8)}, {**weights, **shapes})


def pyramid() -> ModelProto:
    """A coarse map enlarged to its nearest neighbours, added to a finer one."""
    lines = """
        a: h = Conv <strides=[2,2]> (x, w)
        l: f = Conv (x, u)
        e = Resize (h, , twice)
        s = Add (f, e)
        b: y = Conv (s, v)
    """
    constants = {"w": (4, 3, 2, 2), "u": (4, 3, 1, 1), "v": (2, 4, 1, 1)}
    return model(
        lines, {"x": (1, 3, 8, 8)}, {**constants, "twice": np.array([1, 1, 2, 2], np.float32)}
    )


def tiled() -> ModelProto:
    """One template of features multiplied with every image's, and a map that must be stored."""
    lines = """
        t = Tile (z, times)
        a: h = MatMul (x, t)
        g = Gather <axis=1> (h, rows)
        b: y = MatMul (g, w)
    """
    constants = {"times": integers(3, 1, 1), "rows": integers(0, 0, 1, 1), "w": (5, 4)}
    return model(lines, {"x": (3, 2, 6), "z": (1, 6, 5)}, constants)


def unet() -> ModelProto:
    """A coarse map enlarged under windows, whose result lies beside the finer one."""
    lines = """
        a: h = Conv <pads=[1,1,1,1]> (x, w)
        c = MaxPool <kernel_shape=[2,2], strides=[2,2]> (h)
        d: g = Conv <pads=[1,1,1,1]> (c, v)
        e = Resize (g, , twice)
        b: f = Conv <pads=[1,1,1,1]> (e, u)
        j = Concat <axis=1> (f, h)
        o: y = Conv (j, p)
    """
    constants = {"w": (4, 3, 3, 3), "v": (6, 4, 3, 3), "u": (4, 6, 3, 3), "p": (2, 8, 1, 1)}
    twice = np.array([1, 1, 2, 2], np.float32)
    return model(lines, {"x": (1, 3, 8, 8)}, {**constants, "twice": twice})


def generator() -> ModelProto:
    """Few features enlarged to an image, normalised and scaled on the way."""
    lines = """
        l: f = MatMul (x, w)
        m = Reshape (f, map)
        e = Resize (m, , twice)
        n = BatchNormalization (e, g, g, g, g)
        a: h = Conv <auto_pad="SAME_UPPER"> (n, v)
        r = Resize (h, , thrice)
        s = Sigmoid (r)
        t = Mul (r, s)
        o: y = Conv (t, u)
    """
    constants = {"w": (5, 32), "v": (3, 2, 3, 3), "u": (1, 3, 1, 1), "map": integers(1, 2, 4, 4)}
    scales = {"twice": (1, 1, 2, 2), "thrice": (1, 1, 3, 3), "g": (1, 2)}
    floats = {name: np.array(given, np.float32) for name, given in scales.items()}
    return model(lines, {"x": (1, 5)}, {**constants, **floats})


ENTRIES = (
    Entry(
        *("heads that share keys", shared_heads),
        6 * 8 * (16 + 8 + 8 + 16) + 2 * 4 * (6 * 6 * 4),
        8 * (16 + 8 + 8 + 16),
        layers=6,
        solved=True,
    ),
    Entry(
        *("enlarged and added", pyramid),
        16 * 4 * 3 * 4 + 64 * 4 * 3 + 64 * 2 * 4,
        4 * 3 * 4 + 4 * 3 + 2 * 4,
        layers=3,
    ),
    Entry(
        *("enlarged under windows, beside another", unet),
        64 * 4 * 27 + 16 * 6 * 36 + 64 * 4 * 54 + 64 * 2 * 8,
        4 * 27 + 6 * 36 + 4 * 54 + 2 * 8,
        layers=5,
        solved=True,
    ),
    Entry(
        *("enlarged features", generator),
        5 * 32 + 64 * 3 * 18 + 576 * 3,
        5 * 32 + 3 * 18 + 3,
        layers=3,
    ),
    Entry("tiled and picked", tiled, 3 * 2 * 6 * 5 + 3 * 4 * 5 * 4, 5 * 4, layers=3),
)
