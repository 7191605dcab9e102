"""The least interval where a product with it is limited: latency, or static energy."""

from __future__ import annotations

import math
from dataclasses import replace

import dataflow_oracle
import pytest
from compared_pipelines import compare_case
from random_dataflow import Case, dataflow_case

from codesign import Choices, Problem, load_network, solve
from codesign.search.dataflow import interval_search, search
from codesign.specs.fpga import Fpga

SEEDS, MANY = (6, 9, 12, 17), range(110, 160)  # of the first labels tell


def interval_case(seed: int) -> Case | None:
    """The least interval within a product that is between its own least and that of the fastest.

    None where there is no pipeline.
    """
    problem, groups = dataflow_case(seed, "" if seed % 3 else "energy")
    energy = None if isinstance(problem.technology, Fpga) else problem.technology.energy
    product = "latency_s" if energy is None or seed % 2 else "energy_j"
    if energy is not None and product == "energy_j":  # for the time, or for the area meanwhile
        static = {"static_w_per_mm2": 10.0 ** (1 + seed % 3), "static_w": None}
        static = static if seed % 8 else {"static_w": 1.0, "static_w_per_mm2": None}
        technology = replace(problem.technology, energy=replace(energy, **static))
        problem = replace(problem, technology=technology)
        groups = dataflow_oracle.all_groups(problem)
    budgets = {x: most for x, most in problem.budgets.items() if x not in ("interval_s", product)}
    problem = replace(problem, budgets=budgets)
    ends = [
        dataflow_oracle.best(replace(problem, objective=x), groups) for x in (product, "interval_s")
    ]
    least, most = (math.inf if x is None else x.metrics[product] for x in ends)
    if math.isinf(most):
        return None
    budgets[product] = (least + (0.0, 0.3, 0.6)[seed % 3] * (most - least)) * (1 + 1e-9)
    return Case(replace(problem, objective="interval_s", budgets=budgets), groups)


def compare(seed: int) -> None:
    """Hold an answer to the enumerated one."""
    case = interval_case(seed)
    if case is not None:
        compare_case(case, "search")


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels decide, from far below; nothing is known before them."""
    monkeypatch.setattr(search.GoalSearch, "try_choices", lambda *_: None)
    monkeypatch.setattr(search, "FEW_EACH", math.inf)
    monkeypatch.setattr(interval_search, "LABELLED", math.inf)
    monkeypatch.setattr(search, "FIRST_GUESS", 0.5)
    monkeypatch.setattr(interval_search, "NEAREST", 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("product", "limit"), [("latency_s", 17e-3), ("energy_j", 9.12e-3)])
def test_no_pipeline_of_a_shorter_interval_keeps_the_limit(
    product: str, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the least product of such pipelines; and what is at its limit is within it."""
    sides = {"rows": (8, 16, 32), "cols": (8, 16, 32)}
    widths = {"weight_bits": (4, 6, 8), "activation_bits": (4, 6, 8)}
    problem = Problem(
        network=load_network("alexnet"),
        choices=Choices(architecture=("dataflow",), **sides, **widths),
        objective="interval_s",
        budgets={"area_mm2": 20.0, product: limit},
        quality="uniform:6",
    )
    least_s = solve(problem, ties="leave").metrics["interval_s"]
    free = replace(problem, objective=product, budgets={"area_mm2": 20.0, "interval_s": least_s})
    value = solve(free, ties="leave").metrics[product]
    assert value <= limit
    monkeypatch.setattr(interval_search.IntervalSearch, "try_choices", lambda *_: None)
    again = replace(problem, budgets={"area_mm2": 20.0, product: value})
    assert solve(again, ties="leave").metrics["interval_s"] == pytest.approx(least_s, rel=1e-8)
    shorter = {"area_mm2": 20.0, "interval_s": least_s * (1 - 1e-6)}
    assert solve(replace(free, budgets=shorter), ties="leave").metrics[product] > limit


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("seed", SEEDS)
def test_labels_lead_to_the_enumerated_interval(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(160))
def test_least_intervals_within_a_product_are_the_enumerated_ones(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("seed", range(160))
def test_labels_lead_to_the_enumerated_intervals(seed: int) -> None:
    compare(seed)


@pytest.mark.parametrize(
    "seed", [33, 109, *(pytest.param(x, marks=pytest.mark.long) for x in MANY)]
)
def test_counts_of_cycles_are_stopped_before_where_labels_are_too_many(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.GoalSearch, "try_choices", lambda *_: None)
    monkeypatch.setattr(search, "FEW_EACH", math.inf)
    for kind in (search.GoalSearch, interval_search.IntervalSearch):
        monkeypatch.setattr(kind, "effort", replace(search.EFFORT, joined=1))
    problem, groups = dataflow_case(seed)
    budgets = {x: most for x, most in problem.budgets.items() if x != "interval_s"}
    problem = replace(problem, objective="interval_s", budgets=budgets)
    compare_case(Case(problem, groups), "search")
