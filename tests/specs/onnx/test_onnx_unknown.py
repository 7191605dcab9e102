"""Operators that are not known: listed, ignored if asked, unless they multiply."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import ModelProto
from onnx_graphs import imported, integers, model, story

import codesign
from codesign.errors import SpecError
from codesign.specs.onnx import import_onnx

IMAGE = {"x": (1, 4, 8, 8)}


def refusal(folder: Path, made: ModelProto) -> str:
    """The one line a model is refused with."""
    path = folder / "tiny.onnx"
    onnx.save(made, path)
    with pytest.raises(SpecError) as refused:
        import_onnx(path)
    text = str(refused.value)
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


FOREIGN = """
    a: h = Conv (x, w)
    g = com.acme.Swirl (h)
    k = Det (g)
    t = com.acme.Swirl (g)
    u, i = Dropout (t)
    b: y = Conv (u, v)
    z = Cast <to=1> (i)
"""
FOREIGN_CONSTANTS = {"w": (4, 4, 1, 1), "v": (4, 4, 1, 1)}


def foreign() -> ModelProto:
    """Two nodes of an unknown domain, and one whose two results are both read."""
    outputs = ("y", "z")
    return model(FOREIGN, IMAGE, FOREIGN_CONSTANTS, outputs=outputs, domains=["com.acme"])


def test_unknown_operators_are_listed(tmp_path: Path) -> None:
    told = refusal(tmp_path, foreign())
    assert told.startswith(
        "unknown operators: Dropout (1), com.acme.Swirl (2); with --ignore-unknown"
    )


def test_ignored_operators_keep_or_move_their_data(tmp_path: Path) -> None:
    found = imported(tmp_path, foreign(), ignore_unknown=True)
    assert story(found.network)[0] == "a: x -> z"
    assert story(found.network)[-1].startswith("b: ")
    assert not any(layer.moves for layer in found.network.layers)  # all are as large as the image
    (warning,) = found.warnings
    assert "Dropout (1), com.acme.Swirl (2): taken to multiply nothing" in warning
    with pytest.warns(UserWarning, match="taken to multiply nothing"):
        assert codesign.from_onnx(tmp_path / "tiny.onnx", ignore_unknown=True) == found.network


def test_what_multiplies_is_not_to_be_ignored(tmp_path: Path) -> None:
    """By a matrix of constants, or by its name; what would be lost is said."""
    lines = """
        a: h = Conv (x, w)
        d = com.acme.Mix (h, m)
        g = com.acme.Swirl (d)
        t = com.acme.my_matmul (g, d)
        b: y = Conv (t, w)
    """
    constants = {"w": (4, 4, 1, 1), "m": (8, 6)}
    made = model(lines, IMAGE, constants, domains=["com.acme"])
    told = refusal(tmp_path, made)
    assert "--ignore-unknown" not in told
    assert "ignore_unknown" not in told
    assert told.startswith(
        "unknown operators that multiply: com.acme.Mix (1), com.acme.my_matmul (1) (and others "
        "that do not: com.acme.Swirl (1)); left out, their products and 48 weights are missing"
    )
    multiply, others = imported(tmp_path, made, ignore_unknown=True).warnings
    assert "their products and 48 weights are missing from every figure" in multiply
    assert others.startswith("unknown operators: com.acme.Swirl (1): taken to multiply nothing")


@pytest.mark.parametrize(
    ("operator", "multiplies"),
    [
        *((name, True) for name in ("MatMulNBits", "NhwcConv", "QMoE", "LinearRegressor", "CDist")),
        *((name, False) for name in ("ConvertTo", "GemmaRotary", "QLinearWhere", "GroupNorm")),
    ],
)
def test_the_name_tells_what_multiplies(operator: str, multiplies: bool, tmp_path: Path) -> None:
    lines = f"t = com.acme.{operator} (x, i, s)\na: y = Conv (t, w)"
    constants = {"i": integers(1, 2, 3, 4).reshape(2, 2), "s": (1, 4, 1, 1), "w": (4, 4, 1, 1)}
    made = model(lines, IMAGE, constants, domains=["com.acme"])
    told = refusal(tmp_path, made)
    assert ("--ignore-unknown" in told) is not multiplies
    assert f"com.acme.{operator} (1)" in told
