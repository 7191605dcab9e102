"""Tiny problems where the SRAM's port is a roof or DRAM pads channels, held to enumeration."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from enumerated_energy import EnergyPoint, energy_points, least_energy
from random_energy import METRICS, small, with_energy
from random_machines import with_machine
from random_on_chip import on_chip_case
from random_problems import random_case

from codesign import Design, Evaluation, InfeasibleError, evaluate, solve
from codesign.checking import check_content
from codesign.problem.problem import Problem

EXACT = 1e-6
MOST_POINTS = 900  # of a problem: more take too long to enumerate
OVERLAPS = (1.0, 1.0, 0.75, 0.25, 0.0)


def drawn(
    seed: int, kind: str, stored: bool = False, skips: bool = False
) -> tuple[Problem, list[EnergyPoint]]:
    """A problem whose port binds at times, and all its designs; none where they are too many.

    ``stored``: or whose DRAM stores channels in multiples of a number; at times both. ``skips``: or
    whose machines skip the zeros that transposed convolutions insert; likewise.
    """
    rng = random.Random(f"port {kind} {seed}" + " stored" * stored + " skips" * skips)
    if kind == "none":
        case = random_case(seed, moving=skips or seed % 3 == 0, sram=seed % 3 == 1)
    else:
        case = on_chip_case(seed, "moving" if skips else ("plain", "moving", "sram")[seed % 3])
    problem = small(replace(case.problem, budgets={}, quality=None))
    choices = problem.choices
    if kind in ("mapping", "reconfigurable", "widening"):
        choices = with_machine(rng, choices, kind)
    rate, overlap = int(10 ** rng.uniform(0.8, 2.8)), rng.choice(OVERLAPS)
    terms: dict[str, Any] = {"sram_bits_per_cycle": rate}
    if stored:
        both = terms if rng.random() < 0.4 else {}
        terms = {"stored_channels": rng.choice((2, 3, 4, 5, 8)), **both}
    if skips:
        terms = {"zero_skipping": True, **(terms if rng.random() < 0.5 else {})}
    choices = replace(choices, **terms, overlap=overlap)
    problem = with_energy(rng, replace(problem, choices=choices))
    points: list[EnergyPoint] = []
    for point in energy_points(problem):
        points.append(point)
        if len(points) > MOST_POINTS:
            return problem, []
    return asked(rng, problem, points) if points else problem, points


def asked(rng: random.Random, problem: Problem, points: list[EnergyPoint]) -> Problem:
    """The problem with latency as its objective, or among its budgets."""
    objective = rng.choice(("latency_s", "latency_s", "latency_s", "area_mm2", "dram_bits"))
    objective = "energy_j" if rng.random() < 0.15 else objective
    budgets = {}
    for metric in rng.sample(METRICS, rng.choice((0, 1, 1, 2, 2))):
        if metric not in (objective, "energy_j") or rng.random() < 0.3:
            values = sorted({point.metrics[metric] for point in points})
            budgets[metric] = values[int(len(values) * rng.random() ** 2)] or 1e-9
    if objective != "latency_s":
        values = sorted({point.metrics["latency_s"] for point in points})
        budgets.setdefault("latency_s", values[int(len(values) * rng.random() ** 2)])
    return replace(problem, objective=objective, budgets=budgets, quality=None)


def check(seed: int, kind: str, stored: bool = False, skips: bool = False) -> int:
    """Solve one; how many layers the port binds."""
    problem, points = drawn(seed, kind, stored, skips)
    if not points:
        return 0
    right = least_energy(points, problem.objective, problem.budgets)
    if right is None:
        with pytest.raises(InfeasibleError):
            solve(problem)
        return 0
    if seed % 2 == 0 and "energy_j" not in (problem.objective, *problem.budgets):
        whole = solve(problem, method="whole")
        assert whole.metrics[problem.objective] == pytest.approx(right, rel=EXACT), (seed, kind)
    design = solve(problem)
    assert design.proof.status == "optimal"
    assert design.metrics[problem.objective] == pytest.approx(right, rel=EXACT), (seed, kind)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)
    check_figures(design)
    again = evaluate(
        *(design.network, design.accelerator, design.widths),
        on_chip=problem.choices.on_chip,
        places=design.on_chip or {},
        sensitivity=problem.sensitivity,
    )
    check_figures(again)
    assert again.metrics["latency_s"] <= design.metrics["latency_s"] * (1 + EXACT)
    return sum(row.bound_by == "sram" for row in design.layer_designs)


def check_figures(result: Design | Evaluation) -> None:
    """Its file is read again, and its figures are those that the checker finds."""
    content = json.loads(json.dumps(result.to_dict()))
    assert type(result).from_dict(content, "written").to_dict() == result.to_dict()
    report = check_content(content, type(result).__name__.lower())
    assert report.holds, report.findings[:3]
