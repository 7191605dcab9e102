"""Every figure of a network on an accelerator, recomputed from its tiles and widths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from codesign.checking.cost_model import (
    ORDERS,
    Array,
    Tile,
    accumulation_bits,
    cycles,
    dram_elements,
    precision_passes,
    sram_elements,
    tile_faults,
)
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Layer, Network
from codesign.checking.widths import check_operand_bits, read_rows

ROW = (
    *("name", "weight_bits", "tile", "order", "cycles", "sram_bits", "dram_bits"),
    *("compute_s", "memory_s", "latency_s", "bound_by"),
)
TRAFFIC = ("weights", "ifmap", "output", "psum", "residual")
TILE = ("g", "k", "c", "p", "images")


@dataclass(frozen=True)
class Platform:
    """What a network runs on.

    Attributes
    ----------
    multi_pass : bool
        Operands wider than a PE's take several passes; else they are impossible.
    sram_bits, dram_bits_per_s, psum_bits
        None where not known; without ``psum_bits`` partial sums are stored exactly.
    ideal : bool
        The paper's roofline: every multiplier busy, each tensor moved once, no tiles.
    """

    array: Array
    pe_weight_bits: int
    pe_activation_bits: int
    multi_pass: bool
    clock_hz: Fraction
    sram_bits: int | None
    dram_bits_per_s: Fraction | None
    psum_bits: int | None = None
    ideal: bool = False


@dataclass(frozen=True)
class Totals:
    """Sums over all layers, exactly; and the widths of their weight operands, 0 for none."""

    latency_s: Fraction
    dram_bits: int
    operand_bits: tuple[int, ...]


def check_layers(
    rows: Entry, network: Network, platform: Platform, tensor_bits: dict[str, int]
) -> Totals:
    """Compare every figure of every layer; returns what they add up to."""
    checked = []
    for layer, entry in read_rows(rows, network):
        try:
            checked.append(_check_layer(entry, layer, network, platform, tensor_bits))
        except Unreadable:
            continue
    if len(checked) < len(network.layers):
        raise Unreadable
    operand_bits, latencies_s, dram_bits = zip(*checked, strict=True)
    return Totals(sum(latencies_s, Fraction(0)), sum(dram_bits), operand_bits)


def _check_layer(
    entry: Entry, layer: Layer, network: Network, platform: Platform, tensor_bits: dict[str, int]
) -> tuple[int, Fraction, int]:
    """Compare the figures of a layer; its weights' width, latency and DRAM bits."""
    entry.known_keys(ROW)
    bw, ba = _operand_bits(entry, layer, platform, tensor_bits), tensor_bits[layer.input]
    moved = {
        "weights": layer.weights * bw,
        "ifmap": layer.ifmap * ba,
        "output": network.touched(layer, layer.output) * tensor_bits[layer.output],
        "psum": 0,
        "residual": sum(network.touched(layer, x) * tensor_bits[x] for x in layer.residuals),
    }
    if layer.moves or platform.ideal:
        for absent in ("tile", "order"):
            entry.ledger.same(f"{entry.where}.{absent}", entry[absent].value, None)
        need = None if platform.ideal else 0
    else:
        need = _check_tile(entry, layer, platform, bw, ba, moved)
    entry.ledger.same(f"{entry.where}.sram_bits", entry["sram_bits"].value, need)
    traffic = entry["dram_bits"]
    traffic.known_keys(TRAFFIC)
    for what in TRAFFIC:
        entry.ledger.same(f"{traffic.where}.{what}", traffic[what].value, moved[what])
    latency_s = _check_times(entry, layer, platform, (bw, ba), sum(moved.values()))
    return bw, latency_s, sum(moved.values())


def _operand_bits(
    entry: Entry, layer: Layer, platform: Platform, tensor_bits: dict[str, int]
) -> int:
    """Width of the weight operand, 0 for none; both operands must run."""
    bw, ba = check_operand_bits(entry, layer, tensor_bits), tensor_bits[layer.input]
    if not (layer.moves or platform.multi_pass):
        runs, where = bw <= platform.pe_weight_bits, f"{entry.where}.weight_bits"
        entry.ledger.holds(where, runs, bw, f"at most the PE's {platform.pe_weight_bits}")
        runs = ba <= platform.pe_activation_bits
        expected = f"an input of at most the PE's {platform.pe_activation_bits} bit"
        entry.ledger.holds(f"{entry.where}.input", runs, ba, expected)
    return bw


