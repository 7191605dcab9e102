"""Answers on suites held to enumeration: optimum, figures and proof, or why there is no design."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from compare_designs import EXACT, check_proof, close
from enumerated_suites import SuiteCase, best, least

from codesign import solve
from codesign.checking import check_content
from codesign.errors import InfeasibleError


def compare_suite(case: SuiteCase, method: Literal["search", "whole"] = "search") -> None:
    """Solve the problem and hold the answer to the enumerated designs."""
    problem, truth = case.problem, best(case)
    if truth is None:
        with pytest.raises(InfeasibleError) as caught:
            solve(problem, method=method)
        assert bool(caught.value.clashing) == bool(case.places)
        for metric, (_, alone, needed) in caught.value.clashing.items():
            others = {name: x for name, x in problem.budgets.items() if name != metric}
            enough = least(case, metric, others)
            assert alone == close(least(case, metric, {}))
            assert needed == (None if enough is None else close(enough))
        return
    design = solve(problem, method=method)
    for metric in (problem.objective, "area_mm2", "noise"):
        assert design.metrics[metric] == close(truth[metric]), f"{metric}; truth: {truth}"
    for metric, limit in problem.budgets.items():
        assert design.metrics[metric] <= limit * (1 + EXACT), f"budget on {metric} exceeded"
    check_proof(design)
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    assert report.holds, report.findings
