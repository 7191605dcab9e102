"""Where the SRAM's port is a roof, the optimum is the enumerated one, of all tilings."""

from __future__ import annotations

import pytest
from port_questions import check

from codesign import (
    Accelerator,
    Choices,
    SpecError,
    evaluate,
    load_network,
    solve,
)
from codesign.problem.problem import Problem

# Kinds of problems, and some whose designs are enumerated soon.
SEEDS = {
    "none": (4, 6, 14),
    "tensors": (14, 15),
    "mapping": (2, 9),
    "reconfigurable": (2, 7, 14),
    "widening": (2, 14),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEEDS)
def test_the_optimum_is_the_enumerated_one(kind: str) -> None:
    assert sum(check(seed, kind) for seed in SEEDS[kind]) > 1


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 400, 20))
@pytest.mark.parametrize("kind", SEEDS)
def test_the_optimum_is_the_enumerated_one_at_length(first: int, kind: str) -> None:
    for seed in range(first, first + 20):
        check(seed, kind)


def test_where_the_port_is_not_counted() -> None:
    told = "sram_bits_per_cycle: not counted where layers may be fused; make on_chip 'tensors'"
    with pytest.raises(SpecError, match=told):
        Choices(sram_bits_per_cycle=8, on_chip="bands")
    chip = Accelerator(
        name="chip",
        rows=2,
        cols=2,
        engine=9,
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=1e9,
        sram_bits=10**6,
        sram_bits_per_cycle=8,
    )
    network = load_network("alexnet")
    with pytest.raises(SpecError, match=told):
        evaluate(network, chip, 8, on_chip="bands")
    choices = Choices(sram_bits_per_cycle=8)
    problem = Problem(network=network, choices=choices, objective="energy")
    with pytest.raises(SpecError, match="method 'whole' does not count it beside energy; leave"):
        solve(problem, method="whole")
