"""Energy once by hand, and its linear form that a search takes.

The arithmetic stands in the comments. The convolution: 4 input and 4 output channels, 3×3 windows,
4×4 output pixels of 6×6 stored ones, so 2304 MACs, 144 weights, 144 ifmap elements and 64 outputs;
partial sums of 8 × 4 bit operands take 8 + 4 + ⌈log2 36⌉ = 18 bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from random_problems import ENERGIES

from codesign import (
    Accelerator,
    Layer,
    Network,
    Problem,
    SpecError,
    evaluate,
    load_technology,
    solve,
)
from codesign.costs.energy import TRAFFIC, accesses, constant_j, j_per_dram_bit, mac_j
from codesign.costs.layer_energy import PARTS, LayerEnergy, layer_energies, rates_of
from codesign.costs.layers import array_of, operand_bits_on, tiled_layer
from codesign.costs.residency import Residents
from codesign.costs.tiling import tilings
from codesign.specs.machine import MAPPINGS

CONV = Layer(name="conv", K=4, C=4, P=4, Q=4, R=3, S=3, H=6, W=6, input="in", output="out")
ONE = Network(name="one", layers=(CONV,), tensors={"in": 144, "out": 64})
CHIP = Accelerator(
    name="chip",
    rows=2,
    cols=2,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e8,
    sram_bits=10**6,
    dram_bits_per_s=1e9,
    dram_energy_j_per_bit=2e-11,
    energy=replace(ENERGIES, static_w_per_mm2=None),
)
WIDTHS = {"weight:conv": 8, "tensor:in": 4, "tensor:out": 8}


def of_layers(network: Network, chip: Accelerator, widths: Any, **stay: Any) -> list[LayerEnergy]:
    found = evaluate(network, chip, widths, **stay)
    assert found.energy is not None
    assert found.metrics["energy_j"] == pytest.approx(sum(x.total_j for x in found.energy.layers))
    return [*found.energy.layers]


@pytest.mark.parametrize(
    ("mapping", "weights", "psums"),
    [
        # 2 turns over input channels: sums are written twice and read once, 64·18 = 1152 bit each
        ("window", 1152, (1152, 2304)),
        # ⌈36 / (2·9)⌉ = 2 turns over the reduction
        ("im2col", 1152, (1152, 2304)),
        # 16 pixels on 2 rows: all weights 8 times; sums are whole when they leave the PE
        ("output", 9216, (0, 1152)),
    ],
)
def test_a_convolution(mapping: str, weights: int, psums: tuple[int, int]) -> None:
    chip = replace(CHIP, mapping=(mapping,))
    (found,) = of_layers(ONE, chip, WIDTHS, on_chip="none")
    # all fits: 144·8 = 1152 bit of weights, 144·4 = 576 of the ifmap, 64·8 = 512 of the output
    assert found.sram_written_bits == {
        "weights": 1152,
        "ifmap": 576,
        "output": 0,
        "psum": psums[1],
        "residual": 0,
    }
    # the ifmap for output channels 0, 1 and again for 2, 3; the output on its way to DRAM
    assert found.sram_read_bits == {
        "weights": weights,
        "ifmap": 1152,
        "output": 512,
        "psum": psums[0],
        "residual": 0,
    }
    # 2304·(8·4 + 8 + 4 + log2 36) bit operations
    assert found.parts_j["macs"] == pytest.approx(
        2304 * (1.1e-15 * (44 + math.log2(36)) + 1.7e-14), rel=1e-12
    )
    assert found.parts_j["dram"] == pytest.approx((1152 + 576 + 512) * 2e-11)
    assert found.parts_j["sram_output"] == pytest.approx(512 * 1.9e-13)
    assert found.parts_j["sram_ifmap"] == pytest.approx(1152 * 1.9e-13 + 576 * 2.9e-13)
    (row,) = evaluate(ONE, chip, WIDTHS, on_chip="none").layer_designs
    assert found.parts_j["static"] == pytest.approx(3.1e-3 * row.latency_s)
    assert list(found.parts_j) == list(PARTS)


def test_kernels_larger_than_the_engine_add_up_in_the_sram() -> None:
    # 3 passes over a window of 9 with 4 multipliers, 2 turns over channels: 6 writes, 5 reads
    (found,) = of_layers(ONE, replace(CHIP, engine=4), WIDTHS, on_chip="none")
    assert (found.sram_read_bits["psum"], found.sram_written_bits["psum"]) == (5 * 1152, 6 * 1152)


def test_wide_operands_and_a_given_width_of_sums() -> None:
    chip = replace(CHIP, pe_weight_bits=4, precision="multi-pass", psum_bits=24)
    (found,) = of_layers(ONE, chip, WIDTHS, on_chip="none")
    # passes add up within the PE: still 2 turns, of 64·24 = 1536 bit
    assert (found.sram_read_bits["psum"], found.sram_written_bits["psum"]) == (1536, 3072)
    assert found.sram_read_bits["ifmap"] == 1152


def test_split_pes_take_fewer_turns() -> None:
    # 9·(8/8)·(8/4) multipliers hold 2 windows: 4 channels at once, so 1 turn
    (found,) = of_layers(ONE, replace(CHIP, precision="widening"), WIDTHS, on_chip="none")
    assert (found.sram_read_bits["psum"], found.sram_written_bits["psum"]) == (0, 1152)


def test_groups_side_by_side_are_one_turn() -> None:
    layer = Layer(name="dw", G=4, K=1, C=1, P=4, Q=4, R=3, S=3, H=4, W=4, input="a", output="b")
    network = Network(name="dw", layers=(layer,), tensors={"a": 64, "b": 64})
    (found,) = of_layers(network, replace(CHIP, rows=4, cols=4), 8, on_chip="none")
    assert found.sram_read_bits["ifmap"] == 64 * 8
    assert found.sram_read_bits["psum"] == 0


def skipping() -> Network:
    """``a`` and ``b``, ``pool`` that only moves, ``c`` that adds, and a product of two tensors."""
    square = {"P": 4, "Q": 4, "H": 4, "W": 4, "K": 2, "C": 2}
    layers = (
        Layer(name="a", input="x", output="y", **square),
        Layer(name="pool", input="y", output="z", moves=True, **square),
        Layer(name="c", input="z", output="w", residuals=("y",), **square),
        Layer(name="dot", input="w", output="out", weight_tensor="z", P=1, Q=1, K=1, C=32),
    )
    return Network(
        name="skip", layers=layers, tensors={"x": 32, "y": 32, "z": 32, "w": 32, "out": 1}
    )


@pytest.mark.parametrize("stay", [(), ("y", "z", "w")])
def test_what_stays_and_what_passes_by(stay: tuple[str, ...]) -> None:
    network = skipping()
    places: dict[str, Any] = {x: "chip" if x in stay else "dram" for x in ("y", "z", "w")}
    chip = replace(CHIP, rows=4, cols=4)
    first, pool, adds, dot = of_layers(network, chip, 8, on_chip="tensors", places=places)
    bits = 32 * 8
    held = bits if stay else 0
    # the output on its way to DRAM is read; where it stays it is not
    assert first.sram_read_bits["output"] == bits - held
    # a movement passes the SRAM by, but for what is there
    assert {**pool.sram_read_bits} == {**dict.fromkeys(TRAFFIC, 0), "ifmap": held}
    assert {**pool.sram_written_bits} == {**dict.fromkeys(TRAFFIC, 0), "output": held}
    assert adds.sram_read_bits["residual"] == held
    assert adds.sram_written_bits["ifmap"] == bits - held
    assert adds.sram_read_bits["ifmap"] == bits
    # 32 elements of z stand for weights: read once either way, written only if fetched
    assert dot.sram_read_bits["weights"] == bits
    assert dot.sram_written_bits["weights"] == bits - held


def test_a_fused_run_starts_again_in_every_row() -> None:
    shape = {"K": 2, "C": 2, "P": 4, "Q": 5, "R": 3, "S": 3, "H": 4, "W": 5}
    layers = (
        Layer(name="a", input="x", output="y", **shape),
        Layer(name="b", input="y", output="z", residuals=("y",), **shape),
    )
    network = Network(name="two", layers=layers, tensors={"x": 40, "y": 40, "z": 40})
    places: dict[str, Any] = {"x": "dram", "y": "band", "z": "dram"}
    a, b = of_layers(network, CHIP, 8, on_chip="bands", places=places)
    # 36 weights in each of 4 rows, fetched once; 3 rows of 5·2 elements for each of 4 rows
    for layer in (a, b):
        assert layer.sram_read_bits["weights"] == 4 * 36 * 8
        assert layer.sram_written_bits["weights"] == 36 * 8
        assert layer.sram_read_bits["ifmap"] == 4 * 3 * 10 * 8
    assert (a.sram_written_bits["ifmap"], b.sram_written_bits["ifmap"]) == (40 * 8, 0)
    assert (a.sram_read_bits["output"], b.sram_read_bits["output"]) == (0, 40 * 8)
    assert (a.sram_read_bits["residual"], b.sram_read_bits["residual"]) == (0, 40 * 8)
    # mapping output: 5 pixels of a row on 2 rows of PEs, 3 times all weights
    a, _ = of_layers(network, replace(CHIP, mapping=("output",)), 8, on_chip="bands", places=places)
    assert a.sram_read_bits["weights"] == 3 * 4 * 36 * 8


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_energy_is_linear_in_the_traffic_of_every_tiling(mapping: Any) -> None:
    """What a search is given: a constant, and J for each DRAM bit of each operand."""
    layer = Layer(
        name="dot", G=1, K=6, C=10, P=4, Q=3, R=3, S=3, H=6, W=5, input="i", output="o",
        weight_tensor="w", residuals=("r",),
    )  # fmt: skip
    tensors = {"i": 300, "o": 72, "w": 540, "r": 72}
    network = Network(name="dot", layers=(layer,), tensors=tensors)
    chip = replace(CHIP, mapping=(mapping,))
    rates, missing = rates_of(replace(chip, energy=replace(ENERGIES, static_w=0.0)), 0.0)
    assert rates is not None
    assert missing == ()
    spilled = 0
    for stays, bits in product((set(), {"w"}, {"i"}, {"w", "i"}), ((8, 8), (3, 5))):
        widths = dict(zip(("w", "i"), bits, strict=True)) | {"o": 7, "r": 4}
        array = array_of(layer, chip, bits[0], widths)
        held = Residents(frozenset(stays), 0)
        found = accesses(
            layer, array.rows, array.cols, array.engine, mapping, weights_resident="w" in stays
        )
        constant = float(constant_j(found, operand_bits_on(layer, chip, bits[0], widths), rates))
        constant += float(mac_j(layer, np.array(bits[0]), np.array(bits[1]), rates))
        table = tilings(layer, array)
        for row in range(0, len(table), 3):
            design = tiled_layer(network, layer, chip, bits[0], widths, table, row, held)
            moved = [getattr(design.dram_bits, operand) for operand in TRAFFIC]
            spilled += design.dram_bits.psum > 0
            (each,) = layer_energies(network, chip, rates, widths, [design], stays, ())
            linear = constant + float(j_per_dram_bit(found, rates) @ moved)
            assert each.total_j == pytest.approx(linear, rel=1e-12)
    assert spilled > 5


def test_accesses_of_many_arrays_at_once() -> None:
    for mapping in MAPPINGS:
        rows, cols = np.array([1, 2, 3, 8]), np.array([4, 1, 3, 8])
        many = accesses(CONV, rows, cols, 9, mapping)
        for n in range(4):
            one = accesses(CONV, int(rows[n]), int(cols[n]), 9, mapping)
            assert (many.read[n] == one.read).all()
            assert (many.written[n] == one.written).all()
            assert many.read_per_dram_bit == one.read_per_dram_bit


def test_rates_follow_from_energy_and_latency() -> None:
    two = replace(ONE, layers=(replace(CONV, N=2),), tensors={"in": 288, "out": 128})
    found = evaluate(two, CHIP, WIDTHS)
    energy, total, latency_s = found.energy, found.metrics["energy_j"], found.metrics["latency_s"]
    assert energy is not None
    assert energy.per_image_j == pytest.approx(total / 2)
    assert energy.average_w == pytest.approx(total / latency_s)
    assert energy.energy_delay_js == pytest.approx(total * latency_s)
    assert energy.tops_per_w == pytest.approx(2 * 2 * 2304 / total / 1e12)
    assert sum(energy.parts_j.values()) == pytest.approx(total)
    frame = found.layers
    assert frame["energy_j"].sum() == pytest.approx(total)
    parts = ["mac_energy_j", "sram_energy_j", "dram_energy_j", "static_energy_j"]
    assert frame[parts].sum(axis=1).to_numpy() == pytest.approx(frame["energy_j"].to_numpy())


def test_static_power_that_is_not_given_is_said_not_to_be_counted() -> None:
    found = evaluate(ONE, replace(CHIP, energy=replace(CHIP.energy, static_w=None)), WIDTHS)
    assert found.energy is not None
    assert found.energy.parts_j["static"] == 0
    assert "energy without static power: none is given" in found.notes
    assert not any("static" in note for note in evaluate(ONE, CHIP, WIDTHS).notes)


def test_without_bandwidth_dynamic_energy_is_known() -> None:
    given = replace(CHIP, dram_bits_per_s=None, energy=replace(CHIP.energy, static_w=None))
    found = evaluate(ONE, given, WIDTHS)
    assert found.energy is not None
    assert found.energy.average_w is found.energy.energy_delay_js is None


@pytest.mark.parametrize("each", ["j_per_bop", "j_per_mac", "sram_read_j_per_bit", "dram"])
def test_energies_that_add_up_to_no_number_are_refused_before_a_search(each: str) -> None:
    technology = load_technology("tsmc28")
    assert technology.energy is not None

    def problem(energy_j: float) -> Problem:
        if each == "dram":
            return Problem(network=ONE, dram_energy_j_per_bit=energy_j)
        energy = replace(technology.energy, **{each: energy_j})
        return Problem(network=ONE, technology=replace(technology, energy=energy))

    assert math.isfinite(solve(replace(problem(1e15), objective="energy")).metrics["energy_j"])
    with pytest.raises(SpecError, match=r"technology 'tsmc28': with its energies.* at most 1e\+30"):
        problem(1e29)
