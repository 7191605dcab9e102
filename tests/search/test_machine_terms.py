"""On machines with optional terms the optimum is the enumerated one.

Compute and DRAM that pass in part one after the other, and buffers of operands' own, alone and
together on machines of other mappings, on random problems of every kind.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from compare_designs import compare
from machine_terms import all_terms_case, buffers_case, overlap_case
from random_problems import Case
from seeds import check_all

CASES: dict[str, Callable[[int], Case]] = {
    "overlap": overlap_case,
    "buffers": buffers_case,
    "all": all_terms_case,
}
LONG_BLOCKS = range(1000, 3000, 100)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize("term", CASES)
def test_optimum_is_the_enumerated_one(term: str) -> None:
    def check(seed: int) -> None:
        compare(CASES[term](seed), "whole" if seed % 6 == 0 else "search")

    check_all(range(12), check)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
@pytest.mark.parametrize("term", CASES)
def test_optimum_is_the_enumerated_one_long(term: str, first: int) -> None:
    def check(seed: int) -> None:
        case = CASES[term](seed)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + 100), check)
