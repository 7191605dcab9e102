"""The MILP: candidates in, Pyomo model out, and nothing else.

Sets: hardware options ``H``, layers ``L``, width variables ``T`` (each an activation tensor, all
that shares one width counting once), options ``O(l, h)`` of layer ``l`` on hardware ``h`` (a weight
width, an input width, which operands are resident, a tiling). Variables: ``build[h]``,
``run[l, o]``, ``width[t, b]`` binary; ``sram`` ``S ≥ least`` and ``latency[l]`` ``t_l`` continuous.

Where tensors may stay on chip: ``resident[x, b]`` binary, tensor ``x`` on chip at width ``b``; and,
where SRAM sizes are on offer, ``size[n]``; where block RAMs are, ``blocks`` of them, an integer.

    (1) one_accelerator      Σ_h build_h = 1
    (2) every_layer_runs     Σ_{o ∈ O(l,h)} run_o = build_h                               ∀ l, h
    (3) one_width            Σ_b width_{t,b} = 1                                          ∀ t
    (4) input_widths         Σ_{o ∈ O(l,·): ba(o) = b} run_o = width_{in(l),b}            ∀ l, b
    (5) weight_widths        Σ_{o ∈ O(l,·): bw(o) = b} run_o = width_{wt(l),b}            ∀ l, b
    (6) tiles_fit            Σ_o need_o·run_o + Σ_{x live} Σ_b bits_{x,b}·resident_{x,b} ≤ S    ∀ l
    (7) silicon              Σ_h area_h·build_h + slope·S ≤ area limit
    (8) compute_roof         t_l ≥ Σ_o compute_o·run_o + e·memory_l                       ∀ l
    (9) memory_roof          t_l ≥ memory_l + e·Σ_o compute_o·run_o                       ∀ l
                             memory_l = (Σ_o traffic_o·run_o + Σ_b moved_{l,t}·b·width_{t,b}) / BW
   (10) within_budget        metric ≤ limit                  latency, DRAM, noise, size, BOPS, costs
   (11) resident_at_width    resident_{x,b} ≤ width_{t(x),b}                              ∀ x, b
   (12) resident_inputs      Σ_{o: ba(o) = b, input resident} run_o = resident_{in(l),b}  ∀ l, b
   (13) resident_weights     Σ_{o: bw(o) = b, weight resident} run_o = resident_{wt(l),b} ∀ l, b
   (14) one_size             Σ_n size_n = 1,  S = Σ_n bits_n·size_n
   (15) widths_beside        Σ_{o: width of t = b} run_o = width_{t,b}                 ∀ l, t, b
   (16) places_beside        Σ_{o: x resident at b} run_o = resident_{x,b}             ∀ l, x, b

An option may be joint: a layer's widths with those and the places of all that it touches or that is
live beside it. What it needs in all, its traffic and its latency are then known: in (6) its need
holds what is live, and for (8) and (9) its latency is ``Σ_o latency_o·run_o``.

``e`` is the share of the shorter of two times that adds to the longer, ``1 − overlap``: 0 of plain
machines.

The bits moved in (8) to (10) are those of ``width − resident``: what is on chip moves nothing.

Where layers may be fused: runs ``n`` of layers, each on one hardware option, of which no layer is
twice in a design. ``fuse[n]`` binary; ``pair[n, l, o]`` binary, layer ``l`` of the run with a pair
of widths ``o``; ``source[n, b]``, the run's input is resident at width ``b``; ``beside[n, x, o]``,
what it writes or adds has a width and a place ``o``; ``psums[n]``, the most partial sums of its
layers; ``t_n`` its latency; ``moved[l]`` what a layer alone moves beside its operands, ``spent[l]``
the energy of that. Binary where those that they follow from are.

   (17) dram_beside         Σ_{o: x in DRAM at b} run_o = width_{t(x),b} − resident_{x,b}  ∀ l, x, b
   (18) fused_layers_run    Σ_o pair_{n,l,o} = fuse_n                                      ∀ n, l
   (19) source_at_width     source_{n,b} ≤ Σ_{o: ba(o) = b} pair_{n,first,o}               ∀ n, b
   (20) beside_runs         Σ_o beside_{n,x,o} = fuse_n                                    ∀ n, x
   (21) beside_agrees       beside_{n,x,o} ≤ resident_{x,b} or width_{t(x),b} − resident_{x,b}
                                                                                        ∀ n, x, o
   (22) most_psums          psums_n ≥ Σ_o psums_o·pair_{n,l,o}                             ∀ n, l
   (23) runs_fit            Σ_l Σ_o need_o·pair_{n,l,o} − Σ_b rows_b·source_{n,b} + psums_n
                             + live_n ≤ S + most_n·(1 − fuse_n)                            ∀ n
   (24) run_compute_roof    t_n ≥ Σ_l Σ_o compute_o·pair_{n,l,o} + e·traffic_n / BW        ∀ n
   (25) run_memory_roof     t_n ≥ traffic_n / BW + e·Σ_l Σ_o compute_o·pair_{n,l,o}        ∀ n
   (26) moves_alone         moved_l ≥ Σ_b moved_{l,t}·b·width_{t,b} − most_l·Σ_n fuse_n    ∀ l
   (27) runs_fit_alone      Σ_l Σ_o need_o·pair_{n,l,o} − Σ_b rows_b·source_{n,b} + psums_n
                             + own_n ≤ most S·fuse_n                                       ∀ n

On an FPGA an SRAM is a whole number of block RAMs, where tensors may stay on chip:

   (28) whole_blocks        S = block·blocks

Where energy counts, and power at all times differs between hardware options, ``t_{l,h}`` is the
latency of a layer on an option and ``moved_{l,h}`` what moves beside operands there; the energy of
that power is ``Σ_h power_h·Σ_l t_{l,h}``, and ``power_h·t_n`` of runs. Of one option, or of the
same power, it is ``power·(Σ_l t_l + Σ_n t_n)``. Where a layer may be in a run, (31) has ``≥``, less
``most_l·Σ_n fuse_n`` as (26).

   (29) compute_on          t_{l,h} ≥ Σ_{o ∈ O(l,h)} compute_o·run_o + e·memory_{l,h}      ∀ l, h
   (30) memory_on           t_{l,h} ≥ memory_{l,h} + e·Σ_{o ∈ O(l,h)} compute_o·run_o      ∀ l, h
                            memory_{l,h} = (Σ_{o ∈ O(l,h)} traffic_o·run_o + moved_{l,h}) / BW
   (31) moved_once          Σ_h moved_{l,h} = Σ_b moved_{l,t}·b·width_{t,b}                ∀ l
   (32) moved_where_built   moved_{l,h} ≤ most_l·build_h                                   ∀ l, h

Where energies count, of layers that may be fused, whose hardware is given:

   (33) spends_alone        spent_l ≥ Σ_b moved_{l,t}·b·(in DRAM·j_dram + resident·j_chip)_{t,b}
                             − most_l·Σ_n fuse_n                                           ∀ l

Where the SRAM's port has a rate, a layer takes on chip the longer of its compute and its port time:

   (34) port_roof           t_l ≥ port_l + e·memory_l                                      ∀ l
   (35) memory_beside_port  t_l ≥ memory_l + e·port_l, where e > 0                         ∀ l
                             port_l = Σ_o port_o·run_o
                                      + Σ_b moved'_{l,t}·b·(width or resident)_{t,b} / r

``moved'`` are the elements of an output, ``width − resident`` of which goes to DRAM, and of
residuals, as far as they are resident: the port takes ``r`` bits per second.

On one option whose SRAM is in a range, ``static_j`` is what the power of the SRAM beyond the least
takes, ``w`` W for a bit, as long as the network runs, ``L``:

   (36) static_at_least     static_j ≥ w·L_least·(S − S_least)
   (37) static_at_most      static_j ≥ w·(L_most·(S − S_least) + (S_most − S_least)·(L − L_most))

``live_n`` is Σ_{x live} Σ_b bits_{x,b}·resident_{x,b} of all tensors that live during any of the
run's layers, ``most_n`` the most that it can be. ``traffic_n`` is what pairs fetch, less that of a
resident input, and what results and ``beside`` move. In (2) each run of a layer counts with
``fuse_n``, in (4), (5) and (11) with its pairs, in (12) with ``source``. ``memory_l`` has
``− most_l·Σ_n fuse_n`` as (26), ``most_l`` being the most that the layer's output and residuals can
be. ``own_n`` is what of ``live_n`` the run's input and ``beside`` tell. (15), (16) and (17) of a
layer that may be fused have on the left what its runs tell of the tensor; where one tells nothing,
they have ``≤``: with (2) the layer then agrees with others where it is alone.

Why each is there, and exact, is said where it is written down: (11) to (17) and (28) in `places`,
(18) to (27) and (33) in `fusion`, (29) to (32), (36) and (37) in `power`. Numbers are scaled by
`Coefficients`. Limits (7) and (10) carry the tolerance that budgets have everywhere, and a margin
far above the solver's tolerances (`problem.tolerances`): no design within its budgets is near the
edge of a row, where HiGHS may lose it. What the margin lets in is found when it is priced exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter

import numpy as np
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC

from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import LIMIT_MARGIN, ROW_SCALE
from codesign.search.milp.coefficients import MOST_SRAM_UNITS, Coefficients, Terms
from codesign.search.milp.fusion import (
    add_pairs,
    declare_runs,
    fuse_layers,
    time_runs,
    unless_fused,
    unmove_fused,
    unspend_fused,
)
from codesign.search.milp.places import choose_size, join_layers, place_tensors
from codesign.search.milp.power import charge_growth, time_on_each
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace

# S is of the order of 1, and one margin of it no more than the solver's tolerance. Where HiGHS
# tightens rows of fused runs by the bound on S, in its presolve, it loses designs at the edge.
FUSED_MARGINS = 100


def build(
    space: WidthSpace,
    candidates: Candidates,
    goal: Goal,
    margin: float = LIMIT_MARGIN,
    check_time: Callable[[], None] = lambda: None,
) -> pyo.ConcreteModel:
    """Write the model for any subset of the hardware options.

    ``margin`` is relative, by how much more than their tolerance limits may be exceeded;
    ``check_time`` is called between its parts and may raise.
    """
    costs = Coefficients(space, candidates, goal, margin)
    asked = goal.kinds
    parts = [_declare, _choose_hardware, _agree_on_widths]
    if space.placed:
        parts += [place_tensors, *[choose_size] * space.capacities.stepped, join_layers]
    if candidates.fused:
        parts.append(fuse_layers)
        parts += [unmove_fused] * ("dram_bits" in asked) + [unspend_fused] * (ENERGY in asked)
    if {*space.hardware_metrics} & {*goal.limits}:
        parts.append(_limit_hardware)
    timed = "latency_s" in asked or (costs.timed_energy and not costs.powers_differ)
    if timed and not math.isinf(space.dram_bits_per_s):
        parts.append(_respect_roofs)
    if costs.powers_differ:
        parts += [time_on_each, *[time_runs] * (bool(candidates.fused) and not timed)]
    if candidates.growth is not None:
        parts.append(charge_growth)
    with PauseGC():
        model = pyo.ConcreteModel()
        for part in (*parts, _keep_budgets):
            part(model, costs)
            check_time()
        total = costs.total(model, goal.metric, costs.objective_unit)
        model.objective = pyo.Objective(expr=total, doc=goal.metric)
        model.objective_unit = pyo.Param(initialize=costs.objective_unit)
    return model


def objective_unit(model: pyo.ConcreteModel) -> float:
    """What one unit of the model's objective is in the metric's own unit."""
    return float(pyo.value(model.objective_unit))


# --- the model ----------------------------------------------------------------------------------


def _declare(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """Sets and variables; times are declared with the roofs.

    ``least`` is the least SRAM on offer. Tilings that need more than the most are no options, so
    ``S`` has an upper bound only where tensors take room beside them: with a margin, as limits
    have, for what fits exactly.
    """
    space, candidates = costs.space, costs.candidates
    model.HARDWARE = pyo.RangeSet(0, len(candidates.options) - 1)
    model.LAYERS = pyo.RangeSet(0, len(candidates.layers) - 1)
    model.WIDTH_VARIABLES = pyo.RangeSet(0, len(space.variables) - 1)
    runs = [(i, o) for i, rows in enumerate(candidates.layers) for o in range(len(rows))]
    widths = [(int(t), int(b)) for t, b in np.argwhere(candidates.variable_allowed)]
    model.RUNS = pyo.Set(dimen=2, initialize=runs)
    model.WIDTHS = pyo.Set(dimen=2, initialize=widths)
    model.build = pyo.Var(model.HARDWARE, domain=pyo.Binary)
    model.run = pyo.Var(model.RUNS, domain=pyo.Binary)
    model.width = pyo.Var(model.WIDTHS, domain=pyo.Binary)
    margin = LIMIT_MARGIN * (FUSED_MARGINS if candidates.fused else 1)
    most = float(candidates.sram_bits.max()) * (1 + margin) / costs.sram_unit_bits
    limited = space.placed and most < MOST_SRAM_UNITS
    least_bits = space.capacities.min_bits
    if candidates.growth is not None:
        least_bits = max(least_bits, candidates.growth.sram_bits[0])
    least = least_bits / costs.sram_unit_bits
    model.sram = pyo.Var(bounds=(least, most if limited else None))
    on_chip = [(int(x), int(b)) for x, b in np.argwhere(candidates.places[1])]
    model.PLACES = pyo.Set(dimen=2, initialize=on_chip)
    model.resident = pyo.Var(model.PLACES, domain=pyo.Binary)
    if candidates.fused:
        declare_runs(model, costs)


def _choose_hardware(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    candidates = costs.candidates

    @model.Constraint(doc="(1)")
    def one_accelerator(model):
        """Σ_h build_h = 1: a design has one PE array, with PEs of one pair of widths."""
        return sum(model.build.values()) == 1

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(2)")
    def every_layer_runs(model, i, h):
        """Σ_{o ∈ O(l,h)} run_o = build_h: each layer runs once, on the array that is built.

        Alone, or in one of its fused runs, whose binaries are added to the sum.
        """
        option = candidates.options[h]
        mine = np.flatnonzero(candidates.layers[i].option == option).tolist()
        terms = Terms().add([1.0] * len(mine), [model.run[i, o] for o in mine])
        fused = [n for n, _ in costs.fused_at[i] if candidates.fused[n].option == option]
        terms.add([1.0] * len(fused), [model.fuse[n] for n in fused])
        return terms.add([-1.0], [model.build[h]]).expression() == 0

    @model.Constraint(model.LAYERS, doc="(6)")
    def tiles_fit(model, i):
        """Σ_o need_o·run_o + Σ_{x live in l} Σ_b bits_{x,b}·resident_{x,b} ≤ S.

        Layers run one after the other, each in all of the SRAM that tensors on chip leave. Nothing
        is written in place: a layer's input and output both take their room.

        A joint option's need holds what is live. Else ``need_o`` is what the tiling needs or, where
        no tensor stays on chip and sizes are on offer, the size that holds it. ``S``, no larger
        than the largest ``need_o`` that runs, is then one of them: exact without a binary for each.
        """
        unit = costs.sram_unit_bits / ROW_SCALE
        terms = costs.runs(model, i, candidates.layers[i].need / unit, Terms())
        beside = costs.space.lifetimes.live[i] & (not candidates.layers[i].joint)
        for x in np.flatnonzero(beside).tolist():
            widths = np.flatnonzero(candidates.places[1, x]).tolist()
            bits = (costs.resident_bits[x, widths] / unit).tolist()
            terms.add(bits, [model.resident[x, b] for b in widths])
        return terms.add([-ROW_SCALE], [model.sram]).expression() <= 0


def _agree_on_widths(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    space, candidates = costs.space, costs.candidates

    @model.Constraint(model.WIDTH_VARIABLES, doc="(3)")
    def one_width(model, t):
        """Σ_b width_{t,b} = 1: a tensor is stored at one width."""
        own = np.flatnonzero(candidates.variable_allowed[t]).tolist()
        return sum(model.width[t, b] for b in own) == 1

    def runs_agree(model, i, t, b, operand):
        """The layer runs an option of width ``b`` if and only if variable ``t`` has it."""
        if t is None or (t, b) not in model.WIDTHS:
            return pyo.Constraint.Skip
        mine = np.flatnonzero(operand(candidates.layers[i]) == b).tolist()
        terms = Terms().add([1.0] * len(mine), [model.run[i, o] for o in mine])
        add_pairs(terms, model, costs, i, lambda pairs: operand(pairs) == b)
        return terms.add([-1.0], [model.width[t, b]]).expression() == 0

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(4)")
    def input_widths(model, i, b):
        """Σ_{o: ba(o) = b} run_o = width_{in(l),b}: all who touch a tensor agree on its width.

        The pairs of fused runs are added on the left, here and in (5).
        """
        return runs_agree(model, i, int(space.input_index[i]), b, attrgetter("ifmap"))

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(5)")
    def weight_widths(model, i, b):
        """Σ_{o: bw(o) = b} run_o = width_{wt(l),b}, where the weight operand shares its width.

        With the activation tensor that stands in for it, with the input (tied), or with a group.
        Other layers' weights are free: whatever option runs is their width.
        """
        return runs_agree(model, i, space.weight_index[i], b, attrgetter("weight"))


def _limit_hardware(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    metrics = costs.space.hardware_metrics
    limited = [x for x, metric in metrics.items() if metric.slope and x in costs.goal.limits]

    @model.Constraint(limited, doc="(7)")
    def silicon(model, metric):
        """Σ_h area_h·build_h + slope·S ≤ limit; ``area_h`` holds the SRAM fit's intercept.

        Options beyond a limit on what no SRAM adds to are none of ``H``.
        """
        return costs.hardware(model, metric, costs.unit[metric]) <= costs.ceiling(metric)


def _respect_roofs(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A layer takes as long as its compute or its DRAM traffic, whichever is longer.

    The maximum is an epigraph: ``t_l`` is above both, and the objective or the limit on latency
    presses it down to the larger. Of the other time, each has the share that does not overlap.
    Where no memory is modelled, both rows are left out, and a latency is ``Σ_o compute_o·run_o``.
    """
    alone = [i for i, rows in enumerate(costs.candidates.layers) if not rows.joint]
    model.latency = pyo.Var(alone, domain=pyo.NonNegativeReals)

    def add_memory(model, i, share, terms):
        """Add a share of the time of all that a layer moves; none where it is fused, or less."""
        if not share:
            return
        unit_bits = costs.unit_s(i) * costs.space.dram_bits_per_s / share
        costs.runs(model, i, costs.candidates.layers[i].traffic / unit_bits, terms)
        costs.moved(model, i, unit_bits, terms)
        unless_fused(model, costs, i, unit_bits, terms)

    def roof(model, i, of_compute, of_memory):
        """t_l is no less than these shares of both times."""
        compute = costs.candidates.layers[i].compute_s / costs.unit_s(i)
        terms = costs.runs(model, i, of_compute * compute, Terms())
        add_memory(model, i, of_memory, terms)
        return terms.add([-1.0], [model.latency[i]]).expression() <= 0

    @model.Constraint(alone, doc="(8)")
    def compute_roof(model, i):
        """t_l ≥ Σ_o compute_o·run_o + e·memory_l: one option runs, and takes its cycles."""
        return roof(model, i, 1.0, costs.space.exposed)

    @model.Constraint(alone, doc="(9)")
    def memory_roof(model, i):
        """t_l ≥ memory_l + e·Σ_o compute_o·run_o.

        ``memory_l = (Σ_o traffic_o·run_o + Σ_b moved_{l,t}·b·width_{t,b} − most_l·Σ_n fuse_n)/BW``.
        ``traffic_o`` is what the tiling fetches of the operands and spills; ``moved_{l,t}`` are the
        elements of output and residuals, which move once, at their tensors' widths. In a fused run
        the layer has no latency of its own.
        """
        return roof(model, i, costs.space.exposed, 1.0)

    if costs.candidates.port:
        _respect_port(model, costs, alone, add_memory)
    if costs.candidates.fused:
        time_runs(model, costs)


