"""Branch and bound over hybrids: segments, and the hardware that each may share.

The segment of the least bound comes first. Up to a guess a little above its bound a Lagrangian for
all of its hardware at once (`segment_bounds`) rules the guess out, or leaves some arrays. Each of
those is searched as a pipeline is (`search`), with the segment's layers, its SRAM and the widths of
its PEs in the programme, for what is better than the incumbent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, ceiling
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Dual, Relaxed
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    LATENCY,
    PRICED,
    Counts,
    GoalBounds,
    OnProgress,
    Shared,
)
from codesign.search.dataflow.pricing import Pipeline, chosen_options, with_good_starts
from codesign.search.dataflow.search import GoalSearch, Proven
from codesign.search.dataflow.segment_bounds import (
    SegmentDual,
    SharedOptions,
    SharedRelaxed,
    shared_options,
)
from codesign.search.dataflow.segment_pricing import SEGMENT, SegmentPricing
from codesign.search.dataflow.table import Range, Table
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import (
    HybridSpace,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)
from codesign.stopping import StopCondition, Stopped

ROUNDS, ENOUGH = 3, 0.9  # of reductions of a table; what is left, from where on another is no use
FIRST_GUESS, GROWTH = 0.1, 2.0  # above a bound, relative; of the next one
MOST_GUESSES = 40  # then anything is let in


class OfSegment(GoalBounds):
    """What of a goal's bounds a segment adds to."""

    space: SegmentSpace
    pricing: SegmentPricing
    tables: SharedTables

    def make_pricing(self, metrics: Sequence[str]) -> SegmentPricing:
        """As of `GoalBounds`; the segment's time is a metric."""
        return SegmentPricing(self.space, [*metrics, SEGMENT], self.search.fifos)

    def targets(self, span: Range, value: float = math.inf) -> dict[str, float]:
        """As of `GoalBounds`; the segment takes the interval at most."""
        return {**super().targets(span, value), SEGMENT: float(ceiling(span.most_s))}

    def interval_of(self, dual: Dual, choice: Relaxed) -> float:
        """As of `GoalBounds`."""
        taken = float(choice.metrics[dual.rows.index(SEGMENT)])
        return max(super().interval_of(dual, choice), taken)

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
        array, most = dual.options.arrays[h], float(dual.options.most_sram[h])
        tiled = {i: self.tables.on(i, array) for i in self.space.shared_layers}
        space = HybridSpace(self.space, array, dual.options.of_array(array).sharing, tiled)
        options = chosen_options(dual.layers, choice.columns, dual.table.option)
        for i in tiled:
            w_class, a_class = self.space.weight_class[i], self.space.input_class[i]
            assert w_class is not None
            assert a_class is not None
            at = int(choice.widths[w_class]), int(choice.widths[a_class])
            tiling = self.tables.best(i, array, at, most)
            if tiling is None:
                return
            options[i] = tiling
        self.update(with_good_starts(space, self.fifos, options, choice.widths))

    def unlimited_ends(self) -> tuple[float, float]:
        """As of `GoalBounds`; the segment takes no longer than all that it could ever fetch."""
        least_s, most_s = super().unlimited_ends()
        moved = sum(self._most_bits(i) for i in self.space.segment)
        moved += sum(n * self._most_width(c) for i in self.space.segment for c, n in self._other(i))
        return least_s, most_s + moved / self.search.rate + self.slowest_s()

    def slowest_s(self) -> float:
        """What the array takes for all layers of the segment at most."""
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
        every = [
            max(self.tables.on(i, array).cycles for array in self.tables.arrays)
            for i in self.space.shared_layers
        ]
        return sum(every) / self.search.clock

    def options(self, span: Range, aim: float) -> SharedOptions | None:
        """What may be shared in a range of the interval, for less than a value of the metric."""
        most_mm2 = self.goal.limits.get("area_mm2", math.inf)
        if self.goal.metric == "area_mm2":
            most_mm2 = min(most_mm2, aim)
        on = self.space, self.tables, self.allowed, span.most_s
        return shared_options(*on, most_mm2, not self.search.whole)


