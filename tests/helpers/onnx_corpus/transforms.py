"""Sums of products by their labels, and Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto
from onnx_graphs import model

from onnx_corpus.entry import Entry


def einsum(equation: str, inputs: Sequence[tuple[int, ...]], *weights: int) -> ModelProto:
    """An einsum of inputs, the last operand constant where ``weights`` has its shape."""
    names = [f"x{n}" for n in range(len(inputs))]
    constants = {"w": weights} if weights else {}
    line = f'a: y = Einsum <equation="{equation}"> ({", ".join([*names, *constants])})'
    return model(line, dict(zip(names, inputs, strict=True)), constants, opset=17)


def transform(
    shape: tuple[int, ...], axis: int, inverse: int = 0, one_sided: int = 0, length: int = 0
) -> ModelProto:
    """A discrete Fourier transform along one axis."""
    constants = {"length": np.array(length)} if length else {}
    operands = ", ".join(["x", *constants])
    how = f"axis={axis}, inverse={inverse}, onesided={one_sided}"
    line = f"d: y = DFT <{how}> ({operands})"
    return model(line, {"x": shape}, constants, opset=17)


def newest_transform() -> ModelProto:
    """The same where the axis is an operand."""
    return model("d: y = DFT <onesided=1> (x, , axis)", {"x": (2, 12, 1)}, {"axis": np.array(-2)})


def spectrogram() -> ModelProto:
    """Frames of 16 samples, 4 apart, through a window; what is left is a product by mel bands."""
    lines = """
        d: h = STFT <onesided=1> (x, step, window, length)
        s = Slice (h, zero, one, last)
        r = Squeeze (s, last)
        m: y = MatMul (r, mel)
    """
    constants = {"step": np.array(4), "length": np.array(16), "window": (16,), "mel": (9, 5)}
    constants |= {"zero": np.array([0]), "one": np.array([1]), "last": np.array([3])}
    return model(lines, {"x": (2, 80, 1)}, constants, opset=17)


ENTRIES = (
    Entry(
        name="einsum with an ellipsis",
        build=lambda: einsum("...ij,...kj->...ik", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        macs=2 * 3 * 4 * 5 * 6,
        weights=0,
    ),
    Entry(
        name="einsum whose result is implied",
        build=lambda: einsum("ij,jk", [(4, 5)], 5, 6),
        macs=4 * 5 * 6,
        weights=5 * 6,
    ),
    Entry(
        name="einsum of three operands",  # the first two: 4·5·2; by them the third: 4·2·6
        build=lambda: einsum("bi,ij,jk->bk", [(4, 5), (5, 2)], 2, 6),
        macs=4 * 5 * 2 + 4 * 2 * 6,
        weights=2 * 6,
        layers=2,
    ),
    Entry(
        name="einsum with a sum of one operand alone",
        build=lambda: einsum("bij,ik->bk", [(4, 5, 3)], 5, 6),
        macs=4 * 5 * 6,
        weights=5 * 6,
    ),
    Entry(
        name="einsum into one number",
        build=lambda: einsum("ij,ij->", [(4, 5), (4, 5)]),
        macs=4 * 5,
        weights=0,
    ),
    Entry(
        name="einsum over an axis that is repeated",
        build=lambda: einsum("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (1, 3, 6, 5)]),
        macs=2 * 3 * 4 * 6 * 5,
        weights=0,
    ),
    Entry(
        name="Fourier transform of real samples",
        build=lambda: transform((2, 12, 3, 1), axis=1, one_sided=1),
        macs=2 * 3 * 12 * 2 * 7,
        weights=12 * 2 * 7,
    ),
    Entry(
        name="Fourier transform of complex samples, cut",
        build=lambda: transform((2, 3, 12, 2), axis=2, length=10),
        macs=2 * 3 * 10 * 10 * 4,
        weights=10 * 10 * 4,
    ),
    Entry(
        name="inverse Fourier transform with real results",
        build=lambda: transform((2, 7, 2), axis=1, inverse=1, one_sided=1),
        macs=2 * 7 * 2 * 12,
        weights=7 * 2 * 12,
    ),
    Entry(
        name="Fourier transform along an axis that is an operand",
        build=newest_transform,
        macs=2 * 12 * 2 * 7,
        weights=12 * 2 * 7,
    ),
    Entry(
        name="spectrogram",
        build=spectrogram,
        macs=2 * 17 * (16 * 2 * 9 + 9 * 5),
        weights=16 * 2 * 9 + 9 * 5,
        layers=2,
        solved=True,
    ),
)
