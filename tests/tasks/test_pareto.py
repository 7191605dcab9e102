"""Fronts are the enumerated ones: every point is there, and every statement about the rest is true.

`enumerated_fronts` finds the front of a tiny problem by looking at every design.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import oracle
import pytest
from compare_designs import check_choices, check_figures
from compare_fronts import EQUAL, assert_same, check_points, check_statements, compare, covered
from enumerated_fronts import Floats, FrontCase, enumerated, front_case
from random_problems import Case, steep_case
from seeds import check_all, half_long, mostly_long
from sources import HELPERS

from codesign import InfeasibleError, SolverError, SpecError, pareto, solve
from codesign.results.front import Front, dominated_volume
from codesign.search import screening
from codesign.search.progress import FrontProgress
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.pareto import EpsilonConstraintSearch

SEEDS = tuple(seed for seed in range(52) if seed not in (47, 56))  # these take above a second
LONG_SEEDS = range(10_000, 12_000)
BLOCK = 50
RICH = (2029, 2046, 2049, 2090, 2095)  # fronts of 10 points and more, two and three objectives
FLAT = (2046, 2049, 2095)  # those of two objectives


swept_case = cache(front_case)


@cache
def rich_case(seed: int) -> FrontCase:
    """A problem whose front is not cut short."""
    return front_case(seed, most={2: 60, 3: 60}, largest=20)


# --- all points ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 12))
def test_front_is_the_enumerated_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:  # screen as for many options
        monkeypatch.setattr(screening, "MOST_UNSCREENED", 1)
    compare(swept_case(seed))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
def test_front_is_the_enumerated_one_long(first: int) -> None:
    check_all(
        range(first, first + BLOCK),
        lambda seed: compare(front_case(seed, most={2: 25, 3: 10}, largest=60)),
    )


@pytest.mark.parametrize("seed", mostly_long(range(6), 3))
def test_noise_over_many_orders_of_magnitude(seed: int) -> None:
    # Here points differ by little more than a tolerance, and which of them are told is arbitrary.
    rng = random.Random(seed)
    steep = steep_case(seed)
    objectives = ("noise", rng.choice(("latency_s", "area_mm2", "bops")))
    case = enumerated(Case(steep.problem, steep.points), objectives)
    if len(case.front) > 10:
        limit = float(case.front[-10:, 1].max())
        problem = replace(steep.problem, budgets={**steep.problem.budgets, objectives[1]: limit})
        case = enumerated(Case(problem, steep.points), objectives)
    if not len(case.front):
        with pytest.raises(InfeasibleError):
            pareto(case.problem, objectives, points=None)
        return
    front = pareto(case.problem, objectives, points=None)
    assert front.complete
    assert covered(case.front, by=front.values, slack=EQUAL).all()
    assert covered(front.values, by=case.front, slack=EQUAL).all()


def test_seeds_contain_what_they_should() -> None:
    cases = [swept_case(seed) for seed in SEEDS]
    assert {name for case in cases for name in case.objectives} == set(oracle.METRICS)
    sizes = [len(case.front) for case in cases]
    assert sum(size == 0 for size in sizes) >= 6
    assert sum(size >= 4 for size in sizes) >= 12
    assert sum(len(case.objectives) == 3 and len(case.front) > 1 for case in cases) >= 7
    assert sum(set(case.objectives) <= set(case.problem.budgets) for case in cases) >= 1


# --- some points --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rich() -> dict[int, tuple[FrontCase, Front]]:
    """Large fronts with the six points that are found first."""
    cases = {seed: rich_case(seed) for seed in RICH}
    assert all(len(case.front) >= 10 for case in cases.values())
    return {seed: (case, pareto(case.problem, case.objectives, 6)) for seed, case in cases.items()}


@pytest.mark.parametrize("seed", RICH)
def test_some_points_are_on_the_front(rich: dict, seed: int) -> None:
    case, front = rich[seed]
    assert len(case.objectives) <= len(front) <= 6
    assert not front.complete
    check_points(front)
    check_statements(front, case)
    near = np.isclose(front.values[:, None], case.front[None], rtol=EQUAL, atol=0).all(axis=2)
    assert near.any(axis=1).all()
    for axis in range(len(case.objectives)):
        assert front.values[:, axis].min() == pytest.approx(case.front[:, axis].min(), rel=EQUAL)


@pytest.mark.parametrize("seed", RICH)
def test_each_point_is_the_optimum_of_its_own_problem(rich: dict, seed: int) -> None:
    case, front = rich[seed]
    for design in front.designs:
        problem = design.problem
        again = solve(problem)
        assert again.proof.objective == pytest.approx(design.proof.objective, rel=EQUAL)
        truth = oracle.best(case.points, problem.objective, problem.budgets)
        assert truth is not None
        assert design.proof.objective == pytest.approx(truth.value(problem.objective), rel=EQUAL)


@pytest.mark.parametrize("seed", RICH)
def test_no_design_is_outside_the_boxes(seed: int) -> None:
    case = rich_case(seed)
    search = EpsilonConstraintSearch(case.problem, case.objectives, {}, StopCondition(), 0.0)
    search.find_ends()
    for number in range(12):
        found = np.array([[d.metrics[n] for n in case.objectives] for d in search.designs])
        left = case.front[~covered(case.front, by=found, slack=EQUAL)]
        boxes = search.open_boxes
        inside = (boxes.low[None] <= left[:, None] * (1 + EQUAL)) & (
            left[:, None] <= boxes.high[None] * (1 + EQUAL)
        )
        assert inside.all(axis=2).any(axis=1).all()
        if not search.explore_largest_box(everywhere=number % 3 == 2):
            break


@pytest.mark.parametrize("seed", RICH)
def test_more_points_leave_a_smaller_gap(rich: dict, seed: int) -> None:
    case, front = rich[seed]
    few = pareto(case.problem, case.objectives, len(case.objectives))
    many = pareto(case.problem, case.objectives, 9)
    assert 1 >= few.gap > front.gap > many.gap >= 0
    worst = case.front.max(axis=0)
    volumes = [one.hypervolume(worst) for one in (few, front, many)]
    assert volumes == sorted(volumes)
    # What six points miss of the dominated volume lies in the boxes.
    box = float(np.prod(front.values.max(axis=0) - front.values.min(axis=0)))
    if (front.values.max(axis=0) == worst).all():
        missed = dominated_volume(case.front, worst) - front.hypervolume(worst)
        assert missed <= front.gap * box * (1 + 1e-6)


@pytest.mark.parametrize("seed", half_long(RICH))
@pytest.mark.parametrize("rel_step", [0.02, 0.3])
def test_points_nearer_than_a_step_may_be_missing(seed: int, rel_step: float) -> None:
    case = rich_case(seed)
    front = pareto(case.problem, case.objectives, None, rel_step=rel_step)
    assert front.complete
    assert front.rel_step == rel_step
    check_points(front)
    check_statements(front, case)
    assert covered(case.front, by=front.values, slack=rel_step * (1 + EQUAL)).all()
    assert covered(front.values, by=case.front, slack=EQUAL).all()
    if rel_step == 0.3:
        assert len(front) < len(case.front)


# --- ranges -------------------------------------------------------------------------------------


def between(front: Floats, axis: int, low: float) -> Floats:
    """The part of a front of two objectives from the best point within ``low`` on."""
    within = front[front[:, axis] <= low]
    return front[front[:, axis] >= within[:, axis].max(initial=0.0)]


@pytest.mark.parametrize("seed", half_long(FLAT))
@pytest.mark.parametrize("axis", [0, 1])
def test_part_of_a_front(seed: int, axis: int) -> None:
    case = rich_case(seed)
    name, values = case.objectives[axis], np.sort(case.front[:, axis])
    low, high = math.sqrt(values[2] * values[3]), math.sqrt(values[-4] * values[-3])
    front = pareto(case.problem, case.objectives, None, ranges={name: (low, high)})
    assert front.complete
    truth = case.front[case.front[:, axis] <= high]
    assert_same(front.values, between(truth, axis, low))
    assert len(front) == len(case.front) - 2 - 3
    check_points(front)
    check_statements(front, case)
    some = pareto(case.problem, case.objectives, 4, ranges={name: (low, high)})
    assert covered(some.values, by=front.values, slack=EQUAL).all()
    ends = front.values[[0, -1]]
    assert covered(ends, by=some.values, slack=EQUAL).all()


@pytest.mark.parametrize("seed", FLAT)
@pytest.mark.parametrize("axis", [0, 1])
def test_range_that_begins_below_all_designs(seed: int, axis: int) -> None:
    case = rich_case(seed)
    name, values = case.objectives[axis], np.sort(case.front[:, axis])
    low, high = 0.9 * values[0], math.sqrt(values[4] * values[5])
    front = pareto(case.problem, case.objectives, None, ranges={name: (low, high)})
    assert front.complete
    assert_same(front.values, case.front[case.front[:, axis] <= high])
    check_statements(front, case)
    if axis == 1:
        assert {name: low} in front.infeasible
        assert front.lower(low) == math.inf
        assert front.upper(low) == math.inf


def test_ranges_of_both_objectives() -> None:
    case = rich_case(FLAT[0])
    order, (one, other) = case.front[case.front[:, 0].argsort()], case.objectives
    most = {one: order[6, 0] * (1 + 1e-7), other: order[2, 1] * (1 + 1e-7)}
    ranges = {name: (0.0, limit) for name, limit in most.items()}
    front = pareto(case.problem, case.objectives, None, ranges=ranges)
    assert front.complete
    assert_same(front.values, order[2:7])
    check_statements(front, case)
    # Designs within this lower end of the second are beyond the upper end of the first.
    ranges[other] = (order[9, 1], most[other])
    front = pareto(case.problem, case.objectives, None, ranges=ranges)
    assert front.complete
    assert_same(front.values, order[2:7])
    check_statements(front, case)
    assert front.infeasible == ()
    assert front.lower(order[9, 1]) == most[one]


def test_range_outside_all_designs_is_infeasible() -> None:
    case = rich_case(FLAT[0])
    for axis, name in enumerate(case.objectives):
        least = case.front[:, axis].min()
        with pytest.raises(InfeasibleError) as caught:
            pareto(case.problem, case.objectives, ranges={name: (0.1 * least, 0.5 * least)})
        assert set(caught.value.clashing) == {name}


# --- time ---------------------------------------------------------------------------------------


def test_no_time_at_all() -> None:
    case = rich_case(FLAT[0])
    with pytest.raises(SolverError, match="no design found within 1e-09 s"):
        pareto(case.problem, case.objectives, time_limit_s=1e-9)


@pytest.mark.parametrize("seed", [2029, 2046, 2095])
@pytest.mark.parametrize("looks", [3, 20, 40, 120])
def test_time_runs_out(seed: int, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search looks at the clock so many times before it is late."""
    case = rich_case(seed)
    looked = iter(range(looks))

    def check(_: StopCondition) -> None:
        if next(looked, None) is None:
            raise Stopped

    monkeypatch.setattr(StopCondition, "check", check)
    if looks == 3:
        with pytest.raises(SolverError, match="no design found"):
            pareto(case.problem, case.objectives, None)
        return
    front = pareto(case.problem, case.objectives, None)
    check_statements(front, case)
    done = next(looked, None) is not None
    assert front.complete == done
    assert (front.gap > 0) != done
    proven = np.array([design.proof.ties_broken for design in front.designs])
    assert (~proven).sum() <= (not done)
    assert covered(front.values[proven], by=case.front, slack=EQUAL).all()
    for design in front.designs:
        check_choices(design)
        check_figures(design)
        assert design.proof.bound <= design.proof.objective


