"""Layers that only move data take their cycles once, however many passes operands would take."""

from __future__ import annotations

from typing import Any

import pytest

from codesign import Choices, Layer, Network, Problem
from codesign.problem.places import Place
from codesign.search.lexicographic import LexicographicSearch
from codesign.space.hardware import HardwareSpace

NETWORK = Network(
    name="moved",
    layers=(
        Layer(name="one", K=4, C=4, P=8, H=8, input="in", output="a"),
        Layer(name="move", K=4, C=4, P=8, H=8, input="a", output="b", moves=True),
        Layer(name="two", K=4, C=4, P=8, H=8, input="b", output="out"),
    ),
    tensors={"in": 32, "a": 32, "b": 32, "out": 32},
)


@pytest.mark.parametrize("on_chip", ["bands", "tensors", "none"])
@pytest.mark.parametrize("given", ["dram", None])
def test_bounds_are_no_higher_than_what_is_found(on_chip: Any, given: Place | None) -> None:
    """PEs of 3 bits, weights of 6: two passes. With all tensors given to be in DRAM, too."""
    places = {} if given is None or on_chip == "none" else dict.fromkeys(NETWORK.tensors, given)
    choices = Choices(
        rows=(1,),
        cols=(1, 2),
        weight_bits=(6,),
        activation_bits=(4,),
        pe_weight_bits=(3,),
        precision="multi-pass",
        on_chip=on_chip,
        places=places,
    )
    problem = Problem(
        network=NETWORK,
        choices=choices,
        clock_hz=1e6,
        dram_bits_per_s=1e12,
        objective="latency_s",
        budgets={"area_mm2": 1.0},
    )
    search = LexicographicSearch(HardwareSpace(problem))
    found = search.minimise(("latency_s",), problem.budgets)
    assert found.solution is not None
    latency_s = found.solution.metrics["latency_s"]
    # 8 rows, ⌈4/2⌉ columns of channels, 2 passes, twice; ⌈32/9⌉ = 4 cycles of movement.
    assert latency_s == pytest.approx((64 + 4 * (on_chip != "none")) / 1e6, rel=1e-5)
    assert found.first.lower[found.solution.option] <= latency_s * (1 + 1e-9)
