"""Plain enumeration of every design of a tiny problem: the truth the product is held to.

Written from the model's page alone, in plain Python, and importing nothing that prices, bounds or
searches. Every hardware option, every assignment of widths, every set of tensors that may stay on
chip, every way to fuse layers, every legal tile in each of the six loop orders, and every SRAM
capacity that some tiling needs exactly beside what stays (of those on offer; every size, and the
least, where the choices say so) are looked at. Only two shortcuts are taken, both plain to see: of
the tilings of one layer only those are kept to which no other is at least as good in SRAM need and
in DRAM traffic, and once the capacity is given each layer moves the least traffic that fits
(nothing but the traffic depends on the tiling).

Loop letters as in `codesign.specs.network`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import NamedTuple

from oracle_bands import Places, all_places, run_need, run_traffic
from oracle_machine import ceil_div, machine_cycles, split_engine
from oracle_on_chip import Residents, live_bits, movement_cycles
from oracle_tilings import (
    Cost,
    Tilings,
    best_tilings,
    layer_costs,
    least_traffic,
)
from oracle_widths import all_widths, has_weights, layer_widths, noise_at, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

METRICS = ("latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops")
TIE_BREAKERS = ("area_mm2", "noise")  # of equal designs the smallest, then the least noisy
TOLERANCE = 1e-9  # relative, on budgets and on ties


class HardwareOption(NamedTuple):
    """A PE array, the operand widths of its PEs, and the mappings that its layers may take."""

    rows: int
    cols: int
    pe_weight_bits: int
    pe_activation_bits: int
    mapping: tuple[str, ...] = ("window",)


class Point(NamedTuple):
    """One design: its metrics in the order of `METRICS`, and what it is made of.

    ``on_chip`` are the tensors that stay there, ``bands`` those of which only some rows do.
    """

    metrics: tuple[float, ...]
    hardware: HardwareOption
    sram_bits: int
    widths: Mapping[str, int]
    on_chip: Residents = Residents()
    bands: Residents = Residents()

    def value(self, metric: str) -> float:
        """One of its metrics."""
        return self.metrics[METRICS.index(metric)]


def elements(network: Network, layer: Layer, tensor: str) -> int:
    """How much of a tensor a layer touches."""
    return layer.parts[tensor] if tensor in layer.parts else network.tensors[tensor]


# --- hardware ---------------------------------------------------------------------------------


def hardware_options(problem: Problem) -> list[HardwareOption]:
    """Every PE array and PE width of the declared space, with each mapping or with all."""
    choices = problem.choices
    sides = product(choices.rows, choices.cols, choices.pe_weight_bits, choices.pe_activation_bits)
    mappings = [(name,) for name in choices.mapping]
    if choices.reconfigurable:
        mappings = [tuple(choices.mapping)]
    return [
        HardwareOption(*option, mapping)
        for option in sides
        for mapping in mappings
        if not choices.square or option[0] == option[1]
    ]


def area_mm2(problem: Problem, hardware: HardwareOption, sram_bits: int) -> float:
    """``overhead·rows·cols·A_PE + A_SRAM``."""
    technology = problem.technology
    engine, bw, ba = technology.engine, hardware.pe_weight_bits, hardware.pe_activation_bits
    pe, fits = technology.pe_area_um2, technology.sram_fits
    pe_um2 = pe.slope * engine * (bw * ba + bw + ba + math.log2(engine)) + pe.intercept
    fit, buffers = fits[technology.sram], problem.choices.buffers
    srams = (sram_bits, *(bits for bits in buffers if bits is not None))
    sram_um2 = sum(fit.slope * bits + fit.intercept for bits in srams)
    array_um2 = problem.area_overhead * hardware.rows * hardware.cols * pe_um2
    return (array_um2 + sram_um2) * 1e-6


def latency_of(problem: Problem, compute_s: float, dram_bits: float) -> float:
    """The longer of two times, and of the shorter the share that does not pass meanwhile."""
    memory_s = dram_bits / problem.dram_bits_per_s
    return max(compute_s, memory_s) + (1 - problem.choices.overlap) * min(compute_s, memory_s)


# --- compute ----------------------------------------------------------------------------------


def engine_at(problem: Problem, hardware: HardwareOption, bw: int, ba: int) -> int:
    """Multipliers of a PE at the widths of operands that it holds."""
    engine = problem.technology.engine
    if problem.choices.precision != "widening":
        return engine
    return split_engine(engine, (bw, ba), hardware[2:4])


def layer_cycles(
    problem: Problem,
    layer: Layer,
    hardware: HardwareOption,
    bw: int,
    ba: int,
    mapping: str | None = None,
) -> int | None:
    """Cycles of one layer at its widths; None where the PE is too narrow to run it.

    In a mapping, or the best that it may take. A layer that only moves data has nothing to do with
    PEs, but takes the time of feeding them.
    """
    if layer.moves:
        return movement_cycles(problem, layer, hardware.rows)
    choices, wide, deep = problem.choices, hardware.pe_weight_bits, hardware.pe_activation_bits
    multi_pass = choices.precision == "multi-pass"
    if not multi_pass and (bw > wide or ba > deep):
        return None
    engine = engine_at(problem, hardware, bw, ba)
    cycles = min(
        machine_cycles(choices, layer, hardware.rows, hardware.cols, engine, each)
        for each in ([mapping] if mapping else hardware.mapping)
    )
    return cycles * ceil_div(bw, wide) * ceil_div(ba, deep) if multi_pass else cycles


def layer_bops(layer: Layer, bw: int, ba: int) -> float:
    """Bit operations of one layer."""
    if layer.moves:
        return 0.0
    reduction = layer.C * layer.R * layer.S
    macs = layer.N * layer.G * layer.K * reduction * layer.P * layer.Q
    return macs * (bw * ba + bw + ba + math.log2(reduction))


# --- metrics of whole designs -----------------------------------------------------------------


def width_metrics(problem: Problem, widths: Mapping[str, int]) -> tuple[float, float, float]:
    """Noise, model bits and bit operations: what depends on the widths alone."""
    noise = math.fsum(noise_at(problem, source, bits) for source, bits in widths.items())
    model_bits, bops = 0, 0.0
    for layer in problem.network.layers:
        bw, ba = layer_widths(layer, widths)
        bops += layer_bops(layer, bw, ba)
        if has_weights(layer):
            model_bits += layer.G * layer.K * layer.C * layer.R * layer.S * bw
    return noise, float(model_bits), bops


def output_and_residual_bits(
    problem: Problem, layer: Layer, widths: Mapping[str, int], on_chip: Collection[str] = ()
) -> tuple[int, int]:
    """Traffic of one layer that no tiling changes; none of what stays on chip."""

    def bits(tensor: str) -> int:
        if tensor in on_chip:
            return 0
        return elements(problem.network, layer, tensor) * tensor_bits(problem, widths, tensor)

    return bits(layer.output), sum(bits(tensor) for tensor in layer.residuals)


class _Prices:
    """Tilings of each layer on each array in each mapping, priced once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.costs: dict[tuple[object, ...], list[Cost]] = {}
        self.tilings: dict[tuple[object, ...], Tilings] = {}

    def of(
        self,
        layer: Layer,
        hardware: HardwareOption,
        bw: int,
        ba: int,
        on_chip: Residents,
        mapping: str,
    ) -> Tilings:
        engine = 0 if layer.moves else engine_at(self.problem, hardware, bw, ba)
        array = hardware.rows, hardware.cols, engine, mapping
        key, skips = (layer.name, *array), self.problem.choices.zero_skipping
        if key not in self.costs:
            self.costs[key] = [] if layer.moves else layer_costs(layer, *array, skips)
        stay = layer.weight_tensor in on_chip, layer.input in on_chip
        at = (*key, bw, ba, *stay)
        if at not in self.tilings:
            buffers = self.problem.choices.buffers
            self.tilings[at] = best_tilings(layer, self.costs[key], bw, ba, *stay, buffers)
        return self.tilings[at]


