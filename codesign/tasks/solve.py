"""From a problem to its proven best design."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from codesign.errors import SolverError
from codesign.problem.goal import Goal
from codesign.problem.metrics import REGRET
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.records import SolverRecord
from codesign.search.goal_task import OnProgress
from codesign.search.infeasibility import infeasibility_error
from codesign.search.lexicographic import (
    LexicographicResult,
    LexicographicSearch,
    Method,
    ReportMetric,
    Ties,
    check_ties,
    tie_breakers,
)
from codesign.search.milp import solvers
from codesign.search.milp.solvers import SolverName
from codesign.search.progress import Progress
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.choose_architecture import best_of_all, of_array
from codesign.tasks.regret import least_regret, with_references
from codesign.tasks.solve_dataflow import PipelineSolver

if TYPE_CHECKING:
    from codesign.results.assignment import Assignment

Result = TypeVar("Result", Design, DataflowDesign, "Assignment")


def solve(
    problem: Problem,
    *,
    method: Method = "search",
    time_limit_s: float | None = None,
    rel_gap: float = OPTIMAL_GAP,
    solver: SolverName = "highs",
    ties: Ties = "break",
    on_progress: Callable[[Progress], None] | None = None,
) -> Design | DataflowDesign:
    """Find the best design of the declared space and prove it.

    Ties are broken lexicographically: among designs with the best objective the one of least
    area, then of least noise.

    Ctrl-C in the main thread ends the search as a time limit does, and so does a KeyboardInterrupt
    of ``on_progress``: the best design so far is returned, ``design.solver.interrupted`` is True.
    A second one is raised at once.

    Parameters
    ----------
    method : "search" or "whole"
        The default bounds and prunes hardware options and is exact; ``"whole"`` hands the
        solver one MILP over all of them, for small spaces and comparison.
    time_limit_s : float, optional
        Return the best design found by then, with its honest gap.
    rel_gap : float
        Relative gap at which to stop; at most 1e-6 counts as optimal.
    solver : "highs", "scip" or "cbc"
        Which solves the MILPs; all but HiGHS must be installed (PySCIPOpt, cbc).
    ties : "break" or "leave"
        Break: for at most 5 times as long as the objective's proof took, or 10 s if that is more;
        what is equally good is then the best found, and ``proof.ties`` says so. Only where that
        time is up may the answer depend on the machine's speed. Leave: return at once whatever is
        proven best.
    on_progress : callable, optional
        Called now and then with a `Progress`.

    Raises
    ------
    SpecError
        An unknown method or word for ties, a solver that is not installed, a limit or gap out of
        range.
    InfeasibleError
        No design keeps every budget; names those that clash and what would work.
    SolverError
        Time ran out before any design was found, or the solver failed, or its answer the recheck.
    KeyboardInterrupt
        Interrupted before any design was found, or twice.
    """
    started_s = time.monotonic()
    check_ties(ties)
    stop = StopCondition(time_limit_s)
    if problem.choices.pipelined:
        how = problem, stop, method, rel_gap, solver, ties, started_s
        offered = [x for x in problem.choices.architecture if x != "array"]
        asked = [PipelineSolver(*how, x) for x in sorted(offered)]
        return _solve_pipelined(asked, reporter(on_progress, problem, stop, started_s))
    space = HardwareSpace(problem, method == "search" and problem.objective != REGRET)
    search = LexicographicSearch(space, method=method, rel_gap=rel_gap, stop=stop, solver=solver)
    with stop.catching_interrupts():
        report = reporter(on_progress, problem, stop, started_s)
        breakers = tie_breakers(problem.technology)
        if problem.objective == REGRET:
            if not problem.references:
                problem = with_references(problem, "latency_s", search)
            found = least_regret(search, problem, breakers, ties, report)
            if found.solution is None:
                with stop.raising_interrupts():
                    raise nothing_found(search, found, Goal("latency_s", problem.budgets))
        else:
            found = find_best(search, problem, breakers, ties, report)
        record = solver_record(search, found, problem.objective, started_s)
        design = build_design(space, problem, found, record)
    return with_interrupt(design, stop)


def _solve_pipelined(
    pipelines: Sequence[PipelineSolver], report: ReportMetric
) -> Design | DataflowDesign:
    """The best pipeline or hybrid, or the best of all architectures on offer."""
    asked = pipelines[0]
    problem, stop = asked.problem, asked.stop
    with stop.catching_interrupts():
        if len(problem.choices.architecture) == 1:
            return with_interrupt(asked.solve(report), stop)
        search = None
        if "array" in problem.choices.architecture:
            search = LexicographicSearch(
                HardwareSpace(of_array(problem)),
                method=asked.method,
                rel_gap=asked.rel_gap,
                stop=stop,
                solver=asked.solver,
            )

        def record(search: LexicographicSearch, found: LexicographicResult) -> SolverRecord:
            return solver_record(search, found, search.space.problem.objective, asked.started_s)

        best = best_of_all(pipelines, search, report, asked.ties, record)
    if isinstance(best, Design):
        return with_interrupt(best, stop)
    return with_interrupt(best, stop)


def find_best(
    search: LexicographicSearch,
    problem: Problem,
    tie_breakers: tuple[str, ...],
    ties: Ties,
    report: ReportMetric,
    what: str = "design",
) -> LexicographicResult:
    """Search for what is best by a problem's objective, then by what breaks ties.

    Parameters
    ----------
    what : str
        What is looked for, in a word.

    Raises
    ------
    InfeasibleError, SolverError, KeyboardInterrupt
        Nothing keeps every budget; or nothing was found in time, or before an interrupt.
    """
    goal = Goal(problem.objective, problem.budgets)
    metrics = tuple(dict.fromkeys((goal.metric, *tie_breakers)))
    found = search.minimise(metrics, goal.limits, report, ties)
    if found.solution is None:
        with search.stop.raising_interrupts():
            raise nothing_found(search, found, goal, what)
    return found


def nothing_found(
    search: LexicographicSearch, found: LexicographicResult, goal: Goal, what: str = "design"
) -> BaseException:
    """What to raise where a search has found no design, or ``what`` it was to find."""
    stop = search.stop
    if found.first.complete:
        return infeasibility_error(search.of_all_widths.goal_task(goal))
    if stop.interrupted:
        return KeyboardInterrupt()
    if stop.limit_s is None:
        return SolverError(f"the solver gave up: no {what} found, and none ruled out")
    in_time = f"no {what} found within {stop.limit_s} s"
    return SolverError(f"{in_time}, and none ruled out; allow more time")


def with_interrupt(result: Result, stop: StopCondition) -> Result:
    """The same result, which says so if Ctrl-C was pressed before it was done."""
    if not stop.interrupted:
        return result
    return replace(result, solver=replace(result.solver, interrupted=True))


def solver_record(
    search: LexicographicSearch, found: LexicographicResult, objective: str, started_s: float
) -> SolverRecord:
    """What the solve took, and how the hardware options were ruled out for the objective.

    Parameters
    ----------
    started_s : float
        When the work began, by the clock of `time.monotonic`.
    """
    assert found.first.incumbent is not None
    value = found.first.incumbent.metrics[objective]
    closed = found.first.lower >= value * (1 - max(search.rel_gap, OPTIMAL_GAP))
    solved = sorted(found.stats.solved)
    bounded = np.delete(closed, solved)
    return SolverRecord(
        name=solvers.TITLES[search.solver],
        version=solvers.version(search.solver),
        seconds=time.monotonic() - started_s,
        method=search.method,
        considered=len(closed),
        bounded_away=int(bounded.sum()),
        solved=len(solved),
        left_open=int((~bounded).sum()),
        programmes=found.stats.milps,
        interrupted=search.stop.interrupted,
    )


def reporter(
    on_progress: Callable[[Progress], None] | None,
    problem: Problem,
    stop: StopCondition,
    started_s: float,
) -> ReportMetric:
    """What a search reports each metric to, so that ``on_progress`` is called.

    Parameters
    ----------
    started_s : float
        When the work began, by the clock of `time.monotonic`.
    """

    def report_metric(metric: str) -> OnProgress | None:
        if on_progress is None:
            return None
        breaking_ties = metric != problem.objective

        def report(best: float | None, bound: float) -> None:
            seconds = time.monotonic() - started_s
            stop.report(on_progress, Progress(metric, best, bound, seconds, breaking_ties))

        return report

    return report_metric
