"""Where each group is stored, and which layer writes it: layers drafted, data placed.

- A multiplying step is a layer. A step that moves data and cannot be had on the way is one too.
- A pooling, a reduction or a cut belongs to the layer that writes its operand, if nobody else
  reads that operand: the layer then writes less. Otherwise a cut is read as a part, and a pooling
  or reduction is a layer that moves data.
- An element-wise step over several tensors belongs to the layer that writes the last of them, if
  nobody else reads that one: the layer reads the others beside its input.
- A concatenation is one tensor that each of its operands' layers writes a part of. An operand that
  has its place elsewhere (an input of the network, a cut, a part of another concatenation that
  this one does not wholly contain) is copied by a layer that moves data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from codesign.errors import SpecError
from codesign.specs.onnx.graph import Graph, Shape
from codesign.specs.onnx.groups import Group, Grouping, Step
from codesign.specs.onnx.loops import Loops, movement, product


@dataclass(eq=False)
class Tensor:
    """Something stored: an input of the network, a layer's output, or several side by side."""

    name: str
    atoms: list[Atom] = field(default_factory=list)

    @property
    def elements(self) -> int:
        """Of all that is stored."""
        return sum(atom.elements for atom in self.atoms)


@dataclass(eq=False)
class Atom:
    """What one layer writes, or an input of the network (no writer)."""

    tensor: Tensor
    elements: int
    writer: Draft | None = None


@dataclass(frozen=True, eq=False)
class Place:
    """Where a group is to be read: so many elements of what these atoms hold."""

    atoms: tuple[Atom, ...]
    elements: int

    @property
    def tensor(self) -> Tensor:
        """All atoms of one place are in one tensor."""
        return self.atoms[0].tensor

    @property
    def whole(self) -> bool:
        """Whether it is all of its atoms."""
        return self.elements == sum(atom.elements for atom in self.atoms)

    @property
    def written_by(self) -> int:
        """Position of the last layer that writes it; −1 for an input of the network."""
        return max(-1 if atom.writer is None else atom.writer.position for atom in self.atoms)


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
    output: Atom
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
class Placement:
    """The drafted layers, and the place of every group."""

    graph: Graph
    drafts: list[Draft] = field(default_factory=list)
    places: dict[Group, Place] = field(default_factory=dict)


def place(grouping: Grouping) -> Placement:
    """Draft the layers and place the groups, step by step.

    Raises
    ------
    SpecError
        A node that multiplies in a way the cost model has no loops for.
    """
    placement = Placement(grouping.graph)
    rules = {
        "input": _input,
        "mac": _mac,
        "combine": _combine,
        "shrink": _shrink,
        "slice": _slice,
        "concat": _concat,
        "move": _move,
    }
    for group in grouping.groups:
        placement.places[group] = rules[group.step.kind](placement, group)
    return placement


def _input(placement: Placement, group: Group) -> Place:
    return Place((new_atom(group.name, group.elements),), group.elements)


def new_atom(tensor: str, elements: int) -> Atom:
    """All there is, as yet, of a new tensor."""
    atom = Atom(Tensor(tensor), elements)
    atom.tensor.atoms.append(atom)
    return atom


def _draft(
    placement: Placement, step: Step, tensor: str, loops: Loops, reads: Place, elements: int
) -> Draft:
    """The next layer, with a tensor of its own to write."""
    assert step.node is not None
    atom = new_atom(tensor, elements)
    position = len(placement.drafts)
    draft = Draft(step.name, position, loops, reads, atom, operator=step.node.operator)
    atom.writer = draft
    placement.drafts.append(draft)
    return draft


def _written(draft: Draft) -> Place:
    return Place((draft.output,), draft.output.elements)


def _mac(placement: Placement, group: Group) -> Place:
    graph, step = placement.graph, group.step
    assert step.node is not None
    given = dict(zip(step.values, step.operands, strict=True))
    first = step.node.input(0)
    stored = dict(zip(step.values, step.shapes, strict=True)).get(first, graph.shapes[first])
    found = product(graph, step.node, stored)
    if found.data not in given:
        raise SpecError(
            f"node {step.name!r} ({step.node.operator}): multiplies a constant image by data; "
            "that is not supported"
        )
    reads = placement.places[given[found.data]]
    draft = _draft(placement, step, group.name, found.loops, reads, group.elements)
    if found.weights in given:
        draft.weight_place = placement.places[given[found.weights]]
    else:
        draft.weight_value = found.weights
    for value, operand in given.items():
        if value not in (found.data, found.weights):
            draft.residuals.append(placement.places[operand])
    return _written(draft)


def _host(placement: Placement, operand: Group, reader: Group) -> Draft | None:
    """The layer that writes an operand and can do more on the way, if only ``reader`` reads it."""
    where = placement.places[operand]
    if operand.is_output or operand.readers != [reader] or not where.whole:
        return None
    if len(where.atoms) != 1 or len(where.tensor.atoms) != 1:
        return None
    return where.atoms[0].writer


def _rename(atom: Atom, group: Group) -> Place:
    """Let a layer write a group in place of the one before."""
    atom.tensor.name, atom.elements = group.name, group.elements
    return Place((atom,), group.elements)


