"""Rows of the MILP on fused runs of layers: what they take and cost, and what they agree on.

Their equations, and what the variables are, stand in `codesign.search.milp.formulation`. A run that
is not fused has no pairs, hence no source; what is beside it and its partial sums are 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyomo.core as pyo

from codesign.arrays import Bools
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import LIMIT_MARGIN, ROW_SCALE
from codesign.search.milp.coefficients import MOST_SRAM_UNITS, Coefficients, Terms

if TYPE_CHECKING:
    from codesign.space.fused_candidates import FusedLayer


def declare_runs(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """Variables of the runs."""
    fused = costs.candidates.fused
    numbers = range(len(fused))
    pairs = [
        (n, x, o)
        for n in numbers
        for x, layer in enumerate(fused[n].layers)
        for o in range(len(layer))
    ]
    sources = [(n, int(b)) for n in numbers for b in fused[n].source_width]
    beside = [
        (n, s, o)
        for n in numbers
        for s, each in enumerate(fused[n].beside)
        for o in range(len(each.width))
    ]
    model.fuse = pyo.Var(numbers, domain=pyo.Binary)
    model.PAIRS = pyo.Set(dimen=3, initialize=pairs)
    model.SOURCES = pyo.Set(dimen=2, initialize=sources)
    model.BESIDE = pyo.Set(dimen=3, initialize=beside)
    model.pair = pyo.Var(model.PAIRS, domain=pyo.Binary)
    model.source = pyo.Var(model.SOURCES, bounds=(0, 1))
    model.beside = pyo.Var(model.BESIDE, bounds=(0, 1))
    model.psums = pyo.Var(numbers, domain=pyo.NonNegativeReals)


def add_pairs(
    terms: Terms,
    model: pyo.ConcreteModel,
    costs: Coefficients,
    i: int,
    kept: Callable[[FusedLayer], Bools],
) -> Terms:
    """Add the pairs of layer ``i`` that a predicate of its `FusedLayer` keeps."""
    for n, x in costs.fused_at[i]:
        layer = costs.candidates.fused[n].layers[x]
        mine = np.flatnonzero(kept(layer)).tolist()
        terms.add([1.0] * len(mine), [model.pair[n, x, o] for o in mine])
    return terms


def width_in_run(
    model: pyo.ConcreteModel, costs: Coefficients, n: int, t: int, b: int
) -> Terms | None:
    """Run ``n`` with variable ``t`` at width ``b``; None where it says nothing of that."""
    run = costs.candidates.fused[n]
    for x, layer in enumerate(run.layers):
        if int(costs.space.input_index[layer.layer]) == t:
            mine = np.flatnonzero(layer.ifmap == b).tolist()
            return Terms().add([1.0] * len(mine), [model.pair[n, x, o] for o in mine])
    for s, each in enumerate(run.beside):
        if each.variable == t:
            mine = np.flatnonzero(each.width == b).tolist()
            return Terms().add([1.0] * len(mine), [model.beside[n, s, o] for o in mine])
    return None


def place_in_run(
    model: pyo.ConcreteModel, costs: Coefficients, n: int, tensor: int, b: int, on_chip: bool
) -> Terms | None:
    """Run ``n`` with a tensor resident at a width or, a band of it included, not; None as above."""
    run = costs.candidates.fused[n]
    variable = int(costs.space.placed_variable[tensor])
    if tensor in run.inner:
        return Terms() if on_chip else width_in_run(model, costs, n, variable, b)
    if tensor == run.source:
        there = [model.source[n, b]] if (n, b) in model.SOURCES else []
        if on_chip:
            return Terms().add([1.0] * len(there), there)
        mine = np.flatnonzero(run.layers[0].ifmap == b).tolist()
        terms = Terms().add([1.0] * len(mine), [model.pair[n, 0, o] for o in mine])
        return terms.add([-1.0] * len(there), there)
    for s, each in enumerate(run.beside):
        if each.tensor == tensor:
            mine = np.flatnonzero((each.width == b) & (each.on_chip == on_chip)).tolist()
            return Terms().add([1.0] * len(mine), [model.beside[n, s, o] for o in mine])
    return None


def fuse_layers(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """What a run chooses, what it takes, and that all who touch a tensor agree on it."""
    fused = costs.candidates.fused
    layers = [(n, x) for n, run in enumerate(fused) for x in range(len(run.layers))]
    beside = [(n, s) for n, run in enumerate(fused) for s in range(len(run.beside))]

    @model.Constraint(layers, doc="(18)")
    def fused_layers_run(model, n, x):
        """Σ_o pair_{n,l,o} = fuse_n: each layer of a fused run has one pair of widths."""
        every = range(len(fused[n].layers[x]))
        terms = Terms().add([1.0] * len(every), [model.pair[n, x, o] for o in every])
        return terms.add([-1.0], [model.fuse[n]]).expression() == 0

    @model.Constraint(model.SOURCES, doc="(19)")
    def source_at_width(model, n, b):
        """source_{n,b} ≤ Σ_{o: ba(o) = b} pair_{n,first,o}: resident at the width that it has.

        Just one run can begin with a layer; (12) makes its source what its input is.
        """
        mine = np.flatnonzero(fused[n].layers[0].ifmap == b).tolist()
        terms = Terms().add([-1.0] * len(mine), [model.pair[n, 0, o] for o in mine])
        return terms.add([1.0], [model.source[n, b]]).expression() <= 0

    @model.Constraint(beside, doc="(20)")
    def beside_runs(model, n, s):
        """Σ_o beside_{n,x,o} = fuse_n: a tensor that it writes or adds has a width and a place."""
        every = range(len(fused[n].beside[s].width))
        terms = Terms().add([1.0] * len(every), [model.beside[n, s, o] for o in every])
        return terms.add([-1.0], [model.fuse[n]]).expression() == 0

    @model.Constraint(model.BESIDE, doc="(21)")
    def beside_agrees(model, n, s, o):
        """beside_{n,x,o} ≤ resident_{x,b}, or ≤ width_{t,b} − resident_{x,b}: as others have it.

        The first where ``o`` is on chip, the second in DRAM. At whole widths and places just one of
        these is 1, so that by (20) no share is left to any other.
        """
        each = fused[n].beside[s]
        b, key = int(each.width[o]), (each.tensor, int(each.width[o]))
        terms = Terms().add([1.0], [model.beside[n, s, o]])
        if each.on_chip[o]:
            return terms.add([-1.0], [model.resident[key]]).expression() <= 0
        terms.add([-1.0], [model.width[each.variable, b]])
        if each.tensor is not None and key in model.PLACES:
            terms.add([1.0], [model.resident[key]])
        return terms.expression() <= 0

    _limit_need(model, costs, layers)
    _limit_own_need(model, costs)


def _limit_need(
    model: pyo.ConcreteModel, costs: Coefficients, layers: list[tuple[int, int]]
) -> None:
    fused, space = costs.candidates.fused, costs.space
    unit = costs.sram_unit_bits / ROW_SCALE

    @model.Constraint(layers, doc="(22)")
    def most_psums(model, n, x):
        """psums_n ≥ Σ_o psums_o·pair_{n,l,o}: layers of a run take turns at their partial sums."""
        layer = fused[n].layers[x]
        terms = Terms().add(
            (layer.psums / unit).tolist(), [model.pair[n, x, o] for o in range(len(layer))]
        )
        return terms.add([-1.0], [model.psums[n]]).expression() <= 0

    @model.Constraint(range(len(fused)), doc="(23)")
    def runs_fit(model, n):
        """Σ_l Σ_o need_o·pair_{n,l,o} − Σ_b rows_b·source_{n,b} + psums_n + live_n ≤ S, if fused.

        ``live_n`` is what of the tensors on chip lives while any of its layers runs. Where the run
        is not fused, the most that can be is taken off, and the row says nothing. ``rows_b`` are
        those of an input in DRAM: a resident one is in ``live_n``.
        """
        run, terms = fused[n], Terms()
        for x, layer in enumerate(run.layers):
            terms.add(
                (layer.need / unit).tolist(), [model.pair[n, x, o] for o in range(len(layer))]
            )
        saved = zip(run.source_width.tolist(), (run.source_need / unit).tolist(), strict=True)
        for b, bits in saved:
            terms.add([-bits], [model.source[n, b]])
        most = 0.0
        for t in np.flatnonzero(space.live_in_run[run.run]).tolist():
            widths = np.flatnonzero(costs.candidates.places[1, t]).tolist()
            bits = (costs.resident_bits[t, widths] / unit).tolist()
            terms.add(bits, [model.resident[t, b] for b in widths])
            most += max(bits, default=0.0)
        terms.constant -= most
        terms.add([most, 1.0, -ROW_SCALE], [model.fuse[n], model.psums[n], model.sram])
        return terms.expression() <= 0


def _limit_own_need(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    candidates, unit = costs.candidates, costs.sram_unit_bits / ROW_SCALE
    most = dict(zip(candidates.options.tolist(), candidates.sram_bits.tolist(), strict=True))
    limited = [
        n
        for n, run in enumerate(candidates.fused)
        if most[run.option] < MOST_SRAM_UNITS * costs.sram_unit_bits
    ]

    @model.Constraint(limited, doc="(27)")
    def runs_fit_alone(model, n):
        """(23) with the most of S times fuse_n, and of what is live only what the run itself tells.

        Follows from (23) at whole numbers; without it, a run that is fused in part has room for all
        of it.
        """
        run, terms = candidates.fused[n], Terms()
        for x, layer in enumerate(run.layers):
            every = range(len(layer))
            terms.add((layer.need / unit).tolist(), [model.pair[n, x, o] for o in every])
        bits = costs.resident_bits / unit
        for b, saved in zip(run.source_width.tolist(), run.source_need / unit, strict=True):
            terms.add([float(bits[run.source, b] - saved)], [model.source[n, b]])
        counted = {run.source, None}
        for s, each in enumerate(run.beside):
            if each.tensor not in counted:
                counted.add(each.tensor)
                there = np.flatnonzero(each.on_chip).tolist()
                held = bits[each.tensor, each.width[there]].tolist()
                terms.add(held, [model.beside[n, s, o] for o in there])
        room = most[run.option] * (1 + LIMIT_MARGIN) / unit
        return terms.add([1.0, -room], [model.psums[n], model.fuse[n]]).expression() <= 0


def time_runs(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A run takes as long as all its compute or all its DRAM traffic, whichever is longer."""
    fused = costs.candidates.fused
    numbers, exposed = range(len(fused)), costs.space.exposed
    model.run_latency = pyo.Var(numbers, domain=pyo.NonNegativeReals)

    def roof(model, n, of_compute, of_memory):
        """t_n is no less than these shares of both times."""
        terms, unit_s = Terms(), costs.unit_s(fused[n].layers[0].layer)
        for x, layer in enumerate(fused[n].layers if of_compute else ()):
            compute = of_compute * layer.compute_s / unit_s
            terms.add(compute.tolist(), [model.pair[n, x, o] for o in range(len(layer))])
        if of_memory:
            unit_bits = unit_s * costs.space.dram_bits_per_s / of_memory
            costs.run_traffic(model, n, unit_bits, terms)
        return terms.add([-1.0], [model.run_latency[n]]).expression() <= 0

    @model.Constraint(numbers, doc="(24)")
    def run_compute_roof(model, n):
        """t_n ≥ Σ_l Σ_o compute_o·pair_{n,l,o} + e·traffic_n / BW: all layers after each other."""
        return roof(model, n, 1.0, exposed)

    @model.Constraint(numbers, doc="(25)")
    def run_memory_roof(model, n):
        """t_n ≥ traffic_n / BW + e·Σ_l Σ_o compute_o·pair_{n,l,o}: all that its layers move."""
        return roof(model, n, exposed, 1.0)


