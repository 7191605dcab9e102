"""The roofline: a layer takes the longer of its compute time and its DRAM time.

Source: Williams et al. 2009; Karbachevsky et al. 2021, Section 2.5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats


def latency_s(
    cycles: npt.ArrayLike, dram_bits: npt.ArrayLike, clock_hz: float, dram_bits_per_s: float
) -> Floats:
    """``max(cycles / clock_hz, dram_bits / dram_bits_per_s)``, broadcast together."""
    compute_s = np.asarray(cycles, dtype=np.float64) / clock_hz
    memory_s = np.asarray(dram_bits, dtype=np.float64) / dram_bits_per_s
    return np.asarray(np.maximum(compute_s, memory_s), dtype=np.float64)
