"""One hardware option of a suite, solved member by member.

Members that share no width share hardware and SRAM and nothing else. With both given, and where
every limit is one on the hardware or on a member, the least of a sum over the members is the sum of
their own least: each is solved alone, within what the others leave of what is still worth finding.
A limit on the sum of all, such as the least latency while ties are broken, leaves each member what
the least of the others do: no more than that is relaxed, and what is found is held to the sum
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.problem.tolerances import BUDGET_TOLERANCE, SUM_ROUNDING, UNDERFLOW, beyond, ceiling
from codesign.search.cut_pool import CutPool
from codesign.space.solution import Solution, price
from codesign.units import kind_of, member_of

if TYPE_CHECKING:
    from codesign.arrays import Floats
    from codesign.search.bounds.batch import Batch
    from codesign.search.bounds.lagrangian import Dual, DualBound
    from codesign.search.goal_task import GoalTask
    from codesign.search.hardware_search import HardwareSearch


class MemberSearch(Protocol):
    """What is asked of the search for one member's least; see `LeastMetric`."""

    task: GoalTask
    goal: Goal
    incumbent: Solution | None
    dual: Dual
    multipliers: Floats

    def tables_of(self, option: int, sram_bits: float) -> Batch: ...
    def bounded(self, option: int, sram_bits: float, single: Batch) -> tuple[Batch, DualBound]: ...
    def solve_bounded(
        self, option: int, sram_bits: float, single: Batch, found: DualBound, known: float
    ) -> float: ...
    def solve_option(self, option: int) -> float: ...


class ByMember:
    """Solves options of a search over a suite, member by member."""

    def __init__(
        self, search: HardwareSearch, least_metric: Callable[[GoalTask], MemberSearch]
    ) -> None:
        """``least_metric`` makes the search for one member's least of a sum."""
        self.search, self.space, self.least_metric = search, search.space, least_metric
        self.members = search.space.problem.network.members

    def suits(self, goal: Goal) -> bool:
        """Whether a goal is one of sums over the members, and of limits that each has alone."""
        if (
            not self.members
            or self.space.coupled
            or self.space.counts_energy
            or ENERGY in goal.limits
        ):
            return False
        whole = [x for x in goal.limits if x in ADDITIVE_METRICS and x != goal.metric]
        return goal.metric in ADDITIVE_METRICS and len(whole) <= 1

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
        kind, share = goal.metric, self.space.shares.of_members(goal.metric)
        searches = [self._search(m, option, sram_bits, kind, x) for m, x in enumerate(limits)]
        known = [x.bounded(option, sram_bits, x.tables_of(option, sram_bits)) for x in searches]
        own = beyond(np.array([x.get(kind, math.inf) for x in limits]))
        lower = np.array([max(float(found.value[0]), 0.0) for _, found in known])
        lower[lower > own] = math.inf  # a member breaks its own limit
        # Those that are all but settled come first: they leave the others less to look through.
        values = np.array([x.task.value_of(x.incumbent) for x in searches])
        if not np.isfinite(lower).all():
            return math.inf, None
        for m in np.argsort(share * (values - lower), kind="stable").tolist():
            each = searches[m]
            if not np.isfinite(lower).all():
                return math.inf, None
            others = float(share @ lower - share[m] * lower[m])
            most = (cutoff - others) / float(share[m])
            if lower[m] >= most:
                return self._sum(share, lower), None
            if math.isfinite(most):
                most = min(most * (1 + BUDGET_TOLERANCE), limits[m].get(kind, math.inf))
                each.goal = Goal(kind, {**limits[m], kind: most})
                if values[m] > most:  # what it has is of no use
                    each.incumbent = None
            lower[m] = max(lower[m], each.solve_bounded(option, sram_bits, *known[m], -math.inf))
            lower[m] = math.inf if lower[m] > own[m] else lower[m]
        made = [x.incumbent for x in searches if x.incumbent is not None]
        whole = self._together(option, sram_bits, made) if len(made) == len(searches) else None
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
            least = [
                self._search(m, option, sram_bits, x, each).solve_option(option)
                for m, each in enumerate(own)
            ]
            lower = np.array(least)
            if self._sum(share, lower) > ceiling(limit):
                return None
            left = ceiling(limit) - (share @ lower - share * lower)
            most = left / share / (1 + BUDGET_TOLERANCE) * (1 + SUM_ROUNDING)
            for each, its_most in zip(own, most.tolist(), strict=True):
                each[x] = min(each.get(x, math.inf), its_most)
        return own

    def _search(
        self, m: int, option: int, sram_bits: float, metric: str, limits: Mapping[str, float]
    ) -> MemberSearch:
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
                goal=Goal(metric, dict(limits)),
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
            if metric == self.search.goal.metric and name in self.search.goal.limits:
                column = self.search.dual.limited.index(self.search.dual.metrics.index(name))
                share = float(self.space.shares.of_members(metric)[m])
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
