"""What options cost at every pair of widths, for a goal: the numbers of bounds and programmes.

Of a range of the interval: options of more cycles than its end are none of it, and those that take
less than its beginning are as fast as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.area import array_area_um2
from codesign.costs.energy import Rates, mac_j
from codesign.costs.fpga import array_dsp, array_lut
from codesign.costs.pipeline import LEAST_PART
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.dominance import best_of_alike
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.waiting import Waiting
from codesign.space.dataflow import PipelineSpace, StageOptions, undominated
from codesign.space.segments import Sharing
from codesign.specs.fpga import Fpga
from codesign.specs.layer import Layer
from codesign.units import UM2_PER_MM2

MOST_COMPARED = 200  # options of a layer that are compared at each pair of widths


class MemoryRate(NamedTuple):
    """What a memory takes: ``slope`` for each bit and ``fixed``; on an FPGA whole blocks."""

    metric: str
    slope: float
    fixed: float
    block_bits: int | None


@dataclass(frozen=True)
class Range:
    """Of the interval, s."""

    least_s: float
    most_s: float


@dataclass(frozen=True)
class Table:
    """Columns, one for each option of a layer at a pair of widths, and what classes cost.

    Attributes
    ----------
    rows : tuple of str
        Metrics asked about.
    layer, weight, activation, option : ints, shape (n,)
        Of each column: layer, indices of widths in its classes', and the option's number.
    beside : ints
        Index of the width of the class that the layer's lag makes wait (`Fifos.couplings`), or 0.
    cycles : ints
    lag : floats
    waiting : floats
        Bits that wait for its lag, at least, in all.
    cost : floats, shape (n, rows)
        Without what waits, and without static power.
    need : floats
        SRAM bits, of layers that share an array; of others 0.
    tied : floats
        Of what waits for its lag, that at the width beside it (`Pricing.tied`).
    cycle_bits : list of floats
        Bits for each interval, by that width, of each that is `Fifos.lasting`.
    class_cost : list of floats, shape (widths, rows)
        Of each class.
    constant : floats, shape (rows,)
    allowed : list of bools
        Widths of each class.
    joint : bool
        Whether columns tell the widths of what their lags make wait.
    sharings : tuple of Sharing
        Of each segment of layers that share an array.
    """

    rows: tuple[str, ...]
    layer: Ints
    weight: Ints
    activation: Ints
    option: Ints
    beside: Ints
    cycles: Ints
    lag: Floats
    waiting: Floats
    cost: Floats
    need: Floats
    tied: Floats
    cycle_bits: list[Floats]
    class_cost: list[Floats]
    class_waiting: list[Floats]
    constant: Floats
    allowed: list[Bools]
    joint: bool
    sharings: tuple[Sharing, ...] = ()

    def within(
        self,
        allowed: Sequence[Bools],
        space: PipelineSpace,
        couplings: Mapping[int, tuple[int, int]],
    ) -> Bools:
        """(n,): whether all widths of a column are allowed."""
        most = max(len(x) for x in allowed)
        masks = np.array([np.append(x, np.zeros(most - len(x), dtype=bool)) for x in allowed])
        w, a = (
            np.array([-1 if c is None else c for c in of])[self.layer]
            for of in (space.weight_class, space.input_class)
        )
        kept = masks[w, self.weight] & masks[a, self.activation]
        for layer, (c, _) in couplings.items():
            mine = self.layer == layer
            kept[mine] &= masks[c, self.beside[mine]]
        return np.asarray(kept)

    def lacks_layers(self, space: PipelineSpace) -> bool:
        """Whether a layer has no column left."""
        return len(np.unique(self.layer)) < len(space.chosen_layers)

    def __len__(self) -> int:
        return len(self.layer)

    def only(self, kept: Bools, allowed: list[Bools]) -> Table:
        """Some of its columns and widths."""
        few = {name: getattr(self, name)[kept] for name in (*Block._fields, "tied")}
        return replace(self, **few, allowed=allowed)


class Block(NamedTuple):
    """Columns of one layer; the fields are those of `Table`."""

    layer: Ints
    weight: Ints
    activation: Ints
    option: Ints
    beside: Ints
    cycles: Ints
    lag: Floats
    waiting: Floats
    cost: Floats
    need: Floats


class Pricing:
    """Costs of a space's options for the metrics asked about."""

    def __init__(self, space: PipelineSpace, rows: Sequence[str], fifos: Fifos) -> None:
        self.space, self.rows = space, tuple(rows)
        self.fifos, self.by_cycles = fifos, False
        at_none, _ = space.platform.rates(0.0)
        at_one, _ = space.platform.rates(1.0)
        self.rates: Rates | None = at_none
        self.static_w, self.static_w_per_mm2 = 0.0, 0.0
        if at_none is not None and at_one is not None:
            self.static_w = at_none.static_w
            self.static_w_per_mm2 = at_one.static_w - at_none.static_w
        self.hardware = space.hardware_metrics
        technology = space.problem.technology
        if isinstance(technology, Fpga):
            block = technology.bram_bits
            self.memory = MemoryRate("bram", 1 / block, 0.0, block)
        else:
            fit = technology.sram_area_um2
            slope, fixed = fit.slope / UM2_PER_MM2, fit.intercept / UM2_PER_MM2
            self.memory = MemoryRate("area_mm2", slope, fixed, None)
        self._kept: dict[tuple[object, ...], Ints] = {}

    def memory_cost(self, bits: Floats) -> Floats:
        """What memories of so many bits take; nothing where there are none."""
        if self.memory.block_bits is not None:
            return np.ceil(bits / self.memory.block_bits - LEAST_PART)
        return np.asarray(np.where(bits > 0, bits * self.memory.slope + self.memory.fixed, 0.0))

    def has_products(self) -> bool:
        """Whether a metric asked about is a product with the interval."""
        static = self.static_w or self.static_w_per_mm2
        return "latency_s" in self.rows or ("energy_j" in self.rows and bool(static))

    def table(self, span: Range, allowed: Sequence[Bools], filtered: bool = True) -> Table | None:
        """The columns of a range; None where a layer has none.

        Parameters
        ----------
        filtered : bool
            Whether to leave out what others equal or beat.
        """
        waiting = Waiting(self.fifos, self.least_bits(allowed))
        found = []
        for number in self.space.chosen_layers:
            block = self._block(number, span, allowed, filtered)
            if not len(block.layer):
                return None
            found.append(self._beside(number, block, waiting, allowed, filtered))
        joined = (np.concatenate(x) for x in zip(*found, strict=True))
        every: dict[str, Any] = dict(zip(Block._fields, joined, strict=True))
        table = Table(
            self.rows,
            **every,
            tied=np.zeros(len(every["layer"])),
            cycle_bits=waiting.cycle_bits,
            class_cost=self.class_costs(),
            class_waiting=waiting.of_classes,
            constant=self.constant(),
            allowed=list(allowed),
            joint=filtered,
        )
        return self.tied(table) if filtered else table

    def tied(self, table: Table) -> Table:
        """A table with what its lags make wait at the widths they are tied to.

        What passes on both of two paths, the one waits for the other: at least ``X − Y``, for the
        lags ``X`` on the one and ``Y`` on the other, and at least 0. So it counts as
        ``X − min(Y, most X)`` at least, the more nearly the fewer columns there are.
        """
        fifos, tied = self.fifos, np.zeros(len(table))
        least_bits = self.least_bits(table.allowed)
        cycle_bits = [fifos.cycle_bits(x, least_bits) for x in fifos.lasting]
        most = np.array(self.space.most_lags)
        most[np.unique(table.layer)] = 0.0
        np.maximum.at(most, table.layer, table.lag)
        for number, cycle in enumerate(fifos.lasting):
            ahead = cycle.more + sum(n * most[x] for x, n in cycle.factors.items() if n > 0)
            for stage, n in cycle.factors.items():
                if fifos.couplings.get(stage, (0, -1))[1] == number:
                    mine = table.layer == stage
                    lag = table.lag[mine] if n > 0 else np.minimum(table.lag[mine], ahead)
                    tied[mine] = n * cycle_bits[number][table.beside[mine]] * lag
        waiting = table.waiting - table.tied + tied
        return replace(table, waiting=waiting, tied=tied, cycle_bits=cycle_bits)

    def least_bits(self, allowed: Sequence[Bools]) -> list[int]:
        """The least width of each class that is allowed."""
        each = zip(self.space.bits, allowed, strict=True)
        return [bits[int(np.argmax(mine))] for bits, mine in each]

    def columns(self, number: int, span: Range, allowed: Sequence[Bools]) -> Block:
        """The columns of a layer that others do not equal or beat, whatever waits."""
        return self._block(number, span, allowed, True)

    def _block(self, number: int, span: Range, allowed: Sequence[Bools], filtered: bool) -> Block:
        """The columns of a layer, whatever waits."""
        options, clock = self.space.options[number], self.space.platform.clock_hz
        assert options is not None
        kept = np.flatnonzero(options.table.cycles <= span.most_s * clock * (1 + 1e-9))
        many = "energy_j" in self.rows and len(kept) > MOST_COMPARED  # few beat others in all
        if filtered and len(kept) and not (many and self._told_by_two()):
            kept = kept[self._undominated(number, options, kept, span)]
        return self._columns(number, options, kept, span, allowed, filtered)

    def _beside(
        self, number: int, block: Block, waiting: Waiting, allowed: Sequence[Bools], joint: bool
    ) -> Block:
        """Columns once for each width of what their lags make wait."""
        block = block._replace(waiting=waiting.prices[number] * block.lag)
        coupled = self.fifos.couplings.get(number) if joint else None
        if coupled is None:
            return block
        c, _ = coupled
        if c == self.space.input_class[number]:
            return block._replace(beside=block.activation)
        widths, count = np.flatnonzero(allowed[c]), len(block.layer)
        many: list[Any] = [np.tile(x, (len(widths), *[1] * (x.ndim - 1))) for x in block]
        return Block(*many)._replace(beside=np.repeat(widths, count))

    def _undominated(self, number: int, options: StageOptions, kept: Ints, span: Range) -> Ints:
        """Those that no other equals or beats whatever the widths."""
        table, clock = options.table, self.space.platform.clock_hz
        counts = self.space.array_counts(options.rows, options.cols)
        counts += [table.weights, table.lines, table.psums, table.fetched]
        key = (id(options), len(kept), bool(self.fifos.lag_is_cost[number]), span.least_s)
        if key in self._kept:
            return self._kept[key]
        if "energy_j" in self.rows:
            counts += [table.weight_reads, table.weight_writes, table.line_reads]
            counts += [table.psum_reads, table.psum_writes]
        each = [x[kept].astype(np.float64) for x in counts]
        each += self._lags(number, table.lag[kept])
        if self.by_cycles:
            each.append(np.maximum(table.cycles[kept], span.least_s * clock))
        self._kept[key] = undominated(np.stack(each, axis=1))
        return self._kept[key]

    def _told_by_two(self) -> bool:
        """Whether options that lag and fetch the same differ in area and energy alone."""
        own = {*self.rows}.difference(UNLIKE, ("dram_bits",))
        return own == {"area_mm2", "energy_j"}

    def _lags(self, number: int, lag: Floats) -> list[Floats]:
        """What of lags matters: that they are less, or that they are the same."""
        return [lag] if self.fifos.lag_is_cost[number] else [lag, -lag]

    def _columns(
        self,
        number: int,
        options: StageOptions,
        kept: Ints,
        span: Range,
        allowed: Sequence[Bools],
        filtered: bool,
    ) -> Block:
        space, layer = self.space, self.space.network.layers[number]
        w_class, a_class = space.weight_class[number], space.input_class[number]
        assert w_class is not None
        assert a_class is not None
        w = np.flatnonzero(allowed[w_class])
        a = np.flatnonzero(allowed[a_class])
        some = options.take(kept)
        bits_w = np.array(space.bits[w_class])[w][:, None, None]
        bits_a = np.array(space.bits[a_class])[a][None, :, None]
        shape = len(w), len(a), len(kept)
        costs = np.zeros((*shape, len(self.rows)))
        for r, name in enumerate(self.rows):
            costs[..., r] = self._cost(name, layer, some, bits_w, bits_a)
        there = np.ones(shape, dtype=bool)
        if w_class == a_class:
            there &= w[:, None, None] == a[None, :, None]
        cycles, lag = some.table.cycles, some.table.lag
        levels = np.maximum(cycles, span.least_s * space.platform.clock_hz) * self.by_cycles
        if filtered and len(kept) > MOST_COMPARED and self._told_by_two():
            alike = np.stack([lag, some.table.fetched], axis=1)
            mine = [self.rows.index(x) for x in ("area_mm2", "energy_j")]
            there &= best_of_alike(costs[..., mine[0]], costs[..., mine[1]], levels, alike)
        elif filtered and len(kept) <= MOST_COMPARED:
            each = [costs[..., r] for r, x in enumerate(self.rows) if x not in UNLIKE]
            whole = [np.broadcast_to(x, shape) for x in self._lags(number, lag)]
            if self.by_cycles:
                clock = space.platform.clock_hz
                whole.append(np.broadcast_to(np.maximum(cycles, span.least_s * clock), shape))
            there &= _best(each + whole)
        ai, wi, oi = np.nonzero(there.transpose(1, 0, 2))
        count, none = np.full(len(wi), number), np.zeros(len(wi), dtype=np.int64)
        return Block(
            count,
            w[wi],
            a[ai],
            kept[oi],
            none,
            cycles[oi],
            lag[oi],
            np.zeros(len(wi)),
            costs[wi, ai, oi],
            np.zeros(len(wi)),
        )

    def _cost(
        self, name: str, layer: Layer, some: StageOptions, w: Ints, a: Ints
    ) -> Floats | float:
        """(widths, widths, options) of one metric; 0 of what classes and time cost."""
        platform, table = self.space.platform, some.table
        technology, factor = platform.technology, platform.area_overhead
        sums = w + a + layer.accumulation_bits
        if name == "area_mm2":
            assert not isinstance(technology, Fpga)
            pes = array_area_um2(technology, some.rows, some.cols, w, a, factor) / UM2_PER_MM2
            return np.asarray(pes + self._memories(some, w, a, sums))
        if name == "bram":
            return self._memories(some, w, a, sums)
        if name == "lut":
            assert isinstance(technology, Fpga)
            return array_lut(technology, some.rows, some.cols, w, a, factor)
        if name == "dsp":
            assert isinstance(technology, Fpga)
            return array_dsp(technology, some.rows, some.cols, w, a)
        if name == "dram_bits":
            return np.asarray(table.fetched * w, dtype=np.float64)
        if name == "bops":
            return layer_bops(layer, w, a)
        if name == "energy_j":
            return self._energy(layer, some, w, a, sums)
        return 0.0

    def _memories(self, some: StageOptions, w: Ints, a: Ints, sums: Ints) -> Floats:
        table = some.table
        each = (table.weights * w, table.lines * a, table.psums * sums)
        return np.asarray(sum(self.memory_cost(x.astype(np.float64)) for x in each))

    def _energy(self, layer: Layer, some: StageOptions, w: Ints, a: Ints, sums: Ints) -> Floats:
        """Without FIFOs and static power, J."""
        table, rates = some.table, self.rates
        assert rates is not None
        read_j, write_j = rates.sram_read_j_per_bit, rates.sram_write_j_per_bit
        macs = mac_j(layer, w, a, rates, self.space.platform.machine.zero_skipping)
        weights = w * (table.weight_reads * read_j + table.weight_writes * write_j)
        lines = a * (table.line_reads * read_j + layer.ifmap * write_j)
        psums = sums * (table.psum_reads * read_j + table.psum_writes * write_j)
        return np.asarray(macs + weights + lines + psums + table.fetched * w * rates.dram_j_per_bit)

    def class_costs(self) -> list[Floats]:
        """Of each class at each of its widths: noise, model size, what comes from DRAM."""
        space, network = self.space, self.space.network
        owned = {f"weight:{x.name}": x.weights for x in network.layers if x.owns_weights}
        found = []
        every = zip(space.classes, space.bits, space.moved[0], space.class_noise, strict=True)
        for members, bits, moved, noise in every:
            costs = np.zeros((len(bits), len(self.rows)))
            weights = sum(owned.get(x, 0) for x in members)
            for r, name in enumerate(self.rows):
                if name == "noise":
                    costs[:, r] = noise
                elif name == "model_bits":
                    costs[:, r] = weights * np.array(bits)
                elif name == "dram_bits":
                    costs[:, r] = moved * np.array(bits)
                elif name == "energy_j" and self.rates is not None:
                    costs[:, r] = moved * np.array(bits) * self.rates.dram_j_per_bit
            found.append(costs)
        return found

    def constant(self) -> Floats:
        """What every design has: results that go to DRAM."""
        out = self.space.moved[1] * self.space.choices.output_bits
        found = np.zeros(len(self.rows))
        for r, name in enumerate(self.rows):
            if name == "dram_bits":
                found[r] = out
            elif name == "energy_j" and self.rates is not None:
                found[r] = out * self.rates.dram_j_per_bit
        return found


UNLIKE = ("noise", "model_bits", "bops", "latency_s", "interval_s")  # alike for all of a pair


def _best(costs: Sequence[Floats]) -> Bools:
    """Of (w, a, n) costs: which of the n no other equals or beats in all."""
    count = costs[0].shape[-1]
    beaten = np.ones((*costs[0].shape, count), dtype=bool)  # [..., one, other]
    same = np.ones_like(beaten)
    for cost in costs:
        beaten &= cost[..., None, :] <= cost[..., :, None]
        same &= cost[..., None, :] == cost[..., :, None]
    earlier = np.arange(count)[None, :] < np.arange(count)[:, None]
    return np.asarray(~(beaten & (~same | earlier)).any(axis=-1))
