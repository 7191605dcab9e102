"""Sequences and optional values of ONNX models, whose lengths and positions are decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_flow import (
    NUMBER,
    YES,
    W,
    X,
    agrees,
    body,
    computed,
    decided,
    drawn,
    flow_model,
    loop,
    refusal,
)
from onnx_graphs import imported, integers, story

pytestmark = pytest.mark.smoke

V = drawn(4, 4, seed=3)
ROW = {**NUMBER, "w": W, "v": V, "minus": np.array(-1), "halves": integers(1, 3)}


def products(tmp_path: Path, made: Any) -> list[str]:
    """Names of the layers that multiply."""
    return [x.name for x in imported(tmp_path, made).network.layers if not x.moves]


LISTS = {
    "built and read": """
        p = MatMul (x, w)
        q = MatMul (x, v)
        s = SequenceConstruct (p, q)
        a = SequenceAt (s, minus)
        n = SequenceLength (s)
        m = Cast <to=1> (n)
        y = Mul (a, m)
    """,
    "inserted and erased": """
        p = MatMul (x, w)
        e = SequenceEmpty ()
        s = SequenceInsert (e, p)
        q = MatMul (x, v)
        t = SequenceInsert (s, q, zero)
        u = SequenceInsert (t, x, minus)
        d = SequenceErase (u, one)
        y = ConcatFromSequence <axis=1> (d)
    """,
    "stacked": """
        p = MatMul (x, w)
        s = SequenceConstruct (p, x)
        y = ConcatFromSequence <axis=-1, new_axis=1> (s)
    """,
    "split into single rows": """
        s = SplitToSequence <axis=1, keepdims=0> (x)
        a = SequenceAt (s, one)
        b = Unsqueeze (a, rowaxis)
        y = MatMul (b, ones)
    """,
    "split evenly": """
        s = SplitToSequence <axis=1> (x, three)
        a = SequenceAt (s, one)
        b = MatMul (a, one1)
        c = SequenceAt (s, zero)
        y = Concat <axis=1> (b, c)
    """,
    "split by sizes": """
        s = SplitToSequence <axis=1> (x, halves)
        y = ConcatFromSequence <axis=1> (s)
    """,
}
MORE = {
    "zero": np.array(0),
    "rowaxis": integers(1),
    "ones": np.ones((1, 3), np.float32),
    "one1": np.ones((1, 2), np.float32),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_are_the_values_in_them(case: str, tmp_path: Path) -> None:
    lines = [line.strip() for line in LISTS[case].strip().splitlines()]
    agrees(tmp_path, flow_model(lines, {"x": (2, 4)}, {**ROW, **MORE}))


def test_a_loop_that_collects(tmp_path: Path) -> None:
    """As scripting exports a list that grows; each step's product is read by its position."""
    lines = "mm: p = MatMul (h, w)\nl = SequenceInsert (s, p)\nck = Identity (c)"
    step = body(lines, ["i", "c", "h", "s"], ["ck", "p", "l"])
    nodes = [
        "e = SequenceEmpty ()",
        loop(["three", "yes", "x", "e"], ["h", "t"], step),
        "a = SequenceAt (t, one)",
        "b = ConcatFromSequence <axis=0> (t)",
        "y = Concat <axis=0> (a, b)",
    ]
    made = flow_model(nodes, {"x": (2, 4)}, {**ROW, **YES})
    agrees(tmp_path, made)
    assert products(tmp_path, made) == ["mm.0", "mm.1", "mm.2"]


@pytest.mark.parametrize("there", [True, False])
def test_an_optional_value_is_there_or_not(there: bool, tmp_path: Path) -> None:
    choice = helper.make_node(
        *("If", ["ch"], ["y"]),
        then_branch=body("g = OptionalGetElement (o)\nr = MatMul (g, w)"),
        else_branch=body("r = MatMul (x, v)"),
    )
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 4])
    none = helper.make_node("Optional", [], ["o"], type=kind)
    first = "o = Optional (x)" if there else none
    made = flow_model([first, "ch = OptionalHasElement (o)", choice], {"x": (2, 4)}, ROW)
    (found,) = computed(decided(tmp_path, made), {"x": X})
    np.testing.assert_allclose(found, X @ (W if there else V), rtol=1e-5)


def test_a_body_for_each_value(tmp_path: Path) -> None:
    step = body("mm: p = MatMul (e, w)\nr = Add (p, f)", ["e", "f"], ["r"])  # f for each alike
    node = helper.make_node("SequenceMap", ["s", "x"], ["t"], body=step)
    nodes = ["s = SequenceConstruct (x, x)", node, "y = ConcatFromSequence <axis=0> (t)"]
    made = flow_model(nodes, {"x": (2, 4)}, ROW)
    (found,) = computed(decided(tmp_path, made), {"x": X})
    np.testing.assert_allclose(found, np.tile(X @ W + X, (2, 1)), rtol=1e-5, atol=1e-6)
    assert products(tmp_path, made) == ["mm.0", "mm.1"]


def test_a_model_that_returns_a_sequence(tmp_path: Path) -> None:
    lines = ["a: p = MatMul (x, w)", "b: q = MatMul (p, v)", "y = SequenceConstruct (p, q)"]
    made = flow_model(lines, {"x": (2, 4)}, ROW)
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [9])
    made.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(kind))
    found = imported(tmp_path, made).network
    assert story(found) == ["a: x -> p", "b: p -> q"]
    assert found.outputs == ("q",) or set(found.outputs) == {"p", "q"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            "s = SequenceConstruct (x, x)\na: y = SequenceAt (s, three)",
            "node 'a' (SequenceAt): position 3 of a sequence of 2",
        ),
        (
            "s = SequenceConstruct (x, x)\na: y = SequenceAt (s, i)",
            "node 'a' (SequenceAt): what it lists or picks depends on input 'i': give --input "
            "i=VALUE",
        ),
        (
            "s = SequenceEmpty ()\na: y = ConcatFromSequence <axis=0> (s)",
            "node 'a' (ConcatFromSequence): concatenates a sequence of no values",
        ),
        (
            "s = SequenceConstruct (x, x)\na: o = Optional (s)\nb: y = OptionalGetElement (o)",
            "node 'a' (Optional): an optional sequence is not supported",
        ),
    ],
)
def test_what_is_not_decided_is_refused(lines: str, reason: str, tmp_path: Path) -> None:
    made = flow_model(lines.split("\n"), {"x": (2, 4), "i": ()}, ROW)
    assert refusal(tmp_path, made) == reason


def test_a_position_that_is_given(tmp_path: Path) -> None:
    lines = ["p = MatMul (x, w)", "s = SequenceConstruct (x, p)", "y = SequenceAt (s, i)"]
    made = flow_model(lines, {"x": (2, 4), "i": ()}, ROW)
    agrees(tmp_path, made, i=1)
