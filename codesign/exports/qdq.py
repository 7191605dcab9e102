"""An ONNX file with nodes that quantise: every weight and stored tensor at its chosen width.

Weights are stored as codes, with a step for each output channel (for the whole tensor where the
channel is not an axis), the clipping of least squared error of `codesign.quality.quantise`:

    8 bit     int8 → DequantizeLinear            4 bit, opset 21 on   int4 → DequantizeLinear
    2–7 bit   int8 → Clip → DequantizeLinear     16 bit, opset 21 on  int16 → DequantizeLinear
    9–15 bit, opset 21 on, one step: Clip → QuantizeLinear → DequantizeLinear

A tensor that one layer leaves to another is quantised where it is read, for all its readers:

    to 8 bit  QuantizeLinear → Clip → DequantizeLinear  (uint8 from 0 on, else int8 about 0)
    9–16 bit  Clip → QuantizeLinear → DequantizeLinear  (uint16, int16, opset 21 on)

without Clip where the type says the same. Its step comes of the range that it is known to have.
Biases, results of the network and what a layer computes within itself stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, version_converter

from codesign.errors import SpecError
from codesign.quality.quantise import most_code, quantise
from codesign.specs.onnx.read import Imported

LEAST_OPSET = 13  # a step for each channel
LEAST_IR = 4  # constants need not be inputs too
SMALL_TYPES_OPSET = 21  # int4, and 16 bits
MOST_BITS = 16
Array = npt.NDArray[Any]
Ranges = Mapping[str, tuple[float, float]]  # of values


class Encoding(NamedTuple):
    """Steps and codes of a value: ``value = step·code``.

    Attributes
    ----------
    value : str
    bits : int
    steps : tuple of float
        One, or one for each channel of ``axis``.
    axis : int or None
    signed : bool
        Codes ``−n … n`` with ``n = 2^(bits−1) − 1``; else ``0 … 2^bits − 1``.
    weight : bool
    """

    value: str
    bits: int
    steps: tuple[float, ...]
    axis: int | None
    signed: bool
    weight: bool

    @property
    def ends(self) -> tuple[int, int]:
        """Least and greatest code."""
        most = most_code(self.bits)
        return (-most, most) if self.signed else (0, 2**self.bits - 1)


def to_quantise(imported: Imported, model: ModelProto) -> tuple[dict[str, str], tuple[str, ...]]:
    """Values of the file to quantise, by tensor; and sources that no value of the file stands for.

    What an operator makes within itself (the states of an LSTM, the products of an Attention) has
    no value in the file.
    """
    there = _values(model)
    network = imported.network
    found = {x: name for x, name in imported.stored_values.items() if x in there}
    reached = {f"tensor:{name}" for name in found.values()}
    reached |= {source for x, source in imported.weight_values.items() if x in there}
    return found, tuple(x for x in network.noise_sources if x not in reached)


def _values(model: ModelProto) -> set[str]:
    names = {x.name for x in (*model.graph.input, *model.graph.initializer)}
    return names | {x for node in model.graph.node for x in node.output if x}


def quantised_model(
    model: ModelProto, imported: Imported, widths: Mapping[str, int], ranges: Ranges
) -> tuple[ModelProto, list[Encoding]]:
    """The model with its weights and stored tensors quantised, and how.

    Parameters
    ----------
    widths : mapping of str to int
        By ``weight:<layer>`` and ``tensor:<tensor>``.
    ranges : mapping of str to (float, float)
        Least and greatest number of each value of `to_quantise`.

    Raises
    ------
    SpecError
        A width that no node has, or an opset that cannot be raised.
    """
    rewriting = _Rewriting(_raised(model))
    for value, source in imported.weight_values.items():
        rewriting.quantise_weights(value, source, widths[source], imported)
    for value, name in to_quantise(imported, model)[0].items():
        bits = widths[f"tensor:{name}"]
        rewriting.quantise_tensor(value, name, bits, ranges[value])
    return rewriting.finished(), rewriting.encodings


def opset_of(model: ModelProto) -> int:
    """The version of ONNX's own operators."""
    return max((x.version for x in model.opset_import if x.domain in ("", "ai.onnx")), default=1)


def _raised(model: ModelProto) -> ModelProto:
    """A copy in an opset that has steps for each channel."""
    if opset_of(model) >= LEAST_OPSET:
        copy = ModelProto()
        copy.CopyFrom(model)
        return copy
    try:
        return version_converter.convert_version(model, LEAST_OPSET)
    except Exception as error:
        line = (str(error).splitlines() or ["unknown"])[0]
        raise SpecError(
            f"opset {opset_of(model)} has no step for each channel, and opset {LEAST_OPSET} cannot "
            f"be had: {line[:200]}"
        ) from None


