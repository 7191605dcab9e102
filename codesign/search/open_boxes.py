"""Where designs may still lie that no known one dominates: boxes in the space of the objectives.

A design found rules out all that is nowhere better than it; a proven bound rules out all that is
better than the bound within its limits. What neither rules out is kept as disjoint boxes
``low ≤ f < high``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codesign.arrays import Floats


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
        return _joined([(np.maximum(self.low, ideal), self.high)])

    def without_dominated(self, point: Floats) -> OpenBoxes:
        """Without what is at least ``point`` in every objective."""
        touched = (self.high > point).all(axis=1)
        low, high = self.low[touched], self.high[touched]
        pieces = [(self.low[~touched], self.high[~touched])]
        for axis in range(len(point)):
            below = high.copy()
            below[:, axis] = np.minimum(high[:, axis], point[axis])
            pieces.append((low, below))
            low = low.copy()
            low[:, axis] = np.maximum(low[:, axis], point[axis])
        return _joined(pieces)

    def without_empty(self, bound: float, limits: Floats) -> OpenBoxes:
        """Without what has a first objective below ``bound`` and the others within ``limits``."""
        touched = (self.low[:, 0] < bound) & (self.low[:, 1:] <= limits).all(axis=1)
        low, high = self.low[touched], self.high[touched]
        pieces = [(self.low[~touched], self.high[~touched])]
        above = low.copy()
        above[:, 0] = np.maximum(low[:, 0], bound)
        pieces.append((above, high))
        high = high.copy()
        high[:, 0] = np.minimum(high[:, 0], bound)
        for axis, limit in enumerate(limits, 1):
            above = low.copy()
            above[:, axis] = np.maximum(low[:, axis], limit)
            pieces.append((above, high))
            high = high.copy()
            high[:, axis] = np.minimum(high[:, axis], limit)
        return _joined(pieces)

    def volumes(self, worst: Floats) -> Floats:
        """(boxes,): volume of each box up to ``worst``."""
        return np.asarray(np.prod(np.maximum(np.minimum(self.high, worst) - self.low, 0.0), axis=1))


def _joined(pieces: list[tuple[Floats, Floats]]) -> OpenBoxes:
    low = np.concatenate([low for low, _ in pieces])
    high = np.concatenate([high for _, high in pieces])
    real = (low < high).all(axis=1)
    return OpenBoxes(low[real], high[real])
