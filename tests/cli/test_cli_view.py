"""``codesign show`` and ``codesign plot``: a saved result is what its own command told."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from command_line import BUDGET, CHIP, SMALL, TINY, run
from seeds import half_long

from codesign import Explanation, Front, SpecError
from codesign.cli.app import main
from codesign.specs.load import KINDS, models_folder, shipped

GRID = f"""
[grid]
networks = "network.toml"
rows = "{SMALL[1]}"
cols = "{SMALL[3]}"
bits = "{SMALL[5]}"
max_area_mm2 = [0.08, 0.1]
"""
ASKED = ("network.toml", *SMALL)
FRONT = ("pareto", *ASKED, "--points", "4")


CHIPPED = ("--accelerator", "chip.toml", "--dram-gbit-per-s", "4")


class Found(NamedTuple):
    """A command, how it writes its file, and whether it draws."""

    words: tuple[str, ...]
    file: str
    drawn: bool = True


FOUND = {
    "design": Found(("solve", *ASKED, *BUDGET, "--tie", "--out", "design.json"), "design.json"),
    "evaluation": Found(
        ("evaluate", "network.toml", *CHIPPED, "--out", "evaluation.json"),
        "evaluation.json",
    ),
    "assignment": Found(("assign", *ASKED[:1], "--out", "a.json"), "a.json", drawn=False),
    "front": Found((*FRONT, "--out", "front.csv"), "front.csv"),
    "front of three": Found(
        (*FRONT, "--objectives", "latency,area,dram", "--quality", "uniform:5", "--out", "f3.csv"),
        "f3.csv",
    ),
    "whole front": Found(
        (*FRONT[:-2], "--all", "--rel-step", "0.01", "--max-dram-mbit", "0.2", "--out", "all.csv"),
        "all.csv",
    ),
    "explanation": Found(("explain", "design.json", "--out", "why.json"), "why.json"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every result's file, with what was printed (.txt) and drawn (.png) beside it."""
    folder = tmp_path_factory.mktemp("results")
    for name, text in (("network.toml", TINY), ("chip.toml", CHIP), ("grid.toml", GRID)):
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for found in FOUND.values():
            out = io.StringIO()
            picture = ("--plot", f"{found.file}.png") if found.drawn else ()
            with pytest.MonkeyPatch.context() as printed:
                printed.setattr("sys.stdout", out)
                assert main([*found.words, *picture]) == 0
            (folder / f"{found.file}.txt").write_text(out.getvalue())
        assert main(["study", "run", "grid.toml", "--quiet"]) == 0
    return folder


