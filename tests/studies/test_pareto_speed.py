"""The study of fronts: its baseline prices as the search does and its repair keeps every limit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sources import ROOT
from study_modules import imported

import codesign
from codesign.results.front import RuledOut, dominated_volume
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import price

pytest.importorskip("pymoo", reason="the baseline's library, in the extra 'dev'")

STUDY = ROOT / "studies" / "pareto_speed"
EXPECTED = STUDY / "expected"
SIDES = (4, 16, 64)
MODULES = ("baseline", "encoding", "population", "questions", "race", "tell", "volume")


@pytest.fixture(scope="module")
def study() -> Iterator[dict[str, Any]]:
    with imported(STUDY, MODULES) as found:
        yield found


@pytest.fixture(scope="module")
def tables(study: Any) -> Any:
    """Of resnet18 on nine arrays."""
    return study["race"].build_tables(SIDES)[0]


def random_genes(encoding: Any, count: int, seed: int = 0) -> Any:
    """Genes anywhere within their bounds."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, encoding.highest + 1, size=(count, len(encoding.highest)))


def option_of(space: HardwareSpace, designs: Any, i: int) -> int:
    """Index of a design's hardware in the space."""
    same = (
        (space.shape_of == designs.shape[i])
        & (space.pe_weight_bits == designs.pe_weight_bits[i])
        & (space.pe_activation_bits == designs.pe_activation_bits[i])
    )
    return int(np.flatnonzero(same)[0])


def test_designs_are_priced_as_the_search_prices_them(study: Any, tables: Any) -> None:
    encoding = study["encoding"].Encoding(tables, 1.0, 16.0)
    designs = encoding.designs(encoding.repaired(random_genes(encoding, 200)))
    sram_bits = np.round(np.geomspace(2e4, 2e7, 200))
    found = tables.price(designs, sram_bits)
    least = tables.least_sram_bits(designs)
    priced = 0
    for i in range(200):
        point = price(
            tables.space,
            option_of(tables.space, designs, i),
            designs.tensor[i],
            designs.weight[i],
            sram_bits[i],
        )
        assert (point is None) == (sram_bits[i] < least[i])
        if point is not None:
            priced += 1
            for name, value in point.metrics.items():
                assert found[name][i] == pytest.approx(value, rel=1e-9), name
    assert 100 < priced < 200


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize(("low", "high"), [(1.0, 16.0), (6.0, 6.0), (0.4, 0.5)])
def test_repaired_designs_are_within_the_limits(
    study: Any, tables: Any, trim: bool, low: float, high: float
) -> None:
    noise = tables.problem.budgets["noise"]
    encoding = study["encoding"].Encoding(tables, low, high, noise, trim)
    genes = encoding.repaired(random_genes(encoding, 300))
    metrics = encoding.price(genes)
    encoding.check(metrics)
    assert (metrics["area_mm2"] <= high * (1 + 1e-9)).all()
    assert (metrics["noise"] <= noise * (1 + 1e-9)).all()
    assert (encoding.repaired(genes) == genes).all()
    designs = encoding.designs(genes)
    widths = tables.space.widths
    assert (widths[designs.weight].max(axis=1) <= designs.pe_weight_bits).all()
    assert (widths[designs.tensor].max(axis=1) <= designs.pe_activation_bits).all()


def test_trimmed_designs_have_no_width_to_spare(study: Any, tables: Any) -> None:
    noise = tables.problem.budgets["noise"]
    encoding = study["encoding"].Encoding(tables, 1.0, 16.0, noise)
    genes = encoding.repaired(random_genes(encoding, 50))
    table, widths = encoding.noise_table, genes[:, study["encoding"].WIDTHS :]
    each = np.arange(len(table))
    more = table[each, np.maximum(widths - 1, 0)] - table[each, widths]
    room = noise - table[each, widths].sum(axis=1)
    assert not ((widths > 0) & (more < room[:, None] * (1 - 1e-9))).any()


def test_a_run_is_the_same_again_and_finds_the_optimum(study: Any, tables: Any) -> None:
    noise = tables.problem.budgets["noise"]
    encoding = study["encoding"].Encoding(tables, 6.0, 6.0, noise)
    ticks = iter(range(10_000))  # a clock that counts generations
    tuning = study["baseline"].Tuning(size=40)
    runs = [
        study["baseline"].evolve(
            encoding, ("latency_s",), tuning, 0, 30, lambda: float(next(ticks))
        )
        for _ in range(2)
    ]
    assert (runs[0].values == runs[1].values).all()
    choices = codesign.Choices(rows=SIDES, cols=SIDES, on_chip="none")
    problem = codesign.Problem(
        network=tables.problem.network,
        choices=choices,
        quality="uniform:6",
        budgets={"area_mm2": 6.0},
    )
    least = codesign.solve(problem).proof.bound
    assert runs[0].values.min() >= least * (1 - 1e-9)
    assert runs[0].values.min() <= least * 1.02


@pytest.mark.parametrize("objectives", [2, 3])
def test_volumes_are_those_of_the_front(study: Any, objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    values = rng.uniform(1, 2, size=(60, objectives))
    worst, best = np.full(objectives, 1.9), np.full(objectives, 1.0)
    box = study["volume"].Box(best, worst)
    assert box.dominated(values) == pytest.approx(
        dominated_volume(values, worst) / np.prod(worst - best)
    )
    shares = box.history(values, [10, 30, 60])
    assert shares[-1] == pytest.approx(box.dominated(values))
    assert all(earlier <= later for earlier, later in pairwise(shares))


def test_what_is_ruled_out_and_what_is_dominated_do_not_overlap(study: Any) -> None:
    box = study["volume"].Box(np.array([1.0, 1.0]), np.array([3.0, 3.0]))
    ruled = [RuledOut({"area_mm2": 2.0}, 2.0), RuledOut({"area_mm2": 1.5}, np.inf)]
    names = ("latency_s", "area_mm2")
    # Below 2 within 2: a quarter; nothing at all within 1.5: another eighth on top of half of it.
    assert box.excluded(ruled, names) == pytest.approx(0.25 + 0.125)
    assert box.dominated(np.array([[2.0, 1.5]])) == pytest.approx(0.375)


def test_committed_results_hold_together() -> None:
    volume = pd.read_csv(EXPECTED / "volume.csv")
    assert (volume["share"] <= 1 + 1e-6).all()
    ours = volume[volume["method"] == "codesign"]
    assert (ours["certified"] >= 1 - 1e-6).all()
    assert set(volume["seed"].dropna()) == set(range(5))
    assert len(pd.read_csv(EXPECTED / "ratios.csv")) == 3


def test_readme_holds_the_committed_tables(study: Any) -> None:
    text = (STUDY / "README.md").read_text("utf-8")
    tell = study["tell"]
    frames = {name: pd.read_csv(EXPECTED / f"{name}.csv") for name in tell.FRAMES}
    for name, table in tell.tables(frames).items():
        assert table in text, name


@pytest.mark.long
def test_the_quick_study_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(STUDY / "run.py"), "--quick", "--out"]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in EXPECTED.iterdir()} - {"tuning.csv"}
