"""Zeros around a feature map that only windows look at: the padding of the layer that reads it."""

from __future__ import annotations

from codesign.specs.onnx import operators
from codesign.specs.onnx.graph import Graph, Node, Shape

KEEP_ZERO = ("Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "Relu")


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
    kernel = graph.shapes[operators.weights_of(reader)][2:]
    out = graph.shapes[reader.outputs[0]][2:]
    strides = reader.attributes.get("strides", [1] * len(kernel))
    dilations = reader.attributes.get("dilations", [1] * len(kernel))
    return all(
        (o - 1) * stride + reach <= size + 2 * (reach - 1)
        for o, size, stride, reach in zip(
            out,
            stored[2:],
            strides,
            [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)],
            strict=True,
        )
    )
