"""What layers take with tilings chosen by more than traffic: the least of each measure, or all.

The tiling of least traffic within some room need not be the one that costs the least energy, nor
the one that keeps the SRAM's port least busy. Of many hardware options a layer takes the least of
each. Of a single one it has a choice for each of the tilings to which no other that fits is as good
in all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from codesign.checking.certificate.layer_costs import (
    FusedTaken,
    Pair,
    Runs,
    StaircasesOf,
    Taken,
    columns,
    fused_on,
)
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
Measures = tuple[int, ...]  # of a tiling


class Menus:
    """Measures of tilings within any room, to which no other within it is as good in all.

    Of several pairs of widths at once.

    Parameters
    ----------
    each : sequence of (need, measure, ...)
        Of each pair its tilings, as `LayerTilings.fitting` has them; None of one that does not run.
    measures : int
        How many there are.
    """

    def __init__(self, each: Sequence[tuple[Whole, ...] | None], measures: int) -> None:
        found: list[list[Measures]] = []
        stairs: list[tuple[Whole, Whole] | None] = []
        entering: list[tuple[Whole, Whole] | None] = []
        entered: list[Measures] = []
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
        self.entered = [whole_numbers(x[i] for x in entered) for i in range(measures)]
        self.size = max((len(menu) for menu in found), default=0)
        padded = [[*menu, *[menu[0]] * (self.size - len(menu))] for menu in found]
        self.measures = [
            whole_numbers(x[i] for menu in padded for x in menu).reshape(len(found), self.size)
            for i in range(measures)
        ]
        self.there = np.array([len(menu) for menu in found])[:, None] > np.arange(self.size)

    def within(self, which: Whole, room: Whole) -> tuple[list[Whole], Whole]:
        """(entries, choices × size): every measure, and whether there is such a tiling."""
        if not self.size:
            nothing = np.zeros(which.shape, dtype=np.int64)
            return [nothing] * len(self.measures), nothing > 0
        row, fits = self.rows.least_traffic(which, room)
        there = np.hstack([fits & self.there[row, n] for n in range(self.size)])
        return [np.hstack([x[row, n] for n in range(self.size)]) for x in self.measures], there

    def beyond(self, which: Whole, floor: Whole, room: Whole) -> tuple[list[Whole], Whole, Whole]:
        """(entries, choices × n): every measure, need and whether there is such a tiling.

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
            return [nothing] * len(self.measures), nothing, nothing > 0
        if size * which.size > MOST_CHOICES:
            raise TooLarge
        place = np.hstack([first + n for n in range(size)])
        there = place <= np.tile(last, (1, size))
        place = np.where(there, place, 0)
        need = self.entering.need[place] - np.tile(self.entering.first[which], (1, size))
        chosen = self.entering.traffic[place]
        return [x[chosen] for x in self.entered], need, there


def _new_of_each(
    needs: Sequence[int], menus: Sequence[list[Measures]]
) -> list[tuple[int, Measures]]:
    """What is on each menu and not on the one before it, with what it needs."""
    found = []
    for need, before, menu in zip(needs, [[], *menus], menus, strict=False):
        known = {*before}
        found += [(need, choice) for choice in menu if choice not in known]
    return found


def undominated_within(need: Whole, *measures: Whole) -> tuple[list[int], list[list[Measures]]]:
    """Needs, ascending, and the measures of tilings that no other that needs as little beats.

    One menu for each need at which there is another one, by the first measure, ascending.
    """
    order = sorted(zip(*(x.tolist() for x in (need, *measures)), strict=True))
    added = _added_of_two if len(measures) == 2 else _added
    needs: list[int] = []
    menus: list[list[Measures]] = []
    front: list[Measures] = []
    for held, *costs in order:
        menu = added(front, tuple(costs))
        if menu is front:
            continue
        front = menu
        if needs and needs[-1] == held:
            menus[-1] = front
        else:
            needs.append(held)
            menus.append(front)
    return needs, menus


def _added(front: list[Measures], costs: Measures) -> list[Measures]:
    """What none beats with one more; the same list where one is as good as that."""
    if any(all(a <= b for a, b in zip(x, costs, strict=True)) for x in front):
        return front
    left = (x for x in front if any(a < b for a, b in zip(x, costs, strict=True)))
    return sorted((*left, costs))


def _added_of_two(front: list[Measures], costs: Measures) -> list[Measures]:
    """The same of two measures: as the first rises, the second falls."""
    place = bisect_left(front, costs)
    if place and front[place - 1][1] <= costs[1]:
        return front
    if place < len(front) and front[place] == costs:
        return front
    end = place
    while end < len(front) and front[end][1] >= costs[1]:
        end += 1
    return [*front[:place], costs, *front[end:]]


