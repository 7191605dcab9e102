"""Tiny random problems at several numbers of images at once."""

from __future__ import annotations

import random
from dataclasses import replace

import oracle
from random_problems import random_case, with_budgets

from codesign import Problem


def questions(seed: int) -> list[Problem]:
    """A random problem at one to three images, within the same budgets on the whole batch."""
    rng = random.Random(f"batches {seed}")
    problem = random_case(seed, sharing=seed % 5 == 0).problem
    while all(layer.weight_tensor for layer in problem.network.layers):  # which tell no images
        problem = random_case(seed := seed + 5000).problem
    if rng.random() < 0.6:
        problem = replace(problem, objective="latency_s", budgets={}, quality=None)
    counts = rng.choice(((1, 2), (1, 2, 3), (1, 3)))
    each = [replace(problem, network=problem.network.batched(n)) for n in counts]
    drawn = rng.choice(each)
    points = oracle.all_points(drawn)
    if points:
        found = with_budgets(rng, replace(drawn, budgets={}, quality=None), points)
        budgets = {name: x for name, x in found.budgets.items() if name != problem.objective}
        each = [replace(x, budgets=budgets, quality=None) for x in each]
    return each
