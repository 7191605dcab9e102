"""The variables that dynamic programming runs over: widths, and places of tensors still open.

A width variable's values are its widths or, where it is the width of just one tensor whose place is
open, pairs: first all widths in DRAM, then all on chip. Where several open tensors share a width,
each has a variable of its own for its place, of two values: in DRAM, on chip. Widths that no design
within the limits can have are left out.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.elimination import Role
from codesign.space.placement import FREE, IN_DRAM, OPEN
from codesign.space.widths import WidthSpace


class States:
    """The variables of a space where some tensors' places are open.

    Attributes
    ----------
    state : ints, shape (placed tensors,)
        ``IN_DRAM``, ``FREE`` (on chip, taking no room) or ``OPEN``.
    place : mapping of int to int
        The variable that holds the place of each open tensor.
    sizes : list of int
        How many values each variable may have.
    left : ints
        Which of the space's widths are values.
    """

    def __init__(self, space: WidthSpace, state: bytes, left: Ints) -> None:
        self.space, self.state = space, np.frombuffer(state, dtype=np.uint8).astype(np.int64)
        self.left, count = left, len(left)
        self.sizes = [count] * len(space.variables)
        self.place: dict[int | None, int] = {}  # no tensor, no place
        sharing = Counter(space.placed_variable[self.state == OPEN].tolist())
        for t in np.flatnonzero(self.state == OPEN).tolist():
            variable = int(space.placed_variable[t])
            if sharing[variable] == 1:
                self.place[t] = variable
                self.sizes[variable] = 2 * count
            else:
                self.place[t] = len(self.sizes)
                self.sizes.append(2)

    def on_chip_values(self, t: int | None) -> slice:
        """Which values of its place's variable put an open tensor on chip."""
        half = self.sizes[self.place[t]] // 2
        return slice(half, 2 * half)

    def roles(self, i: int) -> dict[int, Role]:
        """What each variable is to layer ``i``; of several roles the last counts."""
        space, layer = self.space, self.space.problem.network.layers[i]
        roles: dict[int | None, Role] = {}
        for t in np.flatnonzero(space.live[i]).tolist():
            if self.state[t] == OPEN:
                roles |= dict.fromkeys(self._of_tensor(t), Role.LIVE)
        moved = space.moved(layer)
        for n in (*range(1, len(moved)), *range(min(len(moved), 1))):
            variable, _, tensor = moved[n]
            if tensor is not None and self.state[tensor] == FREE:
                continue
            role = Role.RESIDUAL if n else Role.OUTPUT
            roles[variable] = role
            if tensor is not None and tensor in self.place:
                roles[self.place[tensor]] = role
        weight, ifmap = space.operand_tensors[i]
        for operand in (weight, ifmap):
            if operand in self.place:
                roles[self.place[operand]] = Role.OPERAND
        roles[space.weight_index[i]] = Role.WEIGHTS if layer.owns_weights else Role.OPERAND
        roles[int(space.input_index[i])] = Role.OPERAND
        return {v: role for v, role in roles.items() if v is not None}

    def _of_tensor(self, t: int) -> tuple[int, int]:
        return int(self.space.placed_variable[t]), self.place[t]

    @cached_property
    def barred(self) -> Floats:
        """(variables, values): 0 where a value is allowed, else inf; padded with inf."""
        space, count = self.space, len(self.left)
        table = np.full((len(self.sizes), max(self.sizes)), np.inf)
        allowed = np.where(space.variable_allowed[:, self.left], 0.0, np.inf)
        for v, size in enumerate(self.sizes):
            table[v, :size] = np.tile(allowed[v], size // count) if v < len(allowed) else 0.0
        for t, v in self.place.items():
            if space.kept[t]:
                table[v, : self.on_chip_values(t).start] = np.inf
        return table

    def along(self, per_width: Floats) -> Floats:
        """(variables, values): what depends on the width alone, (width variables, widths)."""
        table = np.zeros((len(self.sizes), max(self.sizes)))
        twice = np.tile(per_width[:, self.left], 2)
        table[: len(per_width)] = twice[:, : table.shape[1]]
        return table

    def widths_of(self, values: Ints) -> Ints:
        """(…, width variables): index of each one's width, from (…, variables) values."""
        chosen: Ints = self.left[values[..., : len(self.space.variables)] % len(self.left)]
        return chosen

    def places_of(self, values: Ints) -> Bools:
        """(…, placed tensors): which are on chip."""
        on_chip = np.zeros((*values.shape[:-1], len(self.state)), dtype=bool)
        on_chip[..., self.state == FREE] = True
        for t, v in self.place.items():
            on_chip[..., t] = values[..., v] >= self.on_chip_values(t).start
        return on_chip

    def place_marginals(self, own: Floats) -> tuple[Floats, Floats]:
        """What it costs at best to force a width, or a tensor's place at a width.

        Parameters
        ----------
        own : floats, shape (variables, values)
            What it costs to force a value.

        Returns
        -------
        width : floats, shape (width variables, widths)
        place : floats, shape (2, placed tensors, widths)
            In DRAM; on chip.
        """
        count = len(self.left)
        width = own[: len(self.space.variables), :count].copy()
        for v, size in enumerate(self.sizes[: len(width)]):
            if size > count:
                width[v] = np.minimum(width[v], own[v, count : 2 * count])
        place = np.full((2, len(self.state), count), np.inf)
        of_tensor = width[self.space.placed_variable]
        for where, settled in ((0, IN_DRAM), (1, FREE)):
            mine = self.state == settled
            place[where, mine] = of_tensor[mine]
        for t, v in self.place.items():
            half = self.on_chip_values(t).start
            place[0, t], place[1, t] = own[v, :half], own[v, half : 2 * half]
            if v >= len(width):  # its place alone: at every width at least what the width costs
                place[:, t] = np.maximum(place[:, t], of_tensor[t])
        return self._spread(width), self._spread(place)

    def _spread(self, table: Floats) -> Floats:
        """(…, widths): a table of values, inf at widths that are none."""
        full = np.full((*table.shape[:-1], len(self.space.widths)), np.inf)
        full[..., self.left] = table
        return full
