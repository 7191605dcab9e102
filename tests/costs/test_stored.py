"""Tensors whose channels DRAM stores in multiples of a number, against arithmetic on paper."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from codesign import Accelerator, Layer, Network, evaluate

# 3 channels of 16 pixels to 6 and to 5, which lie side by side in 11; those are flattened to 7.
ONE = Layer(
    name="one",
    K=6,
    C=3,
    P=4,
    Q=4,
    H=4,
    W=4,
    input="in",
    output="both",
    parts={"both": 96},
)
TWO = replace(ONE, name="two", K=5, parts={"both": 80})
FLAT = Layer(name="flat", K=7, C=176, input="both", output="out")
NETWORK = Network(name="n", layers=(ONE, TWO, FLAT), tensors={"in": 48, "both": 176, "out": 7})


def evaluated(network: Network = NETWORK, **further: Any) -> Any:
    chip = Accelerator(
        name="chip",
        rows=2,
        cols=2,
        engine=9,
        clock_hz=1e6,
        pe_weight_bits=8,
        pe_activation_bits=8,
        sram_bits=10**6,
        dram_bits_per_s=1e9,
        stored_channels=4,
    )
    return evaluate(network, chip, 8, **{"on_chip": "none", **further})


@pytest.mark.parametrize(
    ("multiple", "factors"),
    [
        (None, (1, 1, 1)),
        (1, (1, 1, 1)),
        # 3 to 4; 6 and 5 each to 8; 7 to 8
        (4, (Fraction(4, 3), Fraction(16, 11), Fraction(8, 7))),
        (2, (Fraction(4, 3), Fraction(12, 11), Fraction(8, 7))),
        (32, (Fraction(32, 3), Fraction(64, 11), Fraction(32, 7))),
    ],
)
def test_one_size_of_each_tensor(multiple: int | None, factors: tuple[Fraction, ...]) -> None:
    found = [NETWORK.stored_factor(name, multiple) for name in NETWORK.tensors]
    assert tuple(found) == factors


@pytest.mark.parametrize("roofline", ["tiled", "ideal"])
def test_what_passes_between_dram_and_sram_grows(roofline: str) -> None:
    one, two, flat = (x.dram_bits for x in evaluated(roofline=roofline).layer_designs)
    assert (one.weights, one.ifmap, one.output) == (8 * 18, 8 * 4 * 16, 8 * 140)
    # 96 and 80 of 176 elements, 16/11 times as many: 139.6 and 116.4, in whole elements
    assert (two.weights, two.ifmap, two.output) == (8 * 15, 8 * 4 * 16, 8 * 117)
    assert (flat.weights, flat.ifmap, flat.output) == (8 * 7 * 176, 8 * 256, 8 * 8)


def test_what_is_on_chip_is_not_padded() -> None:
    found = evaluated(on_chip="tensors", places={"both": "chip"})
    one, two, flat = found.layer_designs
    assert (one.dram_bits.output, two.dram_bits.output, flat.dram_bits.ifmap) == (0, 0, 0)
    assert flat.resident_bits == 8 * 176


def test_a_tensor_that_is_added_or_stands_in_for_weights() -> None:
    key = Layer(name="key", K=3, C=5, P=6, H=6, input="x", output="k")
    match = Layer(
        name="match",
        K=6,
        C=3,
        P=6,
        H=6,
        input="q",
        weight_tensor="k",
        output="s",
        residuals=("r",),
    )
    tensors = {"x": 30, "q": 18, "k": 18, "r": 36, "s": 36}
    network = Network(name="n", layers=(key, match), tensors=tensors)
    row = evaluated(network).layer_designs[1].dram_bits
    assert (row.weights, row.ifmap) == (8 * 24, 8 * 24)  # of 3 channels 4
    assert (row.residual, row.output) == (8 * 48, 8 * 48)  # of 6 channels 8
