"""Reads an ONNX file, checks it with ONNX's own checker, and leaves its weights where they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, inliner

from codesign.errors import SpecError
from codesign.files import reason
from codesign.specs.onnx.graph.operators import OWN_DOMAIN
from codesign.specs.onnx.graph.scopes import (
    bodies,
    name_apart,
    sort_nodes,
    take_constants_out,
    take_initializers_out,
)

OLDEST_OPSET = 7  # before it, broadcasting was an attribute and shapes were not inferred
MAX_PROTOBUF_BYTES = 2**31 - 1
MAX_SMALL = 4096  # elements of a constant that may decide a shape
STANDARD_DOMAINS = ("", "ai.onnx")
RUNTIME_DOMAIN = "com.microsoft"
# What ONNX Runtime takes among the standard operators before ONNX has it: from which opset on.
EARLY: dict[str, float] = {"LayerNormalization": 17, "SimplifiedLayerNormalization": math.inf}


@dataclass(frozen=True)
class Model:
    """A checked file.

    Attributes
    ----------
    proto : ModelProto
        The model without its large constants; these stand among its inputs, by type and shape.
    tensors : dict of str to TensorProto
        All its stored constants.
    inputs : tuple of str
        What is fed in.
    preset : frozenset of str
        Constants that may be fed in instead.
    path : Path
    opset : int
    """

    proto: ModelProto
    tensors: dict[str, TensorProto]
    inputs: tuple[str, ...]
    preset: frozenset[str]
    path: Path
    opset: int


def read_model(path: Path) -> Model:
    """Read and check a file; external data is not looked at.

    Raises
    ------
    SpecError
        Unreadable, not ONNX, damaged, of an unsupported version, or with a cycle.
    """
    proto = _parse(path)
    opset = _check_versions(proto)
    _check_domains(proto)
    sort_nodes(proto)
    name_apart(proto)
    take_initializers_out(proto)
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    sparse = [entry.values.name for entry in proto.graph.sparse_initializer]
    stored = {*tensors, *sparse}
    inputs = tuple(value.name for value in proto.graph.input if value.name not in stored)
    preset = frozenset(value.name for value in proto.graph.input if value.name in tensors)
    _check_types(proto)
    _check_equations(proto)
    try:
        for tensor in tensors.values():
            if tensor.data_location != TensorProto.EXTERNAL:
                checker.check_tensor(tensor)
        light = _without_weights(proto)
        checker.check_model(light)
        _forget_sizes_of_outputs(light)
        if light.functions:
            light = _inlined(light)
            name_apart(light)
        take_constants_out(light)
        tensors |= _take_weights_out(light)
    except UnicodeDecodeError:
        raise
    except (checker.ValidationError, ValueError, RuntimeError) as error:
        raise SpecError(f"not a valid ONNX model: {first_line(error)}") from None
    return Model(light, tensors, inputs, preset, path, opset)


def first_line(error: Exception) -> str:
    """What an exception of another library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(error).__name__


def _parse(path: Path) -> ModelProto:
    try:
        if path.exists() and not path.is_file():
            raise SpecError("cannot be read: not an ordinary file")
        if path.stat().st_size > MAX_PROTOBUF_BYTES:
            raise SpecError(
                "larger than the 2 GiB an ONNX file can be; save its weights as external data"
            )
        proto = onnx.load(path, format="protobuf", load_external_data=False)
    except (OSError, ValueError) as error:
        raise SpecError(f"cannot be read: {reason(error)}") from None
    except DecodeError:
        raise SpecError("not an ONNX file, or a damaged one") from None
    if not proto.ir_version or not proto.graph.node:
        raise SpecError("not an ONNX file, or one without any node")
    return proto


def _check_versions(proto: ModelProto) -> int:
    """The version of the standard operators."""
    newest = onnx.defs.onnx_opset_version()
    if proto.ir_version > onnx.IR_VERSION:
        raise SpecError(
            f"ONNX format {proto.ir_version}; the installed onnx {onnx.__version__} reads "
            f"up to {onnx.IR_VERSION}, upgrade it or save an older format"
        )
    versions = [entry.version for entry in proto.opset_import if entry.domain in STANDARD_DOMAINS]
    if len(versions) != 1:
        raise SpecError(f"names {len(versions)} versions of the ONNX operators, not one")
    if not OLDEST_OPSET <= versions[0] <= newest:
        raise SpecError(
            f"opset {versions[0]}; supported are {OLDEST_OPSET} to {newest} (the newest of "
            f"the installed onnx {onnx.__version__})"
        )
    return int(versions[0])


def _check_types(proto: ModelProto) -> None:
    """Refuse constants of types that the installed onnx does not know; its checker lets them be."""
    constants, nodes = [*proto.graph.initializer], [*proto.graph.node]
    while nodes:
        node = nodes.pop()
        nodes += [inner for body in bodies(node) for inner in body.node]
        constants += [entry.t for entry in node.attribute]
    for tensor in constants:
        if tensor.data_type not in TensorProto.DataType.values():
            raise SpecError(f"constant {tensor.name!r}: unknown type {tensor.data_type}")


