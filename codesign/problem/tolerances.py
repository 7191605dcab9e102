"""When a budget is kept: the one definition, used by everything that searches and reports.

A metric keeps its budget if it is at most ``(1 + 1e-9)`` times the limit, both as floating-point
numbers: the metric as it stands in the result, each layer's share rounded and their sum rounded
once. That is what `keeps` says, and nothing else decides whether a design is within its budgets.
`codesign.checking` states the same in its own words; certificates hold exact figures to it.

Pruning needs no more than bounds that no design within the budgets breaks. `ceiling` is the largest
value that keeps a limit: a lower bound above it, made with limits of that size and lowered by more
than sums can be rounded (1e-12), rules out. `beyond` lies as far above the ceiling again: for
bounds that were not lowered, and for a limit that was itself taken from a value within a ceiling.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Amounts = TypeVar("Amounts", float, npt.NDArray[np.float64])

BUDGET_TOLERANCE = 1e-9  # relative


def ceiling(limit: Amounts) -> Amounts:
    """The largest value of a metric that keeps a limit."""
    return limit * (1 + BUDGET_TOLERANCE)


def keeps(value: float, limit: float) -> bool:
    """Whether a metric keeps a limit."""
    return bool(value <= ceiling(limit))


def beyond(limit: Amounts) -> Amounts:
    """What no design that keeps a limit comes near: twice as far above it as its ceiling."""
    return limit * (1 + 2 * BUDGET_TOLERANCE)
