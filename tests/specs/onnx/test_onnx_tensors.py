"""Which tensors are stored, who writes and who reads them, operator by operator.

Images are 4 channels of 8 × 8 = 256 elements unless said otherwise; convolutions keep that size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import imported, integers, model, story
from onnx_images import CONSTANTS, IMAGE, ONE, U, V, W, read

from codesign.specs.onnx.graph.operators import MS

# --- the same data ------------------------------------------------------------------------------

AROUND = "a: h = Conv (x, w)\n{}\nb: y = Conv (t, v)"
SAME = {
    "activation": "t = Relu (h)",
    "clip": "t = Clip (h, zero, six)",
    "normalisation": "t = BatchNormalization (h, c, c, c, c)",
    "bias": "t = Add (h, c4)",
    "scale and shift": "g = Mul (h, c4)\nt = Sub (c4, g)",
    "layer norm": "t = LayerNormalization (h, c8)",
    "softmax": "t = Softmax <axis=1> (h)",
    "shuffle": "g = Reshape (h, split)\nk = Transpose <perm=[0,2,1,3,4]> (g)\n"
    "t = Reshape (k, joined)",
    "there and back": "g = Flatten (h)\nt = Reshape (g, joined)",
    "identity": "g = Identity (h)\nk = Cast <to=10> (g)\nt = Cast <to=1> (k)",
    "dropout": "t = Dropout (h)",
    "gelu": "t = Gelu (h)",
    "gelu spelt out": "a1 = Div (h, six)\na2 = Erf (a1)\na3 = Add (a2, one)\n"
    "a4 = Mul (h, a3)\nt = Mul (a4, half)",
    "silu spelt out": "s = Sigmoid (h)\nt = Mul (h, s)",
    "hard swish": "s = HardSigmoid (h)\nt = Mul (s, h)",
    "layer norm spelt out": "m = ReduceMean <keepdims=1> (h, last)\nd = Sub (h, m)\n"
    "e = Pow (d, two)\nv1 = ReduceMean <keepdims=1> (e, last)\nv2 = Add (v1, one)\n"
    "s = Sqrt (v2)\nn = Div (d, s)\nt = Mul (n, c8)",
    "rms norm spelt out": "e = Mul (h, h)\nm = ReduceMean <keepdims=1> (e, last)\n"
    "s = Sqrt (m)\nr = Reciprocal (s)\nt = Mul (h, r)",
    "softmax spelt out": "m = ReduceMax <keepdims=1> (h, last)\nd = Sub (h, m)\ne = Exp (d)\n"
    "s = ReduceSum <keepdims=1> (e, last)\nt = Div (e, s)",
    "instance norm by mean and offset": "m = ReduceMean <keepdims=1> (h, last)\n"
    "q = ReduceMax <keepdims=1> (h, last)\nk = Mul (m, q)\nt = Sub (h, k)",
    "quantised and back": "q = QuantizeLinear (h, half, zp)\nt = DequantizeLinear (q, half, zp)",
    "split and joined again": "l, r = Split <axis=1, num_outputs=2> (h)\n"
    "t = Concat <axis=1> (l, r)",
    "rotated halves": "l, r = Split <axis=3, num_outputs=2> (h)\nn = Neg (r)\n"
    "k = Concat <axis=3> (n, l)\ns = Mul (k, c8)\nz = Mul (h, c8)\nt = Add (s, z)",
    "slices joined again": "l = Slice (h, i0, i3, i1)\nr = Slice (h, i3, i9, i1)\n"
    "t = Concat <axis=1> (r, l)",
    "expanded to itself": "t = Expand (h, joined)",
}


@pytest.mark.parametrize("case", SAME)
def test_values_that_are_the_same_data(case: str, tmp_path: Path) -> None:
    found = read(tmp_path, AROUND.format(SAME[case]), CONSTANTS)
    assert story(found) == ["a: x -> h", "b: h -> y"]
    assert found.tensors == {"x": 256, "h": 256, "y": 256}


def test_a_value_read_before_and_after_its_activation_is_one(tmp_path: Path) -> None:
    lines = "a: h = Conv (x, w)\nr = Relu (h)\nb: g = Conv (r, v)\ny = Add (g, h)"
    assert story(read(tmp_path, lines, {**W, **V})) == ["a: x -> h", "b: h + h -> y"]


def test_the_second_of_two_activations(tmp_path: Path) -> None:
    lines = "a: h = Conv (x, w)\nb: g = Conv (x, v)\ns = Sigmoid (g)\ny = Mul (h, s)"
    assert story(read(tmp_path, lines, {**W, **V})) == ["a: x -> h", "b: x + h -> y"]


# --- less of it: poolings and reductions --------------------------------------------------------

POOL = "p: t = MaxPool <kernel_shape=[2,2], strides=[2,2]> (h)"


def test_a_pooling_is_the_writers(tmp_path: Path) -> None:
    lines = f"a: h = Conv (x, w)\nr = Relu (h)\n{POOL.replace('(h)', '(r)')}\nb: y = Conv (t, v)"
    found = read(tmp_path, lines, {**W, **V})
    assert story(found) == ["a: x -> t", "b: t -> y"]
    assert found.tensors["t"] == 4 * 4 * 4


@pytest.mark.parametrize("operator", ["GlobalAveragePool (h)", "ReduceMean (h, spatial)"])
def test_a_global_pooling_is_the_writers(operator: str, tmp_path: Path) -> None:
    lines = f"a: h = Conv (x, w)\nt = {operator}\nf = Flatten (t)\nb: y = Gemm (f, v)"
    found = read(tmp_path, lines, {**W, "v": (4, 10), "spatial": integers(2, 3)})
    assert story(found) == ["a: x -> t", "b: t -> y"]
    assert found.tensors["t"] == 4


def test_a_pooling_beside_another_reader_moves(tmp_path: Path) -> None:
    lines = f"a: h = Conv (x, w)\n{POOL}\nb: y = Conv (t, v)\nc: z = Conv (h, u)"
    found = read(tmp_path, lines, {**W, **V, **U}, outputs=("y", "z"))
    assert story(found) == ["a: x -> h", "~p: h -> t", "b: t -> y", "c: h -> z"]
    pool = found.layers[1]
    assert (pool.ifmap, pool.computed_outputs, pool.macs) == (256, 64, 0)
    assert (pool.C, pool.H, pool.W, pool.K, pool.P, pool.Q) == (4, 8, 8, 4, 4, 4)


def test_two_poolings_of_one_tensor_move(tmp_path: Path) -> None:
    other = "q: s = AveragePool <kernel_shape=[2,2], strides=[2,2]> (h)"
    lines = f"a: h = Conv (x, w)\n{POOL}\n{other}\nb: g = Conv (s, v)\ny = Add (g, t)"
    told = story(read(tmp_path, lines, {**W, **V}))
    assert told == ["a: x -> h", "~p: h -> t", "~q: h -> s", "b: s + t -> y"]


def test_a_pooling_of_a_result_moves(tmp_path: Path) -> None:
    lines = f"a: h = Conv (x, w)\n{POOL}\nb: y = Conv (t, v)"
    found = read(tmp_path, lines, {**W, **V}, outputs=("h", "y"))
    assert story(found) == ["a: x -> h", "~p: h -> t", "b: t -> y"]


def test_a_pooling_of_an_input_moves(tmp_path: Path) -> None:
    lines = f"{POOL.replace('(h)', '(x)')}\nb: y = Conv (t, v)"
    assert story(read(tmp_path, lines, V)) == ["~p: x -> t", "b: t -> y"]


def test_poolings_after_an_addition_are_the_writers(tmp_path: Path) -> None:
    lines = f"a: g = Conv (x, w)\nh = Add (g, x)\n{POOL}\nb: y = Conv (t, v)"
    found = read(tmp_path, lines, {**W, **V})
    assert story(found) == ["a: x + x -> t", "b: t -> y"]


def test_a_pooling_that_keeps_the_size(tmp_path: Path) -> None:
    same = "p: t = MaxPool <kernel_shape=[3,3], pads=[1,1,1,1]> (h)"
    lines = f"a: h = Conv (x, w)\n{same}\nb: g = Conv (t, v)\ny = Add (g, h)"
    assert story(read(tmp_path, lines, {**W, **V})) == ["a: x -> h", "~p: h -> t", "b: t + h -> y"]


def test_squeeze_and_excitation_moves_twice(tmp_path: Path) -> None:
    lines = """
        a: h = Conv (x, w)
        p: s = GlobalAveragePool (h)
        b: g = Conv (s, v)
        e = Sigmoid (g)
        m: t = Mul (h, e)
        c: y = Conv (t, u)
    """
    found = read(tmp_path, lines, {**W, **V, **U})
    # the pooling reads what is read again to be scaled; the scaling needs what is computed later
    assert story(found) == ["a: x -> h", "~p: h -> s", "b: s -> g", "~m: h + g -> t", "c: t -> y"]
    assert found.tensors["g"] == 4


# --- several tensors element by element ---------------------------------------------------------


@pytest.mark.parametrize("operator", ["Add", "Mul", "Sub", "Max"])
@pytest.mark.parametrize("order", ["g, h", "h, g"])
def test_a_residual_is_read_by_the_later_writer(operator: str, order: str, tmp_path: Path) -> None:
    lines = f"a: g = Conv (x, w)\nb: h = Conv (g, v)\nt = {operator} ({order})\nc: y = Conv (t, u)"
    found = read(tmp_path, lines, {**W, **V, **U})
    assert story(found) == ["a: x -> g", "b: g + g -> t", "c: t -> y"]


def test_a_downsampled_skip(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nb: h = Conv (x, v)\nt = Add (g, h)\nc: y = Conv (t, u)"
    told = story(read(tmp_path, lines, {**W, **V, **U}))
    assert told == ["a: x -> g", "b: x + g -> t", "c: t -> y"]


def test_a_sum_of_three(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nb: h = Conv (x, v)\ny = Sum (g, h, x)"
    assert story(read(tmp_path, lines, {**W, **V})) == ["a: x -> g", "b: x + x + g -> y"]


def test_one_residual_in_two_additions_is_read_once(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nh = Add (g, x)\ny = Mul (h, x)"
    assert story(read(tmp_path, lines, W)) == ["a: x + x -> y"]


def test_a_smaller_residual(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\ny = Mul (g, s)"
    found = read(tmp_path, lines, W, {**IMAGE, "s": (1, 4, 1, 1)})
    assert story(found) == ["a: x + s -> y"]
    assert found.tensors["s"] == 4


def test_an_addition_moves_if_the_later_operand_has_another_reader(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nb: h = Conv (g, v)\nm: t = Add (g, h)\nc: k = Conv (h, u)\n"
    found = read(tmp_path, lines + "y = Add (t, k)", {**W, **V, **U})
    assert story(found) == ["a: x -> g", "b: g -> h", "~m: g + h -> t", "c: h + t -> y"]


def test_an_addition_of_inputs_moves(tmp_path: Path) -> None:
    lines = "m: t = Add (x, z)\na: y = Conv (t, w)"
    found = read(tmp_path, lines, W, {**IMAGE, "z": (1, 4, 8, 8)})
    assert story(found) == ["~m: x + z -> t", "a: t -> y"]


def test_a_result_larger_than_both_moves(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nm: t = Add (g, z)\nc: y = Conv (t, v)"
    inputs = {"x": (1, 4, 8, 1), "z": (1, 4, 1, 8)}
    found = read(tmp_path, lines, {**W, **V}, inputs)
    assert story(found) == ["a: x -> g", "~m: g + z -> t", "c: t -> y"]
    assert found.tensors["t"] == 256


def test_a_moving_layer_takes_an_addition_too(tmp_path: Path) -> None:
    lines = 'r: g = Resize <mode="linear"> (x, , s)\nt = Add (g, z)\nc: y = Conv (t, w)'
    constants = {**W, "s": np.array([1, 1, 2, 2], np.float32)}
    found = read(tmp_path, lines, constants, {**IMAGE, "z": (1, 4, 16, 16)})
    assert story(found) == ["~r: x + z -> t", "c: t -> y"]


def test_gated_halves_move(tmp_path: Path) -> None:
    lines = """
        a: h = Conv (x, w)
        l, r = Split <axis=1, num_outputs=2> (h)
        s = Sigmoid (r)
        m: t = Mul (l, s)
        b: y = Conv (t, v)
    """
    found = read(tmp_path, lines, {**W, "v": (4, 2, 1, 1)})
    assert story(found) == ["a: x -> h", "~m: h[128] + h[128] -> t", "b: t -> y"]


# --- parts --------------------------------------------------------------------------------------


def test_slices_are_read_as_parts(tmp_path: Path) -> None:
    lines = """
        p: h = MatMul (x, w)
        q, k, v = Split <axis=2, num_outputs=3> (h)
        kt = Transpose <perm=[0,2,1]> (k)
        s: g = MatMul (q, kt)
        e = Softmax (g)
        o: y = MatMul (e, v)
    """
    found = read(tmp_path, lines, {"w": (8, 24)}, {"x": (1, 10, 8)})
    assert story(found) == ["p: x -> h", "s: h[80] × h[80] -> g", "o: g × h[80] -> y"]
    assert found.tensors == {"x": 80, "h": 240, "g": 100, "y": 80}


@pytest.mark.parametrize("cut", ["Slice (h, i0, i3, i1)", "Gather <axis=1> (h, few)"])
def test_a_lone_slice_is_all_that_is_stored(cut: str, tmp_path: Path) -> None:
    lines = f"a: h = Conv (x, w)\nt = {cut}\nb: y = Conv (t, v)"
    constants = {**CONSTANTS, "v": (4, 3, 1, 1), "few": integers(0, 1, 2)}
    found = read(tmp_path, lines, constants)
    assert story(found) == ["a: x -> t", "b: t -> y"]
    assert found.tensors["t"] == 192


def test_a_slice_of_an_input_is_a_part(tmp_path: Path) -> None:
    lines = "t = Slice (x, i0, i3, i1)\nb: y = Conv (t, v)"
    found = read(tmp_path, lines, {**CONSTANTS, "v": (4, 3, 1, 1)})
    assert story(found) == ["b: x[192] -> y"]


def test_two_operands_may_be_unequal_parts_of_one_tensor(tmp_path: Path) -> None:
    lines = """
        p: h = MatMul (x, w)
        q, k = Split <axis=2> (h, lengths)
        kt = Transpose <perm=[0,2,1]> (k)
        s: y = MatMul (q, kt)
    """
    # 16 queries and 16 keys of 8, but of the keys 9 are read
    constants = {"w": (8, 16), "lengths": integers(8, 8)}
    found = read(tmp_path, lines, constants, {"x": (1, 16, 8)})
    assert (story(found)[1], found.layers[1].weights) == ("s: h[128] × h[128] -> y", 128)
    cut = lines.replace("(k)", "(less)").replace("kt =", "less = Slice (k, i0, i9, i1)\nkt =")
    found = read(tmp_path, cut, {**constants, **CONSTANTS, "w": (8, 16)}, {"x": (1, 16, 8)})
    assert (story(found)[1], found.layers[1].weights) == ("s: h[128] × h[128] -> y", 72)


# --- padding and growing ------------------------------------------------------------------------


def pads(*values: int) -> dict[str, Any]:
    """Of the two spatial dimensions: top, left, bottom, right."""
    top, left, bottom, right = values
    return {"pads": integers(0, 0, top, left, 0, 0, bottom, right)}


KERNEL = {"w": (4, 4, 3, 3)}


@pytest.mark.parametrize(
    "between",
    ["t = Identity (h)", "q = QuantizeLinear (h, half, zp)\nt = DequantizeLinear (q, half, zp)"],
)
def test_zeros_before_a_convolution_are_its_padding(between: str, tmp_path: Path) -> None:
    lines = f"h = Pad (x, pads)\n{between}\na: y = Conv <strides=[2,2]> (t, w)"
    found = read(tmp_path, lines, {**CONSTANTS, **KERNEL, **pads(0, 0, 1, 1)})
    assert story(found) == ["a: x -> y"]
    (layer,) = found.layers
    assert (layer.H, layer.W, layer.P, layer.Q) == (8, 8, 4, 4)  # (9 − 3)/2 + 1
    assert found.tensors["x"] == 256


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('p: t = Pad <mode="reflect"> (x, pads)', "not zeros"),
        ("p: t = Pad (x, pads, one)", "not zeros"),
        ("p: t = Pad (x, wide)", "more than a layer may have"),
    ],
)
def test_other_padding_moves(line: str, why: str, tmp_path: Path) -> None:
    wide = {"wide": integers(0, 0, 5, 0, 0, 0, 5, 0)}
    constants = {**ONE, **KERNEL, **wide, **pads(1, 1, 1, 1)}
    found = read(tmp_path, line + "\na: y = Conv (t, w)", constants)
    assert story(found) == ["~p: x -> t", "a: t -> y"], why


def test_padding_read_by_others_moves(tmp_path: Path) -> None:
    lines = "p: t = Pad (x, pads)\na: h = Conv <pads=[1,1,1,1]> (t, w)\ny = Add (h, t)"
    found = read(tmp_path, lines, {**KERNEL, **pads(1, 1, 1, 1)})
    assert story(found) == ["~p: x -> t", "a: t + t -> y"]


def test_padding_of_a_pooling_is_its_own(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        h = Pad (g, pads)
        t = MaxPool <kernel_shape=[3,3], strides=[3,3]> (h)
        b: y = Conv (t, v)
    """
    found = read(tmp_path, lines, {**W, **V, **pads(0, 0, 1, 1)})
    assert story(found) == ["a: x -> t", "b: t -> y"]
    assert found.tensors["t"] == 4 * 3 * 3


