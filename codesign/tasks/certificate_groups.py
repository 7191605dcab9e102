"""Closes the hardware options of a problem against a claim, in groups, each verified.

Lagrange multipliers, which the certificate calls prices, are found in floating point by the
search's own dual. Whether they close a group of hardware options, that is, rule out a better design
on any of them, is decided by the verifier's exact arithmetic alone, before anything is written.
Array shapes are tried first, with ideal tilings, then what is left option by option with its own
SRAM. Groups are as large as still close: by their bound or, where budgets leave a duality gap, by
enumeration. An option that does not close at all is left to the solver's word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.checking.certificate.enumeration import MOST_WORK
from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.possible_widths import with_possible_widths
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Option, read_problem
from codesign.checking.problem import Problem as CheckedProblem
from codesign.problem.file import problem_to_dict
from codesign.problem.goal import Goal
from codesign.problem.metrics import REGRET
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP
from codesign.results.certificate import Certificate
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual
from codesign.search.lexicographic import LexicographicSearch
from codesign.search.option_batches import envelope
from codesign.search.prove_goal import hardware_search
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.certificate_cuts import certificate_cuts
from codesign.tasks.certificate_options import group_of, named_options
from codesign.tasks.certificate_prices import Prices, tilted
from codesign.tasks.certificate_ranges import RangeCloser
from codesign.tasks.certificate_runs import RunWeights
from codesign.units import kind_of, member_of, of_member

OnStep = Callable[[str], None]

TARGET = 1.02  # times the claim: a bound that needs no better multipliers
NEAR = 0.98  # times the claim: a bound from which on an enumeration is worth a try
FEW = 3  # array shapes that do not close with the tilings of one PE: others are hardly better
FIRST_WORK = 100_000  # partial choices to look at for a group, before it is halved


class _Rows(NamedTuple):
    """Rows of tables, each of an option or an array shape, that may be closed in groups.

    Attributes
    ----------
    batch : Batch
    multipliers : floats, shape (rows, limits)
        Good ones for each row.
    value : floats, shape (rows,)
        The bounds at them.
    group : callable
        The hardware options that some rows stand for.
    """

    batch: Batch
    multipliers: Floats
    value: Floats
    group: Callable[[list[int]], OptionGroup]


class _Aim(NamedTuple):
    """A metric that is bounded, and what it has to come above to close an option."""

    dual: Dual
    cutoff: float


class Closer:
    """Closes the hardware options of a problem in groups.

    Parameters
    ----------
    below : Fraction
        The claim: no design within the budgets has a smaller objective.
    """

    def __init__(
        self, problem: Problem, below: Fraction, stop: StopCondition, on_step: OnStep | None
    ) -> None:
        self.stop, self.on_step, self.exactly_below = stop, on_step, below
        self.below = float(below)
        self.problem, self.space = problem, HardwareSpace(problem)
        goal = _goal_below(problem, self.below)
        search = hardware_search(LexicographicSearch(self.space, stop=stop).goal_task(goal))
        # Over the widths that noise leaves, as what verifies it; of a suite that takes all.
        suite = bool(problem.network.members)
        self.relaxation = search.task.relaxation if suite else search.relaxation
        self.batches = search.batches
        cutoff = search.dual_cutoff() if goal.metric in self.space.hardware_metrics else self.below
        self.aims = self._aims(goal, search.bounded_metric(), cutoff)
        self._take(self.aims[0])
        self.options = named_options(self.space)

    def _take(self, aim: _Aim) -> None:
        self.dual, self.cutoff = aim.dual, aim.cutoff * (1 + CLOSING_GAP)
        self.prices = Prices(self.dual, self.problem)

    def _aims(self, goal: Goal, metric: str, cutoff: float) -> list[_Aim]:
        """Of each member that the dual holds to a limit by itself; then of all together.

        For less regret every member has such a limit, and where nothing else holds several
        together, none is to be argued for all.
        """
        dual, shares = Dual(self.relaxation, metric, goal.limits), self.space.shares
        limited, needed = dual.of_members, True
        if self.problem.objective == REGRET:
            members = [x.name for x in self.problem.network.members]
            limited = {x: goal.limits[of_member(metric, x)] for x in members}
            each = zip(shares.of_members(metric).tolist(), limited.values(), strict=True)
            cutoff = math.fsum(share * limit for share, limit in each)
            whole = any(x in shares.names and member_of(x) is None for x in goal.limits)
            needed = whole or self.space.coupled
        found = []
        for member, limit in limited.items():
            own = {x: most for x, most in goal.limits.items() if member_of(x) == member}
            found.append(_Aim(Dual(self.relaxation, of_member(metric, member), own), limit))
        together = [_Aim(dual, cutoff)]
        return together if self._power_grows else [*found, *(together if needed else [])]

    @property
    def _power_grows(self) -> bool:
        """Whether power at all times counts, and grows with the SRAM."""
        energy = self.batches.energy
        return energy is not None and bool(energy.static_w_per_mm2)

    def certificate(self, trusting: bool = False) -> Certificate:
        """Close all options that have any SRAM at all; those without need no argument."""
        content = json.loads(json.dumps(problem_to_dict(self.problem)))
        checked = read_problem(Entry("problem", content, Ledger()))
        possible = with_possible_widths(checked, Threshold.of(checked, self.exactly_below))
        self.found = Certificate(self.below, len(self.options))
        self.closed: set[Option] = set()
        if not trusting:
            self.found.cuts = self._cuts(possible)
        self.verifier = Verifier(checked, self.exactly_below, self.found.cuts, self.stop.check)
        self.run_weights = RunWeights(self.verifier)
        capacity = self.verifier.option_groups.capacity
        self.sram_bits = np.array([float(capacity.get(option, -1)) for option in self.options])
        options = np.flatnonzero(self.sram_bits >= 1)
        self.ranges = self._range_closer()
        try:
            if self.below > 0 or not self._close_below_nothing(options):
                close = self._trust if trusting else self._close_all
                close(options)
        except Stopped:
            self._trust(options)
        return self.found

    def _range_closer(self) -> RangeCloser | None:
        """What closes options where power at all times grows with their SRAM."""
        if not self._power_grows:
            return None
        terms = self.batches, self.dual, self.options, self.sram_bits
        return RangeCloser(*terms, self.cutoff, TARGET * self.cutoff, self._append, self.stop.check)

    def _trust(self, options: Ints) -> None:
        """Leave all options still open to the solver's word."""
        self.found.trusted = [x for x in (self.options[n] for n in options) if x not in self.closed]

    def _cuts(self, checked: CheckedProblem) -> list[tuple[str, str]]:
        """Couplings to cut, lest tables grow too large.

        None where time is up before they are known: next to nothing is then argued.
        """
        named = self.space.variables

        def of_widths() -> list[tuple[str, str]]:
            cuts = self.relaxation.cuts
            return [(layer, named[variable][0]) for layer, variable in cuts]

        try:
            return certificate_cuts(checked, of_widths, self.stop.check)
        except Stopped:
            return []

    # Options ------------------------------------------------------------------------------------

    def _close_below_nothing(self, options: Ints) -> bool:
        """Close all options at once where the claim is that nothing is below 0."""
        free = np.zeros((1, len(self.dual.limited)))
        return not len(options) or self._add(self._group(options, ideal=True), free, 0)

    def _close_all(self, options: Ints) -> None:
        """Close what is easy by one aim after the other, then what is left, taking more time."""
        for aim in self.aims:
            self._take(aim)
            options = self._close_most(options)
        pair = self.space.pair_of[options]
        tries = [-math.inf] if len(self.aims) == 1 else [NEAR, -math.inf]
        for n in np.unique(pair):
            left = options[pair == n]
            for near, aim in product(tries, self.aims):
                self._take(aim)
                left = np.array(self._close_options(left, near, MOST_WORK), dtype=np.int64)
            self.found.trusted += [self.options[option] for option in left]

    def _close_most(self, options: Ints) -> Ints:
        """Close array shapes; of what is left options of a shape; what is left then.

        Nothing is left where SRAM is taken by ranges.
        """
        good: dict[int, Floats] = {}
        for ideal in (True, False):
            each = [self._close_shapes(mine, ideal) for mine in self._alike(options)]
            options = np.sort(np.concatenate([left for left, _ in each]))
            good = {shape: x for _, of_shapes in each for shape, x in of_shapes.items()}
        left: list[int] = []
        for shape in self.space.shapes_among(options):
            mine = options[self.space.shape_of[options] == shape]
            if self.ranges is not None:
                open_still = self.ranges.close(mine.tolist(), good[int(shape)])
                self.closed.update(self.options[n] for n in {*mine.tolist()} - {*open_still})
                self.found.trusted += [self.options[n] for n in open_still]
                continue
            mine = self._close_at(mine, good[int(shape)])
            left += self._close_options(mine, NEAR, FIRST_WORK) if len(mine) else []
        return np.array(left, dtype=np.int64)

    def _alike(self, options: Ints) -> list[Ints]:
        """Options whose shapes are closed together: where PEs split, of one pair of PE widths.

        Each is then a shape of its own, and its widths are what tells it from others.
        """
        if not self.space.widens:
            return [options]
        pair = self.space.pair_of[options]
        return [options[pair == n] for n in np.unique(pair)] or [options]

    def _close_shapes(self, options: Ints, ideal: bool) -> tuple[Ints, dict[int, Floats]]:
        """Close array shapes with ideal tilings, or with those that fit.

        The options left over, and good multipliers of each shape.
        """
        if not len(options):
            return options, {}
        shapes, row = np.unique(self.space.shape_of[options], return_inverse=True)
        most = None
        if not ideal:
            most = np.zeros(len(shapes))
            np.maximum.at(most, row, self.sram_bits[options])

        def group(rows: list[int]) -> OptionGroup:
            return self._group(options[np.isin(row, rows)], ideal)

        def finest(rows: list[int]) -> OptionGroup:
            return self._group(options[np.isin(row, rows)], finest=True)

        batch = self.batches.of_shapes(options, shapes, row, most, self._least(len(shapes)))
        work = FIRST_WORK if ideal and not self._power_grows else 0
        left, good = self._close(batch, group, NEAR, work, None if ideal else finest)
        return options[np.isin(row, left)], dict(zip(shapes.tolist(), good, strict=True))

    def _close_at(self, options: Ints, multipliers: Floats) -> Ints:
        """Close options in groups by given multipliers alone; the options left over."""
        left, stack = [], [options]
        while stack:
            mine = stack.pop()
            self.stop.check()
            if len(mine) < len(options) and self._add(self._group(mine), multipliers[None], 0):
                continue
            if len(mine) == 1:
                left.append(int(mine[0]))
                continue
            half = len(mine) // 2
            stack += [mine[half:], mine[:half]]
        return np.array(left, dtype=np.int64)

    def _close_options(self, options: Ints, near: float, most_work: int) -> list[int]:
        """Close options with their own SRAM; those left over."""
        if not len(options):
            return []

        def group(rows: list[int]) -> OptionGroup:
            return self._group(options[rows])

        most, least = self.sram_bits[options], self._least(len(options))
        batch = self.batches.of_options(options, most, powered_bits=least)
        left, _ = self._close(batch, group, near, most_work)
        return [int(options[n]) for n in left]

    def _least(self, count: int) -> Floats:
        """The least SRAM on offer, as the verifier takes it for that of any design."""
        return np.full(count, max(self.space.capacities.min_bits, 1.0))

    def _group(self, options: Ints, ideal: bool = False, finest: bool = False) -> OptionGroup:
        return group_of((self.options[n] for n in options), ideal, finest=finest)

    # Rows of tables -----------------------------------------------------------------------------

    def _close(
        self,
        batch: Batch,
        group: Callable[[list[int]], OptionGroup],
        near: float,
        most_work: int,
        together: Callable[[list[int]], OptionGroup] | None = None,
    ) -> tuple[list[int], Floats]:
        """Close rows in groups, those first that bounds alone close.

        Those left over, and good multipliers of each row.

        Parameters
        ----------
        near : float
            Rows of bounds below this times the claim are not tried by enumeration; of fused runs
            they can be below 0.
        most_work : int
            Partial choices to look at for a row alone.
        together : callable, optional
            As ``group``, where one of several takes more work than each of them alone: of less.
        """
        found = self.dual.bound(batch, cutoff=TARGET * self.cutoff)
        rows, value = _Rows(batch, found.multipliers, found.value, group), found.value
        order = [int(n) for n in np.argsort(value)]
        by_bound = [n for n in order if value[n] > self.cutoff]
        others = [n for n in order if not value[n] > self.cutoff]
        far_below = [n for n in others if value[n] < near * self.cutoff]
        tried = [n for n in others if not value[n] < near * self.cutoff]
        if together is None:
            left = self._close_halving(rows, by_bound, 0)
        else:
            left = self._close_halving(rows._replace(group=together), by_bound, 0, FEW)
            left = [n for n in left if not self._closes(rows, [n], 0)]
        if self.run_weights.runs and most_work:  # whose bounds differ from the search's
            left = [n for n in left if not self._closes(rows, [n], most_work)]
        left += far_below + self._close_halving(rows, tried, most_work)
        return left, found.multipliers

    def _close_halving(
        self, rows: _Rows, chosen: list[int], most_work: int, few: int | None = None
    ) -> list[int]:
        """Close chosen rows in groups, halving a group that does not close; those left over.

        ``few``: rows that do not close alone, after which no others are tried.
        """
        left, stack = [], [chosen] if chosen else []
        while stack:
            mine = stack.pop()
            if self._closes(rows, mine, most_work):
                continue
            if len(mine) == 1:
                left += mine
                if len(left) == few:
                    return [*left, *(n for each in stack for n in each)]
                continue
            half = len(mine) // 2
            stack += [mine[half:], mine[:half]]
        return left

    def _closes(self, rows: _Rows, chosen: list[int], most_work: int) -> bool:
        """Close the envelope of chosen rows."""
        self.stop.check()
        group, start = rows.group(chosen), rows.multipliers[chosen[-1]][None]
        alone = len(chosen) == 1
        if alone and rows.value[chosen[0]] > self.cutoff and self._add(group, start, 0):
            return True
        single = envelope([rows.batch.take(np.array(chosen))])
        found = self.dual.bound(single, start, TARGET * self.cutoff)
        multipliers, bound = found.multipliers[0], float(found.value[0])
        if bound > self.cutoff and self._add(group, multipliers[None], 0):
            return True
        if bound > self.cutoff and not (alone and self.run_weights.runs):
            return False
        if not most_work or (not alone and bound < NEAR * self.cutoff):
            return False
        if alone and most_work > FIRST_WORK:
            prices = tilted(self.dual, single, multipliers, bound, self.cutoff)
            return self._add(group, prices, most_work)
        return self._add(group, multipliers[None], FIRST_WORK)

    # Groups -------------------------------------------------------------------------------------

    def _add(self, group: OptionGroup, multipliers: Floats, most_work: int) -> bool:
        """Add a group to the certificate if it is verified, see `_append`."""
        try:
            return self._append(group, multipliers, most_work)
        except TooMany:
            return False

    def _append(self, group: OptionGroup, multipliers: Floats, most_work: int) -> bool:
        """The same, where nothing is caught.

        Parameters
        ----------
        multipliers : floats, shape (rows, limits)
            Those of the bound, then those that help to enumerate.
        most_work : int
            Partial choices to look at; 0: close it by its bound.
        """
        prices, *further = self.prices.of(multipliers, self.verifier.units.names)
        exact = [{x: Fraction(p) for x, p in each.items()} for each in (prices, *further)]
        weights = self.run_weights.good(group, exact[0])
        if not self.verifier.closed(group, exact[0], most_work, exact[1:], weights):
            return False
        self.found.add(group, prices, further, self.run_weights.written(weights), most_work > 0)
        if group.sram_bits is None:
            self.closed.update(group.options)
        if self.on_step is not None:
            total = len(self.space)
            self.on_step(f"certified: {min(len(self.closed), total)} of {total} hardware options")
        return True


def _goal_below(problem: Problem, below: float) -> Goal:
    """What a design that is better than claimed would have to reach: of less regret, by limits."""
    if problem.objective != REGRET:
        return Goal(problem.objective, problem.budgets)
    limits = dict(problem.budgets)
    for name, best in problem.references.items():
        limits[name] = min(limits.get(name, math.inf), below * best)
    return Goal(kind_of(next(iter(problem.references))), limits)
