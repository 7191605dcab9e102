"""The best pipeline against plain enumeration, by both methods; and over architectures."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import dataflow_oracle
import pytest
from compared_pipelines import compare_case
from pipelines import tiny
from random_dataflow import Case, dataflow_case
from seeds import half_long

from codesign import (
    Choices,
    InfeasibleError,
    Layer,
    Network,
    Problem,
    load_network,
    load_technology,
    solve,
)
from codesign.costs.fpga import array_lut
from codesign.results.design import Design
from codesign.search.dataflow import search
from codesign.search.dataflow import solve as search_range
from codesign.search.lexicographic import Method
from codesign.specs.fpga import Fpga

SEEDS = (*range(12), *range(13, 26), 103)
LONG_SEEDS, WHOLE_SEEDS = (12, *range(26, 103), *range(104, 426)), range(401, 404)


def compare(seed: int, method: Method) -> None:
    """Hold an answer to the enumerated one."""
    compare_case(dataflow_case(seed), method)


@pytest.mark.parametrize("seed", half_long(SEEDS, 4))
def test_best_pipeline_is_the_enumerated_one(seed: int) -> None:
    compare(seed, "search")


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_best_pipelines_are_the_enumerated_ones(seed: int) -> None:
    compare(seed, "search")
    compare(seed, "whole")


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_labels_lead_to_the_enumerated_best(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing known before them, and no end of a range nearer than its own."""
    monkeypatch.setattr(search.GoalSearch, "try_choices", lambda *_: None)
    monkeypatch.setattr(search.GoalSearch, "_guess_above", lambda *_: math.inf)
    monkeypatch.setattr(search, "FEW_EACH", math.inf)
    compare(seed, "search")


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, *(pytest.param(x, marks=pytest.mark.long) for x in (8, 16))])
def test_ranges_are_halved_where_power_by_area_is_not_told_within_limits(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programmes that see less energy than their answers take, and look at few of these."""
    monkeypatch.setattr(search_range, "LOOSE", 1)
    for seed in range(first, first + 8):
        compare_case(powered(seed), "search")


@pytest.mark.slow
def test_a_limit_on_energy_that_power_by_area_hides_in_wide_ranges_is_told() -> None:
    """Hundreds of answers take less energy in a programme of the range than they do."""
    sides = {"rows": (8, 16), "cols": (8, 16), "weight_bits": (8,), "activation_bits": (8,)}
    problem = Problem(
        network=load_network("alexnet"),
        choices=Choices(architecture=("dataflow",), **sides),
        objective="interval_s",
        budgets={"area_mm2": 200.0, "energy_j": 9e-3},
    )
    with pytest.raises(InfeasibleError) as raised:
        solve(problem)
    _, alone, needed = raised.value.clashing["energy_j"]
    assert needed is not None
    assert 8.5e-3 < alone < 9e-3 < needed
    kept = {"area_mm2": 200.0, "energy_j": needed}
    design = solve(replace(problem, budgets=kept), ties="leave")
    assert design.metrics["energy_j"] <= needed * (1 + 1e-9)


def powered(seed: int) -> Case:
    """A problem whose limit on energy, most of it of power by area, is near the least."""
    problem, groups = dataflow_case(seed, "energy")
    given = problem.technology.energy
    assert given is not None
    energy = replace(given, static_w=None, static_w_per_mm2=10.0 ** (1 + seed % 4))
    technology = replace(problem.technology, energy=energy)
    problem = replace(problem, technology=technology, objective="energy_j", budgets={})
    least = dataflow_oracle.best(problem, groups)
    assert least is not None
    limits = {"energy_j": least.metrics["energy_j"] * (1.001, 1.05, 1.3)[seed % 3]}
    objective = ("interval_s", "area_mm2", "noise", "energy_j")[seed % 4]
    return Case(replace(problem, objective=objective, budgets=limits), groups)


@pytest.mark.parametrize("seed", WHOLE_SEEDS)
def test_one_programme_over_all_options_agrees(seed: int) -> None:
    compare(seed, "whole")


@pytest.mark.parametrize("area_mm2", [0.05, 0.2])
@pytest.mark.parametrize("objective", ["interval_s", "latency_s", "area_mm2"])
def test_best_architecture_is_the_better_of_both(area_mm2: float, objective: str) -> None:
    asked = {"objective": objective, "budgets": {"area_mm2": area_mm2}}
    if objective == "area_mm2":
        asked["budgets"] = {"interval_s": 1e-6}
    both = solve(tiny(("array", "dataflow"), **asked))
    alone = solve(tiny(("dataflow",), **asked)), solve(tiny(("array",), **asked))
    value = min(x.metrics[x.problem.objective] for x in alone)
    assert math.isclose(both.metrics[both.problem.objective], value, rel_tol=1e-9)
    assert both.proof.status == "optimal"
    outcomes = {x.architecture: x.outcome for x in both.architectures}
    assert sorted(outcomes.values()) == ["best", "no better"]
    assert outcomes["array" if isinstance(both, Design) else "dataflow"] == "best"


def test_budgets_that_no_pipeline_keeps_are_named_with_what_would_do() -> None:
    with pytest.raises(InfeasibleError, match="area at most") as raised:
        solve(tiny(("dataflow",), objective="interval_s", budgets={"area_mm2": 0.001}))
    _, alone, needed = raised.value.clashing["area_mm2"]
    assert needed is not None
    kept = solve(tiny(("dataflow",), objective="interval_s", budgets={"area_mm2": needed}))
    assert kept.metrics["area_mm2"] <= needed * (1 + 1e-9)
    assert alone <= needed


@pytest.mark.parametrize("bits", [4, 20])  # narrower, and wider, than an accumulator of 32 in all
def test_arrays_of_shared_accumulators_are_told_apart_by_columns(bits: int) -> None:
    """Of as many LUTs, more PEs in fewer columns: every array of a layer is looked at."""
    layer = Layer(name="a", input="in", output="out", C=4, K=16, P=4, Q=4, R=3, S=3, H=4, W=4)
    network = Network(name="one", layers=(layer,), tensors={"in": 64, "out": 256})
    sides = {"rows": (1, 3, 4, 9, 12, 18), "cols": (1, 2, 4, 8, 16)}
    widths = {"weight_bits": (bits,), "activation_bits": (bits,)}
    mvau = load_technology("finn-mvau")
    assert isinstance(mvau, Fpga)
    arrays = [*itertools.product(*sides.values())]
    lut = {x: float(array_lut(mvau, *x, bits, bits, 1.0)) for x in arrays}
    cycles = {(r, c): 16 * (36 // r) * (16 // c) for r, c in arrays}
    for most in sorted(lut.values())[::3]:
        problem = Problem(
            network=network,
            technology=mvau,
            choices=Choices(architecture=("dataflow",), mapping=("im2col",), **sides, **widths),
            objective="interval_s",
            budgets={"lut": most},
            dram_bits_per_s=1e15,
        )
        least = min(cycles[x] for x in arrays if lut[x] <= most)
        assert solve(problem, ties="leave").metrics["interval_s"] == least / problem.clock_hz


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["latency_s", "energy_j"])
def test_products_with_a_wide_range_of_the_interval_are_proven(objective: str) -> None:
    # From below latency and energy keep a limit in a range at whose ends they do not.
    choices = Choices(
        rows=(4, 8, 16),
        cols=(8, 16),
        weight_bits=(4, 6, 8),
        activation_bits=(4, 6, 8),
        architecture=("dataflow",),
    )
    problem = Problem(
        network=load_network("alexnet"),
        choices=choices,
        objective=objective,
        budgets={"area_mm2": 20.0},
        quality="uniform:6",
    )
    design = solve(problem, ties="leave", time_limit_s=100)
    assert design.proof.status == "optimal"
    assert design.proof.gap < 1e-6
    proven = {"latency_s": 0.0151097021, "energy_j": 0.0090851229}
    assert design.metrics[objective] == pytest.approx(proven[objective], rel=1e-6)
