"""One point of the space, priced exactly: hardware, widths, and each layer's best tiling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codesign.costs.roofline import latency_s
from codesign.costs.widths import layer_bops
from codesign.problem.tolerances import beyond, keeps
from codesign.space.hardware import HardwareSpace
from codesign.specs.accelerator import Hardware


@dataclass(frozen=True)
class Solution:
    """A complete choice and its metrics.

    Attributes
    ----------
    option : int
        Index of the hardware option in the space.
    variable_width, weight : tuple of int
        Indices into the space's width list: of each width variable, of each layer's weight operand.
    sram_bits : int
        The least capacity on offer that its tilings fit in.
    tiling : tuple of int
        Row of each layer's chosen tiling in its staircase's table.
    metrics : mapping of str to float
    """

    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    sram_bits: int
    tiling: tuple[int, ...]
    metrics: Mapping[str, float]


def price(
    space: HardwareSpace,
    option: int,
    variable_width: Sequence[int],
    weight: Sequence[int],
    sram_bits: float,
) -> Solution | None:
    """Price a choice with each layer's cheapest tiling that fits; None where none does.

    ``sram_bits`` stands for the least capacity on offer that holds as much. Each metric is rounded
    as in the figures of a design: budgets are kept by both or by none.
    """
    problem, capacities = space.problem, space.capacities
    sram_bits = min(float(capacities.holding(sram_bits)), capacities.most_bits)
    network, widths = problem.network, space.widths
    shape = int(space.shape_of[option])
    factor = space.option_precision_factor(np.array([option]))[0]
    tilings, need, model_bits = [], 0.0, 0
    seconds, moved, bops = [], [], []
    for i, layer in enumerate(network.layers):
        w, a = int(weight[i]), int(variable_width[space.tensor_index[layer.input]])
        geometry = int(space.geometry_of[i])
        stairs = space.staircase(shape, geometry)
        step = int((stairs.need[w, a] <= sram_bits).sum()) - 1
        if step < 0:
            return None
        tilings.append(int(stairs.row[w, a, step]))
        need = max(need, float(stairs.need[w, a, step]))
        dram_bits = float(stairs.traffic[w, a, step + 1]) + _other_bits(space, variable_width, i)
        cycles = int(space.shape_cycles[shape, geometry]) * int(factor[w, a])
        rates = problem.clock_hz, problem.dram_bits_per_s
        seconds.append(float(latency_s(cycles, dram_bits, *rates)))
        moved.append(dram_bits)
        bops.append(float(layer_bops(layer, widths[w], widths[a])))
        model_bits += layer.weights * int(widths[w]) if layer.owns_weights else 0
    need = float(capacities.holding(need))
    metrics = {
        "latency_s": math.fsum(seconds),
        "dram_bits": math.fsum(moved),
        "model_bits": float(model_bits),
        "bops": math.fsum(bops),
        "noise": space.noise(variable_width, weight),
        "area_mm2": float(space.area_mm2(np.array([option]), np.array([need]))[0]),
    }
    return Solution(
        int(option),
        tuple(int(v) for v in variable_width),
        tuple(int(w) for w in weight),
        int(need),
        tuple(tilings),
        metrics,
    )


def least_sram(space: HardwareSpace, point: Solution, limits: Mapping[str, float]) -> Solution:
    """The same hardware and widths with the least SRAM that keeps the limits the point keeps.

    Of the metrics only latency and DRAM traffic grow as the SRAM shrinks.
    """
    problem, shape = space.problem, int(space.shape_of[point.option])
    factor = space.option_precision_factor(np.array([point.option]))[0]
    capacities, layers = [np.array([point.sram_bits])], []
    for i, layer in enumerate(problem.network.layers):
        w, a = point.weight[i], point.variable_width[space.tensor_index[layer.input]]
        geometry = int(space.geometry_of[i])
        stairs = space.staircase(shape, geometry)
        need, traffic = (
            stairs.need[w, a],
            stairs.traffic[w, a] + _other_bits(space, point.variable_width, i),
        )
        cycles = int(space.shape_cycles[shape, geometry]) * int(factor[w, a])
        capacities.append(need[need <= point.sram_bits])
        layers.append((need, traffic, cycles))
    capacity = np.sort(np.concatenate(capacities))
    totals = {"latency_s": np.zeros(len(capacity)), "dram_bits": np.zeros(len(capacity))}
    for need, traffic, cycles in layers:
        dram_bits = traffic[np.searchsorted(need, capacity, side="right")]
        totals["dram_bits"] += dram_bits
        totals["latency_s"] += latency_s(
            cycles, dram_bits, problem.clock_hz, problem.dram_bits_per_s
        )
    possible = np.isfinite(totals["dram_bits"])
    for metric, total in totals.items():
        possible &= total <= beyond(limits.get(metric, np.inf))
    for bits in capacity[possible]:  # the first or, where rounding decides, one of the next
        made = price(space, point.option, point.variable_width, point.weight, bits)
        if made and all(keeps(made.metrics[x], limits.get(x, np.inf)) for x in totals):
            return made
    return point


def _other_bits(space: HardwareSpace, variable_width: Sequence[int], i: int) -> float:
    """DRAM bits of a layer's output and residuals at the tensors' widths."""
    problem, total = space.problem, 0
    for index, elements in space.moved(problem.network.layers[i]):
        bits = (
            problem.choices.output_bits
            if index is None
            else int(space.widths[variable_width[index]])
        )
        total += elements * bits
    return float(total)


def hardware_of(space: HardwareSpace, point: Solution) -> Hardware:
    """The hardware of a point."""
    return Hardware(
        rows=int(space.rows[point.option]),
        cols=int(space.cols[point.option]),
        pe_weight_bits=int(space.pe_weight_bits[point.option]),
        pe_activation_bits=int(space.pe_activation_bits[point.option]),
        sram_bits=point.sram_bits,
    )
