"""The study of noise proxies: its networks, its statistics, its committed tables and its README."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sources import ROOT

torch = pytest.importorskip("torch", reason="trains the study's networks")
isotonic_regression = pytest.importorskip(
    "sklearn.isotonic", reason="has the study's images, too"
).isotonic_regression
scipy_stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn")

STUDY = ROOT / "studies" / "quality_proxy"
EXPECTED = STUDY / "expected"
README = (STUDY / "README.md").read_text("utf-8")
TABLES = ("networks", "assignments", "correlations", "ceilings", "designs", "same_budget")
TABLES += ("equal_quality",)
MODULES = ("architectures", "training", "quantised", "proxies", "subjects", "assignments")
MODULES += ("correlation", "designs", "gains", "tell")
ARCHITECTURES = ("plain", "residual", "separable")


@pytest.fixture(scope="module")
def study() -> Any:
    """The study's modules, importable under their own names for these tests only."""
    sys.path.insert(0, str(STUDY))
    threads = torch.get_num_threads()
    try:
        modules = {name: importlib.import_module(name) for name in MODULES}
        modules["training"].be_deterministic()
        yield modules
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)
        sys.path.remove(str(STUDY))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """The committed tables."""
    return {
        name: pd.read_csv(EXPECTED / f"{name}.csv", dtype={"fold": str}, keep_default_na=True)
        for name in TABLES
    }


@pytest.fixture(scope="module")
def subject(study: Any) -> Any:
    """A residual network, trained for an instant."""
    return study["subjects"].subject("residual", 0, study["training"].splits(300)[0], epochs=3)


# --- networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_descriptions_are_one_network(study: Any, name: str) -> None:
    flop_counter = pytest.importorskip("torch.utils.flop_counter")
    steps = study["architectures"].ARCHITECTURES[name]
    net, network = study["architectures"].Net(steps).eval(), study["architectures"].network(name)
    elements: dict[str, int] = {}

    def on_tensor(tensor: str, values: Any) -> Any:
        elements[tensor] = values.numel()
        return values

    with flop_counter.FlopCounterMode(display=False) as flops, torch.no_grad():
        net(torch.zeros(1, 1, 8, 8), on_tensor)
    assert elements == dict(network.tensors)
    assert flops.get_total_flops() == 2 * network.macs  # a product and a sum
    weights = {key: array.size for key, array in study["training"].weights_of(net).items()}
    assert weights == {layer.name: layer.weights for layer in network.layers}


def test_every_image_is_held_out_once(study: Any) -> None:
    splits = study["training"].splits()
    assert [len(split.held_out) for split in splits] == [599, 599, 599]
    held_out = torch.cat([split.held_out.values for split in splits]).flatten(1)
    digits = study["training"].load_digits().data / 16
    assert sorted(held_out.tolist()) == sorted(digits.tolist())
    assert all(len(split.trained) + len(split.held_out) == 1797 for split in splits)


def test_folding_keeps_the_function(study: Any) -> None:
    torch.manual_seed(0)
    net = study["architectures"].Net(study["architectures"].RESIDUAL)
    images = torch.rand(40, 1, 8, 8)
    net.train()
    for _ in range(5):
        net(images)  # moves the running statistics away from 0 and 1
    net.eval()
    with torch.no_grad():
        for norm in net.norms:
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.uniform_(0.5, 2)
                norm.bias.uniform_(-1, 1)
        expected = net(images)
        folded = study["training"].folded(net)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
        torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_training_is_the_same_again(study: Any) -> None:
    images = study["training"].splits()[0].trained
    nets = [study["training"].train("plain", images, seed=3, epochs=1) for _ in range(2)]
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


# --- quantisation -------------------------------------------------------------------------------


def test_quantised_tensors_have_as_many_values_as_their_bits_allow(subject: Any) -> None:
    seen: dict[str, Any] = {}
    net, images = subject.net, subject.split.held_out.values
    rounded = net._rounded

    def watched(name: str, values: Any, bits: int) -> Any:
        seen[name] = rounded(name, values, bits)
        return seen[name]

    net._rounded = watched
    try:
        tensors = [f"tensor:{name}" for name in subject.network.inner_tensors]
        net.logits(images, dict.fromkeys(tensors, 3))
    finally:
        net._rounded = rounded
    assert set(seen) == set(subject.network.inner_tensors)
    for name, values in seen.items():
        signed = bool(values.min() < 0)
        assert signed == (name == "block2.skip.out")  # all others come out of ReLU
        assert len(torch.unique(values)) <= (7 if signed else 8)
    for widths in net.weights.values():
        channel = widths[3].flatten(1)[0]
        assert len(torch.unique(channel)) <= 7


