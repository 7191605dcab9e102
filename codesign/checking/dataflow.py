"""A file of a pipeline, or a hybrid: stages, what waits between them, totals, all recomputed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.cost_model import Array
from codesign.checking.digest import check_digest
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, Network
from codesign.checking.problem import INTERVAL, MOST_SIDE, Problem, read_problem
from codesign.checking.proof import check_architectures, check_proof, check_solver
from codesign.checking.segment import (
    Segment,
    check_segment,
    check_starts,
    edge_bits,
    read_spans,
    segment_entries,
    segment_j,
    within,
)
from codesign.checking.stages import (
    Stage,
    bands,
    block_rams,
    folds_evenly,
    held_bits,
    keeps_given,
    lag,
    stage_j,
    streamed_bits,
    taken_terms,
)
from codesign.checking.technology import Fpga
from codesign.checking.widths import (
    check_metrics,
    check_operand_bits,
    check_shared_weights,
    check_tensor_bits,
    check_weight_bits,
    read_rows,
    width_metrics,
)

FORMAT = "codesign-dataflow/1"
KEYS = (
    *("format", "problem", "tensor_bits", "layers", "metrics", "throughput", "proof", "solver"),
    *("architectures", "segment", "segments", "sha256"),
)
ROW = (
    *("name", "weight_bits", "mapping", "rows", "cols", "weights", "band_rows", "start", "lag"),
    *("cycles", "memory_bits", "dram_bits", "taken"),
)
OF_ARRAYS = ("mapping", "rows", "cols", "weights")
COUNTS = ("options", "intervals", "programmes")
LEAST_WAIT = Fraction(1, 10**9)  # intervals
MOST_START = 10**6


class Read(NamedTuple):
    """A tensor from the layer that writes (a part of) it, or from DRAM, to one that reads it.

    Attributes
    ----------
    name : str
        Of its FIFO: the tensor's, with ``@`` and the writer's where several have written it.
    elements : Fraction
    after : int
        Intervals by which the reader starts later at least.
    until_output : bool
        It waits until the reader's output, as a residual does.
    images : int
        That wait beside what comes before the reader's start.
    stored : bool
        It waits in DRAM, on its way to or from a segment, but for so many images.
    """

    name: str
    tensor: str
    writer: int | None
    reader: int
    elements: Fraction
    after: int
    until_output: bool
    images: int
    stored: bool = False


def check_dataflow(file: Entry) -> Problem:
    """Compare every figure of the file of a pipeline; returns its problem."""
    file.known_keys(KEYS)
    problem = read_problem(file["problem"])
    network, given = problem.network, segment_entries(file)
    spans = read_spans(given, network, problem.choices.segments)
    mine = "hybrid" if spans else "dataflow"
    if mine not in problem.choices.architecture:
        file["problem"]["choices"].get("architecture", None).fault(f"{mine} among them")
    check_proof(file["proof"], file["metrics"], problem.objective, file["solver"])
    check_solver(file["solver"], ("seconds",), COUNTS, "method")
    file["solver"]["method"].text(("search", "whole"))
    tensor_bits = check_tensor_bits(file["tensor_bits"], problem)
    rows = read_rows(file["layers"], network)
    pairs = zip(given, spans, strict=True)
    segments = [check_segment(entry, problem, span, tensor_bits) for entry, span in pairs]
    stages = [
        _read_stage(row, layer, problem, tensor_bits, within(spans, i) is None)
        for i, (layer, row) in enumerate(rows)
    ]
    operand_bits = [stage.bw for stage in stages]
    check_shared_weights(file["layers"], network, operand_bits)
    check_weight_bits(file["layers"], problem, operand_bits, tensor_bits)
    for span in spans:
        check_starts([row for _, row in rows], span)
    lags = [
        lag(layer, x.band_rows) if within(spans, i) is None else Fraction(0)
        for i, ((layer, _), x) in enumerate(zip(rows, stages, strict=True))
    ]
    fifos = _waiting(rows, network, lags, tensor_bits, spans)
    each = [
        _check_row(row, layer, problem, stage, behind, waiting)
        for (layer, row), stage, behind, waiting in zip(rows, stages, lags, fifos, strict=True)
    ]
    for segment in segments:
        each = _check_shared(rows, segment, each)
    expected, terms = _totals(rows, problem, stages, tensor_bits, each, segments)
    metrics = check_metrics(file["metrics"], expected, problem, terms)
    throughput = file["throughput"]
    throughput.known_keys(("images_per_s",))
    rate = throughput["images_per_s"]
    file.ledger.close(rate.where, rate.figure(), 1 / metrics[INTERVAL])
    offered, tried = problem.choices.architecture, file.get("architectures", None)
    if tried.value is not None or len(offered) > 1:
        check_architectures(tried, offered, mine, file["proof"], offered)
    check_digest(file)
    return problem


def _read_stage(
    row: Entry, layer: Layer, problem: Problem, bits: Mapping[str, int], alone: bool
) -> Stage:
    """What is decided of a stage, held to what is on offer; a layer of a segment has no more."""
    row.known_keys(ROW)
    bw, ledger = check_operand_bits(row, layer, bits), row.ledger
    if layer.moves or not alone:
        for key in OF_ARRAYS:
            ledger.same(row[key].where, row[key].value, None)
        ledger.same(row["band_rows"].where, row["band_rows"].value, layer.P)
        return Stage(None, bw, bits[layer.input], False, layer.P)
    choices = problem.choices
    offered = {"rows": choices.rows, "cols": choices.cols}
    sides = {key: row[key].whole(1, MOST_SIDE) for key in offered}
    for key, size in sides.items():
        ledger.holds(row[key].where, size in offered[key], size, f"one of {offered[key]}")
    square = not choices.square or sides["rows"] == sides["cols"]
    shape = f"{sides['rows']} × {sides['cols']}"
    ledger.holds(row.where, square, shape, "a square array")
    machine, engine = choices.machine, problem.technology.engine
    mapping = row["mapping"].text(machine.mapping)
    array = Array(sides["rows"], sides["cols"], engine, mapping, machine.skips_zeros)
    if isinstance(problem.technology, Fpga):
        even = folds_evenly(layer, array)
        ledger.holds(row.where, even, shape, "an array that divides the layer's channels")
    places = ("chip", "stream") if layer.uses_weights else ("chip",)
    streams, heights = row["weights"].text(places) == "stream", bands(layer, array)
    p = row["band_rows"].whole(1, layer.P)
    ledger.holds(row["band_rows"].where, p in heights, p, f"one of {heights}")
    for key, told in choices.stages.get(layer.name, {}).items():
        kept = keeps_given({key: told}, **{key: row[key].value})
        ledger.holds(row[key].where, kept, row[key].value, f"{told}, as is given")
    return Stage(array, bw, bits[layer.input], streams, p)


def reads(network: Network, spans: Sequence[range]) -> list[Read]:
    """Every read of a network; of a tensor that is not complete, of the layers that wrote by then.

    Each has its share of what is read. Those inside a segment are none; others of it wait in DRAM.
    """
    found = []
    for read in _all_reads(network):
        into, out_of = within(spans, read.reader), within(spans, read.writer)
        if into is None and out_of is None:
            found.append(read)
        elif into is not None and into != out_of and read.writer is not None:
            found.append(read._replace(after=1, until_output=False, images=0, stored=True))
        elif into is None:
            after, images = read.after + 1, 2 if network.layers[read.reader].moves else 0
            found.append(read._replace(after=after, until_output=False, images=images, stored=True))
    return found


def _all_reads(network: Network) -> list[Read]:
    found: list[Read] = []
    written: dict[str, list[int]] = {}
    for n, layer in enumerate(network.layers):
        for tensor in dict.fromkeys(layer.reads):
            whole = tensor == layer.weight_tensor
            before = -1 if whole and tensor != layer.input else 0
            operand = layer.moves or tensor in (layer.input, layer.weight_tensor)
            how = int(whole), not operand, 2 if layer.moves else before
            touched, by = network.touched(layer, tensor), written.get(tensor, [])
            sizes = [network.touched(network.layers[w], tensor) for w in by]
            if not by:
                found.append(Read(tensor, tensor, None, n, Fraction(touched), *how))
            for w, size in zip(by, sizes, strict=True):
                name = tensor if len(by) == 1 else f"{tensor}@{network.layers[w].name}"
                elements = Fraction(touched * size, sum(sizes))
                found.append(Read(name, tensor, w, n, elements, *how))
        written.setdefault(layer.output, []).append(n)
    return found


def _waiting(
    rows: Sequence[tuple[Layer, Entry]],
    network: Network,
    lags: Sequence[Fraction],
    tensor_bits: Mapping[str, int],
    spans: Sequence[range],
) -> list[dict[str, tuple[Fraction, ...]]]:
    """Of each stage the FIFOs, by name: terms of their bits. Starts are held to what is read."""
    starts = [row["start"].figure() for _, row in rows]
    found: list[dict[str, tuple[Fraction, ...]]] = [{} for _ in rows]
    for read in reads(network, spans):
        ready = Fraction(0) if read.writer is None else starts[read.writer] + lags[read.writer]
        start, entry = starts[read.reader], rows[read.reader][1]["start"]
        there = f"at least {float(ready + read.after):g}, when tensor {read.tensor!r} is there"
        right = start - ready - read.after >= -LEAST_WAIT
        entry.ledger.holds(entry.where, right, start, there)
        if read.stored:
            start, ready = Fraction(0), Fraction(0)
        until = start + (lags[read.reader] if read.until_output else 0) + read.images
        if until - ready >= LEAST_WAIT:
            bits = read.elements * tensor_bits[read.tensor]
            found[read.reader][read.name] = (bits * until, -bits * ready)
    return found


class Row(NamedTuple):
    """What a stage adds to the totals; ``block_rams`` as the file has them where they are right."""

    cycles: int
    dram_bits: int
    end: Fraction
    terms: dict[str, tuple[Fraction, ...]]
    block_rams: Fraction
    fifos: tuple[str, ...]


def _check_row(
    row: Entry,
    layer: Layer,
    problem: Problem,
    stage: Stage,
    behind: Fraction,
    fifos: Mapping[str, Sequence[Fraction]],
) -> Row:
    """Compare the figures of a stage; of a layer of a segment but what it takes of its array."""
    ledger, machine, alone = row.ledger, problem.choices.machine, stage.array is not None
    held, dram_bits = held_bits(layer, stage), streamed_bits(layer, stage)
    ledger.close(row["lag"].where, row["lag"].figure(), behind)
    cycles = 0 if stage.array is None else machine.cycles(layer, stage.array)
    if alone or (layer.moves and behind):
        ledger.same(row["cycles"].where, row["cycles"].value, cycles)
        ledger.same(row["dram_bits"].where, row["dram_bits"].value, dram_bits)
    memory = row["memory_bits"]
    memory.known_keys((*held._fields, "fifos"))
    for name, bits in held._asdict().items():
        ledger.close(memory[name].where, memory[name].figure(), Fraction(bits))
    memory["fifos"].known_keys(fifos)
    for name, bits in fifos.items():
        given = memory["fifos"][name]
        ledger.close(given.where, given.figure(), sum(bits, Fraction(0)), bits)
    sizes = [(Fraction(bits),) for bits in held if bits]
    memories: list[Sequence[Fraction]] = [*sizes, *fifos.values()]
    terms = taken_terms(problem.technology, problem.area_overhead, stage, memories)
    return Row(
        cycles=cycles,
        dram_bits=dram_bits,
        end=row["start"].figure() + behind,
        terms=terms,
        block_rams=_check_taken(row["taken"], problem, terms, memories),
        fifos=tuple(fifos),
    )


def _check_shared(
    rows: Sequence[tuple[Layer, Entry]], segment: Segment, each: Sequence[Row]
) -> list[Row]:
    """Compare what stages of a segment's layers say with what their rows on its array do."""
    found = [*each]
    for n, i in enumerate(segment.span):
        layer, row = rows[i]
        for key, of in (("cycles", segment.cycles), ("dram_bits", segment.dram_bits)):
            row.ledger.same(row[key].where, row[key].value, of[n])
        if not layer.moves:
            given = row["weight_bits"]
            row.ledger.same(given.where, given.value, segment.weight_bits[n])
        found[i] = each[i]._replace(cycles=segment.cycles[n], dram_bits=segment.dram_bits[n])
    return found


