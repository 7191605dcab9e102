"""Rules out the hybrids that would be better than claimed, segment by segment, each verified.

Lagrange multipliers are found in floating point by the search's own duals, of all segments and then
of each that is left, on boxes of hardware that are cut in half from round to round. What they rule
out is decided by the verifier's exact arithmetic alone. Where multipliers do not tell, labels are
tried on several boxes at once. Where a metric is a product with the interval (latency), the ranges
to begin with are ruled out together if one round does, else in two parts. One that is not ruled out
alone is halved; one that never is, is left to the search's word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from fractions import Fraction
from functools import cached_property
from typing import Any

from codesign.arrays import Floats
from codesign.checking.certificate.hybrid_ranges import HybridVerifier, Round, Segments, segments_of
from codesign.checking.certificate.pipeline_stages import Range as CheckedRange
from codesign.checking.certificate.pipeline_waits import Detour, detour
from codesign.checking.certificate.segment_costs import segment_reads
from codesign.checking.certificate.shared_boxes import BoxesOfEach
from codesign.checking.certificate.width_variables import TooMany
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import Relaxed, Weighted
from codesign.search.dataflow.hybrid import HybridSearch
from codesign.search.dataflow.hybrid_bounds import HybridDual
from codesign.search.dataflow.pair_bounds import AllPairs, PairDual
from codesign.search.dataflow.segment_goal import SegmentGoal
from codesign.search.dataflow.segment_states import AllSegments
from codesign.search.dataflow.table import Range
from codesign.space.hardware_boxes import BoxTables
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.certificate_detours import detours_of
from codesign.tasks.certificate_stages import (
    GAPS,
    OnStep,
    StageCloser,
    first_ranges,
    halves,
    of_one_architecture,
    told_gap,
)
from codesign.tasks.certificate_stages import number as number_of

MOST_ROUNDS = 40  # for a range of a segment
LAST, MOST_EACH = 4, 12  # multipliers of a round: the best met, and those that rule out most
MOST_LEFT = 4000  # boxes, which are then not cut
MOST_LOOKED_AT = 40_000  # boxes in all rounds
TOGETHER = (2**16, 16, 1)  # boxes that labels are tried on at once
MOST_GROUPS = 64  # of them
MOST_TRIED = 300  # ranges beside the first of each segment, halves of those not ruled out
MOST_OPEN = 12  # ranges that are not ruled out, after which no others are tried
Given = dict[str, Any]  # a round, as in the file


class Recorded(Weighted):
    """A dual that keeps the weights it is asked for, with how many pairs each has ruled out."""

    def __init__(self, dual: HybridDual) -> None:
        self.dual, self.rows = dual, dual.rows
        self.asked: list[tuple[int, Floats]] = []

    def solve(self, weights: Floats) -> Relaxed:
        """As of `HybridDual`."""
        before = int(self.dual.alive.sum())
        found = self.dual.solve(weights)
        self.asked.append((before - int(self.dual.alive.sum()), weights.copy()))
        return found

    def best(self) -> list[Floats]:
        """Those that have ruled out most, as they were asked for."""
        ruling = [n for n, (count, _) in enumerate(self.asked) if count]
        kept = sorted(ruling, key=lambda n: -self.asked[n][0])[:MOST_EACH]
        return [self.asked[n][1] for n in sorted(kept)]


class HybridCloser(StageCloser):
    """Rules out a problem's hybrids.

    Parameters
    ----------
    problem : Problem
        Of architecture hybrid, or of others besides, which are left aside.
    below : Fraction
        The claim: no hybrid within the budgets has a smaller objective.
    """

    def __init__(
        self,
        problem: Problem,
        below: Fraction,
        stop: StopCondition,
        on_step: OnStep | None,
        most_tried: int = MOST_TRIED,
    ) -> None:
        super().__init__(of_one_architecture(problem, "hybrid"), below, stop, on_step)
        self.most_tried = most_tried
        self.verifier = HybridVerifier(self.checked, below, stop.check)
        self.search = HybridSearch(self.space, stop)
        on = self.goal, self.search.tables, None, CLOSING_GAP
        self.families = self.search.tables.families(self.space.choices.segments)
        every = [x for family in self.families for x in family]
        self.goals = [SegmentGoal(self.search.shared(x), *on) for x in every]
        self.tried = self.open = 0

    @cached_property
    def duals(self) -> list[HybridDual] | None:
        """Of all segments and hardware, and of all pairs; None where no widths keep the budgets."""
        of = self.goals[0]
        if not all(x.any() for x in of.allowed):
            return None
        most_taken = of.goal.limits.get(of.pricing.memory.metric, math.inf)
        boxes = BoxTables(self.search.tables, of.allowed, most_taken, of.pricing.energy)
        found, first = list[HybridDual](), 0
        for family in self.families:
            mine = self.goals[first : first + len(family)]
            on = (x.pricing for x in mine), mine[0].pricing.rows, of.allowed
            if len(family[0]) > 1:
                found.append(PairDual(AllPairs(self.space, *on), boxes))
            else:
                found.append(HybridDual(AllSegments(self.space, *on), boxes))
            first += len(family)
        return found

    def _dual(self, number: int) -> HybridDual | None:
        """Of segments alone."""
        if self.duals is None:
            return None
        alone = len(self.families[0])
        if number < alone:
            return self.duals[0].of_segment(number)
        return self.duals[1].of_segment(number - alone)

    def part(self, trusting: bool = False, weaker: bool = True) -> tuple[dict[str, Any], list[str]]:
        """The certificate's part on hybrids, and what it leaves to the search, in words.

        Parameters
        ----------
        weaker : bool
            Say how far below the claim no hybrid is, where that much is found of all that is left.
        """
        segments, spans = [], self._first()
        left: list[tuple[int, list[CheckedRange]]] = []
        for number, goal in enumerate(self.goals):
            ranges: list[Given] = []
            trusted = [*spans]
            if not trusting and not self.stop.reached():
                ranges, trusted = self._segment(number, spans)
            layers, every = self.checked.network.layers, goal.space.segments
            ends = [layers[n].name for of in every for n in (of[0], of[-1])]
            waits = [{"waits": x, "beside": y} for x, y in self._detours(number)] if ranges else []
            open_s = [[float(x.least_s), number_of(x.most_s)] for x in trusted]
            segments.append({"layers": ends, "detours": waits, "ranges": ranges, "trusted": open_s})
            left += [(number, trusted)] if trusted else []
            if self.on_step is not None:
                self.on_step(f"closed: {number + 1 - len(left)} of {len(self.goals)} segments")
        segments += self._without_stage(spans)
        pairs = " and pairs" * (len(self.families) > 1)
        word = f"{len(left)} of {len(self.goals)} segments{pairs} of hybrids"
        if left and weaker and not trusting:
            word += told_gap(self._gap(left), "hybrid")
        return {"segments": segments}, [word] if left else []

    def _without_stage(self, spans: Sequence[CheckedRange]) -> list[dict[str, Any]]:
        """Of segments that leave a layer alone that has no stage: nothing is to be ruled out."""
        mine = {x for family in self.families for x in family}
        layers, most = self.checked.network.layers, self.space.choices.segments
        ranges = [
            {
                "interval_s": [float(x.least_s), number_of(x.most_s)],
                "rounds": [{"prices": [], "together": 0}],
            }
            for x in spans
        ]
        return [
            {
                "layers": [layers[n].name for of in every for n in (of[0], of[-1])],
                "detours": [],
                "ranges": ranges,
                "trusted": [],
            }
            for every in segments_of(self.checked.network, most)
            if every not in mine
        ]

    def _gap(self, left: Sequence[tuple[int, list[CheckedRange]]]) -> float | None:
        """How far below the claim no hybrid of what is left is, relative; None: not known."""
        weaker = copy(self)
        for gap in GAPS:
            if self.stop.reached():
                return None
            weaker.below, weaker.tried, weaker.open = self.below * (1 - Fraction(gap)), 0, 0
            weaker.verifier = HybridVerifier(self.checked, weaker.below, self.stop.check)
            if not any(weaker._segment(number, spans)[1] for number, spans in left):
                return gap
        return None

    # Ranges -------------------------------------------------------------------------------------

    def _first(self) -> list[CheckedRange]:
        """All intervals that a better hybrid may have."""
        most = self.verifier.most_s
        if not self.goals[0].products:
            return [CheckedRange(Fraction(0), most)]
        ends = [x for x in (goal.ends() for goal in self.goals) if 0 < x[0] <= x[1]]
        both = (min(x for x, _ in ends), max(x for _, x in ends)) if ends else None
        return first_ranges(both, most)

    def _segment(
        self, number: int, spans: Sequence[CheckedRange]
    ) -> tuple[list[Given], list[CheckedRange]]:
        """Ranges of a segment that are ruled out, and those that are not."""
        ranges: list[Given] = []
        trusted: list[CheckedRange] = []
        pending = _following(spans)[::-1]
        try:
            while pending and self.open < MOST_OPEN:
                several = pending.pop()
                self.stop.check()
                span = CheckedRange(several[0].least_s, several[-1].most_s)
                self.tried += len(several) == 1 and span not in spans
                rounds = self._closed(number, span, at_once=len(several) > 1)
                parts = self._parts(several) if rounds is None else []
                if rounds is not None:
                    ends = [float(span.least_s), number_of(span.most_s)]
                    ranges.append({"interval_s": ends, "rounds": rounds})
                elif parts:
                    pending += parts[::-1]
                else:
                    self.open += 1
                    trusted.append(span)
        except Stopped:
            pending.append(several)
        return ranges, trusted + [x for several in pending for x in several]

    def _parts(self, several: Sequence[CheckedRange]) -> list[Sequence[CheckedRange]]:
        """Ranges that are not ruled out, in two parts; none where they are not to be cut."""
        if len(several) > 1:
            middle = len(several) // 2
            return [several[:middle], several[middle:]]
        if not self.goals[0].products or self.tried >= self.most_tried:
            return []
        return [[x] for x in halves(several[0])]

    def _closed(self, number: int, span: CheckedRange, at_once: bool = False) -> list[Given] | None:
        """As `_rounds`; None, too, where tables would be too large."""
        try:
            return self._rounds(number, span, at_once)
        except TooMany:
            return None

    def _rounds(self, number: int, span: CheckedRange, at_once: bool) -> list[Given] | None:
        """Rounds that rule a segment out in a range; None where none are found.

        Parameters
        ----------
        at_once : bool
            Only in one round, of multipliers alone.
        """
        dual, every = self._dual(number), self.goals[number].space.segments
        detours, boxes = self._checked(number), self.verifier.first(every)
        found = list[Given]()
        prices: list[dict[str, float]] = []
        looked_at = 0
        for n in range(MOST_ROUNDS):
            looked_at += boxes.size
            if dual is not None and dual.alive.any():
                prices = self._prices(dual, span, full=not at_once)
                dual.keep_alive()
                if at_once and dual.alive.any():
                    return None
                if dual.boxes.whole.any():
                    dual.halve()
            boxes, together = self._left(span, every, detours, boxes, prices)
            found.append({"prices": prices, "together": together})
            if not boxes.size:
                return found
            if at_once or boxes.size > MOST_LEFT or looked_at > MOST_LOOKED_AT or not boxes.whole:
                return None
            boxes = boxes.halved(n)
        return None

    def _left(
        self,
        span: CheckedRange,
        segments: Segments,
        detours: Sequence[Detour],
        boxes: BoxesOfEach,
        prices: Sequence[dict[str, float]],
    ) -> tuple[BoxesOfEach, int]:
        """What a round leaves, and how many boxes labels are tried on together in it."""
        exact = [{x: Fraction(y) for x, y in each.items()} for each in prices]
        on = span, segments, detours
        every, together = self.verifier.left(*on, boxes, Round(exact)), 0
        left = every
        for most in TOGETHER:
            if not left.size or every.size > MOST_GROUPS * most:
                break
            fewer = self.verifier.left(*on, every, Round(exact, most))
            if fewer.size < left.size:
                left, together = fewer, most
        return left, together

    # Arguments ----------------------------------------------------------------------------------

    def _prices(self, dual: HybridDual, span: CheckedRange, full: bool) -> list[dict[str, float]]:
        """Multipliers that rule out much of what a dual has left."""
        whole = Range(float(span.least_s), number_of(span.most_s) or math.inf)
        dual.within(whole)
        every = self.goals[0].targets(whole, float(self.below))
        recorded, targets = Recorded(dual), {x: y for x, y in every.items() if math.isfinite(y)}
        if not targets:
            return []
        ascent, known = ascend(recorded, targets, full=full), {*self.verifier.names}
        return [
            {x: float(y) for x, y in zip(dual.rows, each, strict=True) if y > 0 and x in known}
            for each in (*recorded.best(), *ascent.weights[-LAST:])
        ]

    def _detours(self, number: int) -> list[tuple[list[int], list[int]]]:
        """Of a segment, those that the verifier takes for such."""
        of = self.goals[number]
        reads = segment_reads(self.checked.network, of.space.segments)
        every = detours_of(of.fifos, of.space)
        return [x for x in every if detour(reads, *x) is not None]

    def _checked(self, number: int) -> list[Detour]:
        reads = segment_reads(self.checked.network, self.goals[number].space.segments)
        return [x for y in self._detours(number) if (x := detour(reads, *y)) is not None]


def _following(spans: Sequence[CheckedRange]) -> list[Sequence[CheckedRange]]:
    """Ranges, together those of which each begins where the one before it ends."""
    cuts = [n for n in range(1, len(spans)) if spans[n - 1].most_s != spans[n].least_s]
    return [spans[a:b] for a, b in zip([0, *cuts], [*cuts, len(spans)], strict=True) if a < b]
