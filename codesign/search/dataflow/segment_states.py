"""Stars of classes in the states that segments put them in, whatever the interval and weights.

What `hybrid_bounds` and `pair_bounds` sum up: which readers of a class share an array, what waits,
what goes through DRAM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.segment_pricing import ENERGY, SegmentPricing
from codesign.search.dataflow.table import Pricing
from codesign.search.dataflow.waiting import Waiting
from codesign.space.dataflow import PipelineSpace

MANY_SEGMENTS = 400  # too many for a linear programme of what waits in each


class StagePricing(Pricing):
    """Columns of stages for all segments: of lags a smaller one is better only where none gains."""

    dearer: Bools | None = None  # (L,): whether a longer lag never costs less

    def _lags(self, number: int, lag: Floats) -> list[Floats]:
        assert self.dearer is not None
        return [lag] if self.dearer[number] else [lag, -lag]


@dataclass(frozen=True)
class SegmentTerms:
    """What segments make of what all have.

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

    segments: tuple[range, ...]
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
        By class, its costs, and its readers: −1 in the segment (−2 in the second of two), else the
        number of a variant.
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
        return SegmentTerms(space.segments, prices, costs, constant, fifos.least_end)

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
        number = next((k for k, x in enumerate(of.segments) if i in x), None)
        if number is not None:
            return -1 - number
        return self.variants.setdefault((n, float(of.prices[i])), len(self.variants))

    def _plan(self) -> None:
        """In which order sums of states are put together: of segments with one start, growing."""
        self.steps: list[tuple[int, list[int], list[int]]] = []
        starts = [x.segments[0].start for x in self.terms]
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
