"""ONNX models in a few lines, for the tests of the importer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser, shape_inference

from codesign import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.read import Imported

Shapes = Mapping[str, Any]
OPSET = 20
ROOMY = Accelerator(  # whatever small graph it is evaluated on
    name="chip",
    rows=4,
    cols=4,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e9,
    sram_bits=10**8,
)


def node(line: str) -> NodeProto:
    """A node as ONNX writes it, its name and a colon before it: ``c: y = Conv (x, w)``."""
    head, _, rest = line.strip().partition(" ")
    named = head.endswith(":")
    made = parser.parse_node(rest.strip() if named else line.strip())
    made.name = head[:-1] if named else ""
    return made


def model(
    lines: str,
    inputs: Shapes,
    constants: Shapes | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = OPSET,
    kinds: Mapping[str, int] | None = None,
    domains: Iterable[str] = (),
) -> ModelProto:
    """A model: one node a line, inputs and constants by shape (or the constants' values)."""
    kinds, constants = kinds or {}, constants or {}
    tensors = []
    for name, given in constants.items():
        array = given if isinstance(given, np.ndarray) else np.zeros(given, np.float32)
        tensors.append(numpy_helper.from_array(array, name))
    graph = helper.make_graph(
        [node(line) for line in lines.strip().splitlines() if line.strip()],
        "tiny",
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
            for name, shape in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), None)
            for name in outputs
        ],
        tensors,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return _with_ranks(made)


def _with_ranks(made: ModelProto) -> ModelProto:
    """Outputs need a rank: the inferred one, else that of the first input."""
    inferred = {value.name: value for value in shape_inference.infer_shapes(made).graph.output}
    first = len(made.graph.input[0].type.tensor_type.shape.dim)
    for value in made.graph.output:
        rank = len(inferred[value.name].type.tensor_type.shape.dim)
        known = inferred[value.name].type.tensor_type.HasField("shape")
        shape = [f"{value.name}_{axis}" for axis in range(rank if known else first)]
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))
    return made


def imported(folder: Path, made: ModelProto, **how: Any) -> Imported:
    """What the importer makes of a model."""
    path = folder / "tiny.onnx"
    onnx.save(made, path)
    return import_onnx(path, **how)


def network(folder: Path, lines: str, inputs: Shapes, *given: Any, **how: Any) -> Network:
    """The network of a model of these lines."""
    return imported(folder, model(lines, inputs, *given, **how)).network


def loops(layer: Layer) -> dict[str, Any]:
    """Loop bounds of a layer that are not 1."""
    names = ("N", "G", "K", "C", "P", "Q", "R", "S", "H", "W")
    names += ("stride", "dilation", "input_dilation", "input_repetition")
    return {name: getattr(layer, name) for name in names if getattr(layer, name) != 1}


def integers(*values: int) -> np.ndarray[Any, Any]:
    """A constant of whole numbers: a shape, axes, indices."""
    return np.array(values, np.int64)


def story(found: Network) -> list[str]:
    """Each layer in a line: what it reads and writes, ``~`` if it only moves, ``[part]``."""

    def shown(layer: Layer, name: str) -> str:
        return f"{name}[{layer.parts[name]}]" if name in layer.parts else name

    lines = []
    for layer in found.layers:
        reads = " + ".join(shown(layer, name) for name in (layer.input, *layer.residuals))
        by = "" if layer.weight_tensor is None else f" × {shown(layer, layer.weight_tensor)}"
        more = f" and {layer.appended}" if layer.appended else ""
        sign = "~" if layer.moves else ""
        lines.append(f"{sign}{layer.name}: {reads}{by} -> {shown(layer, layer.output)}{more}")
    return lines


def symbolic_rows(*rows: str | int | None) -> ModelProto:
    """A product of rows of 8 by 3 columns, some numbers of rows left open, by name or without."""
    made = model("a: y = MatMul (x, w)", {"x": (1,) * len(rows) + (8,)}, {"w": (8, 3)})
    for value in (*made.graph.input, *made.graph.output):
        for dim, size in zip(value.type.tensor_type.shape.dim, rows, strict=False):
            dim.Clear()
            if isinstance(size, str):
                dim.dim_param = size
            elif size is not None:
                dim.dim_value = size
    return made
