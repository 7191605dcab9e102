"""What is told of a study: the table, its files, the picture, the commands and their exit codes."""

from __future__ import annotations

import io
import sys
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import TINY as TINY_TOML
from matplotlib.axes import Axes
from study_work import SMALL, TINY, area_of, areas, grid, made_up

from codesign.cli import study as study_commands
from codesign.cli.app import main
from codesign.errors import SpecError
from codesign.problem.metrics import METRICS
from codesign.study import Serial, Study, Tally, results
from codesign.study.plot import MOST_PANELS, column_words, plot_study
from codesign.study.records import Answer
from codesign.study.table import export, parameters_of
from codesign.study.text import progress_bar, progress_text, tally_line

GRID_TOML = """
[grid]
networks = "tiny.toml"
max_area_mm2 = [0.001, 0.02, 0.05]
rows = "1,2"
cols = "1,2"
bits = "4,6,8"
"""


def mixed(question: str, network: str) -> Answer:
    """An answer of every kind, by the area."""
    kinds = ("optimal", "infeasible", "feasible", "unanswered", "failed", "lost")
    status = dict(zip(areas(6), kinds, strict=True)).get(area_of(question), "optimal")
    if status in ("optimal", "feasible"):
        return made_up(question, network)._replace(status=status)
    return Answer(status, seconds=0.5, codesign="0.1.0", error=f"why {status}")


def pointed(question: str, network: str) -> Answer:
    """A front of three points."""
    answer = made_up(question, network)
    first = answer.designs[0]
    designs = tuple(
        {**first, "metrics": {**first["metrics"], "area_mm2": 1.0 * i, "latency_s": 1.0 / i}}
        for i in (1, 2, 3)
    )
    return answer._replace(designs=designs, front_gap=0.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


@pytest.fixture
def store(path: Path) -> Path:
    """Twelve cells of every status."""
    study = grid(6, quality=["uniform:5", "uniform:6"], square=True)
    study.run(path, executor=Serial(), work=mixed)
    return path


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_tidy(store: Path) -> None:
    frame = results(store)
    assert len(frame) == 12
    parameters = ["network", "max_area_mm2", "quality", "bits", "rows_offered", "cols_offered"]
    assert parameters_of(frame) == [*parameters, "square"]
    assert [*frame.columns][9:15] == [*METRICS]
    first, second = frame.iloc[0], frame.iloc[2]
    assert (first["network"], first["max_area_mm2"], first["quality"]) == (
        "tiny",
        0.01,
        "uniform:5",
    )
    assert (first["status"], first["latency_s"], first["rows"]) == ("optimal", 0.1, 2)
    assert (first["gap"], first["ties_broken"], first["design"]) == (0.0, True, 1)
    assert (second["status"], second["error"]) == ("infeasible", "why infeasible")
    assert frame[frame["status"] != "optimal"]["rows"].isna().sum() == 8
    assert frame.dtypes["rows"] == "Int64"
    assert frame.dtypes["max_area_mm2"] == "float64"
    assert frame.dtypes["square"] == "boolean"


def test_a_front_has_a_row_for_each_point(path: Path) -> None:
    study = grid(2, front={})
    study.run(path, executor=Serial(), work=pointed)
    frame = results(path)
    assert [*frame["design"]] == [1, 2, 3] * 2
    assert [*frame["max_area_mm2"]] == [0.01] * 3 + [0.02] * 3
    assert {*frame["front_gap"]} == {0.25}


@pytest.mark.smoke
def test_csv_and_parquet_say_the_same(store: Path, tmp_path: Path) -> None:
    frame = results(store)
    for suffix in (".csv", ".parquet"):
        export(frame, tmp_path / f"results{suffix}")
    parquet = pd.read_parquet(tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(parquet, frame)
    csv = pd.read_csv(tmp_path / "results.csv", dtype={"bits": str})
    numbers = [*METRICS, "max_area_mm2", "seconds", "gap"]
    pd.testing.assert_frame_equal(csv[numbers], frame[numbers])
    assert [*csv.columns] == [*frame.columns]
    assert csv["rows"].dropna().unique() == [2]
    assert [*csv["bits"].unique()] == ["4,6,8"]
    assert [path.name for path in tmp_path.glob(".codesign-*")] == []


def test_parquet_needs_pyarrow(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("pyarrow")

    frame = results(store)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(SpecError, match=r"pip install 'codesign\[parquet\]'"):
        export(frame, tmp_path / "results.parquet")
    with pytest.raises(SpecError, match=r"must end in .csv or .parquet"):
        export(frame, tmp_path / "results.xlsx")
    assert not (tmp_path / "results.parquet").exists()


# --- the picture --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawable(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Two networks × six budgets × two qualities."""
    path = tmp_path_factory.mktemp("study") / "results.sqlite"
    study = Study.grid(
        networks=[TINY, "alexnet"],
        max_area_mm2=[0.02, 0.03, 0.2, 0.5, 1, 3],
        quality=["uniform:5", "uniform:6"],
        **SMALL,
    )
    study.run(path, executor=Serial(), work=mixed)
    return results(path)


def lines(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if line.get_linestyle() not in ("", "None")]


def test_panels_lines_and_gaps(drawable: pd.DataFrame) -> None:
    picture = plot_study(drawable)
    assert [axes.get_title(loc="left") for axes in picture.axes] == ["tiny", "alexnet"]
    for axes in picture.axes:
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert len(lines(axes)) == 2
        x, y = lines(axes)[0].get_data()
        assert [*x] == [0.02, 0.03, 0.2, 0.5, 1, 3]
        assert [*np.isnan(y)] == [True, False, False, False, False, False]
        assert y[1] == pytest.approx(1e3 * 1e-3 / 0.03)  # ms
        assert all(line.get_drawstyle() == "steps-post" for line in lines(axes))
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert [[*line.get_xdata()] for line in crosses] == [[0.02], [0.02]]
        heights = [float(line.get_ydata()[0]) for line in crosses]  # of the panel's
        assert 1 < heights[0] < heights[1]
    assert picture.axes[0].get_ylabel() == "latency (ms)"
    assert picture.axes[1].get_xlabel() == "max area (mm²)"
    (legend,) = picture.legends
    assert legend.get_title().get_text() == "least latency; lines: quality"
    assert [text.get_text() for text in legend.get_texts()] == [
        *("uniform:5", "uniform:6", "no design (above the panel)")
    ]
    looks = [(line.get_marker(), line.get_linestyle()) for line in lines(picture.axes[0])]
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]


def test_other_axes(drawable: pd.DataFrame) -> None:
    rows = drawable[drawable["max_area_mm2"] == 3]
    picture = plot_study(rows, x="quality", y="area_mm2", by="network")
    (axes,) = picture.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["uniform:5", "uniform:6"]
    assert [[*line.get_xdata()] for line in lines(axes)] == [[0, 1], [0, 1]]
    assert axes.get_ylabel() == "area (mm²)"


def test_a_front_is_a_staircase(path: Path) -> None:
    grid(1, front={}).run(path, executor=Serial(), work=pointed)
    (axes,) = plot_study(path).axes
    (line,) = lines(axes)
    assert [*line.get_xdata()] == [1, 2, 3]
    assert line.get_drawstyle() == "steps-post"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"x": "aera_mm2"}, "no column 'aera_mm2'; did you mean 'area_mm2'?"),
        ({"by": "network"}, "quality varies too"),
        ({"panels": "max_area_mm2", "by": ("network", "quality")}, "only one value"),
    ],
)
def test_what_would_be_drawn_over_one_another(
    drawable: pd.DataFrame, how: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError) as raised:
        plot_study(drawable, **how)
    assert told in str(raised.value)