def _check_tile(
    entry: Entry, layer: Layer, platform: Platform, bw: int, ba: int, moved: dict[str, int]
) -> int:
    """Check that a tile is legal and fits; puts its traffic into ``moved``; its SRAM need."""
    given = entry["tile"]
    given.known_keys(TILE)
    tile = Tile(**{part: given[part].whole() for part in TILE})
    faults = tile_faults(layer, platform.array, tile)
    for part, expected in faults:
        entry.ledger.wrong(f"{given.where}.{part}", getattr(tile, part), expected)
    order = entry["order"].text(ORDERS)
    entry.ledger.figures += len(TILE) + 1
    if faults:
        raise Unreadable
    psum_bits = bw + ba + accumulation_bits(layer)
    bits = (bw, ba, psum_bits if platform.psum_bits is None else platform.psum_bits)
    elements = dram_elements(layer, tile, order)
    moved["weights"], moved["ifmap"] = elements.weights * bw, elements.ifmap * ba
    moved["psum"] = elements.psum * bits[2]
    need = sram_elements(layer, tile).bits(*bits)
    if platform.sram_bits is not None:
        fits, expected = need <= platform.sram_bits, f"at most the SRAM's {platform.sram_bits}"
        entry.ledger.holds(f"{entry.where}.sram_bits", fits, need, expected)
    return need


def _check_times(
    entry: Entry, layer: Layer, platform: Platform, bits: tuple[int, int], dram_bits: int
) -> Fraction:
    """Compare cycles and times; the layer's latency, 0 where no DRAM is known."""
    ledger, where = entry.ledger, entry.where
    passes = 1
    if platform.multi_pass and not layer.moves:
        passes = precision_passes(*bits, platform.pe_weight_bits, platform.pe_activation_bits)
    array = platform.array
    if platform.ideal:
        ledger.same(f"{where}.cycles", entry["cycles"].value, None)
        count = Fraction(layer.macs * passes, array.rows * array.cols * array.engine)
    else:
        count = Fraction(cycles(layer, array) * passes)
        ledger.same(f"{where}.cycles", entry["cycles"].value, int(count))
    compute_s = count / platform.clock_hz
    ledger.close(f"{where}.compute_s", entry["compute_s"].figure(), compute_s)
    if platform.dram_bits_per_s is None:
        for absent in ("memory_s", "latency_s", "bound_by"):
            ledger.same(f"{where}.{absent}", entry[absent].value, None)
        return Fraction(0)
    memory_s = dram_bits / platform.dram_bits_per_s
    latency_s = max(compute_s, memory_s)
    ledger.close(f"{where}.memory_s", entry["memory_s"].figure(), memory_s)
    ledger.close(f"{where}.latency_s", entry["latency_s"].figure(), latency_s)
    # Which roof is told from the times as floating-point numbers: equal ones are compute.
    roof = "compute" if float(compute_s) >= float(memory_s) else "memory"
    ledger.same(f"{where}.bound_by", entry["bound_by"].value, roof)
    return latency_s


def check_throughput(
    entry: Entry, network: Network, platform: Platform, metrics: Mapping[str, Fraction]
) -> None:
    """Compare rates, two operations a MAC; a file without them is an older one.

    Those that need a latency or an area are there where that is known.
    """
    latency_s, area_mm2 = metrics.get("latency_s"), metrics.get("area_mm2")
    if entry.value is None:
        return
    array = platform.array
    per_s = {"peak_": 2 * array.rows * array.cols * array.engine * platform.clock_hz}
    expected = {}
    if latency_s is not None:
        per_s[""] = 2 * sum(layer.macs for layer in network.layers) / latency_s
        expected["images_per_s"] = network.images / latency_s
    for which, rate in per_s.items():
        expected[f"{which}gops"] = rate / 10**9
        if area_mm2 is not None:
            expected[f"{which}tops_per_mm2"] = rate / 10**12 / area_mm2
    entry.known_keys(expected)
    for name, value in expected.items():
        entry.ledger.close(f"{entry.where}.{name}", entry[name].figure(), value)
