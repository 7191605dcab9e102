"""Pareto fronts of tiny random problems by plain enumeration of every design."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import oracle
from random_bands import KINDS as BAND_KINDS
from random_bands import bands_case
from random_on_chip import KINDS, on_chip_case
from random_problems import Case, random_case

from codesign.problem.problem import Problem

Floats = npt.NDArray[np.float64]

MOST = {2: 6, 3: 4}  # points of a front, by number of objectives
LARGEST = 24  # layers times hardware options
NEAR = 4e-8  # relative; values nearer than this count as equal
TRIES = 3  # at objectives that are at odds


class FrontCase(NamedTuple):
    """A problem, objectives, the designs within its budgets, and the front they have."""

    problem: Problem
    objectives: tuple[str, ...]
    points: list[oracle.Point]
    front: Floats


def front_case(
    seed: int,
    most: Mapping[int, int] = MOST,
    largest: float = LARGEST,
    sram: bool = False,
    on_chip: bool = False,
    bands: bool = False,
    reusing: bool = False,
    machine: str = "",
) -> FrontCase:
    """Front number ``seed``: two objectives mostly, or three; often budgets, at times too tight.

    A front of more points than ``most`` is cut short by a budget on the last objective.
    ``on_chip``: tensors may stay there, in problems of all kinds that `random_on_chip` has;
    ``bands``: and layers may be fused, in those of `random_bands`. ``reusing``:
    with layers that use the weights of others. ``machine``: on a kind of machine, as
    `with_machine`.
    """

    def draw(number: int) -> Case:
        if bands:
            return bands_case(number, BAND_KINDS[number % len(BAND_KINDS)], machine)
        if on_chip:
            return on_chip_case(number, KINDS[number % len(KINDS)], machine)
        return random_case(number, sram=sram, reusing=reusing, machine=machine)

    rng = random.Random(f"front {seed}")
    case = draw(seed)
    while _size(case.problem) > largest:
        case = draw(rng.randrange(10**6))
    for _ in range(TRIES):
        objectives = tuple(rng.sample(oracle.METRICS, rng.choice((2, 2, 2, 3))))
        problem = _loosened(rng, case.problem, objectives)
        found = enumerated(Case(problem, case.points), objectives)
        if len(found.front) != 1:
            break
    count = most[len(objectives)]
    if len(found.front) > count:
        last = objectives[-1]
        limit = float(np.sort(found.front[:, -1])[count - 1])
        problem = replace(problem, quality=None, budgets={**problem.budgets, last: limit})
        found = enumerated(Case(problem, case.points), objectives)
    return found


def _size(problem: Problem) -> int:
    return len(problem.network.layers) * len(oracle.hardware_options(problem))


def _loosened(rng: random.Random, problem: Problem, objectives: Sequence[str]) -> Problem:
    """One in four problems keeps its budgets; of the others some are kept, and those widened."""
    if rng.random() < 0.25:
        return problem
    share = {name: 0.2 if name in objectives else 0.6 for name in problem.budgets}
    budgets = {
        name: limit * rng.uniform(1, 4)
        for name, limit in problem.budgets.items()
        if rng.random() < share[name]
    }
    return replace(problem, quality=None, budgets=budgets)


def enumerated(case: Case, objectives: Sequence[str]) -> FrontCase:
    """The front of a problem whose designs are known."""
    points = oracle.within(case.points, case.problem.budgets)
    front = nondominated(vectors(points, objectives))
    return FrontCase(case.problem, tuple(objectives), points, front)


def best_along(case: FrontCase) -> list[oracle.Point]:
    """The best design at each point of a front, within what it has of all objectives but one."""
    first, *others = case.objectives
    found = []
    for row in case.front:
        best = oracle.best(case.points, first, dict(zip(others, row[1:], strict=True)))
        assert best is not None
        found.append(best)
    return found


def vectors(points: Sequence[oracle.Point], objectives: Sequence[str]) -> Floats:
    """(points, objectives)."""
    columns = [oracle.METRICS.index(name) for name in objectives]
    rows = [[point.metrics[i] for i in columns] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))


def nondominated(rows: Floats, tolerance: float = NEAR) -> Floats:
    """Distinct rows no other is as good as in every column, ascending."""
    kept = np.empty((0, rows.shape[1]))
    for row in np.unique(rows, axis=0):
        if not (kept <= row * (1 + tolerance)).all(axis=1).any():
            kept = np.vstack([kept, row])
    return kept[[not _dominated(row, kept, tolerance) for row in kept]]  # by a later near tie


def _dominated(row: Floats, rows: Floats, tolerance: float) -> bool:
    as_good = (rows <= row * (1 + tolerance)).all(axis=1)
    return bool((as_good & (rows < row * (1 - tolerance)).any(axis=1)).any())
