"""An evaluation file: its layers and totals against its own network and accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from codesign.checking.cost_model import Array, default_noise
from codesign.checking.digest import check_digest
from codesign.checking.energy import check_energy_section, layers_j, read_energies
from codesign.checking.entries import Entry
from codesign.checking.findings import TOLERANCE
from codesign.checking.layer_rows import Platform, Totals
from codesign.checking.layers import check_cache, check_layers, check_throughput
from codesign.checking.machine import read_machine
from codesign.checking.members import sums
from codesign.checking.network import Network, read_network
from codesign.checking.problem import MOST_SIDE
from codesign.checking.residency import Residency, check_on_chip
from codesign.checking.technology import Fpga, Silicon, metrics_on, read_technology
from codesign.checking.width_problem import MOST_BITS
from codesign.checking.widths import read_rows

FORMAT = "codesign-evaluation/1"
KEYS = (
    *("format", "network", "accelerator", "roofline", "tensor_bits", "layers", "metrics"),
    *("absent", "throughput", "kv_cache_bits", "energy", "on_chip", "residency_bound"),
    *("given_tiles", "sha256"),
)


def check_evaluation(file: Entry) -> None:
    """Compare every figure of an evaluation file.

    The noise is compared with ``4^(−b)``: the file does not hold a table that may have been used,
    so another noise is only held to the digest.
    """
    file.known_keys(KEYS)
    network, given = read_network(file["network"]), file["accelerator"]
    platform = _platform(given, file["roofline"].text(("tiled", "ideal")) == "ideal")
    file["tensor_bits"].known_keys(network.tensors)
    tensor_bits = {name: file["tensor_bits"][name].whole(1, MOST_BITS) for name in network.tensors}
    residency, on_chip = None, file.get("on_chip", None)
    if on_chip.value is not None and platform.ideal:
        on_chip.fault("no entry: the ideal roofline moves every tensor")
    if on_chip.value is not None:
        residency = check_on_chip(on_chip, network, tensor_bits, {}, None)
    given_tiles = _given_tiles(file, network, platform)
    totals = check_layers(file["layers"], network, platform, tensor_bits, residency, given_tiles)
    metrics, absent = file["metrics"], file["absent"].table()
    fits, technology = given["technology"], None
    if fits.value is not None:
        technology = read_technology(fits, "sram_fits")
    hardware_terms: dict[str, Sequence[Fraction]] = {}
    if isinstance(technology, Fpga):
        hardware_terms |= _fpga_terms(given, platform, technology)
    else:
        area = _area_terms_mm2(given, platform, technology, "area_mm2" in metrics.table())
        hardware_terms |= {"area_mm2": area} if area else {}
    expected = {name: sum(terms, Fraction(0)) for name, terms in hardware_terms.items()}
    each = _layers_j(file, network, platform, tensor_bits, residency, expected)
    expected |= _metrics(given, platform, network, totals, tensor_bits, each)
    _check_noises(metrics, network)
    figures: dict[str, Fraction] = {}
    shares = [name for name in expected if "@" in name]
    metrics.known_keys((*metrics_on(technology), "energy_j", *shares))
    for name in (*metrics_on(technology), "energy_j", *shares):
        known = name in expected
        if name == "energy_j" and not known and name not in {**metrics.table(), **absent}:
            continue  # an older file
        there = (name in metrics.table()) == known and (name in absent) != known
        missing = "in metrics" if known else "in absent: it cannot be known"
        file.ledger.holds(f"metrics.{name}", there, name, missing)
        if not there or not known:
            continue
        figure = metrics[name].figure()
        if name.partition("@")[0] != "noise":
            terms = hardware_terms.get(name, ())
            close = file.ledger.close(f"metrics.{name}", figure, expected[name], terms)
            figures[name] = figure if close else expected[name]
        elif figure != expected[name] and name == "noise":
            file.ledger.notes.append("noise not recomputed: not by 4^(−bits), and no table is kept")
    _check_bound(file, figures)
    check_energy_section(file, network, platform.machine, each, figures)
    check_throughput(file.get("throughput", None), network, platform, figures)
    check_cache(file, network, tensor_bits)
    check_digest(file)


def _check_noises(metrics: Entry, network: Network) -> None:
    """The noise of a suite is the sum of its members', whatever table they are by."""
    names = [f"noise@{member.name}" for member in network.members]
    if names and {"noise", *names} <= {*metrics.table()}:
        total = sum((metrics[name].figure() for name in names), Fraction(0))
        metrics.ledger.close(f"{metrics.where}.noise", metrics["noise"].figure(), total)


def _layers_j(
    file: Entry,
    network: Network,
    platform: Platform,
    tensor_bits: dict[str, int],
    residency: Residency | None,
    known: Mapping[str, Fraction],
) -> list[dict[str, Fraction]]:
    """Energy of each layer by part; none where it is not known."""
    given = file["accelerator"]
    energy, technology = given.get("energy", None), given["technology"]
    if energy.value is None and technology.value is not None:
        energy = technology.get("energy", None)
    energies = read_energies(
        energy,
        given.get("dram_energy_j_per_bit", None),
        known.get("area_mm2"),
        timed=platform.dram_bits_per_s is not None,
        integer=given["number_format"].value == "integer",
    )
    if energies is None or platform.ideal:
        return []
    rows = read_rows(file["layers"], network)
    return layers_j(rows, network, platform, tensor_bits, residency, energies)


