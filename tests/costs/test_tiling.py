"""Tilings: by hand, the arithmetic in the comments, and against a literal enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from small_layers import ENGINE, best_of, layer, rows_of, square

from codesign import Layer
from codesign.costs import tiling
from codesign.costs.compute import PEArray, fold
from codesign.costs.pixel_tiles import horizontal, pixel_tiles, vertical
from codesign.costs.tiling import ORDERS, operand_bits, tilings
from codesign.space import staircase

# --- widths and sizes by hand -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (square(1, 64, 3, 3), 10),  # ⌈log2 576⌉ = ⌈9.17⌉
        (square(1, 16, 3, 2), 6),  # log2 64, exactly
        (square(1, 65, 3, 1), 7),  # ⌈log2 65⌉ = ⌈6.02⌉
        (layer(), 0),  # one product and no sum
    ],
)
def test_width_of_partial_sums(described: Layer, expected: int) -> None:
    assert described.accumulation_bits == expected
    # bw + ba + ⌈log2(C·R·S)⌉ = 4 + 8 + …
    assert operand_bits(4, 8, expected).tolist() == [4, 8, 12 + expected]


def test_operand_widths_broadcast() -> None:
    bits = operand_bits([[2], [4]], [[3, 5]], 6)
    assert bits.tolist() == [[[2, 3, 11], [2, 5, 13]], [[4, 3, 13], [4, 5, 15]]]


# Trips of (k, c, p); for each order (outermost first) how often weights {k, c}, ifmap {c, p} and
# outputs {k, p} are fetched: times the trips of the third loop if one of theirs with more than one
# trip runs inside it.
REFETCHES: dict[tuple[int, int, int], dict[str, tuple[int, int, int]]] = {
    (2, 3, 5): {
        "kcp": (1, 2, 3),
        "ckp": (1, 2, 3),
        "kpc": (5, 2, 1),
        "pkc": (5, 2, 1),
        "cpk": (5, 1, 3),
        "pck": (5, 1, 3),
    },
    (2, 1, 5): {  # with one c-tile an order is a matter of k and p
        "kcp": (1, 2, 1),
        "ckp": (1, 2, 1),
        "kpc": (1, 2, 1),
        "pkc": (5, 1, 1),
        "cpk": (5, 1, 1),
        "pck": (5, 1, 1),
    },
    (2, 3, 1): {  # with one p-tile weights are never fetched again
        "kcp": (1, 2, 1),
        "ckp": (1, 1, 3),
        "kpc": (1, 2, 1),
        "pkc": (1, 2, 1),
        "cpk": (1, 1, 3),
        "pck": (1, 1, 3),
    },
    (1, 3, 5): {  # with one k-tile neither is the ifmap
        "kcp": (1, 1, 3),
        "ckp": (1, 1, 3),
        "kpc": (5, 1, 1),
        "pkc": (5, 1, 1),
        "cpk": (1, 1, 3),
        "pck": (5, 1, 1),
    },
}


@pytest.mark.parametrize("trips", REFETCHES)
def test_refetch_of_each_order(trips: tuple[int, int, int]) -> None:
    loops = {name: np.array([count]) for name, count in zip("kcp", trips, strict=True)}
    found = tiling._refetches(loops)[:, 0]
    assert {order: tuple(row) for order, row in zip(ORDERS, found.tolist(), strict=True)} == (
        REFETCHES[trips]
    )


# Output rows of a tile: rows of the ifmap it holds, rows read in all.
HALO: dict[str, tuple[Layer, dict[int, tuple[int, int]]]] = {
    # 3 rows, stride 1: neighbours share 2. One row per tile: min(8 + 7·2, 8·3) = 22 are read; four
    # rows per tile hold 3 + 3 = 6 and read min(8 + 2, 12) = 10.
    "stride 1": (square(1, 1, 8, 3), {1: (3, 22), 2: (4, 14), 3: (5, 12), 4: (6, 10), 8: (8, 8)}),
    # Stride 2: neighbours share 3 − 2 = 1. Two rows hold 2 + 3 = 5 and read min(8 + 1, 2·5) = 9;
    # one row reads min(8 + 3, 4·3) = 11.
    "stride 2": (
        square(1, 1, 4, 3, H=8, W=8, stride=2),
        {1: (3, 11), 2: (5, 9), 4: (8, 8)},
    ),
    # 1×1, stride 2: nothing shared, and rows between tiles are skipped: two rows hold 3 and read
    # min(8, 2·3) = 6, one row reads min(8, 4·1) = 4; a whole image holds 7 and is read whole.
    "1x1 stride 2": (
        square(1, 1, 4, 1, H=8, W=8, stride=2),
        {1: (1, 4), 2: (3, 6), 4: (7, 8)},
    ),
    # Taps two rows apart reach over 5: two rows hold 6 and read min(8 + 3·4, 4·6) = 20.
    "dilation 2": (
        square(1, 1, 8, 3, dilation=2),
        {1: (5, 36), 2: (6, 20), 3: (7, 16), 4: (8, 12), 8: (8, 8)},
    ),
    # Stride and dilation as pairs: only the vertical ones count.
    "vertical": (
        square(1, 1, 4, 3, H=8, W=8, stride=(2, 1), dilation=(1, 2)),
        {1: (3, 11), 2: (5, 9), 4: (8, 8)},
    ),
}


@pytest.mark.parametrize("case", HALO)
def test_halo_rows(case: str) -> None:
    described, rows = HALO[case]
    for p, (held, read) in rows.items():
        assert vertical(described).held(p) == held
        assert vertical(described).read(p) == read


def test_halo_columns() -> None:
    # Kernel 5, stride 2, taps two apart, every other column stored: taps reach over 9, neighbours
    # share 9 − 2 = 7, of which ⌈7/2⌉ = 4 may be stored. Three columns cover 2·2 + 9 = 13, that is
    # 7 stored ones; all 6 take 2 tiles and read min(8 + 4, 2·7) = 12. Rows have none of it.
    wide = layer(P=4, Q=6, H=4, W=8, S=5, stride=(1, 2), dilation=(1, 2), input_dilation=(1, 2))
    assert (horizontal(wide).held(3), horizontal(wide).read(3)) == (7, 12)
    assert (vertical(wide).held(3), vertical(wide).read(3)) == (3, 4)


def test_tiles_of_rows_and_columns() -> None:
    # 3×1, 2 × 3 outputs of one channel, of which the kernel's rows share 2. Rows × columns: ifmap
    # elements held, outputs held, read, trips.
    # 1×1: 2·1, 1, 4·3, 6    1×2: 2·2, 2, 4·3, 4    1×3: 2·3, 3, 4·3, 2
    # 2×1: 2·1, 2, 2·3, 3    2×2: 2·2, 4, 2·3, 2    2×3: 2·3, 6, 2·3, 1
    # 1×2 loses to 2×1. Where trips do not count, so do 1×3, and 2×2 to 2×1; one tile alone needs
    # no second buffer.
    tiles = pixel_tiles(layer(P=2, Q=3, H=2, W=3, R=3))
    found = zip(*(x.tolist() for x in (*tiles, tiles.pixels)), strict=True)
    assert {each[:2]: each[3:] for each in found} == {
        (1, 1): (6, 2, 12, True, 1),
        (1, 3): (2, 6, 12, False, 3),
        (2, 1): (3, 2, 6, True, 2),
        (2, 2): (2, 4, 6, False, 4),
        (2, 3): (1, 6, 6, True, 6),
    }


def test_tiles_of_a_fitting_layer() -> None:
    # 3×1, 2 → 3 channels on 4×4: one tile of channels, 3·2·3 = 18 weights. Rows 1, 2, 4 at a time
    # (3 takes as many trips as 2 and holds more), one column (two read the same and hold more). A
    # tile of p rows holds 2·rows ifmap elements and 3·p outputs, both twice where there are more;
    # weights have one tile, held once. Rows read: 1 at a time min(4 + 3·2, 4·3) = 10; 2 at a time
    # min(4 + 2, 2·4) = 6; else 4; of 2 channels and 2 columns. In one tile the layer needs twice as
    # much as of 4 rows and one column, but without a second buffer: the same.
    fitting = layer(K=3, C=2, P=4, H=4, Q=2, W=2, R=3)
    found = best_of(tilings(fitting, PEArray(4, 4, ENGINE)))
    assert found == {
        ((1, 3, 2, 1, 1, 1), "kcp"): ([18, 2 * 2 * 3, 2 * 3 * 1], [18, 2 * 10 * 2, 0]),
        ((1, 3, 2, 2, 1, 1), "kcp"): ([18, 2 * 2 * 4, 2 * 3 * 2], [18, 2 * 6 * 2, 0]),
        ((1, 3, 2, 4, 2, 1), "kcp"): ([18, 2 * 4 * 2, 3 * 4 * 2], [18, 2 * 4 * 2, 0]),
    }


def test_double_buffers_and_spills_of_a_cut_layer() -> None:
    # Fully connected 40 → 4 on 2×2: granules of 2·9 = 18 inputs, 2 outputs. One position.
    # k = 2 (2 trips) or 4; c = 18 (⌈40/18⌉ = 3 trips), 36 (2 trips) or 40.
    found = rows_of(tilings(layer(K=4, C=40), PEArray(2, 2, ENGINE)))
    # Both cut, k outermost: each k-tile reads the 40 inputs again, no sum is spilled. Weights have
    # 2·3 tiles, inputs 3, outputs 2: all held twice.
    assert found[(1, 2, 18, 1, 1, 1), "kcp"] == ([2 * 36, 2 * 18, 2 * 2], [160, 80, 0])
    # c outermost: inputs once, but each of 3 c-tiles visits the 4 sums: 2 spills and reloads each.
    assert found[(1, 2, 18, 1, 1, 1), "ckp"] == ([2 * 36, 2 * 18, 2 * 2], [160, 40, 2 * 4 * 2])
    # Only c cut: nothing is fetched again; outputs have one tile and are held once.
    assert found[(1, 4, 18, 1, 1, 1), "kcp"] == ([2 * 72, 2 * 18, 4], [160, 40, 0])


def test_double_buffers_of_cut_outputs() -> None:
    # Fully connected 5 → 3 on one column: one output at a time, 3 trips. Weights and outputs have
    # three tiles and are held twice, the inputs one. Two outputs at a time hold 2·10 weights, all
    # three 15: more, for the same traffic.
    assert best_of(tilings(layer(K=3, C=5), PEArray(1, 1, ENGINE))) == {
        ((1, 1, 5, 1, 1, 1), "kcp"): ([2 * 5, 5, 2 * 1], [15, 5, 0])
    }


def test_whole_images_of_a_batch() -> None:
    # 1×1, 4 images of 2 rows and 1 column, one channel: a tile is 1 row (4·2 = 8 trips) or 1, 2, 4
    # whole images (4, 2, 1 trips; 3 images take 2 trips like 2). Inputs and outputs of one row are
    # alike: 1 element, 2·images in all; held twice but for the whole batch. Moved: 8 inputs.
    batch = layer(N=4, P=2, H=2)
    tiles = pixel_tiles(batch)
    assert tiles.p.tolist() == [2, 2, 2, 1]
    assert tiles.images.tolist() == [4, 2, 1, 1]
    assert tiles.trips.tolist() == [1, 2, 4, 8]
    # One row at a time moves as little as the whole batch and holds least: the rest is dropped.
    assert best_of(tilings(batch, PEArray(1, 1, ENGINE))) == {
        ((1, 1, 1, 1, 1, 1), "kcp"): ([1, 2, 2], [1, 8, 0])
    }
    # With a 3-row kernel the halo makes rows dearer: 3·1 + … per image min(2 + 2, 2·2) = 4 rows.
    halo = rows_of(tilings(layer(N=4, P=2, H=2, R=3), PEArray(1, 1, ENGINE)))
    assert halo[(1, 1, 1, 1, 1, 1), "kcp"] == ([3, 2 * 2, 2], [3, 4 * 4, 0])
    assert halo[(1, 1, 1, 2, 1, 1), "kcp"] == ([3, 2 * 2, 4], [3, 8, 0])


def test_weights_again_for_every_image() -> None:
    # 2 → 2 channels, 1×1, 3 images of one position, on an array of one column: one output channel
    # at a time or both, and one image at a time (6 inputs in all).
    found = rows_of(tilings(layer(N=3, K=2, C=2), PEArray(1, 1, ENGINE)))
    # Output channels outside, images inside: the 6 inputs are read for each of 2 channels.
    assert found[(1, 1, 2, 1, 1, 1), "kcp"] == ([2 * 2, 2 * 2, 2 * 1], [4, 2 * 6, 0])
    # Images outside: the 4 weights are read for each of 3 images.
    assert found[(1, 1, 2, 1, 1, 1), "pkc"] == ([2 * 2, 2 * 2, 2 * 1], [3 * 4, 6, 0])
    # Both channels at once: weights stay, held once.
    assert found[(1, 2, 2, 1, 1, 1), "kcp"] == ([4, 2 * 2, 2 * 2], [4, 6, 0])


def test_groups_side_by_side() -> None:
    # 5 depthwise groups, 3×3, one row of 4 columns, on 2×2: 2 at a time. A tile of 2 groups has
    # ⌈5/2⌉ = 3 trips; 4 groups 2 trips; all 5 one. No weight is fetched twice, 45 in all. Two
    # columns at a time hold 4 inputs of each group and read 4 + 2 of each; one holds 3 and reads
    # min(4 + 3·2, 4·3) = 10; four read the 5·4 inputs once.
    deep = layer(G=5, P=1, Q=4, H=1, W=4, R=3, S=3)
    assert tiling._channel_tiles(deep, fold(deep, PEArray(2, 2, ENGINE))).tolist() == [
        [5, 1, 1, 1, 1, 1],
        [4, 1, 1, 2, 1, 1],
        [2, 1, 1, 3, 1, 1],
    ]
    found = rows_of(tilings(deep, PEArray(2, 2, ENGINE)))
    assert found == {
        ((2, 1, 1, 1, 4, 1), "kcp"): ([2 * 18, 2 * 2 * 4, 2 * 2 * 4], [45, 20, 0]),
        ((2, 1, 1, 1, 2, 1), "kcp"): ([2 * 18, 2 * 2 * 4, 2 * 2 * 2], [45, 5 * 6, 0]),
        ((2, 1, 1, 1, 1, 1), "kcp"): ([2 * 18, 2 * 2 * 3, 2 * 2 * 1], [45, 5 * 10, 0]),
    }


def test_groups_one_after_the_other() -> None:
    # 2 groups of 2 → 4 channels on one column: K does not fit, so g = 1 and the groups are an
    # outermost loop: every operand has at least 2 tiles and is held twice. 1×1, one position.
    found = rows_of(tilings(layer(G=2, K=4, C=2), PEArray(1, 1, ENGINE)))
    # k = 1: 4 trips per group; per group 8 weights once, 2 inputs once (one c-tile, one p-tile).
    assert found == {((1, 1, 2, 1, 1, 1), "kcp"): ([2 * 2, 2 * 2, 2 * 1], [16, 4, 0])}


# --- sorted by one number, or by several where that has no room --------------------------------


def test_tilings_are_the_same_however_they_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And their staircases, with steps of equal need among them."""
    bits = operand_bits(np.arange(1, 9)[:, None], np.arange(1, 9), 7)
    for described in (square(14, 96, 3, 40), square(56, 24, 1, 144), layer(K=60, C=48)):
        array = PEArray(4, 6, ENGINE)
        every = tilings(described, array)
        stairs = staircase.build_staircase(every, bits)
        with monkeypatch.context() as patched:
            patched.setattr(tiling, "MOST_CODES", 0)
            patched.setattr(staircase, "MOST_KEY_BITS", 0)
            patched.setattr(staircase, "AS_SOON_SORTED", 10**9)  # compared with none
            again = tilings(described, array)
            for name in ("tile", "order", "need", "traffic"):
                assert np.array_equal(getattr(every, name), getattr(again, name))
            others = staircase.build_staircase(again, bits)
        assert np.array_equal(stairs.need, others.need)
        assert np.array_equal(stairs.traffic, others.traffic)
        # What a step says is what its tiling has.
        real = np.isfinite(stairs.need)
        rows = stairs.row[real]
        pair = np.broadcast_to(bits[:, :, None], (*real.shape, 3))[real]
        assert np.array_equal((every.need[rows] * pair).sum(axis=1), stairs.need[real])
        assert np.array_equal(
            (every.traffic[rows] * pair).sum(axis=1), stairs.traffic[..., 1:][real]
        )
