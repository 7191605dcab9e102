"""The search over one space of pipelines: for each goal, as its metric is one."""

from __future__ import annotations

import math

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, beyond
from codesign.search.dataflow.goal_bounds import INTERVAL, Closed, OnProgress, Shared
from codesign.search.dataflow.interval_search import PRODUCTS, IntervalSearch
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.product_search import ProductSearch
from codesign.search.dataflow.search import GoalSearch, Proven
from codesign.search.dataflow.table import Range

ROUGH = 2e-2  # relative: so nearly the least interval is found for a design to start from


class PipelineSearch(Shared):
    """Searches over one space."""

    def prove(
        self,
        goal: Goal,
        incumbent: Pipeline | None = None,
        report: OnProgress | None = None,
        rel_gap: float = CLOSING_GAP,
    ) -> Proven:
        """Minimise a goal's metric, starting from a design within its limits where one is known.

        Where none is, from that of the least interval, which is soon found: there may be none.
        """
        if self.whole:
            return GoalSearch(self, goal, incumbent, report, rel_gap).run()
        if goal.metric == INTERVAL:
            timed = IntervalSearch if IntervalSearch.takes(goal) else GoalSearch
            return timed(self, goal, incumbent, report, rel_gap).run()
        if incumbent is None:
            fastest = self._fastest(goal)
            limit = beyond(goal.limits.get(INTERVAL, math.inf))
            if fastest.lower > limit or (fastest.complete and fastest.design is None):
                return Proven(None, math.inf, True)
            if fastest.design is not None and goal.kept_by(fastest.design.metrics):
                incumbent = fastest.design
        kind = ProductSearch if ProductSearch.takes(goal) else GoalSearch
        return kind(self, goal, incumbent, report, rel_gap).run()

    def _fastest(self, goal: Goal) -> Proven:
        """The least interval within a goal's limits but those on it and on products with it."""
        limits = {x: v for x, v in goal.limits.items() if x not in (INTERVAL, *PRODUCTS)}
        free = Goal(INTERVAL, limits)
        gap = CLOSING_GAP if INTERVAL in goal.limits else ROUGH
        found = GoalSearch(self, free, None, None, gap).run()
        self.closed.append([Closed(free, Range(found.lower, math.inf), found.lower)])
        return found
