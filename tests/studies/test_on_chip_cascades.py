"""Fused layers beside the cascades of Arm's compiler Vela: rows in flight, and what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType

import pandas as pd
import pytest
from sources import ROOT
from study_modules import imported
from told_tables import check_told, rows_of

from codesign import load_network
from codesign.checking import check_content

STUDY = ROOT / "studies" / "on_chip"
README = (STUDY / "README.md").read_text("utf-8")
WORDS = " ".join(README.split())
TRAFFIC = pd.read_csv(STUDY / "expected" / "vela_cascades.csv")
STRIPES = pd.read_csv(STUDY / "expected" / "vela_stripes.csv")
MISSING = [x for x in ("ethosu", "flatbuffers", "tflite_micro") if find_spec(x) is None]
needs_vela = pytest.mark.skipif(MISSING != [], reason=f"not installed: {MISSING}")


@pytest.fixture(scope="module")
def allocation() -> Iterator[ModuleType]:
    """The study's module that does without Vela."""
    with imported(STUDY, ("allocation",)) as modules:
        yield modules["allocation"]


@pytest.fixture(scope="module")
def cascades() -> Iterator[ModuleType]:
    names = ("allocation", "separate", "to_tflite", "micro_planner", "vela_compiler", "vela")
    with imported(STUDY, (*names, "vela_cascades")) as modules:
        yield modules["vela_cascades"]


def test_both_count_the_same_rows_in_every_operator() -> None:
    assert (STRIPES["same_rows"] == STRIPES["operators"]).all()
    assert f"In all {STRIPES['operators'].sum()} operators both count" in WORDS
    fused = STRIPES[STRIPES["cascades"] > 0]
    assert list(fused["vela_kib"] / fused["rows_kib"]) == pytest.approx([2] * len(fused), rel=1e-4)
    most = (fused["rows_kib"] / fused["one_row_kib"]).max()
    assert f"up to {most:.0f} times the rows" in WORDS


def test_what_the_readme_tells() -> None:
    check_told(rows_of(README, "network | KiB | cascades"), STRIPES)
    check_told(rows_of(README, "graph | SRAM KiB"), TRAFFIC)
    (row,) = TRAFFIC.query("network == 'mobilenetv2' and sram_kib == 367.5").to_dict("records")
    resident, bands = (row[x] + row["weights_mb"] for x in ("resident_mb", "bands_mb"))
    told = row["told_mb"] + row["told_weights_mb"]
    assert (
        f"{resident:.1f} with resident tensors, {bands:.1f} with bands, and Vela {told:.1f}, "
        in WORDS
    )
    assert f"{told / bands:.2f} times as much" in WORDS
    more = TRAFFIC["told_per_ours"]
    assert f"{more.min():.2f} to {more.max():.2f} times ours" in WORDS
    counted = TRAFFIC["told_mb"] / TRAFFIC["vela_mb"]
    assert f"it tells of {counted.min():.1f} to {counted.max():.1f} times the maps" in WORDS
    assert f"still moves {row['vela_mb']:.2f} of maps where {row['bands_mb']:.2f} need be" in WORDS
    assert f"at most {TRAFFIC['if_twice'].max():.2f} times as much" in WORDS
    better = TRAFFIC[TRAFFIC["vela_mb"] < TRAFFIC["bands_mb"]]
    assert better[["network", "sram_kib"]].to_numpy().tolist() == [["resnet18", 122.5]]


def test_bands_never_move_more_and_least_is_least() -> None:
    assert (TRAFFIC["bands_mb"] <= TRAFFIC["resident_mb"]).all()
    network = load_network("mobilenetv2")
    ends = network.tensors[network.layers[0].input] + network.tensors[network.layers[-1].output]
    half, quarter, _ = TRAFFIC.query("network == 'mobilenetv2'")["bands_mb"]
    assert (half, quarter) == pytest.approx((ends / 1e6, ends / 1e6), rel=1e-4)


@pytest.mark.parametrize("name", TRAFFIC["network"].unique())
def test_our_columns_follow_without_vela(name: str, allocation: ModuleType) -> None:
    for row in TRAFFIC[TRAFFIC["network"] == name].to_dict("records"):
        found = allocation.evaluated(load_network(name), int(row["sram_kib"] * 1024), "bands")
        weights = sum(layer.dram_bits.weights for layer in found.layer_designs) / 8e6
        total = sum(layer.dram_bits.total for layer in found.layer_designs) / 8e6
        assert weights == pytest.approx(row["weights_mb"], rel=1e-4)
        assert total - weights == pytest.approx(row["bands_mb"], rel=1e-4)
        assert len(found.fused_runs) == row["runs"]
        assert sum(len(run.inner) for run in found.fused_runs) == row["bands"]
        content = json.loads(json.dumps(found.to_dict()))
        assert check_content(content, "evaluation").findings == ()


@needs_vela
@pytest.mark.slow
def test_tables_are_those_committed(cascades: ModuleType) -> None:
    found = cascades.tables(["mobilenetv2"], shares=[4])
    for name, table in (("vela_cascades", TRAFFIC), ("vela_stripes", STRIPES)):
        rows = table.query("network == 'mobilenetv2'").iloc[1:2].reset_index(drop=True)
        pd.testing.assert_frame_equal(found[name], rows, rtol=1e-4, check_dtype=False)
