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
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import BUDGET_TOLERANCE, ROW_SCALE
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace

if TYPE_CHECKING:
    from codesign.space.fused_candidates import FusedLayer

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
        asked = {self.goal.metric, *limits}
        if self.timed_energy:
            asked.add("latency_s")
        return {
            x: (limits[x] if limits.get(x, 0.0) > 0 else self._least(x)) / ROW_SCALE for x in asked
        }

    @property
    def timed_energy(self) -> bool:
        """Whether energy counts, and grows with latency."""
        asked = ENERGY in (self.goal.metric, *self.goal.limits)
        return asked and self.candidates.static_w > 0

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
        per_layer = [
            np.concatenate(
                [self.per_run(i, metric), *(self._share(x, metric) for x in self._in_runs(i))]
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
            return longer(rows.compute_s, rows.traffic / space.dram_bits_per_s, space.exposed)
        if metric == "dram_bits":
            return rows.traffic
        if metric == ENERGY:
            if not rows.joint:
                return rows.energy_j
            return rows.energy_j + self.candidates.static_w * self.per_run(i, "latency_s")
        return self._by_widths(i, rows.weight, rows.ifmap, metric)

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

    def moved_j(self, model: pyo.ConcreteModel, i: int, unit: float, terms: Terms) -> Terms:
        """Add the energy of the output and residuals of layer ``i``, in DRAM or on chip."""
        space, layer = self.space, self.space.problem.network.layers[i]
        assert space.energy is not None
        if self.candidates.layers[i].joint:
            return terms
        each = zip(space.moved(layer), space.energy.moved_per_bit(layer), strict=True)
        for (t, elements, tensor), (dram, chip) in each:
            if t is None:
                terms.constant += dram * elements * space.problem.choices.output_bits / unit
                continue
            widths = np.flatnonzero(self.candidates.variable_allowed[t]).tolist()
            joules = [dram * float(elements * space.widths[b]) / unit for b in widths]
            terms.add(joules, [model.width[t, b] for b in widths])
            if tensor is not None:
                widths = np.flatnonzero(self.candidates.places[1, tensor]).tolist()
                joules = [(chip - dram) * float(elements * space.widths[b]) / unit for b in widths]
                terms.add(joules, [model.resident[tensor, b] for b in widths])
        return terms

    def run_traffic(self, model: pyo.ConcreteModel, n: int, unit: float, terms: Terms) -> Terms:
        """Add the DRAM bits of a fused run.

        Those of its input by themselves: a coefficient that is clipped must be what is saved again
        where it is resident.
        """
        run = self.candidates.fused[n]
        for x, layer in enumerate(run.layers):
            for bits in (layer.weight_bits, layer.input_bits):
                used = np.flatnonzero(bits).tolist()
                terms.add((bits[used] / unit).tolist(), [model.pair[n, x, o] for o in used])
        saved = zip(run.source_width.tolist(), (run.source_traffic / unit).tolist(), strict=True)
        for b, bits in saved:
            terms.add([-bits], [model.source[n, b]])
        for s, each in enumerate(run.beside):
            used = np.flatnonzero(each.traffic).tolist()
            terms.add((each.traffic[used] / unit).tolist(), [model.beside[n, s, o] for o in used])
        return terms.add([run.result_bits / unit], [model.fuse[n]])

    def total(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of the whole design, in a unit."""
        if metric in self.space.hardware_metrics:
            return self.hardware(model, metric, unit)
        terms = Terms()
        timed = metric == "latency_s" and not math.isinf(self.space.dram_bits_per_s)
        if timed:
            times = [*model.latency.values()]
            times += [*model.run_latency.values()] if self.candidates.fused else []
            terms.add([self.unit[metric] / unit] * len(times), times)
        if metric == ENERGY and self.timed_energy:
            times = [*model.latency.values()]
            per_unit = self.candidates.static_w * self.unit["latency_s"] / unit
            terms.add([per_unit] * len(times), times)
        for i, rows in enumerate(self.candidates.layers):
            if timed and not rows.joint:
                continue
            if metric == ENERGY:
                self.moved_j(model, i, unit, terms)
            self.runs(model, i, self.per_run(i, metric) / unit, terms)
            if metric == "dram_bits" and self.fused_at[i] and not rows.joint:
                terms.add([self.unit[metric] / unit], [model.moved_alone[i]])
            elif metric == "dram_bits":
                self.moved(model, i, unit, terms)
        for n, run in enumerate(self.candidates.fused):
            if metric == "dram_bits":
                self.run_traffic(model, n, unit, terms)
            elif metric != "latency_s":
                for x, layer in enumerate(run.layers):
                    cost = self._share(layer, metric) / unit
                    used = np.flatnonzero(cost).tolist()
                    terms.add(cost[used].tolist(), [model.pair[n, x, o] for o in used])
        if metric == "noise":
            noise = [float(self.space.variable_noise[key]) / unit for key in model.width]
            terms.add(noise, [*model.width.values()])
        return terms.expression()

    def hardware(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of PE array and SRAM alone, in a unit."""
        mine = self.space.hardware_metrics[metric]
        unit_parts = unit * mine.scale
        base = mine.base[self.candidates.options] / unit_parts
        terms = Terms().add(base.tolist(), [*model.build.values()])
        if mine.slope:
            terms.add([mine.slope * self.sram_unit_bits / unit_parts], [model.sram])
        return terms.expression()
