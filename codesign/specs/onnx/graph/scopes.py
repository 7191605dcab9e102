"""Puts a file's nodes in order, and gives each value of it a name of its own.

ONNX wants the nodes of a graph sorted, runtimes sort them; and the body of an If or a Loop may call
a value as another body does, or as the graph around it does, which it hides. Afterwards a name
means one value wherever it stands, and constants stand in the graph alone, not in bodies.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, MutableMapping, Sequence
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Any

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from codesign.errors import SpecError
from codesign.specs.onnx.graph.graph import Names

MOST_SHOWN = 10  # nodes of a cycle


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs a node holds: branches, the body of a loop."""
    for entry in node.attribute:
        if entry.HasField("g"):
            yield entry.g
        yield from entry.graphs


def reads(node: NodeProto) -> Iterator[str]:
    """The values a node reads, those that its bodies take from around it included."""
    yield from filter(None, node.input)
    for body in bodies(node):
        own = {*_given(body)}
        own.update(name for inner in body.node for name in inner.output)
        for name in (*(x for inner in body.node for x in reads(inner)), *_results(body)):
            if name not in own:
                yield name


def names(node: NodeProto) -> Iterator[str]:
    """All names in a node: its own, and those of `values`."""
    yield node.name
    yield from values(node)


def values(node: NodeProto) -> Iterator[str]:
    """Names of a node's operands and results, and of all values in its bodies."""
    yield from node.input
    yield from node.output
    for body in bodies(node):
        yield from (value.name for value in (*body.input, *body.output))
        for inner in body.node:
            yield from values(inner)


def sort_nodes(model: ModelProto) -> None:
    """Sort the nodes of every graph in place, those in order as they are.

    Raises
    ------
    SpecError
        A cycle.
    """
    _sort_graph(model.graph)
    for function in model.functions:
        _sort(function.node)
        for node in function.node:
            for body in bodies(node):
                _sort_graph(body)


def _sort_graph(graph: GraphProto) -> None:
    _sort(graph.node)
    for node in graph.node:
        for body in bodies(node):
            _sort_graph(body)


def _sort(nodes: Any) -> None:
    """Sort nodes by what they read; of several that are ready, the first in the file goes first."""
    writer: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            writer.setdefault(name, index)
    needed = [
        sorted({writer[name] for name in reads(node) if name in writer} - {index})
        for index, node in enumerate(nodes)
    ]
    _check_alone(nodes, writer)
    if all(not before or before[-1] < index for index, before in enumerate(needed)):
        return
    order = _order(needed)
    if len(order) < len(nodes):
        raise SpecError(f"a cycle of nodes: {', '.join(map(repr, _cycle(nodes, needed)))}")
    arranged = [deepcopy(nodes[index]) for index in order]
    del nodes[:]
    nodes.extend(arranged)


def _check_alone(nodes: Sequence[NodeProto], writer: MutableMapping[str, int]) -> None:
    for index, node in enumerate(nodes):
        if any(writer.get(name) == index for name in reads(node)):
            raise SpecError(f"a cycle of nodes: {_called(node, index)!r}")


def _order(needed: Sequence[Sequence[int]]) -> list[int]:
    """Positions so that each comes after those it needs; incomplete where there is a cycle."""
    waiting = [len(before) for before in needed]
    readers: list[list[int]] = [[] for _ in needed]
    for index, before in enumerate(needed):
        for other in before:
            readers[other].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        order.append(heappop(ready))
        for index in readers[order[-1]]:
            waiting[index] -= 1
            if not waiting[index]:
                heappush(ready, index)
    return order


def _cycle(nodes: Sequence[NodeProto], needed: Sequence[Sequence[int]]) -> list[str]:
    try:
        TopologicalSorter(dict(enumerate(needed))).prepare()
    except CycleError as error:
        names = [_called(nodes[index], index) for index in error.args[1]]
        return names[:0:-1][:MOST_SHOWN]
    raise AssertionError("nodes that cannot be sorted form a cycle")


