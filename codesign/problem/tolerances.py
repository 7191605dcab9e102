"""Every tolerance that decides a budget, a bound or a proof: one ladder, from fine to coarse.

Each rung must be larger than the errors that can reach it from the rungs below, and small enough
to change nothing on the rungs above. Beside each stands why. All are relative unless said; the
test of this module holds the order and every relation stated. `codesign.checking` has tolerances of
its own and shares none.

**When a budget is kept.** A metric keeps its limit if it is at most ``1 + BUDGET_TOLERANCE`` times
the limit, both as floating-point numbers: the metric as it stands in the result, each layer's share
rounded and their sum rounded once. That is what `keeps` says, and nothing else decides whether a
design is within its budgets; certificates hold exact figures to the same.

**Pruning loses nothing.** A bound rules out an option where it is above `ceiling` of the limit and
has been lowered by all that rounding can have added, or where it is above `beyond`, which is
farther from the ceiling than rounding reaches.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Amounts = TypeVar("Amounts", float, npt.NDArray[np.float64])

# --- rounding: by how much what is computed may differ from what is meant ---------------------

# Absolute. Doubles below 2.2e-308 lose digits, but less than a `UNIT_ROUNDOFF` of this, which is
# 1e17 times as large. Bounds are lowered by it, so that smaller numbers prove nothing.
UNDERFLOW = 1e-290

# One operation on doubles errs by no more (IEEE 754, round to nearest); a sum of n + 1 numbers of
# one sign by no more than n times it, in whatever order (Higham 2002, section 4.2).
UNIT_ROUNDOFF = 2.0**-53

# Of areas, relative to the largest term: an area and the SRAM that is left of one take fewer than
# ten operations, and this is ninety.
AREA_ROUNDING = 1e-14

# Of sums over layers, relative to the sum of what is added and taken off: enough for 9,000
# additions; `sum_rounding` gives more where a network needs more. Also within which a total that is
# computed twice, in different orders, is the same.
SUM_ROUNDING = 1e-12

# Of what a single choice would cost at best, which takes one elimination upwards, one downwards and
# a subtraction for each table: fewer than ten times the additions of one elimination.
MARGINAL_ROUNDINGS = 10

# --- the solver: rows and objectives of a model are of the order of `ROW_SCALE` ----------------

ROW_SCALE = 1000.0

# Absolute, HiGHS's (and SCIP's and CBC's) tolerances for rows, integers and the gap: 1e-11 of a row
# or an objective. A model's limits must be clear of that: see the margins. HiGHS takes a tenth of
# it for reduced costs, which changes a bound by 1e-12 for each choice that a design makes and by
# 1e-9 for all latencies together: 3e-8 in networks of 10,000 layers, far inside `OPTIMAL_GAP`. At
# the default of 1e-6, presolve loses designs at a steep limit.
MIP_FEASIBILITY_TOLERANCE = 1e-8
# The same for the absolute gap: a model solved to its end is within 1e-11, hence within
# `CLOSING_GAP`, and its option is closed.
MIP_ABS_GAP = 1e-8

# --- what counts as equal, as kept, as proven ---------------------------------------------------

# The least by which a model's limits exceed what a design may have: 20 times the solver's tolerance
# for a row, so that no design within its budgets lies where HiGHS may lose it. It is taken where
# many choices exceed a limit by little more than `BUDGET_TOLERANCE`: each lets fewer of them in.
LEAST_LIMIT_MARGIN = 2e-10

# By how much a metric may exceed its limit. A thousand times what sums are rounded by even in the
# largest networks, so that a limit taken from a printed or recomputed figure is kept by its design;
# a thousandth of `OPTIMAL_GAP`, so that no optimum that is reported depends on it.
BUDGET_TOLERANCE = 1e-9

# An option whose bound is so close below the incumbent is closed: nothing in it is better by more
# than what a budget may be exceeded by. Above what bounds and models are lowered by, so that the
# bound of an option that holds the optimum closes it; a thousandth of `OPTIMAL_GAP`, so that a
# search that closed every option has proven its incumbent.
CLOSING_GAP = 1e-9

# The margin after several choices over a limit: larger than `BUDGET_TOLERANCE`, and a fifth of
# what lets them in.
SMALL_LIMIT_MARGIN = 2e-9

# The usual margin: in a row a thousand times the solver's tolerance. What it lets in is priced
# exactly and excluded; as it only ever adds designs to a model, the model's bound remains one.
LIMIT_MARGIN = 1e-8

# Values so near count as one point of a front. Limits are asked for so much below values that are
# known; even with `LIMIT_MARGIN` and `BUDGET_TOLERANCE` upon it, such a limit shuts the known value
# out, so that every question has a new answer.
SAME_VALUE = 4e-8

# A design within so much of a bound that holds for the whole space is reported as optimal: coarser
# than all that can come between the two, as the rungs above say.
OPTIMAL_GAP = 1e-6


# --- beside the ladder: a fit of areas, which decides no design by itself -----------------------

# What a point leaves free of its own fit (1 − its leverage, a difference of numbers of the order of
# 1) is divided by, where it is no less than this: the quotient then keeps nine digits.
LEAST_FREE = 1e-6


def sum_rounding(additions: int) -> float:
    """Relative error of a sum of numbers of one sign that takes so many additions, at most."""
    return max(SUM_ROUNDING, additions * UNIT_ROUNDOFF)


def same_total(one: float, other: float) -> bool:
    """Whether two computations of one total, in different orders, agree."""
    return math.isclose(one, other, rel_tol=SUM_ROUNDING, abs_tol=UNDERFLOW)


def ceiling(limit: Amounts) -> Amounts:
    """The largest value of a metric that keeps a limit."""
    return limit * (1 + BUDGET_TOLERANCE)


def keeps(value: float, limit: float) -> bool:
    """Whether a metric keeps a limit."""
    return bool(value <= ceiling(limit))


def beyond(limit: Amounts) -> Amounts:
    """What no design that keeps a limit comes near, rounding included: twice as far as its ceiling.

    For bounds that were not lowered by rounding, and for a limit that was itself taken from a value
    within a ceiling.
    """
    return limit * (1 + 2 * BUDGET_TOLERANCE)
