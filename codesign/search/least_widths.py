"""The search for the best widths where no hardware is chosen."""

from __future__ import annotations

import numpy as np

from codesign.arrays import Bools
from codesign.problem.tolerances import ceiling
from codesign.search.bounds.layer_tables import TINY, Batch
from codesign.search.cut_pool import Cut, ProvenBounds
from codesign.search.goal_search import GoalSearch
from codesign.search.goal_task import GoalTask, OnProgress, SearchResult
from codesign.search.milp.formulation import MilpSolution
from codesign.search.milp.solve import MilpResult
from codesign.space.candidates import candidates_of_tables
from codesign.space.point import Solution
from codesign.space.tabled import LatencyTableSpace
from codesign.stopping import Stopped

ONLY = np.array([0])  # the one imagined hardware option
CORE_PAIRS = 3  # pairs of widths per layer, on average, in the first programme
GROWTH = 4  # of the next one


class LeastWidths(GoalSearch):
    """Minimise a metric over the widths alone: the dual bound, then the programme it leaves."""

    space: LatencyTableSpace

    def __init__(self, task: GoalTask) -> None:
        super().__init__(task)
        self.tables = Batch(self.space.compute_s[None], self.space.traffic[None])

    def prove(self) -> SearchResult:
        """Search until the goal is closed or it has to end."""
        known = self.cut_pool.lower(self.goal, np.array([np.inf]))
        self.lower = np.maximum(self.lower, np.maximum(known, 0.0))  # no metric is negative
        complete = True
        try:
            if not self._settled:
                self._bound()
            wanted = CORE_PAIRS * len(self.tables.traffic[0])
            everything = False
            while not self._settled and not everything:
                everything = self._solve(wanted)
                wanted *= GROWTH
        except Stopped:
            complete = False
        self.cut_pool.add_bounds(ProvenBounds(self.goal, self.lower))
        reached = np.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]
        return SearchResult(
            self.incumbent, min(reached, float(self.lower[0])), self.lower, complete
        )

    @property
    def _settled(self) -> bool:
        found_any = self.task.feasibility_only and self.incumbent is not None
        return found_any or float(self.lower[0]) >= self.cutoff

    def _bound(self) -> None:
        """Bound by the dual; what it meets on the way may be good already."""
        names = [self.dual.metrics[metric] for metric in self.dual.limited]
        start, known = self.cut_pool.multipliers(ONLY, self.goal.metric, names)
        found = self.dual.bound(
            self.tables, start if known.all() else None, cutoff=self.dual_cutoff()
        )
        self.multipliers = found.multipliers
        value = found.value + found.multipliers @ self.dual.limits
        cut = Cut(ONLY, ONLY, self.dual.coefficients(found.multipliers), value, np.array([np.inf]))
        self.cut_pool.add_cut(self.goal.metric, cut, 1)
        if np.isfinite(found.incumbent[0]):
            self.update_incumbent(self.space.price(found.variable_width[0], found.weight[0]))
        self._raise(float(found.value[0]))

    def _solve(self, wanted: int) -> bool:
        """Solve the programme over what looks best of all that may still pay; whether that is all.

        Choices with a pair of widths left out cost at least what the cheapest such pair does.
        """
        pairs, variable_allowed = self._left_over()
        outside = self.incumbent_ceiling
        everything = bool(np.count_nonzero(pairs) <= wanted)
        if not everything:
            width, pair = self.relaxation.marginals(
                self.tables, self.dual.coefficients(self.multipliers)
            )
            ceiling = np.partition(pair[pairs], wanted)[wanted]
            pairs, variable_allowed = pairs & (pair < ceiling), variable_allowed & (width < ceiling)
            spent = float(self.multipliers[0] @ self.dual.limits)
            outside = min(outside, ceiling - spent - 1e-11 * (abs(ceiling) + spent) - TINY)
        answer = self._solve_milp(pairs, variable_allowed)
        self.task.stats.solved.add(0)
        self._raise(min(outside, answer.bound))
        if not answer.complete:
            raise Stopped
        return everything

    def _solve_milp(self, pairs: Bools, variable_allowed: Bools) -> MilpResult:
        space = self.space
        widths = space.variable_allowed & variable_allowed
        listed = candidates_of_tables(space, 0, space.traffic, space.compute_s, pairs, widths)
        answer = self.run_milp(listed, self._price)
        self.update_incumbent(answer.point)
        return answer

    def _price(self, choice: MilpSolution) -> Solution:
        return self.space.price(choice.variable_width, choice.weight)

    def _left_over(self) -> tuple[Bools, Bools]:
        """Width pairs of each layer and widths of each variable that could still pay.

        With any coefficients, what one choice costs at best must be within what the limits allow;
        the coefficients that bounded earlier goals say much of later ones.
        """
        limits = {name: ceiling(x) for name, x in self.goal.limits.items()}
        limits[self.goal.metric] = self.incumbent_ceiling
        most = np.array([limits.get(name, np.inf) for name in self.dual.metrics])
        pairs = np.isfinite(self.space.traffic)
        variable_allowed = self.space.variable_allowed
        for coefficients in np.unique([cut.coefficients[0] for cut in self.cut_pool.cuts], axis=0):
            spent = coefficients[coefficients > 0] @ most[coefficients > 0]
            if np.isfinite(spent):
                width, pair = self.relaxation.marginals(self.tables, coefficients[None])
                spent += 1e-11 * abs(spent) + TINY  # rounding of the sums
                pairs = pairs & (pair <= spent)
                variable_allowed = variable_allowed & (width <= spent)
        return pairs, variable_allowed

    def _raise(self, bound: float) -> None:
        self.lower = np.maximum(self.lower, bound)
        self._report(float(self.lower[0]))

    def _milp_progress(self) -> OnProgress | None:
        if self.task.on_progress is None:
            return None
        reach = self.incumbent_ceiling

        def report(_reached: float | None, bound: float) -> None:
            self._report(max(float(self.lower[0]), min(reach, bound)))

        return report
