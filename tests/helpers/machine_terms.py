"""Random problems on machines with optional terms: the same questions, their budgets as tight."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import oracle
from random_bands import KINDS as BAND_KINDS
from random_bands import bands_case
from random_on_chip import KINDS as CHIP_KINDS
from random_on_chip import on_chip_case
from random_problems import Case, random_case, steep_case

OVERLAPS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999999)


def plain_case(seed: int) -> Case:
    """A random problem of any kind: tensors in DRAM, on chip, or in bands."""
    kind = seed % 5
    if kind == 0:
        return random_case(seed, moving=seed % 2 == 0, sharing=seed % 3 == 0)
    if kind == 1:
        return steep_case(seed)
    if kind == 2:
        return on_chip_case(seed, CHIP_KINDS[seed % len(CHIP_KINDS)])
    return bands_case(seed, BAND_KINDS[seed % len(BAND_KINDS)])


def overlap_case(seed: int) -> Case:
    """Compute and DRAM pass in part one after the other."""
    rng = random.Random(f"overlap {seed}")
    return with_terms(plain_case(seed), overlap=rng.choice(OVERLAPS))


def with_terms(case: Case, **terms: Any) -> Case:
    """The same problem on another machine; a budget that as many designs keep, if any do."""
    problem, points = case
    problem = replace(problem, choices=replace(problem.choices, **terms))
    made = oracle.all_points(problem)
    if points and made:
        kept = {
            metric: _as_tight(
                limit,
                sorted(point.value(metric) for point in points),
                sorted(point.value(metric) for point in made),
            )
            for metric, limit in problem.budgets.items()
        }
        problem = replace(problem, budgets=kept)
    return Case(problem, made)


def _as_tight(limit: float, before: Sequence[float], after: Sequence[float]) -> float:
    """A limit that the same share of values keeps; of equal shares as far above the last."""
    kept = bisect_right(before, limit * (1 + oracle.TOLERANCE))
    if kept == 0:
        return limit * after[0] / before[0] if before[0] else limit
    nearest = before[kept - 1]
    value = after[min(len(after) - 1, kept * len(after) // len(before) - 1)]
    return value * limit / nearest if nearest else value
