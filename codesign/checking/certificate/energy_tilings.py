"""What layers take with tilings chosen by energy too: the least of each measure, or every choice.

The tiling of least traffic within some room need not be the one that costs the least energy. Of
many hardware options a layer takes the least of both. Of a single one it has a choice for each of
the tilings to which no other that fits is as good in both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.layer_costs import Pair, Runs, StaircasesOf, Taken, columns
from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.tilings import Staircases
from codesign.checking.certificate.whole_numbers import (
    Whole,
    rounded_down,
    times,
    whole_numbers,
)
from codesign.checking.certificate.width_variables import TooLarge

MOST_CHOICES = 2**22  # of a layer, by what each needs


class Menus:
    """Traffic and cost of tilings within any room, to which no other within it is as good in both.

    Of several pairs of widths at once.

    Parameters
    ----------
    each : sequence of (need, traffic, cost)
        Of each pair its tilings, as `LayerTilings.fitting` has them; None of one that does not run.
    """

    def __init__(self, each: Sequence[tuple[Whole, Whole, Whole] | None]) -> None:
        found: list[list[tuple[int, int]]] = []
        stairs: list[tuple[Whole, Whole] | None] = []
        entering: list[tuple[Whole, Whole] | None] = []
        entered: list[tuple[int, int]] = []
        for tilings in each:
            if tilings is None:
                stairs.append(None)
                entering.append(None)
                continue
            needs, menus = undominated_within(*tilings)
            rows = np.arange(len(found), len(found) + len(menus))
            stairs.append((whole_numbers(needs), rows))
            found += menus
            new = _new_of_each(needs, menus)
            held = whole_numbers(need for need, _ in new)
            entering.append((held, np.arange(len(entered), len(entered) + len(new))))
            entered += [choice for _, choice in new]
        self.rows, self.entering = Staircases(stairs), Staircases(entering)
        self.entered = tuple(whole_numbers(x[i] for x in entered) for i in (0, 1))
        self.size = max((len(menu) for menu in found), default=0)
        padded = [[*menu, *[menu[0]] * (self.size - len(menu))] for menu in found]
        self.traffic, self.cost = (
            whole_numbers(x[i] for menu in padded for x in menu).reshape(len(found), self.size)
            for i in (0, 1)
        )
        self.there = np.array([len(menu) for menu in found])[:, None] > np.arange(self.size)

    def within(self, which: Whole, room: Whole) -> tuple[Whole, Whole, Whole]:
        """(entries, choices × size) each: traffic, cost, and whether there is such a tiling."""
        if not self.size:
            nothing = np.zeros(which.shape, dtype=np.int64)
            return nothing, nothing, nothing > 0
        row, fits = self.rows.least_traffic(which, room)
        of_size = [(self.traffic[row, n], self.cost[row, n]) for n in range(self.size)]
        there = np.hstack([fits & self.there[row, n] for n in range(self.size)])
        traffic, cost = (np.hstack(x) for x in zip(*of_size, strict=True))
        return traffic, cost, there

    def beyond(self, which: Whole, floor: Whole, room: Whole) -> tuple[Whole, Whole, Whole, Whole]:
        """(entries, choices × n) each: traffic, cost, need and whether there is such a tiling.

        Those that need more than the floor, within the room, and that nothing of less need beats.

        Raises
        ------
        TooLarge
        """
        first = np.maximum(self.entering.last_within(which, floor) + 1, self.entering.start[which])
        last = self.entering.last_within(which, room)
        size = int(np.maximum(last - first + 1, 0).max(initial=0))
        if not size:
            nothing = np.zeros((len(which), 0), dtype=np.int64)
            return nothing, nothing, nothing, nothing > 0
        if size * which.size > MOST_CHOICES:
            raise TooLarge
        place = np.hstack([first + n for n in range(size)])
        there = place <= np.tile(last, (1, size))
        place = np.where(there, place, 0)
        need = self.entering.need[place] - np.tile(self.entering.first[which], (1, size))
        chosen = self.entering.traffic[place]
        return self.entered[0][chosen], self.entered[1][chosen], need, there


def _new_of_each(
    needs: Sequence[int], menus: Sequence[list[tuple[int, int]]]
) -> list[tuple[int, tuple[int, int]]]:
    """What is on each menu and not on the one before it, with what it needs."""
    found = []
    for need, before, menu in zip(needs, [[], *menus], menus, strict=False):
        known = {*before}
        found += [(need, choice) for choice in menu if choice not in known]
    return found


def undominated_within(
    need: Whole, traffic: Whole, cost: Whole
) -> tuple[list[int], list[list[tuple[int, int]]]]:
    """Needs, ascending, and the pairs of traffic and cost no other that needs as little beats.

    One menu for each need at which there is another one.
    """
    order = sorted(zip(need.tolist(), traffic.tolist(), cost.tolist(), strict=True))
    needs: list[int] = []
    menus: list[list[tuple[int, int]]] = []
    front: list[tuple[int, int]] = []  # traffic ascending, cost descending
    for held, moved, spent in order:
        place = bisect_left(front, (moved, spent))
        before = front[place - 1][1] if place else None
        if (before is not None and before <= spent) or (
            place < len(front) and front[place] == (moved, spent)
        ):
            continue
        end = place
        while end < len(front) and front[end][1] >= spent:
            end += 1
        front = [*front[:place], (moved, spent), *front[end:]]
        if needs and needs[-1] == held:
            menus[-1] = front
        else:
            needs.append(held)
            menus.append(front)
    return needs, menus


class EnergyWay(NamedTuple):
    """An array that a layer runs on, its PEs split alike.

    Attributes
    ----------
    runs : Runs
    cycles : int
        Where operands fit the PE.
    by_traffic, by_cost : StaircasesOf
        Its tilings: the least DRAM bits, and the least that these cost.
    menus_of : callable
        Those of which none is better in both.
    beside : callable
        Energy at some operands beside that of DRAM bits, in units.
    units : Fraction
        Of a cost.
    """

    runs: Runs
    cycles: int
    by_traffic: StaircasesOf
    by_cost: StaircasesOf
    menus_of: Callable[[frozenset[Pair], tuple[Operands, ...]], Menus]
    beside: Callable[[Operands], int]
    units: Fraction


class TiledEnergies:
    """Of a layer on some arrays, with tilings that fit beside what is resident.

    Parameters
    ----------
    arrays : sequence of EnergyWay
    listed : bool
        Each tiling that may be best is a choice of its own, on each array; else the layer takes
        the least of each measure.
    least_bits : int, optional
        Of listed tilings those that take more SRAM are told apart from those that do not.
    """

    ways = 1

    def __init__(
        self, arrays: Sequence[EnergyWay], listed: bool, least_bits: int | None = None
    ) -> None:
        self.arrays, self.listed, self.least_bits = arrays, listed, least_bits

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        found = [self._on(way, operands, which, live_bits) for way in self.arrays]
        if not found:
            nothing = np.zeros(which.shape, dtype=np.int64)
            return Taken(nothing, nothing, nothing > 0, nothing)
        return Taken.side_by_side(found) if self.listed else Taken.least(found)

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """Not known: no energy is counted where layers may be fused."""
        raise NotImplementedError

    def _on(
        self, way: EnergyWay, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> Taken:
        most, passes = columns([way.runs.get(x[:2], (-1, 1)) for x in operands])
        asked, room = (frozenset(way.runs), tuple(operands)), most[which] - live_bits
        beside = (way.beside(x) if x[:2] in way.runs else 0 for x in operands)
        always = times(passes, way.cycles)[which], whole_numbers(beside)[which]
        needs: Whole | None = None
        if self.listed:
            menus = way.menus_of(*asked)
            if self.least_bits is None:
                moved, cost, fits = menus.within(which, room)
            else:
                floor = np.minimum(room, self.least_bits - live_bits)
                moved, cost, fits = menus.within(which, floor)
                base = np.tile(floor, (1, moved.shape[1] // which.shape[1]))
                more = menus.beyond(which, floor, room)
                moved, cost, needs, fits = map(
                    np.hstack, zip((moved, cost, base, fits), more, strict=True)
                )
                needs = needs + np.tile(live_bits, (1, moved.shape[1] // which.shape[1]))
            many = 1, moved.shape[1] // which.shape[1]
            always = np.tile(always[0], many), np.tile(always[1], many)
        else:
            moved, fits = way.by_traffic(*asked).least_traffic(which, room)
            cost, _ = way.by_cost(*asked).least_traffic(which, room)
        cycles, spent = always[0], always[1] + rounded_down(cost, way.units)
        return Taken(np.where(fits, cycles, 0), moved, fits, np.where(fits, spent, 0), needs)
