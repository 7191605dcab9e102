"""Standard output of the command line: `show`, `--help`, a closed pipe, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run

from codesign.cli.app import program


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ["networks", "resnet18", "tsmc28", "hbm2", "accelerators dpu_b4096, eyeriss, nvdla"]),
        (["networks"], ["layers", "resnet152", "11,513,626,624", "60,040,384", "CVPR 2016"]),
        (["technologies"], ["tsmc28", "153.46 + 1.694 · BOPS", "3065 + 2.94 · bits, single-port"]),
        # 748.53 BOPS (below) are 1421.5 µm²; 2.94e6 + 3065 µm² are 2.943 mm², 0.388e6 are 0.388
        (["technologies"], ["1.694 · BOPS 1,421 3065 + 2.94 · bits, single-port 2.943 Karb"]),
        (["technologies"], ["1.694 · BOPS 1,421 0.388 · bits, convolution-buffer 0.388 PE:"]),
        (["memories"], ["hbm2", "2,048", "lpddr4x-4266", "273"]),
        (["networks", "mobilenetv2"], ["features.2.conv.1.0", "3×3/2", "features.2.conv.0.0.out"]),
        (["networks", "vit_b_16"], ["encoder.0.scores, encoder.0.values"]),
        # 9·(8·8 + 8 + 8 + log2 9) = 748.53 BOPS, · 1.694 + 153.46 = 1421.5 µm²; / 1465 = −3.0 %
        (["technologies", "tsmc28"], ["dual-port", "0.916", "fixed8 1,465.0 1,421.5 -3.0"]),
        (["memories", "ddr4-2400"], ["153.6", "JESD79-4"]),
        (
            ["accelerators"],
            ["eyeriss 12 × 14 1 window 16 × 16 200 884.7 3.84 – Chen", "tpu_v1"],
        ),
        # 14² PEs of 4545.5 µm²
        (
            ["accelerators"],
            ["table3-fixed16 14 × 14 9 window 16 × 16 800 – 153.6 0.8909 Karb"],
        ),
        (["accelerators", "eyeriss"], ["PEs 12 × 14", "SRAM kbit 884.7", "PE array mm² – source"]),
        (["accelerators", "table4-float32"], ["bit 32 × 32, floating", "PE array mm² 5.444"]),
    ],
)
def test_show(capsys: pytest.CaptureFixture[str], arguments: list[str], told: list[str]) -> None:
    code, out, err = run(capsys, "show", *arguments)
    assert (code, err) == (0, "")
    for text in told:
        assert text in " ".join(out.split())


def test_show_a_file(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, _ = run(capsys, "show", "networks", tiny)
    assert code == 0
    assert "conv1" in out


@pytest.mark.parametrize("command", ["solve", "evaluate"])
def test_help_names_every_option(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    for parameter in program.commands[command].params:
        if parameter.opts[0].startswith("--"):
            assert f"  {parameter.opts[0]} " in out or f", {parameter.opts[0]} " in out
    assert run(capsys, "--version")[1].startswith("codesign ")


def test_help_imports_next_to_nothing() -> None:
    heavy = (
        "numpy",
        "pydantic",
        "pyomo",
        "rich",
        "pandas",
        "matplotlib",
        "codesign.problem.problem",
    )
    script = (
        "import sys\nfrom codesign.cli.app import main\nmain(['solve', '--help'])\n"
        f"sys.exit(str([name for name in {heavy!r} if name in sys.modules] or ''))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Usage: codesign solve" in ran.stdout
    assert ran.stderr.strip() == ""


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    script = "import sys\nfrom codesign.cli.app import main\nsys.exit(main(['show', 'networks']))"
    ran = subprocess.run([sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert ran.returncode == 1
    assert ran.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_standard_output_is_one_line() -> None:
    script = "import sys\nfrom codesign.cli.app import main\nsys.exit(main(['show']))"
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 2
    assert ran.stderr == b"codesign: error: standard output: No space left on device\n"
