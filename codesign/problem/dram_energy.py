"""The energy of a DRAM bit that words ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codesign.units import PJ_PER_J

if TYPE_CHECKING:
    from codesign.specs.technology import Memory


def dram_energy_j_per_bit(
    pj_per_bit: float | None, gbit_per_s: float | None, memory: Memory | None
) -> float | None:
    """As given, or else the memory's; where a bandwidth stands for a memory none is known."""
    if pj_per_bit is not None:
        return pj_per_bit / PJ_PER_J
    return None if gbit_per_s is not None or memory is None else memory.energy_j_per_bit
