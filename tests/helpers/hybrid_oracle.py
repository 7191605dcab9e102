"""Plain enumeration of every hybrid of a tiny problem: one run of layers or two share an array.

Written from the model's page, upon the enumerations of pipelines (`dataflow_oracle`) and of tilings
(`oracle_tilings`). Every segment, every array and PE for it, and every SRAM that a tiling needs is
looked at; of the tilings that fit, a layer takes the one that moves least, which is as good in all.
A segment stands among the stages as one more, of as many cycles as its seconds are worth; of its
layers' stages nothing is left.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product

import oracle
import oracle_tilings
from dataflow_oracle import Base, Group, bases_from, names, undominated, waits_of
from enumerated_energy import Way, ways_of
from oracle import width_metrics
from oracle_machine import machine_cycles
from oracle_stages import Priced, Stage, array_cost, lag, memory_cost, price, stages_on_offer
from oracle_waits import Read, network_reads
from oracle_widths import all_widths, layer_widths, results, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.specs.network import Network

IN_SEGMENT = Stage(None, None, None, None, 0)


Segments = tuple[range, ...]


def segments(network: Network, most: int = 2) -> list[Segments]:
    """Every run of layers from one with MACs to another, unless it has all of those; every two."""
    macs = [i for i, layer in enumerate(network.layers) if not layer.moves]
    runs = [range(a, b + 1) for a in macs for b in macs if a <= b]
    alone: list[Segments] = [(x,) for x in runs if not {*macs} <= {*x}]
    two: list[Segments] = [(x, y) for x in runs for y in runs if x[-1] < y[0]]
    return alone + two * (most > 1)


def of(every: Segments, layer: int | None) -> range | None:
    """The segment that a layer is in."""
    return next((x for x in every if layer is not None and layer in x), None)


def hybrid_reads(network: Network, every: Segments) -> list[Read]:
    """Reads of a network whose segments are stages, each numbered as its last layer."""
    found = []
    for read in network_reads(network):
        into, out_of = of(every, read.reader), of(every, read.writer)
        crossing = read._replace(residual=False, held=0, stored=True)
        if into is None and out_of is None:
            found.append(read)
        elif into is not None and out_of is not None:
            if into != out_of:
                found.append(crossing._replace(writer=out_of[-1], reader=into[-1], after=1))
        elif into is not None and read.writer is not None:
            found.append(crossing._replace(reader=into[-1], after=1))
        elif out_of is not None:
            found.append(crossing._replace(writer=out_of[-1], after=1 + read.after))
    return found


def all_hybrids(problem: Problem) -> list[Group]:
    """Every hybrid, whatever the budgets."""
    every = segments(problem.network, problem.choices.segments)
    return [group for each in every for group in of_segments(problem, each)]


def of_segments(problem: Problem, every: Segments) -> Iterator[Group]:
    """All hybrids of one segment or two."""
    network, alone = problem.network, [Stage(None, None, None, None, 1)]
    inside, nought = {i for x in every for i in x}, (0.0,) * len(names(problem))
    offered = [
        alone if i in inside else list(stages_on_offer(problem, layer))
        for i, layer in enumerate(network.layers)
    ]
    ways = list(zip(network.layers, offered, strict=True))
    reads, waits = hybrid_reads(network, every), dict[object, object]()
    behind = [
        [lag(x, x.P) * 0] if i in inside else sorted({lag(x, s.band_rows) for s in stages})
        for i, (x, stages) in enumerate(ways)
    ]

    @cache
    def priced(n: int, bw: int, ba: int, late: object) -> list[Priced]:
        layer, stages = ways[n]
        if n in inside:
            return [Priced(IN_SEGMENT, 0, 0, nought, 0.0)]
        here = [stage for stage in stages if lag(layer, stage.band_rows) == late]
        return undominated([price(problem, layer, stage, bw, ba) for stage in here])

    for widths in all_widths(problem):
        bits = {name: tensor_bits(problem, widths, name) for name in network.tensors}
        shared = [undominated(shared_arrays(problem, x, widths)) for x in every]
        if not all(shared):
            continue
        held = Priced(IN_SEGMENT, 0, 0, *_held(problem, every, bits))
        for lags in product(*behind):
            each = [
                priced(n, *layer_widths(layer, widths), late)
                for n, (layer, late) in enumerate(zip(network.layers, lags, strict=True))
            ]
            at = lags, tuple(bits[x.tensor] for x in reads)
            if at not in waits:
                waits[at] = waits_of(problem, reads, lags, bits)
            moved = float(edge_bits(network, every, bits))
            nothing = Base(0, moved, nought, 0.0, ())
            bases = bases_from(nothing, [*each, *shared, [held]])
            yield Group(widths, width_metrics(problem, widths), waits[at], bases, reads)


def edge_bits(network: Network, every: Segments, bits: Mapping[str, int]) -> float:
    """What stages move from and to DRAM beside weights."""
    layers, found = network.layers, 0.0
    stages = [i for i in range(len(layers)) if of(every, i) is None]
    written = {layer.output for layer in layers}
    for name in {*network.tensors} - written:
        if any(name in layers[i].reads for i in stages):
            found += network.tensors[name] * bits[name]
    for i in stages:
        name = layers[i].output
        fed = any(i < x and name in layers[x].reads for segment in every for x in segment)
        if fed or name in results(network):
            found += oracle.elements(network, layers[i], name) * bits[name]
    for read in network_reads(network):
        if of(every, read.writer) is not None and of(every, read.reader) is None:
            found += float(read.elements) * bits[read.tensor]
    return found


def _held(
    problem: Problem, every: Segments, bits: Mapping[str, int]
) -> tuple[tuple[float, ...], float]:
    """Of two images of what layers that only move data fetch of segments': area, and energy."""
    taken, through, given = (0.0,) * len(names(problem)), 0.0, problem.technology.energy
    for read in network_reads(problem.network):
        crosses = of(every, read.writer) is not None and of(every, read.reader) is None
        if crosses and problem.network.layers[read.reader].moves:
            each = memory_cost(problem, float(2 * read.elements * bits[read.tensor]))
            taken = tuple(map(operator.add, taken, each))
            through += float(read.elements * bits[read.tensor])
    if given is None:
        return taken, 0.0
    return taken, through * (given.sram_read_j_per_bit + given.sram_write_j_per_bit)