class _Rewriting:
    """A model on its way."""

    def __init__(self, model: ModelProto) -> None:
        self.model, self.opset = model, opset_of(model)
        self.encodings: list[Encoding] = []
        self.constants = {x.name: x for x in model.graph.initializer}
        self.taken = _values(model) | {node.name for node in model.graph.node}
        self.instead: dict[str, str] = {}  # of a value, what its readers read
        self.after: dict[str, list[NodeProto]] = {}  # nodes to put behind the one that makes it
        self.added: list[TensorProto] = []

    def quantise_weights(self, value: str, source: str, bits: int, imported: Imported) -> None:
        """Replace constants by their codes, or quantise what is made of constants."""
        if value not in self.constants and value not in _values(self.model):
            return
        self._check(source, bits, least=2)
        stored = value in self.constants and not 8 < bits < 16
        if stored:
            array = numpy_helper.to_array(self.constants[value]).astype(np.float64)
            axis = self._channel_axis(value, array.ndim)
            rows = array[None] if axis is None else np.moveaxis(array, axis, 0)
            found = quantise(rows, bits, "tensor" if axis is None else "channel")
        else:
            axis = None
            array = imported.weights[source.partition(":")[2]]
            found = quantise(array, bits, "tensor")
        steps = np.where(found.steps > 0, found.steps, 1.0).astype(np.float32)
        encoding = Encoding(value, bits, tuple(map(float, steps)), axis, True, True)
        self.encodings.append(encoding)
        if not stored:
            self._behind(encoding, steps)
            return
        shape = [-1] + [1] * (rows.ndim - 1)
        whole = np.rint(found.values / np.where(found.steps > 0, found.steps, 1).reshape(shape))
        codes = whole[0] if axis is None else np.moveaxis(whole, 0, axis)
        self._stored(encoding, codes.astype(np.int64), steps)

    def quantise_tensor(self, value: str, name: str, bits: int, ends: tuple[float, float]) -> None:
        """Quantise a value for all its readers."""
        signed = ends[0] < 0
        self._check(f"tensor:{name}", bits, least=1 + signed)
        most = most_code(bits) if signed else 2**bits - 1
        reach = max(-ends[0], ends[1]) / most
        step = np.float32(reach if np.isfinite(reach) and np.float32(reach) > 0 else 1.0)
        encoding = Encoding(value, bits, (float(step),), None, signed, False)
        self.encodings.append(encoding)
        self._behind(encoding, np.array([step]))

    def _check(self, source: str, bits: int, least: int) -> None:
        if bits < least:
            raise SpecError(f"{source}: {bits} bit has no codes on both sides of 0; give 2 or more")
        if bits > MOST_BITS or (bits > 8 and self.opset < SMALL_TYPES_OPSET):
            raise SpecError(
                f"{source}: {bits} bit; ONNX quantises to at most 8 bits, from opset "
                f"{SMALL_TYPES_OPSET} on to {MOST_BITS}, and this file has opset {self.opset}"
            )

    def _channel_axis(self, value: str, ndim: int) -> int | None:
        """The axis of output channels, the same for all that read the weights; None: none is."""
        found = {
            _axis_of(node, ndim) if at == 1 else None
            for node in self.model.graph.node
            for at, name in enumerate(node.input)
            if name == value
        }
        return found.pop() if len(found) == 1 else None

    def _stored(self, encoding: Encoding, codes: Array, steps: Array) -> None:
        """Codes in place of a constant."""
        value, bits = encoding.value, encoding.bits
        kind = TensorProto.INT8 if bits <= 8 else TensorProto.INT16
        if bits == 4 and self.opset >= SMALL_TYPES_OPSET:
            kind = TensorProto.INT4
        stored = self._name(f"{value}_codes")
        self.added.append(helper.make_tensor(stored, kind, codes.shape, codes.ravel().tolist()))
        made: list[NodeProto] = []
        read = stored
        if bits < 8 and kind == TensorProto.INT8:
            read = self._clipped(made, stored, encoding, kind)
        scale, zero = self._parameters(encoding, steps, kind)
        out = self._name(f"{value}_dequantized")
        axis = {} if encoding.axis is None else {"axis": encoding.axis}
        made.append(self._node("DequantizeLinear", [read, scale, zero], out, **axis))
        self.instead[value] = out
        self.after.setdefault("", []).extend(made)

    def _behind(self, encoding: Encoding, steps: Array) -> None:
        """Quantise a value where it is made."""
        value, bits = encoding.value, encoding.bits
        wide = bits > 8
        kinds = {
            (True, False): TensorProto.INT8,
            (False, False): TensorProto.UINT8,
            (True, True): TensorProto.INT16,
            (False, True): TensorProto.UINT16,
        }
        kind = kinds[encoding.signed, wide]
        made: list[NodeProto] = []
        scale, zero = self._parameters(encoding, steps, kind)
        read = value
        if 8 < bits < 16:
            ends = [float(np.float32(steps[0])) * x for x in encoding.ends]
            read = self._clip(made, value, value, ends, TensorProto.FLOAT)
        codes = self._name(f"{value}_quantized")
        made.append(self._node("QuantizeLinear", [read, scale, zero], codes))
        if bits < 8:
            codes = self._clipped(made, codes, encoding, kind)
        out = self._name(f"{value}_dequantized")
        made.append(self._node("DequantizeLinear", [codes, scale, zero], out))
        self.instead[value] = out
        self.after.setdefault(value, []).extend(made)

    def _clipped(self, made: list[NodeProto], codes: str, encoding: Encoding, kind: int) -> str:
        return self._clip(made, codes, encoding.value, list(encoding.ends), kind)

    def _clip(
        self, made: list[NodeProto], read: str, value: str, ends: list[Any], kind: int
    ) -> str:
        """A Clip behind ``read``; the name of what it makes."""
        limits = [self._name(f"{value}_{which}") for which in ("least", "most")]
        for name, end in zip(limits, ends, strict=True):
            self.added.append(helper.make_tensor(name, kind, [], [end]))
        out = self._name(f"{value}_clipped")
        made.append(self._node("Clip", [read, *limits], out))
        return out

    def _parameters(self, encoding: Encoding, steps: Array, kind: int) -> tuple[str, str]:
        """Names of the constants of a step and of the code of 0."""
        shape = [] if encoding.axis is None else [len(steps)]
        scale = self._name(f"{encoding.value}_scale")
        zero = self._name(f"{encoding.value}_zero_point")
        self.added.append(helper.make_tensor(scale, TensorProto.FLOAT, shape, steps.tolist()))
        self.added.append(helper.make_tensor(zero, kind, shape, [0] * len(steps)))
        return scale, zero

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
        name = self._name(f"{output}_{kind}")
        made: NodeProto = helper.make_node(kind, inputs, [output], name=name, **attributes)
        return made

    def _name(self, wanted: str) -> str:
        """A name that nothing has."""
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name

    def finished(self) -> ModelProto:
        """The model with the nodes in their places and all readers reading them."""
        graph = self.model.graph
        nodes = [*self.after.get("", [])]
        for each in (*graph.input, *graph.initializer):
            if each.name:
                nodes += self.after.get(each.name, [])
        for node in graph.node:
            copy = NodeProto()
            copy.CopyFrom(node)
            for at, name in enumerate(copy.input):
                if name in self.instead:
                    copy.input[at] = self.instead[name]
            nodes.append(copy)
            for name in node.output:
                nodes += self.after.get(name, [])
        read = {name for node in nodes for name in node.input}
        read |= {x.name for x in graph.output} | _read_inside(graph.node)
        kept = [x for x in graph.initializer if x.name in read]
        fed = [x for x in graph.input if x.name not in self.constants or x.name in read]
        del graph.node[:], graph.initializer[:], graph.input[:]
        graph.node.extend(nodes)
        graph.initializer.extend([*kept, *self.added])
        graph.input.extend(fed)
        least = helper.find_min_ir_version_for([*self.model.opset_import], ignore_unknown=True)
        self.model.ir_version = max(self.model.ir_version, least, LEAST_IR)
        return self.model


