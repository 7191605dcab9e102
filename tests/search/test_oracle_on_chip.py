"""The enumeration of tensors on chip, where it can be checked more plainly still.

Here every choice of tilings of all layers together is worked off layer by layer, fused ones run by
run, with a record of what the SRAM holds: no tiling is left out because another is as good, no
capacity is guessed, lifetimes are not looked up but come about, and every set of tensors is tried
as bands.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import oracle
import oracle_bands
import oracle_on_chip
import oracle_tilings
import oracle_widths
import pytest
from enumerated_fronts import nondominated, vectors
from random_chains import random_chain
from random_networks import random_network
from random_problems import balanced_bandwidth, random_technology

from codesign.costs.fusion import FusedRun, fused_layers, runs_of
from codesign.costs.residency import Residents
from codesign.problem.choices import Choices, OnChip
from codesign.problem.problem import Problem
from codesign.results.design import accelerator_of
from codesign.specs.accelerator import Hardware
from codesign.specs.network import Layer, Network

MOST_RUNS = 4000
FUSED_SEEDS = range(100, 142)
SRAM: tuple[dict[str, Any], ...] = ({}, {}, {"min_sram_bits": 900}, {"max_sram_bits": 2500})
SRAM += ({"sram_bits": (300, 1000, 4000)},)


# --- every design, worked off ---------------------------------------------------------------------


def worked_off(problem: Problem) -> Iterator[tuple[float, ...]]:
    """The metrics of every design."""
    network = problem.network
    layers = network.layers
    for widths in oracle_widths.all_widths(problem):
        bits = {name: oracle_widths.tensor_bits(problem, widths, name) for name in network.tensors}
        for hardware in oracle.hardware_options(problem):
            if any(cycles_of(problem, layer, hardware, widths) is None for layer in layers):
                continue
            tilings = [distinct_costs(problem, layer, hardware) for layer in layers]
            for places in all_places(problem):
                runs = runs_of(network, [name for name in places if places[name] == "band"])
                most = problem.choices.fused_layers
                if runs is None or any(len(run.layers) > most for run in runs):
                    continue
                fused = {i: run for run in runs for i in run.layers}
                free = [[None] if i in fused else costs for i, costs in enumerate(tilings)]
                for costs in product(*free):
                    yield from one_design(problem, hardware, widths, bits, places, fused, costs)


def all_places(problem: Problem) -> Iterator[dict[str, str]]:
    """Every way to place all tensors, those in DRAM that no layer writes, or none reads."""
    layers, given = problem.network.layers, problem.choices.places
    tensors = [*problem.network.tensors]
    kinds = ("chip", "dram", "band")[: 3 if problem.choices.on_chip == "bands" else 2]
    for chosen in product(kinds, repeat=len(tensors)):
        places = dict(zip(tensors, chosen, strict=True))
        written = {layer.output for layer in layers}
        read = {name for layer in layers for name in operands(layer)}
        on_chip = {name for name in places if places[name] == "chip"}
        if on_chip <= written & read and places | dict(given) == places:
            yield places


def operands(layer: Layer) -> list[str]:
    """What a layer reads."""
    return [name for name in (layer.input, layer.weight_tensor, *layer.residuals) if name]


def cycles_of(
    problem: Problem, layer: Layer, hardware: oracle.HardwareOption, widths: Mapping[str, int]
) -> int | None:
    """Cycles of a layer; None where the PE is too narrow."""
    if not layer.moves:
        return oracle.layer_cycles(
            problem, layer, hardware, *oracle_widths.layer_widths(layer, widths)
        )
    read = sum(oracle.elements(problem.network, layer, name) for name in operands(layer))
    written = oracle.elements(problem.network, layer, layer.output)
    return math.ceil(max(read, written) / (hardware.rows * problem.technology.engine))


def distinct_costs(
    problem: Problem, layer: Layer, hardware: oracle.HardwareOption
) -> list[oracle_tilings.Cost | None]:
    """Costs of every tiling, in elements; None of a layer that only moves data."""
    if layer.moves:
        return [None]
    engine = problem.technology.engine
    return [*oracle_tilings.layer_costs(layer, hardware.rows, hardware.cols, engine)]


def one_design(
    problem: Problem,
    hardware: oracle.HardwareOption,
    widths: Mapping[str, int],
    bits: Mapping[str, int],
    places: Mapping[str, str],
    fused: Mapping[int, FusedRun],
    costs: tuple[oracle_tilings.Cost | None, ...],
) -> Iterator[tuple[float, ...]]:
    """Metrics of one design; none where no SRAM on offer is large enough."""
    network = problem.network
    held: dict[str, int] = {}
    given_up: set[str] = set()
    peak, total_bits, latency_s, i = 0, 0, 0.0, 0
    while i < len(network.layers):
        together = fused[i].layers if i in fused else range(i, i + 1)
        layers = [network.layers[n] for n in together]
        for layer in layers:
            if places[layer.output] == "chip" and layer.output not in given_up:
                held[layer.output] = network.tensors[layer.output] * bits[layer.output]
        if i in fused:
            need, moved = run_and_traffic(problem, hardware, widths, bits, places, fused[i])
        else:
            need, moved = tile_and_traffic(network, layers[0], costs[i], widths, bits, places)
        peak, total_bits = max(peak, need + sum(held.values())), total_bits + moved
        cycles = [cycles_of(problem, layer, hardware, widths) for layer in layers]
        seconds = sum(x or 0 for x in cycles) / problem.clock_hz
        latency_s += max(seconds, moved / problem.dram_bits_per_s)
        i = together.stop
        later = {name for other in network.layers[i:] for name in operands(other)}
        given_up |= {name for name in held if name not in later}
        held = {name: size for name, size in held.items() if name in later}
    assert not held
    sram_bits = smallest_on_offer(problem.choices, peak)
    if sram_bits is not None:
        area = oracle.area_mm2(problem, hardware, sram_bits)
        yield latency_s, area, float(total_bits), *oracle.width_metrics(problem, widths)


def run_and_traffic(
    problem: Problem,
    hardware: oracle.HardwareOption,
    widths: Mapping[str, int],
    bits: Mapping[str, int],
    places: Mapping[str, str],
    run: FusedRun,
) -> tuple[int, int]:
    """SRAM bits of a fused run beside what stays, and all the DRAM bits it moves."""
    accelerator = accelerator_of(problem, Hardware(**hardware._asdict(), sram_bits=1))
    on_chip = frozenset(name for name in places if places[name] == "chip")
    weight_bits = [widths[f"weight:{problem.network.layers[i].name}"] for i in run.layers]
    rows = fused_layers(problem.network, run, accelerator, weight_bits, bits, Residents(on_chip, 0))
    (need,) = {row.sram_bits for row in rows}
    assert need is not None
    return need, sum(row.dram_bits.total for row in rows)


def tile_and_traffic(
    network: Network,
    layer: Layer,
    cost: oracle_tilings.Cost | None,
    widths: Mapping[str, int],
    bits: Mapping[str, int],
    places: Mapping[str, str],
) -> tuple[int, int]:
    """SRAM bits of a layer's tiles, and all the DRAM bits it moves."""
    once = [layer.output, *layer.residuals]
    if cost is None:
        once.append(layer.input)
    moved = sum(
        oracle.elements(network, layer, name) * bits[name]
        for name in once
        if places[name] == "dram"
    )
    if cost is None:
        return 0, moved
    bw, ba = oracle_widths.layer_widths(layer, widths)
    bacc = bw + ba + oracle_tilings.reduction_bits(layer)
    need, moved = cost.held_output * bacc, moved + cost.moved_psum * bacc
    if places[layer.input] == "dram":
        need, moved = need + cost.held_ifmap * ba, moved + cost.moved_ifmap * ba
    if layer.weight_tensor is None or places[layer.weight_tensor] == "dram":
        need, moved = need + cost.held_weights * bw, moved + cost.moved_weights * bw
    return need, moved


