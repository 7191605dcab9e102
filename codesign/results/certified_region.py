"""The region in which unknown points of a front may lie, and how much is known, for pictures."""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats
from codesign.results.front import Front
from codesign.results.text.layout import counted
from codesign.units import METRIC_UNITS, gap_text


def scaled_values(front: Front) -> Floats:
    """(points, objectives): in the units people write."""
    scale = np.array([METRIC_UNITS[name].scale for name in front.objectives])
    return np.asarray(front.values / scale)


def certified_steps(front: Front, across: int, level: float) -> tuple[Floats, Floats, Floats]:
    """Steps of what is reached and of what is proven: x, top and bottom, in the units people write.

    From the first limit on objective ``across`` at which a point is within the level.
    """
    name = front.objectives[across]
    first, unit = METRIC_UNITS[front.objectives[0]].scale, METRIC_UNITS[name].scale

    def limits(x: float) -> tuple[float, ...]:
        if len(front.objectives) == 2:
            return (x,)
        return (x, level) if across == 1 else (level, x)

    known = front.values[:, across]
    low = min((x for x in known if np.isfinite(front.upper(*limits(float(x))))), default=np.inf)
    steps = [rule.limits.get(name, np.inf) for rule in front.ruled]
    every = [x for x in (*known, *steps) if low <= x <= known.max()]
    edges = np.unique(every)
    middles = (edges[1:] + edges[:-1]) / 2
    top = np.array([front.upper(*limits(float(x))) for x in middles])
    bottom = [min(front.lower(*limits(float(x))), u) for x, u in zip(middles, top, strict=True)]
    x = np.repeat(edges, 2)[1:-1] / unit
    return x, np.repeat(top, 2) / first, np.repeat(np.array(bottom), 2) / first


def least_second(front: Front) -> float:
    """What the second objective is proven never to go below; 0 if nothing is."""
    first, second = front.objectives
    if np.isnan(front.gap):  # the budgets are not known either
        return 0.0
    for design in front.designs:
        limit = design.problem.budgets.get(first)
        whole = limit == front.problem.budgets.get(first)
        if whole and design.problem.objective == second:
            return design.proof.bound
    return 0.0


def completeness(front: Front) -> str:
    """How many points there are, and how much is left unknown."""
    if np.isnan(front.gap):
        return (
            f"{counted(len(front), 'point')}; the file does not tell what is ruled out between them"
        )
    known = "complete" if front.complete else f"{gap_text(front.gap)} of the volume unknown"
    if front.complete and front.rel_step:
        known += f" up to steps of {gap_text(front.rel_step)}"
    return f"{counted(len(front), 'point')}, {known}"


def has_unknown_region(front: Front) -> bool:
    """Whether there is a region to show in which undiscovered points may lie."""
    return (not front.complete or front.rel_step > 0) and not np.isnan(front.gap)
