"""Where designs may still lie that no known one dominates: open boxes in the objective space.

A design found closes all that is nowhere better than it; a proven bound closes all that is better
than the bound within its limits. What neither closes is kept as disjoint boxes ``low ≤ f < high``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats


@dataclass(frozen=True)
class OpenBoxes:
    """Disjoint boxes.

    Attributes
    ----------
    low, high : floats, shape (boxes, objectives)
        ``high`` may be inf.
    """

    low: Floats
    high: Floats

    @classmethod
    def above(cls, ideal: Floats) -> OpenBoxes:
        """Everything that is nowhere below ``ideal``."""
        return cls(ideal[None].copy(), np.full((1, len(ideal)), np.inf))

    def __len__(self) -> int:
        return len(self.low)

    def above_all(self, ideal: Floats) -> OpenBoxes:
        """Only what is nowhere below ``ideal``."""
        return _not_empty([(np.maximum(self.low, ideal), self.high)])

    def without_dominated(self, point: Floats) -> OpenBoxes:
        """Without what is at least ``point`` in every objective."""
        touched = np.asarray((self.high > point).all(axis=1))
        return self._without(touched, point, np.full(len(point), np.inf))

    def without_empty(self, bound: float, limits: Floats) -> OpenBoxes:
        """Without what has a first objective below ``bound`` and the others within ``limits``."""
        touched = (self.low[:, 0] < bound) & (self.low[:, 1:] <= limits).all(axis=1)
        corner = np.array([bound, *limits])
        return self._without(touched, np.full(len(corner), -np.inf), corner)

    def _without(self, touched: Bools, start: Floats, end: Floats) -> OpenBoxes:
        """Cut ``start ≤ f < end`` out of the boxes it touches, slice by slice along each axis."""
        low, high = self.low[touched], self.high[touched]
        pieces = [(self.low[~touched], self.high[~touched])]
        for axis in range(len(start)):
            below, above = high.copy(), low.copy()
            below[:, axis] = np.minimum(high[:, axis], start[axis])
            above[:, axis] = np.maximum(low[:, axis], end[axis])
            pieces += [(low, below), (above, high)]
            low, high = low.copy(), high.copy()
            low[:, axis] = np.maximum(low[:, axis], start[axis])
            high[:, axis] = np.minimum(high[:, axis], end[axis])
        return _not_empty(pieces)

    def volumes(self, worst: Floats) -> Floats:
        """(boxes,): volume of each box up to ``worst``."""
        return np.asarray(np.prod(np.maximum(np.minimum(self.high, worst) - self.low, 0.0), axis=1))


def _not_empty(pieces: list[tuple[Floats, Floats]]) -> OpenBoxes:
    low = np.concatenate([low for low, _ in pieces])
    high = np.concatenate([high for _, high in pieces])
    real = (low < high).all(axis=1)
    return OpenBoxes(low[real], high[real])
