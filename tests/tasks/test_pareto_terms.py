"""Fronts on machines with optional terms are the enumerated ones."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import oracle
import pytest
from compare_fronts import compare
from enumerated_fronts import FrontCase, enumerated
from machine_terms import all_terms_case
from random_problems import Case
from seeds import check_all

OBJECTIVES = (("latency_s", "area_mm2"), ("latency_s", "noise"), ("area_mm2", "dram_bits"))
MOST_POINTS, MOST_OPTIONS = 4, 4


def front_case(seed: int) -> FrontCase:
    """Two objectives and no budget but one that leaves few points."""
    rng = random.Random(f"front of terms {seed}")
    case = all_terms_case(seed)
    while len(oracle.hardware_options(case.problem)) > MOST_OPTIONS or not case.points:
        case = all_terms_case(rng.randrange(10**6))
    objectives = rng.choice(OBJECTIVES)
    problem = replace(case.problem, quality=None, budgets={})
    found = enumerated(Case(problem, case.points), objectives)
    if len(found.front) > MOST_POINTS:
        limit = float(np.sort(found.front[:, -1])[MOST_POINTS - 1])
        problem = replace(problem, budgets={objectives[-1]: limit})
        found = enumerated(Case(problem, case.points), objectives)
    return found


@pytest.mark.slow
def test_fronts_are_the_enumerated_ones() -> None:
    check_all(range(3), lambda seed: compare(front_case(seed)))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1300, 50))
def test_fronts_are_the_enumerated_ones_long(first: int) -> None:
    check_all(range(first, first + 50), lambda seed: compare(front_case(seed)))
