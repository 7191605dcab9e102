"""What a file says beside its network: decisions in sentences, and the widths it declares."""

from __future__ import annotations

from codesign.errors import first_few
from codesign.specs.onnx import operators
from codesign.specs.onnx.build_network import BuiltNetwork
from codesign.specs.onnx.graph import Graph
from codesign.specs.onnx.groups import Grouping
from codesign.specs.onnx.layout import Draft, Layout

MOST_NAMES = 5


def notes(graph: Graph, layout: Layout, built: BuiltNetwork) -> tuple[str, ...]:
    """One sentence for each thing worth knowing."""
    names, found = built.layer_names, [*dict.fromkeys(graph.remarks)]
    transposed = [names[draft] for draft in layout.drafts if draft.operator in operators.TRANSPOSED]
    if transposed:
        found.append(
            "transposed convolutions are computed as ordinary ones over the zero-inserted image; "
            f"their MACs count the products with these zeros: {first_few(transposed, MOST_NAMES)}"
        )
    for value, drafts in _sharing(graph, layout).items():
        found.append(
            f"weights {value!r} are used by several layers, each described with its own: "
            f"{first_few([names[draft] for draft in drafts], MOST_NAMES)}"
        )
    moving = {names[draft]: draft.operator for draft in layout.drafts if draft.moves}
    tables = [name for name, operator in moving.items() if operator == "Gather"]
    if tables:
        found.append(
            "rows looked up by index: the layer reads the indices and writes the rows; what it "
            f"reads of a constant table is not counted: {first_few(tables, MOST_NAMES)}"
        )
    layers = [layer.name for layer in built.network.layers if layer.moves]
    if layers:
        shown = [f"{name} ({moving.get(name, 'copy')})" for name in layers]
        found.append(f"layers that only move data, {len(layers)}: {first_few(shown, MOST_NAMES)}")
    return tuple(found)


def _sharing(graph: Graph, layout: Layout) -> dict[str, list[Draft]]:
    """Stored constants that are the weights of more than one layer."""
    users: dict[str, list[Draft]] = {}
    for draft in layout.drafts:
        if draft.weight_value is None:
            continue
        stored = draft.weight_value
        for node in graph.ancestry(stored):
            stored = node.input(0) or stored
        users.setdefault(stored, []).append(draft)
    return {value: drafts for value, drafts in users.items() if len(drafts) > 1}


def declared_widths(
    graph: Graph, grouping: Grouping, layout: Layout, built: BuiltNetwork
) -> dict[str, int]:
    """Pins: ``weight:<layer>`` and ``tensor:<tensor>`` to bits.

    A tensor that is quantised in several ways, as the parts of a concatenation may be, has the
    widest. The results of the network are left out: they have no width of their own.
    """
    pins: dict[str, int] = {}
    for draft, name in built.layer_names.items():
        bits = None if draft.weight_value is None else _weight_bits(graph, draft.weight_value)
        if bits is not None:
            pins[f"weight:{name}"] = bits
    for value, bits in graph.integer_bits.items():
        group = grouping.group_of.get(value)
        if group is None or group not in layout.places:
            continue
        tensor = layout.places[group].tensor
        name = built.tensor_names.get(tensor, "")
        if name in built.network.inner_tensors:
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
