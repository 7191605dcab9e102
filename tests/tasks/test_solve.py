"""What a solve promises when it is cut short, coarse, or asked twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ended_early import jumping_clock
from enumerated_fronts import front_case

import codesign
from codesign import Choices, Design, Problem, Progress
from codesign.search import hardware_search, least_metric
from codesign.search.milp import solve
from codesign.units import UM2_PER_MM2


@pytest.fixture(scope="module")
def optimal(few_arrays: Problem) -> Design:
    return codesign.solve(few_arrays)


def test_proof_of_an_optimal_design(optimal: Design) -> None:
    proof, solver = optimal.proof, optimal.solver
    assert proof.status == "optimal"
    assert proof.ties_broken
    assert proof.gap <= 1e-6
    assert proof.bound <= proof.objective == optimal.metrics["latency_s"]
    assert solver.considered == 3 * 2 * 2 * 7
    assert solver.considered == solver.solved + solver.bounded_away
    assert solver.left_open == 0
    assert sum(optimal.area_breakdown_mm2.values()) == pytest.approx(optimal.metrics["area_mm2"])


def test_coarse_gap_is_reported_as_it_is(few_arrays: Problem, optimal: Design) -> None:
    coarse = codesign.solve(few_arrays, rel_gap=0.2)
    assert coarse.proof.gap <= 0.2
    assert coarse.proof.bound <= optimal.metrics["latency_s"] * (1 + 1e-9)
    assert coarse.metrics["latency_s"] >= optimal.metrics["latency_s"] * (1 - 1e-9)
    assert coarse.proof.status == ("optimal" if coarse.proof.gap <= 1e-6 else "feasible")


def test_out_of_time_before_any_design(few_arrays: Problem) -> None:
    with pytest.raises(codesign.SolverError, match="no design found within"):
        codesign.solve(few_arrays, time_limit_s=1e-9)


def test_out_of_time_with_a_design(
    few_arrays: Problem, optimal: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps once the first option is taken up: a design, an honest gap, no proof."""
    clock = jumping_clock(monkeypatch)

    def late(*_: object) -> float:
        next(clock)
        raise codesign.stopping.Stopped

    monkeypatch.setattr(least_metric, "suits_labels", lambda *_: False)
    for milp in ("solve_restricted", "solve_joint"):
        monkeypatch.setattr(hardware_search.HardwareSearch, milp, late)
    design = codesign.solve(few_arrays, time_limit_s=1000.0)
    assert design.proof.status == "feasible"
    assert design.proof.gap > 1e-6
    assert not design.proof.ties_broken
    assert design.proof.bound <= optimal.metrics["latency_s"] <= design.metrics["latency_s"]
    assert design.metrics["area_mm2"] <= 6.0
    assert design.solver.left_open > 0


def test_progress_tells_a_shrinking_gap(few_arrays: Problem) -> None:
    seen: list[Progress] = []
    design = codesign.solve(few_arrays, on_progress=seen.append)
    latency = [p for p in seen if p.metric == "latency_s" and p.best is not None]
    assert latency
    assert all(p.bound <= design.metrics["latency_s"] * (1 + 1e-9) for p in latency)
    assert all(p.best >= design.metrics["latency_s"] * (1 - 1e-9) for p in latency)
    assert all(p.gap >= -1e-9 for p in latency)


@pytest.mark.parametrize(
    "options", [{"rel_gap": -1.0}, {"rel_gap": 1.0}, {"time_limit_s": 0.0}, {"method": "magic"}]
)
def test_bad_options_are_refused(few_arrays: Problem, options: dict) -> None:
    with pytest.raises(codesign.SpecError):
        codesign.solve(few_arrays, **options)


def test_extrapolation_is_noted(few_arrays: Problem, optimal: Design) -> None:
    assert optimal.notes == ()  # 6 to 8 bit PEs lie within 4 × 4 to 32 × 32 bit
    narrow = Problem(
        network=few_arrays.network,
        choices=Choices(rows=(16,), cols=(16,), weight_bits=(2,), activation_bits=(2,)),
        budgets={"area_mm2": 6.0},
    )
    (note,) = codesign.solve(narrow).notes
    # 9·(2·2 + 2 + 2 + log2 9) = 100.53 BOPS per cycle, below the 244.5 of a 4 × 4 bit PE
    assert "100.53 BOPS" in note
    assert "244.5" in note


def test_area_overhead_counts_the_array_only(few_arrays: Problem) -> None:
    plain, doubled = (
        codesign.solve(
            Problem(
                network=few_arrays.network,
                choices=Choices(rows=(16,), cols=(16,), weight_bits=(8,), activation_bits=(8,)),
                objective="area_mm2",
                area_overhead=overhead,
            )
        )
        for overhead in (1.0, 2.0)
    )
    # 256 PEs of 1.694·9·(64 + 16 + log2 9) + 153.46 = 1421.49 µm²
    extra_mm2 = 256 * 1421.4875 / UM2_PER_MM2
    difference = doubled.metrics["area_mm2"] - plain.metrics["area_mm2"]
    assert difference == pytest.approx(extra_mm2, rel=1e-4)


@pytest.mark.parametrize("near_misses", [1, 2, solve.NEAR_MISSES])
def test_presolve_costs_no_optimum(near_misses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a margin on the limits, presolve has 1560 here; plain enumeration has 1500.
    monkeypatch.setattr(solve, "NEAR_MISSES", near_misses)
    case = front_case(11517, most={2: 25, 3: 10}, largest=60)
    budgets = {**case.problem.budgets, "noise": 0.25488281171329935}
    problem = replace(case.problem, objective="dram_bits", quality=None, budgets=budgets)
    assert codesign.solve(problem).metrics["dram_bits"] == 1500.0
