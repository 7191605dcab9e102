"""The search of two segments, each on one array, in a range of the interval."""

from __future__ import annotations

import math

import numpy as np

from codesign.search.dataflow.bounds import Dual
from codesign.search.dataflow.goal_bounds import INTERVAL
from codesign.search.dataflow.segment_goal import OnArrays
from codesign.search.dataflow.segment_pricing import ENERGY
from codesign.search.dataflow.table import Range, Table


class PairSearch(OnArrays):
    """A goal for two segments on their arrays: bounds count the least of PEs and SRAM on offer."""

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
