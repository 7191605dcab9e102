"""What the SRAM's port takes of a layer, and the roof it is, against arithmetic on paper."""

from __future__ import annotations

from typing import Any

import pytest

from codesign import Accelerator, Layer, Network, evaluate
from codesign.results.evaluation import Evaluation

# Weights 8·4·9 = 288, ifmap 4·36 = 144, outputs 8·36 = 288; window on 2 × 2 PEs of 9 multipliers:
# F = ⌈4/2⌉ = 2 turns over the reduction, ⌈8/2⌉ = 4 over output channels, 36·2·4 = 288 cycles.
CONV = Layer(name="conv", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3, input="in", output="mid")
# It reads 288 elements of mid, adds nothing, and writes 144 of them.
MOVE = Layer(name="move", moves=True, K=4, C=8, P=6, Q=6, H=6, W=6, input="mid", output="out")
SUM_BITS = 8 + 8 + 6  # ⌈log₂ 36⌉


def evaluated(*layers: Layer, on_chip: str = "none", **machine: Any) -> Evaluation:
    tensors = {"in": 144, "mid": 288, "out": 144}
    names = {name for layer in layers for name in (layer.input, layer.output)}
    network = Network(name="n", layers=layers, tensors={x: tensors[x] for x in sorted(names)})
    chip = Accelerator(
        **{
            "name": "chip",
            "rows": 2,
            "cols": 2,
            "engine": 9,
            "pe_weight_bits": 8,
            "pe_activation_bits": 8,
            "clock_hz": 1e6,
            "sram_bits": 10**6,
            "dram_bits_per_s": 1e9,
            **machine,
        }
    )
    return evaluate(network, chip, 8, on_chip=on_chip)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mapping", "bits"),
    [
        # weights written and read, ifmap written and read in 4 turns, sums written twice and read
        # once, the output read
        ("window", 8 * (2 * 288 + 5 * 144 + 288) + 3 * 288 * SUM_BITS),
        # ⌈36/(2·9)⌉ = 2 turns too
        ("im2col", 8 * (2 * 288 + 5 * 144 + 288) + 3 * 288 * SUM_BITS),
        # weights read for each ⌈36/2⌉ = 18 sets of pixels, sums written once
        ("output", 8 * (19 * 288 + 5 * 144 + 288) + 288 * SUM_BITS),
    ],
)
def test_bits_of_the_port(mapping: str, bits: int) -> None:
    found = evaluated(CONV, mapping=(mapping,), sram_bits_per_cycle=10)
    (row,) = found.layer_designs
    assert row.sram_s == pytest.approx(bits / 10 / 1e6, rel=1e-15)
    assert row.bound_by == "sram"
    assert row.latency_s == row.sram_s


def test_on_chip_the_longer_of_compute_and_port_counts() -> None:
    bits = 8 * (2 * 288 + 5 * 144 + 288) + 3 * 288 * SUM_BITS  # 31,680: 110 in each of 288 cycles
    for rate, roof in ((109, "sram"), (110, "compute"), (10**9, "compute")):
        (row,) = evaluated(CONV, sram_bits_per_cycle=rate).layer_designs
        own_s = max(288, bits / rate) / 1e6
        assert row.bound_by == roof
        assert row.latency_s == pytest.approx(own_s, rel=1e-15)
    dram_bits = 8 * (288 + 144 + 288)
    on = {"sram_bits_per_cycle": 50, "overlap": 0.75, "dram_bits_per_s": 1e6}
    (row,) = evaluated(CONV, **on).layer_designs
    assert row.bound_by == "memory"
    assert row.latency_s == pytest.approx(dram_bits / 1e6 + 0.25 * bits / 50 / 1e6, rel=1e-15)


def test_what_only_moves_takes_the_port_for_what_is_on_chip() -> None:
    for on_chip, bits in (("none", 0), ("tensors", 288 * 8)):
        found = evaluated(CONV, MOVE, on_chip=on_chip, sram_bits_per_cycle=1)
        assert found.layer_designs[1].sram_s == pytest.approx(bits / 1e6, rel=1e-15)


def test_without_a_rate_nothing_is_said_of_it() -> None:
    (row,) = evaluated(CONV).layer_designs
    assert row.sram_s is None
    (content,) = evaluated(CONV).to_dict()["layers"]
    assert "sram_s" not in content
    assert "sram_bits_per_cycle" not in evaluated(CONV).to_dict()["accelerator"]
