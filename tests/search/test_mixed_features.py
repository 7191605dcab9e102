"""Many features of machines at once, with energy: the optimum is the enumerated one.

Widening or many passes, mappings, buffers, a port, stored channels, overlap, cycles of all kinds,
tiles over the columns of long signals, places of tensors, SRAM on offer, widths in common.
"""

from __future__ import annotations

import json
from typing import Any

import oracle
import pytest
from enumerated_energy import EnergyPoint
from mixed_features import drawn

from codesign import (
    Design,
    Evaluation,
    InfeasibleError,
    SpecError,
    certify,
    evaluate,
    solve,
)
from codesign.checking import check_content
from codesign.problem.problem import Problem

EXACT = 1e-6
SEEDS = range(24)


def best(points: list[EnergyPoint], problem: Problem) -> dict[str, float] | None:
    """The least objective, then area, then noise, within all budgets; None where there is none."""
    limits = {name: most * (1 + oracle.TOLERANCE) for name, most in problem.budgets.items()}
    left = [x for x in points if all(x.metrics[name] <= most for name, most in limits.items())]
    found = dict[str, float]()
    for name in (problem.objective, "area_mm2", "noise"):
        if left:
            found[name] = min(x.metrics[name] for x in left)
            left = [x for x in left if x.metrics[name] <= found[name] * (1 + 1e-12)]
    return found or None


def check(seed: int) -> bool:
    """Hold the answers to one question to enumeration, and to each other; whether there is one."""
    problem, points = drawn(seed)
    right = best(points, problem)
    if not points or right is None:
        if points:
            with pytest.raises(InfeasibleError):
                solve(problem)
        return False
    design = solve(problem)
    assert design.proof.status == "optimal"
    assert design.proof.bound == pytest.approx(right[problem.objective], rel=2 * EXACT)
    if design.proof.ties_broken:
        assert {name: design.metrics[name] for name in right} == pytest.approx(right, rel=EXACT)
    assert design.metrics[problem.objective] == pytest.approx(right[problem.objective], rel=EXACT)
    check_figures(design)
    check_evaluations(problem, design)
    if seed % 3 == 0:
        check_whole(problem, right[problem.objective])
    if seed % 2 == 0:
        check_certificate(design)
    return True


def check_evaluations(problem: Problem, design: Design) -> None:
    """On the design's accelerator: of its own tiles, its figures; of the best, no more latency."""
    given = design.network, design.accelerator, design.widths
    asked: dict[str, Any] = {"on_chip": problem.choices.on_chip, "places": design.on_chip or {}}
    asked |= {"sensitivity": problem.sensitivity}
    again = evaluate(*given, **asked)
    check_figures(again)
    assert again.metrics["latency_s"] <= design.metrics["latency_s"] * (1 + EXACT)
    if problem.choices.on_chip != "bands":
        same = evaluate(*given, **asked, tiling=design)
        check_figures(same)
        assert same.metrics == pytest.approx(design.metrics, rel=1e-9)


def of_energy(problem: Problem) -> bool:
    """Whether energy is asked about."""
    return "energy_j" in (problem.objective, *problem.budgets)


def check_whole(problem: Problem, right: float) -> None:
    """One programme over all hardware options agrees, where it counts all that is asked."""
    if problem.choices.sram_bits_per_cycle is not None and of_energy(problem):
        with pytest.raises(SpecError, match="method 'whole' does not count it beside energy"):
            solve(problem, method="whole")
        return
    whole = solve(problem, method="whole")
    assert whole.metrics[problem.objective] == pytest.approx(right, rel=EXACT)


def check_certificate(design: Design) -> None:
    """Nothing that a certificate says is wrong, where there is one."""
    problem = design.problem
    machine = problem.choices
    fused = machine.on_chip == "bands" and of_energy(problem)
    if fused or machine.sram_bits_per_cycle is not None or machine.stored_channels is not None:
        return
    certificate = written(certify(design))
    assert check_content(written(design), "design", certificate).findings == ()


def check_figures(result: Design | Evaluation) -> None:
    """Its file is read again, and its figures are those that the checker finds."""
    content = written(result)
    assert type(result).from_dict(content, "written").to_dict() == result.to_dict()
    report = check_content(content, type(result).__name__.lower())
    assert report.holds, report.findings[:3]


def written(result: Any) -> Any:
    """Its content as a file has it."""
    return json.loads(json.dumps(result.to_dict()))


@pytest.mark.slow
def test_the_optimum_is_the_enumerated_one() -> None:
    assert sum(check(seed) for seed in SEEDS) > 10


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 1600, 50))
def test_the_optimum_is_the_enumerated_one_at_length(first: int) -> None:
    for seed in range(first, first + 50):
        check(seed)
