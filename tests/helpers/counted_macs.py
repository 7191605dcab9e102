"""MACs of an ONNX file, counted on the shapes that ONNX Runtime meets while it runs.

Nothing here knows the importer: each product is counted by its operator's definition, on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv", "FusedConv", "ConvTranspose")
MATRICES = ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "DynamicQuantizeMatMul")
MATRICES += ("MatMulIntegerToFloat", "Gemm", "FusedGemm", "QGemm")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1, "DynamicQuantizeLSTM": 4}
COUNTED = (*CONVOLUTIONS, *MATRICES, *GATES, "Einsum")


def counted_macs(path: Path, dims: Mapping[str, int], inputs: Mapping[str, Any]) -> int:
    """MACs of one run with random data.

    Parameters
    ----------
    dims : mapping of str to int
        Sizes of symbolic dimensions, by name or as ``<input>.<axis>``.
    inputs : mapping of str to number
        Inputs that decide which branch is taken; they become constants.
    """
    made = onnx.load(path)
    for value in [value for value in made.graph.input if value.name in inputs]:
        made.graph.input.remove(value)
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        given = np.array(inputs[value.name], dtype)
        made.graph.initializer.append(numpy_helper.from_array(given, value.name))
    for value in made.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, _shape(value, dims), strict=True):
            dim.dim_value = size
    while any(node.op_type == "If" for node in made.graph.node):
        _take_branches(made)
    return sum(_macs(node, shapes) for node, shapes in _run(made))


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _take_branches(made: ModelProto) -> None:
    """Put the branches that are taken in the places of their nodes."""
    conditions = [node.input[0] for node in made.graph.node if node.op_type == "If"]
    values = _values(made, list(dict.fromkeys(conditions)))
    nodes: list[NodeProto] = []
    for number, node in enumerate(made.graph.node):
        if node.op_type != "If":
            nodes.append(node)
            continue
        taken = "then_branch" if values[node.input[0]].item() else "else_branch"
        branch = next(entry.g for entry in node.attribute if entry.name == taken)
        own = {tensor.name for tensor in branch.initializer}
        own |= {name for inner in branch.node for name in inner.output}
        names = {name: f"{name}.{number}" for name in own}
        results = zip(branch.output, node.output, strict=True)
        nodes += [_renamed(inner, names) for inner in branch.node]
        nodes += [
            helper.make_node("Identity", [names.get(inner.name, inner.name)], [outer])
            for inner, outer in results
        ]
        for tensor in branch.initializer:
            tensor.name = names[tensor.name]
            made.graph.initializer.append(tensor)
    del made.graph.node[:]
    made.graph.node.extend(nodes)


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """A node with other names of values, also where branches in it read them."""
    made = NodeProto()
    made.CopyFrom(node)
    made.input[:] = [names.get(name, name) for name in node.input]
    made.output[:] = [names.get(name, name) for name in node.output]
    for entry in [entry for entry in made.attribute if entry.HasField("g")]:
        inner = [_renamed(each, names) for each in entry.g.node]
        del entry.g.node[:]
        entry.g.node.extend(inner)
        for value in entry.g.output:
            value.name = names.get(value.name, value.name)
    return made


def _values(made: ModelProto, wanted: list[str]) -> dict[str, Array]:
    """What values are in a run with random data; each input, too."""
    asked = ModelProto()
    asked.CopyFrom(made)
    generator = np.random.default_rng(0)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    feeds = {
        value.name: _drawn(value, generator)
        for value in made.graph.input
        if value.name not in stored
    }
    given = {**stored, **feeds}
    found = {name: given[name] for name in wanted if name in given}
    other = [name for name in wanted if name not in given]
    del asked.graph.output[:]
    asked.graph.output.extend(map(helper.make_empty_tensor_value_info, other))
    if other:
        session = onnxruntime.InferenceSession(asked.SerializeToString(), _options())
        found |= zip(other, session.run(other, feeds), strict=True)
    return found


def _run(made: ModelProto) -> list[tuple[NodeProto, Shapes]]:
    """Each node that multiplies, with the shapes of what it reads and writes."""
    nodes = [node for node in made.graph.node if node.op_type in COUNTED]
    inside = [node for node in made.graph.node if node.op_type in ("If", "Loop", "Scan")]
    assert not inside, f"products inside {inside[0].op_type} would not be seen"
    wanted = dict.fromkeys(x for node in nodes for x in (*node.input, *node.output) if x)
    shapes = {name: array.shape for name, array in _values(made, [*wanted]).items()}
    return [(node, shapes) for node in nodes]


def _shape(value: Any, dims: Mapping[str, int]) -> tuple[int, ...]:
    """Of an input, its symbolic dimensions by name or by place, 1 by default."""
    return tuple(
        dim.dim_value
        if dim.dim_value > 0
        else dims.get(f"{value.name}.{axis}", dims.get(dim.dim_param, 1))
        for axis, dim in enumerate(value.type.tensor_type.shape.dim)
    )


def _drawn(value: Any, generator: np.random.Generator) -> Array:
    shape = _shape(value, {})
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        return generator.standard_normal(shape).astype(np.float32)
    return generator.integers(0, 2, shape).astype(dtype)


def _macs(node: NodeProto, shapes: Shapes) -> int:
    """Products of one node, by the definition of its operator."""
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    result = shapes[next(name for name in node.output if name)]
    if node.op_type in CONVOLUTIONS:
        weights = shapes[node.input[3 if node.op_type == "QLinearConv" else 1]]
        if node.op_type == "ConvTranspose":  # each result a sum over a whole kernel
            return prod(result) * weights[0] // attributes.get("group", 1) * prod(weights[2:])
        return prod(result) * prod(weights[1:])
    if node.op_type in GATES:
        X, W = shapes[node.input[0]], shapes[node.input[1]]
        H, steps = attributes["hidden_size"], X[0] * X[1]
        return int(steps * W[0] * GATES[node.op_type] * H * (X[2] + H))
    if node.op_type == "Einsum":
        terms = attributes["equation"].decode().replace(" ", "").partition("->")[0].split(",")
        sizes = {
            label: size
            for term, name in zip(terms, node.input, strict=True)
            for label, size in zip(term, shapes[name], strict=True)
        }
        return prod(sizes.values())
    first = shapes[node.input[0]]
    return prod(result) * (first[-2] if attributes.get("transA", 0) else first[-1])
