"""Computes what is the same for all inputs: the arithmetic that shapes are made by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from codesign.errors import SpecError
from codesign.specs.onnx.graph.file import MAX_SMALL, STANDARD_DOMAINS, first_line
from codesign.specs.onnx.graph.graph import Shape

RANDOM = (
    *("Bernoulli", "Multinomial"),
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
)

Array = np.ndarray[Any, Any]
Known = dict[str, Array]


def stored_values(proto: ModelProto) -> Known:
    """The constants a model holds."""
    return {tensor.name: _array(tensor) for tensor in proto.graph.initializer}


def _array(tensor: TensorProto) -> Array:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise SpecError(f"constant {tensor.name!r} is damaged: {first_line(error)}") from None


def fold(proto: ModelProto, known: Known, shapes: dict[str, Shape], opset: int) -> list[NodeProto]:
    """Replace nodes whose results are known and small by these, in place; the nodes replaced."""
    graph = proto.graph
    kept: list[NodeProto] = []
    replaced: list[NodeProto] = []
    for node in graph.node:
        found = results(node, known, shapes, opset)
        if found is None:
            kept.append(node)
            continue
        replaced.append(deepcopy(node))
        for name, array in found.items():
            known[name], shapes[name] = array, array.shape
            graph.initializer.append(numpy_helper.from_array(array, name))
    if replaced:
        copies = GraphProto(node=kept)  # nodes of a graph are lost where it is cleared
        del graph.node[:]
        graph.node.extend(copies.node)
    return replaced


def results(
    node: NodeProto, known: Mapping[str, Array], shapes: Mapping[str, Shape], opset: int
) -> dict[str, Array] | None:
    """What a node computes, if that is the same for all inputs and small.

    A DequantizeLinear stays: it tells the width its input is stored at.
    """
    if node.domain not in STANDARD_DOMAINS or node.op_type in (*RANDOM, "DequantizeLinear"):
        return None
    result = node.output[0] if node.output else ""
    if node.op_type == "Constant" and node.attribute[0].name == "value":
        tensor = node.attribute[0].t
        return {result: _array(tensor)} if math.prod(tensor.dims) <= MAX_SMALL else None
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        shape = shapes[node.input[0]]
        if node.op_type == "Size":
            return {result: np.array(math.prod(shape), np.int64)}
        ends = {entry.name: entry.i for entry in node.attribute}
        sizes = shape[ends.get("start", 0) : ends.get("end", len(shape))]
        return {result: np.array(sizes, np.int64)}
    if not all(name in known for name in node.input if name) or not _is_small(node, known, shapes):
        return None
    if node.op_type == "Identity":
        return {result: known[node.input[0]]}
    try:
        found = evaluated(node, known, opset)
    except Exception:  # an operator it does not know; the node stays as it is
        return None
    return found if all(array.size <= MAX_SMALL for array in found.values()) else None


def evaluated(node: NodeProto, known: Mapping[str, Array], opset: int) -> dict[str, Array]:
    """The results of a node, by ONNX's reference; odd data fail in many ways."""
    inputs = list(dict.fromkeys(name for name in node.input if name))
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "evaluated",
        [helper.make_empty_tensor_value_info(name) for name in inputs],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    arrays = ReferenceEvaluator(model).run(None, {name: known[name] for name in inputs})
    return {name: np.asarray(array) for name, array in zip(outputs, arrays, strict=True)}


def _is_small(node: NodeProto, known: Mapping[str, Array], shapes: Mapping[str, Shape]) -> bool:
    """Whether the result is surely of few elements, before it is computed."""
    output = shapes.get(node.output[0])
    if output is not None:
        return math.prod(output) <= MAX_SMALL
    given = [known[name] for name in node.input if name]
    if node.op_type in ("ConstantOfShape", "Expand"):
        return bool(given[-1].size and np.prod(given[-1].astype(float)) <= MAX_SMALL)
    if node.op_type == "Range":
        start, limit, step = (float(array.reshape(-1)[0]) for array in given)
        return step != 0 and (limit - start) / step <= MAX_SMALL
    return node.op_type not in ("Tile", "Resize", "Upsample", "Pad", "EyeLike", "OneHot")
