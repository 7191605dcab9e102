"""Fronts of suites, in metrics of the whole and of members, are the enumerated ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare_suite_fronts import compare_suite_front, suite_front_case
from seeds import check_all, half_long

from codesign import Front, Problem, pareto
from codesign.errors import SpecError

SEEDS = range(12)
BLOCK = 25


def free() -> Problem:
    """What there is to choose from, without limits."""
    return replace(suite_front_case(0)[0].problem, budgets={})


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_front_is_the_enumerated_one(seed: int) -> None:
    compare_suite_front(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 400, BLOCK))
def test_fronts_of_many_are_the_enumerated_ones(first: int) -> None:
    check_all(range(first, first + BLOCK), compare_suite_front)


def test_shares_of_members_are_read_back(tmp_path: Path) -> None:
    problem = free()
    member = problem.network.members[0].name
    found = pareto(problem, (f"latency_s@{member}", "area_mm2"), 2)
    found.save(tmp_path / "front.csv")
    again = Front.load(tmp_path / "front.csv")
    assert again.objectives == found.objectives
    for one, other in zip(again.designs, found.designs, strict=True):
        assert dict(one.metrics) == dict(other.metrics)


def test_shares_of_no_member_are_refused() -> None:
    case, _ = suite_front_case(0)
    with pytest.raises(SpecError, match="no such member"):
        pareto(case.problem, ("latency@vgg", "area"))
    with pytest.raises(SpecError, match="give area_mm2 without a member"):
        pareto(case.problem, ("latency", f"area@{case.problem.network.members[0].name}"))


def test_a_question_of_regret_is_of_no_account() -> None:
    problem = free()
    references = {f"latency_s@{x.name}": 1.0 for x in problem.network.members}
    asked = replace(problem, objective="regret", references=references)
    found = pareto(asked, ("latency_s", "area_mm2"), 2)
    assert found.values.tolist() == pareto(problem, ("latency", "area"), 2).values.tolist()
