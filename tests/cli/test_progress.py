"""Progress where no terminal shows it: a line on standard error now and then, and no other."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from installed import TINY_GRID, WITH_JSON, strict_json

from codesign.cli import progress

SOLVE = WITH_JSON["solve"]
LONG_WORK = {  # command: where its work is found, and what a line says
    "solve": ("tasks.solve:solve", r"\d+ s, (bounding|latency|area|noise)"),
    "pareto": ("tasks.pareto:pareto", r"\d+ s, (looking|.* points)"),
    "assign": ("tasks.assign:assign", r"\d+ s, (bounding|noise|model)"),
    "explain": ("results.design:Design.explain", r"\d+ s, solving: "),
    "check --deep": ("checking:check", r"\d+ s, "),
    "solve, certified": ("tasks.certify:certify", r"\d+ s, "),
}


@pytest.fixture
def every_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of progress is due all the time."""
    monkeypatch.setattr(progress, "PLAIN_S", 0.002)


@pytest.fixture
def files(tiny: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A design and its certificate, in the current folder."""
    folder = Path(tiny).parent
    monkeypatch.chdir(folder)
    written = ("--out", "design.json", "--certificate", "certificate.json")
    assert run(capsys, *SOLVE, "--quiet", *written)[0] == 0
    return folder


def slowed(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Let some work take a while longer."""
    module, _, name = place.partition(":")
    owner: Any = import_module(f"codesign.{module}")
    *parents, name = name.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    work: Callable[..., Any] = getattr(owner, name)

    def slow(*given: Any, **how: Any) -> Any:
        done = work(*given, **how)
        time.sleep(0.05)
        return done

    monkeypatch.setattr(owner, name, slow)


@pytest.mark.parametrize("command", LONG_WORK)
@pytest.mark.parametrize("words", [(), ("--json",)], ids=["plain", "json"])
def test_a_line_now_and_then(
    every_moment: None,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: tuple[str, ...],
) -> None:
    place, said = LONG_WORK[command]
    slowed(monkeypatch, place)
    code, out, err = run(capsys, *WITH_JSON[command], *words)
    assert code == 0
    assert err.endswith("\n")
    lines = err.splitlines()
    assert lines
    for line in lines:
        assert re.match(f"codesign: {said}", line)
    assert strict_json(out) if words else "codesign: " not in out


@pytest.mark.parametrize("command", ["solve", "pareto", "assign"])
def test_quiet_keeps_it_back(
    every_moment: None,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    slowed(monkeypatch, LONG_WORK[command][0])
    code, out, err = run(capsys, *WITH_JSON[command], "--quiet")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1


def test_short_work_says_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert progress.PLAIN_S == 30
    assert run(capsys, *SOLVE)[2] == ""


@pytest.mark.slow
def test_a_study_tells_how_far_it_is(
    every_moment: None, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("grid.toml").write_text(TINY_GRID)
    code, out, err = run(capsys, "study", "run", "grid.toml", "--workers", "1", "--json")
    assert code == 0
    assert strict_json(out)["cells"] == {"optimal": 2}
    assert re.search(r"^codesign: [01] of 2 cells, ", err, re.MULTILINE)
    assert all(line.startswith("codesign: ") for line in err.splitlines())


def test_nobody_reads_it(monkeypatch: pytest.MonkeyPatch, every_moment: None) -> None:
    class Gone:
        def write(self, _: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    with progress.plain_lines(lambda state, seconds: "so far") as on_progress:
        on_progress("anything")
        time.sleep(0.02)


def test_no_thread_for_it(
    monkeypatch: pytest.MonkeyPatch, every_moment: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(progress.Thread, "start", refused)
    with progress.plain_lines(lambda state, seconds: "so far") as on_progress:
        on_progress("anything")
    assert capsys.readouterr().err == ""
