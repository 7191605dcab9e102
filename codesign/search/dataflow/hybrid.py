"""Branch and bound over hybrids: segments, and the hardware that each may share.

The segment of the least bound comes first. Up to a guess a little above its bound a Lagrangian for
all of its hardware at once (`segment_bounds`) rules the guess out, or leaves some arrays, widths of
PEs and ranges of SRAM sizes. Each of those is searched as a pipeline is (`search`), with the
segment's layers in its table and its programme, for what is better than the incumbent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from codesign.arrays import Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, ceiling
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Dual, Relaxed
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    LATENCY,
    Counts,
    GoalBounds,
    OnProgress,
    Shared,
)
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import GoalSearch, Proven
from codesign.search.dataflow.segment_bounds import SegmentDual, SharedOptions, shared_options
from codesign.search.dataflow.segment_pricing import SEGMENT, SegmentPricing
from codesign.search.dataflow.table import Pricing, Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import HybridSpace, SegmentSpace, SharedHardware, SharedTables
from codesign.stopping import StopCondition, Stopped

FIRST_GUESS, GROWTH = 0.1, 2.0  # above a bound, relative; of the next one
MOST_GUESSES = 40  # then anything is let in


class OfSegment(GoalBounds):
    """What of a goal's bounds a segment adds to."""

    space: SegmentSpace

    def make_pricing(self, metrics: Sequence[str]) -> Pricing:
        """As of `GoalBounds`; the segment's time is a metric."""
        return SegmentPricing(self.space, [*metrics, SEGMENT], self.search.fifos)

    def targets(self, span: Range, value: float = math.inf) -> dict[str, float]:
        """As of `GoalBounds`; the segment takes the interval at most."""
        return {**super().targets(span, value), SEGMENT: float(ceiling(span.most_s))}

    def interval_of(self, dual: Dual, choice: Relaxed) -> float:
        """As of `GoalBounds`."""
        taken = float(choice.metrics[dual.rows.index(SEGMENT)])
        return max(super().interval_of(dual, choice), taken)

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
    span : Range
        Of the interval.
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


class LeafSearch(OfSegment, GoalSearch):
    """The search of a segment on given hardware, in a range of the interval."""

    space: HybridSpace

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        incumbent: Pipeline | None,
        rel_gap: float,
        span: Range,
    ) -> None:
        super().__init__(search, goal, incumbent, None, rel_gap)
        self.within = span

    def slowest_s(self) -> float:
        """As of `OfSegment`."""
        return sum(x.cycles for x in self.space.tiled.values()) / self.search.clock

    def _ends(self) -> tuple[float, float]:
        least_s, most_s = super()._ends()
        most_s = min(most_s, self.within.most_s)
        if self.goal.metric == INTERVAL and self.incumbent is not None:
            most_s = min(most_s, self.value)
        return max(least_s, self.within.least_s), most_s

    def first_bound(self, span: Range) -> float:
        """As of `GoalBounds`; most are impossible altogether."""
        if not self.search.whole and self._impossible(Range(span.most_s, span.most_s)):
            return math.inf
        return super().first_bound(span)

    def _moved_in_time(self, cycles_s: float, most_s: float) -> float:
        found = super()._moved_in_time(cycles_s, most_s)
        table = self.pricing.table(Range(cycles_s, cycles_s), self.allowed)
        if table is None:
            return most_s
        span = Range(cycles_s, most_s)
        dual = Dual(self.pricing, table, span)
        taken_s = self._bound(dual, self.targets(span), SEGMENT)
        return min(max(found, taken_s / (1 + CLOSING_GAP)), most_s)


