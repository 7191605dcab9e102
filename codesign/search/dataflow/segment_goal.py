"""A goal for segments: what they add to the bounds of a pipeline, and their search on arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.tolerances import ceiling
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Dual, Relaxed
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    PRICED,
    GoalBounds,
    Shared,
)
from codesign.search.dataflow.pricing import Pipeline, chosen_options, with_good_starts
from codesign.search.dataflow.search import GoalSearch
from codesign.search.dataflow.segment_bounds import (
    SegmentDual,
    SharedOptions,
    SharedRelaxed,
)
from codesign.search.dataflow.segment_pricing import ENERGY, SEGMENTS, SegmentPricing
from codesign.search.dataflow.table import Range, Table
from codesign.space.segments import (
    HybridSpace,
    LayerTilings,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)

ROUNDS, ENOUGH = 3, 0.9  # of reductions of a table; what is left, from where on another is no use


class OfSegment(GoalBounds):
    """What of a goal's bounds segments add to."""

    space: SegmentSpace
    pricing: SegmentPricing
    tables: SharedTables

    def price_on(
        self,
        hardware: Sequence[tuple[SharedArray, float]],
        options: Mapping[int, int],
        widths: Ints,
    ) -> None:
        """Take options of stages for the incumbent if they are better, on arrays and SRAMs.

        Layers of segments are in their best tilings.

        Parameters
        ----------
        hardware : sequence of (SharedArray, float)
            Of each segment, with the most bits of its SRAM.
        options : mapping of int to int
            By layer.
        """
        tiled, chosen = dict[int, LayerTilings](), dict(options)
        energy = self.pricing.energy if self.goal.metric == ENERGY else None
        for i in self.space.shared_layers:
            array, most = hardware[self.space.inside[i]]
            w_class, a_class = self.space.weight_class[i], self.space.input_class[i]
            assert w_class is not None
            assert a_class is not None
            at = int(widths[w_class]), int(widths[a_class])
            per_bit = None if energy is None else energy.per_bit(i, array.mapping)
            tiling = self.tables.best(i, array, at, most, per_bit)
            if tiling is None:
                return
            tiled[i], chosen[i] = self.tables.on(i, array), tiling
        choices = self.space.choices
        widest = max(choices.pe_weight_bits), max(choices.pe_activation_bits)
        for i in tiled:
            for n, c in enumerate((self.space.weight_class[i], self.space.input_class[i])):
                if self.space.bits[c or 0][int(widths[c or 0])] > widest[n]:
                    return
        arrays, any_of = tuple(x for x, _ in hardware), Sharing(0.0, 0.0, ())
        space = HybridSpace(self.space, arrays, (any_of,) * len(arrays), tiled)
        self.update(with_good_starts(space, self.fifos, chosen, widths))

    def make_pricing(self, metrics: Sequence[str]) -> SegmentPricing:
        """As of `GoalBounds`; the time of each segment is a metric."""
        return SegmentPricing(self.space, [*metrics, *self.times], self.search.fifos)

    @property
    def times(self) -> tuple[str, ...]:  # type: ignore[override]
        """Metrics of what segments take."""
        return SEGMENTS[: len(self.space.segments)]

    def targets(self, span: Range, value: float = math.inf) -> dict[str, float]:
        """As of `GoalBounds`; a segment takes the interval at most."""
        most = float(ceiling(span.most_s))
        return {**super().targets(span, value), **dict.fromkeys(self.times, most)}

    def own(self, span: Range, targets: Mapping[str, float]) -> list[str]:
        """Which targets of a range are those of the goal's metric."""
        if self.goal.metric != INTERVAL:
            return [self.goal.metric]
        moved = targets.get("dram_bits") == self.rate_limit(span.most_s)
        return [*self.times, *(["dram_bits"] if moved else [])]

    def interval_of(self, dual: Dual, choice: Relaxed) -> float:
        """As of `GoalBounds`."""
        taken = (float(choice.metrics[dual.rows.index(x)]) for x in self.times)
        return max(super().interval_of(dual, choice), *taken)

    def try_choices(self, dual: Dual, choices: Sequence[Relaxed]) -> None:
        """As of `GoalBounds`, each layer of the segment in its best tiling."""
        row, limits = {x: r for r, x in enumerate(dual.rows)}, self.goal.limits
        most = {row[x]: ceiling(v) for x, v in limits.items() if x != INTERVAL}
        tried: dict[bytes, tuple[float, SharedRelaxed]] = {}
        for x in choices:
            if not isinstance(x, SharedRelaxed) or dual.of_two_minds(x):
                continue
            if any(x.metrics[r] > v for r, v in most.items()):
                continue
            timed = self.goal.metric == INTERVAL
            mine = self.interval_of(dual, x) if timed else float(x.metrics[row[self.goal.metric]])
            if mine < self.value:
                tried[x.columns.tobytes() + x.widths.tobytes() + bytes(x.at)] = mine, x
        for mine, x in sorted(tried.values(), key=lambda each: each[0])[:PRICED]:
            if mine < self.value:
                self._price(dual, x)

    def _price(self, dual: Dual, choice: SharedRelaxed) -> None:
        """Take a choice for the incumbent if it is better."""
        assert isinstance(dual, SegmentDual)
        h = choice.at[0]
        hardware = [(dual.options.arrays[h], float(dual.options.most_sram[h]))]
        options = chosen_options(dual.layers, choice.columns, dual.table.option)
        self.price_on(hardware, options, choice.widths)

    def unlimited_ends(self) -> tuple[float, float]:
        """As of `GoalBounds`; segments take no longer than all that they could ever fetch."""
        least_s, most_s = super().unlimited_ends()
        moved = sum(self._most_bits(i) for i in self.space.inside)
        moved += sum(n * self._most_width(c) for i in self.space.inside for c, n in self._other(i))
        return least_s, most_s + moved / self.search.rate + self.slowest_s()

    def slowest_s(self) -> float:
        """What arrays take for all layers of segments at most."""
        raise NotImplementedError

    def _other(self, layer: int) -> list[tuple[int | None, int]]:
        return self.space.other_elements(layer)

    def _most_width(self, c: int | None) -> int:
        return self.space.choices.output_bits if c is None else self.space.bits[c][-1]

    def _most_bits(self, layer: int) -> int:
        """Of operands and partial sums: no tiling fetches more than all for each MAC."""
        of, space = self.space.network.layers[layer], self.space
        if of.moves:
            return 0
        w, a = (
            self._most_width(space.weight_class[layer]),
            self._most_width(space.input_class[layer]),
        )
        return of.macs * (w + a + 2 * (w + a + of.accumulation_bits))


