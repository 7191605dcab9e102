"""Segments of a hybrid: layers in a row that share an array, beside the stages of a pipeline.

Their layers are checked as those of a design whose tensors all go through DRAM. What stages write
for a segment, or read of what it writes, goes through DRAM too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.cost_model import Array
from codesign.checking.energy import Energies, layers_j
from codesign.checking.entries import Entry
from codesign.checking.layer_rows import LayerRow, Platform
from codesign.checking.layers import ROW, check_layer
from codesign.checking.network import Network
from codesign.checking.problem import MOST_SIDE, MOST_SRAM_BITS, Problem
from codesign.checking.stages import Stage, taken_terms
from codesign.checking.technology import UM2_PER_MM2, Silicon
from codesign.checking.width_problem import MOST_BITS

SIZES = {
    "rows": MOST_SIDE,
    "cols": MOST_SIDE,
    "pe_weight_bits": MOST_BITS,
    "pe_activation_bits": MOST_BITS,
}
KEYS = (*SIZES, "mapping", "sram_bits", "layers")


class Segment(NamedTuple):
    """What a segment adds to the totals; of each layer its weights' width, cycles and DRAM bits."""

    span: range
    latency_s: Fraction
    terms: Mapping[str, Sequence[Fraction]]
    block_rams: Fraction
    weight_bits: tuple[int, ...]
    cycles: tuple[int, ...]
    dram_bits: tuple[int, ...]
    rows: tuple[Entry, ...]
    platform: Platform


def segment_entries(file: Entry) -> list[Entry]:
    """Of each segment; a file may have the only one under the name ``segment``."""
    alone, every = file.get("segment", None), file.get("segments", None)
    if alone.value is None:
        return [] if every.value is None else every.items()
    if every.value is not None:
        alone.fault("no entry beside segments")
    return [alone]


def read_spans(entries: Sequence[Entry], network: Network, most: int) -> tuple[range, ...]:
    """Numbers of each segment's layers, one segment after the other; one is not all with MACs."""
    if len(entries) > most:
        entries[most].fault(f"at most {most} segments")
    spans = tuple(_read_span(x, network, len(entries) == 1) for x in entries)
    for entry, before, after in zip(entries[1:], spans, spans[1:], strict=False):
        if after.start < before.stop:
            entry["layers"].fault("layers after those of the segment before")
    return spans


def _read_span(entry: Entry, network: Network, only: bool) -> range:
    """Numbers of a segment's layers."""
    names = [layer.name for layer in network.layers]
    given = [row["name"].text() for row in entry["layers"].items()]
    first = names.index(given[0]) if given and given[0] in names else len(names)
    span = range(first, first + len(given))
    if not given or given != names[first : span.stop]:
        entry["layers"].fault("layers of the network in a row")
    if only and not any(i not in span and not x.moves for i, x in enumerate(network.layers)):
        entry["layers"].fault("not all layers with MACs: there is no other segment")
    if network.layers[span[0]].moves or network.layers[span[-1]].moves:
        entry["layers"].fault("layers with MACs at both ends")
    return span


