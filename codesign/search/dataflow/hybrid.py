"""Branch and bound over hybrids: segments, one or two, and the hardware that each may share.

All segments, on boxes of all hardware, are bounded at once (`hybrid_bounds`), and all pairs of
segments with a box for each (`pair_bounds`). A bound on the goal's metric is raised by bisection,
on boxes as they are to begin with, to about where something may be below. From then on each pair of
a segment and a box has a bound of its own, told by Lagrangians that have as their target a value a
little above the least of all, at most the incumbent's. Boxes of the least bounds are cut in half,
some at a time, and bounded anew. Where there is nothing to cut, the hardware is nearly told:
`hybrid_leaves` searches it.
"""

from __future__ import annotations

import heapq
import math
from itertools import count, pairwise

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, beyond
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    SPAN_RATIO,
    OnProgress,
)
from codesign.search.dataflow.hybrid_bounds import HybridDual, Kept, together
from codesign.search.dataflow.hybrid_leaves import OnHardware
from codesign.search.dataflow.hybrid_ranges import (
    Family,
    LeftOver,
    Node,
    Part,
    Segments,
    SharedSearches,
)
from codesign.search.dataflow.pair_bounds import AllPairs, PairDual
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import Proven
from codesign.search.dataflow.segment_goal import SegmentGoal
from codesign.search.dataflow.segment_states import AllSegments
from codesign.search.dataflow.table import Range
from codesign.space.hardware_boxes import BoxTables
from codesign.stopping import Stopped

NEAR = 1.005  # of ends of a bisection
MOST_DOUBLINGS = 60  # of a bound, until something may be below
AHEAD, ANEW = 1.1, 1.03  # an aim above the least bound; and when the next one is taken
MOST_BOXES = 512  # that are bounded together, once they are cut
NEARLY = 0.05  # of what bounds lack of ruling out: so little is not asked for
PRICES = 2  # that are tried before others are looked for
WIDE, NARROW = 1.2, 1.02  # ends of ranges of products, while boxes are cut, and then
MOST_HELD = 1_000_000  # pairs that may be as good as the best: of more ties are sought anew
LEAF_AHEAD = 1.04  # of an aim on hardware, above the least bound, until there is a design
LEAF_GAP = 4e-3  # relative: how nearly the best is wanted of what is far from proven


class HybridSearch(SharedSearches):
    """Searches over all hybrids of one space."""

    def prove(
        self,
        goal: Goal,
        incumbent: Pipeline | None = None,
        report: OnProgress | None = None,
        rel_gap: float = CLOSING_GAP,
    ) -> Proven:
        """Minimise a goal's metric, starting from a design within its limits where one is known.

        Of a goal that breaks ties of the last one only that is searched which may be as good.
        """
        left, self.left_over = self.left_over, None
        left = left if left is not None and left.holds(goal) else None
        task = HybridGoal(self, goal, incumbent, report, rel_gap, left)
        found = task.run()
        if found.complete and found.design is not None and not self.whole:
            self.left_over = task.left_over()
        return found


