"""Spells attention out: two products, of queries by keys and of the weighted values.

ONNX defines the operator by some sixty plain nodes that also repeat the keys for each group of
heads and guard against rows that are masked entirely; a reader needs neither. Here the heads that
share keys and values are more rows of one product.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from codesign.specs.onnx.graph import Shape

OPERATOR = "Attention"
MOST_INPUTS = 6  # queries, keys, values, mask, past keys, past values
MOST_OUTPUTS = 3  # result, keys and values with the past ones


def spell_out(proto: ModelProto, shapes: Mapping[str, Shape]) -> bool:
    """Replace, in place, every attention whose operands' shapes are known; whether there was one.

    Of those that also ask for the products before the softmax, or give the lengths of padded keys,
    nothing is replaced.
    """
    nodes: list[NodeProto] = []
    found = False
    for node in proto.graph.node:
        parts = _parts(proto, node, shapes) if _is_plain(node) else None
        found |= parts is not None
        nodes += parts or [deepcopy(node)]
    if found:
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
    return found


def _is_plain(node: NodeProto) -> bool:
    return (
        node.op_type == OPERATOR
        and node.domain == ""
        and not any(node.input[MOST_INPUTS:])
        and not any(node.output[MOST_OUTPUTS:])
    )


class _Writer:
    """Writes nodes whose values are named after one attention."""

    def __init__(self, proto: ModelProto, name: str) -> None:
        self.nodes: list[NodeProto] = []
        self._proto, self._name = proto, name

    def add(self, operator: str, inputs: list[str], role: str, output: str = "", **how: Any) -> str:
        """A node; the value it writes."""
        result = output or f"{self._name}.{role}"
        name = f"{self._name}.{role}"
        self.nodes.append(helper.make_node(operator, inputs, [result], name=name, **how))
        return result

    def reshaped(self, value: str, shape: tuple[int, ...], role: str, output: str = "") -> str:
        """A 0 keeps a size, a −1 takes what is left."""
        name = f"{self._name}.{role}.shape"
        tensor = numpy_helper.from_array(np.array(shape, np.int64), name)
        self._proto.graph.initializer.append(tensor)
        return self.add("Reshape", [value, name], role, output)


def _parts(
    proto: ModelProto, node: NodeProto, shapes: Mapping[str, Shape]
) -> list[NodeProto] | None:
    inputs = [*node.input, *[""] * (MOST_INPUTS - len(node.input))]
    outputs = [*node.output, *[""] * (MOST_OUTPUTS - len(node.output))]
    given = [shapes[name] for name in inputs[:3] if name in shapes]
    if len(given) < 3:
        return None
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    heads = int(attributes.get("q_num_heads", given[0][1]))
    shared = int(attributes.get("kv_num_heads", given[1][1]))
    write = _Writer(proto, node.name)
    q, k, v = (
        _in_heads(write, name, len(shape), count, role)
        for name, shape, count, role in zip(
            inputs, given, (heads, shared, shared), ("queries", "keys", "values"), strict=False
        )
    )
    k = _with_past(write, inputs[4], k, outputs[1], "all_keys")
    v = _with_past(write, inputs[5], v, outputs[2], "all_values")
    k = write.add("Transpose", [k], "columns", perm=[0, 1, 3, 2])
    scores = write.add("MatMul", [write.reshaped(q, (0, shared, -1, 0), "rows"), k], "qk")
    scores = write.reshaped(scores, (0, heads, -1, 0), "scores")
    if inputs[3]:  # added or selecting: it is read once for each product
        mask = write.add("Cast", [inputs[3]], "mask", to=TensorProto.BOOL)
        scores = write.add("Where", [mask, scores, scores], "masked")
    scores = write.add("Softmax", [scores], "softmax")
    scores = write.reshaped(scores, (0, shared, -1, 0), "weights")
    result = write.add("MatMul", [scores, v], "av")
    if len(given[0]) == 4:
        write.reshaped(result, (0, heads, -1, 0), "result", outputs[0])
        return write.nodes
    result = write.reshaped(result, (0, heads, -1, 0), "heads")
    result = write.add("Transpose", [result], "tokens", perm=[0, 2, 1, 3])
    write.reshaped(result, (0, 0, -1), "result", outputs[0])
    return write.nodes


def _in_heads(write: _Writer, value: str, rank: int, heads: int, role: str) -> str:
    """As images × heads × tokens × features."""
    if rank == 4:
        return value
    split = write.reshaped(value, (0, 0, heads, -1), f"{role}.split")
    return write.add("Transpose", [split], role, perm=[0, 2, 1, 3])


def _with_past(write: _Writer, past: str, value: str, output: str, role: str) -> str:
    """Earlier tokens in front of the new ones."""
    if past:
        return write.add("Concat", [past, value], role, output, axis=2)
    return write.add("Identity", [value], role, output) if output else value
