"""The pursuit of one goal: the best so far, what can still beat it, programmes over that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import beyond
from codesign.search.bounds.lagrangian import Dual
from codesign.search.bounds.layer_tables import TINY, Batch
from codesign.search.goal_task import GoalTask, OnProgress
from codesign.search.milp.formulation import MilpSolution
from codesign.search.milp.solve import MilpResult, solve_milp
from codesign.space.candidates import Candidates
from codesign.space.point import Solution


class GoalSearch:
    """What every search for one goal does, whatever it looks for among."""

    def __init__(self, task: GoalTask) -> None:
        self.task = task
        self.space, self.relaxation = task.space, task.relaxation
        self.goal, self.cut_pool = task.goal, task.cut_pool
        self.stop = task.stop
        self.incumbent = task.incumbent or self.cut_pool.best_solution(task.goal)
        self.lower = task.lower.copy()
        self.dual = Dual(self.relaxation, self.bounded_metric(), self.goal.limits)

    def bounded_metric(self) -> str:
        """The metric whose dual bound prunes."""
        return self.goal.metric

    @property
    def cutoff(self) -> float:
        """Bounds from here on are as good as the best design."""
        if self.incumbent is None:
            limit = self.goal.limits.get(self.goal.metric, np.inf)
            return float(np.nextafter(beyond(limit), np.inf))
        value = self.incumbent.metrics[self.goal.metric]
        return value - self.task.rel_gap * abs(value)

    @property
    def incumbent_ceiling(self) -> float:
        """Just above the best design: what is not below is worse, and no tie either."""
        if self.incumbent is None:
            return self.cutoff
        return beyond(beyond(self.incumbent.metrics[self.goal.metric]))

    def update_incumbent(self, point: Solution | None) -> bool:
        """Keep a point if it is within the limits and better than the best so far."""
        if point is None:
            return False
        self.cut_pool.solutions.append(point)
        if not self.goal.kept_by(point.metrics):
            return False
        metric = self.goal.metric
        if self.incumbent is None or point.metrics[metric] < self.incumbent.metrics[metric]:
            self.incumbent = point
            return True
        return False

    def dual_cutoff(self) -> float:
        """Dual bounds above this need no improvement."""
        return self.incumbent_ceiling

    def reduced_domains(self, single: Batch, multipliers: Floats) -> tuple[Bools, Bools]:
        """Width pairs of each layer and widths of each variable that could still pay."""
        return self.within_reach(self.marginals(single, multipliers), multipliers)

    def marginals(self, single: Batch, multipliers: Floats) -> tuple[Floats, Floats]:
        """What each of them costs at best; see `Relaxation.marginals`."""
        return self.relaxation.marginals(single, self.dual.coefficients(multipliers[None]))

    def within_reach(
        self, marginals: tuple[Floats, Floats], multipliers: Floats
    ) -> tuple[Bools, Bools]:
        """Pairs and widths whose marginals are within what a design as good as the best costs."""
        width, pair = marginals
        ceiling = self.dual_cutoff() + float(multipliers @ self.dual.limits)
        ceiling += 1e-11 * abs(ceiling) + TINY  # rounding of the sums
        return pair <= ceiling, self.space.variable_allowed & (width <= ceiling)

    def _report(self, bound: float) -> None:
        if self.task.on_progress is not None:
            reached = None if self.incumbent is None else self.incumbent.metrics[self.goal.metric]
            self.task.on_progress(reached, bound if reached is None else min(bound, reached))

    def run_milp(
        self,
        listed: Candidates,
        price: Callable[[MilpSolution], Solution | None],
        goal: Goal | None = None,
    ) -> MilpResult:
        """Hand a programme to the solver, to end with the search; of this goal or another."""
        answer = solve_milp(
            self.space,
            goal or self.goal,
            listed,
            price=price,
            rel_gap=self.task.solver_gap,
            stop=self.stop,
            on_progress=self._milp_progress(),
            solver=self.task.solver,
        )
        self.task.stats.count(answer)
        return answer

    def _milp_progress(self) -> OnProgress | None:
        if self.task.on_progress is None:
            return None

        def report(_reached: float | None, _bound: float) -> None:
            self._report(float(self.lower.min()))

        return report
