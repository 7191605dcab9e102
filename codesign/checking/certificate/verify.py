"""A certificate that no design of a problem is better than claimed, verified in exact arithmetic.

A certificate (``codesign-certificate/1``) holds a bound ``T`` on the objective and, for groups of
hardware options that together are all of them, Lagrange multipliers ``p ≥ 0`` of the metrics (its
``prices``). Suppose a design of one of a group's options had an objective below ``T`` and kept
every budget. (An array is named by its rows and columns, and by its mapping where machines of
several are on offer.) Then

1. its SRAM is at most the largest on offer that the area limit leaves room for beside the PE array
   (and, where area is the objective, ``T``), so each layer's tiling is one of those that fit beside
   the tensors that are resident while it runs;
2. its weighted cost is ``Σ p·metric < Σ p·limit``, with ``T`` as the objective's limit.

The check lists all tilings anew, takes for each layer, each pair of widths and all that may be on
chip meanwhile the least cycles and the least traffic of any of the group's options (in each of its
mappings, where a layer has one of its own; tilings of one PE may stand for those of many arrays),
and finds the least weighted cost over all widths and places by eliminating them one after the
other. Where that least cost is not below the limits' (2), the supposed design cannot exist: the
group is closed *by bound*. Any multipliers are as good an argument as any others; wrong ones only
fail to close, and they are rounded where that keeps the numbers small. Where the budgets leave a
duality gap, the group is closed *by enumeration*: all choices of widths and places whose cost is
within (2), at these and any further multipliers, are listed, and none keeps every limit. Layers may
be ``cuts`` from widths, and from places: they then take what suits them best, so that all costs
only fall.

Layers of a fused run take the longer of two sums over all of them, and must fit the SRAM together.
How the bound counts them by the layer, the certificate names (its ``runs``): any way is no more
than they take, see `codesign.checking.certificate.run_costs`. The enumeration puts runs together
exactly.

Where the SRAM's port has a rate, a layer takes on chip as long as its cycles or the bits that it
reads and writes, whichever is longer; of a single option, tilings are told apart by these bits,
too. What DRAM moves of tensors whose channels it pads is the padded number.

Energy is counted in whole units, rounded down. Where power at all times grows with the area, a
group's designs are those of a range of SRAM (its ``sram_bits``): they have the tilings of the most
and the power of the least. The ranges of each option leave out no size on offer. Of a single
option, tilings of which none is better in traffic and in energy are told apart; a group of several
takes the least of each. The enumeration of a single one tells choices apart by the SRAM that they
take, too, and counts the power of that; but not where layers may be fused, whose ranges of SRAM are
the narrower.

Of a network by itself, widths that the limit on noise forbids are left out beforehand: those at
which one source alone, all others at their least noise, breaks it.

What is proven
    No design of the declared space that keeps the budgets up to a relative 10⁻⁹ has an objective
    below ``T``; with the design file's figures checked, its design is within ``1 − T/objective``,
    at most 10⁻⁶, of the best one. All in whole numbers and fractions: no floating-point number
    computed by the solver or the search takes part.
What is not
    Ties: that no equally good design has less area or noise.
What is taken on trust
    Python's and NumPy's whole numbers and this package; the file's problem section; and, where the
    certificate says so, the solver: options listed under ``trusted`` had too many choices to
    enumerate, or the time was up. The check names their number, and does not call the claim proven
    then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from codesign.checking.certificate.coverage import Coverage
from codesign.checking.certificate.elimination import (
    CostTables,
    Elimination,
    best_entries,
    cost_tables,
    eliminate,
)
from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.enumeration import ALL_WORK, MOST_WORK, Enumeration
from codesign.checking.certificate.exact_costs import Multipliers
from codesign.checking.certificate.fused_runs import FusedRuns
from codesign.checking.certificate.metric_units import Threshold, Units
from codesign.checking.certificate.option_groups import OptionGroup, OptionGroups
from codesign.checking.certificate.possible_widths import with_possible_widths
from codesign.checking.certificate.range_enumeration import Growth, RangeEnumeration
from codesign.checking.certificate.read_groups import (
    read_cut_couplings,
    read_group,
    read_prices,
    read_trusted,
    read_weights,
)
from codesign.checking.certificate.run_costs import Part, RunCosts, Weights
from codesign.checking.certificate.run_enumeration import RunEnumeration
from codesign.checking.certificate.spans import MOST_SPANS
from codesign.checking.certificate.width_variables import (
    MOST_ENTRIES,
    TooLarge,
    TooMany,
    WidthVariables,
)
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.problem import Problem
from codesign.checking.technology import ENERGY
from codesign.errors import first_few

PART = ("cuts", "groups", "trusted")
KEYS = ("format", "bound", *PART, "references", "batches", "pipelines", "hybrids")
OnStep = Callable[[str], None]
MOST_FURTHER = 100  # multipliers besides those of the bound
MOST_RANGES = 1000  # of SRAM of each option
GAP = Fraction(1e-6)  # relative, within which a proven design is called optimal


class NoEnergies(Exception):
    """Raised where energy counts and is not known."""


class Verifier:
    """Verifies claims about groups of a problem's hardware options.

    Attributes
    ----------
    work : int
        Partial choices looked at so far; no more than `ALL_WORK` are.

    Raises
    ------
    NoEnergies
    """

    def __init__(
        self,
        problem: Problem,
        below: Fraction,
        cut_couplings: Iterable[tuple[str, str]] = (),
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.threshold = Threshold.of(problem, below)
        self.problem = problem = with_possible_widths(problem, self.threshold)
        self.cut_couplings, self.check_time = tuple(cut_couplings), check_time
        energy = self._energy()
        self.option_groups = OptionGroups(problem, self.threshold, energy)
        self.units = Units(problem, (problem.objective, *self.threshold.limits), energy)
        self.work = 0

    def _energy(self) -> EnergyCosts | None:
        members = self.problem.network.members
        names = ENERGY, *(f"{ENERGY}@{member.name}" for member in members)
        limited = [most for name in names if (most := self.threshold.most(name)) is not None]
        if not limited:
            return None
        most_j = min(limited)
        known = self.problem.energies(Fraction(0))
        if known is None:
            raise NoEnergies
        return EnergyCosts(self.problem, known, most_j)

    @cached_property
    def variables(self) -> WidthVariables:
        """The width variables, all but the cut couplings between them."""
        return WidthVariables(self.problem, self.cut_couplings)

    @cached_property
    def fused_runs(self) -> FusedRuns:
        """The runs of layers that may be fused."""
        return FusedRuns(self.problem)

    def closed(
        self,
        group: OptionGroup,
        given: Mapping[str, Fraction],
        most: int = 0,
        further: Iterable[Mapping[str, Fraction]] = (),
        weights: Mapping[int, Weights] | None = None,
    ) -> bool:
        """Whether no option of a group has a better design than claimed.

        Parameters
        ----------
        given : mapping of str to Fraction
            Multipliers of metrics.
        most : int
            Partial choices to look at, where the multipliers do not tell; 0: none.
        further : iterable of mapping of str to Fraction
            Other multipliers that help to look at few.
        weights : mapping of int to Weights, optional
            Of fused runs, as `RunCosts` takes them.

        Raises
        ------
        TooMany
            There are more, or too little is cut (`TooLarge`).
        """
        if not self.option_groups.within(group):
            return True
        if self.option_groups.static_w(group) is None:
            return False
        weighed = self.weighed(group, given, weights)
        if weighed.closes:
            return True
        if not most:
            return False
        most = min(most, ALL_WORK - self.work)
        terms = (self.variables, self.units, self.threshold, weighed.multipliers, weighed.costs)
        growth = self._growth(group)
        enumeration: Enumeration
        if weighed.run_costs is not None:
            run_costs = weighed.run_costs
            static_w = self.option_groups.static_w(group) or Fraction(0)
            enumeration = RunEnumeration(
                run_costs, static_w, *terms, further, most, self.check_time
            )
        elif growth is not None:
            told = self.weighed(group, given, growth=growth)
            terms = (*terms[:-1], told.costs)
            enumeration = RangeEnumeration(growth, *terms, further, most, self.check_time)
        else:
            enumeration = Enumeration(*terms, further, most, self.check_time)
        try:
            return not enumeration.better()
        finally:
            self.work += enumeration.work

    def _growth(self, group: OptionGroup) -> Growth | None:
        """Power that grows with the SRAM, in the units of energy and latency."""
        found = self.option_groups.growth(group)
        if found is None or self.units.energy is None:
            return None
        per_bit = found.per_bit * self.units.of_kind["latency_s"] / self.units.energy.unit
        return found._replace(per_bit=per_bit)

    def weighed(
        self,
        group: OptionGroup,
        given: Mapping[str, Fraction],
        weights: Mapping[int, Weights] | None = None,
        growth: Growth | None = None,
    ) -> Weighed:
        """What the designs of a group cost at least, at some multipliers and weights of runs.

        ``growth``: choices are told apart by the SRAM that they take.
        """
        multipliers = Multipliers(self.units, self.threshold, given)
        layers, run_costs = self.option_groups.layer_costs(group, growth), None
        if self.fused_runs.runs:
            most_bits = max(self.option_groups.within(group).values(), default=0)
            run_costs = RunCosts(self.fused_runs, weights or {}, most_bits)
        static_w = self.option_groups.static_w(group) or Fraction(0)
        costs = cost_tables(self.variables, self.units, multipliers, layers, run_costs, static_w)
        elimination = eliminate(self.variables, costs)
        return Weighed(self.variables, multipliers, costs, elimination, run_costs)


@dataclass(frozen=True)
class Weighed:
    """Costs of a group's designs, and the least of them."""

    variables: WidthVariables
    multipliers: Multipliers
    costs: CostTables
    elimination: Elimination
    run_costs: RunCosts | None

    @property
    def closes(self) -> bool:
        """Whether all cost more than a better design may."""
        return self.elimination.least > self.multipliers.most

    def runs_taken(self) -> list[Part]:
        """The fused runs of a choice of least cost."""
        found: dict[int, Part] = {}
        every = zip(self.costs.metrics, best_entries(self.variables, self.elimination), strict=True)
        for metrics, entry in every:
            part = metrics.part_of(entry, self.multipliers)
            if part is not None:
                before = found.get(part.run)
                found[part.run] = part if before is None else before.with_others(part)
        return [*found.values()]


