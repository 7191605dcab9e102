"""The problem of a design file: that of its widths, and of hardware in a technology."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple

from codesign.checking.energy import Energies, read_energies
from codesign.checking.entries import Entry
from codesign.checking.machine import BUFFERS, MACHINE, Machine, read_machine
from codesign.checking.network import Network, read_network
from codesign.checking.residency import read_places
from codesign.checking.technology import (
    ENERGY,
    Fpga,
    Silicon,
    Terms,
    metrics_on,
    read_technology,
)
from codesign.checking.width_problem import (
    MOST_BITS,
    WIDTH_CHOICES,
    WidthChoices,
    WidthProblem,
    check_width_problem,
    read_budgets,
    read_sensitivity,
    read_width_choices,
)

INTERVAL = "interval_s"  # a metric of its own where layers may work at once
ARCHITECTURES = ("array", "dataflow", "hybrid")
MOST_SIDE, MOST_OPTIONS, MOST_SRAM_BITS = 65536, 1_000_000, 10**18
REGRET = "regret"
MOST_SEGMENTS = 2
ADDITIVE = ("latency_s", "dram_bits", "noise", "model_bits", "bops")  # members have shares
KEYS = (
    *("network", "technology", "clock_hz", "dram_bits_per_s", "area_overhead", "choices"),
    "dram_energy_j_per_bit",
    *("sensitivity", "quality", "objective", "budgets", "references"),
)
CHOICES = (
    *("rows", "cols", "square", "pe_weight_bits", "pe_activation_bits", "precision"),
    *("sram_bits", "min_sram_bits", "max_sram_bits", "on_chip", "places", "fused_layers"),
    *WIDTH_CHOICES,
    *("architecture", "segments", "stages"),
    *MACHINE,
)
OF_ONE_ARRAY = (  # absent, or as they are without a word, where none is on offer
    *("sram_bits", "min_sram_bits", "max_sram_bits", "places", *BUFFERS, "sram_bits_per_cycle"),
    *("stored_channels", "reconfigurable"),
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
    block_bits : int
        Bits of an SRAM's blocks, of which it has a whole number.
    segments : int
        Of a hybrid at most.
    architecture : tuple of str
        Those on offer.
    stages : dict of str to dict
        What is given of stages, by layer.
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
    block_bits: int
    architecture: tuple[str, ...]
    segments: int
    stages: dict[str, dict[str, object]]

    def most_sram(self, bits: int) -> int:
        """The largest SRAM on offer of at most so many bits; 0: none."""
        if self.sram_bits:
            held = bisect_right(self.sram_bits, bits)
            return self.sram_bits[held - 1] if held else 0
        most = bits if self.max_sram_bits is None else min(bits, self.max_sram_bits)
        most -= most % self.block_bits
        return most if most >= self.min_sram_bits else 0

    def sram_holding(self, bits: int) -> int:
        """The smallest SRAM on offer of at least so many bits; these where there is none."""
        if self.sram_bits:
            return next((x for x in self.sram_bits if x >= bits), bits)
        return -(-max(bits, self.min_sram_bits) // self.block_bits) * self.block_bits

    @property
    def least_sram(self) -> int:
        """The smallest SRAM on offer."""
        least = self.sram_bits[0] if self.sram_bits else self.min_sram_bits
        return -(-least // self.block_bits) * self.block_bits

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Every hardware option."""
        every = product(
            self.rows, self.cols, self.pe_weight_bits, self.pe_activation_bits, self.mappings
        )
        return tuple(Option(*x) for x in every if x[0] == x[1] or not self.square)

    @property
    def pipelined(self) -> bool:
        """Whether an architecture is on offer in which layers work at once."""
        return self.architecture != ("array",)

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

    technology: Silicon | Fpga
    clock_hz: Fraction
    dram_bits_per_s: Fraction
    area_overhead: Fraction
    choices: Choices
    energy: Entry
    dram_energy: Entry
    references: dict[str, Fraction]

    def energies(self, area_mm2: Fraction | None) -> Energies | None:
        """Of a design of so much area; None where they are not known."""
        return read_energies(self.energy, self.dram_energy, area_mm2, timed=True)

    def hardware_terms(self, option: Option, sram_bits: int) -> Terms:
        """Terms of each metric that the hardware alone decides."""
        pes, srams = option.rows * option.cols, (sram_bits, *self.choices.machine.buffers)
        return self.technology.terms(pes, self.area_overhead, option.pe_bits, srams, option.cols)


