"""Constants that several layers multiply by: one stored tensor, whose first user owns it.

What stands between a stored constant and a layer may leave all its elements as they are (a
permutation, another shape or format, the scale of quantised values): it is the same tensor. Else it
makes another tensor (a slice, a sum), which is the same one again where the same is made of the
same.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from codesign.specs.onnx.graph.constant_folding import RANDOM
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.operators import MS, PACKED
from codesign.specs.onnx.storage.layout import Draft

# Each element of the first input again, in another order, shape or format, or times a scale.
KEEPING = {
    *("Cast", "CastLike", "DepthToSpace", "DequantizeLinear", "Dropout", "Flatten", "Identity"),
    *("Reshape", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze", MS + "DequantizeLinear"),
}


class StoredTensors:
    """Tells which constants of a graph are one stored tensor."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[str, int] = {}  # number of each constant met
        self._numbers: dict[Hashable, int] = {}

    def number(self, constant: str) -> int:
        """One number for all constants that are the same tensor."""
        waiting = [constant]
        while waiting:  # a loop: there may be any number of nodes before a constant
            name = waiting[-1]
            node = self.graph.sources.get(name)
            if node is None or node.operator in (*RANDOM, "Constant"):
                waiting.pop()
                self._known[name] = self._numbers.setdefault(name, len(self._numbers))
                continue
            keeps = node.operator in KEEPING and bool(node.input(0))
            made_of = node.inputs[:1] if keeps else node.inputs
            unknown = [x for x in made_of if x and x not in self._known]
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            self._known[name] = self._known[made_of[0]] if keeps else self._made(name, node)
        return self._known[constant]

    def _made(self, name: str, node: Node) -> int:
        """Of what an operator makes of other constants."""
        attributes = tuple(sorted((key, repr(x)) for key, x in node.attributes.items()))
        given = (
            self._known[node.input(0)] if node.input(0) else None,
            *map(self._setting, node.inputs[1:]),
        )
        identity = node.operator, attributes, given, node.outputs.index(name)
        return self._numbers.setdefault(identity, len(self._numbers))

    def _setting(self, constant: str) -> Hashable:
        """A further operand, such as where a slice begins, by its value where that is short."""
        array = self.graph.known.get(constant)
        if array is not None and array.ndim < 2:
            return array.dtype.str, repr(array.tolist())
        return self._known[constant] if constant else None


def owners(graph: Graph, drafts: Sequence[Draft]) -> dict[Draft, Draft]:
    """Of each layer that multiplies by all of an earlier one's weights: which layer owns them."""
    found: dict[Draft, Draft] = {}
    for users in _users(graph, drafts):
        whole = [draft for draft in users if _takes_all(graph, draft)]
        found |= dict.fromkeys(whole[1:], *whole[:1])
    return found


def partial_uses(graph: Graph, drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Layers that multiply by one tensor, some of them not by all of it."""
    every = _users(graph, drafts)
    partly = ([x for x in users if not _takes_all(graph, x)] for users in every)
    return [users for users, some in zip(every, partly, strict=True) if some and len(users) > 1]


def _takes_all(graph: Graph, draft: Draft) -> bool:
    """Whether it has a weight for each element of the tensor, or all that are packed there."""
    if draft.operator in PACKED:
        return True
    loops = draft.loops
    assert draft.weight_value is not None
    weights = loops.G * loops.K * loops.C * loops.R * loops.S
    return weights == graph.size(draft.weight_value)


def _users(graph: Graph, drafts: Sequence[Draft]) -> list[list[Draft]]:
    """The layers that multiply by each stored tensor, in execution order."""
    stored, users = StoredTensors(graph), dict[int, list[Draft]]()
    for draft in drafts:
        if draft.weight_value is not None:
            users.setdefault(stored.number(draft.weight_value), []).append(draft)
    return [*users.values()]
