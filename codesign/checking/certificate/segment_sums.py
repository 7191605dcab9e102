"""Least weighted sums of the hybrids of some segments, for many boxes of hardware at once.

As of `codesign.checking.certificate.pipeline_sums`; of segments' layers, and of all that is
eliminated after them, there is one of each box and multipliers: boxes outermost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from codesign.checking.certificate.pipeline_sums import BEYOND, LeastSums, Scope
from codesign.checking.certificate.segment_costs import SegmentCosts
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.segment import within


class SegmentSums(LeastSums):
    """Elimination of the hybrids of some segments; see `LeastSums`."""

    costs: SegmentCosts

    def __init__(
        self,
        costs: SegmentCosts,
        prices: Sequence[Mapping[str, Fraction]],
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(costs, prices, check_time)
        self.count = self.weights.shape[1]
        self._upwards()

    def ruled_out(self) -> Whole:
        """(B,): boxes on which nothing is better, by some multipliers."""
        sums = self.best.reshape(-1, self.count)
        return np.asarray((sums > self.most).any(axis=1))

    def _layer(self, n: int, scope: Scope) -> Whole:
        if within(self.costs.segments, n) is None:
            return super()._layer(n, scope)
        boxes = self.costs.boxes.size
        sizes = [len(self.costs.domains[c]) for c in scope]
        table = np.full((*sizes, boxes * self.count), BEYOND, dtype=np.int64)
        for index, bits in self._assignments(scope):
            for each in self.costs.shared(n, bits):
                sums = np.tile(each.fixed @ self.weights, (boxes, 1))
                if not each.runs.all():
                    sums = np.where(each.runs[:, None], sums, BEYOND)
                for name, amounts in each.on_box.items():
                    weights = self.weights[self.costs.names.index(name)]
                    sums = sums + amounts[:, None] * weights
                table[index] = np.minimum(table[index], sums.ravel())
        return table

    def _fixed(self) -> Whole:
        taken = self.costs.taken - self.costs.taken.min(axis=0)
        return np.asarray((super()._fixed() + taken @ self.weights).ravel())

    def _plus(self, one: Whole, other: Whole) -> Whole:
        most = max(one.shape[-1], other.shape[-1])
        one, other = (self._wide(x, most) for x in (one, other))
        return super()._plus(one, other)

    @staticmethod
    def _wide(table: Whole, most: int) -> Whole:
        """A table of no box as one of each."""
        if table.shape[-1] == most:
            return table
        return np.tile(table, most // table.shape[-1])
