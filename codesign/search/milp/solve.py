"""Solves one MILP and checks what it finds: whatever the solver returns is priced again exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from codesign.errors import SolverError
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, MEMBER_METRICS, kinds_of
from codesign.problem.tolerances import (
    CLOSING_GAP,
    LEAST_LIMIT_MARGIN,
    SMALL_LIMIT_MARGIN,
    ceiling,
    keeps,
)
from codesign.search.milp import solvers
from codesign.search.milp.alike import counted_model, is_alike
from codesign.search.milp.choice import MilpSolution, exclude, exclude_costlier, read_choice
from codesign.search.milp.formulation import build, objective_unit
from codesign.space.candidates import Candidates
from codesign.space.solution import Solution
from codesign.space.widths import WidthSpace
from codesign.stopping import StopCondition
from codesign.units import kind_of

MAX_RECHECKS = 100
TOO_MANY = (
    "solver answers in a row broke a budget when recomputed exactly; please report this with the "
    "problem"
)
# Relative, well below `CLOSING_GAP`: how near a bound from counts what is found ends the solver.
COUNTED_GAP = CLOSING_GAP / 4
NEAR_MISSES = 8  # choices just above a limit, after which the model gets a small margin


@dataclass(frozen=True)
class MilpResult:
    """How a MILP ended.

    Attributes
    ----------
    solution : Solution or None
        The best found, within the goal's limits when priced exactly.
    bound : float
        No choice of the model has a smaller metric; inf if it has none.
    complete : bool
        False where it had to end early.
    runs : int
        Times the solver ran.
    solver_s : float
        Seconds spent in it.
    """

    solution: Solution | None
    bound: float
    complete: bool
    runs: int
    solver_s: float = 0.0


def solve_milp(
    space: WidthSpace,
    goal: Goal,
    listed: Candidates,
    *,
    price: Callable[[MilpSolution], Solution | None] | None,
    rel_gap: float,
    stop: StopCondition,
    on_progress: Callable[[float | None, float], None] | None = None,
    solver: str = "highs",
    cutoff: float = math.inf,
) -> MilpResult:
    """Minimise a goal's metric over listed candidates.

    A choice that breaks a limit once priced exactly (the model's limits have a margin) is excluded,
    with all that cost no less, and the model solved again; where there are many, with a margin that
    leaves them out, as far as they can be told apart, and without presolve, which loses more where
    the edge of a row is crowded.

    Parameters
    ----------
    price : callable or None
        What a choice costs exactly; None where it does not run after all. Without one, the
        candidates are of no single hardware option, and only the bound means something.
    stop : StopCondition
        When to end with what is found.
    cutoff : float
        Where a bound of so much is found first, that is all.

    Raises
    ------
    Stopped
        It had to end before the solver was asked.
    SolverError
        The solver failed, or its answers keep breaking limits.
    """
    if listed.impossible:
        return MilpResult(None, math.inf, True, 0)
    asked = price is not None and solver == "highs"
    counted, solver_s = _least_by_counts(space, goal, listed, stop) if asked else (-math.inf, 0.0)
    if counted >= cutoff:
        return MilpResult(None, counted, True, 0, solver_s)
    with stop.stopping_at_interrupts():
        model = build(space, listed, goal, check_time=stop.check)
    unit = objective_unit(model)
    ask = partial(solvers.minimise, solver=solver, stop=stop, rel_gap=rel_gap)

    def report(value: float, bound: float) -> None:
        if on_progress is not None:
            on_progress(value * unit if math.isfinite(value) else None, bound * unit)

    bound, margin, enough = -math.inf, SMALL_LIMIT_MARGIN, counted * (1 + COUNTED_GAP / 2)
    for run in range(1, MAX_RECHECKS + 1):
        if run == NEAR_MISSES:
            with stop.stopping_at_interrupts():
                model = build(space, listed, goal, margin, stop.check)
        outcome = ask(
            model,
            presolve=run < NEAR_MISSES,
            # Presolved again, HiGHS takes three times as long, and has lost the best fused runs.
            restart=not space.placed,
            on_progress=None if on_progress is None else report,
            enough=enough / unit,
        )
        bound, solver_s = max(bound, outcome.bound * unit), solver_s + outcome.seconds
        complete = outcome.status in ("optimal", "infeasible")
        if price is None or outcome.status in ("infeasible", "unknown"):
            return MilpResult(None, bound, complete, run, solver_s)
        choice = read_choice(model, space, listed)
        solution = price(choice)
        if solution is not None and goal.kept_by(solution.metrics):
            value, bound = solution.metrics[goal.metric], max(bound, counted)
            complete = complete or value <= counted * (1 + COUNTED_GAP)
            # A solver's bound may be above its own solution by its tolerance for rows.
            return MilpResult(solution, min(bound, value), complete, run, solver_s)
        excesses = {} if solution is None else _excesses(goal, solution)
        if kinds_of(excesses) == {ENERGY} and listed.grows:  # the model counts less static power
            return MilpResult(None, bound, complete, run, solver_s)
        _exclude(model, space, listed, excesses)
        least = min(excesses.values(), default=math.inf)
        margin = max(min(margin, least / 2), LEAST_LIMIT_MARGIN)
    raise SolverError(f"{MAX_RECHECKS} {TOO_MANY}", model=solvers.lp_text(model))


def _least_by_counts(
    space: WidthSpace, goal: Goal, listed: Candidates, stop: StopCondition
) -> tuple[float, float]:
    """A bound from counts of layers alike, and seconds spent; −inf where there is none."""
    if not is_alike(space, listed, goal):
        return -math.inf, 0.0
    with stop.stopping_at_interrupts():
        model = counted_model(space, listed, goal, stop.check)
    if model is None:
        return -math.inf, 0.0
    outcome = solvers.minimise(model, stop=stop, rel_gap=COUNTED_GAP / 2)
    return outcome.bound * objective_unit(model), outcome.seconds


def _exclude(
    model: Any, space: WidthSpace, listed: Candidates, excesses: Mapping[str, float]
) -> None:
    """Forbid the choice found, and what costs no less of what it has too much of."""
    for metric in excesses:
        exclude_costlier(model, space, listed, metric)
    if not excesses:
        exclude(model)


def _excesses(goal: Goal, solution: Solution) -> dict[str, float]:
    """By how much, relative, additive metrics are above what their limits allow."""
    return {
        name: solution.metrics[name] / ceiling(limit) - 1 if limit > 0 else math.inf
        for name, limit in goal.limits.items()
        if not keeps(solution.metrics[name], limit) and kind_of(name) in MEMBER_METRICS
    }
