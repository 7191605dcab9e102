"""Tables (CSV, TOML) with something wrong: refused in one line, or read as they are."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY
from fuzzing import (
    NAMES,
    REAL,
    WHOLE,
    altered,
    answered,
    as_toml,
    cases,
    check_whole,
    damaged,
    told,
    tried,
)
from hypothesis import strategies as st
from sound_files import LOSSES, LOSSES_TOML, ONES, PES, SRAMS, TILES, TIMES, tiny_network

from codesign import evaluate, load_accelerator
from codesign.problem.latency_table import read_cost
from codesign.quality import read_sensitivity, write_sensitivity
from codesign.specs.load import load_technology
from codesign.tasks.fit_area import fit_area

EYERISS = load_accelerator("eyeriss")
FEW = ("--bits", "2,4,8", "--time-limit-s", "5")


def wrong_table(data: Any, text: str) -> bytes:
    """A table with some cells replaced, or with damage to its text."""
    if data.draw(st.booleans(), "of the text"):
        return damaged(data, text)
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(data.draw(st.integers(1, 3), "cells")):
        row = rows[data.draw(st.integers(0, len(rows) - 1), "row")]
        cell = st.sampled_from([*map(str, REAL), *map(_shown, WHOLE), *NAMES]) | st.text(max_size=9)
        row[data.draw(st.integers(0, len(row) - 1), "column")] = data.draw(cell, "cell")
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")


def _shown(number: int) -> str:
    return str(number)


def wrong_toml(data: Any, text: str) -> bytes:
    """The same of a table in TOML."""
    if data.draw(st.booleans(), "of the text"):
        return damaged(data, text)
    return as_toml(altered(data, tomllib.loads(text))).encode()


READ: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "pes": ("csv", PES, lambda path: fit_area(path, kind="pe")),
    "pes, relative": ("csv", PES, lambda path: fit_area(path, kind="pe", relative=True)),
    "pes, quadratic": ("csv", ONES, lambda path: fit_area(path, kind="pe", form="quadratic")),
    "srams": ("csv", SRAMS, lambda path: fit_area(path, kind="sram")),
    "losses": ("csv", LOSSES, read_sensitivity),
    "losses, toml": ("toml", LOSSES_TOML, read_sensitivity),
    "times": ("csv", TIMES, read_cost),
    "tiles": ("csv", TILES, lambda path: evaluate(tiny_network(), EYERISS, tiling=path)),
}


@pytest.mark.parametrize("kind", READ)
@cases(25, 700)
def test_read(kind: str, number: int, tmp_path: Path) -> None:
    suffix, text, read = READ[kind]
    path, rest = tmp_path / f"given.{suffix}", load_technology("tsmc28")

    def judge(data: Any) -> None:
        path.write_bytes((wrong_table if suffix == "csv" else wrong_toml)(data, text))
        found = answered(lambda: read(path))
        if found is not None and kind.startswith("losses"):
            again = tmp_path / "again.csv"
            write_sensitivity(found, again)
            assert read_sensitivity(again) == found
        elif found is not None and text in (PES, ONES, SRAMS):
            out = tmp_path / "fitted.toml"
            answered(lambda: found.save(out, rest))
            if out.exists():
                load_technology(out)
                out.unlink()

    tried(number, judge)


@cases(20, 600)
def test_fitted(number: int, tmp_path: Path) -> None:
    path = tmp_path / "given.csv"

    def judge(data: Any) -> None:
        text = data.draw(st.sampled_from([PES, ONES, SRAMS]), "table")
        path.write_bytes(wrong_table(data, text))
        ways = [[], ["--relative"], ["--quadratic"], ["--engine", "1"], ["--name", "x\x1b[1m"]]
        way = data.draw(st.sampled_from(ways), "way")
        kind = "sram" if text == SRAMS else "pe"
        files = ("--out", str(tmp_path / "out.toml"))
        if data.draw(st.integers(0, 9), "plot") == 0:
            files += ("--plot", str(tmp_path / "out.svg"))
        told("fit", str(path), "--kind", kind, *way, *files)
        check_whole(tmp_path, "out.toml", "out.svg")

    tried(number, judge)


@cases(20, 600)
def test_assigned(number: int, tmp_path: Path) -> None:
    network = tmp_path / "network.toml"
    network.write_text(TINY)
    losses, times = tmp_path / "losses.csv", tmp_path / "times.csv"

    def judge(data: Any) -> None:
        which = data.draw(st.booleans(), "losses or times")
        losses.write_bytes(wrong_table(data, LOSSES) if which else LOSSES.encode())
        times.write_bytes(TIMES.encode() if which else wrong_table(data, TIMES))
        tables = ("--sensitivity", str(losses), "--latency-table", str(times))
        files = ("--out", str(tmp_path / "out.json"), "--csv", str(tmp_path / "out.csv"))
        limits = ("--max-latency-ms", "0.05", *FEW)
        told("assign", str(network), *tables, *files, *limits)
        check_whole(tmp_path, "out.json", "out.csv")

    tried(number, judge)