def _check_taken(
    entry: Entry,
    problem: Problem,
    terms: Mapping[str, Sequence[Fraction]],
    memories: Sequence[Sequence[Fraction]],
) -> Fraction:
    """Compare what a stage takes of the hardware; its block RAMs, on silicon 0."""
    technology = problem.technology
    entry.known_keys((*terms, "bram") if isinstance(technology, Fpga) else terms)
    for name, each in terms.items():
        entry.ledger.close(entry[name].where, entry[name].figure(), sum(each, Fraction(0)), each)
    if not isinstance(technology, Fpga):
        return Fraction(0)
    sizes = [block_rams(technology.block_bits, sum(x, Fraction(0))) for x in memories]
    least, most = (sum(x) for x in zip(*sizes, strict=True)) if sizes else (0, 0)
    given, found = entry["bram"], entry["bram"].figure()
    right = least <= found <= most and found.denominator == 1
    entry.ledger.holds(given.where, right, found, str(most))
    return found if right else Fraction(most)


def _totals(
    rows: Sequence[tuple[Layer, Entry]],
    problem: Problem,
    stages: Sequence[Stage],
    tensor_bits: Mapping[str, int],
    each: Sequence[Row],
    segments: Sequence[Segment],
) -> tuple[dict[str, Fraction], dict[str, list[Fraction]]]:
    """All metrics, and the terms of those of the hardware."""
    network, spans = problem.network, [x.span for x in segments]
    dram_bits = sum(x.dram_bits for x in each) + edge_bits(network, spans, tensor_bits)
    alone = [x.cycles for i, x in enumerate(each) if within(spans, i) is None]
    paces = [max(alone, default=0) / problem.clock_hz, *(x.latency_s for x in segments)]
    interval_s = max(*paces, dram_bits / problem.dram_bits_per_s)
    terms: dict[str, list[Fraction]] = {}
    for name in each[0].terms:
        terms[name] = [x for row in each for x in row.terms[name]]
    for segment in segments:
        for name in terms:
            terms[name] += segment.terms[name]
    expected = {name: sum(of, Fraction(0)) for name, of in terms.items()}
    if isinstance(problem.technology, Fpga):
        blocks = [*(x.block_rams for x in each), *(x.block_rams for x in segments)]
        expected["bram"] = sum(blocks, Fraction(0))
    expected |= {
        INTERVAL: interval_s,
        "latency_s": interval_s * (1 + max(x.end for x in each)),
        "dram_bits": Fraction(dram_bits),
        **width_metrics(network, [x.bw for x in stages], tensor_bits, problem.noise_of),
    }
    energies = problem.energies(expected.get("area_mm2"))
    if energies is not None:
        spent = energies.dram * dram_bits + energies.static_w * interval_s
        for i, ((layer, _), stage) in enumerate(zip(rows, stages, strict=True)):
            if within(spans, i) is None:
                spent += stage_j(layer, stage, problem.choices.machine, energies)
        for segment in segments:
            spent += segment_j(segment, network, tensor_bits, energies)
        for read in reads(network, spans):
            if read.name in each[read.reader].fifos:
                through = read.elements * tensor_bits[read.tensor]
                spent += (energies.read + energies.write) * through
        expected["energy_j"] = spent
    return expected, terms
