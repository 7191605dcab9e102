"""Designs on an FPGA from the command line: budgets per resource, reports, files, refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from command_line import BUDGET, CHIP, SMALL, TINY, refused, run

FPGA = (*SMALL, "--technology", "finn-lut")
ODD = """
name = "odd"
layers = [{ name = "l1", input = "in", output = "out", K = 4, C = 10 }]
tensors = { in = 10, out = 4 }
"""
LIMITS = ("--max-lut", "3000", "--max-dsp", "10", "--max-bram", "4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.toml").write_text(TINY)
    (tmp_path / "chip.toml").write_text(CHIP)
    (tmp_path / "odd.toml").write_text(ODD)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    return out


def test_a_design_is_solved_checked_shown_drawn_and_explained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("network.toml", *FPGA, *LIMITS, "--out", "d.json", "--plot", "d.png")
    out = told(capsys, "solve", *words, "--certificate", "c.json")
    # Two by two PEs of 6 × 6 bit: 300 + 1.1·4·(9·36 + 12·17 + 32) = 2,764 LUTs
    assert "LUTs ≤ 3,000, DSP blocks ≤ 10, block RAMs ≤ 4" in out
    assert "2,764" in out
    assert "mm²" not in out
    design = json.loads((folder / "d.json").read_text())
    hardware, metrics = design["hardware"], design["metrics"]
    assert metrics["bram"] == hardware["sram_bits"] / 18_432 == 1
    assert (metrics["dsp"], "area_mm2" in metrics) == (0, False)
    assert (folder / "d.png").stat().st_size > 10_000
    told(capsys, "check", "d.json", "--deep", "--certificate", "c.json")
    assert told(capsys, "show", "d.json") == out
    why = told(capsys, "explain", "d.json", "--out", "why.json")
    assert "budget of LUTs" in why
    assert "block RAMs" in why
    assert told(capsys, "show", "why.json") == why
    told(capsys, "evaluate", "network.toml", "--accelerator", "d.json", "--out", "e.json")
    told(capsys, "check", "e.json")


@pytest.mark.parametrize("metric", ["lut", "dsp", "bram"])
def test_each_resource_can_be_minimised(
    metric: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("network.toml", *SMALL, "--technology", "finn-dsp", "--minimize", metric)
    found = json.loads(told(capsys, "solve", *words, "--json"))
    # One PE of 6 × 6 bit: 300 + 1.1·(12·17 + 32) LUTs and nine multipliers
    least = {"lut": 300 + 1.1 * 236, "dsp": 9, "bram": 1}
    assert found["metrics"][metric] == pytest.approx(least[metric])
    assert found["proof"]["status"] == "optimal"


def test_fronts_and_sweeps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("network.toml", *FPGA, "--objectives", "latency,lut", "--all", "--out", "front.csv")
    out = told(capsys, "pareto", *words, "--plot", "front.png")
    assert told(capsys, "show", "front.csv") == out
    rows = [*csv.DictReader((folder / "front.csv").read_text().splitlines())]
    assert [float(row["lut"]) for row in rows] == pytest.approx([2764, 1532, 916])
    assert "area_mm2" not in rows[0]
    words = ("network.toml", *FPGA, "--max-lut", "1000,3000", "--workers", "1", "--csv", "s.csv")
    assert "2 optimal" in told(capsys, "sweep", *words, "--plot", "s.png")
    rows = [*csv.DictReader((folder / "s.csv").read_text().splitlines())]
    assert [row["max_lut"] for row in rows] == ["1000.0", "3000.0"]
    assert all(float(row["bram"]) == 1 for row in rows)


def test_silicon_and_fpgas_in_one_sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("network.toml", *SMALL, "--technology", "tsmc28,finn-lut", "--workers", "1")
    told(capsys, "sweep", *words, "--csv", "s.csv")
    silicon, fpga = csv.DictReader((folder / "s.csv").read_text().splitlines())
    assert (silicon["lut"], fpga["area_mm2"]) == ("", "")
    assert float(silicon["area_mm2"]) > 0 < float(fpga["lut"])


def test_budgets_out_of_reach_are_explained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("network.toml", *FPGA, "--max-lut", "500", "--max-bram", "1")
    said = refused(capsys, "solve", *words, code=3)
    # One PE of 4 × 4 bit; the noise needs one of 6 × 6.
    assert "LUTs at most 500 (alone at least 722.4, with the other budgets at least 916)" in said


def test_what_an_accelerator_takes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 2 × 2 PEs of 8 × 8 bit and 100,000 bits of SRAM, six blocks; of other PEs no LUTs."""
    words: tuple[str, ...] = ("--rows", "2", "--cols", "2", "--pe-bits", "8", "--sram-kbit", "100")
    asked = ("evaluate", "network.toml", *words, "--technology", "finn-dsp", "--json")
    found: dict[str, Any] = json.loads(told(capsys, *asked))
    assert found["metrics"]["bram"] == 6
    assert found["metrics"]["dsp"] == 36
    assert found["metrics"]["lut"] == pytest.approx(300 + 1.1 * 4 * 304)
    # A buffer beside the SRAM takes blocks of its own: two for 20,000 bits.
    found = json.loads(told(capsys, *asked, "--weight-buffer-kbit", "20", "--out", "e.json"))
    assert found["metrics"]["bram"] == 8
    told(capsys, "check", "e.json")
    found = json.loads(told(capsys, *asked, "--engine", "4"))
    assert found["absent"]["lut"] == found["absent"]["dsp"]
    assert "9 multipliers per PE, not 4" in found["absent"]["lut"]
    assert found["metrics"]["bram"] == 6


