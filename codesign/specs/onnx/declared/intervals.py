"""Between which numbers each value lies, as far as the file itself says so.

An integer type says so, and so do Clip, Min, Max and Relu with constants before or after a value is
quantised: numbers clipped to −7 … 7 need 4 bits, whatever type holds them. What stored constants
happen to be is no declaration and is not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node

MOST_BITS = 16  # of integers that are widths; wider ones are sums, indices, shapes
# Only numbers of the operand are in the result.
KEEPING = frozenset(
    {
        *("Cast", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements"),
        *("GatherND", "GlobalMaxPool", "Identity", "MaxPool", "ReduceMax", "ReduceMin", "Reshape"),
        *("ReverseSequence", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose"),
        "Unsqueeze",
    }
)

NEAREST = "nearest"  # the default of Resize
Ends = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """From ``low`` to ``high``.

    Attributes
    ----------
    low, high : float
    whole : bool
        Whether only whole numbers of it occur.
    zero : int
        The code that stands for 0.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    zero: int = 0

    @property
    def bits(self) -> int | None:
        """Least width of its whole numbers, as they are or counted from zero; None if too many."""
        if not self.whole or not -math.inf < self.low <= self.high < math.inf:
            return None
        low, high = int(self.low), int(self.high)
        least = min(_needed(low, high), _needed(low - self.zero, high - self.zero))
        return least if least <= MOST_BITS else None


def _needed(low: int, high: int) -> int:
    """Bits of the integers from ``low`` to ``high``: two's complement if one is negative."""
    if low >= 0:
        return max(high.bit_length(), 1)
    return max((-low - 1).bit_length(), high.bit_length() if high > 0 else 0) + 1


def intervals(graph: Graph) -> dict[str, Interval]:
    """The interval of each value that has one; the nodes are walked in execution order."""
    found = _Intervals(graph)
    for node in (*dict.fromkeys(graph.sources.values()), *graph.nodes):
        found.follow(node)
    return found.known


class _Intervals:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known = {name: Interval(*ends, whole=True) for name, ends in graph.integers.items()}

    def follow(self, node: Node) -> None:
        """Note the intervals of what a node writes."""
        operator = node.operator.removeprefix(operators.MS)
        before = self.known.get(node.input(0), Interval())
        if operator == "QuantizeLinear":
            found = self._quantised(node, before)
        elif operator == "Clip":
            low, high = (self._end(node, *where) for where in ((1, "min"), (2, "max")))
            found = _below(_above(before, low), high)
        elif operator in ("Min", "Max"):
            found = self._extreme(node, operator)
        elif operator == "Relu":
            found = _above(before, (0.0, 0.0))
        elif operator == "Round":
            found = Interval(float(np.rint(before.low)), float(np.rint(before.high)), whole=True)
        elif operator == "Pad":
            found = self._padded(node, before)
        elif operator == "Concat":
            found = _hull([self.known.get(name, Interval()) for name in node.inputs])
        elif _keeps(node, operator, before):
            found = before
        else:
            return
        for name in node.outputs[: None if operator == "Split" else 1]:
            self._note(name, found)

    def _note(self, name: str, found: Interval) -> None:
        """Keep what says more than the type of a value does."""
        typed = self.known.get(name)
        fits = typed is None or (found.whole and typed.low <= found.low <= found.high <= typed.high)
        if fits and found != Interval():
            self.known[name] = found

    def _constant(self, name: str) -> Ends | None:
        """Least and greatest of a small constant."""
        array = self.graph.known.get(name)
        if array is None or array.size == 0 or array.dtype.kind not in "fiu":
            return None
        return float(array.min()), float(array.max())

    def _end(self, node: Node, position: int, role: str) -> Ends | None:
        """One end of a Clip, an attribute before opset 11; None: open, or not known."""
        if role in node.attributes:
            return (float(node.attributes[role]),) * 2
        return self._constant(node.input(position)) if node.input(position) else None

    def _extreme(self, node: Node, operator: str) -> Interval:
        """Of the largest operand and constants."""
        data = max(node.inputs, key=lambda name: math.prod(self.graph.shapes.get(name, ())))
        found = self.known.get(data, Interval())
        for name in node.inputs:
            if name != data:
                ends = self._constant(name)
                if ends is None:
                    return Interval()
                found = _above(found, ends) if operator == "Max" else _below(found, ends)
        return found

    def _padded(self, node: Node, before: Interval) -> Interval:
        """The filling lies beside it."""
        if node.attributes.get("mode", "constant") != "constant":
            return before
        filling = self._constant(node.input(2)) if node.input(2) else (0.0, 0.0)
        if filling is None:
            return Interval()
        return _hull([before, Interval(*filling, whole=filling[0].is_integer())])

    def _quantised(self, node: Node, before: Interval) -> Interval:
        """The codes of an interval; one that does not reach the end of a signed type has a sign."""
        typed = self.known.get(node.outputs[0], Interval())
        scale = self.graph.known.get(node.input(1))
        zero = self.graph.known.get(node.input(2)) if node.input(2) else np.zeros(1)
        if scale is None or zero is None or not scale.size or not zero.size:
            return typed
        least, greatest = (float(end) for end in (zero.min(), zero.max()))
        steps = scale.astype(np.float32)
        if not (steps > 0).all() or not np.isfinite([*steps.flat, least, greatest]).all():
            return typed
        with np.errstate(over="ignore"):
            low = np.rint(np.float32(before.low) / steps).min() + least
            high = np.rint(np.float32(before.high) / steps).max() + greatest
        low, high = np.clip([low, high], typed.low, typed.high).tolist()
        if typed.low < least:
            low = min(low, least - 1)
        return Interval(low, high, typed.whole, int(least) if least == greatest else 0)


def _keeps(node: Node, operator: str, before: Interval) -> bool:
    """Whether what lies in the result's interval lay in the operand's."""
    if operator in ("Resize", "Upsample"):
        return bool(node.attributes.get("mode", NEAREST) == NEAREST)
    return operator in KEEPING and (operator != "Cast" or before.whole)


def _above(before: Interval, ends: Ends | None) -> Interval:
    """The greater of a value and constants that lie between two ends."""
    if ends is None:
        return before
    low, high = max(before.low, ends[0]), max(before.high, ends[1])
    return replace(before, low=low, high=high, whole=before.whole and ends[0].is_integer())


def _below(before: Interval, ends: Ends | None) -> Interval:
    """The smaller of a value and constants that lie between two ends."""
    if ends is None:
        return before
    low, high = min(before.low, ends[0]), min(before.high, ends[1])
    return replace(before, low=low, high=high, whole=before.whole and ends[0].is_integer())


def _hull(parts: list[Interval]) -> Interval:
    zeros = {part.zero for part in parts}
    return Interval(
        min(part.low for part in parts),
        max(part.high for part in parts),
        all(part.whole for part in parts),
        zeros.pop() if len(zeros) == 1 else 0,
    )
