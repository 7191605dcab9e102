"""What tensors beside a layer's operands cost, along the axes of the layer's table.

Cut from a width, a layer takes the narrowest; cut from a place, the tensor is on chip and takes no
room: what is left is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.elimination import Scope
from codesign.search.bounds.states import States
from codesign.space.fusion import Moved
from codesign.space.placement import FREE, OPEN
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
        extra = np.zeros(one)
        variant = np.zeros(one, dtype=np.int64)
        for variable, elements, tensor in space.moved(self.layer):
            if variable is None:
                extra = extra + float(elements * space.problem.choices.output_bits)
            else:
                extra = extra + self.moved_bits(variable, elements, tensor)
        held = self.held_bits(space.lifetimes.live[self.i])
        for step, operand in zip((2, 1), space.operand_tensors[self.i], strict=True):
            if operand in states.place:
                variant = variant + step * self.on_chip(operand)
            elif operand is not None and states.state[operand] == FREE:
                variant = variant + step
        return extra, held, variant

    def moved_j(self, per_bit: Sequence[tuple[float, float]]) -> Floats:
        """J over the axes of output and residuals, at so much for a bit in DRAM and on chip.

        But of what is charged with its width, as `States.free_beside` says.
        """
        return self.each_moved_j(self.space.moved(self.layer), per_bit)

    def each_moved_j(
        self, moved: Sequence[Moved], per_bit: Sequence[tuple[float, float]]
    ) -> Floats:
        """The same of some tensors; of one cut from its place, where it costs less."""
        total = np.zeros((1,) * len(self.sizes))
        for (variable, elements, tensor), (dram, chip) in zip(moved, per_bit, strict=True):
            if variable is None:
                total = total + dram * elements * self.space.problem.choices.output_bits
                continue
            in_dram = self.moved_bits(variable, elements, tensor)
            total = total + dram * in_dram
            apart = self.states.is_free(tensor) and not self.states.ported
            if tensor is not None and chip and not apart:
                there = min(dram, chip) if self._is_cut(tensor) else chip
                total = total + there * (elements * self._bits(variable) - in_dram)
        return total

    def _is_cut(self, t: int) -> bool:
        """Whether a tensor's place is open, and no axis tells it."""
        return t in self.states.place and self.states.place[t] not in self.scope

    def held_bits(self, tensors: Bools) -> Ints:
        """SRAM bits along the axes of some tensors, as far as they have axes, where on chip."""
        held = np.zeros((1,) * len(self.sizes), dtype=np.int64)
        for t in np.flatnonzero(tensors & (self.states.state == OPEN)).tolist():
            if self.states.place[t] in self.scope:
                width = self._bits(int(self.space.placed_variable[t]))
                bits = self.space.placed_elements[t] * width
                held = held + (bits * self.on_chip(t)).astype(np.int64)
        return held

    def moved_bits(self, variable: int, elements: int, tensor: int | None) -> Floats:
        """DRAM bits along the axes of a tensor that is not held for a fused run."""
        if tensor in self.states.place:
            return elements * self._bits(variable) * self._in_dram(tensor)
        if tensor is not None and self.states.state[tensor] == FREE:
            return np.zeros((1,) * len(self.sizes))
        return elements * self._bits(variable)

    def _bits(self, variable: int) -> Floats:
        """Bits of an element along the axes: the narrowest, where the variable was cut."""
        widths = self.space.widths[self.states.left].astype(np.float64)
        if variable not in self.scope:
            allowed = self.space.variable_allowed[variable, self.states.left]
            narrowest = widths[allowed].min(initial=widths.max())
            return np.full((1,) * len(self.sizes), narrowest)
        repeated = np.resize(widths, self.states.sizes[variable])  # over and over
        return repeated.reshape(self.shape(variable))

    def on_chip(self, t: int | None) -> Bools:
        """Whether an open tensor is on chip, along the axes; where its place was cut, it is."""
        return self._with_place(t, self.states.on_chip_values(t), True)

    def _in_dram(self, t: int | None) -> Bools:
        """Whether an open tensor is in DRAM, along the axes; where its place was cut, it is not."""
        return self._with_place(t, self.states.in_dram_values(t), False)

    def _with_place(self, t: int | None, values: slice, cut: bool) -> Bools:
        assert t is not None
        variable = self.states.place[t]
        if variable not in self.scope:
            return np.full((1,) * len(self.sizes), cut)
        there = np.zeros(self.states.sizes[variable], dtype=bool)
        there[values] = True
        return there.reshape(self.shape(variable))

    def shape(self, variable: int) -> tuple[int, ...]:
        """Of a table along the axis of one variable."""
        axis = self.free + self.scope.index(variable)
        return tuple(-1 if n == axis else 1 for n in range(len(self.sizes)))

    def widths_along(self, axis: int) -> Floats:
        """Widths along an axis of them, of their own or a variable's, over and over."""
        widths = self.space.widths[self.states.left].astype(np.float64)
        shape = [1] * len(self.sizes)
        shape[axis] = self.sizes[axis]
        return np.resize(widths, self.sizes[axis]).reshape(shape)
