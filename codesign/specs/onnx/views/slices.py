"""Which part of its operand a slice is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.operators import LAST_STATE

Cut = tuple[int, int, int]  # axis, start, stop


def region(graph: Graph, node: Node, position: int) -> Cut | None:
    """Axis, start and stop of what a Slice, Split or Gather keeps; None where it is more complex.

    Parameters
    ----------
    position : int
        Which output of a Split.
    """
    shape = graph.shapes[node.input(0)]
    if node.operator == "Split":
        axis = int(node.attributes.get("axis", 0)) % len(shape)
        lengths = [graph.shapes[name][axis] if name else 0 for name in node.outputs]
        if not all(node.outputs):
            return None
        stops = list(accumulate(lengths))
        return axis, stops[position] - lengths[position], stops[position]
    if node.operator == "Gather":
        return _gathered(graph, node, len(shape))
    if node.operator == LAST_STATE:
        return None
    return _sliced(graph, node)


def tiles_whole(cuts: Sequence[Cut], size: int) -> bool:
    """Whether cuts along one axis make up all of its ``size`` positions, each once."""
    if len({axis for axis, _, _ in cuts}) != 1:
        return False
    at = 0
    for _, start, stop in sorted(cuts):
        if start != at:
            return False
        at = stop
    return at == size


def _gathered(graph: Graph, node: Node, rank: int) -> Cut | None:
    indices = graph.known.get(node.input(1))
    axis = int(node.attributes.get("axis", 0)) % rank
    if indices is None or indices.size == 0:
        return None
    size = graph.shapes[node.input(0)][axis]
    wanted = indices.reshape(-1) % size
    first = int(wanted[0])
    if np.array_equal(wanted, np.arange(first, first + wanted.size)):
        return axis, first, first + int(wanted.size)
    return None


def _sliced(graph: Graph, node: Node) -> Cut | None:
    """The one axis a Slice cuts, if its steps are 1."""
    shape, cut = graph.shapes[node.input(0)], graph.shapes[node.outputs[0]]
    changed = [axis for axis, size in enumerate(shape) if cut[axis] != size]
    if len(changed) != 1:
        return None
    (axis,) = changed
    operands = _slice_operands(graph, node)
    if operands is None:
        return None
    starts, axes, steps = operands
    if any(step != 1 for step in steps):
        return None
    by_axis = {each % len(shape): start for each, start in zip(axes, starts, strict=True)}
    start = by_axis[axis]
    start = max(start + shape[axis], 0) if start < 0 else min(start, shape[axis])
    return axis, start, start + cut[axis]


def _slice_operands(graph: Graph, node: Node) -> tuple[list[int], list[int], list[int]] | None:
    """Starts, axes and steps of a Slice, which were attributes before opset 10."""
    if "starts" in node.attributes:
        starts = [int(start) for start in node.attributes["starts"]]
        axes = [int(axis) for axis in node.attributes.get("axes", range(len(starts)))]
        return starts, axes, [1] * len(starts)
    if any(name and name not in graph.known for name in node.inputs[1:]):
        return None
    starts = _integers(graph, node.input(1))
    axes = _integers(graph, node.input(3)) or list(range(len(starts)))
    return starts, axes, _integers(graph, node.input(4)) or [1] * len(starts)


def _integers(graph: Graph, name: str) -> list[int]:
    return [int(value) for value in graph.known[name].reshape(-1)] if name else []
