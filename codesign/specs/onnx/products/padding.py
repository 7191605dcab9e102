"""Zeros around a feature map that only windows look at: the padding of the layer that reads it.

Of a convolution with more of them than the loops of a layer allow they are stored.
"""

from __future__ import annotations

from dataclasses import replace

from codesign.specs.onnx.graph import operators, qonnx
from codesign.specs.onnx.graph.graph import Graph, Node, Shape, free_name
from codesign.specs.onnx.products.loops import axes
from codesign.specs.onnx.products.volumes import plane

KEEP_ZERO = qonnx.KEEP_ZERO | {"Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "Relu"}


def is_padding_of_windows(graph: Graph, node: Node, stored: Shape) -> bool:
    """Whether a Pad need not be stored: zeros, read by windows that reach over the edge.

    Parameters
    ----------
    stored : tuple of int
        Shape of its operand as it lies in memory.
    """
    if node.attributes.get("mode", "constant") != "constant":
        return False
    value = graph.known.get(node.input(2)) if node.input(2) else None
    filled = node.attributes.get("value", 0.0) if value is None else value.reshape(-1)[0]
    if node.input(2) and value is None:
        return False
    before, after = graph.shapes[node.input(0)], graph.shapes[node.outputs[0]]
    grows = all(big >= small for big, small in zip(after, before, strict=True))
    if filled != 0 or not grows or len(stored) < 3 or after[:2] != before[:2]:
        return False
    return _read_by_windows(graph, node.outputs[0], stored)


def _read_by_windows(graph: Graph, value: str, stored: Shape) -> bool:
    readers = graph.readers.get(value, ())
    return (
        value not in graph.outputs
        and bool(readers)
        and all(_reads_as_window(graph, reader, value, stored) for reader in readers)
    )


def _reads_as_window(graph: Graph, reader: Node, value: str, stored: Shape) -> bool:
    if reader.inputs.count(value) != 1 or reader.input(0) != value:
        return False
    if reader.operator in operators.POOLINGS:
        return True
    if reader.operator in KEEP_ZERO:
        return _read_by_windows(graph, reader.outputs[0], stored)
    if reader.operator not in operators.CONVOLUTIONS:
        return False
    return _fits(graph, reader, stored)


def _fits(graph: Graph, node: Node, stored: Shape) -> bool:
    """Whether a layer may have the padding that a convolution of a stored image needs."""
    kernel, result = graph.shapes[operators.weights_of(node)], graph.shapes[node.outputs[0]]
    found = plane(axes(node, stored, kernel, result))
    return found.rows.fits and found.columns.fits


def store_large_padding(graph: Graph) -> Graph:
    """The graph with a Pad before each convolution that has more padding than a layer may have."""
    shapes, nodes = dict(graph.shapes), []
    for node in graph.nodes:
        image = node.input(0)
        if (
            node.operator in operators.CONVOLUTIONS
            and image not in graph.constants
            and not _fits(graph, node, graph.shapes[image])
        ):
            pads = node.attributes["pads"]
            padded = free_name(f"{image}.padded", shapes)
            around = zip(shapes[image][2:], pads, pads[len(pads) // 2 :], strict=False)
            shapes[padded] = (*shapes[image][:2], *(n + a + b for n, a, b in around))
            nodes.append(Node(f"{node.name}.pad", "Pad", (image,), (padded,), {}))
            node = replace(
                node,
                inputs=(padded, *node.inputs[1:]),
                attributes={**node.attributes, "pads": [0] * len(pads)},
            )
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes)
