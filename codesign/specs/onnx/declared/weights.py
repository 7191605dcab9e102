"""The weights of each layer, read when asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from codesign.errors import SpecError
from codesign.specs.network import Layer
from codesign.specs.onnx.declared.dequantise import DEQUANTISE, QUANTISE, linear, operand
from codesign.specs.onnx.graph import operators, qonnx
from codesign.specs.onnx.graph.constant_folding import Array, evaluated
from codesign.specs.onnx.graph.file import Model, first_line
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.qonnx import quantised
from codesign.specs.onnx.spelling.fourier import matrix


class LayerWeights(Mapping[str, Array]):
    """Layer name to its weights, output channel first: ``(G·K, C, R, S)``, floating point.

    Reading an entry loads that layer's constants from the file, and no others; nothing is kept.
    Quantised weights come multiplied by their scale.

    Raises
    ------
    SpecError
        Reading an entry: data that are missing, damaged or not finite.
    """

    def __init__(
        self, model: Model, graph: Graph, sources: Mapping[str, tuple[Layer, Node, str]]
    ) -> None:
        self._model, self._graph, self._sources = model, graph, sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, name: str) -> Array:
        layer, node, value = self._sources[name]
        where = f"{self._model.path}: weights of layer {name!r}"
        try:
            at = operators.WEIGHTS_AT.get(node.operator, 1)
            at = at if node.input(at) == value else 0
            array = operand(self._graph, node, at, self._constant)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None
        except Exception as error:  # whatever an operator of the reference makes of odd data
            raise SpecError(f"{where} cannot be read: {first_line(error)}") from None
        weights = _output_first(array, layer, node, value)
        if not np.isfinite(weights).all():
            raise SpecError(f"{where}: not all are finite numbers")
        return weights

    def _constant(self, value: str) -> Array:
        """A constant: stored, or made of stored ones."""
        if value in self._graph.known:
            return self._graph.known[value]
        if value in self._model.tensors:
            return self._stored(self._model.tensors[value])
        node = self._graph.sources.get(value)
        if node is None:
            raise SpecError(f"{value!r} is not stored as a plain tensor")
        if node.operator in QUANTISE + DEQUANTISE:
            return linear(self._graph, node, self._constant)
        if node.operator in qonnx.OPERATORS:
            return quantised(node, [self._constant(name) for name in node.inputs if name])
        if node.operator == operators.FOURIER_MATRIX:
            return matrix(node.attributes).astype(np.float32)
        if "." in node.operator:
            raise SpecError(f"made by {node.operator}, which cannot be computed here")
        given = {name: self._constant(name) for name in node.inputs if name}
        made = helper.make_node(node.operator, node.inputs, node.outputs, **node.attributes)
        return evaluated(made, given, self._model.opset)[value]

    def _stored(self, tensor: TensorProto) -> Array:
        if tensor.data_location != TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        loaded = TensorProto()
        loaded.CopyFrom(tensor)
        external_data_helper.load_external_data_for_tensor(loaded, str(self._model.path.parent))
        loaded.data_location = TensorProto.DEFAULT  # older versions of onnx leave it external
        del loaded.external_data[:]
        return numpy_helper.to_array(loaded)


def _output_first(array: Array, layer: Layer, node: Node, value: str) -> Array:
    """As ``(G·K, C, R, S)``."""
    shape = (layer.G, layer.K, layer.C, layer.R, layer.S)
    if node.operator in operators.CONVOLUTIONS:
        ordered = array
    elif node.operator in operators.TRANSPOSED:  # (G·C, K, R, S), to be mirrored
        per_group = array.reshape(layer.G, layer.C, layer.K, layer.R, layer.S)
        ordered = per_group.swapaxes(1, 2)[..., ::-1, ::-1]
    elif node.operator in operators.PACKED:
        ordered = array
    else:
        ordered = _matrix(array, layer, node, value)
    assert ordered.size == math.prod(shape)
    return np.ascontiguousarray(ordered.reshape(layer.G * layer.K, *shape[2:]))


def _matrix(array: Array, layer: Layer, node: Node, value: str) -> Array:
    """A matrix operand with its contracted axis last."""
    first = node.input(0) == value
    if node.operator == "Einsum":
        return _einsum_matrix(array, node, first)
    contracted_last = bool(node.attributes.get("transA" if first else "transB", 0)) != first
    if array.ndim < 2 or contracted_last:
        return array
    return array.swapaxes(-1, -2)


def _einsum_matrix(array: Array, node: Node, first: bool) -> Array:
    left, right, result = operators.einsum_labels(node)
    own, other = (left, right) if first else (right, left)
    groups = [label for label in own if label in other and label in result]
    outputs = [label for label in own if label not in other]
    contracted = [label for label in own if label in other and label not in result]
    return array.transpose([own.index(label) for label in (*groups, *outputs, *contracted)])
