"""Rows and columns are alike: a network on its side has the same optimum, at the same size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from random_on_chip import on_chip_case
from random_problems import random_case
from small_layers import layer
from transposed import transposed

from codesign import Choices, InfeasibleError, Layer, Network, Problem, solve

EXACT = 1e-9


def outcome(problem: Problem) -> dict[str, float] | None:
    """Metrics of the optimum; None where there is none."""
    try:
        return dict(solve(problem).metrics)
    except InfeasibleError:
        return None


def on_its_side(problem: Problem) -> Problem:
    """The same question of the transposed network."""
    return replace(problem, network=transposed(problem.network))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "moving", "several", "tensors"])
def test_a_network_on_its_side_has_the_same_optimum(kind: str) -> None:
    solved = 0
    for seed in range(2000, 2008):
        if kind == "tensors":
            problem = on_chip_case(seed).problem
        else:
            machine = kind if kind == "several" else ""
            problem = random_case(seed, moving=kind == "moving", machine=machine).problem
            # A kernel of 3 × 1 may have another factor than one of 1 × 3.
            problem = replace(problem, choices=replace(problem.choices, cycle_factors={}))
        upright, lying = outcome(problem), outcome(on_its_side(problem))
        assert (upright is None) == (lying is None)
        if upright is not None:
            assert lying == pytest.approx(upright, rel=EXACT)
            solved += 1
    assert solved > 3


# --- long signals -------------------------------------------------------------------------------


def named(name: str, source: str, target: str, **sizes: int) -> Layer:
    """A layer between two tensors."""
    return replace(layer(**sizes), name=name, input=source, output=target)


SAMPLES = {"P": 1, "H": 1, "Q": 100_000, "W": 100_000, "R": 1, "S": 9}
SIGNAL = Network(
    name="signal",
    layers=(named("filter", "x", "y", C=1, K=16, **SAMPLES),),
    tensors={"x": 100_000, "y": 1_600_000},
)
ELECTRODES = Network(
    name="electrodes",
    layers=(
        named("time", "x", "y", C=1, K=8, P=64, H=64, Q=30_000, W=30_000, S=64),
        named("space", "y", "z", C=8, K=16, P=1, H=64, Q=30_000, W=30_000, R=64),
    ),
    tensors={"x": 1_920_000, "y": 15_360_000, "z": 480_000},
)


@pytest.mark.slow
@pytest.mark.parametrize("network", [SIGNAL, ELECTRODES], ids=lambda network: network.name)
def test_a_long_signal_needs_no_more_than_a_few_samples_at_a_time(network: Network) -> None:
    sides, bits = {"rows": (1, 16), "cols": (1, 16)}, (8,)
    choices = Choices(**sides, weight_bits=bits, activation_bits=bits, on_chip="none")
    least = Problem(network=network, objective="area_mm2", choices=choices, quality=None)
    smallest = outcome(least)
    assert smallest is not None
    assert smallest == pytest.approx(outcome(on_its_side(least)), rel=EXACT)
    # One PE, and tiles of one output: hardly any SRAM. A row of 100,000 samples of 8 bit alone are
    # 0.8 Mbit, of 2.94 µm² each 2.4 mm².
    assert smallest["area_mm2"] < 0.02
    fastest = replace(least, objective="latency_s", budgets={"area_mm2": 1.0})
    found = outcome(fastest)
    assert found is not None
    assert found == pytest.approx(outcome(on_its_side(fastest)), rel=EXACT)
