"""If, Loop and Scan of ONNX models: decided as ONNX defines them, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_flow import (
    NUMBER,
    SIDES,
    YES,
    W,
    X,
    agrees,
    body,
    branches,
    computed,
    decided,
    drawn,
    flow_model,
    loop,
    nested,
    refusal,
)
from onnx_graphs import imported, story

from codesign.specs.onnx.shapes import shape_inference

pytestmark = pytest.mark.smoke


# --- If -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "columns"), [(16000, 4), (8000, 3)])
def test_an_input_decides_a_branch(rate: int, columns: int, tmp_path: Path) -> None:
    nodes = ["c = Equal (i, rate)", branches("c"), "b: y = Relu (h)"]
    made = flow_model(nodes, {"x": (2, 4), "i": ()}, {**SIDES, "rate": np.array(16000)})
    agrees(tmp_path, made, i=rate)
    (layer,) = imported(tmp_path, made, inputs={"i": rate}).network.layers
    assert (layer.name, layer.input, layer.output, layer.K) == ("a", "x", "y", columns)
    assert refusal(tmp_path, made) == (
        "node 'if' (If): which branch runs depends on input 'i': give --input i=VALUE"
    )


def test_sizes_decide_a_branch(tmp_path: Path) -> None:
    nodes = ["i = Size (x)", "c = Greater (i, three)", branches("c", ("y",))]
    agrees(tmp_path, flow_model(nodes, {"x": (2, 4)}, {**SIDES, **NUMBER}))


def test_data_decide_a_branch(tmp_path: Path) -> None:
    nodes = ["m = ReduceMax <keepdims=0> (x)", "c = Greater (m, zero)", branches("c", ("y",))]
    constants = {**SIDES, "zero": np.array(0, np.float32)}
    made = flow_model(nodes, {"x": (2, 4)}, constants)
    assert refusal(tmp_path, made) == (
        "node 'if' (If): which branch runs depends on data; that is not supported"
    )


def test_what_no_result_depends_on_need_not_be_decided(tmp_path: Path) -> None:
    nodes = ["m = ReduceMax <keepdims=0> (x)", "c = Cast <to=9> (m)", branches("c")]
    made = flow_model([*nodes, "b: y = MatMul (x, w)"], {"x": (2, 4)}, SIDES)
    assert story(imported(tmp_path, made).network) == ["b: x -> y"]


def test_branches_may_call_their_values_alike_and_as_outside(tmp_path: Path) -> None:
    """Both branches and the graph have a p; that of the graph is read after the If, too."""
    nodes = ["p = Neg (x)", branches("yes"), "q = Sub (p, h)", "y = MatMul (q, w)"]
    made = flow_model(nodes, {"x": (2, 4)}, {**SIDES, **YES})
    left = decided(tmp_path, made)
    (found,) = computed(left, {"x": X})
    np.testing.assert_allclose(found, (-X - 2 * X @ W) @ W, rtol=1e-5, atol=1e-6)


def test_a_branch_within_a_branch_sees_all_around_it(tmp_path: Path) -> None:
    inner = helper.make_node(
        *("If", ["no"], ["t"]),
        then_branch=body("u = Neg (x)", outputs=["u"]),
        else_branch=body("u = MatMul (s, w)", outputs=["u"]),
    )
    outer = helper.make_node(
        *("If", ["yes"], ["h"]),
        then_branch=body("s = Add (x, x)", nodes=[inner, *body("r = Tanh (t)").node]),
        else_branch=body("r = Identity (x)"),
    )
    made = flow_model([outer, "y = Neg (h)"], {"x": (2, 4)}, {"w": W, **YES, "no": np.array(False)})
    agrees(tmp_path, made)


def test_weights_in_a_branch(tmp_path: Path) -> None:
    """Stored in the branch, too large to be looked at, and of the name of another's."""
    large = drawn(4, 2000)
    one = body("a: r = MatMul (x, k)", constants={"k": large})
    other = body("a: r = MatMul (x, k)", constants={"k": W})
    node = helper.make_node("If", ["c"], ["y"], then_branch=one, else_branch=other)
    made = flow_model([node], {"x": (2, 4), "c": ()})
    found = imported(tmp_path, made, inputs={"c": True})
    assert found.network.layers[0].K == 2000
    assert (found.weights["a"][..., 0, 0] == large.T).all()
    assert (imported(tmp_path, made, inputs={"c": [0]}).weights["a"][..., 0, 0] == W.T).all()


