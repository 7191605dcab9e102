"""Weights read from an ONNX file, and the widths it declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import imported, integers, model

from codesign.errors import SpecError
from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.graph.operators import MS

Array = np.ndarray[Any, Any]
ROWS = {"x": (3, 4)}


def numbered(*shape: int) -> Array:
    """Weights that tell where they stood."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def weights(folder: Path, lines: str, inputs: Any, constants: Any, **how: Any) -> Array:
    """Those of the one layer of a model."""
    found = imported(folder, model("a: " + lines, inputs, constants, **how)).weights
    assert list(found) == ["a"]
    assert len(found) == 1
    return found["a"]


# --- order --------------------------------------------------------------------------------------


def test_of_convolutions(tmp_path: Path) -> None:
    given = numbered(6, 2, 3, 5)
    found = weights(tmp_path, "y = Conv <group=2> (x, w)", {"x": (1, 4, 8, 8)}, {"w": given})
    assert (found == given).all()
    assert found.dtype == np.float64
    line = "y = Conv (x, w)"
    found = weights(tmp_path, line, {"x": (1, 2, 8)}, {"w": given[..., 0]})
    assert (found == given[..., :1]).all()


@pytest.mark.parametrize("groups", [1, 2])
def test_of_transposed_convolutions(groups: int, tmp_path: Path) -> None:
    """As the equivalent convolution: its outputs first, its kernel mirrored."""
    given = numbered(4, 3, 2, 2)
    line = f"y = ConvTranspose <group={groups}> (x, w)"
    found = weights(tmp_path, line, {"x": (1, 4, 8, 8)}, {"w": given})
    assert found.shape == (3 * groups, 4 // groups, 2, 2)
    for k in range(3 * groups):
        for c in range(4 // groups):
            source = (k // 3) * (4 // groups) + c
            assert (found[k, c] == given[source, k % 3, ::-1, ::-1]).all()


def test_the_equivalent_convolution_computes_the_same(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    image, given = numbered(1, 2, 3, 3), numbered(2, 3, 2, 2)
    made = model("a: y = ConvTranspose <strides=[2,2]> (x, w)", {"x": image.shape}, {"w": given})
    found = imported(tmp_path, made).weights["a"].astype(np.float32)
    spread = np.zeros((1, 2, 7, 7), np.float32)  # a zero between two, and one around
    spread[:, :, 1:6:2, 1:6:2] = image
    plain = model("y = Conv (x, w)", {"x": spread.shape}, {"w": found})
    (expected,) = ReferenceEvaluator(made).run(None, {"x": image})
    (result,) = ReferenceEvaluator(plain).run(None, {"x": spread})
    assert (result == expected).all()


MATRICES = {
    "y = MatMul (x, w)": ((4, 5), lambda w: w.T),
    "y = Gemm (x, w)": ((4, 5), lambda w: w.T),
    "y = Gemm <transB=1> (x, w)": ((5, 4), lambda w: w),
    "y = MatMul (w, t)": ((5, 4), lambda w: w),
    "y = Gemm <transA=1> (w, t)": ((4, 5), lambda w: w.T),
    'y = Einsum <equation="nc,ck->nk"> (x, w)': ((4, 5), lambda w: w.T),
    'y = Einsum <equation="kc,nc->nk"> (w, x)': ((5, 4), lambda w: w),
}


@pytest.mark.parametrize("line", MATRICES)
def test_of_matrices(line: str, tmp_path: Path) -> None:
    shape, expected = MATRICES[line]
    given = numbered(*shape)
    found = weights(tmp_path, line, {"x": (3, 4), "t": (4, 3)}, {"w": given})
    assert (found[..., 0, 0] == expected(given)).all()


def test_of_batches_of_matrices(tmp_path: Path) -> None:
    given = numbered(2, 4, 5)
    found = weights(tmp_path, "y = MatMul (x, w)", {"x": (2, 3, 4)}, {"w": given})
    assert (found[..., 0, 0] == given.swapaxes(1, 2).reshape(10, 4)).all()
    line = 'y = Einsum <equation="gnc,gck->gnk"> (x, w)'
    assert (weights(tmp_path, line, {"x": (2, 3, 4)}, {"w": given}) == found).all()


# --- what stands between ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(5, 4), (100, 4), (2000, 4)])  # folded, and too large for that
def test_behind_other_nodes(size: tuple[int, int], tmp_path: Path) -> None:
    lines = "y = MatMul (x, t)\nt0 = Identity (w)\nt = Transpose (t0)"
    first, *others = lines.splitlines()
    made = model("\n".join([*others, "a: " + first]), ROWS, {"w": numbered(*size)})
    found = imported(tmp_path, made).weights["a"]
    assert (found[..., 0, 0] == numbered(*size)).all()


def test_quantised_per_channel_and_back(tmp_path: Path) -> None:
    integer = np.array([[1, -2, 3, 4], [10, 20, -30, 40]], np.int8)
    lines = "d = DequantizeLinear <axis=0> (w, s, z)\na: y = Gemm <transB=1> (x, d)"
    constants = {
        "w": integer,
        "s": np.array([0.5, 0.25], np.float32),
        "z": np.array([1, 0], np.int8),
    }
    found = imported(tmp_path, model(lines, ROWS, constants))
    assert found.weights["a"][..., 0, 0].tolist() == [
        [0, -1.5, 1, 1.5],
        [2.5, 5, -7.5, 10],
    ]
    assert found.pins == {"weight:a": 8}


def test_of_a_quantised_convolution(tmp_path: Path) -> None:
    constants = {
        "w": np.array([[[[3]]], [[[5]]]], np.uint8),
        "ws": np.array([0.5, 2], np.float32),
        "wz": np.array([1, 2], np.uint8),
        "one": np.ones((), np.float32),
        "zero": np.zeros((), np.uint8),
    }
    kinds = dict.fromkeys("xy", TensorProto.UINT8)
    line = "y = QLinearConv (x, one, zero, w, ws, wz, one, zero)"
    found = weights(tmp_path, line, {"x": (1, 1, 4, 4)}, constants, kinds=kinds)
    assert found.reshape(-1).tolist() == [1, 6]


def test_of_a_quantised_product(tmp_path: Path) -> None:
    constants = {
        "w": np.array([[3], [5]], np.int8),
        **{name: np.array(2, np.float32) for name in ("xs", "ws", "ys")},
        **{name: np.array(1, np.int8) for name in ("xz", "wz", "yz")},
    }
    kinds = dict.fromkeys("xy", TensorProto.INT8)
    for line in (
        "QLinearMatMul (x, xs, xz, w, ws, wz, ys, yz)",
        MS + "QGemm (x, xs, xz, w, ws, wz, , ys, yz)",
    ):
        how = {"kinds": kinds, "domains": [MS.rstrip(".")]}
        found = weights(tmp_path, "y = " + line, {"x": (3, 2)}, constants, **how)
        assert found.reshape(-1).tolist() == [4, 8]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad: float, tmp_path: Path) -> None:
    given = numbered(4, 5)
    given[2, 3] = bad
    found = imported(tmp_path, model("a: y = MatMul (x, w)", ROWS, {"w": given}))
    with pytest.raises(SpecError, match=r"tiny\.onnx: weights of layer 'a': not all are finite"):
        found.weights["a"]


def test_no_such_layer(tmp_path: Path) -> None:
    found = imported(tmp_path, model("a: y = MatMul (x, w)", ROWS, {"w": (4, 5)}))
    with pytest.raises(KeyError):
        found.weights["b"]


def test_made_by_what_cannot_be_computed(tmp_path: Path) -> None:
    lines = "t = com.microsoft.Gelu (w)\na: y = MatMul (x, t)"
    made = model(lines, ROWS, {"w": (4, 5)}, domains=[MS.rstrip(".")])
    with pytest.raises(SpecError, match=r"made by com\.microsoft\.Gelu"):
        imported(tmp_path, made).weights["a"]


def test_external_data(tmp_path: Path) -> None:
    made = model(
        "a: h = MatMul (x, w)\nb: y = MatMul (h, v)",
        ROWS,
        {"w": numbered(4, 50), "v": numbered(50, 2)},
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(made, path, save_as_external_data=True, size_threshold=0, location="w.bin")
    found = import_onnx(path).weights
    assert (found["b"][..., 0, 0] == numbered(50, 2).T).all()
    (tmp_path / "w.bin").unlink()
    assert import_onnx(path).network.macs == 3 * (200 + 100)
    with pytest.raises(SpecError, match="weights of layer 'b' cannot be read"):
        found["b"]


# --- widths -------------------------------------------------------------------------------------

ZERO8, ZERO16 = np.zeros((), np.uint8), np.zeros((), np.int16)
SCALE = {"s": np.ones((), np.float32)}


def pins(folder: Path, lines: str, inputs: Any, constants: Any, **how: Any) -> dict[str, int]:
    return imported(folder, model(lines, inputs, {**SCALE, **constants}, **how)).pins


def test_widths_of_quantise_dequantise_pairs(tmp_path: Path) -> None:
    lines = """
        q = QuantizeLinear (x, s, z8)
        d = DequantizeLinear (q, s, z8)
        wd = DequantizeLinear (w, s)
        a: h = MatMul (d, wd)
        r = Relu (h)
        hq = QuantizeLinear (r, s, z16)
        hd = DequantizeLinear (hq, s, z16)
        b: y0 = MatMul (hd, v)
        yq = QuantizeLinear (y0, s, z8)
        y = DequantizeLinear (yq, s, z8)
    """
    constants = {"w": np.ones((4, 5), np.int8), "v": (5, 2), "z8": ZERO8, "z16": ZERO16}
    found = pins(tmp_path, lines, ROWS, constants, opset=21)
    assert found == {"weight:a": 8, "tensor:x": 8, "tensor:h": 16}  # v and y are not declared


def test_widths_of_four_bits(tmp_path: Path) -> None:
    four = helper.make_tensor("w", TensorProto.INT4, [4, 5], list(range(-8, 8)) + [0] * 4)
    made = model(
        "d = DequantizeLinear (w, s)\na: y = MatMul (x, d)", ROWS, {**SCALE, "w": (4, 5)}, opset=21
    )
    made.graph.initializer.remove(next(t for t in made.graph.initializer if t.name == "w"))
    made.graph.initializer.append(four)
    found = imported(tmp_path, made)
    assert found.pins == {"weight:a": 4}
    assert found.weights["a"][..., 0, 0].T.reshape(-1)[:3].tolist() == [-8, -7, -6]


def test_widths_of_integer_operators(tmp_path: Path) -> None:
    lines = (
        "a: h = QLinearConv (x, s, z, w, s, z, s, z)\nb: y = QLinearConv (h, s, z, w, s, z, s, z)"
    )
    constants = {"w": np.ones((4, 4, 1, 1), np.uint8), "z": ZERO8}
    kinds = dict.fromkeys("xy", TensorProto.UINT8)
    found = pins(tmp_path, lines, {"x": (1, 4, 8, 8)}, constants, kinds=kinds)
    assert found == {"weight:a": 8, "tensor:x": 8, "tensor:h": 8}  # b uses the weights of a


def test_the_widest_of_several_holds(tmp_path: Path) -> None:
    lines = """
        a: g = MatMul (x, w)
        gq = QuantizeLinear (g, s, z8)
        gd = DequantizeLinear (gq, s, z8)
        b: h = MatMul (x, w)
        hq = QuantizeLinear (h, s, z16)
        hd = DequantizeLinear (hq, s, z16)
        t = Concat <axis=1> (gd, hd)
        c: y = MatMul (t, v)
    """
    constants = {"w": (4, 5), "v": (10, 2), "z8": ZERO8, "z16": ZERO16}
    assert pins(tmp_path, lines, ROWS, constants, opset=21) == {"tensor:t": 16}


def test_floating_point_declares_nothing(tmp_path: Path) -> None:
    lines = "h = Cast <to=7> (x)\nf = Cast <to=1> (h)\na: y = MatMul (f, w)"
    assert pins(tmp_path, lines, ROWS, {"w": (4, 5), "unused": integers(1)}) == {}
