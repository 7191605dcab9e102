"""Time that runs out, at every look at the clock: an honest answer or a clear error, never more."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import BUDGET, SMALL, run
from ended_early import (
    BLOCK,
    LIMIT_S,
    METHODS,
    assigned,
    check_design,
    solved,
    striking,
    surveyed,
    sweep,
    swept,
)
from random_on_chip import on_chip_case
from random_problems import mid_size_problem, random_case
from seeds import mostly_long

import codesign
from codesign import Choices, Problem, SolverError, SpecError, solve
from codesign.search import hardware_search
from codesign.search.bounds import relaxation
from codesign.search.milp import highs
from codesign.space.hardware import HardwareSpace
from codesign.specs.network import Layer, Network
from codesign.stopping import StopCondition, Stopped

SLACK_S = 10.0  # for other work on the machine; about half a second is usual


@pytest.mark.parametrize("seed", mostly_long([0, 3, 20, 32, 37, 9, 16, 17, 24, 26, 33], 5))
@pytest.mark.parametrize("method", METHODS)
def test_a_solve_may_end_at_any_look(
    seed: int, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 1 if seed in (32, 33) else 4
    ends = solved(seed, method, monkeypatch, step=step)
    assert ends.complete or seed in (3, 9, 20)  # infeasible


@pytest.mark.slow
def test_a_limit_holds_where_hundreds_of_runs_share_a_tensor() -> None:
    choices = Choices(on_chip="bands", fused_layers=100, weight_bits=(8,), activation_bits=(8,))
    problem = Problem(network=codesign.load_network("resnet152"), choices=choices)
    start = time.monotonic()
    with pytest.raises(SolverError, match="no design found"):
        solve(problem, time_limit_s=2.0)
    assert time.monotonic() - start < 2.0 + SLACK_S


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed", "step"), [("deep", 0, 11), ("deep", 23, 29)])
def test_a_solve_with_tensors_on_chip_may_end_at_any_look(
    kind: str, seed: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = on_chip_case(seed, kind)
    # As in large problems, where the MILP over few of an option's choices comes first.
    monkeypatch.setattr(hardware_search, "CORE_CHOICES", 1)
    monkeypatch.setattr(hardware_search, "CORE_GROWTH", 2)
    ends = swept(
        monkeypatch,
        lambda: solve(case.problem, time_limit_s=LIMIT_S),
        lambda found: check_design(found, *case),
        step=step,
    )
    assert ends.feasible
    assert ends.complete


@pytest.mark.long
def test_a_solve_ends_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = solved(34, "search", monkeypatch)
    assert ends.nothing > 10
    assert ends.feasible > 10
    assert ends.untied > 5


@pytest.mark.parametrize("seed", mostly_long([0, 5, 10, 12, 37, 30], 5))
def test_an_assignment_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = assigned(seed, monkeypatch)
    assert ends.nothing
    assert ends.complete or ends.infeasible
    assert ends.feasible or seed not in (10, 30, 37)


@pytest.mark.parametrize("seed", mostly_long([2003, 2005, 2006, 2008, 2009], 3))
def test_a_front_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = surveyed(seed, monkeypatch, step=3)
    assert ends.nothing
    assert (ends.feasible and ends.complete) or ends.infeasible


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 200, BLOCK))
@pytest.mark.parametrize("kind", ["search", "whole", "assign", "pareto"])
def test_any_look_long(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(kind, range(first, first + BLOCK), monkeypatch)


# --- explanations -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long([0, 32, 33, 37], 3))
def test_an_explanation_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    design = solve(random_case(seed).problem)
    whole = design.explain()
    assert whole.unproven == 0
    left, step = [], 5 if seed == 0 else 3
    for looks in range(1, 10_000, step):
        with striking(monkeypatch, looks) as clock:
            try:
                found = design.explain(time_limit_s=LIMIT_S)
            except SolverError:  # not even the problem as it is
                assert not left
                continue
        left.append(found.unproven)
        for mine, true in zip(found.sensitivities, whole.sensitivities, strict=True):
            check_explained((mine.less, mine.more), (true.less, true.more))
        check_explained(found.runner_ups, whole.runner_ups)
        if not clock.struck:
            break
    assert left == sorted(left, reverse=True)
    assert max(left) >= 4
    assert left[-1] == 0


def check_explained(found: Sequence[Any], true: Sequence[Any]) -> None:
    """What is told is true; the rest is said to be missing."""
    for mine, all_of_it in zip(found, true, strict=True):
        if mine.proven:
            assert mine == all_of_it
        else:
            assert getattr(mine, "objective", None) is None
            assert getattr(mine, "hardware", None) is None


def test_an_explanation_cut_short_says_so(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, picture = str(tmp_path / "design.json"), str(tmp_path / "worth.png")
    assert run(capsys, "solve", tiny, *SMALL, *BUDGET, "--out", out)[0] == 0
    seen = []
    while not seen or seen[-1]:
        with striking(monkeypatch, 3 ** len(seen)):
            asked = ("explain", out, "--time-limit-s", str(LIMIT_S), "--plot", picture)
            code, told, errors = run(capsys, *asked)
        seen.append(code)
        assert ("not known for want of time" in told) == ("not in time" in told) == (code == 4)
        assert ("proven to be the optimum again within" in errors) == (code == 5)
        assert Path(picture).exists() == (code != 5)
    assert {*seen} == {0, 4, 5}
    assert seen == sorted(seen, reverse=True)


# --- the time it takes to end -------------------------------------------------------------------

ALL_WIDTHS = Choices(weight_bits=tuple(range(1, 33)), activation_bits=tuple(range(1, 33)))
FEW_ARRAYS = Choices(rows=(8, 16, 32), cols=(32, 64), pe_weight_bits=(6, 8))


@pytest.mark.parametrize("limit", [0, -1.0, math.nan])
def test_a_limit_is_positive(limit: float) -> None:
    problem = mid_size_problem(23, "noise", ["latency_s", "area_mm2"])
    design = solve(problem)
    asked: list[Callable[[], object]] = [
        lambda: solve(problem, time_limit_s=limit),
        lambda: solve(problem, method="whole", time_limit_s=limit),
        lambda: codesign.pareto(problem, ("noise", "area_mm2"), time_limit_s=limit),
        lambda: design.explain(time_limit_s=limit),
    ]
    for each in asked:
        with pytest.raises(SpecError, match="time_limit_s must be positive"):
            each()


def far_skips(layers: int) -> Network:
    """Each layer adds the result of any earlier one: what they couple takes minutes to cut."""
    rng = random.Random(layers)
    geometry = {"K": 64, "C": 64, "P": 28, "Q": 28, "H": 28, "W": 28, "R": 3, "S": 3}
    made = [
        Layer(
            name=f"l{n}",
            **geometry,
            input=f"x{n}",
            output=f"x{n + 1}",
            residuals=(f"x{rng.randrange(n)}",) if n else (),
        )
        for n in range(layers)
    ]
    return Network(
        name="far skips",
        layers=tuple(made),
        tensors={f"x{n}": 64 * 28 * 28 for n in range(layers + 1)},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "choices", "method"),
    [
        ("resnet152", Choices(), "search"),
        ("resnet152", ALL_WIDTHS, "search"),
        ("vit_b_16", ALL_WIDTHS, "search"),
        ("resnet18", FEW_ARRAYS, "whole"),  # some seconds to write, minutes to solve
        (1000, Choices(), "search"),
        (5000, Choices(), "search"),  # one elimination alone takes minutes
    ],
)
def test_a_limit_is_not_overrun(network: str | int, choices: Choices, method: str) -> None:
    problem = Problem(
        network=far_skips(network) if isinstance(network, int) else codesign.load_network(network),
        choices=choices,
        quality="uniform:6",
        budgets={"area_mm2": 6.0},
    )
    started = time.monotonic()
    with suppress(SolverError):  # found a design in time or not
        assert solve(problem, method=method, time_limit_s=0.5).proof.gap >= 0
    assert time.monotonic() - started < SLACK_S


@pytest.mark.parametrize("seed", range(500, 506))
def test_a_plan_may_end_at_any_look(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of an elimination's plan is made when it is next asked for."""
    monkeypatch.setattr(relaxation, "MAX_TABLE", 1)  # every coupling is cut, one after the other
    monkeypatch.setattr(relaxation, "MAX_ENTRIES", 1)
    space = HardwareSpace(random_case(seed, moving=True, sharing=True).problem)
    whole = relaxation.Relaxation(space)
    ended = 0
    for looks in range(10_000):
        stop = StopCondition(LIMIT_S)
        mine = relaxation.Relaxation(space, stop.check)
        with striking(monkeypatch, looks), suppress(Stopped):
            assert mine.plan.entries == whole.plan.entries
            break
        ended += 1
        if looks % 10 == 0:
            assert mine.plan.turns == whole.plan.turns
            assert mine.cuts == whole.cuts
    assert ended > len(space.variables)


