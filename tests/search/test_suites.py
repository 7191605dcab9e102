"""The optimum of a suite is the enumerated one: members weighted, budgets of each and of all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from compare_suites import compare_suite
from enumerated_suites import least_regret
from random_suites import suite_case
from seeds import check_all

from codesign import InfeasibleError, solve
from codesign.checking import check_content
from codesign.tasks.regret import with_references

# After them: limits of a member on the metric of the sum, and limits on that sum.
SEEDS = (*range(30), 358, 538, 819, 905)
BLOCK = 50


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = suite_case(seed)
    compare_suite(case)
    if seed % 6 == 0:
        compare_suite(case, "whole")


@pytest.mark.parametrize("seed", range(12))
def test_least_regret_is_the_enumerated_one(seed: int) -> None:
    case, kind = suite_case(seed), ("latency_s", "dram_bits")[seed % 4 == 3]
    budgets = {x: y for x, y in case.problem.budgets.items() if "@" in x or x == "area_mm2"}
    problem = replace(case.problem, budgets=budgets, objective="regret", quality=None)
    truth = least_regret(case._replace(problem=problem), kind)
    if truth is None:
        with pytest.raises(InfeasibleError):
            solve(with_references(problem, kind))
        return
    problem = with_references(problem, kind)
    assert problem.references == pytest.approx(truth[0], rel=1e-9)
    design = solve(problem)
    assert design.metrics["regret"] == pytest.approx(truth[1], rel=1e-7)
    assert design.proof.status == "optimal"
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    assert report.holds, report.findings


@pytest.mark.parametrize("seed", range(200, 204))
def test_least_energy_is_that_of_one_programme(seed: int) -> None:
    """By bounds and by one MILP over all hardware: weighted energy, then area, then noise."""
    problem = replace(suite_case(seed).problem, objective="energy_j", quality=None)
    found = [solve(problem, method=method).metrics for method in ("search", "whole")]
    for metric in ("energy_j", "area_mm2", "noise"):
        assert found[0][metric] == pytest.approx(found[1][metric], rel=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 600, BLOCK))
def test_optimum_of_many_is_the_enumerated_one(first: int) -> None:
    check_all(range(first, first + BLOCK), lambda seed: compare_suite(suite_case(seed)))
