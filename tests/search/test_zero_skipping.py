"""Machines that skip inserted zeros: the optimum is the enumerated one, on all kinds of them."""

from __future__ import annotations

import json
import random

import pytest
from compare_designs import compare
from machine_terms import skipping_case
from port_questions import check as check_energy
from random_problems import random_case
from seeds import check_all, half_long

import codesign
from codesign.checking import check_content
from codesign.errors import InfeasibleError

# Of each kind of machine; enumerated soon, most of them with transposed convolutions.
SEEDS = {
    "": (0, 2),
    "mapping": (2,),
    "several": (1, 5),
    "widening": (0, 4),
    "terms": (0, 1),
    "reconfigurable": (5, 6),
}
ENERGIES = {"none": (0, 2), "tensors": (0, 2), "mapping": (2,), "widening": (2,)}


def check(seed: int, kind: str) -> bool:
    """Whether a layer of the best design computes fewer products than it has MACs."""
    case = skipping_case(seed, kind)
    compare(case)
    if seed % 3 == 0:
        compare(case, "whole")
    try:
        design = codesign.solve(case.problem)
    except InfeasibleError:
        return False
    content = json.loads(json.dumps(design.to_dict()))
    assert check_content(content, "design").findings == ()
    assert codesign.Design.from_dict(content, "written").to_dict() == design.to_dict()
    return any(x.stored_macs < x.macs for x in design.network.layers)


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(SEEDS))
def test_the_optimum_is_the_enumerated_one(kind: str) -> None:
    assert sum(check(seed, kind) for seed in SEEDS[kind])


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 500, 20))
@pytest.mark.parametrize("kind", SEEDS)
def test_the_optimum_is_the_enumerated_one_at_length(first: int, kind: str) -> None:
    check_all(range(first, first + 20), lambda seed: check(seed, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ENERGIES)
def test_energy_and_the_port_count_phases(kind: str) -> None:
    for seed in ENERGIES[kind]:
        check_energy(seed, kind, skips=True)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 300, 20))
@pytest.mark.parametrize("kind", ENERGIES)
def test_energy_and_the_port_count_phases_at_length(first: int, kind: str) -> None:
    check_all(range(first, first + 20), lambda seed: check_energy(seed, kind, skips=True))


@pytest.mark.slow
def test_skipping_never_takes_longer_where_rows_take_channels() -> None:
    """A phase has no more turns over the reduction than the whole window, and all pixels once."""
    faster = 0
    for seed in range(3):
        problem = random_case(seed, moving=True).problem
        rng = random.Random(seed)
        on = codesign.Accelerator(
            name="chip",
            rows=rng.choice((1, 2, 4)),
            cols=rng.choice((1, 2, 4)),
            engine=9,
            pe_weight_bits=8,
            pe_activation_bits=8,
            clock_hz=1e9,
            sram_bits=10**7,
            dram_bits_per_s=1e15,
        )
        skips = codesign.evaluate(
            problem.network, codesign.Accelerator(**{**vars(on), "zero_skipping": True}), 8
        )
        usual = codesign.evaluate(problem.network, on, 8)
        assert skips.metrics["latency_s"] <= usual.metrics["latency_s"]
        faster += skips.metrics["latency_s"] < usual.metrics["latency_s"]
    assert faster
