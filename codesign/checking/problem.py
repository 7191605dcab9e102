"""The problem of a design file: that of its widths, and of hardware in a technology."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple

from codesign.checking.cost_model import log2_below
from codesign.checking.energy import Energies, read_energies
from codesign.checking.entries import Entry
from codesign.checking.machine import MACHINE, Machine, read_machine
from codesign.checking.network import Network, read_network
from codesign.checking.residency import read_places
from codesign.checking.width_problem import (
    METRICS,
    MOST_BITS,
    WIDTH_CHOICES,
    WidthChoices,
    WidthProblem,
    check_width_problem,
    read_budgets,
    read_sensitivity,
    read_width_choices,
)

MOST_SIDE, MOST_OPTIONS, MOST_SRAM_BITS = 65536, 1_000_000, 10**18
UM2_PER_MM2 = 10**6
KEYS = (
    *("network", "technology", "clock_hz", "dram_bits_per_s", "area_overhead", "choices"),
    "dram_energy_j_per_bit",
    *("sensitivity", "quality", "objective", "budgets"),
)
TECHNOLOGY = (
    *("name", "engine", "pe_area_um2", "sram", "sram_area_um2", "source"),
    *("node_nm", "scaled_from", "energy"),
)
CHOICES = (
    *("rows", "cols", "square", "pe_weight_bits", "pe_activation_bits", "precision"),
    *("sram_bits", "min_sram_bits", "max_sram_bits", "on_chip", "places", "fused_layers"),
    *WIDTH_CHOICES,
    *MACHINE,
)


ArrayShape = tuple[int, int] | tuple[int, int, str]


class Option(NamedTuple):
    """A hardware option: a PE array and the operand widths of its PEs.

    Attributes
    ----------
    mapping : str or None
        Of several on offer, of which a machine has one; None where there is no choice.
    """

    rows: int
    cols: int
    pe_weight_bits: int
    pe_activation_bits: int
    mapping: str | None = None

    @property
    def array(self) -> ArrayShape:
        """Rows and columns, and the mapping where that is a choice."""
        sides = self.rows, self.cols
        return sides if self.mapping is None else (*sides, self.mapping)

    @property
    def pe_bits(self) -> tuple[int, int]:
        """Operand widths of a PE."""
        return self.pe_weight_bits, self.pe_activation_bits


@dataclass(frozen=True)
class Technology:
    """Area fits: of a PE, linear in its bit operations or quadratic in its widths; of an SRAM."""

    engine: int
    pe: dict[str, Fraction]
    sram_slope: Fraction
    sram_intercept: Fraction

    def pe_terms_um2(self, bw: int, ba: int) -> tuple[Fraction, ...]:
        """Terms of ``A_PE``, below the fit by less than 10⁻³⁰ (its log₂ is rounded down)."""
        if "slope" not in self.pe:
            linear = self.pe["linear"] * Fraction(bw + ba, 2)
            return self.pe["quadratic"] * bw * ba, linear, self.pe["constant"]
        bops = self.engine * (bw * ba + bw + ba + log2_below(self.engine))
        return self.pe["slope"] * bops, self.pe["intercept"]

    def area_terms_um2(
        self,
        pes: Fraction,
        pe_terms_um2: Sequence[Fraction],
        sram_bits: int,
        buffers: Sequence[int | None],
    ) -> tuple[Fraction, ...]:
        """Terms of the area of so many PEs, their overhead counted in, an SRAM, and buffers."""
        srams = (sram_bits, *(bits for bits in buffers if bits is not None))
        each = ((self.sram_slope * bits, self.sram_intercept) for bits in srams)
        return (*(pes * x for x in pe_terms_um2), *(x for terms in each for x in terms))


@dataclass(frozen=True)
class Choices(WidthChoices):
    """The declared space; an SRAM of one of some sizes, or between two limits.

    Attributes
    ----------
    machine : Machine
        With all mappings on offer.
    on_chip : bool
        Tensors may stay on chip; ``places`` pins where some are, "chip", "dram" or "band".
    fused_layers : int
        Layers of a fused run at most; 1 where tensors are no bands.
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    square: bool
    pe_weight_bits: tuple[int, ...]
    pe_activation_bits: tuple[int, ...]
    machine: Machine
    sram_bits: tuple[int, ...]
    min_sram_bits: int
    max_sram_bits: int | None
    on_chip: bool
    fused_layers: int
    places: dict[str, str]

    def most_sram(self, bits: int) -> int:
        """The largest SRAM on offer of at most so many bits; 0: none."""
        if self.sram_bits:
            held = bisect_right(self.sram_bits, bits)
            return self.sram_bits[held - 1] if held else 0
        most = bits if self.max_sram_bits is None else min(bits, self.max_sram_bits)
        return most if most >= self.min_sram_bits else 0

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Every hardware option."""
        every = product(
            self.rows, self.cols, self.pe_weight_bits, self.pe_activation_bits, self.mappings
        )
        return tuple(Option(*x) for x in every if x[0] == x[1] or not self.square)

    @property
    def mappings(self) -> tuple[str | None, ...]:
        """Mappings of which a machine has one; None where there is no choice."""
        offered = self.machine.mapping
        return (None,) if self.machine.reconfigurable or len(offered) == 1 else offered

    def mappings_of(self, array: ArrayShape) -> tuple[str, ...]:
        """Mappings that layers may have on an array; of several each its own."""
        return array[2:] or self.machine.mapping


@dataclass(frozen=True)
class Problem(WidthProblem):
    """All a design's figures depend on."""

    technology: Technology
    clock_hz: Fraction
    dram_bits_per_s: Fraction
    area_overhead: Fraction
    choices: Choices
    energy: Entry
    dram_energy: Entry

    def energies(self, area_mm2: Fraction) -> Energies | None:
        """Of a design of so much area; None where they are not known."""
        return read_energies(self.energy, self.dram_energy, area_mm2, timed=True)

    def area_terms_um2(self, option: Option, sram_bits: int) -> tuple[Fraction, ...]:
        """Terms of ``overhead·rows·cols·A_PE + A_SRAM``."""
        pes = self.area_overhead * option.rows * option.cols
        terms = self.technology.pe_terms_um2(option.pe_weight_bits, option.pe_activation_bits)
        buffers = self.choices.machine.buffers
        return self.technology.area_terms_um2(pes, terms, sram_bits, buffers)


