"""Quantised weights as real numbers: those by which ONNX Runtime multiplies unit vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_graphs import imported, model

from codesign.errors import SpecError
from codesign.quality import weight_sensitivity
from codesign.specs.onnx.graph.operators import MS

Array = np.ndarray[Any, Any]
INPUTS, OUTPUTS = 40, 6
GENERATOR = np.random.default_rng(16)
CODES = GENERATOR.integers(-8, 8, (INPUTS, OUTPUTS))
ZEROS = GENERATOR.integers(-3, 4, OUTPUTS)
SCALES = np.array([0.5, 0.25, 2, 1, 0.5, 4], np.float32)
ONES = {"one": np.array(1, np.float32), "half": np.array(0.5, np.float32)}
DOMAINS = [MS.rstrip(".")]


def signed(array: Any) -> Array:
    return np.asarray(array, np.int8)


def response(made: ModelProto, unit: Array) -> Array:
    """What a runtime makes of each unit vector: the weights, outputs first."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(made.SerializeToString(), options)
    (found,) = session.run(None, {"x": unit})
    return np.asarray(found, np.float64).reshape(INPUTS, OUTPUTS).T


def compare(made: ModelProto, folder: Path, unit: Array | None = None, atol: float = 0) -> None:
    """The weights read are those by which the runtime multiplies."""
    unit = np.eye(INPUTS, dtype=np.float32) if unit is None else unit
    expected = response(made, unit)
    found = imported(folder, made).weights["a"].reshape(OUTPUTS, INPUTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=atol)
    assert len(np.unique(found)) > 10


X = {"x": (INPUTS, INPUTS)}
PER_AXIS = {"w": signed(CODES), "s": SCALES, "z": signed(ZEROS)}
BLOCKS = {
    "w": signed(CODES),
    "s": GENERATOR.integers(1, 9, (3, OUTPUTS)).astype(np.float32) / 4,
    "z": signed(GENERATOR.integers(-3, 4, (3, OUTPUTS))),
}
FLOATS = GENERATOR.standard_normal((INPUTS, OUTPUTS)).astype(np.float32) * 4


@pytest.mark.parametrize("opset", [10, 13, 19, 21, 23])
def test_one_scale(opset: int, tmp_path: Path) -> None:
    lines = "d = DequantizeLinear (w, s, z)\na: y = MatMul (x, d)"
    one = {"w": signed(CODES), "s": np.array(0.25, np.float32), "z": signed(-3)}
    made = model(lines, X, one, opset=opset)
    compare(made, tmp_path)


@pytest.mark.parametrize("opset", [13, 19, 21, 23])
def test_a_scale_for_each_output(opset: int, tmp_path: Path) -> None:
    columns = "d = DequantizeLinear <axis=1> (w, s, z)\na: y = MatMul (x, d)"
    compare(model(columns, X, PER_AXIS, opset=opset), tmp_path)
    usual = columns.replace("<axis=1> ", "")
    compare(model(usual, X, PER_AXIS, opset=opset), tmp_path)
    rows = "d = DequantizeLinear <axis=-2> (w, s, z)\na: y = Gemm <transB=1> (x, d)"
    compare(model(rows, X, {**PER_AXIS, "w": signed(CODES.T)}, opset=opset), tmp_path)


@pytest.mark.parametrize("opset", [21, 23])
def test_a_scale_for_each_block(opset: int, tmp_path: Path) -> None:
    lines = "d = DequantizeLinear <axis=0, block_size=16> (w, s, z)\na: y = MatMul (x, d)"
    compare(model(lines, X, BLOCKS, opset=opset), tmp_path)


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_types_of_four_bits(kind: int, tmp_path: Path) -> None:
    lines = "d = DequantizeLinear <axis=0, block_size=16> (w, s, z)\na: y = MatMul (x, d)"
    made = model(lines, X, BLOCKS, opset=21)
    for tensor in made.graph.initializer:
        if tensor.name in "wz":
            values = np.abs(BLOCKS[tensor.name]).astype(int).reshape(-1) % 8
            tensor.CopyFrom(helper.make_tensor(tensor.name, kind, tensor.dims, values))
    made.ir_version = 10
    compare(made, tmp_path)
    assert imported(tmp_path, made).pins == {"weight:a": 4}


