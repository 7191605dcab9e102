"""The least interval where a product with it is limited: latency, or static energy."""

from __future__ import annotations

import math
from dataclasses import replace

import dataflow_oracle
import pytest
from compared_pipelines import compare_case
from random_dataflow import Case, dataflow_case
from seeds import half_long

from codesign.search.dataflow import interval_search, search
from codesign.specs.fpga import Fpga

SEEDS, LONG_SEEDS = range(10), range(10, 160)


def interval_case(seed: int) -> Case | None:
    """The least interval within a product that is between its own least and that of the fastest.

    None where there is no pipeline.
    """
    problem, groups = dataflow_case(seed, "energy" if seed % 3 == 2 else "")
    energy = None if isinstance(problem.technology, Fpga) else problem.technology.energy
    product = "latency_s" if energy is None or seed % 6 == 5 else "energy_j"
    if energy is not None and seed % 4:  # most of it for the time, or for the area while it takes
        static = {"static_w_per_mm2": 10.0 ** (1 + seed % 3), "static_w": None}
        static = static if seed % 4 < 3 else {"static_w": 1.0, "static_w_per_mm2": None}
        technology = replace(problem.technology, energy=replace(energy, **static))
        problem = replace(problem, technology=technology)
        groups = dataflow_oracle.all_groups(problem)
    budgets = {x: most for x, most in problem.budgets.items() if x not in ("interval_s", product)}
    problem = replace(problem, budgets=budgets)
    least, fastest = (
        dataflow_oracle.best(replace(problem, objective=x), groups) for x in (product, "interval_s")
    )
    if least is None or fastest is None:
        return None
    ends = least.metrics[product], fastest.metrics[product]
    limit = ends[0] + (0.0, 0.2, 0.5, 0.8)[seed // 3 % 4] * (ends[1] - ends[0])
    budgets = {**budgets, product: limit * (1 + 1e-9)}
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


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_least_interval_within_a_product_is_the_enumerated_one(seed: int) -> None:
    compare(seed)


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_labels_lead_to_the_enumerated_interval(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_least_intervals_within_a_product_are_the_enumerated_ones(seed: int) -> None:
    compare(seed)


@pytest.mark.long
@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_labels_lead_to_the_enumerated_intervals(seed: int) -> None:
    compare(seed)
