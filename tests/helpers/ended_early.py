"""Searches that end early at every point where they might, and what their answers must be.

A clock that is past any deadline from its n-th look on makes each look at it, one after the other,
the one at which time is up; the truth is known by plain enumeration.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import oracle
import pytest
import random_assignments
from enumerated_fronts import FrontCase, front_case, vectors
from random_problems import random_case
from seeds import check_all

from codesign import assign, pareto, solve, stopping
from codesign.errors import InfeasibleError, SolverError
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.assignment import Assignment
from codesign.results.design import Design
from codesign.results.front import Front
from codesign.results.records import ProofRecord
from codesign.search import screening
from codesign.search.bounds import relaxation

LIMIT_S = 1e3
NO_TIME = "found within 1000.0 s, and none ruled out; allow more time"
EXACT = 1e-9
EQUAL = 1e-7  # values of a front's points


class Clock:
    """Stands still for so many looks; at the next one something happens."""

    def __init__(self, looks: int, happens: Callable[[], float]) -> None:
        self.looks, self.happens = looks, happens
        self.struck = False

    def monotonic(self) -> float:
        """As of `time`."""
        self.looks -= 1
        if self.looks >= 0:
            return 0.0
        self.struck = True
        return self.happens()


def late() -> float:
    """Past any deadline."""
    return 1e9


def pressed_once(clock: list[Clock]) -> Callable[[], float]:
    """Ctrl-C at the first look past the last; the deadline stays far."""

    def press() -> float:
        clock[0].looks = 10**9
        signal.raise_signal(signal.SIGINT)
        return 0.0

    return press


@contextmanager
def striking(
    monkeypatch: pytest.MonkeyPatch, looks: int, *, press: bool = False
) -> Iterator[Clock]:
    """The search's clock strikes after so many looks: time is up, or Ctrl-C is pressed."""
    cell: list[Clock] = []
    clock = Clock(looks, pressed_once(cell) if press else late)
    cell.append(clock)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(stopping, "time", clock)
            yield clock
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)


def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    """Each step moves the search's clock past any deadline and knows nothing of an option."""
    now = stopping.time.monotonic
    while True:
        monkeypatch.setattr(stopping.time, "monotonic", lambda: now() + 1e6)
        yield -math.inf


