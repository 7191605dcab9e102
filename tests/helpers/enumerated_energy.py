"""Plain enumeration of designs by energy, for tiny problems: every tiling, not the best by traffic.

Written from the model's page alone, as `oracle`, whose widths, hardware and tiles it goes through.
Bits that the SRAM reads and writes for each tiling are counted here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple, TypeVar

import oracle
from oracle import HardwareOption
from oracle_bands import Places, all_places, in_step, inside, row_elements, run_need, run_traffic
from oracle_machine import ceil_div, computed_macs, in_turn, phases, sum_turns
from oracle_on_chip import live_bits
from oracle_stored import in_dram
from oracle_tilings import Cost, in_buffers, layer_costs, reduction_bits, rows_in, shared_bits
from oracle_widths import all_widths, layer_widths, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.network import Layer

METRICS = (*oracle.METRICS, "energy_j")

Costs = TypeVar("Costs", bound=tuple[float, ...])


class Way(NamedTuple):
    """A tiling of a layer in a mapping, or a fused run: its SRAM need with what stays; costs."""

    need: int
    latency_s: float
    dram_bits: int
    energy_j: float  # without static power


class EnergyPoint(NamedTuple):
    """One design; its metrics by name."""

    metrics: Mapping[str, float]
    hardware: HardwareOption
    sram_bits: int


def energy_points(problem: Problem) -> Iterator[EnergyPoint]:
    """Every design of which no other of its hardware, widths, places and SRAM is as good."""
    given = problem.technology.energy
    assert given is not None
    of_tilings: dict[tuple[object, ...], list[Cost]] = {}
    for widths in all_widths(problem):
        of_widths = oracle.width_metrics(problem, widths)
        for hardware in oracle.hardware_options(problem):
            for places in all_places(problem):
                layers = _ways(problem, of_tilings, hardware, widths, places)
                if not all(layers):
                    continue
                smallest = max(1, *(min(way.need for way in ways) for ways in layers))
                needs = {way.need for ways in layers for way in ways if way.need >= smallest}
                layers = [_kept({*ways}) for ways in layers]
                for sram_bits in oracle.on_offer(problem, needs, smallest):
                    area = oracle.area_mm2(problem, hardware, sram_bits)
                    static_w = (given.static_w or 0) + (given.static_w_per_mm2 or 0) * area
                    for total in _totals(layers, sram_bits, static_w):
                        values = (total[0], area, float(total[1]), *of_widths, total[2])
                        named = dict(zip(METRICS, values, strict=True))
                        yield EnergyPoint(named, hardware, sram_bits)


def _totals(
    layers: list[list[Way]], sram_bits: int, static_w: float
) -> list[tuple[float, int, float]]:
    """Latency, DRAM bits and energy of every choice of tilings that none is as good as."""
    totals = [(0.0, 0, 0.0)]
    for ways in layers:
        own = {
            (way.latency_s, way.dram_bits, way.energy_j + static_w * way.latency_s)
            for way in ways
            if way.need <= sram_bits
        }
        added = {tuple(map(sum, zip(a, b, strict=True))) for a, b in product(totals, _kept(own))}
        totals = _kept(added)  # type: ignore[assignment]
    return totals


def _kept(costs: set[Costs]) -> list[Costs]:
    """Those that no other is as good as in everything."""
    kept: list[Costs] = []
    for mine in sorted(costs):
        if not any(all(x <= y for x, y in zip(other, mine, strict=True)) for other in kept):
            kept.append(mine)
    return kept


def _ways(
    problem: Problem,
    of_tilings: dict[tuple[object, ...], list[Cost]],
    hardware: HardwareOption,
    widths: Mapping[str, int],
    places: Places,
) -> list[list[Way]]:
    """The ways to run each layer that is not fused, then each run; none where one does not run."""
    on_chip, _, runs = places
    live = live_bits(problem, widths, on_chip, runs)
    found = [
        [
            way
            for mapping in (hardware.mapping[:1] if layer.moves else hardware.mapping)
            for way in ways_of(
                problem, of_tilings, hardware, layer, widths, on_chip, live[i], mapping
            )
        ]
        for i, layer in enumerate(problem.network.layers)
        if not any(i in run for run in runs)
    ]
    for run in runs:
        found.append(_ways_of_run(problem, hardware, run, widths, on_chip, live[run[0]]))
    return found


def _ways_of_run(
    problem: Problem,
    hardware: HardwareOption,
    run: range,
    widths: Mapping[str, int],
    on_chip: frozenset[str],
    beside: int,
) -> list[Way]:
    """The only way of a fused run, if its layers run: row by row, each in its fastest mapping."""
    given, network = problem.technology.energy, problem.network
    assert given is not None
    all_cycles, energy_j, dram_bits = 0, 0.0, 0
    every = zip(run, run_traffic(problem, run, widths, on_chip), strict=True)
    for i, moved in every:
        layer = network.layers[i]
        bw, ba = layer_widths(layer, widths)
        each = [
            (oracle.layer_cycles(problem, layer, hardware, bw, ba, mapping), mapping)
            for mapping in hardware.mapping
        ]
        if None in (cycles for cycles, _ in each):
            return []
        cycles, mapping = min(each)  # type: ignore[type-var]
        all_cycles += cycles or 0
        dram_bits += sum(moved.values())
        read, written = _accessed_in_run(problem, hardware, run, i, widths, on_chip, mapping, moved)
        energy_j += (given.j_per_bop or 0) * oracle.layer_bops(layer, bw, ba)
        energy_j += (given.j_per_mac or 0) * _macs(layer)
        energy_j += read * (given.sram_read_j_per_bit or 0)
        energy_j += written * (given.sram_write_j_per_bit or 0)
    energy_j += dram_bits * (problem.dram_energy_j_per_bit or 0)
    latency_s = oracle.latency_of(problem, all_cycles / problem.clock_hz, dram_bits)
    need = run_need(problem, run, widths, on_chip) + beside
    return [Way(need, latency_s, dram_bits, energy_j)]


def _accessed_in_run(
    problem: Problem,
    hardware: HardwareOption,
    run: range,
    i: int,
    widths: Mapping[str, int],
    on_chip: frozenset[str],
    mapping: str,
    moved: Mapping[str, int],
) -> tuple[float, float]:
    """SRAM bits that a layer of a run reads and writes: weights and input rows for each row."""
    layer, head = problem.network.layers[i], problem.network.layers[run[0]]
    bw, ba = layer_widths(layer, widths)
    rows, outputs = layer.N * layer.P, layer.N * layer.G * layer.K * layer.P * layer.Q
    each_row = ceil_div(layer.Q, hardware.rows) if mapping == "output" else 1
    weights = layer.G * layer.K * layer.C * layer.R * layer.S * bw
    times = _times(problem, hardware, layer, mapping, (bw, ba))
    sums = outputs * (bw + ba + reduction_bits(layer))
    whole = head.input not in head.parts and head.input not in layer.parts
    there = {*on_chip, *inside(problem.network, run)}
    if whole and in_step(problem.network, run[0], i):
        there.add(head.input)
    added = sum(_bits(problem, layer, widths, name) for name in layer.residuals if name in there)
    ifmap = rows * rows_in(layer, 1) * row_elements(layer) * ba * ceil_div(layer.K, hardware.cols)
    read = rows * weights * each_row + ifmap + (times - 1) * sums + moved["output"] + added
    return read, moved["weights"] + moved["ifmap"] + times * sums


def _macs(layer: Layer) -> int:
    return layer.N * layer.G * layer.K * layer.C * layer.R * layer.S * layer.P * layer.Q


def _times(
    problem: Problem, hardware: HardwareOption, layer: Layer, mapping: str, bits: tuple[int, int]
) -> int:
    """How often sums over the reduction go to the SRAM, of PEs split as widths allow."""
    engine = oracle.engine_at(problem, hardware, *bits)
    if mapping == "output":
        return 1
    return sum_turns(layer, layer.R * layer.S, hardware.rows, engine, mapping)


def ways_of(
    problem: Problem,
    of_tilings: dict[tuple[object, ...], list[Cost]],
    hardware: HardwareOption,
    layer: Layer,
    widths: Mapping[str, int],
    on_chip: frozenset[str],
    beside: int,
    mapping: str,
) -> Iterator[Way]:
    """A layer by itself on an array, in each of its tilings."""
    bw, ba = layer_widths(layer, widths)
    cycles = oracle.layer_cycles(problem, layer, hardware, bw, ba, mapping)
    if cycles is None:
        return
    stored = problem.network, problem.choices.stored_channels
    output, residual = _moved_beside(problem, layer, widths, on_chip)
    held = sum(_bits(problem, layer, widths, name) for name in layer.residuals if name in on_chip)
    stays = layer.weight_tensor in on_chip, layer.input in on_chip
    fetched = (0 if stays[0] else bw), (0 if stays[1] else ba), bw + ba + reduction_bits(layer)
    given, engine = problem.technology.energy, oracle.engine_at(problem, hardware, bw, ba)
    assert given is not None
    if layer.moves:
        size = layer.N * layer.G * layer.C * layer.H * layer.W * ba
        moved = 0 if stays[1] else in_dram(*stored, layer.input, size // ba) * ba
        kept = _bits(problem, layer, widths, layer.output) if layer.output in on_chip else 0
        read, written = held + size * stays[1], kept
        ways = [(0, (0, moved, 0), read, written)]
    else:
        ways = []
        key = layer.name, hardware.rows, hardware.cols, engine, mapping
        if key not in of_tilings:
            of_tilings[key] = layer_costs(layer, *key[1:], problem.choices.zero_skipping)
        for cost in of_tilings[key]:
            if in_buffers(cost, fetched, problem.choices.buffers):
                cost = cost._replace(
                    moved_weights=in_dram(*stored, layer.weight_tensor, cost.moved_weights),
                    moved_ifmap=in_dram(*stored, layer.input, cost.moved_ifmap),
                )
                moved_bits = _moved(cost, fetched)
                on = layer, hardware, engine, mapping, (bw, ba)
                skips = problem.choices.zero_skipping
                read, written = accessed(*on, moved_bits, stays, skips)
                need = shared_bits(cost, fetched, problem.choices.buffers)
                ways.append((need, moved_bits, read + held + output, written))
    macs_j = 0.0
    if not layer.moves:
        macs = computed_macs(layer, problem.choices.zero_skipping)
        macs_j = (given.j_per_bop or 0) * oracle.layer_bops(layer, bw, ba) * macs / _macs(layer)
        macs_j += (given.j_per_mac or 0) * macs
    for need, moved_of, read, written in ways:
        dram_bits = sum(moved_of) + output + residual
        energy_j = macs_j + dram_bits * (problem.dram_energy_j_per_bit or 0)
        energy_j += read * (given.sram_read_j_per_bit or 0)
        energy_j += written * (given.sram_write_j_per_bit or 0)
        own_s, port = cycles / problem.clock_hz, problem.choices.sram_bits_per_cycle
        if port is not None:
            own_s = max(own_s, (read + written) / port / problem.clock_hz)
        latency_s = oracle.latency_of(problem, own_s, dram_bits)
        yield Way(need + beside, latency_s, dram_bits, energy_j)


def _moved_beside(
    problem: Problem, layer: Layer, widths: Mapping[str, int], on_chip: frozenset[str]
) -> tuple[int, int]:
    """DRAM bits of the output and of residuals."""

    def bits(name: str) -> int:
        count = oracle.elements(problem.network, layer, name)
        count = in_dram(problem.network, problem.choices.stored_channels, name, count)
        return 0 if name in on_chip else count * tensor_bits(problem, widths, name)

    return bits(layer.output), sum(map(bits, layer.residuals))


def _moved(cost: Cost, bits: tuple[int, int, int]) -> tuple[int, int, int]:
    """DRAM bits of weights, ifmap and partial sums."""
    return cost.moved_weights * bits[0], cost.moved_ifmap * bits[1], cost.moved_psum * bits[2]


def accessed(
    layer: Layer,
    hardware: HardwareOption,
    engine: int,
    mapping: str,
    widths: tuple[int, int],
    moved: tuple[int, int, int],
    stays: tuple[bool, bool],
    skips: bool = False,
) -> tuple[float, float]:
    """SRAM bits read and written, but for the output's last read and residuals."""
    (bw, ba), (of_weights, of_ifmap, of_psums) = widths, moved
    psum_bits = sum(widths) + reduction_bits(layer)
    channels = layer.N * layer.G * layer.K * psum_bits
    outputs = channels * layer.P * layer.Q
    ifmap = layer.N * layer.G * layer.C * layer.H * layer.W * ba
    every = phases(layer, skips)
    weights_read = layer.G * layer.K * layer.C * layer.R * layer.S * bw if stays[0] else of_weights
    added = outputs
    if mapping == "output":
        rounds = in_turn(layer) if skips else (1, 1)
        pixels = ceil_div(layer.P, rounds[0]) * ceil_div(layer.Q, rounds[1])
        at_once = layer.N * ceil_div(pixels, hardware.rows)
        used = sum(window * at_once for _, _, window in every)
        weights_read = layer.G * layer.K * layer.C * used * bw
    else:
        on = hardware.rows, engine, mapping
        added = channels * sum(p * q * sum_turns(layer, x, *on) for p, q, x in every)
    read = weights_read + ifmap * ceil_div(layer.K, hardware.cols) + added - outputs
    return read + of_psums / 2, of_weights + of_ifmap + added + of_psums / 2


def _bits(problem: Problem, layer: Layer, widths: Mapping[str, int], name: str) -> int:
    count = oracle.elements(problem.network, layer, name)
    return count * tensor_bits(problem, widths, name)


def least_energy(
    points: list[EnergyPoint], metric: str, budgets: Mapping[str, float]
) -> float | None:
    """The least value of a metric within budgets; None where no design keeps them."""
    kept = (
        point.metrics[metric]
        for point in points
        if all(point.metrics[x] <= most * (1 + oracle.TOLERANCE) for x, most in budgets.items())
    )
    found = min(kept, default=math.inf)
    return None if math.isinf(found) else found
