"""From a problem that offers one shared array and pipelines to the best of both, proven over both.

The array is searched for what is no worse than the best pipeline. Its layers run one after the
other: its interval is its latency, and a limit on the one is a limit on the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
class _Array:
    """The best array no worse than a limit, and what its search has proven; inf where none is."""

    problem: Problem
    search: LexicographicSearch
    found: LexicographicResult
    bound: float


def best_of_both(
    asked: PipelineSolver,
    search: LexicographicSearch,
    report: ReportMetric,
    ties: Ties,
    record: MakeRecord,
) -> Design | DataflowDesign:
    """The best of a problem's pipelines and of the arrays of a search.

    Parameters
    ----------
    search : LexicographicSearch
        Over the space of `of_array`.

    Raises
    ------
    InfeasibleError
        Neither keeps every budget.
    SolverError, KeyboardInterrupt
        As of `codesign.solve`.
    """
    pipeline = asked.find(asked.problem.budgets, report)
    array = _array_beside(search, pipeline, asked.problem, report, ties)
    if pipeline.design is None and array.found.solution is None:
        with asked.stop.raising_interrupts():
            raise _nothing(asked, pipeline, array)
    first = pipeline.first.lower if pipeline.design or not pipeline.first.complete else math.inf
    wins = _wins(asked.problem, pipeline, array)
    tried = (
        _tried("array", wins, array.found.first.complete, array.bound),
        _tried("dataflow", not wins, pipeline.first.complete, first),
    )
    complete = pipeline.first.complete and array.found.first.complete
    ended = "gap" if complete else asked.stop.reason()
    bound = min(first, array.bound)
    ties_found = array.found.ties if wins else pipeline.ties
    if not complete and ties_found == "broken":
        ties_found = "not proven"
    if wins:
        proven = replace(array.found.first, bound=min(bound, array.found.first.bound))
        found = replace(array.found, first=proven, ties=ties_found, ended=ended)
        made = record(array.search, found)
        design = build_design(array.search.space, array.problem, found, made)  # type: ignore[arg-type]
        return replace(design, architectures=tried)
    least = replace(pipeline.first, lower=min(bound, pipeline.first.lower))
    best = asked.design(replace(pipeline, first=least, ties=ties_found, ended=ended))
    return replace(best, architectures=tried)


def _array_beside(
    search: LexicographicSearch,
    pipeline: FoundPipeline,
    asked: Problem,
    report: ReportMetric,
    ties: Ties,
) -> _Array:
    """Search arrays for what is no worse than the best pipeline."""
    problem = search.space.problem
    limits, most = dict(problem.budgets), math.inf
    if pipeline.design is not None:
        most = pipeline.design.metrics[asked.objective]
        limits[problem.objective] = min(most, limits.get(problem.objective, math.inf))
    metrics = dict.fromkeys((problem.objective, *tie_breakers(problem.technology)))
    found = search.minimise(tuple(metrics), limits, report, ties)
    bound = found.first.bound
    if found.first.complete and found.solution is None:
        bound = most
    return _Array(problem, search, found, min(most, bound) if found.solution is None else bound)


def _wins(problem: Problem, pipeline: FoundPipeline, array: _Array) -> bool:
    """Whether the array is better: by the objective, hardware, noise; of equal ones it is not."""
    if pipeline.design is None or array.found.solution is None:
        return pipeline.design is None
    ours, theirs = array.found.solution.metrics, pipeline.design.metrics
    pairs = [(ours[array.problem.objective], theirs[problem.objective])]
    pairs += [(ours[x], theirs[x]) for x in tie_breakers(problem.technology)]
    differing = [(a, b) for a, b in pairs if not same_total(a, b)]
    return bool(differing) and differing[0][0] < differing[0][1]


def _tried(
    architecture: Architecture, best: bool, complete: bool, bound: float
) -> ArchitectureRecord:
    outcome: Outcome = "best" if best else "no better" if math.isfinite(bound) else "infeasible"
    if not best and not complete:
        outcome = "open"
    least = max(bound, 0.0) if bound < math.inf else None
    return ArchitectureRecord(architecture=architecture, outcome=outcome, bound=least)


def _nothing(asked: PipelineSolver, pipeline: FoundPipeline, array: _Array) -> BaseException:
    """Why there is no design of either."""
    why = asked.nothing_found(pipeline)
    if not (isinstance(why, InfeasibleError) and array.found.first.complete):
        return why if not pipeline.first.complete else asked.out_of_time()
    goal = Goal(array.problem.objective, array.problem.budgets)
    other = infeasibility_error(array.search.goal_task(goal))
    message = f"architecture dataflow: {why}; architecture array: {other}"
    return InfeasibleError(message, why.clashing, why.further)