class Ends(NamedTuple):
    """How often a search ended how."""

    nothing: int  # before any design
    feasible: int
    untied: int  # proven, ties not broken
    infeasible: int
    complete: int

    def plus(self, other: Ends) -> Ends:
        """Of both."""
        return Ends(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING, FEASIBLE, UNTIED, INFEASIBLE, COMPLETE = (
    Ends(*(int(i == j) for j in range(5))) for i in range(5)
)


def ending(
    ask: Callable[[], Design | Assignment | Front], press: bool
) -> Design | Assignment | Front | Ends:
    """The answer, or how there came to be none."""
    try:
        return ask()
    except InfeasibleError:
        return INFEASIBLE
    except KeyboardInterrupt:
        if press:
            return NOTHING
        raise
    except SolverError as error:
        if not press and str(error).endswith(NO_TIME):
            return NOTHING
        raise


def check_proof(proof: ProofRecord, value: float, least: float) -> Ends:
    """An honest proof of a value, where ``least`` is the true optimum."""
    assert proof.objective == value
    assert proof.bound <= least * (1 + EXACT)
    assert least * (1 - EXACT) <= proof.objective
    assert proof.status == ("optimal" if proof.gap <= OPTIMAL_GAP else "feasible")
    if proof.ties_broken:
        assert proof.status == "optimal"
        return COMPLETE
    return UNTIED if proof.status == "optimal" else FEASIBLE


def check_within(metrics: dict[str, float], problem: Problem) -> None:
    """Every budget is kept."""
    for name, limit in problem.budgets.items():
        assert metrics[name] <= limit * (1 + 2 * EXACT), name


def check_design(found: Design | Ends, problem: Problem, points: list[oracle.Point]) -> Ends:
    """A design is what enumeration allows it to be."""
    truth = oracle.best(points, problem.objective, problem.budgets)
    if isinstance(found, Ends):
        assert (truth is None) or found is not INFEASIBLE
        return found
    assert truth is not None
    check_within(dict(found.metrics), problem)
    ends = check_proof(
        found.proof, found.metrics[problem.objective], truth.value(problem.objective)
    )
    if ends is COMPLETE:
        for metric in ("area_mm2", "noise"):
            assert found.metrics[metric] == pytest.approx(truth.value(metric), rel=EXACT, abs=0)
    solver = found.solver
    assert solver.considered == solver.bounded_away + solver.solved + solver.left_open
    return ends


def check_assignment(found: Assignment | Ends, case: random_assignments.Case) -> Ends:
    """An assignment is what enumeration allows it to be."""
    truth, problem = random_assignments.best(case), case.problem
    if isinstance(found, Ends):
        assert (truth is None) or found is not INFEASIBLE
        return found
    assert truth is not None
    check_within(dict(found.metrics), problem)
    objective = problem.objective
    ends = check_proof(found.proof, found.metrics[objective], truth.metrics[objective])
    if ends is COMPLETE:
        for metric in random_assignments.TIES:
            assert found.metrics[metric] == pytest.approx(truth.metrics[metric], rel=EXACT, abs=0)
    return ends


def check_front(found: Front | Ends, case: FrontCase) -> Ends:
    """A front is what enumeration allows it to be."""
    if isinstance(found, Ends):
        assert not len(case.front) or found is not INFEASIBLE
        return found
    assert len(case.front)
    rows = vectors(case.points, case.objectives)
    for design, values in zip(found.designs, found.values, strict=True):
        check_within(dict(design.metrics), case.problem)
        assert (rows <= values * (1 + EQUAL)).all(axis=1).any()  # no better than what there is
        least = oracle.least(case.points, design.problem.objective, design.problem.budgets)
        assert least is not None
        check_proof(design.proof, design.metrics[design.problem.objective], least)
        if design.proof.ties_broken:
            beaten = (case.front <= values * (1 - EQUAL)).all(axis=1)
            assert not beaten.any()
    if found.complete:
        for row in case.front:
            assert (found.values <= row * (1 + EQUAL)).all(axis=1).any()
        return COMPLETE
    return FEASIBLE


def proofs(found: Design | Assignment | Front | Ends) -> list[ProofRecord]:
    """Those of an answer."""
    if isinstance(found, Ends):
        return []
    return [x.proof for x in (found.designs if isinstance(found, Front) else (found,))]


def swept(
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[], Any],
    check: Callable[[Any], Ends],
    *,
    press: bool = False,
    step: int = 1,
) -> Ends:
    """How often a search ends how: the clock strikes at each of its looks, up to one too late."""
    ends = Ends(0, 0, 0, 0, 0)
    for looks in count(1, step):
        with striking(monkeypatch, looks, press=press) as clock:
            found = ending(ask, press)
        for proof in proofs(found):
            early = "interrupt" if press else "time"
            assert proof.ended == ("optimal" if proof.status == "optimal" else early)
        ends = ends.plus(check(found))
        if not clock.struck:
            return ends
    raise AssertionError("unreachable")


def solved(seed: int, method: str, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Ends:
    """Every early end of a random problem's search."""
    case = random_case(seed)
    with monkeypatch.context() as forced:
        if seed % 2:  # as for many options and large tables
            forced.setattr(screening, "MOST_UNSCREENED", 1)
            forced.setattr(relaxation, "MAX_ENTRIES", 1)
            forced.setattr(relaxation, "MAX_BATCH", 1)
        return swept(
            monkeypatch,
            lambda: solve(case.problem, method=method, time_limit_s=LIMIT_S),
            lambda found: check_design(found, *case),
            **how,
        )


def assigned(seed: int, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Ends:
    """Every early end of a random allocation of widths."""
    case = random_assignments.random_case(seed)
    return swept(
        monkeypatch,
        lambda: assign(case.problem, case.table, time_limit_s=LIMIT_S),
        lambda found: check_assignment(found, case),
        **how,
    )


def surveyed(seed: int, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Ends:
    """Every early end of a random front."""
    case = front_case(seed)
    return swept(
        monkeypatch,
        lambda: pareto(case.problem, case.objectives, None, time_limit_s=LIMIT_S),
        lambda found: check_front(found, case),
        **how,
    )


METHODS = ("search", "whole")

BLOCK = 10


def sweep(kind: str, seeds: range, monkeypatch: pytest.MonkeyPatch, *, press: bool = False) -> None:
    """Random questions of one kind ended early, each at about a hundred looks or more."""
    ask: dict[str, Callable[[int], Ends]] = {
        "search": lambda seed: solved(seed, "search", monkeypatch, press=press, step=3),
        "whole": lambda seed: solved(seed, "whole", monkeypatch, press=press, step=3),
        "assign": lambda seed: assigned(seed, monkeypatch, press=press),
        "pareto": lambda seed: surveyed(seed, monkeypatch, press=press, step=11),
    }
    check_all(seeds, ask[kind])
