"""What the MILP of a pipeline is made of: its sets, and every metric over its variables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyomo.core as pyo

from codesign.arrays import Floats
from codesign.problem.tolerances import LIMIT_MARGIN
from codesign.search.dataflow.table import Pricing, Range, Table
from codesign.search.milp.coefficients import Terms
from codesign.space.segments import HybridSpace

INTERVAL, LATENCY, ENERGY = "interval_s", "latency_s", "energy_j"


class Programme:
    """What a model is made of.

    Parameters
    ----------
    limits : mapping of str to float
        By metric, the interval's not among them: the range holds it.
    unit : float
        Of the objective, about as large as it is.
    """

    def __init__(
        self,
        pricing: Pricing,
        table: Table,
        span: Range,
        metric: str,
        limits: Mapping[str, float],
        unit: float,
        margin: float = LIMIT_MARGIN,
    ) -> None:
        self.pricing, self.table, self.span = pricing, table, span
        self.space, self.fifos = pricing.space, pricing.fifos
        self.metric, self.unit, self.margin = metric, unit, margin
        self.limits = dict(limits)
        self.row = {name: r for r, name in enumerate(table.rows)}
        self.layers = len(self.space.network.layers)
        self.columns = [np.flatnonzero(table.layer == i).tolist() for i in range(self.layers)]
        most_lags = np.array(self.space.most_lags)
        for i, mine in enumerate(self.columns):
            if mine:
                most_lags[i] = table.lag[mine].max()
        self.most_waits = self.fifos.most_waits(most_lags)
        self.most_end = float(most_lags.sum() + self.fifos.least.sum())
        self.asked = {metric, *limits}
        memory = pricing.memory
        self.charged = memory.metric in self.asked or ENERGY in self.asked
        fixed = (memory.fixed > 0 and memory.metric in self.asked) or ENERGY in self.asked
        sure = self.fifos.least_wait + self.fifos.held > 0
        self.loose = np.flatnonzero(~self.fifos.fixed).tolist() if self.charged else []
        self.optional = [e for e in self.loose if fixed and not sure[e]]
        self.sure = sure
        own = self.space.input_class
        couplings = self.fifos.couplings
        self.least_class_waits = [x.copy() for x in table.class_waiting]
        for e, c in enumerate(self.fifos.width_class):  # what is held does not wait
            held = self.fifos.elements[e] * self.fifos.held[e]
            self.least_class_waits[c] -= held * np.array(self.space.bits[c], dtype=np.float64)
        self.beside = {i: c for i, (c, _) in couplings.items() if c != own[i] and table.joint}
        static = pricing.static_w or pricing.static_w_per_mm2
        self.static = bool(static) and ENERGY in self.asked
        self._share()
        self.timed = metric == INTERVAL or LATENCY in self.asked or self.static

    def _share(self) -> None:
        """Layers that share arrays: those with MACs, what these take for each, and the others."""
        self.sharings = self.table.sharings
        self.shared, self.moving, self.array_s = list[int](), list[int](), dict[int, float]()
        self.inside = dict[int, int]()
        if isinstance(self.space, HybridSpace):
            clock_hz, tiled = self.space.platform.clock_hz, self.space.tiled
            self.shared = self.space.shared_layers
            self.inside = self.space.inside
            self.moving = [i for i in self.inside if i not in tiled]
            self.array_s = {i: x.cycles / clock_hz for i, x in tiled.items()}

    def wider(self) -> list[tuple[int, int, int, int]]:
        """Of classes that are operands on shared arrays: segment, class, 0 or 1 by operand, width.

        Widths that not all PEs on offer take.
        """
        found = dict[tuple[int, int, int, int], None]()
        for i in self.shared:
            for n, c in enumerate((self.space.weight_class[i], self.space.input_class[i])):
                assert c is not None
                bits = [self.space.bits[c][b] for b in np.flatnonzero(self.table.allowed[c])]
                k = self.inside[i]
                takes = [pe[:2][n] for pe in self.sharings[k].pes]
                found |= dict.fromkeys((k, c, n, x) for x in bits if x > min(takes))
        return [*found]

    def sram_unit(self, segment: int) -> float:
        """Bits of one of what an SRAM is counted in: a block RAM, or the most there may be."""
        return float(self.pricing.memory.block_bits or self.sharings[segment].most_sram)

    def sram_units(self, segment: int, bits: Floats | float) -> Floats:
        """SRAMs of so many bits in these units; on an FPGA a whole number."""
        units = np.asarray(bits, dtype=np.float64) / self.sram_unit(segment)
        return np.ceil(units) if self.pricing.memory.block_bits else units

    def widths(self, read: int) -> list[int]:
        """Those that the tensor of a read may have."""
        found: list[int] = np.flatnonzero(self.table.allowed[self.fifos.width_class[read]]).tolist()
        return found

    def lag(self, model: pyo.ConcreteModel, stage: int, factor: float, terms: Terms) -> Terms:
        """Add a stage's lag to a sum; of the network's input there is none."""
        if stage == self.layers:
            return terms
        mine = self.columns[stage]
        if not mine:
            terms.constant += factor * self.space.least_lags[stage]
            return terms
        lags = (factor * self.table.lag[mine]).tolist()
        return terms.add(lags, [model.run[o] for o in mine])

    def start(self, model: pyo.ConcreteModel, stage: int, factor: float, terms: Terms) -> Terms:
        """Add a stage's start to a sum."""
        if stage == self.layers:
            return terms
        return terms.add([factor], [model.start[stage]])

    def beside_s(self, model: pyo.ConcreteModel, layer: int, factor: float, terms: Terms) -> Terms:
        """Add the time of a shared layer's DRAM traffic that its options do not decide."""
        assert isinstance(self.space, HybridSpace)
        per_bit = factor / self.space.platform.dram_bits_per_s
        for c, count in self.space.other_elements(layer):
            if c is None:
                terms.constant += per_bit * count * self.space.choices.output_bits
                continue
            widths = np.flatnonzero(self.table.allowed[c]).tolist()
            each = [per_bit * count * self.space.bits[c][b] for b in widths]
            terms.add(each, [model.width[c, b] for b in widths])
        return terms

    def total(self, model: pyo.ConcreteModel, name: str, unit: float) -> Terms:
        """A metric in some unit."""
        if name == INTERVAL:
            return Terms().add([self.span.most_s / unit], [model.interval])
        if name == LATENCY:
            return Terms().add([self.span.most_s / unit], [model.latency])
        table, r = self.table, self.row[name]
        terms = Terms(float(table.constant[r]) / unit)
        cost = table.cost[:, r] / unit
        used = np.flatnonzero(cost).tolist()
        terms.add(cost[used].tolist(), [model.run[o] for o in used])
        for c, costs in enumerate(table.class_cost):
            widths = np.flatnonzero(table.allowed[c] & (costs[:, r] != 0)).tolist()
            each = (costs[widths, r] / unit).tolist()
            terms.add(each, [model.width[c, b] for b in widths])
        self._add_fifos(model, name, unit, terms)
        for k, sharing in enumerate(self.sharings if name in self.space.hardware_metrics else ()):
            memory, m = self.pricing.memory, self.space.hardware_metrics.index(name)
            if name == memory.metric:
                terms.constant += memory.fixed / unit
                terms.add([memory.slope * self.sram_unit(k) / unit], [model.sram[k]])
            pes = [takes[m] / unit for _, _, takes in sharing.pes]
            terms.add(pes, [model.pes[k, n] for n in range(len(pes))])
        if name == ENERGY and self.static:
            w = self.pricing.static_w * self.span.most_s / unit
            terms.add([w], [model.interval])
            if self.pricing.static_w_per_mm2:
                terms.add([self.static_unit_j / unit], [model.static])
        return terms

    @property
    def static_unit_j(self) -> float:
        """Of the variable of static energy by area."""
        return self.unit if self.metric == ENERGY else self.limits[ENERGY]

    def _add_fifos(self, model: pyo.ConcreteModel, name: str, unit: float, terms: Terms) -> None:
        """What FIFOs take of a metric."""
        memory, fifos, rates = self.pricing.memory, self.fifos, self.pricing.rates
        for e in range(len(fifos.reader)):
            c, elements, held = int(fifos.width_class[e]), fifos.elements[e], int(fifos.held[e])
            for b in np.flatnonzero(self.table.allowed[c]).tolist():
                bits = float(elements * self.space.bits[c][b])
                width = [model.width[c, b]]
                if name == ENERGY and rates is not None:
                    each_j = bits * (rates.sram_read_j_per_bit + rates.sram_write_j_per_bit) / unit
                    if held or (self.sure[e] and not fifos.fixed[e]):
                        terms.add([each_j], width)
                    elif e in self.optional:
                        terms.add([each_j], [model.passing[e, b]])
                if name != memory.metric:
                    continue
                if fifos.fixed[e]:
                    if held:
                        whole = float(self.pricing.memory_cost(np.array(bits * held)))
                        terms.add([whole / unit], width)
                elif memory.block_bits is None:
                    terms.add([bits * memory.slope / unit], [model.wait[e, b]])
                    if held:
                        terms.add([bits * held * memory.slope / unit], width)
            if name != memory.metric or fifos.fixed[e]:
                continue
            if memory.block_bits is not None:
                terms.add([1 / unit], [model.blocks[e]])
            elif e in self.optional:
                terms.add([memory.fixed / unit], [model.there[e]])
            else:
                terms.constant += memory.fixed / unit


def least_of(table: Table, name: str) -> float:
    """What no choice has less of, leaving aside what waits."""
    r = table.rows.index(name)
    classes = zip(table.class_cost, table.allowed, strict=True)
    each = [table.cost[table.layer == i, r].min() for i in np.unique(table.layer)]
    each += [costs[mine, r].min() for costs, mine in classes]
    return float(sum(each) + table.constant[r])
