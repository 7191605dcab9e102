"""Programmes of two small layers with round numbers, for tests of the formulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from codesign import Choices, Layer, Network, Problem
from codesign.problem.goal import Goal
from codesign.search.milp.formulation import build
from codesign.space.candidates import Candidates, LayerCandidates
from codesign.space.hardware import HardwareSpace
from codesign.specs.technology import AreaFit, Technology

# One multiplier per PE: BOPS = 4·4 + 4 + 4 = 24, a PE takes 10,000·24 + 10,000 = 250,000 µm².
TECHNOLOGY = Technology(
    name="round",
    pe_area_um2=AreaFit(slope=10_000.0, intercept=10_000.0),
    sram_fits={"only": AreaFit(slope=100.0, intercept=50_000.0)},
    sram="only",
    engine=1,
)

PAIR = Network(
    name="pair",
    layers=(
        # 8 weights, 32 MACs, log2(C·R·S) = 1
        Layer(name="conv", K=4, C=2, P=4, H=4, input="in", output="mid"),
        # 128 weights, 128 MACs, log2(C·R·S) = 4
        Layer(name="fc", K=8, C=16, input="mid", output="out", residuals=("in",)),
    ),
    tensors={"in": 8, "mid": 16, "out": 8},
)

PRODUCT = Network(
    name="product",
    layers=(
        Layer(name="project", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="match", K=3, C=2, P=3, H=3, input="q", output="s", weight_tensor="x"),
    ),
    tensors={"x": 6, "q": 6, "s": 9},
)

# Hardware option, weight width, input width (0: 2 bits, 1: 4 bits), SRAM bits, DRAM bits, seconds.
CONV = (
    (0, 0, 0, 100, 40, 4e-6),
    (0, 0, 1, 150, 60, 4e-6),
    (0, 1, 0, 140, 70, 4e-6),
    (0, 1, 1, 200, 160, 4e-6),
    (0, 1, 1, 300, 90, 4e-6),
    (1, 0, 0, 100, 40, 2e-6),
    (1, 0, 1, 150, 60, 2e-6),
    (1, 1, 0, 140, 70, 2e-6),
    (1, 1, 1, 200, 90, 2e-6),
)

FC = (
    (0, 0, 0, 400, 300, 8e-6),
    (0, 0, 1, 500, 330, 8e-6),
    (0, 1, 0, 800, 560, 8e-6),
    (0, 1, 1, 1000, 600, 8e-6),
    (1, 0, 0, 400, 300, 2e-6),
    (1, 0, 1, 500, 330, 2e-6),
    (1, 1, 0, 800, 560, 2e-6),
    (1, 1, 1, 1000, 600, 2e-6),
)

MATCH = (
    (0, 0, 0, 50, 30, 1e-6),
    (0, 0, 1, 60, 40, 1e-6),
    (0, 1, 0, 70, 50, 1e-6),
    (0, 1, 1, 80, 60, 1e-6),
)

# The unit of a metric in the model is a thousandth of its limit.
LIMITS = {
    "latency_s": 2e-5,  # unit 20 ns, in which DRAM moves 2 bits
    "area_mm2": 2.0,  # unit 2000 µm²
    "dram_bits": 2000.0,  # unit 2 bits
    "noise": 0.5,  # unit 1/2000
    "model_bits": 500.0,  # unit half a bit
    "bops": 4000.0,  # unit 4
}


def space_of(network: Network, cols: tuple[int, ...], **sharing: Any) -> HardwareSpace:
    """Arrays of 1 × cols PEs of 4 × 4 bits, widths of 2 and 4 bits, 100 Mbit/s of DRAM."""
    choices = Choices(
        **sharing,
        rows=(1,),
        cols=cols,
        weight_bits=(2, 4),
        activation_bits=(2, 4),
        pe_weight_bits=(4,),
        pe_activation_bits=(4,),
    )
    return HardwareSpace(
        Problem(
            network=network,
            technology=TECHNOLOGY,
            choices=choices,
            clock_hz=1e6,
            dram_bits_per_s=1e8,
        )
    )


def listed(*layers: tuple[tuple[float, ...], ...], variables: int = 2) -> Candidates:
    """Candidates with these rows; every width variable may take either width."""
    columns = []
    for rows in layers:
        option, weight, ifmap, *numbers = np.array(rows).T
        whole = (column.astype(np.int64) for column in (option, weight, ifmap))
        columns.append(LayerCandidates(*whole, *numbers))
    options = np.unique(columns[0].option)
    return Candidates(options, tuple(columns), np.ones((variables, 2), dtype=bool))


def pair_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of two layers on two arrays."""
    return build(space_of(PAIR, (2, 4)), listed(CONV, FC), goal)


def product_model(goal: Goal) -> pyo.ConcreteModel:
    """The programme of a network with a product of two tensors, on one array."""
    return build(space_of(PRODUCT, (2,)), listed(MATCH, MATCH), goal)


def choose(
    model: pyo.ConcreteModel, option: int, tensors: tuple[int, ...], runs: tuple[int, ...]
) -> None:
    """Set the variables to one choice; ``option`` counts the model's own hardware."""
    for h, built in model.build.items():
        built.set_value(int(h == option))
    for (i, o), run in model.run.items():
        run.set_value(int(runs[i] == o))
    for (t, b), width in model.width.items():
        width.set_value(int(tensors[t] == b))
