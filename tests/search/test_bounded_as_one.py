"""Many hardware options bounded as one: the finest tiles, the best of all tables.

In earnest this waits until it pays; here it is done at once: the answers are the enumerated ones.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import oracle
import pytest
from compare_designs import compare
from placed_points import options_of
from random_networks import random_network
from random_problems import Case, good_point, mid_size_problem, random_case
from seeds import check_all, half_long, mostly_long
from small_layers import square

from codesign import solve
from codesign.problem.choices import Choices
from codesign.problem.goal import Goal
from codesign.problem.problem import Metric, Problem
from codesign.search import goal_task, group_bounds, least_hardware, screening
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.least_hardware import LeastHardware
from codesign.search.least_metric import LeastMetric
from codesign.search.lexicographic import LexicographicSearch
from codesign.search.prove_goal import prove_goal
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, price
from codesign.specs.network import Network

OBJECTIVES: tuple[Metric, ...] = ("noise", "dram_bits", "model_bits", "bops", "latency_s")

BISECTED: list[tuple[Metric, tuple[Metric, ...]]] = [
    ("noise", ("area_mm2", "latency_s", "dram_bits")),
    ("noise", ("latency_s",)),
]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound as one wherever that can be done."""
    monkeypatch.setattr(screening, "MOST_UNSCREENED", 1)
    monkeypatch.setattr(least_hardware, "MOST_UNBISECTED", 0)
    monkeypatch.setattr(group_bounds, "LEAST_IDEAL_GROUP", 1)
    monkeypatch.setattr(group_bounds, "NEAR_INCUMBENT", 2.0)
    monkeypatch.setattr(group_bounds, "SHORT_MILP_PAIRS", np.inf)


def broad_case(seed: int) -> Case:
    """Many hardware options, any objective but area, and budgets that leave it ties."""
    rng = random.Random(seed)
    case = random_case(4 * seed + 3)
    if not case.points:
        return case
    objective = OBJECTIVES[seed % len(OBJECTIVES)]
    others = [metric for metric in (*OBJECTIVES, "area_mm2") if metric != objective]
    anchor = good_point(rng, case.points)
    budgets = {
        metric: anchor.value(metric) * rng.choice((1, 1.02, 1.2, 1.5, 2))
        for metric in rng.sample(others, rng.choice((0, 1, 2)))
        if anchor.value(metric) > 0
    }
    problem = replace(case.problem, objective=objective, quality=None, budgets=budgets)
    return Case(problem, case.points)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", mostly_long(range(40), 15))
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    compare(broad_case(20000 + seed))


@pytest.mark.long
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("first", [20040, *range(30000, 32000, 100)])
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    check_all(range(first, first + 100), lambda seed: compare(broad_case(seed)))


# --- the finest tiles ---------------------------------------------------------------------------


def space_of(seed: int, rows: tuple[int, ...], cols: tuple[int, ...]) -> HardwareSpace:
    network = random_network(random.Random(seed), layers=4, moving=seed % 2 == 0)
    choices = Choices(
        rows=rows, cols=cols, weight_bits=(2, 5), activation_bits=(3, 8), on_chip="none"
    )
    return HardwareSpace(Problem(network=network, choices=choices))


