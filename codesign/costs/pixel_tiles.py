"""Tiles of a layer's output pixels: rows × columns of one image, or whole images.

A tile of ``tp`` output rows × ``tq`` output columns lies in a grid of ``⌈P/tp⌉ × ⌈Q/tq⌉`` tiles,
rows of tiles outside, ragged at the bottom and on the right. Along either direction it reads the
stored rows, or columns, that its windows cover, and shares a halo with its neighbours; what it
holds, and what is read, is the product of both directions.

What a tile costs grows with four numbers, whatever the array, the channels and the bitwidths: the
ifmap elements it holds per channel, the output pixels it holds, the ifmap elements read per
channel, and the trips of the loop over tiles. (Buffers are doubled where there is more than one
trip, which no tile of fewer trips has and one of more trips has not.) So only tiles are listed that
no other one equals or beats in all four.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from codesign.arrays import Bools, Ints
from codesign.costs.compute import ceil_div
from codesign.specs.layer import Layer, along

CACHED = 1024  # kinds of layers whose tiles are kept
AT_ONCE = 64  # tiles that all others are compared with at once


class Axis(NamedTuple):
    """One of a layer's two directions.

    Attributes
    ----------
    outputs, stored : int
        Output rows (or columns), and those of the ifmap as stored.
    kernel : int
        Rows (columns) that one dilated kernel covers.
    stride : int
    input_dilation : int
        Of so many rows (columns) that a kernel covers one is stored; the others are zeros.
    """

    outputs: int
    stored: int
    kernel: int
    stride: int
    input_dilation: int

    def held(self, tile: int) -> int:
        """Stored rows (columns) that a tile reads at most: ``min(H, ⌈((t − 1)·stride + R)/u⌉)``.

        How the tile lies over those that are stored depends on the padding, so the worst case
        counts.
        """
        covered = (tile - 1) * self.stride + self.kernel
        return min(self.stored, ceil_div(covered, self.input_dilation))

    @property
    def most_read(self) -> int:
        """No tiles of rows (columns) read more of them."""
        return self.stored + (self.outputs - 1) * self.halo

    @property
    def halo(self) -> int:
        """Stored rows (columns) adjoining tiles share at most: ``⌈max(R − stride, 0) / u⌉``."""
        return ceil_div(max(self.kernel - self.stride, 0), self.input_dilation)

    def read(self, tile: int) -> int:
        """Stored rows (columns) read per image, halos once per tile; all, where one tile is all."""
        trips = ceil_div(self.outputs, tile)
        if trips == 1:
            return self.stored
        return min(self.stored + (trips - 1) * self.halo, trips * self.held(tile))


def vertical(layer: Layer) -> Axis:
    """A layer's rows."""
    return _axis(layer, 0)


def horizontal(layer: Layer) -> Axis:
    """A layer's columns."""
    return _axis(layer, 1)


def _axis(layer: Layer, direction: int) -> Axis:
    outputs, stored, taps = ((layer.P, layer.H, layer.R), (layer.Q, layer.W, layer.S))[direction]
    kernel = (taps - 1) * along(direction, layer.dilation) + 1
    steps = along(direction, layer.stride), along(direction, layer.input_dilation)
    return Axis(outputs, stored, kernel, *steps)


class PixelTiles(NamedTuple):
    """Tiles of a layer's pixels, one entry each.

    Attributes
    ----------
    p, q, images : ints, shape (n,)
        Output rows, columns and images of a tile; of several images, all rows and columns.
    trips : ints, shape (n,)
        Of the loop over tiles, all images.
    held : ints, shape (n,)
        Ifmap elements of a tile, per channel.
    read : ints, shape (n,)
        Ifmap elements read by one pass over all tiles, per channel.
    frugal : bools, shape (n,)
        Whether no other one equals or beats it where it does not matter how many trips there are
        beyond one: where the weights are fetched once.
    """

    p: Ints
    q: Ints
    images: Ints
    trips: Ints
    held: Ints
    read: Ints
    frugal: Bools

    @property
    def pixels(self) -> Ints:
        """(n,): outputs of a tile, per channel."""
        return np.asarray(self.p * self.q * self.images)


def pixel_tiles(layer: Layer, granule: int = 1, in_turn: tuple[int, int] = (1, 1)) -> PixelTiles:
    """The tiles of a layer's pixels that no other one equals or beats.

    Parameters
    ----------
    granule : int
        Every tile of an image but the last, rows of tiles outside, has a multiple of so many
        pixels.
    in_turn : (int, int)
        Phases that rows and columns of outputs go through: tiles have whole rounds of them, and a
        multiple of ``granule`` pixels in each phase, as many as the largest has.
    """
    return _pixel_tiles(layer.N, vertical(layer), horizontal(layer), granule, in_turn)


def count_pixel_tiles(layer: Layer, granule: int = 1, in_turn: tuple[int, int] = (1, 1)) -> int:
    """Tiles that `pixel_tiles` compares."""
    grids = sum(len(p) * len(q) for p, q in _grids(layer.P, layer.Q, granule, in_turn))
    return grids + len(smallest_tiles(layer.N, 1))


