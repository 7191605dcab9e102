"""Spells out deformable convolutions: samples at places that are data, then a plain product.

A window has no fixed place in the image, so what it covers is gathered first: the image, the
offsets and the masks are read and the samples of all windows are written, by a layer that moves
data. What an interpolation between neighbours multiplies is no product of the network.

Source: ONNX, operator DeformConv, version 19; Dai et al., Deformable Convolutional Networks,
arXiv:1703.06211 (2017), section 2.1.
"""

from __future__ import annotations

import math

from codesign.specs.onnx.graph.operators import SAMPLES
from codesign.specs.onnx.graph.writer import Writer


def spell_deformable(write: Writer) -> None:
    """DeformConv: inputs are the image, the weights, the offsets, a bias and masks."""
    images, channels, *_ = write.shape(0)
    outputs, per_group, *kernel = write.shape(1)
    groups, taps = int(write.attribute("group", 1)), math.prod(kernel)
    _, offsets, *result = write.shape(2)
    if per_group * groups != channels:
        raise write.refused(
            f"an image of {channels} channels, but weights for {per_group * groups}"
        )
    if offsets != len(kernel) * taps * int(write.attribute("offset_group", 1)):
        raise write.refused(f"{offsets} offsets for kernels of {kernel}")
    read = [write.input(position) for position in (0, 2, 4) if write.input(position)]
    samples = write.own(SAMPLES, read, "samples", (images, channels * taps, *result))
    shape = (outputs, per_group * taps, *(1 for _ in kernel))
    weights = write.reshaped(write.input(1), shape, "columns")
    given = [samples, weights, *([write.input(3)] if write.input(3) else [])]
    write.add("Conv", given, "", write.output(0), group=groups)
