"""A network as its file has it: operator nodes over named values, every shape a whole number."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from codesign.errors import SpecError
from codesign.specs.layer import MAX_NAME

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Node:
    """One operator of the graph.

    Attributes
    ----------
    name : str
        Unique in the graph.
    operator : str
        Its type, with its domain before it unless that is ONNX's own: ``com.microsoft.QGemm``.
    inputs, outputs : tuple of str
        Names of values; an optional one that is left out is empty.
    attributes : mapping of str to Any
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def input(self, position: int) -> str:
        """Name of an input value, empty if it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes that the results depend on, in execution order.

    Attributes
    ----------
    nodes : tuple of Node
    inputs, outputs : tuple of str
        Values fed in and asked for.
    shapes : mapping of str to tuple of int
    integers : mapping of str to (int, int)
        Least and greatest number of the type of those stored as integers of 16 bits or fewer.
    small_floats : mapping of str to str
        Type of those stored in floating point of 8 bits or fewer.
    annotated : mapping of str to str
        Type, as QONNX names it, that the file notes of those that are stored as another.
    constants : frozenset of str
        Values that no input reaches; also the scales found while an activation is quantised, a
        number or two that never leave the chip.
    known : mapping of str to array
        The constants that are small enough to look at.
    sources : mapping of str to Node
        The node that makes each constant that is not stored as such.
    small_inputs : frozenset of str
        Those that may decide something: a number each, or a few whole numbers.
    remarks : tuple of str
        What was decided of operators that are spelt out in others.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape]
    integers: Mapping[str, tuple[int, int]]
    small_floats: Mapping[str, str]
    annotated: Mapping[str, str]
    constants: frozenset[str]
    known: Mapping[str, np.ndarray[Any, Any]]
    sources: Mapping[str, Node]
    small_inputs: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()

    def size(self, value: str) -> int:
        """Elements of a value."""
        return math.prod(self.shapes[value])

    def activations(self, node: Node) -> tuple[str, ...]:
        """Values a node reads that depend on the network's inputs and are not empty."""
        return tuple(
            name
            for name in node.inputs
            if name and name not in self.constants and self.size(name) > 0
        )

    def live_outputs(self, node: Node) -> tuple[str, ...]:
        """Values a node writes that somebody reads."""
        return tuple(name for name in node.outputs if name in self.read)

    @cached_property
    def read(self) -> frozenset[str]:
        """Values that a node reads or that are asked for."""
        return frozenset(
            {name for node in self.nodes for name in node.inputs if name} | set(self.outputs)
        )

    @cached_property
    def readers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each value."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def writers(self) -> Mapping[str, Node]:
        """The node that writes each value."""
        return {name: node for node in self.nodes for name in node.outputs}

    def ancestry(self, constant: str) -> Iterator[Node]:
        """The nodes that made a constant, from the last back along their first inputs."""
        while constant in self.sources:
            node = self.sources[constant]
            yield node
            constant = node.input(0)


@contextmanager
def fitting(name: str, operator: str) -> Iterator[None]:
    """Refuse attributes and shapes that a rule cannot work with, of operators ONNX does not check.

    Raises
    ------
    SpecError
        They are missing, of another kind, or beyond what there is.
    """
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise SpecError(
            f"node {name!r} ({operator}): its attributes and operands do not fit together"
        ) from None


def free_name(wanted: str, taken: Container[str]) -> str:
    """A name nobody has, as near to the one wanted as can be, within the length allowed."""
    return _free(_shortened(wanted), taken, 2)[0]


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 20] + "…"


def _free(short: str, taken: Container[str], number: int) -> tuple[str, int]:
    """The name or, where it is taken, the same with a number; and the next number to try."""
    name = short
    while name in taken:
        end = f"_{number}"
        name, number = short[: MAX_NAME - len(end)] + end, number + 1
    return name, number


class Names:
    """Gives names of which each is given once, in a time that does not grow with their number."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*taken}
        self._number: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """A name nobody has, as near to the one wanted as can be."""
        short = _shortened(wanted)
        name, self._number[short] = _free(short, self._taken, self._number.get(short, 2))
        self._taken.add(name)
        return name
