"""Widths that some choice within the limit on the noise has, against every choice."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from random_networks import random_network

from codesign import Choices, InfeasibleError, Problem, load_network, solve
from codesign.problem.tolerances import keeps

WIDTHS = (2, 3, 4, 8)


def noise_of(problem: Problem, bits: Mapping[str, int]) -> float:
    return math.fsum(problem.noise_of(x, b) for x, b in bits.items())


def drawn(rng: random.Random) -> tuple[Problem, list[dict[str, int]]]:
    """A problem whose limit on the noise some choice just reaches or misses; every choice."""
    while True:
        network = random_network(rng, rng.choice((1, 2, 3)), 1)
        choices = Choices(weight_bits=WIDTHS, activation_bits=WIDTHS, tied=rng.random() < 0.3)
        problem = Problem(network=network, choices=choices, objective="area")
        if len(problem.width_classes) <= 5:
            break
    if rng.random() < 0.5:
        noise = {x: {b: rng.random() * 4.0**-b for b in WIDTHS} for x in problem.noise_sources}
        problem = replace(problem, sensitivity=noise)
    classes, every = problem.width_classes, []
    for bits in product(WIDTHS, repeat=len(classes)):
        pairs = zip(classes, bits, strict=True)
        every.append({x: b for members, b in pairs for x in members})
    limit = noise_of(problem, rng.choice(every)) * rng.choice((0.99, 1.0, 1.0))
    return replace(problem, budgets={"noise": limit}), every


@pytest.mark.parametrize("seed", range(60))
def test_they_are_those_of_choices_that_keep_it(seed: int) -> None:
    """Where nothing keeps it, all."""
    problem, every = drawn(random.Random(f"bits within noise {seed}"))
    kept = [x for x in every if keeps(noise_of(problem, x), problem.budgets["noise"])] or every
    for source in problem.noise_sources:
        found = problem.allowed_bits(source, within_noise=True)
        assert found == tuple(sorted({bits[source] for bits in kept}))


def test_a_limit_that_nothing_keeps_is_told_as_of_all_widths() -> None:
    """Beside another: the least noise and the least area are those of every width on offer."""
    sides = dict.fromkeys(("rows", "cols"), (4,))
    problem = Problem(
        network=load_network("alexnet"),
        choices=Choices(**sides, on_chip="none"),
        objective="latency",
        budgets={"area": 0.01},
        quality="uniform:6",
    )
    with pytest.raises(InfeasibleError) as raised:
        solve(problem)
    alone = solve(replace(problem, objective="area", budgets={}, quality=None), ties="leave")
    assert raised.value.clashing["area_mm2"][1] == pytest.approx(alone.metrics["area_mm2"])
