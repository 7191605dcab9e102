"""The variables that dynamic programming runs over: widths, and places of tensors still open.

A width variable's values are its widths or, where it is the width of just one tensor whose place is
open, pairs: first all widths in DRAM, then all on chip, as far as both are open. Where several open
tensors share a width, each has a variable of its own for its place: in DRAM, on chip. Widths that
no design within the limits can have are left out.

A tensor that fused runs hold bands of has further values: one for each run, which stands for all
widths unless the variable is of its place alone. The tensors of a run all have its value, or none.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.elimination import Role
from codesign.space.fusion import LeastRunBits
from codesign.space.least_runs import least_run_bits
from codesign.space.placement import FREE, IN_DRAM, OPEN
from codesign.space.widths import WidthSpace

ALONE, NEVER, UNKNOWN = -1, -2, -3  # what an entry of a table stands for instead of a run


class States:
    """The variables of a space where some tensors' places are open.

    Attributes
    ----------
    state : ints, shape (placed tensors,)
        ``IN_DRAM``, ``FREE`` (on chip, taking no room) or ``OPEN``.
    runs : list of int
        Fused runs that may be.
    place : mapping of int to int
        The variable that holds the place of each open tensor, and of each in a run.
    runs_of : mapping of int to list of int
        Of those in runs: which.
    sizes : list of int
        How many values each variable may have.
    left : ints
        Which of the space's widths are values.
    """

    def __init__(self, space: WidthSpace, state: bytes, left: Ints) -> None:
        every = np.frombuffer(state, dtype=np.uint8).astype(np.int64)
        self.space, self.state = space, every[: len(space.placed)]
        self.runs = np.flatnonzero(every[len(space.placed) :] == OPEN).tolist()
        self.left, count = left, len(left)
        self.runs_of: dict[int, list[int]] = {}
        for r in self.runs:
            for t in space.run_tensors[r]:
                self.runs_of.setdefault(t, []).append(r)
        self.sizes = [count] * len(space.variables)
        self.place: dict[int | None, int] = {}  # no tensor, no place
        self._step: dict[int, int] = {}  # values of each place, of a variable that holds one
        open_ = [t for t, x in enumerate(self.state) if x == OPEN or t in self.runs_of]
        sharing = Counter(space.placed_variable[open_].tolist())
        for t in open_:
            variable = int(space.placed_variable[t])
            members = len(space.variables[variable]) if t in self.runs_of else 1
            alone = sharing[variable] == 1 and members == 1
            if not alone:
                variable = len(self.sizes)
                self.sizes.append(0)
            self.place[t], self._step[variable] = variable, count if alone else 1
            places = self._step[variable] * (1 + (self.state[t] == OPEN))
            self.sizes[variable] = int(places) + len(self.runs_of.get(t, []))

    @cached_property
    def member_of(self) -> Ints:
        """(variables,): the member of a suite that each is of."""
        of_widths = self.space.member_of_variable
        found = np.zeros(len(self.sizes), dtype=np.int64)
        found[: len(of_widths)] = of_widths
        for t, variable in self.place.items():
            if t is not None:
                found[variable] = of_widths[self.space.placed_variable[t]]
        return found

    @cached_property
    def least_run_bits(self) -> LeastRunBits:
        """What fused runs take at least, at the widths that are values."""
        kept = np.zeros(len(self.space.widths), dtype=bool)
        kept[self.left] = True
        return least_run_bits(self.space, kept, kept)

    def in_dram_values(self, t: int | None) -> slice:
        """Which values of its place's variable put a tensor in DRAM."""
        assert t is not None
        return slice(0, 0 if self.state[t] == FREE else self._step[self.place[t]])

    def on_chip_values(self, t: int | None) -> slice:
        """Which values of its place's variable keep a tensor on chip."""
        assert t is not None
        first, step = self.in_dram_values(t).stop, self._step[self.place[t]]
        return slice(first, first + (0 if self.state[t] == IN_DRAM else step))

    def run_values(self, t: int | None) -> dict[int, int]:
        """The value of its place's variable that stands for each run."""
        if t not in self.runs_of:
            return {}
        first = self.on_chip_values(t).stop
        return {r: first + n for n, r in enumerate(self.runs_of[t])}

    def roles(self, i: int) -> dict[int, Role]:
        """What each variable is to layer ``i``; of several roles the last counts."""
        space, layer = self.space, self.space.problem.network.layers[i]
        roles: dict[int | None, Role] = {}
        for t in np.flatnonzero(space.lifetimes.live[i]).tolist():
            if self.state[t] == OPEN:
                roles |= dict.fromkeys(self._of_tensor(t), Role.LIVE)
        moved = space.moved(layer)
        for n in (*range(1, len(moved)), *range(min(len(moved), 1))):
            variable, _, tensor = moved[n]
            if self.is_free(tensor) and not self.ported:
                continue
            role = Role.RESIDUAL if n else Role.OUTPUT
            roles[variable] = role
            if tensor is not None and tensor in self.place:
                roles[self.place[tensor]] = role
        weight, ifmap = space.operand_tensors[i]
        for operand in (weight, ifmap):
            if operand in self.place:
                roles[self.place[operand]] = Role.OPERAND
        roles[space.weight_index[i]] = Role.WEIGHTS if layer.uses_weights else Role.OPERAND
        roles[int(space.input_index[i])] = Role.OPERAND
        for held in (ifmap, moved[0].tensor if moved else None):
            runs = self.runs_of.get(held, []) if held is not None else []
            if not set(runs).isdisjoint(space.runs_at[i]):
                roles[self.place[held]] = Role.FUSED
        return {v: role for v, role in roles.items() if v is not None}

    @cached_property
    def tensors_at(self) -> dict[int, list[int]]:
        """Of each variable that holds places: the tensors whose."""
        found: dict[int, list[int]] = {}
        for t, v in self.place.items():
            if t is not None:
                found.setdefault(v, []).append(t)
        return found

    def is_plain(self, variable: int | None) -> bool:
        """Whether a variable's values are widths and nothing else."""
        return variable is not None and self.sizes[variable] == len(self.left)

    @property
    def ported(self) -> bool:
        """Whether a layer's time depends on what it reads and writes on chip."""
        return self.space.port is not None

    def free_beside(self, i: int) -> list[tuple[int, int, int, int]]:
        """What layer ``i`` moves beside operands on chip, where no table need tell of it.

        Its number among `WidthSpace.moved`, width variable, elements and tensor.
        """
        if self.ported:
            return []
        moved = enumerate(self.space.moved(self.space.problem.network.layers[i]))
        return [
            (n, variable, elements, tensor)
            for n, (variable, elements, tensor) in moved
            if variable is not None and tensor is not None and self.is_free(tensor)
        ]

    def is_free(self, t: int | None) -> bool:
        """Whether a tensor is on chip for nothing, in whatever layers are fused."""
        return t is not None and bool(self.state[t] == FREE) and t not in self.place

    def _of_tensor(self, t: int) -> tuple[int, int]:
        return int(self.space.placed_variable[t]), self.place[t]

    @cached_property
    def barred(self) -> Floats:
        """(variables, values): 0 where a value is allowed, else inf; padded with inf."""
        space, count = self.space, len(self.left)
        table = np.full((len(self.sizes), max(self.sizes)), np.inf)
        allowed = np.where(space.variable_allowed[:, self.left], 0.0, np.inf)
        for v, size in enumerate(self.sizes):
            table[v, :size] = 0.0
            if v < len(allowed):
                plain = count * (size // count) if v not in self._step else self._plain[v]
                table[v, :plain] = np.tile(allowed[v], plain // count)
        for t, v in self.place.items():
            assert t is not None
            if space.kept[t]:
                table[v, self.in_dram_values(t)] = np.inf
                table[v, [*self.run_values(t).values()]] = np.inf
            if space.banded[t]:
                table[v, : self.on_chip_values(t).stop] = np.inf
        return table

    @cached_property
    def _plain(self) -> list[int]:
        """Values of each variable before those that stand for runs."""
        found = [*self.sizes]
        for t, v in self.place.items():
            found[v] = self.on_chip_values(t).stop
        return found

    @cached_property
    def _kept_at(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Open tensors, the variables of their places; first value on chip, and first beyond."""
        each = [(t, v, self.on_chip_values(t)) for t, v in self.place.items() if t is not None]
        rows = [(t, v, there.start, there.stop) for t, v, there in each]
        t, v, start, stop = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return t, v, start, stop

    def along(self, per_width: Floats) -> Floats:
        """(variables, values): what depends on the width alone, (width variables, widths).

        0 of a value that stands for a run: its width is chosen where the tensor is read.
        """
        table = np.zeros((len(self.sizes), max(self.sizes)))
        twice = np.tile(per_width[:, self.left], 2)[:, : table.shape[1]]
        plain = np.array(self._plain[: len(per_width)])
        before = np.arange(twice.shape[1]) < plain[:, None]
        table[: len(per_width), : twice.shape[1]] = np.where(before, twice, 0.0)
        return table

    def widths_of(self, values: Ints) -> Ints:
        """(…, width variables): index of each one's width, from (…, variables) values.

        The widest where the value stands for a run.
        """
        count, own = len(self.left), values[..., : len(self.space.variables)]
        chosen: Ints = self.left[own % count]
        allowed = self.space.variable_allowed[:, self.left]
        for v, plain in enumerate(self._plain[: len(self.space.variables)] if self.runs else ()):
            if plain < self.sizes[v]:
                widest = self.left[np.flatnonzero(allowed[v])[-1] if allowed[v].any() else -1]
                chosen[..., v] = np.where(own[..., v] < plain, chosen[..., v], widest)
        return chosen

    def places_of(self, values: Ints) -> Bools:
        """(…, placed tensors and runs): which tensors are on chip, and which runs are fused."""
        space = self.space
        on_chip = np.zeros((*values.shape[:-1], len(space.placed) + len(space.runs)), dtype=bool)
        on_chip[..., np.flatnonzero(self.state == FREE)] = True
        t, v, start, stop = self._kept_at
        on_chip[..., t] = (values[..., v] >= start) & (values[..., v] < stop)
        for r in self.runs:
            fused = np.ones(values.shape[:-1], dtype=bool)
            for held in space.run_tensors[r]:
                fused &= values[..., self.place[held]] == self.run_values(held)[r]
            on_chip[..., len(space.placed) + r] = fused
        return on_chip

    def agree(self, values: Ints, on_chip: Bools) -> Bools:
        """(…,): whether every tensor held for a run is in one that is fused, no layer in two.

        Of `places_of` the same values, which may disagree only where tables were cut.
        """
        fused = on_chip[..., len(self.space.placed) :]
        held = np.zeros(values.shape[:-1], dtype=np.int64)
        for t in self.runs_of:
            held += values[..., self.place[t]] >= self.on_chip_values(t).stop
        inner, in_run = self._of_runs
        return np.asarray((held == fused @ inner) & (fused @ in_run <= 1).all(axis=-1))

    @cached_property
    def _of_runs(self) -> tuple[Ints, Ints]:
        """(runs,): tensors of each; (runs, layers): 1 where one has a layer."""
        space = self.space
        in_run = np.zeros((len(space.runs), len(space.geometry_of)), dtype=np.int64)
        for r, run in enumerate(space.runs):
            in_run[r, run.layers] = 1
        return np.array([len(x) for x in space.run_tensors], dtype=np.int64), in_run

    def place_marginals(self, own: Floats) -> tuple[Floats, Floats, Floats]:
        """What it costs at best to force a width, a tensor's place at a width, or a run.

        Parameters
        ----------
        own : floats, shape (variables, values)
            What it costs to force a value.

        Returns
        -------
        width : floats, shape (width variables, widths)
        place : floats, shape (2, placed tensors, widths)
            In DRAM; on chip.
        run : floats, shape (runs,)
        """
        count, space = len(self.left), self.space
        width = own[: len(space.variables), :count].copy()
        for v, size in enumerate(self.sizes[: len(width)]):
            plain = self._plain[v]
            if plain > count:
                width[v] = np.minimum(width[v], own[v, count : 2 * count])
            if size > plain:
                width[v] = np.minimum(width[v], own[v, plain:size].min())
        place = np.full((2, len(self.state), count), np.inf)
        of_tensor = width[space.placed_variable]
        for where, settled in ((0, IN_DRAM), (1, FREE)):
            mine = self.state == settled
            place[where, mine] = of_tensor[mine]
        for t, v in self.place.items():
            assert t is not None
            for where, values in enumerate((self.in_dram_values(t), self.on_chip_values(t))):
                place[where, t] = own[v, values] if values.stop > values.start else np.inf
            if v >= len(width):  # its place alone: at every width at least what the width costs
                place[:, t] = np.maximum(place[:, t], of_tensor[t])
        run = np.full(len(space.runs), np.inf)
        for r in self.runs:
            held = ((self.place[t], self.run_values(t)[r]) for t in space.run_tensors[r])
            run[r] = max(own[v, value] for v, value in held)
        return self._spread(width), self._spread(place), run

    def _spread(self, table: Floats) -> Floats:
        """(…, widths): a table of values, inf at widths that are none."""
        full = np.full((*table.shape[:-1], len(self.space.widths)), np.inf)
        full[..., self.left] = table
        return full
