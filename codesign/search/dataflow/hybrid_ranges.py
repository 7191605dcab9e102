"""Ranges of the interval that hybrids are searched in, and what their searches share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from codesign.arrays import Floats
from codesign.problem.goal import Goal
from codesign.search.dataflow.goal_bounds import Counts, Shared
from codesign.search.dataflow.hybrid_bounds import HybridDual, Kept
from codesign.search.dataflow.segment_goal import SegmentGoal
from codesign.search.dataflow.table import Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import (
    HybridSpace,
    SegmentSpace,
    SharedArray,
    SharedTables,
    Sharing,
)
from codesign.stopping import StopCondition

Segments = tuple[range, ...]


@dataclass
class Family:
    """All segments by themselves, or all pairs of them.

    Attributes
    ----------
    segments : list of tuple of range
    any : SegmentGoal
        Of the first of them.
    first : HybridDual or None
        On boxes as they are to begin with; None where nothing is bounded.
    held : list of Kept
        What is no better than the best, but may be as good.
    """

    segments: list[Segments]
    any: SegmentGoal
    first: HybridDual | None
    held: list[Kept] = field(default_factory=list)


@dataclass
class Node:
    """A range of the interval, of which a family is searched.

    Attributes
    ----------
    lower : float
        A bound on the goal's metric.
    raised : bool
        Whether to where something may be below.
    aim : float
        Up to which bounds tell the metric, with their targets there and prices that ruled out most.
    dual : HybridDual or None
        Of the family, in the range up to the aim.
    """

    lower: float
    span: Range
    of: Family
    raised: bool = False
    aim: float = math.nan
    targets: dict[str, float] = field(default_factory=dict)
    dual: HybridDual | None = None
    prices: list[Floats] = field(default_factory=list)
    parts: list[Node] = field(default_factory=list)

    def halves(self) -> list[Node]:
        """Both halves of the range, the same whenever they are asked for."""
        if not self.parts:
            middle = math.sqrt(self.span.least_s * self.span.most_s)
            spans = Range(self.span.least_s, middle), Range(middle, self.span.most_s)
            self.parts = [Node(self.lower, x, self.of, True, prices=self.prices) for x in spans]
        return self.parts


@dataclass(order=True)
class Part:
    """Pairs of segments and boxes in a range.

    Attributes
    ----------
    lower : float
        The least of their bounds.
    kept : Kept or None
        None: all there are, not bounded yet.
    tried : bool
        Whether they were searched, up to some gap.
    capped : bool
        Whether their bounds are the last aim, and other aims may tell more.
    """

    lower: float
    number: int
    node: Node = field(compare=False)
    kept: Kept | None = field(compare=False, default=None)
    tried: bool = field(compare=False, default=False)
    capped: bool = field(compare=False, default=False)


@dataclass(frozen=True)
class LeftOver:
    """What a goal has left of each family that may be as good as its best: where ties are sought.

    Attributes
    ----------
    value : float
        Of the best.
    lows : floats
        Ends of ranges of SRAM sizes, of which boxes are made.
    kept : list of Kept or None
        By family; None where nothing is left.
    """

    goal: Goal
    value: float
    lows: Floats
    kept: list[Kept | None]

    def holds(self, goal: Goal) -> bool:
        """Whether all that is within another goal's limits is among it."""
        most = {**self.goal.limits, self.goal.metric: self.value}
        most[self.goal.metric] = min(self.value, self.goal.limits.get(self.goal.metric, math.inf))
        return all(goal.limits.get(x, math.inf) <= y for x, y in most.items())


class SharedSearches:
    """What searches over hybrids of one space share.

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
        self.left_over: LeftOver | None = None
        self._shared: dict[Segments, Shared] = {}

    def shared(self, segments: Segments) -> Shared:
        """What searches of segments share."""
        if segments not in self._shared:
            self._shared[segments] = self._search_of(SegmentSpace(self.space, segments), None)
        return self._shared[segments]

    def space_of(self, segments: Segments) -> SegmentSpace:
        """The space of segments."""
        found = self.shared(segments).space
        assert isinstance(found, SegmentSpace)
        return found

    def on_arrays(
        self, segments: Segments, arrays: tuple[SharedArray, ...], sharings: tuple[Sharing, ...]
    ) -> Shared:
        """The same, each on one array."""
        of = self.space_of(segments)
        tiled = {i: self.tables.on(i, arrays[of.inside[i]]) for i in of.shared_layers}
        return self._search_of(HybridSpace(of, arrays, sharings, tiled), self.shared(segments))

    def _search_of(self, space: SegmentSpace, of: Shared | None) -> Shared:
        known, options = None if of is None else of.fifos, self.counts.options
        how = self.stop, self.solver, self.whole, self.counts, known
        found = Shared(space, *how)
        self.counts.options = options
        return found
