"""Values found or placed by indices that are data."""

from __future__ import annotations

from functools import partial

import numpy as np
from onnx import ModelProto, TensorProto
from onnx_graphs import model

from onnx_corpus.entry import Entry

INT64 = TensorProto.INT64


def best() -> ModelProto:
    """The largest 3 of 10 numbers and where they are, both results of the network."""
    lines = "a: h = MatMul (x, w)\nt: y, i = TopK <axis=1> (h, k)"
    constants = {"w": (6, 10), "k": np.array([3])}
    return model(lines, {"x": (4, 6)}, constants, ("y", "i"), kinds={"i": INT64})


def unpooled() -> ModelProto:
    """An encoder that remembers where the largest values were, and the decoder that uses it."""
    lines = """
        a: h = Conv <pads=[1,1,1,1]> (x, w)
        m: p, i = MaxPool <kernel_shape=[2,2], strides=[2,2]> (h)
        b: g = Conv (p, v)
        r: u = MaxUnpool <kernel_shape=[2,2], strides=[2,2]> (g, i)
        c: y = Conv (u, v)
    """
    return model(lines, {"x": (1, 3, 8, 8)}, {"w": (4, 3, 3, 3), "v": (4, 4, 1, 1)})


def scattered() -> ModelProto:
    """12 updates of 6 numbers; the last of each place stays."""
    lines = "a: h = MatMul (x, w)\ny = ScatterElements <axis=0> (z, i, h)"
    inputs = {"x": (3, 5), "z": (6, 4), "i": (3, 4)}
    return model(lines, inputs, {"w": (5, 4)}, kinds={"i": INT64})


def scattered_many() -> ModelProto:
    """More updates than there are numbers, along the axis as well: each is added to one."""
    lines = 'a: h = MatMul (x, w)\ny = ScatterElements <axis=0, reduction="add"> (z, i, h)'
    inputs = {"x": (9, 5), "z": (2, 4), "i": (9, 4)}
    return model(lines, inputs, {"w": (5, 4)}, kinds={"i": INT64})


def sampled() -> ModelProto:
    """One channel read at positions that are data, two numbers each."""
    lines = "a: g = Conv (x, w)\nb: y = GridSample (g, z)"
    return model(lines, {"x": (1, 2, 3, 3), "z": (1, 2, 2, 2)}, {"w": (1, 2, 1, 1)})


def deformed(masked: bool) -> ModelProto:
    """A convolution in 2 groups whose windows are bent by offsets that another one finds."""
    lines = f"""
        o: f = Conv <pads=[1,1,1,1], strides=[2,1]> (x, u)
        d: y = DeformConv <pads=[1,1,1,1], strides=[2,1], group=2, offset_group=2>
            (x, w, f{", b, m" if masked else ""})
    """
    inputs = {"x": (2, 4, 5, 6)} | ({"m": (2, 18, 3, 6)} if masked else {})
    constants = {"u": (36, 4, 3, 3), "w": (6, 2, 3, 3)} | ({"b": (6,)} if masked else {})
    return model(lines.replace("\n            ", " "), inputs, constants)


ENTRIES = (
    Entry(name="best and where", build=best, macs=4 * 6 * 10, weights=6 * 10, layers=2),
    Entry(
        name="unpooled by indices",
        build=unpooled,
        macs=64 * 27 * 4 + 16 * 16 + 64 * 16,
        weights=27 * 4 + 16,  # the last two have one matrix
        layers=4,
        solved=True,
    ),
    Entry(name="scattered", build=scattered, macs=3 * 5 * 4, weights=5 * 4, layers=2),
    Entry(
        name="scattered more than there is",
        build=scattered_many,
        macs=9 * 5 * 4,
        weights=5 * 4,
        layers=2,
        solved=True,
    ),
    Entry(name="sampled", build=sampled, macs=9 * 2, weights=2, layers=2),
    *(
        Entry(
            name=f"deformed{' with masks' if masked else ''}",
            build=partial(deformed, masked),
            macs=2 * 18 * (36 * 36 + 6 * 18),
            weights=36 * 36 + 6 * 18,
            layers=3,
            runs=not masked,
            solved=masked,
        )
        for masked in (False, True)
    ),
)
