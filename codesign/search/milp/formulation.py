"""The mathematical programme: candidates in, Pyomo model out, and nothing else.

Sets: hardware options ``H``, layers ``L``, width variables ``T`` (each an activation tensor, all
that shares one width counting once), options ``O(l, h)`` of layer ``l`` on hardware ``h`` (a weight
width, an input width, a tiling). Variables: ``build[h]``, ``run[l, o]``, ``width[t, b]`` binary;
``sram`` ``S ≥ least`` and ``latency[l]`` ``t_l`` continuous.

    (1) one_accelerator      Σ_h build_h = 1
    (2) every_layer_runs     Σ_{o ∈ O(l,h)} run_o = build_h                               ∀ l, h
    (3) one_width            Σ_b width_{t,b} = 1                                          ∀ t
    (4) input_widths         Σ_{o ∈ O(l,·): ba(o) = b} run_o = width_{in(l),b}            ∀ l, b
    (5) weight_widths        Σ_{o ∈ O(l,·): bw(o) = b} run_o = width_{wt(l),b}            ∀ l, b
    (6) tiles_fit            Σ_o need_o·run_o ≤ S                                         ∀ l
    (7) silicon              Σ_h area_h·build_h + slope·S ≤ area limit
    (8) compute_roof         t_l ≥ Σ_o compute_o·run_o                                    ∀ l
    (9) memory_roof          t_l ≥ (Σ_o traffic_o·run_o + Σ_b moved_{l,t}·b·width_{t,b}) / BW  ∀ l
   (10) within_budget        metric ≤ limit                  latency, DRAM, noise, size, BOPS, costs

``need_o`` is the SRAM that the tiling needs or, where sizes are on offer, the size that holds it:
then ``S``, no larger than the largest ``need_o`` that runs, is one of them; (6) is exact without a
binary for each size. ``least`` is the least SRAM on offer; tilings that need more than the most are
no options. (5) holds where the weight operand of ``l`` shares its width ``wt(l)``: with the
activation tensor that stands in for it, with the input (tied), or with a group. ``area_h`` holds
the SRAM fit's intercept; ``moved_{l,t}`` are the elements of the output and the residuals of ``l``.
Where no memory is modelled, (8) and (9) are left out and a latency is ``Σ_o compute_o·run_o``. Each
metric is measured in thousandths of its limit or, without one and as the objective, of the least
its layers can have (area: of the mean array with the least SRAM): rows and objective are of the
order of 1,000, beside which HiGHS's absolute tolerances are small. Limits (7) and (10) carry the
relative tolerance of 1e-9 that budgets have everywhere, and a margin far above the solver's
tolerances: no design within its budgets is near the edge of a row, where HiGHS may lose it. What
the margin lets in is found out when it is priced exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr.numeric_expr import LinearExpression

from codesign.arrays import Floats
from codesign.costs.widths import layer_bops
from codesign.problem.goal import Goal
from codesign.problem.tolerances import BUDGET_TOLERANCE, LIMIT_MARGIN, ROW_SCALE
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace
from codesign.units import UM2_PER_MM2


@dataclass(frozen=True)
class MilpSolution:
    """What a solved programme chose, in the space's indices."""

    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    sram_bits: float


def build(
    space: WidthSpace,
    candidates: Candidates,
    goal: Goal,
    margin: float = LIMIT_MARGIN,
    check_time: Callable[[], None] = lambda: None,
) -> pyo.ConcreteModel:
    """Write the programme for any subset of the hardware options.

    ``margin`` is relative, by how much more than their tolerance limits may be exceeded;
    ``check_time`` is called between its parts and may raise.
    """
    with PauseGC():
        model = pyo.ConcreteModel()
        costs = _Costs(space, candidates, goal, margin)
        _declare(model, costs)
        check_time()
        _choose_hardware(model, costs)
        check_time()
        _agree_on_widths(model, space, candidates)
        check_time()
        if "area_mm2" in (goal.metric, *goal.limits):
            _spend_silicon(model, costs)
        if "latency_s" in (goal.metric, *goal.limits) and costs.has_memory:
            _respect_roofs(model, costs)
        check_time()
        _keep_budgets(model, costs)
        total = costs.total(model, goal.metric, costs.objective_unit)
        model.objective = pyo.Objective(expr=total, doc=goal.metric)
        model.objective_unit = pyo.Param(initialize=costs.objective_unit)
    return model


def objective_unit(model: pyo.ConcreteModel) -> float:
    """What one unit of the model's objective is in the metric's own unit."""
    return float(pyo.value(model.objective_unit))