@dataclass(order=True)
class Node:
    """A segment in a range of the interval, with a bound on the goal's metric."""

    lower: float
    number: int
    segment: range = field(compare=False)
    span: Range = field(compare=False)
    guess: float = field(compare=False, default=FIRST_GUESS)
    guesses: int = field(compare=False, default=0)
    done: set[SharedHardware] = field(compare=False, default_factory=set)


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
        self.counts = Counts()
        self._shared: dict[range, Shared] = {}

    def shared(self, segment: range) -> Shared:
        """What searches of a segment share."""
        if segment not in self._shared:
            space = SegmentSpace(self.space, segment)
            self._shared[segment] = self._search_of(space, None)
        return self._shared[segment]

    def leaf(self, segment: range, hardware: SharedHardware) -> Shared:
        """The same on given hardware."""
        of = self.shared(segment)
        assert isinstance(of.space, SegmentSpace)
        tiled = {i: self.tables.on(i, hardware.array) for i in of.space.shared_layers}
        return self._search_of(HybridSpace(of.space, hardware, tiled), of)

    def _search_of(self, space: SegmentSpace, of: Shared | None) -> Shared:
        found = Shared(
            space,
            self.stop,
            solver=self.solver,
            whole=self.whole,
            known=None if of is None else of.fifos,
        )
        found.counts = self.counts
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
        assert isinstance(of.pricing, SegmentPricing)
        dual = SegmentDual(of.pricing, table, span, options)
        return dual.solve(dual.scaled({self.goal.metric: 1.0})).value

    def _search(self, node: Node) -> None:
        """Search a segment up to a guess; push it again if there may be something above."""
        of = self._of(node.segment)
        self.search.counts.intervals += 1
        most = of.value if self.incumbent is not None else of.cutoff
        aim = min(most, self._guess_above(node))
        span = node.span
        if self.goal.metric == INTERVAL:
            span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        options = of.options(span, aim)
        if options is not None:
            if self.search.whole:
                every = np.argwhere(np.isfinite(options.area)).tolist()
                for at in every:
                    self._solve(node, options.hardware(*at))
            else:
                self._search_options(node, of, span, aim, options)
        self._nothing_below(node, aim)

    def _guess_above(self, node: Node) -> float:
        """A little above a bound; inf after the last guess."""
        if self.search.whole or node.lower <= 0 or node.guesses >= MOST_GUESSES:
            return math.inf
        return node.lower * (1 + node.guess)

    def _nothing_below(self, node: Node, aim: float) -> None:
        """A guess is a bound where nothing better than the incumbent is below."""
        of = self._of(node.segment)
        most = node.span.most_s if self.goal.metric == INTERVAL else math.inf
        if aim < of.cutoff and aim < most:
            node.lower, node.guess = aim, node.guess * GROWTH
            node.guesses += 1
            heapq.heappush(self.open, node)

    def _search_options(
        self, node: Node, of: SegmentGoal, span: Range, aim: float, options: SharedOptions
    ) -> None:
        """Rule out what a Lagrangian can, and search the rest, the most promising first."""
        table = of.pricing.table(span, of.allowed)
        if table is None:
            return
        assert isinstance(of.pricing, SegmentPricing)
        dual = SegmentDual(of.pricing, table, span, options)
        value = math.inf if self.goal.metric == INTERVAL else aim
        targets = of.targets(span, value)
        found = ascend(dual, targets)
        if found.value > PRUNED:
            return
        found = ascend(dual, targets, full=True)
        if found.value > PRUNED:
            return
        each: list[Floats] = [dual.values(x) for x in found.weights[-3:]]
        values = np.max(each, axis=0)
        left = np.argwhere(values <= PRUNED).tolist()
        for at in sorted(left, key=lambda x: float(values[tuple(x)])):
            hardware = options.hardware(*at)
            if hardware in node.done:
                continue
            self.search.stop.check()
            one = SegmentDual(of.pricing, table, span, options.only(*at))
            now = of.targets(self._better(span), min(value, self.value))
            if ascend(one, now).value <= PRUNED:
                self._solve(node, hardware)

    def _better(self, span: Range) -> Range:
        """The part of a range where the interval is better than the incumbent's."""
        if self.goal.metric != INTERVAL:
            return span
        return Range(span.least_s, min(span.most_s, self.value))

    def _solve(self, node: Node, hardware: SharedHardware) -> None:
        """Search one segment on given hardware for what is better than the incumbent."""
        on = self.search.leaf(node.segment, hardware), self.goal, self.incumbent, self.rel_gap
        found = LeafSearch(*on, node.span).run()
        if found.design is not None:
            self.incumbent = found.design
        if not found.complete:
            raise Stopped
        node.done.add(hardware)
