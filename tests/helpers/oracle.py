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
from oracle_on_chip import Residents, live_bits, movement_cycles
from oracle_tilings import (
    Cost,
    Tilings,
    array_cycles,
    best_tilings,
    ceil_div,
    layer_costs,
    least_traffic,
)
from oracle_widths import all_widths, has_weights, layer_widths, noise_at, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

METRICS = ("latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops")
TOLERANCE = 1e-9  # relative, on budgets and on ties


class HardwareOption(NamedTuple):
    """A PE array and the operand widths of its PEs."""

    rows: int
    cols: int
    pe_weight_bits: int
    pe_activation_bits: int


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
    """Every PE array and PE width of the declared space."""
    choices = problem.choices
    sides = product(choices.rows, choices.cols, choices.pe_weight_bits, choices.pe_activation_bits)
    return [HardwareOption(*o) for o in sides if not choices.square or o[0] == o[1]]


def area_mm2(problem: Problem, hardware: HardwareOption, sram_bits: int) -> float:
    """``overhead·rows·cols·A_PE + A_SRAM``."""
    technology = problem.technology
    engine, bw, ba = technology.engine, hardware.pe_weight_bits, hardware.pe_activation_bits
    pe, fits = technology.pe_area_um2, technology.sram_fits
    pe_um2 = pe.slope * engine * (bw * ba + bw + ba + math.log2(engine)) + pe.intercept
    sram_um2 = fits[technology.sram].slope * sram_bits + fits[technology.sram].intercept
    array_um2 = problem.area_overhead * hardware.rows * hardware.cols * pe_um2
    return (array_um2 + sram_um2) * 1e-6


# --- compute ----------------------------------------------------------------------------------


def layer_cycles(
    problem: Problem, layer: Layer, hardware: HardwareOption, bw: int, ba: int
) -> int | None:
    """Cycles of one layer at its widths; None where the PE is too narrow to run it.

    A layer that only moves data has nothing to do with PEs, but takes the time of feeding them.
    """
    if layer.moves:
        return movement_cycles(problem, layer, hardware.rows)
    wide, deep = hardware.pe_weight_bits, hardware.pe_activation_bits
    cycles = array_cycles(layer, hardware.rows, hardware.cols, problem.technology.engine)
    if problem.choices.precision == "multi-pass":
        return cycles * ceil_div(bw, wide) * ceil_div(ba, deep)
    return cycles if bw <= wide and ba <= deep else None


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
    """Tilings of each layer on each array, priced once."""

    def __init__(self, problem: Problem) -> None:
        self.engine = problem.technology.engine
        self.costs: dict[tuple[str, int, int], list[Cost]] = {}
        self.tilings: dict[tuple[object, ...], Tilings] = {}

    def of(
        self, layer: Layer, hardware: HardwareOption, bw: int, ba: int, on_chip: Residents
    ) -> Tilings:
        array = (layer.name, hardware.rows, hardware.cols)
        if array not in self.costs:
            self.costs[array] = (
                [] if layer.moves else layer_costs(layer, hardware.rows, hardware.cols, self.engine)
            )
        stay = layer.weight_tensor in on_chip, layer.input in on_chip
        key = (*array, bw, ba, *stay)
        if key not in self.tilings:
            self.tilings[key] = best_tilings(layer, self.costs[array], bw, ba, *stay)
        return self.tilings[key]


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
    """A block on given hardware; needs are with what stays."""

    compute_s: float
    fixed_bits: int
    tilings: Tilings


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
) -> list[int] | None:
    found = []
    for layer in problem.network.layers:
        cycles = layer_cycles(problem, layer, hardware, *layer_widths(layer, widths))
        if cycles is None:
            return None
        found.append(cycles)
    return found


def _steps(
    problem: Problem,
    prices: _Prices,
    hardware: HardwareOption,
    widths: Mapping[str, int],
    places: Places,
    blocks: list[_Block],
    cycles: list[int],
) -> list[_Step]:
    steps = []
    for layers, beside, need, fixed in blocks:
        if len(layers) > 1:
            tilings = [(need + beside, 0)]
        else:
            layer = problem.network.layers[layers[0]]
            bits = layer_widths(layer, widths)
            tilings = prices.of(layer, hardware, *bits, places.on_chip)
            tilings = [(tile + beside, traffic) for tile, traffic in tilings]
        compute_s = sum(cycles[i] for i in layers) / problem.clock_hz
        steps.append(_Step(compute_s, fixed, tilings))
    return steps


def _capacities(
    problem: Problem, hardware: HardwareOption, steps: list[_Step]
) -> list[tuple[int, float, float, float]]:
    """SRAM bits, latency, area and traffic at every capacity some tiling needs exactly."""
    smallest = max(step.tilings[0][0] for step in steps)
    needs = {need for step in steps for need, _ in step.tilings if need >= smallest}
    found = []
    for sram_bits in sorted(on_offer(problem, needs, smallest)):
        moved = [step.fixed_bits + least_traffic(step.tilings, sram_bits) for step in steps]
        latency_s = sum(
            max(step.compute_s, bits / problem.dram_bits_per_s)
            for step, bits in zip(steps, moved, strict=True)
        )
        area = area_mm2(problem, hardware, sram_bits)
        found.append((sram_bits, latency_s, area, float(sum(moved))))
    return found


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
