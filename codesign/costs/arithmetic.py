"""Bit operations, model size and quantisation noise: costs that no hardware changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.specs.network import Layer


def layer_bops(layer: Layer, weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike) -> Floats:
    """``macs·(bw·ba + bw + ba + log2(C·R·S))`` (Baskin et al., UNIQ); widths broadcast together."""
    bw = np.asarray(weight_bits, dtype=np.float64)
    ba = np.asarray(activation_bits, dtype=np.float64)
    return np.asarray(layer.macs * (bw * ba + bw + ba + layer.log2_reduction), dtype=np.float64)


def default_noise(bits: npt.ArrayLike) -> Floats:
    """``4^(−b)``: quantisation noise of a tensor at ``b`` bits, relative to sensitivity 1.

    Uniform quantisation halves its step with each bit, so the noise power falls by four. It is the
    ratio of that power to the tensor's own where values are uniformly distributed over the range
    (`codesign.quality.budget` derives it).
    """
    return np.asarray(np.exp2(-2.0 * np.asarray(bits, dtype=np.float64)), dtype=np.float64)
