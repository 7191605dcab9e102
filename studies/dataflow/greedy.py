"""FINN's rule of folding against the proven optimum, at as many LUTs.

The rule is that of FINN's documentation and of Blott et al. 2018 (doi 10.1145/3242897): towards a
wanted number of cycles, each layer's SIMD lanes grow over the divisors of its products until it is
met or a weight stream of a processing element is wider than 36 bits; then its processing elements
over the divisors of its outputs. Where some layer cannot, all are folded towards what it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import codesign
from codesign.costs.pipeline import Platform, array_metrics
from codesign.results.dataflow_design import platform_of
from codesign.specs.layer import Layer

BITS = 4
WIDEST_STREAM_BITS = 36
BUDGETS = 50
TIME_LIMIT_S = 120.0


@dataclass(frozen=True)
class Folding:
    """Processing elements and lanes of each layer, and what they make."""

    lanes: tuple[int, ...]
    elements: tuple[int, ...]
    cycles: int
    lut: float


def divisors(number: int) -> list[int]:
    """Of a number, ascending."""
    return [x for x in range(1, number + 1) if number % x == 0]


def cycles(layer: Layer, lanes: int, elements: int) -> int:
    """``P·Q·(K / PE)·(C·R·S / SIMD)``."""
    return layer.P * layer.Q * (layer.K // elements) * (layer.C * layer.window // lanes)


def folded(layer: Layer, target: int) -> tuple[int, int]:
    """SIMD and PE by the rule."""
    lanes = 1
    for wider in divisors(layer.C * layer.window):
        before, lanes = lanes, wider
        if cycles(layer, lanes, 1) < target:
            break
        if BITS * lanes > WIDEST_STREAM_BITS:
            lanes = before
            break
    for elements in divisors(layer.K):
        if cycles(layer, lanes, elements) < target:
            break
    return lanes, elements


def by_rule(layers: Sequence[Layer], platform: Platform, target: int) -> Folding:
    """All layers by the rule, twice where one cannot meet the target."""
    each = [folded(layer, target) for layer in layers]
    slowest = max(cycles(x, *how) for x, how in zip(layers, each, strict=True))
    if slowest > target:
        each = [folded(layer, slowest) for layer in layers]
        slowest = max(cycles(x, *how) for x, how in zip(layers, each, strict=True))
    lut = sum(array_metrics(platform, *how, BITS, BITS)["lut"] for how in each)
    lanes, elements = zip(*each, strict=True)
    return Folding(lanes, elements, slowest, lut)


def problem(max_lut: float | None = None) -> codesign.Problem:
    """ResNet-18 at one width, with every folding that FINN could have."""
    network = codesign.load_network("resnet18")
    rows = sorted({x for layer in network.layers for x in divisors(layer.C * layer.window)})
    cols = sorted({x for layer in network.layers for x in divisors(layer.K)})
    return codesign.Problem(
        network=network,
        technology=codesign.load_technology("finn-mvau"),
        choices=codesign.Choices(
            rows=tuple(rows),
            cols=tuple(cols),
            weight_bits=(BITS,),
            activation_bits=(BITS,),
            mapping=("im2col",),
            architecture=("dataflow",),
        ),
        objective="interval",
        dram_bits_per_s=1e15,  # no part of the rule
        budgets={} if max_lut is None else {"lut": max_lut},
    )


def tables(budgets: int = BUDGETS) -> dict[str, pd.DataFrame]:
    """The rule's best within each budget of LUTs beside the optimum; a row each."""
    asked = problem()
    layers, platform = asked.network.layers, platform_of(asked)
    least = min(by_rule(layers, platform, 2**40).lut, 1e9)
    wanted = np.unique(np.geomspace(2**9, 2**28, 4000).astype(int))
    foldings = [by_rule(layers, platform, int(target)) for target in wanted]
    most = max(x.lut for x in foldings)
    rows = []
    for max_lut in np.geomspace(least * 1.02, most, budgets):
        best = min((x for x in foldings if x.lut <= max_lut), key=lambda x: x.cycles)
        design = codesign.solve(problem(float(max_lut)), time_limit_s=TIME_LIMIT_S, ties="leave")
        interval = design.metrics["interval_s"] * asked.clock_hz
        rows.append(
            {
                "max_lut": round(float(max_lut)),
                "rule_cycles": best.cycles,
                "rule_lut": best.lut,
                "optimum_cycles": round(interval),
                "optimum_lut": design.metrics["lut"],
                "gap": design.proof.gap,
                "ratio": best.cycles / interval,
                "solve_s": design.solver.seconds,
            }
        )
    return {"greedy": pd.DataFrame(rows)}
