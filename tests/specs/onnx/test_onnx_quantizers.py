"""Networks quantised by the tools of ONNX Runtime keep their MACs; their widths are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto
from onnx_graphs import model

from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.read import Imported

pytestmark = pytest.mark.long
GENERATOR = np.random.default_rng(16)
IMAGE, ROWS = (1, 3, 16, 16), (4, 64)
LINES = {
    IMAGE: """
        a: h = Conv <pads=[1,1,1,1]> (x, w)
        r = Clip (h, zero, six)
        b: e = Conv <group=8, pads=[1,1,1,1]> (r, v)
        r2 = Relu (e)
        c: g = Conv (r2, u)
        s = Add (g, r)
        p = GlobalAveragePool (s)
        f = Flatten (p)
        d: y = Gemm <transB=1> (f, t)
    """,
    ROWS: "a: h = MatMul (x, w)\nr = Relu (h)\nb: g = MatMul (r, v)\ny = Add (g, x)",
}
CONSTANTS = {
    IMAGE: {"w": (8, 3, 3, 3), "v": (8, 1, 3, 3), "u": (8, 8, 1, 1), "t": (10, 8)},
    ROWS: {"w": (64, 128), "v": (128, 64)},
}


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return GENERATOR.standard_normal(shape).astype(np.float32)


def plain(shape: tuple[int, ...], folder: Path) -> Path:
    """A network in floating point."""
    constants: dict[str, Any] = {name: drawn(*size) for name, size in CONSTANTS[shape].items()}
    if shape == IMAGE:
        constants |= {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    made: ModelProto = model(LINES[shape], {"x": shape}, constants, opset=21)
    made.ir_version = 10
    path = folder / "plain.onnx"
    onnx.save(made, path)
    return path


def compare(before: Imported, after: Imported, bits: int, activation_bits: int | None) -> None:
    """As many MACs as before, and weights as near as so many bits are."""
    assert after.network.macs == before.network.macs
    pairs = [*zip(before.weights, after.weights, strict=True)]
    for old, new in pairs:
        real, read = before.weights[old], after.weights[new]
        error = np.square(real - read).sum() / np.square(real).sum()
        assert 0 < error < 8 * 4.0**-bits
        assert after.pins[f"weight:{new}"] == bits
    others = {key: x for key, x in after.pins.items() if key.startswith("tensor:")}
    assert {*others.values()} == ({activation_bits} if activation_bits else set())
    assert len(others) == (len(after.network.inner_tensors) if activation_bits else 0)


WIDTHS = {"QInt8": 8, "QUInt8": 8, "QInt4": 4, "QInt16": 16}


@pytest.mark.parametrize("shape", [IMAGE, ROWS])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    ("form", "weights", "activations"),
    [
        *(("QDQ", "QInt8", "QUInt8"), ("QDQ", "QInt8", "QInt8"), ("QDQ", "QUInt8", "QUInt8")),
        *(("QDQ", "QInt16", "QInt16"), ("QDQ", "QInt4", "QUInt8")),
        *(("QOperator", "QInt8", "QUInt8"), ("QOperator", "QUInt8", "QUInt8")),
    ],
)
def test_ranges_measured_before(
    shape: tuple[int, ...],
    per_channel: bool,
    form: str,
    weights: str,
    activations: str,
    tmp_path: Path,
) -> None:
    tools = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime is not installed")

    class Samples(tools.CalibrationDataReader):  # type: ignore[misc]
        left = 3

        def get_next(self) -> dict[str, Any] | None:
            self.left -= 1
            return {"x": drawn(*shape)} if self.left >= 0 else None

    path, made = plain(shape, tmp_path), tmp_path / "quantised.onnx"
    tools.quantize_static(
        *(path, made, Samples()),
        quant_format=tools.QuantFormat[form],
        per_channel=per_channel,
        weight_type=tools.QuantType[weights],
        activation_type=tools.QuantType[activations],
    )
    compare(import_onnx(path), import_onnx(made), WIDTHS[weights], WIDTHS[activations])


@pytest.mark.parametrize("shape", [IMAGE, ROWS])
@pytest.mark.parametrize("per_channel", [False, True])
def test_ranges_found_on_the_way(shape: tuple[int, ...], per_channel: bool, tmp_path: Path) -> None:
    tools = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime is not installed")
    path, made = plain(shape, tmp_path), tmp_path / "quantised.onnx"
    tools.quantize_dynamic(path, made, per_channel=per_channel)
    compare(import_onnx(path), import_onnx(made), 8, 8)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("form", "bits"), [("QOperator", 4), ("QOperator", 8), ("QDQ", 4)])
def test_weights_alone(form: str, bits: int, symmetric: bool, tmp_path: Path) -> None:
    tools = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime is not installed")
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    path, made = plain(ROWS, tmp_path), tmp_path / "quantised.onnx"
    worker = MatMulNBitsQuantizer(
        onnx.load(path),
        bits=bits,
        block_size=32,
        is_symmetric=symmetric,
        quant_format=tools.QuantFormat[form],
    )
    worker.process()
    worker.model.save_model_to_file(str(made))
    compare(import_onnx(path), import_onnx(made), bits, None)
