"""Tiles of a layer's output pixels: rows × columns of one image, or whole images.

A tile of ``tp`` output rows × ``tq`` output columns lies in a grid of ``⌈P/tp⌉ × ⌈Q/tq⌉`` tiles,
rows of tiles outside, ragged at the bottom and on the right. Along either direction it reads the
stored rows, or columns, that its windows cover, and shares a halo with its neighbours; what it
holds, and what is read, is the product of both directions.

Of an ifmap whose rows are repeated (`Axis.repetition`) a tile reads each of those that its windows
see once. How many these are depends on where it begins, so tiles that are as many but begin
elsewhere may share less.

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
    repetition : int
        So many rows (columns) that a kernel covers are one that is stored. Half of the padding, or
        of an odd number the smaller half, is before the first.
    """

    outputs: int
    stored: int
    kernel: int
    stride: int
    input_dilation: int = 1
    repetition: int = 1

    def held(self, tile: int) -> int:
        """Stored rows (columns) that a tile reads at most: ``min(H, ⌈((t − 1)·stride + R)/u⌉)``.

        How the tile lies over inserted zeros depends on the padding, so the worst case counts; of
        what is repeated those that the largest tile sees.
        """
        if self.repetition == 1:
            return min(self.stored, ceil_div(self._covered(tile), self.input_dilation))
        most = max(self._seen(first, last) for first, last in self._tiles(tile))
        return min(self.stored, most)

    def held_anywhere(self, rows: int) -> int:
        """Stored rows (columns) that so many consecutive outputs read at most, wherever they are.

        Of what is repeated ``min(H, ⌈(c − 1)/r⌉ + 1)``, of ``c`` covered.
        """
        if self.repetition == 1:
            return self.held(rows)
        return min(self.stored, ceil_div(self._covered(rows) - 1, self.repetition) + 1)

    @property
    def most_read(self) -> int:
        """No tiles of rows (columns) read more of them."""
        return self.stored + (self.outputs - 1) * self.halo

    @property
    def halo(self) -> int:
        """Stored rows (columns) adjoining tiles share at most: ``⌈max(R − stride, 0) / u⌉``.

        Of what is repeated ``max(⌈(R − stride − 1)/r⌉ + 1, 0)``.
        """
        if self.repetition == 1:
            return ceil_div(max(self.kernel - self.stride, 0), self.input_dilation)
        return max(ceil_div(self.kernel - self.stride - 1, self.repetition) + 1, 0)

    def read(self, tile: int) -> int:
        """Stored rows (columns) read per image, halos once per tile; all, where one tile is all."""
        trips = ceil_div(self.outputs, tile)
        if trips == 1:
            return self.stored
        shared = (trips - 1) * self.halo if self.repetition == 1 else self._shared(tile, trips)
        return min(self.stored + shared, trips * self.held(tile))

    def _covered(self, tile: int) -> int:
        return (tile - 1) * self.stride + self.kernel

    def _start(self, output: int) -> int:
        """The first position that an output's window sees; that of the image is 0."""
        missing = (self.outputs - 1) * self.stride + self.kernel - self.stored * self.repetition
        return output * self.stride - max(missing, 0) // 2

    def _seen(self, first: int, last: int) -> int:
        """Stored rows (columns) seen by the windows of some outputs, padding as if stored."""
        end = self._start(last) + self.kernel - 1
        return end // self.repetition - self._start(first) // self.repetition + 1

    def _turns(self, tile: int) -> int:
        """Tiles until the first one lies over stored rows (columns) as another does again."""
        return self.repetition // math.gcd(tile * self.stride, self.repetition)

    def _tiles(self, tile: int) -> list[tuple[int, int]]:
        """First and last outputs of the last tile, and of all others that lie differently."""
        before = range(0, self.outputs, tile)[:-1]
        found = [(first, first + tile - 1) for first in before[: self._turns(tile)]]
        return [*found, (len(before) * tile, self.outputs - 1)]

    def _shared(self, tile: int, trips: int) -> int:
        """Stored rows (columns) in two tiles, for each two that adjoin."""
        turns, total = self._turns(tile), 0
        for n in range(1, min(turns, trips - 1) + 1):
            end = self._start(n * tile - 1) + self.kernel - 1
            both = end // self.repetition - self._start(n * tile) // self.repetition + 1
            total += max(both, 0) * ceil_div(trips - n, turns)
        return total


