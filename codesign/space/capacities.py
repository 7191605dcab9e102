"""SRAM capacities on offer: any whole number of bits, or of blocks, within limits, or some sizes.

A tiling takes the least capacity on offer that holds it, so where sizes are on offer its need is
that size, and of all tilings of one size only the cheapest is of any use; likewise of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
        Ascending, from minimum to maximum; empty: any whole number of blocks.
    block_bits : float
        Bits of a block, such as a block RAM; 1 where any whole number of bits is on offer. Minimum
        and maximum are whole blocks.
    """

    min_bits: float = 0.0
    max_bits: float = UNLIMITED_BITS
    sizes: tuple[float, ...] = ()
    block_bits: float = 1.0

    @classmethod
    def of(cls, choices: Choices, block_bits: int = 1) -> Capacities:
        """What choices leave, in whole blocks."""
        if choices.sram_bits:
            return cls.of_sizes(choices.sram_bits)
        least, most = float(choices.min_sram_bits or 0), choices.max_sram_bits
        # Where tiles take none of it, and of an FPGA's blocks, there is one all the same.
        if block_bits > 1 or None not in choices.buffers:
            least = max(least, 1.0)
        limits = least, UNLIMITED_BITS if most is None else float(most)
        return cls(block_bits=float(block_bits))._within_limits(*limits)

    @property
    def stepped(self) -> bool:
        """Whether not every whole number of bits within the limits is on offer."""
        return bool(self.sizes) or self.block_bits > 1

    @classmethod
    def of_sizes(cls, sizes: tuple[int, ...]) -> Capacities:
        """Some sizes, ascending."""
        return cls(float(sizes[0]), float(sizes[-1]), tuple(map(float, sizes)))

    def between(self, min_bits: float, max_bits: float) -> Capacities:
        """Those of at least and at most so many bits."""
        least, most = max(self.min_bits, min_bits), min(self.max_bits, max_bits)
        if not self.sizes:
            return self._within_limits(least, most)
        kept = tuple(size for size in self.sizes if least <= size <= most)
        return Capacities(kept[0], kept[-1], kept) if kept else Capacities(math.inf, -math.inf)

    def _within_limits(self, min_bits: float, max_bits: float) -> Capacities:
        """With other limits, which become whole blocks."""
        block = self.block_bits
        if block > 1 and math.isfinite(min_bits) and math.isfinite(max_bits):
            min_bits, max_bits = math.ceil(min_bits / block) * block, max_bits // block * block
        return replace(self, min_bits=min_bits, max_bits=max_bits)

    def holding(self, bits: npt.ArrayLike) -> Floats:
        """The least capacity that holds so many bits; inf where none does."""
        wanted = np.asarray(bits, dtype=np.float64)
        if self.sizes:
            return np.array([*self.sizes, np.inf])[np.searchsorted(self.sizes, wanted)]
        held = np.maximum(self._blocks(np.ceil, wanted), self.min_bits)
        return np.where(held <= self.max_bits, held, np.inf)

    def within(self, bits: npt.ArrayLike) -> Floats:
        """The largest capacity of at most so many bits; −1 where there is none."""
        room = np.asarray(bits, dtype=np.float64)
        if self.sizes:
            return np.array([-1.0, *self.sizes])[np.searchsorted(self.sizes, room, side="right")]
        room = np.minimum(self._blocks(np.floor, room), self.max_bits)
        return np.where(room >= self.min_bits, room, -1.0)

    def _blocks(self, rounded: Callable[[Floats], Floats], bits: Floats) -> Floats:
        """Bits as a whole number of blocks."""
        return bits if self.block_bits == 1 else rounded(bits / self.block_bits) * self.block_bits
