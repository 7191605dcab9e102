"""The layout of data in memory: where each group is stored, and which layer writes it.

- A product is a layer. A movement of data that cannot be had on the way is one too.
- A pooling, a reduction or a cut belongs to the layer that writes its operand, if nobody else
  reads that operand: the layer then writes less. Otherwise a cut is read as a part, and a pooling
  or reduction is a layer that moves data.
- What is computed element by element from several tensors belongs to the layer that writes the
  last of them, if nobody else reads that one: the layer reads the others beside its input.
- A concatenation is one tensor that each of its operands' layers writes a part of. An operand that
  has its place elsewhere (an input of the network, a cut, a part of another concatenation that
  this one does not wholly contain) is copied by a layer that moves data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from codesign.errors import SpecError
from codesign.specs.onnx.graph.graph import Graph, fitting
from codesign.specs.onnx.products.loops import Loops, movement, product
from codesign.specs.onnx.products.repeated_products import repeated_product
from codesign.specs.onnx.storage.groups import Grouping, ValueGroup
from codesign.specs.onnx.storage.kv_cache import earlier_operands


@dataclass(eq=False)
class Tensor:
    """Something stored: an input of the network, a layer's output, or several side by side."""

    name: str
    parts: list[Part] = field(default_factory=list)
    goes_on: bool = False  # it outlasts the run: some of it was there before

    @property
    def elements(self) -> int:
        """Of all that is stored."""
        return sum(part.elements for part in self.parts)


@dataclass(eq=False)
class Part:
    """What one layer writes, or an input of the network (no writer)."""

    tensor: Tensor
    elements: int
    writer: Draft | None = None


@dataclass(frozen=True, eq=False)
class Place:
    """Where a group is to be read: so many elements of what these atoms hold."""

    parts: tuple[Part, ...]
    elements: int

    @property
    def tensor(self) -> Tensor:
        """All atoms of one place are in one tensor."""
        return self.parts[0].tensor

    @property
    def whole(self) -> bool:
        """Whether it is all of its atoms."""
        return self.elements == sum(part.elements for part in self.parts)

    @property
    def written_by(self) -> int:
        """Position of the last layer that writes it; −1 for an input of the network."""
        return max(-1 if part.writer is None else part.writer.position for part in self.parts)


@dataclass(eq=False)
class Draft:
    """A layer to be.

    Attributes
    ----------
    name : str
    position : int
        In execution order.
    loops : Loops
    input : Place
    output : Atom
    weight_value : str or None
        The constant it multiplies by.
    weight_place : Place or None
        The activation it multiplies by.
    residuals : list of Place
    appended : int
    moves : bool
    operator : str
        Of the node it comes from.
    """

    name: str
    position: int
    loops: Loops
    input: Place
    output: Part
    weight_value: str | None = None
    weight_place: Place | None = None
    residuals: list[Place] = field(default_factory=list)
    appended: int = 0
    moves: bool = False
    operator: str = ""

    @property
    def computed(self) -> int:
        """Results before anything is left out."""
        loops = self.loops
        return loops.N * loops.G * loops.K * loops.P * loops.Q

    @property
    def reads(self) -> tuple[Place, ...]:
        """All places it reads."""
        extra = () if self.weight_place is None else (self.weight_place,)
        return (self.input, *extra, *self.residuals)


@dataclass(eq=False)
class Layout:
    """The drafted layers, and the place of every group."""

    graph: Graph
    drafts: list[Draft] = field(default_factory=list)
    places: dict[ValueGroup, Place] = field(default_factory=dict)


def lay_out(grouping: Grouping) -> Layout:
    """Draft the layers and place the groups, in execution order.

    Raises
    ------
    SpecError
        A node that multiplies in a way the cost model has no loops for.
    """
    layout = Layout(grouping.graph)
    rules = {
        "input": _input,
        "mac": _mac,
        "combine": _combine,
        "cell": _cell,
        "shrink": _shrink,
        "slice": _slice,
        "concat": _concat,
        "move": _move,
    }
    for group in grouping.groups:
        layout.places[group] = rules[group.kind](layout, group)
    return layout


