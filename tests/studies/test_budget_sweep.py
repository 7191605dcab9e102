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


def test_what_is_claimed_follows_from_the_committed_sweep() -> None:
    rest = [name for name in CELL if name != "max_area_mm2"]
    latency_s = TABLE.pivot(index=rest, columns="max_area_mm2", values="latency_s")
    saved = 100 * (1 - latency_s.iloc[:, 1:] / latency_s.iloc[:, :-1].to_numpy())
    page, index = (
        " ".join((folder / "README.md").read_text(encoding="utf-8").split())
        for folder in (STUDY, STUDY.parent)
    )
    medians = saved.median()
    for area, median in medians.items():
        assert f"| {area:g} | {median:.1f} % |" in page
    first = [f"{medians[area]:.0f}" for area in (1, 2, 4)]
    assert f"saves {first[0]}, {first[1]} and {first[2]} % of the latency" in page
    assert f"saves {first[2]} to {first[0]} % of the latency" in index
    for text in (page, index):
        assert f"{medians[16]:.1f} %" in text
    sram = 100 * TABLE.groupby("max_area_mm2")["sram_area_share"].median()
    assert f"a median of {sram[0.5]:.0f} % of the area at 0.5 mm² and {sram[16]:.0f} %" in page
    shares = TABLE.groupby(["memory", "max_area_mm2"])["memory_bound_share"].median()
    for memory in ("ddr4-2400", "lpddr4x-4266"):
        least, some, most = (f"{100 * shares[memory, area]:.0f} %" for area in (0.5, 2, 16))
        assert f"from {least} at 0.5 mm² to {some} at 2 mm² and {most} at 16 mm²" in page or (
            f"from {least} to {some} and {most}" in page
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
