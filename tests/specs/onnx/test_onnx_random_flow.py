"""Random nests of If, Loop and Scan: what is left computes what ONNX's reference says.

Also with nodes in another order, and values in bodies called as others around them are. And the
MACs of the network are the products that the reference computes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, helper
from onnx.reference.ops.op_matmul import MatMul
from onnx_flow import Array, W, X, body, computed, decided, flow_model
from onnx_graphs import imported
from seeds import check_all

CONSTANTS = {
    "w": W,
    **{f"i{n}": np.array(n) for n in range(4)},
    "c0": np.array(False),
    "c1": np.array(True),
}
MOST_DEPTH = 3


class Program:
    """A graph that grows at random; all that is handed around is of the shape of x."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0

    def name(self, kind: str = "v") -> str:
        """A name that no other value has."""
        self.count += 1
        return f"{kind}{self.count + 9}"

    def block(self, seen: list[str], turns: list[str], depth: int) -> tuple[list[NodeProto], str]:
        """Nodes, and the sum of what they make; numbers of turns decide, where there are any."""
        nodes: list[NodeProto] = []
        own = [*seen]
        for _ in range(self.chance.randint(1, 3)):
            kinds = ["add", "tanh", "product"]
            kinds += ["if", "loop", "scan"] if depth < MOST_DEPTH else []
            made = getattr(self, self.chance.choice(kinds))(own, turns, depth)
            nodes += made
            own.append(made[-1].output[0])
        total = own[len(seen)]
        for each in own[len(seen) + 1 :]:
            nodes.append(helper.make_node("Add", [total, each], [self.name()]))
            total = nodes[-1].output[0]
        return nodes, total

    def pick(self, seen: list[str]) -> str:
        """One of the values that can be seen, the later the likelier."""
        return self.chance.choice(seen[-3:] if self.chance.random() < 0.7 else seen)

    def add(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        return [helper.make_node("Sub", [self.pick(seen), self.pick(seen)], [self.name()])]

    def tanh(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        return [helper.make_node("Tanh", [self.pick(seen)], [self.name()])]

    def product(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        return [helper.make_node("MatMul", [self.pick(seen), "w"], [self.name()])]

    def condition(self, turns: list[str]) -> tuple[list[NodeProto], str]:
        """A constant, or whether a turn is an early one."""
        if not turns or self.chance.random() < 0.3:
            return [], self.chance.choice(["c0", "c1"])
        name = self.name("c")
        with_ = self.chance.choice(["i0", "i1", "i2"])
        return [helper.make_node("Greater", [self.chance.choice(turns), with_], [name])], name

    def if_(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        before, condition = self.condition(turns)
        branches = {}
        for side in ("then_branch", "else_branch"):
            nodes, last = self.block(seen, turns, depth + 1)
            branches[side] = graph(nodes, [], [last])
        return [*before, helper.make_node("If", [condition], [self.name()], **branches)]

    def loop(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        """Handing on one value or two, and yielding one, of which the sum goes on."""
        turn, goes_on, ends = self.name("i"), self.name("c"), self.name("c")
        handed = [self.name() for _ in range(self.chance.choice([1, 2]))]
        nodes, last = self.block([*seen, *handed], [*turns, turn], depth + 1)
        results = [last, *handed[1:][::-1]]
        same = [self.name() for _ in results]
        nodes += [
            helper.make_node("Identity", [x], [y]) for x, y in zip(results, same, strict=True)
        ]
        if self.chance.random() < 0.5:
            nodes.append(helper.make_node("Identity", [goes_on], [ends]))
        else:
            nodes.append(helper.make_node("Less", [turn, "i1"], [ends]))
        part = self.name()
        nodes.append(helper.make_node("Neg", [last], [part]))
        step = graph(nodes, [turn, goes_on, *handed], [ends, *same, part])
        often = self.chance.choice(["i1", "i2", "i3"])
        first = [self.pick(seen) for _ in handed]
        outs = [self.name() for _ in (*handed, part)]
        node = helper.make_node("Loop", [often, "c1", *first], outs, body=step)
        total, result = self.name(), self.name()
        return [
            node,
            helper.make_node("ReduceSum", [outs[-1]], [total], keepdims=0),
            helper.make_node("Add", [outs[0], total], [result]),
        ]

    def scan(self, seen: list[str], turns: list[str], depth: int) -> list[NodeProto]:
        """Over copies of a value that are stacked."""
        stack, state, part = self.name(), self.name(), self.name()
        copies = [self.pick(seen) for _ in range(self.chance.choice([1, 2, 3]))]
        rows = [self.name() for _ in copies]
        before = [
            helper.make_node("Unsqueeze", [copy, "axis"], [row])
            for copy, row in zip(copies, rows, strict=True)
        ]
        nodes, last = self.block([*seen, state, part], turns, depth + 1)
        ends, kept = self.name(), self.name()
        nodes.append(helper.make_node("Add", [last, part], [ends]))
        nodes.append(helper.make_node("Neg", [ends], [kept]))
        node = helper.make_node(
            *("Scan", [self.pick(seen), stack], [self.name(), self.name()]),
            body=graph(nodes, [state, part], [ends, kept]),
            num_scan_inputs=1,
        )
        total, result = self.name(), self.name()
        return [
            *before,
            helper.make_node("Concat", rows, [stack], axis=0),
            node,
            helper.make_node("ReduceSum", [node.output[1]], [total], keepdims=0),
            helper.make_node("Add", [node.output[0], total], [result]),
        ]


setattr(Program, "if", Program.if_)


def graph(nodes: list[NodeProto], inputs: list[str], outputs: list[str]) -> GraphProto:
    """A body of these nodes."""
    made = body("", inputs, outputs)
    made.node.extend(nodes)
    return made


def program(seed: int) -> ModelProto:
    """A model whose last node is a product, so that there is one."""
    nodes, last = Program(seed).block(["x"], [], 0)
    nodes.append(helper.make_node("MatMul", [last, "w"], ["y"]))
    made = flow_model([], {"x": X.shape}, {**CONSTANTS, "axis": np.array([0])})
    made.graph.node.extend(nodes)
    return made


def clashing(made: ModelProto, seed: int) -> ModelProto:
    """The same with nodes in another order, and values of bodies called as others are."""
    chance, turned = random.Random(seed), ModelProto.FromString(made.SerializeToString())
    around = [name for node in turned.graph.node for name in node.output]
    shuffle(turned.graph.node, chance)
    for node in turned.graph.node:
        for inner in (entry.g for entry in node.attribute if entry.HasField("g")):
            rename(inner, {}, around, chance)
    return turned


def rename(
    within: GraphProto, outer: Mapping[str, str], around: list[str], chance: random.Random
) -> None:
    """Call what a body defines as other values are that it and what is in it do not read."""
    read = {*reads(within)}
    defined = [x.name for x in within.input] + [o for n in within.node for o in n.output]
    free = [name for name in around if name not in read and name not in outer.values()]
    chance.shuffle(free)
    names = dict(outer)
    for name, other in zip(defined, free, strict=False):
        if name[0] == other[0] and chance.random() < 0.7 and other not in defined:
            names[name] = other
    for values in (within.input, within.output):
        for each in values:
            each.name = names.get(each.name, each.name)
    for node in within.node:
        for values in (node.input, node.output):
            for position, name in enumerate(values):
                values[position] = names.get(name, name)
        for inner in (entry.g for entry in node.attribute if entry.HasField("g")):
            rename(inner, names, around, chance)
    shuffle(within.node, chance)


def reads(within: GraphProto) -> list[str]:
    """All names that are read in a body and in those in it."""
    found = [x.name for x in within.output]
    for node in within.node:
        found += node.input
        for entry in node.attribute:
            if entry.HasField("g"):
                found += reads(entry.g)
    return found


def shuffle(nodes: Any, chance: random.Random) -> None:
    mixed = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    chance.shuffle(mixed)
    del nodes[:]
    nodes.extend(mixed)


def run(made: ModelProto) -> tuple[Array, int]:
    """The result by ONNX's reference, and how many products it computed, all of which count."""
    counted, plain = [], MatMul._run

    def counting(self: MatMul, a: Array, b: Array) -> tuple[Array, ...]:
        counted.append(a.size * b.shape[-1])
        return tuple(plain(self, a, b))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MatMul, "_run", counting)
        (found,) = computed(made, {"x": X})
    return found, sum(counted)


def check_program(seed: int, folder: Path) -> None:
    """What is left of a program computes what it computes, whatever its nodes' order and names."""
    made = program(seed)
    expected, macs = run(made)
    for each in (made, clashing(made, seed)):
        (found,) = computed(decided(folder, each), {"x": X})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert imported(folder, each).network.macs == macs


def test_random_programs(tmp_path: Path) -> None:
    check_all(range(12), lambda seed: check_program(seed, tmp_path))


@pytest.mark.long
def test_many_random_programs(tmp_path: Path) -> None:
    check_all(range(100, 600), lambda seed: check_program(seed, tmp_path))