class _Block(NamedTuple):
    """A layer, or a fused run of layers, at given widths and places.

    ``beside`` is the SRAM of what stays meanwhile, ``need`` the rest that a run takes; the bits it
    moves are fixed.
    """

    layers: range
    beside: int
    need: int
    fixed_bits: int


class _Step(NamedTuple):
    """A block on given hardware, in each mapping that it may take; needs are with what stays."""

    fixed_bits: int
    modes: list[tuple[float, Tilings]]  # seconds of computing, and tilings


def all_points(problem: Problem) -> list[Point]:
    """Every design, whatever the budgets; empty where no hardware runs every layer."""
    prices, points = _Prices(problem), []
    ways = all_places(problem)
    for widths in all_widths(problem):
        of_widths = width_metrics(problem, widths)
        blocks = [_blocks(problem, widths, places) for places in ways]
        for hardware in hardware_options(problem):
            cycles = _cycles(problem, hardware, widths)
            if cycles is None:
                continue
            for places, of_places in zip(ways, blocks, strict=True):
                steps = _steps(problem, prices, hardware, widths, places, of_places, cycles)
                points += [
                    Point(
                        (latency_s, area, dram_bits, *of_widths),
                        *(hardware, sram_bits, widths, places.on_chip, places.bands),
                    )
                    for sram_bits, latency_s, area, dram_bits in _capacities(
                        problem, hardware, steps
                    )
                ]
    return points


def _blocks(problem: Problem, widths: Mapping[str, int], places: Places) -> list[_Block]:
    on_chip, layers = places.on_chip, problem.network.layers
    live = live_bits(problem, widths, on_chip, places.runs)
    runs, found = {run[0]: run for run in places.runs}, []
    while not found or found[-1].layers.stop < len(layers):
        i = found[-1].layers.stop if found else 0
        if i in runs:
            need = run_need(problem, runs[i], widths, on_chip)
            moved = run_traffic(problem, runs[i], widths, on_chip)
            fixed = sum(sum(x.values()) for x in moved)
            found.append(_Block(runs[i], live[i], need, fixed))
        else:
            fixed = sum(output_and_residual_bits(problem, layers[i], widths, on_chip))
            found.append(_Block(range(i, i + 1), live[i], 0, fixed))
    return found


