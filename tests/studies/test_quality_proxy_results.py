"""The study of noise proxies: committed tables follow from one another, its README from them."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from proxy_study import ARCHITECTURES, EXPECTED, README, STUDY, TABLES, modules, span, told

pytest.importorskip("torch", reason="trains the study's networks")
isotonic_regression = pytest.importorskip(
    "sklearn.isotonic", reason="has the study's images, too"
).isotonic_regression
scipy_stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn")


@pytest.fixture(scope="module")
def study() -> Iterator[dict[str, Any]]:
    with modules() as found:
        yield found


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {
        name: pd.read_csv(EXPECTED / f"{name}.csv", dtype={"fold": str}, keep_default_na=True)
        for name in TABLES
    }


def test_committed_assignments_are_those_drawn(study: Any, frames: Any) -> None:
    for architecture in ARCHITECTURES:
        network = study["architectures"].network(architecture)
        for population in ("wide", "narrow"):
            drawn = study["assignments"].draw(network, population)
            assert len(drawn) >= 300
            mine = frames["assignments"].query(
                "architecture == @architecture and population == @population"
            )
            assert set(mine["fold"]) == {"0", "1", "2"}
            for _, rows in mine.groupby("fold"):
                bits = [np.mean([*widths.values()]) for widths in drawn]
                noise = [sum(4.0**-b for b in widths.values()) for widths in drawn]
                assert rows["mean_bits"].to_numpy() == pytest.approx(bits, rel=1e-4)
                assert rows["uniform"].to_numpy() == pytest.approx(noise, rel=1e-4)


def test_committed_correlations_follow_from_the_assignments(frames: Any) -> None:
    keys = ["architecture", "fold", "population"]
    told = frames["correlations"].set_index([*keys, "measure", "predictor"])["spearman"]
    whole: dict[tuple[str, ...], list[float]] = {}
    for where, mine in (
        frames["assignments"].assign(few_bits=lambda rows: -rows["mean_bits"]).groupby(keys)
    ):
        for measure in ("accuracy_drop", "loss_increase", "divergence"):
            for predictor in ("uniform", "weights", "loss", "outputs", "few_bits"):
                found = scipy_stats.spearmanr(mine[predictor], mine[measure])[0]
                assert told[(*where, measure, predictor)] == pytest.approx(found, abs=2e-3)
                key = (where[0], "mean", where[2], measure, predictor)
                whole.setdefault(key, []).append(found)
    for key, values in whole.items():
        assert len(values) == 3
        assert told[key] == pytest.approx(np.mean(values), abs=2e-3)
    assert len(told) == 4 * len(whole)


def test_committed_gains_follow_from_the_designs(study: Any, frames: Any) -> None:
    means = frames["designs"].fillna({"proxy": ""})
    keys = ["architecture", "strategy", "proxy", "level_bits"]
    means = means.groupby(keys)[["latency_us", "accuracy_drop", "divergence"]].mean()
    for row in frames["same_budget"].itertuples():
        one = means.loc[(row.architecture, "one width", "", row.level_bits)]
        other = means.loc[(row.architecture, row.strategy, row.proxy, row.level_bits)]
        saved = 1 - other["latency_us"] / one["latency_us"]
        assert row.latency_saved == pytest.approx(saved, abs=1e-4)
        gained = 100 * (one["accuracy_drop"] - other["accuracy_drop"])
        assert row.accuracy_gained_points == pytest.approx(gained, abs=1e-2)
        ratio = other["divergence"] / one["divergence"]
        assert row.divergence_ratio == pytest.approx(ratio, rel=1e-2)
    for row in frames["equal_quality"].query("measure == 'divergence'").itertuples():
        one = means.loc[(row.architecture, "one width", "", row.level_bits)]
        curve = means.loc[(row.architecture, row.strategy, row.proxy)].sort_values("latency_us")
        fit = isotonic_regression(-np.log(curve["divergence"].to_numpy()))
        reached = fit >= -math.log(one["divergence"])
        if math.isnan(row.latency_saved):
            assert not reached.any()
        else:  # between the last point that is worse and the first that is not
            first = int(np.flatnonzero(reached)[0])
            around = curve["latency_us"].to_numpy()[max(first - 1, 0) : first + 1]
            latency_us = (1 - row.latency_saved) * one["latency_us"]
            assert around[0] - 0.01 <= latency_us <= around[-1] + 0.01


def test_every_committed_design_is_proven(frames: Any) -> None:
    assert set(frames["designs"]["status"]) == {"optimal"}
    assert frames["designs"]["area_mm2"].max() <= 0.1 * (1 + 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_committed_latencies_are_found_again(study: Any, frames: Any, architecture: str) -> None:
    network = study["architectures"].network(architecture)
    designs = frames["designs"].query("architecture == @architecture and fold == '0'")
    uniform = {s: {b: 4.0**-b for b in range(2, 9)} for s in study["proxies"].sources(network)}
    again = {
        "one width": study["designs"].constant(network, 3, 3),
        "solve": study["designs"].mixed(network, uniform, 3.0),
    }
    for strategy, design in again.items():
        told = designs[(designs["strategy"] == strategy) & (designs["level_bits"] == 3)]
        told = told[told["proxy"].fillna("").isin(["", "uniform"])]
        latency_us = 1e6 * design.metrics["latency_s"]
        assert told["latency_us"].item() == pytest.approx(latency_us, rel=1e-4)


def test_readme_has_the_committed_tables(study: Any, frames: Any) -> None:
    for name, table in study["tell"].tables(frames).items():
        assert table in README, name


def test_readme_tells_the_ranks(frames: Any) -> None:
    means = frames["correlations"].query("fold == 'mean'")
    drops = means[means["measure"] == "accuracy_drop"].set_index(["population", "predictor"])
    ranks = drops["spearman"]
    assert told(f"measured drop in accuracy is {span(ranks['wide', 'uniform'])}, that of")
    assert told(f"on the weights) {span(ranks['wide', 'weights'])}, and that of")
    both = ranks["wide"][["loss", "outputs"]]
    assert told(f"one tensor at a time, {span(both)}. Between")
    blind = ranks["narrow"][["uniform", "weights"]]
    counting = span(ranks["narrow", "few_bits"])
    assert told(
        f"`weights` ({span(blind)}) rank hardly better than counting bits does ({counting})"
    )
    assert told(f"perturbations reach {span(ranks['narrow'][['loss', 'outputs']])}.")
    perturbed = means[means["predictor"].isin(["loss", "outputs"])]
    assert (perturbed["beyond_low"] > 0).all()
    assert len(perturbed) == 36
    beyond = -drops["beyond_uniform"]
    assert told(f"over 2 to 8 bits, by {span(beyond['wide', 'few_bits'])} in accuracy")
    low, high = beyond["narrow", "few_bits"].min(), beyond["narrow", "few_bits"].max()
    assert told(f"hardly ({low:.2f} to {high:+.2f})".replace("-", "−"))
    low, high = -beyond["narrow", "weights"].max(), -beyond["narrow", "weights"].min()
    assert told(f"the differences are {low:.2f} to {high:+.2f}.".replace("-", "−"))


def test_readme_tells_the_gains(frames: Any) -> None:
    equal = frames["equal_quality"].query("measure == 'divergence' and level_bits in [3, 4, 5]")
    solved = 100 * equal[equal["strategy"] == "solve"].set_index("proxy")["latency_saved"]
    proxies = ("uniform", "weights", "outputs")
    mean = {proxy: f"{solved[proxy].mean():.0f} %" for proxy in proxies}
    ends = {proxy: f"{span(solved[proxy], 0)} %" for proxy in proxies}
    assert told(f"a finer measure, `outputs` saves {ends['outputs']} at 3 to 5 bits")
    assert told(f"`uniform` {ends['uniform']}, `weights` {ends['weights']}, and `loss` fails")
    assert told(f"saves {ends['outputs']}, {mean['outputs']} on average, nothing for 3 bits")
    assert told(f"`uniform` saves {mean['uniform']} on average, `weights` {mean['weights']}.")
    right = frames["equal_quality"].query("measure == 'accuracy' and level_bits in [3, 4]")
    right = 100 * right[right["strategy"] == "solve"].set_index("proxy")["latency_saved"]
    ends = {proxy: f"{span(right[proxy], 0)} %" for proxy in (*proxies, "loss")}
    assert told(f"(a perturbation that needs no labels) saves {ends['outputs']} of the latency")
    assert told(
        f"`loss` {ends['loss']}, `weights` {ends['weights']}, `uniform` {ends['uniform']}. By"
    )
    assert (right < 0).sum() == 3  # separable networks: uniform at 3 and 4 bits, loss at 3
    assert (solved["outputs"] > 1).sum() == 8
    assert (solved["uniform"] <= 0).any()
    two = equal[equal["strategy"] == "two widths"]
    assert (two["latency_saved"] <= 1e-9).all()
    same = frames["same_budget"].query("strategy == 'solve' and level_bits in [3, 4, 5]")
    lost = -same.set_index(["proxy", "level_bits"])["accuracy_gained_points"]
    worst = sorted(lost["uniform"][3.0])
    assert told(f"loses up to {worst[-1]:.1f} points more than 3 bits everywhere do")
    assert told(f"loses {worst[-2]:.1f} and {worst[-1]:.1f} points at 3 bits in two of three")
    assert (lost["weights"] > 0).sum() == 1
    assert told(f"`outputs` loses {lost['outputs'].max():.1f} points in the separable network")
    saved = 100 * same[same["proxy"] == "weights"]["latency_saved"]
    assert told(
        f"`weights` lost {lost['weights'].max():.1f} points in one row, intervals aside, none in "
        f"the others, and saves {span(saved, 0)} %"
    )
    times = same.query("proxy == 'loss' and level_bits == 5")["divergence_ratio"].max()
    assert told(f"`loss` has up to {times:.0f} times the divergence")


def test_readme_tells_the_setting(study: Any, frames: Any) -> None:
    networks = frames["networks"]
    cut, entries = networks["loss_entries_cut_to_zero"].sum(), networks["table_entries"].sum()
    assert told(f"Where it falls, 0: {cut} of {entries:,} entries.")
    for bits, digits in ((2, 2), (4, 3)):
        assert told(span(networks[f"weight_error_{bits}_bits"], digits)), bits
    one = frames["designs"].query("strategy == 'one width'")
    assert told(f"DRAM binds {span(100 * one['memory_bound_share'], 0)} % of the latency")
    mine = frames["assignments"].query(
        "architecture == 'plain' and fold == '0' and population == 'wide'"
    )
    drawn = study["assignments"].draw(study["architectures"].network("plain"), "wide")
    first = np.array([widths["weight:conv1"] == 2 for widths in drawn])
    lost = 100 * mine["accuracy_drop"].to_numpy()
    assert told(
        f"the {first.sum()} assignments with 2 bits for the first layer's weights lose "
        f"{span(lost[first], 0)} points, all others at most {lost[~first].max():.0f}"
    )


def test_readme_tells_what_exported_files_lose(frames: Any) -> None:
    found = frames["exported"]
    lost = found["float_accuracy"] - found["accuracy"]
    points = (100 * lost).groupby([found["bits"], found["architecture"]]).first().unstack()
    assert points.loc[[*"5678"]].abs().max().max() < 100 / 599 * 1.01
    assert told("From 5 bits on no accuracy is more than 0.2 points from that in floating point")
    assert told(f"lose {span(points.loc['8, weights 3 on average'], 1)} points, where 3 bits")
    assert told(f"everywhere lose {span(points.loc['3'], 1)}.")


@pytest.mark.long
def test_a_quick_run_writes_everything(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(STUDY / "run.py"), "--quick", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {path.name for path in EXPECTED.iterdir()}
    for name in TABLES:
        found, told = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path, EXPECTED))
        assert list(found.columns) == list(told.columns)
