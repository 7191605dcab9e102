"""A pipeline of stages, one for each layer: when each starts, what waits for it, and all totals.

A stage *starts* a chosen number ``u ≥ 0`` of intervals after the network's input, and its output
follows at ``z = u + lag``; of the network's input ``z`` is 0. For every tensor ``t`` that it reads
and every earlier layer ``w`` that writes (a part of) it ``u ≥ z_w``; ``u ≥ z_w + 1`` where ``t``
stands in for the weights, of which all are needed at once. In between the tensor waits in a FIFO
of ``e·δ`` elements, ``e`` those that are read of it for an image, with

    δ = u − z_w          of its input: beyond what `codesign.costs.stages` holds of it
    δ = u − z_w − 1      of a tensor that stands in for the weights, likewise
    δ = u + lag − z_w    of a residual (a skip connection), which is added to its output
    δ = u − z_w + 2      of what a layer reads that only moves data

and none where δ is 0 (below `LEAST_WAIT`). Network inputs come from DRAM once, results go there
once, and weights that are streamed come once for each band.

    interval_s = max(max cycles / f, DRAM bits / bandwidth)
    latency_s  = interval_s · (1 + max z)

In a hybrid some consecutive layers are one stage, whose array they share; or two such runs of
layers are, each with its array: `codesign.costs.segment`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from codesign.costs.area import array_area_um2, sram_area_um2
from codesign.costs.energy import Rates, mac_j
from codesign.costs.fpga import array_dsp, array_lut
from codesign.costs.layer_energy import rates_of
from codesign.costs.segment import (
    SegmentChoice,
    SegmentDesign,
    SegmentPlatform,
    edge_elements,
    segment_design,
    segment_energy,
    segment_with,
    stage_edges,
)
from codesign.costs.stage_row import StageDesign, StageMemories, Weights
from codesign.costs.stages import StageTable, lag_of, layer_shape, stage_table
from codesign.costs.widths import layer_bops, model_bits, noise
from codesign.specs.accelerator import Accelerator
from codesign.specs.fpga import AnyTechnology, Fpga
from codesign.specs.machine import Machine
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.network import Layer, Network
from codesign.units import UM2_PER_MM2

LEAST_WAIT = 1e-9  # intervals: a shorter one is what rounding leaves
LEAST_PART = 1e-9  # of a block RAM, likewise
ENERGY_PARTS = ("macs", "weights", "lines", "psums", "fifos", "dram", "static")


@dataclass(frozen=True)
class Platform:
    """What stages are built in and fed by.

    Attributes
    ----------
    machine : Machine
        What their cycles hold beside MACs.
    """

    technology: AnyTechnology
    machine: Machine
    area_overhead: float
    clock_hz: float
    dram_bits_per_s: float
    dram_energy_j_per_bit: float | None

    @cached_property
    def entries(self) -> dict[tuple[object, ...], StageTable]:
        """What stages cost that were priced before: a search prices the same over and over."""
        return {}

    def rates(self, area_mm2: float | None) -> tuple[Rates | None, tuple[str, ...]]:
        """Energies per event; None, and why, where one that is needed is not known."""
        one = Accelerator(
            name="a stage",
            rows=1,
            cols=1,
            engine=self.technology.engine,
            pe_weight_bits=1,
            pe_activation_bits=1,
            clock_hz=self.clock_hz,
            dram_bits_per_s=self.dram_bits_per_s,
            dram_energy_j_per_bit=self.dram_energy_j_per_bit,
            technology=self.technology,
        )
        return rates_of(one, area_mm2)

    @property
    def of_segment(self) -> SegmentPlatform:
        """What an array is built in that layers share."""
        rates = self.clock_hz, self.dram_bits_per_s
        return SegmentPlatform(self.technology, self.machine, self.area_overhead, *rates)


class StageChoice(NamedTuple):
    """What is decided of a stage; the first five are None of a layer that only moves data.

    Of a layer on a shared array all of them but its width are.
    """

    weight_bits: int | None
    mapping: ArrayMapping | None
    rows: int | None
    cols: int | None
    weights: Weights | None
    band_rows: int
    start: float


class Read(NamedTuple):
    """A tensor on its way from a stage, or from the network's input, to a stage that reads it.

    Attributes
    ----------
    name : str
        ``tensor``, or ``tensor@layer`` where several layers write it.
    tensor : str
    writer : int or None
        Number of the layer; None of an input of the network.
    reader : int
    elements : float
        That are read of it for an image.
    residual : bool
        It is added to the output.
    least : int
        Intervals that the reader starts after it, at least.
    held : int
        What δ is more than the wait.
    through_dram : bool
        It waits in DRAM, on its way to or from a segment: δ is ``held``, however long that is.
    """

    name: str
    tensor: str
    writer: int | None
    reader: int
    elements: float
    residual: bool
    least: int
    held: int
    through_dram: bool = False


def reads_of(network: Network, segments: Sequence[range] = ()) -> list[Read]:
    """All of a network, by their readers; those inside a segment, which are none, left out.

    A segment reads and writes as its last layer.
    """
    writers: dict[str, list[int]] = {}
    for i, layer in enumerate(network.layers):
        writers.setdefault(layer.output, []).append(i)
    every = [
        read
        for i, layer in enumerate(network.layers)
        for tensor in dict.fromkeys(layer.reads)
        for read in _reads(network, layer, i, tensor, [w for w in writers.get(tensor, ()) if w < i])
    ]
    found = (_across(read, segments) for read in every)
    return sorted((x for x in found if x is not None), key=lambda x: x.reader)


def _across(read: Read, segments: Sequence[range]) -> Read | None:
    """A read as segments have it; None of what is inside of one."""
    into, out_of = segment_with(segments, read.reader), segment_with(segments, read.writer)
    if into is None and out_of is None:
        return read
    if into == out_of:
        return None
    read = read._replace(residual=False, through_dram=True)
    if out_of is not None:
        held = 2 if read.held == 2 else 0  # of a layer that only moves data
        read = read._replace(writer=out_of[-1], least=1 + read.least, held=held)
    if into is not None:  # the network's input is there when its time begins
        read = read._replace(reader=into[-1], least=int(read.writer is not None), held=0)
    return read


def _reads(
    network: Network, layer: Layer, reader: int, tensor: str, writers: Sequence[int]
) -> Iterator[Read]:
    residual = not layer.moves and tensor not in (layer.input, layer.weight_tensor)
    least = int(tensor == layer.weight_tensor)
    held = 2 if layer.moves else -1 if least and tensor != layer.input else 0
    how, touched = (residual, least, held), network.touched(layer, tensor)
    if not writers:
        yield Read(tensor, tensor, None, reader, float(touched), *how)
    written = [network.touched(network.layers[w], tensor) for w in writers]
    for writer, elements in zip(writers, written, strict=True):
        name = tensor if len(writers) == 1 else f"{tensor}@{network.layers[writer].name}"
        yield Read(name, tensor, writer, reader, touched * (elements / sum(written)), *how)


def waits(
    reads: Sequence[Read], starts: Sequence[float], lags: Sequence[float]
) -> list[tuple[Read, float]]:
    """Every read and its δ, in intervals; −1 where the reader starts too early."""
    found = []
    for read in reads:
        written = 0.0 if read.writer is None else starts[read.writer] + lags[read.writer]
        until = starts[read.reader] + (lags[read.reader] if read.residual else 0.0)
        early = until - written < read.least - LEAST_WAIT
        wait = read.held if read.through_dram else until - written + read.held
        found.append((read, -1.0 if early else 0.0 if wait < LEAST_WAIT else wait))
    return found


def memory_metrics(platform: Platform, memories: Sequence[float]) -> dict[str, float]:
    """What memories of so many bits each take: ``area_mm2``, or ``bram``."""
    sizes = [bits for bits in memories if bits > 0]
    if isinstance(platform.technology, Fpga):
        block = platform.technology.bram_bits
        return {"bram": float(sum(math.ceil(x / block - LEAST_PART) for x in sizes))}
    each = (float(sram_area_um2(platform.technology, x)) for x in sizes)
    return {"area_mm2": math.fsum(each) / UM2_PER_MM2}


def array_metrics(
    platform: Platform, rows: int, cols: int, weight_bits: int, activation_bits: int
) -> dict[str, float]:
    """What an array of PEs takes: ``area_mm2``, or ``lut`` and ``dsp``."""
    technology, factor = platform.technology, platform.area_overhead
    array = rows, cols, weight_bits, activation_bits
    if isinstance(technology, Fpga):
        lut = float(array_lut(technology, *array, factor))
        return {"lut": lut, "dsp": float(array_dsp(technology, *array))}
    return {"area_mm2": float(array_area_um2(technology, *array, factor)) / UM2_PER_MM2}


def stages_of(
    network: Network,
    platform: Platform,
    choices: Sequence[StageChoice],
    tensor_bits: Mapping[str, int],
    segments: Sequence[SegmentDesign] = (),
) -> tuple[StageDesign, ...]:
    """Every stage with its figures.

    Parameters
    ----------
    choices : sequence of StageChoice
        One for each layer.
    tensor_bits : mapping of str to int
        Width of every tensor.
    segments : sequence of SegmentDesign
        What layers share an array, and their figures on it.
    """
    spans = spans_of(network, segments)
    lags = [
        0.0 if segment_with(spans, i) else float(lag_of(layer, choice.band_rows))
        for i, (layer, choice) in enumerate(zip(network.layers, choices, strict=True))
    ]
    fifos: list[dict[str, float]] = [{} for _ in choices]
    for read, wait in waits(reads_of(network, spans), [x.start for x in choices], lags):
        if wait > 0:
            fifos[read.reader][read.name] = read.elements * wait * tensor_bits[read.tensor]
    stages = [
        _stage(layer, platform, choice, tensor_bits[layer.input], lag, waiting)
        for layer, choice, lag, waiting in zip(network.layers, choices, lags, fifos, strict=True)
    ]
    for span, segment in zip(spans, segments, strict=True):
        for i, row in zip(span, segment.layers, strict=True):
            stages[i] = replace(stages[i], cycles=row.cycles or 0, dram_bits=row.dram_bits.total)
    return tuple(stages)


def spans_of(network: Network, segments: Sequence[SegmentDesign]) -> tuple[range, ...]:
    """Numbers of the layers of each segment."""
    names = [layer.name for layer in network.layers]
    firsts = [names.index(x.layers[0].name) for x in segments]
    return tuple(range(n, n + len(x.layers)) for n, x in zip(firsts, segments, strict=True))


def segment_of(
    network: Network,
    platform: Platform,
    choices: Sequence[StageChoice],
    tensor_bits: Mapping[str, int],
    choice: SegmentChoice,
) -> SegmentDesign:
    """A segment of a hybrid with its figures."""
    widths = [x.weight_bits for x in choices]
    return segment_design(network, platform.of_segment, choice, widths, tensor_bits)


def _stage(
    layer: Layer,
    platform: Platform,
    choice: StageChoice,
    input_bits: int,
    lag: float,
    fifos: Mapping[str, float],
) -> StageDesign:
    technology = platform.technology
    known = technology.hardware_metrics
    held, cycles, fetched = StageMemories(weights=0, lines=0, psums=0, fifos=fifos), 0, 0
    taken = dict.fromkeys(known, 0.0)
    if choice.weight_bits is not None and choice.rows is not None and choice.cols is not None:
        table, bits = table_of(layer, platform, choice), choice.weight_bits
        psum_bits = bits + input_bits + layer.accumulation_bits
        held = StageMemories(
            weights=float(table.weights[0] * bits),
            lines=float(table.lines[0] * input_bits),
            psums=float(table.psums[0] * psum_bits),
            fifos=fifos,
        )
        cycles, fetched = int(table.cycles[0]), int(table.fetched[0]) * bits
        taken |= array_metrics(platform, choice.rows, choice.cols, bits, input_bits)
    for name, value in memory_metrics(platform, held.every).items():
        taken[name] += value
    return StageDesign(
        name=layer.name,
        **choice._asdict(),
        lag=lag,
        cycles=cycles,
        memory_bits=held,
        dram_bits=fetched,
        taken=taken,
    )


def table_of(layer: Layer, platform: Platform, choice: StageChoice | StageDesign) -> StageTable:
    """The one entry of a stage that multiplies."""
    assert choice.mapping is not None
    assert choice.rows is not None
    assert choice.cols is not None
    stage = choice.mapping, choice.rows, choice.cols, choice.band_rows, choice.weights == "stream"
    key = *layer_shape(layer), *stage
    found = platform.entries.get(key)
    if found is None:
        found = stage_table(layer, platform.machine, platform.technology.engine, *stage)
        platform.entries[key] = found
    return found


def pipeline_metrics(
    network: Network,
    platform: Platform,
    stages: Sequence[StageDesign],
    tensor_bits: Mapping[str, int],
    noise_of: Callable[[str, int], float],
    segments: Sequence[SegmentDesign] = (),
) -> tuple[dict[str, float], tuple[str, ...]]:
    """All metrics of a pipeline or a hybrid, for an image, and why its energy is not known.

    Parameters
    ----------
    noise_of : callable
        Noise of ``"weight:<layer>"`` or ``"tensor:<tensor>"`` at a width.
    """
    spans = spans_of(network, segments)
    dram_bits = float(sum(x.dram_bits for x in stages) + edge_bits(network, tensor_bits, spans))
    alone = [x for i, x in enumerate(stages) if segment_with(spans, i) is None]
    paces = [*(x.cycles / platform.clock_hz for x in alone), *(x.latency_s for x in segments)]
    interval_s = max(*paces, dram_bits / platform.dram_bits_per_s)
    metrics = {
        "interval_s": interval_s,
        "latency_s": interval_s * (1 + max(x.start + x.lag for x in stages)),
        **{
            name: math.fsum([*(x.taken[name] for x in stages), *_shared_parts(segments, name)])
            for name in platform.technology.hardware_metrics
        },
        "dram_bits": dram_bits,
        "noise": noise(network, stages, tensor_bits, noise_of),
        "model_bits": model_bits(network, stages),
        "bops": math.fsum(
            float(layer_bops(layer, x.weight_bits, tensor_bits[layer.input]))
            for layer, x in zip(network.layers, stages, strict=True)
            if x.weight_bits is not None
        ),
    }
    rates, missing = platform.rates(metrics.get("area_mm2"))
    if rates is not None:
        on = network, platform, stages, tensor_bits, rates, interval_s
        parts = pipeline_energy(*on, segments)
        metrics["energy_j"] = math.fsum(math.fsum(x.values()) for x in parts)
    return metrics, missing


def _shared_parts(segments: Sequence[SegmentDesign], name: str) -> list[float]:
    """What shared arrays and their SRAMs take of a metric of the hardware."""
    if name == "area_mm2":
        return [mm2 or 0.0 for x in segments for mm2 in (x.array_mm2, x.sram_mm2)]
    return [x.hardware[name] for x in segments]


def edge_bits(
    network: Network, tensor_bits: Mapping[str, int], segments: Sequence[range] = ()
) -> float:
    """DRAM bits of the network's inputs and results, and to and from segments, for an image."""
    elements = edge_elements(network, segments)
    return sum(count * tensor_bits[name] for name, count in elements.items())


