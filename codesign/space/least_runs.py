"""What fused runs take of the SRAM at least, at the widths that are left."""

from __future__ import annotations

import math

import numpy as np

from codesign.arrays import Bools
from codesign.space.fusion import LeastRunBits
from codesign.space.widths import WidthSpace


def least_run_bits(space: WidthSpace, wide: Bools, deep: Bools) -> LeastRunBits:
    """What they take at least.

    Parameters
    ----------
    wide, deep : bools, shape (widths,)
        Widths of weights, and of activations, that are left.
    """

    def narrowest(allowed: Bools) -> float:
        return float(space.widths[allowed].min()) if allowed.any() else math.inf

    weights = np.array(
        [narrowest(space.weights_of(i) & wide) for i in range(len(space.geometry_of))]
    )
    reads = np.array([narrowest(space.variable_allowed[v] & deep) for v in space.input_index])
    held, inputs, psums = (np.zeros(len(space.runs)) for _ in range(3))
    for r, run in enumerate(space.run_layers):
        for x in run:
            bw, ba = weights[x.layer], reads[x.layer]
            if math.isinf(bw + ba):
                held[r] = math.inf
                break
            held[r] += x.weight_elements * bw + x.band_elements * ba
            psums[r] = max(psums[r], x.psum_elements * (bw + ba + x.accumulation_bits))
            if x.input_elements:
                elements = x.input_elements
                if x.source is not None:  # resident, it takes its own room
                    elements = min(elements, int(space.placed_elements[x.source]))
                inputs[r] = elements * ba
    return LeastRunBits(weights, held, inputs, psums)
