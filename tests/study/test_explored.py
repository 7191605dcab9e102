"""What exploring a store finds, kept in it: as a study that asked the same would have it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from command_line import BUDGET, SMALL, TINY, run

import codesign
from codesign.cli.explore.answers import Explored
from codesign.cli.explore.server import Exploration
from codesign.results.design import Design
from codesign.study.explored import STUDY, keep
from codesign.study.report import designs_of
from codesign.study.table import read_results

GRID = f"""
[grid]
networks = "network.toml"
rows = "{SMALL[1]}"
cols = "{SMALL[3]}"
bits = "{SMALL[5]}"
max_area_mm2 = [{BUDGET[1]}]
"""


@pytest.fixture
def design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Design:
    monkeypatch.chdir(tmp_path)
    Path("network.toml").write_text(TINY)
    Path("grid.toml").write_text(GRID)
    from codesign.cli.app import main

    assert main(["solve", "network.toml", *SMALL, *BUDGET, "--out", "d.json", "--quiet"]) == 0
    return Design.load("d.json")


def test_a_study_that_asks_the_same_finds_it_answered(
    design: Design, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path("results.sqlite")
    keep(store, design.problem, design)
    keep(store, design.problem, design)  # known by now
    (kept,), unchecked = designs_of(store)
    assert (kept.to_dict()["layers"], unchecked) == (design.to_dict()["layers"], 0)
    code, _, _ = run(
        capsys, "study", "run", "grid.toml", "--store", str(store), "--resume", "--quiet"
    )
    assert code == 0
    rows = read_results(store)
    assert {*rows["study"]} == {STUDY, "grid"}
    assert rows["question"].nunique() == 1  # nothing was solved anew


def test_designs_and_refusals_are_kept_while_it_is_explored(design: Design) -> None:
    store = Path("results.sqlite")
    keep(store, design.problem, design)
    exploration = Exploration(Explored(designs_of(store)[0]), "title", partial(keep, store))
    area = design.metrics["area_mm2"]
    limits = dict.fromkeys(exploration.explored.families[0].limited, 1000.0)
    for share in (0.9, 1e-6):
        exploration.solve(0, limits | {"area_mm2": share * area})
        end = time.monotonic() + 120
        while exploration.background.busy:
            assert time.monotonic() < end
            time.sleep(0.1)
    rows = read_results(store)
    assert {*rows["study"]} == {STUDY}
    assert sorted(rows["status"]) == ["infeasible", "optimal", "optimal"]
    again = Explored(designs_of(store)[0])
    assert len(again.designs) == 2
    found = again.designs[1]
    assert found.metrics["area_mm2"] <= 0.9 * area * (1 + 1e-9)
    within = {"area_mm2": 0.9 * area}
    best = codesign.solve(again.families[0].asked({**limits, **within}))
    assert found.metrics["latency_s"] == best.metrics["latency_s"]
