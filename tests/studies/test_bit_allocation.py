"""The committed study of bit allocation holds: all proven, within budget, never noisier."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from sources import ROOT

import codesign
from codesign.problem.latency_table import read_cost

STUDY = ROOT / "studies" / "bit_allocation"
TABLE = pd.read_csv(STUDY / "expected" / "allocation.csv")
CASE = ["network", "sensitivity", "tied", "uniform_bits", "budgets"]


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bit_allocation_run", STUDY / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_question_is_answered_and_proven(study: ModuleType) -> None:
    asked = [case for name in study.NETWORKS for case in study.cases(name)]
    wanted = {(*case[:-1], " ".join(case.budgets)) for case in asked}
    assert {tuple(row) for row in TABLE[CASE].to_numpy().tolist()} == wanted
    assert len(TABLE) == len(wanted) == 300
    assert set(TABLE["status"]) == {"optimal"}
    assert TABLE["ties_broken"].all()
    assert (TABLE["gap"] <= 1e-6).all()


def test_no_assignment_is_noisier_than_one_width_everywhere() -> None:
    assert (TABLE["noise"] <= TABLE["uniform_noise"] * (1 + 1e-9)).all()
    assert (TABLE["noise_ratio"] < 0.7).sum() > 100


def test_freedom_never_hurts() -> None:
    rest = [name for name in CASE if name != "tied"]
    noise = TABLE.pivot(index=rest, columns="tied", values="noise")
    assert (noise[False] <= noise[True] * (1 + 1e-9)).all()
    rest = [name for name in CASE if name != "uniform_bits"]
    noise = TABLE.pivot(index=rest, columns="uniform_bits", values="noise")
    assert (noise.diff(axis="columns").iloc[:, 1:] <= 1e-12).all(axis=None)


def test_the_table_of_the_readme_is_that_of_the_run(study: ModuleType) -> None:
    """Every figure of the README's table, rounded as there."""
    rows = []
    for (network, tied, sensitivity), row in study.summary(TABLE).iterrows():
        times = [f"{x:.0f}" for x in row.iloc[:4]]
        ratios = [f"{x:.3f}" for x in row.iloc[4:]]
        cells = [network, "tied" if tied else "free", sensitivity, *times, *ratios]
        rows.append(f"| {' | '.join(cells)} |")
    text = (STUDY / "README.md").read_text("utf-8")
    assert [row for row in rows if row not in text] == []


@pytest.mark.slow
def test_questions_are_answered_anew(study: ModuleType, tmp_path: Path) -> None:
    table = study.latency_table(codesign.load_network("resnet18"))
    study.write_table(table, tmp_path / "table.csv")
    assert read_cost(tmp_path / "table.csv") == table
    mine = TABLE[(TABLE["network"] == "resnet18") & (TABLE["tied"])]
    for row in mine.iloc[::7].itertuples():
        case = study.Case(*(getattr(row, x) for x in CASE[:-1]), tuple(row.budgets.split()))
        found = study.answer(case, table, repeats=1)
        for name in ("noise", "model_bits", "uniform_noise"):
            assert found[name] == pytest.approx(getattr(row, name), rel=1e-8)
