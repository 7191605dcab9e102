"""Which of many costs no other equals or beats in all of them (Kung, Luccio and Preparata 1975)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from codesign.arrays import Bools, Floats, Ints

LEVELS = 100  # of the fourth of four costs
BLOCK = 128  # that are compared pair by pair
CELLS = 1024  # of a sieve, along each of two costs


def best_rows(costs: Floats) -> Ints:
    """Rows of (n, k) costs that no other row equals or beats in all; of equals the first."""
    costs = costs[:, varying(costs)]
    if costs.shape[1] == len(AXES) + 1:
        return _best_of_levels(costs)
    if costs.shape[1] > len(AXES):
        return _best_of_blocks(costs)
    return _best_of_stairs(on_axes(costs))


def varying(costs: Floats) -> Bools:
    """(k,): which costs are not the same everywhere."""
    return np.asarray((costs != costs[:1]).any(axis=0))


AXES = (0, 1, 2)


def on_axes(costs: Floats) -> Floats:
    """(n, 3) of up to as many costs, the last ones repeated: what beats what stays the same."""
    count = costs.shape[1]
    if not count:
        return np.zeros((len(costs), len(AXES)))
    return costs[:, [min(x, count - 1) for x in AXES]]


def _lowered(ys: list[float], zs: list[float], y: float, z: float) -> bool:
    """Add a step to stairs that go down, in place of those it beats; whether none beats it."""
    before = bisect_right(ys, y)
    if before and zs[before - 1] <= z:
        return False
    first = last = bisect_left(ys, y)
    while last < len(ys) and zs[last] >= z:
        last += 1
    ys[first:last], zs[first:last] = [y], [z]
    return True


def _best_of_stairs(costs: Floats) -> Ints:
    """Of three costs: by the first in order, the others as stairs that go down."""
    order, kept = np.lexsort(costs.T[::-1]), []
    ys: list[float] = []
    zs: list[float] = []
    others = costs[order, 1:].tolist()
    for n, (y, z) in enumerate(others):
        if _lowered(ys, zs, y, z):
            kept.append(n)
    return np.asarray(order[kept])


def _best_of_levels(costs: Floats) -> Ints:
    """Of four costs: level by level of that with fewest values, each against the best before."""
    counts = [len(np.unique(x)) for x in costs.T]
    x = int(np.argmin(counts))
    if counts[x] > LEVELS:
        return _best_of_blocks(costs)
    others, kept = np.delete(costs, x, axis=1), [np.empty(0, dtype=np.int64)]
    front = kept[0]
    for level in np.unique(costs[:, x]):
        both = np.concatenate([front, np.flatnonzero(costs[:, x] == level)])
        best = _best_of_stairs(others[both])  # of equals the first
        kept.append(both[best[best >= len(front)]])
        front = both[best]
    return np.concatenate(kept)


def _best_of_blocks(costs: Floats) -> Ints:
    """Of any number of costs: pair by pair in blocks, then block against the rest."""
    order = np.lexsort(costs.T[::-1])
    left, kept = costs[order], [np.empty(0, dtype=np.int64)]
    while len(order):
        first, numbers = left[:BLOCK], np.arange(min(BLOCK, len(left)))
        beaten = (first[None, :] <= first[:, None]).all(axis=2) & (numbers < numbers[:, None])
        first, mine = first[~beaten.any(axis=1)], order[:BLOCK][~beaten.any(axis=1)]
        kept.append(mine)
        order, left = order[BLOCK:], left[BLOCK:]
        better = np.ones(len(left), dtype=bool)
        for row in first:
            better[better] = (left[better] < row).any(axis=1)
        order, left = order[better], left[better]
    return np.concatenate(kept)


def best_of_alike(one: Floats, other: Floats, levels: Floats, alike: Floats) -> Bools:
    """(..., n): which no other of its group equals or beats in two costs and its level.

    Parameters
    ----------
    one, other : floats, shape (..., n)
    levels : floats, shape (n,)
    alike : floats, shape (n, k)
        Those of a group have the same.
    """
    found = np.zeros(one.shape, dtype=bool)
    _, group = np.unique(alike, axis=0, return_inverse=True)
    for g in range(int(group.max(initial=-1)) + 1):
        every = np.flatnonzero(group == g)
        for level in np.unique(levels[every]):
            mine = every[levels[every] <= level]
            x, y = one[..., mine], other[..., mine]
            order = np.lexsort((np.broadcast_to(levels[mine], y.shape), y, x), axis=-1)
            least = np.minimum.accumulate(np.take_along_axis(y, order, axis=-1), axis=-1)
            before = np.concatenate([np.full((*least.shape[:-1], 1), np.inf), least], axis=-1)
            best = np.empty(order.shape, dtype=bool)
            np.put_along_axis(best, order, least < before[..., :-1], axis=-1)
            there = levels[mine] == level
            found[..., mine[there]] = best[..., there]
    return found


class Sieve:
    """Drops most of what others beat in three costs, part by part, and nothing else.

    Of a grid over two costs each crossing tells the least third cost of all that has no more of
    either.

    Parameters
    ----------
    sample : floats, shape (n, 3)
        By which the grid is laid: over the two costs of fewer values.
    """

    def __init__(self, sample: Floats) -> None:
        values = [np.unique(sample[:, x]) for x in AXES]
        *self.over, self.third = np.argsort([len(x) for x in values], kind="stable").tolist()
        self.lines = [_thinned(values[x]) for x in self.over]
        self.least = np.full([len(x) + 1 for x in self.lines], np.inf)

    def passed(self, costs: Floats) -> Bools:
        """(n,): what nothing of this part, or one before, is seen to beat."""
        along, third = [costs[:, x] for x in self.over], costs[:, self.third]
        above = [np.searchsorted(x, y, "left") for x, y in zip(self.lines, along, strict=True)]
        below = [np.searchsorted(x, y, "right") for x, y in zip(self.lines, along, strict=True)]
        np.minimum.at(self.least, (above[0], above[1]), third)
        upto = np.minimum.accumulate(np.minimum.accumulate(self.least, axis=0), axis=1)
        told = np.pad(upto, ((1, 0), (1, 0)), constant_values=np.inf)  # before the first lines
        return np.asarray(told[below[0], below[1]] >= third)


def _thinned(values: Floats) -> Floats:
    """So many of sorted values at most, from all along them."""
    some = np.linspace(0, len(values) - 1, min(CELLS, len(values))).astype(np.int64)
    return values[some]


def least_sums(one: Floats, other: Floats, most: Floats) -> Floats:
    """(n,): for each of one the least first cost with one of the other; inf where there is none.

    Parameters
    ----------
    one, other : floats, shapes (n, 3), (m, 3)
    most : floats, shape (2,)
        Of the sums of the second and third costs.
    """
    found, ys, zs = np.full(len(one), np.inf), list[float](), list[float]()
    joining = other[np.argsort(other[:, 1], kind="stable")].tolist()
    order = np.argsort(-one[:, 1], kind="stable")
    ready = np.searchsorted([x[1] for x in joining], most[0] - one[order, 1], "right").tolist()
    count, room = 0, (most[1] - one[order, 2]).tolist()
    for n, until, left in zip(order.tolist(), ready, room, strict=True):
        for z, _, y in joining[count:until]:
            _lowered(ys, zs, y, z)
        count = max(count, until)
        at = bisect_right(ys, left)
        if at:
            found[n] = one[n, 0] + zs[at - 1]
    return found
