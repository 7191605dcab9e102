"""Optima on FPGAs: every design of random tiny problems is enumerated, in whole block RAMs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import oracle_fpga
import pytest
from random_bands import bands_case
from random_on_chip import on_chip_case
from random_problems import random_case
from seeds import half_long

from codesign import certify, check, pareto, solve
from codesign.checking import check_content
from codesign.errors import InfeasibleError
from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga

KINDS = ("dram", "on chip", "bands")
CASES = {"dram": random_case, "on chip": on_chip_case, "bands": bands_case}
SEEDS = range(6)
LATER = [pytest.param(seed, marks=pytest.mark.long) for seed in range(6, 300)]


@cache
def asked(seed: int, kind: str) -> tuple[Problem, list[oracle_fpga.Point]] | None:
    """A problem on an FPGA and all its designs; None where it has none."""
    rng = random.Random(f"fpga {kind} {seed}")
    problem = oracle_fpga.on_fpga(rng, CASES[kind](seed).problem)
    if problem is None:
        return None
    points = oracle_fpga.all_points(problem)
    return (oracle_fpga.with_goal(rng, problem, points) if points else problem), points


def compare(
    problem: Problem,
    points: list[oracle_fpga.Point],
    folder: Path,
    method: Literal["search", "whole"] = "search",
) -> None:
    truth = oracle_fpga.best(points, problem)
    if truth is None:
        with pytest.raises(InfeasibleError):
            solve(problem, method=method)
        return
    design = solve(problem, method=method)
    for metric in (problem.objective, "lut", "bram", "noise"):
        assert design.metrics[metric] == pytest.approx(truth.value(metric), rel=1e-9, abs=0)
    assert design.proof.status == "optimal"
    assert design.proof.ties_broken
    hardware = design.hardware
    (same,) = {
        (x.value("lut"), x.value("dsp"), x.value("bram"))
        for x in points
        if x.made.hardware[:4] == tuple(vars(hardware).values())[:4]
        and x.made.sram_bits == hardware.sram_bits
    }
    assert same == pytest.approx([design.metrics[x] for x in ("lut", "dsp", "bram")], rel=1e-12)
    design.save(folder / "design.json")
    assert check(folder / "design.json").findings == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", half_long([*SEEDS, *LATER], 4))
def test_optima_are_those_of_enumeration(seed: int, kind: str, tmp_path: Path) -> None:
    found = asked(seed, kind)
    if found is not None:
        compare(*found, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", half_long([*range(4), *LATER[:60]]))
def test_one_programme_over_all_options_has_the_same_optimum(
    seed: int, kind: str, tmp_path: Path
) -> None:
    found = asked(seed, kind)
    if found is not None:
        compare(*found, tmp_path, "whole")


def test_the_random_problems_have_all_kinds_of_answers() -> None:
    found = [each for seed in SEEDS for kind in KINDS if (each := asked(seed, kind))]
    answers = [(problem, oracle_fpga.best(points, problem)) for problem, points in found]
    assert {"lut", "dsp", "bram"} <= {name for problem, _ in answers for name in problem.budgets}
    assert {"lut", "bram"} <= {problem.objective for problem, _ in answers}
    assert any(best is None for _, best in answers)
    assert max(best.value("bram") for _, best in answers if best) >= 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(2), *LATER[:30]])
def test_optima_are_proven_again_in_exact_arithmetic(seed: int, kind: str, tmp_path: Path) -> None:
    found = asked(seed, kind)
    if found is None or oracle_fpga.best(found[1], found[0]) is None:
        return
    design = solve(found[0])
    design.save(tmp_path / "design.json")
    certify(design).save(tmp_path / "certificate.json")
    report = check(tmp_path / "design.json", tmp_path / "certificate.json")
    assert (report.findings, report.proven) == ((), True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [*range(2), *LATER[:30]])
def test_that_nothing_takes_less_than_no_dsp_block_is_proven(seed: int, kind: str) -> None:
    """No hardware option is left to argue about, nor a fused run on one."""
    found = asked(seed, kind)
    if found is None or not found[1]:
        return
    problem = found[0]
    fpga = problem.technology
    assert isinstance(fpga, Fpga)
    fpga = replace(fpga, multipliers="lut")
    design = solve(replace(problem, technology=fpga, objective="dsp", budgets={}), ties="leave")
    assert design.metrics["dsp"] == 0
    certificate = json.loads(json.dumps(certify(design).to_dict()))
    report = check_content(json.loads(json.dumps(design.to_dict())), "design", certificate)
    assert (report.findings, report.proven) == ((), True)


@pytest.mark.parametrize("pair", [("latency_s", "lut"), ("latency_s", "bram"), ("lut", "bram")])
@pytest.mark.parametrize("seed", [*range(2), *LATER[:10]])
def test_fronts_are_those_of_enumeration(seed: int, pair: tuple[str, str]) -> None:
    found = asked(seed, "on chip")
    if found is None:
        return
    problem, points = replace(found[0], budgets={}), found[1]
    front = pareto(problem, pair, points=None)
    values = sorted({tuple(round(x.value(name), 12) for name in pair) for x in points})
    kept = [x for x in values if not any(y != x and y[0] <= x[0] and y[1] <= x[1] for y in values)]
    assert front.complete
    assert [tuple(row) for row in front.values] == [pytest.approx(x, rel=1e-6) for x in kept]