def test_of_the_runtime_s_own_domain(tmp_path: Path) -> None:
    lines = f"d = {MS}DequantizeLinear <axis=1> (w, s, z)\na: y = MatMul (x, d)"
    compare(model(lines, X, PER_AXIS, domains=DOMAINS), tmp_path)


@pytest.mark.parametrize("opset", [10, 13, 21])
def test_quantised_on_the_way(opset: int, tmp_path: Path) -> None:
    """Stored in floating point."""
    lines = "q = QuantizeLinear (w, s, z)\nd = DequantizeLinear (q, s, z)\na: y = MatMul (x, d)"
    one = {"w": FLOATS, "s": np.array(0.5, np.float32), "z": signed(-3)}
    compare(model(lines, X, one, opset=opset), tmp_path)
    if opset > 10:
        compare(model(lines, X, {**PER_AXIS, "w": FLOATS}, opset=opset), tmp_path)
        clipped = lines.replace("(q, s, z)", "(c, s, z)").replace("\na", "\nc = Clip (q, l, h)\na")
        lines = "\n".join(clipped.splitlines()[i] for i in (0, 2, 1, 3))
        made = model(lines, X, {**one, "l": signed(-8), "h": signed(7)}, opset=opset)
        compare(made, tmp_path)
        assert imported(tmp_path, made).pins == {"weight:a": 4}


def test_quantised_to_four_bits_on_the_way(tmp_path: Path) -> None:
    lines = "q = QuantizeLinear (w, s, z)\nd = DequantizeLinear (q, s, z)\na: y = MatMul (x, d)"
    made = model(lines, X, {"w": FLOATS, "s": SCALES, "z": signed(ZEROS)}, opset=21)
    zero = next(tensor for tensor in made.graph.initializer if tensor.name == "z")
    zero.CopyFrom(helper.make_tensor("z", TensorProto.INT4, zero.dims, ZEROS))
    made.ir_version = 10
    compare(made, tmp_path)
    assert imported(tmp_path, made).pins == {"weight:a": 4}


QUANTISED = {
    "one": ONES["one"],
    "half": ONES["half"],
    "o": signed(0),
    "w": signed(CODES),
    "s": SCALES,
    "z": signed(ZEROS),
    "t": signed(CODES.T),
    "s1": np.array(0.25, np.float32),
    "z1": signed(-3),
    "k": signed(CODES.T).reshape(OUTPUTS, INPUTS, 1, 1),
}
INTEGER = {
    "q = QLinearMatMul (x, one, o, w, s, z, half, o)\ny = DequantizeLinear (q, half, o)": X,
    "q = QLinearMatMul (x, one, o, w, s1, z1, half, o)\ny = DequantizeLinear (q, half, o)": X,
    f"q = {MS}QGemm (x, one, o, w, s, z, , half, o)\ny = DequantizeLinear (q, half, o)": X,
    f"q = {MS}QGemm <transB=1> (x, one, o, t, s, z, , half, o)\n"
    "y = DequantizeLinear (q, half, o)": X,
    "q = MatMulInteger (x, w, o, z)\nf = Cast <to=1> (q)\ny = Mul (f, s)": X,
    "q = MatMulInteger (x, w, , z1)\nf = Cast <to=1> (q)\ny = Mul (s1, f)": X,
    f"y = {MS}MatMulIntegerToFloat (x, w, one, s, o, z)": X,
    "q = QLinearConv (x, one, o, k, s, o, half, o)\ny = DequantizeLinear (q, half, o)": {
        "x": (INPUTS, INPUTS, 1, 1)
    },
    "q = ConvInteger (x, k, o, z1)\nf = Cast <to=1> (q)\ny = Mul (f, s1)": {
        "x": (INPUTS, INPUTS, 1, 1)
    },
}


@pytest.mark.parametrize("lines", INTEGER)
def test_of_integer_products(lines: str, tmp_path: Path) -> None:
    shape = INTEGER[lines]["x"]
    used = {name: x for name, x in QUANTISED.items() if any(f" {name}{e}" in lines for e in ",)")}
    used |= {name: x for name, x in QUANTISED.items() if f"({name}," in lines}
    made = model(
        "a: " + lines, {"x": shape}, used, kinds={"x": TensorProto.INT8}, domains=DOMAINS, opset=13
    )
    compare(made, tmp_path, np.eye(INPUTS, dtype=np.int8).reshape(shape), atol=0.25)


