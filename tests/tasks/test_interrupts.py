"""Ctrl-C at any moment: the best so far with its honest gap, or nothing, but at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyomo.environ as pyo
import pytest
from command_line import BUDGET, SMALL, run
from ended_early import (
    BLOCK,
    METHODS,
    NOTHING,
    assigned,
    check_design,
    ending,
    pressed_after,
    solved,
    surveyed,
    sweep,
)
from market_split import market_split
from random_problems import random_case

import codesign
from codesign import Problem, pareto, solve, stopping
from codesign.search import best_bound, least_widths
from codesign.search.milp import highs, solvers
from codesign.search.milp.highs import minimise
from codesign.stopping import StopCondition
from codesign.study import solve_cell
from codesign.study.executors import Serial

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Ctrl-C is heard, even by what a shell runs in the background."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, usual) is signal.default_int_handler


def press(*_: object) -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


# --- at any look at the clock -------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 9, 14, 20, 32, 33])
@pytest.mark.parametrize("method", METHODS)
def test_a_solve_interrupted_anywhere(
    seed: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = solved(seed, method, monkeypatch, press=True, step=3)
    assert ends.complete or seed in (9, 20)  # infeasible
    assert ends.feasible > 5 or seed != 14 or method == "whole"


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
    monkeypatch.setattr(best_bound.Search, "_open_shape", pressing(best_bound.Search._open_shape))
    try:
        design = solve(few_arrays)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard
    assert design.proof.ties_broken
    assert not design.solver.interrupted


def pressing(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same with Ctrl-C pressed at each call."""

    def pressed(*given: Any) -> Any:
        press()
        return method(*given)

    return pressed


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
    monkeypatch.setattr("codesign.search.bounds.lagrangian.Dual._ask", press)
    with pytest.raises(KeyboardInterrupt):
        design.explain()


