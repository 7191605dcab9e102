"""Fronts held to the enumerated ones: their points, and what they say of the rest."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from compare_designs import check_choices, check_figures, check_proof
from enumerated_fronts import Floats, FrontCase

from codesign import InfeasibleError, pareto
from codesign.results.front import Front

EQUAL = 1e-8  # relative; rounding is far below, designs that differ are far above


def compare(case: FrontCase) -> None:
    """Find the whole front and hold it to the enumerated one."""
    if not len(case.front):
        with pytest.raises(InfeasibleError):
            pareto(case.problem, case.objectives, points=None)
        return
    front = pareto(case.problem, case.objectives, points=None)
    assert front.complete
    assert front.gap == 0
    assert_same(front.values, case.front)
    check_points(front)
    check_statements(front, case)
    if len(case.objectives) == 2:  # the certified region has shrunk to the front
        for value, limit in case.front:
            assert front.lower(limit) == pytest.approx(value, rel=EQUAL, abs=0)
            assert front.upper(limit) == pytest.approx(value, rel=EQUAL, abs=0)


def assert_same(found: Floats, truth: Floats) -> None:
    """The same vectors."""
    assert covered(truth, by=found, slack=EQUAL).all(), "a point of the front is missing"
    assert len(found) == len(truth)
    assert np.sort(found, axis=0) == pytest.approx(np.sort(truth, axis=0), rel=EQUAL, abs=0)


def covered(rows: Floats, by: Floats, slack: float) -> np.ndarray:
    """(rows,): whether some other row is as good in every objective, up to a relative slack."""
    return (by[None] <= rows[:, None] * (1 + slack)).all(axis=2).any(axis=1)


def check_points(front: Front) -> None:
    """None weakly dominates another; in order; proven; every figure follows from the tiles."""
    values = front.values
    for i, row in enumerate(values):
        others = np.delete(values, i, axis=0)
        assert not (others <= row).all(axis=1).any(), "a point is weakly dominated"
    assert values.tolist() == sorted(values.tolist())
    for design in front.designs:
        assert design.proof.ties_broken
        check_proof(design)
        check_choices(design)
        check_figures(design)
        for metric, limit in design.problem.budgets.items():
            assert design.metrics[metric] <= limit * (1 + 2e-9)


def check_statements(front: Front, case: FrontCase) -> None:
    """What the front says no design does, none of the enumerated designs does."""
    first, *others = front.objectives
    for ruled in front.ruled:
        assert list(ruled.limits) == others
        limits = {name: limit * (1 - EQUAL) for name, limit in ruled.limits.items()}
        least = oracle.least(case.points, first, limits)
        assert least is None or ruled.bound <= least * (1 + EQUAL), str(ruled)
        assert (least is None) >= (ruled.limits in front.infeasible)
    if len(others) == 1:
        for value, limit in case.front:
            assert front.lower(limit * (1 + EQUAL)) <= value * (1 + EQUAL)