def read_choice(model: pyo.ConcreteModel, candidates: Candidates) -> MilpSolution:
    """The solved programme's choice: hardware, widths, and the SRAM its tiles need."""
    weights, need, option = [], 0.0, -1
    for i, layer in enumerate(candidates.layers):
        o = max(range(len(layer)), key=lambda o: pyo.value(model.run[i, o]))
        weights.append(int(layer.weight[o]))
        need = max(need, float(layer.need[o]))
        option = int(layer.option[o])
    variable_width = tuple(
        int(max(np.flatnonzero(widths), key=lambda b: pyo.value(model.width[t, b])))
        for t, widths in enumerate(candidates.variable_allowed)
    )
    return MilpSolution(option, variable_width, tuple(weights), need)


def exclude(model: pyo.ConcreteModel) -> None:
    """Forbid exactly the choice the model holds now (a solution that fails the exact recheck)."""
    chosen = [run for run in model.run.values() if pyo.value(run) > 0.5]
    chosen += [width for width in model.width.values() if pyo.value(width) > 0.5]
    _forbid_all(model, chosen, len(chosen))


def exclude_costlier(
    model: pyo.ConcreteModel, space: WidthSpace, candidates: Candidates, metric: str
) -> None:
    """Forbid the choice the model holds now, as `exclude` does, and all that cost no less.

    In ``metric``, whose limit the choice breaks, each of a costlier choice's layers takes at least
    as much; so it breaks the limit too: a cover of the limit's row.
    """
    costs, network = _Costs(space, candidates, Goal(metric, {}), 0.0), space.problem.network
    covered, parts = [], len(network.layers)
    for i, rows in enumerate(candidates.layers):
        run = max(range(len(rows)), key=lambda o: pyo.value(model.run[i, o]))
        each = [costs.per_run(i, metric)]
        if metric == "latency_s":  # the roofs of what moves depend on widths
            each = [rows.compute_s, rows.traffic]
        costlier = np.all([x >= x[run] for x in each], axis=0)
        covered += [model.run[i, o] for o in np.flatnonzero(costlier).tolist()]
    moved = {t for layer in network.layers for t, _ in space.moved(layer)}
    for t, allowed in enumerate(candidates.variable_allowed):
        widths = np.flatnonzero(allowed)
        own = max(widths, key=lambda b: pyo.value(model.width[t, b]))
        if metric == "noise":
            costlier = space.variable_noise[t][widths] >= space.variable_noise[t][own]
        elif metric in ("latency_s", "dram_bits") and t in moved:
            costlier = widths >= own
        else:
            continue
        parts += 1
        covered += [model.width[t, b] for b in widths[costlier].tolist()]
    _forbid_all(model, covered, parts)


def _forbid_all(model: pyo.ConcreteModel, chosen: list[pyo.Var], count: int) -> None:
    """Forbid choices that take ``count`` of some binaries."""
    if not hasattr(model, "excluded"):
        model.EXCLUDED = pyo.Set(dimen=1, ordered=True)
        model.excluded = pyo.Constraint(model.EXCLUDED, doc="choices that failed the recheck")
    model.EXCLUDED.add(len(model.EXCLUDED))
    model.excluded[len(model.EXCLUDED) - 1] = sum(chosen) <= count - 1