def test_certify_leaves_the_rest_to_the_solver(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codesign.tasks import certify

    design = solve(few_arrays)
    whole = certify.certify(design)
    assert whole.trusted == []
    closes = pressing(certify._Certifier._closes)
    monkeypatch.setattr(certify._Certifier, "_closes", closes)
    part = certify.certify(design)
    assert part.groups == []
    options = {(*a, *b) for x in whole.groups for a in x["arrays"] for b in x["pe_bits"]}
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
    solves = best_bound.Search._open_shape
    monkeypatch.setattr(best_bound.Search, "_open_shape", pressed_after(solves))
    asked = {"front": front, "method": "search", "time_limit_s": None, "rel_gap": 1e-6}
    with pytest.raises(KeyboardInterrupt):
        Serial().submit(
            solve_cell._solved if front is None else solve_cell._front, few_arrays, asked
        )


# --- the command line ---------------------------------------------------------------------------


def test_an_interrupted_design_is_told_and_written(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = best_bound.Search._open_shape
    monkeypatch.setattr(best_bound.Search, "_open_shape", pressed_after(known))
    out, picture = tmp_path / "design.json", tmp_path / "design.png"
    few = ("--rows", "8,16,32", "--cols", "32,64", "--pe-bits", "6,8", "--max-area-mm2", "6")
    code, told, errors = run(
        capsys, "solve", "resnet18", *few, "--out", str(out), "--plot", str(picture)
    )
    assert code == 4
    assert errors == "codesign: interrupted; what follows is the design found by then\n"
    assert "feasible" in told
    design = codesign.Design.load(out)
    assert design.proof.status == "feasible"
    assert design.proof.gap > 1e-6
    assert design.solver.interrupted
    assert picture.stat().st_size > 1000
    assert codesign.check(out).holds


def test_after_an_interrupted_search_nothing_more_is_proven(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here among ties, when the bound is no longer 0, which is soon certified."""

    def pressed(*given: Any) -> Any:
        press()
        return next_goal(*given)

    next_goal = codesign.search.lexicographic._next_goal
    monkeypatch.setattr(codesign.search.lexicographic, "_next_goal", pressed)
    out, certificate = tmp_path / "design.json", tmp_path / "certificate.json"
    few = ("--rows", "8,16,32", "--cols", "32,64", "--pe-bits", "6,8", "--max-area-mm2", "6")
    files = ("--out", str(out), "--certificate", str(certificate))
    _, _, errors = run(capsys, "solve", "resnet18", *few, *files)
    design, written = codesign.Design.load(out), json.loads(certificate.read_text())
    assert design.solver.interrupted
    count = design.solver.considered
    assert (written["groups"], len(written["trusted"])) == ([], count)
    told = f"the certificate leaves {count} of {count} hardware options to the solver's word"
    assert errors.endswith(f"codesign: {told}\n")
    assert codesign.check(out, certificate).proven is False
    assert codesign.certify(design).groups  # whoever asks for it later gets all of it


def test_an_interrupt_among_ties_leaves_a_proven_design(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*given: Any) -> Any:
        press()
        return next_goal(*given)

    next_goal = codesign.search.lexicographic._next_goal
    monkeypatch.setattr(codesign.search.lexicographic, "_next_goal", pressed)
    code, told, errors = run(capsys, "solve", tiny, *SMALL, *BUDGET)
    assert code == 0
    assert errors.startswith("codesign: interrupted; ")
    assert "an equal design of less area or noise not ruled out" in told


def test_an_interrupted_front_is_told_and_written(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*given: Any, **how: Any) -> Any:
        press()
        return asked(*given, **how)

    asked = codesign.tasks.pareto._Survey.ask_next
    monkeypatch.setattr(codesign.tasks.pareto._Survey, "ask_next", pressed)
    files = ("--out", str(tmp_path / "front.csv"), "--designs", str(tmp_path / "designs"))
    code, told, errors = run(capsys, "pareto", tiny, *SMALL, *files)
    assert code == 4
    assert errors == "codesign: interrupted; what follows is the points found by then\n"
    assert "unknown: " in told
    lines = (tmp_path / "front.csv").read_text().splitlines()
    assert len(lines) - 1 == len(list((tmp_path / "designs").iterdir())) >= 2


def test_an_interrupted_assignment_is_told_and_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        least_widths.LeastWidths, "_solve", pressing(least_widths.LeastWidths._solve)
    )
    out = tmp_path / "assignment.json"
    asked = ("assign", "resnet18", "--minimize", "noise", "--max-gbops", "40", "--out", str(out))
    code, told, errors = run(capsys, *asked)
    assert code == 4
    assert errors == "codesign: interrupted; what follows is the assignment found by then\n"
    assert "feasible" in told
    assert codesign.Assignment.load(out).solver.interrupted


def test_nothing_found_yet(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping.StopCondition, "check", pressing(stopping.StopCondition.check))
    for command in (["solve", tiny], ["pareto", tiny], ["assign", tiny, "--minimize", "noise"]):
        assert run(capsys, *command, "--max-gbops", "1e6") == (130, "", "codesign: interrupted\n")


KEEPS_LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


@posix
@pytest.mark.slow
@pytest.mark.parametrize("wait_s", [0.5, 3.0])
@pytest.mark.parametrize("method", METHODS)
def test_a_program_that_is_interrupted_ends_soon(method: str, wait_s: float) -> None:
    """Also while HiGHS prepares a large programme and does not look up."""
    told = "import sys; from codesign.__main__ import main; sys.exit(main())"
    few = ("--rows", "8,16,32", "--cols", "32,64", "--pe-bits", "6,8", "--max-area-mm2", "6")
    asked = ("resnet152", "--all") if method == "search" else ("resnet18", *few)
    command = "pareto" if method == "search" else "solve"
    how = () if method == "search" else ("--method", "whole")
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPS_LISTENING + told, command, *asked, *how, "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(wait_s)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, errors = process.communicate(timeout=120)
    assert time.monotonic() - started < 30
    assert process.returncode in (4, 130)
    assert errors.startswith("codesign: interrupted")
    assert errors.count("\n") == 1
    assert bool(out) == (process.returncode == 4)
