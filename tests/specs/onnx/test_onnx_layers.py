"""Each operator that multiplies: its loops, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import imported, loops, model, network, story

from codesign.errors import SpecError
from codesign.specs.onnx.graph.operators import MS

IMAGE = {"x": (2, 6, 9, 8)}
UINT8 = {"kinds": {"x": TensorProto.UINT8, "y": TensorProto.UINT8}}


def only(folder: Path, lines: str, inputs: Any, weights: Any, **how: Any) -> dict[str, Any]:
    """Loops of the one layer of a model."""
    (layer,) = network(folder, lines, inputs, weights, **how).layers
    return loops(layer)


# ifmap 9 × 8, pads top 1, left 2, bottom 0, right 1: rows (9 + 1 − 3)/2 + 1 = 4,
# columns (8 + 3 − 2·2 − 1)/1 + 1 = 7 with a kernel of 3 dilated by 2.
CONVOLUTIONS = {
    "plain": ("y = Conv (x, w)", (4, 6, 3, 3), {"K": 4, "C": 6, "P": 7, "Q": 6, "R": 3, "S": 3}),
    "asymmetric": (
        "y = Conv <strides=[2,1], pads=[1,2,0,1], dilations=[1,2]> (x, w)",
        (4, 6, 3, 3),
        {"K": 4, "C": 6, "P": 4, "Q": 7, "R": 3, "S": 3, "stride": (2, 1), "dilation": (1, 2)},
    ),
    "grouped": (
        "y = Conv <group=3> (x, w)",
        (12, 2, 1, 1),
        {"G": 3, "K": 4, "C": 2, "P": 9, "Q": 8},
    ),
    "depthwise": (
        "y = Conv <group=6, strides=[2,2]> (x, w)",
        (6, 1, 3, 3),
        {"G": 6, "P": 4, "Q": 3, "R": 3, "S": 3, "stride": 2},
    ),
    "same": (  # rows and columns ⌈9/2⌉ and ⌈8/2⌉
        'y = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, w)',
        (4, 6, 3, 3),
        {"K": 4, "C": 6, "P": 5, "Q": 4, "R": 3, "S": 3, "stride": 2},
    ),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case: str, tmp_path: Path) -> None:
    line, weights, expected = CONVOLUTIONS[case]
    found = only(tmp_path, line, IMAGE, {"w": weights})
    assert found == {"N": 2, "H": 9, "W": 8, **expected}


def test_convolution_in_one_dimension(tmp_path: Path) -> None:
    found = only(
        tmp_path,
        "y = Conv <strides=[2], pads=[1,1], dilations=[3]> (x, w)",
        {"x": (1, 5, 20)},
        {"w": (7, 5, 3)},
    )
    # (20 + 2 − 2·3 − 1)/2 + 1 = 8 rows
    expected = {"K": 7, "C": 5, "P": 8, "R": 3, "H": 20, "stride": 2, "dilation": 3}
    assert found == expected


def test_transposed_convolution(tmp_path: Path) -> None:
    line = "y = ConvTranspose <strides=[3,2], pads=[1,0,1,0], output_padding=[1,0]> (x, w)"
    made = imported(tmp_path, model("up: " + line, IMAGE, {"w": (6, 5, 4, 2)}))
    (layer,) = made.network.layers
    # rows (9 − 1)·3 − 2 + 4 + 1 = 27, columns (8 − 1)·2 + 2 = 16
    sizes = {"N": 2, "K": 5, "C": 6, "P": 27, "Q": 16, "R": 4, "S": 2, "H": 9, "W": 8}
    assert loops(layer) == {**sizes, "input_dilation": (3, 2)}
    assert layer.macs == 2 * 5 * 6 * 4 * 2 * 27 * 16
    assert "zero-inserted" in made.notes[0]
    assert made.notes[0].endswith("up")


def test_grouped_transposed_convolution(tmp_path: Path) -> None:
    found = only(tmp_path, "y = ConvTranspose <group=2> (x, w)", IMAGE, {"w": (6, 5, 1, 1)})
    assert found == {"N": 2, "G": 2, "K": 5, "C": 3, "P": 9, "Q": 8, "H": 9, "W": 8}


def test_convolution_by_an_activation(tmp_path: Path) -> None:
    made = network(tmp_path, "y = Conv (x, k)", {"x": (1, 6, 9, 9), "k": (4, 6, 3, 3)})
    (layer,) = made.layers
    assert (layer.weight_tensor, layer.weights) == ("k", 4 * 6 * 9)
    assert made.weights == 0


def test_a_constant_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="multiplies a constant image by data"):
        only(tmp_path, "y = Conv (w, x)", {"x": (4, 6, 3, 3)}, {"w": (1, 6, 9, 9)})


MATRICES = {  # x, w, loops
    "vector": ((5,), (5, 7), {"K": 7, "C": 5}),
    "images": ((3, 5), (5, 7), {"N": 3, "K": 7, "C": 5}),
    "tokens": ((2, 4, 5), (5, 7), {"N": 2, "K": 7, "C": 5, "P": 4, "H": 4}),
    "windows": ((2, 3, 4, 5), (5, 7), {"N": 2, "K": 7, "C": 5, "P": 12, "H": 12}),
    "weights per head": ((2, 3, 4, 5), (3, 5, 7), {"G": 3, "K": 7, "C": 5, "P": 8, "H": 8}),
}


@pytest.mark.parametrize("case", MATRICES)
def test_product_with_constant_weights(case: str, tmp_path: Path) -> None:
    x, w, expected = MATRICES[case]
    assert only(tmp_path, "y = MatMul (x, w)", {"x": x}, {"w": w}) == expected


def test_product_with_constant_weights_on_the_left(tmp_path: Path) -> None:
    found = only(tmp_path, "y = MatMul (w, x)", {"x": (2, 5, 9)}, {"w": (7, 5)})
    assert found == {"N": 2, "K": 7, "C": 5, "P": 9, "H": 9}


PRODUCTS = {  # a, b: as many elements as a, b have must be read
    "heads": ((1, 12, 20, 8), (1, 12, 8, 30), {"G": 12, "K": 30, "C": 8, "P": 20, "H": 20}),
    "images of heads": ((2, 3, 4, 5), (2, 3, 5, 6), {"G": 6, "K": 6, "C": 5, "P": 4, "H": 4}),
    "one for all heads": ((2, 3, 4, 5), (2, 1, 5, 6), {"G": 2, "K": 6, "C": 5, "P": 12, "H": 12}),
    "more columns": ((1, 4, 5), (3, 5, 6), {"K": 18, "C": 5, "P": 4, "H": 4}),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_product_of_two_activations(case: str, tmp_path: Path) -> None:
    a, b, expected = PRODUCTS[case]
    made = network(tmp_path, "y = MatMul (a, b)", {"a": a, "b": b})
    (layer,) = made.layers
    assert loops(layer) == expected
    assert (layer.input, layer.weight_tensor) == ("a", "b")
    assert made.tensors["a"] == np.prod(a)
    assert made.tensors["b"] == np.prod(b)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm(a: int, b: int, tmp_path: Path) -> None:
    found = only(
        tmp_path,
        f"y = Gemm <alpha=0.5, transA={a}, transB={b}> (x, w, c)",
        {"x": (5, 3) if a else (3, 5)},
        {"w": (7, 5) if b else (5, 7), "c": (7,)},
    )
    assert found == {"N": 3, "K": 7, "C": 5}


def test_gemm_plus_an_activation(tmp_path: Path) -> None:
    made = network(tmp_path, "y = Gemm (x, w, c)", {"x": (3, 5), "c": (3, 7)}, {"w": (5, 7)})
    assert made.layers[0].residuals == ("c",)


def test_gemm_of_two_activations(tmp_path: Path) -> None:
    made = network(tmp_path, "y = Gemm <transB=1> (a, b)", {"a": (3, 5), "b": (7, 5)})
    assert made.layers[0].weight_tensor == "b"
    assert loops(made.layers[0]) == {"K": 7, "C": 5, "P": 3, "H": 3}


def test_einsum(tmp_path: Path) -> None:
    heads = 'y = Einsum <equation="bqhd,bkhd->bhqk"> (a, b)'
    made = network(tmp_path, heads, {"a": (2, 4, 3, 5), "b": (2, 6, 3, 5)})
    # groups b·h = 6; d is summed; q is left of a, k of b
    assert loops(made.layers[0]) == {"G": 6, "K": 6, "C": 5, "P": 4, "H": 4}
    assert made.layers[0].weight_tensor == "b"


def test_einsum_with_weights(tmp_path: Path) -> None:
    for equation, first in (("nld,dk->nlk", "x, w"), ("dk,nld->nlk", "w, x")):
        line = f'y = Einsum <equation="{equation}"> ({first})'
        found = only(tmp_path, line, {"x": (2, 4, 5)}, {"w": (5, 7)})
        assert found == {"N": 2, "K": 7, "C": 5, "P": 4, "H": 4}


def quantised(shape: tuple[int, ...]) -> dict[str, np.ndarray[Any, Any]]:
    """Integer weights and all the scales and zero points there are."""
    zero, one = np.array(0, np.uint8), np.array(1, np.float32)
    scales = dict.fromkeys(("xs", "ws", "ys"), one)
    return {"w": np.ones(shape, np.uint8), **dict.fromkeys(("xz", "wz", "yz"), zero), **scales}


def test_quantised_convolution(tmp_path: Path) -> None:
    line = "y = QLinearConv <pads=[1,1,1,1]> (x, xs, xz, w, ws, wz, ys, yz)"
    found = only(tmp_path, line, {"x": (1, 6, 9, 8)}, quantised((4, 6, 3, 3)), **UINT8)
    assert found == {"K": 4, "C": 6, "P": 9, "Q": 8, "R": 3, "S": 3, "H": 9, "W": 8}


def test_integer_convolution(tmp_path: Path) -> None:
    kinds = {"x": TensorProto.UINT8, "y": TensorProto.INT32}
    weights = quantised((4, 6, 3, 3))
    found = only(tmp_path, "y = ConvInteger (x, w, xz)", {"x": (1, 6, 9, 8)}, weights, kinds=kinds)
    assert found == {"K": 4, "C": 6, "P": 7, "Q": 6, "R": 3, "S": 3, "H": 9, "W": 8}


def test_quantised_products(tmp_path: Path) -> None:
    expected = {"N": 3, "K": 7, "C": 5}
    line = "y = QLinearMatMul (x, xs, xz, w, ws, wz, ys, yz)"
    assert only(tmp_path, line, {"x": (3, 5)}, quantised((5, 7)), **UINT8) == expected
    kinds = {"x": TensorProto.UINT8, "y": TensorProto.INT32}
    line = "y = MatMulInteger (x, w, xz, wz)"
    assert only(tmp_path, line, {"x": (3, 5)}, quantised((5, 7)), kinds=kinds) == expected
    line = "y = com.microsoft.QGemm <transB=1> (x, xs, xz, w, ws, wz, , ys, yz)"
    how = {**UINT8, "domains": [MS.rstrip(".")]}
    assert only(tmp_path, line, {"x": (3, 5)}, quantised((7, 5)), **how) == expected


def test_fused_operators_of_a_runtime(tmp_path: Path) -> None:
    how = {"domains": [MS.rstrip(".")]}
    line = "y = com.microsoft.FusedMatMul <transB=1, alpha=0.5> (x, w)"
    assert only(tmp_path, line, {"x": (2, 4, 5)}, {"w": (7, 5)}, **how) == (
        {"N": 2, "K": 7, "C": 5, "P": 4, "H": 4}
    )
    line = 'y = com.microsoft.FusedConv <activation="Relu", strides=[2,2]> (x, w)'
    assert only(tmp_path, line, {"x": (1, 6, 9, 9)}, {"w": (4, 6, 3, 3)}, **how) == (
        {"K": 4, "C": 6, "P": 4, "Q": 4, "R": 3, "S": 3, "H": 9, "W": 9, "stride": 2}
    )


@pytest.mark.parametrize(
    "detour",
    [
        "t = Transpose <perm=[1,0]> (w)\ny = MatMul (x, t)",
        "t = Identity (w)\nu = Transpose (t)\ny = MatMul (x, u)",
        "h = Cast <to=10> (w)\nf = Cast <to=1> (h)\ny = Gemm <transB=1> (x, f)",
        "q = QuantizeLinear (w, s)\nd = DequantizeLinear (q, s)\ny = Gemm <transB=1> (x, d)",
    ],
    ids=["transposed", "twice", "cast", "quantised"],
)
def test_weights_behind_other_nodes_are_constant(detour: str, tmp_path: Path) -> None:
    scale = np.array(0.1, np.float32)
    made = network(tmp_path, detour, {"x": (3, 5)}, {"w": (7, 5), "s": scale})
    (layer,) = made.layers
    assert layer.weight_tensor is None
    assert loops(layer) == {"N": 3, "K": 7, "C": 5}


def test_shared_weights_are_told(tmp_path: Path) -> None:
    lines = """
        one: h = MatMul (x, w)
        t = Transpose (w)
        two: y = MatMul (h, t)
    """
    made = imported(tmp_path, model(lines, {"x": (3, 5)}, {"w": (5, 7)}))
    assert made.network.weights == 35
    assert [layer.weights_of for layer in made.network.layers] == [None, "one"]
    assert made.notes == ("weights of 'one' are used again, and count once: two",)
    assert [*made.weights] == ["one"]


def test_a_mean_of_single_elements_brings_nothing_new(tmp_path: Path) -> None:
    """Whoever reads it reads what it was taken of: no data move, however many read that."""
    lines = "a: h = Conv (x, w)\nm = GlobalAveragePool (h)\nb: y = Conv (m, v)\nc: z = Conv (h, u)"
    constants = {"w": (4, 3, 8, 8), "v": (5, 4, 1, 1), "u": (6, 4, 1, 1)}
    found = network(tmp_path, lines, {"x": (1, 3, 8, 8)}, constants, ("y", "z"))
    assert story(found) == ["a: x -> h", "b: h -> y", "c: h -> z"]