def _given_tiles(file: Entry, network: Network, platform: Platform) -> frozenset[str]:
    """Layers whose tiles are given: those with tiles, in the network's order; none without."""
    entry = file.get("given_tiles", None)
    if entry.value is None:
        return frozenset()
    names = [item.text() for item in entry.items()]
    tiled = [layer.name for layer in network.layers if not (layer.moves or platform.ideal)]
    right = bool(names) and names == [name for name in tiled if name in names]
    file.ledger.holds(entry.where, right, names, "layers with tiles, in the network's order")
    return frozenset(names) & {*tiled}


def _check_bound(file: Entry, figures: dict[str, Fraction]) -> None:
    """Where tensors stay that are not proven the best, no bound is above what they reach."""
    bound, on_chip = file.get("residency_bound", None), file.get("on_chip", None)
    if bound.value is None:
        return
    reached = figures.get("latency_s", figures.get("dram_bits"))
    holds = on_chip.value is not None and reached is not None and 0 < bound.figure() <= reached
    expected = "a bound on latency or DRAM traffic, of tensors that may stay on chip"
    file.ledger.holds(bound.where, holds, bound.value, expected)


def _optional(entry: Entry, most: int) -> int | None:
    return None if entry.value is None else entry.whole(1, most)


def _platform(entry: Entry, ideal: bool) -> Platform:
    bandwidth = entry["dram_bits_per_s"]
    sram_bits = _optional(entry["sram_bits"], 10**18)
    if sram_bits is None and not ideal:
        entry["sram_bits"].fault("a capacity: tiles need one")
    names = "pe_weight_bits", "pe_activation_bits"
    pe_bits = {name: entry[name].whole(1, MOST_BITS) for name in names}
    machine = read_machine(entry, [(name, [bits]) for name, bits in pe_bits.items()])
    if len(machine.mapping) > 1 and not machine.reconfigurable:
        entry["mapping"].fault("one mapping, as the machine is not reconfigurable")
    return Platform(
        array=Array(
            entry["rows"].whole(1, MOST_SIDE),
            entry["cols"].whole(1, MOST_SIDE),
            entry["engine"].whole(),
            machine.mapping[0],
            machine.skips_zeros,
        ),
        pe_weight_bits=pe_bits["pe_weight_bits"],
        pe_activation_bits=pe_bits["pe_activation_bits"],
        machine=machine,
        clock_hz=entry["clock_hz"].positive(),
        sram_bits=sram_bits,
        dram_bits_per_s=None if bandwidth.value is None else bandwidth.positive(),
        psum_bits=_optional(entry["psum_bits"], 1024),
        ideal=ideal,
    )


def _metrics(
    given: Entry,
    platform: Platform,
    network: Network,
    totals: Totals,
    tensor_bits: dict[str, int],
    energies: Sequence[Mapping[str, Fraction]],
) -> dict[str, Fraction]:
    """All metrics that can be known but those that the hardware alone decides."""
    found = sums(network, totals, tensor_bits, lambda _, bits: default_noise(bits), energies)
    unknown = [] if platform.dram_bits_per_s is not None else ["latency_s"]
    if given["number_format"].text(("integer", "float")) == "float":
        unknown += ["noise", "bops"]  # defined for integers
    return {name: value for name, value in found.items() if name.partition("@")[0] not in unknown}


def _area_terms_mm2(
    given: Entry, platform: Platform, technology: Silicon | None, given_area: bool
) -> Sequence[Fraction]:
    """Terms of the area of PE array and SRAM; none where a fit, a capacity or an area is missing.

    Parameters
    ----------
    given_area : bool
        Whether the file gives an area; which decides where rounding tells whether it is above 0.
    """
    measured, array = given["pe_area_um2"], platform.array
    if technology is None or platform.sram_bits is None:
        return ()
    if measured.value is not None:
        pe_terms_um2: Sequence[Fraction] = (measured.positive(),)
    elif technology.engine != array.engine or given["number_format"].value != "integer":
        return ()
    else:
        widths = platform.pe_weight_bits, platform.pe_activation_bits
        pe_terms_um2 = technology.pe_terms_um2(*widths)
    pes = given["area_overhead"].positive() * array.rows * array.cols
    terms_mm2 = technology.area_terms_mm2(
        pes, pe_terms_um2, platform.sram_bits, platform.machine.buffers
    )
    if not (_is_positive(pe_terms_um2, given_area) and _is_positive(terms_mm2, given_area)):
        return ()
    return terms_mm2


def _fpga_terms(given: Entry, platform: Platform, fpga: Fpga) -> dict[str, Sequence[Fraction]]:
    """Terms of what the accelerator takes of an FPGA, as far as that is known."""
    array, pe_bits = platform.array, (platform.pe_weight_bits, platform.pe_activation_bits)
    overhead = given["area_overhead"].positive()
    srams = (platform.sram_bits or 0, *platform.machine.buffers)
    pes = array.rows * array.cols
    terms = dict(fpga.terms(pes, overhead, pe_bits, srams, array.cols))
    if platform.sram_bits is None:
        del terms["bram"]
    if fpga.engine != array.engine or given["number_format"].value != "integer":
        del terms["lut"], terms["dsp"]
    return {**terms}


def _is_positive(terms: Sequence[Fraction], given_area: bool) -> bool:
    """Whether a sum is above 0; as the file has it where rounding decides."""
    total = sum(terms, Fraction(0))
    return given_area if abs(total) <= TOLERANCE * sum(map(abs, terms)) else total > 0
