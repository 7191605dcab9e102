"""What is known of a goal before and beside its MILPs: bounds, targets, and the best design met."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, beyond, ceiling
from codesign.search.dataflow.ascent import Ascent, ascend, ascend_few
from codesign.search.dataflow.bounds import FETCHED, PRUNED, Dual, Relaxed
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.pricing import Pipeline, chosen_options, with_good_starts
from codesign.search.dataflow.table import Pricing, Range
from codesign.space.dataflow import PipelineSpace
from codesign.stopping import StopCondition

INTERVAL, LATENCY = "interval_s", "latency_s"
PRODUCT_GAP = 2e-7  # within which both ends of a range of a product agree
SPAN_RATIO = 2.0  # of the ends of the ranges of a product, to begin with
PRICED = 8  # choices of a Lagrangian that are priced exactly, at most
MANY = 50_000  # columns: of so many, multipliers are found by the cheapest
DINKELBACH = 12  # rounds of a bound at most
NEAR = 5e-3  # relative: an incumbent so little above a bound, which is then not improved first
OnProgress = Callable[[float | None, float], None]


@dataclass
class Counts:
    """What a search took."""

    options: int = 0
    intervals: int = 0
    programmes: int = 0


@dataclass(frozen=True)
class Labelled:
    """Labels (`codesign.search.dataflow.labels`) of all that keeps some limits.

    Attributes
    ----------
    limits : mapping of str to float
        Up to the last value that is within them.
    rows : tuple of str
    metrics : floats, shape (n, rows)
        Every design within the limits has as much, or more, in all of these as one label.
    """

    limits: Mapping[str, float]
    rows: tuple[str, ...]
    metrics: Floats

    def least(self, goal: Goal, dram_bits_per_s: float) -> float:
        """A bound on a goal's metric; −inf where designs within its limits may be none of these."""
        limits = {x: float(ceiling(v)) for x, v in goal.limits.items()}
        moved = limits.get(INTERVAL, math.inf) * dram_bits_per_s
        limits["dram_bits"] = min(moved, limits.get("dram_bits", math.inf))
        told = all(limits.get(x, math.inf) <= most for x, most in self.limits.items())
        if goal.metric not in self.rows or not told:
            return -math.inf
        most = [beyond(limits.get(x, math.inf)) for x in self.rows]
        kept = (self.metrics <= most).all(axis=1)
        return float(self.metrics[kept, self.rows.index(goal.metric)].min(initial=math.inf))


@dataclass(frozen=True)
class Closed:
    """A range of the interval that a goal has been searched for.

    Attributes
    ----------
    goal : Goal
    span : Range
    lower : float
        No design of the range within the limits has a smaller metric.
    """

    goal: Goal
    span: Range
    lower: float


