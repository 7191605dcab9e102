"""``codesign report``: a page of a saved result, and one line for what has none."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from command_line import BUDGET, SMALL, TINY, refused, run
from pages import Page

GRID = f"""
[grid]
networks = "network.toml"
rows = "{SMALL[1]}"
cols = "{SMALL[3]}"
bits = "{SMALL[5]}"
max_area_mm2 = [0.08, 0.1, 1e-6]
"""
ASKED = ("network.toml", *SMALL)
MADE = (
    ("solve", *ASKED, *BUDGET, "--out", "design.json", "--certificate", "proof.json"),
    ("explain", "design.json", "--out", "why.json"),
    ("pareto", *ASKED, "--points", "3", "--out", "front.csv", "--designs", "points"),
    ("study", "run", "grid.toml", "--store", "results.sqlite"),
    ("assign", "network.toml", "--out", "widths.json"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results."""
    from codesign.cli.app import main

    made = tmp_path_factory.mktemp("results")
    (made / "network.toml").write_text(TINY)
    (made / "grid.toml").write_text(GRID)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        for words in MADE:
            assert main([*words]) == 0, words
    return made


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def page_of(capsys: pytest.CaptureFixture[str], *words: str) -> Page:
    """The page that a command makes."""
    code, out, err = run(capsys, "report", *words)
    assert (code, err) == (0, "")
    return Page(Path(out.strip()).read_text("utf-8"))


def test_a_page_has_the_name_of_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    made = page_of(capsys, "design.json")
    assert Path("design.html").exists()
    assert made.tabs[0] == "summary"
    assert "explanation" not in made.tabs
    assert page_of(capsys, "widths.json", "--out", "w.html").tabs[0] == "summary"
    assert page_of(capsys, "why.json").tabs == ["explanation"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_what_belongs_to_a_design_may_stand_beside_it(
    order: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    files = "design.json", "why.json", "proof.json"
    made = page_of(capsys, *(files[n] for n in order), "--out", "all.html")
    assert "explanation" in made.tabs
    assert "proven in exact arithmetic" in made.text


def test_a_design_is_explained_on_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert "explanation" in page_of(capsys, "design.json", "--explain").tabs


def test_a_front_opens_the_designs_of_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert page_of(capsys, "front.csv").tabs == ["front"]
    made = page_of(capsys, "front.csv", "--designs", "points")
    assert made.tabs[:2] == ["front", "designs"]


def test_a_store_shows_its_cells_and_designs(capsys: pytest.CaptureFixture[str]) -> None:
    made = page_of(capsys, "results.sqlite")
    assert made.tabs[:3] == ["results", "runs", "designs"]
    assert made.cells.count("optimal") == 3  # and the line that counts them
    assert made.cells.count("infeasible") == 2
    assert made.tabs.count("layers") == 2
    (drawn, *_) = made.charts
    assert [x for t in drawn["data"] for x in t["x"]] == [0.08, 0.1]
    assert [x for t in drawn["data"] for x in t["customdata"]] == [0, 1]


def test_a_store_of_which_a_design_was_altered_has_no_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    copied = Path(shutil.copy("results.sqlite", "altered.sqlite"))
    with closing(sqlite3.connect(copied)) as store, store:
        key, text = store.execute("SELECT question, design FROM designs").fetchone()
        content = json.loads(text)
        content["layers"][0]["cycles"] += 1
        store.execute(
            "UPDATE designs SET design = ? WHERE question = ?", (json.dumps(content), key)
        )
    for command in ("report", "explore"):
        told = refused(capsys, command, str(copied))
        assert "altered.sqlite: a design of it does not hold: layers[0]" in told


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("network.toml",), "this is a network"),
        (("proof.json",), "this is a certificate"),
        (("proof.json", "why.json", "--out", "x.html"), "stands beside a design"),
        (("design.json", "widths.json"), "a page is of one result; design.json is one too"),
        (("design.json", "why.json", "why.json"), "there is why.json already"),
        (("widths.json", "why.json"), "stands beside a design; widths.json is none"),
        (("design.json", "--designs", "points"), "--designs is for a front"),
        (("front.csv", "--designs", "nothing"), "nothing: no point_*.json in it"),
        (("front.csv", "--explain"), "--explain is for a design"),
        (("design.json", "why.json", "--explain"), "without an explanation beside it"),
        (("design.json", "--out", "page.txt"), "must end in .html"),
        (("design.json", "--out", "no/page.html"), "cannot be written"),
    ],
)
def test_what_has_no_page_is_told_in_one_line(
    words: tuple[str, ...], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted in refused(capsys, "report", *words)


@pytest.mark.parametrize("name", ["design.json", "widths.json"])
@pytest.mark.parametrize("words", [("report",), ("export", "brevitas")])
def test_a_figure_that_does_not_hold_is_told_with_its_file(
    name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(Path(name).read_text())
    content["metrics"]["noise"] *= 2
    Path("altered.json").write_text(json.dumps(content))
    told = refused(capsys, *words, "altered.json", "--out", "altered.html")
    assert told.startswith("codesign: error: altered.json: ")
    assert told.endswith("; codesign check tells all\n")
    assert not Path("altered.html").exists()


@pytest.mark.parametrize("tool", ["csv", "zigzag", "timeloop", "accelforge"])
def test_what_is_exported_holds(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(Path("design.json").read_text())
    content["metrics"]["latency_s"] *= 2
    Path("altered.json").write_text(json.dumps(content))
    told = refused(capsys, "export", tool, "altered.json", "--out", "exported")
    assert told.startswith("codesign: error: altered.json: ")
    assert told.endswith("; codesign check tells all\n")
    assert not Path("exported").exists()


def test_plotly_is_an_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    before = {*Path().iterdir()}
    wanted = "pip install 'codesign[report]'"
    assert wanted in refused(capsys, "explore", "front.csv", "--designs", "points")
    assert "pip install 'codesign[report]'" in refused(
        capsys, "report", "design.json", "--out", "new.html"
    )
    assert {*Path().iterdir()} == before
