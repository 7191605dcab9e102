"""Which SRAM capacities are on offer: sizes to choose from, or a least and a most.

Optima, fronts, explanations and certificates of problems that say so are the enumerated ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import oracle
import pytest
from random_problems import Case, random_case
from test_oracle import compare

from codesign.capacities import Capacities
from codesign.problem import METRICS

SEEDS = range(80)
LONG_SEEDS = range(1000, 2200)
BLOCK = 100
SEEN: dict[int, set[str]] = {}  # features of the problems made so far


@cache
def sram_case(seed: int) -> Case:
    """Random tiny problems of every kind, with SRAM sizes or limits on it."""
    return random_case(seed, moving=seed % 5 == 1, sharing=seed % 5 == 2, sram=True)


# --- the optimum --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = sram_case(seed)
    SEEN[seed] = features(case)
    for method in both(seed):
        compare(case, method)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    wrong = []
    for seed in range(first, first + BLOCK):
        try:
            for method in both(0):
                compare(sram_case(seed), method)
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)


def both(seed: int) -> Sequence[Literal["search", "whole"]]:
    """Both methods, for every other problem; else the search."""
    return ("search", "whole") if seed % 2 == 0 else ("search",)


def features(case: Case) -> set[str]:
    """What a problem says of its SRAM, and whether that makes a difference."""
    problem, points = case
    choices, objective = problem.choices, problem.objective
    free = replace(problem, choices=replace(choices, **FREE))
    every = oracle.all_points(free)
    truth = oracle.best(points, objective, problem.budgets)
    without = oracle.best(every, objective, problem.budgets)
    changed = without and truth and truth.metrics != without.metrics
    present = {
        "one size": len(choices.sram_bits) == 1,
        "several sizes": len(choices.sram_bits) > 1,
        "least": choices.min_sram_bits is not None,
        "most": choices.max_sram_bits is not None,
        "no design for want of SRAM": bool(every) and not points,
        "no design in the budgets for want of SRAM": without and not truth,
        "infeasible": truth is None,
        "another design": changed,
        "the same design": truth and without and not changed,
        f"objective {objective}": True,
    }
    return {name for name, here in present.items() if here}


FREE: dict[str, Any] = {"sram_bits": (), "min_sram_bits": None, "max_sram_bits": None}


def test_the_problems_had_all_there_is() -> None:
    count: dict[str, int] = {}
    for seed in SEEDS:
        for feature in SEEN.get(seed) or features(sram_case(seed)):
            count[feature] = count.get(feature, 0) + 1
    wanted = ["one size", "several sizes", "least", "most", "infeasible"]
    wanted += ["another design", "the same design", "no design in the budgets for want of SRAM"]
    wanted += [f"objective {metric}" for metric in METRICS]
    rare = [feature for feature in wanted if count.get(feature, 0) < 3]
    assert not rare, f"too rare in the seeds: {rare}; found {count}"


# --- what capacities mean -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "capacities",
    [
        Capacities(),
        Capacities(5, 40),
        Capacities.of_sizes((7,)),
        Capacities.of_sizes((3, 8, 20, 50)),
        Capacities.of_sizes((3, 8, 20, 50)).between(4, 49),
        Capacities.of_sizes((3, 8)).between(9, 100),
        Capacities(5, 40).between(50, 60),
    ],
)
def test_capacities_are_those_listed(capacities: Capacities) -> None:
    """Rounding up and down agree with looking at every capacity."""
    every = [n for n in range(100) if capacities.least_bits <= n <= capacities.most_bits]
    every = [n for n in every if not capacities.sizes or n in capacities.sizes]
    for bits in range(60):
        assert capacities.holding(bits) == min((n for n in every if n >= bits), default=math.inf)
        assert capacities.within(bits) == max((n for n in every if n <= bits), default=-1)