def _respect_port(
    model: pyo.ConcreteModel,
    costs: Coefficients,
    alone: list[int],
    add_memory: Callable[[pyo.ConcreteModel, int, float, Terms], None],
) -> None:
    """On chip a layer takes as long as its compute or the SRAM's port, whichever is longer.

    ``port_l = Σ_o port_o·run_o + Σ_b (moved_{l,t}·b/r)·width_{t,b}``, of the output in DRAM, of
    residuals on chip: each is read once, in a port of ``r`` bits per second.
    """

    def roof(model, i, of_port, of_memory):
        """t_l is no less than these shares of both times."""
        port = costs.candidates.layers[i].port_s / costs.unit_s(i)
        terms = costs.runs(model, i, of_port * port, Terms())
        unit_bits = costs.unit_s(i) * costs.space.port_bits_per_s / of_port
        costs.moved_port_bits(model, i, unit_bits, terms)
        add_memory(model, i, of_memory, terms)
        return terms.add([-1.0], [model.latency[i]]).expression() <= 0

    exposed = costs.space.exposed

    @model.Constraint(alone, doc="(34)")
    def port_roof(model, i):
        """t_l ≥ port_l + e·memory_l: the SRAM is read and written through its port."""
        return roof(model, i, 1.0, exposed)

    @model.Constraint(alone if exposed else [], doc="(35)")
    def memory_beside_port(model, i):
        """t_l ≥ memory_l + e·port_l."""
        return roof(model, i, exposed, 1.0)


def _keep_budgets(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    budgets = [x for x in costs.space.additive_metrics if x in costs.goal.limits]

    @model.Constraint(budgets, doc="(10)")
    def within_budget(model, metric):
        """Metric ≤ limit, for what is a sum over layers and tensors.

        What exceeds the limit alone stays forbidden however large it is: such coefficients are
        clipped at twice the limit, which keeps the row well scaled; as are those of what is saved
        on chip, so that the two still add up to nothing.
        """
        total, ceiling = costs.total(model, metric, costs.unit[metric]), costs.ceiling(metric)
        most = 2 * ceiling if ceiling > 0 else math.inf
        clipped = Terms(total.constant)
        within = [max(-most, min(each, most)) for each in total.linear_coefs]
        clipped.add(within, total.linear_vars)
        return clipped.expression() <= ceiling
