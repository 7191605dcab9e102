"""When the stages of a pipeline start, their lags given: early, or so that little waits."""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats
from codesign.costs.pipeline import LEAST_WAIT
from codesign.search.dataflow.fifos import Fifos

TIGHT = 1e-6  # intervals: waits of a solver's solution below are none
SHIFTS = 3  # times that starts are moved later, one stage after the other


def earliest(fifos: Fifos, lags: Floats) -> Floats:
    """(L,): starts, each stage as early as can be."""
    return np.maximum(fifos.longest(fifos.count, np.append(lags, 0.0))[:-1], 0.0)


def ahead(fifos: Fifos, starts: Floats, lags: Floats) -> Floats:
    """``u_l − z_w − least`` of every read: 0 or more where the stage starts in time."""
    found = starts[fifos.reader] - np.append(starts + lags, 0.0)[fifos.writer] - fifos.least
    return np.where(np.abs(found) < LEAST_WAIT, 0.0, found)


def waits(fifos: Fifos, starts: Floats, lags: Floats) -> Floats:
    """How long every read waits beyond what is held anyway."""
    return ahead(fifos, starts, lags) + np.where(fifos.residual, lags[fifos.reader], 0.0)


def good_starts(fifos: Fifos, lags: Floats, costs: Floats) -> Floats:
    """(L,): starts where little waits: those that give more than they take are put off.

    Parameters
    ----------
    costs : floats
        Of an interval that each read waits.
    """
    starts = earliest(fifos, lags)
    for _ in range(SHIFTS):
        moved = False
        for stage in range(fifos.count - 1, -1, -1):
            into, out = fifos.reader == stage, fifos.writer == stage
            if not out.any() or costs[into].sum() >= costs[out].sum():
                continue
            slack = float(ahead(fifos, starts, lags)[out].min())
            if slack > LEAST_WAIT:
                starts[stage] += slack
                moved = True
        if not moved:
            break
    return starts


def exact_starts(fifos: Fifos, near: Floats, lags: Floats) -> Floats:
    """(L,): starts that a solver found up to rounding, as the lags say they are exactly.

    Stages between which nothing waits move together, from the one that is there first.
    """
    tight = np.abs(ahead(fifos, near, lags)) < TIGHT
    at_zero = np.append(np.abs(near) < TIGHT, True)
    starts, known = np.append(near, 0.0), at_zero.copy()
    starts[at_zero] = 0.0
    every = np.append(lags, 0.0)
    pending = [*np.flatnonzero(at_zero).tolist(), *np.flatnonzero(~at_zero).tolist()]
    while pending:
        stage = pending.pop(0)
        known[stage] = True
        reached = [stage]
        while reached:
            x = reached.pop()
            for read in np.flatnonzero(tight & ((fifos.writer == x) | (fifos.reader == x))):
                w, r = int(fifos.writer[read]), int(fifos.reader[read])
                if w == x and not known[r]:
                    starts[r] = (
                        (starts[w] if w < fifos.count else 0.0) + every[w] + fifos.least[read]
                    )
                    known[r] = True
                    reached.append(r)
                elif r == x and w < fifos.count and not known[w]:
                    starts[w] = starts[r] - every[w] - fifos.least[read]
                    known[w] = True
                    reached.append(w)
        pending = [x for x in pending if not known[x]]
    found = np.maximum(starts[:-1], 0.0)
    return found if (ahead(fifos, found, lags) >= 0).all() else earliest(fifos, lags)
