"""Latency and static energy, which are products with the interval, by ranges and labels alone."""

from __future__ import annotations

import math
from dataclasses import replace

import dataflow_oracle
import pytest
from random_dataflow import Case, dataflow_case
from seeds import half_long

from codesign import Choices, InfeasibleError, Problem, SpecError, load_network, solve
from codesign.search.dataflow import goal_bounds, product_search, search, table
from codesign.search.lexicographic import tie_breakers
from codesign.specs.fpga import Fpga

SEEDS, LONG_SEEDS = (0, 1, 2, 5, 9, 13, 17, 25, 30, 34, 59, 146), range(160)
SAME = 2e-6  # of what breaks ties, whose first metric is held with its tolerance
NEAR = 1e-6


def product_case(seed: int) -> Case | None:
    """A problem that minimises a product or, of every fourth, limits one; None: there is none."""
    problem, groups = dataflow_case(seed, "energy" if seed % 2 else "")
    objective = {1: "energy_j", 3: problem.objective}.get(seed % 4, "latency_s")
    if objective == "energy_j" and problem.technology.hardware_metrics != ("area_mm2",):
        objective = "latency_s"
    energy = None if isinstance(problem.technology, Fpga) else problem.technology.energy
    if energy is not None and seed % 8 == 5:  # most of it for the area, while it takes
        energy = replace(energy, static_w=None, static_w_per_mm2=10.0 ** (1 + seed % 3))
        problem = replace(problem, technology=replace(problem.technology, energy=energy))
        groups = dataflow_oracle.all_groups(problem)
    budgets = {name: x for name, x in problem.budgets.items() if name != objective}
    if seed % 4 == 3 and objective != "latency_s":
        least = dataflow_oracle.best(replace(problem, objective="latency_s", budgets={}), groups)
        if least is None:
            return None
        budgets["latency_s"] = least.metrics["latency_s"] * (1.0001, 1.05, 1.4)[seed % 3]
    return Case(replace(problem, objective=objective, budgets=budgets), groups)


def compare(seed: int) -> None:
    """Hold an answer to the enumerated one."""
    case = product_case(seed)
    if case is None:
        return
    problem, best = case.problem, dataflow_oracle.best(*case)
    try:
        design = solve(problem)
    except (InfeasibleError, SpecError):
        design = None
    assert (design is None) == (best is None)
    if design is None or best is None:
        return
    value = best.metrics[problem.objective]
    assert math.isclose(design.metrics[problem.objective], value, rel_tol=NEAR)
    assert design.proof.status == "optimal"
    assert design.proof.bound <= value * (1 + 1e-7)
    for metric in tie_breakers(problem.technology):
        assert math.isclose(design.metrics[metric], best.metrics[metric], rel_tol=SAME)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No MILP before ranges are narrow and labels do not tell."""
    monkeypatch.setattr(product_search, "FEW_COLUMNS", 0)


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_narrow_ranges_lead_to_the_enumerated_best(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_narrow_ranges_lead_to_the_enumerated_bests(seed: int) -> None:
    compare(seed)


@pytest.mark.slow
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("seed", SEEDS[:6])
def test_multipliers_of_few_columns_lead_to_the_enumerated_best(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns by and by, and options that fetch alike compared by area and energy alone."""
    monkeypatch.setattr(goal_bounds, "MANY", 0)
    monkeypatch.setattr(table, "MOST_COMPARED", 0)
    compare(seed)


@pytest.mark.long
def test_latency_of_resnet18_is_proven_without_a_milp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a skip's own stage may be the longer of two paths."""
    monkeypatch.setattr(search.GoalSearch, "_solve", None)
    problem = Problem(
        network=load_network("resnet18"),
        choices=Choices(architecture=("dataflow",)),
        objective="latency_s",
        budgets={"area_mm2": 20.0},
        quality="uniform:6",
    )
    design = solve(problem)
    assert design.proof.status == "optimal"
    assert design.metrics["latency_s"] == pytest.approx(0.0141881519, rel=1e-7)