def pipeline_energy(
    network: Network,
    platform: Platform,
    stages: Sequence[StageDesign],
    tensor_bits: Mapping[str, int],
    rates: Rates,
    interval_s: float,
    segments: Sequence[SegmentDesign] = (),
) -> list[dict[str, float]]:
    """Energy of each stage by part (`ENERGY_PARTS`), J for an image; of segments by layer.

    DRAM bits of inputs and results are counted where they are first read, or written; static power
    by what a stage takes of the area, of a segment each of its layers the same.
    """
    shared = _shared_energies(network, platform, segments, rates, tensor_bits)
    spans = spans_of(network, segments)
    areas = [x.taken.get("area_mm2", 0.0) for x in stages]
    for segment, span in zip(segments, spans, strict=True):
        for i in span:
            areas[i] += segment.hardware.get("area_mm2", 0.0) / len(segment.layers)
    area, edges = math.fsum(areas), stage_edges(network, spans)
    waiting: list[dict[str, float]] = [{} for _ in stages]
    for read in reads_of(network, spans):
        waiting[read.reader][read.name] = read.elements * tensor_bits[read.tensor]
    found = []
    for i, (layer, row) in enumerate(zip(network.layers, stages, strict=True)):
        if i in shared:
            parts = shared[i]
        else:
            fifo_bits = math.fsum(waiting[i][name] for name in row.memory_bits.fifos)
            parts = _stage_energy(layer, platform, row, tensor_bits[layer.input], fifo_bits, rates)
            edge = sum(count * tensor_bits[name] for name, count in edges[i].items())
            parts["dram"] = (row.dram_bits + edge) * rates.dram_j_per_bit
        share = areas[i] / area if area else 1 / len(stages)
        parts["static"] = rates.static_w * share * interval_s
        found.append(parts)
    return found


