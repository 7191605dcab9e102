"""Options and keys for fused layers: what reaches the problem, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from command_line import refused, run
from fused_designs import CHAIN
from study_grids import parameters, problems, questions

from codesign import Choices, Design, SpecError, Study
from codesign.cli import app
from codesign.specs.write_network import to_toml

BANDS = ("--on-chip", "bands")


@pytest.fixture
def chain(tmp_path: Path) -> str:
    """The file of a network with layers that may be fused."""
    path = tmp_path / "chain.toml"
    path.write_text(to_toml(CHAIN), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (BANDS, Choices(on_chip="bands")),
        ((*BANDS, "--fused-layers", "2"), Choices(on_chip="bands", fused_layers=2)),
        (
            (*BANDS, "--pin", "band:y1", "--pin", "chip:y3", "--pin", "band:y1"),
            Choices(on_chip="bands", places={"y1": "band", "y3": "chip"}),
        ),
    ],
)
def test_options_reach_the_choices(
    asked: dict[str, Any],
    chain: str,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: Choices,
) -> None:
    assert "recorded" in refused(capsys, "solve", chain, *words)
    assert asked["problem"].choices == expected


@pytest.mark.parametrize("command", ["solve", "pareto"])
def test_help_shows_the_default_of_the_choices(command: str) -> None:
    params = app.program.commands[command].params
    (option,) = [x for x in params if x.name == "fused_layers"]
    assert isinstance(option, click.Option)
    assert str(option.help).endswith(f"[default: {Choices().fused_layers}]")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fused-layers", "3"], "--fused-layers 3: layers are fused with --on-chip bands"),
        (["--on-chip", "none", "--fused-layers", "4"], "--fused-layers 4: layers are fused with"),
        ([*BANDS, "--fused-layers", "1"], "1 is not in the range 2<=x<=100"),
        (["--pin", "band:y1"], "--pin band:y1: tensors are held as bands with --on-chip bands"),
        (["--on-chip", "none", "--pin", "band:y1"], "--pin band:y1: tensors are held as bands"),
        ([*BANDS, "--pin", "band:y4"], "place of 'y4': no band, for layer 'fc' does not read all"),
        ([*BANDS, "--pin", "band:x"], "place of 'x': an input or a result of the network"),
        ([*BANDS, "--pin", "band:y1", "--pin", "dram:y1"], "given as band and as dram"),
        (
            [*BANDS, "--pin", "band:y1", "--pin", "dram:y2"],
            "places y1 band, y2 dram: no fused runs of at most 4 layers have them all",
        ),
        (
            [*BANDS, "--fused-layers", "2", "--pin", "band:y1"],
            "no run of at most 2 layers may have both 'c1' and 'c3'",
        ),
    ],
)
def test_refusals(
    chain: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refused(capsys, "solve", chain, *words)
    assert message in refused(capsys, "pareto", chain, *words)


def test_words_of_a_study() -> None:
    given: dict[str, Any] = {"on_chip": "bands", "fused_layers": [2, 4], "pin": "band:y2"}
    study = Study.grid(networks=[CHAIN], **given)
    assert [x["fused_layers"] for x in parameters(study)] == [2, 4]
    assert [x.choices.fused_layers for x in problems(study)] == [2, 4]
    assert {x.choices.places["y2"] for x in problems(study)} == {"band"}
    assert len({question.sha256 for question in questions(study)}) == 2
    both = Study.grid(networks=[CHAIN], on_chip=["tensors", "bands"], fused_layers=4)
    refusals = {
        label["on_chip"]: question.refused
        for label, question in zip(parameters(both), questions(both), strict=True)
    }
    assert refusals["bands"] is None
    assert "--fused-layers 4: layers are fused with --on-chip bands" in refusals["tensors"]
    usual = Study.grid(networks=[CHAIN], on_chip="bands")
    said = Study.grid(networks=[CHAIN], on_chip="bands", fused_layers=4)
    assert questions(usual)[0] == questions(said)[0]


@pytest.mark.parametrize("given", [1, "many", True])
def test_a_study_refuses_other_lengths(given: object) -> None:
    with pytest.raises(SpecError, match="fused_layers: "):
        Study.grid(networks=[CHAIN], on_chip="bands", fused_layers=given)


# --- evaluate -----------------------------------------------------------------------------------

# On 5.5 kbit nothing but rows of the large tensors stays beside tiles.
SCANT = ("--rows", "2", "--cols", "4", "--pe-bits", "8", "--sram-kbit", "5.5")
SCANT += ("--dram-gbit-per-s", "2")


def evaluated(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, "evaluate", *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_an_evaluation_fuses_layers(chain: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        words: evaluated(capsys, chain, *SCANT, *words)
        for words in ((), BANDS, (*BANDS, "--fused-layers", "2"), (*BANDS, "--pin", "band:y2"))
    }
    tensors, bands, pairs, pinned = (x["metrics"]["latency_s"] for x in found.values())
    assert bands < pairs <= tensors
    assert bands <= pinned
    assert "band" in found[BANDS]["on_chip"].values()
    assert [*found.values()][3]["on_chip"]["y2"] == "band"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fused-layers", "3"], "--fused-layers 3: layers are fused with --on-chip bands"),
        (["--pin", "band:y1"], "--pin band:y1: tensors are held as bands with --on-chip bands"),
        ([*BANDS, "--pin", "band:y4"], "place of 'y4': no band, for layer 'fc' does not read all"),
        ([*BANDS, "--roofline", "ideal"], "on_chip 'bands': the ideal roofline moves every tensor"),
        ([*BANDS, "--fused-layers", "1"], "1 is not in the range 2<=x<=100"),
        (
            [*BANDS, "--pin", "band:y1", "--sram-kbit", "4"],
            "SRAM of 4 kbit does not hold the fused layers around 'y1' with the places given",
        ),
    ],
)
def test_evaluations_refused(
    chain: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refused(capsys, "evaluate", chain, *SCANT, *words)


@pytest.mark.slow
def test_what_is_fused_is_told_checked_and_drawn(
    chain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, picture = tmp_path / "found.json", tmp_path / "found.svg"
    words = ("evaluate", chain, *SCANT, *BANDS, "--out", str(path), "--plot-sram", str(picture))
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert re.search(r"bands of \d more in 1 fused run", out)
    assert run(capsys, "show", str(path)) == (0, out, "")
    assert run(capsys, "check", str(path))[0] == 0
    later = tmp_path / "later.svg"
    assert run(capsys, "plot", str(path), "--sram", "--out", str(later))[0] == 0
    assert later.read_bytes() == picture.read_bytes()
    assert b"1 fused run: at most" in picture.read_bytes()


# --- solve --------------------------------------------------------------------------------------

FEW = ("--rows", "1,2", "--cols", "2,4", "--bits", "4,6,8", "--dram-gbit-per-s", "2")
LIMIT = ("--max-area-mm2", "0.022")


@pytest.mark.slow
def test_a_solve_fuses_layers(
    chain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "design.json"
    latencies = []
    for words in (("--on-chip", "tensors"), BANDS, (*BANDS, "--pin", "dram:y1")):
        asked = ("solve", chain, *FEW, *LIMIT, *words, "--out", str(path))
        code, out, err = run(capsys, *asked)
        assert (code, err) == (0, "")
        found = Design.load(path)
        latencies.append(found.metrics["latency_s"])
        assert ("fused run" in out) == bool(found.fused_runs)
        assert run(capsys, "check", str(path))[0] == 0
        assert run(capsys, "show", str(path)) == (0, out, "")
        code, line, _ = run(capsys, *asked, "--quiet")
        kept, bands = found.resident_tensors, found.band_tensors
        end = f", {kept} tensor{'s' * (kept != 1)} on chip"
        end += "" if bands is None else f", {bands} band{'s' * (bands != 1)}"
        assert line.endswith(end + "\n")
    tensors, fused, apart = latencies
    assert fused < min(tensors, apart)


@pytest.mark.slow
def test_a_front_and_a_sweep_fuse_layers(
    chain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front, folder = tmp_path / "front.csv", tmp_path / "designs"
    words = (*FEW, *BANDS, "--points", "3", "--designs", str(folder))
    code, out, _ = run(capsys, "pareto", chain, *words, "--out", str(front))
    assert code == 0
    assert re.search(r"^point .* bands ", out, re.MULTILINE)
    designs = [Design.load(path) for path in sorted(folder.iterdir())]
    counts = [design.band_tensors for design in designs]
    assert [*pd.read_csv(front)["band_tensors"]] == counts
    assert any(counts)
    assert run(capsys, "show", str(front))[1] == out
    modes = ("--on-chip", "tensors,bands", "--workers", "1", "--json")
    code, out, _ = run(capsys, "sweep", chain, *FEW, *LIMIT, *modes)
    assert code == 0
    rows = json.loads(out)
    assert [row["on_chip"] for row in rows] == ["tensors", "bands"]
    assert rows[1]["latency_s"] < rows[0]["latency_s"]
