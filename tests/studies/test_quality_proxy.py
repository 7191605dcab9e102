"""The study of noise proxies: its networks, its quantisation, its proxies, its statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from proxy_study import ARCHITECTURES, modules

torch = pytest.importorskip("torch", reason="trains the study's networks")
pytest.importorskip("sklearn.isotonic", reason="has the study's images, too")
scipy_stats = pytest.importorskip("scipy.stats", reason="comes with scikit-learn")


@pytest.fixture(scope="module")
def study() -> Iterator[dict[str, Any]]:
    with modules() as found:
        yield found


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


@pytest.mark.long
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


# --- files --------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_exported_files_are_as_accurate_as_the_network(
    study: Any, subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="runs the files")
    pytest.importorskip("onnxscript", reason="writes them")
    monkeypatch.setattr(study["exported"], "WIDTHS", (2, 8))
    monkeypatch.setattr(study["exported"], "MIXED_BITS", (4,))
    found = study["exported"].exported(subject).set_index("bits")
    assert [*found.index] == ["2", "8", "8, weights 4 on average"]
    right = subject.whole.correct.mean()
    assert found["float_accuracy"].to_numpy() == pytest.approx(right)
    assert found["sqnr_db"].is_monotonic_increasing or found["sqnr_db"]["8"] > 20
    assert abs(found["accuracy"]["8"] - right) < 0.05
