"""Nodes of ONNX models in any order, names that clash, functions of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import NodeProto, TensorProto, helper
from onnx_flow import (
    NUMBER,
    YES,
    W,
    agrees,
    body,
    flow_model,
    loop,
    nested,
    refusal,
)
from onnx_graphs import imported, node, story

pytestmark = pytest.mark.smoke


def test_unsorted_nodes_are_sorted_in_bodies_too(tmp_path: Path) -> None:
    made = flow_model([nested(), "v = Neg (y)"], {"x": (2, 4)}, {"w": W, **NUMBER, **YES}, ["v"])
    sound = imported(tmp_path, made).network
    outer = next(a.g for a in made.graph.node[0].attribute)
    for nodes in (made.graph.node, outer.node, outer.node[0].attribute[0].g.node):
        turned = [NodeProto.FromString(node.SerializeToString()) for node in nodes][::-1]
        del nodes[:]
        nodes.extend(turned)
    assert imported(tmp_path, made).network == sound


def test_the_order_of_a_file_is_kept_where_it_can_be(tmp_path: Path) -> None:
    lines = ["d: y = Add (a, b)", "a: a = MatMul (x, w)", "b: b = MatMul (x, v)"]
    made = flow_model(lines, {"x": (2, 4)}, {"w": W, "v": W})
    assert story(imported(tmp_path, made).network)[0].startswith("a:")
    made = flow_model([lines[2], lines[0], lines[1]], {"x": (2, 4)}, {"w": W, "v": W})
    assert story(imported(tmp_path, made).network)[0].startswith("b:")


def test_a_node_that_reads_itself(tmp_path: Path) -> None:
    made = flow_model(["a: y = Add (x, y)"], {"x": (2, 4)})
    assert refusal(tmp_path, made) == "a cycle of nodes: 'a'"


def test_a_cycle_through_a_body(tmp_path: Path) -> None:
    node = helper.make_node(
        *("If", ["yes"], ["h"]),
        name="if",
        then_branch=body("r = Add (x, y)"),
        else_branch=body("r = Neg (x)"),
    )
    made = flow_model([node, "n: y = Neg (h)"], {"x": (2, 4)}, YES)
    assert refusal(tmp_path, made) == "a cycle of nodes: 'if', 'n'"


@pytest.mark.parametrize("inside", [False, True])
def test_a_value_that_nothing_writes(inside: bool, tmp_path: Path) -> None:
    node = helper.make_node(
        *("If", ["yes"], ["y"]),
        name="if",
        then_branch=body("in: r = Add (x, gone)"),
        else_branch=body("r = Neg (x)"),
    )
    made = flow_model([node if inside else "in: y = Add (x, gone)"], {"x": (2, 4)}, YES)
    where = "if/in" if inside else "in"
    assert refusal(tmp_path, made) == (f"node '{where}' (Add) reads 'gone', which nothing writes")


def test_control_flow_in_a_function(tmp_path: Path) -> None:
    """Two calls, each with a loop of its own, whose weights are in the function."""
    stored = helper.make_node(
        "Constant",
        [],
        ["k"],
        value=helper.make_tensor("k", TensorProto.FLOAT, W.shape, W.reshape(-1)),
    )
    step = body("mm: r = MatMul (h, k)\nck = Identity (c)", ["i", "c", "h"], ["ck", "r"])
    step.node.insert(0, stored)
    node = loop(["often", "yes", "a"], ["b"], step)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    made = flow_model(
        ["h = own.Steps (x, two, yes)", "y = own.Steps (h, three, yes)"],
        {"x": (2, 4)},
        {**NUMBER, **YES},
    )
    made.opset_import.append(helper.make_opsetid("own", 1))
    made.functions.append(
        helper.make_function("own", "Steps", ["a", "often", "yes"], ["b"], [node], opsets)
    )
    made.ir_version = 10
    agrees(tmp_path, made)
    assert imported(tmp_path, made).network.macs == 5 * 2 * 4 * 4


def test_a_function_of_another_opset(tmp_path: Path) -> None:
    """ONNX takes it where all its operators are the same in both."""
    lines = [node("q = MatMul (a, k)"), node("b = Relu (q)")]
    made = flow_model(["y = own.Layer (x, w)"], {"x": (2, 4)}, {"w": W})
    made.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 18)]
    made.functions.append(helper.make_function("own", "Layer", ["a", "k"], ["b"], lines, opsets))
    made.ir_version = 10
    assert [layer.K for layer in imported(tmp_path, made).network.layers] == [4]
