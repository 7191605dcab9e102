"""The integer widths a quantised network declares for its weights and tensors."""

from __future__ import annotations

from codesign.specs.onnx.assembly import Assembly
from codesign.specs.onnx.graph import Graph
from codesign.specs.onnx.groups import Grouping
from codesign.specs.onnx.placement import Placement


def declared_widths(
    graph: Graph, grouping: Grouping, placement: Placement, assembly: Assembly
) -> dict[str, int]:
    """Pins: ``weight:<layer>`` and ``tensor:<tensor>`` to bits.

    A tensor that is quantised in several ways, as the parts of a concatenation may be, has the
    widest. The results of the network are left out: they have no width of their own.
    """
    pins: dict[str, int] = {}
    for draft, name in assembly.layer_names.items():
        bits = None if draft.weight_value is None else _weight_bits(graph, draft.weight_value)
        if bits is not None:
            pins[f"weight:{name}"] = bits
    for value, bits in graph.integer_bits.items():
        group = grouping.group_of.get(value)
        if group is None or group not in placement.places:
            continue
        tensor = placement.places[group].tensor
        name = assembly.tensor_names.get(tensor, "")
        if name in assembly.network.inner_tensors:
            key = f"tensor:{name}"
            pins[key] = max(bits, pins.get(key, 0))
    return pins


def _weight_bits(graph: Graph, value: str) -> int | None:
    """Width of a constant as it is stored, before it is turned into floating point."""
    if value in graph.integer_bits:
        return graph.integer_bits[value]
    for node in graph.ancestry(value):
        if node.operator.endswith("DequantizeLinear"):
            return graph.integer_bits.get(node.input(0))
    return None
