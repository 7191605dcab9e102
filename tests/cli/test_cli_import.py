"""``codesign import``, and ONNX files as NETWORK of the other commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import ARRAY, BUDGET, SMALL, refused, run
from onnx import TensorProto
from onnx_flow import SIDES, branches, flow_model
from onnx_graphs import model, symbolic_rows

import codesign
from codesign import Choices, Problem
from codesign.specs.load import load_network

LINES = """
    first: h = Conv <pads=[1,1,1,1]> (x, w)
    r = Relu (h)
    p = GlobalAveragePool (r)
    f = Flatten (p)
    last: y = Gemm (f, v)
"""
QUANTISED = """
    q = QuantizeLinear (x, s, z)
    d = DequantizeLinear (q, s, z)
    wd = DequantizeLinear (w, s)
    first: h = MatMul (d, wd)
    last: y = MatMul (h, v)
"""


@pytest.fixture
def floating(tmp_path: Path) -> str:
    """Path of a small network."""
    path = tmp_path / "small.onnx"
    constants = {"w": (8, 4, 3, 3), "v": (8, 10)}
    onnx.save(model(LINES, {"x": (1, 4, 6, 6)}, constants), path)
    return str(path)


@pytest.fixture
def quantised(tmp_path: Path) -> str:
    """Path of one that declares widths of 8 bit for an input and one layer's weights."""
    path = tmp_path / "quantised.onnx"
    one, zero = np.ones((), np.float32), np.zeros((), np.int8)
    constants = {"w": np.ones((8, 8), np.int8), "v": (8, 10), "s": one, "z": zero}
    onnx.save(model(QUANTISED, {"x": (1, 8)}, constants), path)
    return str(path)


@pytest.fixture
def symbolic(tmp_path: Path) -> str:
    """Path of one with two sizes left open."""
    path = tmp_path / "open.onnx"
    onnx.save(symbolic_rows("images", "tokens"), path)
    return str(path)


@pytest.fixture
def rate(tmp_path: Path) -> str:
    """Path of one of which an input decides how many columns it has: 4 at 16000, else 3."""
    nodes = ["c = Equal (i, rate)", branches("c", ("y",))]
    path = tmp_path / "rate.onnx"
    constants = {**SIDES, "rate": np.array(16000)}
    onnx.save(flow_model(nodes, {"x": (2, 4), "i": ()}, constants), path)
    return str(path)


@pytest.mark.parametrize(("given", "macs"), [("i=16000", "32"), ("i=8000", "24")])
def test_import_takes_the_value_of_an_input(
    capsys: pytest.CaptureFixture[str], rate: str, given: str, macs: str
) -> None:
    code, out, err = run(capsys, "import", rate, "--input", given)
    assert (code, err) == (0, "")
    assert re.search(rf"^MACs +{macs}$", out, re.MULTILINE)


def test_import_shows_the_network(capsys: pytest.CaptureFixture[str], floating: str) -> None:
    code, out, err = run(capsys, "import", floating)
    assert (code, err) == (0, "")
    assert re.search(r"^layers +2$", out, re.MULTILINE)
    assert re.search(r"^MACs +10,448$", out, re.MULTILINE)  # 36·288 + 80
    assert re.search(r"^first +8 +4 +6×6 +3×3 +6×6 ", out, re.MULTILINE)


