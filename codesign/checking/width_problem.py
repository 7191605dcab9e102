"""The problem of widths, in any file: network, widths free to choose, objective, budgets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from codesign.checking.cost_model import default_noise
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Network

MOST_BITS = 32
BUDGET_TOLERANCE = 1e-9  # relative; a metric that is no more above its budget keeps it
WIDTH_CHOICES = (
    *("weight_bits", "activation_bits", "pinned", "output_bits"),
    *("shared", "tied"),
)


def most_kept(limit: Fraction) -> Fraction:
    """The largest metric that keeps a budget, a floating-point number as metrics in files are."""
    return Fraction(float(limit) * (1 + BUDGET_TOLERANCE))


@dataclass(frozen=True)
class WidthChoices:
    """The widths offered, and which operands share theirs."""

    weight_bits: tuple[int, ...]
    activation_bits: tuple[int, ...]
    pinned: dict[str, int]
    output_bits: int
    shared: tuple[tuple[str, ...], ...]
    tied: bool


@dataclass(frozen=True)
class WidthProblem:
    """All that the widths of a result are held to."""

    network: Network
    choices: WidthChoices
    sensitivity: dict[str, dict[int, Fraction]] | None
    objective: str
    budgets: dict[str, Fraction]

    def noise_of(self, source: str, bits: int) -> Fraction:
        """``e_t(b)``: by the table, or ``4^(−b)``, also of a kind that the table leaves out."""
        if self.sensitivity is None or source[0] not in self._kinds:
            return default_noise(bits)
        return self.sensitivity[source][bits]

    def lacks(self, source: str, widths: tuple[int, ...]) -> bool:
        """Whether the table ought to have a noise at one of these widths, and has none."""
        if self.sensitivity is None or (self._kinds and source[0] not in self._kinds):
            return False
        return not {*widths} <= {*self.sensitivity.get(source, {})}

    @cached_property
    def _kinds(self) -> set[str]:
        """First letters of the kinds, weights and tensors, of which the table has some."""
        return {source[0] for source in self.network.sources if source in (self.sensitivity or {})}

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Sources that must take one common width, joined where groups and ties overlap."""
        groups = [set(group) for group in self.choices.shared]
        if self.choices.tied:
            users = (layer for layer in self.network.layers if layer.uses_weights)
            groups += [{f"{layer.weight_source}", f"tensor:{layer.input}"} for layer in users]
        groups += [{f"tensor:{name}" for name in names} for names in self.network.same_caches]
        home = {source: {source} for source in self.network.sources}
        for group in groups:
            joined = max((home[source] for source in group), key=len)
            for source in group - joined:
                for member in home[source] - joined:
                    joined.add(member)
                    home[member] = joined
        order = {source: n for n, source in enumerate(self.network.sources)}
        classes = {id(each): each for each in home.values()}.values()
        ordered = [tuple(sorted(each, key=order.__getitem__)) for each in classes]
        return tuple(sorted(ordered, key=lambda each: order[each[0]]))

    def allowed(self, source: str) -> tuple[int, ...]:
        """Widths a source may take: those that all may that it shares its width with."""
        return self._allowed[source]

    @cached_property
    def _allowed(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for members in self.classes:
            common = set.intersection(*({*self._own(source)} for source in members))
            found |= dict.fromkeys(members, tuple(sorted(common)))
        return found

    def _own(self, source: str) -> tuple[int, ...]:
        if source in self.choices.pinned:
            return (self.choices.pinned[source],)
        weight = source.startswith("weight:")
        return self.choices.weight_bits if weight else self.choices.activation_bits


def read_width_choices(entry: Entry, network: Network) -> dict[str, Any]:
    """The fields of `WidthChoices`."""
    pinned, sources = {}, {*network.sources}
    for source, bits in entry["pinned"].table().items():
        if source not in sources:
            bits.fault("a weight or tensor whose width is a choice")
        pinned[source] = bits.whole(1, MOST_BITS)
    groups = entry.get("shared", []).items()
    for group in groups:
        if not group.items():
            group.fault("one source or more")
        for member in group.items():
            if not isinstance(member.value, str) or member.value not in sources:
                member.fault("a weight or tensor whose width is a choice")
    return {
        "weight_bits": entry["weight_bits"].ascending(MOST_BITS),
        "activation_bits": entry["activation_bits"].ascending(MOST_BITS),
        "pinned": pinned,
        "output_bits": entry["output_bits"].whole(1, MOST_BITS),
        "shared": tuple(group.texts() for group in groups),
        "tied": entry.get("tied", False).flag(),
    }


def read_sensitivity(entry: Entry) -> dict[str, dict[int, Fraction]] | None:
    """A noise by source and width, or none."""
    if entry.value is None:
        return None
    found: dict[str, dict[int, Fraction]] = {}
    for source, row in entry.table().items():
        found[source] = {}
        for bits, noise in row.table().items():
            if bits not in map(str, range(1, MOST_BITS + 1)):
                noise.fault("a noise at 1 to 32 bits")
            found[source][int(bits)] = noise.number(least=0)
    return found


def read_budgets(entry: Entry, metrics: tuple[str, ...]) -> dict[str, Fraction]:
    """A limit by metric."""
    entry.known_keys(metrics)
    given = entry.table()
    budgets = {name: given[name].number(least=0) for name in metrics if name in given}
    for name, limit in budgets.items():
        if name.partition("@")[0] != "noise" and limit == 0:
            entry[name].fault("a number above 0")
    return budgets


def check_width_problem(problem: WidthProblem, entry: Entry) -> None:
    """Every source has a width that it may take, a noise at each, and the quality is kept."""
    for source in problem.network.sources:
        allowed = problem.allowed(source)
        if not allowed:
            entry.ledger.wrong(f"{entry.where}.choices", source, "a width that it may take")
            raise Unreadable
        if problem.lacks(source, allowed):
            entry.ledger.wrong(f"{entry.where}.sensitivity", source, f"its noise at {allowed} bit")
            raise Unreadable
    _check_quality(problem, entry)


def _check_quality(problem: WidthProblem, entry: Entry) -> None:
    """The noise budget is the one that the quality means."""
    given = entry.get("quality", None)
    if given.value is None:
        return
    members = {member.name: problem.network.only(member) for member in problem.network.members}
    if not members:
        _check_noise_limit(problem, entry, given, given.text(), "noise", problem.network)
        return
    common, own = "", dict[str, str]()
    for part in given.text().split(","):
        name, _, quality = part.rpartition("=")
        if name and (name not in members or name in own):
            given.fault("a quality of each member, or one for those that have none")
        common, own = (common, own | {name: quality}) if name else (quality, own)
    for name, network in members.items():
        quality = own.get(name, common)
        if quality:
            _check_noise_limit(problem, entry, given, quality, f"noise@{name}", network)


def _check_noise_limit(
    problem: WidthProblem, entry: Entry, given: Entry, quality: str, metric: str, network: Network
) -> None:
    """The budget of a noise is the one that a quality of a network means."""
    kind, _, amount = quality.partition(":")
    if kind == "uniform" and amount.isdecimal() and len(amount) < 3:
        bits, sources = int(amount), network.sources
        if any(problem.lacks(source, (bits,)) for source in sources):
            given.fault("a width that the sensitivity has for all")
        limit = sum((problem.noise_of(source, bits) for source in sources), Fraction(0))
    else:
        try:
            limit = Fraction(10.0 ** (-float(amount) / 10))
        except (ValueError, OverflowError):
            given.fault("uniform:<bits> or sqnr:<decibels>")
    found = problem.budgets.get(metric, Fraction(-1))
    entry.ledger.close(f"{entry.where}.budgets.{metric}", found, limit)
