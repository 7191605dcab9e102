"""The committed sweep holds what it says: every cell, proven, within its budget."""

from __future__ import annotations

import pandas as pd
import pytest
from sources import ROOT

import codesign

STUDY = ROOT / "studies" / "budget_sweep"
TABLE = pd.read_csv(STUDY / "expected" / "sweep.csv")
CELL = ["network", "max_area_mm2", "quality", "memory"]


def test_every_cell_is_there_and_proven() -> None:
    study = codesign.Study.load(STUDY / "sweep.toml")
    assert len(study) == len(TABLE) == 252
    assert not TABLE.duplicated(CELL).any()
    assert set(TABLE["status"]) == {"optimal"}
    assert (TABLE["gap"] <= 1e-6).all()
    assert (TABLE["area_mm2"] <= TABLE["max_area_mm2"] * (1 + 1e-9)).all()


@pytest.mark.parametrize("better", ["max_area_mm2", "quality", "memory"])
def test_more_of_anything_is_never_slower(better: str) -> None:
    order = {"quality": ["uniform:8", "uniform:6", "uniform:4"]}
    columns = order.get(better, sorted(set(TABLE[better])))
    rest = [name for name in CELL if name != better]
    latency_s = TABLE.pivot(index=rest, columns=better, values="latency_s")[columns]
    assert (latency_s.diff(axis="columns").iloc[:, 1:] <= 1e-9 * latency_s.max(axis=None)).all(
        axis=None
    )


@pytest.mark.slow
def test_a_cell_is_solved_anew() -> None:
    row = TABLE[(TABLE["network"] == "mobilenetv2") & (TABLE["quality"] == "uniform:6")].iloc[0]
    problem = codesign.Problem(
        network=codesign.load_network(row["network"]),
        choices=codesign.Choices(on_chip="none"),
        quality=row["quality"],
        dram_bits_per_s=codesign.load_memory(row["memory"]).bits_per_s,
        budgets={"area_mm2": float(row["max_area_mm2"])},
    )
    assert codesign.solve(problem).metrics["latency_s"] == pytest.approx(row["latency_s"])