class SegmentGoal(OfSegment):
    """A goal for one segment, whatever it shares.

    Parameters
    ----------
    tables : SharedTables
    """

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        tables: SharedTables,
        incumbent: Pipeline | None,
        rel_gap: float,
    ) -> None:
        super().__init__(search, goal, incumbent, None, rel_gap)
        self.tables = tables

    def slowest_s(self) -> float:
        """As of `OfSegment`, on the slowest array for each layer."""
        every = [self.tables.slowest(i) for i in self.space.shared_layers]
        return sum(every) / self.search.clock

    def ends(self) -> tuple[float, float]:
        """The least and the most that the interval may be."""
        return self._ends()


class OnArrays(OfSegment, GoalSearch):
    """A goal for segments on an array each, in a range of the interval.

    Attributes
    ----------
    within : Range
    """

    space: HybridSpace

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        of: SegmentGoal,
        incumbent: Pipeline | None,
        span: Range,
        rel_gap: float,
    ) -> None:
        super().__init__(search, goal, incumbent, None, rel_gap)
        self.within, self.tables = span, of.tables

    def slowest_s(self) -> float:
        """As of `OfSegment`."""
        return sum(x.cycles for x in self.space.tiled.values()) / self.search.clock

    def _ends(self) -> tuple[float, float]:
        least_s, most_s = super()._ends()
        return max(least_s, self.within.least_s), min(most_s, self.within.most_s)

    def _guess_above(self, lower: float) -> float:
        """None: all of it is searched at once."""
        return math.inf


class ArraySearch(OnArrays):
    """The search of a segment on one array, in a range of the interval.

    Parameters
    ----------
    of : SegmentGoal
    options : SharedOptions
        Of the array.
    """

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        of: SegmentGoal,
        incumbent: Pipeline | None,
        options: SharedOptions,
        span: Range,
        rel_gap: float,
    ) -> None:
        super().__init__(search, goal, of, incumbent, span, rel_gap)
        self.of, self.options = of, options

    def first_bound(self, span: Range) -> float:
        """As of `GoalBounds`; most are impossible altogether, and others soon searched."""
        if self.search.whole:
            return 0.0
        table = self.of.pricing.table(span, self.allowed)
        if table is None:
            return math.inf
        dual = SegmentDual(self.of.pricing, table, span, self.options)
        found = ascend(dual, self.targets(span, self.value))
        if found.value > PRUNED:
            return math.inf
        self.try_choices(dual, found.choices)
        if self.goal.metric == INTERVAL:
            return span.least_s
        return dual.solve(dual.scaled({self.goal.metric: 1.0})).value

    def _reduced(self, table: Table, span: Range, aim: float) -> tuple[Table | None, float]:
        """As of `GoalSearch`; the hardware is reduced too."""
        shared, options = np.array(self.space.shared_layers), self.options
        for _ in range(ROUNDS):
            targets = self.targets(span, aim)
            mine = np.isin(table.layer, shared)
            stages = table.only(~mine, table.allowed)
            dual = SegmentDual(self.of.pricing, stages, span, options)
            found = ascend(dual, targets, full=True)
            if found.value > PRUNED:
                return None, aim
            self.try_choices(dual, found.choices)
            count, kept, allowed = len(table), np.ones(len(table), bool), table.allowed
            alive = options.there
            for weights in found.weights[-3:]:
                there, of_stages, widths, rest = dual.left_of(weights)
                alive &= there
                kept[~mine] &= of_stages
                kept[mine] &= self._tiled_left(dual, table, mine, weights, rest)
                allowed = [a & b for a, b in zip(allowed, widths, strict=True)]
            if not alive.any() or not all(x.any() for x in allowed):
                return None, aim
            options = options.only(alive)
            sharing = options.sharing
            kept &= table.within(allowed, self.space, self.fifos.couplings)
            kept &= table.need <= sharing.most_sram
            table = replace(table.only(kept, allowed), sharings=(sharing,))
            if table.lacks_layers(self.space):
                return None, aim
            if self.value < aim:
                aim = self.value
            elif len(table) > ENOUGH * count:
                break
        return table, aim

    def _tiled_left(
        self, dual: SegmentDual, table: Table, mine: Bools, weights: Floats, rest: Floats
    ) -> Bools:
        """Which columns of the segment's layers some choice may have."""
        of = np.searchsorted(dual.shared, table.layer[mine])
        cost = table.cost[mine] @ weights + dual.leaf_costs(weights)[of, table.weight[mine]]
        return np.asarray(cost + rest[of, table.activation[mine]] <= PRUNED)
