"""From a problem to its proven best design."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from codesign import solver
from codesign.bounds import Relaxation
from codesign.design import OPTIMAL_GAP, Design, SolverRecord, realise
from codesign.errors import SolverError, SpecError
from codesign.infeasible import explain
from codesign.problem import BUDGET_TOLERANCE, Goal, Problem
from codesign.search import CLOSED, Effort, Inquiry, OnProgress, Proof, prove
from codesign.space import Space
from codesign.whole import prove_whole

Method = Literal["search", "whole"]
METHODS = get_args(Method)
TIE_BREAKERS = ("area_mm2", "noise")  # among equal designs the smallest, then the least noisy


@dataclass(frozen=True)
class Progress:
    """State of a running solve.

    Attributes
    ----------
    metric : str
        What is being minimised now: the objective, then the tie-breakers.
    best : float or None
        Its value in the best design so far.
    bound : float
        Proven lower bound on it.
    seconds : float
        Since the start.
    """

    metric: str
    best: float | None
    bound: float
    seconds: float

    @property
    def gap(self) -> float:
        """Relative distance of best and bound; inf without a design."""
        if self.best is None:
            return math.inf
        return (self.best - self.bound) / self.best if self.best > 0 else 0.0


def solve(
    problem: Problem,
    *,
    method: Method = "search",
    time_limit_s: float | None = None,
    rel_gap: float = OPTIMAL_GAP,
    on_progress: Callable[[Progress], None] | None = None,
) -> Design:
    """Find the best design of the declared space and prove it.

    Ties are broken lexicographically: among designs with the best objective the one of least
    area, then of least noise.

    Parameters
    ----------
    method : "search" or "whole"
        The default bounds and prunes hardware options and is exact; ``"whole"`` hands the
        programme over all of them to the solver at once, for small spaces and comparison.
    time_limit_s : float, optional
        Return the best design found by then, with its honest gap.
    rel_gap : float
        Relative gap at which to stop; at most 1e-6 counts as optimal.
    on_progress : callable, optional
        Called now and then with a `Progress`.

    Raises
    ------
    InfeasibleError
        No design keeps every budget; names those that clash and what would work.
    SolverError
        Time ran out before any design was found.
    """
    if method not in METHODS:
        raise SpecError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 0 <= rel_gap < 1:
        raise SpecError(f"rel_gap must be at least 0 and below 1, got {rel_gap}")
    if time_limit_s is not None and not time_limit_s > 0:
        raise SpecError(f"time_limit_s must be positive, got {time_limit_s}")
    started = time.monotonic()
    deadline = math.inf if time_limit_s is None else started + time_limit_s
    space = Space(problem)
    inquiry = Inquiry(
        space=space,
        relaxation=Relaxation(space),
        goal=Goal(problem.objective, {str(name): x for name, x in problem.budgets.items()}),
        lower=np.full(len(space), -np.inf),
        best=None,
        effort=Effort(),
        rel_gap=rel_gap if rel_gap > OPTIMAL_GAP else CLOSED,
        deadline=deadline,
        on_progress=_reporter(on_progress, problem.objective, started),
    )
    prove_goal = prove_whole if method == "whole" else prove
    first = prove_goal(inquiry)
    if first.best is None:
        if not first.complete:
            raise SolverError(
                f"no design found within {time_limit_s} s, and none ruled out; allow more time"
            )
        raise explain(inquiry)
    proof = first
    for metric in TIE_BREAKERS:
        if proof.complete and metric != problem.objective:
            report = _reporter(on_progress, metric, started)
            inquiry = _next_goal(inquiry, proof, metric, report)
            proof = prove_goal(inquiry)
    assert proof.best is not None  # each goal starts from a point within its limits
    record = _record(inquiry, first, rel_gap, method, time.monotonic() - started)
    return realise(space, proof.best, first.bound, proof.complete, record)


def _record(
    inquiry: Inquiry, first: Proof, rel_gap: float, method: Method, seconds: float
) -> SolverRecord:
    """What the solve took, and what became of the hardware options in proving the objective."""
    assert first.best is not None
    value, solved = (
        first.best.metrics[inquiry.space.problem.objective],
        sorted(inquiry.effort.solved),
    )
    closed = first.lower >= value * (1 - max(rel_gap, OPTIMAL_GAP))
    bounded = np.delete(closed, solved)
    return SolverRecord(
        name=solver.NAME,
        version=solver.version(),
        seconds=seconds,
        method=method,
        considered=len(closed),
        bounded_away=int(bounded.sum()),
        solved=len(solved),
        left_open=int((~bounded).sum()),
        programmes=inquiry.effort.programmes,
    )


def _next_goal(inquiry: Inquiry, proof: Proof, metric: str, report: OnProgress | None) -> Inquiry:
    """Minimise another metric with the last one held at the value just proven."""
    assert proof.best is not None
    value = proof.best.metrics[inquiry.goal.metric]
    return replace(
        inquiry,
        goal=Goal(metric, {**inquiry.goal.limits, inquiry.goal.metric: value}),
        lower=np.where(proof.lower > value * (1 + 2 * BUDGET_TOLERANCE), np.inf, -np.inf),
        best=proof.best,
        rel_gap=CLOSED,
        on_progress=report,
    )


def _reporter(
    on_progress: Callable[[Progress], None] | None, metric: str, started: float
) -> OnProgress | None:
    if on_progress is None:
        return None

    def report(best: float | None, bound: float) -> None:
        on_progress(Progress(metric, best, bound, time.monotonic() - started))

    return report