@pytest.mark.slow
def test_a_limit_may_be_met_inside_a_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS is stopped while it runs, at each of its looks up in turn."""
    problem = mid_size_problem(43, "noise", ["latency_s", "area_mm2"])
    best = solve(problem).metrics["noise"]
    seen = set()
    for looks in range(0, 20, 2):  # each run looks up twice as often
        with monkeypatch.context() as patched:
            listener = highs._Listener
            check = stopping(listener.on_interrupt_check, looks)
            patched.setattr(listener, "on_interrupt_check", check)
            try:
                found = solve(problem, method="whole", time_limit_s=1e3)
            except KeyboardInterrupt:
                seen.add("nothing")
                continue
        seen.add(found.proof.status)
        assert found.proof.bound <= best * (1 + 1e-9)
        assert best * (1 - 1e-9) <= found.metrics["noise"]
        for name, limit in problem.budgets.items():
            assert found.metrics[name] <= limit * (1 + 2e-9)
    assert "feasible" in seen


def stopping(hear: Callable[..., None], looks: int) -> Callable[..., None]:
    """The same, after so many calls in a run with word to stop."""

    def heard(ear: highs._Listener, event: object) -> None:
        ear.count = getattr(ear, "count", 0) + 1  # type: ignore[attr-defined]
        if ear.count > looks:  # type: ignore[attr-defined]
            ear.stop.interrupted = True
        hear(ear, event)

    return heard


# --- memory -------------------------------------------------------------------------------------

WITHIN = """
import resource, sys
from codesign.search.milp import highs
from codesign.cli.app import main
import codesign.tasks.solve, codesign.results.text.design

