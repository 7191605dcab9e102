"""SRAM capacities on offer: any whole number of bits within limits, or some sizes.

A tiling takes the least capacity on offer that holds it, so where sizes are on offer its need is
that size, and of all tilings of one size only the cheapest is of any use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.problem.choices import Choices

UNLIMITED_BITS = float(2**60)  # more SRAM than any layer within the limits of `Layer` can need


@dataclass(frozen=True)
class Capacities:
    """Which capacities an SRAM may have.

    Attributes
    ----------
    min_bits, max_bits : float
        No design has less SRAM, used or not, or more. None is on offer where the minimum is above
        the maximum.
    sizes : tuple of float
        Ascending, from minimum to maximum; empty: any whole number of bits.
    """

    min_bits: float = 0.0
    max_bits: float = UNLIMITED_BITS
    sizes: tuple[float, ...] = ()

    @classmethod
    def of(cls, choices: Choices) -> Capacities:
        """What choices leave."""
        if choices.sram_bits:
            return cls.of_sizes(choices.sram_bits)
        least, most = choices.min_sram_bits, choices.max_sram_bits
        if None not in choices.buffers:  # tiles take none of it; there is one all the same
            least = least or 1
        return cls(float(least or 0), UNLIMITED_BITS if most is None else float(most))

    @classmethod
    def of_sizes(cls, sizes: tuple[int, ...]) -> Capacities:
        """Some sizes, ascending."""
        return cls(float(sizes[0]), float(sizes[-1]), tuple(map(float, sizes)))

    def between(self, min_bits: float, max_bits: float) -> Capacities:
        """Those of at least and at most so many bits."""
        least, most = max(self.min_bits, min_bits), min(self.max_bits, max_bits)
        if not self.sizes:
            return replace(self, min_bits=least, max_bits=most)
        kept = tuple(size for size in self.sizes if least <= size <= most)
        return Capacities(kept[0], kept[-1], kept) if kept else Capacities(math.inf, -math.inf)

    def holding(self, bits: npt.ArrayLike) -> Floats:
        """The least capacity that holds so many bits; inf where none does."""
        wanted = np.asarray(bits, dtype=np.float64)
        if self.sizes:
            return np.array([*self.sizes, np.inf])[np.searchsorted(self.sizes, wanted)]
        held = np.maximum(wanted, self.min_bits)
        return np.where(held <= self.max_bits, held, np.inf)

    def within(self, bits: npt.ArrayLike) -> Floats:
        """The largest capacity of at most so many bits; −1 where there is none."""
        room = np.asarray(bits, dtype=np.float64)
        if self.sizes:
            return np.array([-1.0, *self.sizes])[np.searchsorted(self.sizes, room, side="right")]
        room = np.minimum(room, self.max_bits)
        return np.where(room >= self.min_bits, room, -1.0)
