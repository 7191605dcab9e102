"""Pipelines of which stages are given, wholly or in part: the best of the rest is enumerated."""

from __future__ import annotations

import pytest
from compared_pipelines import compare_case
from given_pipelines import given_case
from seeds import half_long

SEEDS, LONG_SEEDS = range(8), range(8, 200)


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_best_of_what_is_left_is_the_enumerated_one(seed: int) -> None:
    compare_case(given_case(seed), "search")


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_best_of_what_is_left_is_the_enumerated_one_by_both_methods(seed: int) -> None:
    compare_case(given_case(seed), "search")
    compare_case(given_case(seed, 1.0), "whole")
