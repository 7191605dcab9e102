"""The shipped networks, written as ONNX, come back the same: layers, tensors, residuals, names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx_graphs import integers
from published import PUBLISHED, TPU_APPLICATIONS

from codesign.specs.load import load_network
from codesign.specs.network import Layer, Network
from codesign.specs.onnx import import_onnx

FLOAT = TensorProto.FLOAT
WHOLE = [
    name
    for name in [*PUBLISHED, *TPU_APPLICATIONS]
    if not any(x.parts for x in load_network(name).layers)
]


class Writer:
    """Writes a network as ONNX nodes; every value keeps the shape its reader needs."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Any] = {}
        self.stored: dict[str, tuple[int, ...]] = {}
        self.value: dict[str, str] = {}  # what readers of a tensor read, where that is not itself

    def add(self, operator: str, inputs: list[str], output: str, name: str = "", **how: Any) -> str:
        """One node; its result."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **how))
        return output

    def constant(self, name: str, value: np.ndarray[Any, Any]) -> str:
        self.constants[name] = value
        return name

    def shaped(self, tensor: str, shape: tuple[int, ...], role: str) -> str:
        """A tensor in the shape a layer reads it in."""
        value = self.value.get(tensor, tensor)
        if self.stored[tensor] == shape:
            return value
        target = self.constant(f"{role}.shape", integers(*shape))
        return self.add("Reshape", [value, target], role)

    def pooled(self, value: str, layer: Layer, output: str) -> tuple[int, ...]:
        """A fused pooling, from P × Q to what is stored: a square of 3 or 2, or the mean."""
        size = self.network.tensors[output]
        side = round((size / layer.K / layer.G) ** 0.5)
        if side == 1:
            self.add("GlobalAveragePool", [value], output)
        else:
            kernel = 2 if 2 * side == layer.P and layer.R == 3 else 3
            pad = (side - 1) * 2 + kernel - layer.P
            self.add(
                *("MaxPool", [value], output),
                kernel_shape=[kernel, kernel],
                strides=[2, 2],
                pads=[pad, pad, 0, 0],
            )
        return 1, layer.G * layer.K, side, side


def written_image(writer: Writer, layer: Layer) -> None:
    """A convolution, its activation, additions and pooling."""
    stride, pads = layer.stride_rows, []
    for out, size, kernel in ((layer.P, layer.H, layer.R), (layer.Q, layer.W, layer.S)):
        room = (out - 1) * stride + kernel - size
        pads.append((room // 2 + room % 2, room // 2) if room > 0 else (0, 0))
    image = writer.shaped(layer.input, (1, layer.G * layer.C, layer.H, layer.W), layer.name + ".in")
    zeros = np.zeros((layer.G * layer.K, layer.C, layer.R, layer.S), np.int8)
    weights = writer.constant(layer.name + ".weight", zeros)
    result = (1, layer.G * layer.K, layer.P, layer.Q)
    fused = layer.appended or writer.network.tensors[layer.output] != layer.computed_outputs
    names = [f"{layer.name}.conv", *(f"{layer.name}.sum{i}" for i in layer.residuals)]
    if not fused:
        names[-1] = layer.output
    last = writer.add(
        *("Conv", [image, weights], names[0], layer.name),
        group=layer.G,
        strides=[stride, stride],
        pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
    )
    for residual, name in zip(layer.residuals, names[1:], strict=True):
        last = writer.add("Add", [last, writer.value.get(residual, residual)], name)
    last = writer.add("Relu", [last], layer.name + ".relu")
    if not fused:
        writer.value[layer.output] = last
    if layer.appended:
        flat = writer.constant(layer.name + ".flat", integers(1, layer.K, layer.P * layer.Q))
        last = writer.add("Reshape", [last, flat], layer.name + ".flattened")
        last = writer.add("Transpose", [last], layer.name + ".tokens", perm=[0, 2, 1])
        token = writer.constant("class", np.zeros((1, 1, layer.K), np.float32))
        writer.add("Concat", [token, last], layer.output, axis=1)
        result = (1, layer.P * layer.Q + 1, layer.K)
    elif fused:
        result = writer.pooled(last, layer, layer.output)
    writer.stored[layer.output] = result


def written_tokens(writer: Writer, layer: Layer) -> None:
    """A linear layer over tokens, or over one vector."""
    rows = (1, layer.P, layer.C) if layer.P > 1 else (1, layer.C)
    tokens = writer.shaped(layer.input, rows, layer.name + ".in")
    zeros = np.zeros((layer.C, layer.K), np.int8)
    weights = writer.constant(layer.name + ".weight", zeros)
    names = [f"{layer.name}.product", *(f"{layer.name}.sum{i}" for i in layer.residuals)]
    cut = writer.network.tensors[layer.output] != layer.computed_outputs
    if not cut:
        names[-1] = layer.output
    last = writer.add("MatMul", [tokens, weights], names[0], layer.name)
    for residual, name in zip(layer.residuals, names[1:], strict=True):
        last = writer.add("Add", [last, writer.value.get(residual, residual)], name)
    writer.stored[layer.output] = (*rows[:-1], layer.K)
    if cut:  # the head reads the first token alone
        writer.add("Gather", [last, writer.constant("first", integers(0))], layer.output, axis=1)
        writer.stored[layer.output] = (1, 1, layer.K)


def written_product(writer: Writer, layer: Layer) -> None:
    """A product of two activations, in heads: scores of queries and keys, or values by scores."""
    assert layer.weight_tensor is not None
    heads, rows, columns, summed = layer.G, layer.P, layer.K, layer.C
    scores = layer.name.endswith(".qk")
    own = layer.input
    if writer.stored[own] != (1, heads, rows, summed):
        own = writer.shaped(own, (1, rows, heads, summed), layer.name + ".rows")
        own = writer.add("Transpose", [own], layer.name + ".heads", perm=[0, 2, 1, 3])
    split = (1, columns, heads, summed) if scores else (1, summed, heads, columns)
    other = writer.shaped(layer.weight_tensor, split, layer.name + ".other")
    order = [0, 2, 3, 1] if scores else [0, 2, 1, 3]
    other = writer.add("Transpose", [other], layer.name + ".others", perm=order)
    product = writer.add("MatMul", [own, other], layer.output, layer.name)
    if scores:
        writer.value[layer.output] = writer.add("Softmax", [product], layer.name + ".softmax")
        writer.stored[layer.output] = (1, heads, rows, columns)
    else:
        back = writer.add("Transpose", [product], layer.name + ".back", perm=[0, 2, 1, 3])
        shape = writer.constant(layer.name + ".joined", integers(1, rows, heads * columns))
        writer.value[layer.output] = writer.add("Reshape", [back, shape], layer.name + ".out")
        writer.stored[layer.output] = (1, rows, heads * columns)


def as_onnx(network: Network, path: Path) -> None:
    """Write a network as an ONNX file, its layers named as they are; weights have no data."""
    writer = Writer(network)
    first = network.layers[0]
    writer.stored[first.input] = (1, first.C, first.H, first.W)
    for layer in network.layers:
        if layer.weight_tensor is not None:
            written_product(writer, layer)
        elif layer.Q > 1 or layer.R > 1:
            written_image(writer, layer)
        else:
            written_tokens(writer, layer)
    tensors = []
    for name, value in writer.constants.items():
        if value.dtype != np.int8:
            tensors.append(numpy_helper.from_array(value, name))
            continue
        missing = TensorProto(name=name, data_type=FLOAT, dims=value.shape)
        missing.data_location = TensorProto.EXTERNAL
        missing.external_data.add(key="location", value="nowhere")
        tensors.append(missing)
    (last,) = network.outputs
    graph = helper.make_graph(
        writer.nodes,
        network.name,
        [helper.make_tensor_value_info(first.input, FLOAT, writer.stored[first.input])],
        [helper.make_tensor_value_info(last, FLOAT, writer.stored[last])],
        tensors,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_network_comes_back(name: str, tmp_path: Path) -> None:
    network = load_network(name)
    as_onnx(network, tmp_path / f"{name}.onnx")
    found = import_onnx(tmp_path / f"{name}.onnx")
    for layer, expected in zip(found.network.layers, network.layers, strict=True):
        assert layer == expected
    assert found.network == replace(network, source="ONNX, opset 17")
    assert found.notes == ()


def test_a_shipped_network_in_a_batch(tmp_path: Path) -> None:
    network = load_network("vit_b_16")
    as_onnx(network, tmp_path / "vit_b_16.onnx")
    found = import_onnx(tmp_path / "vit_b_16.onnx", batch=3).network
    assert found == replace(network.batched(3), source=found.source)