@dataclass(frozen=True)
class Verdict:
    """What a certificate proves.

    Attributes
    ----------
    bound : Fraction
        No design within the budgets has a smaller objective.
    trusted : int
        Options for which that is taken from the solver.
    """

    bound: Fraction
    trusted: int


def verify(entry: Entry, problem: Problem, proof: Entry, on_step: OnStep | None = None) -> Verdict:
    """Verify a certificate against a problem and the proof of its design.

    Parameters
    ----------
    on_step : callable, optional
        Told in words how many groups are verified.
    """
    entry.known_keys(KEYS)
    bound = read_bound(entry, proof)
    return Verdict(bound, verify_groups(entry, problem, bound, on_step))


def verify_groups(
    entry: Entry, problem: Problem, bound: Fraction, on_step: OnStep | None = None
) -> int:
    """Verify that no design of a problem within its budgets has an objective below a bound.

    The number of options for which that is taken from the solver.
    """
    cuts = read_cut_couplings(entry["cuts"], problem)
    try:
        verifier = Verifier(problem, bound, cuts)
    except NoEnergies:
        entry.fault("no certificate: energy is not known")
    coverage = Coverage(problem.choices, verifier.option_groups.capacity)
    said, most = Counter[bool](), 2 * len(problem.choices.options)
    items = entry["groups"].items()
    for n, item in enumerate(items):
        if on_step is not None:
            on_step(f"verified: {n} of {len(items)} groups of hardware options")
        group = read_group(item, problem)
        said[group.sram_bits is None] += len(group.arrays) * len(group.pe_bits)
        if said[True] > most:
            item.fault("groups that name each hardware option once")
        if said[False] > most * MOST_RANGES:
            item.fault(f"no more than {MOST_RANGES} ranges of SRAM of a hardware option")
        if not any(map(coverage.lacks, group.options)):
            continue  # nothing new, whatever the argument
        if not _check_group(item, group, verifier):
            raise Unreadable
        coverage.add(group)
    trusted = read_trusted(entry["trusted"], problem)
    for option in trusted:
        coverage.trust(option)
    left = coverage.left()
    covered = f"all {len(problem.choices.options)} hardware options"
    names = [
        f"{x.rows} × {x.cols} PEs of {x.pe_weight_bits} × {x.pe_activation_bits} bit"
        + (f" in mapping {x.mapping}" if x.mapping else "")
        + (f" with {gap[0]} to {gap[1]} bit of SRAM" if gap else "")
        for x, gap in left.items()
    ]
    found = "all" if not left else f"no argument for {first_few(names, 2, '; ')}"
    entry.ledger.holds(entry["groups"].where, not left, found, covered)
    return len(trusted)


