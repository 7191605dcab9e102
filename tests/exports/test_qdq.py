"""ONNX files quantised at chosen widths: read back with the same, checked, and run."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import refused, run
from onnx_graphs import ROOMY, model
from pipelines import tiny
from seeds import check_all, mostly_long

from codesign import Accelerator, SpecError, evaluate, solve
from codesign.exports.bits import bit_assignment
from codesign.exports.qdq import quantised_model, to_quantise
from codesign.exports.quantised_onnx import quantise_onnx
from codesign.exports.runtime import random_runs, ranges_of, shapes_of
from codesign.quality.quantise import quantise
from codesign.specs.onnx import import_onnx

onnxruntime = pytest.importorskip("onnxruntime")

LINES = """
    first: h = Conv <pads=[1,1,1,1]> (x, w)
    r: a = Relu (h)
    second: b = Conv <pads=[1,1,1,1], group=2> (a, u)
    down: s = Conv (a, z)
    add: c = Add (b, s)
    pool: d = MaxPool <kernel_shape=[2,2], strides=[2,2]> (c)
    up: t = ConvTranspose (d, o)
    flat: e = Flatten (t)
    last: f = Gemm <transB=1> (e, v)
    tail: y = MatMul (f, m)
"""
SIZES = {
    "w": (8, 4, 3, 3),
    "u": (8, 4, 3, 3),
    "z": (8, 8, 1, 1),
    "o": (8, 4, 2, 2),
    "v": (10, 36),
    "m": (10, 6),
}
WIDE = Accelerator(
    **{  # type: ignore[arg-type]
        **{x: getattr(ROOMY, x) for x in ("rows", "cols", "engine", "clock_hz", "sram_bits")},
        "name": "chip",
        "pe_weight_bits": 16,
        "pe_activation_bits": 16,
        "dram_bits_per_s": 1e9,
    }
)


def written(path: Path, opset: int, seed: int = 0, lines: str = LINES) -> Path:
    rng = np.random.default_rng(seed)
    weights = {
        name: (rng.standard_normal(shape) * 10 ** rng.uniform(-2, 1)).astype(np.float32)
        for name, shape in SIZES.items()
        if f"{name})" in lines
    }
    made = model(lines, {"x": (1, 4, 4, 4)}, weights, opset=opset)
    made.ir_version = 10
    onnx.save(made, path)
    return path


def chosen(rng: random.Random, sources: Any, most: int) -> dict[str, int]:
    return {source: rng.randint(2, most) for source in sources}


def check_round_trip(seed: int, folder: Path) -> None:
    rng = random.Random(f"qdq {seed}")
    opset = rng.choice((11, 13, 17, 20, 21, 23))
    path = written(folder / f"m{seed}.onnx", opset, seed)
    imported, proto = import_onnx(path), onnx.load(path)
    widths = chosen(rng, imported.network.noise_sources, 16 if opset >= 21 else 8)
    runs = random_runs(proto, shapes_of(proto, None, {}), {})
    found = quantise_onnx(proto, imported, {}, widths, runs)
    assert found.read_back == widths
    assert not found.left
    assert not found.differing(widths)
    (result,) = found.agreement.values()
    assert result["sqnr_db"] is not None
    told = [*found.encodings["activation_encodings"], *found.encodings["param_encodings"]]
    assert sorted(x["bw"] for x in told) == sorted(widths.values())
    again = onnx.load_from_string(found.content)
    stored = {x.name: x.data_type for x in again.graph.initializer}
    for source, bits in widths.items():
        if source.startswith("weight:") and bits == 4 and opset >= 21:
            (value,) = (x for x, name in imported.weight_values.items() if name == source)
            assert stored[f"{value}_codes"] == onnx.TensorProto.INT4


@pytest.mark.parametrize("first", mostly_long(range(0, 400, 8), 1))
def test_read_back_with_the_same_widths(first: int, tmp_path: Path) -> None:
    check_all(range(first, first + 8), lambda seed: check_round_trip(seed, tmp_path))


ATTENTION = """
    q: q = MatMul (x, wq)
    k: k = MatMul (x, wk)
    v: v = MatMul (x, wv)
    t: kt = Transpose <perm=[0,2,1]> (k)
    s: s = MatMul (q, kt)
    p: p = Softmax (s)
    o: o = MatMul (p, v)
    a: r = Add (o, x)
    n: z = LayerNormalization (r, g)
    e: y = MatMul (z, we)