def unless_fused(
    model: pyo.ConcreteModel, costs: Coefficients, i: int, unit: float, terms: Terms
) -> None:
    """Take off what a layer's output and residuals can move at most where it is in a fused run."""
    if costs.fused_at[i]:
        bits = [-costs.most_moved(i) / unit] * len(costs.fused_at[i])
        terms.add(bits, [model.fuse[n] for n, _ in costs.fused_at[i]])


def unmove_fused(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """What layers alone move beside their operands, where they may be in fused runs instead."""
    rows = costs.candidates.layers
    alone = [i for i, runs in enumerate(costs.fused_at) if runs and not rows[i].joint]
    model.moved_alone = pyo.Var(alone, domain=pyo.NonNegativeReals)

    @model.Constraint(alone, doc="(26)")
    def moves_alone(model, i):
        """moved_l ≥ Σ_b moved_{l,t}·b·(width − resident)_{t,b} − most_l·Σ_n fuse_n.

        Output and residuals, where the layer is in no fused run: those of a run stand with it.
        """
        unit = costs.unit_of("dram_bits", i)
        terms = costs.moved(model, i, unit, Terms())
        unless_fused(model, costs, i, unit, terms)
        return terms.add([-1.0], [model.moved_alone[i]]).expression() <= 0


def unspend_fused(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """What the same costs in energy."""
    rows = costs.candidates.layers
    alone = [i for i, runs in enumerate(costs.fused_at) if runs and not rows[i].joint]
    model.spent_alone = pyo.Var(alone, domain=pyo.NonNegativeReals)

    @model.Constraint(alone, doc="(33)")
    def spends_alone(model, i):
        """spent_l ≥ Σ_b moved_{l,t}·b·(j_dram·(width − resident) + j_chip·resident)_{t,b}
        − most_l·Σ_n fuse_n.

        As (26), in energy, of which what is resident takes some as well.
        """
        space, unit = costs.space, costs.unit_of(ENERGY, i)
        assert space.energy is not None
        layer, terms = space.problem.network.layers[i], Terms()
        costs.moved_j(model, i, unit, terms)
        each = zip(costs.widest_moved(i), space.energy.moved_per_bit(layer), strict=True)
        most = sum(bits * max(per_bit) for bits, per_bit in each)
        fused = [model.fuse[n] for n, _ in costs.fused_at[i]]
        terms.add([-most / unit] * len(fused), fused).add([-1.0], [model.spent_alone[i]])
        return terms.expression() <= 0