def _check_domains(proto: ModelProto) -> None:
    """Refuse the domain that the importer's own operators have."""
    imported = [*proto.opset_import, *(e for f in proto.functions for e in f.opset_import)]
    if any(entry.domain == OWN_DOMAIN for entry in imported):
        raise SpecError(f"operators of domain {OWN_DOMAIN!r}, which are not ONNX's")


def _without_weights(proto: ModelProto) -> ModelProto:
    """A copy whose large and external constants are inputs with a type and a shape."""
    light = ModelProto()
    for field in ("producer_name", "producer_version", "domain", "model_version"):
        setattr(light, field, getattr(proto, field))
    light.ir_version = max(proto.ir_version, 4)  # from 4 on, a constant need not be an input
    light.opset_import.extend(proto.opset_import)
    light.functions.extend(proto.functions)
    graph = light.graph
    graph.name = proto.graph.name or "graph"
    graph.node.extend(proto.graph.node)
    graph.quantization_annotation.extend(proto.graph.quantization_annotation)
    _move_early(light)
    graph.output.extend(map(_without_sizes, proto.graph.output))
    graph.value_info.extend((*proto.graph.value_info, *proto.graph.output))
    stored = {tensor.name for tensor in proto.graph.initializer}
    graph.input.extend(value for value in proto.graph.input if value.name not in stored)
    graph.initializer.extend(tensor for tensor in proto.graph.initializer if _is_small(tensor))
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in proto.graph.initializer
        if not _is_small(tensor)
    )
    graph.input.extend(
        helper.make_tensor_value_info(sparse.values.name, sparse.values.data_type, sparse.dims)
        for sparse in proto.graph.sparse_initializer
    )
    return light


def _inlined(light: ModelProto) -> ModelProto:
    """A copy in which calls of the file's own functions are what these do.

    Functions of another opset are left as calls by ONNX; the checker has made sure that all their
    operators are the same in the model's.
    """
    versions = {entry.domain: entry.version for entry in light.opset_import}
    for function in light.functions:
        for entry in function.opset_import:
            entry.version = versions.get(entry.domain, entry.version)
    return inliner.inline_local_functions(light)


def _take_weights_out(light: ModelProto) -> dict[str, TensorProto]:
    """Make large constants that came out of bodies inputs, too."""
    graph = light.graph
    large = {tensor.name: deepcopy(tensor) for tensor in graph.initializer if not _is_small(tensor)}
    if not large:
        return {}
    small = [deepcopy(tensor) for tensor in graph.initializer if _is_small(tensor)]
    del graph.initializer[:]
    graph.initializer.extend(small)
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in large.values()
    )
    return large


def _without_sizes(output: ValueInfoProto) -> ValueInfoProto:
    """An output of no dimensions: runtimes do not hold a model to the sizes it declares there.

    The checker wants a type and a shape, be they right or not.
    """
    if output.type.WhichOneof("value") not in (None, "tensor_type"):
        return output
    kind = output.type.tensor_type.elem_type or TensorProto.FLOAT
    return helper.make_tensor_value_info(output.name, kind, ())


def _forget_sizes_of_outputs(light: ModelProto) -> None:
    for value in light.graph.output:
        value.ClearField("type")


def _check_equations(proto: ModelProto) -> None:
    """Refuse single points in an einsum's equation, on which ONNX's inference does not end."""
    holders = (proto.graph.node, *(function.node for function in proto.functions))
    for node in (node for nodes in holders for node in _every(nodes)):
        for entry in node.attribute if node.op_type == "Einsum" else ():
            if b"." in entry.s.replace(b"...", b""):
                shown = entry.s.decode("utf-8", "replace")
                raise SpecError(
                    f"node {node.name!r} (Einsum): equation {shown!r}: an ellipsis has three points"
                )


def _move_early(light: ModelProto) -> None:
    """Let operators that the standard does not have yet be the runtime's own; name all domains."""
    for holder, nodes in ((light, light.graph.node), *((x, x.node) for x in light.functions)):
        versions = {entry.domain: entry.version for entry in holder.opset_import}
        opset = next((versions[x] for x in STANDARD_DOMAINS if x in versions), math.inf)
        domains: dict[str, None] = {}
        for node in _every(nodes):
            if node.domain in STANDARD_DOMAINS and opset < EARLY.get(node.op_type, 0):
                node.domain = RUNTIME_DOMAIN
            domains[node.domain] = None
        for each in (holder, light):  # older files of QONNX name the standard's alone
            named = {*STANDARD_DOMAINS, *(entry.domain for entry in each.opset_import)}
            missing = (domain for domain in domains if domain not in named)
            each.opset_import.extend(helper.make_opsetid(domain, 1) for domain in missing)


def _every(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those of their bodies."""
    for node in nodes:
        yield node
        for body in bodies(node):
            yield from _every(body.node)


def _is_small(tensor: TensorProto) -> bool:
    return tensor.data_location != TensorProto.EXTERNAL and math.prod(tensor.dims) <= MAX_SMALL
