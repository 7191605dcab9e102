"""The question of a file: technology, rates, the choices that are free, objective and budgets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import NamedTuple

from codesign.checking.arithmetic import default_noise, log2_below
from codesign.checking.findings import Unreadable
from codesign.checking.network import Network, read_network
from codesign.checking.reading import Entry

METRICS = ("latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops")
MOST_BITS, MOST_SIDE, MOST_OPTIONS = 32, 65536, 1_000_000
BUDGET_TOLERANCE = Fraction(1, 10**9)  # relative; a budget counts as kept up to this above it
UM2_PER_MM2 = 10**6
KEYS = (
    *("network", "technology", "clock_hz", "dram_bits_per_s", "area_overhead", "choices"),
    *("sensitivity", "quality", "objective", "budgets"),
)
SIDES = ("rows", "cols")
WIDTHS = ("weight_bits", "activation_bits", "pe_weight_bits", "pe_activation_bits")


class Option(NamedTuple):
    """A hardware option: a PE array and the operand widths of its PEs."""

    rows: int
    cols: int
    pe_weight_bits: int
    pe_activation_bits: int


@dataclass(frozen=True)
class Technology:
    """Area fits: of a PE, linear in its bit operations or quadratic in its widths; of an SRAM."""

    engine: int
    pe: dict[str, Fraction]
    sram_slope: Fraction
    sram_intercept: Fraction

    def pe_area_um2(self, pe_weight_bits: int, pe_activation_bits: int) -> Fraction:
        """``A_PE``, below the fit by less than 10⁻³⁰ of itself (its log₂ is rounded down)."""
        bw, ba = pe_weight_bits, pe_activation_bits
        if "slope" not in self.pe:
            linear = self.pe["linear"] * Fraction(bw + ba, 2)
            return self.pe["quadratic"] * bw * ba + linear + self.pe["constant"]
        bops = self.engine * (bw * ba + bw + ba + log2_below(self.engine))
        return self.pe["slope"] * bops + self.pe["intercept"]


@dataclass(frozen=True)
class Choices:
    """The declared space."""

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    square: bool
    weight_bits: tuple[int, ...]
    activation_bits: tuple[int, ...]
    pe_weight_bits: tuple[int, ...]
    pe_activation_bits: tuple[int, ...]
    multi_pass: bool
    pinned: dict[str, int]
    output_bits: int
    shared: tuple[tuple[str, ...], ...]
    tied: bool

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Every hardware option."""
        every = product(self.rows, self.cols, self.pe_weight_bits, self.pe_activation_bits)
        return tuple(Option(*x) for x in every if x[0] == x[1] or not self.square)


@dataclass(frozen=True)
class Problem:
    """All a design's figures depend on."""

    network: Network
    technology: Technology
    clock_hz: Fraction
    dram_bits_per_s: Fraction
    area_overhead: Fraction
    choices: Choices
    sensitivity: dict[str, dict[int, Fraction]] | None
    objective: str
    budgets: dict[str, Fraction]

    def noise_of(self, source: str, bits: int) -> Fraction:
        """``e_t(b)``: by the table, or ``4^(−b)``."""
        if self.sensitivity is None:
            return default_noise(bits)
        return self.sensitivity[source][bits]

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], ...]:
        """Sources that must take one common width, joined where groups and ties overlap."""
        groups = [set(group) for group in self.choices.shared]
        if self.choices.tied:
            owners = (layer for layer in self.network.layers if layer.owns_weights)
            groups += [{f"weight:{layer.name}", f"tensor:{layer.input}"} for layer in owners]
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

    def base_area_um2(self, option: Option) -> Fraction:
        """Area of the PE array and of an SRAM of no bits."""
        pe = self.technology.pe_area_um2(option.pe_weight_bits, option.pe_activation_bits)
        return self.area_overhead * option.rows * option.cols * pe + self.technology.sram_intercept

    def area_mm2(self, option: Option, sram_bits: int) -> Fraction:
        """``overhead·rows·cols·A_PE + A_SRAM``."""
        sram_um2 = self.technology.sram_slope * sram_bits
        return (self.base_area_um2(option) + sram_um2) / UM2_PER_MM2


