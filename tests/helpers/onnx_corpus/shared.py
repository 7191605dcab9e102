"""Constants that several nodes multiply by."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_graphs import integers, model

from onnx_corpus.entry import Entry

ROWS = {"x": (6, 8)}
ONE_SCALE = {"s": np.array(0.5, np.float32)}


def reused() -> ModelProto:
    """One convolution three times."""
    lines = "a: h = Conv (x, w)\nb: g = Conv (h, w)\nc: y = Conv (g, w)"
    return model(lines, {"x": (1, 4, 5, 5)}, {"w": (4, 4, 1, 1)})


def tied() -> ModelProto:
    """An embedding as a product with one-hot rows, and its transpose as the last product."""
    lines = """
        a: h = MatMul (x, w)
        b: g = MatMul (h, v)
        t = Transpose (w)
        c: y = MatMul (g, t)
    """
    return model(lines, ROWS, {"w": (8, 3), "v": (3, 3)})


def behind_other_nodes() -> ModelProto:
    """Each use behind nodes of its own: a copy, a format, a shape, and a larger product."""
    lines = """
        i = Identity (w)
        a: h = MatMul (x, i)
        f = Cast <to=11> (w)
        d = Cast <to=1> (f)
        b: g = Gemm <transB=1> (h, d)
        r = Reshape (w, flat)
        q = Reshape (r, square)
        c: y = MatMul (g, q)
    """
    return model(lines, ROWS, {"w": (8, 8), "flat": integers(64), "square": integers(8, 8)})


def large() -> ModelProto:
    """More elements than are computed while shapes are inferred."""
    lines = "i = Identity (w)\na: h = MatMul (x, i)\nt = Transpose (w)\nb: y = MatMul (h, t)"
    return model(lines, {"x": (2, 80)}, {"w": (80, 70)})


def dequantised() -> ModelProto:
    """Integers that each use turns into floating point itself."""
    lines = """
        d = DequantizeLinear (w, s)
        a: h = MatMul (x, d)
        e = DequantizeLinear (w, s)
        b: y = Gemm <transB=1> (h, e)
    """
    return model(lines, ROWS, {"w": np.ones((8, 8), np.int8), **ONE_SCALE})


def slices() -> ModelProto:
    """Two parts of one constant are two tensors; one of them twice is one."""
    lines = """
        p = Slice (w, zero, half)
        a: h = MatMul (x, p)
        q = Slice (w, half, end)
        b: g = MatMul (h, q)
        o = Slice (w, nought, half)
        c: y = MatMul (g, o)
    """
    bounds = {name: integers(n) for name, n in zip(("zero", "nought"), (0, 0), strict=True)}
    return model(lines, ROWS, {"w": (16, 8), "half": integers(8), "end": integers(16), **bounds})


def computed() -> ModelProto:
    """A constant and what is made of it are two tensors; made twice in one way it is one."""
    lines = """
        n = Neg (w)
        a: h = MatMul (x, n)
        b: g = MatMul (h, w)
        m = Neg (w)
        c: y = MatMul (g, m)
    """
    return model(lines, ROWS, {"w": (8, 8)})


def autoencoder() -> ModelProto:
    """A convolution and the transposed one of the same kernels."""
    lines = "a: h = Conv <strides=[2,2]> (x, w)\nb: y = ConvTranspose <strides=[2,2]> (h, w)"
    return model(lines, {"x": (1, 3, 8, 8)}, {"w": (5, 3, 2, 2)})


def blocks() -> ModelProto:
    """A block of two products and a sum, three times over the same constants."""
    lines = "".join(
        f"""
        up{n}: u{n} = MatMul (h{n}, w)
        r{n} = Relu (u{n})
        down{n}: d{n} = MatMul (r{n}, v)
        {"y" if n == 2 else f"h{n + 1}"} = Add (d{n}, h{n})
        """
        for n in range(3)
    )
    return model(lines.replace("h0", "x"), ROWS, {"w": (8, 20), "v": (20, 8)})


ENTRIES = (
    Entry("reused", reused, 3 * 25 * 4 * 4, 4 * 4, layers=3),
    Entry("tied", tied, 6 * (2 * 8 * 3 + 3 * 3), 8 * 3 + 3 * 3, layers=3),
    Entry("behind other nodes", behind_other_nodes, 3 * 6 * 8 * 8, 8 * 8, layers=3),
    Entry("large and reused", large, 2 * 2 * 80 * 70, 80 * 70, layers=2),
    Entry("dequantised twice", dequantised, 2 * 6 * 8 * 8, 8 * 8, pins={"weight:a": 8}, layers=2),
    Entry("slices", slices, 3 * 6 * 8 * 8, 2 * 8 * 8, layers=3),
    Entry("computed", computed, 3 * 6 * 8 * 8, 2 * 8 * 8, layers=3),
    Entry("autoencoder", autoencoder, 4 * 4 * 5 * 12 + 8 * 8 * 3 * 5 * 4, 5 * 3 * 4, layers=2),
    Entry("blocks", blocks, 3 * 6 * 2 * 8 * 20, 2 * 8 * 20, layers=6, solved=True),
)
