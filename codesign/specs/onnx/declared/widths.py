"""The widths that a file declares, as pins: by integer types, clipped ranges and quantisers."""

from __future__ import annotations

from collections.abc import Mapping

from codesign.specs.onnx.declared.intervals import MOST_BITS, intervals
from codesign.specs.onnx.graph import qonnx
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.operators import packed_bits
from codesign.specs.onnx.storage.build_network import BuiltNetwork
from codesign.specs.onnx.storage.groups import Grouping
from codesign.specs.onnx.storage.layout import Layout, Tensor


def declared_widths(
    graph: Graph, grouping: Grouping, layout: Layout, built: BuiltNetwork
) -> dict[str, int]:
    """Pins: ``weight:<layer>``, of the layer that owns them, and ``tensor:<tensor>`` to bits.

    Weights of which uses have several widths have the widest; so has a tensor that is read in
    several, as the parts of a concatenation may be. A width that holds only on the way to a later
    one, as that of an integer type before its values are clipped, does not count. The results of
    the network are left out: they have no width of their own.
    """
    declared, pins = _declared_bits(graph), dict[str, int]()
    nodes = {node.name: node for node in graph.nodes}
    layers = {layer.name: layer for layer in built.network.layers}
    for draft, name in built.layer_names.items():
        if draft.weight_value is not None:
            bits = _weight_bits(graph, declared, nodes[draft.name], draft.weight_value)
            if bits is not None:
                key = layers[name].weight_source
                pins[key] = max(bits, pins.get(key, 0))
    tensors = {
        value: layout.places[group].tensor
        for value, group in grouping.group_of.items()
        if group in layout.places
    }
    passing = _passing(graph, declared, tensors)
    for value, bits in declared.items():
        name = built.tensor_names.get(tensors[value], "") if value in tensors else ""
        if name in built.network.inner_tensors and value not in passing:
            key = f"tensor:{name}"
            pins[key] = max(bits, pins.get(key, 0))
    return pins


def _declared_bits(graph: Graph) -> dict[str, int]:
    """Width of each value that is declared to have one, of 16 bits or fewer."""
    found = {name: each.bits for name, each in intervals(graph).items()}
    for node in (*graph.sources.values(), *graph.nodes):
        if qonnx.kind(node):
            found[node.outputs[0]] = qonnx.stated_bits(graph, node)
    for name, text in graph.annotated.items():
        if found.get(name) is None:
            found[name] = qonnx.datatype_bits(text)
    return {name: bits for name, bits in found.items() if bits is not None and bits <= MOST_BITS}


def _weight_bits(graph: Graph, declared: Mapping[str, int], node: Node, value: str) -> int | None:
    """Width of a constant operand: of the last value, on the way to it, that has one."""
    packed = packed_bits(node)
    if packed is not None:
        return packed
    for name in (value, *(maker.input(0) for maker in graph.ancestry(value))):
        if name in declared:
            return declared[name]
    return None


def _passing(
    graph: Graph, declared: Mapping[str, int], tensors: Mapping[str, Tensor]
) -> frozenset[str]:
    """Values of which every use leads to a later declared value of the same tensor."""
    found: set[str] = set()
    written = [name for node in graph.nodes for name in node.outputs if name]
    for value in reversed([*graph.inputs, *written]):
        later = [name for node in graph.readers.get(value, ()) for name in graph.live_outputs(node)]
        if (
            value in tensors
            and value not in graph.outputs
            and later
            and all(tensors.get(name) is tensors[value] for name in later)
            and all(name in declared or name in found for name in later)
        ):
            found.add(value)
    return frozenset(found)
