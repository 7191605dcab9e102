"""The best hybrid against plain enumeration, by both methods; and among architectures."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import dataflow_oracle
import pytest
from altered import findings
from pipelines import tiny
from random_dataflow import Case
from random_hybrids import hybrid_case
from seeds import half_long, mostly_long

from codesign import InfeasibleError, SpecError, solve
from codesign.results.dataflow_design import DataflowDesign
from codesign.search.dataflow.hybrid import HybridSearch
from codesign.search.dataflow.search import Proven
from codesign.search.lexicographic import Method, tie_breakers
from codesign.tasks import choose_architecture, solve_dataflow

SEEDS = mostly_long([1, 2, 5, 12, 24, 167, 18, 76, 28, 32, 36, 7, 27], 6)
PAIR_SEEDS, LONG_PAIR_SEEDS = (19, 21, 38), (12, 37, *range(100, 160))
LONG_SEEDS, WHOLE_SEEDS = range(100, 220), (2, 5, 12)
UNFOLDED = mostly_long([4, 9, 6, 8, *range(10, 100)], 2)
FPGA_SEEDS, LONG_FPGA_SEEDS = (0, 4, 7), range(8, 120)
ENERGY_SEEDS, LONG_ENERGY_SEEDS = (1, 8), (4, *range(9, 90))
GAPS = mostly_long([(0, 0.03), (4, 0.03), (1, 0.3), *((x, 0.1) for x in range(5, 60))], 3)
SAME = 2e-6  # of what breaks ties, whose first metric is held with its tolerance


@pytest.fixture(autouse=True)
def _time_for_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where other programs have most of the processors."""
    for module in (solve_dataflow, choose_architecture):
        monkeypatch.setattr(module, "TIES_LEAST_S", 300.0)


def found(case: Case, method: Method, kind: str) -> DataflowDesign | None:
    """The answer; None where there is none, or where layers that have no stage are apart."""
    nothing = (InfeasibleError, SpecError) if kind == "unfolded" else (InfeasibleError,)
    try:
        design = solve(case.problem, method=method)
    except nothing:
        return None
    assert isinstance(design, DataflowDesign)
    return design


def compare(seed: int, method: Method, kind: str = "", segments: int = 1) -> None:
    """Hold an answer to the enumerated one, and its file to the checker."""
    case = hybrid_case(seed, kind, segments)
    problem, best = case.problem, dataflow_oracle.best(case.problem, case.groups)
    design = found(case, method, kind)
    assert (design is None) == (best is None)
    if design is None or best is None:
        return
    value = best.metrics[problem.objective]
    assert math.isclose(design.metrics[problem.objective], value, rel_tol=1e-6)
    assert design.proof.status == "optimal"
    assert design.proof.bound <= value * (1 + 1e-7)
    for metric in tie_breakers(problem.technology):
        assert math.isclose(design.metrics[metric], best.metrics[metric], rel_tol=SAME)
    assert 1 <= len(design.segments) <= segments
    assert findings(json.loads(json.dumps(design.to_dict()))) == []


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_best_hybrid_is_the_enumerated_one(seed: int) -> None:
    compare(seed, "search")


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_best_hybrids_are_the_enumerated_ones(seed: int) -> None:
    compare(seed, "search")
    compare(seed, "whole")


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long([*ENERGY_SEEDS[::-1], *LONG_ENERGY_SEEDS], 1))
def test_energy_is_that_of_all_hybrids_enumerated(seed: int) -> None:
    """As the objective, within a budget, or known beside others; with tilings of their own."""
    compare(seed, "search", "energy")


@pytest.mark.parametrize("seed", mostly_long([*FPGA_SEEDS, *LONG_FPGA_SEEDS], 3))
def test_on_an_fpga_it_is_the_enumerated_one(seed: int) -> None:
    compare(seed, "search", "fpga")


@pytest.mark.parametrize("seed", UNFOLDED)
def test_layers_that_fold_as_no_stage_share(seed: int) -> None:
    compare(seed, "search", "unfolded", 1 + seed % 2)


@pytest.mark.parametrize(("seed", "kind"), mostly_long([(4, "fpga"), (4, "energy")], 1))
def test_a_programme_for_each_array_agrees_in_other_costs(seed: int, kind: str) -> None:
    compare(seed, "whole", kind)