def read_bound(given: Entry, proof: Entry) -> Fraction:
    """The bound of a certificate, near enough to what the design's proof claims."""
    entry, bound = given["bound"], given["bound"].figure()
    objective = proof["objective"].figure()
    claim = objective if proof["status"].value == "optimal" else proof["bound"].figure()
    least = claim * (1 - GAP)
    right = least <= bound <= objective
    expected = f"{float(least)!r} to {float(objective)!r}, for the proof that the design claims"
    if not entry.ledger.holds(entry.where, right, bound, expected):
        raise Unreadable
    return bound


def _check_group(item: Entry, group: OptionGroup, verifier: Verifier) -> bool:
    """Note a group that its multipliers do not close."""
    names = verifier.units.names
    given = read_prices(item["prices"], names)
    others = item.get("further_prices", []).items()
    if len(others) > MOST_FURTHER:
        item["further_prices"].fault(f"at most {MOST_FURTHER} further prices")
    further = [read_prices(each, names) for each in others]
    weights = read_weights(item.get("runs", []), verifier.problem.network, verifier.fused_runs)
    by = item["by"]
    most = MOST_WORK if by.text(("bound", "enumeration")) == "enumeration" else 0
    try:
        closed = verifier.closed(group, given, most, further, weights)
    except TooLarge:
        by.fault(f"cuts that keep all tables within {MOST_ENTRIES} entries")
    except TooMany:
        settled = f"a group that {most} partial choices settle, {ALL_WORK} all groups together"
        by.fault(f"{settled}, of layers with at most {MOST_SPANS} tiles of rows and columns")
    return item.ledger.holds(by.where, closed, by.value, "prices that rule out a better design")
