"""The command line as a test calls it, and a network small enough to be solved at once."""

from __future__ import annotations

import pytest

from codesign.cli.app import main

TINY = """
name = "tiny"
layers = [
    { name = "conv1", input = "image", output = "a", K = 8, C = 4, P = 6, Q = 6, H = 6, W = 6, R = 3, S = 3 },
    { name = "fc", input = "a", output = "out", K = 10, C = 288 },
]
[tensors]
image = 144
a = 288
out = 10
"""  # noqa: E501
SMALL = ("--rows", "1,2", "--cols", "1,2", "--bits", "4,6,8")
BUDGET = ("--max-area-mm2", "0.1")
ARRAY = ("--rows", "2", "--cols", "2", "--pe-bits", "8")
EYERISS = ("--accelerator", "eyeriss")
CHIP = """
name = "chip"
rows = 2
cols = 2
engine = 9
pe_weight_bits = 8
pe_activation_bits = 8
clock_hz = 1e8
sram_bits = 100_000
pe_area_um2 = 1000.0
technology = "tsmc28"
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command line."""
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line of errors of a command that ends with a code and prints nothing else."""
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    return err
