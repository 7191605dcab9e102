"""Transposed convolutions: every result is a sum over a whole kernel, zeros and all."""

from __future__ import annotations

from onnx import ModelProto
from onnx_graphs import model

from onnx_corpus.entry import Entry


def twice() -> ModelProto:
    """Exactly twice as large, as padding before and after the last row makes it."""
    how = "strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]"
    return model(f"a: y = ConvTranspose <{how}> (x, w)", {"x": (1, 4, 5, 3)}, {"w": (4, 3, 3, 3)})


def grouped() -> ModelProto:
    """In groups, over samples, its kernel dilated."""
    how = "group=2, strides=[3], dilations=[2]"
    return model(f"a: y = ConvTranspose <{how}> (x, w)", {"x": (1, 4, 6)}, {"w": (4, 3, 4)})


def to_size() -> ModelProto:
    """As large as asked for; the other as large as the stride says."""
    lines = """
        a: h = ConvTranspose <strides=[2,3], output_shape=[9,13]> (x, w)
        b: y = ConvTranspose <strides=[2,2], auto_pad="SAME_UPPER"> (h, v)
    """
    return model(lines, {"x": (1, 2, 4, 4)}, {"w": (2, 3, 3, 4), "v": (3, 2, 3, 3)})


ENTRIES = (
    Entry("transposed to twice the size", twice, 10 * 6 * 3 * 4 * 9, 4 * 3 * 9, layers=1),
    # (6 − 1)·3 + (4 − 1)·2 + 1 samples of 2·3 channels, each of 2 channels by 4 taps
    Entry("transposed in groups", grouped, 22 * 6 * 2 * 4, 4 * 3 * 4, layers=1, solved=True),
    Entry(
        "transposed to a size",
        to_size,
        9 * 13 * 3 * 2 * 12 + 18 * 26 * 2 * 3 * 9,
        2 * 3 * 12 + 3 * 2 * 9,
        layers=2,
    ),
)
