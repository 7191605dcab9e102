"""DRAM traffic against SRAM: of all tilings of a layer, those that none is better than."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.buffers import NO_BUFFERS, Buffers, fits_buffers, in_unified
from codesign.costs.tiling import Tilings
from codesign.space.capacities import Capacities

MAX_PRICED = 2**18  # tilings times pairs of widths priced at once
MOST_KEY_BITS = 62  # of a key, need and place
AS_SOON_SORTED = 200  # tilings: no comparing of so few
COMPARED = 8  # steps of a staircase that all tilings are compared with at once
WORTH_COMPARING = 0.5  # of tilings: no further steps where those at once leave more


@dataclass(frozen=True)
class Staircase:
    """Pareto-best tilings of one geometry on one array shape, for every pair of widths.

    Attributes
    ----------
    need : floats, shape (widths, widths, steps)
        SRAM bits, ascending, or sizes on offer that hold them; padded with inf. None is finite
        where no tiling fits the buffers of its operands.
    traffic : floats, shape (widths, widths, steps + 1)
        DRAM bits of weights, ifmap and spilled partial sums of the best tiling within step
        ``i − 1``'s need; entry 0 (nothing fits) is inf.
    row : ints, shape (widths, widths, steps)
        Which tiling of ``tilings`` a step is.
    tilings : Tilings
    """

    need: Floats
    traffic: Floats
    row: Ints
    tilings: Tilings


def build_staircase(tiles: Tilings, bits: Ints, buffers: Buffers = NO_BUFFERS) -> Staircase:
    """Staircases of all tilings that fit the buffers, at operand widths ``bits`` (w, w, 3)."""
    kept = _undominated(tiles, bits, buffers)
    every = bits.reshape(-1, 3).astype(np.float64)
    # A few pairs of widths at a time: tables of all tilings at all widths would be large.
    few = max(1, MAX_PRICED // len(kept))
    parts = [
        _stairs_of_rows(tiles, kept, every[n : n + few], buffers) for n in range(0, len(every), few)
    ]
    steps = max(need.shape[-1] for need, _, _ in parts)
    shape = bits.shape[:2]
    need, traffic = np.full((*shape, steps), np.inf), np.full((*shape, steps + 1), np.inf)
    row = np.zeros((*shape, steps), dtype=np.int64)
    for n, part in enumerate(parts):
        mine, width = slice(n * few, (n + 1) * few), part[0].shape[-1]
        need.reshape(-1, steps)[mine, :width] = part[0]
        traffic.reshape(-1, steps + 1)[mine, 1 : width + 1] = part[1]
        row.reshape(-1, steps)[mine, :width] = part[2]
    return Staircase(need, np.minimum.accumulate(traffic, axis=-1), row, tiles)


def chosen_by(kind: Ints, stairs: Mapping[int, Staircase]) -> Staircase:
    """At each pair of widths (w, w) the staircase of its kind; their tilings in one list."""
    steps = max(each.need.shape[-1] for each in stairs.values())
    need, traffic = np.full((*kind.shape, steps), np.inf), np.full((*kind.shape, steps + 1), np.inf)
    row = np.zeros((*kind.shape, steps), dtype=np.int64)
    first = 0
    for number, each in stairs.items():
        mine, own = kind == number, each.need.shape[-1]
        need[mine, :own], row[mine, :own] = each.need[mine], each.row[mine] + first
        traffic[mine, : own + 1] = each.traffic[mine]
        first += len(each.tilings)
    tables = [each.tilings for each in stairs.values()]
    parts = (np.concatenate([getattr(x, f.name) for x in tables]) for f in fields(Tilings))
    return Staircase(need, np.minimum.accumulate(traffic, axis=-1), row, Tilings(*parts))


def least_of(stairs: Sequence[Staircase]) -> Staircase:
    """The least traffic of some staircases within any room; its rows are no tiling's."""
    if len(stairs) == 1:
        return stairs[0]
    need = np.concatenate([each.need for each in stairs], axis=-1)
    traffic = np.concatenate([each.traffic[..., 1:] for each in stairs], axis=-1)
    order = np.lexsort((traffic, need), axis=-1)
    need, traffic = (np.take_along_axis(x, order, -1) for x in (need, traffic))
    before = np.full((*need.shape[:2], 1), np.inf)
    least = np.minimum.accumulate(np.append(before, traffic, axis=-1), axis=-1)
    falls = np.isfinite(need) & (least[..., 1:] < least[..., :-1])
    order = np.argsort(~falls, axis=-1, kind="stable")
    need = np.take_along_axis(np.where(falls, need, np.inf), order, -1)
    traffic = np.take_along_axis(np.where(falls, traffic, np.inf), order, -1)
    traffic = np.minimum.accumulate(np.append(before, traffic, axis=-1), axis=-1)
    row = np.zeros(need.shape, dtype=np.int64)
    return Staircase(need, traffic, row, stairs[0].tilings)


