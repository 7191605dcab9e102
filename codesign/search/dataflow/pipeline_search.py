"""The search over one space of pipelines: for each goal, as its metric is one."""

from __future__ import annotations

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.goal_bounds import OnProgress, Shared
from codesign.search.dataflow.interval_search import IntervalSearch
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.product_search import ProductSearch
from codesign.search.dataflow.search import GoalSearch, Proven


class PipelineSearch(Shared):
    """Searches over one space."""

    def prove(
        self,
        goal: Goal,
        incumbent: Pipeline | None = None,
        report: OnProgress | None = None,
        rel_gap: float = CLOSING_GAP,
    ) -> Proven:
        """Minimise a goal's metric, starting from a design within its limits where one is known."""
        kind = GoalSearch
        if not self.whole:
            special = (x for x in (IntervalSearch, ProductSearch) if x.takes(goal))
            kind = next(special, GoalSearch)
        return kind(self, goal, incumbent, report, rel_gap).run()
