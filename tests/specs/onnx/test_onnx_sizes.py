"""Sizes of ONNX models: those of inputs bind, by name or by place; those of outputs do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_graphs import imported, loops, model, symbolic_rows

from codesign.errors import SpecError

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("name", ["?", "*", "-1", "None", " ", ""])
def test_axes_of_a_name_that_is_none_are_several(name: str, tmp_path: Path) -> None:
    made = symbolic_rows(name, name)
    with pytest.raises(SpecError, match=r"'x\.0', 'x\.1' without a size: give --dim x\.0=N --dim"):
        imported(tmp_path, made)
    (layer,) = imported(tmp_path, made, dims={"x.0": 2, "x.1": 5}).network.layers
    assert (layer.N, layer.P) == (2, 5)
    (layer,) = imported(tmp_path, made, dims={"x.1": 5}, batch=2).network.layers
    assert (layer.N, layer.P) == (2, 5)


def test_a_lone_question_mark_is_a_name(tmp_path: Path) -> None:
    (layer,) = imported(tmp_path, symbolic_rows(2, "?"), dims={"?": 5}).network.layers
    assert (layer.N, layer.P) == (2, 5)
    with pytest.raises(SpecError, match=r"'\?' are 2 dimensions: give --dim x\.0=N --dim x\.1=N"):
        imported(tmp_path, symbolic_rows("?", "?"), dims={"?": 5})


def test_a_named_axis_is_one_dimension_wherever_it_stands(tmp_path: Path) -> None:
    made = symbolic_rows("n", "n")
    (layer,) = imported(tmp_path, made, dims={"x.1": 5}).network.layers
    assert (layer.N, layer.P) == (5, 5)
    assert imported(tmp_path, made, dims={"x.1": 5, "n": 5, "x.0": 5}).network.layers == (layer,)
    with pytest.raises(SpecError, match=r"'n' and 'x\.1' are one dimension: 4 or 5\?"):
        imported(tmp_path, made, dims={"n": 4, "x.1": 5})
    with pytest.raises(SpecError, match=r"batch 4, but dimension 'n' 5"):
        imported(tmp_path, made, dims={"x.1": 5}, batch=4)


def test_an_axis_with_a_size_is_not_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no symbolic dimension 'x\.2'; it has n"):
        imported(tmp_path, symbolic_rows("n", 5), dims={"x.2": 8})


def output(shape: Any) -> ModelProto:
    """The product whose result is declared so; None: no shape at all."""
    made = model("a: y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)})
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
    return made


@pytest.mark.parametrize("shape", [[-1, -1], [0, 0], [2], [1, 2, 3, 4], [], None, [2, 8], ["x", 8]])
def test_what_an_output_is_said_to_be_decides_nothing(shape: Any, tmp_path: Path) -> None:
    (layer,) = imported(tmp_path, output(shape)).network.layers
    assert loops(layer) == {"N": 2, "C": 8, "K": 3}


def test_an_output_without_a_type(tmp_path: Path) -> None:
    made = output([2, 3])
    made.graph.output[0].ClearField("type")
    assert imported(tmp_path, made).network == imported(tmp_path, output([2, 3])).network


def test_the_size_of_an_input_binds(tmp_path: Path) -> None:
    made = output([2, 3])
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    with pytest.raises(SpecError, match="shapes do not fit"):
        imported(tmp_path, made)


def test_a_stale_shape_does_not_win_over_a_rule(tmp_path: Path) -> None:
    line = "a: h = com.microsoft.FusedMatMul (x, w)\ny = Relu (h)"
    made = model(line, {"x": (2, 8)}, {"w": (8, 3)}, domains=["com.microsoft"])
    made.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, [9, 9, 9]))
    assert imported(tmp_path, made).network.tensors["y"] == 6


@pytest.mark.parametrize("where", ["output", "value_info"])
def test_of_an_unknown_operator_the_files_own_word_is_taken(where: str, tmp_path: Path) -> None:
    made = model(
        "y = com.acme.Swirl (x)\na: z = MatMul (x, w)",
        {"x": (2, 8)},
        {"w": (8, 3)},
        outputs=("z", "y") if where == "output" else ("z",),
        domains=["com.acme"],
    )
    if where == "value_info":
        made.graph.node.append(helper.make_node("Neg", ["y"], ["n"]))
        made.graph.output.append(helper.make_tensor_value_info("n", TensorProto.FLOAT, [1]))
    declared = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])
    declared.type.tensor_type.shape.dim[0].dim_value = 7
    if where == "output":
        made.graph.output[1].CopyFrom(declared)
    else:
        made.graph.value_info.append(declared)
    found = imported(tmp_path, made, ignore_unknown=True).network
    assert {35, 16, 6} == {*found.tensors.values()}


def test_an_image_too_small_for_its_windows(tmp_path: Path) -> None:
    made = model("a: y = Conv (x, w)", {"x": (1, 4, "n", 5)}, {"w": (4, 4, 3, 3)})
    assert len(imported(tmp_path, made, dims={"n": 3}).network.layers) == 1
    with pytest.raises(SpecError, match="at these sizes, results have no elements from node 'a'"):
        imported(tmp_path, made, dims={"n": 2})
    with pytest.raises(SpecError, match=r"node 'a' \(Conv\): its result would be 1 × 4 × -1 × 3"):
        imported(tmp_path, made, dims={"n": 1})