"""


@pytest.mark.parametrize("seed", range(3))
def test_attention_is_read_back_too(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal((8, 8)).astype(np.float32) for name in ("wq", "wk", "wv")}
    weights["we"] = rng.standard_normal((8, 5)).astype(np.float32)
    weights["g"] = np.ones(8, np.float32)
    made = model(ATTENTION, {"x": (1, 4, 8)}, weights, opset=21)
    onnx.save(made, tmp_path / "m.onnx")
    imported = import_onnx(tmp_path / "m.onnx")
    widths = chosen(random.Random(seed), imported.network.noise_sources, 16)
    runs = random_runs(made, shapes_of(made, None, {}), {})
    found = quantise_onnx(made, imported, {}, widths, runs)
    assert (found.read_back, found.left) == (widths, ())


def test_old_files_whose_constants_are_inputs(tmp_path: Path) -> None:
    """As of IR version 3, where every constant is an input too."""
    made = model("c: y = Conv (x, w)", {"x": (1, 4, 6, 6)}, {"w": (8, 4, 3, 3)}, opset=9)
    made.ir_version = 3
    sizes = onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, (8, 4, 3, 3))
    made.graph.input.append(sizes)
    onnx.save(made, tmp_path / "m.onnx")
    imported = import_onnx(tmp_path / "m.onnx")
    widths = {"weight:c": 5, "tensor:x": 7}
    runs = random_runs(made, shapes_of(made, None, {}), {})
    assert quantise_onnx(made, imported, {}, widths, runs).read_back == widths


def test_more_bits_are_closer(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", 21)
    imported, proto = import_onnx(path), onnx.load(path)
    runs = random_runs(proto, shapes_of(proto, None, {}), {})
    found = []
    for bits in (2, 4, 6, 8, 12, 16):
        widths = dict.fromkeys(imported.network.noise_sources, bits)
        (result,) = quantise_onnx(proto, imported, {}, widths, runs).agreement.values()
        found.append(result["sqnr_db"] or 0.0)
    assert found == sorted(found)
    assert found[3] > 25  # at 8 bit
    assert found[-1] > found[3] + 20


def by_hand(
    weights: Mapping[str, Any], x: Any, bits: int, ends: Mapping[str, tuple[float, float]]
) -> Any:
    """``Relu(x·w)·v`` with everything quantised, computed in numpy."""

    def rounded(array: Any, low: float, high: float) -> Any:
        most = 2**bits - 1 if low >= 0 else 2 ** (bits - 1) - 1
        step = np.float32(max(-low, high) / most)
        return np.clip(np.rint(array / step), 0 if low >= 0 else -most, most) * step

    w, v = (quantise(weights[name].T, bits).values.T for name in ("w", "v"))
    hidden = np.maximum(rounded(x, *ends["x"]) @ w, 0)
    return rounded(hidden, *ends["a"]) @ v


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_it_computes_what_quantisation_is(bits: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(bits)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in {"w": (6, 5), "v": (5, 3)}.items()
    }
    lines = "p: h = MatMul (x, w)\n r: a = Relu (h)\n q: y = MatMul (a, v)"
    made = model(lines, {"x": (2, 6)}, weights)
    onnx.save(made, tmp_path / "m.onnx")
    imported = import_onnx(tmp_path / "m.onnx")
    widths = dict.fromkeys(imported.network.noise_sources, bits)
    runs = random_runs(made, {"x": [2, 6]}, {})
    values, _ = to_quantise(imported, made)
    assert [*values] == ["x", "a"]
    ends = ranges_of(made, values, runs)
    found, encodings = quantised_model(made, imported, widths, ends)
    from codesign.exports.runtime import session

    for each in runs:
        (result,) = session(found).run(None, each)
        right = by_hand(weights, each["x"], bits, ends)
        assert np.abs(result - right).max() <= 1e-4 * np.abs(right).max()
    assert {x.value: x.axis for x in encodings} == {"w": 1, "v": 1, "x": None, "a": None}


@pytest.mark.parametrize(
    ("bits", "opset", "fault"),
    [
        (1, 21, "weight:first: 1 bit has no codes on both sides of 0"),
        (9, 20, "9 bit; ONNX quantises to at most 8 bits, from opset 21 on to 16"),
        (17, 21, "17 bit; ONNX quantises to at most 8 bits"),
    ],
)
def test_widths_that_no_node_has(bits: int, opset: int, fault: str, tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", opset)
    imported, proto = import_onnx(path), onnx.load(path)
    widths = dict.fromkeys(imported.network.noise_sources, bits)
    runs = random_runs(proto, shapes_of(proto, None, {}), {})
    with pytest.raises(SpecError, match=fault):
        quantise_onnx(proto, imported, {}, widths, runs)


def test_what_is_within_an_operator_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lstm.onnx"
    shapes = {"w": (1, 12, 4), "u": (1, 12, 3)}
    made = model("l: y = LSTM <hidden_size=3> (x, w, u)", {"x": (5, 1, 4)}, shapes)
    onnx.save(made, path)
    imported = import_onnx(path)
    _, left = to_quantise(imported, made)
    assert left
    assert {*left} < {*imported.network.noise_sources}


def test_bits_in_the_words_of_others(tmp_path: Path) -> None:
    network = import_onnx(written(tmp_path / "m.onnx", 20)).network
    result = evaluate(network, WIDE, 5)
    content = bit_assignment(network, result.widths)
    assert content["brevitas"]["first"] == {
        "weight_bit_width": 5,
        "input_bit_width": 5,
        "output_bit_width": 5,
    }
    assert content["model_compression_toolkit"]["weights"] == dict.fromkeys(
        network.weight_layers, 5
    )
    assert content["tensors"] == dict.fromkeys(network.tensors, 5)


@pytest.mark.long
def test_brevitas_takes_its_words(tmp_path: Path) -> None:
    nn = pytest.importorskip("brevitas.nn", reason="Brevitas is not installed")
    from brevitas.quant import Int8ActPerTensorFloat

    network = import_onnx(written(tmp_path / "m.onnx", 20)).network
    widths = chosen(random.Random(1), [*evaluate(network, WIDE, 5).widths], 8)
    given = bit_assignment(network, widths)["brevitas"]["first"]
    quantisers = {f"{x}_quant": Int8ActPerTensorFloat for x in ("input", "output")}
    layer = nn.QuantConv2d(4, 8, 3, **quantisers, **given)
    found = {
        "weight_bit_width": layer.quant_weight().bit_width,
        "input_bit_width": layer.input_quant.bit_width(),
        "output_bit_width": layer.output_quant.bit_width(),
    }
    assert {name: int(x) for name, x in found.items()} == given


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    imported = import_onnx(written(tmp_path / "m.onnx", 21))
    evaluate(imported.network, WIDE, (6, 7)).save(tmp_path / "e.json")
    return tmp_path


def test_the_command(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "export", "brevitas", "e.json", "--onnx", "m.onnx", "--out", "q")
    assert (code, err) == (0, "")
    assert "result y: SQNR " in out
    assert {x.name for x in (files / "q").iterdir()} == {
        *("bits.json", "encodings.json", "model.onnx")
    }
    assert import_onnx(files / "q" / "model.onnx").pins == {
        source: 6 if source.startswith("weight:") else 7
        for source in import_onnx("m.onnx").network.noise_sources
    }
    solved = ("solve", "q/model.onnx", "--keep-widths", "--max-area-mm2", "1", "--json")
    assert run(capsys, *solved, "--rows", "2", "--cols", "2", "--bits", "6,7,8")[0] == 0
    inputs = np.random.default_rng(3).standard_normal((3, 1, 4, 4, 4))
    np.savez("x.npz", x=inputs.astype(np.float32))
    given = ("--onnx", "m.onnx", "--calibrate", "x.npz", "--json", "--out", "r")
    code, out, _ = run(capsys, "export", "brevitas", "e.json", *given)
    assert code == 0
    assert json.loads(out)["runs"] == {"count": 3, "random": False, "labelled": None}
    assert not json.loads(out)["read_back_otherwise"]
    code, out, _ = run(capsys, "export", "brevitas", "e.json", "--out", "s")
    assert (code, [x.name for x in (files / "s").iterdir()]) == (0, ["bits.json"])


def test_refusals_are_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("export", "brevitas", "e.json", "--out", "q")
    assert "only with --onnx" in refused(capsys, *words, "--calibrate", "x.npz")
    small = "p: h = MatMul (x, m)\n q: y = Relu (h)"
    onnx.save(model(small, {"x": (1, 10)}, {"m": (10, 6)}), "other.onnx")
    assert "not the network of the design" in refused(capsys, *words, "--onnx", "other.onnx")
    assert "No such file" in refused(capsys, *words, "--onnx", "none.onnx")
    both = (*words, "--onnx", "m.onnx", "--calibrate")
    assert "cannot be read" in refused(capsys, *both, "e.json")
    for arrays, fault in (
        ({"z": np.zeros(3)}, "'x' is missing"),
        ({"x": np.zeros((2, 2))}, "'x' is (2, 2); wanted is (1, 4, 4, 4)"),
        ({"x": np.zeros((1, 4, 4, 4), np.int64)}, "'x' is of int64; wanted is float32"),
        ({"x": np.full((1, 4, 4, 4), np.nan, np.float32)}, "not all are finite"),
    ):
        np.savez("bad.npz", **arrays)
        assert fault in refused(capsys, *both, "bad.npz")
    np.save("one.npy", np.zeros(3))
    assert "one array without a name" in refused(capsys, *both, "one.npy")
    np.savez("pickled.npz", x=np.array([{}], dtype=object))
    assert "cannot be read" in refused(capsys, *both, "pickled.npz")
    pipeline = solve(tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.3}))
    pipeline.save(files / "p.json")
    assert run(capsys, "export", "brevitas", "p.json", "--out", "t")[0] == 0
    assert not (files / "q").exists()


def test_accuracy_is_that_of_the_labels(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels are what the model says, but for one of four: three quarters are right."""
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    runner = onnxruntime.InferenceSession("m.onnx", plain, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(3).standard_normal((8, 4, 4, 4)).astype(np.float32)
    said = np.array([runner.run(None, {"x": each[None]})[0].argmax() for each in images])
    classes = runner.get_outputs()[0].shape[-1]
    labels = np.where(np.arange(8) % 4 == 0, (said + 1) % classes, said)
    np.savez("data.npz", x=images, labels=labels)
    words = ("export", "brevitas", "e.json", "--onnx", "m.onnx", "--out", "q", "--data")
    code, out, _ = run(capsys, *words, "data.npz", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["runs"] == {"count": 8, "random": False, "labelled": 8}
    accuracy, same = (told["results"]["y"][x] for x in ("accuracy", "same_largest"))
    assert accuracy["rows"] == 8
    assert accuracy["float"] == 0.75
    quantised = onnxruntime.InferenceSession(
        "q/model.onnx", plain, providers=runner.get_providers()
    )
    found = np.array([quantised.run(None, {"x": each[None]})[0].argmax() for each in images])
    assert accuracy["quantised"] == (found == labels).mean()
    assert same == (found == said).mean()
    np.savez("data.npz", x=images, y=labels)  # by the name of the result
    code, out, _ = run(capsys, *words, "data.npz")
    assert code == 0
    assert "result y: accuracy" in out
    assert "75.0 % before, of 8 labels" in out
    for arrays, fault in (
        ({}, "'labels' is missing"),
        ({"labels": labels[:5]}, "result 'y': 5 labels for 8 rows"),
        ({"labels": labels + 0.5}, "labels of 'y' are of float64, not whole numbers"),
        ({"labels": labels + classes}, f"its entries are 0 to {classes - 1}"),
    ):
        np.savez("bad.npz", x=images, **arrays)
        assert fault in refused(capsys, *words, "bad.npz")
