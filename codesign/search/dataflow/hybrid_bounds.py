"""Lagrangian bounds on all segments and boxes of hardware at once.

For given weights a pair of a segment and a box has a least weighted sum over all choices of widths,
options of stages and tilings: star by star as in `bounds`, each star in the *state* that the
segment puts it in (which of its readers share the array, what waits, what goes through DRAM). Of
each state the sums are worked out once, whatever the segment. A copy of a class of weights for
each layer, layers whose lag makes another class wait at its least width, and weights that are
activations at the least that any segment makes of them: relaxations.

Pairs above 1 are ruled out. Of the others the sum says how little of a goal's metric they may have:
with shares λ of the metric's own targets that sum to Λ, all scaled to an aim, and ρ of the others,
no less than ``aim·(φ − ρ)/Λ``, up to the aim. Boxes of those that are left are cut in half, until
nothing is left or nothing to cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.dataflow.bounds import PRUNED, Relaxed, Weighted
from codesign.search.dataflow.segment_pricing import ENERGY, SEGMENTS
from codesign.search.dataflow.segment_states import AllSegments
from codesign.search.dataflow.table import Range
from codesign.space.box_costs import BoxCosts
from codesign.space.hardware_boxes import Boxes, BoxTables

FEW_SEGMENTS = 24  # are summed up one by one
FEW_ALIVE = 0.7  # of boxes: so few, and the others are dropped
LEAST_SHARE = 1e-3  # of all, of the metric's own targets: with less of them nothing is told of it


class Kept(NamedTuple):
    """Pairs that are left, put by.

    Attributes
    ----------
    boxes : Boxes
    number : ints
        Of the segments.
    at : tuple of ints
        Where they are among those and the boxes.
    lower : floats
        Of each a bound on the metric.
    """

    boxes: Boxes
    number: Ints
    at: tuple[Ints, ...]
    lower: Floats


def together(parts: Sequence[Kept]) -> Kept:
    """All pairs of several, none of them bounded."""
    number = np.unique(np.concatenate([x.number for x in parts]))
    sides = [np.column_stack([x.boxes.mapping, x.boxes.least, x.boxes.most]) for x in parts]
    every, box = np.unique(np.concatenate(sides), axis=0, return_inverse=True)
    starts = np.cumsum([0, *(len(x) for x in sides)])
    at = [np.concatenate(x) for x in zip(*(x.at[1:-1] for x in parts), strict=True)]
    first = np.concatenate([np.searchsorted(number, x.number)[x.at[0]] for x in parts])
    last = np.concatenate([box.ravel()[n + x.at[-1]] for n, x in zip(starts, parts, strict=False)])
    boxes = Boxes(every[:, 0], every[:, 1:6], every[:, 6:])
    return Kept(boxes, number, (first, *at, last), np.full(len(last), -np.inf))


@dataclass(frozen=True)
class Pick(Relaxed):
    """The least pair of a weighted sum, and its choices; of shared layers the column is −1.

    Attributes
    ----------
    segment : int
    box : Boxes
    """

    segment: int
    box: Boxes


class HybridDual(Weighted):
    """The relaxations of all segments in a range of the interval, and of boxes that are left.

    Attributes
    ----------
    number : ints
        Of the segments of which some box may be left.
    alive : bools, shape (those segments, B)
    origin : ints, shape (B,)
        What number each box had when this was copied.
    lower : floats
        Of the same shape: no design of a pair has less of the goal's metric.
    """

    def __init__(self, of: AllSegments, boxes: BoxTables) -> None:
        self.of, self.tables, self.rows = of, boxes, of.rows
        known = enumerate(of.space.hardware_metrics)
        self.hardware_rows = [(m, self.rows.index(x)) for m, x in known if x in self.rows]
        self.bops = of.bops() if "bops" in self.rows else None
        self.energy_row = self.rows.index(ENERGY) if ENERGY in self.rows else None
        self.boxes = boxes.first()
        self.costs = self.tables.costs(self.boxes)
        self.alive: Bools = np.ones((len(of.terms), len(self.boxes.mapping)), dtype=bool)
        self.lower, self.aim = np.full(self.alive.shape, -np.inf), math.inf
        self.number = np.arange(len(of.terms))
        self.origin = np.arange(len(self.boxes.mapping))

    def within(self, span: Range) -> None:
        """Set the range of the interval."""
        of, self.span = self.of, span
        self.constants = np.array([x.constant for x in of.terms])
        if "latency_s" in self.rows:
            ends = np.array([x.latency for x in of.terms])
            self.constants[:, self.rows.index("latency_s")] = span.least_s * (1 + ends)
        pricing = of.pricing
        self.static_j_per_mm2 = pricing.static_w_per_mm2 * span.least_s
        if self.energy_row is not None:
            self.constants[:, self.energy_row] += pricing.static_w * span.least_s
        self._columns()

    def _columns(self) -> None:
        """Of stages, once for each price of their lags."""
        of, pricing = self.of, self.of.pricing
        within = Range(self.span.most_s, self.span.most_s)
        blocks = [pricing.columns(i, within, of.allowed) for i in of.layers]
        no_option = np.zeros(0, dtype=np.int64)
        costs, flats, options = [np.zeros((0, len(self.rows)))], [no_option], [no_option]
        self.there = np.zeros(len(of.variants), dtype=bool)
        for (n, price), v in of.variants.items():
            block = blocks[n]
            cost = block.cost.copy()
            if self.energy_row is not None and self.static_j_per_mm2:
                area = cost[:, self.rows.index("area_mm2")]
                cost[:, self.energy_row] += self.static_j_per_mm2 * area
            if price:
                cost[:, self.rows.index(pricing.memory.metric)] += price * block.lag
            costs.append(cost)
            flats.append((v * of.most + block.activation) * of.most + block.weight)
            options.append(block.option)
            self.there[v] = len(flats[-1]) > 0
        self.cost, flat = np.concatenate(costs), np.concatenate(flats)
        self.option = np.concatenate(options)
        self.cells, self.starts = np.unique(flat, return_index=True)
        self.variant_layer = np.array([n for n, _ in of.variants], dtype=np.int64)

    def toward(self, targets: Mapping[str, float], own: Iterable[str], aim: float) -> None:
        """Tell bounds on a metric, from targets for an aim of which some are its own."""
        self.aim, self.target = aim, np.zeros(len(self.rows))
        for name, most in targets.items():
            self.target[self.rows.index(name)] = most
        self.own = np.isin(self.rows, [*own])

    def at_targets(self, weights: Floats) -> Floats:
        """Multipliers of other targets, scaled: what keeps all of these has a sum of at most 1."""
        found = np.where(self.target > 0, weights, 0.0)
        return np.asarray(found / (float(found @ self.target) or 1.0))

    def keep_alive(self) -> None:
        """Drop boxes of which no pair is left."""
        kept: Bools = np.asarray(self.alive.any(axis=tuple(range(self.alive.ndim - 1))))
        if not kept.all():
            self._take(kept)

    def _take(self, kept: Ints | Bools) -> None:
        self.boxes, self.costs = self.boxes.take(kept), self.costs.take(kept)
        self.alive, self.lower = self.alive[..., kept], self.lower[..., kept]
        self.origin = self.origin[kept]

    def halve(self) -> None:
        """Cut all boxes in half."""
        self.boxes, of = self.boxes.halved()
        self.costs = self.tables.costs(self.boxes)
        self.alive, self.lower = self.alive[..., of], self.lower[..., of]
        self.origin = self.origin[of]

    def copied(self) -> HybridDual:
        """One of its own, whose boxes are numbered anew."""
        found = copy(self)
        found.origin = np.arange(len(self.boxes.mapping))
        found.alive, found.lower = self.alive.copy(), self.lower.copy()
        return found

    def kept(self) -> Kept:
        """What is left."""
        there: Bools = np.asarray(self.alive.any(axis=tuple(range(self.alive.ndim - 1))))
        some = self.alive.any(axis=tuple(range(1, self.alive.ndim)))
        alive, lower = self.alive[some][..., there], self.lower[some][..., there]
        at = np.nonzero(alive)
        return Kept(self.boxes.take(there), self.number[some], at, lower[at])

    def held(self, least: float, most: float) -> Kept | None:
        """Pairs that `drop` rules out, but not what is as little as that; None where none is.

        Parameters
        ----------
        most : float
            Pairs whose bounds are above it are of no use.
        """
        found = self.copied()
        found.alive &= (self.lower >= least) & (self.lower <= most) & np.isfinite(self.lower)
        return found.kept() if found.alive.any() else None

    def of_kept(self, kept: Kept) -> HybridDual:
        """The same relaxations of what has been put by."""
        found, count = copy(self), len(kept.boxes.mapping)
        shape = (len(kept.number), *self.alive.shape[1:-1], count)
        found.boxes, found.costs = kept.boxes, self.tables.costs(kept.boxes)
        found.number, found.origin = kept.number, np.arange(count)
        found.alive, found.lower = np.zeros(shape, dtype=bool), np.full(shape, -np.inf)
        found.alive[kept.at], found.lower[kept.at] = True, kept.lower
        return found

    def of_segment(self, s: int) -> HybridDual:
        """What is left for one segment."""
        found = self.copied()
        found.alive[found.number != s] = False
        found.keep_alive()
        return found

    def take_in(self, of: HybridDual, least: float) -> None:
        """Take in bounds of a copy, in which pairs have been ruled out that have no less."""
        lower = np.full(self.alive.shape, least)
        lower[..., of.origin] = np.where(of.alive, of.lower, least)
        self.lower = np.maximum(self.lower, lower)

    def group(self, s: int) -> tuple[BoxCosts, ...]:
        """What boxes cost that are left for a segment, as those of `of_segment`."""
        return (self.costs,)

    def boxes_of(self, s: int) -> list[Boxes]:
        """Those boxes."""
        return [self.boxes]

    def few(self, most: int) -> bool:
        """Whether so few boxes are left at most."""
        return len(self.boxes.mapping) <= most

    def split(self) -> Sequence[HybridDual]:
        """The same in two parts, the boxes that take the least first."""
        order = np.argsort(self.costs.hardware[:, 0], kind="stable")
        half = -(-len(order) // 2)
        return [self._only_boxes(order[:half]), self._only_boxes(order[half:])]

    def batch(self, most: int) -> list[HybridDual]:
        """Boxes of the least bounds, so many at most once they are cut in half; and the others."""
        order = np.argsort(self.least_of(axis=0), kind="stable")
        halves = 2 ** (self.boxes.most - self.boxes.least > 1).sum(axis=1)[order]
        count = max(1, int((np.cumsum(halves) <= most).sum()))
        parts = [order[:count], order[count:]]
        return [self._only_boxes(x) for x in parts if len(x)]

    def apart(self) -> list[HybridDual]:
        """Boxes that can be cut, and those that cannot."""
        whole = self.boxes.whole
        return [
            self._only_boxes(x) for x in (np.flatnonzero(whole), np.flatnonzero(~whole)) if len(x)
        ]

    def divided(self, aim: float) -> list[HybridDual]:
        """What has bounds below an aim, and what has none."""
        below = self.lower < aim
        parts = [self.copied(), self.copied()]
        parts[0].alive &= below
        parts[1].alive &= ~below
        for x in parts:
            x.keep_alive()
        return parts

    def _only_boxes(self, kept: Ints) -> HybridDual:
        """What is left in some boxes."""
        part = self.copied()
        part._take(kept)
        return part

    @property
    def least(self) -> float:
        """The least bound on the metric of pairs that are left; inf where none is."""
        return float(self.least_of(axis=0).min(initial=np.inf))

    def least_of(self, axis: int) -> Floats:
        """Of pairs that are left, the least of their bounds, by box or by segment."""
        return np.asarray(np.where(self.alive, self.lower, np.inf).min(axis=axis, initial=np.inf))

    def drop(self, least: float) -> None:
        """Rule out what has no less of the metric than that."""
        self.alive &= self.lower < least
        self.keep_alive()

    def no_less(self, bound: float) -> None:
        """Take in that nothing that is left has less of the metric."""
        self.lower = np.maximum(self.lower, bound)

    def _meet(self, found: Floats, weights: Floats, rule_out: bool) -> None:
        """Take in the least sums of all."""
        if math.isfinite(self.aim):
            used = weights > 0
            shares = weights[used] * self.target[used]
            own = float(shares[self.own[used]].sum())
            rest = float(shares[~self.own[used]].sum())
            if own > LEAST_SHARE * (own + rest) and (self.target[used] > 0).all():
                bound = self.aim * (found / PRUNED - rest) / own
                told = np.where(np.isinf(found), np.inf, np.minimum(bound, self.aim))
                self.lower = np.maximum(self.lower, told)
        if rule_out:
            self.alive &= found <= PRUNED

    # The relaxation -----------------------------------------------------------------------------

    def _leaves(self, weights: Floats) -> Floats:
        """(n, widths of weights): what a layer has of its class of weights."""
        of = self.of
        found = np.zeros((len(of.layers), of.most))
        for n, (c, share) in enumerate(zip(of.leaf.tolist(), of.leaf_share.tolist(), strict=True)):
            if share:
                each = of.leaf_cost[c] @ weights
                found[n, : len(each)] = share * np.where(of.allowed[c], each, np.inf)
        return found

    def _stages(self, weights: Floats, leaves: Floats) -> tuple[Floats, Floats]:
        """(variants, a, w): the least of each cell; and of each column."""
        of = self.of
        column = self.cost @ weights
        flat = np.full(len(of.variants) * of.most**2, np.inf)
        if len(self.cells):
            flat[self.cells] = np.minimum.reduceat(column, self.starts)
        cell = flat.reshape(len(of.variants), of.most, of.most)
        return cell + leaves[self.variant_layer][:, None, :], column

    def _prices(
        self, weights: Floats, leaves: Floats, number: int = 0
    ) -> tuple[float, float, float, Floats]:
        """What a bit, a second of a segment and a joule cost; and what each layer has besides."""
        row = {x: r for r, x in enumerate(self.rows)}
        fixed = leaves[:, None, :]
        if self.bops is not None:
            fixed = fixed + self.bops * weights[row["bops"]]
        spent = 0.0 if self.energy_row is None else float(weights[self.energy_row])
        bit, second = weights[row["dram_bits"]], weights[row[SEGMENTS[number]]]
        return float(bit), float(second), spent, fixed

    def _star(self, number: int, weights: Floats, stage: Floats, shared: Floats) -> Floats:
        """(a,) or (a, B): the sum of a star in a state, at each width."""
        c, cost, readers = self.of.states.of[number]
        mine = np.full(self.of.most, np.inf)
        mine[: len(cost)] = np.where(self.of.allowed[c], cost @ weights, np.inf)
        for v in (x for _, x in readers if x >= 0):
            mine = mine + stage[v]
        among = [shared[n] for n, v in readers if v < 0]
        if among:
            mine = mine[:, None] + among[0]
        for x in among[1:]:
            mine += x
        return mine

    def sums(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """(segments, B): the least sum of each pair; and of stages, and shared ones, by width."""
        of, leaves = self.of, self._leaves(weights)
        stage = self._stages(weights, leaves)[0].min(axis=2)
        shared = self.costs.least(*self._prices(weights, leaves))
        left = np.flatnonzero(self.alive.any(axis=1))
        named = self.number[left]
        asked = np.unique(of.state[named])
        alone, vectors = np.zeros(len(of.states.of)), dict[int, Floats]()
        for x in asked.tolist():
            each = self._star(x, weights, stage, shared).min(axis=0)
            if of.mixed[x]:
                vectors[x] = each
            else:
                alone[x] = each
        found = np.full(self.alive.shape, np.inf)
        if len(left) > FEW_SEGMENTS:
            self._growing(found, vectors)
        else:
            for row, s in zip(left.tolist(), named.tolist(), strict=True):
                mine = (vectors[x] for x in of.state[s].tolist() if of.mixed[x])
                found[row] = sum(mine, np.zeros(self.alive.shape[1]))
        fixed = alone[of.state[named]].sum(axis=1) + self.constants[named] @ weights
        found[left] += fixed[:, None]
        return found + self.costs.hardware @ self._of_hardware(weights), stage, shared

    def _of_hardware(self, weights: Floats) -> Floats:
        """What hardware counts, by metric, with the static power of an area."""
        each = np.zeros(self.costs.hardware.shape[1])
        for m, r in self.hardware_rows:
            each[m] = weights[r]
        if self.energy_row is not None:
            each[0] += self.static_j_per_mm2 * float(weights[self.energy_row])
        return each

    def _growing(self, found: Floats, vectors: Mapping[int, Floats]) -> None:
        """Put together the sums of states with layers that share, of all segments in turn."""
        nothing = np.zeros(found.shape[1])
        running, row = nothing, {s: r for r, s in enumerate(self.number.tolist())}
        for s, settled, pending in self.of.steps:
            for x in settled:
                running = nothing if x < 0 else running + vectors.get(x, nothing)
            if s in row and self.alive[row[s]].any():
                found[row[s]] = sum((vectors[x] for x in pending), running)

    def segments_left(self) -> list[int]:
        """Numbers of segments of which a pair is left, the most promising first."""
        order = np.argsort(self.least_of(axis=1), kind="stable").tolist()
        return [int(self.number[row]) for row in order if self.alive[row].any()]

    def solve(self, weights: Floats, rule_out: bool = True) -> Pick:
        """The least of the pairs that were left; those above 1 are ruled out from now on."""
        if not self.alive.any():
            return self._none()
        found, stage, shared = self.sums(weights)
        found = np.where(self.alive, found, np.inf)
        row, b = (int(x) for x in np.unravel_index(int(found.argmin()), found.shape))
        s, value = int(self.number[row]), float(found[row, b])
        self._meet(found, weights, rule_out)
        if not math.isfinite(value):
            return self._none()
        pick = self._pick(value, s, b, weights, stage, shared)
        if self.alive.any(axis=0).mean() < FEW_ALIVE:
            self.keep_alive()
        return pick

    def _none(self) -> Pick:
        """Nothing is left."""
        widths = np.zeros(len(self.of.space.classes), dtype=np.int64)
        columns, nowhere = np.full(len(self.of.layers), -1), self.boxes.take(np.zeros(0, dtype=int))
        return Pick(math.inf, np.full(len(self.rows), np.inf), widths, columns, 0, nowhere)

    def _pick(
        self, value: float, s: int, b: int, weights: Floats, stage: Floats, shared: Floats
    ) -> Pick:
        """The choices of a pair."""
        of, leaves = self.of, self._leaves(weights)
        cell, column = self._stages(weights, leaves)
        own, one = (
            self.costs.cells(b, *self._prices(weights, leaves)),
            self.costs.take(np.array([b])),
        )
        widths = np.zeros(len(of.space.classes), dtype=np.int64)
        metrics, columns = self.constants[s].copy(), np.full(len(of.layers), -1)
        ends = np.append(self.starts, len(column))
        for x in of.state[s].tolist():
            c, cost, readers = of.states.of[x]
            each = self._star(x, weights, stage, shared)
            a = int((each[:, b] if each.ndim > 1 else each).argmin())
            widths[c] = a
            metrics = metrics + cost[a]
            for n, v in readers:
                w = int((own[n, a] if v < 0 else cell[v, a]).argmin())
                leaf = int(of.leaf[n])
                if of.leaf_share[n]:
                    metrics = metrics + of.leaf_share[n] * of.leaf_cost[leaf][w]
                if leaf not in of.own:
                    widths[leaf] = w
                if v < 0:
                    self._add_shared(metrics, one, (n, a, w))
                    continue
                at = int(np.searchsorted(self.cells, (v * of.most + a) * of.most + w))
                first, last = int(ends[at]), int(ends[at + 1])
                best = first + int(column[first:last].argmin())
                metrics = metrics + self.cost[best]
                columns[n] = best
        for m, r in self.hardware_rows:
            metrics[r] += self.costs.hardware[b, m]
        if self.energy_row is not None:
            metrics[self.energy_row] += self.static_j_per_mm2 * self.costs.hardware[b, 0]
        box = self.boxes.take(np.array([b]))
        return Pick(value, metrics, widths, columns, s, box)

    def _add_shared(
        self, metrics: Floats, one: BoxCosts, cell: tuple[int, int, int], side: int = 0
    ) -> None:
        """Add what a shared layer has in a box, at its widths."""
        row = {x: r for r, x in enumerate(self.rows)}
        n, a, w = cell
        at = w, n, a, int(one.kind[0])
        metrics[row["dram_bits"]] += one.kinds.traffic[at]
        metrics[row[SEGMENTS[side]]] += one.kinds.time[at]
        if self.energy_row is not None:
            metrics[self.energy_row] += one.kinds.energy[at]
        if self.bops is not None:
            metrics[row["bops"]] += self.bops[cell]
