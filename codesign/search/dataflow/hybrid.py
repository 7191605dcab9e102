"""Branch and bound over hybrids: segments, and the hardware that each may share.

The segment of the least bound comes first. Up to a guess a little above its bound a Lagrangian for
all of its hardware at once (`segment_bounds`) rules the guess out, or leaves some arrays. Each of
those is searched as a pipeline is (`search`), with the segment's layers, its SRAM and the widths of
its PEs in the programme, for what is better than the incumbent.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    LATENCY,
    Counts,
    OnProgress,
    Shared,
)
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import Proven
from codesign.search.dataflow.segment_bounds import (
    SegmentDual,
    SharedOptions,
)
from codesign.search.dataflow.segment_goal import ArraySearch, SegmentGoal
from codesign.search.dataflow.table import Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import (
    HybridSpace,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)
from codesign.stopping import StopCondition, Stopped

FIRST_GUESS, GROWTH = 0.03, 2.0  # above a bound, relative; of the next one
MOST_GUESSES = 40  # then anything is let in
NEAR = 1.03  # of bounds of segments: so near, and they are not told apart
MOST_DOUBLINGS = 60  # of a bound, until something may be below


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
        if not self.search.whole:
            self._raise_bounds()
            heapq.heapify(self.open)

    def _raise_bounds(self) -> None:
        """Raise all bounds to about where the first segment may have something below.

        Where that is, is found by bisection, of those segments alone that may have something below
        what it was of all before: in an order by chance, few.
        """
        best, order = self.value, [x for x in self.open if x.lower > 0]
        random.Random(0).shuffle(order)
        for node in order:
            low = node.lower
            if low * NEAR >= best or (best < math.inf and self._ruled_out(node, best / NEAR)):
                node.lower = max(low, best / NEAR)
                continue
            high = best if best < math.inf else self._doubled(node)
            low = node.lower
            while high > low * NEAR:
                middle = math.sqrt(low * high)
                if self._ruled_out(node, middle):
                    low = middle
                else:
                    high = middle
            node.lower = low
            if high < self._most(node):
                best = min(best, high)

    def _doubled(self, node: Node) -> float:
        """A value that is not ruled out, as far as there is one."""
        most, aim = self._most(node), node.lower
        for _ in range(MOST_DOUBLINGS):
            aim = 2 * aim
            if aim >= most or not self._ruled_out(node, aim):
                break
            node.lower = aim
        return min(aim, most)

    def _most(self, node: Node) -> float:
        """Above which the metric of a segment is not, or is of no use."""
        most = node.span.most_s if self.goal.metric == INTERVAL else math.inf
        return min(most, self._of(node.segment).cutoff)

    def _ruled_out(self, node: Node, aim: float) -> bool:
        """Whether a Lagrangian shows that a segment has nothing below."""
        self.search.stop.check()
        self.search.counts.intervals += 1
        of, span, targets = self._asked(node, aim)
        options, table = of.options(span, aim), of.pricing.table(span, of.allowed)
        if options is None or table is None:
            return True
        return ascend(SegmentDual(of.pricing, table, span, options), targets).value > PRUNED

    def _asked(self, node: Node, aim: float) -> tuple[SegmentGoal, Range, dict[str, float]]:
        """The goal for a segment, its range up to an aim, and what bounds hold there."""
        of, span = self._of(node.segment), node.span
        if self.goal.metric != INTERVAL:
            return of, span, of.targets(span, aim)
        span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        return of, span, of.targets(span)

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
        self.search.counts.intervals += 1
        most = self._of(node.segment).cutoff if self.incumbent is None else self.value
        aim = min(most, self._guess_above(node))
        of, span, targets = self._asked(node, aim)
        options = of.options(span, aim)
        if options is not None:
            arrays = dict.fromkeys(options.arrays)
            if not self.search.whole:
                arrays = dict.fromkeys(self._left(of, span, targets, options))
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
        self, of: SegmentGoal, span: Range, targets: dict[str, float], options: SharedOptions
    ) -> list[SharedArray]:
        """Arrays that a Lagrangian does not rule out, the most promising first."""
        table = of.pricing.table(span, of.allowed)
        if table is None:
            return []
        dual = SegmentDual(of.pricing, table, span, options)
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