def _input(layout: Layout, group: ValueGroup) -> Place:
    return Place((new_part(group.name, group.elements),), group.elements)


def new_part(tensor: str, elements: int) -> Part:
    """All there is, as yet, of a new tensor."""
    part = Part(Tensor(tensor), elements)
    part.tensor.parts.append(part)
    return part


def _draft(layout: Layout, group: ValueGroup, loops: Loops, reads: Place, elements: int) -> Draft:
    """The next layer, with a tensor of its own to write."""
    assert group.node is not None
    part = new_part(group.name, elements)
    position = len(layout.drafts)
    draft = Draft(group.layer_name, position, loops, reads, part, operator=group.node.operator)
    part.writer = draft
    layout.drafts.append(draft)
    return draft


def _written(draft: Draft) -> Place:
    return Place((draft.output,), draft.output.elements)


def _mac(layout: Layout, group: ValueGroup) -> Place:
    graph, node = layout.graph, group.node
    assert node is not None
    given = dict(zip(group.values, group.operands, strict=True))
    first = node.input(0)
    stored = dict(zip(group.values, group.shapes, strict=True)).get(first, graph.shapes[first])
    found = repeated_product(graph, node, group.views) if group.views else None
    with fitting(group.layer_name, node.operator):
        found = found or product(graph, node, stored)
    if found.data not in given:
        empty = not graph.size(found.data)
        fault = "its image has no elements" if empty else "multiplies a constant image by data"
        raise SpecError(
            f"node {group.layer_name!r} ({node.operator}): {fault}; that is not supported"
        )
    reads = layout.places[given[found.data]]
    draft = _draft(layout, group, found.loops, reads, group.elements)
    if found.weights in given:
        draft.weight_place = layout.places[given[found.weights]]
    else:
        draft.weight_value = found.weights
    for value, operand in given.items():
        if value not in (found.data, found.weights):
            draft.residuals.append(layout.places[operand])
    return _written(draft)


def _host(layout: Layout, operand: ValueGroup, reader: ValueGroup) -> Draft | None:
    """The layer that writes an operand and can do more on the way, if only ``reader`` reads it."""
    where = layout.places[operand]
    if operand.is_output or operand.readers != [reader] or not where.whole:
        return None
    if len(where.parts) != 1 or len(where.tensor.parts) != 1:
        return None
    return where.parts[0].writer


def _rename(part: Part, group: ValueGroup) -> Place:
    """Let a layer write a group in place of the one before."""
    part.tensor.name, part.elements = group.name, group.elements
    return Place((part,), group.elements)


def _combine(layout: Layout, group: ValueGroup) -> Place:
    operands = sorted(group.operands, key=lambda g: layout.places[g].written_by)
    last, others = operands[-1], [layout.places[operand] for operand in operands[:-1]]
    host = _host(layout, last, group)
    if (
        host is not None
        and last.elements == group.elements
        and all(other.written_by < host.position for other in others)
        and all(other.elements <= host.computed for other in others)
    ):
        host.residuals += others
        return _rename(host.output, group)
    return _move(layout, group)


def _cell(layout: Layout, group: ValueGroup) -> Place:
    """A step's product takes up its part of the inputs' product and of a first cell state."""
    product, *others = group.operands
    (written,) = layout.places[product].parts
    host = written.writer
    assert host is not None
    for other, elements in zip(others, (host.computed, group.elements), strict=False):
        host.residuals.append(Place(layout.places[other].parts, elements))
    return _rename(host.output, group)


def _shrink(layout: Layout, group: ValueGroup) -> Place:
    (operand,) = group.operands
    host = _host(layout, operand, group)
    if host is not None:
        return _rename(host.output, group)
    return _shrunk_parts(layout, group, operand) or _move(layout, group)