GROWING = {
    'm: t = Resize <mode="linear"> (h, , twice)': 1024,
    "m: t = Tile (h, times)": 512,
    "m: t = Expand (h, more)": 512,
    "m: t = Gather <axis=1> (h, repeated)": 512,
    "m: t = Add (h, larger)": 512,
}


@pytest.mark.parametrize("line", GROWING)
def test_what_grows_moves(line: str, tmp_path: Path) -> None:
    constants = {
        **W,
        "v": (4, 8 if "Gather" in line else 4, 1, 1),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "times": integers(2, 1, 1, 1),
        "more": integers(2, 4, 8, 8),
        "repeated": integers(0, 0, 1, 1, 2, 2, 3, 3),
        "larger": (2, 4, 8, 8),
    }
    found = read(tmp_path, f"a: h = Conv (x, w)\n{line}\nb: y = Conv (t, v)", constants)
    assert story(found) == ["a: x -> h", "~m: h -> t", "b: t -> y"]
    assert found.tensors["t"] == GROWING[line]


def test_an_embedding_moves_rows(tmp_path: Path) -> None:
    made = model(
        "e: h = Gather (table, ids)\na: y = MatMul (h, w)",
        {"ids": (2, 7)},
        {"table": (1000, 16), "w": (16, 4)},
        kinds={"ids": TensorProto.INT64},
    )
    found = imported(tmp_path, made)
    assert story(found.network) == ["~e: ids -> h", "a: h -> y"]
    assert found.network.tensors == {"ids": 14, "h": 2 * 7 * 16, "y": 56}
    assert found.notes[0].startswith("rows looked up by index")
    assert found.notes[1] == "layers that only move data, 1: e (Gather)"


