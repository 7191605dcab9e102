"""Branch and bound over hybrids: segments, and the hardware that each may share.

All segments, on boxes of all hardware, are bounded at once (`hybrid_bounds`). A bound on the goal's
metric is raised by bisection, on boxes as they are to begin with, to about where something may be
below. Up to a guess a little above it boxes are cut in half, the most promising first, and pairs
of segments and boxes ruled out, or segments on all that is left for them (`segment_group`). What is
left when there is nothing to cut is searched array by array as a pipeline is (`search`), with the
segment's layers, its SRAM and the widths of its PEs in the programme, for what is better than the
incumbent.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import count, pairwise

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    SPAN_RATIO,
    Counts,
    OnProgress,
    Shared,
)
from codesign.search.dataflow.hybrid_bounds import AllSegments, HybridDual
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import Proven
from codesign.search.dataflow.segment_bounds import SegmentDual, SharedOptions, options_of_boxes
from codesign.search.dataflow.segment_goal import ArraySearch, SegmentGoal
from codesign.search.dataflow.segment_group import GroupBound
from codesign.search.dataflow.table import Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.hardware_boxes import Boxes, BoxTables
from codesign.space.segments import (
    HybridSpace,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)
from codesign.stopping import StopCondition, Stopped

FIRST_GUESS, GROWTH = 2e-3, 3.0  # above a bound, relative; of the next one
MOST_GUESSES = 40  # then anything is let in
ENOUGH_GUESSES = 3  # then all below an incumbent is
NEAR = 1.005  # of ends of a bisection
MOST_DOUBLINGS = 60  # of a bound, until something may be below
DIVES = (1.01, 1.03, 1.06, 1.1, 1.25, 2.0, math.inf)  # above a bound, for designs to start from
MOST_DIVING, SEGMENTS_DIVING = 128, 20  # boxes and segments that are cut on the way there
DIVED = 3  # segments that are then searched
DIVE_GAP = 0.01  # relative: how nearly the best of those is wanted
NEAR_ENOUGH = 1.03  # of an incumbent, up to which all is then searched at once
MOST_SEGMENTS = 60  # that are looked at one by one
FEW_BOXES = 12  # of one array and width each, whose arrays are searched one by one
MOST_BOXES = 1024  # that are looked at together, once they are cut
CLOSE = 0.98  # least sums from which on segments are looked at by themselves


@dataclass(order=True)
class Node:
    """A range of the interval, with a bound on the goal's metric."""

    lower: float
    number: int
    span: Range = field(compare=False)
    guess: float = field(compare=False, default=FIRST_GUESS)
    guesses: int = field(compare=False, default=0)
    raised: bool = field(compare=False, default=False)  # to where something may be below


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
            self._shared[segment] = self._search_of(SegmentSpace(self.space, (segment,)), None)
        return self._shared[segment]

    def on_array(self, segment: range, array: SharedArray, sharing: Sharing) -> Shared:
        """The same on one array."""
        of = self.shared(segment)
        assert isinstance(of.space, SegmentSpace)
        tiled = {i: self.tables.on(i, array) for i in of.space.shared_layers}
        return self._search_of(HybridSpace(of.space, (array,), (sharing,), tiled), of)

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
        self.open: list[Node] = [Node(0.0, 0, Range(0.0, math.inf))]
        self.searched: Node | None = None
        self._goals: dict[range, SegmentGoal] = {}

    def run(self) -> Proven:
        """Search all ranges, the one of the least bound first."""
        try:
            self._open_all()
            while self.open and self.open[0].lower < self.cutoff:
                self._tell()
                self.searched = heapq.heappop(self.open)
                if self.searched.raised:
                    self._search(self.searched)
                else:
                    self._raise(self.searched)
                self.searched = None
        except Stopped:
            return Proven(self.incumbent, self.lower, False)
        return Proven(self.incumbent, self.lower, True)

    @property
    def value(self) -> float:
        """The incumbent's metric; inf without one."""
        return math.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]

    @property
    def cutoff(self) -> float:
        """The bound from which a range is of no use."""
        return self._of(self.segments[0]).cutoff

    @property
    def lower(self) -> float:
        """No design has a smaller metric."""
        searched = math.inf if self.searched is None else self.searched.lower
        return min((*(x.lower for x in self.open), searched, self.value))

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

    # Bounds -------------------------------------------------------------------------------------

    def _open_all(self) -> None:
        """All ranges of the interval, with what bounds them at once."""
        self.segments = self.search.tables.segments()
        goals = []
        for segment in self.segments:
            self.search.stop.check()
            goals.append(self._of(segment))
        self.any = goals[0]
        if not all(x.any() for x in self.any.allowed):
            self.open = []
            return
        spans = self._spans(goals)
        most_taken = self.goal.limits.get(self.any.pricing.memory.metric, math.inf)
        on = self.any.allowed, most_taken, self.any.pricing.energy
        self.boxes = BoxTables(self.search.tables, *on)
        if not self.search.whole:
            pricings = (x.pricing for x in goals)
            of = AllSegments(self.search.space, pricings, self.any.pricing.rows, self.any.allowed)
            self.first = HybridDual(of, self.boxes)
        nodes = [Node(self._first_bound(span), n, span) for n, span in enumerate(spans)]
        self.open = [x for x in nodes if math.isfinite(x.lower)]
        heapq.heapify(self.open)

    def _spans(self, goals: list[SegmentGoal]) -> list[Range]:
        """All intervals of all segments, in one range or several."""
        ends = [(least, most) for least, most in (x.ends() for x in goals) if least <= most]
        if not ends:
            return []
        least, most = min(x for x, _ in ends), max(x for _, x in ends)
        if not self.any.products or least <= 0:
            return [Range(least, most)]
        parts = max(1, math.ceil(math.log(most / least) / math.log(SPAN_RATIO)))
        cuts = least * (most / least) ** (np.arange(parts + 1) / parts)
        return [Range(float(a), float(b)) for a, b in pairwise(cuts)]

    def _first_bound(self, span: Range) -> float:
        """The least of the metric, whatever the limits."""
        if self.search.whole:
            return 0.0
        if self.goal.metric == INTERVAL:
            return span.least_s
        dual = self.first.copied()
        dual.within(span)
        found = dual.solve(dual.scaled({self.goal.metric: 1.0}), rule_out=False)
        return found.value

    def _raise(self, node: Node) -> None:
        """Raise a bound before a range is searched; the first of all also for a design."""
        node.raised = True
        if not self.search.whole:
            self._raise_bound(node)
            if self.incumbent is None and node.lower < self.cutoff:
                self._dive(node)
        heapq.heappush(self.open, node)

    def _raise_bound(self, node: Node) -> None:
        """Raise a bound to about where something may be below, on boxes as they are at first.

        Where that is, is found by bisection.
        """
        if node.lower <= 0:
            return
        most = node.span.most_s if self.goal.metric == INTERVAL else math.inf
        high = min(most, self.cutoff)
        if not math.isfinite(high) and self._ruled_out(node, math.inf):
            node.lower = math.inf
            return
        if not math.isfinite(high) or high > 4 * node.lower:
            high = self._doubled(node, high)
        elif self._ruled_out(node, high):
            node.lower = high
        while high > node.lower * NEAR:
            middle = math.sqrt(node.lower * high)
            if self._ruled_out(node, middle):
                node.lower = middle
            else:
                high = middle

    def _doubled(self, node: Node, most: float) -> float:
        """A value that is not ruled out, as far as there is one."""
        for _ in range(MOST_DOUBLINGS):
            aim = min(2 * node.lower, most)
            if not self._ruled_out(node, aim):
                return aim
            node.lower = aim
            if aim >= most:
                break
        return node.lower

    def _ruled_out(self, node: Node, aim: float) -> bool:
        """Whether a Lagrangian shows that nothing is below, on boxes as they are at first."""
        self.search.stop.check()
        self.search.counts.intervals += 1
        span, targets = self._asked(node, aim)
        if not targets:
            return False
        dual = self.first.copied()
        dual.within(span)
        return ascend(dual, targets).value > PRUNED

    def _asked(self, node: Node, aim: float) -> tuple[Range, dict[str, float]]:
        """The part of a range up to an aim, and what bounds hold there."""
        span = node.span
        if self.goal.metric != INTERVAL:
            return span, self.any.targets(span, aim)
        span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        return span, self.any.targets(span)

    # The search ---------------------------------------------------------------------------------

    def _search(self, node: Node) -> None:
        """Search a range up to a guess; push it again if there may be something above."""
        self.search.counts.intervals += 1
        if self.search.whole:
            self._search_whole(node)
            return
        aim = min(self._most(), self._guess_above(node))
        number = count()
        parts = [(node.lower, 0.0, next(number), self.first.copied())]
        while parts and parts[0][0] < self.cutoff:
            node.lower = max(node.lower, min(parts[0][0], aim))
            self._tell()
            aim = min(aim, self._most())
            bound, _, _, part = heapq.heappop(parts)
            for lower, left in self._left(node, part, bound, aim):
                heapq.heappush(parts, (lower, left.least, next(number), left))
        self._nothing_below(node, min(aim, self._most()))

    def _dive(self, node: Node) -> None:
        """Search the most promising arrays alone, for a design to start from."""
        for above in DIVES:
            aim, part = min(node.lower * above, self._most()), self.first.copied()
            span, targets = self._asked(node, aim)
            while True:
                part.within(span)
                if ascend(part, targets, full=True).value > PRUNED:
                    break
                part.keep_alive()
                if part.boxes.whole.any():
                    part.halve()
                    part = part.promising(MOST_DIVING, SEGMENTS_DIVING)
                    continue
                for s in part.segments_left()[:DIVED]:
                    boxes = part.of_segment(s).promising(1, 1).boxes
                    on = self.segments[s], boxes, node.lower, aim, DIVE_GAP
                    self._search_segment(node, *on)
                    if self.incumbent is not None:
                        return
                break
            if aim >= self._most():
                return

    def _most(self) -> float:
        """What is above is of no use."""
        return self.cutoff if self.incumbent is None else self.value

    def _left(
        self, node: Node, part: HybridDual, bound: float, aim: float
    ) -> list[tuple[float, HybridDual]]:
        """What is left of a part, in smaller boxes, with bounds; what cannot be cut is searched.

        Where the Lagrangian is close, each segment is a part of its own.
        """
        span, targets = self._asked(node, aim)
        part.within(span)
        found = ascend(part, targets, full=True)
        if found.value > PRUNED:
            return []
        part.keep_alive()
        segments, whole = part.segments_left(), part.boxes.whole.any()
        if whole and (found.value < CLOSE or len(segments) > MOST_SEGMENTS):
            return [(bound, x) for x in self._smaller(part)]
        left = []
        for s in segments:
            self.search.stop.check()
            mine, of = part.of_segment(s), self._of(self.segments[s])
            group = GroupBound(of, mine.costs, mine.of.layers)
            told = group.least(span, aim)
            least = max(bound, told)
            if least >= min(aim, self.cutoff):
                continue
            if whole:
                left += [(least, x) for x in self._smaller(mine)]
            elif mine.alive.shape[1] > FEW_BOXES and math.isfinite(told):
                left += [(least, x) for x in mine.parted(-(-mine.alive.shape[1] // 2))]
            else:
                self._search_segment(node, of.space.segments[0], mine.boxes, least, aim)
                aim = min(aim, self._most())
        return left

    def _smaller(self, part: HybridDual) -> list[HybridDual]:
        """Boxes cut in half, so many together as are looked at at once."""
        part.halve()
        return part.parted(MOST_BOXES)

    def _search_segment(
        self,
        node: Node,
        segment: range,
        boxes: Boxes,
        least: float,
        aim: float,
        gap: float = 0.0,
    ) -> None:
        """Search what is left for a segment, array by array; no design has less than a bound."""
        of, options, left = self._tried(node, segment, boxes, aim)
        for array in left:
            if least >= self.cutoff:
                return
            self._solve(node, of, array, options.of_array(array), aim, gap)

    def _tried(
        self, node: Node, segment: range, boxes: Boxes, aim: float
    ) -> tuple[SegmentGoal, SharedOptions, list[SharedArray]]:
        """Price what a Lagrangian of a segment meets; which arrays it leaves, the best first."""
        of, (span, targets) = self._of(segment), self._asked(node, aim)
        table = of.pricing.table(span, of.allowed)
        options = options_of_boxes(of.space, self.boxes, boxes)
        if table is None:
            return of, options, []
        dual = SegmentDual(of.pricing, table, span, options)
        found = ascend(dual, targets, full=True)
        if found.value > PRUNED:
            return of, options, []
        of.try_choices(dual, found.choices)
        self.incumbent = of.incumbent
        values = np.max([dual.values(x) for x in found.weights[-3:]], axis=0).min(axis=(1, 2))
        left = np.flatnonzero(values <= PRUNED)
        order = left[np.argsort(values[left], kind="stable")].tolist()
        return of, options, list(dict.fromkeys(options.arrays[h] for h in order))

    def _search_whole(self, node: Node) -> None:
        """Hand each segment on each array to the solver."""
        for segment in self.segments:
            for array in self.search.tables.arrays:
                box = self.boxes.of_array(array)
                of = self._of(segment)
                options = options_of_boxes(of.space, self.boxes, box)
                self._solve(node, of, array, options, self._most())

    def _guess_above(self, node: Node) -> float:
        """A little above a bound; inf after the last guess."""
        if self.search.whole or node.lower <= 0 or node.guesses >= MOST_GUESSES:
            return math.inf
        known = self.incumbent is not None
        if self.value < node.lower * NEAR_ENOUGH or (known and node.guesses >= ENOUGH_GUESSES):
            return self.value
        return node.lower * (1 + node.guess)

    def _nothing_below(self, node: Node, aim: float) -> None:
        """A guess is a bound where nothing better than the incumbent is below."""
        most = node.span.most_s if self.goal.metric == INTERVAL else math.inf
        if aim < self.cutoff and aim < most:
            node.lower, node.guess = aim, node.guess * GROWTH
            node.guesses += 1
            heapq.heappush(self.open, node)

    def _solve(
        self,
        node: Node,
        of: SegmentGoal,
        array: SharedArray,
        options: SharedOptions,
        aim: float,
        gap: float = 0.0,
    ) -> None:
        """Search a segment on an array for what is better than the incumbent, and an aim."""
        metric, limits = self.goal.metric, dict(self.goal.limits)
        most = min(aim, self.value)
        if math.isfinite(most):
            limits[metric] = min(most, limits.get(metric, math.inf))
        goal = Goal(metric, limits)
        (segment,) = of.space.segments
        on = self.search.on_array(segment, array, options.sharing), goal, of
        span, _ = self._asked(node, aim)
        found = ArraySearch(*on, self.incumbent, options, span, max(gap, of.gap)).run()
        if found.design is not None and found.design is not self.incumbent:
            self.incumbent = found.design
        if not found.complete:
            raise Stopped
