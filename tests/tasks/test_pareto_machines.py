"""Fronts over machines of all kinds are the enumerated ones."""

from __future__ import annotations

from functools import cache

import oracle
import pytest
from compare_fronts import compare
from enumerated_fronts import FrontCase, best_along, front_case
from random_machines import KINDS
from seeds import check_all, half_long

SEEDS = range(6)
BLOCK = 50
LONG_SEEDS = range(10_000, 10_200)
WHERE = {"none": {}, "tensors": {"on_chip": True}, "bands": {"bands": True}}


@cache
def swept_case(kind: str, seed: int) -> FrontCase:
    """Front number ``seed`` on a kind of machine; every fourth with tensors on chip."""
    return front_case(seed, machine=kind, on_chip=seed % 4 == 3)


@pytest.mark.parametrize("seed", half_long(SEEDS, 4))
@pytest.mark.parametrize("kind", KINDS)
def test_front_is_the_enumerated_one(kind: str, seed: int) -> None:
    compare(swept_case(kind, seed))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", KINDS)
def test_front_is_the_enumerated_one_long(kind: str, where: str, first: int) -> None:
    def check(seed: int) -> None:
        most = {2: 25, 3: 10}
        compare(front_case(seed, most=most, largest=60, machine=kind, **WHERE[where]))

    check_all(range(first, first + BLOCK), check)


def test_fronts_contain_what_they_should() -> None:
    """Several points, and along a front more than one mapping."""
    cases = {(kind, seed): swept_case(kind, seed) for kind in KINDS for seed in SEEDS}
    assert {name for case in cases.values() for name in case.objectives} == set(oracle.METRICS)
    assert sum(len(case.front) >= 3 for case in cases.values()) >= 8
    several = [case for case in cases.values() if len(case.problem.choices.mapping) > 1]
    mappings = [{best.hardware.mapping for best in best_along(case)} for case in several]
    assert any(len(each) > 1 for each in mappings)
