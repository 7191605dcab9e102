"""What a file says beside its network: decisions in sentences."""

from __future__ import annotations

from codesign.errors import first_few
from codesign.specs.onnx.graph import operators, qonnx
from codesign.specs.onnx.graph.graph import Graph
from codesign.specs.onnx.spelling.recurrent import recurrent_notes
from codesign.specs.onnx.storage.build_network import BuiltNetwork
from codesign.specs.onnx.storage.layout import Layout
from codesign.specs.onnx.storage.shared_weights import partial_uses

MOST_NAMES = 5


def notes(graph: Graph, layout: Layout, built: BuiltNetwork) -> tuple[str, ...]:
    """One sentence for each thing worth knowing."""
    names, found = built.layer_names, [*dict.fromkeys(graph.remarks)]
    transposed = {names[draft] for draft in layout.drafts if draft.operator in operators.TRANSPOSED}
    inserting = [layer for layer in built.network.layers if layer.name in transposed]
    if inserting:
        macs, stored = (
            sum(x) for x in zip(*((x.macs, x.stored_macs) for x in inserting), strict=True)
        )
        found.append(
            "transposed convolutions are computed as ordinary ones over the zero-inserted image; "
            f"their MACs, {macs:,}, count the products with these zeros, without which they are "
            f"{stored:,}: {first_few([x.name for x in inserting], MOST_NAMES)}"
        )
    deep = _over_volumes(graph)
    volumes = [names[draft] for draft in layout.drafts if draft.name in deep]
    if volumes:
        found.append(
            "convolutions over three axes or more: rows are the first axis, columns the others in "
            "a line; products, weights and elements are exact, what tiles of columns share is an "
            f"upper bound: {first_few(volumes, MOST_NAMES)}"
        )
    if built.network.cache:
        found.append(
            "tensors that go on from run to run, what is new behind what is there: "
            f"{first_few(built.network.cache, MOST_NAMES)}"
        )
    found += _sharing(layout, built)
    found += recurrent_notes(graph)
    moving = {
        names[draft]: draft.operator.removeprefix(operators.OWN)
        for draft in layout.drafts
        if draft.moves
    }
    tables = [name for name, operator in moving.items() if operator == "Gather"]
    if tables:
        found.append(
            "rows looked up by index: the layer reads the indices and writes the rows; what it "
            f"reads of a constant table is not counted: {first_few(tables, MOST_NAMES)}"
        )
    copies = [name for name, operator in moving.items() if operator in ("Expand", "Tile")]
    if copies:
        found.append(
            "repeated data are stored where they are a result, or where what reads them has no "
            f"layer that reads them once: {first_few(copies, MOST_NAMES)}"
        )
    layers = [layer.name for layer in built.network.layers if layer.moves]
    if layers:
        shown = [f"{name} ({moving.get(name, 'copy')})" for name in layers]
        found.append(f"layers that only move data, {len(layers)}: {first_few(shown, MOST_NAMES)}")
    floats = _small_floats(graph)
    if floats:
        found.append(
            "values in floating point of few bits have no integer width: "
            f"{first_few(floats, MOST_NAMES)}"
        )
    return tuple(found)


def _over_volumes(graph: Graph) -> frozenset[str]:
    """Names of the convolutions over more than rows and columns."""
    kinds = operators.CONVOLUTIONS | operators.TRANSPOSED
    found = (node for node in graph.nodes if node.operator in kinds)
    return frozenset(x.name for x in found if len(graph.shapes[operators.weights_of(x)]) > 4)


def _small_floats(graph: Graph) -> list[str]:
    """Values that are stored in floating point of 8 bits or fewer, or rounded to it."""
    made = (*dict.fromkeys(graph.sources.values()), *graph.nodes)
    written = {node.outputs[0]: node for node in made if qonnx.kind(node) == "FloatQuant"}
    read = {name for node in made for name in node.inputs if name}
    stored = {name: kind for name, kind in graph.small_floats.items() if name in read}
    zeros = {node.input(2) for node in made if node.operator.endswith("QuantizeLinear")}
    return [
        *(f"{name} ({kind})" for name, kind in stored.items() if name not in zeros),
        *(f"{name} (FloatQuant)" for name in written),
    ]


def _sharing(layout: Layout, built: BuiltNetwork) -> list[str]:
    """Which weights several layers use, and which of one tensor are described as several."""
    uses: dict[str, list[str]] = {}
    for layer in built.network.layers:
        if layer.weights_of is not None:
            uses.setdefault(layer.weights_of, []).append(layer.name)
    found = [
        f"weights of {owner!r} are used again, and count once: {first_few(users, MOST_NAMES)}"
        for owner, users in uses.items()
    ]
    for drafts in partial_uses(layout.graph, layout.drafts):
        names = [built.layer_names[draft] for draft in drafts]
        found.append(
            "layers that multiply by a part of one stored tensor are described with weights of "
            f"their own: {first_few(names, MOST_NAMES)}"
        )
    return found
