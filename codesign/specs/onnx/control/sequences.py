"""Sequences and optional values: lists of values whose lengths and positions are decided.

Nothing is stored in a sequence that is not a value of the graph. A value taken out of one is that
value; one made of the parts of a sequence is made of these values.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from onnx import GraphProto, ValueInfoProto, numpy_helper

from codesign.specs.onnx.control.bodies import copy_in, picked, stack
from codesign.specs.onnx.graph.writer import Lists, NotSpeltError, Writer


def spell_list(write: Writer) -> None:
    """Values that are listed, or none."""
    write.lists.sequences[write.output(0)] = tuple(write.node.input)


def spell_same(write: Writer) -> None:
    """A sequence or an optional value by another name."""
    if write.input(0) in write.lists.optionals:
        write.lists.optionals[write.output(0)] = write.lists.optionals[write.input(0)]
    else:
        write.lists.sequences[write.output(0)] = _listed(write)


def _listed(write: Writer) -> tuple[str, ...]:
    found = write.lists.sequences.get(write.input(0))
    if found is None:
        raise NotSpeltError
    return found


def _position(write: Writer, operand: int, length: int) -> int:
    """Where in a sequence; from 0, and negative from the end."""
    if not write.input(operand):
        return length
    position = write.number(operand)
    if position is None:
        raise NotSpeltError
    if not -length <= position <= length:
        raise write.refused(f"position {position} of a sequence of {length}")
    return position % length if position < 0 else position


def spell_insert(write: Writer) -> None:
    """One more value, at the end or where a position says."""
    found = _listed(write)
    at = _position(write, 2, len(found))
    write.lists.sequences[write.output(0)] = (*found[:at], write.input(1), *found[at:])


def spell_erase(write: Writer) -> None:
    """One value less: the last, or that of a position."""
    found = _listed(write)
    at = _position(write, 1, len(found) - 1)
    write.lists.sequences[write.output(0)] = (*found[:at], *found[at + 1 :])


def spell_at(write: Writer) -> None:
    """The value of a position."""
    found = _listed(write)
    at = _position(write, 1, len(found))
    if at == len(found):
        raise write.refused(f"position {at} of a sequence of {len(found)}")
    write.add("Identity", [found[at]], "element", write.output(0))


def spell_length(write: Writer) -> None:
    """How many values there are."""
    _constant(write, np.array(len(_listed(write)), np.int64))


def _constant(write: Writer, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    write.add("Constant", [], "value", write.output(0), value=numpy_helper.from_array(array))


def spell_concatenation(write: Writer) -> None:
    """All values side by side, along an axis that they have or a new one."""
    found, axis = _listed(write), int(write.attribute("axis"))
    if not found:
        raise write.refused("concatenates a sequence of no values")
    if write.attribute("new_axis", 0):
        stack(write, found, axis, "stacked", write.output(0))
    else:
        write.add("Concat", found, "joined", write.output(0), axis=axis)


def spell_split(write: Writer) -> None:
    """Parts of a value along an axis: of one size, of sizes given, or of single positions."""
    axis = int(write.attribute("axis", 0))
    size, value = write.shape(0)[axis], write.input(0)
    if not write.input(1) and not write.attribute("keepdims", 1):
        parts = [picked(write, value, axis, n, f"part.{n}") for n in range(size)]
    else:
        sizes = _sizes(write, size)
        roles = [f"part.{n}" for n in range(len(sizes))]
        parts = [value] if len(sizes) == 1 else write.split(value, axis, sizes, roles)
    write.lists.sequences[write.output(0)] = tuple(parts)


def _sizes(write: Writer, whole: int) -> list[int]:
    """Sizes of the parts of a split; equal ones but for the last, or each its own."""
    if not write.input(1):
        return [1] * whole
    given = write.values.get(write.input(1))
    if given is None:
        raise NotSpeltError
    if given.ndim:
        return [int(size) for size in given]
    step = int(given)
    if step < 1:
        raise write.refused(f"parts of {step}")
    edges = [*range(0, whole, step), whole]
    return [stop - start for start, stop in pairwise(edges)]


def spell_map(write: Writer) -> None:
    """The body once for each value; its results are sequences."""
    body, found = write.attribute("body"), _listed(write)
    results: list[tuple[str, ...]] = [() for _ in write.node.output]
    for turn, first in enumerate(found):
        others = [
            write.lists.sequences[name][turn] if name in write.lists.sequences else name
            for name in write.node.input[1:]
        ]
        given = dict(zip((x.name for x in body.input), (first, *others), strict=True))
        made = copy_in(write, body, given, f".{turn}")
        results = [(*before, new) for before, new in zip(results, made, strict=True)]
    write.lists.sequences.update(zip(write.node.output, results, strict=True))


def spell_optional(write: Writer) -> None:
    """A value, or that there is none."""
    if write.input(0) in write.lists.sequences:
        raise write.refused("an optional sequence is not supported")
    write.lists.optionals[write.output(0)] = write.input(0)


def spell_has_element(write: Writer) -> None:
    """Whether there is a value."""
    given = write.input(0)
    if given not in write.lists.optionals and not _is_tensor(write, given):
        raise NotSpeltError
    _constant(write, np.array(bool(write.lists.optionals.get(given, given))))


def spell_get_element(write: Writer) -> None:
    """The value, which must be there."""
    given = write.input(0)
    if given not in write.lists.optionals and not _is_tensor(write, given):
        raise NotSpeltError
    value = write.lists.optionals.get(given, given)
    if not value:
        raise write.refused("an optional value that is not there")
    write.add("Identity", [value], "element", write.output(0))


def _is_tensor(write: Writer, name: str) -> bool:
    return not name or bool(write.type_of(name))


def open_results(graph: GraphProto, lists: Lists) -> None:
    """Let a graph that returns a sequence return the values in it, in place."""
    if not any(lists.holds(value.name) for value in graph.output):
        return
    found: list[str] = []
    for value in graph.output:
        if value.name in lists.optionals:
            found += filter(None, [lists.optionals[value.name]])
        else:
            found += lists.sequences.get(value.name, (value.name,))
    del graph.output[:]
    graph.output.extend(ValueInfoProto(name=name) for name in dict.fromkeys(found))