def test_nothing_to_draw(drawable: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="no cell has a design"):
        plot_study(drawable[drawable["status"] == "infeasible"])
    with pytest.raises(SpecError, match="not a table of results"):
        plot_study(pd.DataFrame({"a": [1]}))


def test_more_than_can_be_told_apart(drawable: pd.DataFrame) -> None:
    copies = [drawable.assign(network=str(i)) for i in range(MOST_PANELS + 1)]
    with pytest.raises(SpecError, match=f"{MOST_PANELS + 1} panels"):
        plot_study(pd.concat(copies))


@pytest.mark.slow
def test_the_picture_is_a_file(store: Path, tmp_path: Path) -> None:
    study = grid(6, quality=["uniform:5", "uniform:6"], square=True)
    study.plot(store, tmp_path / "study.svg", y="latency_s")
    assert (tmp_path / "study.svg").read_text().lstrip().startswith("<?xml")


def test_columns_in_words() -> None:
    words = {
        "latency_s": "latency (ms)",
        "noise": "noise",
        "max_area_mm2": "max area (mm²)",
        "clock_mhz": "clock (MHz)",
        "quality": "quality",
        "batch": "batch",
        "max_gbops": "max bit operations (GBOP)",
        "area_overhead": "area overhead",
        "output_bits": "output (bits)",
    }
    assert {name: column_words(name) for name in words} == words


# --- text ---------------------------------------------------------------------------------------

HALFWAY = Tally({"optimal": 5, "infeasible": 1, "failed": 1, "lost": 1, "waiting": 8}, 4, 20.0)


def test_a_tally_counts() -> None:
    counts = (HALFWAY.cells, HALFWAY.done, HALFWAY.failed, HALFWAY.unproven, HALFWAY.answered)
    assert counts == (16, 8, 2, 0, 6)
    assert tally_line(HALFWAY) == (
        "16 cells: 5 optimal, 1 infeasible, 1 failed, 1 lost, 8 waiting; 4 in this run, 20 s"
    )
    assert progress_text(HALFWAY) == "2 failed, 0.2/s, 40 s left"  # 8 cells at 5 s each
    slow = Tally({"optimal": 2, "waiting": 100}, 2, 240.0)
    assert progress_text(slow) == "0.5/min, 3.3 h left"
    assert progress_text(Tally({"waiting": 3}, 0, 1.25)) == "1.2 s"


def test_the_progress_bar_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar(stream) as show:
        show(HALFWAY)
    shown = stream.getvalue()
    assert "8 of 16 cells" in shown
    assert "2 failed, 0.2/s, 40 s left" in shown
    assert shown.endswith("\x1b[2K")  # the line is cleared


# --- commands -----------------------------------------------------------------------------------


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
