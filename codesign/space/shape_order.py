"""Which array shapes of a space are as good as others: in tilings, or in everything but area."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from codesign.arrays import Ints
from codesign.costs.compute import PEArray, trips
from codesign.space.array_cycles import Options

COARSE_SIDES = 8, 4  # rows or columns of arrays with few tilings, near those of multiples


def finest_shape(space: Options) -> int | None:
    """The array shape whose sides divide those of all; None where it is not on offer.

    Whatever tiling another shape has, this one has one that needs no more SRAM and moves no more:
    multiples of its granules are those of the others too, and of groups side by side a few at a
    time need less and move the same.
    """
    choices = space.problem.choices
    if choices.mapping != ("window",) or space.widens:  # what granules divide says less there
        return None
    sides = math.gcd(*choices.rows), math.gcd(*choices.cols)
    engine = space.problem.technology.engine
    finest = PEArray(*sides, engine, zero_skipping=choices.zero_skipping)
    return space.shapes.index(finest) if finest in space.shapes else None


def finer_shapes(space: Options, finest: int | None) -> Ints | None:
    """(shapes,): a shape whose sides divide each one's; None where there is none for all.

    Whatever tiling a shape has, its finer one has one that is as good, for the reasons of
    `finest_shape`. They are few: that of the largest `COARSE_SIDES`, or else the finest.
    """
    if finest is None:
        return None
    sides = [*zip(space.shape_rows.tolist(), space.shape_cols.tolist(), strict=True)]
    number = {pair: n for n, pair in enumerate(sides)}
    found = np.full(len(sides), finest)
    for n, (rows, cols) in enumerate(sides):
        coarse = [[x for x in COARSE_SIDES if side % x == 0] for side in (rows, cols)]
        on_offer = (number[pair] for pair in product(*coarse) if pair in number)
        found[n] = next(on_offer, finest)
    return found


def smallest_alike(space: Options) -> Ints:
    """(shapes,): the shape of fewest rows and columns that is as good as each, or itself.

    Where every layer takes the same steps over channels and sets as many groups side by side, its
    cycles are the same, and each of its tilings on the larger shape has one on the smaller of the
    same trips, hence the same traffic, in tiles no larger: with PEs of the same widths the smaller
    shape is as good in every metric, and better in area.
    """
    engine, choices = space.problem.technology.engine, space.problem.choices
    if space.widens:
        return np.arange(len(space.shapes))
    sides = np.array(choices.rows), np.array(choices.cols)
    kinds = product(space.geometries, choices.mapping)
    each = [trips(x, *sides, engine, m, choices.zero_skipping) for x, m in kinds]
    tables = zip(*each, strict=True)
    number = {mapping: n for n, mapping in enumerate(choices.mapping)}
    kind = len(choices.rows) * np.array([number[x.mapping] for x in space.shapes])
    if choices.on_chip != "none" and any(x.moves for x in space.geometries):
        kind += np.searchsorted(choices.rows, space.shape_rows)  # they set the pace of movement
    for side, mine, table in zip(sides, (space.shape_rows, space.shape_cols), tables, strict=True):
        alike = np.unique(np.hstack(table), axis=0, return_inverse=True)[1].ravel()
        kind = kind * len(side) + alike[np.searchsorted(side, mine)]
    _, first, which = np.unique(kind, return_index=True, return_inverse=True)
    return np.asarray(first[which.ravel()])
