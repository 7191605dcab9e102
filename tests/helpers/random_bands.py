"""Tiny random problems whose layers may be fused, few enough designs to enumerate.

As `random_on_chip`, with networks that are mostly chains and budgets mostly such that it pays to
fuse some layers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import oracle
import oracle_bands
import oracle_on_chip
from random_chains import random_chain
from random_choices import random_choices, with_sram
from random_machines import with_machine
from random_networks import random_network
from random_problems import (
    Case,
    affordable,
    balanced_bandwidth,
    random_sensitivity,
    random_technology,
    with_budgets,
    with_sharing,
)
from sharing_layers import with_reuse

from codesign.problem.choices import Choices, Place
from codesign.problem.places import DEFAULT_FUSED_LAYERS
from codesign.problem.problem import Metric, Problem
from codesign.specs.network import Network

OBJECTIVES: tuple[Metric, ...] = ("latency_s",) * 6 + ("area_mm2", "dram_bits") * 3
OBJECTIVES += ("noise", "model_bits", "bops")
SAVED: tuple[Metric, ...] = ("latency_s", "dram_bits")  # what fused layers save
KINDS = ("chain", "tall", "broken", "sram", "sharing", "moving")
MOST_DESIGNS = 1000  # assignments of widths times hardware options times places
TRIES = 4  # at budgets


def bands_case(seed: int, kind: str = "chain", machine: str = "") -> Case:
    """Problem number ``seed`` of a kind.

    ``chain``, ``tall`` and ``broken``: `random_chain`; ``sharing`` and ``sram`` add to a chain what
    `random_case` adds under these names, ``reusing`` layers that use the weights of others;
    ``moving``: any layers that `random_network` has, those that only move data among them;
    ``broad``: many hardware options. ``machine``: on machines of a kind, as `with_machine`.
    """
    rng = random.Random(f"bands {kind} {seed}" + f" {machine}" * bool(machine))
    network = _network(rng, kind)
    options = 36 if kind == "broad" else rng.choice((4, 4, 6))
    choices = random_choices(rng, network, options)
    if kind == "sharing":
        choices = with_sharing(rng, network, choices)
    choices = replace(choices, on_chip="bands", fused_layers=_most(rng, kind))
    if machine:
        choices = with_machine(rng, choices, machine)
    if rng.random() < 0.25:
        choices = _with_places(rng, network, choices)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz) / rng.choice((1, 4, 9)),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective=rng.choice(OBJECTIVES),
    )
    each = len(oracle.hardware_options(problem)) * len(oracle_bands.all_places(problem))
    choices = affordable(rng, network, choices, max(2, MOST_DESIGNS // each))
    problem = replace(problem, choices=choices)
    points = oracle.all_points(problem)
    if kind == "sram" and points:
        problem = replace(problem, choices=with_sram(rng, choices, points))
        points = oracle.all_points(problem)
    return Case(_with_budgets(rng, problem, points) if points else problem, points)


def _most(rng: random.Random, kind: str) -> int:
    """Layers of a run at most."""
    return rng.choice((3, 4, 4, 4) if kind == "tall" else (2, 3, 3, 4, 4))


def _network(rng: random.Random, kind: str) -> Network:
    """A network, nearly always with layers that may be fused."""
    while True:
        if kind == "moving":
            network = random_network(rng, layers=rng.choice((3, 4, 5)), moving=True)
        else:
            layers = rng.choice((4, 4, 5) if kind == "tall" else (2, 3, 4, 4, 5))
            network = random_chain(rng, layers, broken=kind == "broken", tall=kind == "tall")
        if kind == "reusing":
            network = with_reuse(rng, network)
            if all(layer.weights_of is None for layer in network.layers):
                continue
        few = len(oracle_on_chip.lifetimes(network)) <= 5
        if few and (len(oracle_bands.all_runs(network, 4)) > 1 or rng.random() < 0.04):
            return network


def _with_places(rng: random.Random, network: Network, choices: Choices) -> Choices:
    """Some tensors where one way to place them all has them."""
    problem = Problem(network=network, choices=choices)
    some = rng.choice(oracle_bands.all_places(problem))
    places: dict[str, Place] = {}
    for name in network.tensors:
        place: Place = "dram"
        if name in some.on_chip or name in some.bands:
            place = "chip" if name in some.on_chip else "band"
        if rng.random() < 0.4:
            places[name] = place
    return replace(choices, places=places)


def _with_budgets(rng: random.Random, problem: Problem, points: list[oracle.Point]) -> Problem:
    """Budgets, mostly such that layers are fused in the best design."""
    many = rng.choice((1, 2, 3))
    found = [_some_budgets(rng, problem, points, many) for _ in range(rng.choice((1, TRIES)))]
    return max(found, key=lambda each: min(_bands_in_best(each, points), many))


def _bands_in_best(problem: Problem, points: list[oracle.Point]) -> int:
    truth = oracle.best(points, problem.objective, problem.budgets)
    return 0 if truth is None else len(truth.bands)


def _some_budgets(
    rng: random.Random, problem: Problem, points: list[oracle.Point], many: int
) -> Problem:
    """Any budgets; mostly area against what fused layers save, of designs of some noise."""
    if rng.random() < 0.25:
        return with_budgets(rng, problem, points)
    budgets: dict[Metric, float] = {}
    if rng.random() < 0.5:
        budgets["noise"] = rng.choice(points).value("noise")
        points = oracle.within(points, budgets)
    saved = problem.objective if problem.objective in SAVED else rng.choice(SAVED)
    share, slack = rng.uniform(0.05, 0.9), rng.choice((1.0, 1.0, 1.02, 1.2))

    def score(point: oracle.Point) -> float:
        return point.value("area_mm2") ** share * point.value(saved) ** (1 - share)

    fused = [point for point in points if len(point.bands) >= many]
    anchor = min(fused or points, key=score)
    for name in ("area_mm2", saved):
        if name != problem.objective:
            budgets[name] = anchor.value(name) * slack
    if rng.random() < 0.15:
        budgets[rng.choice([*budgets])] *= rng.uniform(0.5, 0.99)
    return replace(problem, budgets={name: x for name, x in budgets.items() if x > 0})


def without_bands(problem: Problem) -> Problem:
    """The same where no layers are fused; where that is not given."""
    places: Mapping[str, Place] = {
        x: at for x, at in problem.choices.places.items() if at != "band"
    }
    fewer = {"on_chip": "tensors", "fused_layers": DEFAULT_FUSED_LAYERS, "places": places}
    return replace(problem, choices=replace(problem.choices, **fewer))
