"""One hardware option of a suite, solved member by member.

Members that share no width share hardware and SRAM and nothing else. With both given, and where
every limit is one on the hardware or on a member, the least of a sum over the members is the sum of
their own least: each is solved alone, within what the others leave of what is still worth finding,
and what is found of it is known to later goals, with less SRAM too (`member_spaces`). A limit on
the sum of all, such as the least latency while ties are broken, leaves each member what the least
of the others do: no more than that is relaxed, and what is found is held to the sum itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.problem.tolerances import (
    BUDGET_TOLERANCE,
    CLOSING_GAP,
    SUM_ROUNDING,
    UNDERFLOW,
    beyond,
    ceiling,
)
from codesign.search.cut_pool import CutPool
from codesign.space.solution import Solution, least_sram, price
from codesign.units import kind_of, member_of

if TYPE_CHECKING:
    from codesign.arrays import Floats
    from codesign.search.bounds.batch import Batch
    from codesign.search.bounds.lagrangian import Dual, DualBound
    from codesign.search.goal_task import GoalTask
    from codesign.search.hardware_search import HardwareSearch
    from codesign.space.hardware import HardwareSpace


class MemberSearch(Protocol):
    """What is asked of the search for one member's least; see `LeastMetric`."""

    task: GoalTask
    space: HardwareSpace
    goal: Goal
    incumbent: Solution | None
    dual: Dual
    multipliers: Floats

    def tables_of(self, option: int, sram_bits: float) -> Batch: ...
    def bounded(self, option: int, sram_bits: float, single: Batch) -> tuple[Batch, DualBound]: ...
    def solve_bounded(
        self, option: int, sram_bits: float, single: Batch, found: DualBound, known: float
    ) -> float: ...
    def update_incumbent(self, solution: Solution | None) -> None: ...


