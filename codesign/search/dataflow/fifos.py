"""What waits between stages, whatever they are: FIFOs that must be, and what lags cost in bits.

A read (tensor, from stage ``w`` to stage ``l``) waits ``δ = u_l + [residual]·λ_l − z_w ≥ 0``
intervals, ``z_w = u_w + λ_w``. A read without which the network would fall apart waits for nothing
in some best design: all that comes after it can start as much earlier.

For costs ``c_e`` of a wait and multipliers ``π_e ≤ c_e`` of which no stage gives out more than it
takes in, ``Σ c_e·δ_e ≥ −Σ π_e·(λ_w − [residual]·λ_l)`` (duality of linear programmes): a bound that
is linear in the lags.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyomo.core as pyo

from codesign.arrays import Bools, Floats, Ints
from codesign.search.milp.highs import minimise
from codesign.space.dataflow import PipelineSpace


class Cycle(NamedTuple):
    """Two paths from one stage to another.

    Attributes
    ----------
    short : tuple of int
        Reads along the path that is behind less: there, what skips the other waits.
    factors : mapping of int to int
        Of stages, how often their lags count in how long it waits.
    more : int
        Intervals that it waits whatever the lags.
    """

    short: tuple[int, ...]
    factors: dict[int, int]
    more: int


class Fifos:
    """The reads of a network, as arrays over them; the network's input is stage ``L``.

    A read is *ahead* by what its reader starts later than it has to.

    Attributes
    ----------
    writer, reader : ints
    elements : floats
        Read for an image.
    residual, bridge, through_dram : bools
        A bridge, with which nothing waits; what waits in DRAM, to or from a segment.
    fixed : bools
        Either of the two: only what is held is paid for.
    least, held : ints
        Intervals that the reader starts after the writer's output, at least, and of which it holds
        the tensor then.
    width_class : ints
        Of the tensor.
    least_wait : floats
        δ, at the least lags.
    """

    def __init__(self, space: PipelineSpace) -> None:
        self.space, reads = space, space.reads
        self._lag_prices: dict[tuple[int, ...], tuple[Floats, float]] = {}
        self.count = len(space.network.layers)
        self.writer = np.array([self.count if x.writer is None else x.writer for x in reads])
        self.reader = np.array([x.reader for x in reads])
        self.elements = np.array([x.elements for x in reads], dtype=np.float64)
        self.residual = np.array([x.residual for x in reads], dtype=bool)
        self.least = np.array([x.least for x in reads])
        self.through_dram = np.array([x.through_dram for x in reads], dtype=bool)
        beside = [x.held + (0 if x.through_dram else x.least) for x in reads]
        self.held = np.array(beside)
        self.width_class = np.array([space.class_of_tensor[x.tensor] for x in reads])
        self.blocks = self._blocks()
        self.bridge = (np.bincount(self.blocks)[self.blocks] == 1) & ~self.residual
        self.fixed = self.bridge | self.through_dram
        lags = np.array([*space.least_lags, 0.0])
        ahead = self._least_ahead(lags)
        waits = np.where(self.residual, ahead + lags[self.reader], ahead)
        self.least_wait = np.where(self.through_dram, 0.0, waits)

    @property
    def some_wait(self) -> Bools:
        """Of which reads something waits in a memory, whatever the lags."""
        return np.asarray((self.held > 0) | (~self.fixed & (self.least_wait > 0)))

    def _least_ahead(self, lags: Floats) -> Floats:
        """Of every read, by how much it is ahead at least, where others lead to its reader too."""
        found = np.full((self.count + 1, self.count + 1), -np.inf)  # as of `longest`, from each
        for read in np.argsort(self.reader, kind="stable").tolist():
            w, x = self.writer[read], self.reader[read]
            since = found[:, w] + lags[w]
            since[w] = 0.0
            found[:, x] = np.maximum(found[:, x], since + self.least[read])
        after = found[self.writer, self.reader]
        return np.asarray(after - self.least)

    def longest(self, start: int, lags: Floats) -> Floats:
        """Of each stage how much later it starts, at least, than the output of one; −inf: any."""
        found = np.full(self.count + 1, -np.inf)
        for read in np.argsort(self.reader, kind="stable"):
            w, x = self.writer[read], self.reader[read]
            since = 0.0 if w == start else found[w] + lags[w]
            found[x] = max(found[x], since + self.least[read])
        return found

    def _blocks(self) -> Ints:
        """Of each read the number of its biconnected component (Hopcroft and Tarjan 1973)."""
        near: list[list[tuple[int, int]]] = [[] for _ in range(self.count + 1)]
        for read, (w, x) in enumerate(zip(self.writer.tolist(), self.reader.tolist(), strict=True)):
            near[w].append((x, read))
            near[x].append((w, read))
        blocks, number = np.full(len(self.reader), -1), 0
        order, low = [-1] * (self.count + 1), [0] * (self.count + 1)
        stack, clock = [(self.count, -1, iter(near[self.count]))], 1
        order[self.count], seen, open_reads = 0, set[int](), list[int]()
        while stack:
            node, by, others = stack[-1]
            for other, read in others:
                if read in seen:
                    continue
                seen.add(read)
                open_reads.append(read)
                if order[other] < 0:
                    order[other] = low[other] = clock
                    clock += 1
                    stack.append((other, read, iter(near[other])))
                    break
                low[node] = min(low[node], order[other])
            else:
                stack.pop()
                if not stack:
                    break
                above = stack[-1][0]
                low[above] = min(low[above], low[node])
                if low[node] >= order[above]:
                    first = open_reads.index(by)
                    blocks[open_reads[first:]] = number
                    number += 1
                    del open_reads[first:]
        return blocks

    def most_waits(self, most_lags: Floats) -> Floats:
        """Of each read how long it waits at most in some best design: all lags of its block.

        Were it longer, no stage of the block would be at work at some time in between, and all that
        comes after could start earlier.
        """
        lags = np.append(most_lags, 0.0)
        found = np.zeros(len(self.reader))
        for block in range(int(self.blocks.max()) + 1):
            mine = self.blocks == block
            stages = np.unique(np.concatenate([self.writer[mine], self.reader[mine]]))
            found[mine] = lags[stages].sum() + self.least[mine].sum()
        return found

    @cached_property
    def _reaches(self) -> Bools:
        """(L + 1, L + 1): whether what one writes comes, through others or not, to another."""
        found = np.zeros((self.count + 1, self.count + 1), dtype=bool)
        for read in np.argsort(self.reader, kind="stable"):
            w, x = self.writer[read], self.reader[read]
            found[:, x] |= found[:, w]
            found[w, x] = True
        return found

    @cached_property
    def lag_is_cost(self) -> Bools:
        """(L,): whether a smaller lag, all else equal, never makes a design worse.

        It is so where all that reaches the stages after it past it comes from stages before it:
        those after start earlier by as much as the lag is smaller, and everything waits less.
        """
        after, found = self._reaches, np.ones(self.count, dtype=bool)
        for stage in range(self.count):
            past = after[stage][self.reader] & ~after[stage][self.writer] & (self.writer != stage)
            before = after[:, stage][self.writer] | (self.writer == self.count)
            before &= self.least == 0
            found[stage] = bool(before[past].all())
        return found

    @cached_property
    def critical(self) -> Ints:
        """Stages along the path that takes longest at the least lags."""
        lags = np.array([*self.space.least_lags, 0.0])
        ends = self.longest(self.count, lags)[:-1] + lags[:-1]
        path, found = int(np.argmax(ends)), []
        while path != self.count:
            found.append(path)
            mine = np.flatnonzero(self.reader == path)
            since = np.append(ends, 0.0)[self.writer[mine]] + self.least[mine]
            path = int(self.writer[mine[int(np.argmax(since))]])
        return np.array(found[::-1], dtype=np.int64)

    @cached_property
    def least_end(self) -> float:
        """Intervals from the network's input to the last stage's output, at the least lags."""
        lags = np.array([*self.space.least_lags, 0.0])
        return float((self.longest(self.count, lags) + lags)[:-1].max())

    @cached_property
    def cycles(self) -> list[Cycle]:
        """Blocks that are two paths from one stage to another: what skips, and what it skips."""
        found = []
        for block in range(int(self.blocks.max()) + 1):
            mine = np.flatnonzero(self.blocks == block)
            cycle = self._cycle(mine) if len(mine) > 1 else None
            if cycle is not None:
                found.append(cycle)
        return found

    def _cycle(self, reads: Ints) -> Cycle | None:
        """A block as a cycle, if it is one in which all waits in FIFOs."""
        if self.through_dram[reads].any():
            return None
        sources = {*self.writer[reads].tolist()} - {*self.reader[reads].tolist()}
        stages = {*self.writer[reads].tolist(), *self.reader[reads].tolist()}
        if len(stages) != len(reads) or len(sources) != 1:
            return None
        paths = []
        for first in reads[self.writer[reads] == next(iter(sources))].tolist():
            path = [first]
            while len(onward := reads[self.writer[reads] == self.reader[path[-1]]]) == 1:
                path.append(int(onward[0]))
            paths.append(path)
        if len(paths) != 2 or self.reader[paths[0][-1]] != self.reader[paths[1][-1]]:
            return None
        lags = [*self.space.least_lags, 0.0]
        each = []
        for path in paths:
            passed = dict.fromkeys(self.reader[path[:-1]].tolist(), 1)
            more = int(self.least[path].sum())
            each.append((more + sum(lags[x] * n for x, n in passed.items()), path, passed, more))
        (_, short, before, less), (_, _, after, more) = sorted(each, key=lambda x: x[0])
        factors = dict(after)
        for stage, n in before.items():
            factors[stage] = factors.get(stage, 0) - n
        return Cycle(tuple(short), {x: n for x, n in factors.items() if n}, more - less)

    @cached_property
    def lasting(self) -> list[Cycle]:
        """What waits for lags: in each cycle, and what is added until the sum is written."""
        added = np.flatnonzero(self.in_cycle & self.residual).tolist()
        return [*self.cycles, *(Cycle((e,), {int(self.reader[e]): 1}, 0) for e in added)]

    @cached_property
    def couplings(self) -> dict[int, tuple[int, int]]:
        """Of layers whose lags make a tensor wait: its class, and the number of what is `lasting`.

        The classes of inputs and of such tensors form no circle.
        """
        first = list(range(len(self.space.classes)))
        leaves = {c for c in self.space.weight_class if c is not None} - {*self.space.input_class}

        def top(c: int) -> int:
            while first[c] != c:
                c = first[c]
            return c

        found: dict[int, tuple[int, int]] = {}
        pairs = set[tuple[int, int]]()
        for number, cycle in enumerate(self.lasting):
            c = int(self.width_class[self.main(cycle)])
            if c in leaves:
                continue
            for stage in cycle.factors:
                own = self.space.input_class[stage]
                if own is None or stage in found:
                    continue
                if own != c and (own, c) not in pairs:
                    if top(own) == top(c):
                        continue
                    first[top(own)] = top(c)
                    pairs |= {(own, c), (c, own)}
                found[stage] = c, number
        return found

    def main(self, cycle: Cycle) -> int:
        """The read of a short path that is cheapest to wait, at the least widths."""
        short = list(cycle.short)
        least = [self.space.bits[self.width_class[e]][0] * self.elements[e] for e in short]
        return short[int(np.argmin(least))]

    def cycle_bits(self, cycle: Cycle, least_bits: Sequence[int]) -> Floats:
        """Bits for each interval that the short path waits, at each width of its main tensor.

        Others of the path are at the least widths of their classes.
        """
        main = self.main(cycle)
        others = [
            self.elements[e] * least_bits[self.width_class[e]] for e in cycle.short if e != main
        ]
        own = self.elements[main] * np.array(
            self.space.bits[self.width_class[main]], dtype=np.float64
        )
        return np.asarray(np.minimum(own, min(others, default=np.inf)))

    @cached_property
    def two_sided(self) -> list[int]:
        """Of what is `lasting`, by number, what waits on the one path or on the other.

        All its lags are tied to widths by `couplings`.
        """
        found = []
        for number, cycle in enumerate(self.cycles):
            each = [self.couplings.get(x, (0, -1))[1] == number for x in cycle.factors]
            if all(each) and not cycle.more and min(cycle.factors.values()) < 0:
                found.append(number)
        return found

    def beside(self, cycle: Cycle) -> list[int]:
        """Reads along a cycle's other path."""
        every = np.flatnonzero(self.blocks == self.blocks[cycle.short[0]]).tolist()
        return [e for e in every if e not in cycle.short]

    def main_class(self, cycle: Cycle) -> int:
        """Of the tensor whose width `cycle_bits` goes by."""
        return int(self.width_class[self.main(cycle)])

    def least_cycle_bits(self, cycle: Cycle, least_bits: Sequence[int]) -> float:
        """The least of `cycle_bits` at widths that are allowed."""
        return float(min(self.elements[e] * least_bits[self.width_class[e]] for e in cycle.short))

    @cached_property
    def in_cycle(self) -> Bools:
        """Of each read whether its block is a cycle."""
        blocks = [self.blocks[cycle.short[0]] for cycle in self.cycles]
        return np.isin(self.blocks, blocks)

    def lag_prices(self, bits: Sequence[int]) -> tuple[Floats, float]:
        """(L,): bits for each interval of lag that wait, outside cycles, at least; and whatever.

        Parameters
        ----------
        bits : sequence of int
            The least width of each class.
        """
        key = tuple(bits)
        if key not in self._lag_prices:
            self._lag_prices[key] = self._prices_of(bits)
        prices, always = self._lag_prices[key]
        return prices.copy(), always

    def _prices_of(self, bits: Sequence[int]) -> tuple[Floats, float]:
        tangled = ~self.in_cycle & ~self.fixed
        if not tangled.any():
            return np.zeros(self.count), 0.0
        costs = self.elements * np.array(bits, dtype=np.float64)[self.width_class]
        costs = np.where(self.in_cycle | self.through_dram, 0.0, costs)
        most, unit = float(costs.sum()), float(costs.max())
        lags = np.array([*self.space.least_lags, 0.0])
        behind = lags[self.writer] + self.least - np.where(self.residual, lags[self.reader], 0.0)
        model = pyo.ConcreteModel()
        model.READS = pyo.RangeSet(0, len(costs) - 1)
        upper = np.where(self.bridge, most, costs) / unit
        model.price = pyo.Var(model.READS, bounds=lambda _, e: (-most / unit, float(upper[e])))

        @model.Constraint(np.setdiff1d(self.reader, [self.count]).tolist())
        def kept(model, stage):
            """No stage gives out more than it takes in."""
            terms = [model.price[e] for e in np.flatnonzero(self.reader == stage).tolist()]
            terms += [-model.price[e] for e in np.flatnonzero(self.writer == stage).tolist()]
            return sum(terms) >= 0

        model.objective = pyo.Objective(
            expr=sum(model.price[e] * float(behind[e]) for e in range(len(costs)))
        )
        if minimise(model).status != "optimal":
            return np.zeros(self.count), 0.0
        given = np.array([pyo.value(model.price[e]) for e in range(len(costs))]) * unit
        return self._settled(given, costs, most)

    def _settled(self, given: Floats, costs: Floats, most: float) -> tuple[Floats, float]:
        """Prices by stage of multipliers that hold exactly: no stage gives out more than it takes.

        What a solver's rounding leaves is taken off what it gives, one stage after the other.
        """
        found = np.minimum(given, np.where(self.bridge, most, costs))
        for stage in range(self.count):
            into, out = self.reader == stage, self.writer == stage
            missing = found[out].sum() - found[into].sum()
            if missing > 0 and out.any():
                found[out] -= missing / out.sum()
        prices = np.zeros(self.count + 1)
        np.subtract.at(prices, self.writer, found)
        np.add.at(prices, self.reader, np.where(self.residual, found, 0.0))
        return prices[:-1], -float(found @ self.least)
