"""Multipliers beside the best ones, with which fewer choices are left to enumerate."""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual

TILT_LOSS = 4.0  # times what the best bound is short of the claim: what tilted multipliers may be
TILTS = tuple(2.0**-n for n in range(1, 9))  # relative changes of a multiplier


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
