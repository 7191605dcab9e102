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
    Entry("tiled and picked", tiled, 3 * 2 * 6 * 5 + 3 * 4 * 5 * 4, 5 * 4, layers=3),
)
