"""The enumeration of tensors on chip, where it can be checked more plainly still.

Here every choice of tilings of all layers together is worked off layer by layer, with a record of
what the SRAM holds: no tiling is left out because another is as good, no capacity is guessed, and
lifetimes are not looked up but come about.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import oracle
import oracle_on_chip
import oracle_tilings
import oracle_widths
import pytest
from enumerated_fronts import nondominated, vectors
from random_networks import random_network
from random_problems import balanced_bandwidth, random_technology

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

MOST_RUNS = 4000
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
                for costs in product(*tilings):
                    yield from one_design(problem, hardware, widths, bits, places, costs)


def all_places(problem: Problem) -> Iterator[dict[str, str]]:
    """Every way to place all tensors, those in DRAM that no layer writes, or none reads."""
    layers, given = problem.network.layers, problem.choices.places
    tensors = [*problem.network.tensors]
    for chosen in product(("chip", "dram"), repeat=len(tensors)):
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
    costs: tuple[oracle_tilings.Cost | None, ...],
) -> Iterator[tuple[float, ...]]:
    """Metrics of one design; none where no SRAM on offer is large enough."""
    network = problem.network
    held: dict[str, int] = {}
    given_up: set[str] = set()
    peak, total_bits, latency_s = 0, 0, 0.0
    for i, (layer, cost) in enumerate(zip(network.layers, costs, strict=True)):
        if places[layer.output] == "chip" and layer.output not in given_up:
            held[layer.output] = network.tensors[layer.output] * bits[layer.output]
        need, moved = tile_and_traffic(network, layer, cost, widths, bits, places)
        peak, total_bits = max(peak, need + sum(held.values())), total_bits + moved
        cycles = cycles_of(problem, layer, hardware, widths)
        assert cycles is not None
        latency_s += max(cycles / problem.clock_hz, moved / problem.dram_bits_per_s)
        later = {name for other in network.layers[i + 1 :] for name in operands(other)}
        given_up |= {name for name in held if name not in later}
        held = {name: size for name, size in held.items() if name in later}
    assert not held
    sram_bits = smallest_on_offer(problem.choices, peak)
    if sram_bits is not None:
        area = oracle.area_mm2(problem, hardware, sram_bits)
        yield latency_s, area, float(total_bits), *oracle.width_metrics(problem, widths)


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


def small_problem(seed: int) -> Problem:
    """A problem of so few designs that all tilings of all layers can be combined."""
    rng = random.Random(f"worked off {seed}")
    while True:
        network = random_network(
            rng, layers=rng.choice((2, 2, 3)), moving=seed % 3 == 1, in_place=seed % 3 == 2
        )
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
            on_chip="tensors",
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
    widths, residents = oracle_widths.all_widths(problem), oracle_on_chip.all_residents(problem)
    return sum(arrays) * len(widths) * len(residents)


# The last three spill sums where the input stays, which few do.
@pytest.mark.parametrize("seed", [*range(30), 50, 63, 75])
def test_best_designs_in_all_metrics_are_those_of_designs_worked_off(seed: int) -> None:
    problem = small_problem(seed)
    rows = np.array([*worked_off(problem)]).reshape(-1, len(oracle.METRICS))
    points = oracle.all_points(problem)
    assert bool(points) == bool(len(rows))
    mine = nondominated(vectors(points, oracle.METRICS), 1e-12)
    assert mine == pytest.approx(nondominated(rows, 1e-12), rel=1e-12, abs=0)
