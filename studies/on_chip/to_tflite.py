"""Networks as quantised TFLite graphs, for compilers that read no other.

Written with the classes of the TFLite schema that Vela brings along (`ethosu.vela.tflite`), at
8 bit throughout, with random weights of a fixed seed and no activation functions: what is compared
depends on sizes alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np
from separate import stored_sides

from codesign import Layer, Network

VERSION = 3  # of the schema
SEED = 0
SCALE = 0.05  # of every tensor; any positive number would do


def schema(name: str) -> ModuleType:
    """Vela's module of one table or enumeration of the schema."""
    return importlib.import_module(f"ethosu.vela.tflite.{name}")


def to_tflite(network: Network) -> bytes:
    """A separated network (`separate.separated`) as a TFLite file.

    Raises
    ------
    ValueError
        A layer that TFLite has no operator for, or a padding that is neither of its two.
    """
    return _Graph(network).file()


@dataclass
class _Graph:
    """A graph in the making: tables of the file, in its order."""

    network: Network
    builder: Any = field(default_factory=lambda: flatbuffers.Builder(1 << 20))
    buffers: list[int] = field(default_factory=list)
    tensors: list[int] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    operators: list[int] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))

    def file(self) -> bytes:
        """The whole file."""
        self.buffers.append(self.table("Buffer"))  # the empty one: of tensors without data
        for name, shape in shapes(self.network).items():
            self.numbers[name] = self.tensor(name, shape)
        for layer in self.network.layers:
            self.operator(layer)
        written = {layer.output for layer in self.network.layers}
        inputs = [self.numbers[x] for x in self.network.tensors if x not in written]
        outputs = [self.numbers[x] for x in self.network.outputs]
        subgraph = self.table(
            "SubGraph",
            Tensors=self.offsets(self.tensors),
            Inputs=self.integers(inputs),
            Outputs=self.integers(outputs),
            Operators=self.offsets(self.operators),
            Name=self.builder.CreateString(self.network.name),
        )
        codes = [self.operator_code(name) for name in self.codes]
        model = self.table(
            "Model",
            Version=VERSION,
            OperatorCodes=self.offsets(codes),
            Subgraphs=self.offsets([subgraph]),
            Buffers=self.offsets(self.buffers),
        )
        self.builder.Finish(model, file_identifier=b"TFL3")
        return bytes(self.builder.Output())

    def table(self, name: str, **values: Any) -> int:
        """One table of the schema with the fields given."""
        module = schema(name)
        module.Start(self.builder)
        for key, value in values.items():
            getattr(module, f"Add{key}")(self.builder, value)
        return int(module.End(self.builder))

    def offsets(self, items: list[int]) -> int:
        """A vector of tables."""
        self.builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            self.builder.PrependUOffsetTRelative(item)
        return int(self.builder.EndVector())

    def integers(self, items: Iterable[int]) -> int:
        """A vector of 32-bit integers."""
        return int(self.builder.CreateNumpyVector(np.array([*items], np.int32)))

    def tensor(self, name: str, shape: tuple[int, ...], data: Any = None) -> int:
        """A tensor's number in the graph; with data, a constant one."""
        if data is not None:
            content = self.builder.CreateNumpyVector(data.reshape(-1).view(np.uint8))
            self.buffers.append(self.table("Buffer", Data=content))
        wide = data is not None and data.dtype == np.int32
        scale = SCALE * SCALE if wide else SCALE  # of a bias: of its input times its weights
        quantised = self.table(
            "QuantizationParameters",
            Scale=self.builder.CreateNumpyVector(np.array([scale], np.float32)),
            ZeroPoint=self.builder.CreateNumpyVector(np.array([0], np.int64)),
        )
        types = schema("TensorType").TensorType
        made = self.table(
            "Tensor",
            Shape=self.integers(shape),
            Type=types.INT32 if wide else types.INT8,
            Buffer=0 if data is None else len(self.buffers) - 1,
            Name=self.builder.CreateString(name),
            Quantization=quantised,
        )
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator_code(self, name: str) -> int:
        """An operator's entry in the model's list of those it uses."""
        code = getattr(schema("BuiltinOperator").BuiltinOperator, name)
        return self.table("OperatorCode", DeprecatedBuiltinCode=code, BuiltinCode=code, Version=1)

    def operator(self, layer: Layer) -> None:
        """A layer as an operator, with its weights and biases."""
        name, table, options = operation(layer)
        reads = [self.numbers[x] for x in layer.reads]
        if not layer.moves:
            reads += self.constants(layer, name)
        if name not in self.codes:
            self.codes.append(name)
        made = self.table(
            "Operator",
            OpcodeIndex=self.codes.index(name),
            Inputs=self.integers(reads),
            Outputs=self.integers([self.numbers[layer.output]]),
            BuiltinOptionsType=getattr(schema("BuiltinOptions").BuiltinOptions, table),
            BuiltinOptions=self.table(table, **options),
        )
        self.operators.append(made)

    def constants(self, layer: Layer, name: str) -> list[int]:
        """Numbers of a layer's weights and its biases."""
        shape: tuple[int, ...] = (layer.K, layer.R, layer.S, layer.C)
        if name == "DEPTHWISE_CONV_2D":
            shape = (1, layer.R, layer.S, layer.G)
        elif name == "FULLY_CONNECTED":
            shape = (layer.K, layer.C)
        weights = self.random.integers(-127, 128, shape, np.int8)
        biases = np.zeros(layer.G * layer.K, np.int32)
        return [
            self.tensor(f"{layer.name}.weights", shape, weights),
            self.tensor(f"{layer.name}.biases", biases.shape, biases),
        ]


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Rows, columns and channels of every tensor, after the one image."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in network.layers:
        found.setdefault(layer.input, (1, layer.H, layer.W, layer.G * layer.C))
        sides = stored_sides(layer, network.tensors[layer.output])
        found[layer.output] = (1, *sides, layer.G * layer.K)
    return {name: found[name] for name in network.tensors}


