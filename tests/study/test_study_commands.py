"""`codesign study`: run, status, export, plot, and their exit codes."""

from __future__ import annotations

import io
import sys
from functools import partialmethod
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import TINY as TINY_TOML
from study_work import grid, made_up

from codesign.cli import study as study_commands
from codesign.cli.app import main
from codesign.study import Serial, Study, Tally, results
from codesign.study.records import Answer

GRID_TOML = """
[grid]
networks = "tiny.toml"
max_area_mm2 = [0.001, 0.02, 0.05]
rows = "1,2"
cols = "1,2"
bits = "4,6,8"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A grid of one infeasible cell and two designs, in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY_TOML)
    Path("grid.toml").write_text(GRID_TOML)
    return Path("grid.toml")


@pytest.fixture
def unprocessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in this process instead of others."""
    true_run = Study.run

    def run(self: Study, store: Path, **how: Any) -> Tally:
        how.pop("workers")
        return true_run(self, store, **{**how, "executor": Serial()})

    monkeypatch.setattr(Study, "run", run)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["study", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.slow
def test_run_status_export(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    code, out, err = told(capsys, "run", "grid.toml", "--workers", "1")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["optimal"][3:6] == ["2", "66.7", "%"]
    assert rows["infeasible"][3:6] == ["1", "33.3", "%"]
    assert "3 cells: 2 optimal, 1 infeasible; 3 in this run, " in out
    assert Path("grid.sqlite").exists()
    code, again, err = told(capsys, "status", "grid.sqlite")
    assert (code, err) == (0, "")
    assert out.startswith(again)
    assert told(capsys, "export", "grid.sqlite", "--out", "results.parquet") == (0, "", "")
    assert len(pd.read_parquet("results.parquet")) == 3
    code, out, err = told(capsys, "export", "grid.sqlite")
    assert (code, err) == (0, "")
    assert pd.read_csv(io.StringIO(out))["status"].value_counts()["optimal"] == 2
    code, out, err = told(capsys, "run", "grid.toml")
    assert (code, out) == (2, "")
    assert err == (
        "codesign: error: grid.sqlite: holds results already; resume (--resume) continues it\n"
    )
    code, out, err = told(capsys, "run", "grid.toml", "--resume", "--quiet")
    assert (code, err) == (0, "")
    assert out.startswith("3 cells: 2 optimal, 1 infeasible; 0 in this run")


@pytest.mark.usefixtures("unprocessed", "file")
@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        (("optimal", "infeasible", "optimal"), 0),
        (("optimal", "feasible", "infeasible"), 4),
        (("optimal", "unanswered", "infeasible"), 4),
        (("feasible", "failed", "optimal"), 5),
        (("optimal", "lost", "optimal"), 5),
    ],
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kinds: tuple[str, ...],
    code: int,
) -> None:
    given = iter(kinds)

    def work(question: str, network: str) -> Answer:
        return Answer(next(given), seconds=1.0, error="why [red]it[/] is")

    monkeypatch.setattr(Study, "run", partialmethod(Study.run, work=work))
    found, out, err = told(capsys, "run", "grid.toml")
    assert (found, err) == (code, "")
    assert ("1 cell: why [red]it[/] is" in out) == (code == 5)


@pytest.mark.usefixtures("unprocessed", "file")
def test_interrupted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("codesign.study.scheduler.wait", interrupted)
    code, out, err = told(capsys, "run", "grid.toml")
    assert (code, out) == (130, "")
    assert err == "codesign: interrupted; what is finished is in grid.sqlite, --resume continues\n"


@pytest.mark.usefixtures("unprocessed", "file")
def test_a_terminal_sees_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    code, _, err = told(capsys, "run", "grid.toml")
    assert code == 0
    assert "of 3 cells" in err
    assert told(capsys, "run", "grid.toml", "--resume", "--quiet")[2] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rn"], "rn"),
        (["run"], "Missing argument 'FILE'"),
        (["run", "far.toml"], "far.toml: networks: ../far.toml: outside the study's folder; allow"),
        (["run", "grid.toml", "--allow", "nowhere"], "nowhere: no such folder to allow"),
        (["run", "none.toml"], "none.toml: cannot be read: No such file"),
        (["run", "bad.toml"], "bad.toml: unknown 'max_aera_mm2'; did you mean 'max_area_mm2'?"),
        (["run", "grid.toml", "--workers", "0"], "0 is not in the range"),
        (["run", "grid.toml", "--workers", "2", "--dask", "x"], "--workers and --dask contradict"),
        (["run", "grid.toml", "--dask", "nowhere"], "--dask nowhere: missing port number"),
        (["run", "grid.toml", "--store", "none/x.sqlite"], "cannot be written: no folder"),
        (
            ["run", "grid.toml", "--store", "grid.toml"],
            "grid.toml: this is a study's grid (TOML); wanted is a study store",
        ),
        (["status", "none.sqlite"], "none.sqlite: no such study store"),
        (
            ["status", "grid.toml"],
            "grid.toml: this is a study's grid (TOML); wanted is a study store",
        ),
        (["export", "none.sqlite"], "none.sqlite: no such study store"),
        (["export", "none.sqlite", "--out", "x.xlsx"], "x.xlsx: must end in .csv or .parquet"),
    ],
)
@pytest.mark.usefixtures("file")
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    Path("far.toml").write_text(GRID_TOML.replace("tiny", "../far"))
    Path("bad.toml").write_text(GRID_TOML.replace("max_area", "max_aera"))
    before = sorted(Path().iterdir())
    code, out, err = told(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("codesign: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    assert Path("grid.toml").read_text() == GRID_TOML


@pytest.mark.usefixtures("unprocessed", "file")
def test_folders_allowed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "run", partialmethod(Study.run, work=made_up))
    Path("deeper").mkdir()
    Path("deeper/far.toml").write_text(GRID_TOML.replace("tiny", "../tiny"))
    words = "run", "deeper/far.toml", "--allow", "models", "--allow", "."
    assert told(capsys, *words)[0] == 2
    Path("models").mkdir()
    assert told(capsys, *words)[0] == 0


def test_a_store_is_not_written_over(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    named = store.rename(store.with_suffix(".csv"))
    code, _, err = told(capsys, "export", str(named), "--out", str(named))
    assert (code, err) == (2, f"codesign: error: {named}: is the store itself\n")
    assert len(results(named)) == 12


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in study_commands.study.commands.items():
        code, out, _ = told(capsys, name, "--help")
        assert code == 0
        for parameter in command.params:
            if parameter.opts[0].startswith("--"):
                assert f"  {parameter.opts[0]} " in out


def test_runs_that_are_over_hold_nothing(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    from codesign.study.heartbeat import this_process
    from codesign.study.store import opened

    with opened(path, write=True) as store:
        statuses = grid(2)._add_cells(store)
        store.start_run(this_process())
        store.claim(statuses[0][0])
        _, out, _ = told(capsys, "status", str(path))
        assert "under way  being solved      1" in out
        assert "waiting    to come           1" in out
        store.release()
        store.start_run(this_process()._replace(started="1"))
        store.claim(statuses[0][0])
    _, out, _ = told(capsys, "status", str(path))
    assert ("under way" in out) != bool(this_process().machine)
