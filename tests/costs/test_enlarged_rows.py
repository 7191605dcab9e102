"""Windows that see each stored row several times: rows held and read, counted one by one."""

from __future__ import annotations

import random
from itertools import pairwise, product

import pytest
from line_buffers import rows_missed
from small_layers import layer

from codesign import Layer, SpecError
from codesign.costs.fusion import _rows_held
from codesign.costs.pixel_tiles import horizontal, vertical

KINDS = [*product((1, 2, 3, 4, 5), (1, 2), (1, 2, 3), (2, 3, 4))]  # R, dilation, stride, repeated
STORED = 7


def of_all_paddings(R: int, dilation: int, stride: int, again: int) -> list[tuple[Layer, int]]:
    """Layers over so many rows, each seen several times, and the zeros above them."""
    reach, found = (R - 1) * dilation + 1, []
    for P in range(2, STORED * again + reach):
        zeros = (P - 1) * stride + reach - STORED * again
        if 0 <= zeros <= 2 * (reach - 1):
            steps = {"stride": stride, "dilation": dilation, "input_repetition": again}
            found.append((layer(P=P, R=R, H=STORED, **steps), zeros // 2))
    return found


def under_tiles(x: Layer, rows: int, above: int, inside: bool) -> list[set[int]]:
    """Stored rows under each tile of output rows; ``inside``: of the image, not of its padding."""
    found = []
    for first in range(0, x.P, rows):
        start, size = first * x.stride_rows - above, min(rows, x.P - first)
        covered = range(start, start + (size - 1) * x.stride_rows + x.kernel_rows)
        stored = {row // x.spread_rows for row in covered}
        found.append({row for row in stored if 0 <= row < x.H} if inside else stored)
    return found


@pytest.mark.parametrize(("R", "dilation", "stride", "again"), KINDS)
def test_rows_are_those_under_the_windows(R: int, dilation: int, stride: int, again: int) -> None:
    for x, above in of_all_paddings(R, dilation, stride, again):
        down = vertical(x)
        assert down == horizontal(layer(Q=x.P, S=R, W=STORED, **steps_of(x)))
        for rows in range(1, x.P):
            seen, tiles = (under_tiles(x, rows, above, inside) for inside in (False, True))
            assert down.held(rows) == min(STORED, max(map(len, seen)))
            assert max(map(len, tiles)) <= down.held(rows) <= down.held_anywhere(rows)
            assert max(len(one & other) for one, other in pairwise(seen)) <= down.halo
            assert sum(map(len, tiles)) <= down.read(rows)
            # Neighbours share rows of the image alone, no others share any, and all are seen.
            both = [one & other for one, other in pairwise(seen)]
            plain = all(0 <= row < STORED for rows_shared in both for row in rows_shared)
            plain &= not any(one & other for one, other in zip(seen, seen[2:], strict=False))
            if plain and set.union(*tiles) == {*range(STORED)}:
                assert sum(map(len, tiles)) == down.read(rows)


def steps_of(x: Layer) -> dict[str, int]:
    """What it does to positions of its input."""
    names = ("stride", "dilation", "input_repetition")
    return {name: getattr(x, name) for name in names}


def test_as_many_rows_as_by_hand() -> None:
    # 8 rows enlarged to 16 under 3 × 3 windows, one row of zeros above. Tiles of 4 begin at −1, 3,
    # 7 and 11 of the enlarged rows: they see −1…2, 1…4, 3…6 and 5…8 of those stored, where
    # −1 and 8 are padding. So 8 + 3 · 2 are read. Tiles of 5 see −1…2, 2…5, 4…7 and 7…8: 2, 4, 7
    # twice would be 8 + 1 + 2 + 1.
    down = vertical(layer(P=16, R=3, H=8, input_repetition=2))
    assert (down.held(4), down.read(4), down.read(5)) == (4, 14, 12)
    assert (down.held(1), down.held(16), down.read(16)) == (2, 8, 8)
    # Enlarged twice, a 1 × 1 window reads each row once in tiles of even rows.
    point = vertical(layer(P=16, H=8, input_repetition=2))
    assert [point.read(rows) for rows in (1, 2, 3, 4)] == [16, 8, 11, 8]
    assert [point.held(rows) for rows in (1, 2, 3, 4)] == [1, 1, 2, 2]


def test_fused_layers_hold_what_their_windows_need() -> None:
    repeated = 0
    for seed in range(200):
        rng, layers, above = random.Random(seed), list[Layer](), list[int]()
        rows = rng.randint(1, 5)
        for _ in range(rng.choice((2, 3))):
            again, R, stride = (
                rng.choice((1, 2, 2, 3)),
                rng.choice((1, 2, 3)),
                rng.choice((1, 1, 2)),
            )
            zeros = rng.randint(0, R - 1), rng.randint(0, R - 1)
            P = max(1, (rows * again + sum(zeros) - R) // stride + 1)
            layers.append(layer(P=P, H=rows, R=R, stride=stride, input_repetition=again))
            above.append(zeros[0])
            rows = P
            repeated += again > 1
        assert rows_missed(layers, above, _rows_held(layers)) == 0
    assert repeated > 150


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"P": 30, "R": 3, "H": 8, "input_repetition": 2}, "do not fit an ifmap of 16"),
        ({"P": 16, "H": 8, "input_repetition": (2, 1), "input_dilation": 2}, "zeros between them"),
        ({"P": 600, "H": 2, "input_repetition": (300, 1)}, "at most 256"),
        ({"moves": True, "input_repetition": 2}, "it has no input_repetition"),
    ],
)
def test_what_is_none(given: dict[str, int], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        layer(**given)
