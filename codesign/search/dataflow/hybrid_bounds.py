"""Lagrangian bounds on all segments and boxes of hardware at once.

For given weights a pair of a segment and a box has a least weighted sum over all choices of widths,
options of stages and tilings: star by star as in `bounds`, each star in the *state* that the
segment puts it in (which of its readers share the array, what waits, what goes through DRAM). Of
each state the sums are worked out once, whatever the segment. A copy of a class of weights for
each layer, layers whose lag makes another class wait at its least width, and weights that are
activations at the least that any segment makes of them: relaxations.

Pairs above 1 are ruled out. Boxes of those that are left are cut in half, until nothing is left or
nothing to cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.bounds import PRUNED, Relaxed, Weighted
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.segment_pricing import ENERGY, SEGMENTS, SegmentPricing
from codesign.search.dataflow.table import Pricing, Range
from codesign.search.dataflow.waiting import Waiting
from codesign.space.dataflow import PipelineSpace
from codesign.space.hardware_boxes import BoxCosts, Boxes, BoxTables

MANY_SEGMENTS = 400  # too many for a linear programme of what waits in each
FEW_SEGMENTS = 24  # are summed up one by one
FEW_ALIVE = 0.7  # of boxes: so few, and the others are dropped


class StagePricing(Pricing):
    """Columns of stages for all segments: of lags a smaller one is better only where none gains."""

    dearer: Bools | None = None  # (L,): whether a longer lag never costs less

    def _lags(self, number: int, lag: Floats) -> list[Floats]:
        assert self.dearer is not None
        return [lag] if self.dearer[number] else [lag, -lag]


@dataclass(frozen=True)
class SegmentTerms:
    """What a segment makes of what all have.

    Attributes
    ----------
    prices : floats, shape (L,)
        Bits that wait for each interval of a stage's lag.
    class_cost : list of floats, shape (widths, rows)
        Without the rows of noise and model size, which are of no segment.
    constant : floats, shape (rows,)
    latency : float
        Intervals from the input to the last output, at least.
    """

    segment: range
    prices: Floats
    class_cost: list[Floats]
    constant: Floats
    latency: float


@dataclass
class States:
    """Stars in the states that segments put them in; numbered as they are met.

    Attributes
    ----------
    number : mapping
        By class, its costs, and its readers: −1 in the segment, else the number of a variant.
    of : list of (int, int, tuple of int)
        Class, number among ``costs``, readers.
    """

    number: dict[object, int] = field(default_factory=dict)
    of: list[tuple[int, Floats, tuple[tuple[int, int], ...]]] = field(default_factory=list)

    def at(self, c: int, cost: Floats, readers: tuple[tuple[int, int], ...]) -> int:
        """The number of a state."""
        key = c, cost.tobytes(), readers
        if key not in self.number:
            self.number[key] = len(self.of)
            self.of.append((c, cost, readers))
        return self.number[key]


class AllSegments:
    """The segments of a space, with what their relaxations are made of whatever the interval.

    Parameters
    ----------
    fifos : list of Fifos
        Of each segment.
    allowed : sequence of bools
        Widths of each class.
    """

    def __init__(
        self,
        space: PipelineSpace,
        pricings: Iterable[SegmentPricing],
        rows: Sequence[str],
        allowed: Sequence[Bools],
    ) -> None:
        self.space, self.rows, self.allowed = space, tuple(rows), list(allowed)
        self.pricing = StagePricing(space, rows, Fifos(space))
        self.pricing.by_cycles = True
        self.layers = space.chosen_layers
        self.place = {i: n for n, i in enumerate(self.layers)}
        self._index_classes()
        self.base = self.pricing.class_costs()
        of_moved = [self.rows.index(x) for x in ("dram_bits", ENERGY) if x in self.rows]
        for each in self.base:
            each[:, of_moved] = 0.0
        pricings = list(pricings)
        self.tangled = len(pricings) <= MANY_SEGMENTS
        self.terms = [self._terms(x) for x in pricings]
        least = np.minimum.reduce([x.prices for x in self.terms])
        self.pricing.dearer = least >= 0
        self._number_states()

    def _index_classes(self) -> None:
        space, count = self.space, len(self.space.classes)
        centre = np.array([space.input_class[i] for i in self.layers])
        leaf = np.array([space.weight_class[i] for i in self.layers])
        is_centre = np.zeros(count, dtype=bool)
        is_centre[centre] = True
        users = np.bincount(leaf, minlength=count)
        self.centre, self.leaf = centre, leaf
        self.leaf_share = np.where(is_centre[leaf], 0.0, 1 / np.maximum(users[leaf], 1))
        self.own = np.flatnonzero(is_centre | (users == 0))
        self.most = max(len(x) for x in space.bits)

    def _terms(self, of: SegmentPricing) -> SegmentTerms:
        """Of a segment."""
        space, fifos, row = of.space, of.fifos, {x: r for r, x in enumerate(self.rows)}
        least = [x[int(np.argmax(mine))] for x, mine in zip(space.bits, self.allowed, strict=True)]
        waiting = Waiting(fifos, least, coupled=False, tangled=self.tangled)
        memory = of.memory
        costs = [x.copy() for x in self.base]
        for c, (each, bits) in enumerate(zip(costs, space.bits, strict=True)):
            each[:, row["dram_bits"]] = space.moved[0][c] * np.array(bits)
            if ENERGY in row and of.rates is not None:
                each[:, row[ENERGY]] = each[:, row["dram_bits"]] * of.rates.dram_j_per_bit
            if memory.metric in row:
                each[:, row[memory.metric]] += waiting.of_classes[c] * memory.slope
        of.add_moving_time(costs)
        of.add_output_energy(costs)
        constant = of.constant()
        if memory.metric in row:
            constant[row[memory.metric]] += memory.fixed * int(fifos.some_wait.sum())
        prices = waiting.prices * (memory.slope if memory.metric in row else 0.0)
        return SegmentTerms(space.segments[0], prices, costs, constant, fifos.least_end)

    def _number_states(self) -> None:
        """The state of each class in each segment; and variants of stages by what waits."""
        self.states, self.variants = States(), dict[tuple[int, float], int]()
        readers: dict[int, list[int]] = {int(c): [] for c in self.own}
        for n, c in enumerate(self.centre.tolist()):
            readers[c].append(n)
        self.state = np.zeros((len(self.terms), len(self.own)), dtype=np.int64)
        for s, of in enumerate(self.terms):
            for k, c in enumerate(self.own.tolist()):
                mine = tuple((n, self._variant(of, n)) for n in readers[c])
                self.state[s, k] = self.states.at(c, of.class_cost[c], mine)
        leaves = {int(c) for c, x in zip(self.leaf, self.leaf_share, strict=True) if x}
        self.leaf_cost = {
            c: np.minimum.reduce([x.class_cost[c] for x in self.terms]) for c in leaves
        }
        self.mixed = np.array([any(v < 0 for _, v in x) for _, _, x in self.states.of])
        self._plan()

    def _variant(self, of: SegmentTerms, n: int) -> int:
        i = self.layers[n]
        if i in of.segment:
            return -1
        return self.variants.setdefault((n, float(of.prices[i])), len(self.variants))

    def _plan(self) -> None:
        """In which order sums of states are put together: of segments with one start, growing."""
        self.steps: list[tuple[int, list[int], list[int]]] = []
        starts = [x.segment.start for x in self.terms]
        for start in dict.fromkeys(starts):
            mine = [s for s, x in enumerate(starts) if x == start]
            state = np.where(self.mixed[self.state[mine]], self.state[mine], -1)
            last = state[-1]
            settled = np.zeros(state.shape[1], dtype=bool)
            for n, s in enumerate(mine):
                final = (state[n:] == last).all(axis=0) & (last >= 0)
                new = np.flatnonzero(final & ~settled)
                settled |= final
                rest = np.flatnonzero(~settled & (state[n] >= 0))
                first = [-1] if n == 0 else []
                self.steps.append((s, [*first, *state[n][new].tolist()], state[n][rest].tolist()))

    def bops(self) -> Floats:
        """(n, widths of inputs, widths of weights): of each layer with MACs."""
        found, space = np.zeros((len(self.layers), self.most, self.most)), self.space
        for n, i in enumerate(self.layers):
            w, a = (np.array(space.bits[c[n]]) for c in (self.leaf, self.centre))
            each = layer_bops(space.network.layers[i], w[None, :], a[:, None])
            found[n, : len(a), : len(w)] = each
        return found


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
    alive : bools, shape (segments, B)
    value : floats
        Of the same shape: the largest sum that was met of each pair.
    """

    def __init__(self, of: AllSegments, boxes: BoxTables) -> None:
        self.of, self.tables, self.rows = of, boxes, of.rows
        known = enumerate(of.space.hardware_metrics)
        self.hardware_rows = [(m, self.rows.index(x)) for m, x in known if x in self.rows]
        self.bops = of.bops() if "bops" in self.rows else None
        self.energy_row = self.rows.index(ENERGY) if ENERGY in self.rows else None
        self.boxes = boxes.first()
        self.costs = self.tables.costs(self.boxes)
        self.alive = np.ones((len(of.terms), len(self.boxes.mapping)), dtype=bool)
        self.value = np.full(self.alive.shape, -np.inf)

    def within(self, span: Range) -> None:
        """Set the range of the interval."""
        of, self.span = self.of, span
        self.value = np.full(self.alive.shape, -np.inf)
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
        costs, flats, options = [], [], []
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

    def keep_alive(self) -> None:
        """Drop boxes of which no pair is left."""
        kept: Bools = np.asarray(self.alive.any(axis=0))
        if not kept.all():
            self._take(kept)

    def _take(self, kept: Ints | Bools) -> None:
        self.boxes, self.costs = self.boxes.take(kept), BoxCosts(*(x[kept] for x in self.costs))
        self.alive, self.value = self.alive[:, kept], self.value[:, kept]

    def halve(self) -> None:
        """Cut all boxes in half."""
        self.boxes, of = self.boxes.halved()
        self.costs = self.tables.costs(self.boxes)
        self.alive, self.value = self.alive[:, of], self.value[:, of]

    def copied(self) -> HybridDual:
        """One of its own."""
        found = copy(self)
        found.alive, found.value = self.alive.copy(), self.value.copy()
        return found

    def of_segment(self, s: int) -> HybridDual:
        """What is left for one segment."""
        found = self.copied()
        found.alive[np.arange(len(found.alive)) != s] = False
        found.keep_alive()
        return found

    def parted(self, most: int) -> list[HybridDual]:
        """The same in parts of so many boxes at most, those that take the least first."""
        count = self.alive.shape[1]
        if count <= most:
            return [self]
        order, found = np.argsort(self.costs.hardware[:, 0], kind="stable"), []
        for first in range(0, count, most):
            part = self.copied()
            part._take(order[first : first + most])
            found.append(part)
        return found

    def promising(self, most: int, segments: int) -> HybridDual:
        """So many boxes and segments at most, of the least sums that were met."""
        found = self.copied()
        found.alive[np.setdiff1d(np.arange(len(found.alive)), self.segments_left()[:segments])] = 0
        found.keep_alive()
        found._take(np.argsort(found._least(axis=0), kind="stable")[:most])
        return found

    @property
    def least(self) -> float:
        """The least of the sums that were met of pairs that are left."""
        return float(self._least(axis=0).min())

    def _least(self, axis: int) -> Floats:
        """Of pairs that are left, the least of the sums met, by box or by segment."""
        return np.asarray(np.where(self.alive, self.value, np.inf).min(axis=axis))

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

    def _shared(self, costs: BoxCosts, weights: Floats, leaves: Floats) -> Floats:
        """(..., n, a, w): the least of each cell of the segment's layers, in boxes or in one."""
        row = {x: r for r, x in enumerate(self.rows)}
        found = costs.traffic * weights[row["dram_bits"]] + costs.time * weights[row[SEGMENTS[0]]]
        found = found + costs.impossible + leaves[:, None, :]
        if self.energy_row is not None:
            found = found + costs.energy * weights[self.energy_row]
        if self.bops is not None:
            found = found + self.bops * weights[row["bops"]]
        return np.asarray(found)

    def _star(self, number: int, weights: Floats, stage: Floats, shared: Floats) -> Floats:
        """(a,) or (B, a): the sum of a star in a state, at each width."""
        c, cost, readers = self.of.states.of[number]
        mine = np.full(self.of.most, np.inf)
        mine[: len(cost)] = np.where(self.of.allowed[c], cost @ weights, np.inf)
        for n, v in readers:
            mine = mine + (shared[:, n] if v < 0 else stage[v])
        return mine

    def sums(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """(segments, B): the least sum of each pair; and of stages, and shared ones, by width."""
        of, leaves = self.of, self._leaves(weights)
        stage = self._stages(weights, leaves)[0].min(axis=2)
        shared = self._shared(self.costs, weights, leaves).min(axis=3)
        left = np.flatnonzero(self.alive.any(axis=1))
        asked = np.unique(of.state[left])
        alone, vectors = np.zeros(len(of.states.of)), dict[int, Floats]()
        for x in asked.tolist():
            each = self._star(x, weights, stage, shared).min(axis=-1)
            if of.mixed[x]:
                vectors[x] = each
            else:
                alone[x] = each
        found = np.full(self.alive.shape, np.inf)
        if len(left) > FEW_SEGMENTS:
            self._growing(found, vectors)
        else:
            for s in left.tolist():
                mine = (vectors[x] for x in of.state[s].tolist() if of.mixed[x])
                found[s] = sum(mine, np.zeros(self.alive.shape[1]))
        fixed = alone[of.state[left]].sum(axis=1) + self.constants[left] @ weights
        found[left] += fixed[:, None]
        each = np.zeros(self.costs.hardware.shape[1])
        for m, r in self.hardware_rows:
            each[m] = weights[r]
        if self.energy_row is not None:
            each[0] += self.static_j_per_mm2 * float(weights[self.energy_row])
        return found + self.costs.hardware @ each, stage, shared

    def _growing(self, found: Floats, vectors: Mapping[int, Floats]) -> None:
        """Put together the sums of states with layers that share, of all segments in turn."""
        nothing = np.zeros(found.shape[1])
        running = nothing
        for s, settled, pending in self.of.steps:
            for x in settled:
                running = nothing if x < 0 else running + vectors.get(x, nothing)
            if self.alive[s].any():
                found[s] = sum((vectors[x] for x in pending), running)

    def segments_left(self) -> list[int]:
        """Numbers of segments of which a pair is left, the most promising first."""
        order = np.argsort(self._least(axis=1), kind="stable").tolist()
        return [s for s in order if self.alive[s].any()]

    def solve(self, weights: Floats, rule_out: bool = True) -> Pick:
        """The least of the pairs that were left; those above 1 are ruled out from now on."""
        if not self.alive.any():
            return self._none()
        found, stage, shared = self.sums(weights)
        found = np.where(self.alive, found, np.inf)
        s, b = (int(x) for x in np.unravel_index(int(found.argmin()), found.shape))
        value = float(found[s, b])
        if rule_out:
            self.alive &= found <= PRUNED
        self.value = np.maximum(self.value, found)
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
        own = self._shared(BoxCosts(*(x[b] for x in self.costs)), weights, leaves)
        widths = np.zeros(len(of.space.classes), dtype=np.int64)
        metrics, columns = self.constants[s].copy(), np.full(len(of.layers), -1)
        row = {x: r for r, x in enumerate(self.rows)}
        ends = np.append(self.starts, len(column))
        for x in of.state[s].tolist():
            c, cost, readers = of.states.of[x]
            each = self._star(x, weights, stage, shared)
            a = int((each[b] if each.ndim > 1 else each).argmin())
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
                    metrics[row["dram_bits"]] += self.costs.traffic[b, n, a, w]
                    metrics[row[SEGMENTS[0]]] += self.costs.time[b, n, a, w]
                    if self.bops is not None:
                        metrics[row["bops"]] += self.bops[n, a, w]
                    if self.energy_row is not None:
                        metrics[self.energy_row] += self.costs.energy[b, n, a, w]
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
