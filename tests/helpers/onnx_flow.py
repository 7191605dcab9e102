"""ONNX models with If, Loop and Scan, and what is left of them when these are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_graphs import Shapes, imported, model, node

from codesign.errors import SpecError
from codesign.specs.onnx.graph.dimensions import bind
from codesign.specs.onnx.graph.file import read_model
from codesign.specs.onnx.graph.given_inputs import fix_inputs
from codesign.specs.onnx.shapes.shape_inference import infer_shapes

Array = np.ndarray[Any, Any]
X, W = (
    np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)
    for seed, shape in enumerate(((2, 4), (4, 4)))
)
SIDES = {"w": W, "v": np.ones((4, 3), np.float32)}
NUMBER = {"one": np.array(1), "two": np.array(2), "three": np.array(3)}
YES = {"yes": np.array(True)}
KINDS = {"i": TensorProto.INT64, "c": TensorProto.BOOL}  # of values, by the first letter


def value(name: str) -> onnx.ValueInfoProto:
    """A value of any shape: whole numbers if it begins with an i, a condition with a c."""
    return helper.make_tensor_value_info(name, KINDS.get(name[0], TensorProto.FLOAT), None)


def body(
    lines: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = ("r",),
    constants: Mapping[str, Array] | None = None,
    nodes: Sequence[NodeProto] = (),
) -> GraphProto:
    """A body: nodes of a line each, others after them."""
    return helper.make_graph(
        [*(node(line) for line in lines.strip().splitlines() if line.strip()), *nodes],
        "body",
        [scalar(name) if name[0] in KINDS else value(name) for name in inputs],
        [scalar(name) if name[0] in KINDS else value(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )


def scalar(name: str) -> onnx.ValueInfoProto:
    """One whole number or one condition."""
    return helper.make_tensor_value_info(name, KINDS[name[0]], [])


def flow_model(
    nodes: Sequence[NodeProto | str],
    inputs: Shapes,
    constants: Shapes | None = None,
    outputs: Sequence[str] | Mapping[str, int] = ("y",),
    opset: int = 20,
) -> ModelProto:
    """A model of nodes, in lines or made, in this order; its results are matrices, or of a rank."""
    kinds = {name: KINDS[name[0]] for name in inputs if name[0] in KINDS}
    made = model("placeholder = Identity (x)", inputs, constants, opset=opset, kinds=kinds)
    del made.graph.node[:]
    made.graph.node.extend(node(each) if isinstance(each, str) else each for each in nodes)
    del made.graph.output[:]
    ranks = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs, 2)
    made.graph.output.extend(
        helper.make_tensor_value_info(
            name, KINDS.get(name[0], TensorProto.FLOAT), [f"{name}{n}" for n in range(rank)]
        )
        for name, rank in ranks.items()
    )
    return made


def decided(folder: Path, made: ModelProto, **inputs: Any) -> ModelProto:
    """What the importer makes of a model before it looks for layers."""
    path = folder / "flow.onnx"
    onnx.save(made, path)
    read, sizes = fix_inputs(read_model(path), inputs, {})
    bind(read, sizes, None)
    infer_shapes(read)
    kinds = {each.op_type for each in read.proto.graph.node}
    assert not kinds & {"If", "Loop", "Scan", "SequenceMap", "SequenceConstruct"}
    return read.proto


def computed(made: ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """The results of a model, by ONNX's reference."""
    wanted = {each.name for each in made.graph.input}
    given = {name: array for name, array in feeds.items() if name in wanted}
    return [np.asarray(array) for array in ReferenceEvaluator(made).run(None, given)]


def drawn(*shape: int, seed: int = 0) -> Array:
    """Random numbers, small enough to be multiplied over and over."""
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def agrees(folder: Path, made: ModelProto, **inputs: Any) -> ModelProto:
    """A model computes what it computes with its control flow; what is left of it.

    ONNX's reference stacks what a Loop yields along an axis that is there, ONNX along a new one:
    the numbers are the same, in the same order.
    """
    left = decided(folder, made, **inputs)
    feeds = {"x": X, **{name: np.asarray(given) for name, given in inputs.items()}}
    for found, expected in zip(computed(left, feeds), computed(made, feeds), strict=True):
        assert found.shape[-1:] == expected.shape[-1:]
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)
    return left


def refusal(folder: Path, made: ModelProto, **how: Any) -> str:
    """The one line a model is refused with."""
    with pytest.raises(SpecError) as refused:
        imported(folder, made, **how)
    assert "\n" not in str(refused.value)
    return str(refused.value).partition("tiny.onnx: ")[2]


def branches(condition: str, outputs: tuple[str, ...] = ("h",)) -> NodeProto:
    """Twice the product by w, or three times a product by v and nothing that w fits."""
    one = body("a: p = MatMul (x, w)\nr = Add (p, p)")
    other = body("a: p = MatMul (x, v)\nq = Add (p, p)\nr = Add (q, p)", outputs=["r"])
    return helper.make_node(
        "If", [condition], [*outputs], name="if", then_branch=one, else_branch=other
    )


SIDES = {"w": W, "v": drawn(4, 3, seed=2)}


def loop(inputs: list[str], outputs: list[str], given: GraphProto) -> NodeProto:
    """A Loop of this body."""
    return helper.make_node("Loop", inputs, outputs, name="loop", body=given)


def nested() -> NodeProto:
    """Two steps of three steps each; the inner ones read the outer's number and what it got."""
    inner = "mm: p = MatMul (g, w)\nf = Cast <to=1> (i)\nq = Add (p, f)\nr = Add (q, h)"
    inner = f"{inner}\nck = Identity (cc)"
    within = loop(["three", "c", "h"], ["t", "s"], body(inner, ["ii", "cc", "g"], ["ck", "r", "q"]))
    ends = body("ck2 = Identity (c)", outputs=["ck2"]).node
    outer = body("", ["i", "c", "h"], ["ck2", "t", "s"], nodes=[within, *ends])
    return loop(["two", "yes", "x"], ["y", "z"], outer)
