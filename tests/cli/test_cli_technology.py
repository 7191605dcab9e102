"""``codesign technology scale``: its file and refusals, and results that say they are scaled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import BUDGET, CHIP, SMALL, TINY, refused, run

from codesign import Design, load_technology

SCALE = ("technology", "scale", "tsmc28", "--node", "16")
NOTE = "areas of t16 are not measured: those of tsmc28 (28 nm) × 0.511, scaled to 16 nm"
ASKED = ("network.toml", *SMALL, "--technology", "t16.toml")


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.toml").write_text(TINY)
    (tmp_path / "chip.toml").write_text(CHIP)
    assert run(capsys, *SCALE, "--name", "t16", "--out", "t16.toml")[::2] == (0, "")
    return tmp_path


def test_what_is_printed_is_what_show_prints_of_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(capsys, *SCALE, "--name", "t16")
    assert told == run(capsys, "show", "t16.toml")
    assert NOTE in told[1].replace("\n", " ")
    found = json.loads(run(capsys, *SCALE, "--json")[1])
    made = load_technology("tsmc28").scaled(16)
    assert found["name"] == made.name == "tsmc28-scaled-16nm"
    assert found["scaled_from"]["name"] == "tsmc28"
    assert found["pe_area_um2"]["slope"] == made.pe_area_um2.slope
    assert load_technology(folder / "t16.toml") == load_technology("tsmc28").scaled(16, "t16")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("tsmc28", "--node", "6"), "no factors for 6 nm: they are published for nodes of 7, 10"),
        (("tsmc28", "--node", "28"), "technology 'tsmc28' is one of 28 nm already"),
        (("tsmc28", "--node", "big"), "'--node': 'big' is not a number"),
        (("tsmc28",), "Missing option '--node'"),
        (("tsmc29", "--node", "16"), "no 'tsmc29'; did you mean 'tsmc28'?"),
        (("unknown.toml", "--node", "16"), "its node is not known; give its file a node_nm"),
        (("t16.toml", "--node", "7"), "is scaled from 'tsmc28' already"),
        (("unknown.toml", "--node", "7", "--out", "unknown.toml"), "unknown.toml: given twice"),
        (("tsmc28", "--node", "16", "--out", "x.json"), "--out x.json: must end in .toml"),
        (("chip.toml", "--node", "7"), "this is an accelerator (TOML); wanted is a technology"),
    ],
)
def test_refusals(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], fault: str
) -> None:
    text = (folder / "t16.toml").read_text(encoding="utf-8").partition("[scaled_from]")[0]
    (folder / "unknown.toml").write_text(text.replace("node_nm", "# "), encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert fault in refused(capsys, "technology", "scale", *words)
    assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_every_result_says_that_it_is_scaled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front = "pareto", *ASKED, "--points", "2", "--out", "front.csv"
    asked = {
        "design.json": ("solve", *ASKED, *BUDGET, "--out", "design.json"),
        "front.csv": front,
        "why.json": ("explain", "design.json", "--out", "why.json"),
        "evaluation.json": (
            *("evaluate", "network.toml", "--accelerator", "chip.toml"),
            *("--technology", "t16.toml", "--dram-gbit-per-s", "4", "--out", "evaluation.json"),
        ),
    }
    for path, words in asked.items():
        code, out, err = run(capsys, *words)
        assert (code, err) == (0, "")
        assert NOTE in out
        assert NOTE in run(capsys, "show", path)[1]
        assert json.loads(run(capsys, "show", path, "--json")[1])
    for path in ("design.json", "evaluation.json"):
        assert run(capsys, "check", path)[0] == 0
    kept = Design.load("design.json").problem.technology
    assert kept.scaled_from == load_technology(folder / "t16.toml").scaled_from


def test_a_sweep_and_a_study_say_which_technologies_are_scaled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "grid.toml").write_text(
        '[grid]\nnetworks = "network.toml"\ntechnologies = ["t16.toml", "tsmc28"]\nrows = "1"\n'
        'cols = "1"\nbits = "8"\nmax_area_mm2 = 0.1\n'
    )
    for words in (
        ("study", "run", "grid.toml", "--quiet"),
        ("sweep", *ASKED, *BUDGET, "--workers", "1", "--quiet"),
    ):
        code, _, err = run(capsys, *words)
        assert code == 0
        assert err.count(NOTE) == err.count("\n") == 1


def test_areas_that_own_measurements_give_are_not_called_scaled(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "t16.toml").read_text(encoding="utf-8")
    energy, rest = text.index("[energy]"), text.index("[scaled_from]")
    text = text[:energy] + text[rest:] if energy < rest else text[:energy]
    (folder / "t16.toml").write_text(text, encoding="utf-8")
    (folder / "bare.toml").write_text(CHIP.replace("sram_bits = 100_000\n", ""))
    words = ("--accelerator", "bare.toml", "--technology", "t16.toml", "--roofline", "ideal")
    assert NOTE not in run(capsys, "evaluate", "network.toml", *words)[1]
