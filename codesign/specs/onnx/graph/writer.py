"""Writes the plain nodes that stand in for one operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from codesign.errors import SpecError
from codesign.specs.onnx.graph.file import STANDARD_DOMAINS
from codesign.specs.onnx.graph.graph import Shape, free_name
from codesign.specs.onnx.graph.operators import OWN, OWN_DOMAIN

SPLIT_BY_INPUT = 13  # from this opset on, the sizes of a Split are an input
AXES_BY_INPUT = 13  # and so are the axes of a ReduceSum or an Unsqueeze
ALTERED = ("activation", "activation_params", "channels_last")  # what spelling out takes away


class NotSpeltError(Exception):
    """The operator stays: nothing is to be spelt out, or an operand's shape is not known yet."""


@dataclass
class Taken:
    """Names in a graph: all of them, and those of its nodes."""

    names: set[str]
    nodes: set[str]


@dataclass
class Lists:
    """What the sequences of a graph hold, by their names, and what its optional values are.

    Attributes
    ----------
    sequences : dict of str to tuple of str
    optionals : dict of str to str
        The value, empty where there is none.
    """

    sequences: dict[str, tuple[str, ...]] = field(default_factory=dict)
    optionals: dict[str, str] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether a name is a sequence or an optional value."""
        return name in self.sequences or name in self.optionals


class Writer:
    """What a rule reads of its operator, and the nodes it writes for it.

    Values and nodes are named after the operator: ``<node>.<role>``.

    Attributes
    ----------
    node : NodeProto
        The operator.
    nodes : list of NodeProto
        What is written so far.
    opset : int
    shapes : mapping of str to tuple of int
        Of the graph's values, as far as they are known.
    values : dict of str to array
        The graph's constants that are small enough to look at, those written here included.
    lists : Lists
        What the graph's sequences hold.
    written : int
        Nodes of the graph, with those that other operators were spelt out in.
    remarks : list of str
        What was decided that the nodes alone do not show.
    """

    def __init__(
        self,
        proto: ModelProto,
        node: NodeProto,
        shapes: Mapping[str, Shape],
        types: Mapping[str, int],
        values: dict[str, np.ndarray[Any, Any]],
        taken: Taken,
        lists: Lists,
        written: int = 0,
    ) -> None:
        self.node = node
        self.nodes: list[NodeProto] = []
        self.remarks: list[str] = []
        self.opset = next(x.version for x in proto.opset_import if x.domain in STANDARD_DOMAINS)
        self.shapes, self.values, self.lists, self.written = shapes, values, lists, written
        self._proto, self._types, self._taken = proto, types, taken
        self._attributes = {x.name: helper.get_attribute_value(x) for x in node.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute; text as text."""
        value = self._attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def input(self, position: int) -> str:
        """Name of an operand, empty if it is left out."""
        return self.node.input[position] if position < len(self.node.input) else ""

    def output(self, position: int) -> str:
        """Name of a result, empty if it is left out."""
        return self.node.output[position] if position < len(self.node.output) else ""

    def shape(self, position: int) -> Shape:
        """Shape of an operand.

        Raises
        ------
        NotSpeltError
            Not known yet.
        """
        return self.shape_of(self.input(position))

    def shape_of(self, value: str) -> Shape:
        """Shape of a value of the graph, not of one written here."""
        if value not in self.shapes:
            raise NotSpeltError
        return self.shapes[value]

    def type_of(self, value: str) -> int:
        """Element type of a value of the graph, 0 if it is not known."""
        return self._types.get(value, 0)

    def number(self, position: int) -> int | None:
        """The whole number that an operand is for all inputs, if it is one."""
        array = self.values.get(self.input(position))
        return int(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def refused(self, reason: str) -> SpecError:
        """To be raised: why the operator cannot be read."""
        return SpecError(f"node {self.node.name!r} ({self.node.op_type}): {reason}")

    def add(
        self, operator: str, inputs: Sequence[str], role: str, output: str = "", **how: Any
    ) -> str:
        """A node of one result; the value it writes."""
        return self.several(operator, inputs, [role], [output], **how)[0]

    def several(
        self,
        operator: str,
        inputs: Sequence[str],
        roles: Sequence[str],
        outputs: Sequence[str] = (),
        **how: Any,
    ) -> list[str]:
        """A node, and the values it writes, one for each role.

        A node without a role stands for the operator as a whole, and keeps its name.
        """
        wanted = [*outputs, *[""] * (len(roles) - len(outputs))]
        pairs = zip(wanted, roles, strict=True)
        names = [name or self._free(role or "result") for name, role in pairs]
        name = self.node.name if not roles[0] else names[0]
        if roles[0] and wanted[0]:
            name = self._free(roles[0])
        self._taken.nodes.add(name)
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **how))
        return names

    def own(
        self,
        operator: str,
        inputs: Sequence[str],
        role: str,
        shape: Shape,
        output: str = "",
        **how: Any,
    ) -> str:
        """A node of our own domain: its result is of this shape, and of the operator's type."""
        if all(entry.domain != OWN_DOMAIN for entry in self._proto.opset_import):
            self._proto.opset_import.append(helper.make_opsetid(OWN_DOMAIN, 1))
        kind = operator.removeprefix(OWN)
        result = self.add(kind, inputs, role, output, domain=OWN_DOMAIN, **how)
        of = self.type_of(self.input(0)) or int(TensorProto.FLOAT)
        made = helper.make_tensor_value_info(result, of, shape)
        self._proto.graph.value_info.append(made)
        return result

    def again(
        self, operator: str, inputs: Sequence[str], output: str = "", domain: str = ""
    ) -> str:
        """An operator with the attributes of this one that it knows; the value it writes."""
        result = self.add(operator, inputs, "", output, domain=domain)
        kept = [x for x in self.node.attribute if x.name not in ALTERED]
        self.nodes[-1].attribute.extend(kept)
        return result

    def constant(self, array: np.ndarray[Any, Any], role: str) -> str:
        """A small constant."""
        name = self._free(f"{role}.constant")
        self.values[name] = array
        self._proto.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def reshaped(self, value: str, shape: Sequence[int], role: str, output: str = "") -> str:
        """A 0 keeps a size, a −1 takes what is left."""
        sizes = self.constant(np.array(shape, np.int64), role)
        return self.add("Reshape", [value, sizes], role, output)

    def transposed(self, value: str, order: Sequence[int], role: str, output: str = "") -> str:
        """The axes in another order."""
        return self.add("Transpose", [value], role, output, perm=[*order])

    def split(self, value: str, axis: int, sizes: Sequence[int], roles: Sequence[str]) -> list[str]:
        """Parts of a value along an axis."""
        if self.opset < SPLIT_BY_INPUT:
            return self.several("Split", [value], roles, axis=axis, split=[*sizes])
        by = self.constant(np.array(sizes, np.int64), roles[0])
        return self.several("Split", [value, by], roles, axis=axis)

    def unsqueezed(self, values: Sequence[str], axis: int, role: str) -> list[str]:
        """Each with a new axis of one position."""
        if self.opset < AXES_BY_INPUT:
            return [
                self.add("Unsqueeze", [value], f"{role}.{number}", axes=[axis])
                for number, value in enumerate(values)
            ]
        at = self.constant(np.array([axis], np.int64), role)
        return [
            self.add("Unsqueeze", [value, at], f"{role}.{number}")
            for number, value in enumerate(values)
        ]

    def first(self, value: str, axis: int, wanted: int, size: int, role: str) -> str:
        """The first of a value's ``size`` positions along an axis."""
        if wanted >= size:
            return value
        return self.split(value, axis, (wanted, size - wanted), (role, f"{role}.rest"))[0]

    def summed(self, value: str, axes: Sequence[int], role: str, output: str = "") -> str:
        """Sums over some axes, which are dropped."""
        if self.opset < AXES_BY_INPUT:
            return self.add("ReduceSum", [value], role, output, axes=[*axes], keepdims=0)
        over = self.constant(np.array(axes, np.int64), role)
        return self.add("ReduceSum", [value, over], role, output, keepdims=0)

    def named(self, wanted: str) -> str:
        """A name nobody has, as near to the one wanted as can be."""
        name = free_name(wanted, self._taken.names)
        self._taken.names.add(name)
        return name

    def named_node(self, wanted: str) -> str:
        """A name that no node has; it may be that of a value."""
        name = free_name(wanted, self._taken.nodes)
        self._taken.nodes.add(name)
        self._taken.names.add(name)
        return name

    def _free(self, role: str) -> str:
        return self.named(f"{self.node.name}.{role}")