def test_fitted_steps_beat_the_full_range(study: Any) -> None:
    values = np.random.default_rng(0).exponential(size=5000)
    for bits in (2, 4):
        top = 2**bits - 1

        def error(step: float, top: int = top) -> float:
            return float(np.square(np.clip(np.round(values / step), 0, top) * step - values).sum())

        step = study["quantised"].fitted_step(values, bits)
        tried = np.linspace(0.02, 1, 2000) * values.max() / top
        assert error(step) < error(values.max() / top)
        assert error(step) <= 1.02 * min(error(each) for each in tried)


def test_measuring_leaves_the_network_alone(study: Any, subject: Any) -> None:
    before = study["training"].weights_of(subject.net.net)["stem"].copy()
    images = subject.split.held_out.values
    worse = subject.outcome({"weight:stem": 2})
    assert worse.divergence.mean() > 1e-3
    assert (study["training"].weights_of(subject.net.net)["stem"] == before).all()
    assert torch.equal(subject.net.logits(images, {}), subject.floating)
    assert subject.whole.divergence == pytest.approx(0, abs=1e-6)
    fine = subject.outcome(dict.fromkeys(study["proxies"].sources(subject.network), 8))
    assert fine.divergence.mean() < 1e-3 < worse.divergence.mean()


# --- proxies ------------------------------------------------------------------------------------


def test_tables_are_what_they_say(study: Any, subject: Any) -> None:
    tables, calibration = subject.tables, subject.split.trained
    floating = subject.net.logits(calibration.values, {})
    whole = subject.net.outcome(calibration, {}, floating)
    alone = subject.net.outcome(calibration, {"tensor:stem.out": 2}, floating)
    gained = float(alone.loss.mean() - whole.loss.mean())
    assert tables["loss"]["tensor:stem.out"][2] == pytest.approx(max(gained, 0))
    assert tables["outputs"]["tensor:stem.out"][2] == pytest.approx(alone.divergence.mean())
    stem = study["training"].weights_of(subject.net.net)["stem"]
    error = np.square(subject.net.weights["stem"][4].numpy() - stem).sum() / np.square(stem).sum()
    assert tables["weights"]["weight:stem"][4] == pytest.approx(error, rel=1e-4)
    assert tables["weights"]["tensor:image"][4] == 4.0**-4 == tables["uniform"]["weight:stem"][4]


def test_budgets_are_interpolated_between_widths(study: Any) -> None:
    table = {"weight:a": {2: 8.0, 3: 1.0}, "tensor:b": {2: 8.0, 3: 3.0}}
    assert study["proxies"].budget(table, 3) == 4
    # A quarter of the way from log 16 to log 4: 16^(3/4)·4^(1/4) = 8·√2.
    assert study["proxies"].budget(table, 2.25) == pytest.approx(8 * math.sqrt(2))
    assert study["proxies"].noise(table, {"weight:a": 2, "tensor:b": 3}) == 11


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["uniform", "weights", "loss", "outputs"])
def test_designs_keep_the_budget_they_are_given(study: Any, subject: Any, proxy: str) -> None:
    table = subject.tables[proxy]
    design = study["designs"].mixed(subject.network, table, 3.0)
    assert design.proof.status == "optimal"
    widths = study["designs"].inner_widths(design)
    assert sorted(widths) == sorted(study["proxies"].sources(subject.network))
    limit = study["proxies"].noise(table, dict.fromkeys(widths, 3))
    assert study["proxies"].noise(table, widths) <= limit * (1 + 1e-9)
    one = study["designs"].constant(subject.network, 3, 3)
    assert design.metrics["latency_s"] <= one.metrics["latency_s"] * (1 + 1e-9)


# --- statistics ---------------------------------------------------------------------------------


