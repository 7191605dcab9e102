"""Attention as one operator: the two products it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import imported, loops, model, story

from codesign.specs.onnx.read import Imported
from codesign.specs.onnx.spelling.rules import spell_out

OPSET = 23  # the first that has it
HEADS = {"q": (2, 4, 10, 16), "k": (2, 4, 12, 16), "v": (2, 4, 12, 8)}
TOKENS = {"q": (2, 10, 64), "k": (2, 12, 16), "v": (2, 12, 16)}  # 8 heads of 8, that share 2


def attention(line: str, inputs: Any, outputs: Any = ("y",)) -> onnx.ModelProto:
    """A model of one node."""
    made = model(line, inputs, outputs=outputs, opset=OPSET)
    made.ir_version = 11
    return made


def read(folder: Path, line: str, inputs: Any, outputs: Any = ("y",)) -> Imported:
    return imported(folder, attention(line, inputs, outputs))


def test_heads(tmp_path: Path) -> None:
    found = read(tmp_path, "a: y = Attention (q, k, v)", HEADS).network
    assert story(found) == ["a.qk: q × k -> a.qk", "a.av: a.qk × v -> y"]
    assert [loops(layer) for layer in found.layers] == [
        {"G": 8, "K": 12, "C": 16, "P": 10, "H": 10},
        {"G": 8, "K": 8, "C": 12, "P": 10, "H": 10},
    ]


def test_heads_that_share_keys_and_values(tmp_path: Path) -> None:
    line = "a: y = Attention <q_num_heads=8, kv_num_heads=2, is_causal=1> (q, k, v)"
    found = read(tmp_path, line, TOKENS)
    assert story(found.network) == ["a.qk: q × k -> a.qk", "a.av: a.qk × v -> y"]
    assert [loops(layer) for layer in found.network.layers] == [
        {"G": 4, "K": 12, "C": 8, "P": 40, "H": 40},  # 4 heads of 10 tokens by the same keys
        {"G": 4, "K": 8, "C": 12, "P": 40, "H": 40},
    ]
    assert found.notes == ()


def test_a_mask_is_read_beside_the_queries(tmp_path: Path) -> None:
    inputs = {**HEADS, "mask": (10, 12)}
    found = read(tmp_path, "a: y = Attention (q, k, v, mask)", inputs).network
    assert story(found) == ["a.qk: q + mask × k -> a.masked", "a.av: a.masked × v -> y"]


def test_earlier_keys_and_values_stay_where_they_are(tmp_path: Path) -> None:
    inputs = {**HEADS, "pk": (2, 4, 3, 16), "pv": (2, 4, 3, 8)}
    line = "a: y, nk, nv = Attention (q, k, v, , pk, pv)"
    found = read(tmp_path, line, inputs, ("y", "nk", "nv"))
    network = found.network
    assert network.cache == ("nk", "nv")
    assert network.tensors["nk"] == 2 * 4 * 15 * 16
    assert story(network) == [
        "~a.all_keys.copy1: k -> nk[1536]",
        "~a.all_values.copy1: v -> nv[768]",
        "a.qk: q × nk -> a.qk",
        "a.av: a.qk × nv -> y",
    ]
    assert found.notes[0] == (
        "tensors that go on from run to run, what is new behind what is there: nk, nv"
    )


def test_earlier_keys_that_something_else_reads_are_copied(tmp_path: Path) -> None:
    lines = "n = Concat <axis=1> (p, k)\ns: y = MatMul (q, n)\nt: z = MatMul (q, p)"
    inputs = {"q": (4, 8), "k": (8, 2), "p": (8, 3)}
    made = model(lines, inputs, outputs=("y", "n", "z"))
    assert not imported(tmp_path, made).network.cache
    del made.graph.output[2]
    assert imported(tmp_path, made).network.cache == ("n",)
    del made.graph.output[1]
    assert not imported(tmp_path, made).network.cache


@pytest.mark.parametrize(
    ("line", "inputs"),
    [
        ("a: y = Attention (q, k, v)", HEADS),
        ("a: y = Attention <q_num_heads=8, kv_num_heads=2> (q, k, v)", TOKENS),
    ],
)
def test_shapes_are_those_of_the_operator(line: str, inputs: Any) -> None:
    made = attention(line, inputs)
    expected = onnx.shape_inference.infer_shapes(made, strict_mode=True).graph.output[0]
    shapes = {name: tuple(shape) for name, shape in inputs.items()}
    assert spell_out(made, shapes, {}, {}) == (True, ())
    assert spell_out(made, shapes, {}, {}) == (False, ())
    for dim in made.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    found = onnx.shape_inference.infer_shapes(made, strict_mode=True, data_prop=True)
    assert [dim.dim_value for dim in found.graph.output[0].type.tensor_type.shape.dim] == (
        [dim.dim_value for dim in expected.type.tensor_type.shape.dim]
    )


def test_the_products_are_those_of_the_operator() -> None:
    """With the scale of 1/√16 left out and a softmax kept, the nodes compute the same."""
    from onnx.reference import ReferenceEvaluator

    chance = np.random.default_rng(0)
    line = "a: y = Attention <scale=1.0, q_num_heads=8, kv_num_heads=2> (q, k, v)"
    made = attention(line, TOKENS)
    given = {name: chance.normal(size=shape).astype(np.float32) for name, shape in TOKENS.items()}
    (expected,) = ReferenceEvaluator(made).run(None, given)
    spell_out(made, TOKENS, {}, {})
    (found,) = ReferenceEvaluator(made).run(None, given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", [0, 3])
def test_products_can_be_asked_for(mode: int, tmp_path: Path) -> None:
    line = f"a: y, , , scores = Attention <qk_matmul_output_mode={mode}> (q, k, v)"
    found = read(tmp_path, line, HEADS, ("y", "scores")).network
    assert story(found) == ["a.qk: q × k -> scores", "a.av: scores × v -> y"]
    assert found.tensors["scores"] == 2 * 4 * 10 * 12


def test_lengths_of_padded_keys_spare_no_product(tmp_path: Path) -> None:
    made = model(
        *("a: y = Attention (q, k, v, , , , n)", {**HEADS, "n": (2,)}),
        opset=24,
        kinds={"n": onnx.TensorProto.INT64},
    )
    made.ir_version = 11
    found = imported(tmp_path, made).network
    assert story(found) == ["a.qk: q × k -> a.qk", "a.av: a.qk × v -> y"]


def test_new_tokens_in_a_buffer_are_all_that_is_written(tmp_path: Path) -> None:
    lines = """
        p: h = MatMul (x, w)
        t: nk = TensorScatter <axis=1> (pk, h, at)
        k = Transpose <perm=[0,2,1]> (nk)
        s: y = MatMul (q, k)
    """
    made = model(
        lines,
        {"x": (2, 1, 6), "pk": (2, 9, 4), "q": (2, 3, 4), "at": (2,)},
        {"w": (6, 4)},
        outputs=("y", "nk"),
        opset=24,
        kinds={"at": onnx.TensorProto.INT64},
    )
    made.ir_version = 11
    found = imported(tmp_path, made).network
    assert found.cache == ("nk",)
    assert story(found) == ["p: x -> nk[8]", "s: q × nk -> y"]
    assert found.tensors["nk"] == 2 * 9 * 4
