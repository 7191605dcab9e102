"""Every figure of a network on an accelerator, recomputed from its tiles and widths."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

from codesign.checking.cost_model import (
    ORDERS,
    Array,
    Tile,
    dram_elements,
    sram_elements,
    tile_faults,
)
from codesign.checking.energy import Place, sram_bits
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.fused_layers import check_fused
from codesign.checking.fusion import FusedRun
from codesign.checking.given_tiles import round_faults, size_faults
from codesign.checking.layer_rows import LayerRow, Platform, Totals
from codesign.checking.network import Layer, Network
from codesign.checking.residency import Residency, movement_cycles
from codesign.checking.widths import check_shared_weights, read_rows

ROW = (
    *("name", "weight_bits", "tile", "order", "cycles", "sram_bits", "dram_bits"),
    *("compute_s", "memory_s", "latency_s", "bound_by"),
)
TILE = ("g", "k", "c", "p", "q", "images")


def check_layers(
    rows: Entry,
    network: Network,
    platform: Platform,
    tensor_bits: dict[str, int],
    residency: Residency | None,
    given_tiles: Collection[str] = (),
) -> Totals:
    """Compare every figure of every layer; returns what they add up to.

    Parameters
    ----------
    residency : Residency or None
        None: all tensors go to DRAM and back, and what only moves data takes no cycles.
    given_tiles : collection of str
        Layers whose tiles are given, and so may leave PEs idle.
    """
    ready = []
    for n, (layer, entry) in enumerate(read_rows(rows, network)):
        there = {"resident_bits": residency is not None, "mapping": platform.machine.reconfigurable}
        there["sram_s"] = _has_port(platform)
        entry.known_keys((*ROW, *(key for key, known in there.items() if known)))
        names, live_bits = frozenset[str](), 0
        if residency is not None:
            names, live_bits = residency.names, residency.live_bits[n]
            given = entry.get("resident_bits", None)
            entry.ledger.same(given.where, given.value, live_bits)
        once = 0
        if residency is not None and layer.moves:
            once = movement_cycles(network, layer, platform.array)
        mapping = _own_mapping(entry, layer, platform)
        given_tile = _read_tile(entry) if layer.name in given_tiles else None
        on = entry, layer, network, platform, tensor_bits
        ready.append(LayerRow(*on, names, live_bits, mapping, once, given_tile))
    runs = () if residency is None else residency.runs
    if runs and _has_port(platform):
        rows.fault("no fused layers: the SRAM's port is not counted in such")
    totals = _totals(ready, runs)
    check_shared_weights(rows, network, totals.operand_bits)
    return totals


def _has_port(platform: Platform) -> bool:
    """Whether the SRAM's port takes time."""
    return platform.machine.port_bits is not None and not platform.ideal


def _own_mapping(entry: Entry, layer: Layer, platform: Platform) -> str | None:
    """The mapping of a layer that has its own: one that the machine has."""
    given = entry.get("mapping", None)
    if not platform.machine.reconfigurable:
        return None  # `ROW` has no such entry
    if layer.moves or platform.ideal:
        entry.ledger.same(given.where, given.value, None)
        return None
    return given.text(platform.machine.mapping)


def _totals(rows: Sequence[LayerRow], runs: Sequence[FusedRun]) -> Totals:
    """Check the layers one by one, or those of a fused run together, and add them up."""
    fused = {run.layers.start: run for run in runs}
    inside = {n for run in runs for n in run.layers}
    operand_bits: list[int] = []
    steps: list[tuple[int, Fraction, int]] = []
    latency_s, dram_bits = Fraction(0), 0
    for n, row in enumerate(rows):
        try:
            if n in fused:
                step = check_fused(fused[n], rows)
            elif n not in inside:
                step = check_layer(row)
            else:
                continue
        except Unreadable:
            continue
        operand_bits += step.operand_bits
        latency_s += step.latency_s
        dram_bits += step.dram_bits
        steps.append((n, step.latency_s, step.dram_bits))
    if len(operand_bits) < len(rows):
        raise Unreadable
    return Totals(latency_s, dram_bits, tuple(operand_bits), tuple(steps))