def rounded_to_sizes(stairs: Staircase, capacities: Capacities) -> Staircase:
    """A staircase whose needs are sizes on offer: of the steps that one size holds, the last."""
    need = capacities.holding(stairs.need)
    following = np.append(need[..., 1:], np.full((*need.shape[:2], 1), np.inf), axis=-1)
    real = np.isfinite(need) & (need != following)
    steps = max(int(real.sum(axis=-1).max()), 1)
    order = np.argsort(~real, axis=-1, kind="stable")[..., :steps]
    real = np.take_along_axis(real, order, -1)
    moved = np.take_along_axis(stairs.traffic[..., 1:], order, -1)
    # What ends a shorter staircase repeats its least traffic, as where needs are not rounded.
    traffic = np.append(stairs.traffic[..., :1], np.where(real, moved, np.inf), axis=-1)
    return Staircase(
        need=np.where(real, np.take_along_axis(need, order, -1), np.inf),
        traffic=np.minimum.accumulate(traffic, axis=-1),
        row=np.take_along_axis(stairs.row, order, -1),
        tilings=stairs.tilings,
    )


def _undominated(tiles: Tilings, bits: Ints, buffers: Buffers) -> Ints:
    """Rows of the tilings, without most of those that another dominates at all widths.

    Need and traffic are linear in both widths, so what is no less at the four corners of the
    widths is no less anywhere between. What takes no more of a buffer fits it wherever the other
    does. Compared with steps of the staircase in the middle, ever closer ones, as long as that
    leaves out more than it takes to sort.
    """
    kept = np.arange(len(tiles))
    if len(tiles) <= AS_SOON_SORTED:
        return kept
    shared = in_unified(buffers)
    need, moved = (x.T.astype(np.float64) for x in (tiles.need * shared, tiles.traffic))
    corners = bits[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.float64)
    costs = np.concatenate([corners @ need, corners @ moved, tiles.need.T[shared == 0]])
    middle = bits[len(bits) // 2, bits.shape[1] // 2].astype(np.float64)
    order = np.argsort(middle @ need, kind="stable")
    least = np.minimum.accumulate((middle @ moved)[order])
    rows = order[np.append(0, np.flatnonzero(least[1:] < least[:-1]) + 1)]
    number = np.arange(1, len(rows) + 1)
    steps = rows[np.argsort(-(number & -number), kind="stable")]  # from few far between to many
    of_steps = costs[:, steps, None]
    for n in range(0, len(steps), COMPARED):
        others = slice(n, n + COMPARED)
        undominated = (costs[:, None] < of_steps[:, others]).any(axis=0)
        undominated |= kept == steps[others, None]
        by_none = undominated.all(axis=0)
        if by_none.all():
            break
        left = np.flatnonzero(by_none)
        enough = len(left) > WORTH_COMPARING * len(kept)
        costs, kept = costs[:, left], kept[left]
        if enough:
            break
    return kept


def stacked(tables: Sequence[Floats]) -> Floats:
    """Tables of the same axes as one, the last padded with inf to the longest."""
    longest = max(table.shape[-1] for table in tables)
    stack = np.full((len(tables), *tables[0].shape[:-1], longest), np.inf)
    for n, table in enumerate(tables):
        stack[n, ..., : table.shape[-1]] = table
    return stack


def _stairs_of_rows(
    tiles: Tilings, kept: Ints, bits: Floats, buffers: Buffers
) -> tuple[Floats, Floats, Ints]:
    """Need, traffic and row of the steps for each of some operand widths (n, 3).

    The tilings kept are sorted by need and traffic; a step is one with less traffic than all
    before. Shorter staircases end in steps of infinite need and traffic.
    """
    held = tiles.need[kept] if buffers == NO_BUFFERS else tiles.need[kept] * in_unified(buffers)
    need, traffic = (bits @ x.T.astype(np.float64) for x in (held, tiles.traffic[kept]))
    if buffers != NO_BUFFERS:
        misfit = ~fits_buffers(tiles.need[kept], bits, buffers)
        need[misfit] = traffic[misfit] = np.inf
    count, pairs = len(kept), np.arange(len(bits))
    order = (_by_need(need) + count * pairs[:, None]).ravel()  # among all of them
    need, traffic = need.ravel(), traffic.ravel()
    least = np.minimum.accumulate(traffic[order].reshape(len(bits), count), axis=-1)
    falls = np.ones(least.shape, dtype=bool)
    np.less(least[:, 1:], least[:, :-1], out=falls[:, 1:])
    place = np.flatnonzero(falls)
    pair, tiling = place // count, order[place]
    needed = need[tiling]
    real = np.ones(len(pair), dtype=bool)  # of those of one need, the last
    real[:-1] = (pair[1:] != pair[:-1]) | (needed[1:] != needed[:-1])
    pair, tiling, needed = pair[real], tiling[real], needed[real]
    steps = np.bincount(pair)
    shape = len(bits), int(steps.max())
    step = np.arange(len(pair)) + (shape[1] * pairs - np.cumsum(steps) + steps)[pair]
    needs, traffics = np.full(shape, np.inf), np.full(shape, np.inf)
    rows = np.zeros(shape, dtype=np.int64)
    needs.ravel()[step], traffics.ravel()[step] = needed, traffic[tiling]
    rows.ravel()[step] = kept[tiling % count]
    return needs, traffics, rows


def _by_need(need: Floats) -> Ints:
    """(n, tilings): whose turn it is by need; of equal needs, the first in order.

    Whole numbers of one word, need and place in order, are sorted far faster than by two keys.
    """
    count = need.shape[-1]
    shift = max(count - 1, 1).bit_length()
    if need.max() >= 2.0 ** (MOST_KEY_BITS - shift):  # or where none fits
        return np.argsort(need, axis=-1, kind="stable")
    keys = (need.astype(np.int64) << shift) + np.arange(count)
    keys.sort(axis=-1)
    return np.asarray(keys & ((1 << shift) - 1))
