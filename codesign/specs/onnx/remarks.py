"""What an import decided that the network alone does not show, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from codesign.specs.onnx import operators
from codesign.specs.onnx.assembly import Assembly
from codesign.specs.onnx.graph import Graph
from codesign.specs.onnx.placement import Draft, Placement

MOST_NAMES = 5


def notes(graph: Graph, placement: Placement, assembly: Assembly) -> tuple[str, ...]:
    """One sentence for each thing worth knowing."""
    names, found = assembly.layer_names, []
    transposed = [
        names[draft] for draft in placement.drafts if draft.operator in operators.TRANSPOSED
    ]
    if transposed:
        found.append(
            "transposed convolutions are computed as ordinary ones over the zero-inserted image; "
            f"their MACs count the products with these zeros: {listed(transposed)}"
        )
    for value, drafts in _sharing(graph, placement).items():
        found.append(
            f"weights {value!r} are used by several layers, each described with its own: "
            f"{listed(names[draft] for draft in drafts)}"
        )
    moving = {names[draft]: draft.operator for draft in placement.drafts if draft.moves}
    tables = [name for name, operator in moving.items() if operator == "Gather"]
    if tables:
        found.append(
            "rows looked up by index: the layer reads the indices and writes the rows; what it "
            f"reads of a constant table is not counted: {listed(tables)}"
        )
    layers = [layer.name for layer in assembly.network.layers if layer.moves]
    if layers:
        shown = (f"{name} ({moving.get(name, 'copy')})" for name in layers)
        found.append(f"layers that only move data, {len(layers)}: {listed(shown)}")
    return tuple(found)


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    every = list(names)
    more = len(every) - MOST_NAMES
    return ", ".join(every[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _sharing(graph: Graph, placement: Placement) -> dict[str, list[Draft]]:
    """Stored constants that are the weights of more than one layer."""
    users: dict[str, list[Draft]] = {}
    for draft in placement.drafts:
        if draft.weight_value is None:
            continue
        stored = draft.weight_value
        for node in graph.ancestry(stored):
            stored = node.input(0) or stored
        users.setdefault(stored, []).append(draft)
    return {value: drafts for value, drafts in users.items() if len(drafts) > 1}