class HybridGoal(OnHardware):
    """The search for one goal."""

    def __init__(
        self,
        search: HybridSearch,
        goal: Goal,
        incumbent: Pipeline | None,
        report: OnProgress | None,
        rel_gap: float,
        left: LeftOver | None = None,
    ) -> None:
        super().__init__(search, goal, incumbent, rel_gap)
        self.report, self.left = report, left
        self.open: list[Part] = []
        self.number, self.families = count(), list[Family]()
        self.opened, self.dropped = False, math.inf
        self.searched: Part | None = None

    def run(self) -> Proven:
        """Search all that is left, what has the least bound first.

        Hybrids of one segment come before all of two: the best rules out more of these.
        """
        try:
            every = self.search.tables.families(self.search.space.choices.segments)
            for segments in every:
                self._open(segments)
                self.opened = len(self.families) == len(every)
                while self.open and self.open[0].lower < self.cutoff:
                    self._tell()
                    self.searched = heapq.heappop(self.open)
                    self._search(self.searched)
                    self.searched = None
            self.opened = True
        except Stopped:
            return Proven(self.incumbent, self.lower, False)
        return Proven(self.incumbent, self.lower, True)

    @property
    def cutoff(self) -> float:
        """The bound from which a range is of no use."""
        return self.goal_of(self.families[0].segments[0]).cutoff

    @property
    def lower(self) -> float:
        """No design has a smaller metric."""
        if not self.opened:
            return 0.0
        searched = math.inf if self.searched is None else self.searched.lower
        dropped = math.inf  # within a gap that is left; what is above a limit is no design
        if self.incumbent is not None and self.dropped < self.value * (1 - CLOSING_GAP):
            dropped = self.dropped
        return min((*(x.lower for x in self.open), searched, dropped, self.value))

    def _tell(self) -> None:
        self.search.stop.check()
        if self.report is not None:
            best = None if self.incumbent is None else self.value
            self.report(best, self.lower)

    # Bounds -------------------------------------------------------------------------------------

    def _open(self, segments: list[Segments]) -> None:
        """All ranges of the interval for a family, with what bounds them at once."""
        goals = [self._goal_once(x) for x in segments]
        family = Family(segments, goals[0], None)
        self.families.append(family)
        if not all(x.any() for x in family.any.allowed):
            return
        if len(self.families) == 1:  # they cost alike for all segments
            most_taken = self.goal.limits.get(family.any.pricing.memory.metric, math.inf)
            on = family.any.allowed, most_taken, family.any.pricing.energy
            self.boxes = BoxTables(self.search.tables, *on)
        if not self.search.whole:
            family.first = self._bounds_of(goals)
            if self.left is not None and np.array_equal(self.left.lows, self.boxes.lows):
                kept = self.left.kept[len(self.families) - 1]
                if kept is None:
                    return
                family.first = family.first.of_kept(kept)
        for span in self._spans(goals):
            lower = self._first_bound(span, family)
            if math.isfinite(lower):
                self._put(Node(lower, span, family))

    def _goal_once(self, segments: Segments) -> SegmentGoal:
        """The goal for segments, while there is time."""
        self.search.stop.check()
        return self.goal_of(segments)

    def _bounds_of(self, goals: list[SegmentGoal]) -> HybridDual:
        """The relaxations of a family."""
        on = (x.pricing for x in goals), goals[0].pricing.rows, goals[0].allowed
        if len(goals[0].space.segments) > 1:
            return PairDual(AllPairs(self.search.space, *on), self.boxes)
        return HybridDual(AllSegments(self.search.space, *on), self.boxes)

    def _spans(self, goals: list[SegmentGoal]) -> list[Range]:
        """All intervals of a family, in one range or several."""
        ends = [(least, most) for least, most in (x.ends() for x in goals) if least <= most]
        if not ends:
            return []
        least, most = min(x for x, _ in ends), max(x for _, x in ends)
        if not goals[0].products or least <= 0:
            return [Range(least, most)]
        parts = max(1, math.ceil(math.log(most / least) / math.log(SPAN_RATIO)))
        cuts = least * (most / least) ** (np.arange(parts + 1) / parts)
        return [Range(float(a), float(b)) for a, b in pairwise(cuts)]

    def _first_bound(self, span: Range, family: Family) -> float:
        """The least of the metric, whatever the limits."""
        if self.search.whole:
            return 0.0
        if self.goal.metric == INTERVAL:
            return span.least_s
        assert family.first is not None
        dual = family.first.copied()
        dual.within(span)
        found = dual.solve(dual.scaled({self.goal.metric: 1.0}), rule_out=False)
        return found.value

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
        if not math.isfinite(high):
            high = self._doubled(node, high)
        elif self._ruled_out(node, high):
            node.lower = high
        else:
            high = self._below(node, high)
        while high > node.lower * NEAR:
            middle = math.sqrt(node.lower * high)
            if self._ruled_out(node, middle):
                node.lower = middle
            else:
                high = middle

    def _below(self, node: Node, high: float) -> float:
        """Another value that is not ruled out, near to one that is: what is known may be near."""
        step = NEAR
        while high > node.lower * NEAR:
            step *= step
            aim = max(high / step, node.lower)
            if self._ruled_out(node, aim):
                node.lower = aim
                break
            high = aim
        return high

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
        dual = self._first_of(node)
        dual.within(span)
        return ascend(dual, targets).value > PRUNED

    def _first_of(self, node: Node) -> HybridDual:
        """What is left to begin with."""
        assert node.of.first is not None
        return node.of.first.copied()

    # The search ---------------------------------------------------------------------------------

    def _search(self, part: Part) -> None:
        """Bound what has the least bounds of a part in smaller boxes, or search its hardware."""
        node = part.node
        self.search.counts.intervals += 1
        if self.search.whole:
            self._search_whole(node)
            return
        if not node.raised:
            node.raised = True
            self._raise_bound(node)
            self._put(node)
            return
        every = self._toward(node, part.lower)
        if part.kept is None:
            every.no_less(part.lower)
        else:
            every = every.of_kept(part.kept)
        if part.kept is None or part.capped:
            self._bound(node, every)
            self._push(node, every, part.tried)
            return
        if self._wide(part):
            for half in node.halves():
                on = half, part.kept, part.tried, True
                heapq.heappush(self.open, Part(part.lower, next(self.number), *on))
            return
        mine, *others = every.batch(MOST_BOXES)
        for x in others:
            self._push(node, x, part.tried)
        if not mine.boxes.whole.any():
            self._search_hardware(node, mine, part.tried)
            return
        mine.halve()
        self._bound(node, mine)
        self._push(node, mine)

    def _wide(self, part: Part) -> bool:
        """Whether a range of the interval is halved before boxes are, or their hardware searched.

        Only of a metric or limit that is a product with the interval.
        """
        assert part.kept is not None
        node, most = part.node, WIDE if part.kept.boxes.whole.any() else NARROW
        return node.of.any.products and node.span.most_s > node.span.least_s * most > 0

    def _put(self, node: Node) -> None:
        """All of a range, to be bounded."""
        heapq.heappush(self.open, Part(node.lower, next(self.number), node))

    def _push(self, node: Node, left: HybridDual, tried: bool = False) -> None:
        """Put by what of some pairs may be of use, what is below the aim apart."""
        self._drop(node, left)
        below, above = left.divided(self._above(node, node.aim))
        parts = [(x, False) for x in (below.apart() if below.alive.any() else ())]
        parts += [(above, True)] if above.alive.any() else []
        for x, capped in parts:
            on = node, x.kept(), tried, capped
            heapq.heappush(self.open, Part(x.least, next(self.number), *on))

    def _drop(self, node: Node, left: HybridDual) -> None:
        """Rule out what is no better than the best, and hold what of it may be as good."""
        held = left.held(self.cutoff, beyond(self._most()))
        if held is not None:
            node.of.held.append(held)
            some = held.lower[held.lower >= self.cutoff]
            self.dropped = min(self.dropped, float(some.min()))
        left.drop(self.cutoff)

    def left_over(self) -> LeftOver | None:
        """What may be as good as the best; None where that is not told."""
        most, kept = beyond(self.value), list[Kept | None]()
        for family in self.families:
            mine = [x for x in self.open if x.node.of is family and x.lower <= most]
            parts = [*family.held, *(x.kept for x in mine if x.kept is not None)]
            if any(x.kept is None for x in mine) or sum(len(x.lower) for x in parts) > MOST_HELD:
                return None
            near = [x for x in parts if x.lower.min() <= most]
            kept.append(together(near) if near else None)
        return LeftOver(self.goal, self.value, self.boxes.lows, kept)

    def _most(self) -> float:
        """What is above is of no use."""
        return self.cutoff if self.incumbent is None else self.value

    def _last(self, node: Node) -> float:
        """The last value that is of use in a range."""
        return min(self._most(), node.span.most_s if self.goal.metric == INTERVAL else math.inf)

    def _above(self, node: Node, aim: float) -> float:
        """A bound on what has no less than an aim, and is of use."""
        return aim if aim < self._last(node) else math.inf

    def _toward(self, node: Node, lower: float) -> HybridDual:
        """The relaxations of a family in a range, toward an aim above the least bound."""
        most = self._last(node)
        near = lower * ANEW <= node.aim or node.aim == most
        if node.dual is None or not (near and node.aim <= most):
            node.lower = lower
            node.aim = min(lower * AHEAD, most) if lower > 0 else most
            span, node.targets = self._asked(node, node.aim)
            node.dual = self._first_of(node)
            node.dual.within(span)
            node.dual.toward(node.targets, node.of.any.own(span, node.targets), node.aim)
        return node.dual.copied()

    def _bound(self, node: Node, left: HybridDual) -> None:
        """Raise bounds of pairs, by prices that ruled out others, and by better ones."""
        self.search.stop.check()
        if not node.targets:
            return
        tried = left.copied()
        for weights in node.prices:
            tried.solve(tried.at_targets(weights))
        found = ascend(tried, node.targets, full=True, near=NEARLY)
        node.prices = found.weights[-PRICES:]
        left.take_in(tried, self._above(node, node.aim))

    def _search_hardware(self, node: Node, left: HybridDual, tried: bool) -> None:
        """Search segments on what is left for them; what is not ruled out is put by again."""
        for s in left.segments_left():
            self.search.stop.check()
            mine = left.of_segment(s)
            self._drop(node, mine)
            aim = min(node.aim, self._most())
            if self.incumbent is None and mine.least > 0:
                aim = min(aim, mine.least * LEAF_AHEAD)
            near, above = mine.copied(), self._above(node, aim)
            near.drop(min(above, self.cutoff))
            told = self._group(node, near, s, aim) if near.alive.any() else math.inf
            aim = min(aim, self._most())
            mine.no_less(min(told, above))
            if told == math.inf or mine.least >= self.cutoff:
                self._push(node, mine, tried)
            elif self._to_split(near, told):
                for x in mine.split():
                    self._push(node, x)
            else:
                far = self.incumbent is None or mine.least < self.value * (1 - 2 * LEAF_GAP)
                gap = LEAF_GAP if far and not tried else 0.0
                least = self._search_segments(node, near, s, aim, gap)
                mine.no_less(min(least, above))
                self._push(node, mine, tried or math.isfinite(least))
