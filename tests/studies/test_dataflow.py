"""The study of pipelines: no rule is ahead of the optimum, and the README tells the tables."""

from __future__ import annotations

import pandas as pd
import pytest
from sources import ROOT
from study_modules import imported
from told_tables import check_told, rows_of

from codesign.results.dataflow_design import platform_of

STUDY = ROOT / "studies" / "dataflow"
README = (STUDY / "README.md").read_text("utf-8")
EXPECTED = {path.stem: pd.read_csv(path) for path in (STUDY / "expected").glob("*.csv")}
TOLD = ["sram", "area_mm2", "array_ms", "array_dram_mbit", "interval_ms", "latency_ms", "ratio"]
TOLD += ["pipeline_dram_mbit", "streamed_stages", "pe_share"]


def test_the_rule_is_never_ahead() -> None:
    table = EXPECTED["greedy"]
    assert len(table) == 50
    assert (table["gap"] <= 1e-6).all()
    assert (table["ratio"] >= 1 - 1e-4).all()
    assert (table["rule_lut"] <= table["max_lut"] * 1.001).all()
    assert (table["optimum_lut"] <= table["max_lut"] * 1.001).all()


def test_foldings_of_the_rule_divide_and_meet_the_target() -> None:
    with imported(STUDY, ("greedy",)) as modules:
        greedy = modules["greedy"]
        problem = greedy.problem()
        layers, platform = problem.network.layers, platform_of(problem)
        for target in (10**5, 10**6, 10**7):
            folding = greedy.by_rule(layers, platform, target)
            for layer, lanes, elements in zip(layers, folding.lanes, folding.elements, strict=True):
                assert layer.C * layer.window % lanes == 0
                assert layer.K % elements == 0
                widest = greedy.BITS * lanes > greedy.WIDEST_STREAM_BITS
                assert not widest or greedy.cycles(layer, lanes, 1) < folding.cycles * 2
            slowest = max(
                greedy.cycles(*x) for x in zip(layers, folding.lanes, folding.elements, strict=True)
            )
            assert folding.cycles == slowest


def test_readme_tells_the_tables() -> None:
    check_told(rows_of(README, "SRAM"), EXPECTED["against_array"][TOLD])
    ratio = EXPECTED["greedy"]["ratio"]
    quartiles = [ratio.quantile(x) for x in (0, 0.25, 0.5, 0.75, 1)]
    told = [float(cells[1]) for cells in rows_of(README, "of 50 budgets")]
    assert told == pytest.approx(quartiles, abs=0.0051)
