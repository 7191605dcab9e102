"""What candidates cost in every metric, in the model's units: the one place that scales.

Each metric is measured in thousandths of its limit or, without one and as the objective, of the
least its layers can have (of the hardware: of the mean array with the least SRAM). Rows and
objective are then of the order of `ROW_SCALE`, beside which HiGHS's absolute tolerances are small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyomo.core as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from codesign.arrays import Floats, Ints
from codesign.costs.roofline import longer
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.problem.tolerances import BUDGET_TOLERANCE, ROW_SCALE
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace
from codesign.units import kind_of

if TYPE_CHECKING:
    from codesign.space.energy import EnergyCosts
    from codesign.space.fused_candidates import FusedLayer

# Of what no design takes less of: a limit beyond is no unit of times that also cost energy.
LOOSE_LIMIT = 100.0
LEAST_SHARE = 1e-4  # of the most that a metric can be: no coefficient is then above 1e7
MOST_SRAM_UNITS = 1e4  # of S; beyond, its bound is farther than tiles and tensors reach


class Terms:
    """Coefficients, variables and constant of a linear expression in the making."""

    def __init__(self, constant: float = 0.0) -> None:
        self.coefficients: list[float] = []
        self.variables: list[pyo.Var] = []
        self.constant = constant

    def add(self, coefficients: list[float], variables: list[pyo.Var]) -> Terms:
        """Add terms; returns itself."""
        self.coefficients += coefficients
        self.variables += variables
        return self

    def expression(self) -> LinearExpression:
        """What has been added, as Pyomo's."""
        return LinearExpression(
            constant=self.constant, linear_coefs=self.coefficients, linear_vars=self.variables
        )


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of every metric over the variables of a model.

    Attributes
    ----------
    margin : float
        Relative, by how much more than their tolerance limits may be exceeded.
    """

    space: WidthSpace
    candidates: Candidates
    goal: Goal
    margin: float

    @cached_property
    def unit(self) -> dict[str, float]:
        """What 1 in a row stands for, of each metric asked about."""
        limits = self.goal.limits
        units = {
            x: (limits[x] if limits.get(x, 0.0) > 0 else self._least(x)) / ROW_SCALE
            for x in {self.goal.metric, *limits}
        }
        if self.timed_energy:  # each second counts, however many a limit leaves
            least_s = self._least("latency_s") / ROW_SCALE
            units["latency_s"] = min(units.get("latency_s", least_s), LOOSE_LIMIT * least_s)
        return units

    def counts(self, metric: str, i: int) -> float:
        """What a cost of layer ``i`` counts for in a metric."""
        return float(self._counts[metric][i])

    @cached_property
    def _counts(self) -> dict[str, Floats]:
        shares = self.space.shares
        return {name: shares.of_layers(name) for name in shares.names}

    def unit_s(self, i: int) -> float:
        """What 1 stands for, of the time of layer ``i`` or of its run."""
        return self.unit_of("latency_s", i)

    def unit_of(self, kind: str, i: int) -> float:
        """What 1 stands for, of a kind of cost of layer ``i``: the finest that is asked for."""
        if self.space.shares.plain:
            return self.unit[kind]
        return self._units_of_members[kind][int(self.space.shares.member_of[i])]

    @cached_property
    def _units_of_members(self) -> dict[str, list[float]]:
        """The same of each member of a suite, by kind; where nothing asks, as if all did."""
        shares, found = self.space.shares, dict[str, list[float]]()
        for kind in kinds_of(self.unit) & {*shares.kinds}:
            asked = [(self.unit[x], shares.of_groups(x)) for x in self.unit if kind_of(x) == kind]
            usual = self._least(kind) / ROW_SCALE
            found[kind] = [
                min((unit / of[m] for unit, of in asked if of[m]), default=usual)
                for m in range(shares.of.shape[1])
            ]
        return found

    @property
    def timed_energy(self) -> bool:
        """Whether energy counts, and grows with latency."""
        asked = ENERGY in self.goal.kinds
        return asked and bool(self.candidates.static_w.any())

    @property
    def powers_differ(self) -> bool:
        """Whether it grows by more on some hardware options than on others."""
        power = self.candidates.static_w
        return self.timed_energy and bool((power != power[0]).any())

    def _static_w(self, i: int) -> Floats:
        """Power at all times with each option of layer ``i``."""
        rows, candidates = self.candidates.layers[i], self.candidates
        if not len(candidates.static_w):
            return np.zeros(len(rows))
        return candidates.static_w[np.searchsorted(candidates.options, rows.option)]

    @cached_property
    def objective_unit(self) -> float:
        """The same of the objective, whose limit may be far above what is optimal."""
        return self._least(self.goal.metric) / ROW_SCALE

    @cached_property
    def sram_unit_bits(self) -> float:
        """Bits of an S of 1: the largest need or tensor on chip, or the least SRAM on offer.

        A bit must cost more than the dual tolerance. ``S`` is above 1 where several tensors live.
        """
        of_runs = [layer.need for run in self.candidates.fused for layer in run.layers]
        needs = np.concatenate([*(layer.need for layer in self.candidates.layers), *of_runs])
        most = float(max(needs.max(initial=1.0), self.resident_bits.max(initial=1.0)))
        return max(most, self.space.capacities.min_bits, 1.0)

    @cached_property
    def resident_bits(self) -> Floats:
        """(placed tensors, widths): SRAM bits of each on chip; 0 where it cannot be."""
        bits = self.space.placed_elements[:, None] * self.space.widths
        return np.asarray(bits * self.candidates.places[1], dtype=np.float64)

    @cached_property
    def fused_at(self) -> list[list[tuple[int, int]]]:
        """Of each layer: the fused candidates that have it, and which of their layers it is."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.candidates.layers]
        for n, run in enumerate(self.candidates.fused):
            for x, layer in enumerate(run.layers):
                found[layer.layer].append((n, x))
        return found

    def _in_runs(self, i: int) -> list[FusedLayer]:
        """What layer ``i`` may have in fused runs."""
        return [self.candidates.fused[n].layers[x] for n, x in self.fused_at[i]]

    def _share(self, layer: FusedLayer, metric: str) -> Floats:
        """What each pair of widths adds at least to the cost of its run, unscaled.

        The larger of two sums, its roofs, is no less than their mean.
        """
        if metric == "latency_s":
            seconds = layer.weight_bits / self.space.dram_bits_per_s
            return (1 + self.space.exposed) * (layer.compute_s + seconds) / 2
        if metric == "dram_bits":
            return layer.weight_bits
        if metric == ENERGY:
            return layer.energy_j
        return self._by_widths(layer.layer, layer.weight, layer.ifmap, metric)

    def _least(self, metric: str) -> float:
        """What no design has less of: its objective is 1,000 or more, far above the absolute gap.

        But at least a share of what one can have at most, lest coefficients grow too large.
        """
        layers, capacities = self.candidates.layers, self.space.capacities
        if metric in self.space.hardware_metrics:
            mine = self.space.hardware_metrics[metric]
            base = float(mine.base[self.candidates.options].mean())
            own = [
                [layer.need, *(x.need for x in self._in_runs(i))] for i, layer in enumerate(layers)
            ]
            needs = (float(np.concatenate(each).min(initial=math.inf)) for each in own)
            need = max((x for x in needs if x < math.inf), default=0.0) or 1.0
            return (base + mine.slope * max(need, capacities.min_bits)) / mine.scale or 1.0
        kind = kind_of(metric)
        per_layer = [
            self.counts(metric, i)
            * np.concatenate(
                [self._in_all(i, kind), *(self._share(x, kind) for x in self._in_runs(i))]
            )
            for i in range(len(layers))
        ]
        least = sum(float(values.min()) for values in per_layer if len(values))
        most = sum(float(values.max()) for values in per_layer if len(values))
        return max(least, LEAST_SHARE * most) or 1.0

    def ceiling(self, metric: str) -> float:
        """A limit in the model's unit, with the tolerance that budgets have and the margin."""
        return self.goal.limits[metric] / self.unit[metric] * (1 + BUDGET_TOLERANCE + self.margin)

    def per_run(self, i: int, metric: str) -> Floats:
        """Cost of each option of layer ``i``, unscaled, what its tensors cost left out."""
        space, rows = self.space, self.candidates.layers[i]
        if metric == "latency_s":
            own_s = np.maximum(rows.compute_s, rows.port_s)
            return longer(own_s, rows.traffic / space.dram_bits_per_s, space.exposed)
        if metric == "dram_bits":
            return rows.traffic
        if metric == ENERGY:
            if not rows.joint:  # power is that of latencies
                return rows.energy_j
            return rows.energy_j + self._static_w(i) * self.per_run(i, "latency_s")
        return self._by_widths(i, rows.weight, rows.ifmap, metric)

    def _in_all(self, i: int, metric: str) -> Floats:
        """The same with the energy of power at all times."""
        cost, rows = self.per_run(i, metric), self.candidates.layers[i]
        if metric == ENERGY and not rows.joint:
            cost = cost + self._static_w(i) * self.per_run(i, "latency_s")
        return cost

    def _by_widths(self, i: int, weight: Ints, ifmap: Ints, metric: str) -> Floats:
        """What pairs of widths of a layer cost in a metric that nothing else decides."""
        space, pairs = self.space, (self.space.geometry_of[i], weight, ifmap)
        if metric == "noise":
            return np.asarray(space.weight_noise[i][weight])
        if metric == "model_bits":
            bits = space.own_weights[i] * space.widths[weight]
            return np.asarray(bits, dtype=np.float64)
        if metric == "bops":
            return np.asarray(space.bops[pairs])
        return np.asarray(space.costs[space.cost_names.index(metric)][pairs])

    def runs(self, model: pyo.ConcreteModel, i: int, values: Floats, terms: Terms) -> Terms:
        """Add the options of layer ``i`` with what each costs, if anything."""
        used = np.flatnonzero(values)
        return terms.add(values[used].tolist(), [model.run[i, o] for o in used.tolist()])

    def moved(self, model: pyo.ConcreteModel, i: int, unit: float, terms: Terms) -> Terms:
        """Add the output and residual bits of layer ``i``; those on chip are taken off again."""
        space = self.space
        if self.candidates.layers[i].joint:  # what it moves is in its options
            return terms
        for t, elements, tensor in space.moved(space.problem.network.layers[i]):
            if t is None:
                terms.constant += elements * space.problem.choices.output_bits / unit
                continue
            widths = np.flatnonzero(self.candidates.variable_allowed[t]).tolist()
            bits = [float(elements * space.widths[b]) / unit for b in widths]
            terms.add(bits, [model.width[t, b] for b in widths])
            if tensor is not None:
                widths = np.flatnonzero(self.candidates.places[1, tensor]).tolist()
                bits = [-float(elements * space.widths[b]) / unit for b in widths]
                terms.add(bits, [model.resident[tensor, b] for b in widths])
        return terms

    def most_moved(self, i: int) -> int:
        """DRAM bits of the output and residuals of layer ``i`` where they are widest."""
        return sum(self.widest_moved(i))

    def widest_moved(self, i: int) -> list[int]:
        """Bits of the output of layer ``i``, then of each residual, where they are widest."""
        space, allowed = self.space, self.candidates.variable_allowed
        widths = np.where(allowed, space.widths, 0).max(axis=1)
        results = space.problem.choices.output_bits
        return [
            elements * (results if t is None else int(widths[t]))
            for t, elements, _ in space.moved(space.problem.network.layers[i])
        ]

    def moved_j(self, model: pyo.ConcreteModel, i: int, unit: float, terms: Terms) -> Terms:
        """Add the energy of the output and residuals of layer ``i``, in DRAM or on chip.

        Of a layer with joint options, as far as these do not tell.
        """
        assert self.space.energy is not None
        return self._moved_at(self.space.energy, model, i, unit, terms)

    def moved_port_bits(self, model: pyo.ConcreteModel, i: int, unit: float, terms: Terms) -> Terms:
        """Add the SRAM bits read and written of the output and residuals of layer ``i``."""
        assert self.space.port is not None
        return self._moved_at(self.space.port, model, i, unit, terms)

    def _moved_at(
        self, costs: EnergyCosts, model: pyo.ConcreteModel, i: int, unit: float, terms: Terms
    ) -> Terms:
        """Add what the output and residuals of layer ``i`` cost, in DRAM or on chip."""
        space, layer = self.space, self.space.problem.network.layers[i]
        rows = self.candidates.layers[i]
        each = zip(space.moved(layer), costs.moved_per_bit(layer), strict=True)
        for (t, elements, tensor), (dram, chip) in each:
            if rows.joint and tensor not in rows.free_beside:  # its options tell
                continue
            if t is None:
                terms.constant += dram * elements * space.problem.choices.output_bits / unit
                continue
            dram *= not rows.joint  # what is free is on chip at every width
            widths = np.flatnonzero(self.candidates.variable_allowed[t]).tolist()
            joules = [dram * float(elements * space.widths[b]) / unit for b in widths]
            terms.add(joules, [model.width[t, b] for b in widths])
            if tensor is not None:
                widths = np.flatnonzero(self.candidates.places[1, tensor]).tolist()
                joules = [(chip - dram) * float(elements * space.widths[b]) / unit for b in widths]
                terms.add(joules, [model.resident[tensor, b] for b in widths])
        return terms

    def run_traffic(self, model: pyo.ConcreteModel, n: int, unit: float, terms: Terms) -> Terms:
        """Add the DRAM bits of a fused run."""
        run = self.candidates.fused[n]
        pairs = [(x.weight_bits, x.input_bits) for x in run.layers]
        beside = [x.traffic for x in run.beside]
        moved = pairs, run.source_traffic, beside, run.result_bits
        return self._of_run(model, n, unit, terms, *moved)

    def run_energy(self, model: pyo.ConcreteModel, n: int, unit: float, terms: Terms) -> Terms:
        """Add the energy of a fused run, static power left out."""
        run = self.candidates.fused[n]
        pairs = [(x.energy_j, x.input_j) for x in run.layers]
        beside = [x.energy_j for x in run.beside]
        return self._of_run(model, n, unit, terms, pairs, run.source_j, beside, run.result_j)

    def _of_run(
        self,
        model: pyo.ConcreteModel,
        n: int,
        unit: float,
        terms: Terms,
        pairs: list[tuple[Floats, Floats]],
        saved: Floats,
        beside: list[Floats],
        result: float,
    ) -> Terms:
        """Add what a run's pairs cost, twice, what a resident input saves, what is beside.

        What its input costs by itself: a coefficient that is clipped must be what is saved again
        where it is resident.
        """
        for x, of_layer in enumerate(pairs):
            for costs in of_layer:
                used = np.flatnonzero(costs).tolist()
                terms.add((costs[used] / unit).tolist(), [model.pair[n, x, o] for o in used])
        widths = self.candidates.fused[n].source_width.tolist()
        terms.add((-saved / unit).tolist(), [model.source[n, b] for b in widths])
        for s, costs in enumerate(beside):
            used = np.flatnonzero(costs).tolist()
            terms.add((costs[used] / unit).tolist(), [model.beside[n, s, o] for o in used])
        return terms.add([result / unit], [model.fuse[n]])

    def latency(self, model: pyo.ConcreteModel, metric: str, unit: float, terms: Terms) -> Terms:
        """Add the latency of the whole design, or of a member of a suite."""
        timed = not math.isinf(self.space.dram_bits_per_s)
        if timed:
            self._times(model, metric, 1 / unit, terms)
        for i, rows in enumerate(self.candidates.layers):
            share = self.counts(metric, i)
            if share and (rows.joint or not timed):
                self.runs(model, i, share * self.per_run(i, "latency_s") / unit, terms)
        return terms

    def total(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of the whole design, in a unit."""
        if metric in self.space.hardware_metrics:
            return self.hardware(model, metric, unit)
        kind = kind_of(metric)
        if kind == "latency_s":
            return self.latency(model, metric, unit, Terms()).expression()
        terms = Terms()
        if kind == ENERGY and self.timed_energy:
            self._static(model, metric, unit, terms)
        counted = [i for i in range(len(self.candidates.layers)) if self.counts(metric, i)]
        for i in counted:
            self._of_layer(model, i, kind, unit / self.counts(metric, i), terms)
        for n, run in enumerate(self.candidates.fused):
            share = self.counts(metric, run.layers[0].layer)
            if not share:
                continue
            if kind == "dram_bits":
                self.run_traffic(model, n, unit / share, terms)
            elif kind == ENERGY:
                self.run_energy(model, n, unit / share, terms)
            else:
                for x, layer in enumerate(run.layers):
                    cost = self._share(layer, kind) * (share / unit)
                    used = np.flatnonzero(cost).tolist()
                    terms.add(cost[used].tolist(), [model.pair[n, x, o] for o in used])
        if kind == "noise":
            each = self.space.noise_in(metric)
            terms.add([float(each[key]) / unit for key in model.width], [*model.width.values()])
        return terms.expression()

    def _of_layer(
        self, model: pyo.ConcreteModel, i: int, kind: str, unit: float, terms: Terms
    ) -> None:
        """Add what layer ``i`` has of a kind of cost, alone; of latency and static power none."""
        alone = bool(self.fused_at[i]) and not self.candidates.layers[i].joint
        if kind == ENERGY and alone:
            terms.add([self.unit_of(kind, i) / unit], [model.spent_alone[i]])
        elif kind == ENERGY:
            self.moved_j(model, i, unit, terms)
        self.runs(model, i, self.per_run(i, kind) / unit, terms)
        if kind == "dram_bits" and alone:
            terms.add([self.unit_of(kind, i) / unit], [model.moved_alone[i]])
        elif kind == "dram_bits":
            self.moved(model, i, unit, terms)

    def _static(self, model: pyo.ConcreteModel, metric: str, unit: float, terms: Terms) -> None:
        """Add the energy of power at all times, but what joint options hold of the least."""
        per_s = self.candidates.static_w / unit
        if self.powers_differ:
            for h, each in enumerate(per_s.tolist()):
                times = [model.latency_on[i, h] for i in model.LAYERS]
                terms.add([each * self._seconds(i, metric) for i in model.LAYERS], times)
            for n, run in enumerate(self.candidates.fused):
                h = int(np.searchsorted(self.candidates.options, run.option))
                seconds = self._seconds(run.layers[0].layer, metric)
                terms.add([float(per_s[h]) * seconds], [model.run_latency[n]])
        else:
            self._times(model, metric, float(per_s[0]), terms)
        if self.candidates.growth is not None:
            terms.add([self.unit[metric] / unit], [model.static_j[metric]])

    def _seconds(self, i: int, metric: str) -> float:
        """What 1 of the time of layer ``i`` or of its run is, as it counts in a metric."""
        return self.unit_s(i) * self.counts(metric, i)

    def _times(self, model: pyo.ConcreteModel, metric: str, per_s: float, terms: Terms) -> None:
        """Add latencies of layers alone, and of fused runs, as they count in a metric."""
        for i, time in model.latency.items():
            terms.add([per_s * self._seconds(i, metric)], [time])
        for n, time in model.run_latency.items() if self.candidates.fused else ():
            first = self.candidates.fused[n].layers[0].layer
            terms.add([per_s * self._seconds(first, metric)], [time])

    def hardware(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of PE array and SRAM alone, in a unit."""
        mine = self.space.hardware_metrics[metric]
        unit_parts = unit * mine.scale
        base = mine.base[self.candidates.options] / unit_parts
        terms = Terms().add(base.tolist(), [*model.build.values()])
        if mine.slope:
            terms.add([mine.slope * self.sram_unit_bits / unit_parts], [model.sram])
        return terms.expression()
