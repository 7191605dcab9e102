"""Study files and stores with something wrong: refused in one line, or run, each cell once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from command_line import TINY
from fuzzing import altered, answered, as_toml, cases, check_whole, damaged, told, tried
from hypothesis import strategies as st

from codesign.study import Serial, Study, results

FRONT = {"objectives": ["latency", "area"], "points": 2, "ranges": {"area_mm2": [0.01, 1.0]}}
STUDY: dict[str, Any] = {
    "name": "odd",
    "grid": {
        "networks": ["tiny.toml"],
        "technologies": "tsmc28",
        "memories": ["hbm2"],
        "max_area_mm2": [0.05, 0.1],
        "rows": "1,2",
        "cols": [[1, 2]],
        "bits": [[4, 8]],
        "quality": ["uniform:6"],
        "tie": False,
        "on_chip": "tensors",
        "pin": ["weight:conv1=8", "dram:image"],
        "time_limit_s": 1,
    },
}
MOST_CELLS = 4  # that are solved here


def wrong_study(data: Any) -> bytes:
    """A study with some entries altered, or with damage to its text."""
    fronts = data.draw(st.integers(0, 3), "fronts") == 0
    text = as_toml({**STUDY, "front": FRONT} if fronts else STUDY)
    if data.draw(st.integers(0, 3), "of the text") == 0:
        return damaged(data, text)
    return as_toml(altered(data, tomllib.loads(text))).encode()


@cases(60, 3000)
def test_loaded(number: int, tmp_path: Path) -> None:
    path, store = tmp_path / "study.toml", tmp_path / "store.sqlite"
    (tmp_path / "tiny.toml").write_text(TINY)

    def judge(data: Any) -> None:
        path.write_bytes(wrong_study(data))
        study = answered(lambda: Study.load(path))
        if study is None or len(study) > MOST_CELLS or "time_limit_s" not in study.axes:
            return
        if study.front is not None or study.axes["time_limit_s"][0].given != 1:
            return
        store.unlink(missing_ok=True)
        tally = answered(lambda: study.run(store, executor=Serial()))
        if tally is not None:
            assert tally.answered + tally.failed == tally.cells == len(study)
            assert answered(lambda: results(store)) is not None

    tried(number, judge)


@cases(60, 1500)
def test_stores(number: int, tmp_path: Path) -> None:
    """A damaged store, or a file of another kind, is told from one that is whole."""
    (tmp_path / "tiny.toml").write_text(TINY)
    store, path = tmp_path / "store.sqlite", tmp_path / "study.toml"
    path.write_text(as_toml({"grid": {"networks": "tiny.toml", "rows": "1", "cols": "1,2"}}))
    Study.load(path).run(store, executor=Serial())
    whole = store.read_bytes()

    def judge(data: Any) -> None:
        for file in tmp_path.glob("store.sqlite*"):
            file.unlink()
        store.write_bytes(damaged(data, whole))
        out = tmp_path / "out.csv"
        told("study", "status", str(store))
        told("study", "export", str(store), "--out", str(out))
        check_whole(tmp_path, "out.csv")

    tried(number, judge)


@cases(40, 800)
def test_refused_runs(number: int, tmp_path: Path) -> None:
    """What a run refuses, it refuses before there is a store."""
    path, store = tmp_path / "study.toml", tmp_path / "store.sqlite"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_study(data))  # the network it names is not there
        answer = told("study", "run", str(path), "--store", str(store), "--workers", "1")
        assert answer.code == 2
        assert not store.exists()

    tried(number, judge)