def check_layer(row: LayerRow) -> Totals:
    """Compare the figures of a layer alone."""
    entry, layer, platform, network = row.entry, row.layer, row.platform, row.network
    bw = row.check_operands()
    weight_bits = bw if layer.weight_tensor is None else row.moved_bits(layer.weight_tensor)
    ifmap_bits = row.moved_bits(layer.input)

    def beside(name: str) -> int:
        return row.stored(name, network.touched(layer, name)) * row.moved_bits(name)

    moved = {
        "weights": row.stored(layer.weight_tensor, layer.weights) * weight_bits,
        "ifmap": row.stored(layer.input, layer.ifmap) * ifmap_bits,
        "output": beside(layer.output),
        "psum": 0,
        "residual": sum(map(beside, layer.residuals)),
    }
    if layer.moves or platform.ideal:
        for absent in ("tile", "order"):
            entry.ledger.same(f"{entry.where}.{absent}", entry[absent].value, None)
        need = None if platform.ideal else 0
    else:
        bits = (weight_bits, ifmap_bits, row.psum_bits(bw))
        need = row.check_buffers(_check_tile(row, row.array(bw), bits, moved))
    row.check_need(need)
    row.check_traffic(moved)
    dram_bits = sum(moved.values())
    times = row.times(row.check_cycles(bw), dram_bits, _port_bits(row, bw, moved))
    row.check_times(times, times.latency_s, times.roof)
    return Totals(times.latency_s, dram_bits, (bw,))


def _port_bits(row: LayerRow, bw: int, moved: Mapping[str, int]) -> Fraction | None:
    """What a layer reads from the SRAM and writes to it; None where the port takes no time."""
    if not _has_port(row.platform):
        return None
    layer, psum_bits = row.layer, row.platform.psum_bits
    there = row.resident & {layer.output, *layer.residuals}
    place = Place(row.resident, there, fused=False)
    on = row.network, layer, row.array(bw), psum_bits, row.tensor_bits, place
    return sum((bits for each in sram_bits(*on, bw, moved) for bits in each.values()), Fraction(0))


def _check_tile(
    row: LayerRow,
    array: Array,
    bits: tuple[int, int, int],
    moved: dict[str, int],
) -> tuple[int, ...]:
    """Check that a tile is legal; puts its traffic into ``moved``; its bits by operand.

    Parameters
    ----------
    bits : (int, int, int)
        Of an element of weights, ifmap and partial sums in a tile; 0 of an operand that is
        resident, and so has no tile.
    """
    entry, layer, tile = row.entry, row.layer, row.given_tile or _read_tile(row.entry)
    faults = tile_faults(layer, array, tile)
    if row.given_tile:
        faults = size_faults(layer, tile) or round_faults(layer, array, tile)
    for part, expected in faults:
        entry.ledger.wrong(f"{entry.where}.tile.{part}", getattr(tile, part), expected)
    order = entry["order"].text(ORDERS)
    entry.ledger.figures += len(TILE) + (tile.q is not None)
    if faults:
        raise Unreadable
    names = layer.weight_tensor, layer.input, None
    fetched = zip(names, dram_elements(layer, tile, order), strict=True)
    elements = [row.stored(name, count) for name, count in fetched]
    each = zip(("weights", "ifmap", "psum"), elements, bits, strict=True)
    moved |= {operand: count * width for operand, count, width in each}
    held = sram_elements(layer, tile)
    return tuple(count * width for count, width in zip(held, bits, strict=True))


def _read_tile(entry: Entry) -> Tile:
    """The tile of a row."""
    given = entry["tile"]
    given.known_keys(TILE)
    found: dict[str, Any] = {part: given[part].whole() for part in TILE if part != "q"}
    cols = given.get("q", None)
    return Tile(**found, q=None if cols.value is None else cols.whole())


def check_cache(file: Entry, network: Network, tensor_bits: Mapping[str, int]) -> None:
    """Compare the bits that outlast the run, where any do."""
    entry = file.get("kv_cache_bits", None)
    kept = sum(network.tensors[name] * tensor_bits[name] for name in network.cache)
    entry.ledger.same(entry.where, entry.value, kept if network.cache else None)


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
        images, tokens = network.executed_images, network.executed_tokens
        per_s[""] = 2 * platform.machine.executed_macs(network) / latency_s
        expected["images_per_s"] = images / latency_s
        if images > 1 and entry.get("interval_s", None).value is not None:
            expected["interval_s"] = latency_s / images
        if tokens is not None:
            expected["tokens_per_s"] = tokens / latency_s
    for which, rate in per_s.items():
        expected[f"{which}gops"] = rate / 10**9
        if area_mm2 is not None:
            expected[f"{which}tops_per_mm2"] = rate / 10**12 / area_mm2
    entry.known_keys(expected)
    for name, value in expected.items():
        entry.ledger.close(f"{entry.where}.{name}", entry[name].figure(), value)