# --- what is said on the way, and twice ---------------------------------------------------------


def test_progress_of_a_front() -> None:
    case = rich_case(FLAT[0])
    seen: list[FrontProgress] = []
    front = pareto(case.problem, case.objectives, 7, on_progress=seen.append)
    assert seen[0].points == 2
    assert {state.wanted for state in seen} == {7}
    for before, after in pairwise(seen):
        assert before.points <= after.points <= before.points + 1
        assert before.gap >= after.gap
        assert before.seconds <= after.seconds
    assert seen[-1].points < len(front) == 7


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from enumerated_fronts import front_case
from codesign import pareto
case = front_case({seed}, most={{2: 60, 3: 60}}, largest=20)
front = pareto(case.problem, case.objectives, 5)
print(front.values.tolist(), [(dict(r.limits), r.bound) for r in front.ruled])
print([(design.hardware, design.widths, design.layer_designs) for design in front.designs])
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long([2090, 2046], 1))
def test_same_front_in_every_process(seed: int) -> None:
    program = PROGRAM.format(tests=str(HELPERS), seed=seed)
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("0", "1")
    }
    assert len(said) == 1
    case = rich_case(seed)
    front = pareto(case.problem, case.objectives, 5)
    assert next(iter(said)).startswith(str(front.values.tolist()))


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        (("latency_s",), "two or three different metrics"),
        ("latency_s", "two or three different metrics"),
        ((), "two or three different metrics"),
        (("latency_s", "latency_s"), "two or three different metrics"),
        (("latency_s", "area_mm2", "noise", "bops"), "two or three different metrics"),
        (("latency_s", "area_m2"), "unknown 'area_m2'; did you mean 'area_mm2'"),
    ],
)
def test_objectives_that_are_none(objectives: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        pareto(rich_case(FLAT[0]).problem, objectives)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 1}, "points: at least 2"),
        ({"rel_step": -0.1}, "rel_step"),
        ({"rel_step": 1.0}, "rel_step"),
        ({"rel_step": math.nan}, "rel_step"),
        ({"time_limit_s": 0.0}, "time_limit_s"),
        ({"time_limit_s": math.nan}, "time_limit_s"),
        ({"ranges": {"bops": (1, 2)}}, "'bops' is no objective"),
        ({"ranges": {"area_mm2": (2, 1)}}, "lower and a higher end"),
        ({"ranges": {"area_mm2": (1, 1)}}, "lower and a higher end"),
        ({"ranges": {"area_mm2": (-1, 1)}}, "lower and a higher end"),
        ({"ranges": {"area_mm2": (1, math.inf)}}, "lower and a higher end"),
        ({"ranges": {"area_mm2": (math.nan, 1)}}, "lower and a higher end"),
    ],
)
def test_options_that_are_none(options: Mapping, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        pareto(rich_case(FLAT[0]).problem, **options)
