"""What problems whose layers may be fused are made of, and what their optima fuse."""

from __future__ import annotations

import math

import oracle
import oracle_bands
import oracle_on_chip
import oracle_widths
from oracle_tilings import vertical
from random_problems import Case

from codesign.problem.problem import Problem
from codesign.specs.network import Layer

CLOSE = 1e-9


def band_features(case: Case) -> set[str]:
    """What a problem is made of, and what its optimum fuses."""
    problem, points = case
    truth = oracle.best(points, problem.objective, problem.budgets)
    found = {f"objective {problem.objective}"}
    found |= {f"budget {metric}" for metric in problem.budgets}
    found.add("infeasible" if truth is None else "feasible")
    found |= {name for name, here in _choice_features(problem).items() if here}
    if truth is None:
        return found
    ways = oracle_bands.all_places(problem)
    (runs,) = {x.runs for x in ways if x.bands == truth.bands}
    found.add("fused" if runs else "nothing fused")
    if not runs:
        return found
    unfused = [point for point in points if not point.bands]
    without = oracle.best(unfused, problem.objective, problem.budgets)
    if without is None:
        found.add("feasible by what is fused")
    elif not math.isclose(*(x.value(problem.objective) for x in (truth, without)), rel_tol=CLOSE):
        found.add("better by what is fused")
    if len(runs) > 1:
        found.add("two runs")
    for run in runs:
        rows = _run_features(problem, run, truth)
        found |= {name for name, here in rows.items() if here}
    return found


def _choice_features(problem: Problem) -> dict[str, bool]:
    choices = problem.choices
    return {
        "given as a band": "band" in choices.places.values(),
        "given on chip": "chip" in choices.places.values(),
        "given in DRAM": "dram" in choices.places.values(),
        "multi-pass": choices.precision == "multi-pass",
        "several arrays": len(choices.rows) * len(choices.cols) > 1,
        "SRAM sizes": bool(choices.sram_bits),
        "least SRAM": choices.min_sram_bits is not None,
        "most SRAM": choices.max_sram_bits is not None,
        "two layers at most": choices.fused_layers == 2,
        "three ways to fuse": len(oracle_bands.all_runs(problem.network, 4)) > 3,
    }


def _run_features(problem: Problem, run: range, truth: oracle.Point) -> dict[str, bool]:
    """Of a fused run of an optimum."""
    network, on_chip, widths = problem.network, truth.on_chip, truth.widths
    layers = [network.layers[i] for i in run]
    head, last, inside = layers[0], layers[-1], oracle_bands.inside(network, run)
    added = [(i, name) for i in run for name in network.layers[i].residuals]
    by_head = [name == head.input and oracle_bands.in_step(network, run[0], i) for i, name in added]
    alive = oracle_on_chip.lifetimes(network)
    beside = {name for name in on_chip if {*run} & {*alive[name]}}
    traffic = oracle_bands.run_traffic(problem, run, widths, on_chip)
    memory_s = sum(sum(x.values()) for x in traffic) / problem.dram_bits_per_s
    compute_s = sum(_seconds(problem, layer, truth) for layer in layers)
    held = oracle_bands.rows_held(network, run)
    whole = [held[i] == network.layers[i].H for i in run[1:]]
    partial = {name for layer in (head, last) for name in layer.parts}
    return {
        f"run of {len(run)}": True,
        "more layers than the rest": len(run) * 2 > len(network.layers),
        "compute-bound": compute_s >= memory_s,
        "memory-bound": compute_s < memory_s,
        "input resident": head.input in on_chip,
        "output resident": last.output in on_chip,
        "both resident": {head.input, last.output} <= on_chip,
        "resident past a run": bool(beside - {head.input, last.output}),
        "inner residual": any(name in inside for _, name in added),
        "input added": any(by_head),
        "input added, resident": any(by_head) and head.input in on_chip,
        "other residual": any(
            name not in inside and not free for (_, name), free in zip(added, by_head, strict=True)
        ),
        "other residual, resident": any(
            name in on_chip and name != head.input for _, name in added
        ),
        "strided": any(vertical(layer.stride) > 1 for layer in layers),
        "transposed": any(vertical(layer.input_dilation) > 1 for layer in layers),
        "grouped": any(layer.G > 1 for layer in layers),
        "batch": head.N > 1,
        "bands smaller than tensors": not all(whole),
        "all rows held": any(whole),
        "part read or written": bool(partial),
        "pooled at its end": network.touched(last, last.output) < last.computed_outputs,
        "multi-pass run": problem.choices.precision == "multi-pass",
        "several widths": len({oracle_widths.layer_widths(x, widths)[1] for x in layers}) > 1,
    }


def _seconds(problem: Problem, layer: Layer, truth: oracle.Point) -> float:
    bits = oracle_widths.layer_widths(layer, truth.widths)
    cycles = oracle.layer_cycles(problem, layer, truth.hardware, *bits)
    assert cycles is not None
    return cycles / problem.clock_hz
