"""Certificates on machines with optional terms: true claims are proven, false ones are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from certified import certify_and_check
from false_claims import hold_to_enumeration
from machine_terms import all_terms_case, buffers_case, overlap_case
from random_problems import Case

import codesign
from codesign.errors import InfeasibleError

CASES: dict[str, Callable[[int], Case]] = {
    "overlap": overlap_case,
    "buffers": buffers_case,
    "all": all_terms_case,
}


@pytest.mark.slow
@pytest.mark.parametrize("term", CASES)
def test_optima_are_proven(term: str) -> None:
    proven = 0
    for seed in range(101, 103):
        try:
            design = codesign.solve(CASES[term](seed).problem)
        except InfeasibleError:
            continue
        certify_and_check(design)
        proven += 1
    assert proven


@pytest.mark.slow
@pytest.mark.parametrize("term", CASES)
def test_no_prices_prove_what_is_false(term: str) -> None:
    hold(term, range(10, 14))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2000, 100))
@pytest.mark.parametrize("term", CASES)
def test_no_prices_prove_what_is_false_long(term: str, first: int) -> None:
    hold(term, range(first, first + 100))


def hold(term: str, seeds: range) -> None:
    """Of a third some true claim is proven."""
    held = hold_to_enumeration(seeds, CASES[term])
    assert held.false > 2 * len(seeds)
    assert len(held.true) > len(seeds) // 3
