"""Windows that see nothing but padding: rows bounded by counting, and the optimum enumerated."""

from __future__ import annotations

import json
import random

import pytest
from compare_designs import compare
from line_buffers import rows_missed
from random_problems import random_case
from seeds import check_all
from small_layers import layer

import codesign
from codesign import Layer
from codesign.checking import check_content
from codesign.costs.fusion import _rows_held
from codesign.costs.pixel_tiles import vertical
from codesign.errors import InfeasibleError
from codesign.specs.layer import most_padding


def padded(rng: random.Random, rows: int, padding: int | None = None) -> tuple[Layer, int]:
    """A layer over so many rows, and the zeros above them; at most as many as it may have."""
    taps, apart, step = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 3))
    reach = (taps - 1) * apart + 1
    most = most_padding(reach)
    above, below = (rng.randint(0, most) for _ in range(2))
    if padding is not None:
        above, below = padding, padding
    outputs = max(1, (rows + above + below - reach) // step + 1)
    return layer(P=outputs, H=rows, R=taps, dilation=apart, stride=step), above


def test_tiles_read_no_more_than_is_counted() -> None:
    alone = 0
    for seed in range(300):
        rng = random.Random(seed)
        made, above = padded(rng, rng.randint(1, 9))
        down, tile = vertical(made), rng.randint(1, made.P)
        tiles = []
        for first in range(0, made.P, tile):
            start = first * made.stride_rows - above
            reach = (min(tile, made.P - first) - 1) * made.stride_rows + made.kernel_rows
            tiles.append({row for row in range(start, start + reach) if 0 <= row < made.H})
        assert max(map(len, tiles)) <= down.held(tile)
        assert sum(map(len, tiles)) <= down.read(tile)
        alone += not all(tiles)
    assert alone > 20


def test_fused_layers_hold_what_their_windows_need() -> None:
    alone = 0
    for seed in range(300):
        rng = random.Random(f"fused {seed}")
        layers, above, rows = list[Layer](), list[int](), rng.randint(1, 6)
        for _ in range(rng.choice((2, 3))):
            made, zeros = padded(rng, rows)
            layers.append(made)
            above.append(zeros)
            rows = made.P
        assert rows_missed(layers, above, _rows_held(layers)) == 0
        alone += any(zeros >= x.kernel_rows for x, zeros in zip(layers, above, strict=True))
    assert alone > 50


def check(seed: int) -> bool:
    """Whether windows of some layer see nothing but padding in any case."""
    case = random_case(seed, padded=True, moving=seed % 3 == 1)
    compare(case)
    try:
        design = codesign.solve(case.problem)
    except InfeasibleError:
        return False
    content = json.loads(json.dumps(design.to_dict()))
    assert check_content(content, "design").findings == ()
    return any(
        (x.P - 1) * x.stride_rows + 1 > x.H * x.spread_rows + x.kernel_rows
        for x in design.network.layers
        if not x.moves
    )


@pytest.mark.slow
def test_the_optimum_is_the_enumerated_one() -> None:
    assert sum(check(seed) for seed in range(4))


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 500, 50))
def test_the_optimum_is_the_enumerated_one_at_length(first: int) -> None:
    check_all(range(first, first + 50), check)