def _cycles(
    problem: Problem, hardware: HardwareOption, widths: Mapping[str, int]
) -> list[dict[str, int]] | None:
    """Cycles of each layer by mapping."""
    found = []
    for layer in problem.network.layers:
        bits, each = layer_widths(layer, widths), {}
        for mapping in hardware.mapping[:1] if layer.moves else hardware.mapping:
            cycles = layer_cycles(problem, layer, hardware, *bits, mapping)
            if cycles is None:
                return None
            each[mapping] = cycles
        found.append(each)
    return found


def _steps(
    problem: Problem,
    prices: _Prices,
    hardware: HardwareOption,
    widths: Mapping[str, int],
    places: Places,
    blocks: list[_Block],
    cycles: list[dict[str, int]],
) -> list[_Step]:
    steps = []
    for layers, beside, need, fixed in blocks:
        if len(layers) > 1:  # tiles play no part: the fastest mapping of each
            seconds = sum(min(cycles[i].values()) for i in layers) / problem.clock_hz
            steps.append(_Step(fixed, [(seconds, [(need + beside, 0)])]))
            continue
        layer = problem.network.layers[layers[0]]
        bits, modes = layer_widths(layer, widths), []
        for mapping, count in cycles[layers[0]].items():
            tilings = prices.of(layer, hardware, *bits, places.on_chip, mapping)
            tilings = [(tile + beside, traffic) for tile, traffic in tilings]
            if tilings:  # none where the buffers hold no tile
                modes.append((count / problem.clock_hz, tilings))
        steps.append(_Step(fixed, modes))
    return steps


def _capacities(
    problem: Problem, hardware: HardwareOption, steps: list[_Step]
) -> list[tuple[int, float, float, float]]:
    """SRAM bits, latency, area and traffic at every capacity some tiling needs exactly.

    Where layers take mappings of their own, of every combination of theirs.
    """
    if not all(step.modes for step in steps):
        return []
    smallest = max(min(tilings[0][0] for _, tilings in step.modes) for step in steps)
    smallest = max(smallest, 1)  # there is an SRAM, whatever buffers hold
    every = [tilings for step in steps for _, tilings in step.modes]
    needs = {need for tilings in every for need, _ in tilings if need >= smallest}
    found = []
    for sram_bits in sorted(on_offer(problem, needs, smallest)):
        area = area_mm2(problem, hardware, sram_bits)
        for chosen in product(*(_choices_within(problem, step, sram_bits) for step in steps)):
            latency_s = sum([seconds for seconds, _ in chosen])
            moved = float(sum([bits for _, bits in chosen]))
            found.append((sram_bits, latency_s, area, moved))
    return found


def _choices_within(problem: Problem, step: _Step, sram_bits: int) -> list[tuple[float, int]]:
    """Latency and bits moved in each mapping that fits, but where another has less of all."""
    fitting = [
        (compute_s, step.fixed_bits + least_traffic(tilings, sram_bits))
        for compute_s, tilings in step.modes
        if tilings[0][0] <= sram_bits
    ]
    kept: list[tuple[float, int]] = []
    for pair in sorted(fitting) if len(fitting) > 1 else fitting:
        if not kept or pair[1] < kept[-1][1]:
            kept.append(pair)
    return [(latency_of(problem, *pair), pair[1]) for pair in kept]


def on_offer(problem: Problem, needs: set[int], smallest: int) -> set[int]:
    """Capacities worth a look among those on offer, of at least so many bits."""
    choices = problem.choices
    if choices.sram_bits:
        return {size for size in choices.sram_bits if size >= smallest}
    least, most = choices.min_sram_bits or 1, choices.max_sram_bits or math.inf
    return {bits for bits in {*needs, least} if least <= bits <= most and bits >= smallest}


# --- questions about the enumerated designs ---------------------------------------------------


def within(points: Iterable[Point], budgets: Mapping[str, float]) -> list[Point]:
    """The designs that keep every budget."""
    limits = [(METRICS.index(name), x * (1 + TOLERANCE)) for name, x in budgets.items()]
    return [point for point in points if all(point.metrics[i] <= x for i, x in limits)]


def least(points: Iterable[Point], metric: str, budgets: Mapping[str, float]) -> float | None:
    """Smallest value of a metric within budgets; None where no design keeps them."""
    return min((point.value(metric) for point in within(points, budgets)), default=None)


def best(points: Iterable[Point], objective: str, budgets: Mapping[str, float]) -> Point | None:
    """The design of least objective, then area, then noise; None where there is none."""
    left = within(points, budgets)
    for metric in (objective, "area_mm2", "noise"):
        value = least(left, metric, {})
        if value is None:
            return None
        left = within(left, {metric: value})
    return left[0]
