"""Segments on the boxes of hardware that are left for them: bounds of groups, then array by array.

What one pipeline may have on any of a group (`segment_group`) is told first; then each array is
searched as a pipeline is (`search`), with the segments' layers, their SRAM and the widths of their
PEs in the programme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from codesign.problem.goal import Goal
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED
from codesign.search.dataflow.goal_bounds import INTERVAL
from codesign.search.dataflow.hybrid_bounds import HybridDual
from codesign.search.dataflow.hybrid_ranges import Node, Segments, SharedSearches
from codesign.search.dataflow.pair_bounds import PairDual
from codesign.search.dataflow.pair_search import PairSearch
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.segment_bounds import SegmentDual, SharedOptions, options_of_boxes
from codesign.search.dataflow.segment_goal import ArraySearch, SegmentGoal
from codesign.search.dataflow.segment_group import GroupBound
from codesign.search.dataflow.table import Range
from codesign.space.hardware_boxes import Boxes, BoxTables
from codesign.space.segments import SegmentSpace, SharedArray
from codesign.stopping import Stopped

FEW_BOXES = 12  # of one array and width each, whose arrays are searched one by one
FEW_PAIRS = 4  # of two boxes, or two arrays, one for each segment, likewise


class OnHardware:
    """The search for one goal where the hardware is nearly told.

    Parameters
    ----------
    incumbent : Pipeline or None
        The best design so far.
    """

    boxes: BoxTables

    def __init__(
        self, search: SharedSearches, goal: Goal, incumbent: Pipeline | None, rel_gap: float
    ) -> None:
        self.search, self.goal, self.incumbent, self.rel_gap = search, goal, incumbent, rel_gap
        self._goals: dict[Segments, SegmentGoal] = {}

    @property
    def value(self) -> float:
        """The incumbent's metric; inf without one."""
        return math.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]

    def goal_of(self, segments: Segments) -> SegmentGoal:
        """The goal for segments."""
        if segments not in self._goals:
            on = self.search.shared(segments), self.goal, self.search.tables
            self._goals[segments] = SegmentGoal(*on, self.incumbent, self.rel_gap)
        self._goals[segments].incumbent = self.incumbent
        return self._goals[segments]

    def _asked(self, node: Node, aim: float) -> tuple[Range, dict[str, float]]:
        """The part of a range up to an aim, and what bounds hold there."""
        span = node.span
        if self.goal.metric != INTERVAL:
            return span, node.of.any.targets(span, aim)
        span = Range(max(span.least_s, node.lower), min(span.most_s, aim))
        return span, node.of.any.targets(span)

    def _to_split(self, mine: HybridDual, told: float) -> bool:
        """Whether groups are made smaller before their arrays are searched."""
        if isinstance(mine, PairDual):
            if math.isfinite(told):
                return not mine.few(FEW_PAIRS)
            return mine.arrays > FEW_PAIRS
        return not mine.few(FEW_BOXES) and math.isfinite(told)

    def _group(self, node: Node, mine: HybridDual, s: int, aim: float) -> float:
        """What segments may have at best on all that is left for them; designs met are tried."""
        of, (span, _) = self.goal_of(node.of.segments[s]), self._asked(node, aim)
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

    def _search_segments(
        self, node: Node, mine: HybridDual, s: int, aim: float, gap: float = 0.0
    ) -> float:
        """Search what is left for segments, array by array; none up to an aim has less.

        inf where there is none.
        """
        segments, boxes = node.of.segments[s], mine.boxes_of(s)
        if len(segments) == 1:
            of, options, left = self._tried(node, segments, boxes[0], aim)
            every: list[tuple[SharedOptions, ...]] = [(options.of_array(x),) for x in left]
        else:
            of = self.goal_of(segments)
            pairs = zip(segments, boxes, strict=True)
            each = [self._by_array(self.search.space_of((x,)), y) for x, y in pairs]
            every = [(x, y) for x in each[0] for y in each[1]]
        return min((self._solve(node, of, on, aim, gap) for on in every), default=math.inf)

    def _by_array(self, space: SegmentSpace, boxes: Boxes) -> list[SharedOptions]:
        """Options of boxes for a segment, those of each array by themselves."""
        options = options_of_boxes(space, self.boxes, boxes)
        return [options.of_array(x) for x in dict.fromkeys(options.arrays)]

    def _tried(
        self, node: Node, segments: Segments, boxes: Boxes, aim: float
    ) -> tuple[SegmentGoal, SharedOptions, list[SharedArray]]:
        """Price what a Lagrangian of a segment meets; which arrays it leaves, the best first."""
        of, (span, targets) = self.goal_of(segments), self._asked(node, aim)
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
                self._solve(node, self.goal_of(segments), on, self.value)

    def _solve(
        self,
        node: Node,
        of: SegmentGoal,
        options: tuple[SharedOptions, ...],
        aim: float,
        gap: float = 0.0,
    ) -> float:
        """Search segments on an array each for what is better than the incumbent, and an aim.

        No design of theirs below the aim has less than what is returned.
        """
        metric, limits = self.goal.metric, dict(self.goal.limits)
        most = min(aim, self.value)
        if math.isfinite(most):
            limits[metric] = min(most, limits.get(metric, math.inf))
        goal = Goal(metric, limits)
        arrays, sharings = tuple(x.arrays[0] for x in options), tuple(x.sharing for x in options)
        search = self.search.on_arrays(of.space.segments, arrays, sharings)
        known = self.incumbent if self.value <= most else None
        on, (span, _), gap = (search, goal, of, known), self._asked(node, aim), max(gap, of.gap)
        if len(options) == 1:
            found = ArraySearch(*on, options[0], span, gap).run()
        else:
            found = PairSearch(*on, span, gap).run()
        if found.design is not None:
            self.incumbent = found.design
        if not found.complete:
            raise Stopped
        return found.lower