def _shrunk_parts(layout: Layout, group: ValueGroup, operand: ValueGroup) -> Place | None:
    """Of a concatenation, each part is pooled by its own layer, if nobody reads a part unpooled."""
    joined, where = operand, layout.places[operand]
    if joined.kind != "concat" or joined.node is None or operand.readers != [group]:
        return None
    before = layout.graph.shapes[joined.output]
    after = layout.graph.shapes[group.output]
    axis = int(joined.node.attributes["axis"]) % len(before)
    untouched = len(after) == len(before) and after[axis] == before[axis]
    only_here = all(part.readers == [operand] and not part.is_output for part in joined.operands)
    if operand.is_output or joined.constant_elements or not untouched or not only_here:
        return None
    copied = {part for draft in layout.drafts for each in draft.reads for part in each.parts}
    if len(where.tensor.parts) != len(where.parts) or not where.whole or copied & {*where.parts}:
        return None
    for part in where.parts:
        part.elements = part.elements * group.elements // operand.elements
    where.tensor.name = group.name
    return Place(where.parts, group.elements)


def _slice(layout: Layout, group: ValueGroup) -> Place:
    (operand,) = group.operands
    host = _host(layout, operand, group)
    if host is not None:
        return _rename(host.output, group)
    return Place(layout.places[operand].parts, group.elements)


def _move(layout: Layout, group: ValueGroup) -> Place:
    """A layer that reads the largest operand, the others beside it, and writes the result."""
    by_size = sorted(range(len(group.operands)), key=lambda i: -group.operands[i].elements)
    distinct = list(dict.fromkeys(group.operands[i] for i in by_size))
    source, others = distinct[0], distinct[1:]
    shape = next(s for s, g in zip(group.shapes, group.operands, strict=True) if g is source)
    loops = movement(shape, layout.graph.shapes[group.output])
    draft = _draft(layout, group, loops, layout.places[source], group.elements)
    draft.moves = True
    draft.residuals = [layout.places[operand] for operand in others]
    return _written(draft)


def _copying(layout: Layout, group: ValueGroup, position: int) -> Draft:
    """A layer that copies one operand of a concatenation to its part."""
    operand, shape = group.operands[position], group.shapes[position]
    loops, source = movement(shape, shape), layout.places[operand]
    draft = _draft(layout, group, loops, source, operand.elements)
    draft.name, draft.moves = f"{draft.name}.copy{position}", True
    return draft


def _concat(layout: Layout, group: ValueGroup) -> Place:
    kept, earlier = _kept_in_place(layout, group), earlier_operands(group)
    parts: list[Part] = []
    for position, operand in enumerate(group.operands):
        if position in earlier:
            parts.append(new_part(group.name, operand.elements))
            parts[-1].tensor.goes_on = True
        elif position in kept:
            parts += layout.places[operand].parts
        else:
            parts.append(_copying(layout, group, position).output)
    tensors = list(dict.fromkeys(part.tensor for part in parts))
    if len(tensors) > 1 or len(parts) >= len(tensors[0].parts):
        tensors[0].name = group.name
    for tensor in tensors[1:]:
        tensors[0].goes_on |= tensor.goes_on
        for part in tensor.parts:
            part.tensor = tensors[0]
        tensors[0].parts += tensor.parts
    if group.constant_elements:
        writer = parts[0].writer
        assert writer is not None
        writer.appended += group.constant_elements
        parts[0].elements += group.constant_elements
    return Place(tuple(parts), group.elements)


def _kept_in_place(layout: Layout, group: ValueGroup) -> set[int]:
    """Positions of the operands that can be parts of the new tensor where they are."""
    kept: dict[int, tuple[Part, ...]] = {}
    taken: set[Part] = set()
    for position, operand in enumerate(group.operands):
        where = layout.places[operand]
        written = all(part.writer is not None for part in where.parts)
        if (written or where.tensor.goes_on) and where.whole and not taken & set(where.parts):
            kept[position] = where.parts
            taken |= set(where.parts)
    inside = {part.tensor for part in taken}
    if len(inside) == 1 and len(kept) == len(group.operands) and not group.constant_elements:
        return set(kept)  # a part of a concatenation, or all of it again
    return {position for position, parts in kept.items() if set(parts[0].tensor.parts) <= taken}
