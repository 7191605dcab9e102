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
from codesign.checking.residency import Residency, movement_cycles
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
class _Run:
    """A layer on a platform, with what is on chip meanwhile.

    Attributes
    ----------
    resident : frozenset of str
        Tensors that are resident at some time.
    live_bits : int
        SRAM bits of those that are while it runs.
    cycles : int
        That it takes where operands fit the PE.
    """

    layer: Layer
    platform: Platform
    resident: frozenset[str]
    live_bits: int
    cycles: int


@dataclass(frozen=True)
class Totals:
    """Sums over all layers, exactly; and the widths of their weight operands, 0 for none."""

    latency_s: Fraction
    dram_bits: int
    operand_bits: tuple[int, ...]


def check_layers(
    rows: Entry,
    network: Network,
    platform: Platform,
    tensor_bits: dict[str, int],
    residency: Residency | None,
) -> Totals:
    """Compare every figure of every layer; returns what they add up to.

    Parameters
    ----------
    residency : Residency or None
        None: all tensors go to DRAM and back, and what only moves data takes no cycles.
    """
    checked = []
    for n, (layer, entry) in enumerate(read_rows(rows, network)):
        entry.known_keys(ROW if residency is None else (*ROW, "resident_bits"))
        names, live_bits = frozenset[str](), 0
        if residency is not None:
            names, live_bits = residency.names, residency.live_bits[n]
            given = entry.get("resident_bits", None)
            entry.ledger.same(given.where, given.value, live_bits)
        once = 0 if platform.ideal else cycles(layer, platform.array)
        if residency is not None and layer.moves:
            once = movement_cycles(network, layer, platform.array)
        run = _Run(layer, platform, names, live_bits, once)
        try:
            checked.append(_check_layer(entry, run, network, tensor_bits))
        except Unreadable:
            continue
    if len(checked) < len(network.layers):
        raise Unreadable
    operand_bits, latencies_s, dram_bits = zip(*checked, strict=True)
    return Totals(sum(latencies_s, Fraction(0)), sum(dram_bits), operand_bits)


def _check_layer(
    entry: Entry, run: _Run, network: Network, tensor_bits: dict[str, int]
) -> tuple[int, Fraction, int]:
    """Compare the figures of a layer; its weights' width, latency and DRAM bits."""
    layer, platform = run.layer, run.platform
    bw, ba = _operand_bits(entry, layer, platform, tensor_bits), tensor_bits[layer.input]
    fetched = {x: 0 if x in run.resident else bits for x, bits in tensor_bits.items()}
    weight_bits = fetched.get(layer.weight_tensor or "", bw)
    moved = {
        "weights": layer.weights * weight_bits,
        "ifmap": layer.ifmap * fetched[layer.input],
        "output": network.touched(layer, layer.output) * fetched[layer.output],
        "psum": 0,
        "residual": sum(network.touched(layer, x) * fetched[x] for x in layer.residuals),
    }
    if layer.moves or platform.ideal:
        for absent in ("tile", "order"):
            entry.ledger.same(f"{entry.where}.{absent}", entry[absent].value, None)
        need = None if platform.ideal else 0
    else:
        psum_bits = platform.psum_bits or bw + ba + accumulation_bits(layer)
        bits = (weight_bits, fetched[layer.input], psum_bits)
        need = _check_tile(entry, layer, platform, bits, moved)
    entry.ledger.same(f"{entry.where}.sram_bits", entry["sram_bits"].value, need)
    _check_fits(entry, platform, need or 0, run.live_bits)
    traffic = entry["dram_bits"]
    traffic.known_keys(TRAFFIC)
    for what in TRAFFIC:
        entry.ledger.same(f"{traffic.where}.{what}", traffic[what].value, moved[what])
    latency_s = _check_times(entry, run, (bw, ba), sum(moved.values()))
    return bw, latency_s, sum(moved.values())


def _check_fits(entry: Entry, platform: Platform, need: int, live_bits: int) -> None:
    """Tile and resident tensors fit the SRAM together."""
    if platform.sram_bits is None or platform.ideal:
        return
    expected = f"at most the SRAM's {platform.sram_bits}"
    if live_bits:
        expected += f" with {live_bits} bit of resident tensors"
    fits = need + live_bits <= platform.sram_bits
    entry.ledger.holds(f"{entry.where}.sram_bits", fits, need, expected)


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
    entry: Entry,
    layer: Layer,
    platform: Platform,
    bits: tuple[int, int, int],
    moved: dict[str, int],
) -> int:
    """Check that a tile is legal; puts its traffic into ``moved``; its SRAM need.

    Parameters
    ----------
    bits : (int, int, int)
        Of an element of weights, ifmap and partial sums in a tile; 0 of an operand that is
        resident, and so has no tile.
    """
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
    elements = dram_elements(layer, tile, order)
    each = zip(("weights", "ifmap", "psum"), elements, bits, strict=True)
    moved |= {operand: count * width for operand, count, width in each}
    return sram_elements(layer, tile).bits(*bits)


def _check_times(entry: Entry, run: _Run, bits: tuple[int, int], dram_bits: int) -> Fraction:
    """Compare cycles and times; the layer's latency, 0 where no DRAM is known."""
    ledger, where, layer, platform = entry.ledger, entry.where, run.layer, run.platform
    passes = 1
    if platform.multi_pass and not layer.moves:
        passes = precision_passes(*bits, platform.pe_weight_bits, platform.pe_activation_bits)
    array = platform.array
    if platform.ideal:
        ledger.same(f"{where}.cycles", entry["cycles"].value, None)
        count = Fraction(layer.macs * passes, array.rows * array.cols * array.engine)
    else:
        count = Fraction(run.cycles * passes)
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
