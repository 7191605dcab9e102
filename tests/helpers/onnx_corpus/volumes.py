"""Convolutions and poolings over three axes: time, rows and columns."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_graphs import model

from onnx_corpus.entry import Entry

VIDEO = {"x": (2, 3, 6, 8, 10)}  # images, channels, time, rows, columns


def plain() -> ModelProto:
    """A network of three convolutions, pooled between and at the end."""
    lines = """
        a: h = Conv <pads=[1,1,1,1,1,1]> (x, w)
        p = MaxPool <kernel_shape=[2,2,2], strides=[2,2,2]> (h)
        b: g = Conv <strides=[1,2,2], pads=[1,1,1,1,1,1], group=2> (p, v)
        m = GlobalAveragePool (g)
        f = Flatten (m)
        c: y = Gemm <transB=1> (f, u)
    """
    return model(lines, VIDEO, {"w": (4, 3, 3, 3, 3), "v": (6, 2, 3, 3, 3), "u": (5, 6)})


def factorised() -> ModelProto:
    """Each frame by itself, then each pixel along time, and a sum."""
    lines = """
        a: h = Conv <pads=[0,1,1,0,1,1]> (x, w)
        b: g = Conv <pads=[1,0,0,1,0,0]> (h, v)
        y = Add (g, h)
    """
    return model(lines, VIDEO, {"w": (4, 3, 1, 3, 3), "v": (4, 4, 3, 1, 1)})


def odd() -> ModelProto:
    """Steps, dilations and padding of their own along each axis; a kernel of one plane."""
    lines = """
        z = Pad (x, pads)
        a: h = Conv <strides=[2,1,3], dilations=[1,2,1]> (z, w)
        b: y = Conv <strides=[1,2,2]> (h, v)
    """
    pads = np.array([0, 0, 1, 2, 0, 0, 0, 0, 1, 1])
    return model(lines, VIDEO, {"pads": pads, "w": (4, 3, 2, 3, 2), "v": (2, 4, 2, 1, 1)})


def transposed() -> ModelProto:
    """A volume twice as large along rows and columns, half as long again along time."""
    line = "a: y = ConvTranspose <strides=[1,2,2], output_padding=[0,1,0]> (x, w)"
    return model(line, VIDEO, {"w": (3, 2, 3, 2, 2)})


def four_axes() -> ModelProto:
    """As many axes as anyone convolves over; ONNX Runtime has no kernel for it."""
    return model("a: y = Conv (x, w)", {"x": (1, 2, 4, 5, 6, 3)}, {"w": (3, 2, 2, 3, 2, 2)})


ENTRIES = (
    Entry(
        name="convolutions in three dimensions",
        build=plain,  # 6 · 8 · 10, pooled to 3 · 4 · 5, of which the next one makes 3 · 2 · 3
        macs=2 * (480 * 4 * 81 + 18 * 6 * 54 + 30),
        weights=4 * 81 + 6 * 54 + 30,
        layers=3,
        solved=True,
    ),
    Entry(
        name="convolutions of frames and of time",
        build=factorised,
        macs=2 * 480 * (4 * 27 + 4 * 12),
        weights=4 * 27 + 4 * 12,
        layers=2,
    ),
    Entry(
        name="convolutions by odd steps in three dimensions",
        # padded to 7 · 11 · 11: results 3 · 7 · 4, then 2 · 4 · 2
        build=odd,
        macs=2 * (84 * 4 * 36 + 16 * 2 * 8),
        weights=4 * 36 + 2 * 8,
        layers=2,
    ),
    Entry(
        name="transposed convolution in three dimensions",
        build=transposed,
        macs=2 * 8 * 17 * 20 * 2 * 3 * 12,
        weights=3 * 2 * 12,
    ),
    Entry(
        name="convolution in four dimensions",
        build=four_axes,
        macs=3 * 3 * 5 * 2 * 3 * 2 * 24,
        weights=3 * 2 * 24,
        runs=False,
    ),
)
