"""Tilings of which none is better in SRAM, traffic, energy and bits of the SRAM's port at once.

The operands' DRAM bits do not all cost the same energy, nor do as many SRAM bits go with each: the
tiling of least traffic within some room need not be the one of least energy, nor the one that keeps
the port least busy, and a design may take one in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.tiling import operand_bits
from codesign.space.energy import EnergyCosts
from codesign.space.hardware import HardwareSpace


class TilingCosts(NamedTuple):
    """Tilings of one layer at one pair of widths, one row each.

    Attributes
    ----------
    row : ints
        Of its staircase's table.
    need, traffic, energy_j : floats
        SRAM bits, or the size on offer that holds them; DRAM bits of operands, and what these cost,
        0 where that does not count.
    port_bits : floats
        SRAM bits that go with these, 0 where they do not count.
    """

    row: Ints
    need: Floats
    traffic: Floats
    energy_j: Floats
    port_bits: Floats

    def take(self, rows: Ints) -> TilingCosts:
        """Some of them."""
        costs = (x[rows] for x in (self.need, self.traffic, self.energy_j, self.port_bits))
        return TilingCosts(self.row[rows], *costs)


def stacked_costs(parts: Sequence[TilingCosts]) -> TilingCosts:
    """All of them in one list."""
    none = np.zeros(0)
    return TilingCosts(
        np.concatenate([none.astype(np.int64), *(x.row for x in parts)]),
        np.concatenate([none, *(x.need for x in parts)]),
        np.concatenate([none, *(x.traffic for x in parts)]),
        np.concatenate([none, *(x.energy_j for x in parts)]),
        np.concatenate([none, *(x.port_bits for x in parts)]),
    )


class EnergyTilings:
    """The tilings of a space's layers on one option, as they are asked for.

    Parameters
    ----------
    energy, port : bool
        What counts beside need and traffic.
    """

    def __init__(
        self, space: HardwareSpace, option: int, energy: bool = True, port: bool = False
    ) -> None:
        self.space, self.shape = space, int(space.shape_of[option])
        self.energy, self.port = energy, port
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
        return every.take(undominated_rows(held, *self._counted(every)))

    def _counted(self, every: TilingCosts) -> list[Floats]:
        """What counts beside the need."""
        found = [every.traffic]
        found += [every.energy_j] if self.energy else []
        return [*found, every.port_bits] if self.port else found

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
        stairs = space.staircase(self.shape, geometry, variant, mode)
        first, last = self._rows(geometry, variant, mode, weight, ifmap)
        tiles = stairs.tilings
        bits = operand_bits(
            int(space.widths[weight]), int(space.widths[ifmap]), layer.accumulation_bits
        )
        need = space.tile_bits(tiles.need[first:last], bits)
        moved = tiles.traffic[first:last]
        costs = space.energy if self.energy else None, space.port if self.port else None
        each = [self._priced(x, moved, bits, geometry, mode) for x in costs]
        need, row = space.shape_tilings.needed(need), first + np.arange(last - first)
        every = TilingCosts(row, need, (moved @ bits).astype(np.float64), *each)
        every = every.take(np.flatnonzero(np.isfinite(need)))
        return every.take(undominated_rows(every.need, *self._counted(every)))

    def _priced(
        self, costs: EnergyCosts | None, moved: Ints, bits: Ints, geometry: int, mode: int
    ) -> Floats:
        """(tilings,): what DRAM elements (tilings, 3) cost; 0 where that does not count."""
        if costs is None:
            return np.zeros(len(moved))
        per_bit = costs.per_bit(costs.mapping(self.shape, mode), geometry)
        return np.asarray((moved * per_bit) @ bits)

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


def undominated_rows(need: Floats, *others: Floats) -> Ints:
    """Rows than which no other is as good in all measures; of equal ones, the first in order."""
    order = np.lexsort((*others[::-1], need))
    costs = np.stack(others)[:, order]
    # Against the best so far in one of them, which leaves few to compare with each other.
    kept = np.ones(len(order), dtype=bool)
    for one in costs:
        best = _first_least(one)
        by_best = (costs[:, best] <= costs).all(axis=0) & (best != np.arange(len(order)))
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