@pytest.mark.parametrize("stored", [False, True])
def test_a_branch_that_returns_a_constant(stored: bool, tmp_path: Path) -> None:
    one = body("", outputs=["k"], constants={"k": W} if stored else {})
    if not stored:
        one.node.append(helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(W)))
    other = body("r = Neg (w)")
    node = helper.make_node("If", ["yes"], ["h"], then_branch=one, else_branch=other)
    agrees(tmp_path, flow_model([node, "y = MatMul (x, h)"], {"x": (2, 4)}, {"w": W, **YES}))


# --- Loop ---------------------------------------------------------------------------------------


STEP = """
    mm: p = MatMul (h, w)
    f = Cast <to=1> (i)
    q = Add (p, f)
    r = Tanh (q)
    ck = Identity (c)
"""


def steps() -> Any:
    """A step whose result the next one reads; each step's product is kept."""
    return body(STEP, ["i", "c", "h"], ["ck", "r", "p"])


@pytest.mark.parametrize("condition", ["", "yes"])
@pytest.mark.parametrize("opset", [11, 20])
def test_a_loop_is_its_body_step_by_step(condition: str, opset: int, tmp_path: Path) -> None:
    nodes = [loop(["three", condition, "x"], ["y", "z"], steps())]
    constants = {"w": W, **NUMBER, **YES}
    made = flow_model(nodes, {"x": (2, 4)}, constants, ["y", "z"], opset=opset)
    if condition:  # the reference asks for one
        agrees(tmp_path, made)
    states, products = computed(decided(tmp_path, made), {"x": X})
    assert (states.shape, products.shape) == ((2, 4), (3, 2, 4))
    layers = imported(tmp_path, made).network.layers
    assert [layer.name for layer in layers if not layer.moves] == ["mm.0", "mm.1", "mm.2"]
    assert all(layer.macs == 2 * 4 * 4 for layer in layers if not layer.moves)


def test_an_input_says_how_often(tmp_path: Path) -> None:
    made = flow_model(
        [loop(["i", "", "x"], ["y"], steps())], {"x": (2, 4), "i": ()}, {"w": W}, opset=20
    )
    for often in (1, 4):
        network = imported(tmp_path, made, inputs={"i": often}).network
        assert network.macs == often * 2 * 4 * 4
    assert refusal(tmp_path, made) == (
        "node 'loop' (Loop): how often it repeats depends on input 'i': give --input i=VALUE"
    )
    assert "no layer that multiplies" in refusal(tmp_path, made, inputs={"i": 0})
    told = refusal(tmp_path, made, inputs={"i": 10001})
    assert told.startswith("node 'loop' (Loop): 10001 or more turns of 5 nodes, 1 of which multi")


COUNTED = """
    mm: p = MatMul (h, w)
    in = Add (iv, one)
    ck = Less (in, three)
"""


def test_a_condition_is_computed_from_what_is_handed_on(tmp_path: Path) -> None:
    counted = body(COUNTED, ["i", "c", "h", "iv"], ["ck", "p", "in"])
    nodes = [loop(["", "yes", "x", "one"], ["y", "n"], counted)]
    made = flow_model(nodes, {"x": (2, 4)}, {"w": W, **NUMBER, **YES})
    agrees(tmp_path, made)
    assert imported(tmp_path, made).network.macs == 2 * 2 * 4 * 4


GROWING = """
    g = Concat <axis=0> (h, h)
    is = Shape <start=0, end=1> (g)
    iq = Squeeze (is)
    ck = Less (iq, lim)
"""