def _combine(placement: Placement, group: Group) -> Place:
    operands = sorted(group.step.operands, key=lambda g: placement.places[g].written_by)
    last, others = operands[-1], [placement.places[operand] for operand in operands[:-1]]
    host = _host(placement, last, group)
    if (
        host is not None
        and last.elements == group.elements
        and all(other.written_by < host.position for other in others)
        and all(other.elements <= host.computed for other in others)
    ):
        host.residuals += others
        return _rename(host.output, group)
    return _move(placement, group)


def _shrink(placement: Placement, group: Group) -> Place:
    (operand,) = group.step.operands
    host = _host(placement, operand, group)
    if host is not None:
        return _rename(host.output, group)
    return _shrunk_parts(placement, group, operand) or _move(placement, group)


def _shrunk_parts(placement: Placement, group: Group, operand: Group) -> Place | None:
    """Of a concatenation, each part is pooled by its own layer, if nobody reads a part unpooled."""
    joined, where = operand.step, placement.places[operand]
    if joined.kind != "concat" or joined.node is None or operand.readers != [group]:
        return None
    before = placement.graph.shapes[joined.output]
    after = placement.graph.shapes[group.step.output]
    axis = int(joined.node.attributes["axis"]) % len(before)
    untouched = len(after) == len(before) and after[axis] == before[axis]
    only_here = all(part.readers == [operand] and not part.is_output for part in joined.operands)
    if operand.is_output or joined.constant_elements or not untouched or not only_here:
        return None
    copied = {atom for draft in placement.drafts for each in draft.reads for atom in each.atoms}
    if len(where.tensor.atoms) != len(where.atoms) or not where.whole or copied & {*where.atoms}:
        return None
    for atom in where.atoms:
        atom.elements = atom.elements * group.elements // operand.elements
    where.tensor.name = group.name
    return Place(where.atoms, group.elements)


def _slice(placement: Placement, group: Group) -> Place:
    (operand,) = group.step.operands
    host = _host(placement, operand, group)
    if host is not None:
        return _rename(host.output, group)
    return Place(placement.places[operand].atoms, group.elements)


def _move(placement: Placement, group: Group) -> Place:
    """A layer that reads the largest operand, the others beside it, and writes the result."""
    step = group.step
    by_size = sorted(range(len(step.operands)), key=lambda i: -step.operands[i].elements)
    distinct = list(dict.fromkeys(step.operands[i] for i in by_size))
    source, others = distinct[0], distinct[1:]
    shape = next(s for s, g in zip(step.shapes, step.operands, strict=True) if g is source)
    draft = _moving(placement, group, placement.places[source], shape)
    draft.residuals = [placement.places[operand] for operand in others]
    return _written(draft)


def _moving(placement: Placement, group: Group, source: Place, shape: Shape) -> Draft:
    """A layer that moves data of a shape from their place to where a group is."""
    loops = movement(shape, placement.graph.shapes[group.step.output])
    draft = _draft(placement, group.step, group.name, loops, source, group.elements)
    draft.moves = True
    return draft


def _copying(placement: Placement, group: Group, position: int) -> Draft:
    """A layer that copies one operand of a concatenation to its part."""
    operand, shape = group.step.operands[position], group.step.shapes[position]
    loops, source = movement(shape, shape), placement.places[operand]
    draft = _draft(placement, group.step, group.name, loops, source, operand.elements)
    draft.name, draft.moves = f"{draft.name}.copy{position}", True
    return draft


def _concat(placement: Placement, group: Group) -> Place:
    step = group.step
    kept = _kept_in_place(placement, step)
    atoms: list[Atom] = []
    for position, operand in enumerate(step.operands):
        if position in kept:
            atoms += placement.places[operand].atoms
        else:
            atoms.append(_copying(placement, group, position).output)
    tensors = list(dict.fromkeys(atom.tensor for atom in atoms))
    if len(tensors) > 1 or len(atoms) >= len(tensors[0].atoms):
        tensors[0].name = group.name
    for tensor in tensors[1:]:
        for atom in tensor.atoms:
            atom.tensor = tensors[0]
        tensors[0].atoms += tensor.atoms
    if step.constant_elements:
        writer = atoms[0].writer
        assert writer is not None
        writer.appended += step.constant_elements
        atoms[0].elements += step.constant_elements
    return Place(tuple(atoms), group.elements)


def _kept_in_place(placement: Placement, step: Step) -> set[int]:
    """Positions of the operands that can be parts of the new tensor where they are."""
    kept: dict[int, tuple[Atom, ...]] = {}
    taken: set[Atom] = set()
    for position, operand in enumerate(step.operands):
        where = placement.places[operand]
        written = all(atom.writer is not None for atom in where.atoms)
        if written and where.whole and not taken & set(where.atoms):
            kept[position] = where.atoms
            taken |= set(where.atoms)
    inside = {atom.tensor for atom in taken}
    if len(inside) == 1 and len(kept) == len(step.operands) and not step.constant_elements:
        return set(kept)  # a part of a concatenation, or all of it again
    return {position for position, atoms in kept.items() if set(atoms[0].tensor.atoms) <= taken}
