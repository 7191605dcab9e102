"""Rows of transposed convolutions, counted one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from codesign import Layer
from codesign.costs.compute import PEArray
from codesign.costs.pixel_tiles import vertical
from codesign.costs.tiling import tilings

ZEROS = [
    (R, dilation, stride, u)
    for R in (1, 2, 3, 4, 5)
    for dilation in (1, 2)
    for stride in (1, 2, 3)
    for u in (1, 2, 3, 4)
]


def with_zeros(R: int, dilation: int, stride: int, u: int) -> Layer:
    """A transposed convolution over 12 stored rows."""
    reach = (R - 1) * dilation + 1
    P = (12 * u + reach - 2) // stride + 1
    return Layer(
        name="up",
        K=1,
        C=1,
        P=P,
        H=12,
        R=R,
        stride=stride,
        dilation=dilation,
        input_dilation=u,
        input="x",
        output="y",
    )


def rows_of_tile(layer: Layer, first: int, rows: int, padding: int) -> set[int]:
    """Stored rows under a tile of output rows, counted one by one; zeros and padding left out."""
    u, stride = layer.spread_rows, layer.stride_rows
    start = first * stride - padding
    covered = range(start, start + (rows - 1) * stride + layer.kernel_rows)
    return {row // u for row in covered if row % u == 0 and 0 <= row // u < layer.H}


@pytest.mark.parametrize(("R", "dilation", "stride", "u"), ZEROS)
def test_rows_read_bound_the_row_sets_and_are_reached(
    R: int, dilation: int, stride: int, u: int
) -> None:
    layer = with_zeros(R, dilation, stride, u)
    for rows in (rows for rows in (1, 2, 3, 5) if rows <= layer.P):
        held, shared, fetched = [], [], []
        for padding in range(2 * u + layer.kernel_rows):
            starts = range(0, layer.P, rows)
            tiles = [
                rows_of_tile(layer, first, min(rows, layer.P - first), padding) for first in starts
            ]
            held += [len(tile) for tile in tiles]
            shared += [len(one & other) for one, other in pairwise(tiles)]
            fetched.append(sum(map(len, tiles)))
        assert max(held) == vertical(layer).held(rows)
        whole = rows * stride >= layer.kernel_rows  # else a tile meets the one after the next too
        assert max(shared, default=0) <= vertical(layer).halo
        if len(starts) > 2 and whole:
            assert max(shared) == vertical(layer).halo
        read = min(
            12 + (len(starts) - 1) * vertical(layer).halo, len(starts) * vertical(layer).held(rows)
        )
        assert max(fetched) <= read
        if len(starts) > 1:
            used = tilings(layer, PEArray(1, 1, 9))
            mine = used.traffic[used.tile[:, 3] == rows]
            assert len(mine) == 0 or mine[:, 1].min() == read


def test_without_zeros_rows_are_what_they_were() -> None:
    plain = with_zeros(3, 1, 1, 1)
    assert [vertical(plain).held(rows) for rows in (1, 2, 12, 14)] == [3, 4, 12, 12]
    assert vertical(plain).halo == 2