def check_segment(
    entry: Entry, problem: Problem, span: range, tensor_bits: dict[str, int]
) -> Segment:
    """Compare every figure of a segment."""
    ledger, choices, technology = entry.ledger, problem.choices, problem.technology
    on_silicon = isinstance(technology, Silicon)
    entry.known_keys((*KEYS, *(("array_mm2", "sram_mm2") if on_silicon else ("taken",))))
    sizes = {key: entry[key].whole(1, most) for key, most in SIZES.items()}
    for key, size in sizes.items():
        offered = getattr(choices, key)
        ledger.holds(entry[key].where, size in offered, size, f"one of {offered}")
    rows, cols, *pe_bits = sizes.values()
    square = not choices.square or rows == cols
    ledger.holds(entry.where, square, f"{rows} × {cols}", "a square array")
    mapping, sram_bits = (
        entry["mapping"].text(choices.machine.mapping),
        entry["sram_bits"].whole(1, MOST_SRAM_BITS),
    )
    platform = Platform(
        array=Array(rows, cols, technology.engine, mapping, choices.machine.skips_zeros),
        pe_weight_bits=pe_bits[0],
        pe_activation_bits=pe_bits[1],
        machine=choices.machine,
        clock_hz=problem.clock_hz,
        sram_bits=sram_bits,
        dram_bits_per_s=problem.dram_bits_per_s,
    )
    network, each = problem.network, []
    for row, i in zip(entry["layers"].items(), span, strict=True):
        row.known_keys(ROW)
        on = row, network.layers[i], network, platform, tensor_bits, frozenset[str]()
        each.append((check_layer(LayerRow(*on, 0, None, 0)), row["cycles"].whole(0)))
    array = Stage(platform.array, pe_bits[0], pe_bits[1], False, 0)
    overhead = problem.area_overhead
    terms, block_rams = taken_terms(technology, overhead, array, ()), Fraction(0)
    if isinstance(technology, Silicon):
        srams = [technology.sram_slope * sram_bits, technology.sram_intercept]
        parts = {"array_mm2": terms["area_mm2"], "sram_mm2": [x / UM2_PER_MM2 for x in srams]}
        for name, mm2 in parts.items():
            ledger.close(entry[name].where, entry[name].figure(), sum(mm2, Fraction(0)), mm2)
        terms = {"area_mm2": (*parts["array_mm2"], *parts["sram_mm2"])}
    else:
        block_rams = Fraction(-(-sram_bits // technology.block_bits))
        entry["taken"].known_keys((*terms, "bram"))
        for name, each_of in (*terms.items(), ("bram", (block_rams,))):
            given = entry["taken"][name]
            ledger.close(given.where, given.figure(), sum(each_of, Fraction(0)), each_of)
    return Segment(
        span=span,
        latency_s=sum((found.latency_s for found, _ in each), Fraction(0)),
        terms=terms,
        block_rams=block_rams,
        weight_bits=tuple(found.operand_bits[0] for found, _ in each),
        cycles=tuple(cycles for _, cycles in each),
        dram_bits=tuple(found.dram_bits for found, _ in each),
        rows=tuple(entry["layers"].items()),
        platform=platform,
    )


def segment_j(
    segment: Segment, network: Network, tensor_bits: Mapping[str, int], energies: Energies
) -> Fraction:
    """Energy of a segment's layers as of those of an array, but for DRAM bits and static power."""
    alone = energies._replace(dram=Fraction(0), static_w=Fraction(0))
    layers = [network.layers[i] for i in segment.span]
    each = [*zip(layers, segment.rows, strict=True)]
    found = layers_j(each, network, segment.platform, tensor_bits, None, alone)
    return sum((x for parts in found for x in parts.values()), Fraction(0))


def within(spans: Sequence[range], layer: int | None) -> int | None:
    """The number of the segment that a layer is in; None: none."""
    return next((n for n, x in enumerate(spans) if layer is not None and layer in x), None)


def edge_bits(network: Network, spans: Sequence[range], tensor_bits: Mapping[str, int]) -> Fraction:
    """Bits between stages and DRAM, but of weights: inputs, results, and from and to segments."""
    stages = [(i, x) for i, x in enumerate(network.layers) if within(spans, i) is None]
    inside, found = [network.layers[i] for x in spans for i in x], Fraction(0)
    made = {layer.output for layer in network.layers}
    for name in network.tensors:
        if name not in made and any(name in layer.reads for _, layer in stages):
            found += network.tensors[name] * tensor_bits[name]
    whole = {x for x in network.results if not any(layer.output == x for layer in inside)}
    found += sum(network.tensors[x] * tensor_bits[x] for x in whole)
    for i, layer in stages:
        name = layer.output
        later = [network.layers[x] for span in spans if i < span.start for x in span]
        fed = any(name in x.reads for x in later)
        if name not in whole and (fed or name in network.results):
            found += network.touched(layer, name) * tensor_bits[name]
    for i, layer in stages:
        for name in dict.fromkeys(layer.reads):
            found += _fetched(network, spans, i, name) * tensor_bits[name]
    return found


def _fetched(network: Network, spans: Sequence[range], reader: int, name: str) -> Fraction:
    """Elements that a stage reads of what segments have written."""
    before = [(w, x) for w, x in enumerate(network.layers[:reader]) if x.output == name]
    sizes = {w: network.touched(x, name) for w, x in before}
    own = sum(size for w, size in sizes.items() if within(spans, w) is not None)
    touched = network.touched(network.layers[reader], name)
    return Fraction(touched * own, sum(sizes.values())) if own else Fraction(0)


def check_starts(rows: Sequence[Entry], span: range) -> None:
    """All layers of a segment have one start."""
    for i in span:
        ledger, given = rows[i].ledger, rows[i]["start"]
        ledger.close(given.where, given.figure(), rows[span.start]["start"].figure())
