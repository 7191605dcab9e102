"""Certificates on machines with optional terms: true claims are proven, false ones are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

import pytest
from certified import certify_and_check
from false_claims import closes, enumerated, groups_with, random_prices
from machine_terms import all_terms_case, buffers_case, overlap_case
from random_problems import Case

import codesign
from codesign.checking.certificate.run_costs import ROOF_SHARES, Weights
from codesign.checking.certificate.verify import Verifier
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
    for seed in range(101, 104):
        try:
            design = codesign.solve(CASES[term](seed).problem)
        except InfeasibleError:
            continue
        certify_and_check(design)
        proven += 1
    assert proven > 1


@pytest.mark.slow
@pytest.mark.parametrize("term", CASES)
def test_no_prices_prove_what_is_false(term: str) -> None:
    hold_to_enumeration(term, range(10, 14))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2000, 100))
@pytest.mark.parametrize("term", CASES)
def test_no_prices_prove_what_is_false_long(term: str, first: int) -> None:
    hold_to_enumeration(term, range(first, first + 100))


def hold_to_enumeration(term: str, seeds: range) -> None:
    """Try to prove a claim just above the true optimum, at any prices and weights of runs."""
    tried = 0
    for seed, checked, option, optimum in enumerated(seeds, CASES[term]):
        rng = random.Random(seed)
        claim = optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**40)
        verifier = Verifier(checked, claim)
        for group in groups_with(rng, checked, option):
            weights = {
                n: Weights(rng.randint(0, ROOF_SHARES), rng.choice((0, 1, 8, 64)))
                for n in range(1, len(verifier.fused_runs.runs) + 1)
            }
            prices, *further = (random_prices(rng, checked) for _ in range(4))
            assert not closes(verifier, group, prices, 20_000, further, weights), seed
            tried += 1
    assert tried >= len(seeds)