class Part:
    """One member's least of a goal on one option with so much SRAM, as far as it is known.

    Attributes
    ----------
    lower : float
        No design of it has less; inf where none keeps the goal's limits.
    best : Solution or None
        One of least, or with less than was asked for.
    """

    def __init__(
        self, whole: ByMember, member: int, option: int, sram_bits: float, goal: Goal
    ) -> None:
        self.option, self.sram_bits, self.goal = option, sram_bits, goal
        self.made: tuple[MemberSearch, Batch, DualBound] | None = None
        self.search = partial(whole.search_of, member, option, sram_bits, goal)
        mine = whole.space.hardware_metrics
        others = ((x, most) for x, most in goal.limits.items() if x not in (*mine, goal.metric))
        members = whole.search.task.members
        self.known = members.known_of(whole.space, member, option, Goal(goal.metric, dict(others)))
        self.lower, self.best = -math.inf, self.known.within(sram_bits)
        if self.best is not None and not goal.kept_by(self.best.metrics):
            self.best = None
        self._raise(self.known.lower(sram_bits))

    @property
    def value(self) -> float:
        """Of the best."""
        return math.inf if self.best is None else self.best.metrics[self.goal.metric]

    @property
    def gap(self) -> float:
        """How much less than the best there may be."""
        return self.value - self.lower if math.isfinite(self.lower) else 0.0

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to find."""
        return self.lower >= self.value * (1 - CLOSING_GAP) or self.lower == math.inf

    def bound(self) -> None:
        """Bound it by its tables."""
        if self.settled:
            return
        found = self.search()
        found.update_incumbent(self.best)
        tables = found.tables_of(self.option, self.sram_bits)
        self.made = found, *found.bounded(self.option, self.sram_bits, tables)
        self._take(float(self.made[2].value[0]))

    def solve(self, most: float) -> None:
        """Find its least, as far as that is below ``most``."""
        if self.settled or self.lower >= most:
            return
        if self.made is None:
            self.bound()
        assert self.made is not None
        search, tables, found = self.made
        kind, limits = self.goal.metric, self.goal.limits
        if math.isfinite(most):
            most = min(most * (1 + BUDGET_TOLERANCE), limits.get(kind, math.inf))
            search.goal = Goal(kind, {**limits, kind: most})
            if self.value > most:  # what it has is of no use
                search.incumbent = self.best = None
        known = -math.inf
        self._take(search.solve_bounded(self.option, self.sram_bits, tables, found, known))

    def _take(self, bound: float) -> None:
        """Keep what the search has found."""
        assert self.made is not None
        search = self.made[0]
        if search.incumbent is not None:
            self.best = search.incumbent
            limits = {**self.goal.limits, self.goal.metric: self.value}
            self.known.best.append(least_sram(search.space, self.best, limits))
        self.known.bounds.append((self.sram_bits, bound))
        self._raise(bound)

    def _raise(self, bound: float) -> None:
        self.lower = max(self.lower, bound, 0.0)
        if self.lower > beyond(self.goal.limits.get(self.goal.metric, math.inf)):
            self.lower = math.inf  # it breaks its own limit


class ByMember:
    """Solves options of a search over a suite, member by member."""

    def __init__(
        self, search: HardwareSearch, least_metric: Callable[[GoalTask], MemberSearch]
    ) -> None:
        """``least_metric`` makes the search for one member's least of a sum."""
        self.search, self.space, self.least_metric = search, search.space, least_metric
        self.members = search.space.problem.network.members

    def suits(self, goal: Goal) -> bool:
        """Whether a goal is one of sums over the members, and of limits that each has alone.

        Or of one member's share, beside which the others have to keep their limits.
        """
        if (
            not self.members
            or self.space.coupled
            or self.space.counts_energy
            or ENERGY in goal.kinds
        ):
            return False
        whole = [x for x in goal.limits if x in ADDITIVE_METRICS and x != goal.metric]
        return kind_of(goal.metric) in ADDITIVE_METRICS and len(whole) <= 1

    def solve(
        self, option: int, sram_bits: float, goal: Goal, cutoff: float
    ) -> tuple[float, Solution | None]:
        """The least of a goal's metric on an option with so much SRAM, as far as it is below.

        Returns
        -------
        bound : float
            No design of it has less, or the cutoff where that is less; inf: it has none.
        solution : Solution or None
            One of least, where it is within the goal's limits.
        """
        limits = self._limits(option, sram_bits, goal)
        if limits is None:
            return math.inf, None
        kind, share = kind_of(goal.metric), self.space.shares.of_members(goal.metric)
        parts = [
            Part(self, m, option, sram_bits, Goal(kind, each)) for m, each in enumerate(limits)
        ]
        lower = np.array([x.lower for x in parts])
        for m, part in enumerate(parts):  # what is known may be enough
            if self._sum(share, lower) >= cutoff:
                break
            part.bound()
            lower[m] = part.lower
        # Those that are all but settled come first: they leave the others less to look through.
        gaps = [s * x.gap if s else 0.0 for s, x in zip(share, parts, strict=True)]
        for m in np.argsort(gaps, kind="stable"):
            if not np.isfinite(lower).all():
                return math.inf, None
            if share[m] == 0 and parts[m].best is not None:
                continue  # it keeps its limits, and no more is asked of it
            most = math.inf
            if share[m] > 0:
                most = (cutoff - float(share @ lower - share[m] * lower[m])) / float(share[m])
            if lower[m] >= most:
                return self._sum(share, lower), None
            parts[m].solve(most)
            lower[m] = parts[m].lower
        made = [x.best for x in parts if x.best is not None]
        whole = self._together(option, sram_bits, made) if len(made) == len(parts) else None
        if whole is not None and not goal.kept_by(whole.metrics):
            whole = None
        return self._sum(share, lower), whole

    def _sum(self, share: np.ndarray, lower: np.ndarray) -> float:
        """A bound on the sum, rounding left out."""
        total = float(share @ lower) if np.isfinite(lower).all() else math.inf
        return total * (1 - SUM_ROUNDING) - UNDERFLOW if math.isfinite(total) else total

    def _limits(self, option: int, sram_bits: float, goal: Goal) -> list[dict[str, float]] | None:
        """Limits of each member; None where the least of all break one on their sum."""
        own = [
            {
                kind_of(x): limit
                for x, limit in goal.limits.items()
                if x in self.space.hardware_metrics or member_of(x) == member.name
            }
            for member in self.members
        ]
        for x, limit in goal.limits.items():
            if x not in ADDITIVE_METRICS or x == goal.metric:
                continue
            share = self.space.shares.of_members(x)
            parts = [Part(self, m, option, sram_bits, Goal(x, each)) for m, each in enumerate(own)]
            for part in parts:
                part.bound()
                part.solve(math.inf)
            lower = np.array([part.lower for part in parts])
            if self._sum(share, lower) > ceiling(limit):
                return None
            left = ceiling(limit) - (share @ lower - share * lower)
            most = left / share / (1 + BUDGET_TOLERANCE) * (1 + SUM_ROUNDING)
            for each, its_most in zip(own, most.tolist(), strict=True):
                each[x] = min(each.get(x, math.inf), its_most)
        return own

    def search_of(self, m: int, option: int, sram_bits: float, goal: Goal) -> MemberSearch:
        """The search for one member's least on one option."""
        task = self.search.task
        space = task.members.of(self.space)[m]
        capped = copy(space)
        capped.capacities = self.space.capacities.between(0.0, sram_bits)
        found = self.least_metric(
            replace(
                task,
                space=capped,
                relaxation=task.members.relaxations[m],
                goal=goal,
                lower=np.where(np.arange(len(space)) == option, -np.inf, np.inf),
                incumbent=None,
                on_progress=None,
                cut_pool=CutPool(space.additive_metrics),
                feasibility_only=False,
                primary_metric=None,
            )
        )
        known, _ = self.search.known_multipliers(np.array([option]))
        for n, x in enumerate(found.dual.limited):
            name = f"{found.dual.metrics[x]}@{self.members[m].name}"
            if goal.metric == self.search.goal.metric and name in self.search.goal.limits:
                column = self.search.dual.limited.index(self.search.dual.metrics.index(name))
                share = float(self.space.shares.of_members(goal.metric)[m])
                found.multipliers[:, n] = known[0, column] / share
        return found

    def _together(self, option: int, sram_bits: float, found: list[Solution]) -> Solution | None:
        """The design of all members with what each was found to have."""
        space = self.space
        variable = np.zeros(len(space.variables), dtype=np.int64)
        weight = np.zeros(len(space.geometry_of), dtype=np.int64)
        modes, on_chip = np.zeros_like(weight), np.zeros(len(space.placed) + len(space.runs), bool)
        for m, solution in enumerate(found):
            own, layers = self.search.task.members.of(space)[m], space.shares.layers(m)
            widths = np.searchsorted(space.widths, own.widths)
            weight[layers] = widths[list(solution.weight)]
            mine = np.flatnonzero(space.member_of_variable == m)
            variable[mine] = widths[list(solution.variable_width)]
            modes[layers] = solution.modes or 0
            placed = np.flatnonzero(space.member_of_variable[space.placed_variable] == m)
            runs = len(space.placed) + np.flatnonzero(space.member_of_run == m)
            if len(solution.on_chip):
                on_chip[[*placed, *runs]] = solution.on_chip
        chosen = variable.tolist(), weight.tolist(), sram_bits, on_chip.tolist()
        return price(space, option, *chosen, modes.tolist() if len(space.modes) > 1 else ())
