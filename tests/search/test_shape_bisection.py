"""Least hardware within a limit on energy: what bounds of whole shapes say of their options.

Every design of tiny random problems is enumerated.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from enumerated_energy import EnergyPoint
from oracle import HardwareOption
from placed_points import options_of
from random_energy import drawn
from seeds import mostly_long

from codesign import InfeasibleError, solve
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.search import least_hardware
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import CutPool
from codesign.search.goal_task import GoalTask, SearchStats
from codesign.search.least_hardware import LeastHardware
from codesign.space.hardware import HardwareSpace

KINDS = ("none", "tensors", "fill", "overlap", "buffers")
CASES = [(seed, kind) for seed in range(2000, 2030) for kind in KINDS]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind"), mostly_long(CASES, 15))
def test_no_option_is_said_to_need_more_area_than_its_least_design(
    seed: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(seed, kind, monkeypatch)


def test_some_are_known_to_need_more_than_their_array(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [check(seed, "none", monkeypatch) for seed in range(2000, 2012)]
    assert sum(raised for raised, _ in told) > 3


def check(seed: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Hold bounds and the optimum to all designs; of options with designs, raised ones and all."""
    monkeypatch.setattr(least_hardware, "MOST_UNBISECTED", 0)  # in earnest, of many shapes alone
    problem, points = drawn(seed, kind)
    if not points:
        return 0, 0
    problem = asked(random.Random(f"shapes {kind} {seed}"), problem, points)
    least = least_areas(problem, points)
    search = search_of(problem)
    search.start_from_pool()
    before = search.lower.copy()
    search.bound_by_finer()
    true = np.array([least.get(x, math.inf) for x in options_of(search.space)])
    assert (search.lower <= true * (1 + 1e-9)).all()
    if not least:
        with pytest.raises(InfeasibleError):
            solve(problem)
        return 0, 0
    design = solve(problem)
    assert design.metrics["area_mm2"] == pytest.approx(min(least.values()), rel=1e-6)
    known = np.isfinite(true)
    return int((search.lower > before)[known].sum()), int(known.sum())


def asked(rng: random.Random, problem: Problem, points: list[EnergyPoint]) -> Problem:
    """The problem of least area within limits on energy and on another metric, at times two."""
    budgets: dict[Any, float] = {}
    for metric in (
        "energy_j",
        *rng.sample(("noise", "latency_s", "dram_bits"), rng.choice((0, 1))),
    ):
        values = sorted(point.metrics[metric] for point in points)
        budgets[metric] = values[int(len(values) * rng.random() ** 2)] or 1e-9
    return replace(problem, objective="area_mm2", budgets=budgets, quality=None)


def least_areas(problem: Problem, points: list[EnergyPoint]) -> dict[HardwareOption, float]:
    """Of hardware with designs within the budgets."""
    found: dict[HardwareOption, float] = {}
    for point in points:
        if all(point.metrics[x] <= most * (1 + 1e-9) for x, most in problem.budgets.items()):
            known = found.get(point.hardware, math.inf)
            found[point.hardware] = min(known, point.metrics["area_mm2"])
    return found


def search_of(problem: Problem) -> LeastHardware:
    """A search that has not begun."""
    space = HardwareSpace(problem)
    goal, lower = Goal("area_mm2", dict(problem.budgets)), np.full(len(space), -np.inf)
    task = GoalTask(space, Relaxation(space), goal, lower, None, SearchStats())
    return LeastHardware(replace(task, cut_pool=CutPool(space.additive_metrics)))
