"""The part of a certificate on pipelines: no pipeline within the budgets is better than claimed.

The interval of a pipeline is in one of some ranges, which together leave out none that the budgets
and the claim allow. For each the part holds Lagrange multipliers (its ``prices``), and says how
they rule the range out: by a bound, or with labels of partial choices
(`codesign.checking.certificate.pipeline_labels`). Costs are priced anew, stage by stage
(`codesign.checking.certificate.pipeline_costs`); what waits is bounded by detours that the part
names (`codesign.checking.certificate.pipeline_waits`), any of which is as true as any other.

Ranges that too many labels are left of are ``trusted``: the search's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.pipeline_costs import PipelineCosts
from codesign.checking.certificate.pipeline_labels import PipelineLabels
from codesign.checking.certificate.pipeline_stages import LATENCY, Range
from codesign.checking.certificate.pipeline_waits import Detour, read_detours
from codesign.checking.certificate.stage_options import NoStage, Offer
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.dataflow import reads
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Layer
from codesign.checking.problem import INTERVAL, Problem
from codesign.checking.technology import ENERGY, metrics_on
from codesign.checking.width_problem import read_budgets

PART = ("detours", "ranges", "trusted")
MOST_RANGES = 10_000
MOST_PRICES = 100  # multipliers of a range
OnStep = Callable[[str], None]


class PipelineVerifier:
    """Verifies claims about ranges of the interval."""

    def __init__(
        self,
        problem: Problem,
        below: Fraction,
        detours: Sequence[Detour],
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.problem, self.detours, self.check_time = problem, detours, check_time
        self.threshold = Threshold.of(problem, below)
        counts_energy = ENERGY in (problem.objective, *self.threshold.limits)
        self.known = not counts_energy or problem.energies(Fraction(0)) is not None
        shared: dict[tuple[object, ...], Offer] = {}
        self.offers: dict[int, Offer] = {}
        for n, layer in enumerate(problem.network.layers):
            key = _shape(layer), *sorted(problem.choices.stages.get(layer.name, {}).items())
            if not layer.moves and key not in shared:
                shared[key] = Offer(problem, layer, counts_energy)
            if not layer.moves:
                self.offers[n] = shared[key]

    @property
    def names(self) -> list[str]:
        """Metrics that multipliers may be of."""
        names = dict.fromkeys((self.problem.objective, *self.threshold.limits, "dram_bits"))
        return [*(x for x in names if x != INTERVAL), *self._area_by_power()]

    def _area_by_power(self) -> list[str]:
        none = self.problem.energies(Fraction(0)) if ENERGY in self.threshold.limits else None
        return [] if none is None or "area_mm2" in self.threshold.limits else ["area_mm2"]

    @property
    def most_s(self) -> Fraction | None:
        """The longest interval that is to be ruled out."""
        most = self.threshold.most(INTERVAL)
        latency = self.threshold.most(LATENCY)
        return latency if most is None else min(most, latency or most)

    def closed(
        self, span: Range, prices: Sequence[Mapping[str, Fraction]], by_labels: bool
    ) -> bool:
        """Whether no pipeline of a range is better than claimed.

        Raises
        ------
        TooMany
            Labels, or tables that are too large.
        """
        if self.threshold.below <= 0:  # no metric is below 0
            return True
        try:
            costs = PipelineCosts(self.problem, self.threshold, span, self.detours, self.offers)
        except NoStage:
            return True
        if (costs.most < 0).any():
            return True
        labels = PipelineLabels(costs, prices, self.check_time)
        return labels.closed() if by_labels else labels.closed_by_bound()


def _shape(layer: Layer) -> Layer:
    """A layer but for its names and what it reads, for those alike."""
    operand = None if layer.weight_tensor is None else ""
    return replace(
        layer, name="", input="", output="", residuals=(), weights_of=None, weight_tensor=operand
    )


def asked_of(entry: Entry, problem: Problem) -> Problem:
    """The question of pipelines beside a problem of one shared array.

    Of an array interval and latency are one: its objective and budgets are those asked of pipelines
    with the latency in the interval's place.
    """
    asked = entry["asked"]
    asked.known_keys(("objective", "budgets"))
    known = (INTERVAL, *metrics_on(problem.technology), ENERGY)
    budgets = read_budgets(asked["budgets"], known)
    objective = asked["objective"].text(known)
    found = replace(problem, objective=objective, budgets=budgets)
    alike = of_array(found)
    same = alike.objective == problem.objective and alike.budgets == problem.budgets
    told = f"{objective}, within budgets of {', '.join(budgets) or 'nothing'}"
    asked.ledger.holds(asked.where, same, told, "what the design's problem asks of an array")
    return found


def of_array(problem: Problem) -> Problem:
    """The question of one shared array beside that of pipelines: its interval is its latency."""
    budgets = dict(problem.budgets)
    if INTERVAL in budgets:
        most = budgets.pop(INTERVAL)
        budgets[LATENCY] = min(most, budgets.get(LATENCY, most))
    objective = LATENCY if problem.objective == INTERVAL else problem.objective
    choices = replace(problem.choices, architecture=("array",))
    return replace(problem, objective=objective, budgets=budgets, choices=choices)


def verify_pipelines(
    entry: Entry, problem: Problem, bound: Fraction, on_step: OnStep | None = None
) -> list[str]:
    """Verify that no pipeline within the budgets has an objective below a bound.

    The ranges for which that is taken from the search, in words.
    """
    entry.known_keys((*PART, "asked"))
    detours = read_detours(entry["detours"], reads(problem.network, ()))
    verifier = PipelineVerifier(problem, bound, detours)
    if not verifier.known:
        entry.fault("no certificate: energy is not known")
    items, covered = entry["ranges"].items(), list[Range]()
    if len(items) > MOST_RANGES:
        entry["ranges"].fault(f"at most {MOST_RANGES} ranges")
    for n, item in enumerate(items):
        if on_step is not None:
            on_step(f"verified: {n} of {len(items)} ranges of the interval")
        covered.append(_verified(item, verifier))
    trusted = [read_range(x) for x in entry["trusted"].items()]
    check_cover(entry["ranges"], [*covered, *trusted], verifier.most_s)
    return [f"pipelines of intervals {told_range(x)}" for x in trusted]


def told_range(span: Range) -> str:
    """In words."""
    least = f"from {float(span.least_s):.6g} s"
    return least if span.most_s is None else f"{least} to {float(span.most_s):.6g} s"


def read_range(entry: Entry) -> Range:
    """Two ends; the second null where there is none."""
    ends = entry.items()
    if len(ends) != 2:
        entry.fault("where the range begins and ends, s")
    most = None if ends[1].value is None else ends[1].figure()
    least = ends[0].figure()
    if most is not None and most < least:
        entry.fault("a range that ends no sooner than it begins")
    return Range(least, most)


def _verified(item: Entry, verifier: PipelineVerifier) -> Range:
    """The range of an entry, if what it says rules it out."""
    item.known_keys(("interval_s", "prices", "by"))
    span, names = read_range(item["interval_s"]), verifier.names
    every = item["prices"].items()
    if len(every) > MOST_PRICES:
        item["prices"].fault(f"at most {MOST_PRICES} multipliers of each metric")
    prices = []
    for each in every:
        each.known_keys(names)
        prices.append({x: y.figure() for x, y in each.table().items()})
    by = item["by"]
    labels = by.text(("bound", "labels")) == "labels"
    try:
        closed = verifier.closed(span, prices, labels)
    except TooMany:
        by.fault("a range that fewer labels rule out")
    expected = "prices that rule out a better pipeline"
    if not by.ledger.holds(by.where, closed, by.value, expected):
        raise Unreadable
    return span


def check_cover(entry: Entry, spans: Sequence[Range], most_s: Fraction | None) -> None:
    """No interval that a better pipeline may have is left out."""
    upto: Fraction | None = Fraction(0)
    for span in sorted(spans, key=lambda x: x.least_s):
        if upto is None or span.least_s > upto:
            break
        upto = None if span.most_s is None else max(upto, span.most_s)
    whole = upto is None or (most_s is not None and upto >= most_s)
    found = "all" if whole else f"none beyond {float(upto or 0)!r} s"
    entry.ledger.holds(entry.where, whole, found, "ranges of all intervals")