@dataclass
class Shared:
    """What searches over one space share.

    Parameters
    ----------
    whole : bool
        Hand each range to the solver as one MILP, all of its options in it.
    known : Fifos, optional
        Of the space, where they are known already.
    """

    space: PipelineSpace
    stop: StopCondition
    solver: str = "highs"
    whole: bool = False
    counts: Counts = field(default_factory=Counts)
    known: Fifos | None = None
    labelled: Labelled | None = None
    closed: list[list[Closed]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fifos = self.known or Fifos(self.space)
        self.clock = self.space.platform.clock_hz
        self.rate = self.space.platform.dram_bits_per_s
        self.counts.options = sum(len(x.rows) for x in self.space.options if x is not None)


class GoalBounds:
    """One goal: a metric to minimise, and limits."""

    times: tuple[str, ...] = ()  # metrics that the interval is no less than

    def __init__(
        self,
        search: Shared,
        goal: Goal,
        incumbent: Pipeline | None,
        report: OnProgress | None,
        rel_gap: float,
    ) -> None:
        self.search, self.goal, self.report = search, goal, report
        self.space, self.stop = search.space, search.stop
        asked = dict.fromkeys((goal.metric, *goal.limits, "dram_bits"))
        pricing = self.make_pricing([x for x in asked if x != INTERVAL])
        if pricing.static_w_per_mm2 and "energy_j" in asked:
            asked["area_mm2"] = None
            pricing = self.make_pricing([x for x in asked if x != INTERVAL])
        self.pricing = pricing
        self.products = pricing.has_products()
        pricing.by_cycles = self.products or goal.metric == INTERVAL
        self.gap = max(rel_gap, PRODUCT_GAP if self.products else 0.0)
        self.incumbent = incumbent
        self.allowed = self._allowed()

    def make_pricing(self, metrics: Sequence[str]) -> Pricing:
        """What options cost, by these metrics."""
        return Pricing(self.space, metrics, self.search.fifos)

    # What is known ------------------------------------------------------------------------------

    @property
    def value(self) -> float:
        """The incumbent's metric; inf without one."""
        return math.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]

    @property
    def cutoff(self) -> float:
        """The bound from which a range is of no use."""
        if self.incumbent is None:
            limit = self.goal.limits.get(self.goal.metric, math.inf)
            return float(np.nextafter(beyond(limit), math.inf))
        return self.value - self.gap * abs(self.value)

    def update(self, design: Pipeline) -> None:
        """The new incumbent, if within the limits and better."""
        better = design.metrics[self.goal.metric] < self.value
        if better and self.goal.kept_by(design.metrics):
            self.incumbent = design

    def _allowed(self) -> list[Bools]:
        """Widths of each class that the noise budget allows, the others being at their least."""
        allowed = [np.ones(len(bits), dtype=bool) for bits in self.space.bits]
        if "noise" not in self.goal.limits or self.search.whole:
            return allowed
        each, most = self.space.class_noise, beyond(self.goal.limits["noise"])
        least = [float(x.min()) for x in each]
        total = math.fsum(least)
        return [
            total - own + costs <= most * (1 + CLOSING_GAP)
            for own, costs in zip(least, each, strict=True)
        ]

    def targets(self, span: Range, value: float = math.inf) -> dict[str, float]:
        """What bounds hold, of a range, for a value of the goal's metric."""
        found = {x: float(ceiling(v)) for x, v in self.goal.limits.items() if x != INTERVAL}
        moved = self.rate_limit(span.most_s)
        if math.isfinite(moved):
            found["dram_bits"] = min(moved, found.get("dram_bits", math.inf))
        if self.goal.metric != INTERVAL and math.isfinite(value):
            found[self.goal.metric] = float(ceiling(value))
        return {name: v for name, v in found.items() if v > 0}

    def rate_limit(self, interval_s: float) -> float:
        """DRAM bits of an interval at most."""
        return float(ceiling(interval_s * self.search.rate))

    def _ends(self) -> tuple[float, float]:
        """The least and the most that the interval may be."""
        least_s, most_s = self.unlimited_ends()
        limit = self.goal.limits.get(INTERVAL, math.inf)
        latency_s = self.goal.limits.get(LATENCY, math.inf)
        limit = min(limit, latency_s / (1 + self.fifos.least_end))
        return least_s, min(most_s * (1 + CLOSING_GAP), float(ceiling(limit)))

    def unlimited_ends(self) -> tuple[float, float]:
        """The same, whatever the limits."""
        tables = [x.table for x in self.space.options if x is not None]
        fastest = max((float(x.cycles.min()) for x in tables), default=0.0) / self.search.clock
        slowest = max((float(x.cycles.max()) for x in tables), default=0.0) / self.search.clock
        moved, results = self.space.moved
        least, most = (
            [n * bits[end] for n, bits in zip(moved, self.space.bits, strict=True)]
            for end in (0, -1)
        )
        out = results * self.space.choices.output_bits
        for x, c in zip(self.space.options, self.space.weight_class, strict=True):
            if x is not None and c is not None:
                least.append(float(x.table.fetched.min() * self.space.bits[c][0]))
                most.append(float(x.table.fetched.max() * self.space.bits[c][-1]))
        least_s = max(fastest, (math.fsum(least) + out) / self.search.rate)
        return least_s, max(slowest, (math.fsum(most) + out) / self.search.rate)

    @property
    def fifos(self) -> Fifos:
        """Of the space."""
        return self.search.fifos

    def first_bound(self, span: Range) -> float:
        """A bound on a range."""
        if self.search.whole:
            return 0.0
        labelled = self.search.labelled
        told = -math.inf if labelled is None else labelled.least(self.goal, self.search.rate)
        if told >= self.cutoff:
            return told
        if self.goal.metric == INTERVAL and self.products:  # a longer one may break their limits
            return math.inf if self.impossible(span) else span.least_s
        if self.goal.metric == INTERVAL:
            return self._least_interval(span)
        table = self.pricing.table(span, self.allowed)
        if table is None:
            return math.inf
        return self._bound(Dual(self.pricing, table, span), self.targets(span), self.goal.metric)

    def _bound(self, dual: Dual, targets: Mapping[str, float], metric: str) -> float:
        """The best Lagrangian bound on a metric, approached from below (Dinkelbach 1967)."""
        weights = dual.scaled({metric: 1.0})
        value, worst = dual.solve(weights).value, dual.worst(metric)
        if not math.isfinite(value) or worst <= 0:
            return value
        rows = [x for x in (metric, FETCHED.format(metric)) if x in dual.rows]
        others = {name: x for name, x in targets.items() if name not in rows}
        if metric == self.goal.metric and math.isfinite(self.value) and others and self.value > 0:
            found = self.ascend(dual, {**others, **dict.fromkeys(rows, self.value)}, rows)
            value = max(value, min(found.objective, self.value))
            if value > self.value * (1 - NEAR):
                return value
        for _ in range(DINKELBACH if others else 0):
            self.stop.check()
            aim = max(value, 1e-12 * worst)
            found = self.ascend(dual, {**others, **dict.fromkeys(rows, aim)}, rows)
            if found.value <= 1 + 1e-6 or found.objective <= value:
                return max(value, found.objective)
            value = found.objective
            if value > worst:
                return math.inf
        return value

    def ascend(
        self, dual: Dual, targets: Mapping[str, float], objective: Sequence[str] = ()
    ) -> Ascent:
        """The best multipliers; choices met that may be better than the incumbent are priced."""
        if len(dual.table) > MANY and type(dual) is Dual:  # of segments columns are not all
            return ascend_few(dual, targets, objective, self.try_choices)
        found = ascend(dual, targets, objective, full=True)
        self.try_choices(dual, found.choices)
        return found

    def _least_interval(self, span: Range) -> float:
        """A bound on the interval, by bisection over all that cycles may make it."""
        clock = self.search.clock
        every = [x.table.cycles for x in self.space.options if x is not None]
        counts = np.unique(np.concatenate(every)) / clock
        caps = [*counts[(counts > span.least_s) & (counts < span.most_s)].tolist(), span.most_s]
        low, high = -1, len(caps)  # impossible up to low, possible at high
        while high - low > 1:
            middle = (low + high) // 2
            if self.impossible(Range(caps[middle], caps[middle])):
                low = middle
            else:
                high = middle
        if high == len(caps):
            return math.inf
        least = span.least_s if low < 0 else caps[low]
        return self._moved_in_time(least, caps[high])

    def _moved_in_time(self, cycles_s: float, most_s: float) -> float:
        """A bound on the interval at most so large, of no more cycles than that, by DRAM bits."""
        table = self.pricing.table(Range(cycles_s, cycles_s), self.allowed)
        if table is None:
            return most_s
        span = Range(cycles_s, most_s)
        dual = Dual(self.pricing, table, span)
        bits = self._bound(dual, self.targets(span), "dram_bits")
        return min(max(cycles_s, bits / self.search.rate / (1 + CLOSING_GAP)), most_s)

    def impossible(self, span: Range) -> bool:
        """Whether a Lagrangian rules a range out."""
        self.stop.check()
        table = self.pricing.table(span, self.allowed)
        if table is None:
            return True
        targets = self.targets(span)
        dual = Dual(self.pricing, table, span)
        if not targets:
            return False
        return ascend(dual, targets).value > PRUNED

    def try_choices(self, dual: Dual, choices: Sequence[Relaxed]) -> None:
        """Price the choices of a Lagrangian that may be better than the incumbent."""
        table, row = dual.table, {name: r for r, name in enumerate(dual.rows)}
        limits = {x: ceiling(v) for x, v in self.goal.limits.items() if x != INTERVAL}
        found: dict[bytes, tuple[float, Relaxed]] = {}
        for x in choices:
            if any(x.metrics[row[name]] > most for name, most in limits.items()):
                continue
            interval = self.interval_of(dual, x)
            mine = interval if self.goal.metric == INTERVAL else x.metrics[row[self.goal.metric]]
            if mine < self.value and not dual.of_two_minds(x):
                found[x.columns.tobytes() + x.widths.tobytes()] = mine, x
        for mine, x in sorted(found.values(), key=lambda each: each[0])[:PRICED]:
            if mine < self.value:
                options = chosen_options(dual.layers, x.columns, table.option)
                self.update(with_good_starts(self.space, self.fifos, options, x.widths))

    def interval_of(self, dual: Dual, choice: Relaxed) -> float:
        """The interval of a choice, at least."""
        cycles = float(dual.table.cycles[choice.columns].max()) / self.search.clock
        return float(max(cycles, choice.metrics[dual.rows.index("dram_bits")] / self.search.rate))

    def first_spans(self) -> list[Range]:
        """All intervals, in one range or several."""
        least, most = self._ends()
        if least > most * (1 + 2 * CLOSING_GAP):
            return []
        if not self.products:
            return [Range(least, max(least, most))]
        count = max(1, math.ceil(math.log(most / least) / math.log(SPAN_RATIO)))
        ends = least * (most / least) ** (np.arange(count + 1) / count)
        return [Range(float(a), float(b)) for a, b in pairwise(ends)]
