"""Ctrl-C at any moment: the best so far with its honest gap, or nothing, but at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pyomo.environ as pyo
import pytest
from ctrl_c import posix, press, pressed_after, pressing
from ended_early import (
    BLOCK,
    METHODS,
    NOTHING,
    assigned,
    check_design,
    ending,
    solved,
    surveyed,
    sweep,
)
from market_split import market_split
from random_problems import random_case
from seeds import half_long

from codesign import Problem, pareto, solve
from codesign.checking.problem import Option
from codesign.search import least_metric
from codesign.search.milp import highs, solvers
from codesign.search.milp.highs import minimise
from codesign.stopping import StopCondition
from codesign.study import solve_cell
from codesign.study.executors import Serial

pytestmark = pytest.mark.usefixtures("heard")

# --- at any look at the clock -------------------------------------------------------------------


@pytest.mark.parametrize("seed", half_long([0, 9, 20, 32, 33, 34]))
@pytest.mark.parametrize("method", METHODS)
def test_a_solve_interrupted_anywhere(
    seed: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = solved(seed, method, monkeypatch, press=True, step=3)
    assert ends.complete or seed in (9, 20)  # infeasible
    assert ends.feasible > 5 or seed != 34 or method == "whole"


@pytest.mark.parametrize("seed", [0, 6, 12, 37])
def test_an_assignment_interrupted_anywhere(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = assigned(seed, monkeypatch, press=True)
    assert ends.nothing
    assert ends.complete or ends.infeasible


@pytest.mark.parametrize("seed", [2003, 2006, 2008, 2009])
def test_a_front_interrupted_anywhere(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = surveyed(seed, monkeypatch, press=True, step=4)
    assert ends.feasible or ends.infeasible


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 200, BLOCK))
@pytest.mark.parametrize("kind", ["search", "whole", "assign", "pareto"])
def test_interrupted_anywhere_long(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(kind, range(first, first + BLOCK), monkeypatch, press=True)


# --- by what is called on the way ---------------------------------------------------------------


def at_call(number: int) -> Callable[[Any], None]:
    """An ``on_progress`` that is interrupted at its n-th call."""
    calls = iter(range(number))

    def on_progress(_: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return on_progress


@pytest.mark.parametrize("seed", [0, 5, 14, 16, 17, 24, 26, 32, 37])
@pytest.mark.parametrize("method", METHODS)
def test_interrupted_at_any_progress(seed: int, method: Any) -> None:
    case = random_case(seed)
    for number in range(1000):
        found = ending(
            lambda n=number: solve(case.problem, method=method, on_progress=at_call(n)), press=True
        )
        check_design(found, *case)
        if found is not NOTHING and not found.solver.interrupted:
            break
    else:
        raise AssertionError("it never ended")
    assert number or method == "whole"


def test_a_front_interrupted_at_its_progress(few_arrays: Problem) -> None:
    front = pareto(few_arrays, points=6, on_progress=at_call(1))
    assert front.interrupted
    assert not front.complete
    assert 2 <= len(front) < 6
    assert all(design.proof.status == "optimal" for design in front.designs)


def test_a_second_interrupt_is_raised(few_arrays: Problem) -> None:
    def always(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(few_arrays, on_progress=always)


def test_another_error_of_the_callback_comes_through(few_arrays: Problem) -> None:
    def broken(_: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        solve(few_arrays, on_progress=broken)


# --- whose Ctrl-C it is -------------------------------------------------------------------------


def test_a_handler_of_somebody_else_stays(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(True))
    monkeypatch.setattr(
        least_metric.LeastMetric, "bound_options", pressing(least_metric.LeastMetric.bound_options)
    )
    try:
        design = solve(few_arrays)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard
    assert design.proof.ties_broken
    assert not design.solver.interrupted


def test_a_solve_in_another_thread_hears_nothing(few_arrays: Problem) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(solve(few_arrays)))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        press()
    thread.join()
    assert found[0].proof.ties_broken


def test_of_another_solver_only_what_it_was_at_is_lost(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("codesign.search.milp.solvers.installed", lambda solver: True)
    monkeypatch.setattr("codesign.search.milp.solvers._by_pyomo", interrupted)
    design = solve(few_arrays, solver="scip")
    assert design.solver.interrupted
    assert design.proof.bound <= solve(few_arrays).proof.objective <= design.proof.objective
    with pytest.raises(KeyboardInterrupt):
        solvers.minimise(pyo.ConcreteModel(), solver="scip")


def test_while_another_solver_is_at_it_ctrl_c_is_the_usual_one(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pyomo looks at no stop condition: a flag alone would wait for the solver's end."""
    beyond = []

    def pressed(*_: Any) -> Any:
        press()
        beyond.append(True)

    monkeypatch.setattr("codesign.search.milp.solvers.installed", lambda solver: True)
    monkeypatch.setattr("codesign.search.milp.solvers._by_pyomo", pressed)
    assert solve(few_arrays, solver="scip").solver.interrupted
    assert beyond == []


