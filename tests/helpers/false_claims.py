"""Claims a certificate must not prove, and what it is made of."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from fractions import Fraction

import oracle
from certified import ADDITIVE, as_checked, problem_of

from codesign.checking.problem import Option
from codesign.checking.problem import Problem as CheckedProblem


def enumerated(seeds: Iterable[int]) -> Iterator[tuple[int, CheckedProblem, Option, Fraction]]:
    """Seed, feasible problem, hardware of its optimum, and that, by plain enumeration."""
    for seed in seeds:
        problem, points = problem_of(seed)
        best = oracle.best(points, problem.objective, problem.budgets)
        if best is not None:
            optimum = Fraction(best.value(problem.objective))
            yield seed, as_checked(problem), Option(*best.hardware), optimum


def random_prices(rng: random.Random, problem: CheckedProblem) -> dict[str, Fraction]:
    """Prices of any size on what the objective and the budgets make matter."""
    names = [name for name in ADDITIVE if name in (problem.objective, *problem.budgets)]
    return {name: Fraction(rng.choice((0.0, 1.0, 10 ** rng.uniform(-15, 5)))) for name in names}
