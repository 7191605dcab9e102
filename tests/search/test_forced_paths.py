"""Paths that only large problems take, forced on tiny ones: the optimum is the enumerated one."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import oracle
import pytest
from compare_designs import compare
from random_problems import Case, good_point, random_case, with_budgets_used_up
from seeds import mostly_long

from codesign.search import group_bounds, hardware_search
from codesign.search.bounds import relaxation


@pytest.mark.parametrize("seed", mostly_long(range(500, 530), 12))
def test_bounds_of_tables_cut_apart(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest only far or many couplings are cut from the tables; here every one is.
    for most in ("MAX_TABLE", "MAX_ENTRIES", "MAX_BATCH"):
        monkeypatch.setattr(relaxation, most, 1)
    compare(random_case(seed, moving=True, sharing=True))


@pytest.mark.parametrize(
    "seed", mostly_long(range(603, 723, 4), 12)
)  # those with many hardware options
def test_options_bounded_in_groups(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest groups are bounded only after several options; here from the first one on.
    monkeypatch.setattr(group_bounds, "SOLVED_BETWEEN_ATTEMPTS", 1)
    monkeypatch.setattr(group_bounds, "SOLVED_BEFORE_ALL", 1)
    monkeypatch.setattr(group_bounds, "LEAST_GROUP", 2)
    compare(random_case(seed))


@pytest.mark.parametrize("seed", mostly_long([10204, 11436, *range(10106, 10136)], 6))
def test_options_bounded_in_groups_under_a_latency_limit(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The imagined option that bounds a group is faster than its members: none of them prices it.
    monkeypatch.setattr(group_bounds, "SOLVED_BETWEEN_ATTEMPTS", 1)
    monkeypatch.setattr(group_bounds, "SOLVED_BEFORE_ALL", 1)
    monkeypatch.setattr(group_bounds, "LEAST_GROUP", 2)
    rng = random.Random(seed)
    case = random_case(4 * seed + 3)
    objective = rng.choice(oracle.METRICS)
    others = ["dram_bits", "noise", "model_bits", "bops", "area_mm2"]
    limited = [*rng.sample(others, rng.choice((0, 1, 1, 2))), "latency_s"]
    anchor = good_point(rng, case.points)
    budgets = {
        metric: anchor.value(metric) * rng.choice((1, 1.02, 1.2, 1.5, 2))
        for metric in limited
        if anchor.value(metric) > 0
    }
    problem = replace(case.problem, objective=objective, quality=None, budgets=budgets)
    compare(Case(problem, case.points))


@pytest.mark.slow
def test_designs_of_a_few_pairs_of_widths_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest only thousands of layers make the programme over few pairs pay; here every one.
    monkeypatch.setattr(hardware_search, "LONG_MILP_PAIRS", 0)
    monkeypatch.setattr(hardware_search, "CORE_PAIRS", 0)
    usual = hardware_search.HardwareSearch.solve_core
    solved: list[bool] = []
    seen: list[int] = []

    def noted(search: hardware_search.HardwareSearch, *given: Any) -> bool:
        solved.append(usual(search, *given))
        return solved[-1]

    monkeypatch.setattr(hardware_search.HardwareSearch, "solve_core", noted)
    for seed in range(2000, 2025):
        case = with_budgets_used_up(random_case(seed), random.Random(seed))
        solved.clear()
        try:
            compare(case)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        seen += [seed] * any(solved)
    assert len(seen) >= 10