def within(*given):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]), -1))
    return true_run(*given)

true_run = main if sys.argv[1] == "imported" else highs._run
if sys.argv[1] == "solver":
    highs._run = within
sys.exit((within if sys.argv[1] == "imported" else main)(sys.argv[3:]))
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "room_mib", "network"),
    mostly_long(
        [
            ("imported", 1, "resnet152"),
            ("imported", 160, "resnet152"),
            ("solver", 0, "resnet18"),
            ("solver", 100, "resnet152"),
        ],
        3,
    ),
)
def test_too_little_memory_is_one_line(
    where: str, room_mib: int, network: str, tmp_path: Path
) -> None:
    out = tmp_path / "design.json"
    asked = ("solve", network, "--max-area-mm2", "6", "--out", str(out))
    told = subprocess.run(
        [sys.executable, "-c", WITHIN, where, str(room_mib * 2**20), *asked],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (told.returncode, told.stdout) == (5, "")
    *progress, error = told.stderr.splitlines()
    assert error.startswith("codesign: error: out of memory; ")
    assert all("bound" in line for line in progress)
    assert not list(tmp_path.iterdir())


@linux
@pytest.mark.slow
def test_memory_enough_for_the_answer() -> None:
    asked = ("solve", "resnet18", "--max-area-mm2", "6", "--quiet")
    told = subprocess.run(
        [sys.executable, "-c", WITHIN, "imported", str(2**30), *asked], capture_output=True
    )
    assert (told.returncode, told.stderr) == (0, b"")


def test_a_library_that_cannot_be_loaded(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "codesign.tasks.solve", None)
    code, out, errors = run(capsys, "solve", tiny)
    assert (code, out) == (5, "")
    assert errors.startswith("codesign: error: a library cannot be loaded: ")
    assert errors.count("\n") == 1