def read_problem(entry: Entry) -> Problem:
    """The problem of a file, with all its faults noted."""
    entry.known_keys(KEYS)
    network, technology = read_network(entry["network"]), entry["technology"]
    technology.known_keys(TECHNOLOGY)
    problem = Problem(
        network=network,
        technology=read_technology(technology, technology["sram_area_um2"]),
        clock_hz=entry["clock_hz"].positive(),
        dram_bits_per_s=entry["dram_bits_per_s"].positive(),
        area_overhead=entry["area_overhead"].positive(),
        choices=_read_choices(entry["choices"], network),
        sensitivity=read_sensitivity(entry["sensitivity"]),
        energy=technology.get("energy", None),
        dram_energy=entry.get("dram_energy_j_per_bit", None),
        objective=entry["objective"].text(METRICS),
        budgets=read_budgets(entry["budgets"]),
    )
    check_width_problem(problem, entry)
    for bw, ba in product(problem.choices.pe_weight_bits, problem.choices.pe_activation_bits):
        pe_um2 = sum(problem.technology.pe_terms_um2(bw, ba))
        if min(pe_um2, pe_um2 + problem.technology.sram_intercept) <= 0:
            technology.fault(f"fits that give a PE of {bw} × {ba} bit an area")
    return problem


def read_technology(entry: Entry, sram: Entry) -> Technology:
    """The fits of a technology, for one of its kinds of SRAM; that of a PE in either form."""
    pe = entry["pe_area_um2"]
    if "slope" in pe.table():
        fit = {"slope": pe["slope"].positive(), "intercept": pe["intercept"].number()}
    else:
        fit = {key: pe[key].number() for key in ("quadratic", "linear", "constant")}
    return Technology(
        engine=entry.get("engine", 9).whole(),
        pe=fit,
        sram_slope=sram["slope"].positive(),
        sram_intercept=sram["intercept"].number(),
    )


def _read_choices(entry: Entry, network: Network) -> Choices:
    entry.known_keys(CHOICES)
    places = read_places(entry, network)
    pe_bits = {
        key: entry[key].ascending(MOST_BITS) for key in ("pe_weight_bits", "pe_activation_bits")
    }
    choices = Choices(
        **read_width_choices(entry, network),
        pe_weight_bits=pe_bits["pe_weight_bits"],
        pe_activation_bits=pe_bits["pe_activation_bits"],
        rows=entry["rows"].ascending(MOST_SIDE),
        cols=entry["cols"].ascending(MOST_SIDE),
        square=entry["square"].flag(),
        machine=read_machine(entry, [*pe_bits.items()]),
        **_read_sram(entry),
        on_chip=places.on_chip,
        fused_layers=places.fused_layers,
        places=places.pinned,
    )
    sizes = (choices.rows, choices.cols, *pe_bits.values(), choices.mappings)
    if prod(map(len, sizes)) > MOST_OPTIONS:
        entry.fault(f"at most {MOST_OPTIONS} hardware options")
    if not choices.options:
        entry.fault("a square array among rows and cols")
    return choices


def _read_sram(entry: Entry) -> dict[str, Any]:
    """The SRAM capacities on offer; without a word on them, all."""
    least, most = entry.get("min_sram_bits", None), entry.get("max_sram_bits", None)
    given = entry.get("sram_bits", [])
    sizes = given.ascending(MOST_SRAM_BITS) if given.items() else ()
    if sizes and (least.value is not None or most.value is not None):
        given.fault("no list beside a least or a most")
    low = 1 if least.value is None else least.whole(1, MOST_SRAM_BITS)
    high = None if most.value is None else most.whole(low, MOST_SRAM_BITS)
    return {"sram_bits": sizes, "min_sram_bits": low, "max_sram_bits": high}