class _Costs:
    """Coefficients of every metric over the variables, scaled in this one place."""

    def __init__(
        self, space: WidthSpace, candidates: Candidates, goal: Goal, margin: float
    ) -> None:
        self.space, self.candidates, self.goal = space, candidates, goal
        self.excess = 1 + BUDGET_TOLERANCE + margin
        self.network = space.problem.network
        self.rate = space.dram_bits_per_s
        self.has_memory = math.isfinite(self.rate)
        self.unit = {
            metric: self._reference(metric) / ROW_SCALE for metric in {goal.metric, *goal.limits}
        }
        self.objective_unit = self._least_reference(goal.metric) / ROW_SCALE
        needs = np.concatenate([layer.need for layer in candidates.layers])
        most = max(float(needs.max(initial=1.0)), space.capacities.least_bits, 1.0)
        self.sram_unit = most  # S is at most 1, else a bit may cost less than the dual tolerance

    def _reference(self, metric: str) -> float:
        """The value of a metric that becomes 1,000 in the model."""
        if self.goal.limits.get(metric, 0.0) > 0:
            return self.goal.limits[metric]
        return self._least_reference(metric)

    def _least_reference(self, metric: str) -> float:
        """The same, whatever the metric's limit, which may be far above what is optimal."""
        if metric == "area_mm2":
            base_um2 = float(self.space.base_area_um2[self.candidates.options].mean())
            need = max(float(layer.need.min(initial=np.inf)) for layer in self.candidates.layers)
            slope = self.space.problem.technology.sram_area_um2.slope
            return (base_um2 + slope * max(need, self.space.capacities.least_bits)) / UM2_PER_MM2
        per_option = [self.per_run(i, metric) for i in range(len(self.candidates.layers))]
        least = sum(float(values.min()) for values in per_option if len(values))
        most = sum(float(values.max()) for values in per_option if len(values))
        # No design has less than the least of every layer: its objective is 1,000 or more, and
        # HiGHS's absolute gap stays small beside it, unless coefficients would outgrow 1e7.
        return max(least, 1e-4 * most) or 1.0

    def ceiling(self, metric: str) -> float:
        """A limit in the model's unit, with the tolerance budgets have and the margin."""
        return self.goal.limits[metric] / self.unit[metric] * self.excess

    def per_run(self, i: int, metric: str) -> Floats:
        """Cost of each option of layer ``i``, unscaled, what its tensors cost left out."""
        rows, layer = self.candidates.layers[i], self.network.layers[i]
        if metric == "latency_s":
            return np.maximum(rows.compute_s, rows.traffic / self.rate)
        if metric == "dram_bits":
            return rows.traffic
        if metric == "noise":
            return np.asarray(self.space.weight_noise[i][rows.weight])
        if metric in self.space.cost_names:
            costs = self.space.costs[self.space.cost_names.index(metric)]
            return np.asarray(costs[self.space.geometry_of[i]][rows.weight, rows.ifmap])
        bits = self.space.widths
        if metric == "model_bits":
            own = layer.weights if layer.owns_weights else 0
            return np.asarray(own * bits[rows.weight], dtype=np.float64)
        return layer_bops(layer, bits[rows.weight], bits[rows.ifmap])

    def moved(
        self, model: pyo.ConcreteModel, i: int, unit: float
    ) -> tuple[list[float], list[pyo.Var], float]:
        """Output and residual bits of a layer: coefficients, width variables, constant."""
        layer, space = self.network.layers[i], self.space
        coefficients, variables, constant = [], [], 0.0
        for t, elements in space.moved(layer):
            if t is not None:
                for b in np.flatnonzero(self.candidates.variable_allowed[t]).tolist():
                    coefficients.append(float(elements * space.widths[b]) / unit)
                    variables.append(model.width[t, b])
            else:
                constant += elements * space.problem.choices.output_bits / unit
        return coefficients, variables, constant

    def run_terms(
        self, model: pyo.ConcreteModel, i: int, values: Floats
    ) -> tuple[list[float], list[pyo.Var]]:
        """Non-zero coefficients of a layer's options and their variables."""
        used = np.flatnonzero(values)
        return values[used].tolist(), [model.run[i, o] for o in used.tolist()]

    def total(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of the whole design as a linear expression, in a unit."""
        if metric == "area_mm2":
            return self.area(model, unit)
        if metric == "latency_s" and self.has_memory:
            each = self.unit[metric] / unit
            return _linear([each] * len(model.latency), list(model.latency.values()))
        coefficients, variables, constant = [], [], 0.0
        for i in range(len(self.candidates.layers)):
            c, v = self.run_terms(model, i, self.per_run(i, metric) / unit)
            coefficients += c
            variables += v
            if metric == "dram_bits":
                c, v, extra = self.moved(model, i, unit)
                coefficients += c
                variables += v
                constant += extra
        if metric == "noise":
            for (t, b), width in model.width.items():
                coefficients.append(float(self.space.variable_noise[t, b]) / unit)
                variables.append(width)
        return _linear(coefficients, variables, constant)

    def area(self, model: pyo.ConcreteModel, unit_mm2: float) -> LinearExpression:
        """PE array, SRAM intercept and SRAM bits, in a unit."""
        unit = unit_mm2 * UM2_PER_MM2
        base = self.space.base_area_um2[self.candidates.options] / unit
        slope = self.space.problem.technology.sram_area_um2.slope * self.sram_unit / unit
        return _linear([*base.tolist(), slope], [*model.build.values(), model.sram])


def _linear(
    coefficients: Iterable[float], variables: Iterable[pyo.Var], constant: float = 0.0
) -> LinearExpression:
    return LinearExpression(
        constant=constant, linear_coefs=list(coefficients), linear_vars=list(variables)
    )


def _declare(model: pyo.ConcreteModel, costs: _Costs) -> None:
    space, candidates = costs.space, costs.candidates
    model.HARDWARE = pyo.RangeSet(0, len(candidates.options) - 1)
    model.LAYERS = pyo.RangeSet(0, len(candidates.layers) - 1)
    model.WIDTH_VARIABLES = pyo.RangeSet(0, len(space.variables) - 1)
    model.RUNS = pyo.Set(
        dimen=2, initialize=[(i, o) for i, c in enumerate(candidates.layers) for o in range(len(c))]
    )
    model.WIDTHS = pyo.Set(
        dimen=2, initialize=[(int(t), int(b)) for t, b in np.argwhere(candidates.variable_allowed)]
    )
    model.build = pyo.Var(model.HARDWARE, domain=pyo.Binary)
    model.run = pyo.Var(model.RUNS, domain=pyo.Binary)
    model.width = pyo.Var(model.WIDTHS, domain=pyo.Binary)
    model.sram = pyo.Var(bounds=(space.capacities.least_bits / costs.sram_unit, None))


def _choose_hardware(model: pyo.ConcreteModel, costs: _Costs) -> None:
    candidates, unit = costs.candidates, costs.sram_unit / ROW_SCALE

    @model.Constraint(doc="(1)")
    def one_accelerator(model):
        return sum(model.build.values()) == 1

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(2)")
    def every_layer_runs(model, i, h):
        mine = np.flatnonzero(candidates.layers[i].option == candidates.options[h])
        runs = [model.run[i, o] for o in mine.tolist()]
        return _linear([*[1.0] * len(runs), -1.0], [*runs, model.build[h]]) == 0

    @model.Constraint(model.LAYERS, doc="(6)")
    def tiles_fit(model, i):
        coefficients, runs = costs.run_terms(model, i, candidates.layers[i].need / unit)
        return _linear([*coefficients, -ROW_SCALE], [*runs, model.sram]) <= 0


def _agree_on_widths(model: pyo.ConcreteModel, space: WidthSpace, candidates: Candidates) -> None:
    network = space.problem.network

    def runs_at(i, b, widths):
        chosen = np.flatnonzero(widths == b).tolist()
        return [1.0] * len(chosen), [model.run[i, o] for o in chosen]

    @model.Constraint(model.WIDTH_VARIABLES, doc="(3)")
    def one_width(model, t):
        own = np.flatnonzero(candidates.variable_allowed[t]).tolist()
        return sum(model.width[t, b] for b in own) == 1

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(4)")
    def input_widths(model, i, b):
        t = space.tensor_index[network.layers[i].input]
        if (t, b) not in model.WIDTHS:
            return pyo.Constraint.Skip
        ones, runs = runs_at(i, b, candidates.layers[i].ifmap)
        return _linear([*ones, -1.0], [*runs, model.width[t, b]]) == 0

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(5)")
    def weight_widths(model, i, b):
        t = space.weight_index[i]
        if t is None or (t, b) not in model.WIDTHS:
            return pyo.Constraint.Skip
        ones, runs = runs_at(i, b, candidates.layers[i].weight)
        return _linear([*ones, -1.0], [*runs, model.width[t, b]]) == 0


def _spend_silicon(model: pyo.ConcreteModel, costs: _Costs) -> None:
    if "area_mm2" not in costs.goal.limits:
        return

    @model.Constraint(doc="(7)")
    def silicon(model):
        return costs.area(model, costs.unit["area_mm2"]) <= costs.ceiling("area_mm2")


def _respect_roofs(model: pyo.ConcreteModel, costs: _Costs) -> None:
    unit_s = costs.unit["latency_s"]
    unit_bits = unit_s * costs.rate
    model.latency = pyo.Var(model.LAYERS, domain=pyo.NonNegativeReals)

    @model.Constraint(model.LAYERS, doc="(8)")
    def compute_roof(model, i):
        compute = costs.candidates.layers[i].compute_s / unit_s
        coefficients, runs = costs.run_terms(model, i, compute)
        return _linear([*coefficients, -1.0], [*runs, model.latency[i]]) <= 0

    @model.Constraint(model.LAYERS, doc="(9)")
    def memory_roof(model, i):
        traffic = costs.candidates.layers[i].traffic / unit_bits
        coefficients, runs = costs.run_terms(model, i, traffic)
        moved, widths, constant = costs.moved(model, i, unit_bits)
        all_terms = [*coefficients, *moved, -1.0]
        return _linear(all_terms, [*runs, *widths, model.latency[i]], constant) <= 0


def _keep_budgets(model: pyo.ConcreteModel, costs: _Costs) -> None:
    budgets = [x for x in costs.space.additive_metrics if x in costs.goal.limits]

    @model.Constraint(budgets, doc="(10)")
    def within_budget(model, metric):
        total, ceiling = costs.total(model, metric, costs.unit[metric]), costs.ceiling(metric)
        # What exceeds the limit alone stays forbidden, however large: clip it, for HiGHS's sake.
        most = 2 * ceiling if ceiling > 0 else math.inf
        clipped = [min(coefficient, most) for coefficient in total.linear_coefs]
        return _linear(clipped, total.linear_vars, total.constant) <= ceiling
