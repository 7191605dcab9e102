"""The least regret of a suite: no network is farther from its own best than it must be.

The best of each network alone, under the same budgets, is proven first. What that proves of each
hardware option bounds how near it brings every network, and the first design is one of the option
that may bring them nearest. Then designs are looked for in which every network is nearer to its own
best than in the last one found: limits on the members, each a proof of its own. When there is none,
the last one is proven: its largest ratio is the least.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from codesign.errors import SolverError, SpecError
from codesign.problem.goal import Ended, Goal
from codesign.problem.metrics import ADDITIVE_METRICS, REGRET
from codesign.problem.problem import Problem
from codesign.problem.tolerances import SAME_VALUE
from codesign.search.cut_pool import ProvenBounds
from codesign.search.goal_task import SearchResult, SearchStats
from codesign.search.lexicographic import (
    TIES_LEAST_S,
    TIES_TIMES,
    LexicographicResult,
    LexicographicSearch,
    ReportMetric,
    Ties,
)
from codesign.search.member_spaces import limits_of_member, problem_of_member
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution
from codesign.units import kind_of, of_member


def with_references(
    problem: Problem, of: str, search: LexicographicSearch | None = None
) -> Problem:
    """The problem of least regret with the best of each member, proven alone.

    Parameters
    ----------
    of : str
        The metric whose ratios count.
    search : LexicographicSearch, optional
        Over the suite, within whose time they are proven; it learns what is proven of each.

    Raises
    ------
    SpecError
        No suite, or a metric that members have no share of.
    InfeasibleError
        A member alone keeps no budget.
    SolverError
        There was no time to prove what is best of each.
    """
    if of not in ADDITIVE_METRICS or not problem.network.members:
        raise SpecError(f"regret: of a suite, in one of {', '.join(ADDITIVE_METRICS)}; got {of!r}")
    references = {}
    for m, member in enumerate(problem.network.members):
        alone = problem_of_member(problem, m, of)
        own = LexicographicSearch(HardwareSpace(alone), stop=search.stop if search else None)
        found = own.minimise((of,), alone.budgets)
        if found.solution is None and found.complete:
            from codesign.search.infeasibility import infeasibility_error

            raise infeasibility_error(own.goal_task(Goal(of, alone.budgets)))
        if found.solution is None or not found.complete:
            raise SolverError(f"no time to prove the best of {member.name} alone; allow more")
        name = of_member(of, member.name)
        references[name] = found.solution.metrics[of]
        if search is not None:  # its hardware options are those of the suite
            goal = Goal(name, limits_of_member(problem, m))
            search.cut_pool.add_bounds(ProvenBounds(goal, found.first.lower))
    return replace(problem, references=references)


def regret(metrics: Mapping[str, float], references: Mapping[str, float]) -> float:
    """The largest ratio of a member's share to its reference; of 0 to 0, 1."""
    return max(_ratio(metrics[name], best) for name, best in references.items())


def _ratio(value: float, best: float) -> float:
    if best > 0:
        return value / best
    return 1.0 if value <= 0 else math.inf