def _shared_energies(
    network: Network,
    platform: Platform,
    segments: Sequence[SegmentDesign],
    rates: Rates,
    tensor_bits: Mapping[str, int],
) -> dict[int, dict[str, float]]:
    """By the number of a layer of a segment."""
    found = dict[int, dict[str, float]]()
    for segment, span in zip(segments, spans_of(network, segments), strict=True):
        each = segment_energy(network, platform.of_segment, segment, rates, tensor_bits)
        found |= zip(span, each, strict=True)
    return found


def _stage_energy(
    layer: Layer,
    platform: Platform,
    row: StageDesign,
    bits: int,
    fifo_bits: float,
    rates: Rates,
) -> dict[str, float]:
    """Of MACs and memories; ``bits`` of an input element, ``fifo_bits`` through all FIFOs."""
    read_j, write_j = rates.sram_read_j_per_bit, rates.sram_write_j_per_bit
    parts = dict.fromkeys(ENERGY_PARTS, 0.0)
    parts["fifos"] = (read_j + write_j) * fifo_bits
    if row.weight_bits is None:
        return parts
    table, skips = table_of(layer, platform, row), platform.machine.zero_skipping
    psum_bits = row.weight_bits + bits + layer.accumulation_bits

    def moved_j(element_bits: int, reads: int, writes: int) -> float:
        return element_bits * (reads * read_j + writes * write_j)

    widths = np.asarray(row.weight_bits), np.asarray(bits)
    parts["macs"] = float(mac_j(layer, *widths, rates, skips))
    reads, writes = int(table.weight_reads[0]), int(table.weight_writes[0])
    parts["weights"] = moved_j(row.weight_bits, reads, writes)
    parts["lines"] = moved_j(bits, int(table.line_reads[0]), layer.ifmap)
    parts["psums"] = moved_j(psum_bits, int(table.psum_reads[0]), int(table.psum_writes[0]))
    return parts
