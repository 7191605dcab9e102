"""Certificates of pipelines: true claims are proven; no claim that an enumeration refutes is."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import dataflow_oracle
import pytest
from certified import deep, written
from given_pipelines import given_case
from pipelines import residual, tiny
from random_dataflow import Case, dataflow_case
from seeds import mostly_long

from codesign import InfeasibleError, Problem, SpecError, certify, solve
from codesign.checking import Report
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.stopping import StopCondition
from codesign.tasks.certificate_pipelines import PipelineCloser

SEEDS, LONG_SEEDS = (1, 4, 5, 7, 11, 12, 14, 18, 20, 21, 25, 33, 121, 193), range(300)
FEW = 40  # ranges of the interval that are tried
PRODUCTS = {"latency_s", "energy_j"}
GAP = 1e-6  # below the best, of a claim that is proven


def certified(problem: Problem) -> tuple[Design | DataflowDesign, Report]:
    """The best of a problem, and what the check says of its certificate."""
    design = solve(problem)
    certificate = certify(design, asked=problem)
    return design, deep(written(design.to_dict()), written(certificate.to_dict()))


def left_open(problem: Problem, claim: float) -> list[list[float | None]]:
    """Ranges of the interval in which a pipeline below a claim is not ruled out."""
    closer = PipelineCloser(problem, Fraction(claim), StopCondition(None), None, FEW)
    part, _ = closer.part()
    found: list[list[float | None]] = part["trusted"]
    return found


def hold_to_enumeration(seed: int) -> None:
    """Of a random problem: the claim a little below the best is proven, none above it ever is.

    Of products with the interval, and on an FPGA, the former may be left open.
    """
    hold_case_to_enumeration(dataflow_case(seed))


def hold_case_to_enumeration(case: Case) -> None:
    """The same of a problem with all its pipelines."""
    problem = case.problem
    best = dataflow_oracle.best(problem, case.groups)
    if best is None:
        return
    value = best.metrics[problem.objective]
    try:
        above = left_open(problem, value * (1 + 1e-5) if value else 1e-9)
    except SpecError:  # on an FPGA, of a layer whose channels no array divides
        return
    assert above
    products = PRODUCTS & {problem.objective, *problem.budgets}
    if not products and "lut" not in problem.technology.hardware_metrics:
        assert not left_open(problem, value * (1 - GAP))


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 7))
def test_claims_are_proven_as_far_as_enumeration_bears_them_out(seed: int) -> None:
    hold_to_enumeration(seed)


@pytest.mark.parametrize("seed", range(2))
def test_claims_about_given_stages_are_proven_as_far_as_enumeration_bears_them_out(
    seed: int,
) -> None:
    hold_case_to_enumeration(given_case(seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 150))
def test_many_claims_about_given_stages_are_borne_out(seed: int) -> None:
    hold_case_to_enumeration(given_case(seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_many_claims_are_proven_as_far_as_enumeration_bears_them_out(seed: int) -> None:
    hold_to_enumeration(seed)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"quality": "uniform:8", "budgets": {"interval": 1.28e-6}},
        {"objective": "interval", "budgets": {"area": 0.25}},
        {"objective": "noise", "quality": None, "budgets": {"interval": 6.4e-7, "area": 0.25}},
    ],
)
def test_the_best_pipeline_is_proven(asked: dict[str, object]) -> None:
    design, report = certified(residual(**asked))
    assert isinstance(design, DataflowDesign)
    assert report.findings == ()
    assert report.proven
    assert "no pipeline within the budgets has" in report.notes[-1]


def test_a_product_with_the_interval_is_proven_range_by_range() -> None:
    problem = tiny(("dataflow",), objective="latency_s", budgets={"area_mm2": 0.05})
    _, report = certified(problem)
    assert report.findings == ()
    assert report.proven


@pytest.mark.parametrize("objective", ["interval_s", "latency_s"])
def test_the_best_of_both_architectures_is_proven_over_both(objective: str) -> None:
    problem = tiny(("array", "dataflow"), objective=objective, budgets={"area_mm2": 0.05})
    design, report = certified(problem)
    assert isinstance(design, Design) == (objective == "latency_s")
    assert report.findings == ()
    assert report.proven
    assert "no pipeline" in report.notes[-1]
    assert "hardware options" in report.notes[-1]
    assert not any("word" in note for note in report.notes)


def test_without_the_question_asked_pipelines_are_the_search_s_word() -> None:
    problem = tiny(("array", "dataflow"), objective="latency_s", budgets={"area_mm2": 0.05})
    design = solve(problem)
    assert isinstance(design, Design)
    report = deep(written(design.to_dict()), written(certify(design).to_dict()))
    assert report.holds
    assert report.proven is False


def test_what_is_left_when_time_is_up_is_the_search_s_word() -> None:
    design = solve(residual())
    certificate = certify(design, trusting=True)
    assert certificate.left_to_solver == ["1 of 1 ranges of the interval"]
    report = deep(written(design.to_dict()), written(certificate.to_dict()))
    assert report.holds
    assert report.proven is False


def test_a_claim_of_a_bound_alone_is_proven() -> None:
    """Of a search that ended early: the bound that it had."""
    design = solve(residual(), rel_gap=0.05)
    report = deep(written(design.to_dict()), written(certify(design).to_dict()))
    assert report.findings == ()
    assert report.proven
    assert design.proof.bound <= design.proof.objective
    assert math.isfinite(design.proof.bound)


def test_budgets_that_nothing_keeps_have_no_certificate() -> None:
    with pytest.raises(InfeasibleError):
        solve(residual(budgets={"interval": 1e-12}))


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long((4, 29, 2, 5), 1))
def test_how_much_is_left_open_is_told_and_no_less(seed: int) -> None:
    """Of a claim that is 2 % too high: some pipeline is that much below it."""
    problem = dataflow_case(seed).problem
    claim = Fraction(solve(problem).proof.objective) * Fraction(102, 100)
    _, left = PipelineCloser(problem, claim, StopCondition(None), None, FEW).part()
    found = re.findall(r"more than ([\d.]+) % below the claim", " ".join(left))
    assert found
    assert all(float(x) >= 2 for x in found)
