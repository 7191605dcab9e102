"""Inputs of ONNX models whose values are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_flow import (
    SIDES,
    W,
    X,
    branches,
    flow_model,
    refusal,
    value,
)
from onnx_graphs import imported

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"z": 1}, "no input 'z'; it has x, i"),
        ({"i": 1.5}, "input 'i' = 1.5: it takes int64"),
        ({"i": [1, 2]}, "input 'i': 2 values given, and its shape is one value"),
        ({"i": "16k"}, "input 'i' = '16k': give numbers, true or false"),
        ({"i": float("nan")}, "input 'i' = nan: give numbers, true or false"),
        ({"i": []}, "input 'i': 0 values; from 1 to 4096 can be given"),
        ({"x": [1, 2, 3]}, "input 'x': 3 values given, and its shape is 2 × 4"),
        ({"x": [[1, 2]] * 4}, "input 'x': 8 values given, and its shape is 2 × 4"),
    ],
)
def test_values_that_do_not_fit(given: Any, reason: str, tmp_path: Path) -> None:
    nodes = ["c = Equal (i, rate)", branches("c", ("y",))]
    made = flow_model(nodes, {"x": (2, 4), "i": ()}, {**SIDES, "rate": np.array(16000)})
    assert refusal(tmp_path, made, inputs=given) == reason


def test_a_shape_is_given(tmp_path: Path) -> None:
    """Its own dimension follows from it; a dimension it shares with another input does, too."""
    made = flow_model(
        ["r = Reshape (x, i)", "y = MatMul (r, w)"], {"x": (2, 4), "i": ("n",)}, {"w": W}
    )
    (layer,) = imported(tmp_path, made, inputs={"i": [1, 2, 4]}).network.layers
    assert (layer.P, layer.N) == (2, 1) or (layer.P, layer.N) == (1, 2)
    assert "symbolic dimension 'n' without a size" in refusal(tmp_path, made)
    told = refusal(tmp_path, made, dims={"n": 2})
    assert told == (
        "node 'Reshape_0' (Reshape): the shape of 'r' depends on input 'i': give --input i=VALUE"
    )
    for dims in ({"n": 3}, {"i.0": 3}):
        network = imported(tmp_path, made, inputs={"i": [1, 2, 4]}, dims=dims).network
        assert network.layers == (layer,)
    made.graph.input.append(value("z"))
    made.graph.input[-1].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4]))
    made.graph.node.append(helper.make_node("MatMul", ["z", "w"], ["q"]))
    made.graph.output.append(value("q"))
    found = imported(tmp_path, made, inputs={"i": [1, 2, 4]}).network
    assert found.tensors["z"] == 3 * 4
    told = refusal(tmp_path, made, inputs={"i": [1, 2, 4]}, dims={"n": 2})
    assert told == "input 'i': 3 values given, and its shape is 2"


def test_a_value_of_every_input_leaves_nothing_to_compute(tmp_path: Path) -> None:
    made = flow_model(["y = MatMul (x, w)"], {"x": (2, 4)}, {"w": W})
    assert "no layer that multiplies" in refusal(tmp_path, made, inputs={"x": X})


def test_a_value_that_the_file_presets(tmp_path: Path) -> None:
    """It decides as it is, and may be given in its place; what is no input may not."""
    nodes = ["c = Equal (i, rate)", branches("c", ("y",))]
    numbers = {"i": np.array(8000), "rate": np.array(16000)}
    made = flow_model(nodes, {"x": (2, 4), "i": ()}, {**SIDES, **numbers})
    assert imported(tmp_path, made).network.layers[0].K == 3
    found = imported(tmp_path, made, inputs={"i": 16000})
    assert found.network.layers[0].K == 4
    assert found.notes == ("inputs that are constants: i = 16000",)
    assert refusal(tmp_path, made, inputs={"rate": 8000}) == "no input 'rate'; it has x"


def test_a_value_beyond_its_type(tmp_path: Path) -> None:
    made = flow_model(["y = MatMul (x, w)"], {"x": (2, 4), "i": ()}, {"w": W})
    for given in (1e300, 2**70, -(2**70)):
        assert refusal(tmp_path, made, inputs={"i": given}).startswith("input 'i' = ")
