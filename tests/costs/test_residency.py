"""Tensors that stay on chip: what they take and save, by hand, the arithmetic in the comments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import oracle
import oracle_on_chip
import pytest
from moving import CHIP, forked
from small_layers import layer

from codesign import Accelerator, Choices, Layer, Network, Problem, SpecError
from codesign.costs.compute import PEArray, movement_cycles
from codesign.costs.layers import LayerDesign, best_tiled_layer, moving_layer, tiled_layer
from codesign.costs.residency import moved_elements, resident_bits, residents, without_resident
from codesign.costs.tiling import ORDERS, Tilings, tilings

# --- two layers on paper --------------------------------------------------------------------------

# 2 × 4 PEs of 9 multipliers; a cycle and a bit of the DRAM take 1 µs each.
ARRAY = replace(CHIP, cols=4, clock_hz=1e6, dram_bits_per_s=1e6, sram_bits=None)
GRID = {"P": 4, "Q": 4, "H": 4, "W": 4}
TWO = Network(
    name="two",
    layers=(
        # ⌈2/2⌉·⌈4/4⌉ = 1 step at each of 16 positions: 16 cycles; 4·2·9 = 72 weights
        Layer(name="conv", K=4, C=2, R=3, S=3, input="in", output="mid", **GRID),
        # nine channels share a PE: ⌈4/18⌉·⌈3/4⌉ = 1 step, 16 cycles; 3·4 = 12 weights
        Layer(name="point", K=3, C=4, input="mid", output="out", **GRID),
    ),
    tensors={"in": 32, "mid": 64, "out": 48},
)
BITS = {"in": 8, "mid": 4, "out": 8}  # and weights of 4 bits

# conv accumulates in 4 + 8 + ⌈log2 18⌉ = 17 bits, point in 4 + 4 + log2 4 = 10.
# Tiles, of which channels are whole (rows and cols hold them):
#   conv, 4 rows of 4:  72·4 + 32·8 + 64·17 = 288 + 256 + 1088 = 1632 bits of SRAM;
#                       DRAM 288 of weights + 256 of ifmap
#   conv, cut:          weights once, the others doubled: of h ifmap elements and o outputs of a
#                       channel 288 + 2·(2·h·8) + 2·(4·o·17) = 288 + 32·h + 136·o bits of SRAM. One
#                       row reads 3 of 4 rows, in all 4 and 3 times 2 again, which is 10; two rows
#                       read 4, in all 4 + 2 = 6; four read 4; columns likewise. Rows × columns:
#     1 × 1:            288 + 32·3·3 + 136 = 712;      DRAM 288 + 2·10·10·8 = 288 + 1600
#     1 × 2:            288 + 32·3·4 + 136·2 = 944;    DRAM 288 + 2·10·6·8 = 288 + 960
#     1 × 4:            288 + 32·3·4 + 136·4 = 1216;   DRAM 288 + 2·10·4·8 = 288 + 640
#     2 × 2:            288 + 32·4·4 + 136·4 = 1344;   DRAM 288 + 2·6·6·8 = 288 + 576
#     2 × 4:            288 + 32·4·4 + 136·8 = 1888, and no fewer DRAM bits than whole
#   point, 1 × 1:       12·4 + 2·(4·4) + 2·(3·10) = 48 + 32 + 60 = 140 bits of SRAM;
#                       DRAM 48 + 256, in which no other tiles are better
# Beside them, DRAM takes 64·4 = 256 bits of mid from conv and 48·8 = 384 of out from point.
# mid on chip: 256 bits of SRAM during both layers; point needs 140 − 32 = 108 beside it.


def on_array(
    name: str, sram_bits: int, on_chip: tuple[str, ...], array: Accelerator = ARRAY
) -> LayerDesign:
    """One of the two layers with its best tiling."""
    i = [each.name for each in TWO.layers].index(name)
    held = residents(TWO, BITS, on_chip)[i]
    array = replace(array, sram_bits=sram_bits)
    return best_tiled_layer(TWO, TWO.layers[i], array, 4, BITS, held)


# Resident tensors, layer, SRAM; its need, what stays beside it; weights, ifmap, output; outputs of
# a tile.
ON_PAPER = [
    ((), "conv", 1632, (1632, 0), (288, 256, 256), 16),
    ((), "conv", 1631, (1344, 0), (288, 576, 256), 4),
    ((), "point", 784, (140, 0), (48, 256, 384), 1),
    (("mid",), "conv", 1888, (1632, 256), (288, 256, 0), 16),
    (("mid",), "conv", 1887, (1344, 256), (288, 576, 0), 4),
    (("mid",), "conv", 1472, (1216, 256), (288, 640, 0), 4),
    (("mid",), "point", 544, (108, 256), (48, 0, 384), 1),
]


@pytest.mark.parametrize(("on_chip", "name", "sram_bits", "held", "moved", "outputs"), ON_PAPER)
def test_two_layers_are_as_on_paper(
    on_chip: tuple[str, ...], name: str, sram_bits: int, held: Any, moved: Any, outputs: int
) -> None:
    row = on_array(name, sram_bits, on_chip)
    assert row.tile is not None
    assert (row.tile.p * row.tile.q, row.tile.images) == (outputs, 1)
    assert (row.sram_bits, row.resident_bits) == held
    dram = row.dram_bits
    assert (dram.weights, dram.ifmap, dram.output) == moved
    assert (dram.psum, dram.residual) == (0, 0)
    assert row.cycles == 16
    # 1 µs a cycle and a bit: the DRAM, which takes hundreds, is slower than 16 cycles
    assert row.latency_s == pytest.approx(sum(moved) * 1e-6)
    assert row.bound_by == "memory"


def test_a_layer_all_of_whose_tensors_stay_is_bound_by_its_cycles() -> None:
    fast = replace(ARRAY, dram_bits_per_s=1e8)
    # weights 48 and out 384 at 10 ns each: 4.32 µs, below 16 cycles of 1 µs
    assert on_array("point", 784, ("mid",), fast).latency_s == pytest.approx(16e-6)
    assert on_array("point", 784, ("mid",), fast).bound_by == "compute"


def test_what_stays_leaves_too_little_for_a_tile() -> None:
    # 712 of the least tile and 256 of mid are 968 bits
    with pytest.raises(SpecError, match=r"holds no tile of layer 'conv'.*needs 0\.968 kbit"):
        on_array("conv", 967, ("mid",))
    on_array("conv", 967, ())


# In all, in µs and bits: conv at 1632 bits and point: 544 + 256 + 304 + 384 = 1488; conv by 2 × 2:
# 1488 + 320 = 1808, by 1 × 4: 1488 + 384 = 1872, by 1 × 2: 1488 + 704 = 2192. With mid on chip,
# 2·256 fewer: 976 at 1888 bits, 1296 by 2 × 2 at 1600, 1360 by 1 × 4 at 1472, 1680 by 1 × 2 at
# 1200.
ENUMERATED = {
    (1632, False): 1488,
    (1344, False): 1808,
    (1216, False): 1872,
    (944, False): 2192,
    (1888, True): 976,
    (1600, True): 1296,
    (1472, True): 1360,
    (1200, True): 1680,
}


def two_layers(**choices: Any) -> Problem:
    """The two layers on the one array, every width given."""
    given = {f"tensor:{name}": BITS[name] for name in ("in", "mid")}
    return Problem(
        network=TWO,
        clock_hz=1e6,
        dram_bits_per_s=1e6,
        choices=Choices(
            rows=(2,), cols=(4,), weight_bits=(4,), pe_weight_bits=(8,), pe_activation_bits=(8,),
            pinned=given, output_bits=8, on_chip="tensors", **choices,
        ),
    )  # fmt: skip


def test_enumeration_has_the_designs_on_paper() -> None:
    points = oracle.all_points(two_layers())
    found = {
        (point.sram_bits, "mid" in point.on_chip): point.value("dram_bits") for point in points
    }
    for key, bits in ENUMERATED.items():
        assert found[key] == bits
    for point in points:
        assert point.value("latency_s") == pytest.approx(point.value("dram_bits") * 1e-6)


@pytest.mark.parametrize(
    ("sram_bits", "dram_bits"),
    [
        (1199, 2192),
        (1200, 1680),
        (1471, 1680),
        (1472, 1360),
        (1600, 1296),
        (1887, 1296),
        (1888, 976),
    ],
)
def test_enumeration_chooses_what_stays_as_on_paper(sram_bits: int, dram_bits: int) -> None:
    # At 1632 to 1887 bits, conv whole or mid on chip and conv by 2 × 2: the latter is 1296 < 1488.
    problem = two_layers(sram_bits=(sram_bits,))
    best = oracle.best(oracle.all_points(problem), "latency_s", {})
    assert best is not None
    assert best.value("dram_bits") == dram_bits
    assert ("mid" in best.on_chip) == (sram_bits >= 1200)


# --- lifetimes ------------------------------------------------------------------------------------


def test_a_tensor_is_held_from_its_first_writer_to_its_last_reader(tmp_path: Path) -> None:
    network = forked(tmp_path)
    assert network.lifetimes == {"both": (0, 4), "small": (1, 2), "deep.out": (2, 3)}
    # both is written in parts by layers 0 and 3, read by 1 and 4: 216·4 = 864 bits, all the time;
    # small 36·5 = 180 bits; deep.out 72·3 = 216 bits
    bits = {"image": 8, "both": 4, "small": 5, "deep.out": 3, "out": 8}
    assert resident_bits(network, bits, ()) == [0, 0, 0, 0, 0]
    assert resident_bits(network, bits, ("small",)) == [0, 180, 180, 0, 0]
    all_of_them = [864, 864 + 180, 864 + 180 + 216, 864 + 216, 864]
    assert resident_bits(network, bits, ("both", "small", "deep.out")) == all_of_them
    held = residents(network, bits, ("small", "deep.out"))
    assert [each.bits for each in held] == [0, 180, 396, 216, 0]
    assert {each.names for each in held} == {frozenset({"small", "deep.out"})}
    alive = oracle_on_chip.lifetimes(network)
    assert {name: (x.start, x.stop - 1) for name, x in alive.items()} == network.lifetimes


# --- operands that stay ---------------------------------------------------------------------------


def test_operands_that_stay_have_no_tile_and_no_traffic() -> None:
    every = tilings(TWO.layers[0], PEArray(2, 4, 9))
    for weights, ifmap in ((True, False), (False, True), (True, True), (False, False)):
        kept = without_resident(every, weights, ifmap)
        for mine, all_of_them in ((kept.need, every.need), (kept.traffic, every.traffic)):
            assert (mine[:, 0] == (0 if weights else all_of_them[:, 0])).all()
            assert (mine[:, 1] == (0 if ifmap else all_of_them[:, 1])).all()
            assert (mine[:, 2] == all_of_them[:, 2]).all()
        assert (kept.tile == every.tile).all()


PRODUCT = Network(
    name="product",
    layers=(
        Layer(name="q", K=2, C=1, P=4, H=4, input="in", output="x"),
        Layer(name="k", K=2, C=1, P=3, H=3, input="in3", output="w"),
        Layer(name="match", K=3, C=2, P=4, H=4, input="x", output="y", weight_tensor="w"),
        Layer(name="last", K=1, C=3, P=4, H=4, input="y", output="z"),
    ),
    tensors={"in": 4, "in3": 3, "x": 8, "w": 6, "y": 12, "z": 4},
)


@pytest.mark.parametrize(
    ("on_chip", "need", "moved"),
    [
        # x 8·4 = 32 bits, w 6·5 = 30, y 12·3 = 36; sums of 4 + 5 + log2 2 = 10 bits. By rows:
        # w 30, x 2·(2·4) = 16, sums 2·(3·10) = 60
        ((), 30 + 16 + 60, (30, 32, 36)),
        (("w",), 16 + 60, (0, 32, 36)),
        (("x",), 30 + 60, (30, 0, 36)),
        (("x", "w"), 60, (0, 0, 36)),
        (("y",), 30 + 16 + 60, (30, 32, 0)),
        (("x", "w", "y"), 60, (0, 0, 0)),
    ],
)
def test_a_product_of_tensors_that_stay(
    on_chip: tuple[str, ...], need: int, moved: tuple[int, int, int]
) -> None:
    bits = {"in": 8, "in3": 8, "x": 4, "w": 5, "y": 3, "z": 8}
    sizes = {"x": 32, "w": 30, "y": 36}
    held = residents(PRODUCT, bits, on_chip)[2]
    assert held.bits == sum(sizes[name] for name in on_chip)
    array = replace(ARRAY, sram_bits=10_000)
    row = best_tiled_layer(PRODUCT, PRODUCT.layers[2], array, 5, bits, held)
    assert (row.sram_bits, row.resident_bits) == (need, held.bits)
    assert (row.dram_bits.weights, row.dram_bits.ifmap, row.dram_bits.output) == moved


def test_residuals_that_stay_are_read_for_nothing() -> None:
    skip = Layer(name="add", K=4, C=2, input="mid", output="out", residuals=("a", "mid", "b"))
    before = Layer(name="a", K=2, C=2, input="in", output="mid")
    left = Layer(name="b", K=3, C=2, input="in", output="a")
    network = Network(
        name="skip",
        layers=(before, left, replace(skip, parts={"b": 1})),
        tensors={"in": 2, "mid": 2, "a": 3, "b": 9, "out": 4},
    )
    bits = {"in": 8, "mid": 4, "a": 5, "b": 6, "out": 8}
    array = replace(ARRAY, sram_bits=10_000)
    # a 3·5 = 15 bits, mid 2·4 = 8 once more than as the input, one element of b 6
    for on_chip, read in (((), 29), (("a",), 14), (("mid",), 21), (("a", "mid"), 6)):
        held = residents(network, bits, on_chip)[2]
        row = best_tiled_layer(network, network.layers[2], array, 4, bits, held)
        assert row.dram_bits.residual == read
        assert row.dram_bits.ifmap == (0 if "mid" in on_chip else 8)


def test_sums_that_spill_go_to_dram_wherever_the_output_stays() -> None:
    one = replace(ARRAY, rows=1, cols=2, engine=1)
    split = layer(name="split", K=4, C=2, Q=2, W=2, input="in", output="mid")
    network = Network(
        name="spilling",
        layers=(split, layer(name="next", C=4, Q=2, W=2, input="mid", output="out")),
        tensors={"in": 4, "mid": 8, "out": 2},
    )
    table = tilings(split, PEArray(1, 2, 1))
    (row,) = rows_with(table, (1, 2, 1, 1, 2, 1), "ckp")
    bits = {"in": 8, "mid": 4, "out": 8}
    for on_chip in ((), ("mid",)):
        held = residents(network, bits, on_chip)[0]
        found = tiled_layer(network, split, one, 4, bits, table, row, held)
        # 8 outputs, visited for each of 2 channels, in 4 + 8 + log2 2 = 13 bits: 2·8·(2 − 1)·13
        assert found.dram_bits.psum == 208
        assert found.dram_bits.output == (0 if on_chip else 32)
        assert found.resident_bits == (32 if on_chip else 0)
        # all in two tiles or more: 2·(2·1·4) of weights, 2·(2·8) of ifmap, 2·(2·2·13) of sums
        assert found.sram_bits == 16 + 32 + 104


def rows_with(table: Tilings, tile: tuple[int, ...], order: str) -> list[int]:
    """Rows of a table that have this tile and this order."""
    pairs = zip(table.tile.tolist(), table.order.tolist(), strict=True)
    return [row for row, (t, o) in enumerate(pairs) if (tuple(t), ORDERS[o]) == (tile, order)]


# --- moving data ----------------------------------------------------------------------------------


def test_cycles_of_moving() -> None:
    # 144 elements, 9 a row and cycle: 144/9 = 16; 144/18 = 8; ⌈144/27⌉ = ⌈5.3⌉; ⌈144/153⌉ = 1
    assert movement_cycles(144, [1, 2, 3, 17], 9).tolist() == [16, 8, 6, 1]
    assert movement_cycles(145, [1, 2], 9).tolist() == [17, 9]
    assert movement_cycles(5, 1, 1) == 5


# What the pooling of `forked` reads and writes, and more that it may; the larger in elements.
MOVES: list[tuple[dict[str, Any], int]] = [
    ({}, 144),  # 144 of 216 read, 36 written
    ({"residuals": ("image",)}, 216),  # and 72 read
    ({"residuals": ("image", "both")}, 360),  # and 144 of what is the input too
    ({"residuals": ("image",), "parts": {"both": 144, "image": 10}}, 154),
    ({"input": "image", "C": 2, "parts": {}}, 72),  # 72 read
    ({"input": "image", "C": 2, "H": 1, "W": 1, "parts": {"image": 2}}, 36),  # 2 read, 36 written
]


@pytest.mark.parametrize(("changes", "elements"), MOVES)
def test_the_larger_of_what_is_read_and_written(
    changes: dict[str, Any], elements: int, tmp_path: Path
) -> None:
    network = forked(tmp_path)
    pool = replace(network.layers[1], **changes)
    assert moved_elements(network, pool) == elements


def test_a_layer_that_only_moves_takes_the_longer_of_cycles_and_dram(tmp_path: Path) -> None:
    network = forked(tmp_path)
    pool = network.layers[1]
    bits = {"image": 8, "both": 4, "small": 5, "deep.out": 3, "out": 8}
    # DRAM: 144·4 = 576 bits read, 36·5 = 180 written, 1 ns each. 144 elements at 2·9 a cycle:
    # 8 cycles of 10 ns.
    for on_chip, read, written, seconds, held in (
        ((), 576, 180, 756e-9, 0),
        (("both",), 0, 180, 180e-9, 864),
        (("small",), 576, 0, 576e-9, 180),
        (("both", "small"), 0, 0, 80e-9, 864 + 180),
    ):
        row = moving_layer(network, pool, CHIP, bits, True, residents(network, bits, on_chip)[1])
        assert (row.dram_bits.ifmap, row.dram_bits.output) == (read, written)
        assert (row.cycles, row.sram_bits, row.resident_bits) == (8, 0, held)
        assert row.compute_s == pytest.approx(80e-9)
        assert row.latency_s == pytest.approx(seconds)
        assert row.bound_by == ("compute" if seconds == 80e-9 else "memory")
