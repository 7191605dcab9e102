"""Buffers of operands' own: what tiles take of them, what they cost, and where none fits.

By hand, on a layer of 4 × 4 channels and 6 output pixels in a column, 8 bit each.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from altered import findings

from codesign import (
    Accelerator,
    Choices,
    InfeasibleError,
    Layer,
    Network,
    Problem,
    SpecError,
    evaluate,
    load_technology,
    solve,
)
from codesign.costs.area import sram_area_um2
from codesign.costs.buffers import fits_buffers, in_unified
from codesign.space.hardware import HardwareSpace

NETWORK = Network(
    name="one",
    layers=(Layer(name="conv", K=4, C=4, P=6, H=6, input="in", output="out"),),
    tensors={"in": 24, "out": 24},
)
ON = Accelerator(
    name="given",
    rows=4,
    cols=4,
    engine=1,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e9,
    dram_bits_per_s=10e9,
    sram_bits=1000,
    technology=load_technology("tsmc28"),
    pe_area_um2=100.0,
)


def test_a_part_with_a_buffer_must_fit_it_and_takes_no_sram() -> None:
    need, bits = np.array([[16, 24, 24], [16, 8, 48]]), np.array([8, 8, 18])
    # 16·8 = 128; 24·8 = 192 and 8·8 = 64; 24·18 = 432 and 48·18 = 864
    assert fits_buffers(need, bits, (None, None, None)).tolist() == [True, True]
    assert fits_buffers(need, bits, (None, 64, None)).tolist() == [False, True]
    assert fits_buffers(need, bits, (128, 192, 432)).tolist() == [True, False]
    assert fits_buffers(need, bits, (127, None, None)).tolist() == [False, False]
    assert in_unified((1, None, 1)).tolist() == [0, 1, 0]


def test_a_tile_in_buffers() -> None:
    """A row at a time: 128 bit of weights, twice 4·8 of ifmap, twice 4·18 of partial sums."""
    assert evaluate(NETWORK, ON, 8, on_chip="none").layer_designs[0].sram_bits == 128 + 64 + 144
    beside = replace(ON, accumulator_bits=144, weight_buffer_bits=128)
    assert evaluate(NETWORK, beside, 8, on_chip="none").layer_designs[0].sram_bits == 64
    # Two columns at a time halve weights and sums, twice of each; the weights are then fetched for
    # every row, or the ifmap twice: all rows at once take 2·6·2·18 = 432 bit of sums.
    narrow = replace(beside, cols=2, accumulator_bits=432)
    row = evaluate(NETWORK, narrow, 8, on_chip="none").layer_designs[0]
    assert (row.dram_bits.weights, row.dram_bits.ifmap) == (128, 192)


def test_buffers_pay_their_area() -> None:
    technology = load_technology("tsmc28")
    # 2.94·(1000 + 432 + 128) + 3·3065 µm²
    buffers = (128, None, 432)
    assert sram_area_um2(technology, 1000, buffers) == pytest.approx(2.94 * 1560 + 3 * 3065)
    beside = replace(ON, accumulator_bits=432, weight_buffer_bits=128)
    area_mm2 = evaluate(NETWORK, beside, 8, on_chip="none").metrics["area_mm2"]
    assert area_mm2 == pytest.approx((2.94 * 1560 + 3 * 3065 + 16 * 100) * 1e-6)


@pytest.mark.parametrize(
    ("buffers", "told"),
    [
        ({"weight_buffer_bits": 127}, "its weight buffer of 0.127 kbit holds no tile of layer"),
        ({"ifmap_buffer_bits": 31}, "its ifmap buffer of 0.031 kbit holds no tile of layer"),
        # All rows at once take 192 bit of ifmap, a row at a time twice 72 bit of partial sums.
        ({"ifmap_buffer_bits": 64, "accumulator_bits": 143}, "its accumulator of 0.143 kbit"),
    ],
)
def test_what_no_tile_fits_is_told(buffers: dict[str, int], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        evaluate(NETWORK, replace(ON, **buffers), 8, on_chip="none")


def test_buffers_that_hold_parts_but_no_tile_are_told() -> None:
    """All 7 rows of 4 channels take 224 bit once, the 5 rows of an output row 160 bit twice.

    The sums of all 3 output rows take 3·4·21 = 252 bit once, those of one row 84 bit twice.
    """
    tall = Network(
        name="tall",
        layers=(Layer(name="conv", K=4, C=4, P=3, H=7, R=5, input="in", output="out"),),
        tensors={"in": 28, "out": 12},
    )
    on = replace(ON, ifmap_buffer_bits=224, accumulator_bits=168)
    with pytest.raises(SpecError, match="its buffers together hold no tile of layer 'conv'"):
        evaluate(tall, on, 8, on_chip="none")
    assert evaluate(tall, replace(on, ifmap_buffer_bits=320), 8).layer_designs[0].tile.p == 1
    assert evaluate(tall, replace(on, accumulator_bits=252), 8).layer_designs[0].tile.p == 3


@pytest.mark.parametrize("given", [0, -5, 1.5, "8"])
def test_what_is_no_capacity_is_refused(given: Any) -> None:
    with pytest.raises(SpecError, match="accumulator_bits"):
        Choices(accumulator_bits=given)


def problem(**choices: Any) -> Problem:
    widths: Any = {"weight_bits": (4, 8), "activation_bits": (4, 8), "pe_weight_bits": (8,)}
    given = Choices(rows=(1, 2), cols=(2, 4), pe_activation_bits=(8,), **widths, **choices)
    return Problem(network=NETWORK, choices=given, budgets={"area_mm2": 1.0})


def test_where_no_width_fits_the_buffers_nothing_runs() -> None:
    with pytest.raises(InfeasibleError, match="the buffers beside the SRAM hold no tile"):
        solve(problem(weight_buffer_bits=7))
    pinned = {"weight:conv": 16}  # more than any PE
    with pytest.raises(InfeasibleError, match="pins, buffers and PE widths some layer cannot run"):
        solve(problem(weight_buffer_bits=10**4, pinned=pinned))


def test_all_operands_in_buffers_leave_an_sram_of_a_bit() -> None:
    buffers = {"weight_buffer_bits": 10**4, "ifmap_buffer_bits": 10**4, "accumulator_bits": 10**4}
    design = solve(problem(**buffers))
    assert design.hardware.sram_bits == 1
    assert design.layer_designs[0].sram_bits == 0
    assert findings(json.loads(json.dumps(design.to_dict()))) == []
    assert solve(problem(**buffers), method="whole").metrics == design.metrics


def test_the_least_sram_of_a_shape_is_what_its_tiles_leave_of_it() -> None:
    plain, beside = (
        HardwareSpace(problem(on_chip="none", **x)).min_sram_bits_of_shapes
        for x in ({}, {"accumulator_bits": 10**6})
    )
    assert (beside < plain).all()


def test_a_tile_beyond_its_buffer_is_found() -> None:
    text = json.dumps(solve(problem(weight_buffer_bits=10**4, on_chip="none")).to_dict())
    design = json.loads(text)
    design["problem"]["choices"]["weight_buffer_bits"] = 1
    assert any("tile" in x and "what fits weight_buffer_bits, 1" in x for x in findings(design))
    design["problem"]["choices"]["weight_buffer_bits"] = 0
    assert any("weight_buffer_bits" in x for x in findings(design))
