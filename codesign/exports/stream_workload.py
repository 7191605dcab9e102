"""Layers as ONNX graphs that Stream reads: shapes and element types, no values.

A layer is a convolution, whatever it is called; each residual is an Add after it, and a pooling
that is fused a MaxPool. Element types are the narrowest whole numbers of 8, 16 or 32 bits that hold
a width. Weights are initializers without values, as Stream's documentation asks.

Stream takes graphs with one result. So a network is one graph only where every tensor is read in
the shape in which it was written; of any other network each layer is a graph of its own.

Source: Stream 2.1.1 (KU Leuven), its parsers of Conv, Add and MaxPool; its documentation of
workloads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import onnx
from onnx import TensorProto, helper

from codesign.errors import SpecError
from codesign.exports.mapped import Mapped
from codesign.specs.layer import Layer, along
from codesign.specs.network import Network

TYPES = {8: TensorProto.INT8, 16: TensorProto.INT16, 32: TensorProto.INT32}
OPSET = 17
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Pool:
    """A pooling that divides rows and columns."""

    rows: int
    cols: int


@dataclass(frozen=True)
class Shaped:
    """A layer as a convolution.

    Attributes
    ----------
    layer : Layer
    reads, writes : tuple of int
        Shape of its input, and of the outputs it stores: images, channels, rows, columns.
    weights : tuple of int
        Shape of its weights.
    pool : Pool or None
    whole : bool
        Whether it stores just the elements that the design stores.
    """

    layer: Layer
    reads: Shape
    writes: Shape
    weights: Shape
    pool: Pool | None
    whole: bool

    @property
    def computes(self) -> Shape:
        """Shape of the outputs before pooling."""
        layer = self.layer
        return layer.N, layer.G * layer.K, layer.P, layer.Q

    @property
    def pads(self) -> list[int]:
        """Rows and columns of zeros in front, then behind."""
        missing = [max(0, x) for x in _missing(self.layer, self.reads, self.weights)]
        return [x // 2 for x in missing] + [x - x // 2 for x in missing]


def _missing(layer: Layer, reads: Shape, weights: Shape) -> list[int]:
    """Rows and columns that windows span beyond the input."""
    return [
        (out - 1) * along(axis, layer.stride)
        + (weights[2 + axis] - 1) * along(axis, layer.dilation)
        + 1
        - reads[2 + axis]
        for axis, out in enumerate((layer.P, layer.Q))
    ]


def shaped(network: Network, layer: Layer) -> Shaped:
    """The shapes of a layer by itself."""
    weights = layer.G * layer.K, layer.C, layer.R, layer.S
    size = [layer.H, layer.W]
    for axis, more in enumerate(_missing(layer, (0, 0, *size), weights)):
        if -more >= along(axis, layer.stride):  # rows for a window more, which is not taken
            size[axis] += more
    reads = layer.N, layer.G * layer.C, size[0], size[1]
    stored = network.touched(layer, layer.output)
    pool = None if stored == layer.computed_outputs else _pool(layer, stored)
    writes = layer.N, layer.G * layer.K, layer.P, layer.Q
    if pool is not None:
        writes = (*writes[:2], layer.P // pool.rows, layer.Q // pool.cols)
    return Shaped(layer, reads, writes, weights, pool, prod(writes) == stored)


def _pool(layer: Layer, stored: int) -> Pool | None:
    """A pooling after which so many elements are left; None where none divides the outputs."""
    left, rest = divmod(stored, layer.N * layer.G * layer.K)
    if rest:
        return None
    pairs = [(h, left // h) for h in range(1, layer.P + 1) if left % h == 0]
    fit = [(h, w) for h, w in pairs if layer.P % h == 0 and w <= layer.Q and layer.Q % w == 0]
    if not fit:
        return None
    h, w = min(fit, key=lambda x: abs(x[0] * layer.Q - x[1] * layer.P))  # as high as wide
    return Pool(layer.P // h, layer.Q // w)


def chained(network: Network) -> list[Shaped] | None:
    """All layers, each reading what another has written in its shape; None where some cannot."""
    if len(network.outputs) != 1 or network.cache:
        return None
    shapes: dict[str, Shape] = {}
    found = []
    for layer in network.layers:
        each = shaped(network, layer)
        if layer.moves or layer.weight_tensor or layer.parts or not each.whole:
            return None
        given = shapes.setdefault(layer.input, each.reads)
        if given != each.reads and (unfolded := _unfolded(each, given)) is not None:
            each = unfolded
        beside = [shapes.setdefault(x, each.computes) for x in layer.residuals]
        if given != each.reads or any(x != each.computes for x in beside):
            return None
        shapes[layer.output] = each.writes
        found.append(each)
    return found


def _unfolded(each: Shaped, given: Shape) -> Shaped | None:
    """A product with all elements of an image, as a convolution whose window is the image."""
    layer = each.layer
    one = layer.G == 1 and (layer.P, layer.Q, layer.R, layer.S, layer.H, layer.W) == (1,) * 6
    if not one or given[0] != layer.N or prod(given[1:]) != layer.C:
        return None
    return Shaped(layer, given, each.writes, (layer.K, *given[1:]), None, each.whole)


@dataclass
class Workload:
    """A graph on its way.

    Attributes
    ----------
    nodes : dict of str to list of str
        By layer: its nodes.
    widened : set of str
        Layers with an element type that is wider than its tensor.
    """

    mapped: Mapped
    nodes: dict[str, list[str]] = field(default_factory=dict)
    widened: set[str] = field(default_factory=set)
    _made: list[onnx.NodeProto] = field(default_factory=list)
    _inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    _values: list[onnx.ValueInfoProto] = field(default_factory=list)
    _weights: list[TensorProto] = field(default_factory=list)
    _known: dict[tuple[str, Shape], str] = field(default_factory=dict)  # of a tensor, the value
    _taken: set[str] = field(default_factory=set)

    def add(self, each: Shaped, weight_bits: int) -> None:
        """A layer, reading what others have written before."""
        layer, mapped = each.layer, self.mapped
        self.nodes[layer.name] = []
        bits = mapped.bits(layer.output)
        read = self._read(layer, layer.input, each.reads)
        kernel = self._name(f"{layer.name}.weights")
        if layer.weight_tensor is None:
            weights = TensorProto(name=kernel, data_type=self._type(layer, weight_bits))
            weights.dims.extend(each.weights)
            self._weights.append(weights)
        else:
            self._inputs.append(self._value(layer, kernel, weight_bits, each.weights))
        steps: dict[str, Any] = {
            "kernel_shape": each.weights[2:],
            "strides": [along(axis, layer.stride) for axis in (0, 1)],
            "dilations": [along(axis, layer.dilation) for axis in (0, 1)],
            "pads": each.pads,
            "group": layer.G,
        }
        last = [*layer.residuals, *([each.pool] if each.pool else [])]
        made = self._node(layer, "Conv", [read, kernel], each.computes, bits, not last, **steps)
        for n, name in enumerate(layer.residuals):
            other = self._read(layer, name, each.computes)
            end = n == len(last) - 1
            made = self._node(layer, "Add", [made, other], each.computes, bits, end)
        if each.pool is not None:
            sizes = [each.pool.rows, each.pool.cols]
            window: dict[str, Any] = {"kernel_shape": sizes, "strides": sizes}
            made = self._node(layer, "MaxPool", [made], each.writes, bits, True, **window)

    def _read(self, layer: Layer, tensor: str, shape: Shape) -> str:
        """The value of a tensor; an input of the graph where no node has written it."""
        if (tensor, shape) not in self._known:
            name = self._known[tensor, shape] = self._name(tensor)
            self._inputs.append(self._value(layer, name, self.mapped.bits(tensor), shape))
        return self._known[tensor, shape]

    def _node(
        self,
        layer: Layer,
        kind: str,
        inputs: list[str],
        shape: Shape,
        bits: int,
        last: bool,
        **attributes: Any,
    ) -> str:
        """A node of a layer, and what it makes: the layer's output if it is the last."""
        name = self._name(layer.name if kind == "Conv" else f"{layer.name}/{kind}", ".")
        self.nodes[layer.name].append(name)
        made = self._name(layer.output if last else f"{layer.output}/{name}")
        if last:
            self._known[layer.output, shape] = made
        self._values.append(self._value(layer, made, bits, shape))
        self._made.append(helper.make_node(kind, inputs, [made], name=name, **attributes))
        return made

    def _name(self, wanted: str, beside: str = "") -> str:
        """A name that nothing has; nodes and values have names apart."""
        name = wanted
        while beside + name in self._taken:
            name += "_"
        self._taken.add(beside + name)
        return name

    def _value(self, layer: Layer, name: str, bits: int, shape: Shape) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, self._type(layer, bits), shape)

    def _type(self, layer: Layer, bits: int) -> int:
        wide = next((x for x in TYPES if x >= bits), None)
        if wide is None:
            raise SpecError(f"Stream: layer {layer.name!r}: it has no tensors of {bits} bits")
        if wide != bits:
            self.widened.add(layer.name)
        return TYPES[wide]

    def content(self, name: str) -> bytes:
        """The file: what the last layer makes is the result."""
        results = self._values[-1:]
        graph = helper.make_graph(
            self._made, name, self._inputs, results, self._weights, value_info=self._values[:-1]
        )
        opset = [helper.make_opsetid("", OPSET)]
        least = helper.find_min_ir_version_for(opset)
        model = helper.make_model(graph, opset_imports=opset, ir_version=least)
        return bytes(model.SerializeToString(deterministic=True))


def workloads(mapped: Mapped) -> Iterator[tuple[Workload, list[Shaped]]]:
    """The whole network as one workload, or one for each layer, without those that only move."""
    every = chained(mapped.network)
    rows = {layer.name: row for layer, row in mapped.layers}
    parts = [every] if every is not None else []
    if every is None:
        alone = [x for x in mapped.network.layers if not x.moves]
        parts = [[shaped(mapped.network, x)] for x in alone]
    for part in parts:
        found = Workload(mapped)
        for each in part:
            bits = rows[each.layer.name].weight_bits
            assert bits is not None
            found.add(each, bits)
        yield found, part
