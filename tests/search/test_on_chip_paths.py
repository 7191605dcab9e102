"""Paths that only large problems take, forced on tiny ones whose tensors may stay on chip.

As ``test_forced_paths.py`` and ``test_bounded_as_one.py``: the optimum is the enumerated one.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import oracle
import pytest
from compare_designs import compare
from ended_early import check_design
from placed_points import options_of
from random_on_chip import on_chip_case
from random_problems import with_budgets_used_up
from seeds import check_all

from codesign import solve
from codesign.errors import InfeasibleError, SolverError
from codesign.problem.goal import Goal
from codesign.search import (
    best_bound,
    goal_task,
    hardware_search,
    least_hardware,
    least_metric,
    screening,
)
from codesign.search.bounds import layer_tables, relaxation
from codesign.space.hardware import HardwareSpace

pytestmark = pytest.mark.long

KINDS = ("plain", "moving", "sharing", "in place", "sram", "deep")
LATER = [pytest.param(first, marks=pytest.mark.long) for first in range(1000, 1600, 100)]


def seeds_from(first: int, few: int) -> range:
    """A few, or in a long run a hundred."""
    return range(first, first + (100 if first >= 1000 else few))


@pytest.mark.parametrize("first", [0, *LATER])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_of_tables_cut_apart(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest only far or many couplings are cut from the tables; here every one is.
    for module, names in (
        (relaxation, ("MAX_TABLE", "MAX_JOINTS", "MAX_KEPT")),
        (layer_tables, ("MAX_ENTRIES", "MAX_BATCH", "CACHED", "MAX_FAMILY")),
    ):
        for most in names:
            monkeypatch.setattr(module, most, 1)
    check_all(seeds_from(first, 4), lambda seed: compare(on_chip_case(seed, kind)))


@pytest.mark.parametrize("first", [0, *LATER])
def test_options_bounded_as_one(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest this waits until it pays, and shapes are opened several at a time.
    monkeypatch.setattr(screening, "MOST_UNSCREENED", 1)
    monkeypatch.setattr(least_hardware, "MOST_UNBISECTED", 0)
    monkeypatch.setattr(least_metric, "ONE_BATCH", 2)
    monkeypatch.setattr(least_metric, "FIRST_BATCH", 1)
    monkeypatch.setattr(best_bound, "BOUNDED_TOGETHER", 1)
    check_all(seeds_from(first, 24), lambda seed: compare(on_chip_case(seed, "broad")))


@pytest.mark.parametrize("first", [0, *LATER])
@pytest.mark.parametrize("kind", ["plain", "moving", "deep"])
def test_a_few_joint_choices_first(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # In earnest only thousands of choices make the MILP over few of them pay; here every one.
    monkeypatch.setattr(hardware_search, "CORE_CHOICES", 1)
    monkeypatch.setattr(hardware_search, "CORE_GROWTH", 2)
    usual = hardware_search.HardwareSearch.solve_joint
    milps: list[int] = []

    def noted(search: hardware_search.HardwareSearch, *given: Any) -> float:
        before = search.task.stats.milps
        bound = usual(search, *given)
        milps.append(search.task.stats.milps - before)
        return bound

    monkeypatch.setattr(hardware_search.HardwareSearch, "solve_joint", noted)
    check_all(seeds_from(first, 8), lambda seed: compare(used_up(seed, kind)))
    assert max(milps) > 1


def used_up(seed: int, kind: str) -> Any:
    """A problem whose budgets any one design sets, mostly a poor one."""
    return with_budgets_used_up(on_chip_case(seed, kind), random.Random(seed))


# --- choices within a ceiling ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "moving", "sharing", "deep"])
def test_choices_within_a_ceiling_are_those_of_whole_tables(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missed where values that cost too much are not looked at."""
    usual, seen = relaxation.Relaxation.forced, []

    def compared(mine: relaxation.Relaxation, batch: Any, prices: Any, ceiling: float) -> Any:
        within, whole = usual(mine, batch, prices, ceiling), usual(mine, batch, prices)
        tables: dict[int, Any] = {}
        for layers, _, _, totals in whole.totals():
            tables |= dict(zip(layers.tolist(), totals, strict=True))
        for layer, _, _, where, forced in within.entries:
            cheap = (tables[layer] <= ceiling) & np.isfinite(tables[layer])
            assert np.array_equal(where, np.nonzero(cheap))
            assert forced == pytest.approx(tables[layer][cheap], rel=1e-12)
            seen.append((len(forced), cheap.size))
        pairs, every = (mine.marginals_of(x).pair for x in (within, whole))
        assert np.array_equal(pairs <= ceiling, every <= ceiling)
        return within

    monkeypatch.setattr(relaxation.Relaxation, "forced", compared)
    check_all(range(5), lambda seed: compare(used_up(seed, kind)))
    kept, entries = np.sum(seen, axis=0)
    assert 0 < kept < entries