def least_regret(
    search: LexicographicSearch,
    problem: Problem,
    tie_breakers: tuple[str, ...],
    ties: Ties | None,
    report: ReportMetric = lambda metric: None,
) -> LexicographicResult:
    """Search for the least regret, then for the least of what breaks ties.

    The bound is a little below the least: no design was found that is nearer by more than what
    counts as the same. References are held to be no bests: where they are more, regret is below 1.

    Parameters
    ----------
    ties : "break" or "leave" or None
        As of `LexicographicSearch.minimise`.
    """
    started, stats = time.monotonic(), SearchStats()
    kind = kind_of(next(iter(problem.references)))
    told, limits = report(REGRET), dict(problem.budgets)
    best, bound = _first(search, problem, stats)
    value = math.inf
    if best is not None:
        value = regret(best.metrics, problem.references)
        limits = _nearer(problem, value)
    floor = 0.0 if all(problem.references.values()) else 1.0  # a share of 0 is as near as can be
    while True:
        task = replace(search.goal_task(Goal(kind, limits)), stats=stats)
        result = search.prove(task)
        bound = max(bound, min(value * (1 - SAME_VALUE), _mean_ratio(search, problem, result)))
        if result.incumbent is None:
            break
        best = result.incumbent
        value = regret(best.metrics, problem.references)
        if told is not None:
            told(value, min(bound, value))
        if not result.complete or value <= floor:
            break
        limits = _nearer(problem, value)
    if best is None:
        ended: Ended | None = "gap" if result.complete else search.stop.reason()
        return LexicographicResult(None, result, result.complete, stats, "not proven", ended)
    complete = result.complete
    ruled_out = value * (1 - SAME_VALUE)
    bound = min(max(bound, ruled_out if complete else floor), value)
    lower = np.where(np.isinf(result.lower) | complete, max(bound, ruled_out), bound)
    whole = replace(best, metrics={**best.metrics, REGRET: value})
    first = SearchResult(whole, bound, lower, complete)
    ended = "gap" if complete else search.stop.reason()
    outcome = LexicographicResult(whole, first, complete, stats, "left", ended)
    if ties == "leave" or not complete:
        return replace(outcome, ties="left" if complete else "not proven")
    share_s = max(TIES_TIMES * (time.monotonic() - started), TIES_LEAST_S)
    with search.stop.within(share_s if ties else math.inf):
        held = {**problem.budgets, **_held(problem, value)}
        smaller = search.minimise(tie_breakers, held, report)
    found = smaller.solution
    if found is None or regret(found.metrics, problem.references) > value * (1 + SAME_VALUE):
        return replace(outcome, ties="not proven")
    return replace(
        outcome,
        solution=_with_regret(found, problem.references),
        complete=smaller.complete,
        ties="broken" if smaller.complete else "not proven",
    )


def _first(
    search: LexicographicSearch, problem: Problem, stats: SearchStats
) -> tuple[Solution | None, float]:
    """A design of the option that may bring every member nearest to its best, and a bound.

    As far as bounds of the members are known: without, there is none, and the bound is 0.
    """
    pool, space, least = search.cut_pool, search.space, np.zeros(len(search.space))
    for name, best in problem.references.items():
        lower = pool.lower(Goal(name, problem.budgets), np.full(len(space), np.inf))
        if best > 0:
            least = np.maximum(least, lower / best)
    least[~search.open] = np.inf
    bound = float(least.min())
    if not 0 < bound < math.inf:
        return None, 0.0
    part = search.part(np.arange(len(space)) == least.argmin())
    kind = kind_of(next(iter(problem.references)))
    task = replace(part.goal_task(Goal(kind, problem.budgets)), stats=stats)
    found = part.prove(task).incumbent
    if found is not None:
        pool.solutions.append(found)
    return found, bound


def _mean_ratio(search: LexicographicSearch, problem: Problem, result: SearchResult) -> float:
    """What is proven of the sum over the members by that of their references.

    It is a mean of the ratios, each with its weight, so that the largest is no less.
    """
    kind = kind_of(next(iter(problem.references)))
    weights = search.space.shares.of_members(kind).tolist()
    names = (of_member(kind, member.name) for member in problem.network.members)
    whole = math.fsum(w * problem.references[x] for w, x in zip(weights, names, strict=True))
    return max(result.bound, 0.0) / whole if whole > 0 else 0.0


def _with_regret(found: Solution, references: Mapping[str, float]) -> Solution:
    return replace(found, metrics={**found.metrics, REGRET: regret(found.metrics, references)})


def _held(problem: Problem, value: float) -> dict[str, float]:
    """Limits with which no member is farther from its best."""
    return {
        name: min(value * best if best > 0 else 0.0, problem.budgets.get(name, math.inf))
        for name, best in problem.references.items()
    }


def _nearer(problem: Problem, value: float) -> dict[str, float]:
    """Budgets with which every member is nearer to its best, by more than what is the same."""
    return {**problem.budgets, **_held(problem, value * (1 - SAME_VALUE))}
