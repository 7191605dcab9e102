"""The optimum of a suite is the enumerated one: members weighted, budgets of each and of all."""

from __future__ import annotations

import pytest
from compare_suites import compare_suite
from random_suites import suite_case
from seeds import check_all

SEEDS = range(30)
BLOCK = 50


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = suite_case(seed)
    compare_suite(case)
    if seed % 6 == 0:
        compare_suite(case, "whole")


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 600, BLOCK))
def test_optimum_of_many_is_the_enumerated_one(first: int) -> None:
    check_all(range(first, first + BLOCK), lambda seed: compare_suite(suite_case(seed)))