ON = ("solve", "network.toml", *FPGA)
MVAU = ("--technology", "finn-mvau", "--architecture", "dataflow")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((*ON, *BUDGET), "budgets: 'area_mm2' is not known in technology 'finn-lut', which tells"),
        ((*ON, "--minimize", "area"), "objective: 'area_mm2' is not known in technology 'finn-lut"),
        (
            ("solve", "network.toml", *SMALL, "--max-lut", "9"),
            "budgets: 'lut' is not known in technology 'tsmc28', which tells area_mm2",
        ),
        (
            ("solve", "odd.toml", *FPGA, "--architecture", "dataflow"),
            "layer 'l1': on an FPGA rows and columns divide the layer's channels, and none on "
            "offer do; a PE of 'finn-lut' takes 9 products at once, which fold no part of it "
            "evenly; offer mapping 'output' too, or take a technology whose engine is 1, such as",
        ),
        (
            ("solve", "odd.toml", *FPGA, "--architecture", "array,dataflow"),
            "such as 'finn-mvau'; or leave the pipeline out: architecture 'array'",
        ),
        (
            ("solve", "odd.toml", *MVAU, "--pe-bits", "8"),
            "--pe-bits: PEs of architecture 'dataflow' have the widths of their layers; leave it",
        ),
        (
            ("solve", "odd.toml", *MVAU, "--rows", "3", "--cols", "1"),
            "none on offer do; offer rows and cols of 1 too",
        ),
        ((*ON, "--sram-kbit", "20"), "20000 bits is no whole number of block RAMs of 18432 bits;"),
        ((*ON, "--sram", "single-port"), "'finn-lut' is an FPGA, whose SRAM is block RAM"),
        ((*ON, "--max-bram", "0"), "'--max-bram': '0' is not a positive"),
        (("pareto", "network.toml", *FPGA), "objectives: 'area_mm2' is not known in technology"),
        (("technology", "scale", "finn-lut", "--node", "7"), "is an FPGA: it has no area to scale"),
        (
            ("fit", "network.toml", "--kind", "pe", "--technology", "finn-lut"),
            "--technology finn-lut: an FPGA, which has no areas",
        ),
    ],
)
def test_refusals(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], fault: str
) -> None:
    assert fault in refused(capsys, *words)


@pytest.mark.parametrize("limits", [(10, 12), (20, 30)])
def test_limits_on_the_sram_without_a_whole_block(
    folder: Path, capsys: pytest.CaptureFixture[str], limits: tuple[int, int]
) -> None:
    least, most = map(str, limits)
    words = (*ON, *LIMITS, "--min-sram-kbit", least, "--max-sram-kbit", most)
    told = "no whole block RAM of 18.432 kbit lies within the limits on the SRAM; widen them"
    assert told in refused(capsys, *words, code=3)


def test_a_description_with_a_fault_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'name = "x"\nmultipliers = "lut"\nbase_lut = 1.0\nlut_factor = 1.0\nbram_bits = 9\n'
    for more, fault in (
        ("dsp_bits = 4", "fpga.toml: accumulator_bits: missing"),
        ("dsp_bits = 4\naccumulator_bits = 0", "fpga.toml: accumulator_bits: Input should be"),
        ("dsp_bit = 4", "fpga.toml: dsp_bit: unknown key; did you mean 'dsp_bits'?"),
    ):
        (folder / "fpga.toml").write_text(text + more)
        assert fault in refused(capsys, "show", "fpga.toml")
    whole = text + "dsp_bits = 4\naccumulator_bits = 8\n"
    for old, new, fault in (
        ("bram_bits = 9\n", "", "fpga.toml: bram_bits: missing"),
        (
            "base_lut = 1.0",
            "base_lut = true",
            "fpga.toml: base_lut: Input should be a valid number",
        ),
    ):
        (folder / "fpga.toml").write_text(whole.replace(old, new))
        words = ("network.toml", *SMALL, "--technology", "fpga.toml")
        assert fault in refused(capsys, "solve", *words)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("metrics", "lut"), 2765.0),
        (("metrics", "dsp"), 1.0),
        (("metrics", "bram"), 2.0),
        (("hardware", "sram_bits"), 18_433),
        (("problem", "technology", "lut_factor"), 1.2),
        (("problem", "technology", "accumulator_bits"), 33),
        (("problem", "technology", "bram_bits"), 9_216),
        (("problem", "technology", "multipliers"), "dsp"),
        (("problem", "budgets", "lut"), 2700.0),
    ],
)
def test_an_altered_figure_is_told(
    where: tuple[str, ...], value: object, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "solve", "network.toml", *FPGA, "--max-lut", "3000", "--out", "d.json")
    content = json.loads((folder / "d.json").read_text())
    del content["sha256"]
    at = content
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = value
    (folder / "d.json").write_text(json.dumps(content))
    code, out, _ = run(capsys, "check", "d.json")
    assert code == 1, out
