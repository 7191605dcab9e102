"""The docstring of the package: its rooms, and the walk that a solve takes through them."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from command_line import run
from dotted_names import resolved
from sources import PACKAGE, ROOT

import codesign

TEXT = str(codesign.__doc__)
WALK = re.findall(r"^ +\d+\. `(.+?)`:", TEXT, re.MULTILINE)
MOVES, RETURNS = 9, 3  # between rooms, and of these to a room that was left before


def room(name: str) -> str:
    """The room of a dotted name; the folders inside `search` count as that."""
    return name.split(".")[1]


def test_the_rooms_are_listed_in_the_order_of_the_contract() -> None:
    listed = re.search(r"\n\n((?:    \w.*\n)+)", TEXT)
    assert listed is not None
    names = [line[4:26].split() for line in listed[1].splitlines()]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    order = [re.findall(r"\w+", layer) for layer in reversed(contracts["contracts"][0]["layers"])]
    assert [sorted(row) for row in names] == [sorted(row) for row in order if row != ["__main__"]]
    for folder in re.findall(r"``(\w+)``:", listed[1]):
        assert [*PACKAGE.glob(f"*/{folder}")], folder


def test_every_name_exists() -> None:
    found = re.findall(r"`(codesign(?:\.\w+)+)`", TEXT)
    assert len(found) > len(WALK) > 9
    for name in found:
        resolved(name)
    for path in re.findall(r"``(\w+/[\w/.]+)``", TEXT):
        assert (PACKAGE / path).exists() or (ROOT / path).exists(), path


def code_of(name: str) -> CodeType:
    """The code that runs first of what a dotted name stands for."""
    found = resolved(name)
    if isinstance(found, type):
        found = getattr(found, "__post_init__", None) or found.__init__
    found = getattr(found, "callback", found)  # of a command
    code: CodeType = found.__code__
    return code


def test_a_solve_takes_the_walk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = {code_of(name): name for name in WALK}
    assert len(steps) == len(WALK)
    met: dict[str, None] = {}

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code in steps:
            met.setdefault(steps[frame.f_code])

    # Of smaller networks bounds alone prove the optimum, without a MILP.
    words = ["solve", "resnet18", "--max-area-mm2", "6", "--rows", "16", "--cols", "64"]
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        code, _, _ = run(capsys, *words, "--out", str(tmp_path / "design.json"))
    finally:
        sys.setprofile(before)
    assert code == 0
    assert [*met] == WALK


def test_the_walk_goes_down_and_up_once() -> None:
    rooms = [room(name) for name in WALK]
    way = [rooms[0], *(there for here, there in pairwise(rooms) if there != here)]
    assert len(way) - 1 <= MOVES
    returns = sum(name in way[:i] for i, name in enumerate(way))
    assert returns <= RETURNS
