"""Which position of the source a Resize takes for each of its result, where that is one alone.

Source: the operators Resize (opsets 10 to 19) and Upsample (opset 9) of the ONNX specification.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from codesign.specs.onnx.graph.graph import Graph, Node

Positions = np.ndarray[Any, Any]


def source_positions(graph: Graph, node: Node, axis: int) -> Positions | None:
    """Of the nearest neighbour, or the only one there is; None where neighbours are mixed.

    None too where a region of interest, or a scale that is not known, decides.
    """
    before, after = (graph.shapes[name][axis] for name in (node.input(0), node.outputs[0]))
    how = node.attributes
    where = how.get("coordinate_transformation_mode", "half_pixel")
    if where == "tf_crop_and_resize" or before == 0:
        return None
    if before == 1:
        return np.zeros(after, np.int64)
    if how.get("mode", "nearest") != "nearest" or after % before:
        return None
    scale, at = after // before, np.arange(after)
    if not _scaled_by(graph, node, axis, scale):
        return None
    if node.operator == "Upsample" or not _is_newer(node):
        return np.asarray(at // scale)
    exact = _coordinates(where, at, before, after)
    return None if exact is None else np.clip(_nearest(how, exact), 0, before - 1)


def _is_newer(node: Node) -> bool:
    """Whether it is a Resize of opset 11 or later, which has a region of interest beside scales."""
    return len(node.inputs) > 2


def _scaled_by(graph: Graph, node: Node, axis: int, scale: int) -> bool:
    """Whether a scale that is given, if it is, is that of the sizes."""
    given = node.attributes.get("scales")
    if given is None:
        name = node.input(2) if _is_newer(node) else node.input(1)
        known = graph.known.get(name) if name else None
        if not name or (known is not None and not known.size):
            return True  # by sizes
        if known is None:
            return False
        given = known
    axes = [int(x) % len(graph.shapes[node.input(0)]) for x in node.attributes.get("axes", ())]
    if axes:
        return axis in axes and float(given[axes.index(axis)]) == scale
    return float(given[axis]) == scale


def _coordinates(where: str, at: Positions, before: int, after: int) -> Positions | None:
    """Of each position of the result in the source."""
    scale = after / before
    half = (at + 0.5) / scale - 0.5
    known = {
        "asymmetric": at / scale,
        "align_corners": at * (before - 1) / (after - 1),
        "half_pixel": half,
        "half_pixel_symmetric": half,
        "pytorch_half_pixel": half,
        "tf_half_pixel_for_nn": (at + 0.5) / scale,
    }
    return known.get(where)


def _nearest(how: Any, exact: Positions) -> Positions:
    mode = how.get("nearest_mode", "round_prefer_floor")
    if mode == "floor":
        found = np.floor(exact)
    elif mode == "ceil":
        found = np.ceil(exact)
    elif mode == "round_prefer_ceil":
        found = np.floor(exact + 0.5)
    else:
        found = np.ceil(exact - 0.5)
    return found.astype(np.int64)
