"""Which values are the same data: groups of values that one stored tensor can serve.

A node either computes a value from its operand element by element, or permutes it; then the value
belongs to the operand's group, and whoever reads or writes the tensor does that on the way. Or it
brings new data into being, or less or more of it, as a group of its own.

What a reduction finds of a group (a mean, a maximum, a sum of squares) and is only used to scale
or shift the same group belongs to the computation of that group: normalisations and softmax, also
when they are spelt out in many nodes, bring nothing new into being.

A value that repeats the elements of another (Expand, Tile) is that one again, for who can read
it so: element by element, or in a product that has a layer which reads it once. For all others it
is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node, Shape
from codesign.specs.onnx.products.padding import is_padding_of_windows
from codesign.specs.onnx.products.repeated_products import to_copy
from codesign.specs.onnx.views.repetition import (
    View,
    element_wise,
    is_full,
    is_pointwise,
    view_of,
)
from codesign.specs.onnx.views.slices import Cut, region, tiles_whole

Kind = Literal["input", "mac", "combine", "cell", "shrink", "slice", "concat", "move"]


@dataclass(eq=False)
class ValueGroup:
    """Values that are one tensor, as far as storing goes, and what brings it into being.

    Attributes
    ----------
    kind : Kind
    node : Node or None
        None for an input of the network.
    layer_name : str
        Of the layer, should the node become one.
    values, shapes, operands : tuples
        The activations read; their shapes as stored, before any padding; the group of each.
    output : str
        The value written.
    name : str
        Of the tensor: that of an input or output of the network, else of the first value.
    elements : int
    constant_elements : int
        Of constants that are stored beside the operands.
    summarises : ValueGroup or None
        The group this was reduced from.
    cut : (value, Cut) or None
        Where of which value it was cut out.
    views : mapping of str to View
        Of the values read those that repeat the elements of others.
    is_output : bool
    readers : list of ValueGroup
        Those that are made of it.
    """

    kind: Kind
    node: Node | None
    layer_name: str
    values: tuple[str, ...]
    shapes: tuple[Shape, ...]
    operands: tuple[ValueGroup, ...]
    output: str
    name: str
    elements: int
    constant_elements: int = 0
    summarises: ValueGroup | None = None
    cut: tuple[str, Cut] | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    is_output: bool = False
    readers: list[ValueGroup] = field(default_factory=list)


@dataclass(eq=False)
class Grouping:
    """The groups a result depends on, in execution order, and the group of each value."""

    graph: Graph
    groups: list[ValueGroup] = field(default_factory=list)
    group_of: dict[str, ValueGroup] = field(default_factory=dict)
    stored_shape: dict[str, Shape] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    copies: dict[str, ValueGroup] = field(default_factory=dict)

    def shape(self, value: str) -> Shape:
        """Shape of a value as stored: not repeated, without the padding of the window."""
        if value in self.views:
            return self.shape(self.views[value].source)
        return self.stored_shape.get(value, self.graph.shapes[value])


def group_values(graph: Graph) -> Grouping:
    """Sort every value into its group."""
    found = Grouping(graph)
    for name in graph.inputs:
        if graph.size(name) > 0:
            _begin(found, "input", None, (), name)
    for node in graph.nodes:
        if any(graph.size(name) > 0 for name in graph.live_outputs(node)):
            _sort_in(found, node)
    for name in graph.outputs:
        group = found.group_of.get(name)
        if group is not None:
            group.name = group.name if group.kind == "input" or group.is_output else name
            group.is_output = True
    _drop_unused(found)
    return found


def _sort_in(found: Grouping, node: Node) -> None:
    graph = found.graph
    values = tuple(name for name in graph.activations(node) if name in found.group_of)
    outputs = tuple(name for name in graph.live_outputs(node) if graph.size(name) > 0)
    operator = node.operator
    if values and len(outputs) == 1 and _is_view(found, node, values, outputs[0]):
        return
    _copy_repeated(found, node, values)
    if not operators.is_known(node, graph):
        for name in outputs:
            _unknown(found, node, values, name)
    elif operator in operators.MACS:
        _begin(found, "mac", node, values, outputs[0])
    elif operator in operators.AROUND_STEPS:
        _around_steps(found, node, values)
    elif operator in operators.CONCATS:
        _concat(found, node, outputs[0])
    elif operator in operators.SLICES:
        for position, name in enumerate(node.outputs):
            if name in outputs:
                _slice(found, node, position, values)
    elif operator in operators.REDUCTIONS | operators.POOLINGS:
        _shrink(found, node, values, outputs[0])
    elif operator == "Pad" and is_padding_of_windows(graph, node, found.shape(values[0])):
        _join(found, values[0], outputs[0], found.shape(values[0]))
    elif operator in operators.MOVEMENTS:
        keeps = operator in ("CenterCropPad", "Expand", "Pad", "Resize", "Tile", "Upsample")
        if keeps and graph.size(outputs[0]) == graph.size(values[0]):
            _join(found, values[0], outputs[0])
        else:
            _begin(found, "move", node, values, outputs[0])
    else:
        for name in outputs:
            _element_wise(found, node, values[: 1 if operator in operators.FIRST else None], name)


def _begin(
    found: Grouping, kind: Kind, node: Node | None, values: tuple[str, ...], output: str
) -> ValueGroup:
    """A new group."""
    layer_name = output
    if node is not None:
        alone = len(found.graph.live_outputs(node)) == 1
        layer_name = node.name if alone else f"{node.name}.{output}"
    group = ValueGroup(
        kind=kind,
        node=node,
        layer_name=layer_name,
        values=values,
        shapes=tuple(found.shape(value) for value in values),
        operands=tuple(found.group_of[value] for value in values),
        output=output,
        name=output,
        elements=found.graph.size(output),
        views={value: found.views[value] for value in values if value in found.views},
    )
    found.groups.append(group)
    found.group_of[output] = group
    return group


def _is_view(found: Grouping, node: Node, values: tuple[str, ...], output: str) -> bool:
    """Whether a result has the elements of a stored value, repeated; then it is that value."""
    operator = node.operator
    view = view_of(found.graph, node, found.views)
    if view is None and operator in operators.REDUCTIONS and values[0] in found.views:
        return False
    if view is None and is_pointwise(found.graph, node, values):
        view = element_wise(found.graph, node, values, found.views)
    if view is not None:
        found.views[output] = view
        found.group_of[output] = found.group_of[view.source]
    return view is not None


def _copy_repeated(found: Grouping, node: Node, values: tuple[str, ...]) -> None:
    """Copy what a node reads that is repeated, but where it need not be."""
    repeated = [value for value in values if value in found.views]
    if not repeated:
        return
    if node.operator in operators.MACS and operators.is_known(node, found.graph):
        repeated = [*to_copy(found.graph, node, found.views)]
    elif node.operator in operators.REDUCTIONS | operators.POOLINGS and len(values) == 1:
        same_size = found.graph.size(node.outputs[0]) == found.graph.size(values[0])
        repeated = repeated if same_size else []
    elif is_pointwise(found.graph, node, values):
        full = is_full(found.graph, node, values, found.views)
        repeated = [] if full else repeated
    for value in repeated:
        if value in found.views:  # not yet copied for another operand
            _copy(found, value)


def _copy(found: Grouping, value: str) -> None:
    """Store a value that repeats others, once for all that need it stored."""
    view = found.views.pop(value)
    made = view.made_by
    if made not in found.copies:
        found.views.pop(made, None)
        node = found.graph.writers[made]
        if node.operator in operators.CONCATS and not {*node.inputs} & {*found.views}:
            _concat(found, node, made)
        else:
            _begin(found, "move", node, (view.source,), made)
        found.copies[made] = found.group_of[made]
    found.group_of[value] = found.copies[made]


def _join(found: Grouping, value: str, output: str, shape: Shape | None = None) -> None:
    """Let a result belong to the group of the value it is computed from."""
    found.group_of[output] = found.group_of[value]
    if shape is not None:
        found.stored_shape[output] = shape


def _element_wise(found: Grouping, node: Node, values: tuple[str, ...], output: str) -> None:
    graph = found.graph
    groups = list(dict.fromkeys(found.group_of[value] for value in values))
    summed_up = [group for group in groups if group.summarises in groups]
    own = [group for group in groups if group not in summed_up]
    size = graph.size(output)
    if len(own) == 1:
        mine = [value for value in values if found.group_of[value] is own[0]]
        like = next((value for value in mine if value not in found.views), mine[0])
        if size == graph.size(like) and like not in found.views:
            stored = found.stored_shape.get(like) if len(values) == 1 else None
            _join(found, like, output, stored)
        else:
            _begin(found, "move", node, values, output)
        return
    read = tuple(next(v for v in values if found.group_of[v] is group) for group in own)
    group = _begin(found, "combine", node, read, output)
    sources = {g.summarises for g in own}
    if None not in sources and len(sources) == 1:
        group.summarises = sources.pop()


def _shrink(found: Grouping, node: Node, values: tuple[str, ...], output: str) -> None:
    """A pooling or a reduction; one over a single element changes nothing."""
    graph, value = found.graph, values[0]
    source, size = found.group_of[value], graph.size(output)
    if size == graph.size(value) and node.operator in operators.REDUCTIONS:
        _join(found, value, output)
        return
    kind: Kind = "shrink" if size <= source.elements and len(values) == 1 else "move"
    group = _begin(found, kind, node, values, output)
    if node.operator in operators.REDUCTIONS:
        group.summarises = source.summarises or source


def _slice(found: Grouping, node: Node, position: int, values: tuple[str, ...]) -> None:
    graph, output = found.graph, node.outputs[position]
    if len(values) != 1 or values[0] != node.input(0):  # indices that are data, or a table's rows
        _begin(found, "move", node, values, output)
        return
    value = values[0]
    if graph.size(output) == graph.size(value):
        _join(found, value, output)
    elif graph.size(output) > found.group_of[value].elements:
        _begin(found, "move", node, values, output)
    else:
        group = _begin(found, "slice", node, values, output)
        cut = region(graph, node, position)
        group.cut = None if cut is None else (value, cut)


def _around_steps(found: Grouping, node: Node, values: tuple[str, ...]) -> None:
    """The states of a recurrent operator, and what it computes element by element."""
    output = node.outputs[0]
    if node.operator == operators.FIRST_STATE:
        if node.input(1) in values:
            _join(found, node.input(1), output)
        else:
            _begin(found, "input", None, (), output)
    elif node.operator == operators.LAST_STATE:
        _slice(found, node, 0, values)
    else:
        _begin(found, "cell" if node.operator == operators.CELL else "move", node, values, output)


def _concat(found: Grouping, node: Node, output: str) -> None:
    graph = found.graph
    parts = node.inputs if node.operator == "Concat" else node.inputs[2::3]
    parts = tuple(name for name in parts if name and graph.size(name) > 0)
    constant = sum(graph.size(name) for name in parts if name not in found.group_of)
    values = _rejoined(found, [name for name in parts if name in found.group_of])
    if len(values) == 1 and not constant:
        _join(found, values[0], output)
        return
    group = _begin(found, "concat", node, tuple(values), output)
    group.constant_elements = constant


def _rejoined(found: Grouping, values: Sequence[str]) -> Sequence[str]:
    """Values to concatenate; slices that make up their whole source are that source again."""
    slices: dict[str, dict[str, Cut]] = {}
    for value in values:
        cut = found.group_of[value].cut
        if cut is not None and values.count(value) == 1:
            slices.setdefault(cut[0], {})[value] = cut[1]
    for source, cuts in slices.items():
        first, (axis, _, _) = next(iter(cuts.items()))
        if tiles_whole(list(cuts.values()), found.graph.shapes[source][axis]):
            values = [
                source if value == first else value
                for value in values
                if value == first or value not in cuts
            ]
    return values


def _unknown(found: Grouping, node: Node, values: tuple[str, ...], output: str) -> None:
    """Keep the data where they are if nothing speaks against it, else move them."""
    graph = found.graph
    if len(values) == 1 and graph.size(output) == graph.size(values[0]):
        _join(found, values[0], output)
    else:
        _begin(found, "move", node, values, output)


def _drop_unused(found: Grouping) -> None:
    """Keep the groups that are read, and note by whom."""
    kept = []
    for group in reversed(found.groups):
        if group.is_output or group.readers:
            kept.append(group)
            for operand in dict.fromkeys(group.operands):
                operand.readers.append(group)
    found.groups = kept[::-1]