# --- quantised graphs ---------------------------------------------------------------------------


def test_dynamic_quantisation(tmp_path: Path) -> None:
    lines = """
        q, s, z = DynamicQuantizeLinear (x)
        a: h = MatMulInteger (q, w, z)
        f = Cast <to=1> (h)
        k = Mul (s, one)
        y = Mul (f, k)
    """
    found = read(tmp_path, lines, {**ONE, "w": np.ones((5, 7), np.uint8)}, {"x": (3, 5)})
    assert story(found) == ["a: x -> y"]


def test_quantised_sums_and_concatenations(tmp_path: Path) -> None:
    zero = np.zeros((), np.uint8)
    quantised = {"w": np.ones((4, 4, 1, 1), np.uint8), "u": np.ones((4, 8, 1, 1), np.uint8)}
    lines = """
        a: g = QLinearConv (x, one, zero, w, one, zero, one, zero)
        b: h = QLinearConv (g, one, zero, w, one, zero, one, zero)
        s = com.microsoft.QLinearAdd (g, one, zero, h, one, zero, one, zero)
        c: k = QLinearConv (s, one, zero, w, one, zero, one, zero)
        t = com.microsoft.QLinearConcat <axis=1> (one, zero, s, one, zero, k, one, zero)
        d: m = QLinearConv (t, one, zero, u, one, zero, one, zero)
        y = com.microsoft.QLinearGlobalAveragePool (m, one, zero, one, zero)
    """
    kinds = dict.fromkeys("xy", TensorProto.UINT8)
    constants = {**ONE, "zero": zero, **quantised}
    found = read(tmp_path, lines, constants, kinds=kinds, domains=[MS.rstrip(".")])
    assert story(found) == ["a: x -> g", "b: g + g -> t[256]", "c: t[256] -> t[256]", "d: t -> y"]
    assert found.tensors["y"] == 4
