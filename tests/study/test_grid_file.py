"""Grids in files: what Python says in TOML, and no file of another folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import TINY as TINY_TOML
from study_grids import parameters, questions
from study_work import TINY

from codesign.errors import SpecError
from codesign.study import Study
from codesign.study.cell_keys import parameters_json
from codesign.study.grid_file import FRONT_OBJECTIVES

STUDY_TOML = """
name = "tiny budgets"
[grid]
networks = ["tiny.toml", "alexnet"]
max_area_mm2 = [0.1, 1, "none"]
bits = "4,6,8"
pin = { "weight:fc" = 8 }
[front]
objectives = ["latency", "area_mm2"]
points = 5
ranges = { area_mm2 = [0.01, 1] }
"""


def written(folder: Path, text: str) -> Path:
    (folder / "tiny.toml").write_text(TINY_TOML)
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_python_says(tmp_path: Path) -> None:
    study = Study.load(written(tmp_path, STUDY_TOML))
    same = Study.grid(
        name="tiny budgets",
        networks=["tiny.toml", "alexnet"],
        max_area_mm2=[0.1, 1, None],
        bits="4,6,8",
        pin=[["weight:fc=8"]],
        folder=tmp_path,
        front={"objectives": FRONT_OBJECTIVES, "points": 5, "ranges": {"area_mm2": (0.01, 1)}},
    )
    assert study == same
    assert [parameters_json(cell) for cell in study.cells()] == [
        parameters_json(cell) for cell in same.cells()
    ]
    assert questions(study) == questions(same)


def test_a_file_is_named_after_itself(tmp_path: Path) -> None:
    assert Study.load(written(tmp_path, '[grid]\nnetworks = "alexnet"')).name == "grid"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[grid", "grid.toml: not TOML: "),
        ("", "grid.toml: grid: missing"),
        ("grid = 3", "grid: must be a table, [grid]"),
        ("[grid]\n[font]", "unknown 'font'; did you mean 'front'? (known: name, grid, front)"),
        ("[grid]\nname = 'x'", "grid: unknown 'name'"),
        ("[grid]\nnetworks = 'nix.toml'", "nix.toml: cannot be read: No such file"),
        ("[grid]\nnetworks = 'grid.toml'", "a study's grid (TOML); wanted is a network"),
        ("[grid]\nnetworks = 'alexnet'\nqualty = 3", "grid.toml: unknown 'qualty'; did you mean"),
        ("name = 3\n[grid]\nnetworks = 'alexnet'", "grid.toml: name: 3 is no name"),
        ("a = " + "[" * 3000, "not "),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SpecError) as raised:
        Study.load(path)
    assert str(raised.value).startswith(str(path)) or str(path) in str(raised.value)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


TABLE = "tensor,bits,loss\nweight:conv1,4,0.1\n"


def two_folders(folder: Path) -> tuple[Path, Path]:
    """A study's folder, and another one with a network, a table of noise and a link to it."""
    mine, other = folder / "mine", folder / "other"
    for made in (mine / "deeper", other):
        made.mkdir(parents=True)
    (other / "tiny.toml").write_text(TINY_TOML)
    (mine / "deeper" / "tiny.toml").write_text(TINY_TOML)
    (other / "noise.csv").write_text(TABLE)
    (mine / "link.toml").symlink_to(other / "tiny.toml")
    return mine, other


@pytest.mark.parametrize("key", ["networks", "technologies", "memories", "sensitivity"])
@pytest.mark.parametrize(
    "where", ["../other/FILE", "deeper/../../other/FILE", "OTHER/FILE", "../no/FILE", "link.toml"]
)
def test_a_file_names_no_file_out_of_its_folder(tmp_path: Path, key: str, where: str) -> None:
    mine, other = two_folders(tmp_path)
    named = where.replace("OTHER", str(other))
    named = named.replace("FILE", "noise.csv" if key == "sensitivity" else "tiny.toml")
    grid = {"networks": "alexnet", key: named}
    text = "".join(f"{word} = {json.dumps(value)}\n" for word, value in grid.items())
    path = written(mine, f"[grid]\n{text}")
    told = f"{path}: {key}: {named}: outside the study's folder; allow the folder it is in with"
    with pytest.raises(SpecError) as raised:
        Study.load(path)
    assert str(raised.value).startswith(told)
    with pytest.raises(SpecError, match="outside the study's folder"):
        Study.load(path, allow=[mine / "deeper"])


def test_files_of_folders_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = two_folders(tmp_path)
    names = ["../other/tiny.toml", str(other / "tiny.toml"), "link.toml", "./tiny.toml"]
    path = written(mine, f"[grid]\nnetworks = {json.dumps(names)}")
    monkeypatch.chdir(tmp_path)
    study = Study.load(path, allow=["other"])
    assert [cell["network"] for cell in parameters(study)] == names
    assert {network.network_sha256 for network in questions(study)} == {
        questions(Study.grid(networks=[TINY]))[0].network_sha256
    }
    path.write_text(f"[grid]\nnetworks = {json.dumps(['deeper/tiny.toml', names[3]])}")
    assert len(Study.load("mine/grid.toml")) == 2
    inside = f"[grid]\nnetworks = {json.dumps(str(mine / 'deeper' / 'tiny.toml'))}"
    path.write_text(inside)
    assert len(Study.load("mine/grid.toml")) == 1  # absolute, but within
    with pytest.raises(SpecError, match="nowhere: no such folder to allow"):
        Study.load(path, allow=["nowhere"])


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    with pytest.raises(SpecError, match=r"networks: loop\.toml: "):
        Study.load(written(tmp_path, "[grid]\nnetworks = 'loop.toml'"))


def test_python_may_name_any_file(tmp_path: Path) -> None:
    mine, other = two_folders(tmp_path)
    assert len(Study.grid(networks=["../other/tiny.toml"], folder=mine)) == 1
    assert len(Study.grid(networks=[other / "tiny.toml"])) == 1