def read_problem(entry: Entry) -> Problem:
    """The problem of a file, with all its faults noted."""
    entry.known_keys(KEYS)
    network, technology = read_network(entry["network"]), read_technology(entry["technology"])
    choices = _read_choices(entry["choices"], network, technology.block_bits)
    known = metrics_on(technology)
    if choices.pipelined:
        known = INTERVAL, *known
    added = [x for x in known if x in ADDITIVE]
    shares = [f"{x}@{member.name}" for member in network.members for x in added]
    energies = [f"{ENERGY}@{member.name}" for member in network.members]
    metrics = (*known, ENERGY, *shares, *energies)
    problem = Problem(
        network=network,
        technology=technology,
        clock_hz=entry["clock_hz"].positive(),
        dram_bits_per_s=entry["dram_bits_per_s"].positive(),
        area_overhead=entry["area_overhead"].positive(),
        choices=choices,
        sensitivity=read_sensitivity(entry["sensitivity"]),
        energy=entry["technology"].get("energy", None),
        dram_energy=entry.get("dram_energy_j_per_bit", None),
        objective=entry["objective"].text((*metrics, REGRET)),
        budgets=read_budgets(entry["budgets"], metrics),
        references=_read_references(entry.get("references", {}), tuple(shares)),
    )
    check_width_problem(problem, entry)
    _check_architecture(problem, entry)
    _check_references(problem, entry.get("references", {}))
    for bits in product(problem.choices.pe_weight_bits, problem.choices.pe_activation_bits):
        if not technology.has_area(bits):
            entry["technology"].fault(f"fits that give a PE of {bits[0]} × {bits[1]} bit an area")
    return problem


def _check_architecture(problem: Problem, entry: Entry) -> None:
    """A pipeline is of one network of one image without a cache, and says nothing of an SRAM."""
    network, technology, choices = problem.network, problem.technology, problem.choices
    if not choices.pipelined:
        return
    given = entry["choices"]["architecture"]
    if network.members or network.images > 1 or network.cache:
        given.fault("array for a suite, a batch or a network with a cache")
    if isinstance(technology, Silicon) and technology.sram_intercept < 0:
        entry["technology"].fault("a fit of SRAMs with an area, however small they are")
    if "hybrid" in choices.architecture:
        _check_hybrid(problem, entry)
    if "array" in choices.architecture:
        return
    for key in OF_ONE_ARRAY:
        said = entry["choices"].get(key, None)
        if said.value not in (None, False, [], {}):
            said.fault("no entry, where no shared array is on offer")
    if choices.machine.exposed:
        entry["choices"]["overlap"].fault("no entry, where no shared array is on offer")


def may_share(problem: Problem) -> bool:
    """Whether hybrids of a problem are modelled, be they on offer or not."""
    network, machine = problem.network, problem.choices.machine
    alone = not network.members and network.images == 1 and not network.cache
    plain = machine.precision == "fixed" and not machine.exposed and not machine.reconfigurable
    bare = machine.buffers == (None, None, None) and machine.port_bits is None
    layers = sum(not layer.moves for layer in network.layers)
    return alone and plain and bare and not machine.stored_channels and layers > 1


def _check_hybrid(problem: Problem, entry: Entry) -> None:
    """A hybrid is of more than one layer with MACs; its machine has the plain terms."""
    given, machine = entry["choices"]["architecture"], problem.choices.machine
    if sum(not layer.moves for layer in problem.network.layers) < 2:
        given.fault("no hybrid of a network of one layer")
    if machine.precision != "fixed" or machine.exposed or machine.reconfigurable:
        given.fault("no hybrid of such a machine")
    for key in (*BUFFERS, "sram_bits_per_cycle", "stored_channels"):
        if entry["choices"].get(key, None).value is not None:
            entry["choices"][key].fault("no entry, where hybrids are on offer")