class ArraySearch(OfSegment, GoalSearch):
    """The search of a segment on one array, in a range of the interval.

    Parameters
    ----------
    of : SegmentGoal
    options : SharedOptions
        Of the array.
    """

    space: HybridSpace

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        of: SegmentGoal,
        incumbent: Pipeline | None,
        options: SharedOptions,
        span: Range,
    ) -> None:
        super().__init__(search, goal, incumbent, None, of.gap)
        self.of, self.options, self.within, self.tables = of, options, span, of.tables

    def slowest_s(self) -> float:
        """As of `OfSegment`."""
        return sum(x.cycles for x in self.space.tiled.values()) / self.search.clock

    def _ends(self) -> tuple[float, float]:
        least_s, most_s = super()._ends()
        return max(least_s, self.within.least_s), min(most_s, self.within.most_s)

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

    def _guess_above(self, lower: float) -> float:
        """None: all of it is searched at once."""
        return math.inf

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
            alive = np.isfinite(options.area)
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
            table = replace(table.only(kept, allowed), sharing=sharing)
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


@dataclass(order=True)
class Node:
    """A segment in a range of the interval, with a bound on the goal's metric."""

    lower: float
    number: int
    segment: range = field(compare=False)
    span: Range = field(compare=False)
    guess: float = field(compare=False, default=FIRST_GUESS)
    guesses: int = field(compare=False, default=0)
    done: set[SharedArray] = field(compare=False, default_factory=set)


class HybridSearch:
    """Searches over all hybrids of one space.

    Parameters
    ----------
    whole : bool
        Hand each segment on each array to the solver as one MILP, bounding nothing.
    """

    def __init__(
        self, space: PipelineSpace, stop: StopCondition, solver: str = "highs", whole: bool = False
    ) -> None:
        self.space, self.stop, self.solver, self.whole = space, stop, solver, whole
        self.tables = SharedTables(space)
        options = sum(len(x.rows) for x in space.options if x is not None)
        self.counts = Counts(options=options + len(self.tables.arrays))
        self._shared: dict[range, Shared] = {}

    def shared(self, segment: range) -> Shared:
        """What searches of a segment share."""
        if segment not in self._shared:
            self._shared[segment] = self._search_of(SegmentSpace(self.space, segment), None)
        return self._shared[segment]

    def on_array(self, segment: range, array: SharedArray, sharing: Sharing) -> Shared:
        """The same on one array."""
        of = self.shared(segment)
        assert isinstance(of.space, SegmentSpace)
        tiled = {i: self.tables.on(i, array) for i in of.space.shared_layers}
        return self._search_of(HybridSpace(of.space, array, sharing, tiled), of)

    def _search_of(self, space: SegmentSpace, of: Shared | None) -> Shared:
        known, options = None if of is None else of.fifos, self.counts.options
        how = self.stop, self.solver, self.whole, self.counts, known
        found = Shared(space, *how)
        self.counts.options = options
        return found

    def prove(
        self,
        goal: Goal,
        incumbent: Pipeline | None = None,
        report: OnProgress | None = None,
        rel_gap: float = CLOSING_GAP,
    ) -> Proven:
        """Minimise a goal's metric, starting from a design within its limits where one is known."""
        return HybridGoal(self, goal, incumbent, report, rel_gap).run()


