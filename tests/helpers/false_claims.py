"""Claims a certificate must not prove, and what it is made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import oracle
from certified import ADDITIVE, as_checked, problem_of
from random_problems import Case

from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.run_costs import Weights
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.problem import Option
from codesign.checking.problem import Problem as CheckedProblem


def enumerated(
    seeds: Iterable[int], of: Callable[[int], Case] = problem_of
) -> Iterator[tuple[int, CheckedProblem, Option, Fraction]]:
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
    names = [name for name in ADDITIVE if name in (problem.objective, *problem.budgets)]
    return {name: Fraction(rng.choice((0.0, 1.0, 10 ** rng.uniform(-15, 5)))) for name in names}


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
