"""The search for the best widths where no hardware is chosen."""

from __future__ import annotations

import numpy as np

from codesign.candidates import candidates_of_tables
from codesign.formulation import Choice
from codesign.layer_tables import Batch
from codesign.point import Point
from codesign.search.inquiry import OnProgress, OutOfTime, Proof
from codesign.search.pursuit import Pursuit
from codesign.tabled_space import TabledSpace


class LeastWidths(Pursuit):
    """Minimise a metric over the widths alone: the dual bound, then the programme it leaves."""

    space: TabledSpace

    def prove(self) -> Proof:
        """Search until the goal is closed or time is up."""
        complete = True
        try:
            self._pursue()
        except OutOfTime:
            complete = False
        reached = np.inf if self.best is None else self.best.metrics[self.goal.metric]
        return Proof(self.best, min(reached, float(self.lower[0])), self.lower, complete)

    def _pursue(self) -> None:
        if self.lower[0] >= self.cutoff or (self.inquiry.any_design and self.best):
            return
        tables = Batch(self.space.compute_s[None], self.space.traffic[None])
        found = self.dual.bound(tables, stop=self.stop_at())
        if np.isfinite(found.reached[0]):
            self.offer(self.space.price(found.tensor[0], found.weight[0]))
        self._raise(float(found.value[0]))
        if self.lower[0] >= self.cutoff or (self.inquiry.any_design and self.best):
            return
        pairs, tensor_widths = self.left_over(tables, found.prices[0])
        listed = candidates_of_tables(
            self.space, 0, self.space.traffic, self.space.compute_s, pairs, tensor_widths
        )
        reach = self.reach  # what was left out is no better than this
        answer = self.run_programme(listed, self._price)
        if answer.runs:
            self.inquiry.effort.solved.add(0)
        self.offer(answer.point)
        self._raise(min(reach, answer.bound))
        if not answer.complete:
            raise OutOfTime

    def _price(self, choice: Choice) -> Point:
        return self.space.price(choice.tensor, choice.weight)

    def _raise(self, bound: float) -> None:
        self.lower = np.maximum(self.lower, bound)
        self._report(float(self.lower[0]))

    def _programme_progress(self) -> OnProgress | None:
        if self.inquiry.on_progress is None:
            return None
        reach = self.reach

        def report(_reached: float | None, bound: float) -> None:
            self._report(max(float(self.lower[0]), min(reach, bound)))

        return report
