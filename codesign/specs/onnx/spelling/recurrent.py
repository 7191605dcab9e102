"""Spells recurrent operators out: one product of all inputs, and one of the state for each step.

Each direction is a product of the inputs of all steps by W, whose rows are the steps, then for
each step a product of the state by R: it adds the step's part of the first and writes its part of
the result, which the next step reads. ONNX has no operator for what a step computes element by
element, nor for the states around the steps; four operators of a domain of our own stand for them
(`codesign.specs.onnx.graph.operators`).

Source: the operators LSTM, GRU and RNN of ONNX; ``com.microsoft.DynamicQuantizeLSTM`` in ONNX
Runtime's ``docs/ContribOperators.md``, whose W and R are stored transposed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from codesign.errors import first_few
from codesign.specs.network import MAX_LAYERS
from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node, Shape
from codesign.specs.onnx.graph.writer import Writer

MOST_NAMES = 5  # in a note
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
X, W, R, LENGTHS, FIRST_STATE, FIRST_CELL = 0, 1, 2, 4, 5, 6  # positions of the inputs
SCALES = {W: 8, R: 10}  # of quantised weights; the zero points stand behind


def spell_recurrent(write: Writer) -> None:
    """A rule of `codesign.specs.onnx.spelling.rules`.

    Raises
    ------
    SpecError
        Operands that do not fit each other, or more steps than a network can have layers.
    """
    node = _Recurrence(write)
    rows = write.input(X)
    if not node.images_first:
        rows = write.transposed(rows, (1, 0, 2), "rows")
    firsts = node.by_direction(node.first_states(), int(node.images_first), "first")
    inputs, states = node.matrices(W), node.matrices(R)
    found = [
        node.steps_of(which, rows, firsts[which], inputs[which], states[which])
        for which in range(node.directions)
    ]
    node.results([state for step in zip(*found, strict=True) for state in step])


class _Recurrence:
    """One recurrent operator: its sizes, and what it is made of.

    Attributes
    ----------
    steps, images, hidden, directions : int
    images_first : bool
        ``layout`` 1.
    """

    def __init__(self, write: Writer) -> None:
        self.write, kind = write, write.node.op_type
        self.quantised = operators.MS + kind == operators.DYNAMIC_LSTM
        self.operator = operators.DYNAMIC_LSTM if self.quantised else kind
        self.images_first = bool(write.attribute("layout", 0))
        self.direction = str(write.attribute("direction", "forward")).lower()
        data, state = write.shape(X), write.shape(R)
        if self.direction not in DIRECTIONS:
            raise write.refused(f"direction {self.direction!r}; known are {', '.join(DIRECTIONS)}")
        if len(data) != 3 or len(state) != 3:
            raise write.refused("X and R must have three dimensions each")
        self.directions = DIRECTIONS[self.direction]
        self.steps, self.images = data[1::-1] if self.images_first else data[:2]
        self.hidden = int(write.attribute("hidden_size", state[1 if self.quantised else 2]))
        shape = (self.directions, self.images, self.hidden)
        self.state_shape: Shape = (shape[1], shape[0], shape[2]) if self.images_first else shape
        self._check_operands(data[2])
        if self.steps < 1:
            raise write.refused("a sequence of no steps")
        if self.steps * self.directions > MAX_LAYERS:
            raise write.refused(
                f"{self.steps * self.directions} steps, each a layer, and a network has at most "
                f"{MAX_LAYERS} (--dim shortens a sequence left open)"
            )

    def _check_operands(self, features: int) -> None:
        columns = operators.RECURRENT[self.operator] * self.hidden
        wanted: dict[tuple[int, str], Shape] = {}
        for position, label, rows in ((W, "W", features), (R, "R", self.hidden)):
            matrix = (rows, columns) if self.quantised else (columns, rows)
            wanted[position, label] = (self.directions, *matrix)
        wanted[FIRST_STATE, "initial_h"] = wanted[FIRST_CELL, "initial_c"] = self.state_shape
        for (position, label), shape in wanted.items():
            if self.write.input(position) and self.write.shape(position) != shape:
                raise self.write.refused(
                    f"{label} is {_sizes(self.write.shape(position))}, not {_sizes(shape)} as the "
                    "other operands, hidden_size and direction have it"
                )

    def by_direction(self, value: str, axis: int, role: str) -> list[str]:
        """What belongs to each direction of a value that has them along an axis."""
        found = []
        for which in range(self.directions):
            index = self.write.constant(np.array(which), f"{role}_{which}")
            found.append(self.write.add("Gather", [value, index], f"{role}_{which}", axis=axis))
        return found

    def matrices(self, position: int) -> list[str]:
        """The weights of each direction, their inputs along the rows."""
        write, role = self.write, "W" if position == W else "R"
        stored = self.by_direction(write.input(position), 0, role)
        if not self.quantised:
            return [write.transposed(each, (1, 0), f"{role}_columns") for each in stored]
        operands = [stored]
        for at, what in ((SCALES[position], "scale"), (SCALES[position] + 1, "zero")):
            if write.input(at):
                operands.append(self.by_direction(write.input(at), 0, f"{role}_{what}"))
        kind, domain = "DequantizeLinear", operators.MS.rstrip(".")  # which every opset goes with
        return [
            write.add(kind, each, f"{role}_real", domain=domain, axis=1)  # one scale, or a column's
            for each in zip(*operands, strict=True)
        ]

    def first_states(self) -> str:
        """The state before the first step, of all directions."""
        return self.write.own(
            operators.FIRST_STATE,
            [name for name in (self.write.input(X), self.write.input(FIRST_STATE)) if name],
            "initial_h",
            self.state_shape,
            of=self.write.node.name,
            kind=self.operator,
            steps=self.steps,
            padded=int(bool(self.write.input(LENGTHS))),
            candidate_waits=int(
                self.operator == "GRU" and not self.write.attribute("linear_before_reset", 0)
            ),
        )

    def steps_of(
        self, which: int, rows: str, state: str, by_inputs: str, by_state: str
    ) -> list[str]:
        """The products of one direction; the state after each step, by its place in the data."""
        write, end = self.write, ("", ".reverse")[which]
        inputs = write.add("MatMul", [rows, by_inputs], f"inputs{end}")
        first_cell = write.input(FIRST_CELL)
        cell = [first_cell] if first_cell else []
        found: dict[int, str] = {}
        backwards = which == 1 or self.direction == "reverse"
        for step in sorted(range(self.steps), reverse=backwards):
            product = write.add("MatMul", [state, by_state], f"step_{step}{end}")
            state = write.own(
                operators.CELL,
                [product, inputs, *cell],
                f"state_{step}{end}",
                (self.images, self.hidden),
            )
            found[step], cell = state, []
        return [found[step] for step in range(self.steps)]

    def results(self, states: list[str]) -> None:
        """All states as one value, and the last ones where they are asked for."""
        write = self.write
        y, y_h, y_c = (write.output(position) for position in range(3))
        joined = write.add("Concat", states, "states", axis=0)
        shape = (self.steps, self.directions, self.images, self.hidden)
        if self.images_first:
            result = write.reshaped(joined, shape, "by_steps")
            result = write.transposed(result, (2, 0, 1, 3), "Y", y)
        else:
            result = write.reshaped(joined, shape, "Y", y)
        if y_h or y_c:
            last = write.own(operators.LAST_STATE, [result], "Y_h", self.state_shape, y_h)
        if y_c:
            write.own(operators.LAST_CELL, [last], "Y_c", self.state_shape, y_c)


def _sizes(shape: Shape) -> str:
    return " × ".join(map(str, shape))


def recurrent_notes(graph: Graph) -> list[str]:
    """One sentence for each thing worth knowing of recurrent operators."""
    starts = [node for node in graph.nodes if node.operator == operators.FIRST_STATE]
    unfed = [node for node in starts if not node.input(1) or node.input(1) in graph.constants]
    padded = [node for node in starts if node.attributes["padded"]]
    waiting = [node for node in starts if node.attributes["candidate_waits"]]
    sentences = (
        (
            starts,
            "recurrent operators are a product of the inputs of all steps and a product of the "
            "state for each step; what else they hold stays on chip, the state of LSTM cells too",
        ),
        (unfed, "first states that no input gives are stored and read like inputs"),
        (padded, "every sequence is computed to its padded length"),
        (
            waiting,
            "the candidate's product is counted with the gates', though it waits for the reset "
            "gate of its step",
        ),
    )
    return [f"{text}: {_shown(nodes)}" for nodes, text in sentences if nodes]


def _shown(starts: Iterable[Node]) -> str:
    each = [
        f"{node.attributes['of']} ({node.attributes['kind']}, steps: {node.attributes['steps']})"
        for node in starts
    ]
    return first_few(each, MOST_NAMES)
