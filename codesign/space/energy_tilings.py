"""Tilings of which none is better in SRAM, traffic and energy at once.

The operands' DRAM bits do not all cost the same energy: the tiling of least traffic within some
room need not be the one of least energy, and a design may take one in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.tiling import operand_bits
from codesign.space.hardware import HardwareSpace


class TilingCosts(NamedTuple):
    """Tilings of one layer at one pair of widths, one row each.

    Attributes
    ----------
    row : ints
        Of its staircase's table.
    need, traffic, energy_j : floats
        SRAM bits, or the size on offer that holds them; DRAM bits of operands, and what these cost.
    """

    row: Ints
    need: Floats
    traffic: Floats
    energy_j: Floats

    def take(self, rows: Ints) -> TilingCosts:
        """Some of them."""
        return TilingCosts(self.row[rows], self.need[rows], self.traffic[rows], self.energy_j[rows])


def stacked_costs(parts: Sequence[TilingCosts]) -> TilingCosts:
    """All of them in one list."""
    none = np.zeros(0)
    return TilingCosts(
        np.concatenate([none.astype(np.int64), *(x.row for x in parts)]),
        np.concatenate([none, *(x.need for x in parts)]),
        np.concatenate([none, *(x.traffic for x in parts)]),
        np.concatenate([none, *(x.energy_j for x in parts)]),
    )


class EnergyTilings:
    """The tilings of a space's layers on one option, as they are asked for."""

    def __init__(self, space: HardwareSpace, option: int) -> None:
        self.space, self.shape = space, int(space.shape_of[option])
        self._known: dict[tuple[int, int, int, int, int], TilingCosts] = {}

    def within(
        self,
        kind: tuple[int, int, int],
        pair: tuple[int, int],
        least: float,
        most: float,
    ) -> TilingCosts:
        """All that can be best in some room of a range.

        Parameters
        ----------
        kind : (geometry, variant, mode)
        pair : (weight width, input width)
            Indices.
        least, most : float
            Room, SRAM bits.
        """
        every = self._undominated(*kind, *pair)
        every = every.take(np.flatnonzero(every.need <= most))
        held = np.maximum(every.need, least)
        return every.take(undominated_rows(held, every.traffic, every.energy_j))

    def _undominated(
        self, geometry: int, variant: int, mode: int, weight: int, ifmap: int
    ) -> TilingCosts:
        key = geometry, variant, mode, weight, ifmap
        if key not in self._known:
            self._known[key] = self._costs(*key)
        return self._known[key]

    def _costs(
        self, geometry: int, variant: int, mode: int, weight: int, ifmap: int
    ) -> TilingCosts:
        space, layer = self.space, self.space.geometries[geometry]
        assert space.energy is not None
        stairs = space.staircase(self.shape, geometry, variant, mode)
        first, last = self._rows(geometry, variant, mode, weight, ifmap)
        tiles = stairs.tilings
        bits = operand_bits(
            int(space.widths[weight]), int(space.widths[ifmap]), layer.accumulation_bits
        )
        per_bit = space.energy.per_bit(space.energy.mapping(self.shape, mode), geometry)
        need = space.tile_bits(tiles.need[first:last], bits)
        traffic = (tiles.traffic[first:last] @ bits).astype(np.float64)
        energy_j = (tiles.traffic[first:last] * per_bit) @ bits
        need = space.shape_tilings.needed(need)
        fit = np.flatnonzero(np.isfinite(need))
        rows = fit[undominated_rows(need[fit], traffic[fit], energy_j[fit])]
        return TilingCosts(first + rows, need[rows], traffic[rows], energy_j[rows])

    def _rows(
        self, geometry: int, variant: int, mode: int, weight: int, ifmap: int
    ) -> tuple[int, int]:
        """Where in the table the tilings begin and end that a pair of widths may have."""
        space = self.space
        if not space.widens:
            return 0, len(space.staircase(self.shape, geometry, variant, mode).tilings)
        engines, arrays = space.shape_tilings.split_arrays(self.shape, mode)
        first = 0
        for engine, array in arrays.items():
            count = len(space.shape_tilings.tilings_on(array, geometry, variant))
            if engine == engines[weight, ifmap]:
                return first, first + count
            first += count
        raise AssertionError("every pair of widths makes some array")


def undominated_rows(need: Floats, traffic: Floats, energy_j: Floats) -> Ints:
    """Rows than which no other is as good in all three; of equal ones, the first in order."""
    order = np.lexsort((energy_j, traffic, need))
    costs = np.stack([traffic, energy_j])[:, order]
    # Against the best so far in one of the two, which leaves few to compare with each other.
    kept = np.ones(len(order), dtype=bool)
    for one, other in ((0, 1), (1, 0)):
        best = _first_least(costs[one])
        by_best = (costs[other][best] <= costs[other]) & (best != np.arange(len(order)))
        kept &= ~by_best
    left = np.flatnonzero(kept)
    few = costs[:, left]
    as_good = (few[:, :, None] <= few[:, None]).all(axis=0)  # the first as the second
    earlier = np.tri(len(left), k=-1, dtype=bool).T
    return np.sort(order[left[~(as_good & earlier).any(axis=0)]])


def _first_least(values: Floats) -> Ints:
    """Of each place, where the least value up to it was met first."""
    lowest = np.minimum.accumulate(values)
    falls = np.ones(len(values), dtype=bool)
    falls[1:] = lowest[1:] < lowest[:-1]
    return np.maximum.accumulate(np.where(falls, np.arange(len(values)), 0))