def test_a_condition_that_waits_for_sizes(tmp_path: Path) -> None:
    """Rows are doubled until there are ten: 2, 4, 8, 16."""
    growing = body(GROWING, ["i", "c", "h"], ["ck", "g", "is"])
    nodes = [loop(["", "yes", "x"], ["h", "s"], growing), "a: y = MatMul (h, w)"]
    made = flow_model(nodes, {"x": (2, 4)}, {"w": W, "lim": np.array(10), **YES})
    left = agrees(tmp_path, made)
    assert sum(node.op_type == "Concat" for node in left.graph.node) == 3
    (layer,) = (x for x in imported(tmp_path, made).network.layers if not x.moves)
    assert layer.N == 16


def test_sizes_that_wait_for_each_other_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = body(GROWING, ["i", "c", "h"], ["ck", "g", "is"])
    nodes = [loop(["", "yes", "x"], ["h", "s"], growing), "a: y = MatMul (h, w)"]
    made = flow_model(nodes, {"x": (2, 4)}, {"w": W, "lim": np.array(10**6), **YES})
    monkeypatch.setattr(shape_inference, "MAX_ROUNDS", 8)
    assert refusal(tmp_path, made) == "sizes that are not found in 8 rounds, one after the other"


def test_data_decide_how_often(tmp_path: Path) -> None:
    lines = "mm: p = MatMul (h, w)\nm = ReduceMax <keepdims=0> (p)\nck = Less (m, lim)"
    nodes = [loop(["", "yes", "x"], ["y"], body(lines, ["i", "c", "h"], ["ck", "p"]))]
    made = flow_model(nodes, {"x": (2, 4)}, {"w": W, "lim": np.array(9, np.float32), **YES})
    assert refusal(tmp_path, made) == (
        "node 'loop' (Loop): how often it repeats depends on data; that is not supported"
    )


def test_a_loop_without_an_end(tmp_path: Path) -> None:
    made = flow_model([loop(["", "", "x"], ["y"], steps())], {"x": (2, 4)}, {"w": W})
    assert refusal(tmp_path, made) == "node 'loop' (Loop): it never ends"


def test_runtimes_that_would_differ(tmp_path: Path) -> None:
    """By the text of ONNX a loop without a condition does not look at what its body says."""
    stops = body("r = MatMul (h, w)\nck = Not (c)", ["i", "c", "h"], ["ck", "r"])
    made = flow_model([loop(["three", "", "x"], ["y"], stops)], {"x": (2, 4)}, {"w": W, **NUMBER})
    assert "runtimes differ" in refusal(tmp_path, made)
    grows = body(GROWING, ["i", "c", "h"], ["ck", "g", "is"])
    nodes = [loop(["three", "", "x"], ["h", "s"], grows), "y = MatMul (h, w)"]
    for most, told in ((10, "runtimes differ"), (17, "")):
        made = flow_model(nodes, {"x": (2, 4)}, {"w": W, "lim": np.array(most), **NUMBER})
        if told:
            assert told in refusal(tmp_path, made)
        else:
            assert imported(tmp_path, made).network.macs == 16 * 4 * 4


def test_no_step_hands_on_what_it_was_given(tmp_path: Path) -> None:
    nodes = [loop(["three", "c0", "x"], ["y", "z"], steps()), "a: v = MatMul (y, w)"]
    constants = {"w": W, **NUMBER, "c0": np.array(False)}
    made = flow_model(nodes, {"x": (2, 4)}, constants, ["v", "z"])
    assert story(imported(tmp_path, made).network) == ["a: x -> v"]


def test_a_loop_within_a_loop(tmp_path: Path) -> None:
    made = flow_model([nested()], {"x": (2, 4)}, {"w": W, **NUMBER, **YES}, ["y", "z"])
    agrees(tmp_path, made)
    layers = [x.name for x in imported(tmp_path, made).network.layers if not x.moves]
    assert layers == [f"mm.{outer}.{inner}" for outer in range(2) for inner in range(3)]


