"""Tables solved by labels, of one hardware option or of one that dominates several.

Where there is one limit, and tables tell everything.

Dynamic programming over the tables of the dual bound, each of whose entries says all that a layer
costs, with a given SRAM. The Lagrangian of what is looked through rises in steps from the dual
bound: most often the best is little above it, and far below what is known.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from codesign.problem.tolerances import UNDERFLOW
from codesign.search.bounds.labels import LabelSearch, LabelTable, TooManyLabels
from codesign.space.solution import Solution, price

if TYPE_CHECKING:
    from codesign.arrays import Floats, Ints
    from codesign.search.bounds.batch import Batch
    from codesign.search.bounds.joint_choices import Entries
    from codesign.search.bounds.labels import Chosen
    from codesign.search.bounds.lagrangian import DualBound
    from codesign.search.hardware_search import HardwareSearch

MOST_LAYERS = 500  # of more, most often alike, a MILP over counts of them is as soon solved
FIRST_STEP, GROWTH = 1 / 64, 4.0  # of the gap to what is known; of the next step
FEW_ENTRIES, NEAR = 4, 1e-2  # for each layer, gone through at once; of a bound, where to look
RAISED_MORE = 1.25  # times what similar bounds were raised by, in a first step
NEAR_END = 0.9  # of a range of SRAM: beyond, a split leaves most of it
LABELS_RAISE = 2.0  # bounds of an option's ranges, by no more than so many times the last
UNKNOWN_STEP = 1e-4  # of the bound, where nothing is known


def suits_labels(search: HardwareSearch, single: Batch) -> bool:
    """Whether a goal has at most one limit, and tables of few layers tell everything."""
    space = search.space
    if len(space.geometry_of) > MOST_LAYERS:
        return False
    plain = not (single.modes or space.runs or search.batches.port)
    return plain and len(search.dual.limited) <= 1 and search.relaxation.of(single).whole


def solve_by_labels(
    search: HardwareSearch,
    option: int,
    sram_bits: float,
    single: Batch,
    found: DualBound,
    most: float | None = None,
    raised: float = 0.0,
) -> tuple[float, Solution | None]:
    """A bound on one option that `suits_labels`, and its best where that was found.

    Where there are too many labels, the bound is what was proven by then.

    ``found`` is the bound of its tables ``single``; what is above ``most``, by default the dual
    cutoff, is of no interest. Labels ``raised`` the bound of similar ones by so much.
    """
    most = search.dual_cutoff() if most is None else most
    bound, labelled, best = _solved(search, single, found, most, RAISED_MORE * raised)
    if best is None:
        return bound, None
    return bound, _priced(search, labelled, option, sram_bits, best)


class RangeLabels:
    """Bounds ranges of SRAM by labels where power at all times grows with it."""

    def __init__(self, search: HardwareSearch) -> None:
        self.search = search
        self.raised_lately = 0.0  # a bound
        # By how much those of an option, where what was best was no new incumbent.
        self.raised: dict[int, float] = {}

    def bound(
        self, option: int, sram: tuple[float, float], single: Batch, found: DualBound
    ) -> tuple[float, bool]:
        """Bound one option in a range, where labels suit, and price what is best.

        Also whether the range is better split before anything else: at the SRAM of what is best if
        that is a new incumbent, or not near its end; else in the middle. ``found`` is the bound of
        its tables ``single``. Labels raise that about as much in all ranges of an option: of no use
        are those of a range that they are far from closing.
        """
        search, bound = self.search, float(found.value[0])
        most = float(np.nextafter(search.dual_cutoff(), np.inf))
        if bound >= most or not suits_labels(search, single):
            return bound, False
        ends = np.array([sram[0]]), np.array([sram[1]])
        grows = bool(search.power_grows(np.array([option]), *ends)[0])
        far = bound + LABELS_RAISE * self.raised.get(option, np.inf) < most
        if grows and far and self._splits(self._met(option, found, sram[1]), sram):
            return bound, True
        labelled, solution = solve_by_labels(
            *(search, option, sram[1], single, found, most), self.raised_lately
        )
        search.update_incumbent(solution)
        self.raised_lately = max(labelled - bound, 0.0)
        bound = max(bound, labelled)
        if solution is None or not grows:
            return bound, False
        if search.incumbent is solution:
            search.last_sram_bits = solution.sram_bits
            return bound, True
        self.raised[option] = self.raised_lately
        return bound, self._splits(solution, sram)

    def _met(self, option: int, found: DualBound, sram_bits: float) -> Solution | None:
        """The best assignment that was met in bounding an option."""
        if not np.isfinite(found.incumbent[0]):
            return None
        widths = found.variable_width[0].tolist(), found.weight[0].tolist()
        return price(self.search.space, option, *widths, sram_bits, found.on_chip[0].tolist())

    def _splits(self, best: Solution | None, sram: tuple[float, float]) -> bool:
        """Whether a range is split: at the SRAM of a solution, or in the middle if that is near."""
        low, high = sram
        if best is not None and low < best.sram_bits <= low + NEAR_END * (high - low):
            self.search.last_sram_bits = best.sram_bits
        return best is None or best.sram_bits > low


def bound_by_labels(search: HardwareSearch, tables: Batch, found: DualBound) -> float | None:
    """The least of tables that no design need have, up to where no better bound is of use.

    None where there are too many labels, or no end to what a bound may be.
    """
    most = search.dual_cutoff()
    if not math.isfinite(most):
        return None
    bound, _, best = _solved(search, tables, found, most)
    return bound if best is not None or bound >= most else None


def _solved(
    search: HardwareSearch, single: Batch, found: DualBound, most: float, first: float = 0.0
) -> tuple[float, _Labelled, Chosen | None]:
    """A bound, as far as it is below ``most``, and what has so much where that was found.

    ``first``: how far the first step goes at least; it goes as far as entries are few.
    """
    relaxation, value = search.relaxation.of(single), float(found.value[0])
    labelled = _Labelled(search, single, found.multipliers[0])
    step = FIRST_STEP * (most - value) if math.isfinite(most) else UNKNOWN_STEP * abs(value)
    step = max(step, first, UNKNOWN_STEP / 100 * abs(value), UNDERFLOW)
    while True:
        target = min(value + step, most)
        if value == found.value[0]:
            target = labelled.few_until(target, min(most, max(target, value + NEAR * abs(value))))
        try:
            best = labelled.best_until(target)
        except TooManyLabels:
            return value, labelled, None
        least = math.inf if best is None else float(best.costs[0])
        if least <= target:
            bound = least - relaxation.rounding * abs(least) - UNDERFLOW
            return max(value, bound), labelled, best
        step = GROWTH * max(step, target - value)
        value = target  # no design has less
        if value >= most:
            return value, labelled, None
        most = min(most, least)


class _Labelled:
    """Entries of the tables of one option, and labels of those within rising ceilings.

    Attributes
    ----------
    entries : list of Entries
        Those gone through last.
    """

    def __init__(self, search: HardwareSearch, single: Batch, multipliers: Floats) -> None:
        self.search, self.dual, self.relaxation = search, search.dual, search.relaxation.of(single)
        self.multipliers, self.spent = multipliers, float(multipliers @ search.dual.limits)
        coefficients = self.dual.coefficients(multipliers[None])
        self.forced = self.relaxation.forced(single, coefficients, -math.inf)
        self.tables = self.forced.tables
        self.entries: list[Entries] = []
        self._costs: dict[int, list[Floats]] = {}  # of families, of the goal and its limit

    def few_until(self, least: float, most: float) -> float:
        """Up to which value of the goal, in a range, there are only few entries for each layer."""
        entries = self._within(self._ceiling(most))
        totals = np.sort(np.concatenate([x.forced for x in entries]))
        few = FEW_ENTRIES * len(entries)
        if len(totals) <= few:
            return most
        return min(max(least, float(totals[few]) - self.spent), most)

    def best_until(self, target: float) -> Chosen | None:
        """The best within the limit, if any of those up to a value of the goal is.

        Raises
        ------
        TooManyLabels
        """
        ceiling, multipliers = self._ceiling(target), self.multipliers
        self.entries = self._within(ceiling)
        charge = float(multipliers[0]) if len(multipliers) else 0.0
        limit = float(self.dual.limits[0]) if len(multipliers) else math.inf
        check_time = self.search.stop.check
        made = LabelSearch(
            self._label_tables(), self._own, self.tables.states.sizes, charge, check_time
        )
        return made.solve(limit, ceiling)

    def _ceiling(self, target: float) -> float:
        """What no choice costs more, in the Lagrangian, that has no more of the goal."""
        rounding = self.relaxation.marginal_rounding * (abs(target) + self.spent) + UNDERFLOW
        return target + self.spent + 2 * rounding

    def _within(self, ceiling: float) -> list[Entries]:
        """What may be forced within a ceiling."""
        if ceiling > self.forced.ceiling:
            self.forced = replace(self.forced, ceiling=ceiling)
            return self.forced.entries
        found = []
        for entries in self.forced.entries:
            kept = entries.forced <= ceiling
            where = tuple(x[kept] for x in entries.where)
            found.append(entries._replace(where=where, forced=entries.forced[kept]))
        return found

    def _label_tables(self) -> list[LabelTable]:
        """The entries gone through, with costs of the goal and its limit."""
        found: dict[int, LabelTable] = {}
        for i, number, member, where, _ in self.entries:
            costs = np.zeros((len(where[0]), 2))
            for n, table in enumerate(self._costs_of(number)):
                costs[:, n] = table[member][where]
            scope = self.tables.scopes[i]
            values = np.array(where[len(where) - len(scope) :], dtype=np.int64)
            found[i] = LabelTable(scope, values.reshape(len(scope), len(costs)).T, costs)
        return [found[i] for i in range(len(self.tables.layers))]

    @property
    def _unit(self) -> Floats:
        """(1 or 2, metrics): coefficients of the goal alone, and of its limit."""
        dual = self.dual
        return np.asarray(np.eye(len(dual.metrics))[[dual.main, *dual.limited]])

    def _costs_of(self, number: int) -> list[Floats]:
        """(K, …) each: what entries of a family cost of either."""
        if number not in self._costs:
            full, batch = self.tables.full, self.forced.batch
            self._costs[number] = [full(number, batch, x[None], None)[0] for x in self._unit]
        return self._costs[number]

    @cached_property
    def _own(self) -> Floats:
        """(variables, values, 2): what values themselves cost of either; inf of what is none."""
        unit, barred = self._unit, self.tables.states.barred
        own = np.zeros((*barred.shape, 2))
        own[..., : len(unit)] = np.moveaxis(self.relaxation.own_costs(unit), 0, -1)
        return np.asarray(own + barred[..., None])


def _priced(
    search: HardwareSearch, labelled: _Labelled, option: int, sram_bits: float, best: Chosen
) -> Solution | None:
    """The design of what is best."""
    tables, space = labelled.tables, search.space
    states, left = tables.states, tables.states.left
    values = np.array(best.values, dtype=np.int64)
    widths: Ints = states.widths_of(values)
    weight = np.zeros(len(tables.layers), dtype=np.int64)
    for i, number, _, where, _ in labelled.entries:
        axis = tables.families[number].weight_axis
        weight[i] = left[where[axis][best.entries[i]] % len(left)]
    places = states.places_of(values)
    return price(space, option, widths.tolist(), weight.tolist(), sram_bits, places.tolist())