@pytest.mark.parametrize("sides", [((1, 2, 3, 5, 8), (1, 2, 7)), ((2, 4, 6, 10), (3, 6, 9, 12))])
@pytest.mark.parametrize("seed", mostly_long(range(40), 15))
def test_no_array_needs_less_than_the_finest(
    seed: int, sides: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    space = space_of(seed, *sides)
    assert space.finest is not None
    finest_array = space.shapes[space.finest]
    assert (finest_array.rows, finest_array.cols) == (min(sides[0]), min(sides[1]))
    everyone = range(len(space.shapes))
    finest = space.rooms(space.finest)
    capacities = finest.needs[::7].astype(float)
    fine = finest.within(capacities)
    for shape in everyone:
        for moves_data in (False, True):
            least = [space.least_need(n, moves_data) for n in (space.finest, shape)]
            assert (least[0] <= least[1]).all()
        assert (fine <= space.rooms(shape).within(capacities)).all()


@pytest.mark.parametrize("seed", range(20))
def test_an_area_without_room_for_the_smallest_tiles_needs_no_search(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = space_of(seed, (1, 2, 3, 5, 8), (1, 2, 7))
    slope = space.problem.technology.sram_area_um2.slope
    least = (
        space.hardware_metrics["area_mm2"].base
        + slope * space.min_sram_bits_of_shapes[space.shape_of]
    )
    monkeypatch.delattr(HardwareSpace, "staircase")
    limits = {"area_mm2": least.min() / 1e6 * (1 - 1e-6)}
    proof = prove_goal(LexicographicSearch(space).goal_task(Goal("latency_s", limits)))
    assert (proof.incumbent, proof.complete) == (None, True)


@pytest.mark.parametrize("sides", [((1, 2, 3, 5, 8), (1, 2, 7)), ((2, 4, 6, 10), (3, 6, 9, 12))])
@pytest.mark.parametrize("seed", range(40))
def test_no_array_is_better_than_the_smallest_alike(
    seed: int, sides: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    space = space_of(seed, *sides)
    assert (space.smallest_alike[space.smallest_alike] == space.smallest_alike).all()
    for shape, alike in enumerate(space.smallest_alike.tolist()):
        assert space.shapes[alike].rows <= space.shapes[shape].rows
        assert space.shapes[alike].cols <= space.shapes[shape].cols
        assert (space.shape_cycles[alike] == space.shape_cycles[shape]).all()
        capacities = space.rooms(shape).needs[::7].astype(float)
        traffic = [space.rooms(n).within(capacities) for n in (alike, shape)]
        assert (traffic[0] <= traffic[1]).all()


@pytest.mark.parametrize("seed", mostly_long(range(30), 15))
def test_a_larger_array_alike_is_offered_once_the_smaller_is_not(seed: int) -> None:
    case = broad_case(40000 + seed)
    space = HardwareSpace(case.problem)
    alike = np.isin(np.arange(len(space.shapes)), space.smallest_alike)
    kept = ~alike[space.shape_of]
    larger = [space.shapes[shape] for shape in np.flatnonzero(~alike)]
    arrays = {(array.rows, array.cols) for array in larger}
    points = [p for p in case.points if (p.hardware.rows, p.hardware.cols) in arrays]
    budgets = dict(case.problem.budgets)
    found = (
        LexicographicSearch(space)
        .part(kept)
        .minimise((case.problem.objective, "area_mm2"), budgets)
    )
    least = oracle.least(points, case.problem.objective, budgets)
    assert (found.solution is None) == (least is None)
    if found.solution is not None:
        assert found.first.bound == pytest.approx(least, rel=1e-8, abs=0)
        assert found.solution.metrics[case.problem.objective] == pytest.approx(
            least, rel=1e-8, abs=0
        )


@pytest.mark.parametrize("seed", mostly_long(range(20), 6))
def test_no_array_needs_less_than_its_finer_one(seed: int) -> None:
    space = space_of(seed, (1, 2, 3, 4, 6, 8, 12, 24), (1, 4, 8, 12, 16))
    assert space.finer_shapes is not None
    sides = [(x.rows, x.cols) for x in space.shapes]
    finer = {own: sides[n] for own, n in zip(sides, space.finer_shapes.tolist(), strict=True)}
    right = {(24, 16): (8, 8), (24, 12): (8, 4), (12, 8): (4, 8), (8, 8): (8, 8), (6, 8): (1, 1)}
    assert {own: finer[own] for own in right} == right
    for shape, its in enumerate(space.finer_shapes.tolist()):
        capacities = space.rooms(shape).needs[::5].astype(float)
        fine, own = (space.rooms(n).within(capacities) for n in (its, shape))
        assert (fine <= own).all()


def test_arrays_alike_are_common_in_the_random_problems() -> None:
    problems = [broad_case(20000 + seed).problem for seed in range(10)]
    counts = [np.unique(HardwareSpace(problem).smallest_alike).size for problem in problems]
    assert sum(n < len(HardwareSpace(p).shapes) for n, p in zip(counts, problems, strict=True)) >= 3


def test_groups_side_by_side_on_a_finer_array() -> None:
    # 32 groups of 3 channels: 2 side by side on 6 rows, 5 on 15, no multiple of 2.
    shape = square(K=1, C=3, size=9, kernel=3, G=32)
    network = Network(name="n", layers=(shape,), tensors={"in": 96 * 81, "out": 32 * 81})
    choices = Choices(
        rows=(6, 12, 18, 30),
        cols=(2, 8, 16),
        weight_bits=(4,),
        activation_bits=(4,),
        on_chip="none",
    )
    space = HardwareSpace(Problem(network=network, choices=choices))
    assert space.finest == 0
    for shape in range(len(space.shapes)):
        capacities = space.rooms(shape).needs.astype(float)
        fine, coarse = (space.rooms(n).within(capacities) for n in (0, shape))
        assert (fine <= coarse).all()


@pytest.mark.parametrize("rows", [(2, 3), (4, 6), (6, 10, 15)])
def test_without_a_shape_that_divides_all_none_is_the_finest(rows: tuple[int, ...]) -> None:
    space = space_of(0, rows, (1, 2))
    assert space.finest is None
    assert space.finer_shapes is None


# --- what is bounded as one ---------------------------------------------------------------------


def case_with_points(rng: random.Random) -> Case:
    while True:
        case = random_case(4 * rng.randrange(10**6) + 3)
        if case.points:
            return case


def case_with_a_finest_shape(rng: random.Random) -> Case:
    while True:
        case = case_with_points(rng)
        if HardwareSpace(case.problem).finest is not None:
            return case


def search_of(
    case: Case, kind: type[LeastHardware] | type[LeastMetric], goal: Goal
) -> LeastHardware:
    space = HardwareSpace(case.problem)
    asked = goal_task.GoalTask(
        space=space,
        relaxation=Relaxation(space),
        goal=goal,
        lower=np.full(len(space), -np.inf),
        incumbent=None,
        stats=goal_task.SearchStats(),
    )
    return kind(asked)  # type: ignore[return-value]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", mostly_long(range(40), 15))
def test_sram_known_as_one_is_no_more_than_any_option_needs(seed: int) -> None:
    case = case_with_a_finest_shape(random.Random(seed))
    anchor = good_point(random.Random(seed), case.points)
    limits = {m: anchor.value(m) * 1.1 for m in ("noise", "dram_bits") if anchor.value(m) > 0}
    search = search_of(case, LeastHardware, Goal("area_mm2", limits))
    space = search.space
    assert space.finest is not None
    search.least_sram = np.zeros(len(space))
    search.bound_as_one()
    kept = [p for p in case.points if all(p.value(m) <= x for m, x in limits.items())]
    least = min(point.sram_bits for point in kept)
    assert (search.least_sram <= least).all()


def test_the_metric_held_first_bounds_the_area() -> None:
    case = random_case(7)
    goal = Goal("area_mm2", {"latency_s": 1.0, "model_bits": 1e9, "noise": 1.0})
    search = search_of(case, LeastHardware, goal)
    assert search.bounded_metric() == "latency_s"
    search.task = replace(search.task, primary_metric="model_bits")
    assert search.bounded_metric() == "model_bits"
    asked: list[str | None] = []
    prover = LexicographicSearch(HardwareSpace(case.problem))
    prove = prover.prove
    prover.prove = lambda task: (asked.append(task.primary_metric), prove(task))[1]  # type: ignore
    prover.minimise(("noise", "area_mm2", "dram_bits"), {})
    assert asked == [None, "noise", "noise"]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", mostly_long(range(100), 15))
def test_no_option_is_bounded_above_its_best_design(seed: int) -> None:
    rng = random.Random(seed)
    case = case_with_points(rng)
    metric = rng.choice(OBJECTIVES)
    anchor = good_point(rng, case.points)
    limited = rng.sample([m for m in OBJECTIVES if m != metric and anchor.value(m) > 0], 1)
    limits = {m: anchor.value(m) * rng.choice((1, 1.1)) for m in limited}
    search = search_of(case, LeastMetric, Goal(metric, limits))
    space = search.space
    screening.screen(search)
    search.incumbent = Solution(0, (), (), 0, (), {m: anchor.value(m) for m in oracle.METRICS})
    group_bounds.GroupBounds(search).of_all_open(np.inf)
    for option, hardware in enumerate(options_of(space)):
        mine = [point for point in case.points if point.hardware == hardware]
        least = oracle.least(mine, metric, limits)
        assert least is None or search.lower[option] <= least * (1 + 1e-9)


def test_widths_are_offered_where_they_run() -> None:
    network = Network(
        name="n",
        layers=(square(K=4, C=4, size=4, kernel=3),),
        tensors={"in": 64, "out": 64},
    )
    choices = Choices(rows=(1, 2), cols=(1, 2), weight_bits=(2, 8), activation_bits=(2, 8))
    problem = Problem(network=network, choices=choices)
    search = search_of(Case(problem, []), LeastHardware, Goal("area_mm2", {"noise": 1e-4}))
    space = search.space
    search.task = replace(search.task, primary_metric="noise")
    search.least_sram = np.zeros(len(space))
    holds_both = (space.pe_weight_bits == 8) & (space.pe_activation_bits == 8)
    wide, narrow = np.flatnonzero(holds_both), np.flatnonzero(~holds_both)
    search.incumbent = price(space, int(wide[-1]), (1,), (1,), 1e6)
    assert search.incumbent is not None
    for shape in range(len(space.shapes)):
        search._try_incumbent_widths(narrow[space.shape_of[narrow] == shape])
    assert search.incumbent.option == wide[-1]
    search._try_incumbent_widths(np.flatnonzero(space.shape_of == space.shape_of[wide[0]]))
    assert search.incumbent.option == wide[0]


@pytest.mark.parametrize(("objective", "budgeted"), half_long(BISECTED))
def test_the_least_sram_by_bisection_is_that_of_one_programme(
    objective: Metric, budgeted: tuple[Metric, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    bisected = []
    bisect = least_hardware.LeastHardware._bisect_by_milps
    monkeypatch.setattr(
        least_hardware.LeastHardware,
        "_bisect_by_milps",
        lambda self, option: (bisected.append(option), bisect(self, option))[1],
    )
    for seed in (200, 201, 203):
        problem = mid_size_problem(seed, objective, budgeted)
        monkeypatch.setattr(least_hardware, "LONG_MILP", math.inf)
        usual = solve(problem)
        monkeypatch.setattr(least_hardware, "LONG_MILP", -1)
        for metric in (objective, "area_mm2", "noise"):
            value = solve(problem).metrics[metric]
            assert value == pytest.approx(usual.metrics[metric], rel=1e-9, abs=0)
    assert bisected