def smallest_on_offer(choices: Choices, needed: int) -> int | None:
    """The least SRAM of those on offer that holds so many bits."""
    if choices.sram_bits:
        return min((size for size in choices.sram_bits if size >= needed), default=None)
    bits = max(needed, choices.min_sram_bits or 1)
    most = choices.max_sram_bits
    return bits if most is None or bits <= most else None


# --- compared -------------------------------------------------------------------------------------


def small_problem(seed: int, on_chip: OnChip) -> Problem:
    """A problem of so few designs that all tilings of all layers can be combined."""
    rng = random.Random(f"worked off {seed}")
    while True:
        count, kind = rng.choice((2, 2, 3)), seed % 3
        if on_chip == "tensors" or seed % 4 == 3:
            network = random_network(rng, count, moving=kind == 1, in_place=kind == 2)
        else:
            network = random_chain(rng, count, broken=kind == 2)
        alive = [*oracle_on_chip.lifetimes(network)]
        places = {name: rng.choice(("chip", "dram")) for name in alive if rng.random() < 0.2}
        choices = Choices(
            rows=rng.sample((1, 2, 3, 6), 2),
            cols=(rng.choice((2, 4, 8)),),
            weight_bits=(rng.choice((2, 4)),),
            activation_bits=rng.sample((1, 3, 4), 2),
            pe_weight_bits=(4,),
            pe_activation_bits=(4,),
            precision=rng.choice(("fixed", "multi-pass")),
            on_chip=on_chip,
            fused_layers=rng.choice((2, 3)) if on_chip == "bands" else 4,
            places=places,
            **rng.choice(SRAM),
        )
        problem = Problem(
            network=network,
            technology=random_technology(rng),
            clock_hz=1e8,
            dram_bits_per_s=balanced_bandwidth(rng, network, choices, 1e8),
            choices=choices,
        )
        if alive and designs(problem) <= MOST_RUNS:
            return problem


def designs(problem: Problem) -> float:
    """How many designs there are to work off."""
    arrays = [
        math.prod(len(distinct_costs(problem, layer, hardware)) for layer in problem.network.layers)
        for hardware in oracle.hardware_options(problem)
    ]
    widths, places = oracle_widths.all_widths(problem), oracle_bands.all_places(problem)
    return sum(arrays) * len(widths) * len(places)


# The last three spill sums where the input stays, which few do.
@pytest.mark.parametrize("seed", [*range(30), 50, 63, 75])
def test_best_designs_in_all_metrics_are_those_of_designs_worked_off(seed: int) -> None:
    check_worked_off(small_problem(seed, "tensors"))


@pytest.mark.parametrize("seed", FUSED_SEEDS)
def test_the_same_where_layers_may_be_fused(seed: int) -> None:
    check_worked_off(small_problem(seed, "bands"))


def check_worked_off(problem: Problem) -> None:
    rows = np.array([*worked_off(problem)]).reshape(-1, len(oracle.METRICS))
    points = oracle.all_points(problem)
    assert bool(points) == bool(len(rows))
    mine = nondominated(vectors(points, oracle.METRICS), 1e-12)
    assert mine == pytest.approx(nondominated(rows, 1e-12), rel=1e-12, abs=0)


def test_layers_are_fused_in_designs_worked_off() -> None:
    best = [oracle.all_points(small_problem(seed, "bands")) for seed in FUSED_SEEDS]
    ends = [oracle.best(points, "dram_bits", {}) for points in best]
    assert sum(point is not None and bool(point.bands) for point in ends) >= 10