def vertical(layer: Layer) -> Axis:
    """A layer's rows."""
    return _axis(layer, 0)


def horizontal(layer: Layer) -> Axis:
    """A layer's columns."""
    return _axis(layer, 1)


def _axis(layer: Layer, direction: int) -> Axis:
    outputs, stored, taps = ((layer.P, layer.H, layer.R), (layer.Q, layer.W, layer.S))[direction]
    kernel = (taps - 1) * along(direction, layer.dilation) + 1
    steps = layer.stride, layer.input_dilation, layer.input_repetition
    return Axis(outputs, stored, kernel, *(along(direction, pair) for pair in steps))


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
    axes = vertical(layer), horizontal(layer)
    grids = sum(len(p) * len(q) for p, q in _grids(*axes, granule, in_turn))
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
    for of_rows, of_cols in _grids(down, across, granule, in_turn):
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
    down: Axis, across: Axis, granule: int, in_turn: tuple[int, int] = (1, 1)
) -> list[tuple[Sizes, Sizes]]:
    """Tiles of rows, and of columns, any of which go together: all that cut an image.

    Where rows are cut, the tiles over all columns but the last have multiples of the granule only
    if ``tp·Q`` is one; where columns are, ``P·tq``. Where both are, so has to be ``tp·tq``, and
    then ragged tiles on the right and at the bottom have multiples, too. Numbers ``tp`` and ``tq``
    have such a product if ``tp`` is a multiple of some divisor of the granule and ``tq`` of what
    is left of it. Of phases, all this holds for the pixels of one.
    """
    P, Q = down.outputs, across.outputs
    if in_turn != (1, 1):
        down, across = (
            axis._replace(outputs=ceil_div(axis.outputs, n))
            for axis, n in zip((down, across), in_turn, strict=True)
        )
        return [
            (_rounds(rows, in_turn[0], P), _rounds(cols, in_turn[1], Q))
            for rows, cols in _grids(down, across, granule)
        ]
    rows_step, cols_step = granule // math.gcd(granule, Q), granule // math.gcd(granule, P)
    strips = _parts(down, rows_step), ((Q, 1),)
    columns = ((P, 1),), _parts(across, cols_step)
    blocks = [
        (_parts(down, math.lcm(rows_step, d)), _parts(across, math.lcm(cols_step, granule // d)))
        for d in range(1, granule + 1)
        if granule % d == 0
    ]
    return [grid for grid in (strips, columns, *blocks) if all(grid)]


def _rounds(sizes: Sizes, phases: int, most: int) -> Sizes:
    """Tiles of so many phases each."""
    return tuple((min(tile * phases, most), trips) for tile, trips in sizes)


@lru_cache(maxsize=4096)
def _parts(axis: Axis, step: int) -> Sizes:
    """Of `smallest_tiles` those that are not all; and larger ones of as many trips that read less.

    Those lie otherwise over what is repeated, as one of the next few does.
    """
    found = tuple((tile, trips) for tile, trips in smallest_tiles(axis.outputs, step) if trips > 1)
    if axis.repetition == 1:
        return found
    every = []
    for tile, trips in found:
        least = axis.read(tile) + 1
        for larger in range(tile, tile + axis.repetition * step, step):
            if ceil_div(axis.outputs, larger) != trips:
                break
            if axis.read(larger) < least:
                every.append((larger, trips))
                least = axis.read(larger)
    return tuple(every)


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
