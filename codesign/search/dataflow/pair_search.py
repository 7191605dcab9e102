"""The search of two segments, each on one array, in a range of the interval."""

from __future__ import annotations

import math

import numpy as np

from codesign.problem.goal import Goal
from codesign.search.dataflow.bounds import Dual
from codesign.search.dataflow.goal_bounds import INTERVAL, Shared
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import GoalSearch
from codesign.search.dataflow.segment_goal import OfSegment, SegmentGoal
from codesign.search.dataflow.segment_pricing import ENERGY
from codesign.search.dataflow.table import Range, Table
from codesign.space.segments import HybridSpace


class PairSearch(OfSegment, GoalSearch):
    """A goal for two segments on their arrays: bounds count the least of PEs and SRAM on offer.

    Parameters
    ----------
    of : SegmentGoal
        Of the two, whatever they share.
    """

    space: HybridSpace

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        of: SegmentGoal,
        incumbent: Pipeline | None,
        span: Range,
        rel_gap: float,
    ) -> None:
        super().__init__(search, goal, incumbent, None, rel_gap)
        self.within, self.tables = span, of.tables

    def slowest_s(self) -> float:
        """As of `OfSegment`."""
        return sum(x.cycles for x in self.space.tiled.values()) / self.search.clock

    def _ends(self) -> tuple[float, float]:
        least_s, most_s = super()._ends()
        return max(least_s, self.within.least_s), min(most_s, self.within.most_s)

    def first_bound(self, span: Range) -> float:
        """As of `GoalBounds`, at once: the range is one that bounds have left."""
        if self.search.whole:
            return 0.0
        if self.goal.metric == INTERVAL:
            return span.least_s
        table = self.pricing.table(span, self.allowed)
        if table is None:
            return math.inf
        dual = self.dual(table, span)
        return dual.solve(dual.scaled({self.goal.metric: 1.0})).value

    def _guess_above(self, lower: float) -> float:
        """None: all of it is searched at once."""
        return math.inf

    def dual(self, table: Table, span: Range) -> Dual:
        """As of `GoalSearch`; with the least that shared hardware takes."""
        dual, platform = super().dual(table, span), self.space.platform.of_segment
        row = {name: r for r, name in enumerate(dual.rows)}
        for sharing in self.space.sharings:
            least = np.min([takes for _, _, takes in sharing.pes], axis=0)
            least = least + platform.sram(sharing.least_sram)
            for m, name in enumerate(self.space.hardware_metrics):
                if name in row:
                    dual.constant[row[name]] += least[m]
            if ENERGY in row:
                static_j = self.pricing.static_w_per_mm2 * span.least_s * least[0]
                dual.constant[row[ENERGY]] += static_j
        return dual
