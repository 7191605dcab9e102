"""The search for a goal with a product of the interval in it: latency, or static energy.

A range of the interval is bounded by the product ``T·S`` at its beginning and, better where it is
the DRAM that sets the interval, by ``T_least·S + (T − T_least)·S_least`` (`Dual`): what that leaves
out falls with the square of the range. Ranges are cut until they are narrow; then labels decide, of
that row in place of both the interval and the product; what they do not, ever narrower ranges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain

import numpy as np

from codesign.arrays import Bools
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import CLOSING_GAP, beyond
from codesign.search.dataflow.bounds import FETCHED, PRUNED, Dual
from codesign.search.dataflow.goal_bounds import INTERVAL, LATENCY, Closed
from codesign.search.dataflow.search import MULTIPLIERS, SLOWER, GoalSearch, Proven
from codesign.search.dataflow.table import Range, Table

NARROW = 1.04  # ratio of the ends of a range whose labels are set
HELPS = 0.7  # of what was left to the cutoff, if cutting a range is to go on
FINEST = 1 + 1e-4  # of one that is not cut any more
FEW_COLUMNS = 400  # that a MILP decides at once, however wide the range
EDGE = 1e-3  # of a range: so near to its ends it is not cut
BESIDE = 1e-8  # relative: a cut is so much below a number of cycles
KEPT = 3  # goals of which is kept what is proven of each range
ROUNDS = 3  # of a floor without an aim
MOST_FIRST = 2  # ranges to begin with: the fastest, and all others
NARROWING = 2  # multipliers of a bound by which widths are ruled out


class ProductSearch(GoalSearch):
    """The search for one goal."""

    floor: Mapping[str, float]
    both = False  # whether labels are set of both rows of a product, and of DRAM bits

    @staticmethod
    def takes(goal: Goal) -> bool:
        """Whether a goal may have products in it, and does not minimise the interval."""
        return goal.metric != INTERVAL and not goal.kinds.isdisjoint((LATENCY, ENERGY))

    # Ranges -------------------------------------------------------------------------------------

    def first_spans(self) -> list[Range]:
        """All intervals; only what an earlier search has left of them, if it tells."""
        for closed in reversed(self.search.closed):
            known = closed[0].goal
            if known.metric in self.goal.limits and known.holds_all_of(self.goal):
                limit, (least, most) = beyond(self.goal.limits[known.metric]), self._ends()
                left = (x.span for x in closed if x.lower <= limit)
                within = (Range(max(least, x.least_s), min(most, x.most_s)) for x in left)
                return [x for x in within if x.least_s <= x.most_s]
        spans = super().first_spans()
        if len(spans) > MOST_FIRST:
            spans[1:] = [Range(spans[1].least_s, spans[-1].most_s)]
        return spans

    def _ends(self) -> tuple[float, float]:
        """The least is no less than an earlier search tells."""
        least, most = super()._ends()
        for known in chain(*self.search.closed):
            if known.goal.metric == INTERVAL and known.goal.holds_all_of(self.goal):
                least = max(least, known.span.least_s * (1 - CLOSING_GAP))
        return least, most

    def first_bound(self, span: Range) -> float:
        """A bound on a range."""
        if not self.products:
            return super().first_bound(span)
        return self._bound_within(span, 0.0)

    def run(self) -> Proven:
        """Search all ranges; remember what is proven of each."""
        self.closed: list[tuple[float, Range]] = []
        self.told = set[Range]()
        self.left: dict[Range, tuple[list[Bools], float]] = {}
        self.floor = {}
        found = super().run()
        if self.products and found.complete:
            self.closed += [(lower, span) for lower, _, span in self.open]
            known = [Closed(self.goal, span, lower) for lower, span in self.closed]
            self.search.closed = [*self.search.closed[1 - KEPT :], *[known] * bool(known)]
        return found

    def _push(self, lower: float, span: Range) -> None:
        super()._push(lower, span)
        if not math.isfinite(lower):
            self.closed.append((lower, span))

    def _nothing_below(self, aim: float, span: Range) -> None:
        """A guess is a bound where nothing is within it."""
        if aim < self.cutoff and math.isfinite(aim):
            super()._nothing_below(aim, span)
        else:
            self.closed.append((float(np.nextafter(beyond(aim), math.inf)), span))

    # Bounds -------------------------------------------------------------------------------------

    def _bound_within(self, span: Range, lower: float) -> float:
        """A bound on a range, of which one is known."""
        self.stop.check()
        allowed, most = self.left_of(span)
        table = self.pricing.table(span, allowed)
        if table is None:
            return most
        self.floor = self._floors(table, span, lower)
        dual = self.dual(table, span)
        if not 0 < self.value < math.inf:
            return max(lower, min(self._bound(dual, self.targets(span), self.goal.metric), most))
        metric, value = self.goal.metric, self.value
        rows = [x for x in (metric, FETCHED.format(metric)) if x in dual.rows]
        found = self.ascend(dual, self.targets(span, value), rows)
        above = float(np.nextafter(beyond(value), math.inf))
        if found.value > PRUNED:
            return max(lower, min(above, most))
        widths = [dual.left(x)[1] for x in found.weights[-NARROWING:]]
        self.left[span] = [np.logical_and.reduce(x) for x in zip(*widths, strict=True)], above
        return max(lower, min(found.objective, self.value, most))

    def left_of(self, span: Range) -> tuple[list[Bools], float]:
        """Widths that are left in a range, and how much any design with others has at least."""
        return self.left.get(span, (self.allowed, math.inf))

    def _floors(self, table: Table, span: Range, lower: float) -> dict[str, float]:
        """What the interval is multiplied by, at least, for a bound on the goal's metric."""
        found, pricing = dict[str, float](), self.pricing
        if LATENCY in pricing.rows:
            known = lower if self.goal.metric == LATENCY else self._known_latency(table, span)
            found[LATENCY] = max(1 + self.fifos.least_end, known / span.most_s)
        if ENERGY in pricing.rows and (pricing.static_w or pricing.static_w_per_mm2):
            area = self._least_area(table, span) if pricing.static_w_per_mm2 else 0.0
            found[ENERGY] = pricing.static_w + pricing.static_w_per_mm2 * area
        return found

    def _known_latency(self, table: Table, span: Range) -> float:
        """A bound on the latency, which is limited."""
        for x in chain(*self.search.closed):
            within = x.span.least_s <= span.least_s and span.most_s <= x.span.most_s
            if x.goal.metric == LATENCY and x.goal.holds_all_of(self.goal) and within:
                return x.lower
        dual = Dual(self.pricing, table, span)
        targets = super().targets(span)
        bound = self.ascend(dual, targets, [LATENCY]).objective
        return max(bound, 0.0) / span.least_s * span.most_s

    def _least_area(self, table: Table, span: Range) -> float:
        """A bound on the area."""
        name = "area_mm2"
        dual = Dual(self.pricing, table, span)
        others = {x: v for x, v in super().targets(span).items() if x != name}
        value = max(0.0, dual.solve(dual.scaled({name: 1.0})).value)
        for _ in range(ROUNDS if others and value > 0 else 0):
            bound = self.ascend(dual, {**others, name: value}, [name]).objective
            if bound <= value * (1 + 1e-3):
                break
            value = bound
        return value

    def targets(self, span: Range, value: float = math.inf) -> dict[str, float]:
        """What bounds hold, of a range, for a value of the goal's metric."""
        found = super().targets(span, value)
        return found | {FETCHED.format(x): found[x] for x in self.floor if x in found}

    def dual(self, table: Table, span: Range) -> Dual:
        """The relaxation of a table."""
        return Dual(self.pricing, table, span, self.floor)

    # Labels -------------------------------------------------------------------------------------

    @property
    def label_row(self) -> str:
        """Of which labels are to have least."""
        metric = self.goal.metric
        return FETCHED.format(metric) if metric in self.floor else metric

    def label_targets(self, span: Range, aim: float) -> dict[str, float]:
        """What labels keep: of a product and of the interval the one row for both."""
        boxed = self.both or "dram_bits" in self.goal.limits
        left_out = {*([] if self.both else self.floor), *([] if boxed else ["dram_bits"])}
        return {x: v for x, v in self.targets(span, aim).items() if x not in left_out}

    def make_ready(self, table: Table, span: Range, aim: float) -> None:
        """Find the multipliers of labels, which are of fewer targets."""
        dual, targets = self.dual(table, span), self.label_targets(span, aim)
        found = self.ascend(dual, targets)
        each = (dual.scaled({x: targets[x]}) for x in targets)
        self.multipliers = [*found.weights[-MULTIPLIERS:], *each]

    # The search ---------------------------------------------------------------------------------

    def _search(self, lower: float, span: Range) -> None:
        """Search a range up to a guess, or cut it."""
        table = self.pricing.table(span, self.left_of(span)[0]) if self.products else None
        if table is None:
            super()._search(lower, span)
            return
        wide = span.most_s > span.least_s * NARROW
        if wide and len(table) > FEW_COLUMNS:
            self._cut(lower, span, self._middle(span, table))
            return
        self.floor = self._floors(table, span, lower)
        if len(table) <= FEW_COLUMNS:
            super()._search(lower, span)
            return
        self.search.counts.intervals += 1
        self.multipliers = []
        reduced, aim = self._reduced(table, span, self._aim_above(lower))
        if reduced is None:
            self._nothing_below(aim, span)
            return
        self._tell_narrow(reduced, lower, aim, span)

    def _tell_narrow(self, table: Table, lower: float, aim: float, span: Range) -> None:
        """Decide a range by labels; where they do not tell, cut it, or by a MILP."""
        self.stop.check()
        least, table, aim = self._labelled(table, lower, aim, span)
        self.growth = min(self.growth, SLOWER)
        if least == -math.inf and self._nearer(lower, aim, span):
            return
        told = least > -math.inf
        within = span.least_s <= self.fetched_s <= span.most_s * (1 + BESIDE)
        if told and least < min(aim, self.cutoff) and not within:
            self.both = True
            again, table, aim = self._labelled(table, lower, aim, span)
            least, self.both = max(least, again), False
            if again == -math.inf and least <= lower and self._nearer(lower, aim, span):
                return
        helps = span not in self.told or self.cutoff - least < HELPS * (self.cutoff - lower)
        lower = max(lower, min(least, self.value))
        if least == math.inf or (least >= aim and aim < self.cutoff):
            self._nothing_below(aim, span)
        elif least >= self.cutoff:  # there may be designs of as much as the incumbent's
            self.closed.append((min(least, self.value), span))
        elif span.most_s > span.least_s * FINEST and helps:
            self._part(lower, span, table, told)
        else:
            self._decide(table, lower, aim, span)

    def _part(self, lower: float, span: Range, table: Table, told: bool) -> None:
        """Push both parts of a range that labels have not closed: where the best of them is."""
        middle, edge = self._middle(span, table), EDGE * (span.most_s - span.least_s)
        if told and span.least_s + edge < self.fetched_s:
            middle = min(self.fetched_s, span.most_s - edge)
        parts = Range(span.least_s, middle), Range(middle, span.most_s)
        for part in parts:
            self.left[part] = self.left_of(span)
            self._push(lower, part)
        self.told.update(parts if told else ())

    def _middle(self, span: Range, table: Table) -> float:
        """Where a range is cut: at a number of cycles near its middle, or there."""
        middle, part = math.sqrt(span.least_s * span.most_s), span.most_s / span.least_s
        paces = np.unique(table.cycles) / self.search.clock * (1 - BESIDE)
        near = np.maximum(paces / middle, middle / paces)
        mine = near < part ** (3 / 8)
        return float(paces[mine][int(near[mine].argmin())]) if mine.any() else middle

    def _cut(self, lower: float, span: Range, middle: float) -> None:
        """Push both parts of a range."""
        for part in (Range(span.least_s, middle), Range(middle, span.most_s)):
            self.left[part] = self.left_of(span)
            self._push(self._bound_within(part, lower), part)
