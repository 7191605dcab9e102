"""Explanations held to plain enumeration."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import cache

import oracle
import pytest
from compare_designs import option_built

from codesign import Design, Problem
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.results.explanation import RunnerUp, Side

EXACT = 1e-8

SEEN: set[str] = set()  # what the problems of this file had


def check_side(
    side: Side, given: float, points: list[oracle.Point], problem: Problem, limits: dict[str, float]
) -> None:
    """The objective is the enumerated one, and the rate is that of the two optima."""
    truth = oracle.least(points, problem.objective, limits)
    if truth is None:
        SEEN.add("infeasible side")
        assert side.objective is side.rate is None
        return
    optimum = oracle.least(random_points(problem), problem.objective, problem.budgets)
    assert optimum is not None
    assert side.objective == pytest.approx(truth, rel=EXACT, abs=0)
    assert side.rate is not None
    change = side.rate * (side.value - given)
    assert change == pytest.approx(truth - optimum, rel=1e-5, abs=3 * EXACT * optimum)
    SEEN.add("change" if abs(change) > EXACT * optimum else "no change")


@cache
def _points(text: str) -> list[oracle.Point]:
    return oracle.all_points(problem_from_dict(json.loads(text), "test"))


def random_points(problem: Problem) -> list[oracle.Point]:
    """All designs of a problem; enumerated once."""
    return _points(json.dumps(problem_to_dict(problem)))


def padded(point: oracle.Point, sram_bits: int, problem: Problem) -> oracle.Point:
    """The same design with at least so much SRAM."""
    bits = max(point.sram_bits, sram_bits)
    area = oracle.area_mm2(problem, point.hardware, bits)
    i = oracle.METRICS.index("area_mm2")
    metrics = (*point.metrics[:i], area, *point.metrics[i + 1 :])
    return point._replace(sram_bits=bits, metrics=metrics)


def with_more_sram(
    points: Iterable[oracle.Point], sram_bits: int, problem: Problem
) -> list[oracle.Point]:
    """The designs of a problem with at least so much SRAM, padded where that is on offer."""
    choices = problem.choices
    if not choices.sram_bits and sram_bits <= (choices.max_sram_bits or math.inf):
        return [padded(point, sram_bits, problem) for point in points]
    return [point for point in points if point.sram_bits >= sram_bits]


def check_runner_up(each: RunnerUp, points: Iterable[oracle.Point], design: Design) -> None:
    """The least objective of these designs, by a design that is among them and within budgets."""
    problem, points = design.problem, list(points)
    truth = oracle.least(points, problem.objective, problem.budgets)
    if truth is None:
        SEEN.add(f"no other {each.change}")
        assert each.hardware is each.loss is None
        assert not each.metrics
        return
    SEEN.add(each.change)
    value = each.metrics[problem.objective]
    assert value == pytest.approx(truth, rel=EXACT, abs=0)
    optimum = design.metrics[problem.objective]
    assert each.loss == pytest.approx(truth - optimum, rel=1e-5, abs=3 * EXACT * optimum)
    limits = {**problem.budgets, problem.objective: value}
    for metric in oracle.TIE_BREAKERS:
        least = oracle.least(points, metric, limits)
        assert each.metrics[metric] == pytest.approx(least, rel=EXACT, abs=0)
        limits[metric] = each.metrics[metric]
    wanted = each.hardware
    assert wanted is not None
    same = [
        point
        for point in points
        if point.hardware == option_built(wanted)
        and point.sram_bits == wanted.sram_bits
        and point.metrics == pytest.approx([each.metrics[m] for m in oracle.METRICS], rel=EXACT)
    ]
    assert same, "no such design"
    assert oracle.within(same, problem.budgets)
