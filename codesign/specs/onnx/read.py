"""From an ONNX file to a network, step by step: shapes, groups of values, layout, layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.specs.layer import MAX_NAME, Layer
from codesign.specs.network import Network
from codesign.specs.onnx.declared.notes import notes
from codesign.specs.onnx.declared.stored_values import stored_values, weight_values
from codesign.specs.onnx.declared.weights import LayerWeights
from codesign.specs.onnx.declared.widths import declared_widths
from codesign.specs.onnx.graph.dimensions import bind
from codesign.specs.onnx.graph.file import Model, read_model
from codesign.specs.onnx.graph.given_inputs import fix_inputs, given_notes
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.packed_caches import unpack_caches
from codesign.specs.onnx.products.padding import store_large_padding
from codesign.specs.onnx.shapes.shape_inference import infer_shapes
from codesign.specs.onnx.shapes.undecided import check_complete
from codesign.specs.onnx.shapes.unknown import check_operators
from codesign.specs.onnx.storage.build_network import BuiltNetwork, build_network
from codesign.specs.onnx.storage.groups import group_values
from codesign.specs.onnx.storage.layout import lay_out
from codesign.specs.onnx.views.several_results import join_results


@dataclass(frozen=True)
class Imported:
    """A network, and what else its file says.

    Attributes
    ----------
    network : Network
    pins : dict of str to int
        Integer widths the file declares, by ``weight:<layer>`` and ``tensor:<tensor>``.
    notes : tuple of str
        What was decided on the way that the network alone does not show.
    warnings : tuple of str
        What was assumed of unknown operators.
    weights : LayerWeights
        Weights of each layer that owns some, read when asked for.
    stored_values : dict of str to str
        Values of the file that one layer leaves to another, and the tensor of each.
    weight_values : dict of str to str
        Constants that layers multiply by, and the ``weight:<layer>`` that each is.
    """

    network: Network
    pins: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    weights: LayerWeights
    stored_values: dict[str, str]
    weight_values: dict[str, str]


def read(
    path: Path,
    *,
    batch: int | None,
    dims: Mapping[str, int],
    inputs: Mapping[str, Any],
    ignore_unknown: bool,
) -> Imported:
    """Read a file; see `codesign.from_onnx`."""
    try:
        model, sizes = fix_inputs(read_model(path), inputs, dims)
        images = bind(model, sizes, batch)
        unpack_caches(model)
        graph = infer_shapes(model, keep_unknown_shape=ignore_unknown)
        warnings = check_operators(graph, ignore_unknown)
        check_complete(graph)
        grouping = group_values(join_results(store_large_padding(graph)))
        layout = lay_out(grouping)
        built = build_network(layout, path.stem[:MAX_NAME], _source(model))
        return Imported(
            network=built.network.batched(images),
            pins=declared_widths(graph, grouping, layout, built),
            notes=(*given_notes(inputs, graph.known), *notes(graph, layout, built)),
            warnings=warnings,
            weights=LayerWeights(model, graph, _weight_operands(graph, built)),
            stored_values=stored_values(graph, grouping, layout, built),
            weight_values=weight_values(built),
        )
    except UnicodeDecodeError:  # names are decoded when they are looked at
        raise SpecError(f"{path}: a damaged ONNX file: a name in it is not UTF-8") from None
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def _source(model: Model) -> str:
    maker = f"{model.proto.producer_name} {model.proto.producer_version}".strip()
    return f"ONNX, opset {model.opset}" + (f", {maker}" if maker else "")


def _weight_operands(graph: Graph, built: BuiltNetwork) -> dict[str, tuple[Layer, Node, str]]:
    """Of each layer that owns constant weights: itself, its node, and the constant."""
    layers = {layer.name: layer for layer in built.network.layers}
    nodes = {node.name: node for node in graph.nodes}
    return {
        name: (layers[name], nodes[draft.name], draft.weight_value)
        for draft, name in built.layer_names.items()
        if draft.weight_value is not None and layers[name].owns_weights
    }
