"""What is told of a study: the table, its files, the picture, the commands and their exit codes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from study_work import TINY, grid, pointed

from codesign.errors import SpecError
from codesign.problem.metrics import METRICS
from codesign.results.text.layout import to_text
from codesign.study import Serial, Study, Tally, results
from codesign.study.table import export, parameters_of
from codesign.study.text import progress_bar, progress_text, results_parts, tally_line

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


# --- mappings -----------------------------------------------------------------------------------


def test_mappings_are_a_column_where_some_design_has_another(tmp_path: Path) -> None:
    def table(mapping: list[str]) -> pd.DataFrame:
        path = tmp_path / f"{len(mapping)}.sqlite"
        given: dict[str, Any] = {"mapping": mapping, "rows": "1,2", "cols": "2", "bits": "8"}
        study = Study.grid(networks=[TINY], quality="none", max_area_mm2=1, **given)
        study.run(path, executor=Serial())
        return results(path)

    usual, some = table(["window"]), table(["window", "output"])
    assert "mapping_offered" in parameters_of(usual)
    assert "mapping" not in usual
    assert some["mapping"].tolist() == some["mapping_offered"].tolist() == ["window", "output"]
    shown = to_text(results_parts(some, None), terminal=False)
    assert " bit, output, SRAM" in shown
    assert " bit, window" not in shown
