"""Latencies where compute and DRAM overlap in part: by hand, and from the words of a machine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from codesign import Accelerator, Choices, Layer, Network, SpecError, evaluate
from codesign.costs.roofline import latency_s, longer, roofs, weights_of_roofs

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="one", K=2, C=4, P=3, H=3, input="in", output="mid"),
        Layer(name="two", K=4, C=2, P=3, H=3, input="mid", output="out"),
    ),
    tensors={"in": 12, "mid": 6, "out": 12},
)
ON = Accelerator(
    name="given",
    rows=1,
    cols=2,
    engine=1,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e9,
    dram_bits_per_s=10e9,
    sram_bits=10**4,
    overlap=0.75,
)


def test_a_share_of_the_shorter_time_adds() -> None:
    # max(4, 10) + ¼·4 = 11 ns; max(12, 10) + ¼·10 = 14.5 ns
    times = latency_s([4, 12], [100, 100], 1e9, 10e9, exposed=0.25)
    assert times == pytest.approx([11e-9, 14.5e-9])
    assert latency_s([4, 12], [100, 100], 1e9, 10e9) == pytest.approx([10e-9, 12e-9])
    assert longer(np.array([np.inf, 0.0]), np.array([1.0, np.inf]), 0.5).tolist() == [np.inf] * 2


def test_it_is_the_larger_of_two_roofs() -> None:
    for exposed in (0.0, 0.3, 1.0):
        compute, memory = np.array([1.0, 2, 3]), np.array([3.0, 2, 0])
        assert longer(compute, memory, exposed) == pytest.approx(
            np.maximum(*roofs(compute, memory, exposed))
        )
        share = np.array([0.0, 0.4, 1.0])
        of_compute, of_memory = weights_of_roofs(share, exposed)
        mean = share * roofs(compute, memory, exposed)[0]
        mean = mean + (1 - share) * roofs(compute, memory, exposed)[1]
        assert of_compute * compute + of_memory * memory == pytest.approx(mean)


def test_of_layers_and_of_a_run() -> None:
    """One: 4 channels × 3 pixels, 12 cycles, 12 ns; (8 + 12 + 6)·8 bit, 20.8 ns: 23.8 ns.

    Two: 2·2·3 = 12 cycles; (8 + 6 + 12)·8 bit, 20.8 ns: likewise. Fused 24 ns, and without the
    6 + 6 of `mid` 40·8 bit, 32 ns: 32 + ¼·24 = 38 ns.
    """
    apart = evaluate(CHAIN, ON, 8, on_chip="none")
    assert apart.layers["latency_s"].tolist() == pytest.approx([23.8e-9, 23.8e-9])
    assert apart.metrics["latency_s"] == pytest.approx(47.6e-9)
    fused = evaluate(CHAIN, ON, 8, on_chip="bands", places={"mid": "band"})
    # Each layer's own: 16 ns of bits, and ¼ of 12 ns.
    assert fused.layers["latency_s"].tolist() == pytest.approx([19e-9, 19e-9])
    assert {*fused.layers["bound_by"]} == {"memory"}


def test_digits_are_meant_as_they_are_written() -> None:
    assert replace(ON, overlap=0.9).exposed == Fraction(1, 10)
    assert replace(ON, overlap=1).exposed == 0
    assert Choices(overlap=0.000001).exposed == Fraction(999_999, 10**6)


@pytest.mark.parametrize("given", [-0.1, 1.5, 0.1234567, float("nan"), "half", True])
def test_what_is_no_overlap_is_refused(given: Any) -> None:
    with pytest.raises(SpecError, match="overlap"):
        Choices(overlap=given)
