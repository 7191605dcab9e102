"""The measured Eyeriss beside our rooflines: inputs as published, outputs as committed and told."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sources import ROOT

import codesign

STUDY = ROOT / "studies" / "eyeriss_silicon"
README = (STUDY / "README.md").read_text("utf-8")
MEASURED = pd.read_csv(STUDY / "measured.csv", comment="#")
TABLES = ("alexnet", "vgg16", "summary", "causes", "mapping")
EXPECTED = {name: pd.read_csv(STUDY / "expected" / f"{name}.csv") for name in TABLES}
NETWORKS = {"alexnet": STUDY / "alexnet_conv.toml", "vgg16": "vgg16"}
BATCH = {"alexnet": 4, "vgg16": 3}


def layers(network: str) -> tuple[codesign.Layer, ...]:
    """The convolutions of one image."""
    found = codesign.load_network(NETWORKS[network]).layers
    return found[: len(EXPECTED[network])]


def rows_of(heading: str) -> list[list[str]]:
    """Cells of the README's table whose header starts with ``heading``."""
    lines = README[README.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder one run fills, and what ``run.py`` defines."""
    folder = tmp_path_factory.mktemp("eyeriss_silicon")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["run.py", "--out", str(folder)])
        return folder, runpy.run_path(str(STUDY / "run.py"), run_name="__main__")


# --- what was published -------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("column", ["processing_latency_ms", "total_latency_ms", "dram_mb"])
def test_layers_sum_to_the_published_total(network: str, column: str) -> None:
    rows = MEASURED[MEASURED["network"] == network]
    apart = rows[column].iloc[:-1].sum() - rows[column].iloc[-1]
    assert abs(apart) <= 0.05 * len(rows)  # each is printed to 0.1
    assert rows["layer"].iloc[-1] == "total"
    assert set(rows["batch"]) == {BATCH[network]}


@pytest.mark.parametrize(
    ("network", "pixels", "published"),
    [("alexnet", 4 * 227**2, 37.4), ("vgg16", 3 * 224**2, 1066.6)],
)
def test_a_megabyte_is_a_million_bytes(network: str, pixels: int, published: float) -> None:
    megabytes = MEASURED[MEASURED["network"] == network]["dram_mb"].iloc[-1]
    assert round(megabytes * 1e6 / 2 / pixels, 1) == published  # accesses of 2 bytes per pixel


def test_macs_are_those_measured() -> None:
    # K·C·R·S·P·Q per image: 96·3·11²·55², 256·48·5²·27², 384·256·9·13², 384·192·9·13², 256·192·…
    assert [layer.macs for layer in layers("alexnet")] == [
        105_415_200,
        223_948_800,
        149_520_384,
        112_140_288,
        74_760_192,
    ]
    assert sum(layer.weights for layer in layers("alexnet")) == 2_332_704
    for network, published in (("alexnet", 2.66), ("vgg16", 46.04)):  # 10⁹, of the batch
        macs = BATCH[network] * sum(layer.macs for layer in layers(network))
        assert macs / 1e9 == pytest.approx(published, abs=0.005)


# --- what is written ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_writes_what_is_committed(study: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = study
    for name, expected in EXPECTED.items():
        found = pd.read_csv(folder / f"{name}.csv")
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4)
    written = {path.name for path in folder.iterdir()}
    assert written == {path.name for path in (STUDY / "expected").iterdir()}


@pytest.mark.slow
def test_buffer_holds_what_the_mapping_says(study: tuple[Path, dict[str, Any]]) -> None:
    passes = study[1]["PASSES"]
    published = [72.2, 91.1, 84.5, 84.5, 84.5]  # KiB of partial sums, Table III
    for layer, (m, n, e), kib in zip(layers("alexnet"), passes.values(), published, strict=True):
        assert round(m * n * e * layer.Q * 2 / 1024, 1) == kib


@pytest.mark.parametrize("network", NETWORKS)
def test_ideal_compute_is_macs_over_peak(network: str) -> None:
    for layer, row in zip(layers(network), EXPECTED[network].itertuples(), strict=True):
        peak_ms = 1e3 * BATCH[network] * layer.macs / (168 * 200e6)
        assert row.ideal_compute_ms == pytest.approx(peak_ms, rel=1e-4)
        assert row.ideal_compute_ms < row.measured_processing_latency_ms


def test_causes_multiply_to_the_measured_latency() -> None:
    causes = EXPECTED["causes"]
    compared = pd.concat([EXPECTED[network] for network in NETWORKS], ignore_index=True)
    product = causes["idle_pes"] * causes["per_busy_mac"] * causes["not_overlapped"]
    found = product * compared["ideal_compute_ms"]
    assert found.to_numpy() == pytest.approx(compared["measured_total_latency_ms"], rel=1e-3)
    known = causes.dropna()
    assert len(known) == 10
    assert (known["compressed_mb"] < known["measured_mb"]).all()


# --- what is told -------------------------------------------------------------------------------


def test_readme_has_every_layer() -> None:
    compared = pd.concat([EXPECTED[network] for network in NETWORKS])
    columns = [
        "measured_processing_latency_ms",
        "measured_total_latency_ms",
        "ideal_latency_ms",
        "tiled_latency_ms",
        "ideal_per_processing_latency",
        "tiled_per_processing_latency",
        "measured_dram_mb",
        "ideal_dram_mb",
        "tiled_dram_mb",
        "ideal_per_dram",
        "tiled_per_dram",
    ]
    told = rows_of("layer")
    assert [row[0] for row in told] == list(compared["layer"])
    for row, (_, truth) in zip(told, compared.iterrows(), strict=True):
        for cell, column in zip(row[1:], columns, strict=True):
            half_a_digit = 0.5001 * 10.0 ** -len(cell.partition(".")[2])
            assert float(cell) == pytest.approx(truth[column], abs=half_a_digit), (row, column)


def test_readme_has_the_summary() -> None:
    summary = EXPECTED["summary"][EXPECTED["summary"]["prediction"] != "pads"]
    told = rows_of("network")
    assert len(told) == len(summary)
    for row, truth in zip(told, summary.itertuples(), strict=True):
        quantity = truth.quantity.removesuffix("_ms").replace("_", " ")
        assert row[:3] == [
            truth.network,
            {"dram mb": "DRAM traffic"}.get(quantity, quantity),
            truth.prediction,
        ]
        spread = re.findall(r"(\d\.\d+) \((.*?)\)", row[5])
        assert [name for _, name in spread] == [truth.least_in, truth.greatest_in]
        cells = [row[3], row[4], spread[0][0], spread[1][0], row[6]]
        truths = truth.ratio_of_totals, truth.geometric_mean, truth.least, truth.greatest
        for cell, value in zip(cells, (*truths, truth.rank_correlation), strict=True):
            assert float(cell) == pytest.approx(value, abs=0.00501), row


def test_readme_names_what_is_below_the_ideal() -> None:
    compared = pd.concat([EXPECTED[network] for network in NETWORKS])
    late = compared[compared["ideal_latency_ms"] > compared["measured_processing_latency_ms"]]
    assert list(late["layer"]) == ["CONV1-1"]
    ideal = late["ideal_latency_ms"].iloc[0]
    assert (
        f"Only CONV1-1 was measured below its ideal latency (38.0 ms; ideal {ideal:.1f})" in README
    )
    less = compared[compared["ideal_dram_mb"] > compared["measured_dram_mb"]]
    assert list(less["layer"]) == ["CONV4", "CONV5", "CONV1-1", "CONV5-2"]
    assert "below the ideal: AlexNet's CONV4 and CONV5, CONV1-1 and CONV5-2." in README


def test_readme_tells_the_causes() -> None:
    text = " ".join(README.split())
    causes = EXPECTED["causes"].set_index("layer")
    for layer, told in (("CONV1-2", 4.56), ("CONV3-2", 2.29), ("CONV4-2", 1.27), ("CONV1", 1.21)):
        assert round(causes["per_busy_mac"][layer], 2) == pytest.approx(told, abs=0.0101)
        assert str(told) in text
    saved = EXPECTED["mapping"]["saved_of_maps"]
    assert f"{saved.iloc[0]:.0%} of the feature maps in CONV1".replace("%", " %") in text
    assert f"{saved.iloc[-1]:.0%} in CONV5".replace("%", " %") in text
    pads = EXPECTED["summary"].query("prediction == 'pads' and quantity == 'dram_mb'")
    one, other = pads["ratio_of_totals"]
    assert f"to {one:.2f} and {other:.2f} of the measured" in text
