"""Multipliers as a certificate's prices, and others with which fewer choices are enumerated."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from codesign.arrays import Floats
from codesign.problem.metrics import REGRET
from codesign.problem.problem import Problem
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual
from codesign.units import member_of, of_member

TILT_LOSS = 4.0  # times what the best bound is short of the claim: what tilted multipliers may be
TILTS = tuple(2.0**-n for n in range(1, 9))  # relative changes of a multiplier


class Prices:
    """Prices of metrics, made of multipliers of a dual."""

    def __init__(self, dual: Dual, problem: Problem) -> None:
        self.dual, self.problem = dual, problem

    def of(self, multipliers: Floats, names: Collection[str]) -> list[dict[str, float]]:
        """Of those of the metrics named that have some, for each row of multipliers."""
        dual, coefficients = self.dual, self.dual.coefficients(multipliers)
        kind, shares = dual.metrics[dual.main], dual.relaxation.space.shares
        if self.problem.objective == REGRET and member_of(kind) is None:  # whose sum has no limit
            members = self.problem.network.members
            for share, member in zip(shares.of_members(kind), members, strict=True):
                column = dual.metrics.index(of_member(kind, member.name))
                coefficients[:, column] += share
            coefficients[:, dual.main] -= 1.0
        return [
            {x: float(p) for x, p in zip(dual.metrics, each, strict=True) if p and x in names}
            for each in coefficients
        ]


def tilted(dual: Dual, single: Batch, best: Floats, bound: float, cutoff: float) -> Floats:
    """(rows, limits): the best multipliers, and others whose bounds are not much worse.

    Choices that cost little at the best ones trade one metric for another; multipliers that are
    tilted to either side make most of them cost too much.

    Parameters
    ----------
    bound, cutoff : float
        At the best ones, and what would close the option.
    """
    loss, found, solve = TILT_LOSS * (cutoff - bound), [best], dual.relaxation.solve
    for which in (*np.eye(len(best), dtype=bool), np.ones(len(best), dtype=bool)):
        for sign in (1, -1):
            tries = best * (1 + sign * np.outer(TILTS, which))
            value = [solve(single, each[None]).value[0] for each in dual.coefficients(tries)]
            near = bound - (np.array(value) - tries @ dual.limits) < loss
            found += [*tries[near & which.any()][:1]]
    return np.array(found)
