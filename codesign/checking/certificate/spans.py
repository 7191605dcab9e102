"""Tiles of a layer's output pixels that can be best: rows × columns of an image, or whole images.

A tile costs more, if anything, the more ifmap and output it holds, the more of the ifmap all tiles
read together, and the more tiles there are: SRAM and traffic of every loop order grow with these
four. So a tile is left out to which another one is as good in all four.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.cost_model import (
    ceil_div,
    cols_in,
    cols_read,
    fills_turns,
    rows_in,
    rows_read,
)
from codesign.checking.network import Layer

Whole = npt.NDArray[Any]  # whole numbers: of 64 bits where all fit, else Python's own
MOST_SPANS = 2**18  # of a layer, before any is left out
MOST_IN_64_BITS = 2**62


class Span(NamedTuple):
    """Rows, columns and images of a tile, and what they cost.

    Attributes
    ----------
    held, outputs : int
        Elements of a tile, per channel of the ifmap and of the output.
    read : int
        Ifmap elements that all tiles read, per channel.
    tiles : int
        How many there are.
    """

    p: int
    q: int
    images: int
    held: int
    outputs: int
    read: int
    tiles: int


class Spans(NamedTuple):
    """Of a layer: those to look at where weights are fetched for each, and where once."""

    every: list[Span]
    counted_once: frozenset[Span]


def spans(layer: Layer, step: int, in_turn: tuple[int, int] = (1, 1)) -> Spans:
    """Tiles of a layer to which no other one is as good.

    Parameters
    ----------
    step : int
        All tiles of an image but the last hold a multiple of so many outputs, of each phase.
    in_turn : (int, int)
        Phases of rows and of columns, of which a tile has whole rounds.

    Raises
    ------
    TooMany
        More to compare than are compared.
    """
    found = []
    down, across = in_turn
    one = replace(layer, P=ceil_div(layer.P, down), Q=ceil_div(layer.Q, across))
    for rows, cols in _parts(one, step):
        p, q = min(rows * down, layer.P), min(cols * across, layer.Q)
        held, read = (
            rows_in(layer, p) * cols_in(layer, q),
            rows_read(layer, p) * cols_read(layer, q),
        )
        count = ceil_div(layer.P, p) * ceil_div(layer.Q, q)
        whole = smallest_tiles(layer.N, 1) if count == 1 else [(1, layer.N * count)]
        for images, tiles in whole:
            size = images * held, images * p * q
            found.append(Span(p, q, images, *size, layer.N * read, tiles))
    every = _best(found, [x[3:] for x in found])
    once = _best(every, [(*x[3:-1], int(x.tiles > 1)) for x in every])
    return Spans(every, frozenset(once))


def _parts(layer: Layer, step: int) -> list[tuple[int, int]]:
    """Rows and columns of the smallest legal tiles, one at least for each pair of trip counts.

    Of repeated rows or columns some larger ones, too.

    Tiles in whole columns hold ``p·Q`` outputs, in whole rows ``P·q``, else ``p·q``: multiples of
    the step where these are cut. Then ``p`` is a multiple of a divisor of the step, and ``q`` of
    what that leaves.
    """
    rows_step, cols_step = step // math.gcd(step, layer.Q), step // math.gcd(step, layer.P)
    found: dict[tuple[int, int], None] = {}
    for divisor in (n for n in range(1, step + 1) if step % n == 0):
        rows = _sizes(layer, 0, math.lcm(rows_step, divisor))
        cols = _sizes(layer, 1, math.lcm(cols_step, step // divisor))
        if len(rows) * len(cols) > MOST_SPANS:
            raise TooMany
        pairs = ((p, q) for p in rows for q in cols)
        found |= dict.fromkeys(x for x in pairs if step == 1 or fills_turns(layer, *x, step))
    return list(found)


def least_read(layer: Layer) -> int:
    """Ifmap elements per channel and image that no tiles read fewer of."""
    rows = min(rows_read(layer, p) for p in _sizes(layer, 0, 1))
    return rows * min(cols_read(layer, q) for q in _sizes(layer, 1, 1))


def _sizes(layer: Layer, axis: int, step: int) -> list[int]:
    """Rows (axis 0) or columns of the smallest tile of each trip count, and what reads less.

    Where rows are repeated, tiles that differ by a multiple of how often lie over them alike, so of
    those the smallest will do; the others of as many trips differ in what they read.
    """
    size, again = (layer.P, layer.Q)[axis], layer.input_repetition[axis]
    read, found = (rows_read, cols_read)[axis], []
    for least, trips in smallest_tiles(size, step):
        found.append(least)
        if again > 1 and trips > 1:
            fewest = read(layer, least)
            for tile in range(least + step, least + again * step, step):
                if ceil_div(size, tile) == trips and read(layer, tile) < fewest:
                    found.append(tile)
                    fewest = read(layer, tile)
    return found


def _best(found: list[Span], costs: list[tuple[int, ...]]) -> list[Span]:
    """Those to which no other is as good in every cost; of equals the first."""
    largest = max(max(x) for x in costs)
    kind = np.int64 if largest < MOST_IN_64_BITS else object
    order = sorted(range(len(costs)), key=costs.__getitem__)
    left, each = np.array(order), np.array([costs[n] for n in order], dtype=kind)
    kept = []
    while len(left):  # the first of the smallest first cost: no other one left is as good
        kept.append(int(left[0]))
        better = (each < each[0]).any(axis=1)
        left, each = left[better], each[better]
    return [found[n] for n in sorted(kept)]


def smallest_tiles(size: int, step: int) -> list[tuple[int, int]]:
    """The smallest multiple of ``step`` (or ``size``) of each trip count, and that count."""
    steps = ceil_div(size, step)
    found, most = [], steps
    while most > 0:
        count = ceil_div(steps, most)
        least = ceil_div(steps, count)
        found.append((min(least * step, size), count))
        most = least - 1
    return found
