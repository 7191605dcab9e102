"""Operators that write values and their indices: one tensor, and a part of it for each."""

from __future__ import annotations

from dataclasses import replace

from codesign.specs.onnx.graph.graph import Graph, Node, free_name
from codesign.specs.onnx.graph.operators import PAIRS


def join_results(graph: Graph) -> Graph:
    """The graph with one result of such an operator where both are used, and a Split of it.

    A layer writes one tensor, so both have one width, and what goes out at once is written once.
    """
    shapes, nodes = dict(graph.shapes), []
    for node in graph.nodes:
        used = graph.live_outputs(node)
        if node.operator not in PAIRS or len(used) < 2:
            nodes.append(node)
            continue
        first, *others = graph.shapes[used[0]]
        both = free_name(f"{node.name}.results", shapes)
        shapes[both] = (len(used) * first, *others)
        nodes.append(replace(node, outputs=(both,)))
        nodes.append(Node(f"{node.name}.split", "Split", (both,), used, {"axis": 0}))
    return replace(graph, nodes=tuple(nodes), shapes=shapes)
