"""From a problem that offers several architectures to the best of all, proven over all of them.

Pipelines come first, then hybrids, then arrays, each searched for what is no worse than the best so
far. Layers of an array run one after the other: its interval is its latency, and a limit on the one
is a limit on the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from codesign.errors import InfeasibleError
from codesign.problem.choices import ARRAY, Architecture
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.problem.tolerances import same_total
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.records import ArchitectureRecord, Outcome, SolverRecord
from codesign.search.infeasibility import infeasibility_error
from codesign.search.lexicographic import (
    LexicographicResult,
    LexicographicSearch,
    ReportMetric,
    Ties,
    tie_breakers,
)
from codesign.tasks.build_design import build_design
from codesign.tasks.solve_dataflow import FoundPipeline, PipelineSolver

MakeRecord = Callable[[LexicographicSearch, LexicographicResult], SolverRecord]


def of_array(problem: Problem) -> Problem:
    """The same question of one shared array alone."""
    return replace(problem, choices=replace(problem.choices, architecture=ARRAY))


@dataclass(frozen=True)
class _Tried:
    """What came of an architecture: the best no worse than those before, and what is proven.

    Attributes
    ----------
    metrics : mapping of str to float, or None
        Of its best, by the problem's names; None where there is none.
    bound : float
        No design of it has a smaller objective; inf: there is none.
    complete : bool
    """

    architecture: Architecture
    metrics: dict[str, float] | None
    bound: float
    complete: bool
    found: FoundPipeline | LexicographicResult


def best_of_all(
    pipelines: Sequence[PipelineSolver],
    search: LexicographicSearch | None,
    report: ReportMetric,
    ties: Ties,
    record: MakeRecord,
) -> Design | DataflowDesign:
    """The best of a problem's pipelines, of its hybrids, and of the arrays of a search.

    Parameters
    ----------
    pipelines : sequence of PipelineSolver
        One for each architecture but the array; of the same problem.
    search : LexicographicSearch or None
        Over the space of `of_array`.

    Raises
    ------
    InfeasibleError
        None keeps every budget.
    SolverError, KeyboardInterrupt
        As of `codesign.solve`.
    """
    problem, tried, best = pipelines[0].problem, list[_Tried](), None
    for solver in pipelines:
        tried.append(_pipeline_beside(solver, best, report))
        best = _better(problem, best, tried[-1])
    if search is not None:
        tried.append(_array_beside(search, best, problem, report, ties))
        best = _better(problem, best, tried[-1])
    stop = pipelines[0].stop
    if best is None:
        with stop.raising_interrupts():
            raise _nothing(pipelines, search, tried)
    records = tuple(_record(x, x is best) for x in tried)
    bound, complete = min(x.bound for x in tried), all(x.complete for x in tried)
    ended = "gap" if complete else stop.reason()
    ties_found = best.found.ties
    if not complete and ties_found == "broken":
        ties_found = "not proven"
    found = best.found
    if isinstance(found, LexicographicResult):
        assert search is not None
        proven = replace(found.first, bound=min(bound, found.first.bound))
        found = replace(found, first=proven, ties=ties_found, ended=ended)
        made = record(search, found)
        design = build_design(search.space, search.space.problem, found, made)  # type: ignore[arg-type]
        return replace(design, architectures=records)
    least = replace(found.first, lower=min(bound, found.first.lower))
    solver = next(x for x in pipelines if x.architecture == best.architecture)
    made_of = solver.design(replace(found, first=least, ties=ties_found, ended=ended))
    return replace(made_of, architectures=records)


def _pipeline_beside(solver: PipelineSolver, best: _Tried | None, report: ReportMetric) -> _Tried:
    """Search pipelines, or hybrids, for what is no worse than the best so far."""
    problem, most = solver.problem, math.inf
    limits, objective = dict(problem.budgets), problem.objective
    if best is not None and best.metrics is not None:
        most = best.metrics[objective]
        limits[objective] = min(most, limits.get(objective, math.inf))
    found = solver.find(limits, report)
    first, metrics = found.first, None
    bound = min(most, first.lower)
    if found.design is not None:
        bound, metrics = first.lower, dict(found.design.metrics)
    elif first.complete:
        bound = most
    return _Tried(solver.architecture, metrics, bound, first.complete, found)


def _array_beside(
    search: LexicographicSearch,
    best: _Tried | None,
    asked: Problem,
    report: ReportMetric,
    ties: Ties,
) -> _Tried:
    """Search arrays for what is no worse than the best so far."""
    problem, most = search.space.problem, math.inf
    limits = dict(problem.budgets)
    if best is not None and best.metrics is not None:
        most = best.metrics[asked.objective]
        limits[problem.objective] = min(most, limits.get(problem.objective, math.inf))
    order = dict.fromkeys((problem.objective, *tie_breakers(problem.technology)))
    found = search.minimise(tuple(order), limits, report, ties)
    bound, metrics = found.first.bound, None
    if found.first.complete and found.solution is None:
        bound = most
    if found.solution is None:
        bound = min(most, bound)
    else:
        metrics = dict(found.solution.metrics)
        metrics[asked.objective] = metrics[problem.objective]
    return _Tried("array", metrics, bound, found.first.complete, found)


def _better(problem: Problem, best: _Tried | None, new: _Tried) -> _Tried | None:
    """The better: by the objective, hardware, noise; of equal ones the earlier."""
    if new.metrics is None or best is None or best.metrics is None:
        return best if new.metrics is None else new
    order = problem.objective, *tie_breakers(problem.technology)
    pairs = [(new.metrics[x], best.metrics[x]) for x in order]
    differing = [(a, b) for a, b in pairs if not same_total(a, b)]
    return new if differing and differing[0][0] < differing[0][1] else best


def _record(tried: _Tried, best: bool) -> ArchitectureRecord:
    bound = tried.bound
    outcome: Outcome = "best" if best else "no better" if math.isfinite(bound) else "infeasible"
    if not best and not tried.complete:
        outcome = "open"
    least = max(bound, 0.0) if bound < math.inf else None
    return ArchitectureRecord(architecture=tried.architecture, outcome=outcome, bound=least)


def _nothing(
    pipelines: Sequence[PipelineSolver],
    search: LexicographicSearch | None,
    tried: Sequence[_Tried],
) -> BaseException:
    """Why there is no design of any."""
    told: list[tuple[str, InfeasibleError]] = []
    for solver, of in zip(pipelines, tried, strict=False):
        assert isinstance(of.found, FoundPipeline)
        why = solver.nothing_found(of.found)
        if not isinstance(why, InfeasibleError):
            return why
        told.append((solver.architecture, why))
    if search is not None:
        if not tried[-1].complete:
            return pipelines[0].out_of_time()
        problem = search.space.problem
        goal = Goal(problem.objective, problem.budgets)
        told.append(("array", infeasibility_error(search.goal_task(goal))))
    message = "; ".join(f"architecture {name}: {why}" for name, why in told)
    first = told[0][1]
    return InfeasibleError(message, first.clashing, first.further)
