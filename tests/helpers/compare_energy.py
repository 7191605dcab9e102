"""Designs of random problems about energy, held to all of their designs."""

from __future__ import annotations

import json

import pytest
from enumerated_energy import least_energy
from random_energy import drawn

from codesign import InfeasibleError, solve
from codesign.checking import check_content
from codesign.search.lexicographic import Method

EXACT = 1e-6


def check(seed: int, kind: str, method: Method = "search") -> None:
    problem, points = drawn(seed, kind)
    if not points:
        pytest.skip("too many designs to enumerate, or none")
    right = least_energy(points, problem.objective, problem.budgets)
    if right is None:
        with pytest.raises(InfeasibleError):
            solve(problem, method=method)
        return
    design = solve(problem, method=method)
    assert design.proof.status == "optimal"
    assert design.metrics[problem.objective] == pytest.approx(right, rel=EXACT)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    assert report.holds, report.findings[:2]