class HybridGoal:
    """The search for one goal."""

    def __init__(
        self,
        search: HybridSearch,
        goal: Goal,
        incumbent: Pipeline | None,
        report: OnProgress | None,
        rel_gap: float,
    ) -> None:
        self.search, self.goal, self.incumbent = search, goal, incumbent
        self.report, self.rel_gap = report, rel_gap
        self.open: list[Node] = []
        self._goals: dict[range, SegmentGoal] = {}

    def run(self) -> Proven:
        """Search all segments, the one of the least bound first."""
        try:
            self._open_all()
            while self.open and self.open[0].lower < self._of(self.open[0].segment).cutoff:
                self._tell()
                node = heapq.heappop(self.open)
                try:
                    self._search(node)
                except Stopped:
                    heapq.heappush(self.open, node)
                    raise
        except Stopped:
            return Proven(self.incumbent, self.lower, False)
        return Proven(self.incumbent, self.lower, True)

    @property
    def value(self) -> float:
        """The incumbent's metric; inf without one."""
        return math.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]

    @property
    def lower(self) -> float:
        """No design has a smaller metric."""
        return min(self.open[0].lower if self.open else math.inf, self.value)

    def _tell(self) -> None:
        self.search.stop.check()
        if self.report is not None:
            best = None if self.incumbent is None else self.value
            self.report(best, self.lower)

    def _of(self, segment: range) -> SegmentGoal:
        """The goal for a segment."""
        if segment not in self._goals:
            on = self.search.shared(segment), self.goal, self.search.tables
            self._goals[segment] = SegmentGoal(*on, self.incumbent, self.rel_gap)
        self._goals[segment].incumbent = self.incumbent
        return self._goals[segment]

    def _open_all(self) -> None:
        """All segments, in all ranges of the interval, with what bounds them at once."""
        segments = self.search.tables.segments()
        self.open = [Node(0.0, n, x, Range(0.0, math.inf)) for n, x in enumerate(segments)]
        nodes = list[Node]()
        for segment in segments:
            self.search.stop.check()
            of = self._of(segment)
            for span in of.first_spans():
                lower = 0.0 if self.search.whole else self._first_bound(of, span)
                nodes.append(Node(lower, len(nodes), segment, span))
        self.open = [x for x in nodes if math.isfinite(x.lower)]
        heapq.heapify(self.open)

    def _first_bound(self, of: SegmentGoal, span: Range) -> float:
        """The least of the metric, whatever the limits."""
        if self.goal.metric == INTERVAL:
            return span.least_s
        if self.goal.metric == LATENCY:
            return span.least_s * (1 + of.fifos.least_end)
        options = of.options(span, math.inf)
        table = of.pricing.table(span, of.allowed)
        if options is None or table is None:
            return math.inf
        dual = SegmentDual(of.pricing, table, span, options)
        return dual.solve(dual.scaled({self.goal.metric: 1.0})).value

    def _search(self, node: Node) -> None:
        """Search a segment up to a guess; push it again if there may be something above."""
        of = self._of(node.segment)
        self.search.counts.intervals += 1
        most = of.cutoff if self.incumbent is None else self.value
        aim = min(most, self._guess_above(node))
        span = node.span
        if self.goal.metric == INTERVAL:
            span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        options = of.options(span, aim)
        if options is not None:
            arrays = dict.fromkeys(options.arrays)
            if not self.search.whole:
                arrays = dict.fromkeys(self._left(of, span, aim, options))
            for array in arrays:
                if array not in node.done:
                    self._solve(node, of, array, options.of_array(array), aim)
        self._nothing_below(node, aim)

    def _guess_above(self, node: Node) -> float:
        """A little above a bound; inf after the last guess."""
        if self.search.whole or node.lower <= 0 or node.guesses >= MOST_GUESSES:
            return math.inf
        return node.lower * (1 + node.guess)

    def _nothing_below(self, node: Node, aim: float) -> None:
        """A guess is a bound where nothing better than the incumbent is below."""
        cutoff = self._of(node.segment).cutoff
        most = node.span.most_s if self.goal.metric == INTERVAL else math.inf
        if aim < cutoff and aim < most:
            node.lower, node.guess = aim, node.guess * GROWTH
            node.guesses += 1
            heapq.heappush(self.open, node)

    def _left(
        self, of: SegmentGoal, span: Range, aim: float, options: SharedOptions
    ) -> list[SharedArray]:
        """Arrays that a Lagrangian does not rule out, the most promising first."""
        table = of.pricing.table(span, of.allowed)
        if table is None:
            return []
        dual = SegmentDual(of.pricing, table, span, options)
        targets = of.targets(span, math.inf if self.goal.metric == INTERVAL else aim)
        if ascend(dual, targets).value > PRUNED:
            return []
        found = ascend(dual, targets, full=True)
        if found.value > PRUNED:
            return []
        of.try_choices(dual, found.choices)
        self.incumbent = of.incumbent
        values = np.max([dual.values(x) for x in found.weights[-3:]], axis=0).min(axis=(1, 2))
        left = np.flatnonzero(values <= PRUNED)
        return [options.arrays[h] for h in left[np.argsort(values[left], kind="stable")].tolist()]

    def _solve(
        self, node: Node, of: SegmentGoal, array: SharedArray, options: SharedOptions, aim: float
    ) -> None:
        """Search a segment on an array for what is better than the incumbent, and an aim.

        Where that is found, it is the best there is on this array.
        """
        metric, limits = self.goal.metric, dict(self.goal.limits)
        most = min(aim, self.value)
        if math.isfinite(most):
            limits[metric] = min(most, limits.get(metric, math.inf))
        goal = Goal(metric, limits)
        on = self.search.on_array(node.segment, array, options.sharing), goal, of
        found = ArraySearch(*on, self.incumbent, options, node.span).run()
        better = found.design is not None and found.design is not self.incumbent
        if better:
            self.incumbent = found.design
        if not found.complete:
            raise Stopped
        if better or aim >= self.value:
            node.done.add(array)
