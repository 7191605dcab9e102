"""Energy of every layer, and of all of them, recomputed from a file's rows.

Rows come here once their traffic, widths and times were compared. What a layer does in the SRAM
follows from how often the array asks for each operand:

- it asks for the ifmap once for each ``cols`` output channels; for weights as often as they are
  fetched, or, in mapping output, for all of them at each set of pixels; and it adds to each
  partial sum once for each turn over the reduction, in mapping output once in all;
- what is fetched from DRAM is written to the SRAM, but residuals and what only moves;
- a result on its way to DRAM is read, as is half the traffic of partial sums; the other half is
  written;
- what lives in the SRAM and is added or only moved is read once, and written once if it moves;
- fused layers share the array row by row, so each row asks for all its weights and input rows.

A layer reads and writes the SRAM at its own widths, whatever passes or parts a PE takes them in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.cost_model import (
    Array,
    accumulation_bits,
    bops,
    ceil_div,
    pixel_step,
    rows_in,
    turns,
)
from codesign.checking.entries import Entry
from codesign.checking.fusion import FusedRun, moves_nothing
from codesign.checking.layer_rows import TRAFFIC, Platform
from codesign.checking.machine import Machine
from codesign.checking.network import Layer, Network
from codesign.checking.residency import Residency

ENERGIES = (
    *("j_per_bop", "j_per_mac", "sram_read_j_per_bit", "sram_write_j_per_bit", "bank_bits"),
    *("static_w", "static_w_per_mm2", "source"),
)
SRAM = tuple(f"sram_{operand}" for operand in TRAFFIC)
PARTS = ("macs", *SRAM, "dram", "static")
RATES = ("per_image_j", "tops_per_w", "average_w", "energy_delay_js")
OPS_PER_TOP = 10**12


class Energies(NamedTuple):
    """Of an event each, J, and at all times, W; all that is needed is known."""

    bop: Fraction
    mac: Fraction
    read: Fraction
    write: Fraction
    dram: Fraction
    static_w: Fraction


@dataclass(frozen=True)
class Place:
    """Where a layer finds its tensors.

    Attributes
    ----------
    resident : frozenset of str
    there : frozenset of str
        Of its output and residuals those that move no DRAM bits.
    fused : bool
    """

    resident: frozenset[str]
    there: frozenset[str]
    fused: bool


def read_energies(
    entry: Entry,
    dram: Entry,
    area_mm2: Fraction | None,
    timed: bool,
    integer: bool = True,
) -> Energies | None:
    """The energies of a file; None where one that is needed is not there.

    Parameters
    ----------
    entry, dram : Entry
        The table of energies and the energy of a DRAM bit, null where not known.
    timed, integer : bool
        Whether latencies are known; whether PEs are of integers.
    """
    per_bit = None if dram.value is None else dram.positive()
    if entry.value is None:
        return None
    entry.known_keys(ENERGIES)
    given = {key: _amount(entry.get(key, None)) for key in ENERGIES[:-1] if key != "bank_bits"}
    bank = entry.get("bank_bits", None)
    if bank.value is not None:
        bank.whole()
    macs = integer and not given["j_per_bop"] is given["j_per_mac"] is None
    read, write = given["sram_read_j_per_bit"], given["sram_write_j_per_bit"]
    if not macs or per_bit is None or read is None or write is None:
        return None
    constant, by_area = given["static_w"] or Fraction(0), given["static_w_per_mm2"] or Fraction(0)
    if (by_area and area_mm2 is None) or ((by_area or constant) and not timed):
        return None
    static_w = constant + by_area * (area_mm2 or 0)
    macs_j = given["j_per_bop"] or Fraction(0), given["j_per_mac"] or Fraction(0)
    return Energies(*macs_j, read, write, per_bit, static_w)


def _amount(entry: Entry) -> Fraction | None:
    return None if entry.value is None else entry.number(least=0)


def layers_j(
    rows: Sequence[tuple[Layer, Entry]],
    network: Network,
    platform: Platform,
    tensor_bits: Mapping[str, int],
    residency: Residency | None,
    energies: Energies,
) -> list[dict[str, Fraction]]:
    """Of each layer its energy by part."""
    found = []
    for n, (layer, row) in enumerate(rows):
        place = _place(network, n, residency)
        bw = 0 if layer.moves else row["weight_bits"].whole()
        dram = {what: row["dram_bits"][what].whole(0, 10**30) for what in TRAFFIC}
        array = platform.array
        if not layer.moves:
            split = platform.machine.split(bw, tensor_bits[layer.input], *platform.pe_bits)
            mapping = row.get("mapping", None).value or array.mapping
            array = array._replace(engine=array.engine * split, mapping=mapping)
        psum_bits = platform.psum_bits
        on = network, layer, array, psum_bits, tensor_bits, place
        read, written = sram_bits(*on, bw, dram)
        latency_s = row["latency_s"]
        spent_s = Fraction(0) if latency_s.value is None else latency_s.figure()
        macs = platform.machine.macs(layer)
        parts = {"macs": energies.mac * macs}
        operations = energies.bop * bops(layer, bw, tensor_bits[layer.input])
        parts["macs"] += operations * Fraction(macs, layer.macs or 1)
        for what in TRAFFIC:
            parts[f"sram_{what}"] = energies.read * read[what] + energies.write * written[what]
        parts["dram"] = energies.dram * sum(dram.values())
        parts["static"] = energies.static_w * spent_s
        found.append(parts)
    return found


def _place(network: Network, n: int, residency: Residency | None) -> Place:
    if residency is None:
        return Place(frozenset(), frozenset(), False)
    layer, run = network.layers[n], _run(residency.runs, n)
    there = {name for name in (layer.output, *layer.residuals) if name in residency.names}
    if run is not None:
        names = (layer.output, *layer.residuals)
        there |= {name for name in names if moves_nothing(network, run, n, name)}
    return Place(residency.names, frozenset(there), run is not None)


def _run(runs: Collection[FusedRun], n: int) -> FusedRun | None:
    return next((run for run in runs if n in run.layers), None)


def sram_bits(
    network: Network,
    layer: Layer,
    array: Array,
    psum_bits: int | None,
    tensor_bits: Mapping[str, int],
    place: Place,
    bw: int,
    dram: Mapping[str, int],
) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """Bits read from and written to the SRAM by operand."""
    read, written = (dict.fromkeys(TRAFFIC, Fraction(0)) for _ in range(2))
    ba = tensor_bits[layer.input]
    for name in layer.residuals:
        if name in place.there:
            read["residual"] += network.touched(layer, name) * tensor_bits[name]
    if layer.moves:
        if layer.input in place.resident:
            read["ifmap"] += layer.ifmap * ba
        if layer.output in place.there:
            written["output"] += network.touched(layer, layer.output) * tensor_bits[layer.output]
        return read, written
    holds_sums, rounds = array.mapping == "output", ceil_div(layer.K, array.cols)
    once = layer.N * layer.G * layer.K * (psum_bits or bw + ba + accumulation_bits(layer))
    each = turns(layer, array)
    sums = sum(x.outputs for x in each) * once
    added = sums if holds_sums else sum(x.outputs * x.reduction for x in each) * once
    weights, rows = layer.weights * bw, layer.N * layer.P
    if place.fused:
        in_row = ceil_div(layer.Q, pixel_step(array)) if holds_sums else 1
        read["weights"] += weights * rows * in_row
        read["ifmap"] += rows * rows_in(layer, 1) * layer.W * layer.G * layer.C * ba * rounds
    else:
        kept = layer.weight_tensor in place.resident
        asked = weights if kept else dram["weights"]
        if holds_sums:
            asked = layer.G * layer.K * layer.C * bw * sum(x.window * x.pixels for x in each)
        read["weights"] += asked
        read["ifmap"] += layer.ifmap * ba * rounds
    read["psum"] += added - sums + Fraction(dram["psum"], 2)
    written["psum"] += added + Fraction(dram["psum"], 2)
    written["weights"] += dram["weights"]
    written["ifmap"] += dram["ifmap"]
    read["output"] += dram["output"]
    return read, written


def check_energy_section(
    file: Entry,
    network: Network,
    machine: Machine,
    each: Sequence[Mapping[str, Fraction]],
    metrics: Mapping[str, Fraction],
) -> None:
    """Compare a file's section on energy: parts of all, of each layer, and rates.

    A file without is one whose energy is not known, or an older one.

    Parameters
    ----------
    each : sequence of mappings of str to Fraction
        As of `layers_j`; empty where the energy is not known.
    """
    entry, latency_s = file.get("energy", None), metrics.get("latency_s")
    if entry.value is None:
        return
    if not each:
        entry.fault("no entry: the energy is not known")
    entry.known_keys((*RATES, "parts_j", "layers"))
    names = [layer.name for layer in network.layers]
    weights = network.layer_weights
    counted = [(w, parts) for w, parts in zip(weights, each, strict=True)]
    total = sum((w * x for w, parts in counted for x in parts.values()), Fraction(0))
    expected = {"per_image_j": total / network.executed_images}
    if total:
        expected["tops_per_w"] = 2 * machine.executed_macs(network) / total / OPS_PER_TOP
    if latency_s is not None:
        expected |= {"average_w": total / latency_s, "energy_delay_js": total * latency_s}
    for name, value in expected.items():
        entry.ledger.close(f"{entry.where}.{name}", entry[name].figure(), value)
    for name in {*RATES} - {*expected}:
        entry.ledger.same(f"{entry.where}.{name}", entry.get(name, None).value, None)
    whole = {part: sum((w * x[part] for w, x in counted), Fraction(0)) for part in PARTS}
    _check_parts(entry["parts_j"], whole)
    rows = entry["layers"].items()
    if [row["name"].text() for row in rows] != names:
        entry["layers"].fault("one row for each layer of the network, in its order")
    for row, parts in zip(rows, each, strict=True):
        row.known_keys(("name", "parts_j"))
        _check_parts(row["parts_j"], parts)


def _check_parts(entry: Entry, parts: Mapping[str, Fraction]) -> None:
    entry.known_keys(PARTS)
    for part in PARTS:
        entry.ledger.close(f"{entry.where}.{part}", entry[part].figure(), parts[part])