def test_of_a_product_quantised_as_it_runs(tmp_path: Path) -> None:
    """The scale of the data is found on the way; that of the weights is a factor of another."""
    lines = """
        q, xs, xz = DynamicQuantizeLinear (x)
        a: p = MatMulInteger (q, w, xz, z)
        f = Cast <to=1> (p)
        b = Mul (xs, s)
        y = Mul (f, b)
    """
    compare(model(lines, X, PER_AXIS, opset=13), tmp_path, atol=1e-4)
    fused = f"a: y = {MS}DynamicQuantizeMatMul (x, w, s, z)"
    compare(model(fused, X, PER_AXIS, domains=DOMAINS, opset=13), tmp_path, atol=1e-4)


def packed(codes: Array, bits: int) -> Array:
    """Rows of codes in bytes, the first in the lowest bits."""
    ones = codes[..., None] >> np.arange(bits) & 1
    return np.packbits(ones.reshape(*codes.shape[:-1], -1).astype(np.uint8), -1, bitorder="little")


PACKED = [(4, 16, "none"), (4, 32, "packed"), (4, 16, "floats"), (8, 32, "none"), (8, 16, "packed")]


@pytest.mark.parametrize(("bits", "block", "zeros"), PACKED)
def test_packed_in_blocks(bits: int, block: int, zeros: str, tmp_path: Path) -> None:
    blocks = -(-INPUTS // block)
    generator = np.random.default_rng(bits * block)
    codes = generator.integers(0, 2**bits, (OUTPUTS, blocks, block))
    shifts = generator.integers(0, 2**bits, (OUTPUTS, blocks))
    constants = {
        "w": packed(codes, bits),
        "s": generator.integers(1, 9, (OUTPUTS, blocks)).astype(np.float32) / 4,
    }
    if zeros != "none":
        constants["z"] = packed(shifts, bits) if zeros == "packed" else shifts.astype(np.float32)
    sizes = f"K={INPUTS}, N={OUTPUTS}, bits={bits}, block_size={block}"
    read = "x, w, s" if zeros == "none" else "x, w, s, z"
    made = model(f"a: y = {MS}MatMulNBits <{sizes}> ({read})", X, constants, domains=DOMAINS)
    compare(made, tmp_path)
    assert imported(tmp_path, made).pins == {"weight:a": bits}


def test_packed_and_sorted(tmp_path: Path) -> None:
    """Each input names its block, as after sorting by importance."""
    generator = np.random.default_rng(3)
    constants = {
        "w": packed(generator.integers(0, 16, (OUTPUTS, 3, 16)), 4),
        "s": generator.integers(1, 9, (OUTPUTS, 3)).astype(np.float32) / 4,
        "g": generator.integers(0, 3, INPUTS).astype(np.int32),
    }
    sizes = f"K={INPUTS}, N={OUTPUTS}, bits=4, block_size=16"
    line = f"a: y = {MS}MatMulNBits <{sizes}> (x, w, s, , g)"
    compare(model(line, X, constants, domains=DOMAINS), tmp_path)


@pytest.mark.parametrize("kind", [0, 1])
def test_places_in_a_codebook(kind: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(kind)
    constants = {
        "w": generator.integers(0, 256, INPUTS * OUTPUTS // 2).astype(np.uint8),
        "s": generator.integers(1, 9, -(-INPUTS * OUTPUTS // 16)).astype(np.float32) / 4,
    }
    sizes = f"K={INPUTS}, N={OUTPUTS}, block_size=16, quant_type={kind}"
    line = f"a: y = {MS}MatMulBnb4 <{sizes}> (x, w, s)"
    compare(model(line, X, constants, domains=DOMAINS), tmp_path)


# --- QONNX --------------------------------------------------------------------------------------

QONNX = "qonnx.custom_op.general"
EXACT = {  # by hand, of these weights
    "Quant <signed=1> (w, half, o, b)": (4, [-1.5, 0, 1, 3.5, -4]),
    "Quant <signed=1, narrow=1> (w, half, o, b)": (4, [-1.5, 0, 1, 3.5, -3.5]),
    "IntQuant (w, half, one, b)": (3, [-1.5, 0, 0.5, 1, -2.5]),  # codes −4 … 3 about 1
    "Quant <signed=0> (w, half, o, b)": (2, [0, 0, 1, 1.5, 0]),
    "Quant <signed=0, narrow=1> (w, half, o, b)": (2, [0, 0, 1, 1, 0]),
    "Quant (w, half, o, b)": (1, [-0.5, 0.5, 0.5, 0.5, -0.5]),
    "BipolarQuant (w, half)": (1, [-0.5, 0.5, 0.5, 0.5, -0.5]),
    "FloatQuant (w, one, b, one, one, six)": (2, [-1.5, 0, 1, 4, -6]),  # of 4 bits, E2M1
    "FloatQuant (w, half, b, one, one, six)": (2, [-1.5, 0.25, 0.75, 3, -3]),
}


@pytest.mark.parametrize("line", EXACT)
def test_what_quantisers_make(line: str, tmp_path: Path) -> None:
    bits, expected = EXACT[line]
    constants = {
        "w": np.array([[-1.3], [0.2], [0.75], [5], [-9]], np.float32),
        "b": np.array(bits, np.float32),
        **{name: np.array(x, np.float32) for name, x in (("half", 0.5), ("one", 1), ("six", 6))},
        "o": np.array(0, np.float32),
    }
    lines = f"d = {QONNX}.{line}\na: y = MatMul (x, d)"
    made = model(lines, {"x": (2, 5)}, constants, domains=[QONNX])
    assert imported(tmp_path, made).weights["a"].reshape(-1).tolist() == expected


ROUNDED = {  # the table of QONNX's page on IntQuant, version 1
    "ROUND": [6, 2, 2, 1, 1, -1, -1, -2, -2, -6],
    "ceil": [6, 3, 2, 2, 1, -1, -1, -1, -2, -5],
    "FLOOR": [5, 2, 1, 1, 1, -1, -2, -2, -3, -6],
    "UP": [6, 3, 2, 2, 1, -1, -2, -2, -3, -6],
    "DOWN": [5, 2, 1, 1, 1, -1, -1, -1, -2, -5],
    "HALF_UP": [6, 3, 2, 1, 1, -1, -1, -2, -3, -6],
    "HALF_DOWN": [5, 2, 2, 1, 1, -1, -1, -2, -2, -5],
}


@pytest.mark.parametrize("mode", [*ROUNDED, "SIDEWAYS"])
def test_how_quantisers_round(mode: str, tmp_path: Path) -> None:
    given = [5.5, 2.5, 1.6, 1.1, 1.0, -1.0, -1.1, -1.6, -2.5, -5.5]
    constants = {"w": np.array(given, np.float32).reshape(-1, 1), **ONES}
    constants |= {"o": np.array(0, np.float32), "b": np.array(8, np.float32)}
    lines = f'd = {QONNX}.Quant <rounding_mode="{mode}"> (w, one, o, b)\na: y = MatMul (x, d)'
    found = imported(tmp_path, model(lines, {"x": (2, 10)}, constants, domains=[QONNX])).weights
    if mode in ROUNDED:
        assert found["a"].reshape(-1).tolist() == ROUNDED[mode]
    else:
        with pytest.raises(SpecError, match="Quant rounds by 'SIDEWAYS'; QONNX has ROUND, "):
            found["a"]


def test_the_noise_of_weights_that_are_on_a_grid(tmp_path: Path) -> None:
    """None at the width they are stored in, some below."""
    constants = {
        "w": FLOATS,
        "b": np.array(4, np.float32),
        "o": np.array(0, np.float32),
        "s": np.abs(FLOATS).max(axis=0, keepdims=True) / 7,
    }
    lines = f"d = {QONNX}.Quant <narrow=1> (w, s, o, b)\na: y = MatMul (x, d)"
    found = imported(tmp_path, model(lines, X, constants, domains=[QONNX]))
    noise = weight_sensitivity(found.network, found.weights, [3, 4, 5])["weight:a"]
    assert found.pins == {"weight:a": 4}
    assert noise[3] > 1e-3
    assert noise[4] < 1e-12
    assert noise[5] < 1e-12
