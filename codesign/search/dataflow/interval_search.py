"""The search for the least interval where a product with it is limited: latency, or static energy.

A longer interval leaves stages more time, and has larger products. It is no less than the least
without limits on products. From there on a Lagrangian rules out ranges, with products as at their
beginning; then labels tell the interval, of each with the products of its own.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY
from codesign.search.dataflow.bounds import PRUNED, Dual
from codesign.search.dataflow.goal_bounds import INTERVAL, LATENCY, Closed
from codesign.search.dataflow.labels import LabelSetting
from codesign.search.dataflow.partial_choices import Labels
from codesign.search.dataflow.search import EFFORT, FIRST_GUESS, NEAREST, GoalSearch, Proven
from codesign.search.dataflow.table import Range

PRODUCTS = (LATENCY, ENERGY)
LABELLED = 2 * FIRST_GUESS  # a guess so far above a bound, at most, of which labels are set


class IntervalSearch(GoalSearch):
    """The search for one goal."""

    effort = replace(EFFORT, compared=2**16)

    @staticmethod
    def takes(goal: Goal) -> bool:
        """Whether a goal minimises the interval and may limit products with it."""
        return goal.metric == INTERVAL and not goal.kinds.isdisjoint(PRODUCTS)

    def run(self) -> Proven:
        """Search all intervals; remember from where on there are designs."""
        found = super().run()
        if self.products and found.complete and found.design is not None:
            _, most = self._ends()
            self.search.closed.append([Closed(self.goal, Range(found.lower, most), found.lower)])
        return found

    def first_spans(self) -> list[Range]:
        """All intervals, in one range."""
        spans = super().first_spans()
        return [Range(spans[0].least_s, spans[-1].most_s)] if spans else []

    def first_bound(self, span: Range) -> float:
        """The least interval without limits on products."""
        if not self.products:
            return super().first_bound(span)
        limits = {x: most for x, most in self.goal.limits.items() if x not in PRODUCTS}
        free = GoalSearch(self.search, Goal(INTERVAL, limits), None, None, self.gap).run()
        if free.design is not None:
            self.update(free.design)
        self.guess = NEAREST  # it may be the least with them, too
        return max(free.lower, span.least_s) if free.design or not free.complete else math.inf

    def _search(self, lower: float, span: Range) -> None:
        """Rule out a range up to a guess; or search a narrow one."""
        aim = self._aim_above(lower)
        if not self.products or not lower * (1 + LABELLED) < aim < math.inf:
            super()._search(lower, span)
            return
        self.search.counts.intervals += 1
        if self._excluded(self._upto(lower, aim, span)):
            self._nothing_below(aim, span)
        else:
            self.guess = FIRST_GUESS
            self._push(lower, span)

    def _excluded(self, span: Range) -> bool:
        """Whether a Lagrangian rules a range out."""
        table = self.pricing.table(span, self.allowed)
        if table is None:
            return True
        return self.ascend(Dual(self.pricing, table, span), self.targets(span)).value > PRUNED

    # Labels -------------------------------------------------------------------------------------

    def told_by_labels(self) -> bool:
        """Labels tell the interval, and the products of it."""
        return True

    def labels_of(self, setting: LabelSetting, row: int, span: Range, aim: float) -> Labels:
        """All of them: of those with least products not all have the least interval."""
        if not self.products:
            return super().labels_of(setting, row, span, aim)
        return setting.run(self.label_targets(span, aim))

    def beyond(self, dual: Dual, labels: Labels, intervals_s: Floats) -> Bools:
        """Which labels break a limit on a product with their own interval."""
        found, rows = np.zeros(len(labels), dtype=bool), {x: r for r, x in enumerate(dual.rows)}
        for name in PRODUCTS:
            if self.products and name in self.goal.limits:
                most = self.goal.limits[name] * PRUNED
                own = labels.metrics[:, rows[name]]
                if name == LATENCY:
                    own = own * intervals_s / dual.least_s
                else:
                    own = own + self.pricing.static_w * (intervals_s - dual.least_s)
                found |= own > most
        return found