class Measure(NamedTuple):
    """What tilings are chosen by beside traffic.

    Attributes
    ----------
    name : str
        That `Taken` has for it.
    beside : callable
        Of a layer at some operands beside what goes with DRAM bits.
    units : Fraction
        Of the latter, in those of the former.
    """

    name: str
    beside: Callable[[Operands], int]
    units: Fraction


class MeasuredWay(NamedTuple):
    """An array that a layer runs on, its PEs split alike.

    Attributes
    ----------
    runs : Runs
    cycles : int
        Where operands fit the PE.
    least_of : tuple of StaircasesOf
        Its tilings: the least DRAM bits, and the least of each measure that goes with these.
    menus_of : callable
        Those of which none is better in all.
    measures : tuple of Measure
    in_run : callable or None
        Energy at some operands in a fused run, in units; None where none counts.
    """

    runs: Runs
    cycles: int
    least_of: tuple[StaircasesOf, ...]
    menus_of: Callable[[frozenset[Pair], tuple[Operands, ...]], Menus]
    measures: tuple[Measure, ...]
    in_run: Callable[[Operands], int] | None


class MeasuredCosts:
    """Of a layer on some arrays, with tilings that fit beside what is resident.

    Parameters
    ----------
    arrays : sequence of MeasuredWay
    names : sequence of str
        Of the measures.
    listed : bool
        Each tiling that may be best is a choice of its own, on each array; else the layer takes
        the least of each measure.
    least_bits : int, optional
        Of listed tilings those that take more SRAM are told apart from those that do not.
    """

    def __init__(
        self,
        arrays: Sequence[MeasuredWay],
        names: Sequence[str],
        listed: bool,
        least_bits: int | None = None,
    ) -> None:
        self.arrays, self.names = arrays, names
        self.listed, self.least_bits = listed, least_bits

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        found = [self._on(way, operands, which, live_bits) for way in self.arrays]
        if not found:
            nothing = np.zeros(which.shape, dtype=np.int64)
            of_names: dict[str, Any] = dict.fromkeys(self.names, nothing)
            return Taken(nothing, nothing, nothing > 0, **of_names)
        return Taken.side_by_side(found) if self.listed else Taken.least(found)

    def fused(self, operands: Sequence[Operands], which: Whole) -> FusedTaken:
        """As `LayerCosts` says."""
        nothing = fused_on({}, 1, lambda _: 0, operands, which)
        each = (fused_on(x.runs, x.cycles, x.in_run, operands, which) for x in self.arrays)
        return reduce(FusedTaken.least, each, nothing)

    def _on(
        self, way: MeasuredWay, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> Taken:
        most, passes = columns([way.runs.get(x[:2], (-1, 1)) for x in operands])
        asked, room = (frozenset(way.runs), tuple(operands)), most[which] - live_bits
        needs: Whole | None = None
        if not self.listed:
            each = [x(*asked).least_traffic(which, room) for x in way.least_of]
            (moved, fits), costs = each[0], [cost for cost, _ in each[1:]]
        elif self.least_bits is None:
            (moved, *costs), fits = way.menus_of(*asked).within(which, room)
        else:
            menus, floor = way.menus_of(*asked), np.minimum(room, self.least_bits - live_bits)
            (moved, *costs), fits = menus.within(which, floor)
            base = np.tile(floor, (1, moved.shape[1] // which.shape[1]))
            (further, *more), needs, there = menus.beyond(which, floor, room)
            moved, needs = np.hstack([moved, further]), np.hstack([base, needs])
            costs = [np.hstack(x) for x in zip(costs, more, strict=True)]
            fits = np.hstack([fits, there])
            needs = needs + np.tile(live_bits, (1, moved.shape[1] // which.shape[1]))
        many = 1, moved.shape[1] // which.shape[1]
        cycles = np.tile(times(passes, way.cycles)[which], many)
        of_names: dict[str, Any] = {}
        for measure, cost in zip(way.measures, costs, strict=True):
            beside = (measure.beside(x) if x[:2] in way.runs else 0 for x in operands)
            always = np.tile(whole_numbers(beside)[which], many)
            goes = cost if measure.units == 1 else rounded_down(cost, measure.units)
            of_names[measure.name] = np.where(fits, always + goes, 0)
        return Taken(np.where(fits, cycles, 0), moved, fits, sram_bits=needs, **of_names)
