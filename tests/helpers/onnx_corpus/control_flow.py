"""Control flow that sizes, constants or a given input decide; nodes in any order; functions."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx_flow import YES, body, drawn, flow_model, loop
from onnx_graphs import integers

from onnx_corpus.entry import Entry

W, V = drawn(8, 8), drawn(8, 6)


def branch_by_rate() -> ModelProto:
    """The sampling rate says which of two encoders runs; their weights are in the branches."""
    encoders = {
        rate: body(f"n{rate}: r = MatMul (x, k)", constants={"k": drawn(8, rate)})
        for rate in (16, 8)
    }
    node = helper.make_node(
        "If", ["c"], ["h"], then_branch=encoders[16], else_branch=encoders[8], name="rate"
    )
    nodes = ["c = Equal (i, kilo)", node, "y = Relu (h)"]
    return flow_model(nodes, {"x": (3, 8), "i": ()}, {"kilo": np.array(16)})


def branch_by_rank() -> ModelProto:
    """What scripting writes around an optional squeeze: a branch that would not even fit."""
    node = helper.make_node(
        *("If", ["c"], ["h"]),
        then_branch=body("r = Squeeze (x, axes)"),
        else_branch=body("r = Identity (x)"),
    )
    lines = ["is = Shape (x)", "ik = Gather (is, axis)", "c = Equal (ik, one)"]
    constants = {"axes": integers(1), "axis": np.array(1), "one": np.array(1), "w": W}
    return flow_model([*lines, node, "a: y = MatMul (h, w)"], {"x": (3, 8)}, constants)


STEP = "mm: p = MatMul (h, w)\nr = Tanh (p)\nck = Identity (c)"


def steps() -> ModelProto:
    """Five steps by the same weights; each is kept, and what is kept is multiplied."""
    step = body(STEP, ["i", "c", "h"], ["ck", "r", "p"])
    nodes = [loop(["often", "yes", "x"], ["h5", "all"], step), "a: y = MatMul (all, v)"]
    return flow_model(
        *(nodes, {"x": (3, 8)}, {"w": W, "v": V, "often": np.array(5), **YES}),
        outputs={"y": 3, "h5": 2},
    )


def steps_by_input() -> ModelProto:
    """An input says how many steps there are."""
    step = body(STEP, ["i", "c", "h"], ["ck", "r"])
    nodes = [loop(["i", "", "x"], ["y"], step)]
    return flow_model(nodes, {"x": (3, 8), "i": ()}, {"w": W})


def while_small() -> ModelProto:
    """Rows are doubled until there are twenty: 3, 6, 12, 24; only sizes decide."""
    lines = """
        g = Concat <axis=0> (h, h)
        is = Shape <start=0, end=1> (g)
        iq = Squeeze (is)
        ck = Less (iq, most)
    """
    nodes = [loop(["", "yes", "x"], ["h"], body(lines, ["i", "c", "h"], ["ck", "g"]))]
    constants = {"w": W, "most": np.array(20), **YES}
    return flow_model([*nodes, "a: y = MatMul (h, w)"], {"x": (3, 8)}, constants)


def scan() -> ModelProto:
    """A recurrence over the second axis, from its end, the results in the same order."""
    lines = (
        "s: p = MatMul (h, w)\ne: q = MatMul (e, u)\na = Add (p, q)\nr = Tanh (a)\nk = Add (r, e)"
    )
    node = helper.make_node(
        *("Scan", ["h0", "x"], ["h1", "y"]),
        body=body(lines, ["h", "e"], ["r", "k"]),
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_input_directions=[1],
        scan_output_axes=[1],
        scan_output_directions=[1],
    )
    inputs = {"x": (3, 4, 8), "h0": (3, 8)}
    return flow_model([node], inputs, {"w": W, "u": drawn(8, 8, seed=4)}, {"y": 3, "h1": 2})


def nested() -> ModelProto:
    """Two turns of three turns, and every other of these takes the other branch."""
    choice = helper.make_node(
        *("If", ["c0"], ["r"]),
        then_branch=body("one: u = MatMul (g, w)", outputs=["u"]),
        else_branch=body("two: u = MatMul (g, v)", outputs=["u"]),
    )
    lines = "im = Mod (j, two)\nc0 = Equal (im, zero)\nck = Identity (cc)"
    inner = body(lines.replace("(j", "(ij"), ["ij", "cc", "g"], ["ck", "r"], nodes=[choice])
    ends = body("ck2 = Identity (c)", outputs=["ck2"]).node
    outer = body(
        *("", ["i", "c", "h"], ["ck2", "t"]), nodes=[loop(["three", "", "h"], ["t"], inner), *ends]
    )
    numbers = {"zero": np.array(0), "two": np.array(2), "three": np.array(3), **YES}
    constants = {"w": W, "v": drawn(8, 8, seed=5), **numbers}
    return flow_model([loop(["two", "", "x"], ["y"], outer)], {"x": (3, 8)}, constants)


def unsorted() -> ModelProto:
    """Nodes from the last to the first, in the graph and in a body."""
    made = steps()
    step = made.graph.node[0].attribute[0].g
    for nodes in (made.graph.node, step.node):
        turned = [NodeProto.FromString(node.SerializeToString()) for node in nodes][::-1]
        del nodes[:]
        nodes.extend(turned)
    return made


def function() -> ModelProto:
    """A function of the file, called twice, with weights and a loop within it."""
    stored = helper.make_node(
        *("Constant", [], ["k"]),
        value=helper.make_tensor("k", TensorProto.FLOAT, W.shape, W.reshape(-1)),
    )
    step = body("mm: r = MatMul (h, k)\nck = Identity (c)", ["i", "c", "h"], ["ck", "r"])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    lines = ["h = own.Steps (x, two)", "y = own.Steps (h, three)"]
    made = flow_model(lines, {"x": (3, 8)}, {"two": np.array(2), "three": np.array(3)})
    made.opset_import.append(opsets[1])
    nodes = [stored, loop(["often", "", "a"], ["b"], step)]
    made.functions.append(
        helper.make_function("own", "Steps", ["a", "often"], ["b"], nodes, opsets)
    )
    made.ir_version = 10
    return made


ROWS = 3
ENTRIES = (
    Entry(
        *("branch by a given input", branch_by_rate, ROWS * 8 * 16, 8 * 16),
        how={"inputs": {"i": 16}},
        feeds={"i": np.array(16)},
        layers=1,
        solved=True,
    ),
    Entry(
        *("the other branch", branch_by_rate, ROWS * 8 * 8, 8 * 8),
        how={"inputs": {"i": 8}},
        feeds={"i": np.array(8)},
        layers=1,
    ),
    Entry("branch by sizes", branch_by_rank, ROWS * 8 * 8, 8 * 8, layers=1, runs=False),
    Entry("loop", steps, 5 * ROWS * 8 * (8 + 6), 8 * 8 + 8 * 6, layers=6, solved=True),
    Entry(
        *("loop by a given input", steps_by_input, 4 * ROWS * 8 * 8, 8 * 8),
        how={"inputs": {"i": 4}},
        feeds={"i": np.array(4)},
        layers=4,
    ),
    Entry("loop by sizes", while_small, 24 * 8 * 8, 8 * 8),
    Entry("scan", scan, 4 * ROWS * 2 * 8 * 8, 2 * 8 * 8, solved=True),
    Entry("nested loops and branches", nested, 2 * 3 * ROWS * 8 * 8, 2 * 8 * 8, layers=6),
    Entry(
        *("unsorted nodes", unsorted, 5 * ROWS * 8 * (8 + 6), 8 * 8 + 8 * 6), layers=6, legal=False
    ),
    Entry("loop in a function", function, (2 + 3) * ROWS * 8 * 8, 2 * 8 * 8, layers=5),
)
