"""Lagrangian bounds on all pairs of segments at once, and on boxes of hardware for each of the two.

As `hybrid_bounds`, of which stars and states are taken: a pair of segments has a least weighted sum
with a box for its first segment and one with a box for its second, each with the best that is left
for the other. What readers in both segments share a star (`AllSegments`) counts for the first,
those of the second in the best of all boxes: a relaxation. Of either side boxes above 1 are ruled
out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.search.dataflow.hybrid_bounds import HybridDual, Kept, Pick
from codesign.search.dataflow.segment_pricing import SEGMENTS
from codesign.search.dataflow.segment_states import AllSegments
from codesign.space.box_costs import BoxCosts
from codesign.space.hardware_boxes import Boxes, BoxTables

FAR = 1e100  # what cannot be, in place of inf


class AllPairs(AllSegments):
    """The pairs of segments of a space; of its attributes those of segments are of pairs."""

    def _plan(self) -> None:
        """Which states are whose: sums of pairs are products of matrices.

        Of each pair the states without a shared layer; those of either segment, of both among those
        of the first; and those of both.
        """
        self.steps = []
        self.sides = [sorted({-1 - v for _, v in x if v < 0}) for _, _, x in self.states.of]
        kinds = [[not x, x[:1] == [0], x[:1] == [1], len(x) > 1] for x in self.sides]
        has = np.zeros((len(self.terms), len(self.sides)))
        np.put_along_axis(has, self.state, 1.0, axis=1)
        self.alone, *self.of_side, self.of_both = (
            has * np.array(x) for x in zip(*kinds, strict=True)
        )


class PairDual(HybridDual):
    """The relaxations of all pairs in a range of the interval, and of boxes that are left.

    Attributes
    ----------
    alive : bools, shape (pairs, 2, B)
    lower : floats
        Of the same shape, of each box for either segment.
    """

    of: AllPairs

    def __init__(self, of: AllPairs, boxes: BoxTables) -> None:
        super().__init__(of, boxes)
        self.alive = np.ones((len(of.terms), 2, len(self.boxes.mapping)), dtype=bool)
        self.lower = np.full(self.alive.shape, -np.inf)

    # What is left -------------------------------------------------------------------------------

    def group(self, s: int) -> tuple[BoxCosts, ...]:
        """As of `HybridDual`, of either segment."""
        return tuple(self.costs.take(mine) for mine in self._row(s))

    def boxes_of(self, s: int) -> list[Boxes]:
        """The boxes that are left for either segment of a pair."""
        return [self.boxes.take(mine) for mine in self._row(s)]

    def _row(self, s: int) -> Bools:
        """(2, B): which are left for either segment of a pair."""
        return np.asarray(self.alive[int(np.flatnonzero(self.number == s)[0])])

    def few(self, most: int) -> bool:
        """As of `HybridDual`, of two boxes together."""
        return bool(self.alive.sum(axis=2).prod(axis=1).max() <= most)

    @property
    def arrays(self) -> int:
        """Pairs of ranges of arrays that are left, at most."""
        sides = np.column_stack([self.boxes.mapping, self.boxes.least[:, :2]])
        each = [[len(np.unique(sides[mine], axis=0)) for mine in pair] for pair in self.alive]
        return max(a * b for a, b in each)

    def split(self) -> Sequence[PairDual]:
        """As of `HybridDual`: several pairs, or the boxes for a segment."""
        left = self.segments_left()
        if len(left) > 1:
            return [self._only(left[: len(left) // 2]), self._only(left[len(left) // 2 :])]
        (s,) = np.flatnonzero(self.number == left[0])
        side = int(self.alive[s].sum(axis=1).argmax())
        mine = np.flatnonzero(self.alive[s, side])
        order, found = mine[np.argsort(self.costs.hardware[mine, 0], kind="stable")], []
        for part in (order[: len(order) // 2], order[len(order) // 2 :]):
            half = self.copied()
            half.alive[s, side] = False
            half.alive[s, side, part] = True
            half.keep_alive()
            found.append(half)
        return found

    def batch(self, most: int) -> list[HybridDual]:
        """As of `HybridDual`, of pairs with all of their boxes; or some boxes for a segment."""
        left = self.segments_left()
        halves = 2 ** (self.boxes.most - self.boxes.least > 1).sum(axis=1)
        if len(left) == 1:
            few = halves[self._row(left[0]).any(axis=0)].sum() <= most or self.few(1)
            return [self] if few else [*self.split()]
        there = np.array([self._row(s).any(axis=0) for s in left])
        there = np.maximum.accumulate(there, axis=0)
        count = max(1, int((there @ halves <= most).sum()))
        return [self._only(x) for x in (left[:count], left[count:]) if x]

    def apart(self) -> list[HybridDual]:
        """As of `HybridDual`, pairs of which a box can be cut."""
        left = self.segments_left()
        cut = [bool(self.boxes.whole[self._row(s).any(axis=0)].any()) for s in left]
        parts = [[s for s, x in zip(left, cut, strict=True) if x is y] for y in (True, False)]
        return [self._only(x) for x in parts if x]

    def divided(self, aim: float) -> list[HybridDual]:
        """As of `HybridDual`, pairs with all of their boxes."""
        below = self.least_of(axis=1) < aim
        return [self._only(self.number[below].tolist()), self._only(self.number[~below].tolist())]

    def _only(self, pairs: Sequence[int]) -> PairDual:
        """What is left for some pairs."""
        found = self.copied()
        found.alive[~np.isin(found.number, pairs)] = False
        found.keep_alive()
        return found

    def copied(self) -> PairDual:
        """As of `HybridDual`."""
        found = super().copied()
        assert isinstance(found, PairDual)
        return found

    def least_of(self, axis: int) -> Floats:
        """As of `HybridDual`, by box or by pair."""
        lower = np.where(self.alive, self.lower, np.inf)
        return np.asarray(lower.min(axis=(1, 2) if axis else (0, 1), initial=np.inf))

    def held(self, least: float, most: float) -> Kept | None:
        """As of `HybridDual`: all of a pair of segments of which a box is ruled out so."""
        found, there = self.copied(), np.isfinite(self.lower) & (self.lower <= most)
        some = (self.alive & there & (self.lower >= least)).any(axis=(1, 2))
        found.alive &= there & some[:, None, None]
        found._both()
        return found.kept() if found.alive.any() else None

    def drop(self, least: float) -> None:
        """As of `HybridDual`; a pair needs a box for either segment."""
        self.alive &= self.lower < least
        self._both()
        self.keep_alive()

    def _both(self) -> None:
        some: Bools = np.asarray(self.alive.any(axis=2))
        self.alive &= (some[:, 0] & some[:, 1])[:, None, None]

    # The relaxation -----------------------------------------------------------------------------

    def _cells(self, weights: Floats, leaves: Floats) -> list[Floats]:
        """(n, a, B) of either segment: the least of each layer at each width of its input."""
        sides = range(len(SEGMENTS))
        return [self.costs.least(*self._prices(weights, leaves, side)) for side in sides]

    def _sum(self, number: int, weights: Floats, stage: Floats, cells: Sequence[Floats]) -> Floats:
        """(a,) or (a, B): of a star in a state, by the box of the first segment that is in it."""
        c, cost, readers = self.of.states.of[number]
        mine, among = np.full(self.of.most, np.inf), []
        mine[: len(cost)] = np.where(self.of.allowed[c], cost @ weights, np.inf)
        for n, v in readers:
            if v >= 0:
                mine = mine + stage[v]
            elif -1 - v == self.of.sides[number][0]:
                among.append(cells[-1 - v][n])
            else:
                mine = mine + cells[-1 - v][n].min(axis=-1)
        if among:
            mine = mine[:, None] + among[0]
        for x in among[1:]:
            mine += x
        return mine

    def pair_sums(self, weights: Floats) -> tuple[Floats, Floats, list[Floats]]:
        """(pairs, 2, B): the least sums with each box; and of stages, and shared ones, by width."""
        of, leaves = self.of, self._leaves(weights)
        stage = self._stages(weights, leaves)[0].min(axis=2)
        cells = self._cells(weights, leaves)
        left = np.flatnonzero(self.alive.any(axis=(1, 2)))
        named = self.number[left]
        count = len(of.sides), self.alive.shape[2]
        alone, each, none = np.zeros(count[0]), np.zeros(count), np.zeros(count)
        for x in np.unique(of.state[named]).tolist():
            mine = self._sum(x, weights, stage, cells).min(axis=0)
            if of.sides[x]:
                each[x] = np.minimum(mine, FAR)
            else:
                alone[x] = min(float(mine), FAR)
            if len(of.sides[x]) > 1:  # boxes that cannot do what they are not counted for
                second = [cells[1][n].min(axis=0) for n, v in of.states.of[x][2] if v == -2]
                none[x] = np.where(np.isinf(second).any(axis=0), FAR, 0.0)
        fixed = self.constants[named] @ weights + of.alone[named] @ alone
        sides = [x[named] @ each for x in of.of_side]
        sides[1] += of.of_both[named] @ none
        alive, found = self.alive[left], np.full(self.alive.shape, np.inf)
        taken = self.costs.hardware @ self._of_hardware(weights)
        sides = [x + taken for x in sides]
        least = [np.where(alive[:, k], x, np.inf).min(axis=1) for k, x in enumerate(sides)]
        for k, x in enumerate(sides):
            found[left, k] = x + (fixed + least[1 - k])[:, None]
        return np.where(self.alive & (found < FAR / 2), found, np.inf), stage, cells

    def solve(self, weights: Floats, rule_out: bool = True) -> Pick:
        """As of `HybridDual`."""
        if not self.alive.any():
            return self._none()
        found, stage, cells = self.pair_sums(weights)
        row = int(found.min(axis=(1, 2)).argmin())
        value, boxes = float(found[row].min()), found[row].argmin(axis=1).tolist()
        self._meet(found, weights, rule_out)
        self._both()
        if not math.isfinite(value):
            return self._none()
        return self._pick_of(value, int(self.number[row]), boxes, weights, stage, cells)

    def _pick_of(
        self,
        value: float,
        s: int,
        boxes: list[int],
        weights: Floats,
        stage: Floats,
        cells: Sequence[Floats],
    ) -> Pick:
        """The choices of a pair with a box for either segment."""
        of, leaves = self.of, self._leaves(weights)
        cell, column = self._stages(weights, leaves)
        widths = np.zeros(len(of.space.classes), dtype=np.int64)
        metrics, columns = self.constants[s].copy(), np.full(len(of.layers), -1)
        ends = np.append(self.starts, len(column))
        for x in of.state[s].tolist():
            c, cost, readers = of.states.of[x]
            each = self._sum(x, weights, stage, cells)
            first = of.sides[x][0] if of.sides[x] else 0
            a = int((each[:, boxes[first]] if each.ndim > 1 else each).argmin())
            widths[c] = a
            metrics = metrics + cost[a]
            for n, v in readers:
                side, leaf = -1 - v, int(of.leaf[n])
                if v < 0:
                    b = boxes[side] if side == first else int(cells[side][n, a].argmin())
                    one = self.costs.take(np.array([b]))
                    w = int(one.cells(0, *self._prices(weights, leaves, side))[n, a].argmin())
                    self._add_shared(metrics, one, (n, a, w), side)
                else:
                    w = int(cell[v, a].argmin())
                    at = int(np.searchsorted(self.cells, (v * of.most + a) * of.most + w))
                    begin, end = int(ends[at]), int(ends[at + 1])
                    columns[n] = begin + int(column[begin:end].argmin())
                    metrics = metrics + self.cost[columns[n]]
                if of.leaf_share[n]:
                    metrics = metrics + of.leaf_share[n] * of.leaf_cost[leaf][w]
                if leaf not in of.own:
                    widths[leaf] = w
        taken = self.costs.hardware[boxes].sum(axis=0)
        for m, r in self.hardware_rows:
            metrics[r] += taken[m]
        if self.energy_row is not None:
            metrics[self.energy_row] += self.static_j_per_mm2 * taken[0]
        return Pick(value, metrics, widths, columns, s, self.boxes.take(np.array(boxes)))
