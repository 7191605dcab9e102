"""Where tensors may stay on chip, and where layers may be fused, fronts are the enumerated ones."""

from __future__ import annotations

from functools import cache

import oracle
import pytest
from compare_fronts import compare
from enumerated_fronts import FrontCase, best_along, front_case
from seeds import check_all, half_long

SEEDS = {"on_chip": range(20), "bands": (*range(4, 17), 19)}
EVERY = [(mode, seed) for mode, seeds in SEEDS.items() for seed in seeds]
BLOCK = 50
LONG_SEEDS = range(10_000, 10_600)


@cache
def swept_case(mode: str, seed: int) -> FrontCase:
    """Front number ``seed``, with tensors ``on_chip`` or with ``bands``."""
    return front_case(seed, **{mode: True})


@pytest.mark.parametrize(("mode", "seed"), half_long(EVERY, 3))
def test_front_is_the_enumerated_one(mode: str, seed: int) -> None:
    compare(swept_case(mode, seed))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
@pytest.mark.parametrize("mode", SEEDS)
def test_front_is_the_enumerated_one_long(mode: str, first: int) -> None:
    def check(seed: int) -> None:
        compare(front_case(seed, most={2: 25, 3: 10}, largest=60, **{mode: True}))

    check_all(range(first, first + BLOCK), check)


@pytest.mark.parametrize("mode", SEEDS)
def test_fronts_contain_what_they_should(mode: str) -> None:
    """Several points, and along a front what is on chip, or fused, at one point and not another."""
    cases = [swept_case(mode, seed) for seed in SEEDS[mode]]
    assert {name for case in cases for name in case.objectives} == set(oracle.METRICS)
    assert sum(len({getattr(best, mode) for best in best_along(case)}) > 1 for case in cases) >= 4
    long_fronts = sum(len(case.front) >= 4 for case in cases)
    if mode == "on_chip":
        assert sum(len(case.front) == 0 for case in cases) >= 1
        assert long_fronts >= 4
    else:
        assert long_fronts >= 3