def _called(node: NodeProto, index: int) -> str:
    return node.name or f"{node.op_type}_{index}"


def name_apart(model: ModelProto) -> None:
    """Rename, in place, the values of bodies that are called as others are.

    Raises
    ------
    SpecError
        A node reads what nothing writes.
    """
    graph = model.graph
    own = {name: name for name in _given(graph)}
    own |= {name: name for node in graph.node for name in node.output}
    taken = Names(own)
    for index, node in enumerate(graph.node):
        _rename(node, own, taken, _called(node, index))


def _rename(node: NodeProto, scope: MutableMapping[str, str], taken: Names, where: str) -> None:
    for position, name in enumerate(node.input):
        if name and name not in scope:
            raise SpecError(f"node {where!r} ({node.op_type}) reads {name!r}, which nothing writes")
        if name and scope[name] != name:
            node.input[position] = scope[name]
    for position, name in enumerate(node.output):
        if name and scope[name] != name:
            node.output[position] = scope[name]
    for body in bodies(node):
        _rename_body(body, scope, taken, where)


def _rename_body(
    body: GraphProto, scope: MutableMapping[str, str], taken: Names, where: str
) -> None:
    own: dict[str, str] = {}
    inner = ChainMap(own, scope) if not isinstance(scope, ChainMap) else scope.new_child(own)
    for name in (*_given(body), *(name for node in body.node for name in node.output)):
        if name and name not in own:
            own[name] = taken.new(name)
    for value in (*body.input, *body.initializer, *(x.values for x in body.sparse_initializer)):
        value.name = own[value.name] if value.name else ""
    for index, node in enumerate(body.node):
        _rename(node, inner, taken, f"{where}/{_called(node, index)}")
    for value in body.output:
        if value.name not in inner:
            raise SpecError(
                f"node {where!r}: its body returns {value.name!r}, which nothing writes"
            )
        value.name = inner[value.name]
    _return_copies(body, taken)
    del body.value_info[:]


def _return_copies(body: GraphProto, taken: Names) -> None:
    """Let a body that returns what it stores return a copy: what it stores is to be moved out."""
    stored = {tensor.name for tensor in body.initializer}
    for value in body.output:
        if value.name in stored:
            copy = taken.new(value.name)
            body.node.append(helper.make_node("Identity", [value.name], [copy]))
            value.name = copy


def _given(graph: GraphProto) -> Iterator[str]:
    """Names of what a graph is fed with and of what it holds."""
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (entry.values.name for entry in graph.sparse_initializer)


def _results(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in graph.output)


def take_initializers_out(model: ModelProto) -> None:
    """Move what bodies store to the graph, in place: one tensor each, however often they run.

    Names must be apart.
    """
    for body in _all_bodies(model.graph):
        model.graph.initializer.extend(body.initializer)
        model.graph.sparse_initializer.extend(body.sparse_initializer)
        del body.initializer[:]
        del body.sparse_initializer[:]


def take_constants_out(model: ModelProto) -> None:
    """Move what Constant nodes of bodies hold to the graph, in place; names must be apart.

    ONNX's checker wants a body's results to be written in the body, so it has to be asked before.
    """
    for body in _all_bodies(model.graph):
        kept = []
        for node in body.node:
            tensor = _dense(node)
            if tensor is None:
                kept.append(deepcopy(node))
            else:
                model.graph.initializer.append(tensor)
        if len(kept) < len(body.node):
            del body.node[:]
            body.node.extend(kept)


def _all_bodies(graph: GraphProto) -> Iterator[GraphProto]:
    """The bodies in a graph, those in them first."""
    for node in graph.node:
        for body in bodies(node):
            yield from _all_bodies(body)
            yield body


def _dense(node: NodeProto) -> TensorProto | None:
    """The tensor of a Constant that holds one, called as its result."""
    held = next((entry.t for entry in node.attribute if entry.name == "value"), None)
    if node.op_type != "Constant" or held is None or len(node.output) != 1:
        return None
    tensor = TensorProto()
    tensor.CopyFrom(held)
    tensor.name = node.output[0]
    return tensor