def operation(layer: Layer) -> tuple[str, str, dict[str, Any]]:
    """A layer's operator, the table of its options, and these.

    Raises
    ------
    ValueError
        TFLite has no such operator.
    """
    if layer.moves and layer.residuals:
        return "ADD", "AddOptions", {}
    if layer.moves:
        stride = layer.H // layer.P
        side = layer.H - (layer.P - 1) * stride  # the least that covers every row
        window = {"FilterHeight": side, "FilterWidth": side, "StrideH": stride, "StrideW": stride}
        window["Padding"] = schema("Padding").Padding.VALID
        return "MAX_POOL_2D", "Pool2DOptions", window
    if layer.H == layer.W == 1:
        return "FULLY_CONNECTED", "FullyConnectedOptions", {}
    down, across = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,) * 2
    options = {"Padding": padding(layer), "StrideH": down, "StrideW": across}
    if layer.G == 1:
        return "CONV_2D", "Conv2DOptions", options
    if layer.K == layer.C == 1:
        return "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", {"DepthMultiplier": 1, **options}
    raise ValueError(f"layer {layer.name!r}: grouped, but not depthwise")


def padding(layer: Layer) -> int:
    """Which of TFLite's two paddings gives a convolution its outputs.

    Raises
    ------
    ValueError
        Neither does, or it is dilated.
    """
    if layer.dilation != 1 or layer.input_dilation != 1:
        raise ValueError(f"layer {layer.name!r}: dilated")
    down, across = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,) * 2
    kinds = schema("Padding").Padding
    if (-(-layer.H // down), -(-layer.W // across)) == (layer.P, layer.Q):
        return int(kinds.SAME)
    if ((layer.H - layer.R) // down + 1, (layer.W - layer.S) // across + 1) == (layer.P, layer.Q):
        return int(kinds.VALID)
    raise ValueError(f"layer {layer.name!r}: padded neither as SAME nor as VALID")
