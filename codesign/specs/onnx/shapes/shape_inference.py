"""Finds the shape of every value, by ONNX's own inference, and the nodes that matter."""

from __future__ import annotations

from typing import Any

from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    shape_inference,
)

from codesign.errors import SpecError
from codesign.specs.onnx.control.bodies import set_aside
from codesign.specs.onnx.graph.constant_folding import Known, fold, stored_values
from codesign.specs.onnx.graph.file import STANDARD_DOMAINS, Model, first_line
from codesign.specs.onnx.graph.given_inputs import small_inputs
from codesign.specs.onnx.graph.graph import Graph, Names, Node, Shape, fitting
from codesign.specs.onnx.graph.operators import FIRST, KNOWN
from codesign.specs.onnx.graph.qonnx import ANNOTATION
from codesign.specs.onnx.graph.writer import Lists
from codesign.specs.onnx.shapes.microsoft_shapes import TYPE_FROM, microsoft_shape
from codesign.specs.onnx.shapes.undecided import check_decided
from codesign.specs.onnx.spelling.rules import RULES, operator_of, spell_out

Declared = dict[str, tuple[int, Shape | None]]  # an element type; a shape, where it is whole

MAX_ROUNDS = 1000
TYPES = {number: name for name, number in TensorProto.DataType.items()}
INTEGERS = {  # those of newer versions of onnx by name
    f"{sign}INT{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits in (2, 4, 8, 16)
    for sign in ("", "U")
}
SMALL_FLOATS = ("FLOAT8", "FLOAT6", "FLOAT4")  # what the names of their types begin with


def infer_shapes(model: Model, keep_unknown_shape: bool = False) -> Graph:
    """The graph with its shapes, without what no result depends on.

    Parameters
    ----------
    keep_unknown_shape : bool
        Take the result of an operator without a shape rule to be of its first input's shape.

    Raises
    ------
    SpecError
        Shapes that contradict each other, or control flow that depends on data.
    """
    proto, known = model.proto, stored_values(model.proto)
    replaced: list[NodeProto] = []
    remarks: list[str] = []
    declared, lists = _declared(proto), Lists()
    _name_nodes(proto)
    set_aside(proto)
    for _ in range(MAX_ROUNDS):
        try:
            inferred = shape_inference.infer_shapes(
                proto, check_type=True, strict_mode=True, data_prop=True
            )
        except (shape_inference.InferenceError, ValueError) as error:  # an odd type is a ValueError
            raise SpecError(f"shapes do not fit: {first_line(error)}") from None
        shapes, types = _shapes(inferred.graph)
        folded = fold(proto, known, shapes, model.opset)
        replaced += folded
        spelt, told = spell_out(proto, shapes, types, known, lists)
        remarks += told
        if spelt:
            known |= stored_values(proto)
        added = _own_rules(proto, shapes, types, declared, keep_unknown_shape)
        if not (folded or spelt or added or _as_declared(proto, shapes, types, declared)):
            break
    else:
        raise SpecError(f"sizes that are not found in {MAX_ROUNDS} rounds, one after the other")
    check_decided(proto, model.inputs, known, shapes)
    return _graph(model, replaced, shapes, types, known, tuple(remarks))


def _declared(proto: ModelProto) -> Declared:
    """Types and shapes written beside the results of other domains' operators.

    All are taken out of the model: those of standard operators are inferred, whatever a file says.
    """
    of_other_domains = {
        name
        for node in proto.graph.node
        if node.domain not in STANDARD_DOMAINS
        for name in node.output
    }
    found: Declared = {}
    for value in proto.graph.value_info:
        kind = value.type.tensor_type
        sizes = tuple(dim.dim_value for dim in kind.shape.dim)
        whole = kind.HasField("shape") and all(size > 0 for size in sizes)
        if value.name in of_other_domains:
            found[value.name] = kind.elem_type, sizes if whole else None
    del proto.graph.value_info[:]
    return found


