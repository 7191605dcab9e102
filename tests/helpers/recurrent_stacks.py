"""Random stacks of recurrent operators, with what they must count."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from onnx import ModelProto, TensorProto
from onnx_corpus.recurrent import GATES
from onnx_graphs import Shapes, integers, model


@dataclass
class Stack:
    """A graph that grows by one recurrent operator after the other.

    Attributes
    ----------
    macs, weights, layers : int
        Of the steps' shapes: W and R at each step; each constant once; one layer for the inputs
        and one a step in each direction, and one for each last state of cells that is a result.
    reused : int
        How often W or R of an earlier operator is taken again.
    """

    seed: int
    macs: int = 0
    weights: int = 0
    layers: int = 0
    reused: int = 0
    lines: list[str] = field(default_factory=list)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    states: dict[tuple[int, ...], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.steps, self.images = self.chance.randint(1, 4), self.chance.randint(1, 3)
        self.value, self.features = "x", self.chance.randint(2, 4)
        self.inputs["x"] = (self.steps, self.images, self.features)
        for number in range(self.chance.randint(1, 3)):
            self._grow(f"n{number}")
        self.outputs.append(self.value)

    def model(self) -> ModelProto:
        kinds = {"lengths": TensorProto.INT32}
        shapes: Shapes = self.constants
        return model("\n".join(self.lines), self.inputs, shapes, self.outputs, 20, kinds)

    def _grow(self, name: str) -> None:
        chance, kind = self.chance, self.chance.choice([*GATES])
        way = chance.choice(["forward", "reverse", "bidirectional"])
        directions, hidden = 1 + (way == "bidirectional"), chance.randint(1, 3)
        w, r = self._weights(directions, GATES[kind] * hidden, hidden)
        state = (directions, self.images, hidden)
        lengths = chance.choice(["", "lengths"])
        if lengths:
            self.inputs["lengths"] = (self.images,)
        first = [self._state(f"{name}{role}", state) for role in "hc"[: 1 + (kind == "LSTM")]]
        line = f'{name}: {{}} = {kind} <hidden_size={hidden}, direction="{way}"> '
        line += f"({', '.join([self.value, w, r, '', lengths, *first])})"
        results = [f"{name}y", *self._last(name, kind, state)]
        self.lines.append(line.format(", ".join(results)))
        self.macs += (
            self.steps * self.images * directions * GATES[kind] * hidden * (self.features + hidden)
        )
        self.layers += (1 + self.steps) * directions
        self._follow(name, directions * hidden)

    def _weights(self, directions: int, columns: int, hidden: int) -> tuple[str, str]:
        """W and R, those of an earlier operator where they fit and chance wants it."""
        names = []
        for role, rows in (("w", self.features), ("r", hidden)):
            shape = (directions, columns, rows)
            fitting = [x for x, other in self.constants.items() if x[0] == role and other == shape]
            if fitting and self.chance.random() < 0.7:
                names.append(fitting[0])
                self.reused += 1
                continue
            names.append(f"{role}{len(self.constants)}")
            self.constants[names[-1]] = shape
            self.weights += directions * columns * rows
        return names[0], names[1]

    def _state(self, name: str, shape: tuple[int, ...]) -> str:
        """A first state: none, a constant, an input, or a last state of an earlier operator."""
        source = self.chance.choice(["", "constant", "input", "earlier"])
        if source == "earlier" and self.states.get(shape):
            return self.chance.choice(self.states[shape])
        if source == "constant":
            self.constants[name] = shape
        elif source == "input":
            self.inputs[name] = shape
        else:
            return ""
        return name

    def _last(self, name: str, kind: str, shape: tuple[int, ...]) -> list[str]:
        """Last states that are results of the network."""
        results = []
        for role in ("h", "c")[: 1 + (kind == "LSTM")]:
            asked = self.chance.random() < 0.5
            results.append(f"{name}{role}_last" if asked else "")
            if asked:
                self.outputs.append(results[-1])
                self.states.setdefault(shape, []).append(results[-1])
                self.layers += role == "c"
        return results

    def _follow(self, name: str, features: int) -> None:
        """All states of a step side by side, as the next operator reads them."""
        self.constants[f"{name}s"] = integers(self.steps, self.images, features)
        self.lines.append(f"{name}t = Transpose <perm=[0,2,1,3]> ({name}y)")
        self.lines.append(f"{name}z = Reshape ({name}t, {name}s)")
        self.value, self.features = f"{name}z", features