def _read_references(entry: Entry, metrics: tuple[str, ...]) -> dict[str, Fraction]:
    """The best of each member alone, which may be nothing at all."""
    entry.known_keys(metrics)
    given = entry.table()
    return {name: given[name].number(least=0) for name in metrics if name in given}


def _check_references(problem: Problem, entry: Entry) -> None:
    """Regret is measured by one metric of each member, and nothing else is."""
    kinds = {name.partition("@")[0] for name in problem.references}
    every = {f"{kind}@{member.name}" for kind in kinds for member in problem.network.members}
    asked = problem.objective == REGRET
    if asked != bool(kinds) or len(kinds) > 1 or every != {*problem.references}:
        entry.fault("the best of one metric of each member where regret is the objective")


def _read_choices(entry: Entry, network: Network, block_bits: int) -> Choices:
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
        **_read_sram(entry, block_bits),
        block_bits=block_bits,
        on_chip=places.on_chip,
        fused_layers=places.fused_layers,
        places=places.pinned,
        architecture=_read_architecture(entry.get("architecture", ["array"])),
        segments=entry.get("segments", 1).whole(1, MOST_SEGMENTS),
        stages=_read_stages(entry, network),
    )
    sizes = (choices.rows, choices.cols, *pe_bits.values(), choices.mappings)
    if prod(map(len, sizes)) > MOST_OPTIONS:
        entry.fault(f"at most {MOST_OPTIONS} hardware options")
    for name in ("sram_bits_per_cycle", "stored_channels"):
        if choices.fused_layers > 1 and entry.get(name, None).value is not None:
            entry[name].fault("no entry where layers may be fused")
    if choices.fused_layers > 1 and choices.machine.skips_zeros:
        entry["zero_skipping"].fault("no entry where layers may be fused")
    if not choices.options:
        entry.fault("a square array among rows and cols")
    return choices


def _read_architecture(entry: Entry) -> tuple[str, ...]:
    found = tuple(item.text(ARCHITECTURES) for item in entry.items())
    if not found or len({*found}) < len(found):
        entry.fault(f"one or more of {', '.join(ARCHITECTURES)}, each once")
    return found


def _read_stages(choices: Entry, network: Network) -> dict[str, dict[str, object]]:
    """What is given of stages of layers with MACs, where each has an array of its own."""
    entry, layers = choices.get("stages", {}), {x.name: x for x in network.layers if not x.moves}
    entry.known_keys(layers)
    if entry.table() and choices.get("architecture", ["array"]).value != ["dataflow"]:
        entry.fault("no given stages where other architectures are on offer")
    found: dict[str, dict[str, object]] = {}
    for name, given in entry.table().items():
        if name not in layers:
            continue
        given.known_keys(("mapping", "rows", "cols", "weights", "band_rows"))
        sides = {key: given.get(key, None) for key in ("rows", "cols", "band_rows")}
        words = {"mapping": choices.get("mapping", ["window"]).value}
        words["weights"] = ["chip", "stream"] if layers[name].uses_weights else ["chip"]
        told: dict[str, object] = {
            key: x.whole(1, MOST_SIDE) for key, x in sides.items() if x.value is not None
        }
        for key, known in words.items():
            if given.get(key, None).value is not None:
                told[key] = given[key].text(known)
        found[name] = told
    return found


def _read_sram(entry: Entry, block_bits: int) -> dict[str, Any]:
    """The SRAM capacities on offer; without a word on them, all of whole blocks."""
    least, most = entry.get("min_sram_bits", None), entry.get("max_sram_bits", None)
    given = entry.get("sram_bits", [])
    sizes = given.ascending(MOST_SRAM_BITS) if given.items() else ()
    if sizes and (least.value is not None or most.value is not None):
        given.fault("no list beside a least or a most")
    if any(size % block_bits for size in sizes):
        given.fault(f"sizes of whole blocks of {block_bits} bits")
    low = 1 if least.value is None else least.whole(1, MOST_SRAM_BITS)
    high = None if most.value is None else most.whole(low, MOST_SRAM_BITS)
    return {"sram_bits": sizes, "min_sram_bits": low, "max_sram_bits": high}
