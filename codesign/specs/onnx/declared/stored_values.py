"""Which values of the file one layer leaves to another, and which are weights."""

from __future__ import annotations

from codesign.specs.onnx.graph.graph import Graph
from codesign.specs.onnx.storage.build_network import BuiltNetwork
from codesign.specs.onnx.storage.groups import Grouping
from codesign.specs.onnx.storage.layout import Layout


def stored_values(
    graph: Graph, grouping: Grouping, layout: Layout, built: BuiltNetwork
) -> dict[str, str]:
    """The tensor of each value that a node reads to make another tensor of it, in order.

    Between two such reads a tensor is one set of numbers: what its own computation passes through
    (before an activation function, a pooling or an addition that belongs to it) is none.
    """
    tensors = {
        value: layout.places[group].tensor
        for value, group in grouping.group_of.items()
        if group in layout.places
    }
    found: dict[str, str] = {}
    for node in graph.nodes:
        made = {tensors[x] for x in graph.live_outputs(node) if x in tensors}
        for value in graph.activations(node):
            name = built.tensor_names.get(tensors[value]) if value in tensors else None
            if name is not None and made and made != {tensors[value]}:
                found[value] = name
    return found


def weight_values(built: BuiltNetwork) -> dict[str, str]:
    """The source of each constant that layers multiply by: ``weight:<layer>``, of its owner."""
    layers = {layer.name: layer for layer in built.network.layers}
    return {
        draft.weight_value: layers[name].weight_source
        for draft, name in built.layer_names.items()
        if draft.weight_value is not None
    }