def test_equal_quality_is_read_off_a_monotone_fit(study: Any) -> None:
    curve_of, levels = study["gains"].Curve, np.array([2.0, 3.0, 4.0, 5.0])
    accuracy = np.array([[0.4, 0.0, 0.6, 1.0]] * 3)
    curve = curve_of(levels, np.array([30.0, 10.0, 20.0, 40.0]), accuracy, 1 - accuracy)
    wanted = np.array([[0.25, 0.5, 0.75, 1.1]] * 3)  # the points at 20 and 30 µs are pooled to 0.5
    baseline = curve_of(levels, np.full(4, 50.0), wanted, 1 - wanted)
    saved = study["gains"].saved(baseline, curve, "accuracy")
    expected = [1 - 15 / 50, 1 - 20 / 50, 1 - 35 / 50, -math.inf]
    assert saved.T.tolist() == [pytest.approx(expected)] * 3
    assert study["gains"].reached_at(np.array([10.0, 20.0]), np.array([0.0, 1.0]), -1) == 10


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say(study: Any) -> None:
    rng = np.random.default_rng(0)
    held = 0
    truth = 6 / math.pi * math.asin(0.6 / 2)  # Spearman's of a normal pair of correlation 0.6
    for _ in range(100):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=120).T
        frame = pd.DataFrame({"architecture": "a", "fold": 0, "population": "p", "mean_bits": -x})
        frame = frame.assign(uniform=x, weights=x, loss=x, outputs=-x)
        frame = frame.assign(accuracy_drop=y, loss_increase=y, divergence=y)
        part = study["assignments"].Measured(frame, np.ones((120, 2), dtype=bool))
        rows = study["correlation"].correlations([part], resamples=200)
        row = rows[(rows["fold"] == "0") & (rows["measure"] == "divergence")].set_index("predictor")
        assert row["spearman"]["uniform"] == pytest.approx(scipy_stats.spearmanr(x, y)[0])
        assert row["spearman"]["outputs"] == pytest.approx(-row["spearman"]["uniform"])
        assert row["beyond_high"]["weights"] == 0
        held += row["low"]["uniform"] <= truth <= row["high"]["uniform"]
    assert 88 <= held <= 99


def test_ceiling_is_the_correlation_of_a_perfect_proxy(study: Any) -> None:
    rng = np.random.default_rng(1)
    right = rng.uniform(0.6, 0.9, size=400)  # true accuracies
    correct = rng.random((400, 300)) < right[:, None]
    frame = pd.DataFrame({"architecture": "a", "fold": 0, "population": "p"}, index=range(400))
    part = study["assignments"].Measured(frame, correct)
    ceiling = study["correlation"].ceilings([part])["ceiling"][0]
    found = scipy_stats.spearmanr(right, correct.mean(axis=1))[0]
    assert ceiling == pytest.approx(found, abs=0.02)


# --- what is committed --------------------------------------------------------------------------


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


def told(text: str) -> bool:
    """Whether the README says so, wherever its lines break."""
    return text in " ".join(README.split())


def span(values: Any, digits: int = 2) -> str:
    """``0.52 to 0.64``."""
    ends = (f"{end:.{digits}f}" for end in (values.min(), values.max()))
    return " to ".join(ends).replace("-", "−")


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
    assert told(f"saves {ends['outputs']}, {mean['outputs']} on average, and is the only")
    assert told(f"`uniform` saves {mean['uniform']} on average, `weights` {mean['weights']}.")
    right = frames["equal_quality"].query("measure == 'accuracy' and level_bits in [3, 4]")
    right = 100 * right[right["strategy"] == "solve"].set_index("proxy")["latency_saved"]
    ends = {proxy: f"{span(right[proxy], 0)} %" for proxy in (*proxies, "loss")}
    assert told(f"(a perturbation that needs no labels) saves {ends['outputs']} of the latency")
    assert told(
        f"`loss` {ends['loss']}, `weights` {ends['weights']}, `uniform` {ends['uniform']}. By"
    )
    assert (right < 0).sum() == 1  # uniform at 3 bits in the separable networks
    assert (solved["outputs"] > 0).all()
    assert (solved["uniform"] <= 0).any()
    two = equal[equal["strategy"] == "two widths"]
    assert (two["latency_saved"] <= 1e-9).all()
    same = frames["same_budget"].query("strategy == 'solve' and level_bits in [3, 4, 5]")
    lost = -same.set_index(["proxy", "level_bits"])["accuracy_gained_points"]
    worst = sorted(lost["uniform"][3.0])
    assert told(f"loses up to {worst[-1]:.1f} points more than 3 bits everywhere do")
    assert told(f"loses {worst[-2]:.1f} and {worst[-1]:.1f} points at 3 bits in two of three")
    assert (lost["weights"] <= 0).all()
    assert told(f"`outputs` loses {lost['outputs'].max():.1f} points in the separable network")
    saved = 100 * same[same["proxy"] == "weights"]["latency_saved"]
    assert told(
        f"`weights` lost no accuracy in any row, intervals aside, and saves {span(saved, 0)} %"
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


@pytest.mark.slow
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