@pytest.mark.parametrize(("seed", "gap"), GAPS)
def test_a_bound_told_with_a_gap_holds(seed: int, gap: float) -> None:
    case = hybrid_case(seed)
    best = dataflow_oracle.best(case.problem, case.groups)
    if best is None:
        with pytest.raises(InfeasibleError):
            solve(case.problem, rel_gap=gap, ties="leave")
        return
    design = solve(case.problem, rel_gap=gap, ties="leave")
    value = best.metrics[case.problem.objective]
    assert design.proof.bound <= value * (1 + 1e-7)
    assert design.metrics[case.problem.objective] <= value / (1 - gap) * (1 + 1e-7)


@pytest.mark.parametrize("seed", PAIR_SEEDS)
def test_best_hybrid_of_two_segments_is_the_enumerated_one(seed: int) -> None:
    compare(seed, "search", segments=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_PAIR_SEEDS)
def test_best_hybrids_of_two_segments_are_the_enumerated_ones(seed: int) -> None:
    compare(seed, "search", segments=2)
    compare(seed, "whole", segments=2)


def test_a_programme_for_each_two_arrays_agrees() -> None:
    compare(3, "whole", segments=2)


@pytest.mark.parametrize("seed", WHOLE_SEEDS)
def test_a_programme_for_each_array_agrees(seed: int) -> None:
    compare(seed, "whole")


@pytest.mark.slow
@pytest.mark.parametrize("area_mm2", mostly_long([0.2, 0.03], 1))
def test_best_of_all_architectures_is_no_worse_than_any(area_mm2: float) -> None:
    asked = {"objective": "interval_s", "budgets": {"area_mm2": area_mm2}}
    every = solve(tiny(("array", "dataflow", "hybrid"), **asked))
    values = {}
    for architecture in ("array", "dataflow", "hybrid"):
        alone = solve(tiny((architecture,), **asked))
        values[architecture] = alone.metrics[alone.problem.objective]
    value = every.metrics[every.problem.objective]
    assert math.isclose(value, min(values.values()), rel_tol=1e-9)
    assert every.proof.status == "optimal"
    outcomes = {x.architecture: x.outcome for x in every.architectures}
    assert {*outcomes} == {*values}
    (best,) = (x for x, outcome in outcomes.items() if outcome == "best")
    assert math.isclose(values[best], value, rel_tol=1e-9)


@pytest.mark.parametrize("seed", mostly_long([2, 12, 16, 21, 28], 1))
def test_of_equal_ones_what_takes_less_is_the_best(seed: int) -> None:
    """A pipeline and a hybrid that are as good by the objective, of which either may be smaller."""
    problem = hybrid_case(seed).problem
    metrics = problem.objective, *tie_breakers(problem.technology)
    every, values = ("dataflow", "hybrid"), []
    for architecture in every:
        choices = replace(problem.choices, architecture=(architecture,))
        alone = solve(replace(problem, choices=choices))
        values.append([alone.metrics[x] for x in metrics])
    assert math.isclose(values[0][0], values[1][0], rel_tol=1e-9)
    assert not math.isclose(values[0][1], values[1][1], rel_tol=1e-6)
    best = solve(replace(problem, choices=replace(problem.choices, architecture=every)))
    least = min(values, key=lambda x: x[1])
    for metric, value in zip(metrics, least, strict=True):
        assert math.isclose(best.metrics[metric], value, rel_tol=SAME)
    assert best.proof.ties == "broken"
    assert best.proof.bound <= values[1][0] * (1 + 1e-9)


def test_time_that_hybrids_use_up_leaves_the_best_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"objective": "interval_s", "budgets": {"area_mm2": 0.2}}
    others = solve(tiny(("array", "dataflow"), **asked), ties="leave")
    unfinished = Proven(None, 0.0, False)
    monkeypatch.setattr(HybridSearch, "prove", lambda *args, **kwargs: unfinished)
    design = solve(tiny(("array", "dataflow", "hybrid"), **asked), ties="leave")
    assert design.metrics == others.metrics
    outcomes = {x.architecture: x.outcome for x in design.architectures}
    assert outcomes["hybrid"] == "open"
    assert "best" in outcomes.values()
    assert design.proof.bound == 0


def test_two_segments_of_no_hybrid_are_refused() -> None:
    with pytest.raises(SpecError, match="segments are of architecture 'hybrid'"):
        replace(tiny(("dataflow",)).choices, segments=2)


def test_widths_that_no_array_takes_are_told() -> None:
    tiny_case = tiny(("hybrid",), objective="interval_s", budgets={})
    narrow = replace(tiny_case.choices, pe_weight_bits=(1,), pe_activation_bits=(1,))
    with pytest.raises(InfeasibleError, match="no array on offer takes the widths"):
        solve(replace(tiny_case, choices=narrow))