def _shapes(graph: GraphProto) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes that are whole numbers throughout, and element types."""
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        types[value.name] = kind.elem_type or types.get(value.name, 0)
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    for tensor in graph.initializer:
        shapes[tensor.name], types[tensor.name] = tuple(tensor.dims), tensor.data_type
    return shapes, types


def _own_rules(
    proto: ModelProto,
    shapes: dict[str, Shape],
    types: dict[str, int],
    declared: Declared,
    keep: bool,
) -> bool:
    """Add the shapes of operators ONNX does not know; whether there were any new ones.

    Of an operator without a rule, the file's own word is taken.
    """
    added = False
    for node in proto.graph.node:
        if node.domain in STANDARD_DOMAINS or not node.output or node.output[0] in shapes:
            continue
        given = [shapes.get(name) if name else () for name in node.input]
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        operator = operator_of(node)
        if operator in RULES and operator not in KNOWN:
            continue
        with fitting(node.name, operator):
            shape = microsoft_shape(operator, given, attributes)
        if operator not in KNOWN:
            if _take_declared(proto, node, shapes, types, declared):
                added = True
                continue
            shape = given[0] if keep and given else None
        if shape is None:
            continue
        like = TYPE_FROM.get(operator, 0)
        kind = types.get(node.input[like], 0) if like < len(node.input) else 0
        kind = declared.get(node.output[0], (0, None))[0] or kind
        with fitting(node.name, operator):
            _add(proto, node.output[0], kind or int(TensorProto.FLOAT), shape, shapes, types)
        added = True
    return added


def _as_declared(
    proto: ModelProto, shapes: dict[str, Shape], types: dict[str, int], declared: Declared
) -> bool:
    """Take the file's word for the first result whose shape nothing else tells, if there is one."""
    return any(
        _take_declared(proto, node, shapes, types, declared)
        for node in proto.graph.node
        if node.domain not in STANDARD_DOMAINS
    )


def _take_declared(
    proto: ModelProto,
    node: NodeProto,
    shapes: dict[str, Shape],
    types: dict[str, int],
    declared: Declared,
) -> bool:
    added = False
    for name in node.output:
        kind, shape = declared.get(name, (0, None))
        if shape is not None and name not in shapes:
            _add(proto, name, kind, shape, shapes, types)
            added = True
    return added


def _add(
    proto: ModelProto,
    name: str,
    kind: int,
    shape: Shape,
    shapes: dict[str, Shape],
    types: dict[str, int],
) -> None:
    shapes[name], types[name] = shape, kind
    proto.graph.value_info.append(helper.make_tensor_value_info(name, kind, shape))


def _name_nodes(proto: ModelProto) -> None:
    """Give each node a name of its own: its type and number where the file has none."""
    names = Names()
    for index, node in enumerate(proto.graph.node):
        node.name = names.new(node.name or f"{node.op_type}_{index}")


def _graph(
    model: Model,
    replaced: list[NodeProto],
    shapes: dict[str, Shape],
    types: dict[str, int],
    known: Known,
    remarks: tuple[str, ...],
) -> Graph:
    graph = model.proto.graph
    nodes = [_node(node) for node in graph.node]
    stored = {value.name for value in graph.input} - {*model.inputs}
    constants = _constants(nodes, stored | set(known))
    outputs = tuple(value.name for value in graph.output if value.name not in constants)
    named = {name: TYPES.get(kind, "") for name, kind in types.items()}
    made = [node for node in nodes if set(node.outputs) <= constants]
    return Graph(
        nodes=_needed(nodes, outputs, constants),
        inputs=model.inputs,
        outputs=outputs,
        shapes=shapes,
        integers={name: INTEGERS[kind] for name, kind in named.items() if kind in INTEGERS},
        small_floats={name: kind for name, kind in named.items() if kind.startswith(SMALL_FLOATS)},
        annotated={
            noted.tensor_name: entry.value
            for noted in graph.quantization_annotation
            for entry in noted.quant_parameter_tensor_names
            if entry.key == ANNOTATION
        },
        constants=frozenset(constants),
        known=known,
        sources={
            name: node for node in (*map(_node, replaced), *made) for name in node.outputs if name
        },
        small_inputs=small_inputs(model.proto, model.inputs),
        remarks=remarks,
    )


def _node(proto: NodeProto) -> Node:
    domain = "" if proto.domain in STANDARD_DOMAINS else f"{proto.domain}."
    attributes = {entry.name: _attribute(entry) for entry in proto.attribute}
    operator = domain + proto.op_type
    return Node(proto.name, operator, tuple(proto.input), tuple(proto.output), attributes)


def _attribute(entry: AttributeProto) -> Any:
    value = helper.get_attribute_value(entry)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _constants(nodes: list[Node], stored: set[str]) -> set[str]:
    """Values that no input of the network reaches."""
    found = set(stored)
    for node in nodes:
        read = [name for name in node.inputs if name]
        if all(name in found for name in read) or (node.operator in FIRST and read[0] in found):
            found.update(name for name in node.outputs if name)
        elif node.operator == "DynamicQuantizeLinear":
            found.update(name for name in node.outputs[1:] if name)
    return found


def _needed(nodes: list[Node], outputs: tuple[str, ...], constants: set[str]) -> tuple[Node, ...]:
    """The nodes that the outputs depend on and that depend on the inputs."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.outputs) - constants:
            wanted.update(name for name in node.inputs if name)
            kept.append(node)
    return tuple(reversed(kept))
