"""Ranges of the interval that hybrids are searched in, and what their searches share."""

from __future__ import annotations

from dataclasses import dataclass, field

from codesign.search.dataflow.goal_bounds import Counts, Shared
from codesign.search.dataflow.hybrid_bounds import HybridDual
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

FIRST_GUESS = 2e-3  # above a bound, relative
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
    """

    segments: list[Segments]
    any: SegmentGoal
    first: HybridDual | None


@dataclass(order=True)
class Node:
    """A range of the interval, with a bound on the goal's metric."""

    lower: float
    number: int
    span: Range = field(compare=False)
    of: Family = field(compare=False)
    guess: float = field(compare=False, default=FIRST_GUESS)
    guesses: int = field(compare=False, default=0)
    raised: bool = field(compare=False, default=False)  # to where something may be below


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
