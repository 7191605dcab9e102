"""Copies of the bodies that nodes of control flow hold, into the graph around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, helper

from codesign.specs.onnx.graph.file import STANDARD_DOMAINS
from codesign.specs.onnx.graph.operators import OWN_DOMAIN
from codesign.specs.onnx.graph.scopes import bodies
from codesign.specs.onnx.graph.writer import Writer

CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
LISTS: tuple[str, ...] = (
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceInsert",
    "SequenceErase",
    "SequenceAt",
)
LISTS += ("SequenceLength", "ConcatFromSequence", "SplitToSequence")
LISTS += ("Optional", "OptionalHasElement", "OptionalGetElement")


def set_aside(model: ModelProto) -> None:
    """Give, in place, nodes of control flow and lists a domain that ONNX's inference leaves alone.

    A branch that is not taken need not fit, and what runs often is inferred where it is copied.
    """
    for node in model.graph.node:
        _set_aside(node)
    own = any(entry.domain == OWN_DOMAIN for entry in model.opset_import)
    if not own and any(node.domain == OWN_DOMAIN for node in model.graph.node):
        model.opset_import.append(helper.make_opsetid(OWN_DOMAIN, 1))


def is_set_aside(node: NodeProto) -> bool:
    """Whether a node is one that was set aside."""
    return node.domain == OWN_DOMAIN and node.op_type in (*CONTROL_FLOW, *LISTS)


def _set_aside(node: NodeProto) -> None:
    if node.op_type in (*CONTROL_FLOW, *LISTS) and node.domain in STANDARD_DOMAINS:
        node.domain = OWN_DOMAIN


def copy_in(write: Writer, body: GraphProto, given: Mapping[str, str], turn: str = "") -> list[str]:
    """Write a body's nodes; the values it returns.

    Parameters
    ----------
    given : mapping of str to str
        The value for each of its inputs.
    turn : str
        Of a body that is copied several times: what to add to all its names.
    """
    names = dict(given)
    if turn:
        names |= {name: write.named(name + turn) for name in _defined(body)}
    owner = ".".join([write.node.name, *([body.name] if write.node.op_type == "If" else [])])
    for index, node in enumerate(body.node):
        copy = deepcopy(node)
        copy.name = node.name or f"{owner}.{node.op_type}_{index}"
        _rename(copy, names, turn)
        copy.name = write.named_node(copy.name)
        _set_aside(copy)
        write.nodes.append(copy)
    return [names.get(value.name, value.name) for value in body.output]


def _defined(body: GraphProto) -> Iterator[str]:
    """All values that come into being in a body, and in bodies in it."""
    for node in body.node:
        yield from filter(None, node.output)
        for inner in bodies(node):
            yield from (value.name for value in inner.input)
            yield from _defined(inner)


def _rename(node: NodeProto, names: Mapping[str, str], turn: str) -> None:
    node.name += turn if node.name else ""
    for values in (node.input, node.output):
        for position, name in enumerate(values):
            if name in names:
                values[position] = names[name]
    for body in bodies(node):
        for value in (*body.input, *body.output):
            value.name = names.get(value.name, value.name)
        for inner in body.node:
            _rename(inner, names, turn)


def stack(write: Writer, values: Sequence[str], axis: int, role: str, output: str) -> None:
    """Write values side by side along a new axis."""
    inserted = write.unsqueezed(values, axis, role)
    write.add("Concat", inserted, role, output, axis=axis)


def picked(write: Writer, value: str, axis: int, position: int, role: str) -> str:
    """Write one position of an axis, without the axis."""
    index = write.constant(np.array(position, np.int64), role)
    return write.add("Gather", [value, index], role, axis=axis)
