"""Spells Fourier transforms out: products of samples by constant matrices, as an array has them.

A transform of ``n`` real samples into ``b`` frequencies is ``n·2·b`` products. Short-time
transforms are convolutions over the samples: the kernel is as long as a frame, the stride the step
from frame to frame. A fast transform takes fewer operations, but it is no product of matrices.

Source: ONNX, operators DFT (versions 17 and 20) and STFT; Rfft and Irfft of ``com.microsoft``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from codesign.specs.onnx.graph.operators import FOURIER_MATRIX
from codesign.specs.onnx.graph.writer import Writer

AXIS_BY_INPUT = 20  # from this opset on, the axis of a DFT is an input
REMARK = (
    "Fourier transforms are products of samples by constant matrices, whose elements are weights; "
    "a fast transform takes fewer operations"
)


def matrix(attributes: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Of ``rows`` samples by ``bins`` frequencies, real beside imaginary parts.

    Row ``(n, a)`` and column ``(k, b)`` hold what the real (0) or imaginary (1) part of sample
    ``n`` adds to that of frequency ``k``: ``exp(∓2πi·n·k / length)``, over the length where it is
    the inverse. One with real results counts each frequency but the first, and the one in the
    middle, for its mirror image as well.
    """
    length, rows, bins = (int(attributes[name]) for name in ("length", "rows", "bins"))
    parts, results, inverse = (int(attributes[x]) for x in ("parts", "results", "inverse"))
    turns = np.outer(np.arange(rows), np.arange(bins)) % length / length
    sign = 1 if inverse else -1
    cos, sin = np.cos(2 * np.pi * turns), sign * np.sin(2 * np.pi * turns)
    found = np.array([[cos, sin], [-sin, cos]])[:parts, :results]
    if inverse:
        found = found / length
    if results == 1:
        mirrored = (np.arange(rows) % length != 0) & (2 * np.arange(rows) != length)
        found = found * np.where(mirrored, 2, 1)[:, None]
    return found.transpose(2, 0, 3, 1).reshape(rows * parts, bins * results)


def spell_transform(write: Writer) -> None:
    """DFT: the last axis of the operand holds real and imaginary parts, or real ones."""
    shape = write.shape(0)
    axis = write.attribute("axis", 1)
    if write.opset >= AXIS_BY_INPUT:
        axis = write.number(2) if write.input(2) else -2
    length = write.number(1)
    if axis is None or (write.input(1) and (length is None or length < 1)):
        raise write.refused(f"its axis or length depends on data, or its length is {length}")
    axis %= len(shape)
    samples, parts = shape[axis], shape[-1]
    inverse, one_sided = (int(write.attribute(name, 0)) for name in ("inverse", "onesided"))
    if axis == len(shape) - 1 or parts not in (1, 2) or (one_sided and parts != 1 + inverse):
        raise write.refused(f"a transform of {parts} parts along axis {axis} of {len(shape)}")
    length = length or (2 * (samples - 1) if one_sided and inverse else samples)
    bins = length // 2 + 1 if one_sided and not inverse else length
    most = length // 2 + 1 if one_sided and inverse else length
    how = {"length": length, "rows": min(samples, most), "bins": bins, "parts": parts}
    how |= {"results": 1 if one_sided and inverse else 2, "inverse": inverse}
    _transformed(write, shape, axis, how)


def spell_real_transform(write: Writer) -> None:
    """Rfft: real samples along the last axis; the results have a further axis of two parts."""
    *others, samples = write.shape(0)
    _check_one_axis(write)
    how = {"length": samples, "rows": samples, "bins": samples // 2 + 1}
    how |= {"parts": 1, "results": 2, "inverse": 0}
    _transformed(write, (*others, samples, 1), len(others), how)


def spell_real_inverse(write: Writer) -> None:
    """Irfft: the reverse."""
    *others, bins, parts = write.shape(0)
    _check_one_axis(write)
    length = 2 * (bins - 1)
    how = {"length": length, "rows": bins, "bins": length}
    how |= {"parts": parts, "results": 1, "inverse": 1}
    _transformed(write, (*others, bins, parts), len(others), how)


def _check_one_axis(write: Writer) -> None:
    if write.attribute("signal_ndim", 1) != 1:
        raise write.refused("a transform along several axes; only one is supported")


def _transformed(write: Writer, shape: tuple[int, ...], axis: int, how: Mapping[str, int]) -> None:
    """A product by the matrix along one axis, whose place in the result is the same."""
    rank, parts, results = len(shape), how["parts"], how["results"]
    value = write.input(0)
    if how["rows"] < shape[axis]:
        value = write.first(value, axis, how["rows"], shape[axis], "samples")
    order = [n for n in range(rank - 1) if n != axis]
    if len(write.shape(0)) == rank and axis != rank - 2:
        value = write.transposed(value, (*order, axis, rank - 1), "last")
    others = [shape[n] for n in order]
    value = write.reshaped(value, (*others, how["rows"] * parts), "rows")
    size = (how["rows"] * parts, how["bins"] * results)
    table = write.own(FOURIER_MATRIX, [], "matrix", size, "", **how)
    value = write.add("MatMul", [value, table], "")
    write.remarks.append(REMARK)
    if write.node.op_type == "Irfft":
        write.reshaped(value, (*others, how["bins"]), "bins", write.output(0))
        return
    split = (*others, how["bins"], results)
    if axis == rank - 2:
        write.reshaped(value, split, "bins", write.output(0))
        return
    value = write.reshaped(value, split, "bins")
    places = [(*order, axis).index(n) for n in range(rank - 1)]
    write.transposed(value, (*places, rank - 1), "ordered", write.output(0))


def spell_short_time(write: Writer) -> None:
    """STFT of images × samples (× parts): signal, step, window and length of a frame."""
    images, samples, *rest = write.shape(0)
    parts = rest[0] if rest else 1
    step, length = write.number(1), write.number(3)
    if write.input(2):
        length = length or write.shape(2)[0]
    elif not write.input(3):
        length = samples
    if step is None or length is None or min(step, length) < 1:
        raise write.refused(
            f"the step between frames ({step}) and their length ({length}) are no whole numbers "
            "from 1 that are the same for all data"
        )
    one_sided = bool(write.attribute("onesided", 1)) and parts == 1
    bins = length // 2 + 1 if one_sided else length
    how = {"length": length, "rows": length, "bins": bins, "parts": parts}
    how |= {"results": 2, "inverse": 0}
    table = write.own(FOURIER_MATRIX, [], "matrix", (length * parts, bins * 2), "", **how)
    table = write.reshaped(table, (length, parts, bins * 2), "table")
    if write.input(2):
        window = write.reshaped(write.input(2), (length, 1, 1), "window")
        table = write.add("Mul", [table, window], "windowed")
    kernel = write.transposed(table, (2, 1, 0), "kernel")
    value = write.reshaped(write.input(0), (images, samples, parts), "samples")
    value = write.transposed(value, (0, 2, 1), "signal")
    value = write.add("Conv", [value, kernel], "", strides=[step])
    value = write.transposed(value, (0, 2, 1), "frames")
    write.reshaped(value, (0, 0, bins, 2), "bins", write.output(0))
    write.remarks.append(REMARK)
