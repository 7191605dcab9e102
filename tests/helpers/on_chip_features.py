"""What problems whose tensors may stay on chip are made of, and what their optima keep."""

from __future__ import annotations

import math
from collections.abc import Iterable

import oracle
import oracle_on_chip
import oracle_widths
from oracle_on_chip import read_by
from random_problems import Case

from codesign.problem.problem import Problem
from codesign.specs.network import Layer

CLOSE = 1e-9


def features(case: Case) -> set[str]:
    """What a problem is made of, and what its optimum keeps on chip."""
    problem, points = case
    truth = oracle.best(points, problem.objective, problem.budgets)
    found = {f"objective {problem.objective}"}
    found |= {f"budget {metric}" for metric in problem.budgets}
    found.add("infeasible" if truth is None else "feasible")
    found |= {name for name, here in _choice_features(problem).items() if here}
    if truth is None:
        if points and set(problem.choices.places.values()) & {"chip"}:
            found.add("infeasible with places given")
        return found
    found |= _optimum_features(problem, points, truth)
    for i, layer in enumerate(problem.network.layers):
        rows = _layer_features(problem, layer, i, truth)
        found |= {name for name, here in rows.items() if here}
    return found


def _choice_features(problem: Problem) -> dict[str, bool]:
    choices = problem.choices
    alive = oracle_on_chip.lifetimes(problem.network)
    return {
        "given on chip": "chip" in choices.places.values(),
        "given in DRAM": any(choices.places.get(name) == "dram" for name in alive),
        "multi-pass": choices.precision == "multi-pass",
        "several arrays": len(choices.rows) * len(choices.cols) > 1,
        "SRAM sizes": bool(choices.sram_bits),
        "least SRAM": choices.min_sram_bits is not None,
        "most SRAM": choices.max_sram_bits is not None,
        "three free tensors": len(oracle_on_chip.may_stay(problem)) >= 3,
    }


def _optimum_features(
    problem: Problem, points: Iterable[oracle.Point], truth: oracle.Point
) -> set[str]:
    free = {*oracle_on_chip.may_stay(problem)}
    kept = free & truth.on_chip
    found = (
        {"all kept" if kept == free else "some kept" if kept else "none kept"} if free else set()
    )
    nothing = [point for point in points if not free & point.on_chip]
    without = oracle.best(nothing, problem.objective, problem.budgets)
    if without is None:
        found.add("feasible by what is kept")
    elif not math.isclose(*(x.value(problem.objective) for x in (truth, without)), rel_tol=CLOSE):
        found.add("better by what is kept")
    bits = {
        name: oracle_widths.tensor_bits(problem, truth.widths, name)
        for name in oracle_on_chip.lifetimes(problem.network)
    }
    for sources in oracle_widths.alike(problem.network, problem.choices):
        names = {source.removeprefix("tensor:") for source in sources} & free
        if names & kept and names - kept:
            found.add("one width, two places")
    if len(set(bits.values())) > 1 and len(kept) > 1:
        found.add("kept in several widths")
    return found


def _layer_features(problem: Problem, layer: Layer, i: int, truth: oracle.Point) -> dict[str, bool]:
    """Of one layer of an optimum."""
    on_chip, choices = truth.on_chip, problem.choices
    alive = oracle_on_chip.lifetimes(problem.network)
    read, written = {*read_by(layer)} & on_chip, layer.output in on_chip
    partly = {*layer.parts} & on_chip
    passing = {name for name in on_chip if i in alive[name]} - read - {layer.output}
    return {
        "kept input": layer.input in on_chip,
        "kept weight tensor": layer.weight_tensor in on_chip,
        "kept residual": bool({*layer.residuals} & on_chip),
        "kept input and residual": layer.input in on_chip and layer.input in layer.residuals,
        "residual kept, input not": bool({*layer.residuals} & on_chip) > (layer.input in on_chip),
        "kept in and out": bool(read) and written,
        "kept in, not out": bool(read) and not written,
        "kept past another layer": bool(passing),
        "part of a kept tensor read": bool(partly & read),
        "part of a kept tensor written": layer.output in partly,
        "part of a kept tensor read and another written": layer.output in partly & read,
        "kept in a batch": layer.N > 1 and (bool(read) or written),
        "appended to a kept tensor": layer.appended > 0 and written,
        "pooled into a kept tensor": written
        and problem.network.touched(layer, layer.output) < layer.computed_outputs,
        "moving": layer.moves,
        "moving on chip alone": layer.moves and written and {*read_by(layer)} <= on_chip,
        "groups of a kept tensor": layer.G > 1 and layer.input in on_chip,
        "multi-pass of a kept tensor": choices.precision == "multi-pass" and bool(read),
    }
