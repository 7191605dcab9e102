"""``codesign evaluate`` of a pipeline: a folding of FINN or stages, told as a solved one is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run

from codesign.results.load import load_result

WORDS = ("--technology", "finn-mvau", "--bits", "4")
FOLDING = {"MVAU_hls_0": {"PE": 4, "SIMD": 2}, "MVAU_hls_1": {"PE": 5, "SIMD": 3}}


@pytest.fixture
def folding(tmp_path: Path) -> str:
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(FOLDING))
    return str(path)


def test_a_folding_is_told_as_a_pipeline(
    capsys: pytest.CaptureFixture[str], tiny: str, folding: str, tmp_path: Path
) -> None:
    out, picture = str(tmp_path / "d.json"), tmp_path / "d.png"
    files = "--out", out, "--plot", str(picture)
    code, printed, err = run(capsys, "evaluate", tiny, "--folding", folding, *WORDS, *files)
    assert (code, err) == (0, "")
    assert printed.startswith("tiny on finn-mvau, of given stages: least interval\n")
    assert "note: 2 of 2 stages are given; chosen are band rows of 2 stages, starts" in printed
    assert "2 × 4" in printed
    assert picture.stat().st_size > 10_000
    assert run(capsys, "check", out)[0] == 0
    code, _, _ = run(capsys, "export", "finn", out, "--out", str(tmp_path / "again.json"))
    assert code == 0
    written = json.loads((tmp_path / "again.json").read_text())
    for unit, attributes in FOLDING.items():
        assert attributes.items() <= written[unit].items()
    code, printed, err = run(capsys, "evaluate", tiny, "--pipeline", out, "--json")
    assert (code, err) == (0, "")
    assert json.loads(printed)["metrics"] == load_result(out).to_dict()["metrics"]
    code, printed, err = run(capsys, "compare", out, out)
    assert (code, err) == (0, "")
    code, printed, err = run(capsys, "report", out, "--out", str(tmp_path / "d.html"))
    assert (code, err) == (0, "")


def test_options_are_above_what_the_file_tells(
    capsys: pytest.CaptureFixture[str], tiny: str, folding: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "d.json")
    run(capsys, "evaluate", tiny, "--folding", folding, *WORDS, "--out", out)
    flags = "--clock-mhz", "400", "--dram-gbit-per-s", "10", "--bits", "8", "--output-bits", "16"
    code, printed, err = run(capsys, "evaluate", tiny, "--pipeline", out, *flags, "--json")
    assert (code, err) == (0, "")
    found = json.loads(printed)
    problem = found["problem"]
    assert (problem["clock_hz"], problem["dram_bits_per_s"]) == (4e8, 1e10)
    assert "dram_energy_j_per_bit" not in problem
    assert found["tensor_bits"] == {"image": 8, "a": 8, "out": 16}
    assert {row["weight_bits"] for row in found["layers"]} == {8}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--rows", "2"), "--folding and --rows contradict each other."),
        (("--accelerator", "eyeriss"), "--folding and --accelerator contradict each other."),
        (("--pipeline", "x.json"), "--folding and --pipeline contradict each other."),
        (("--roofline", "ideal"), "--roofline ideal: of one shared array"),
        (("--batch", "2"), "images follow each other, one at a time; give a batch of 1"),
        (("--technology", "finn-lut"), "no array of PEs of 9 products at once is folded so"),
    ],
)
def test_what_is_of_no_pipeline_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    folding: str,
    words: tuple[str, ...],
    fault: str,
) -> None:
    flags = [*WORDS[2:], *([] if "--technology" in words else WORDS[:2]), *words]
    code, out, err = run(capsys, "evaluate", tiny, "--folding", folding, *flags)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert fault in err


def test_widths_and_limits_that_are_missing_or_too_much(
    capsys: pytest.CaptureFixture[str], tiny: str, folding: str
) -> None:
    code, out, err = run(capsys, "evaluate", tiny, "--folding", folding, *WORDS[:2])
    assert (code, out) == (2, "")
    assert "Missing option --bits: the pipeline tells no width of weight:conv1." in err
    code, out, err = run(capsys, "evaluate", tiny, "--rows", "2", "--time-limit-s", "3")
    assert (code, out) == (2, "")
    assert "--time-limit-s: of a pipeline; give --folding or --pipeline." in err
