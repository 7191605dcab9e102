"""Caches of keys and values of which a byte holds two: as tensors of twice as many small numbers.

Source: the description of GroupQueryAttention in ONNX Runtime's ``docs/ContribOperators.md``.
"""

from __future__ import annotations

from onnx import NodeProto, StringStringEntryProto, TensorAnnotation, TensorProto, helper

from codesign.errors import SpecError
from codesign.specs.onnx.graph.file import Model
from codesign.specs.onnx.graph.operators import MS
from codesign.specs.onnx.graph.qonnx import ANNOTATION

OPERATOR = "GroupQueryAttention"
PAIRS = ((3, 1), (4, 2))  # positions of the earlier keys and of all keys, likewise of values
PACKED_BITS, WHOLE_BITS = 4, 8


def unpack_caches(model: Model) -> None:
    """Give caches of 4 bits their number of elements and their width, in place.

    Raises
    ------
    SpecError
        One that is no input of the network by itself: nothing says what made it.
    """
    for node in model.proto.graph.node:
        if f"{node.domain}." != MS or node.op_type != OPERATOR:
            continue
        given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        if given.get("kv_cache_bit_width", WHOLE_BITS) != PACKED_BITS:
            continue
        for before, after in PAIRS:
            _unpack(model, node, before, after)
        kept = [entry for entry in node.attribute if entry.name != "kv_cache_bit_width"]
        copies = NodeProto(attribute=kept)  # they are lost where they are cleared
        del node.attribute[:]
        node.attribute.extend(copies.attribute)


def _unpack(model: Model, node: NodeProto, before: int, after: int) -> None:
    graph = model.proto.graph
    earlier = node.input[before] if before < len(node.input) else ""
    both = node.output[after] if after < len(node.output) else ""
    mine = next((value for value in graph.input if value.name == earlier), None)
    if earlier and (mine is None or sum(earlier in other.input for other in graph.node) > 1):
        raise SpecError(
            f"node {node.name!r} ({node.op_type}): {earlier!r} holds two numbers in a byte, and is "
            "no input of the network that it alone reads"
        )
    for value in (*([mine] if mine is not None else []), *graph.output):
        kind = value.type.tensor_type
        if value.name in (earlier, both) and kind.elem_type == TensorProto.UINT8:
            kind.elem_type = TensorProto.FLOAT
            if kind.shape.dim and kind.shape.dim[-1].HasField("dim_value"):
                kind.shape.dim[-1].dim_value *= WHOLE_BITS // PACKED_BITS
    for name in filter(None, (earlier, both)):
        width = StringStringEntryProto(key=ANNOTATION, value=f"INT{PACKED_BITS}")
        noted = TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[width])
        graph.quantization_annotation.append(noted)