def test_a_branch_within_a_loop(tmp_path: Path) -> None:
    """The first step takes another branch than the others."""
    choice = helper.make_node(
        *("If", ["cf"], ["r"]),
        then_branch=body("u = Neg (h)", outputs=["u"]),
        else_branch=body("u = MatMul (h, w)", outputs=["u"]),
    )
    lines = "cf = Equal (i, zero)\nck = Identity (c)"
    step = body(lines, ["i", "c", "h"], ["ck", "r"], nodes=[choice])
    constants = {"w": W, "zero": np.array(0), **NUMBER, **YES}
    made = flow_model([loop(["three", "yes", "x"], ["y"], step)], {"x": (2, 4)}, constants)
    agrees(tmp_path, made)
    assert imported(tmp_path, made).network.macs == 2 * 2 * 4 * 4


# --- Scan ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "back", "out_axis", "out_back"),
    [(0, 0, 0, 0), (1, 1, 0, 0), (-1, 0, 1, 1), (1, 1, -1, 0), (0, 1, -2, 1)],
)
def test_a_scan(axis: int, back: int, out_axis: int, out_back: int, tmp_path: Path) -> None:
    step = body("p = MatMul (e, w)\nr = Add (p, s)", ["s", "e"], ["r", "p"])
    node = helper.make_node(
        *("Scan", ["s0", "x"], ["s1", "y"]),
        body=step,
        num_scan_inputs=1,
        scan_input_axes=[axis],
        scan_input_directions=[back],
        scan_output_axes=[out_axis],
        scan_output_directions=[out_back],
    )
    data = drawn(4, 4, 4, seed=3)
    made = flow_model([node], {"x": data.shape}, {"w": W, "s0": drawn(4, 4)}, ["s1", "y"])
    parts = np.moveaxis(data, axis, 0)[:: -1 if back else 1]
    products = [part @ W for part in parts][:: -1 if out_back else 1]
    state = sum((part @ W for part in parts), drawn(4, 4))
    found = computed(decided(tmp_path, made), {"x": data})
    np.testing.assert_allclose(found[0], state, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], np.stack(products, out_axis), rtol=1e-5, atol=1e-6)
    assert imported(tmp_path, made).network.macs == 4 * 4 * 4 * 4


def test_a_scan_of_two_lengths(tmp_path: Path) -> None:
    node = helper.make_node(
        "Scan", ["x", "z"], ["y"], body=body("r = Add (a, b)", ["a", "b"]), num_scan_inputs=2
    )
    made = flow_model([node], {"x": (2, 4), "z": (3, 4)})
    assert "scans inputs of 2, 3 positions together" in refusal(tmp_path, made)


def test_a_scan_of_old(tmp_path: Path) -> None:
    step = body("r = MatMul (e, w)", ["e"])
    node = helper.make_node("Scan", ["", "x"], ["y"], name="s", body=step, num_scan_inputs=1)
    made = flow_model([node], {"x": (1, 3, 2, 4)}, {"w": W}, opset=8)
    assert refusal(tmp_path, made).startswith("node 's' (Scan): not supported before opset 9")


# --- what keeps it from being decided -----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("a: h = com.acme.Swirl (x)", "node 'a' (com.acme.Swirl)"),
        ("a: in = NonZero (x)\nh = Cast <to=1> (in)", "node 'a' (NonZero)"),
    ],
)
def test_the_operator_whose_shape_is_missing_is_named(
    line: str, cause: str, tmp_path: Path
) -> None:
    lines = [*line.split("\n"), "is = Size (h)", "c = Greater (is, three)"]
    made = flow_model([*lines, branches("c", ("y",))], {"x": (2, 4)}, {**SIDES, **NUMBER})
    made.opset_import.append(helper.make_opsetid("com.acme", 1))
    assert refusal(tmp_path, made) == (
        f"node 'if' (If): which branch runs depends on {cause}, whose results have no known shape"
    )
    if "acme" in cause:
        network = imported(tmp_path, made, ignore_unknown=True).network
        assert [layer.K for layer in network.layers if not layer.moves] == [4]
