"""Published machines beside ours: figures as published, outputs as committed and told."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sources import ROOT
from study_modules import imported
from told_tables import rows_of

import codesign

STUDY = ROOT / "studies" / "published_machines"
README = (STUDY / "README.md").read_text("utf-8")
TEXT = " ".join(README.split())
PUBLISHED = pd.read_csv(STUDY / "published.csv", comment="#")
LAYERS = pd.read_csv(STUDY / "expected" / "layers.csv", keep_default_na=False)
SUMMARY = pd.read_csv(STUDY / "expected" / "summary.csv")
NETWORKS = {
    "alexnet_conv": ROOT / "studies" / "eyeriss_silicon" / "alexnet_conv.toml",
    "vgg16": "vgg16",
    **{path.stem: path for path in STUDY.glob("*.toml")},
}


def table(machine: str, quantity: str, network: str | None = None) -> pd.DataFrame:
    """The committed rows of a machine and quantity, of one network or all."""
    mine = (LAYERS["machine"] == machine) & (LAYERS["quantity"] == quantity)
    return LAYERS[mine & (LAYERS["network"] == (network or LAYERS["network"]))]


def layers(name: str, count: int) -> tuple[codesign.Layer, ...]:
    """The first layers of a network, one image."""
    return codesign.load_network(NETWORKS[name]).layers[:count]


def turns(size: int, at_once: int) -> int:
    """``⌈size / at_once⌉``."""
    return -(-size // at_once)


# --- what was published -------------------------------------------------------------------------


def test_times_of_the_fpga_sum_to_the_published_total() -> None:
    times = PUBLISHED[PUBLISHED["machine"] == "zhang2015"]["published"]
    assert times.sum() == pytest.approx(21.61, abs=0.0251)  # five figures printed to 0.01
    assert pytest.approx(17.42, abs=0.005) == 376.50 / 21.61  # ms on one thread, and the speedup
    # 10⁹ operations, two per MAC, over the total: 61.62 GFLOPS
    operations = 2 * sum(layer.macs for layer in layers("alexnet_conv", 5))
    assert operations / 21.61e-3 / 1e9 == pytest.approx(61.62, abs=0.01)


def test_workloads_of_the_dpu_are_those_of_the_networks() -> None:
    # 10⁶ operations of the profiles, two per MAC
    assert [round(2 * x.macs / 1e6, 3) for x in layers("alexnet_one_group", 5)] == [
        *(210.830, 895.795, 299.041, 448.561, 299.041),
    ]
    assert [round(2 * x.macs / 1e6, 3) for x in layers("vgg16", 13)] == [
        *(173.408, 3699.376, 1849.688, 3699.376, 1849.688, 3699.376, 3699.376),
        *(1849.688, 3699.376, 3699.376, 924.844, 924.844, 924.844),
    ]


def test_resnet50_is_the_published_one() -> None:
    network = codesign.load_network(STUDY / "resnet50_caffe.toml")
    shipped = codesign.load_network("resnet50")
    assert len(network.layers) == 54
    assert network.weights == shipped.weights  # strides alone differ
    assert network.macs == 3_857_973_248


@pytest.mark.parametrize(("machine", "network"), [("nvdla_full", "resnet50_caffe")])
def test_names_of_layers_are_the_networks(machine: str, network: str) -> None:
    rows = table(machine, "cycles", network)
    assert list(rows["layer"]) == [layer.name for layer in layers(network, len(rows))]


# --- ours, by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["resnet50_caffe", "alexnet_conv"])
def test_cycles_of_nvdla_are_those_of_windows(network: str) -> None:
    rows = table("nvdla_full", "cycles", network)
    for layer, ours in zip(layers(network, len(rows)), rows["ours"], strict=True):
        folds = layer.G * turns(layer.C, 64) * turns(layer.K, 32)
        plain = layer.P * layer.Q * layer.R * layer.S * folds
        winograd = (layer.R, layer.stride) == (3, 1)
        assert ours == pytest.approx(turns(4 * plain, 9) if winograd else plain, rel=1e-4)


def test_cycles_of_the_fpga_are_those_of_windows() -> None:
    each, rows = [], table("zhang2015", "compute_ms")
    for layer, ours in zip(layers("alexnet_conv", 5), rows["ours"], strict=True):
        folds = layer.G * turns(layer.C, 7) * turns(layer.K, 64)
        each.append(layer.P * layer.Q * layer.window * folds)
        assert ours == pytest.approx(each[-1] / 100e3, rel=1e-4)  # 100 MHz
    assert sum(each) // 2 == 1_002_946
    assert pytest.approx(1.005, abs=0.0005) == 1_008_246 / 1_002_946
    assert "1,008,246 cycles for one of AlexNet's two halves, is 1.005 of ours, 1,002,946" in TEXT


@pytest.mark.parametrize("network", ["vgg16", "alexnet_one_group"])
def test_cycles_of_the_dpu_are_those_of_pixels(network: str) -> None:
    rows = table("dpu_b4096", "compute_ms", network)
    for layer, ours in zip(layers(network, len(rows)), rows["ours"], strict=True):
        cycles = turns(layer.P * layer.Q, 8) * turns(layer.C * layer.window, 16)
        assert ours == pytest.approx(cycles * turns(layer.K, 16) / 300e3, rel=1e-4)  # 300 MHz


def test_cycles_of_scale_sim_are_those_of_folds() -> None:
    both = (table(name, "cycles")["ours"] for name in ("scale_sim_os", "scale_sim_ws"))
    for layer, outputs, weights in zip(layers("resnet18_unpadded", 21), *both, strict=True):
        pixels, products = layer.P * layer.Q, layer.C * layer.window
        held = turns(pixels, 256) * turns(layer.K, 256)
        assert outputs == pytest.approx(held * (products + 256 + 256 - 1), rel=1e-4)
        held = turns(products, 32) * turns(layer.K, 32)
        assert weights == pytest.approx(held * (32 + pixels + 32 + 32 - 1), rel=1e-4)


def test_tiles_of_eyeriss_move_what_its_mapping_does() -> None:
    # weights once for every strip of rows and every tile of images; ifmap once for every tile of
    # output channels: what eyeriss_silicon counts by formula
    expected = pd.read_csv(ROOT / "studies" / "eyeriss_silicon" / "expected" / "mapping.csv")
    network = codesign.load_network(NETWORKS["alexnet_conv"]).batched(4)
    ample = replace(codesign.load_accelerator("eyeriss"), sram_bits=2**24)
    tiles = STUDY / "eyeriss_tiles.csv"
    found = codesign.evaluate(network, ample, on_chip="none", tiling=tiles)
    for row, theirs in zip(found.layer_designs, expected.itertuples(), strict=True):
        assert row.dram_bits.weights / 8e6 == pytest.approx(theirs.weights_mb, rel=1e-4)
        assert row.dram_bits.ifmap / 8e6 == pytest.approx(theirs.ifmap_mb, rel=1e-4)
        assert row.dram_bits.psum == 0
    told = table("eyeriss", "dram_mb", "alexnet_conv")["described"].astype(float)
    assert told.to_numpy() == pytest.approx(
        [x.dram_bits.total / 8e6 for x in found.layer_designs], rel=1e-4
    )


def test_nvdla_with_im2col_folds_the_first_layer() -> None:
    nvdla = codesign.load_accelerator("nvdla_full")
    both = replace(nvdla, mapping=("window", "im2col"), reconfigurable=True)
    network = codesign.load_network(STUDY / "resnet50_caffe.toml")
    first = codesign.evaluate(network, both, on_chip="none").layer_designs[0]
    assert (first.mapping, first.cycles) == ("im2col", 112 * 112 * 3 * 2)  # ⌈147/64⌉, ⌈64/32⌉
    assert "75,264 cycles, 0.98 of the published" in TEXT
    assert first.cycles / 76_832 == pytest.approx(0.98, abs=0.005)


# --- what is written ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_writes_what_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "--out", str(tmp_path)])
    with imported(STUDY, ("machine_descriptions",)):
        runpy.run_path(str(STUDY / "run.py"), run_name="__main__")
    expected = STUDY / "expected"
    for name in ("layers", "summary"):
        found = pd.read_csv(tmp_path / f"{name}.csv")
        pd.testing.assert_frame_equal(found, pd.read_csv(expected / f"{name}.csv"), rtol=1e-4)
    assert (tmp_path / "layers.md").read_text("utf-8") == (expected / "layers.md").read_text(
        "utf-8"
    )
    assert {x.name for x in tmp_path.iterdir()} == {x.name for x in expected.iterdir()}


def test_every_published_figure_has_a_ratio() -> None:
    eyeriss = LAYERS["machine"] == "eyeriss"
    assert len(LAYERS[~eyeriss]) == len(PUBLISHED)
    assert eyeriss.sum() == 2 * 18
    assert len(LAYERS["machine"].unique()) >= 4
    ratios = LAYERS["ours"] / LAYERS["published"]
    assert ratios.to_numpy() == pytest.approx(LAYERS["ratio"].to_numpy(), rel=2e-4)


def test_what_is_off_has_a_cause() -> None:
    off = (LAYERS["ratio"] - 1).abs() > 0.001
    assert (LAYERS[off]["causes"] != "").all()
    assert off.sum() > 80


def test_descriptions_explain_simulator_and_estimate() -> None:
    described = LAYERS[LAYERS["described_ratio"] != ""].copy()
    described["off"] = (described["described_ratio"].astype(float) - 1).abs()
    estimates = described[~described["machine"].isin(["dpu_b4096", "eyeriss"])]
    assert list(estimates[estimates["off"] > 0.001]["layer"]) == [
        *("res2a_branch2a", "res2a_branch2a", "conv1"),  # slips of the sheet
    ]
    assert described[described["machine"] == "dpu_b4096"]["off"].max() < 0.15


# --- what is told -------------------------------------------------------------------------------


def test_readme_has_every_layer() -> None:
    assert (STUDY / "expected" / "layers.md").read_text("utf-8") in README


def test_readme_has_the_summary() -> None:
    told = rows_of(README, "machine | network | quantity")
    assert len(told) == len(SUMMARY)
    for cells, truth in zip(told, SUMMARY.itertuples(index=False), strict=True):
        values = list(truth)
        assert cells[:6] == [str(x) for x in values[:6]]
        for cell, value in zip(cells[6:], values[6:], strict=True):
            if cell == "–":
                assert values[-1] != values[-1]  # no formula was published
            else:
                assert float(cell) == pytest.approx(value, abs=0.00501)


def test_readme_claims_what_the_tables_say() -> None:
    cycles = table("nvdla_full", "cycles", "resnet50_caffe")["ratio"]
    traffic = table("nvdla_full", "dram_mb")["ratio"]
    exact = [int(((x - 1).abs() <= 0.001).sum()) for x in (cycles, traffic)]
    assert exact == [51, 29]
    assert "51 of 54 layers of ResNet-50 on NVDLA to the cycle, 29 of them" in TEXT
    simulated = LAYERS[LAYERS["machine"].str.startswith("scale_sim")]
    same = simulated[~simulated["causes"].str.contains("a row and a column more")]
    assert len(same) == 28
    assert (same["ratio"] - 1).abs().max() < 0.011
    times = 1 / table("zhang2015", "compute_ms")["ratio"]
    assert (round(times.min(), 2), round(times.max(), 2)) == (1.05, 1.13)
    profile = 1 / table("dpu_b4096", "compute_ms")["described_ratio"].astype(float)
    assert (round(profile.min(), 2), round(profile.max(), 2)) == (1.00, 1.17)
    assert 22 < LAYERS["ratio"].max() < 22.5
