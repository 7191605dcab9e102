"""What is left open, in one line: the operator, what it depends on, and what would decide it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from onnx import ModelProto, NodeProto

from codesign.errors import SpecError
from codesign.specs.onnx.control.bodies import is_set_aside
from codesign.specs.onnx.graph.constant_folding import Known
from codesign.specs.onnx.graph.given_inputs import small_inputs
from codesign.specs.onnx.graph.graph import Graph, Node, Shape
from codesign.specs.onnx.graph.scopes import reads

OPEN = {
    "If": "which branch runs",
    "Loop": "how often it repeats",
    "Scan": "the size of what it scans",
    "SequenceMap": "the length of its sequence",
}
DECIDING = {"If": 0, "Loop": 0, "SequenceInsert": 2}  # the first operand that decides, if not 1
BY_VALUE = ("ConstantOfShape", "Range")  # whose first operand is a size, too


def check_decided(
    proto: ModelProto, inputs: Sequence[str], known: Known, shapes: Mapping[str, Shape]
) -> None:
    """Refuse control flow and lists that a result depends on and that are not decided.

    Raises
    ------
    SpecError
        The first such node, with the inputs of the model that decide it where they are small, or
        the operator before it whose results have no known shape.
    """
    wanted = {value.name for value in proto.graph.output}
    needed = []
    for node in reversed(proto.graph.node):
        if wanted & {*node.output}:
            wanted.update(reads(node))
            needed.append(node)
    node = next((node for node in reversed(needed) if is_set_aside(node)), None)
    if node is None:
        return
    first = DECIDING.get(node.op_type, 1)
    deciding = [name for name in node.input[first : first + 2] if name and name not in known]
    made_of = {name: [*reads(each)] for each in proto.graph.node for name in each.output}
    hint = _proposal(deciding, made_of, inputs, small_inputs(proto, inputs))
    hint = hint or _unshaped(proto.graph.node, {*_ancestry(deciding, made_of)}, shapes)
    raise SpecError(
        f"node {node.name!r} ({node.op_type}): {OPEN.get(node.op_type, 'what it lists or picks')} "
        f"depends on {hint or 'data; that is not supported'}"
    )


def _unshaped(
    nodes: Sequence[NodeProto], ancestry: Collection[str], shapes: Mapping[str, Shape]
) -> str | None:
    """The first node among some values' ancestors whose results have no known shape."""
    for node in nodes:
        if any(name in ancestry and name not in shapes for name in node.output):
            if is_set_aside(node):
                return None
            domain = f"{node.domain}." if node.domain else ""
            return f"node {node.name!r} ({domain}{node.op_type}), whose results have no known shape"
    return None


def check_complete(graph: Graph) -> None:
    """Refuse values of unknown size, naming the node where that begins.

    Raises
    ------
    SpecError
        A shape depends on data, or on an operator whose rule is unknown; or a size is below 0.
    """
    for node in graph.nodes:
        for name in (*node.inputs, *node.outputs):
            if name and name not in graph.shapes and (name in graph.read or name in node.inputs):
                raise SpecError(
                    f"node {node.name!r} ({node.operator}): the shape of {name!r} depends on "
                    f"{_deciding(graph, node)}"
                )
            if min(graph.shapes.get(name, ()), default=0) < 0:
                shown = " × ".join(map(str, graph.shapes[name]))
                raise SpecError(
                    f"node {node.name!r} ({node.operator}): its result would be {shown}; what it "
                    "reads is too small for its window"
                )


def _deciding(graph: Graph, node: Node) -> str:
    """What the shape of a node's result depends on beside shapes."""
    told = node.inputs[0 if node.operator in BY_VALUE else 1 :]
    made_of = {name: each.inputs for each in graph.nodes for name in each.outputs}
    hint = _proposal(told, made_of, graph.inputs, graph.small_inputs)
    return hint or "data or cannot be inferred; only fixed shapes can be imported"


def _proposal(
    values: Sequence[str],
    made_of: Mapping[str, Sequence[str]],
    inputs: Collection[str],
    small: Collection[str],
) -> str | None:
    """Which inputs of a model decide some values, and how to give them; None if large ones do.

    Parameters
    ----------
    made_of : mapping of str to sequence of str
        What each value that is computed is computed from.
    inputs, small : collection of str
        All inputs, and those that may be given.
    """
    reached = [name for name in _ancestry(values, made_of) if name in inputs]
    if not reached or any(name not in small for name in reached):
        return None
    flags = " ".join(f"--input {name}=VALUE" for name in reached)
    one = len(reached) == 1
    return f"input{'' if one else 's'} {', '.join(map(repr, reached))}: give {flags}"


def _ancestry(values: Sequence[str], made_of: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Some values and all that they are made of, each once."""
    waiting, seen = [*values], {*values}
    while waiting:
        name = waiting.pop()
        yield name
        new = [other for other in made_of.get(name, ()) if other not in seen]
        seen.update(new)
        waiting += new
