"""Certificates of hybrids: what enumeration bears out is proven, and nothing that it does not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import dataflow_oracle
import pytest
from certified import deep, written
from pipelines import residual, tiny
from random_hybrids import hybrid_case
from seeds import half_long, mostly_long

from codesign import Design, Problem, certify, solve
from codesign.checking import Report
from codesign.checking.certificate.verify import GAP
from codesign.results.dataflow_design import DataflowDesign
from codesign.stopping import StopCondition
from codesign.tasks.certificate_hybrids import HybridCloser

SEEDS = (1, 4, 6, 13)
LONG_SEEDS = tuple(x for x in range(60) if x not in SEEDS)
LONG_OF_KINDS = range(10, 70)
OF_TWO = (1, 6, 7)
POWERED = 3  # an energy with power at all times
FEW = 8  # ranges that are tried
PART_OF_A_BLOCK = 29, 35  # pairs on FPGAs that a limit between whole block RAMs would leave open


def certified(problem: Problem) -> tuple[Design | DataflowDesign, Report]:
    """The best design of a problem, and the deep check of it with its certificate."""
    design = solve(problem)
    certificate = certify(design, asked=problem)
    return design, deep(written(design.to_dict()), written(certificate.to_dict()))


def left_open(problem: Problem, claim: float) -> list[Any]:
    """Segments in ranges of the interval of which a hybrid below a claim is not ruled out."""
    part, _ = HybridCloser(problem, Fraction(claim), StopCondition(None), None, FEW).part(
        weaker=False
    )
    return [x for x in part["segments"] if x["trusted"]]


def is_a_product(problem: Problem) -> bool:
    """Whether something that is asked about is a product with the interval."""
    asked, energy = (problem.objective, *problem.budgets), problem.technology.energy
    static = energy is not None and bool(energy.static_w or energy.static_w_per_mm2)
    return "latency_s" in asked or (static and "energy_j" in asked)


def hold_to_enumeration(seed: int, kind: str = "", segments: int = 1) -> None:
    """Of a random problem: the claim a little below the best is proven, none above it ever is.

    Of products with the interval the former may be left open.
    """
    case = hybrid_case(seed, kind, segments)
    problem = case.problem
    best = dataflow_oracle.best(problem, case.groups)
    if best is None:
        return
    value = best.metrics[problem.objective]
    assert left_open(problem, value * (1 + 1e-5) if value else 1e-9)
    if not is_a_product(problem):
        assert not left_open(problem, value * (1 - GAP))


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_claims_are_proven_as_far_as_enumeration_bears_them_out(seed: int) -> None:
    hold_to_enumeration(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_many_claims_are_proven_as_far_as_enumeration_bears_them_out(seed: int) -> None:
    hold_to_enumeration(seed)


@pytest.mark.parametrize(("seed", "kind"), [(4, "still"), (0, "fpga"), (4, "fpga"), (9, "fpga")])
def test_claims_about_energy_and_on_fpgas_are_proven_likewise(seed: int, kind: str) -> None:
    hold_to_enumeration(seed, kind)


@pytest.mark.parametrize("seed", [4, 6, 8])
def test_claims_where_layers_have_no_stage_are_proven_likewise(seed: int) -> None:
    hold_to_enumeration(seed, "unfolded")


@pytest.mark.slow
def test_the_best_hybrid_with_a_layer_without_stage_is_proven() -> None:
    _, report = certified(hybrid_case(8, "unfolded").problem)
    assert report.findings == ()
    assert report.proven


@pytest.mark.long
@pytest.mark.parametrize("kind", ["still", "energy", "fpga", "unfolded"])
@pytest.mark.parametrize("seed", LONG_OF_KINDS)
def test_many_claims_about_energy_and_on_fpgas_are_proven_likewise(seed: int, kind: str) -> None:
    hold_to_enumeration(seed, kind)


@pytest.mark.parametrize("seed", mostly_long(OF_TWO, 2))
def test_claims_about_two_segments_are_proven_likewise(seed: int) -> None:
    hold_to_enumeration(seed, segments=2)


@pytest.mark.parametrize("seed", PART_OF_A_BLOCK)
def test_limits_of_block_rams_are_whole(seed: int) -> None:
    hold_to_enumeration(seed, "fpga", segments=2)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["", "still", "fpga"])
@pytest.mark.parametrize("seed", LONG_OF_KINDS)
def test_many_claims_about_two_segments_are_proven_likewise(seed: int, kind: str) -> None:
    hold_to_enumeration(seed, kind, segments=2)


@pytest.mark.parametrize("objective", ["interval_s", "area_mm2"])
def test_the_best_hybrid_is_proven(objective: str) -> None:
    budgets = {"area_mm2": 0.05} if objective == "interval_s" else {"interval_s": 1e-6}
    design, report = certified(tiny(("hybrid",), objective=objective, budgets=budgets))
    assert isinstance(design, DataflowDesign)
    assert report.findings == ()
    assert report.proven
    assert "no hybrid of one segment within the budgets has" in report.notes[-1]


@pytest.mark.parametrize("objective", ["interval_s", "latency_s"])
def test_the_best_of_all_architectures_is_proven_over_all(objective: str) -> None:
    every = ("array", "dataflow", "hybrid")
    problem = tiny(every, objective=objective, budgets={"area_mm2": 0.05})
    design, report = certified(problem)
    assert isinstance(design, Design) == (objective == "latency_s")
    assert report.findings == ()
    assert report.proven
    for told in ("no pipeline", "no hybrid", "hardware options"):
        assert told in report.notes[-1]
    assert not any("word" in note for note in report.notes)


def test_without_the_question_asked_hybrids_are_the_search_s_word() -> None:
    problem = tiny(("array", "hybrid"), objective="latency_s", budgets={"area_mm2": 0.05})
    design = solve(problem)
    assert isinstance(design, Design)
    report = deep(written(design.to_dict()), written(certify(design).to_dict()))
    assert report.holds
    assert report.proven is False


def test_the_best_hybrid_on_an_fpga_is_proven() -> None:
    design, report = certified(hybrid_case(9, "fpga").problem)
    assert isinstance(design, DataflowDesign)
    assert design.problem.budgets.keys() == {"bram"}
    assert report.findings == ()
    assert report.proven


@pytest.mark.long
def test_skip_connections_beside_and_across_a_segment_are_counted() -> None:
    problem = residual(quality="uniform:8", budgets={"interval": 1.28e-6})
    widths = {"weight_bits": (8,), "activation_bits": (4, 8)}
    sides = {"rows": (2, 8), "cols": (2, 8)}
    choices = replace(problem.choices, architecture=("hybrid",), **widths, **sides)
    design, report = certified(replace(problem, choices=choices))
    assert isinstance(design, DataflowDesign)
    assert report.findings == ()
    assert report.proven


def test_the_best_hybrid_of_one_segment_or_two_is_proven() -> None:
    design, report = certified(hybrid_case(6, segments=2).problem)
    assert isinstance(design, DataflowDesign)
    assert report.findings == ()
    assert report.proven
    assert "no hybrid of one segment or two within the budgets has" in report.notes[-1]


@pytest.mark.long
def test_the_least_energy_with_power_at_all_times_is_proven() -> None:
    design, report = certified(hybrid_case(POWERED, "energy").problem)
    assert isinstance(design, DataflowDesign)
    assert is_a_product(design.problem)
    assert report.findings == ()
    assert report.proven


@pytest.mark.slow
def test_first_ranges_of_every_segment_are_tried_together_before_any_is_halved() -> None:
    case = hybrid_case(POWERED, "energy")
    best = dataflow_oracle.best(case.problem, case.groups)
    assert best is not None
    claim = Fraction(best.metrics[case.problem.objective] * (1 - GAP))
    closer = HybridCloser(case.problem, claim, StopCondition(None), None, most_tried=0)
    part, _ = closer.part(weaker=False)
    counts = [(len(x["ranges"]), len(x["trusted"])) for x in part["segments"]]
    assert closer.open > 0  # the first segment is not ruled out without halves of its ranges
    assert counts[0][1] > 0
    assert {*counts[1:]} == {(1, 0)}
    assert len(counts) > 1
    assert len(closer._first()) > 1


def test_how_far_below_none_is_of_what_stays_open_is_told() -> None:
    case = hybrid_case(6)
    best = dataflow_oracle.best(case.problem, case.groups)
    assert best is not None
    claim = Fraction(best.metrics[case.problem.objective] * (1 + 5e-4))
    _, (word,) = HybridCloser(case.problem, claim, StopCondition(None), None, FEW).part()
    assert word.endswith("of hybrids (none has a hybrid more than 0.1 % below the claim)")


def test_what_is_left_when_time_is_up_is_the_search_s_word() -> None:
    design = solve(tiny(("hybrid",), objective="interval_s", budgets={"area_mm2": 0.05}))
    certificate = certify(design, trusting=True)
    assert certificate.left_to_solver == ["2 of 2 segments of hybrids"]
    report = deep(written(design.to_dict()), written(certificate.to_dict()))
    assert report.holds
    assert report.proven is False
    assert any("hybrids that share a to a at intervals from 0 s" in x for x in report.notes)
