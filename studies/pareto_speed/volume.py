"""How much of a box of objectives is dominated, by what was found and by what may yet be there.

All volumes are shares of the box between the best and the worst values of the true front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from population import Floats
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from codesign.results.front import Front, RuledOut


@dataclass(frozen=True)
class Box:
    """Where volumes are measured.

    Attributes
    ----------
    best, worst : floats, shape (objectives,)
        ``worst`` is the reference point.
    logarithmic : bool
        Measure logarithms of the objectives.
    """

    best: Floats
    worst: Floats
    logarithmic: bool = False

    @classmethod
    def around(cls, front: Front, logarithmic: bool) -> Box:
        """From the best to the worst of the points in each objective."""
        return cls(front.values.min(axis=0), front.values.max(axis=0), logarithmic)

    def scaled(self, values: Floats) -> Floats:
        """Values as shares of the box, those outside moved to its faces."""
        inside = np.clip(values, self.best, self.worst)
        ends = (self.best, self.worst)
        if self.logarithmic:
            inside, ends = np.log(inside), (np.log(self.best), np.log(self.worst))
        return np.asarray((inside - ends[0]) / (ends[1] - ends[0]))

    def dominated(self, values: Floats) -> float:
        """Share of the box that some point dominates; points at or past its worst count nothing."""
        return _volume(self.scaled(values))

    def excluded(self, ruled: Sequence[RuledOut], objectives: tuple[str, ...]) -> float:
        """Share of the box that is proven empty: below a bound within its limits."""
        corners = np.array(
            [[rule.bound, *(rule.limits[name] for name in objectives[1:])] for rule in ruled]
        )
        return _volume(1 - self.scaled(corners))

    def history(self, values: Floats, counts: Sequence[int]) -> list[float]:
        """What the first so many of all points dominate."""
        shares, front = [], values[:0]
        for start, end in zip([0, *counts], counts, strict=False):
            front = not_dominated(np.concatenate([front, values[start:end]]))
            shares.append(self.dominated(front))
        return shares


def _volume(points: Floats) -> float:
    """Volume between points and the corner at 1 in the unit box."""
    if not len(points):
        return 0.0
    return float(HV(ref_point=np.ones(points.shape[1]))(points))


def not_dominated(values: Floats) -> Floats:
    """Points that no other is better than; one of each kind."""
    values = np.unique(values, axis=0)
    return values[NonDominatedSorting().do(values, only_non_dominated_front=True)]
