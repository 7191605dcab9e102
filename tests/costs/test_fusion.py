"""Fused runs of layers: what they hold and move, by hand, the arithmetic in the comments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from moving import CHIP
from small_layers import layer, square

from codesign import Layer, Network
from codesign.costs.fusion import (
    FusedRun,
    fused_layers,
    fused_runs,
    live_during,
    run_need,
    runs_of,
)
from codesign.costs.layers import Tile
from codesign.costs.residency import residents


def chained(*layers: Layer, **more: int) -> Network:
    """Layers named by their numbers, from one tensor to the next where they say ``in`` and ``out``.

    ``more`` are elements of tensors that are not what a layer reads or writes of them.
    """
    named = []
    for i, x in enumerate(layers):
        names = {"in": f"t{i}", "out": f"t{i + 1}"}
        parts = {names.get(name, name): n for name, n in x.parts.items()}
        ends = {"input": names.get(x.input, x.input), "output": names.get(x.output, x.output)}
        named.append(replace(x, name=f"l{i}", **ends, parts=parts))
    tensors = {named[0].input: named[0].ifmap}
    for x in named:
        tensors[x.output] = x.computed_outputs
    return Network(name="chained", layers=tuple(named), tensors=tensors | more)


def spans(runs: Iterable[FusedRun]) -> list[tuple[int, int]]:
    """First and last layers of runs."""
    return [(run.first, run.last) for run in runs]


# --- three layers on paper ------------------------------------------------------------------------

# A 3 × 3 convolution, a depthwise one of stride 2, a pointwise one.
DOWN = {"P": 4, "Q": 3, "R": 3, "S": 3, "H": 8, "W": 6}
THREE = chained(
    layer(K=4, C=2, R=3, S=3, P=8, Q=6, H=8, W=6),
    layer(G=4, K=1, C=1, stride=2, **DOWN),
    layer(K=5, C=4, P=4, Q=3, H=4, W=3),
)
WEIGHTS = (4, 5, 3)
BITS = {"t0": 8, "t1": 4, "t2": 6, "t3": 8}
# 2 × 4 PEs of 9 multipliers; a cycle takes 1 µs.
ARRAY = replace(CHIP, cols=4, clock_hz=1e6)

# One row of t3 takes 1 row of t2, that 3 of t1, and those (3 − 1)·1 + 3 = 5 of t0.
#   t0: twice 5 rows are more than all 8: 8·6·2 = 96 elements
#   t1: 3·6·4 = 72; t2: 1·3·4 = 12
#   sums of two rows: 2·6·4 = 48, 2·3·4 = 24, 2·3·5 = 30 elements, of
#   4 + 8 + ⌈log2 18⌉ = 17, 5 + 4 + ⌈log2 9⌉ = 13, 3 + 6 + log2 4 = 11 bits: at most 48·17 = 816
# Weights: 4·2·9 = 72 of 4 bits, 4·9 = 36 of 5, 5·4 = 20 of 3: 288 + 180 + 60 = 528 bits.
# SRAM: 528 + 72·4 + 12·6 + 96·8 + 816 = 528 + 288 + 72 + 768 + 816 = 2472 bits; DRAM: the weights,
# 96·8 = 768 bits of t0 and 60·8 = 480 of t3.
# Cycles: 48; two groups at once ⌈4/2⌉·12 = 24; nine channels to a PE ⌈4/18⌉·⌈5/4⌉·12 = 24.


def test_a_run_holds_what_it_does_on_paper() -> None:
    (run,) = (x for x in fused_runs(THREE, 3) if len(x.layers) == 3)
    assert run == FusedRun(
        first=0,
        last=2,
        inner=("t1", "t2"),
        input_elements=96,
        band_elements=(72, 12),
        psum_elements=(48, 24, 30),
        moved=((), (), ("t3",)),
    )
    assert run_need(run, THREE, WEIGHTS, (17, 13, 11), BITS, ()) == 2472
    assert run_need(run, THREE, WEIGHTS, (17, 13, 11), BITS, ("t0",)) == 2472 - 768
    assert run_need(run, THREE, WEIGHTS, (17, 40, 11), BITS, ()) == 2472 - 816 + 24 * 40


def test_part_of_a_run_needs_fewer_rows() -> None:
    # The first two: 3 rows of t1 for one of t2. The last two: twice 3 rows of t1, 6·6·4.
    first, last = (x for x in fused_runs(THREE, 3) if len(x.layers) == 2)
    assert (first.input_elements, first.band_elements) == (96, (72,))
    assert (first.moved, last.moved) == (((), ("t2",)), ((), ("t3",)))
    assert (last.input_elements, last.band_elements) == (144, (12,))
    assert spans(fused_runs(THREE, 2)) == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("dram_bits_per_s", "bound_by", "latency_s"),
    [
        # 1776 bits and 96 cycles in all, of 1 µs each
        (1e6, "memory", (288e-6 + 768e-6, 180e-6, 60e-6 + 480e-6)),
        # 17.76 µs of DRAM; one layer alone, 288 + 768 bits in 10.56 µs, is below its 48 µs too
        (1e8, "compute", (48e-6, 24e-6, 24e-6)),
        # 1776 bits in 93.5 µs; the first, 1056 bits in 55.6 µs, is above its 48 µs all the same
        (19e6, "compute", (48e-6, 24e-6, 24e-6)),
        (None, None, (None, None, None)),
    ],
)
def test_a_run_takes_the_longer_of_all_cycles_and_all_bits(
    dram_bits_per_s: float | None, bound_by: str | None, latency_s: Any
) -> None:
    array = replace(ARRAY, dram_bits_per_s=dram_bits_per_s)
    (run,) = (x for x in fused_runs(THREE, 3) if len(x.layers) == 3)
    (held, *_) = residents(THREE, BITS, (), [run.layers])
    rows = fused_layers(THREE, run, array, WEIGHTS, BITS, held)
    assert [row.name for row in rows] == ["l0", "l1", "l2"]
    assert [row.weight_bits for row in rows] == [4, 5, 3]
    assert [(row.sram_bits, row.resident_bits) for row in rows] == [(2472, 0)] * 3
    assert [row.cycles for row in rows] == [48, 24, 24]
    moved = [(x.weights, x.ifmap, x.output) for x in (row.dram_bits for row in rows)]
    assert moved == [(288, 768, 0), (180, 0, 0), (60, 0, 480)]
    assert all(row.dram_bits.psum == row.dram_bits.residual == 0 for row in rows)
    assert {row.bound_by for row in rows} == {bound_by}
    assert [row.latency_s for row in rows] == [x and pytest.approx(x) for x in latency_s]
    assert [row.tile for row in rows] == [
        Tile(g=1, k=4, c=2, p=1, q=6, images=1),
        Tile(g=4, k=1, c=1, p=1, q=3, images=1),
        Tile(g=1, k=5, c=4, p=1, q=3, images=1),
    ]
    assert {row.order for row in rows} == {"pkc"}


def test_wide_operands_take_their_passes() -> None:
    # 4 and 8 bits on 3 × 4: 2·2 passes of 48; 5 and 4 bits: 2·1 of 24; 3 and 6 bits: 1·2 of 24
    narrow = replace(ARRAY, pe_weight_bits=3, pe_activation_bits=4, precision="multi-pass")
    (run,) = (x for x in fused_runs(THREE, 3) if len(x.layers) == 3)
    rows = fused_layers(THREE, run, narrow, WEIGHTS, BITS, residents(THREE, BITS, ())[0])
    assert [row.cycles for row in rows] == [192, 48, 48]


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "rows"),
    [
        # two 3 × 3: 1 → 3 → 5
        ((square(1, 1, 9, 3), square(1, 1, 9, 3)), (5, 3)),
        # 5 rows of a tensor of 4 are all
        ((square(1, 1, 4, 3), square(1, 1, 4, 3)), (4, 3)),
        # stride 2 below a stride 2: 1 → 3 → (3 − 1)·2 + 3 = 7
        ((layer(P=5, H=9, R=3, stride=2), layer(P=3, H=5, R=3, stride=2)), (7, 3)),
        # only the vertical stride and dilation count: 1 → (3 − 1)·2 + 1 = 5 → 5 + 1 = 6
        (
            (layer(P=9, H=9, R=2, stride=(1, 4)), layer(P=9, H=9, R=3, dilation=(2, 9))),
            (6, 5),
        ),
        # a row of zeros between rows: 3 zero-inserted rows hold 2 at most, and those 4 of t0
        (
            (square(1, 1, 4, 3), layer(P=8, Q=4, H=4, W=4, R=3, input_dilation=(2, 1))),
            (4, 2),
        ),
        ((layer(P=16, H=8, R=3, input_dilation=2), layer(P=16, H=16, R=3)), (3, 3)),
        # one row of pointwise layers throughout
        ((layer(P=6, H=6), layer(P=6, H=6), layer(P=6, H=6)), (1, 1, 1)),
    ],
)
def test_rows_are_held_backwards_from_the_last_layer(
    layers: tuple[Layer, ...], rows: tuple[int, ...]
) -> None:
    network = chained(*layers)
    (run,) = (x for x in fused_runs(network, 9) if len(x.layers) == len(layers))
    head = network.layers[0]
    assert run.band_elements == tuple(
        n * x.W * x.C for n, x in zip(rows[1:], network.layers[1:], strict=True)
    )
    assert run.input_elements == min(2 * rows[0], head.H) * head.W * head.C


def test_images_of_a_batch_pass_one_after_another() -> None:
    # As on paper, of three images: twice 5 rows of t0 are below 24, two rows of sums below 12.
    (run,) = (x for x in fused_runs(THREE.batched(3), 3) if len(x.layers) == 3)
    assert run.input_elements == 10 * 6 * 2
    assert run.band_elements == (72, 12)
    assert run.psum_elements == (48, 24, 30)
    # One output row in all: its sums once. Of two images: twice.
    last = chained(square(1, 1, 4, 3), layer(K=2, C=1, P=1, Q=1, R=4, S=4, H=4, W=4))
    assert [run.psum_elements for run in fused_runs(last, 2)] == [(8, 2)]
    assert [run.psum_elements for run in fused_runs(last.batched(2), 2)] == [(8, 4)]


# --- residuals ------------------------------------------------------------------------------------

SAME = square(2, 2, 6, 3)  # 72 elements in and out


def added(*names: str) -> Layer:
    """The same, some tensors added."""
    return replace(SAME, residuals=names)


def test_a_residual_within_a_run_costs_nothing() -> None:
    network = chained(SAME, SAME, added("t1"), SAME)
    # t1 is read once more by the third layer, so no run ends at the second.
    assert spans(fused_runs(network, 9)) == [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert spans(fused_runs(network, 2)) == [(1, 2), (2, 3)]
    runs = {(x.first, x.last): x for x in fused_runs(network, 9)}
    assert runs[0, 2].moved == ((), (), ("t3",))
    assert runs[2, 3].moved == (("t1",), ("t4",))  # from outside
    assert runs[0, 2].band_elements == (60, 36)  # 5 and 3 rows of 12, the residual's among them


def test_the_input_of_a_run_is_added_for_nothing() -> None:
    network = chained(SAME, added("t1"), added("t1", "t1"), added("t0"))
    runs = {(x.first, x.last): x for x in fused_runs(network, 9)}
    assert runs[1, 2].moved == ((), ("t3",))  # t1 is the input of both that add it
    assert runs[2, 3].moved == (("t1", "t1"), ("t4", "t0"))
    assert runs[0, 3].moved == ((), (), (), ("t4",))
    bits = dict.fromkeys(network.tensors, 8)
    for ends, read in (((1, 2), 0), ((2, 3), 72 * 8)):
        held = residents(network, bits, ("t1",), [runs[ends].layers])[1]
        rows = fused_layers(network, runs[ends], ARRAY, (8, 8), bits, held)
        assert sum(row.dram_bits.residual for row in rows) == read  # t1 resident, t0 not
    rows = fused_layers(network, runs[2, 3], ARRAY, (8, 8), bits, residents(network, bits, ())[2])
    assert [row.dram_bits.residual for row in rows] == [2 * 72 * 8, 72 * 8]


def test_a_residual_of_fewer_channels_is_added_row_by_row() -> None:
    wide = replace(square(3, 2, 6, 3), residuals=("t0",))
    (run,) = fused_runs(chained(SAME, wide), 2)
    assert run.moved == ((), ("t2",))


HALF = layer(K=2, C=2, P=3, Q=6, R=3, S=3, H=6, W=6, stride=(2, 1))
BACK = layer(K=2, C=2, P=6, Q=6, R=3, S=3, H=3, W=6, input_dilation=(2, 1), residuals=("t1",))


def test_a_residual_around_other_rows_is_not_held() -> None:
    # Rows of t1 are read two at a time, and added one at a time.
    network = chained(SAME, HALF, BACK)
    assert spans(fused_runs(network, 9)) == [(1, 2)]
    (run,) = fused_runs(network, 9)
    assert run.moved == ((), ("t3", "t1"))
    # As many rows as are added, but half of the zero-inserted ones: they do not keep step.
    slow = layer(K=2, C=2, P=6, Q=6, H=6, W=6, input_dilation=(2, 1), residuals=("t1",))
    network = chained(SAME, slow)
    assert not fused_runs(network, 9)
    assert fused_runs(chained(SAME, replace(slow, residuals=())), 9)
    both = replace(slow, stride=(2, 1))
    assert not fused_runs(chained(SAME, both), 9)


def test_a_part_of_the_input_is_added_from_dram() -> None:
    part = replace(added("t0"), parts={"t0": 36})
    (run,) = fused_runs(chained(SAME, part), 2)
    assert run.moved == ((), ("t2", "t0"))
    half = replace(SAME, C=1, parts={"in": 36})
    (run,) = fused_runs(chained(half, added("t0"), t0=72), 2)
    assert run.moved == ((), ("t2", "t0"))
    assert run.input_elements == 6 * 6  # all rows of the one channel that it reads


# --- bands without runs ---------------------------------------------------------------------------


def test_bands_of_no_run_are_none() -> None:
    assert runs_of(THREE, ()) == ()
    for names in (("t0",), ("t3",), ("t2", "t3"), ("t1", "none")):
        assert runs_of(THREE, names) is None
    network = chained(SAME, SAME, added("t1"), SAME)
    assert runs_of(network, ("t1",)) is None  # and t2, over which it is read
    assert runs_of(network, ("t1", "t2")) is not None
    assert spans(runs_of(network, ("t2",)) or ()) == [(1, 2)]


# --- what keeps layers apart ----------------------------------------------------------------------

REFUSED: dict[str, tuple[Network, list[tuple[int, int]]]] = {
    "nothing": (chained(SAME, SAME, SAME), [(0, 1), (0, 2), (1, 2)]),
    "a fused pooling": (
        chained(SAME, layer(K=2, C=2, P=3, Q=3, H=3, W=3), layer(C=2, P=3, Q=3, H=3, W=3), t1=18),
        [(1, 2)],
    ),
    "a class token after a pooling": (chained(replace(SAME, appended=1), SAME), []),
    "other rows and columns": (chained(SAME, layer(C=2, P=9, Q=4, H=9, W=4)), []),
    "channels as images": (chained(SAME, layer(N=2, C=1, P=6, Q=6, H=6, W=6)), []),
    "a tensor that is only added": (chained(SAME, replace(added("t1"), input="t0")), []),
    "all of it read at once": (chained(SAME, layer(C=72)), []),
    "images as rows": (chained(SAME, layer(N=6, C=2, Q=6, W=6)), []),
    "a movement after it": (
        chained(SAME, replace(SAME, R=1, S=1, moves=True), SAME),
        [],
    ),
    "a product": (
        chained(SAME, layer(K=6, C=2, P=36, H=36, weight_tensor="w"), w=12),
        [],
    ),
    "a tensor read again later": (chained(SAME, SAME, replace(SAME, input="t1")), []),
    "a weight tensor of another": (
        chained(SAME, SAME, layer(K=12, C=6, P=12, H=12, weight_tensor="t1"), t2=72),
        [],
    ),
    "a residual of a movement": (
        chained(SAME, SAME, replace(SAME, R=1, S=1, moves=True, residuals=("t1",))),
        [],
    ),
    "a residual of other rows": (
        chained(SAME, SAME, layer(K=2, C=2, P=12, Q=3, H=12, W=3, residuals=("t1",))),
        [],
    ),
    "a part added": (
        chained(SAME, SAME, replace(added("t1"), parts={"t1": 9})),
        [(1, 2)],
    ),
    "a part read": (
        chained(SAME, replace(SAME, C=1, parts={"in": 36})),
        [],
    ),
    "a part written after a pooling": (
        chained(
            replace(SAME, parts={"out": 36}),
            replace(SAME, K=1, input="t0", output="t1", parts={"t1": 36}),
            replace(SAME, input="t1"),
            t1=72,
        ),
        [],
    ),
    "a part that is all": (chained(replace(SAME, parts={"out": 72}), SAME), []),
    "parts written": (
        chained(
            replace(SAME, K=1, output="both", parts={"both": 36}),
            replace(SAME, K=1, input="t0", output="both", parts={"both": 36}),
            replace(SAME, input="both"),
            both=72,
        ),
        [],
    ),
}


@pytest.mark.parametrize("why", [*REFUSED])
def test_layers_that_cannot_be_fused(why: str) -> None:
    network, runs = REFUSED[why]
    assert spans(fused_runs(network, 9)) == runs


def test_a_run_may_read_a_part_and_write_one() -> None:
    network = chained(
        replace(SAME, C=1, parts={"in": 36}),
        replace(SAME, output="both", parts={"both": 72}),
        replace(SAME, input="t0", output="both", parts={"both": 72}),
        layer(K=1, C=4, P=6, Q=6, H=6, W=6, input="both"),
        t0=72,
        both=144,
    )
    (run,) = fused_runs(network, 9)
    assert (run.first, run.last, run.moved) == (0, 1, ((), ("both",)))
    bits = dict.fromkeys(network.tensors, 8)
    rows = fused_layers(network, run, ARRAY, (8, 8), bits, residents(network, bits, ())[0])
    assert (rows[0].dram_bits.ifmap, rows[1].dram_bits.output) == (36 * 8, 72 * 8)
    kept = residents(network, bits, ("both",), [run.layers])
    # Written by the last layer of the run, so there from its first on.
    assert [x.bits for x in kept] == [144 * 8] * 4
    rows = fused_layers(network, run, ARRAY, (8, 8), bits, kept[0])
    assert (rows[1].dram_bits.output, rows[0].resident_bits) == (0, 144 * 8)


def test_what_is_resident_during_one_layer_is_during_all_of_its_run() -> None:
    network = chained(SAME, SAME, SAME, SAME, added("t1"), SAME)
    bits = dict.fromkeys(network.tensors, 1)
    run = next(x for x in fused_runs(network, 9) if (x.first, x.last) == (2, 3))
    # t1 lives over layers 0 to 4, t2 over 1 and 2, t4 over 3 and 4, t5 over 4 and 5
    assert live_during(network, run) == {"t1", "t2", "t4"}
    held = residents(network, bits, ("t1", "t2", "t4", "t5"), [run.layers])
    assert [x.bits for x in held] == [72, 2 * 72, 3 * 72, 3 * 72, 3 * 72, 72]
    unfused = residents(network, bits, ("t1", "t2", "t4", "t5"))
    assert [x.bits for x in unfused] == [72, 2 * 72, 2 * 72, 2 * 72, 3 * 72, 72]
