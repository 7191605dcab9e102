"""What tensors beside a layer's operands cost, along the axes of the layer's table.

Cut from a width, a layer takes the narrowest; cut from a place, the tensor is on chip and takes no
room: what is left is a lower bound.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.elimination import Scope
from codesign.search.bounds.states import States
from codesign.space.placement import FREE
from codesign.space.widths import WidthSpace


class TableAxes:
    """What tensors beside a layer's operands cost, along the axes of its table."""

    def __init__(
        self, space: WidthSpace, states: States, i: int, scope: Scope, free: int, sizes: list[int]
    ) -> None:
        """Of layer ``i``: ``free`` axes of its own, then those of its scope, of so many values."""
        self.space, self.states, self.scope = space, states, scope
        self.i, self.free, self.sizes = i, free, sizes
        self.layer = space.problem.network.layers[i]

    def tables(self) -> tuple[Floats, Ints, Ints]:
        """Over the axes: DRAM bits of output and residuals, SRAM bits held, variant of operands."""
        space, states = self.space, self.states
        one = (1,) * len(self.sizes)
        extra, held = np.zeros(one), np.zeros(one, dtype=np.int64)
        variant = np.zeros(one, dtype=np.int64)
        for variable, elements, tensor in space.moved(self.layer):
            if variable is None:
                extra = extra + float(elements * space.problem.choices.output_bits)
            elif tensor is None or states.state[tensor] != FREE:
                bits = elements * self._bits(variable)
                if tensor in states.place:
                    bits = bits * ~self._on_chip(tensor)
                extra = extra + bits
        for t in states.place:
            if space.live[self.i, t] and states.place[t] in self.scope:
                bits = space.placed_elements[t] * self._bits(int(space.placed_variable[t]))
                held = held + (bits * self._on_chip(t)).astype(np.int64)
        for step, operand in zip((2, 1), space.operand_tensors[self.i], strict=True):
            if operand in states.place:
                variant = variant + step * self._on_chip(operand)
            elif operand is not None and states.state[operand] == FREE:
                variant = variant + step
        return extra, held, variant

    def _bits(self, variable: int) -> Floats:
        """Bits of an element along the axes: the narrowest, where the variable was cut."""
        widths = self.space.widths[self.states.left].astype(np.float64)
        if variable not in self.scope:
            allowed = self.space.variable_allowed[variable, self.states.left]
            narrowest = widths[allowed].min(initial=widths.max())
            return np.full((1,) * len(self.sizes), narrowest)
        repeated = np.tile(widths, self.states.sizes[variable] // len(widths))
        return repeated.reshape(self._shape(variable))

    def _on_chip(self, t: int | None) -> Bools:
        """Whether an open tensor is on chip, along the axes; where its place was cut, it is."""
        assert t is not None
        variable = self.states.place[t]
        if variable not in self.scope:
            return np.ones((1,) * len(self.sizes), dtype=bool)
        there = np.zeros(self.states.sizes[variable], dtype=bool)
        there[self.states.on_chip_values(t)] = True
        return there.reshape(self._shape(variable))

    def _shape(self, variable: int) -> tuple[int, ...]:
        axis = self.free + self.scope.index(variable)
        return tuple(-1 if n == axis else 1 for n in range(len(self.sizes)))
