"""Branch and bound over hybrids: segments, one or two, and the hardware that each may share.

All segments, on boxes of all hardware, are bounded at once (`hybrid_bounds`), and all pairs of
segments with a box for each (`pair_bounds`). A bound on the goal's metric is raised by bisection,
on boxes as they are to begin with, to about where something may be below. Up to a guess a little
above it boxes are cut in half, the most promising first, and segments with boxes ruled out, or
segments on all that is left for them (`segment_group`). What is left when there is nothing to cut
is searched array by array as a pipeline is (`search`), with the segments' layers, their SRAM and
the widths of their PEs in the programme, for what is better than the incumbent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import count, pairwise, product

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    SPAN_RATIO,
    OnProgress,
)
from codesign.search.dataflow.hybrid_bounds import HybridDual
from codesign.search.dataflow.hybrid_ranges import Family, Node, Segments, SharedSearches
from codesign.search.dataflow.pair_bounds import AllPairs, PairDual
from codesign.search.dataflow.pair_search import PairSearch
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import Proven
from codesign.search.dataflow.segment_bounds import SegmentDual, SharedOptions, options_of_boxes
from codesign.search.dataflow.segment_goal import ArraySearch, SegmentGoal
from codesign.search.dataflow.segment_group import GroupBound
from codesign.search.dataflow.segment_states import AllSegments
from codesign.search.dataflow.table import Range
from codesign.space.hardware_boxes import Boxes, BoxTables
from codesign.space.segments import (
    SegmentSpace,
    SharedArray,
)
from codesign.stopping import Stopped

GROWTH = 3.0  # of a guess above a bound, to the next one
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
FEW_PAIRS = 4  # of two boxes, or two arrays, one for each segment, likewise
CLOSE = 0.98  # least sums from which on segments are looked at by themselves


class HybridSearch(SharedSearches):
    """Searches over all hybrids of one space."""

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
        self.number, self.families = count(), list[Family]()
        self.opened = False
        self.searched: Node | None = None
        self._goals: dict[Segments, SegmentGoal] = {}

    def run(self) -> Proven:
        """Search all ranges, the one of the least bound first.

        Those of one segment come before all of two: its best design rules out more of these.
        """
        try:
            every = self.search.tables.families(self.search.space.choices.segments)
            for segments in every:
                self._open(segments)
                self.opened = len(self.families) == len(every)
                while self.open and self.open[0].lower < self.cutoff:
                    self._tell()
                    self.searched = heapq.heappop(self.open)
                    if self.searched.raised:
                        self._search(self.searched)
                    else:
                        self._raise(self.searched)
                    self.searched = None
            self.opened = True
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
        return self._of(self.families[0].segments[0]).cutoff

    @property
    def lower(self) -> float:
        """No design has a smaller metric."""
        if not self.opened:
            return 0.0
        searched = math.inf if self.searched is None else self.searched.lower
        return min((*(x.lower for x in self.open), searched, self.value))

    def _tell(self) -> None:
        self.search.stop.check()
        if self.report is not None:
            best = None if self.incumbent is None else self.value
            self.report(best, self.lower)

    def _of(self, segments: Segments) -> SegmentGoal:
        """The goal for segments."""
        if segments not in self._goals:
            on = self.search.shared(segments), self.goal, self.search.tables
            self._goals[segments] = SegmentGoal(*on, self.incumbent, self.rel_gap)
        self._goals[segments].incumbent = self.incumbent
        return self._goals[segments]

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
        for span in self._spans(goals):
            lower = self._first_bound(span, family)
            if math.isfinite(lower):
                heapq.heappush(self.open, Node(lower, next(self.number), span, family))

    def _goal_once(self, segments: Segments) -> SegmentGoal:
        """The goal for segments, while there is time."""
        self.search.stop.check()
        return self._of(segments)

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

    def _raise(self, node: Node) -> None:
        """Raise a bound before a range is searched; the first of all also for a design.

        Of pairs a design is looked for too where one of a segment is known.
        """
        node.raised = True
        if not self.search.whole:
            self._raise_bound(node)
            pairs = len(node.of.segments[0]) > 1
            if (self.incumbent is None or pairs) and node.lower < self.cutoff:
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
        dual = self._first_of(node)
        dual.within(span)
        return ascend(dual, targets).value > PRUNED

    def _asked(self, node: Node, aim: float) -> tuple[Range, dict[str, float]]:
        """The part of a range up to an aim, and what bounds hold there."""
        span = node.span
        if self.goal.metric != INTERVAL:
            return span, node.of.any.targets(span, aim)
        span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        return span, node.of.any.targets(span)

    def _first_of(self, node: Node) -> HybridDual:
        """What is left to begin with."""
        assert node.of.first is not None
        return node.of.first.copied()

    # The search ---------------------------------------------------------------------------------

    def _search(self, node: Node) -> None:
        """Search a range up to a guess; push it again if there may be something above."""
        self.search.counts.intervals += 1
        if self.search.whole:
            self._search_whole(node)
            return
        aim = min(self._most(), self._guess_above(node))
        number = count()
        parts = [(node.lower, 0.0, next(number), self._first_of(node))]
        while parts and parts[0][0] < self.cutoff:
            node.lower = max(node.lower, min(parts[0][0], aim))
            self._tell()
            aim = min(aim, self._most())
            bound, _, _, part = heapq.heappop(parts)
            for lower, left in self._left(node, part, bound, aim):
                heapq.heappush(parts, (lower, left.least, next(number), left))
        self._nothing_below(node, min(aim, self._most()))

    def _dive(self, node: Node) -> None:
        """Search the most promising arrays alone, for a design to start from, or a better one.

        The solver is asked only where none is known.
        """
        start = self.value
        for above in DIVES:
            aim, part = min(node.lower * above, self._most()), self._first_of(node)
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
                    mine = part.of_segment(s).promising(1, 1)
                    self._group(node, mine, s, aim)
                    if self.incumbent is None:
                        self._search_segments(node, mine, s, node.lower, aim, DIVE_GAP)
                    if self.value < start:
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
        smaller = part.parted(MOST_BOXES)
        if len(smaller) > 1:
            return [(bound, x) for x in smaller]
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
            mine = part.of_segment(s)
            told = self._group(node, mine, s, aim)
            least, aim = max(bound, told), min(aim, self._most())
            if least >= min(aim, self.cutoff):
                continue
            if whole:
                left += [(least, x) for x in self._smaller(mine)]
            elif self._to_split(mine, told):
                left += [(least, x) for x in mine.split()]
            else:
                self._search_segments(node, mine, s, least, aim)
                aim = min(aim, self._most())
        return left

    def _to_split(self, mine: HybridDual, told: float) -> bool:
        """Whether groups are made smaller before their arrays are searched."""
        if isinstance(mine, PairDual):
            if math.isfinite(told):
                return not mine.few(FEW_PAIRS)
            return mine.arrays > FEW_PAIRS
        return not mine.few(FEW_BOXES) and math.isfinite(told)

    def _group(self, node: Node, mine: HybridDual, s: int, aim: float) -> float:
        """What segments may have at best on all that is left for them; designs met are tried."""
        of, (span, _) = self._of(node.of.segments[s]), self._asked(node, aim)
        each = self._hardware(mine.boxes_of(s))
        found = GroupBound(of, mine.group(s), mine.of.layers, each).least(span, aim)
        self.incumbent = of.incumbent
        return found

    def _hardware(self, boxes: Sequence[Boxes]) -> list[tuple[SharedArray, float]]:
        """The array and SRAM of boxes of one of each; nothing where there are several."""
        found = []
        for each in boxes:
            if len(each.mapping) != 1 or each.whole.any():
                return []
            on = int(each.mapping[0]), each.least[0, :2].tolist(), each.most[0, :2].tolist()
            arrays = self.boxes.arrays(*on)
            if len(arrays) != 1:
                return []
            found.append((arrays[0], float(self.boxes.highs[int(each.most[0, 4]) - 1])))
        return found

    def _smaller(self, part: HybridDual) -> Sequence[HybridDual]:
        """Boxes cut in half, so many together as are looked at at once."""
        part.halve()
        return part.parted(MOST_BOXES)

    def _search_segments(
        self, node: Node, mine: HybridDual, s: int, least: float, aim: float, gap: float = 0.0
    ) -> None:
        """Search what is left for segments, array by array; no design has less than a bound."""
        segments, boxes = node.of.segments[s], mine.boxes_of(s)
        if len(segments) == 1:
            of, options, left = self._tried(node, segments, boxes[0], aim)
            every: list[tuple[SharedOptions, ...]] = [(options.of_array(x),) for x in left]
        else:
            of = self._of(segments)
            pairs = zip(segments, boxes, strict=True)
            each = [self._by_array(self.search.space_of((x,)), y) for x, y in pairs]
            every = [(x, y) for x in each[0] for y in each[1]]
        for on in every:
            if least >= self.cutoff:
                return
            self._solve(node, of, on, aim, gap)

    def _by_array(self, space: SegmentSpace, boxes: Boxes) -> list[SharedOptions]:
        """Options of boxes for a segment, those of each array by themselves."""
        options = options_of_boxes(space, self.boxes, boxes)
        return [options.of_array(x) for x in dict.fromkeys(options.arrays)]

    def _tried(
        self, node: Node, segments: Segments, boxes: Boxes, aim: float
    ) -> tuple[SegmentGoal, SharedOptions, list[SharedArray]]:
        """Price what a Lagrangian of a segment meets; which arrays it leaves, the best first."""
        of, (span, targets) = self._of(segments), self._asked(node, aim)
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
        """Hand each segment on each array to the solver, or each two."""
        every = [self.boxes.of_array(x) for x in self.search.tables.arrays]
        for segments in node.of.segments:
            spaces = [self.search.space_of((x,)) for x in segments]
            each = [[options_of_boxes(x, self.boxes, y) for y in every] for x in spaces]
            for on in product(*each):
                self._solve(node, self._of(segments), on, self._most())

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
        options: tuple[SharedOptions, ...],
        aim: float,
        gap: float = 0.0,
    ) -> None:
        """Search segments on an array each for what is better than the incumbent, and an aim."""
        metric, limits = self.goal.metric, dict(self.goal.limits)
        most = min(aim, self.value)
        if math.isfinite(most):
            limits[metric] = min(most, limits.get(metric, math.inf))
        goal = Goal(metric, limits)
        arrays, sharings = tuple(x.arrays[0] for x in options), tuple(x.sharing for x in options)
        search = self.search.on_arrays(of.space.segments, arrays, sharings)
        on, (span, _), gap = (
            (search, goal, of, self.incumbent),
            self._asked(node, aim),
            max(gap, of.gap),
        )
        if len(options) == 1:
            found = ArraySearch(*on, options[0], span, gap).run()
        else:
            found = PairSearch(*on, span, gap).run()
        if found.design is not None and found.design is not self.incumbent:
            self.incumbent = found.design
        if not found.complete:
            raise Stopped
