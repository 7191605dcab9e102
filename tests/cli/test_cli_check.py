"""Checks and certificates on the command line."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from command_line import BUDGET, SMALL, run


def test_the_command(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design, certificate = tmp_path / "design.json", tmp_path / "proof.json"
    files = ("--out", str(design), "--certificate", str(certificate))
    code, _, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--quiet", *files)
    assert (code, err) == (0, "")
    deep_check = ("check", str(design), "--deep", "--certificate", str(certificate))
    code, out, err = run(capsys, *deep_check)
    assert (code, err) == (0, "")
    assert "proven in exact arithmetic: none of " in out
    assert out.endswith("figures hold\n")
    content = json.loads(certificate.read_text())
    groups = content["groups"]
    every = [[*a, *b] for g in groups for a, b in product(g["arrays"], g["pe_bits"])]
    certificate.write_text(json.dumps({**content, "groups": [], "trusted": every}))
    code, out, _ = run(capsys, *deep_check)
    assert code == 4
    assert "the certificate takes the solver's word" in out
    certificate.write_text(json.dumps({**content, "groups": []}))
    assert run(capsys, *deep_check)[0] == 1


@pytest.mark.parametrize("words", [["--deep"], ["--certificate", "x.json"]])
def test_deep_and_certificate_belong_together(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "check", "design.json", *words)
    assert (code, out) == (2, "")
    assert "belong together" in err


def test_a_certificate_that_cannot_be_written(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "none" / "proof.json")
    code, _, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--certificate", path)
    assert code == 2
    assert "no folder" in err


def test_a_certificate_of_a_pipeline_is_written_and_verified(
    tiny: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whatever the search had found, the proof says it of all pipelines and of all arrays."""
    for architecture in ("dataflow", "array,dataflow"):
        design, proof = tmp_path / "design.json", tmp_path / "proof.json"
        asked = ("--architecture", architecture, "--minimize", "latency", "--bits", "4")
        files = ("--out", str(design), "--certificate", str(proof))
        sizes = ("--rows", "1,2", "--cols", "1,2", "--quality", "none", "--max-area-mm2", "1")
        assert run(capsys, "solve", tiny, *asked, *sizes, *files)[0] == 0
        deep = ("check", str(design), "--deep", "--certificate", str(proof))
        code, out, _ = run(capsys, *deep)
        assert code == 0
        assert "no pipeline within the budgets has latency_s below" in out
        part = json.loads(proof.read_text())
        part["pipelines"]["ranges"] = []
        proof.write_text(json.dumps(part))
        assert run(capsys, *deep)[0] == 1
