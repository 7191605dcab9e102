"""Branch and bound over ranges of the interval, for one goal.

Where nothing that is asked about is a product with the interval, there is one range: what of the
interval is limited is a limit on cycles and on DRAM bits. The interval itself is found from below,
its first bound by bisection over cycle counts. Of products (latency, static energy) bounds hold in
a range as at its beginning; ranges are split until both ends agree (`product_search`: sooner).

A range is searched up to a guess a little above its bound: a Lagrangian (`bounds`) rules the guess
out, or leaves few widths and options for a MILP. Where nothing is below a guess, that is a bound.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, ceiling
from codesign.search.dataflow.bounds import PRUNED, Dual
from codesign.search.dataflow.goal_bounds import (
    INTERVAL,
    LATENCY,
    PRICED,
    GoalBounds,
    Labelled,
)
from codesign.search.dataflow.labels import SAME, LabelSetting
from codesign.search.dataflow.partial_choices import Effort, Labels, TooManyLabels
from codesign.search.dataflow.pricing import Pipeline, chosen_options, with_good_starts
from codesign.search.dataflow.programme import least_of
from codesign.search.dataflow.solve import RangeResult, solve_range
from codesign.search.dataflow.table import Range, Table
from codesign.stopping import Stopped

FIRST_GUESS, GROWTH = 2e-3, 2.0  # above a bound, relative; of the next one
MULTIPLIERS = 6  # of an ascent, the best, by which columns and labels are ruled out
SLOWER = 1.5  # growth where labels were needed to rule a guess out
AS_WELL = 1.25  # as far above a bound as a guess, an incumbent is tried to be the best
LAST_GUESS = 2.0  # from where on anything is let in
FURTHER = 1 + 1e-6  # so much longer intervals are looked at anew, where their products are limited
NEAREST, CLOSER = 2e-4, 4.0  # a guess so near that no nearer one is tried; how much nearer
FEW_EACH = 150  # columns of a layer, on average, of which labels are set
FEW_LABELS = 500  # of each part, for an incumbent
EFFORT = Effort(joined=2**34, work=2**26, kept=2**17)
FEW = 2000  # columns: so few, and the MILP looks above the guess too, for a design to start from
REACH, REACH_GAP = 1.1, 5e-3  # how far above a guess; how nearly the best of that is wanted


@dataclass(frozen=True)
class Proven:
    """How a search for one goal ended.

    Attributes
    ----------
    design : Pipeline or None
        The best within the limits; None: there is none, proven if ``complete``.
    lower : float
        No design has a smaller metric.
    complete : bool
    """

    design: Pipeline | None
    lower: float
    complete: bool


class GoalSearch(GoalBounds):
    """The search for one goal.

    Attributes
    ----------
    fetched_s : float
        What the DRAM bits take of the least label that was seen last.
    before, slowest : float
        Up to where intervals are searched next, and how long stages take then at most.
    """

    fetched_s = 0.0
    before, slowest = 0.0, 0.0
    effort = EFFORT

    # The search ---------------------------------------------------------------------------------

    def run(self) -> Proven:
        """Search all ranges, the one of the least bound first."""
        self.open: list[tuple[float, int, Range]] = []
        self.multipliers: list[Floats] = []
        self.number, self.guess, self.growth, self.near = 0, FIRST_GUESS, GROWTH, False
        try:
            for span in self.first_spans():
                self._push(self.first_bound(span), span)
            while self.open and self.open[0][0] < self.cutoff:
                self._tell()
                lower, _, span = heapq.heappop(self.open)
                try:
                    self._search(lower, span)
                except Stopped:
                    self._push(lower, span)
                    raise
        except Stopped:
            return Proven(self.incumbent, self.lower, False)
        return Proven(self.incumbent, self.lower, True)

    @property
    def lower(self) -> float:
        """No design has a smaller metric."""
        return min(self.open[0][0] if self.open else math.inf, self.value)

    def _tell(self) -> None:
        self.stop.check()
        if self.report is not None:
            best = None if self.incumbent is None else self.value
            self.report(best, min(self.open[0][0], self.value))

    def _push(self, lower: float, span: Range) -> None:
        if math.isfinite(lower):
            heapq.heappush(self.open, (lower, self.number, span))
            self.number += 1

    def _search(self, lower: float, span: Range) -> None:
        """Search a range up to a guess; push what is left of it."""
        self.search.counts.intervals += 1
        aim = self._aim_above(lower)
        whole = self._upto(lower, aim, span)
        stages = Range(whole.least_s, self.slowest) if aim == self.before else whole
        table = self.pricing.table(stages, self.allowed, not self.search.whole)
        self.multipliers = []
        if table is not None and not self.search.whole:
            table, aim = self._reduced(table, whole, aim)
            whole = self._upto(lower, aim, span)
        if table is None:
            self._nothing_below(aim, span)
            return
        self.stop.check()
        few = len(table) <= FEW_EACH * len(self.space.chosen_layers)
        if self.multipliers and few and self.told_by_labels():
            least, table, aim = self._labelled(table, lower, aim, span)
            self.growth = min(self.growth, SLOWER)  # a wider guess may have many more
            if least == -math.inf:
                if self._nearer(lower, aim, span):
                    return
                self.near, self.growth = True, GROWTH  # programmes are to decide, of more at once
            lower = max(lower, min(least, self.value))
            if least >= aim:
                self._nothing_below(aim, span)
                return
            later = self.products and lower > whole.least_s * FURTHER  # products are as there
            if least >= self.cutoff or later:
                self._push(lower, span)
                return
        self._decide(table, lower, aim, span)

    def _decide(self, table: Table, lower: float, aim: float, span: Range) -> None:
        """Search what is left of a range up to a guess by a MILP."""
        if aim < self.value and len(table) <= FEW and not (self.products or self.search.whole):
            self._search_above(table, lower, aim, span)
            return
        whole = self._upto(lower, aim, span)
        goal = Goal(self.goal.metric, self._limits(aim))
        found = self._solve(table, whole, goal, lower, self.gap / 2)
        if found.design is not None:
            self.update(found.design)
        if not found.complete:
            self._push(max(lower, found.bound), span)
            raise Stopped
        if found.loose:
            self._halve(max(lower, min(found.bound, aim)), span, whole)
        elif found.design is None:
            self._nothing_below(aim, span)
        elif self.products:
            self._split(max(lower, found.bound), span, found.design.metrics[INTERVAL])
        else:
            self._push(max(lower, min(found.bound, self.value)), span)

    def _search_above(self, table: Table, lower: float, aim: float, span: Range) -> None:
        """Search what a design below a guess may have, also for designs above the guess.

        One that is little above makes the incumbent by which more is ruled out later.
        """
        most = min(self.value, aim * REACH)
        goal = Goal(self.goal.metric, self._limits(most))
        found = self._solve(table, self._upto(lower, most, span), goal, lower, REACH_GAP)
        if found.design is not None:
            self.update(found.design)
        if not found.complete:
            self._push(max(lower, min(found.bound, aim)), span)
            raise Stopped
        if found.bound >= aim:
            self._nothing_below(aim, span)
        else:
            self._push(max(lower, min(found.bound, self.value)), span)

    def _aim_above(self, lower: float) -> float:
        """A guess; the incumbent's metric where it is not much more."""
        if lower < self.before:
            return self.before
        guess = self._guess_above(lower)
        return self.value if self.value - lower <= AS_WELL * (guess - lower) else guess

    def _guess_above(self, lower: float) -> float:
        """A little above a bound; inf after the last guess."""
        if self.search.whole or self.guess > LAST_GUESS or lower <= 0:
            return math.inf
        return lower * (1 + self.guess)

    def _upto(self, lower: float, aim: float, span: Range) -> Range:
        """The part of a range that is searched."""
        if self.goal.metric != INTERVAL:
            return span
        return Range(max(span.least_s, lower), min(span.most_s, aim))

    def _nothing_below(self, aim: float, span: Range) -> None:
        """A guess is a bound where nothing is below."""
        if aim < self.value and math.isfinite(aim):
            self.guess *= self.growth
            self._push(aim, span)

    def _limits(self, aim: float) -> dict[str, float]:
        limits = dict(self.goal.limits)
        if INTERVAL in limits:
            moved = limits[INTERVAL] * self.search.rate
            limits["dram_bits"] = min(moved, limits.get("dram_bits", math.inf))
        if math.isfinite(aim) and self.goal.metric != INTERVAL:
            limits[self.goal.metric] = min(aim, limits.get(self.goal.metric, math.inf))
        return limits

    def _reduced(self, table: Table, span: Range, aim: float) -> tuple[Table | None, float]:
        """What of a table a design no worse than the aim may have; and a better aim, if found."""
        for _ in range(3):
            targets = self.targets(span, aim)
            if not targets:
                break
            dual = self.dual(table, span)
            found = self.ascend(dual, targets)
            if found.value > PRUNED:
                return None, aim
            self.multipliers = [
                *found.weights[-MULTIPLIERS:],
                *(dual.scaled({x: targets[x]}) for x in targets),
            ]
            count = len(table)
            table = self.pricing.tied(dual.narrowed(self.multipliers))
            if not all(x.any() for x in table.allowed) or table.lacks_layers(self.space):
                return None, aim
            if self.value < aim:
                aim = self.value
            elif len(table) > 0.9 * count:
                break
        return table, aim

    def dual(self, table: Table, span: Range) -> Dual:
        """The relaxation of a table."""
        return Dual(self.pricing, table, span)

    def _nearer(self, lower: float, aim: float, span: Range) -> bool:
        """Guess nearer to the bound, where there are fewer labels, if not yet near.

        Of intervals first just before a count of cycles of which there are more stages to choose.
        """
        if self._stop_before_count(lower, aim):
            self.guess = NEAREST
            self._push(lower, span)
            return True
        near = self.guess <= NEAREST or not lower * (1 + NEAREST) < aim
        if self.near or near or not math.isfinite(aim) or lower <= 0:
            return False
        self.guess, self.growth = min(self.guess, aim / lower - 1) / CLOSER, 1.0
        self._push(lower, span)
        return True

    def _stop_before_count(self, lower: float, aim: float) -> bool:
        """Search next up to just before the first count of cycles that makes an interval up to aim.

        So near before it that it is the least interval if nothing is below.
        """
        if self.goal.metric != INTERVAL:
            return False
        every = [x.table.cycles for x in self.space.options if x is not None]
        counts = np.unique(np.concatenate(every)) / self.search.clock
        before = counts * (1 - CLOSING_GAP / 2)
        n = int(np.searchsorted(before, lower, "right"))
        if n == 0 or n == len(before) or before[n] >= aim * (1 - CLOSING_GAP):
            return False
        self.before, self.slowest = float(before[n]), float(counts[n - 1])
        return True

    def _labelled(
        self, table: Table, lower: float, aim: float, span: Range
    ) -> tuple[float, Table, float]:
        """A bound on what a table holds, −inf where labels do not tell; what is left; a better aim.

        First of few labels, for an incumbent by which there are fewer.
        """
        whole = self._upto(lower, aim, span)
        self.make_ready(table, whole, aim)
        few = FEW_LABELS if aim < self.value or not self.products else None
        least, cut = self._by_labels(table, whole, aim, few)
        if lower >= self.cutoff:
            return lower, table, self.value
        if cut and self.value < aim:
            whole = self._upto(lower, self.value, span)
            again, aim = self._reduced(table, whole, self.value)
            if again is None:
                return aim, table, aim
            table, whole = again, self._upto(lower, aim, span)
            self.make_ready(table, whole, aim)
        least = self._by_labels(table, whole, aim)[0] if cut and few else least
        return least, table, min(aim, self.value)

    def _by_labels(
        self, table: Table, span: Range, aim: float, most_each: int | None = None
    ) -> tuple[float, bool]:
        """No design of a table has less, as labels say; and whether they are too many to say so.

        Inf where there is none. The best labels are priced exactly: of them may be the best design.
        """
        timed, clock, rate = self.goal.metric == INTERVAL, self.search.clock, self.search.rate
        dual, weights = self.dual(table, span), self.multipliers
        row = dual.rows.index(self.label_row)
        counted = [r for r in range(len(dual.rows)) if r == row or any(x[r] for x in weights)]
        fewest = span.least_s * clock if timed else math.inf
        setting = LabelSetting(
            dual, weights, fewest, self.stop.check, self.effort, counted, most_each
        )
        try:
            labels = self.labels_of(setting, row, span, aim)
        except TooManyLabels:
            return -math.inf, True
        values = labels.metrics[:, [row, *self.as_well(dual, counted)]].max(axis=1)
        if timed:
            values = np.maximum(labels.cycles / clock, values / rate)
            values[self.beyond(dual, labels, values)] = math.inf
        if len(values):
            moved = labels.metrics[int(values.argmin()), dual.rows.index("dram_bits")]
            self.fetched_s = float(moved) / rate
        others = [labels.metrics[:, r] for r in counted if r != row]
        for n in np.lexsort([*others[::-1], values])[:PRICED].tolist():
            if values[n] < self.value:
                columns, widths = setting.choice(int(labels.made[n]))
                options = chosen_options(dual.layers, columns, table.option)
                self.update(with_good_starts(self.space, self.fifos, options, widths))
        least = float(values.min(initial=math.inf))
        if not (setting.cut or self.products):
            self._remember(dual.rows, row, span, labels.metrics[:, counted], counted)
        return (-math.inf if setting.cut else least), setting.cut

    def told_by_labels(self) -> bool:
        """Whether labels bound the metric in a range of some width."""
        return not self.products

    def labels_of(self, setting: LabelSetting, row: int, span: Range, aim: float) -> Labels:
        """Those that have least of a row."""
        return setting.least(row, self.label_targets(span, aim))

    def beyond(self, _: Dual, labels: Labels, __: Floats) -> Bools:
        """Which labels break a limit with their own interval."""
        return np.zeros(len(labels), dtype=bool)

    def make_ready(self, table: Table, span: Range, aim: float) -> None:
        """Find the multipliers of labels, where they are not those of a table's reduction."""

    @property
    def label_row(self) -> str:
        """Of which labels are to have least."""
        return "dram_bits" if self.goal.metric == INTERVAL else self.goal.metric

    def as_well(self, dual: Dual, counted: Sequence[int]) -> list[int]:
        """Further rows of what labels have least of, among those that are counted."""
        return [r for r in counted if dual.rows[r] == self.goal.metric]

    def label_targets(self, span: Range, aim: float) -> dict[str, float]:
        """What labels keep."""
        return self.targets(span, aim)

    def _remember(
        self, rows: Sequence[str], row: int, span: Range, metrics: Floats, counted: list[int]
    ) -> None:
        """Labels of the least metric, for goals that hold it there."""
        if not len(metrics):
            return
        limits = {x: float(ceiling(v)) for x, v in self.goal.limits.items()}
        if INTERVAL in (self.goal.metric, *limits):
            limits[INTERVAL] = float(ceiling(span.most_s))
        least = float(metrics[:, counted.index(row)].min()) * (1 + SAME)
        limits[rows[row]] = min(least, limits.get(rows[row], math.inf))
        self.search.labelled = Labelled(limits, tuple(rows[r] for r in counted), metrics)

    def _solve(
        self, table: Table, span: Range, goal: Goal, unit: float, rel_gap: float
    ) -> RangeResult:
        self.search.counts.programmes += 1
        unit = min(self.value, self._size(table, span)) if unit <= 0 else unit
        unit = unit if unit > 0 else 1.0
        return solve_range(
            self.pricing,
            table,
            span,
            goal,
            unit,
            stop=self.stop,
            rel_gap=rel_gap,
            solver=self.search.solver,
        )

    def _size(self, table: Table, span: Range) -> float:
        """About how large a goal's metric is, where no bound tells."""
        if self.goal.metric == INTERVAL:
            return span.least_s
        if self.goal.metric == LATENCY:
            return span.least_s * (1 + self.fifos.least_end)
        size = least_of(table, self.goal.metric)
        return size if size > 0 else 1.0

    def _split(self, bound: float, span: Range, interval_s: float) -> None:
        """Both parts of a range of a product, where its best design was found."""
        if bound >= self.cutoff:
            self._push(bound, span)
            return
        middle = math.sqrt(span.least_s * span.most_s)
        edge = 1e-3 * (span.most_s - span.least_s)
        if span.least_s + edge < interval_s < span.most_s - edge:
            middle = interval_s
        self._push(bound, Range(span.least_s, middle))
        self._push(bound, Range(middle, span.most_s))

    def _halve(self, bound: float, span: Range, searched: Range) -> None:
        """Both parts of a range, of which one is half of what was searched."""
        middle = math.sqrt(searched.least_s * searched.most_s)
        self._push(bound, Range(span.least_s, middle))
        later = max(bound, middle) if self.goal.metric == INTERVAL else bound
        self._push(later, Range(middle, span.most_s))
