"""Claims about problems of which all designs are known with their energies, true and false."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import oracle
from certified import as_checked, certify_and_check
from enumerated_energy import EnergyPoint
from false_claims import closes, groups_with, option_of, random_cuts, random_weights

import codesign
from codesign import Problem
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.problem import Problem as CheckedProblem

Draw = Callable[[int], tuple[Problem, list[EnergyPoint]]]  # of a seed


def hold_to_points(draw: Draw, seeds: Iterable[int], close: int = 5_000) -> Counter[str]:
    """Try to prove false claims about some problems, and true ones about their best hardware.

    False is one just above the optimum, at any prices, groups, cuts, weights of fused runs and
    ranges of SRAM. ``close``: partial choices to look at for each.
    """
    seen: Counter[str] = Counter()
    for seed, problem, best in optima(draw, seeds):
        rng, checked = random.Random(f"claims {seed}"), as_checked(problem)
        optimum, option = (
            Fraction(best.metrics[problem.objective]),
            option_of(checked, best.hardware),
        )
        claim = optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**40)
        for cuts in ([], random_cuts(rng, checked)):
            verifier = Verifier(checked, claim, cuts)
            for group in groups_with(rng, checked, option):
                given = replace(group, sram_bits=range_with(rng, best.sram_bits))
                prices = prices_near(rng, checked, optimum)
                weights = random_weights(rng, verifier)
                assert not closes(verifier, given, prices, 0, weights=weights), seed
                further = [prices_near(rng, checked, optimum) for _ in range(2)]
                assert not closes(verifier, given, prices, close, further, weights), seed
                seen["false"] += 1
        seen["true"] += proves(rng, checked, best, optimum)
    return seen


def optima(draw: Draw, seeds: Iterable[int]) -> Iterator[tuple[int, Problem, EnergyPoint]]:
    """Seed, problem and best design of those that have one."""
    for seed in seeds:
        problem, points = draw(seed)
        kept = [
            point
            for point in points
            if all(
                point.metrics[name] <= most * (1 + oracle.TOLERANCE)
                for name, most in problem.budgets.items()
            )
        ]
        if kept:
            yield seed, problem, min(kept, key=lambda x: x.metrics[problem.objective])


def range_with(rng: random.Random, bits: int) -> tuple[int, int] | None:
    """A range of SRAM that holds so many bits, or none."""
    low, high = rng.choice((1, bits, rng.randint(1, bits))), bits + rng.choice((0, 1, bits, 10**6))
    return rng.choice((None, (low, high)))


def prices_near(
    rng: random.Random, problem: CheckedProblem, optimum: Fraction
) -> dict[str, Fraction]:
    """Prices at which metrics cost about as much as each other, or none, or any."""
    limits = {**problem.budgets, problem.objective: optimum}
    costs = ("latency_s", "dram_bits", "noise", "model_bits", "energy_j")
    found = {}
    for name in (x for x in costs if x in limits):
        price = Fraction(rng.choice((0.0, 1.0, 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(-9, 9))))
        found[name] = price / limits[name] if limits[name] else price
    return found


def proves(
    rng: random.Random, problem: CheckedProblem, best: EnergyPoint, optimum: Fraction
) -> bool:
    """Try to prove a true claim at the best SRAM; whether there were few enough choices."""
    option = option_of(problem, best.hardware)
    sram = best.sram_bits, best.sram_bits
    single = OptionGroup((option.array,), (option.pe_bits,), sram_bits=sram)
    verifier = Verifier(problem, optimum * (1 - Fraction(1, 10**6)))
    prices, *further = (prices_near(rng, problem, optimum) for _ in range(4))
    weights = random_weights(rng, verifier)
    try:
        assert verifier.closed(single, prices, 10**5, further, weights)
    except TooMany:
        return False
    return True


def certify_all(draw: Draw, seeds: Iterable[int]) -> int:
    """Certify and check the best designs of some problems; how many have one."""
    proven = 0
    for _, problem, _ in optima(draw, seeds):
        certify_and_check(codesign.solve(problem))
        proven += 1
    return proven
