"""The study of tensors on chip: what is published, what is committed, what its README tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from published import TPU_APPLICATIONS
from sources import ROOT
from study_modules import imported
from told_tables import check_told, rows_of

from codesign.costs.layers import best_tiled_layer, moving_layer
from codesign.costs.residency import residents
from codesign.specs.load import load_accelerator, load_network, load_technology

STUDY = ROOT / "studies" / "on_chip"
README = (STUDY / "README.md").read_text("utf-8")
EXPECTED = {path.stem: pd.read_csv(path) for path in (STUDY / "expected").glob("*.csv")}


# --- TPU v1 -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tpu() -> dict[str, pd.DataFrame]:
    """The tables of the measured chip, made anew."""
    with imported(STUDY, ("tpu",)) as modules:
        found: dict[str, pd.DataFrame] = modules["tpu"].tables()
    return found


def test_measured_batches_are_those_of_table_1() -> None:
    measured = pd.read_csv(STUDY / "tpu_measured.csv", comment="#")
    for row in measured.itertuples():
        assert TPU_APPLICATIONS[row.application][2:] == (row.batch, row.macs_per_weight)
    # Table 3: rows 1, 4, 5 and 6 total 100 %, each printed to 0.1.
    parts = ("active", "weight_stall", "weight_shift", "non_matrix")
    total = measured[[f"{part}_percent" for part in parts]].sum(axis="columns")
    assert total.to_numpy() == pytest.approx(100, abs=0.21)


@pytest.mark.parametrize("name", ["tpu", "tpu_causes"])
def test_tpu_tables_are_those_committed(name: str, tpu: dict[str, pd.DataFrame]) -> None:
    pd.testing.assert_frame_equal(tpu[name], EXPECTED[name], rtol=1e-4)


def test_tpu_obeys_the_bound_of_resident_tensors(tpu: dict[str, pd.DataFrame]) -> None:
    ratios = tpu["tpu"].set_index("application")
    five = ratios.drop("tpu_cnn1")
    # The paper's own roofline, of weights alone: .90 .85 .85 .43 .94.
    assert list(five["per_weights"].round(2)) == [0.90, 0.85, 0.85, 0.43, 0.94]
    assert (five["per_on_chip"] < 1).all()
    assert (five["per_none"] > 1).sum() == 3  # with every tensor in DRAM it is no bound
    assert five["per_none"].idxmax() == "tpu_cnn0"
    assert ratios["per_on_chip"]["tpu_cnn1"] > 1  # for want of folded kernel taps:
    assert (tpu["tpu_causes"]["per_folded"] < 1).all()


@pytest.mark.parametrize("name", TPU_APPLICATIONS)
def test_tpu_keeps_every_tensor(name: str, tpu: dict[str, pd.DataFrame]) -> None:
    # Layer by layer, with all that lives on chip: no less room than that is ever needed.
    chip = load_accelerator("tpu_v1")
    network = load_network(name).batched(TPU_APPLICATIONS[name][2])
    bits = dict.fromkeys(network.tensors, 8)
    total_s = 0.0
    for layer, now in zip(network.layers, residents(network, bits, network.lifetimes), strict=True):
        row = (
            moving_layer(network, layer, chip, bits, True, now)
            if layer.moves
            else best_tiled_layer(network, layer, chip, 8, bits, now)
        )
        assert row.latency_s is not None
        total_s += row.latency_s
    row = tpu["tpu"].set_index("application").loc[name]
    assert row["on_chip_tops"] == pytest.approx(2e-12 * network.macs / total_s, rel=1e-12)


@pytest.mark.parametrize(
    ("heading", "table"),
    [("application | measured", "tpu"), ("application | array filled, measured", "tpu_causes")],
)
def test_readme_tells_the_tpu_tables(heading: str, table: str) -> None:
    expected = EXPECTED[table].drop(columns=["folded_tops", "per_folded"], errors="ignore")
    check_told(rows_of(README, heading), expected)


def test_readme_tells_the_folded_bound() -> None:
    (row,) = EXPECTED["tpu_causes"].query("application == 'tpu_cnn1'").to_dict("records")
    told = f"the bound is {row['folded_tops']:.2f}, of which {row['per_folded']:.2f}"
    assert told in " ".join(README.split())


# --- the price of SRAM --------------------------------------------------------------------------


def test_sram_price_is_that_of_the_technology() -> None:
    with imported(STUDY, ("sram_price",)) as modules:
        found = modules["sram_price"].tables()
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, EXPECTED[name], rtol=1e-4)
    bit, mac, rest = found["sram_fit"].to_dict("records")
    technology = load_technology("tsmc28-nvdla")
    fit = technology.sram_area_um2
    assert (fit.slope, fit.intercept) == (round(bit["um2"], 3), 0)
    assert fit.r2 == round(bit["r2"], 4)
    assert fit.calibrated == (bit["least_bits"], bit["most_bits"])
    assert technology.pe_area_um2 == replace(
        load_technology("tsmc28").pe_area_um2, source=technology.pe_area_um2.source
    )
    told = f"`area = {bit['um2']:.3f}·bits + {mac['um2']:.0f}·MACs + {rest['um2']:,.0f}` µm²"
    text = " ".join(README.split())
    assert told in text
    assert f"standard error is {bit['standard_error_um2']:.3f}" in text
    shares = [2.94 / (bit["um2"] + n * bit["standard_error_um2"]) for n in (0, 2, -2)]
    assert [round(share, 1) for share in shares] == [7.6, 5.1, 15.1]
    assert "1/7.6 of the paper's; two standard errors either way, a fifth to a fifteenth" in text


def test_readme_tells_the_areas() -> None:
    check_told(rows_of(README, "MACs | buffer KiB"), EXPECTED["sram_points"])


@pytest.mark.slow
def test_run_writes_the_parts_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run.py", "--out", str(tmp_path), "--part", "tpu"])
    with imported(
        STUDY, ("run", "sram_price", "tpu", "growth", "greedy", "optimum", "problems")
    ) as modules:
        modules["run"].main()
    assert {path.name for path in tmp_path.iterdir()} == {"tpu.csv", "tpu_causes.csv"}