def test_an_interrupt_that_scip_heard_is_one() -> None:
    ended = SimpleNamespace(termination_condition=pyo.TerminationCondition.resourceInterrupt)
    results = SimpleNamespace(solver=ended, problem=SimpleNamespace(lower_bound=0.0))
    request = solvers._Request(None, 0.0, 0)
    with pytest.raises(KeyboardInterrupt):
        solvers._outcome(pyo.ConcreteModel(), "scip", results, request)


def test_explain_lets_it_through(few_arrays: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    design = solve(few_arrays)
    monkeypatch.setattr("codesign.search.bounds.lagrangian.Dual.bound", press)
    with pytest.raises(KeyboardInterrupt):
        design.explain()


def test_certify_leaves_the_rest_to_the_solver(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codesign.tasks import certificate_groups, certify

    design = solve(few_arrays)
    whole = certify.certify(design)
    assert whole.trusted == []
    closes = pressing(certificate_groups.Closer._closes)
    monkeypatch.setattr(certificate_groups.Closer, "_closes", closes)
    part = certify.certify(design)
    assert part.groups == []
    options = {
        Option(*a[:2], *b, *a[2:]) for x in whole.groups for a in x["arrays"] for b in x["pe_bits"]
    }
    assert {*part.trusted} <= options
    assert part.trusted


# --- while HiGHS runs ---------------------------------------------------------------------------


def soon(seconds: float, pid: int | None = None) -> threading.Timer:
    """Ctrl-C after so many seconds."""
    timer = threading.Timer(seconds, os.kill, (pid or os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@posix
@pytest.mark.slow
def test_a_long_run_of_highs_leaves_what_it_found() -> None:
    model, stop = market_split(5, 40, seed=2), StopCondition()  # takes minutes
    started = time.monotonic()
    with stop.catching_interrupts():
        soon(0.5)
        outcome = minimise(model, stop=stop)
    assert time.monotonic() - started < 30
    assert stop.interrupted
    assert outcome.status == "feasible"
    assert -1e-9 <= outcome.bound <= pyo.value(model.objective)


@posix
@pytest.mark.slow
def test_a_long_run_of_highs_that_nobody_watches_ends() -> None:
    started = time.monotonic()
    soon(0.5)
    with pytest.raises(KeyboardInterrupt):
        minimise(market_split(5, 40, seed=2))
    assert time.monotonic() - started < 30


def test_a_run_of_highs_that_does_not_look_up_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    released, stop = threading.Event(), StopCondition()

    class Deaf(highs.highspy.Highs):  # type: ignore[misc]
        def run(self) -> Any:
            stop.interrupt()
            released.wait(60)

    monkeypatch.setattr(highs, "GRACE_S", 0.2)
    monkeypatch.setattr(highs.highspy, "Highs", Deaf)
    outcome = minimise(market_split(2, 5, seed=1), stop=stop)
    released.set()
    assert (outcome.status, outcome.bound) == ("unknown", -float("inf"))


def test_an_error_in_the_thread_of_highs_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(highs.highspy.Highs):  # type: ignore[misc]
        def run(self) -> Any:
            raise MemoryError

    monkeypatch.setattr(highs.highspy, "Highs", Full)
    with pytest.raises(MemoryError):
        minimise(market_split(2, 5, seed=1))


# --- studies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("front", [None, {"objectives": ["latency_s", "area_mm2"], "points": 3}])
def test_a_study_takes_no_interrupted_answer(
    front: Any, few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    solves = least_metric.LeastMetric.bound_options
    monkeypatch.setattr(least_metric.LeastMetric, "bound_options", pressed_after(solves))
    asked = {"front": front, "method": "search", "time_limit_s": None, "rel_gap": 1e-6}
    with pytest.raises(KeyboardInterrupt):
        Serial().submit(
            solve_cell._solved if front is None else solve_cell._front, few_arrays, asked
        )