def _axis_of(node: NodeProto, ndim: int) -> int | None:
    """The axis of output channels of the weights that a node multiplies by."""
    given = {x.name: x.i for x in node.attribute}
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if given.get("group", 1) == 1 else None
    if node.op_type == "Gemm":
        return 0 if given.get("transB", 0) else 1
    return 1 if node.op_type == "MatMul" and ndim == 2 else None


def _read_inside(nodes: Any) -> set[str]:
    """Values that bodies of control flow read."""
    found = set[str]()
    for node in nodes:
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                found |= {name for inner in body.node for name in inner.input}
                found |= _read_inside(body.node)
    return found


def aimet_encodings(encodings: list[Encoding]) -> dict[str, Any]:
    """Steps and offsets as AIMET's encodings of version 1.0.0 have them.

    ``value = (code + offset)·scale`` with codes from 0 on, so that codes about 0 have the offset
    ``−2^(bits−1)``. Source: AIMET documentation, encoding format specification.
    """
    listed: dict[str, list[dict[str, Any]]] = {"activation_encodings": [], "param_encodings": []}
    for each in encodings:
        offset = -(2 ** (each.bits - 1)) if each.signed else 0
        listed["param_encodings" if each.weight else "activation_encodings"].append(
            {
                "name": each.value,
                "enc_type": "PER_TENSOR" if each.axis is None else "PER_CHANNEL",
                "dtype": "INT",
                "bw": each.bits,
                "is_sym": each.signed,
                "scale": list(each.steps),
                "offset": [offset] * len(each.steps),
            }
        )
    return {"version": "1.0.0", **listed, "excluded_layers": []}


def check_model(model: ModelProto) -> None:
    """Have ONNX's own checker look at a model, types and shapes included.

    Raises
    ------
    SpecError
        What it says.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        line = (str(error).splitlines() or ["unknown"])[0]
        raise SpecError(f"the quantised model does not pass ONNX's checker: {line[:300]}") from None
