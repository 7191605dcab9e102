"""Closes the intervals of pipelines against a claim, in ranges, each verified.

Lagrange multipliers are found in floating point by the search's own dual. Whether they rule a range
out is decided by the verifier's exact arithmetic alone, before anything is written. Where a metric
is a product with the interval (latency, static energy), a range that does not close is halved;
one that never does is left to the search's word.
"""

from __future__ import annotations

import math
from copy import copy
from fractions import Fraction
from typing import Any

from codesign.checking.certificate.pipeline_ranges import PipelineVerifier
from codesign.checking.certificate.pipeline_stages import Range as CheckedRange
from codesign.checking.certificate.pipeline_waits import detour
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.dataflow import reads
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Dual
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.goal_bounds import GoalBounds, Shared
from codesign.search.dataflow.table import Range
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.certificate_detours import detours_of
from codesign.tasks.certificate_stages import (
    GAPS,
    OnStep,
    StageCloser,
    first_ranges,
    halves,
    number,
    of_one_architecture,
    told_gap,
)

ROUNDS, EACH = 3, 4  # in which what is ruled out is left out; multipliers kept of each
MOST_TRIED = 2000  # ranges
MOST_OPEN = 3  # ranges that do not close, after which no others are tried


class PipelineCloser(StageCloser):
    """Closes the intervals of a problem's pipelines.

    Parameters
    ----------
    problem : Problem
        Of architecture dataflow, or of others besides, which are left aside.
    below : Fraction
        The claim: no pipeline within the budgets has a smaller objective.
    most_tried : int
        Ranges.
    """

    def __init__(
        self,
        problem: Problem,
        below: Fraction,
        stop: StopCondition,
        on_step: OnStep | None,
        most_tried: int = MOST_TRIED,
    ) -> None:
        super().__init__(of_one_architecture(problem, "dataflow"), below, stop, on_step)
        self.most_tried = most_tried
        search = Shared(self.space, stop)
        self.fifos: Fifos = search.fifos
        self.bounds = GoalBounds(search, self.goal, None, None, CLOSING_GAP)
        self.detours = detours_of(self.fifos, self.space)
        every = reads(self.checked.network, ())
        found = [detour(every, *x) for x in self.detours]
        self.verifier = PipelineVerifier(
            self.checked, below, [x for x in found if x is not None], stop.check
        )

    def part(self, trusting: bool = False) -> tuple[dict[str, Any], list[str]]:
        """The certificate's part on pipelines, and what it leaves to the search, in words."""
        ranges, trusted = self._closed_all(trusting)
        ends = [[float(x.least_s), number(x.most_s)] for x in trusted]
        detours = [{"waits": waits, "beside": beside} for waits, beside in self.detours]
        word = f"{len(trusted)} of {len(ranges) + len(trusted)} ranges of the interval"
        word += told_gap(self._gap() if trusted and not trusting else None, "pipeline")
        part = {"detours": detours, "ranges": ranges, "trusted": ends}
        return part, [word] if trusted else []

    def _closed_all(self, trusting: bool) -> tuple[list[dict[str, Any]], list[CheckedRange]]:
        """Arguments for ranges, and those that are left open."""
        ranges: list[dict[str, Any]] = []
        trusted: list[CheckedRange] = []
        pending, tried = self._first()[::-1], 0
        try:
            while pending and len(trusted) < MOST_OPEN and not trusting:
                span, tried = pending.pop(), tried + 1
                self.stop.check()
                by = None if tried > self.most_tried else self._closed(span)
                parts = [] if by or tried > self.most_tried else self._halves(span)
                if by is not None:
                    ranges.append(by)
                elif parts:
                    pending += parts[::-1]
                else:
                    trusted.append(span)
                self._tell(len(ranges), len(pending) + len(trusted))
        except Stopped:
            trusted.append(span)
        trusted += pending
        return ranges, trusted

    def _tell(self, closed: int, left: int) -> None:
        if self.on_step is not None:
            self.on_step(f"closed: {closed} of {closed + left} ranges of the interval")

    # Ranges -------------------------------------------------------------------------------------

    def _first(self) -> list[CheckedRange]:
        """All intervals that a better pipeline may have."""
        most = self.verifier.most_s
        if not self.bounds.products:
            return [CheckedRange(Fraction(0), most)]
        spans = self.bounds.first_spans()
        ends = (spans[0].least_s, spans[-1].most_s) if spans else None
        return first_ranges(ends, most)

    def _halves(self, span: CheckedRange) -> list[CheckedRange]:
        return halves(span) if self.bounds.products else []

    def _closed(self, span: CheckedRange) -> dict[str, Any] | None:
        """The argument that rules a range out, if one is found."""
        prices = self._prices(span)
        exact = [{x: Fraction(y) for x, y in each.items()} for each in prices]
        for by in ("bound", "labels"):
            try:
                if self.verifier.closed(span, exact, by == "labels"):
                    ends = [float(span.least_s), number(span.most_s)]
                    return {"interval_s": ends, "prices": prices, "by": by}
            except TooMany:
                return None
        return None

    def _gap(self) -> float | None:
        """How far below the claim no pipeline is, relative; None: not known."""
        weaker = copy(self)
        weaker.on_step = None
        for gap in GAPS:
            weaker.below = self.below * (1 - Fraction(gap))
            given = self.checked, weaker.below, self.verifier.detours, self.stop.check
            weaker.verifier = PipelineVerifier(*given)
            if not weaker._closed_all(trusting=False)[1]:
                return gap
        return None

    # Arguments ----------------------------------------------------------------------------------

    def _prices(self, span: CheckedRange) -> list[dict[str, float]]:
        """Multipliers that rule out much: of all columns, then of those left, in rounds."""
        bounds, most = self.bounds, number(span.most_s)
        whole = Range(float(span.least_s), math.inf if most is None else most)
        table = bounds.pricing.table(whole, bounds.allowed)
        targets = bounds.targets(whole, float(self.below))
        found: list[dict[str, float]] = []
        for _ in range(ROUNDS if targets else 0):
            if table is None or table.lacks_layers(self.space):
                break
            dual = Dual(bounds.pricing, table, whole)
            ascent = ascend(dual, targets, full=True)
            weights = ascent.weights[-EACH:]
            found += [
                {x: float(y) for x, y in zip(dual.rows, each, strict=True) if y > 0}
                for each in weights
            ]
            if ascent.value > PRUNED:
                break
            table = dual.narrowed(weights)
            if not all(x.any() for x in table.allowed):
                break
        known = {*self.verifier.names}
        return [{x: y for x, y in each.items() if x in known} for each in found]


def asked_of(problem: Problem) -> dict[str, Any]:
    """What is asked of pipelines, as a certificate of an array's design names it."""
    return {"objective": problem.objective, "budgets": dict(problem.budgets)}
