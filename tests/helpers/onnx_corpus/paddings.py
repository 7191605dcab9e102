"""Zeros around images, in any number that a runtime takes."""

from __future__ import annotations

from onnx import ModelProto
from onnx_graphs import integers, model

from onnx_corpus.entry import Entry


def pointwise() -> ModelProto:
    """Windows of one position that see nothing but padding all around the image."""
    return model("a: y = Conv <pads=[1,1,1,1]> (x, w)", {"x": (1, 4, 6, 5)}, {"w": (3, 4, 1, 1)})


def lopsided() -> ModelProto:
    """More padding on the right than a window is wide, then two layers more."""
    lines = """
        a: h = Conv <pads=[1,2,0,3], strides=[2,1]> (x, w)
        b: g = Conv <pads=[0,0,0,3]> (h, v)
        c: y = Conv (g, u)
    """
    weights = {"w": (3, 2, 3, 3), "v": (4, 3, 1, 1), "u": (2, 4, 2, 3)}
    return model(lines, {"x": (1, 2, 7, 6)}, weights)


def beyond() -> ModelProto:
    """So much padding that it is stored."""
    return model("a: y = Conv <pads=[9,0,0,9]> (x, w)", {"x": (1, 2, 4, 4)}, {"w": (3, 2, 1, 1)})


def same() -> ModelProto:
    """As much as keeps the size by the stride, more of it below, above the other; and none."""
    lines = """
        a: h = Conv <auto_pad="SAME_UPPER", strides=[3,2]> (x, w)
        b: g = Conv <auto_pad="SAME_LOWER"> (h, v)
        c: y = Conv <auto_pad="VALID"> (g, u)
    """
    weights = {"w": (3, 2, 4, 2), "v": (4, 3, 2, 3), "u": (2, 4, 2, 2)}
    return model(lines, {"x": (1, 2, 8, 9)}, weights)


def cropped() -> ModelProto:
    """A Pad that takes rows away and adds columns, and one of zeros that only windows see."""
    lines = """
        p = Pad (x, edges)
        a: h = Conv (p, w)
        r = Pad (h, around)
        b: y = Conv (r, v)
    """
    constants = {
        "w": (3, 2, 2, 2),
        "v": (2, 3, 1, 1),
        "edges": integers(0, 0, -1, 2, 0, 0, -2, 0),
        "around": integers(0, 0, 2, 1, 0, 0, 0, 4),
    }
    return model(lines, {"x": (1, 2, 8, 6)}, constants)


ENTRIES = (
    Entry("pointwise padding", pointwise, 8 * 7 * 3 * 4, 3 * 4, layers=1, solved=True),
    Entry(
        "lopsided padding",
        lopsided,
        3 * 9 * 3 * 2 * 9 + 3 * 12 * 4 * 3 + 2 * 10 * 2 * 4 * 6,
        3 * 2 * 9 + 4 * 3 + 2 * 4 * 6,
        layers=3,
    ),
    Entry("padding stored", beyond, 13 * 13 * 3 * 2, 3 * 2, layers=2),
    Entry(
        "padding to the same size",
        same,
        3 * 5 * 3 * 2 * 8 + 3 * 5 * 4 * 3 * 6 + 2 * 4 * 2 * 4 * 4,
        3 * 2 * 8 + 4 * 3 * 6 + 2 * 4 * 4,
        layers=3,
    ),
    Entry("padding that crops", cropped, 4 * 7 * 3 * 2 * 4 + 6 * 12 * 2 * 3, 3 * 2 * 4 + 2 * 3),
)
