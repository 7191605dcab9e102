"""``codesign evaluate``: what each option means, and every way to describe an accelerator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import ARRAY, CHIP, EYERISS, SMALL, run

from codesign import Accelerator, Design, Evaluation, evaluate
from codesign.specs.load import load_accelerator, load_network, load_technology


@pytest.fixture
def chip(tmp_path: Path) -> str:
    path = tmp_path / "chip.toml"
    path.write_text(CHIP)
    return str(path)


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> Evaluation:
    """What ``evaluate --json`` prints, read."""
    code, out, err = run(capsys, "evaluate", *arguments, "--json")
    assert (code, err) == (0, "")
    return Evaluation.from_dict(json.loads(out), "stdout")


def test_evaluation_is_printed(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, err = run(capsys, "evaluate", tiny, *EYERISS)
    assert (code, err) == (0, "")
    assert out.startswith("tiny on eyeriss: tiled roofline\n")
    for line in ("PE array", "SRAM", "conv1", "fc", "model size", "note: no area: neither a PE"):
        assert f"\n{line}" in out
    assert "\x1b" not in out
    code, out, err = run(capsys, "evaluate", tiny, *EYERISS, "--on-chip", "none", "--quiet")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert out.startswith("latency ")
    assert out.endswith("; 12 × 14 PEs of 16 × 16 bit, SRAM 0.8847 Mbit\n")


def test_evaluate_does_what_the_library_does(
    capsys: pytest.CaptureFixture[str], tiny: str, chip: str
) -> None:
    network, eyeriss = load_network(Path(tiny)), load_accelerator("eyeriss")
    assert evaluated(capsys, tiny, *EYERISS) == evaluate(network, eyeriss)
    given = evaluated(capsys, tiny, "--accelerator", chip, "--roofline", "ideal", "--batch", "3")
    own = load_accelerator(Path(chip))
    assert given == evaluate(network.batched(3), own, roofline="ideal")
    assert "latency_s" in given.absent


def test_evaluate_from_flags_alone(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    found = evaluated(capsys, tiny, *ARRAY, "--sram-kbit", "50").accelerator
    assert found == Accelerator(
        name="2 × 2 PEs",
        rows=2,
        cols=2,
        engine=9,
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=800e6,
        sram_bits=50_000,
        dram_bits_per_s=153.6e9,
        dram_energy_j_per_bit=20.3e-12,
        technology=load_technology("tsmc28"),
    )


@pytest.mark.parametrize(
    ("flags", "changes"),
    [
        (["--rows", "3"], {"rows": 3}),
        (["--cols", "5"], {"cols": 5}),
        (["--clock-mhz", "50"], {"clock_hz": 5e7}),
        (["--sram-kbit", "64.5"], {"sram_bits": 64_500}),
        (["--psum-bits", "32"], {"psum_bits": 32}),
        (["--precision", "multi-pass"], {"precision": "multi-pass"}),
        (
            ["--memory", "hbm2"],
            {"dram_bits_per_s": 2.048e12, "dram_energy_j_per_bit": 3.9e-12},
        ),
        (["--dram-pj-per-bit", "5"], {"dram_energy_j_per_bit": 5e-12}),
        (
            ["--memory", "hbm2", "--dram-pj-per-bit", "5"],
            {"dram_bits_per_s": 2.048e12, "dram_energy_j_per_bit": 5e-12},
        ),
        (["--dram-gbit-per-s", "10"], {"dram_bits_per_s": 1e10}),
        (["--area-overhead", "1.5"], {"area_overhead": 1.5}),
        (["--pe-area-um2", "900"], {"pe_area_um2": 900.0}),
        (
            ["--technology", "tsmc28-quadratic"],
            {"technology": load_technology("tsmc28-quadratic")},
        ),
        (["--sram", "dual-port"], {"technology": load_technology("tsmc28", "dual-port")}),
        # a measured area is that of another PE
        (["--engine", "4"], {"engine": 4, "pe_area_um2": None}),
        (["--pe-weight-bits", "9"], {"pe_weight_bits": 9, "pe_area_um2": None}),
        (
            ["--pe-bits", "16"],
            {"pe_weight_bits": 16, "pe_activation_bits": 16, "pe_area_um2": None},
        ),
        (
            ["--pe-activation-bits", "16", "--pe-area-um2", "2000"],
            {"pe_activation_bits": 16, "pe_area_um2": 2000.0},
        ),
        # nothing new is no change
        (["--rows", "2", "--pe-bits", "8", "--sram", "single-port"], None),
    ],
)
def test_flags_change_the_accelerator(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    chip: str,
    flags: list[str],
    changes: dict[str, Any] | None,
) -> None:
    own = load_accelerator(Path(chip))
    found = evaluated(capsys, tiny, "--accelerator", chip, "--bits", "8", *flags).accelerator
    expected = own if changes is None else replace(own, name="chip, changed", **changes)
    assert found == expected


@pytest.mark.parametrize(
    ("flags", "expected"),  # weights of conv1 and fc; tensors image, a, out
    [
        ([], (16, 16, 16, 16, 16)),
        (["--pe-activation-bits", "8"], (16, 16, 8, 8, 8)),
        (["--bits", "4"], (4, 4, 4, 4, 4)),
        (["--weight-bits", "4"], (4, 4, 16, 16, 16)),
        (["--activation-bits", "4", "--weight-bits", "5"], (5, 5, 4, 4, 4)),
        (["--bits", "4", "--output-bits", "9"], (4, 4, 4, 4, 9)),
        (["--bits", "4", "--pin", "weight:fc=7", "--pin", "tensor:a=6"], (4, 7, 4, 6, 4)),
        (["--output-bits", "9", "--pin", "tensor:out=3"], (16, 16, 16, 16, 3)),
    ],
)
def test_widths_of_an_evaluation(
    capsys: pytest.CaptureFixture[str], tiny: str, flags: list[str], expected: tuple[int, ...]
) -> None:
    found = evaluated(capsys, tiny, *EYERISS, *flags)
    weights = [row.weight_bits for row in found.layer_designs]
    assert (*weights, *(found.tensor_bits[x] for x in ("image", "a", "out"))) == expected


@pytest.mark.slow
def test_evaluation_files(
    capsys: pytest.CaptureFixture[str], tiny: str, chip: str, tmp_path: Path
) -> None:
    out, plot = tmp_path / "evaluation.json", tmp_path / "evaluation.svg"
    files = ("--out", str(out), "--plot", str(plot))
    assert run(capsys, "evaluate", tiny, *EYERISS, *files, "--quiet")[0] == 0
    assert Evaluation.load(out) == evaluated(capsys, tiny, *EYERISS)
    assert plot.read_text().lstrip().startswith("<?xml")


def test_no_picture_without_bandwidth_but_the_result(
    capsys: pytest.CaptureFixture[str], tiny: str, chip: str, tmp_path: Path
) -> None:
    plot = tmp_path / "evaluation.png"
    code, out, err = run(capsys, "evaluate", tiny, "--accelerator", chip, "--plot", str(plot))
    assert code == 2
    assert out.startswith("tiny on chip: tiled roofline\n")
    assert err.startswith("codesign: error: accelerator 'chip': no DRAM bandwidth is given")
    assert err.count("\n") == 1
    assert not plot.exists()


# --- a design file is an accelerator ------------------------------------------------------------

UNUSUAL = ("--precision", "multi-pass", "--area-overhead", "1.5", "--clock-mhz", "123")
UNUSUAL += ("--dram-gbit-per-s", "3.7", "--sram", "dual-port", "--pin", "weight:fc=8")


@pytest.mark.parametrize("more", [(), UNUSUAL], ids=["usual", "unusual"])
def test_a_design_evaluated_on_its_own_network_has_its_own_figures(
    more: tuple[str, ...], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "design.json")
    asked = (tiny, *SMALL, "--max-area-mm2", "0.2", *more)
    assert run(capsys, "solve", *asked, "--quiet", "--out", file)[0] == 0
    code, out, err = run(
        capsys, "evaluate", tiny, "--accelerator", file, "--widths", file, "--json"
    )
    assert (code, err) == (0, "")
    design, evaluation = json.loads(Path(file).read_text()), json.loads(out)
    assert evaluation["metrics"] == design["metrics"]
    assert evaluation["layers"] == design["layers"]
    assert evaluation["tensor_bits"] == design["tensor_bits"]
    assert load_accelerator(Path(file)) == Design.load(file).accelerator


def test_a_design_or_evaluation_is_an_accelerator_for_other_networks(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    design, evaluation = (str(tmp_path / name) for name in ("d.json", "e.json"))
    asked = (tiny, *SMALL, "--max-area-mm2", "0.2")
    assert run(capsys, "solve", *asked, "--quiet", "--out", design)[0] == 0
    first = ("evaluate", "alexnet", "--accelerator", design, "--sram-kbit", "4000")
    code, out, _ = run(capsys, *first, "--json", "--out", evaluation)
    assert code == 0
    again = run(capsys, "evaluate", "alexnet", "--accelerator", evaluation, "--json")
    assert again == (0, out, "")