def read_problem(entry: Entry) -> Problem:
    """The question of a file, with all its faults noted.

    Raises
    ------
    Unreadable
        It is none, or contradicts itself.
    """
    entry.known_keys(KEYS)
    network = read_network(entry["network"])
    problem = Problem(
        network=network,
        technology=read_technology(entry["technology"]),
        clock_hz=entry["clock_hz"].number(above=0),
        dram_bits_per_s=entry["dram_bits_per_s"].number(above=0),
        area_overhead=entry["area_overhead"].number(above=0),
        choices=_read_choices(entry["choices"], network),
        sensitivity=_read_sensitivity(entry["sensitivity"]),
        objective=entry["objective"].text(METRICS),
        budgets=_read_budgets(entry["budgets"]),
    )
    _check_widths(problem, entry)
    _check_quality(problem, entry)
    for bw, ba in product(problem.choices.pe_weight_bits, problem.choices.pe_activation_bits):
        pe_um2 = problem.technology.pe_area_um2(bw, ba)
        if min(pe_um2, pe_um2 + problem.technology.sram_intercept) <= 0:
            entry["technology"].fault(f"fits that give a PE of {bw} × {ba} bit an area")
    return problem


def read_technology(entry: Entry) -> Technology:
    """The fits of a design file's technology."""
    entry.known_keys(("name", "engine", "pe_area_um2", "sram", "sram_area_um2", "source"))
    pe, sram = entry["pe_area_um2"], entry["sram_area_um2"]
    return Technology(
        engine=entry.get("engine", 9).whole(),
        pe=read_pe_fit(pe),
        sram_slope=sram["slope"].number(above=0),
        sram_intercept=sram["intercept"].number(),
    )


def read_pe_fit(pe: Entry) -> dict[str, Fraction]:
    """Coefficients of a PE's area, in the form they are given."""
    if "slope" in pe.table():
        return {"slope": pe["slope"].number(above=0), "intercept": pe["intercept"].number()}
    return {key: pe[key].number() for key in ("quadratic", "linear", "constant")}


def _read_choices(entry: Entry, network: Network) -> Choices:
    known = (*SIDES, *WIDTHS, "square", "precision", "pinned", "output_bits", "shared", "tied")
    entry.known_keys(known)
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
    choices = Choices(
        **{side: entry[side].ascending(MOST_SIDE) for side in SIDES},
        **{width: entry[width].ascending(MOST_BITS) for width in WIDTHS},
        square=entry["square"].flag(),
        multi_pass=entry["precision"].text(("fixed", "multi-pass")) == "multi-pass",
        pinned=pinned,
        output_bits=entry["output_bits"].whole(1, MOST_BITS),
        shared=tuple(group.texts() for group in groups),
        tied=entry.get("tied", False).flag(),
    )
    sizes = len(choices.rows), len(choices.cols), len(choices.pe_weight_bits)
    if prod((*sizes, len(choices.pe_activation_bits))) > MOST_OPTIONS:
        entry.fault(f"at most {MOST_OPTIONS} hardware options")
    if not choices.options:
        entry.fault("a square array among rows and cols")
    return choices


def _read_sensitivity(entry: Entry) -> dict[str, dict[int, Fraction]] | None:
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


def _read_budgets(entry: Entry) -> dict[str, Fraction]:
    entry.known_keys(METRICS)
    given = entry.table()
    budgets = {name: given[name].number(least=0) for name in METRICS if name in given}
    for name, limit in budgets.items():
        if name != "noise" and limit == 0:
            entry[name].fault("a number above 0")
    return budgets


def _check_widths(problem: Problem, entry: Entry) -> None:
    """Every source has a width that it may take, and a noise at each."""
    for source in problem.network.sources:
        allowed = problem.allowed(source)
        if not allowed:
            entry.ledger.wrong(f"{entry.where}.choices", source, "a width that it may take")
            raise Unreadable
        table = problem.sensitivity
        if table is not None and not {*allowed} <= {*table.get(source, {})}:
            entry.ledger.wrong(f"{entry.where}.sensitivity", source, f"its noise at {allowed} bit")
            raise Unreadable


def _check_quality(problem: Problem, entry: Entry) -> None:
    """The noise budget is the one that the quality means."""
    given = entry.get("quality", None)
    if given.value is None:
        return
    kind, _, amount = given.text().partition(":")
    if kind == "uniform" and amount.isdecimal() and len(amount) < 3:
        table, bits = problem.sensitivity, int(amount)
        sources = problem.network.sources
        if table is not None and any(bits not in table.get(source, {}) for source in sources):
            given.fault("a width that the sensitivity has for all")
        limit = sum((problem.noise_of(source, bits) for source in sources), Fraction(0))
    else:
        try:
            limit = Fraction(10.0 ** (-float(amount) / 10))
        except (ValueError, OverflowError):
            given.fault("uniform:<bits> or sqnr:<decibels>")
    found = problem.budgets.get("noise", Fraction(-1))
    entry.ledger.close(f"{entry.where}.budgets.noise", found, limit)
