"""Claims a certificate must not prove, and what it is made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import oracle
import pytest
from certified import ADDITIVE, as_checked, problem_of
from enumerated_suites import SuiteCase, best
from random_problems import Case

import codesign
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.run_costs import MOST_PRICE, ROOF_SHARES, Weights
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.problem import Option
from codesign.checking.problem import Problem as CheckedProblem

Optimum = tuple[int, CheckedProblem, Option, Fraction]  # seed, problem, hardware, objective


class Held(NamedTuple):
    """How many false claims were tried, and the seeds whose true claim was proven."""

    false: int
    true: tuple[int, ...]


def hold_to_enumeration(seeds: Iterable[int], of: Callable[[int], Case]) -> Held:
    """Try to prove false claims about some problems, and true ones about their best hardware."""
    return hold(enumerated(seeds, of))


def hold(found: Iterable[Optimum], truths: bool = True) -> Held:
    """The same where optima are known; ``truths``: true claims too.

    False is a claim just above one, at any prices, weights of runs, groups and cuts.
    """
    false, true = 0, list[int]()
    for seed, checked, option, optimum in found:
        rng = random.Random(seed)
        claim = optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**40)
        for cuts in ([], random_cuts(rng, checked)):
            verifier = Verifier(checked, claim, cuts)
            for group in groups_with(rng, checked, option):
                prices, weights = random_prices(rng, checked), random_weights(rng, verifier)
                assert not closes(verifier, group, prices, 0, weights=weights), seed
                further = [random_prices(rng, checked) for _ in range(3)]
                assert not closes(verifier, group, prices, 20_000, further, weights), seed
                false += 1
        if truths and proves(rng, checked, option, optimum):
            true.append(seed)
    return Held(false, tuple(true))


def proves(rng: random.Random, problem: CheckedProblem, option: Option, optimum: Fraction) -> bool:
    """Try to prove a true claim; whether there were few enough choices to enumerate."""
    verifier = Verifier(problem, optimum * (1 - Fraction(1, 10**8)))
    single = OptionGroup((option.array,), (option.pe_bits,))
    prices, *further = (random_prices(rng, problem) for _ in range(4))
    weights = random_weights(rng, verifier)
    try:
        assert verifier.closed(single, prices, 10**5, further, weights)
    except TooMany:
        return False
    return True


def enumerated(seeds: Iterable[int], of: Callable[[int], Case] = problem_of) -> Iterator[Optimum]:
    """Seed, feasible problem, hardware of its optimum, and that, by plain enumeration."""
    for seed in seeds:
        problem, points = of(seed)
        best = oracle.best(points, problem.objective, problem.budgets)
        if best is not None:
            optimum = Fraction(best.value(problem.objective))
            checked = as_checked(problem)
            yield seed, checked, option_of(checked, best.hardware), optimum


def option_of(problem: CheckedProblem, hardware: oracle.HardwareOption) -> Option:
    """Hardware of the oracle as the check has it: of its mapping where that is a choice."""
    mapped = problem.choices.mappings != (None,)
    return Option(*hardware[:4], *(hardware.mapping if mapped else ()))


def random_prices(rng: random.Random, problem: CheckedProblem) -> dict[str, Fraction]:
    """Prices of any size on what the objective and the budgets make matter."""
    matter = problem.objective, *problem.budgets, *problem.references
    names = [name for name in ADDITIVE if name in matter]
    names += [name for name in dict.fromkeys(matter) if "@" in name]
    return {name: Fraction(rng.choice((0.0, 1.0, 10 ** rng.uniform(-15, 5)))) for name in names}


def random_weights(rng: random.Random, verifier: Verifier) -> dict[int, Weights]:
    """Of some runs, where layers may be fused."""
    numbers = range(1, len(verifier.fused_runs.runs) + 1)
    prices = (0, 0, 1, 8, 64, rng.randint(0, 1000), MOST_PRICE)
    return {
        n: Weights(rng.randint(0, ROOF_SHARES), rng.choice(prices))
        for n in numbers
        if rng.random() < 0.7
    }


def random_cuts(rng: random.Random, problem: CheckedProblem) -> list[tuple[str, str]]:
    """Couplings of layers to widths and places, of what they touch and what they do not."""
    network = problem.network
    sources = [*network.sources, *(f"place:{name}" for name in network.lifetimes)]
    return [(x.name, rng.choice(sources)) for x in network.layers if rng.random() < 0.5]


def groups_with(
    rng: random.Random, problem: CheckedProblem, option: Option
) -> Iterator[OptionGroup]:
    """Groups that an option is in: alone, with all others, and in between."""
    arrays = [*dict.fromkeys(x.array for x in problem.choices.options)]
    pe_bits = [*dict.fromkeys(x.pe_bits for x in problem.choices.options)]
    yield OptionGroup((option.array,), (option.pe_bits,))
    for ideal in (False, True):
        some = [x for x in arrays if rng.random() < 0.5 or x == option.array]
        yield OptionGroup(tuple(some), tuple(pe_bits), ideal)
    some = [x for x in arrays if rng.random() < 0.5 or x == option.array]
    yield OptionGroup(tuple(some), tuple(pe_bits), finest=True)
    yield OptionGroup(tuple(arrays), tuple(pe_bits))


def closes(
    verifier: Verifier,
    group: OptionGroup,
    prices: dict[str, Fraction],
    most: int,
    further: Iterable[dict[str, Fraction]] = (),
    weights: dict[int, Weights] | None = None,
) -> bool:
    """Whether a claim is accepted."""
    try:
        return verifier.closed(group, prices, most, further, weights)
    except TooMany:
        return False


def optima_of_suites(cases: Iterable[tuple[int, SuiteCase]]) -> Iterator[Optimum]:
    """Of random suites, by plain enumeration; the hardware by a design that has as little."""
    for seed, case in cases:
        truth = best(case)
        if truth is None:
            continue
        design = codesign.solve(case.problem)
        found = design.metrics[case.problem.objective]
        assert found == pytest.approx(truth[case.problem.objective], rel=1e-9)
        hardware = design.hardware
        sides = hardware.rows, hardware.cols, hardware.pe_weight_bits, hardware.pe_activation_bits
        yield seed, as_checked(case.problem), Option(*sides), Fraction(found)
