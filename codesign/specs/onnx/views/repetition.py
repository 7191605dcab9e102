"""Values that repeat the elements of another: what Expand, Tile and their like make need no copy.

Where each element comes from is kept as *atoms*. An axis of a value is a row of them, outermost
first; an atom is a number of positions and the step between two of them in the source, in elements
as they lie in its shape; where the step is 0 they are the same element. Two heads of keys, each for
four of queries: ``(2, step) (4, 0)`` make the axis of 8 heads. Reshaping cuts and joins atoms,
transposing permutes axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node, Shape
from codesign.specs.onnx.views.resizing import source_positions

Atom = tuple[int, int]
Axis = tuple[Atom, ...]
Axes = tuple[Axis, ...]

SAME = frozenset({"Cast", "CastLike", "Dropout", "Hardmax", "Identity", "LogSoftmax", "Softmax"})
RESHAPES = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
STRETCHING = frozenset(
    {
        *("Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal"),
        *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul"),
        *("Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
    }
)
BY_CHANNEL = "BatchNormalization"  # its constants have an element for each of the second axis
SAME_ORDER = RESHAPES | {"Cast", "Identity"}


@dataclass(frozen=True)
class View:
    """A value whose elements are those of another, some or all of them several times.

    Attributes
    ----------
    source : str
        The value it repeats.
    axes : tuple of axes
    made_by : str
        The last value on the way to it that repeats: what a copy would store.
    """

    source: str
    axes: Axes
    made_by: str

    @property
    def repeats(self) -> bool:
        """Whether an element is in it more than once."""
        return any(size > 1 and not step for axis in self.axes for size, step in axis)


Views = Mapping[str, View]


def whole(shape: Shape) -> Axes:
    """A value as its own source."""
    steps = [math.prod(shape[n + 1 :]) for n in range(len(shape))]
    return tuple(((size, step),) for size, step in zip(shape, steps, strict=True))


def view_of(graph: Graph, node: Node, views: Views) -> View | None:
    """What a node that repeats, or puts what is repeated in another shape, makes without a copy."""
    value, output = node.input(0), node.outputs[0]
    if output in graph.outputs or value in graph.constants:
        return None
    given = views.get(value) or View(value, whole(graph.shapes[value]), output)
    if node.operator in _REPEATING:
        axes = _REPEATING[node.operator](graph, node, given.axes)
        given = replace(given, made_by=output)
    elif value not in views:
        return None
    elif node.operator in RESHAPES:
        axes = reshaped(given.axes, graph.shapes[output])
    elif node.operator == "Transpose":
        axes = transposed(given.axes, node)
    else:
        axes = given.axes if node.operator in SAME else None
    found = None if axes is None else replace(given, axes=axes)
    return found if found is not None and found.repeats else None


def reshaped(axes: Axes, shape: Shape) -> Axes | None:
    """The same elements in the same order in another shape; None where it cuts across atoms."""
    left = _joined([atom for axis in axes for atom in axis])[::-1]
    found = []
    for size in shape:
        axis: list[Atom] = []
        while size > 1:
            count, step = left.pop()
            if size % count == 0:
                axis.append((count, step))
                size //= count
            elif count % size == 0:
                inner = count // size
                axis.append((size, step * inner))
                left.append((inner, step))
                size = 1
            else:
                return None
        found.append(tuple(axis))
    return tuple(found)


def _joined(atoms: Sequence[Atom]) -> list[Atom]:
    """As few atoms as have the same elements in the same order."""
    found: list[Atom] = []
    for size, step in atoms:
        if size == 1:
            continue
        if found and found[-1][1] == size * step:
            size *= found.pop()[0]
        found.append((size, step))
    return found


def transposed(axes: Axes, node: Node) -> Axes:
    """Axes as a Transpose orders them: the other way round if it does not say."""
    order = node.attributes.get("perm", range(len(axes))[::-1])
    return tuple(axes[axis] for axis in order)


def positions(indices: np.ndarray[Any, Any]) -> Axis | None:
    """Whole numbers from 0 as atoms: ``0 0 1 1`` is ``(2, 1) (2, 0)``.

    None where they are in no such order.
    """
    found: list[Atom] = []
    left = indices
    while left.size > 1:
        step = int(left[1] - left[0])
        size = 1 + int(np.argmin(np.append(np.diff(left) == step, False)))
        while left.size % size:
            size -= 1
        blocks = left.reshape(-1, size)
        if size == 1 or not (blocks == blocks[:, :1] + step * np.arange(size)).all():
            return None
        found.append((size, step))
        left = blocks[:, 0]
    return tuple(found[::-1]) if left.size and left[0] == 0 else None


# --- operators that repeat ------------------------------------------------------------------------


def _expand(graph: Graph, node: Node, axes: Axes) -> Axes:
    shape = graph.shapes[node.outputs[0]]
    axes = ((),) * (len(shape) - len(axes)) + axes
    return tuple(_stretched(axis, size) for axis, size in zip(axes, shape, strict=True))


def _stretched(axis: Axis, size: int) -> Axis:
    """An axis, of one position, as one of several."""
    return ((size, 0),) if size > 1 and _size(axis) == 1 else axis


def _size(axis: Axis) -> int:
    return math.prod(size for size, _ in axis)


def _tile(graph: Graph, node: Node, axes: Axes) -> Axes:
    pairs = zip(axes, graph.shapes[node.outputs[0]], strict=True)
    return tuple(
        axis if size == _size(axis) else ((size // _size(axis), 0), *axis) for axis, size in pairs
    )


def _gather(graph: Graph, node: Node, axes: Axes) -> Axes | None:
    """Of a Gather with indices that repeat all there is in blocks."""
    indices, at = graph.known.get(node.input(1)), int(node.attributes.get("axis", 0)) % len(axes)
    return None if indices is None else _taken(axes, at, indices)


def _gather_nd(graph: Graph, node: Node, axes: Axes) -> Axes | None:
    """Of a GatherND that takes whole rows of the first axis."""
    indices = graph.known.get(node.input(1))
    if indices is None or indices.shape[-1] != 1 or node.attributes.get("batch_dims", 0):
        return None
    return _taken(axes, 0, indices[..., 0])


def _taken(axes: Axes, at: int, indices: np.ndarray[Any, Any]) -> Axes | None:
    """Axes with one of them as indices take its positions."""
    if not indices.size:
        return None
    picked = _picked(axes[at], indices.reshape(-1) % _size(axes[at]))
    if picked is None:
        return None
    inner = reshaped((picked,), indices.shape)
    return None if inner is None else (*axes[:at], *inner, *axes[at + 1 :])


def _picked(axis: Axis, indices: np.ndarray[Any, Any]) -> Axis | None:
    """Positions of an axis, each of them at least once; None if that is not by atoms."""
    pattern, size = positions(indices), _size(axis)
    if pattern is None or np.unique(indices).size < size:
        return None
    digits = sorted((atom for atom in pattern if atom[1]), key=lambda atom: -atom[1])
    if math.prod(count for count, _ in digits) != size:
        return None  # blocks that overlap
    # Every position once: those of each atom are a digit of its number.
    cut = reshaped((axis,), tuple(count for count, _ in digits))
    if cut is None:
        return None
    part = dict(zip(digits, cut, strict=True))
    return tuple(x for atom in pattern for x in part.get(atom, (atom,)))


def _resize(graph: Graph, node: Node, axes: Axes) -> Axes | None:
    """Of a Resize or Upsample that takes for each position one of the source."""
    before, after = (graph.shapes[name] for name in (node.input(0), node.outputs[0]))
    found = []
    for at, axis in enumerate(axes):
        if before[at] == after[at]:
            found.append(axis)
            continue
        taken = source_positions(graph, node, at)
        picked = None if taken is None else _picked(axis, taken)
        if picked is None:
            return None
        found.append(picked)
    return tuple(found)


def _concat(graph: Graph, node: Node, axes: Axes) -> Axes | None:
    """Of a Concat of the same thing several times."""
    if len({_origin(graph, name) for name in node.inputs}) > 1:
        return None
    if len({graph.shapes[name] for name in node.inputs}) > 1:
        return None
    at = int(node.attributes["axis"]) % len(axes)
    return (*axes[:at], ((len(node.inputs), 0), *axes[at]), *axes[at + 1 :])


def _origin(graph: Graph, value: str) -> str:
    """Where a value is from that has its elements in the same order."""
    while value in graph.writers and graph.writers[value].operator in SAME_ORDER:
        value = graph.writers[value].input(0)
    return value


_REPEATING: Mapping[str, Callable[[Graph, Node, Axes], Axes | None]] = {
    "Concat": _concat,
    "Expand": _expand,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Resize": _resize,
    "Tile": _tile,
    "Upsample": _resize,
}


# --- several operands -----------------------------------------------------------------------------


def is_pointwise(graph: Graph, node: Node, values: Sequence[str]) -> bool:
    """Whether each element of a result is computed from those at the same place of all operands.

    Operands of fewer elements are stretched from the right. Where others are constants of one
    element each it is so in every way of stretching, where nothing is normalised.
    """
    if node.operator in STRETCHING or node.operator == BY_CHANNEL:
        return True
    alone = all(graph.size(x) <= 1 for x in node.inputs if x and x not in values)
    normalised = node.operator.endswith(("Normalization", "RotaryEmbedding"))
    return node.operator in operators.ELEMENTWISE and alone and not normalised


def element_wise(graph: Graph, node: Node, values: Sequence[str], views: Views) -> View | None:
    """What a node computes element by element, if it computes elements of one value repeatedly.

    That value and all others it reads are the same wherever its result is.
    """
    output = node.outputs[0]
    sources = {views[x].source if x in views else x for x in values}
    axes = {views[x].axes for x in values if x in views}
    if output in graph.outputs or len(sources) != 1 or len(axes) > 1:
        return None
    if axes and any(x not in views for x in values):
        return None
    given = views.get(values[0]) or View(values[0], whole(graph.shapes[values[0]]), output)
    shape = graph.shapes[output]
    stretched = _expand(graph, node, given.axes)
    found = View(given.source, stretched, given.made_by if stretched == given.axes else output)
    constants = [x for x in node.inputs if x and x not in values and not _is_uniform(graph, x)]
    for constant in constants:
        if not _varies_within(_stretching(graph, node, constant), stretched, shape):
            return None
    return found if found.repeats else None


def _stretching(graph: Graph, node: Node, constant: str) -> Shape:
    """Shape of a constant, which is stretched from the right."""
    after = len(graph.shapes[node.outputs[0]]) - 2
    return graph.shapes[constant] + ((1,) * after if node.operator == BY_CHANNEL else ())


def _varies_within(constant: Shape, axes: Axes, shape: Shape) -> bool:
    """Whether a constant is stretched wherever elements are repeated."""
    sizes = (1,) * (len(shape) - len(constant)) + constant
    repeated = [any(size > 1 and not step for size, step in axis) for axis in axes]
    return len(sizes) == len(axes) and not any(
        size > 1 and again for size, again in zip(sizes, repeated, strict=True)
    )


def _is_uniform(graph: Graph, constant: str) -> bool:
    """Whether all its elements are surely one number."""
    if graph.size(constant) <= 1:
        return True
    known = graph.known.get(constant)
    if known is not None:
        return bool((known == known.reshape(-1)[0]).all())
    made = graph.sources.get(constant)
    return made is not None and made.operator == "ConstantOfShape"


def is_full(graph: Graph, node: Node, values: Sequence[str], views: Views) -> bool:
    """Whether no two elements of a node's result are surely the same, as those repeated are."""
    shape = graph.shapes[node.outputs[0]]
    constants = [x for x in node.inputs if x and x not in values and not _is_uniform(graph, x)]
    operands = [views[x].axes if x in views else whole(graph.shapes[x]) for x in values]
    operands += [whole(_stretching(graph, node, x)) for x in constants]
    stretched = [_expand(graph, node, axes) for axes in operands]
    return all(_some_vary([axes[n] for axes in stretched]) for n in range(len(shape)))


def _some_vary(each: Sequence[Axis]) -> bool:
    atoms = common_atoms(each)
    return atoms is not None and all(any(varies) for _, varies in atoms)


def common_atoms(each: Sequence[Axis]) -> list[tuple[int, tuple[bool, ...]]] | None:
    """Cuts an axis of several operands so that each varies along a whole atom, or not at all.

    None where the atoms of two of them cut across each other.

    Returns
    -------
    list of (int, tuple of bool)
        Positions, and whether each operand has another element at each.
    """
    ends: set[int] = {1}
    for axis in each:
        inside = 1
        for size, _ in reversed(axis):
            inside *= size
            ends.add(inside)
    cuts = sorted(ends)
    if any(large % small for small, large in pairwise(cuts)):
        return None
    found = []
    for small, large in pairwise(cuts):
        found.append((large // small, tuple(_varies(axis, small) for axis in each)))
    return found[::-1]


def _varies(axis: Axis, at: int) -> bool:
    """Whether the atom that begins ``at`` so many positions inside takes steps."""
    inside = 1
    for size, step in reversed(axis):
        inside *= size
        if inside > at:
            return step != 0
    return False
