"""Random tiny problems of hybrids, with all their designs."""

from __future__ import annotations

import random
from dataclasses import replace

import hybrid_oracle
from dataflow_oracle import Group
from random_dataflow import Case, random_choices, random_tiny_network, too_many, with_goal
from random_energy import with_energy
from random_problems import (
    affordable,
    balanced_bandwidth,
    random_sensitivity,
    random_technology,
)

from codesign.problem.problem import Problem

KINDS = ("plain", "plain", "moving", "in_place", "reusing", "padded", "joined")
MOST_HYBRIDS = 6000  # kept ones, of all widths: more take too long to enumerate


def hybrid_case(seed: int, kind: str = "") -> Case:
    """Problem number ``seed``, of some kind where none is said."""
    rng = random.Random(f"hybrid {seed} {kind}")
    kind = kind or rng.choice(KINDS)
    while True:
        case = _drawn(rng, kind)
        if case is not None:
            return case


def _drawn(rng: random.Random, kind: str) -> Case | None:
    network = random_tiny_network(rng, kind)
    if sum(not layer.moves for layer in network.layers) < 2:
        return None
    choices = random_choices(rng, network)
    few = rng.choice((1, 2, 4) if kind == "joined" else (2, 4, 8, 16))
    choices = affordable(rng, network, replace(choices, architecture=("hybrid",)), few)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=replace(random_technology(rng), energy=None),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective="interval_s",
    )
    if kind == "energy":
        problem = with_energy(rng, replace(problem, technology=random_technology(rng)))
    if too_many(problem):
        return None
    groups: list[Group] = hybrid_oracle.all_hybrids(problem)
    if sum(len(group.bases) * len(group.waits) for group in groups) > MOST_HYBRIDS:
        return None
    if any(group.bases for group in groups):
        problem = with_goal(rng, problem, [x for x in groups if x.bases])
    return Case(problem, groups)
