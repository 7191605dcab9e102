"""Where tensors may stay on chip, whole fronts are the enumerated ones."""

from __future__ import annotations

from functools import cache

import oracle
import pytest
from compare_fronts import compare
from enumerated_fronts import FrontCase, best_along, front_case
from seeds import check_all

SEEDS = range(20)
BLOCK = 50
LONG_SEEDS = range(10_000, 10_600)


@cache
def swept_case(seed: int) -> FrontCase:
    """Front number ``seed``."""
    return front_case(seed, on_chip=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_front_is_the_enumerated_one(seed: int) -> None:
    compare(swept_case(seed))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
def test_front_is_the_enumerated_one_long(first: int) -> None:
    check_all(
        range(first, first + BLOCK),
        lambda seed: compare(front_case(seed, most={2: 25, 3: 10}, largest=60, on_chip=True)),
    )


def test_fronts_contain_what_they_should() -> None:
    """Several points, and along a front tensors that are kept at one point and not at another."""
    cases = [swept_case(seed) for seed in SEEDS]
    assert {name for case in cases for name in case.objectives} == set(oracle.METRICS)
    assert sum(len(case.front) == 0 for case in cases) >= 1
    assert sum(len(case.front) >= 4 for case in cases) >= 4
    assert sum(len({best.on_chip for best in best_along(case)}) > 1 for case in cases) >= 4
