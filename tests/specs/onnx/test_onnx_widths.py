"""Widths of less than their type's: what is clipped, what quantisers of QONNX state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_graphs import imported, model

from codesign.errors import SpecError

QONNX = "qonnx.custom_op.general"
X = {"x": (3, 4)}
S = np.float32(0.5)
CONSTANTS = {
    "w": (4, 5),
    "s": np.array(S),
    "per": np.array([0.5, 0.25, 1, 0.5], np.float32),
    "i": np.array(0, np.int8),
    "u": np.array(0, np.uint8),
    "u128": np.array(128, np.uint8),
    "i_128": np.array(-128, np.int8),
    **{f"n{x}": np.array(-x, np.int8) for x in (1, 3, 7, 8, 64, 120)},
    **{f"p{x}": np.array(x, np.int8) for x in (1, 3, 7, 8, 15, 63, 127)},
    **{f"u{x}": np.array(x, np.uint8) for x in (3, 15, 120, 127, 135, 200)},
    **{f"f{x}": np.array(x, np.float32) for x in (0, 3, 6, 7, 8, 127)},
    "f15h": np.array(7.5, np.float32),
    **{f"m{x}": np.array(-x, np.float32) for x in (2, 4, 8)},
    "ends": np.array([-7, -3, -5, -1], np.int8),
}


def pins(folder: Path, lines: str, inputs: Any = X, **how: Any) -> dict[str, int]:
    used = {name: x for name, x in CONSTANTS.items() if name in lines.replace(",", " , ")}
    made = model(lines + "\na: y = MatMul (d, w)", inputs, {**used, "w": (4, 5)}, **how)
    return imported(folder, made).pins


CLIPPED = {
    # after quantising: the codes themselves
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n7, p7)": 4,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n8, p7)": 4,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n8, p8)": 5,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n1, p1)": 2,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, i, p15)": 4,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, i, p1)": 1,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n1, i)": 1,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n64, p63)": 7,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, , p7)": 8,
    "q = QuantizeLinear (x, s, i)\nc = Clip (q, n8)": 8,
    "q = QuantizeLinear (x, s, u)\nc = Clip (q, u, u15)": 4,
    "q = QuantizeLinear (x, s, u)\nc = Clip (q, , u15)": 4,
    "q = QuantizeLinear (x, s, u)\nc = Min (q, u3)": 2,
    "q = QuantizeLinear (x, s, u)\nc = Min (u3, q)": 2,
    "q = QuantizeLinear (x, s, i)\nr = Max (q, n8)\nc = Min (r, p7)": 4,
    "q = QuantizeLinear (x, s, i)\nr = Max (q, ends)\nc = Min (r, p7)": 4,
    "q = QuantizeLinear (x, s, i)\nr = Clip (q, n8, p7)\nc = Relu (r)": 3,
    "q = QuantizeLinear (x, s, i)\nr = Clip (q, n8, p7)\nc = Identity (r)": 4,
    "q = QuantizeLinear (x, s, i)\nr = Clip (q, n8, p7)\nc = Clip (r, n3, p127)": 4,
    "q = QuantizeLinear (x, s, i)\nr = Identity (q)\nc = Clip (r, n3, p3)": 3,
    "q = QuantizeLinear (x, s, u128)\nc = Clip (q, u120, u135)": 4,  # −8 … 7 around its zero
    "q = QuantizeLinear (x, s, u)\nc = Clip (q, u120, u135)": 8,
    # before: ends in units of the scale, rounded
    "r = Clip (x, m4, f3)\nc = QuantizeLinear (r, s, i)": 4,
    "r = Clip (x, m4, f15h)\nc = QuantizeLinear (r, s, i)": 5,
    "r = Clip (x, m8, f8)\nc = QuantizeLinear (r, per, i)": 7,  # 32 steps of the smallest scale
    "r = Clip (x, f0, f15h)\nc = QuantizeLinear (r, s, u)": 4,
    "r = Clip (x, f0, f8)\nc = QuantizeLinear (r, s, u)": 5,
    "r = Clip (x, m4, f3)\nc = QuantizeLinear (r, s, u128)": 4,
    "r = Clip (x, f0, f15h)\nc = QuantizeLinear (r, s, i_128)": 4,
    "r = Clip (x, f0, f7)\nc = QuantizeLinear (r, s, i)": 5,  # a sign that is never set
    "r0 = Max (x, m4)\nr = Min (r0, f3)\nc = QuantizeLinear (r, s, i)": 4,
    # an activation function that fills the type, or leaves one end open
    "r = Relu (x)\nc = QuantizeLinear (r, s, i)": 8,
    "r = Clip (x, f0, f127)\nc = QuantizeLinear (r, s, i)": 8,
    "r = Clip (x, m4)\nc = QuantizeLinear (r, s, i)": 8,
    "r = Clip (x, , f3)\nc = QuantizeLinear (r, s, i)": 8,
}


@pytest.mark.parametrize("lines", CLIPPED)
def test_of_clipped_codes(lines: str, tmp_path: Path) -> None:
    name = next(name for name in ("i_128", "u128", "u", "i") if f", {name})" in lines)
    found = pins(tmp_path, f"{lines}\nd = DequantizeLinear (c, s, {name})", opset=20)
    assert found == {"tensor:x": CLIPPED[lines]}


def test_rounded_and_clipped_in_floating_point(tmp_path: Path) -> None:
    lines = "q = Div (x, s)\nr = Round (q)\nc = Clip (r, m8, f7)\nd = Mul (c, s)"
    assert pins(tmp_path, lines) == {"tensor:x": 4}
    assert pins(tmp_path, lines.replace(", f7", "")) == {}  # one end is open
    assert pins(tmp_path, lines.replace("r = Round (q)", "r = Neg (q)")) == {}
    assert pins(tmp_path, lines.replace("f7", "f15h")) == {}  # 7.5 is no code


def test_ends_that_are_attributes(tmp_path: Path) -> None:
    lines = """
        c = Clip <min=-4.0, max=3.0> (x)
        q = QuantizeLinear (c, s, i)
        d = DequantizeLinear (q, s, i)
    """
    assert pins(tmp_path, lines, opset=10) == {"tensor:x": 4}


def test_ends_that_depend_on_data(tmp_path: Path) -> None:
    lines = """
        q = QuantizeLinear (x, s, i)
        c = Clip (q, e, p7)
        d = DequantizeLinear (c, s, i)
    """
    inputs = {**X, "e": ()}
    found = pins(tmp_path, lines, inputs, kinds={"e": TensorProto.INT8})
    assert found == {"tensor:x": 8, "tensor:e": 8, "tensor:c": 8}  # a layer reads both


def test_padding_lies_beside_what_is_clipped(tmp_path: Path) -> None:
    lines = """
        q = QuantizeLinear (x, s, i)
        c = Clip (q, n7, p7)
        p = Pad (c, amounts{fill})
        d0 = DequantizeLinear (p, s, i)
        d = MatMul (d0, v)
    """
    amounts = {"amounts": np.array([0, 1, 0, 1], np.int64), "v": (6, 4), "w": (4, 5)}
    for fill, bits in (("", 4), (", p63", 7)):
        made = model(lines.format(fill=fill) + "\ny = MatMul (d, w)", X, {**CONSTANTS, **amounts})
        assert imported(tmp_path, made).pins == {"tensor:x": 4, "tensor:p": bits}


AXES = {"axes": np.array([2, 3], np.int64)}
KEPT = {
    'k = Resize <mode="nearest"> (c, , twice)': "q: 4",
    'k = Resize <mode="linear"> (c, , twice)': "q: 4, k: 8",
    "k, o = MaxPool <kernel_shape=[2,2], strides=[2,2]> (c)": "q: 4, k: 4",
    "k = ReduceMax (c, axes)": "q: 4, k: 4",
    "k, o = Split <axis=2, num_outputs=2> (c)": "q: 4",
}


@pytest.mark.parametrize("line", KEPT)
def test_operators_that_keep_the_codes(line: str, tmp_path: Path) -> None:
    lines = f"""
        q = QuantizeLinear (x, s, i)
        c = Clip (q, n7, p7)
        {line}
        d = DequantizeLinear (k, s, i)
        a: y = Conv (d, v)
    """
    twice = np.array([1, 1, 2, 2], np.float32)
    made = model(
        lines, {"x": (1, 2, 4, 4)}, {**CONSTANTS, "v": (3, 2, 1, 1), "twice": twice, **AXES}
    )
    found = imported(tmp_path, made).pins
    expected = dict(pair.split(": ") for pair in KEPT[line].split(", "))
    names = {"q": "tensor:x", "k": "tensor:k"}
    assert found == {names[key]: int(bits) for key, bits in expected.items()}


def test_a_later_width_holds(tmp_path: Path) -> None:
    """8 bits on the way to 4: nothing is stored in 8."""
    lines = """
        h = MatMul (x, v)
        q = QuantizeLinear (h, s, i)
        e = DequantizeLinear (q, s, i)
        b = Relu (e)
        c = QuantizeLinear (b, s, u)
        k = Clip (c, u, u15)
        d = DequantizeLinear (k, s, u)
    """
    made = model(lines + "\na: y = MatMul (d, w)", X, {**CONSTANTS, "v": (4, 4)})
    assert imported(tmp_path, made).pins == {"tensor:h": 4}
    both = model(
        lines + "\na: y0 = MatMul (d, w)\nb: y1 = MatMul (b, w)\ny = Add (y0, y1)",
        X,
        {**CONSTANTS, "v": (4, 4)},
    )
    assert imported(tmp_path, both).pins == {"tensor:h": 8}  # somebody reads it before


def test_of_a_sum_that_is_quantised(tmp_path: Path) -> None:
    """Both branches in 8 bits, their sum in 4: what is stored is the sum."""
    lines = """
        g = MatMul (x, v)
        gq = QuantizeLinear (g, s, i)
        gd = DequantizeLinear (gq, s, i)
        t = Add (gd, x)
        tq = QuantizeLinear (t, s, i)
        tc = Clip (tq, n8, p7)
        d = DequantizeLinear (tc, s, i)
    """
    made = model(lines + "\na: y = MatMul (d, w)", X, {**CONSTANTS, "v": (4, 4)})
    assert imported(tmp_path, made).pins == {"tensor:t": 4}


def eight(value: str, result: str) -> str:
    return f"""
        {result}q = QuantizeLinear ({value}, s, i)
        {result} = DequantizeLinear ({result}q, s, i)
    """


def four(value: str, result: str) -> str:
    return f"""
        {result}q = QuantizeLinear ({value}, s, i)
        {result}c = Clip ({result}q, n8, p7)
        {result} = DequantizeLinear ({result}c, s, i)
    """


FIRST, POOL = "h = Conv (x, v)" + eight("h", "k"), "m = MaxPool <kernel_shape=[2,2]> (k)"
STORED = {  # which tensors there are, and in which width
    "a pooling on the way out": (FIRST + POOL + four("m", "d"), "y = Conv (d, w)", {"m": 4}),
    "what is pooled has another reader": (
        FIRST + POOL + four("m", "d"),
        "y0 = Conv (d, w)\ny1 = MaxPool <kernel_shape=[2,2]> (k)\ny = Concat <axis=1> (y0, y1)",
        {"h": 8, "m": 4},
    ),
    "parts of a concatenation": (
        f"{FIRST}g = Conv (x, v){eight('g', 'l')}t = Concat <axis=2> (k, l){four('t', 'd')}",
        "y = Conv (d, w)",
        {"t": 4},
    ),
    "a sum": (
        f"{FIRST}g = Conv (k, v){eight('g', 'l')}t = Add (l, k){four('t', 'd')}",
        "y = Conv (d, w)",
        {"h": 8, "t": 4},
    ),
    "8 bits after 4": (
        f"h = Conv (x, v){four('h', 'k')}r = Relu (k){eight('r', 'd')}",
        "y = Conv (d, w)",
        {"h": 8},
    ),
}


@pytest.mark.parametrize("name", STORED)
def test_what_is_stored_decides(name: str, tmp_path: Path) -> None:
    before, after, bits = STORED[name]
    constants = {**CONSTANTS, "v": (2, 2, 1, 1), "w": (3, 2, 1, 1)}
    made = model(f"{before}\n{after}", {"x": (1, 2, 4, 4)}, constants)
    expected = {f"tensor:{tensor}": x for tensor, x in bits.items()}
    assert imported(tmp_path, made).pins == expected


# --- weights ------------------------------------------------------------------------------------

BYTES = np.arange(-10, 10, dtype=np.int8).reshape(4, 5)
WEIGHTS = {
    "c = Clip (w, n7, p7)\nd = DequantizeLinear (c, s, i)": (BYTES, 4),
    "c = Clip (w, n7, p7)\nd0 = DequantizeLinear (c, s, i)\nd = Identity (d0)": (BYTES, 4),
    "d = DequantizeLinear (w, s, i)": (BYTES, 8),  # though none is beyond −10 … 9
    "q = QuantizeLinear (w, s, i)\nc = Clip (q, n1, p1)\nd = DequantizeLinear (c, s, i)": (
        BYTES.astype(np.float32),
        2,
    ),
    "f = Cast <to=1> (w)\nd = Mul (f, s)": (BYTES, 8),
    "c = Clip (w, n7, p7)\nf = Cast <to=1> (c)\nd = Mul (f, s)": (BYTES, 4),
}


@pytest.mark.parametrize("times", [1, 500])  # folded, and too large for that
@pytest.mark.parametrize("lines", WEIGHTS)
def test_of_weights(lines: str, times: int, tmp_path: Path) -> None:
    given, bits = WEIGHTS[lines]
    used = {**CONSTANTS, "w": np.tile(given, (times, 1))}
    made = model(lines + "\na: y = MatMul (x, d)", {"x": (3, 4 * times)}, used)
    assert imported(tmp_path, made).pins == {"weight:a": bits}


# --- QONNX --------------------------------------------------------------------------------------

QUANTISERS = {
    "Quant <signed=1> (x, s, f0, b)": ("4", 4),
    "Quant <signed=0, narrow=1> (x, s, f0, b)": ("4", 4),
    "IntQuant (x, s, f0, b)": ("2", 2),
    "BipolarQuant (x, s)": ("4", 1),
    "Trunc (x, s, f0, f8, b)": ("3", 3),
    "Trunc (x, s, f0, f8, s, b)": ("3", 3),
    "FloatQuant (x, s, f3, f3, f3, f8)": ("4", None),
}


@pytest.mark.parametrize("domain", [QONNX, "finn.custom_op.general", "onnx.brevitas"])
@pytest.mark.parametrize("line", QUANTISERS)
def test_of_quantisers(line: str, domain: str, tmp_path: Path) -> None:
    bits, expected = QUANTISERS[line]
    constants = {**CONSTANTS, "b": np.array(bits, np.float32)}
    made = model(f"d = {domain}.{line}\na: y = MatMul (d, w)", X, constants, domains=[domain])
    found = imported(tmp_path, made)
    assert found.pins == ({} if expected is None else {"tensor:x": expected})
    assert found.network.macs == 3 * 4 * 5


def bits_of(folder: Path, given: Any) -> dict[str, int]:
    lines = f"d = {QONNX}.Quant (x, s, f0, b)\na: y = MatMul (d, w)"
    made = model(lines, X, {**CONSTANTS, "b": np.array(given, np.float32)}, domains=[QONNX])
    return imported(folder, made).pins


def test_a_width_for_each_channel(tmp_path: Path) -> None:
    assert bits_of(tmp_path, [2, 4, 4, 3]) == {"tensor:x": 4}


def test_integers_of_more_than_16_bits_are_sums(tmp_path: Path) -> None:
    assert bits_of(tmp_path, 16) == {"tensor:x": 16}
    assert bits_of(tmp_path, 32) == {}


@pytest.mark.parametrize("bad", [3.5, 0, -2, np.nan, []])
def test_widths_that_are_none(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^\S+tiny\.onnx: node 'Quant_0' \(qonnx\S+Quant\): "):
        bits_of(tmp_path, bad)


def test_a_width_that_depends_on_data(tmp_path: Path) -> None:
    lines = f"d = {QONNX}.Quant (x, s, f0, b)\na: y = MatMul (d, w)"
    made = model(lines, {**X, "b": ()}, CONSTANTS, domains=[QONNX])
    with pytest.raises(SpecError, match="its bit width is no small constant"):
        imported(tmp_path, made)


def test_floating_point_of_few_bits_is_no_width(tmp_path: Path) -> None:
    lines = f"""
        q = QuantizeLinear (x, s, z)
        d0 = DequantizeLinear (q, s, z)
        d = {QONNX}.FloatQuant (d0, s, f3, f3, f3, f8)
        a: y = MatMul (d, w)
    """
    made = model(lines, X, {**CONSTANTS, "z": np.array(0, np.float32)}, domains=[QONNX])
    zero = next(tensor for tensor in made.graph.initializer if tensor.name == "z")
    zero.CopyFrom(helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, (), [0.0]))
    found = imported(tmp_path, made)
    assert found.pins == {}
    assert found.notes == (
        "values in floating point of few bits have no integer width: q (FLOAT8E4M3FN), "
        "d (FloatQuant)",
    )


DATATYPES = {
    "INT4": 4,
    "UINT3": 3,
    "BINARY": 1,
    "BIPOLAR": 1,
    "TERNARY": 2,
    "SCALEDINT<8>": 8,
    "FIXED<6,2>": 6,
    "FIXED<12, -1>": 12,
    "FLOAT32": None,
    "FLOAT<4,3,7>": None,
    "INT": None,
}


@pytest.mark.parametrize("name", DATATYPES)
def test_of_types_noted_beside_values(name: str, tmp_path: Path) -> None:
    """As QONNX notes them of weights and activations that are integers in floating point."""
    made = model("r = Relu (x)\na: y = MatMul (r, w)", X, {"w": (4, 5)})
    for value in ("r", "w"):
        noted = made.graph.quantization_annotation.add(tensor_name=value)
        noted.quant_parameter_tensor_names.add(key="finn_datatype", value=name)
    bits = DATATYPES[name]
    found = {} if bits is None else {"weight:a": bits, "tensor:x": bits}
    assert imported(tmp_path, made).pins == found


def test_thresholds_state_the_type_they_make(tmp_path: Path) -> None:
    line = f'd = {QONNX}.MultiThreshold <out_dtype="UINT2", out_scale=0.5> (x, t)'
    made = model(f"{line}\na: y = MatMul (d, w)", X, {**CONSTANTS, "t": (1, 3)}, domains=[QONNX])
    assert imported(tmp_path, made).pins == {"tensor:x": 2}


def test_a_domain_that_the_file_does_not_name(tmp_path: Path) -> None:
    constants = {**CONSTANTS, "b": np.array(4, np.float32)}
    lines = f"d = {QONNX}.Quant (x, s, f0, b)\na: y = MatMul (d, w)"
    made = model(lines, X, constants, domains=[QONNX])
    del made.opset_import[1:]
    assert imported(tmp_path, made).pins == {"tensor:x": 4}
