"""Decides control flow: the branch of an If that runs, the turns of a Loop or a Scan one by one.

A branch whose condition is the same for all data is the only one. A loop whose number of turns is
known, or whose condition follows from constants and sizes, is its body as many times as it turns.
What a turn hands on is read by the next; what it yields is stacked. What is not decided yet waits
for sizes, and is refused in the end.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import GraphProto, NodeProto, ValueInfoProto, helper, numpy_helper

from codesign.specs.network import MAX_LAYERS
from codesign.specs.onnx.control.bodies import copy_in, picked, stack
from codesign.specs.onnx.graph.constant_folding import Array, results
from codesign.specs.onnx.graph.operators import MACS
from codesign.specs.onnx.graph.scopes import bodies, reads
from codesign.specs.onnx.graph.writer import NotSpeltError, Writer

FIRST_SCAN_OPSET = 9  # before it, Scan had a batch and lengths
MOST_NODES = 200_000  # of all turns of a loop
# Attributes of a loop that is unrolled in part.
DONE, YIELDED, UNCONDITIONAL = "turns_done", "yielded_{}", "unconditional"


def spell_if(write: Writer) -> None:
    """The branch that runs."""
    taken = bool(_decided(write, 0))
    branch = write.attribute("then_branch" if taken else "else_branch")
    _hand_over(write, copy_in(write, branch, {}))


def _decided(write: Writer, position: int) -> int:
    """A condition or a number of turns, as soon as it is known."""
    number = write.number(position)
    if number is None:
        raise NotSpeltError
    return number


@dataclass
class _Turns:
    """How far a loop is unrolled.

    Attributes
    ----------
    body : GraphProto
    done : int
    carried : list of str
        What the next turn is given.
    yielded : list of list of str
        What each turn so far gave to each stacked result.
    values : mapping of str to array
        What is known, with what the condition was computed from.
    """

    body: GraphProto
    done: int
    carried: list[str]
    yielded: list[list[str]]
    values: MutableMapping[str, Array] = field(default_factory=dict)


def spell_loop(write: Writer) -> None:
    """The body once for each turn, as far as its condition is known."""
    body = write.attribute("body")
    most = _decided(write, 0) if write.input(0) else None
    condition: bool | None = bool(_decided(write, 1)) if write.input(1) else True
    carried = [*write.node.input[2:]]
    count = len(body.output) - 1 - len(carried)
    yielded = [_texts(write.attribute(YIELDED.format(k), ())) for k in range(count)]
    turns = _Turns(body, write.attribute(DONE, 0), carried, yielded, ChainMap({}, write.values))
    stays = _stays_true(body, write.values)
    if stays and condition and most is None:
        raise write.refused("it never ends")
    deciding = _deciding(body, len(carried))
    name = write.input(1)
    while condition and (most is None or turns.done < most):
        _check_room(write, body, most if stays and most else turns.done + 1)
        name = _turn(write, turns)
        condition = stays or _condition(write, turns, name, deciding)
    if condition is None:
        _wait(write, turns, name)
        return
    if not condition and _is_unconditional(write):
        raise write.refused(
            "its condition turns false, but none is given to it: runtimes differ in what they do"
        )
    for position, parts in enumerate(turns.yielded):
        _stacked(write, body.output[1 + len(carried) + position], parts, len(carried) + position, 0)
    _hand_over(write, turns.carried)


def _is_unconditional(write: Writer) -> bool:
    """Whether a loop was given no condition."""
    return not write.input(1) or bool(write.attribute(UNCONDITIONAL, 0))


def _turn(write: Writer, turns: _Turns) -> str:
    """Write one turn; the name of the condition after it."""
    body, turn = turns.body, turns.done
    given = {
        body.input[0].name: write.constant(_scalar(body.input[0], turn), f"turn.{turn}"),
        body.input[1].name: write.constant(_scalar(body.input[1], True), f"goes_on.{turn}"),
    }
    given |= {value.name: name for value, name in zip(body.input[2:], turns.carried, strict=True)}
    for value in body.input[:2]:
        turns.values[given[value.name]] = write.values[given[value.name]]
    found = copy_in(write, body, given, f".{turn}")
    turns.carried = found[1 : 1 + len(turns.carried)]
    for parts, part in zip(turns.yielded, found[1 + len(turns.carried) :], strict=True):
        parts.append(part)
    turns.done += 1
    return found[0]


def _scalar(like: ValueInfoProto, value: int | bool) -> Array:
    """A number of the rank that a body wants it to have."""
    rank = min(len(like.type.tensor_type.shape.dim), 1)
    return np.full((1,) * rank, value, np.bool_ if isinstance(value, bool) else np.int64)


def _stays_true(body: GraphProto, known: Mapping[str, Array]) -> bool:
    """Whether a condition that is true before a turn surely is so after it."""
    writers = {name: node for node in body.node for name in node.output}
    name = body.output[0].name
    while name in writers and writers[name].op_type == "Identity":
        name = writers[name].input[0]
    return name == body.input[1].name or (name in known and bool(known[name].all()))


def _deciding(body: GraphProto, carried: int) -> list[int]:
    """Positions of the nodes that the condition depends on, over all turns."""
    wanted = {body.output[0].name}
    handed = dict(zip((v.name for v in body.input[2:]), body.output[1 : 1 + carried], strict=True))
    found: dict[int, None] = {}
    while True:
        before = len(wanted)
        for position in reversed(range(len(body.node))):
            if wanted & {*body.node[position].output}:
                found[position] = None
                wanted |= {*reads(body.node[position])}
        wanted |= {value.name for name, value in handed.items() if name in wanted}
        if len(wanted) == before:
            return sorted(found)


def _condition(write: Writer, turns: _Turns, name: str, deciding: Sequence[int]) -> bool | None:
    """Whether there is a further turn; None where that is not known."""
    first = len(write.nodes) - len(turns.body.node)
    for position in deciding:
        found = results(write.nodes[first + position], turns.values, write.shapes, write.opset)
        if found is not None:
            turns.values.update(found)
    value = turns.values.get(name)
    return None if value is None else bool(value.reshape(-1)[0])


def _wait(write: Writer, turns: _Turns, condition: str) -> None:
    """Write what is left of a loop."""
    rest = NodeProto()
    rest.CopyFrom(write.node)
    rest.input[1] = condition
    rest.input[2:] = turns.carried
    for position in reversed(range(len(rest.attribute))):
        if rest.attribute[position].name != "body":
            del rest.attribute[position]
    rest.attribute.append(helper.make_attribute(DONE, turns.done))
    rest.attribute.append(helper.make_attribute(UNCONDITIONAL, int(_is_unconditional(write))))
    rest.attribute.extend(
        helper.make_attribute(YIELDED.format(position), parts)
        for position, parts in enumerate(turns.yielded)
    )
    write.nodes.append(rest)


def _texts(values: Sequence[bytes]) -> list[str]:
    return [value.decode() for value in values]


def _check_room(write: Writer, body: GraphProto, turns: int) -> None:
    """Refuse what becomes more than a network may hold."""
    nodes, layers = _size(body)
    all_nodes = write.written + turns * nodes
    if turns * layers > MAX_LAYERS or all_nodes > MOST_NODES or turns > MAX_LAYERS:
        raise write.refused(
            f"{turns} or more turns of {nodes} nodes, {layers} of which multiply; at most "
            f"{MAX_LAYERS} turns, {MAX_LAYERS} layers and {MOST_NODES} nodes are unrolled"
        )


def _size(body: GraphProto) -> tuple[int, int]:
    """Nodes of a body, those in bodies in it included, and how many of them multiply."""
    nodes = layers = 0
    for node in body.node:
        inner = [_size(each) for each in bodies(node)]
        nodes += 1 + sum(count for count, _ in inner)
        layers += (node.op_type in MACS) + sum(count for _, count in inner)
    return nodes, layers


def spell_scan(write: Writer) -> None:
    """The body once for each position of what it scans."""
    if write.opset < FIRST_SCAN_OPSET:
        raise write.refused("not supported before opset 9; save the model in a newer one")
    body, scanned = write.attribute("body"), int(write.attribute("num_scan_inputs"))
    states = len(write.node.input) - scanned
    axes = write.attribute("scan_input_axes", [0] * scanned)
    sizes = [write.shape(states + k)[axis] for k, axis in enumerate(axes)]
    if len({*sizes}) != 1:
        raise write.refused(f"scans inputs of {', '.join(map(str, sizes))} positions together")
    _check_room(write, body, sizes[0])
    backwards = write.attribute("scan_input_directions", [0] * scanned)
    carried = [*write.node.input[:states]]
    yielded: list[list[str]] = [[] for _ in body.output[states:]]
    for turn in range(sizes[0]):
        parts = [
            picked(write, name, axis, sizes[0] - 1 - turn if back else turn, f"part{k}.{turn}")
            for k, (name, axis, back) in enumerate(
                zip(write.node.input[states:], axes, backwards, strict=True)
            )
        ]
        names = (value.name for value in body.input)
        given = dict(zip(names, (*carried, *parts), strict=True))
        found = copy_in(write, body, given, f".{turn}")
        carried = found[:states]
        for each, part in zip(yielded, found[states:], strict=True):
            each.append(part)
    out_axes = write.attribute("scan_output_axes", [0] * len(yielded))
    out_backwards = write.attribute("scan_output_directions", [0] * len(yielded))
    for k, each in enumerate(yielded):
        ordered = each[::-1] if out_backwards[k] else each
        _stacked(write, body.output[states + k], ordered, states + k, out_axes[k])
    _hand_over(write, carried)


def _stacked(
    write: Writer, like: ValueInfoProto, parts: Sequence[str], position: int, axis: int
) -> None:
    """Write a stacked result; one of no turns has no elements."""
    output = write.output(position)
    if not output:
        return
    if parts:
        stack(write, parts, axis, f"stacked{position}", output)
        return
    kind = like.type.tensor_type
    shape = [dim.dim_value or 1 for dim in kind.shape.dim]
    shape.insert(axis % (len(shape) + 1), 0)
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type or 1)
    write.add(
        "Constant", [], "empty", output, value=numpy_helper.from_array(np.zeros(shape, dtype))
    )


def _hand_over(write: Writer, values: Sequence[str]) -> None:
    """Give values the names of the operator's first results."""
    for position, value in enumerate(values):
        output = write.output(position)
        if output:
            write.add("Identity", [value], f"result{position}", output)