@pytest.mark.parametrize("name", half_long(FOUND))
def test_a_result_is_shown_as_it_was(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    capsys.readouterr()
    told = (folder / f"{FOUND[name].file}.txt").read_text()
    assert run(capsys, "show", FOUND[name].file) == (0, told, "")


@pytest.mark.parametrize("name", [name for name in FOUND if FOUND[name].drawn])
def test_a_result_is_drawn_as_it_was(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    capsys.readouterr()
    file = FOUND[name].file
    assert run(capsys, "plot", file, "--out", "again.png") == (0, "again.png\n", "")
    assert (folder / "again.png").read_bytes() == (folder / f"{file}.png").read_bytes()


def test_the_picture_has_the_name_of_the_file(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "front.png").write_text("another picture")
    assert run(capsys, "plot", str(folder / "front.csv")) == (0, "front.png\n", "")
    assert (tmp_path / "front.png").read_bytes() == (folder / "front.csv.png").read_bytes()


@pytest.mark.parametrize("name", ["front", "front of three", "whole front"])
def test_a_front_printed_as_json_is_a_front_too(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    capsys.readouterr()
    code, out, err = run(capsys, "show", FOUND[name].file, "--json")
    assert (code, err) == (0, "")
    (folder / "printed.json").write_text(out)
    assert run(capsys, "show", "printed.json", "--json") == (0, out, "")
    told = (folder / f"{FOUND[name].file}.txt").read_text()
    assert run(capsys, "show", "printed.json") == (0, told, "")
    front = Front.load(folder / "printed.json")
    front.save(folder / "saved.csv")
    right = pd.read_csv(folder / FOUND[name].file, dtype=str)  # all but the problem
    again = pd.read_csv(folder / "saved.csv", dtype=str)
    pd.testing.assert_frame_equal(again, right.drop(columns="problem"))


def test_a_front_read_has_no_whole_designs(folder: Path, tmp_path: Path) -> None:
    front = Front.load(folder / "front.csv")
    assert len(front.points) == len(front) == 4
    with pytest.raises(SpecError, match="no whole designs"):
        front.save_designs(tmp_path / "designs")
    assert not (tmp_path / "designs").exists()


def test_stores_and_certificates_are_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    asked = (*ASKED, *BUDGET, "--quiet", "--certificate", "proof.json")
    assert run(capsys, "solve", *asked)[0] == 0
    assert run(capsys, "show", "grid.sqlite") == run(capsys, "study", "status", "grid.sqlite")
    code, out, err = run(capsys, "show", "proof.json")
    assert (code, err, out.count("\n")) == (0, "", 3)
    assert out.startswith("a certificate: no design within the budgets has an objective below ")
    content = json.loads((folder / "proof.json").read_text())
    for damage in ({"groups": [{}]}, {"groups": 1}, {"bound": None}, {"trusted": 3}):
        (folder / "damaged.json").write_text(json.dumps({**content, **damage}))
        assert run(capsys, "show", "damaged.json")[::2] == (
            2,
            "codesign: error: damaged.json: a damaged certificate\n",
        )


def test_a_study_is_drawn_over_what_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for words in ((), ("--x", "max_area_mm2", "--y", "area_mm2")):
        assert run(capsys, "plot", "grid.sqlite", *words) == (0, "grid.png\n", "")
    code, _, err = run(capsys, "plot", "grid.sqlite", "--x", "colour")
    assert (code, "no column 'colour'" in err) == (2, True)
    code, _, err = run(capsys, "plot", "design.json", "--by", "rows")
    assert (code, "--by is for the store of a study" in err) == (2, True)


# --- files of before ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["front", "front of three", "whole front"])
def test_a_table_without_what_belongs_to_the_whole_tells_its_points(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.csv"
    with (folder / FOUND[name].file).open(newline="") as file:
        rows = [*csv.reader(file)]
    without = [n for n, heading in enumerate(rows[0]) if heading not in ("front", "ties")]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([row[n] for n in without] for row in rows)
    old, new = Front.load(path), Front.load(folder / FOUND[name].file)
    assert old.objectives == new.objectives
    assert (old.values == new.values).all()
    assert old.ruled == ()
    assert not old.complete
    code, out, err = run(capsys, "show", str(path))
    assert (code, err) == (0, "")
    told = (folder / f"{FOUND[name].file}.txt").read_text().split("\n")
    assert out.split("\n")[2 : len(old) + 5] == told[2 : len(old) + 5]  # the table of points
    assert "the file does not tell what is ruled out" in out
    assert run(capsys, "plot", str(path), "--out", str(tmp_path / "old.svg"))[0] == 0
    assert "certified" not in (tmp_path / "old.svg").read_text()
    assert run(capsys, "show", str(path), "--json")[0] == 0


def test_an_explanation_of_before_tells_all_but_names(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((folder / "why.json").read_text())
    path = tmp_path / "old.json"
    added = ("technology", "quality", "metrics", "proof")
    path.write_text(json.dumps({key: x for key, x in content.items() if key not in added}))
    code, out, err = run(capsys, "show", str(path))
    assert (code, err) == (0, "")
    told = (folder / "why.json.txt").read_text()
    assert out.split("\n")[1:] == told.split("\n")[1:]
    assert run(capsys, "plot", str(path), "--out", str(tmp_path / "old.pdf"))[0] == 0


# --- names and faults ---------------------------------------------------------------------------


def test_energies_are_shown_with_their_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, told, _ = run(capsys, "show", "tsmc28")
    lines = [" ".join(line.split()) for line in told.splitlines()]
    for line in (
        "a bit operation 1.13 fJ",
        "a bit read from SRAM, of a bank of 262,144 bit 166 fJ",
        "the whole chip at all times – mW",
        "its area at all times 26.9 mW per mm²",
    ):
        assert line in lines
    assert any(line.startswith("source of energies: MAC: Sharma et al.") for line in lines)
    _, told, _ = run(capsys, "show", "memories")
    rows = [row.split() for row in told.splitlines() if not row.startswith(" ")][2:]
    assert [(row[0], row[4]) for row in rows] == [
        ("ddr4-2400", "20.3"),
        ("hbm2", "3.9"),
        ("lpddr4x-4266", "–"),
        ("lpddr5-6400", "–"),
    ]
    chip = (models_folder() / "accelerators" / "eyeriss.toml").read_text("utf-8")
    (tmp_path / "chip.toml").write_text(chip + "energy = { j_per_mac = 2e-12 }\n", "utf-8")
    _, told, _ = run(capsys, "show", str(tmp_path / "chip.toml"))
    assert re.search("a MAC, beside its bit operations +2,000 +fJ", told)


def test_every_shipped_name_is_shown_without_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    every = [(kind, name) for kind in KINDS for name in shipped(kind)]
    assert len({name for _, name in every}) == len(every)
    for kind, name in every:
        assert run(capsys, "show", name) == run(capsys, "show", kind, name)
        assert run(capsys, "show", name, "--json") == run(capsys, "show", kind, name, "--json")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "resnet"), "no shipped name and no file; did you mean 'resnet"),
        (("show", "none.csv"), "none.csv: cannot be read: No such file"),
        (("plot", "none.csv"), "none.csv: cannot be read: No such file"),
        (("plot", "design.json", "--out", "x.gif"), "--out x.gif: must end in .png, .pdf, .svg"),
        (("plot", "design.json", "--out", "no/x.png"), "no folder 'no'"),
        (("show", "design.json", "more"), "unexpected extra argument"),
        (("show", "words"), "hard to say what this is"),
    ],
)
def test_faults_are_one_line(
    words: tuple[str, ...],
    told: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "words").write_text("only words\n")
    capsys.readouterr()
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


FAULTS = {  # of the cell that belongs to the whole, or of a point
    '"network"': ('"netwrok"', "front: netwrok: unknown key"),
    '"objectives": ["latency_s", "area_mm2"]': ('"objectives": ["latency_s"]', "not of these"),
    '"gap": ': ('"gap": -', "front: gap: "),
    '"complete": false': ('"complete": 3', "front: complete: "),
}


@pytest.mark.parametrize("old", FAULTS)
def test_a_damaged_front_is_refused(old: str, folder: Path, tmp_path: Path) -> None:
    new, told = FAULTS[old]
    text = (folder / "front.csv").read_text().replace('""', '"')
    assert old in text
    damaged = (
        (folder / "front.csv").read_text().replace(old.replace('"', '""'), new.replace('"', '""'))
    )
    (tmp_path / "front.csv").write_text(damaged)
    with pytest.raises(SpecError, match=told):
        Front.load(tmp_path / "front.csv")


def test_every_cell_of_a_front_is_read_with_care(folder: Path, tmp_path: Path) -> None:
    with (folder / "front.csv").open(newline="") as file:
        rows = [*csv.reader(file)]
    told = list[str]()
    for column, strange in (
        (c, x) for c in range(len(rows[0])) for x in ("", "x", "-1", "1e400", "nan")
    ):
        changed = [row[:] for row in rows]
        changed[2][column] = strange
        with (tmp_path / "front.csv").open("w", newline="") as file:
            csv.writer(file).writerows(changed)
        try:
            Front.load(tmp_path / "front.csv")
        except SpecError as error:
            told.append(str(error))
    assert all(each.startswith(f"{tmp_path / 'front.csv'}: ") for each in told)
    assert len(told) > 2 * len(rows[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"objective": "beauty"}, "objective: "),
        ({"layers": 3}, "layers: "),
        ({"more": 1}, "more: unknown key"),
        ({"runner_ups": [{"change": "array"}]}, r"runner_ups\[0\]"),
    ],
)
def test_a_damaged_explanation_is_refused(
    change: dict[str, object], told: str, folder: Path, tmp_path: Path
) -> None:
    content = json.loads((folder / "why.json").read_text())
    path = tmp_path / "why.json"
    path.write_text(json.dumps({**content, **change}))
    with pytest.raises(SpecError, match=told):
        Explanation.load(path)