def shared_arrays(problem: Problem, segment: range, widths: Mapping[str, int]) -> Iterator[Priced]:
    """A segment on every array, PE and SRAM; cycles are its seconds times the clock."""
    if problem.technology.energy is not None and problem.dram_energy_j_per_bit is not None:
        yield from _with_energy(problem, segment, widths)
        return
    network, choices, engine = problem.network, problem.choices, problem.technology.engine
    layers = [network.layers[i] for i in segment]
    fixed = [sum(oracle.output_and_residual_bits(problem, x, widths)) for x in layers]
    for option in oracle.hardware_options(problem):
        mapping, tables, own = option.mapping[0], [], []
        for layer in layers:
            bw, ba = layer_widths(layer, widths)
            costs = []
            if not layer.moves:
                if bw > option.pe_weight_bits or ba > option.pe_activation_bits:
                    break
                on = option.rows, option.cols, engine, mapping
                costs = oracle_tilings.layer_costs(layer, *on, choices.zero_skipping)
            tables.append(oracle_tilings.best_tilings(layer, costs, bw, ba))
            cycles = 0
            if not layer.moves:
                cycles = machine_cycles(choices, layer, option.rows, option.cols, engine, mapping)
            own.append(cycles / problem.clock_hz)
        else:
            yield from _in_srams(problem, option, fixed, tables, own)


def _in_srams(
    problem: Problem,
    option: oracle.HardwareOption,
    fixed: Sequence[int],
    tables: Sequence[oracle_tilings.Tilings],
    own: Sequence[float],
) -> Iterator[Priced]:
    least = max(table[0][0] for table in tables)
    for sram_bits in sorted({need for table in tables for need, _ in table if need >= least}):
        moved = [oracle_tilings.least_traffic(table, sram_bits) for table in tables]
        bits = [a + b for a, b in zip(moved, fixed, strict=True)]
        taken = [max(s, b / problem.dram_bits_per_s) for s, b in zip(own, bits, strict=True)]
        stage = Stage(option.mapping[0], option.rows, option.cols, None, sram_bits)
        hardware = _hardware(problem, option, sram_bits)
        yield Priced(stage, sum(taken) * problem.clock_hz, sum(bits), hardware, 0.0)


def _hardware(problem: Problem, option: oracle.HardwareOption, sram_bits: int) -> tuple[float, ...]:
    """What an array and its SRAM take: area, or LUTs, DSP blocks and block RAMs."""
    if not isinstance(problem.technology, Fpga):
        return (oracle.area_mm2(problem, option, sram_bits),)
    widths = option.pe_weight_bits, option.pe_activation_bits
    pes = array_cost(problem, option.rows, option.cols, *widths)
    return tuple(map(operator.add, pes, memory_cost(problem, sram_bits)))


def _with_energy(problem: Problem, segment: range, widths: Mapping[str, int]) -> Iterator[Priced]:
    """The same, of tilings that may be better in energy and worse in traffic; by SRAM."""
    layers, known = [problem.network.layers[i] for i in segment], dict[tuple[object, ...], list]()
    for option in oracle.hardware_options(problem):
        mapping = option.mapping[0]
        on = widths, frozenset[str](), 0, mapping
        ways = [_best_ways(ways_of(problem, known, option, layer, *on)) for layer in layers]
        if not all(ways):
            continue
        least = max(min(x.need for x in each) for each in ways)
        for sram_bits in sorted({x.need for each in ways for x in each if x.need >= least}):
            stage = Stage(mapping, option.rows, option.cols, None, sram_bits)
            found = [Priced(stage, 0.0, 0, _hardware(problem, option, sram_bits), 0.0)]
            for each in ways:
                fits = [x for x in each if x.need <= sram_bits]
                found = undominated([_after(problem, so_far, x) for so_far in found for x in fits])
            yield from found


def _best_ways(ways: Iterator[Way]) -> list[Way]:
    """Those to which no other is as good in all; of equal ones one."""
    kept: list[Way] = []
    for one in sorted({*ways}):
        if not any(all(map(operator.le, x, one)) for x in kept):
            kept.append(one)
    return kept


def _after(problem: Problem, so_far: Priced, way: Way) -> Priced:
    """A segment with one layer more."""
    per_bit = problem.dram_energy_j_per_bit or 0.0
    return so_far._replace(
        cycles=so_far.cycles + way.latency_s * problem.clock_hz,
        dram_bits=so_far.dram_bits + way.dram_bits,
        energy_j=so_far.energy_j + way.energy_j - way.dram_bits * per_bit,
    )