@lru_cache(maxsize=CACHED)
def _pixel_tiles(
    images: int, down: Axis, across: Axis, granule: int, in_turn: tuple[int, int]
) -> PixelTiles:
    whole = down.outputs, across.outputs
    held, read = down.held(whole[0]) * across.held(whole[1]), down.stored * across.stored
    batches = [
        (*whole, n, trips, n * held, images * read) for n, trips in smallest_tiles(images, 1)
    ]
    tiles = [np.array(batches, dtype=np.int64)]
    for of_rows, of_cols in _grids(down.outputs, across.outputs, granule, in_turn):
        i, j = (grid.ravel() for grid in np.indices((len(of_rows), len(of_cols))))
        (p, trips_p, held_p, read_p), (q, trips_q, held_q, read_q) = (
            np.array([(t, n, axis.held(t), axis.read(t)) for t, n in sizes], dtype=np.int64)[k].T
            for axis, sizes, k in ((down, of_rows, i), (across, of_cols, j))
        )
        trips, read = images * trips_p * trips_q, images * read_p * read_q
        tiles.append(np.stack([p, q, np.ones_like(p), trips, held_p * held_q, read], axis=1))
    p, q, n, trips, held, read = np.concatenate(tiles).T
    kept = _undominated(np.stack([held, p * q * n, read, trips]))
    p, q, n, trips, held, read = (x[kept] for x in (p, q, n, trips, held, read))
    frugal = np.zeros(len(kept), dtype=bool)
    frugal[_undominated(np.stack([held, p * q * n, read, trips > 1]))] = True
    found = PixelTiles(p, q, n, trips, held, read, frugal)
    for array in found:
        array.flags.writeable = False  # it is shared
    return found


Sizes = tuple[tuple[int, int], ...]  # as `smallest_tiles`


def _grids(
    P: int, Q: int, granule: int, in_turn: tuple[int, int] = (1, 1)
) -> list[tuple[Sizes, Sizes]]:
    """Tiles of rows, and of columns, any of which go together: all that cut an image.

    Where rows are cut, the tiles over all columns but the last have multiples of the granule only
    if ``tp·Q`` is one; where columns are, ``P·tq``. Where both are, so has to be ``tp·tq``, and
    then ragged tiles on the right and at the bottom have multiples, too. Numbers ``tp`` and ``tq``
    have such a product if ``tp`` is a multiple of some divisor of the granule and ``tq`` of what
    is left of it. Of phases, all this holds for the pixels of one.
    """
    if in_turn != (1, 1):
        of_phase = _grids(ceil_div(P, in_turn[0]), ceil_div(Q, in_turn[1]), granule)
        return [
            (_rounds(rows, in_turn[0], P), _rounds(cols, in_turn[1], Q)) for rows, cols in of_phase
        ]
    rows_step, cols_step = granule // math.gcd(granule, Q), granule // math.gcd(granule, P)
    strips = _parts(P, rows_step), ((Q, 1),)
    columns = ((P, 1),), _parts(Q, cols_step)
    blocks = [
        (_parts(P, math.lcm(rows_step, d)), _parts(Q, math.lcm(cols_step, granule // d)))
        for d in range(1, granule + 1)
        if granule % d == 0
    ]
    return [grid for grid in (strips, columns, *blocks) if all(grid)]


def _rounds(sizes: Sizes, phases: int, most: int) -> Sizes:
    """Tiles of so many phases each."""
    return tuple((min(tile * phases, most), trips) for tile, trips in sizes)


def _parts(size: int, step: int) -> Sizes:
    """Of `smallest_tiles` those that are not all."""
    return tuple((tile, trips) for tile, trips in smallest_tiles(size, step) if trips > 1)


@lru_cache(maxsize=4096)
def smallest_tiles(size: int, granule: int) -> Sizes:
    """``(tile, trips)``: the smallest multiple of ``granule`` (or ``size``) for each trip count."""
    granules = ceil_div(size, granule)
    found = []
    tile = granules
    while tile > 0:
        trips = ceil_div(granules, tile)
        tile = ceil_div(granules, trips)
        found.append((min(tile * granule, size), trips))
        tile -= 1
    return tuple(found)


def _undominated(costs: Ints) -> Ints:
    """(kept,): which columns of (costs, n) no other one equals or beats in all, ascending.

    Of equal ones, one. In the order of the sums of ranks, what dominates comes first, and what is
    first of those left is dominated by none.
    """
    ranks = np.stack([np.unique(each, return_inverse=True)[1].ravel() for each in costs])
    left = np.argsort(ranks.sum(axis=0), kind="stable")
    ranks, kept = ranks[:, left], []
    while len(left):
        first, rest = ranks[:, :AT_ONCE], ranks[:, AT_ONCE:]
        best = _first_undominated(first)
        kept.append(left[:AT_ONCE][best])
        beaten = (first[:, best, None] <= rest[:, None]).all(axis=0).any(axis=0)
        left, ranks = left[AT_ONCE:][~beaten], rest[:, ~beaten]
    return np.sort(np.concatenate(kept))


def _first_undominated(ranks: Ints) -> Ints:
    """Which of some columns none before it equals or beats."""
    before = np.tri(ranks.shape[1], k=-1, dtype=bool)
    as_good = (ranks[:, None, :] <= ranks[:, :, None]).all(axis=0)
    return np.flatnonzero(~(as_good & before).any(axis=1))
