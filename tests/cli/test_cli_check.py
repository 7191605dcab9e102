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
