"""A given accelerator's figures: by hand, against the paper and against solved designs.

The paper's Tables 3 and 4 stand for the ideal roofline.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from random_problems import random_case

from codesign import Accelerator, Evaluation, InfeasibleError, SpecError, evaluate, solve
from codesign.costs.layers import LayerDesign, Traffic
from codesign.costs.totals import extrapolations
from codesign.results.hardware_result import peaks_ops_per_s
from codesign.specs.load import load_accelerator, load_network, load_technology
from codesign.specs.network import Layer, Network

TSMC28 = load_technology("tsmc28")
EXACT = 1e-12
ROOFLINES: Any = ("tiled", "ideal")


def row_of(evaluation: Evaluation, name: str) -> LayerDesign:
    (found,) = (row for row in evaluation.layer_designs if row.name == name)
    return found


def close(value: float) -> object:
    return pytest.approx(value, rel=EXACT, abs=0)


# --- the ideal roofline by hand -----------------------------------------------------------------

# ResNet-18 layer 11, 3×3, 256 → 256 on 14 × 14: 256·256·196·10 = 128,450,560 OPS and
# 256·256·9 + 2·256·196 = 690,176 elements; 128,450,560 / (690,176·32) = 5.816.
# Layer 2, 3×3, 64 → 64 on 56 × 56: the same OPS, 64·64·9 + 2·64·3136 = 438,272 elements.
# Peak: side² PEs · 10 OPS · clock, as 26²·10·0.8 = 5408 GOPS/s.
TABLES_3_AND_4 = [
    ("table3-float32", "layer3.1.conv1", 72.0, 5.82),
    ("table3-fixed32", "layer3.1.conv1", 392.0, 5.82),
    ("table3-fixed16", "layer3.1.conv1", 1568.0, 11.63),
    ("table3-fixed8", "layer3.1.conv1", 5408.0, 23.26),
    ("table4-float32", "layer1.0.conv1", 49.0, 9.16),
    ("table4-fixed32", "layer1.0.conv1", 324.0, 9.16),
    ("table4-fixed16", "layer1.0.conv1", 1296.0, 18.32),
    ("table4-fixed8", "layer1.0.conv1", 3969.0, 36.64),
    ("table4-fixed4", "layer1.0.conv1", 11236.0, 73.27),
]


@pytest.mark.parametrize(("name", "layer", "gops_per_s", "ops_per_bit"), TABLES_3_AND_4)
def test_tables_3_and_4(name: str, layer: str, gops_per_s: float, ops_per_bit: float) -> None:
    found = evaluate(load_network("resnet18"), load_accelerator(name), roofline="ideal")
    (ops,) = (one.ops for one in found.network.layers if one.name == layer)
    row = row_of(found, layer)
    assert ops == 128_450_560
    assert found.accelerator.peak_ops_per_s(9) == close(gops_per_s * 1e9)  # the paper's windows
    assert found.layers.loc[layer, "ops"] == ops
    assert peaks_ops_per_s(found)["3×3"] == close(gops_per_s * 1e9 * 2 * 9 / 10)
    assert row.compute_s == close(ops / (gops_per_s * 1e9))
    assert round(ops / row.dram_bits.total, 2) == ops_per_bit
    assert row.memory_s == close(row.dram_bits.total / 153.6e9)
    assert row.latency_s == max(row.compute_s, row.memory_s)


CONV1 = Layer(name="conv1", K=4, C=2, P=4, Q=4, R=3, S=3, H=6, W=6, input="in", output="mid")
CONV2 = Layer(
    name="conv2", K=4, C=4, P=4, Q=4, H=4, W=4, input="mid", output="out", residuals=("mid",)
)
TINY = Network(name="tiny", layers=(CONV1, CONV2), tensors={"in": 72, "mid": 64, "out": 64})
SMALL = Accelerator(
    name="small",
    rows=2,
    cols=3,
    engine=9,
    pe_weight_bits=4,
    pe_activation_bits=4,
    precision="multi-pass",
    clock_hz=100e6,
    sram_bits=10_000,
    dram_bits_per_s=1e9,
    pe_area_um2=1000.0,
    area_overhead=1.5,
    technology=TSMC28,
)


def test_ideal_by_hand() -> None:
    found = evaluate(TINY, SMALL, (4, 8), roofline="ideal", output_bits=6)
    # 4·2·9·16 = 1152 MACs in ⌈4/4⌉·⌈8/4⌉ = 2 passes on 2·3·9 multipliers: 2304 / 5.4e9 per s
    first, second = found.layer_designs
    assert first.compute_s == close(2304 / 5.4e9)
    # weights 72·4, ifmap 2·6·6·8, output 64·8: 1376 bits at 1 Gbit/s
    assert first.dram_bits == Traffic(weights=288, ifmap=576, output=512, psum=0, residual=0)
    assert (first.memory_s, first.latency_s, first.bound_by) == (1.376e-6, 1.376e-6, "memory")
    assert found.layers.loc["conv1", "utilisation"] == close(1152 / (1.376e-6 * 5.4e9))
    # 4·4·16 = 256 MACs, 2 passes; weights 16·4, ifmap 64·8, output 64·6, residual 64·8
    assert second.compute_s == close(512 / 5.4e9)
    assert second.dram_bits == Traffic(weights=64, ifmap=512, output=384, psum=0, residual=512)
    for row in found.layer_designs:
        assert (row.tile, row.order, row.cycles, row.sram_bits) == (None, None, None, None)
    assert [*found.absent] == ["energy_j"]  # no tiles to count accesses of the SRAM by
    assert found.metrics == {
        "latency_s": close(2.848e-6),  # 1.376 + 1.472 µs
        "dram_bits": 1376 + 1472,
        "model_bits": (72 + 16) * 4,
        "noise": 2 * 4.0**-4 + 2 * 4.0**-8,  # two layers' weights, tensors "in" and "mid"
        # 4·8 + 4 + 8 = 44; log2(2·9) and log2 4
        "bops": close(1152 * (44 + math.log2(18)) + 256 * (44 + 2)),
        # 1.5·6·1000 µm² of PEs, 2.94·10,000 + 3065 µm² of SRAM
        "area_mm2": close(0.009 + 0.032465),
    }
    assert found.area_breakdown_mm2 == {"PE array": close(0.009), "SRAM": close(0.032465)}
    assert [note[:10] for note in found.notes] == ["no energy:"]


def test_compute_binds_where_the_bandwidth_is_ample() -> None:
    found = evaluate(TINY, replace(SMALL, dram_bits_per_s=1e12), (4, 8), roofline="ideal")
    row = found.layer_designs[0]
    assert (row.latency_s, row.bound_by) == (row.compute_s, "compute")
    # 1152 MACs of 2304 multiplier-cycles: two passes halve the utilisation
    assert found.layers.loc["conv1", "utilisation"] == close(0.5)


@pytest.mark.parametrize(
    ("kernel", "engine", "ideal", "tiled"),  # peak of one PE, MACs per cycle
    [
        (3, 9, 9, 9),
        (1, 9, 9, 9),  # 9 windows of one product
        (2, 9, 9, 8),  # ⌊9/4⌋ = 2 windows, one multiplier idle
        (5, 9, 9, 25 / 3),  # 25 products in ⌈25/9⌉ = 3 cycles
        (3, 1, 1, 1),
    ],
)
def test_peaks(kernel: int, engine: int, ideal: float, tiled: float) -> None:
    """Two operations a MAC."""
    layer = replace(CONV1, R=kernel, S=kernel, output="out")
    network = Network(name="one", layers=(layer,), tensors={"in": 72, "out": 64})
    accelerator = replace(SMALL, engine=engine)
    for roofline, macs_per_cycle in (("ideal", ideal), ("tiled", tiled)):
        found = evaluate(network, accelerator, roofline=roofline)
        expected = {f"{kernel}×{kernel}": close(6 * 2 * macs_per_cycle * 100e6)}
        assert peaks_ops_per_s(found) == expected


# --- the tiled roofline by hand -----------------------------------------------------------------

FC = Network(
    name="fc",
    layers=(Layer(name="fc", K=4, C=4, input="in", output="out"),),
    tensors={"in": 4, "out": 4},
)
MAC_2X2 = Accelerator(
    name="2 × 2",
    rows=2,
    cols=2,
    engine=1,
    pe_weight_bits=4,
    pe_activation_bits=8,
    precision="multi-pass",
    clock_hz=1e6,
    dram_bits_per_s=1e6,
)


@pytest.mark.parametrize(
    ("sram_bits", "psum_bits", "tile", "ifmap", "psum"),
    [
        # 4 outputs of 4 inputs on 2 × 2 PEs: tiles of 2 or 4 of each. Only 2 × 2 needs less than
        # all at once: 2·4·8 of weights, 2·2·16 of ifmap, 2·2 partial sums = 128 + 4·psum_bits.
        # Inputs innermost the ifmap comes twice, 64 bits more; outputs innermost the 4 partial
        # sums leave and return once, 2·4·psum_bits more: cheaper below 8 bits.
        (128 + 4 * 4, 4, (2, 2), 64, 2 * 4 * 4),
        (128 + 4 * 9, 9, (2, 2), 2 * 64, 0),
        (128 + 4 * 26, None, (2, 2), 2 * 64, 0),  # 8 + 16 + log2 4 = 26 bits
        # all at once: 16·8 + 4·16 + 4·psum_bits
        (192 + 4 * 4, 4, None, 64, 0),
        (192 + 4 * 26, None, None, 64, 0),
    ],
)
def test_tiled_by_hand(
    sram_bits: int, psum_bits: int | None, tile: tuple[int, int] | None, ifmap: int, psum: int
) -> None:
    accelerator = replace(MAC_2X2, sram_bits=sram_bits, psum_bits=psum_bits)
    found = evaluate(FC, accelerator, (8, 16), output_bits=10)
    (row,) = found.layer_designs
    assert row.tile is not None
    if tile is not None:
        assert (row.tile.k, row.tile.c) == tile
        assert row.order is not None
        assert (row.order.index("k") > row.order.index("c")) == (psum > 0)
    assert row.sram_bits == sram_bits
    assert row.dram_bits == Traffic(weights=128, ifmap=ifmap, output=40, psum=psum, residual=0)
    # ⌈4/2⌉·⌈4/2⌉ = 4 cycles, ⌈8/4⌉·⌈16/8⌉ = 4 times
    assert (row.cycles, row.compute_s) == (16, close(16e-6))
    assert row.latency_s == row.memory_s == close((168 + ifmap + psum) * 1e-6)
    with pytest.raises(SpecError, match=r"SRAM of 0\.\d+ kbit holds no tile of layer 'fc'"):
        evaluate(FC, replace(accelerator, sram_bits=128 + 4 * (psum_bits or 26) - 1), (8, 16))


def test_halo_by_hand() -> None:
    # 3×3, 2 → 2 channels, 4 × 4 outputs of 6 × 6 inputs, 8 bits, partial sums 8 + 8 + ⌈log2 18⌉.
    layer = replace(CONV1, K=2, output="out")
    network = Network(name="one", layers=(layer,), tensors={"in": 72, "out": 32})
    accelerator = replace(SMALL, pe_weight_bits=8, pe_activation_bits=8, sram_bits=1536)
    # All outputs: 36·8 + 72·8 + 32·21 = 1536 bits. Two rows, each buffer double: 36·8 + 2·2·4·6·8
    # + 2·2·2·4·21 = 1728; one: 36·8 + 2·2·3·6·8 + 2·2·4·21 = 1200. Two rows and two columns:
    # 36·8 + 2·2·4·4·8 + 2·2·4·21 = 1136, and of the 6 rows the 2 rows of tiles read min(6 + 2, 2·4)
    # = 8, columns likewise. Two columns of one row: 36·8 + 2·2·3·4·8 + 2·2·2·21 = 840, and the 4
    # rows of tiles read min(6 + 3·2, 4·3) = 12. One output: 36·8 + 2·2·3·3·8 + 2·2·21 = 660.
    whole = evaluate(network, accelerator).layer_designs[0]
    assert (whole.sram_bits, whole.dram_bits.ifmap) == (1536, 576)
    for sram_bits, need, outputs, read in (
        (1535, 1136, 4, 8 * 8),
        (1136, 1136, 4, 8 * 8),
        (1135, 840, 2, 12 * 8),
        (839, 660, 1, 12 * 12),
    ):
        cut = evaluate(network, replace(accelerator, sram_bits=sram_bits)).layer_designs[0]
        assert cut.tile is not None
        assert cut.tile.p * (cut.tile.q or 0) == outputs
        assert (cut.sram_bits, cut.dram_bits.ifmap) == (need, 2 * read * 8)
    with pytest.raises(SpecError, match=r"SRAM of 0\.659 kbit .* needs 0\.66 kbit at 8 × 8 bit"):
        evaluate(network, replace(accelerator, sram_bits=659))


# --- a solved design, evaluated -----------------------------------------------------------------


@pytest.mark.slow
def test_a_solved_design_has_the_figures_it_was_solved_with() -> None:
    seen = dict.fromkeys(("multi-pass", "groups", "sensitivity", "spilled"), 0)
    for seed in range(40):
        problem = random_case(seed).problem
        try:
            design = solve(problem)
        except InfeasibleError:
            continue
        given = {"sensitivity": problem.sensitivity, "on_chip": "none"}
        found = evaluate(design.network, design.accelerator, design.widths, **given)
        assert found.metrics == design.metrics, seed
        assert found.layer_designs == design.layer_designs, seed
        assert found.tensor_bits == design.tensor_bits
        assert found.area_breakdown_mm2 == design.area_breakdown_mm2
        assert found.notes == extrapolations(design.accelerator)
        assert found.notes == design.notes[: len(found.notes)]
        assert found.layers.equals(design.layers)
        seen["multi-pass"] += problem.choices.precision == "multi-pass"
        seen["groups"] += any(layer.G > 1 for layer in problem.network.layers)
        seen["sensitivity"] += problem.sensitivity is not None
        seen["spilled"] += any(row.dram_bits.psum > 0 for row in design.layer_designs)
    assert min(seen.values()) > 1, seen


# --- what must hold between evaluations ---------------------------------------------------------


def test_tiles_leave_out_what_the_stride_skips() -> None:
    # 1×1 with stride 2 uses every other of the 8 rows and columns: tiles of one output read 4, all
    # at once 8.
    layer = Layer(name="a", K=1, C=1, P=4, Q=4, H=8, W=8, stride=2, input="in", output="out")
    network = Network(name="skip", layers=(layer,), tensors={"in": 64, "out": 16})
    accelerator = replace(SMALL, rows=1, cols=1)
    found = [evaluate(network, accelerator, 4, roofline=x).layer_designs[0] for x in ROOFLINES]
    assert [row.dram_bits.ifmap for row in found] == [4 * 4 * 4, 64 * 4]


def test_a_batch_reads_weights_once_and_products_per_image() -> None:
    network, tpu = load_network("vit_b_16"), load_accelerator("tpu_v1")
    one, four = (evaluate(network.batched(n), tpu, roofline="ideal") for n in (1, 4))
    products = 0
    for layer, single, batch in zip(
        network.layers, one.layer_designs, four.layer_designs, strict=True
    ):
        times = 1 if layer.weight_tensor is None else 4
        products += times == 4
        assert batch.dram_bits.weights == times * single.dram_bits.weights
        assert batch.dram_bits.ifmap == 4 * single.dram_bits.ifmap
        assert batch.dram_bits.output == 4 * single.dram_bits.output
        assert batch.dram_bits.residual == 4 * single.dram_bits.residual
        assert batch.compute_s == close(4 * single.compute_s)
    assert products == 24
    for name in ("model_bits", "noise"):
        assert four.metrics[name] == one.metrics[name]
    assert four.metrics["bops"] == close(4 * one.metrics["bops"])


# --- widths and refusals ------------------------------------------------------------------------

EVERYWHERE = {"weight:conv1": 4, "weight:conv2": 4, "tensor:in": 8, "tensor:mid": 8}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"widths": 3}, (3, 3, 3, 3)),
        ({"widths": (2, 3)}, (2, 3, 3, 3)),
        ({"widths": (2, 3), "output_bits": 7}, (2, 3, 3, 7)),
        ({}, (4, 5, 5, 5)),  # the PE's
        ({"output_bits": 32}, (4, 5, 5, 32)),
        ({"widths": EVERYWHERE | {"tensor:out": 5}}, (4, 8, 8, 5)),
        ({"widths": EVERYWHERE, "output_bits": 6}, (4, 8, 8, 6)),
        ({"widths": EVERYWHERE | {"tensor:mid": 2, "tensor:out": 5}}, (4, 8, 2, 5)),
    ],
)
def test_widths(given: dict[str, Any], expected: tuple[int, ...]) -> None:
    found = evaluate(TINY, replace(SMALL, pe_activation_bits=5), **given)
    assert [row.weight_bits for row in found.layer_designs] == [expected[0]] * 2
    assert found.tensor_bits == dict(zip(("in", "mid", "out"), expected[1:], strict=True))


FIXED = replace(SMALL, precision="fixed")
REFUSED: list[tuple[Accelerator, dict[str, Any], str]] = [
    (SMALL, {"widths": 0}, "'weight:conv1' must be a whole number from 1 to 32, got 0"),
    (SMALL, {"widths": 33}, "got 33"),
    (SMALL, {"widths": (4, 4.5)}, "'tensor:in' must be a whole number from 1 to 32, got 4.5"),
    (SMALL, {"widths": (4, 4, 4)}, r"give one width, \(weights, activations\), or one for each"),
    (SMALL, {"widths": 4.0}, "got 4.0"),
    (SMALL, {"output_bits": 40}, "'tensor:out' must be a whole number from 1 to 32, got 40"),
    (SMALL, {"widths": EVERYWHERE}, "widths: output_bits is missing"),
    (SMALL, {"widths": {"tensor:in": 8, "tensor:out": 8}}, "widths: 'weight:conv1' is missing"),
    (SMALL, {"widths": EVERYWHERE | {"weight:conv3": 4}}, "did you mean 'weight:conv"),
    (SMALL, {"roofline": "flat"}, "roofline must be one of tiled, ideal, got 'flat'"),
    (SMALL, {"sensitivity": {}}, "sensitivity: no value for 'weight:conv1' at 4 bits"),
    (FIXED, {"widths": (5, 4)}, "layer 'conv1': operands of 5 × 4 bit do not run on PEs of 4 × 4"),
    (FIXED, {"widths": (4, 5), "roofline": "ideal"}, "operands of 4 × 5 bit do not run"),
    (replace(SMALL, sram_bits=None), {}, "'small': no SRAM capacity is given, and tiles need one"),
]


@pytest.mark.parametrize(("accelerator", "given", "told"), REFUSED)
def test_refusals_are_one_line(accelerator: Accelerator, given: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refused:
        evaluate(TINY, accelerator, **given)
    assert len(str(refused.value).splitlines()) == 1


def test_a_product_of_tensors_takes_its_width_from_the_tensor() -> None:
    product = Layer(
        name="product", K=2, C=4, P=4, H=4, input="a", output="out", weight_tensor="keys"
    )
    network = Network(name="qk", layers=(product,), tensors={"a": 16, "keys": 8, "out": 8})
    widths = {"tensor:a": 3, "tensor:keys": 5, "tensor:out": 6}
    found = evaluate(network, replace(SMALL, pe_weight_bits=5), widths, roofline="ideal")
    assert found.layer_designs[0].weight_bits == 5
    assert found.layer_designs[0].dram_bits == Traffic(
        weights=8 * 5, ifmap=16 * 3, output=8 * 6, psum=0, residual=0
    )
    assert found.metrics["model_bits"] == 0  # it owns no weights
    assert found.metrics["noise"] == 4.0**-3 + 4.0**-5
    with pytest.raises(SpecError, match="unknown 'weight:product'"):
        evaluate(network, SMALL, widths | {"weight:product": 4})


def test_sensitivity_of_ones_own() -> None:
    sources = [f"weight:conv{i}" for i in (1, 2)] + ["tensor:in", "tensor:mid"]
    table = {source: {4: 2.0**i} for i, source in enumerate(sources)}
    assert evaluate(TINY, SMALL, sensitivity=table).metrics["noise"] == 1 + 2 + 4 + 8
