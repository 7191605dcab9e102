"""Explanations of designs of least energy, or within limits on it, held to plain enumeration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from compare_whole_explanations import check_file, unfused
from enumerated_energy import EnergyPoint, energy_points, least_energy
from random_energy import drawn

from codesign import Design, Problem, solve
from codesign.results.explanation import RunnerUp, Side
from codesign.tasks.explain import explain

KINDS = ("none", "tensors", "mapping", "reconfigurable", "buffers")
EXACT = 1e-8
STEP = 0.2


def compare(seed: int, kind: str) -> int:
    """Explain the best design of a problem, if it has one; returns how many figures were held."""
    problem, points = drawn(seed, kind)
    optimum = least_energy(points, problem.objective, problem.budgets)
    if optimum is None:
        return 0
    found, held = explain(solve(problem), step=STEP), 0
    for each in found.sensitivities:
        for side in (each.less, each.more):
            mine, budgets = points, {**problem.budgets, each.name: side.value}
            if each.kind == "platform":
                budgets = dict(problem.budgets)
                mine = [*energy_points(replace(problem, **{each.name: side.value}))]
            right = least_energy(mine, problem.objective, budgets)
            check_side(side, each.value, right, optimum)
            held += 1
    for runner_up in found.runner_ups:
        others = designs_of(runner_up, points, found.design)
        check_runner_up(runner_up, others, problem, optimum)
        held += 1
    assert {x.name for x in found.sensitivities if x.kind == "budget"} == {*problem.budgets}
    check_file(found)
    return held


def check_side(side: Side, given: float, right: float | None, optimum: float) -> None:
    """The objective is the enumerated one, and the rate is that of the two optima."""
    if right is None:
        assert side.objective is side.rate is None
        return
    assert side.proven
    assert side.objective == pytest.approx(right, rel=EXACT, abs=0)
    assert side.rate is not None
    change = side.rate * (side.value - given)
    assert change == pytest.approx(right - optimum, rel=1e-5, abs=3 * EXACT * optimum)


def designs_of(
    runner_up: RunnerUp, points: Sequence[EnergyPoint], design: Design
) -> Sequence[EnergyPoint]:
    """The designs that differ in one thing from the one explained."""
    problem, mine, change = design.problem, design.hardware, runner_up.change
    choices = problem.choices
    if change == "array":
        return [p for p in points if p.hardware[:2] != (mine.rows, mine.cols)]
    if change == "PE widths":
        pes = mine.pe_weight_bits, mine.pe_activation_bits
        return [p for p in points if p.hardware[2:4] != pes]
    if change == "less SRAM":
        most = math.floor((1 - STEP) * mine.sram_bits)
        return [p for p in points if p.sram_bits <= most]
    if change == "more SRAM":
        return with_more_sram(problem, math.ceil((1 + STEP) * mine.sram_bits))
    if change == "mapping":
        return [p for p in points if p.hardware.mapping != mine.mapping]
    if change == "nothing fused":
        return [*energy_points(replace(problem, choices=unfused(choices)))]
    changed = {"reconfigurable": not choices.reconfigurable}
    if change == "all in DRAM":
        changed = {"places": dict.fromkeys(problem.network.tensors, "dram")}
    else:
        assert change in ("own mappings", "one mapping")
    return [*energy_points(replace(problem, choices=replace(choices, **changed)))]


def with_more_sram(problem: Problem, least: int) -> Sequence[EnergyPoint]:
    """All designs with at least so much SRAM, used or not."""
    choices = problem.choices
    if choices.sram_bits:
        sizes = tuple(size for size in choices.sram_bits if size >= least)
        if not sizes:
            return []
        changed = replace(choices, sram_bits=sizes)
    elif least > (choices.max_sram_bits or math.inf):
        return []
    else:
        changed = replace(choices, min_sram_bits=max(least, choices.min_sram_bits or 0))
    return [*energy_points(replace(problem, choices=changed))]


def check_runner_up(
    each: RunnerUp, points: Sequence[EnergyPoint], problem: Problem, optimum: float
) -> None:
    """The least objective of these designs, then the least area and noise."""
    right = least_energy([*points], problem.objective, problem.budgets)
    if right is None:
        assert each.hardware is each.loss is None
        return
    assert each.proven
    limits = dict(problem.budgets)
    for metric in (problem.objective, "area_mm2", "noise"):
        least = least_energy([*points], metric, limits)
        assert each.metrics[metric] == pytest.approx(least, rel=EXACT, abs=0), metric
        limits[metric] = min(each.metrics[metric] * (1 + EXACT), limits.get(metric, math.inf))
    assert each.loss == pytest.approx(right - optimum, rel=1e-5, abs=3 * EXACT * optimum)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind"), [(8, "none"), (2, "tensors"), (0, "widening")])
def test_every_figure_is_the_enumerated_one(seed: int, kind: str) -> None:
    assert compare(seed, kind)


@pytest.mark.long
@pytest.mark.parametrize("kind", [*KINDS, "bands"])
def test_every_figure_is_the_enumerated_one_at_length(kind: str) -> None:
    assert sum(compare(seed, kind) for seed in range(20)) > 30
