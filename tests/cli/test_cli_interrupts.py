"""Ctrl-C at the command line: what is told, written and exited with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import BUDGET, SMALL, run
from ctrl_c import posix, press, pressed_after, pressing
from ended_early import METHODS
from seeds import mostly_long

import codesign
from codesign import stopping
from codesign.search import least_metric, least_widths

pytestmark = pytest.mark.usefixtures("heard")


def test_an_interrupted_design_is_told_and_written(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = least_metric.LeastMetric.bound_options
    monkeypatch.setattr(least_metric.LeastMetric, "bound_options", pressed_after(known))
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

    kind = codesign.tasks.pareto.EpsilonConstraintSearch
    asked = kind.explore_largest_box
    monkeypatch.setattr(kind, "explore_largest_box", pressed)
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
@pytest.mark.parametrize("wait_s", mostly_long([0.5, 3.0], 1))
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
