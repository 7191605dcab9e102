"""What the searches for a least metric and a least area conclude of single hardware options."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from compare_designs import compare
from placed_points import options_of
from random_problems import Case, random_case, with_budgets_used_up

from codesign.problem.goal import Goal
from codesign.search import goal_task, least_hardware
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.least_hardware import LeastHardware
from codesign.search.least_metric import LeastMetric
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution

BISECTED = (2021, 2027, 2035, 2040, 2041, 2044, 2046, 2054, 2059, 2063, 2076, 2091, 2099, 2225)


def search_of(case: Case, goal: Goal) -> LeastMetric:
    """A search that has not begun."""
    space = HardwareSpace(case.problem)
    lower = np.full(len(space), -np.inf)
    stats = goal_task.SearchStats()
    return LeastMetric(goal_task.GoalTask(space, Relaxation(space), goal, lower, None, stats))


def least_of_options(case: Case, space: HardwareSpace, metric: str) -> list[float]:
    """Of each hardware option, by enumeration."""
    return [
        min((p.value(metric) for p in case.points if p.hardware == each), default=math.inf)
        for each in options_of(space)
    ]


@pytest.mark.parametrize("metric", ["latency_s", "dram_bits", "noise", "bops"])
def test_an_option_is_bounded_by_options_at_least_as_good(metric: Any) -> None:
    bounded = 0
    for seed in range(12):
        case = random_case(seed)
        search = search_of(case, Goal(metric, {}))
        truth = least_of_options(case, search.space, metric)
        single = [
            search.tables_of(option, float(search.most_sram_bits(np.array([option]))[0]))
            for option in range(len(search.space))
        ]
        for option, tables in enumerate(single):
            others = [n for n in range(len(single)) if n != option]
            search.solved_tables = [(single[n], truth[n]) for n in others]
            bound = search.bound_from_tables(tables)
            assert bound <= truth[option] * (1 + 1e-9)
            bounded += bound > -math.inf
    assert bounded > 50


def test_a_milp_without_what_is_too_dear_bounds_no_further_than_that() -> None:
    search = search_of(random_case(0), Goal("latency_s", {}))
    search.incumbent = Solution(0, (), (), 0, (), {"latency_s": 3.0})
    assert search.bound_from_milp(2.0) == 2.0
    for beyond in (4.0, math.inf):
        assert search.bound_from_milp(beyond) == pytest.approx(3.0, rel=1e-8)


@pytest.mark.long
def test_the_least_hardware_is_found_with_ever_less_sram(monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest only where a range of SRAM has many tilings; here wherever another metric is first.
    monkeypatch.setattr(least_hardware, "LONG_MILP", -1)
    usual, bisected = LeastHardware._bisect_by_milps, []

    def noted(search: LeastHardware, option: int) -> float:
        bisected.append(option)
        return usual(search, option)

    monkeypatch.setattr(LeastHardware, "_bisect_by_milps", noted)
    for seed in BISECTED:
        compare(with_budgets_used_up(random_case(seed), random.Random(seed)))
    assert len(bisected) > 8
