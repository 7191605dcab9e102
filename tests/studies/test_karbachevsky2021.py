"""The study of the paper: its tables to the printed digits, its README, its committed results."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pytest
from sources import ROOT

STUDY = ROOT / "studies" / "karbachevsky2021"
EXPECTED = STUDY / "expected"
README = (STUDY / "README.md").read_text(encoding="utf-8")
FIGURES = ("1", "3", "4", "6a", "6b", "7", "8", "9", "12", "13", "14")
COLUMNS = {  # quantity of the published tables: (file's column for Tables 3 and 4, for Table 6)
    "performance": "gops_per_s",
    "intensity": "ops_per_bit",
    "latency": "latency_ms",
    "latency from roofline": "roofline_ms",
    "increase": "increase_of_rounded_percent",
}


def published() -> list[dict[str, str]]:
    """Every published number, as printed."""
    with (STUDY / "published.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_tables(folder: Path) -> None:
    """Every entry of Tables 3, 4 and 6 to the printed precision."""
    checked = 0
    for entry in published():
        if entry["item"] not in ("Table 3", "Table 4", "Table 6") or entry["row"] == "conditions":
            continue
        table = pd.read_csv(folder / f"{entry['item'].lower().replace(' ', '')}.csv")
        key = "layer" if entry["item"] == "Table 6" else "precision"
        ours = table.set_index(key)[COLUMNS[entry["quantity"]]][entry["row"]]
        shown = Decimal(float(ours)).quantize(Decimal(entry["printed"]), ROUND_HALF_UP)
        assert str(shown) == entry["printed"], entry
        checked += 1
    assert checked == 8 + 10 + 2 * 13 + 6


def run(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """The quick study, with warnings as errors."""
    command = [sys.executable, "-W", "error", str(folder / "run.py"), "--quick", "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results and standard output of the quick study."""
    out = tmp_path_factory.mktemp("karbachevsky2021")
    done = run(STUDY, out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_committed_tables_have_the_printed_digits() -> None:
    check_tables(EXPECTED)


@pytest.mark.slow
def test_tables_have_the_printed_digits(quick: tuple[Path, str]) -> None:
    check_tables(quick[0])


@pytest.mark.slow
def test_every_figure_is_written(quick: tuple[Path, str]) -> None:
    names = {path.name for path in quick[0].iterdir()}
    assert names == {path.name for path in EXPECTED.iterdir()}
    assert {f"figure{figure}.{kind}" for figure in FIGURES for kind in ("csv", "png")} <= names


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in EXPECTED.glob("*.csv")))
def test_results_are_the_committed_ones(quick: tuple[Path, str], name: str) -> None:
    ours, committed = (pd.read_csv(folder / f"{name}.csv") for folder in (quick[0], EXPECTED))
    if name == "optimum":
        keys = ["item", "bits", "technology"]
        committed = ours[keys].merge(committed, on=keys)
        objective = [column for column in ours if column.endswith("_ms")]
        ours, committed = ours[[*keys, *objective]], committed[[*keys, *objective]]
    pd.testing.assert_frame_equal(ours, committed, rtol=1e-6)


@pytest.mark.slow
def test_readme_holds_the_printed_tables(quick: tuple[Path, str]) -> None:
    lines = [line for line in quick[1].splitlines() if line.startswith("|")]
    assert len(lines) > len(published())
    assert set(lines) <= set(README.splitlines())


def test_readme_names_every_published_number() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| ")]
    for entry in published():
        start = f"| {entry['item']} | {entry['row']} | {entry['quantity']} | {entry['printed']}"
        assert any(f"{row} ".startswith(f"{start} ") for row in rows), entry


def test_every_committed_optimum_is_proven() -> None:
    optima = pd.read_csv(EXPECTED / "optimum.csv")
    assert (optima["status"] == "optimal").all()
    assert (optima["square_status"] == "optimal").all()
    assert (optima["gap"] <= 1e-6).all()
    assert (optima["used_mm2"] <= optima["area_mm2"] * (1 + 1e-9)).all()
    for better, worse in (("ideal", "optimum"), ("optimum", "square"), ("square", "recipe")):
        known = optima[optima[f"{better}_ms"].notna()]
        assert (known[f"{better}_ms"] <= known[f"{worse}_ms"] * (1 + 1e-9)).all()


def test_what_is_claimed_follows_from_the_committed_optima() -> None:
    optima = pd.read_csv(EXPECTED / "optimum.csv")
    recipe, square = optima["faster_than_recipe"], optima["square_ms"] / optima["optimum_ms"]
    of_ideal = (optima["optimum_ms"] / optima["ideal_ms"]).dropna()
    index = (STUDY.parent / "README.md").read_text(encoding="utf-8")
    for page in (README, index):
        text = " ".join(page.split())
        assert f" {recipe.min():.2f} to {recipe.max():.2f} times faster than" in text
        assert f"{square.min():.2f} to {square.max():.2f} times faster than" in text
    text = " ".join(README.split())
    assert f"promise {of_ideal.min():.1f} to {of_ideal.max():.1f} times what" in text
    assert f"Mixed widths add 0 to {100 * (optima['faster_than_shaped'].max() - 1):.0f} %" in text


@pytest.mark.slow
def test_a_number_that_does_not_agree_fails(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(STUDY, folder, ignore=shutil.ignore_patterns("expected", "__pycache__"))
    numbers = folder / "published.csv"
    text = numbers.read_text(encoding="utf-8")
    assert text.count(",5408,") == 1
    numbers.write_text(text.replace(",5408,", ",5409,"), encoding="utf-8")
    done = run(folder, tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert "do not agree" in done.stdout
