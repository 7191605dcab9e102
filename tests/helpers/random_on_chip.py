"""Tiny random problems whose tensors may stay on chip, few enough designs to enumerate.

As `random_problems`, with less DRAM bandwidth and mostly a budget that the SRAM is up against, so
that it pays to keep some tensors and not others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import oracle
import oracle_on_chip
from random_caches import random_cached
from random_choices import random_choices, wide_where_only_moved, with_sram
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
from sharing_layers import repeated

from codesign.problem.choices import Place
from codesign.problem.problem import Metric, Problem
from codesign.specs.network import Network

OBJECTIVES: tuple[Metric, ...] = ("latency_s",) * 5 + ("area_mm2", "dram_bits") * 3
OBJECTIVES += ("noise", "noise", "model_bits", "bops")

SAVED: tuple[Metric, ...] = ("latency_s", "dram_bits")  # what tensors on chip save
KINDS = ("plain", "moving", "sharing", "in place", "sram", "deep")
TRIES = 4  # at budgets
MOST_RUNS = 2500  # assignments of widths times hardware options times sets of resident tensors


def on_chip_case(
    seed: int,
    kind: str = "plain",
    machine: str = "",
    drawn: Callable[[random.Random], Network] | None = None,
) -> Case:
    """Problem number ``seed`` of a kind.

    ``plain``: layers that multiply, as `random_network` has them; ``moving``, ``in place``,
    ``reusing``, ``sharing`` and ``sram`` add what `random_case` adds under these names. ``deep``:
    five tensors or more that may stay, of hardly more than given widths. ``broad``: many hardware
    options. ``cache``: with tensors that outlast the run. ``repeated``: of blocks that are alike.
    ``machine``: on machines of a kind, as `with_machine`. ``drawn``: draws the network where it is
    of no such kind.
    """
    rng = random.Random(f"on chip {kind} {seed}" + f" {machine}" * bool(machine))
    network = drawn(rng) if drawn else _network(rng, kind)
    options = {"deep": 4, "broad": 36}.get(kind) or rng.choice((4, 4, 6, 12))
    choices = random_choices(rng, network, options)
    if kind in ("moving", "in place") and rng.random() < 0.3:
        choices = wide_where_only_moved(rng, network, choices)
    if kind == "sharing":
        choices = with_sharing(rng, network, choices)
    places = _places(rng, network) if rng.random() < 0.3 else {}
    choices = replace(choices, on_chip="tensors", places=places)
    if machine:
        choices = with_machine(rng, choices, machine)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz) / rng.choice((1, 3, 9)),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective=rng.choice(OBJECTIVES),
    )
    problem = _affordable(rng, problem)
    points = oracle.all_points(problem)
    if kind == "sram" and points:
        problem = replace(problem, choices=with_sram(rng, problem.choices, points))
        points = oracle.all_points(problem)
    if points:
        problem = _with_budgets(rng, problem, points)
    return Case(problem, points)


def _network(rng: random.Random, kind: str) -> Network:
    """A network in which something may stay on chip."""
    counts = {"in place": (1, 2, 2, 3), "deep": (6, 7, 8)}.get(kind, (2, 3, 3, 4, 4, 5))
    least, most = {"deep": (5, 7), "broad": (1, 3)}.get(kind, (1, 5))
    while kind == "cache":
        network = random_cached(rng)
        if len(oracle_on_chip.lifetimes(network)) <= most:
            return network
    if kind == "repeated":
        return repeated(rng, layers=rng.choice((2, 3, 4, 4)))
    while True:
        moving = kind == "moving" or (kind == "deep" and rng.random() < 0.3)
        network = random_network(
            rng,
            layers=rng.choice(counts),
            moving=moving,
            in_place=kind == "in place",
            reusing=kind == "reusing",
        )
        if least <= len(oracle_on_chip.lifetimes(network)) <= most:
            return network


def _places(rng: random.Random, network: Network) -> Mapping[str, Place]:
    """Places of some tensors, now and then that of an input or a result."""
    alive = oracle_on_chip.lifetimes(network)
    places: dict[str, Place] = {}
    for name in network.tensors:
        if name in alive and rng.random() < 0.4:
            places[name] = rng.choice(("chip", "chip", "dram"))
        elif name not in alive and rng.random() < 0.1:
            places[name] = "dram"
    return places


def _affordable(rng: random.Random, problem: Problem) -> Problem:
    """Pin or drop widths until there are few enough designs to enumerate."""
    options = len(oracle.hardware_options(problem)) * len(oracle_on_chip.all_residents(problem))
    most = max(2, MOST_RUNS // options)
    choices = affordable(rng, problem.network, problem.choices, most)
    return replace(problem, choices=choices)


def _with_budgets(rng: random.Random, problem: Problem, points: list[oracle.Point]) -> Problem:
    """Budgets, mostly such that the best design keeps some tensors on chip and not others."""
    free = {*oracle_on_chip.may_stay(problem)}
    tries = rng.choice((1, TRIES))
    for _ in range(tries):
        found = _some_budgets(rng, problem, points)
        truth = oracle.best(points, found.objective, found.budgets)
        if truth is not None and 0 < len(free & truth.on_chip) < len(free):
            return found
    return found


def _some_budgets(rng: random.Random, problem: Problem, points: list[oracle.Point]) -> Problem:
    """Any budgets; mostly area against what tensors on chip save, of designs of some noise."""
    if rng.random() < 0.3:
        return with_budgets(rng, problem, points)
    budgets: dict[Metric, float] = {}
    if rng.random() < 0.6:
        budgets["noise"] = rng.choice(points).value("noise")
        points = oracle.within(points, budgets)
    saved = problem.objective if problem.objective in SAVED else rng.choice(SAVED)
    share, slack = rng.uniform(0.1, 0.9), rng.choice((1.0, 1.0, 1.02, 1.2))

    def score(point: oracle.Point) -> float:
        return point.value("area_mm2") ** share * point.value(saved) ** (1 - share)

    free = {*oracle_on_chip.may_stay(problem)}
    mixed = [point for point in points if 0 < len(free & point.on_chip) < len(free)]
    anchor = min(mixed or points, key=score)
    for name in ("area_mm2", saved):
        if name != problem.objective:
            budgets[name] = anchor.value(name) * slack
    if rng.random() < 0.2:
        budgets[rng.choice([*budgets])] *= rng.uniform(0.5, 0.99)
    return replace(problem, budgets={name: x for name, x in budgets.items() if x > 0})