def test_import_tells_what_it_decided(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "up.onnx"
    onnx.save(model("up: y = ConvTranspose (x, w)", {"x": (1, 4, 6, 6)}, {"w": (4, 2, 3, 3)}), path)
    _, out, _ = run(capsys, "import", str(path))
    assert "note: transposed convolutions are computed as ordinary ones" in out
    assert "their MACs, 4,608, count the products with these zeros, without which they are" in out


def test_import_writes_a_network(
    capsys: pytest.CaptureFixture[str], symbolic: str, tmp_path: Path
) -> None:
    out = tmp_path / "network.toml"
    words = ("--batch", "2", "--dim", "tokens=5", "--out", str(out))
    code, _, _ = run(capsys, "import", symbolic, *words)
    assert code == 0
    written = load_network(out)
    assert written == codesign.from_onnx(symbolic, batch=2, dims={"tokens": 5})
    assert (written.layers[0].N, written.layers[0].P) == (2, 5)


def test_import_shows_widths_as_options(capsys: pytest.CaptureFixture[str], quantised: str) -> None:
    _, out, _ = run(capsys, "import", quantised, "--keep-widths")
    assert "widths declared: --pin weight:first=8 --pin tensor:x=8" in out
    assert "--pin" not in run(capsys, "import", quantised)[1]


REFUSED = {
    "no file": (("import", "missing.onnx"), "missing.onnx: cannot be read"),
    "no ONNX": (("import", "resnet18"), "resnet18: cannot be read"),
    "no size": (("import", "OPEN"), "give --dim images=N --dim tokens=N (or --batch N)"),
    "no size, solve": (("solve", "OPEN", "--batch", "1"), "give --dim tokens=N"),
    "two sizes": (
        ("import", "OPEN", "--dim", "tokens=5", "--dim", "tokens=6"),
        "--dim tokens: given as 5 and as 6",
    ),
    "bad size": (("import", "OPEN", "--dim", "tokens=0"), "write NAME=SIZE, as in sequence=128"),
    "no value": (("import", "RATE"), "depends on input 'i': give --input i=VALUE"),
    "no number": (("import", "RATE", "--input", "i=fast"), "'fast' is not a number"),
    "no name": (("import", "RATE", "--input", "16000"), "write NAME=VALUE, as in sr=16000"),
    "two values": (
        ("import", "RATE", "--input", "i=1", "--input", "i=2"),
        "--input i: given as (1,) and as (2,)",
    ),
    "no widths": (("import", "SMALL", "--keep-widths"), "small.onnx declares no integer widths"),
    "of TOML": (
        ("solve", "resnet18", "--dim", "n=1"),
        "--dim: only for a network that is an .onnx",
    ),
    "TOML's input": (
        ("solve", "resnet18", "--input", "n=1"),
        "--input: only for a network that is an .onnx",
    ),
    "TOML's widths": (("solve", "resnet18", "--keep-widths"), "--keep-widths: only for a network"),
    "over itself": (("import", "SMALL", "--out", "SMALL"), "given twice, for two different files"),
    "shown": (("show", "networks", "OPEN"), "give --dim images=N"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(
    case: str, capsys: pytest.CaptureFixture[str], floating: str, symbolic: str, rate: str
) -> None:
    words, reason = REFUSED[case]
    paths = {"SMALL": floating, "OPEN": symbolic, "RATE": rate}
    words = tuple(paths.get(word, word) for word in words)
    err = refused(capsys, *words)
    assert reason in err


def test_every_command_takes_an_onnx_file(
    capsys: pytest.CaptureFixture[str], floating: str
) -> None:
    for words in (
        ("show", "networks", floating),
        ("evaluate", floating, *ARRAY, "--sram-kbit", "100"),
        ("solve", floating, *SMALL, *BUDGET),
        ("pareto", floating, *SMALL, "--points", "2"),
    ):
        assert run(capsys, *words)[0] == 0, words


def test_a_study_takes_an_onnx_file(floating: str) -> None:
    study = codesign.Study.grid(networks=[floating], max_area_mm2=[0.1])
    assert len(study) == 1


def test_solve_agrees_with_python(capsys: pytest.CaptureFixture[str], floating: str) -> None:
    code, out, _ = run(capsys, "solve", floating, *SMALL, *BUDGET, "--batch", "2", "--json")
    assert code == 0
    network = codesign.from_onnx(floating, batch=2)
    choices = Choices(rows=(1, 2), cols=(1, 2), weight_bits=(4, 6, 8), activation_bits=(4, 6, 8))
    problem = Problem(
        network=network, choices=choices, quality="uniform:6", budgets={"area_mm2": 0.1}
    )
    assert json.loads(out)["metrics"]["latency_s"] == codesign.solve(problem).metrics["latency_s"]


def test_declared_widths_are_pins(capsys: pytest.CaptureFixture[str], quantised: str) -> None:
    def solved(*words: str) -> dict[str, Any]:
        sides = ("--rows", "1,2", "--cols", "1,2", "--bits", "4")
        words = (quantised, *sides, *BUDGET, "--quality", "none", *words, "--json")
        code, out, _ = run(capsys, "solve", *words)
        assert code == 0
        return json.loads(out)["problem"]["choices"]  # type: ignore[no-any-return]

    assert solved()["pinned"] == {}
    kept = solved("--keep-widths")
    assert kept["pinned"] == {"weight:first": 8, "tensor:x": 8}
    assert kept["pe_weight_bits"] == kept["pe_activation_bits"] == [4, 8]
    said = solved("--keep-widths", "--pin", "tensor:x=4")
    assert said["pinned"] == {"weight:first": 8, "tensor:x": 4}


def test_evaluate_keeps_declared_widths(capsys: pytest.CaptureFixture[str], quantised: str) -> None:
    words = (*ARRAY, "--sram-kbit", "100", "--bits", "4", "--keep-widths", "--json")
    _, out, _ = run(capsys, "evaluate", quantised, *words)
    layers = json.loads(out)["layers"]
    assert [layer["weight_bits"] for layer in layers] == [8, 4]


def test_ignored_operators_are_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "own.onnx"
    lines = "h = own.Twist (x)\na: y = MatMul (h, w)"
    onnx.save(model(lines, {"x": (2, 8)}, {"w": (8, 3)}, domains=["own"]), path)
    code, out, err = run(capsys, "import", str(path))
    assert (code, out) == (2, "")
    assert "unknown operators: own.Twist (1); with --ignore-unknown" in err
    code, out, err = run(capsys, "import", str(path), "--ignore-unknown")
    assert code == 0
    assert err.startswith("codesign: warning: ")
    assert "own.Twist (1): taken to multiply nothing" in err


def test_integers_that_are_data_declare_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = model("e: h = Gather (table, ids)\na: y = MatMul (h, w)", {"ids": (2, 7)},
                 {"table": (10, 16), "w": (16, 4)}, kinds={"ids": TensorProto.INT64})  # fmt: skip
    onnx.save(made, tmp_path / "ids.onnx")
    code, _, err = run(capsys, "import", str(tmp_path / "ids.onnx"), "--keep-widths")
    assert code == 2
    assert "declares no integer widths" in err