# --- searches that end within the MILPs of an option ----------------------------------------------

MILPS_LOOKED_AT = 3  # of a search: it ends within each


@pytest.mark.parametrize("first", [20, *LATER])
@pytest.mark.parametrize("kind", ["moving", pytest.param("deep", marks=pytest.mark.long)])
def test_a_milp_over_a_few_joint_choices_that_has_to_end_bounds_no_others(
    kind: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware_search, "CORE_CHOICES", 1)
    monkeypatch.setattr(hardware_search, "CORE_GROWTH", 2)
    ended = [
        ended_within(number, seed, kind, monkeypatch)
        for seed in seeds_from(first, 6)
        for number in range(1, 1 + MILPS_LOOKED_AT)
    ]
    assert any(ended)


def ended_within(number: int, seed: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a search has so many MILPs, and an honest design where it ends within the last."""
    case = on_chip_case(seed, kind)
    usual, left = hardware_search.HardwareSearch.solve_option_milp, [number]

    def cut_short(search: hardware_search.HardwareSearch, *given: Any, **more: Any) -> Any:
        left[0] -= 1
        result = usual(search, *given, **more)
        return result if left[0] else replace(result, complete=False)

    with monkeypatch.context() as patched:
        patched.setattr(hardware_search.HardwareSearch, "solve_option_milp", cut_short)
        try:
            found = solve(case.problem)
        except SolverError:  # no design, and none ruled out
            assert left[0] <= 0
            return False
        except InfeasibleError:
            assert oracle.best(case.points, case.problem.objective, case.problem.budgets) is None
            return False
    check_design(found, *case)
    return left[0] <= 0


# --- bounds of single options ---------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, *LATER])
@pytest.mark.parametrize("kind", ["plain", "moving", "sharing", "broad"])
def test_no_option_is_bounded_above_its_best_design(kind: str, first: int) -> None:
    near = [x for seed in seeds_from(first, 8) for x in shares_of_optima(seed, kind)]
    assert max(near) <= 1 + 1e-9
    assert max(near) > 0.99
    assert min(near) >= 0


def shares_of_optima(seed: int, kind: str) -> list[float]:
    """Of each option with a design, its dual bound as a share of its enumerated optimum."""
    case = on_chip_case(seed, kind)
    problem, rng = case.problem, random.Random(seed)
    metric = rng.choice(("latency_s", "dram_bits", "noise", "bops"))
    limits = {name: limit for name, limit in problem.budgets.items() if name != metric}
    space = HardwareSpace(problem)
    lower = np.full(len(space), -np.inf)
    goal, stats = Goal(metric, limits), goal_task.SearchStats()
    task = goal_task.GoalTask(space, relaxation.Relaxation(space), goal, lower, None, stats)
    search, options = least_metric.LeastMetric(task), np.arange(len(space))
    batch = search.batches.of_options(options, search.most_sram_bits(options))
    found = search.dual_bound(batch, search.first_multipliers(options))
    kept = oracle.within(case.points, limits)
    hardware, shares = options_of(space), []
    for n, bound in enumerate(found.value.tolist()):
        mine = [point for point in kept if point.hardware == hardware[n]]
        least = oracle.least(mine, metric, {})
        if least:
            shares.append(bound / least)
    return shares or [0.0]
