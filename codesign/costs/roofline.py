"""The roofline: a layer takes the longer of its compute time and its DRAM time.

Source: Williams et al. 2009; Karbachevsky et al. 2021, Section 2.5. On a machine that overlaps the
two in part, a share of the shorter time, ``exposed = 1 − overlap``, adds to the longer:

    latency = max(compute, memory) + exposed·min(compute, memory)
            = max(compute + exposed·memory, memory + exposed·compute)

the larger of two *roofs*, each a sum over layers wherever compute and memory are.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats

Time = TypeVar("Time", float, Floats)


def latency_s(
    cycles: npt.ArrayLike,
    dram_bits: npt.ArrayLike,
    clock_hz: float,
    dram_bits_per_s: float,
    exposed: float = 0.0,
) -> Floats:
    """Of ``cycles / clock_hz`` and ``dram_bits / dram_bits_per_s``, broadcast together."""
    compute_s = np.asarray(cycles, dtype=np.float64) / clock_hz
    memory_s = np.asarray(dram_bits, dtype=np.float64) / dram_bits_per_s
    return longer(compute_s, memory_s, exposed)


def longer(compute_s: Floats, memory_s: Floats, exposed: float = 0.0) -> Floats:
    """``max + exposed·min`` of two times, broadcast together; inf where one is."""
    found = np.maximum(compute_s, memory_s)
    if exposed:
        found = found + exposed * np.minimum(compute_s, memory_s)
    return np.asarray(found, dtype=np.float64)


def roofs(compute_s: Time, memory_s: Time, exposed: float) -> tuple[Time, Time]:
    """``compute + exposed·memory`` and ``memory + exposed·compute``, finite times."""
    if not exposed:
        return compute_s, memory_s
    return compute_s + exposed * memory_s, memory_s + exposed * compute_s


def weights_of_roofs(share: Time, exposed: float) -> tuple[Time, Time]:
    """Weights of compute and of memory in ``share`` of the one roof and the rest of the other."""
    rest = 1 - share
    return roofs(share, rest, exposed)
