"""Ctrl-C while the command line is still loading: one line and 130 at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import BUDGET, SMALL

import codesign
from codesign import __main__, stopping
from codesign.stopping import StopCondition, Stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")

TOLD = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
from codesign import __main__, stopping

def listen():
    listens()
    os.write(1, b"+")

listens, stopping.handle_interrupts = stopping.handle_interrupts, listen
sys.exit(__main__.main())
"""
SOLVE = ("solve", "alexnet", "--max-area-mm2", "3", "--quiet")


def pressed_at(wait_s: float, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command interrupted so long after it began to listen."""
    process = subprocess.Popen(
        [sys.executable, "-c", TOLD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 1) == b"+"
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    return process.returncode, out.decode(), errors.decode()


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A design that is soon proven."""
    path = tmp_path_factory.mktemp("design") / "design.json"
    choices = codesign.Choices(rows=(8, 16), cols=(8, 16))
    network = codesign.load_network("alexnet")
    problem = codesign.Problem(network=network, choices=choices, budgets={"area_mm2": 3.0})
    codesign.solve(problem).save(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("wait_ms", range(0, 801, 80))
def test_a_solve_interrupted_as_it_starts(wait_ms: int) -> None:
    code, out, errors = pressed_at(wait_ms / 1000, *SOLVE)
    if code != 130:  # late enough for a design
        told = "codesign: interrupted; what follows is the design found by then\n"
        assert out.count("\n") == 1
        if code == 0:  # proven before; then at most ties were left
            assert errors in ("", told)
            return
        assert (code, errors) == (4, told)
        return
    assert (out, errors) == ("", "codesign: interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["explain", "check"])
@pytest.mark.parametrize("wait_ms", range(0, 801, 200))
def test_a_reader_of_files_interrupted_as_it_starts(
    command: str, wait_ms: int, design: str
) -> None:
    code, out, errors = pressed_at(wait_ms / 1000, command, design)
    if code == 0:  # through before
        assert (errors, bool(out)) == ("", True)
        return
    assert (code, out, errors) == (130, "", "codesign: interrupted\n")


SLOW_IMPORT = """
import time

class Swallowing:
    def __del__(self):
        time.sleep(60)  # an exception in here is printed and forgotten

if __name__ != "__main__":
    Swallowing()
"""


def test_an_import_that_would_swallow_it(tmp_path: Path) -> None:
    (tmp_path / "swallowing.py").write_text(SLOW_IMPORT)
    program = TOLD.replace("sys.exit", f"sys.path.insert(0, {str(tmp_path)!r})\nsys.exit")
    program = program.replace("__main__.main()", "(listen(), __import__('swallowing'))")
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 1) == b"+"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"codesign: interrupted\n")
    assert process.returncode == 130


# --- while a programme is made ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["search.milp.solve.build", "search.monolithic.candidates"])
def test_a_programme_that_is_being_made_is_dropped(
    place: str, few_arrays: codesign.Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pyomo looks at no stop condition: a flag alone would wait until a large programme is made."""
    beyond = []

    def pressed(*_: Any, **__: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        beyond.append(True)

    monkeypatch.setattr(f"codesign.{place}", pressed)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            codesign.solve(few_arrays, method="whole")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)
    assert beyond == []


def test_where_nobody_listens_it_is_not_out_of_time() -> None:
    with pytest.raises(KeyboardInterrupt), StopCondition().stopping_at_interrupts():
        raise KeyboardInterrupt
    stop = StopCondition()
    stop.interrupt()
    with pytest.raises(Stopped), stop.stopping_at_interrupts():
        raise AssertionError


# --- before and after ---------------------------------------------------------------------------


def test_before_it_listens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stopping, "handle_interrupts", pressed)
    assert __main__.main() == 130
    assert capfd.readouterr() == ("", "codesign: interrupted\n")


def test_outside_imports_it_is_the_usual_exception() -> None:
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stopping.handle_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        stopping.ignore_interrupts()
        signal.raise_signal(signal.SIGINT)  # the work is done
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_handler_of_somebody_else_stays() -> None:
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stopping.handle_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_the_module_is_a_command(tiny: str) -> None:
    words = [sys.executable, "-m", "codesign", "solve", tiny, *SMALL, *BUDGET, "--quiet"]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "optimal" in ran.stdout
    assert ran.stderr == ""
