"""Rows of the MILP on fused runs of layers.

For each run ``n``, of one hardware option: ``fuse[n]`` binary; ``pair[n, l, o]`` binary, a pair of
widths ``o`` of its layer ``l``; ``source[n, b]``, its input resident at width ``b``; ``beside[n, s,
o]``, a tensor ``s`` that it writes or adds, with a width and a place ``o``; ``psums[n]`` and
``run_latency[n]``, the most partial sums of its layers, and its latency ``t_n``.

   (17) fused_layers_run     Σ_o pair_{n,l,o} = fuse_n                                   ∀ n, l
   (18) source_at_width      source_{n,b} ≤ Σ_{o: ba(o) = b} pair_{n,first,o}            ∀ n, b
   (19) beside_runs          Σ_o beside_{n,s,o} = fuse_n                                 ∀ n, s
   (20) beside_agrees        beside_{n,s,o} ≤ resident_{x,b}, or ≤ width_{t,b} − resident_{x,b}
   (21) most_psums           psums_n ≥ Σ_o psums_o·pair_{n,l,o}                          ∀ n, l
   (22) runs_fit             Σ_l Σ_o need_o·pair_{n,l,o} − saved + psums_n + live
                                 ≤ S + most·(1 − fuse_n)                                 ∀ n
   (23) run_compute_roof     t_n ≥ Σ_l Σ_o compute_o·pair_{n,l,o}                        ∀ n
   (24) run_memory_roof      t_n ≥ DRAM bits of all its layers / BW                      ∀ n
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyomo.core as pyo

from codesign.arrays import Bools
from codesign.problem.tolerances import ROW_SCALE
from codesign.search.milp.coefficients import Coefficients, Terms
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


def fuse_layers(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """What a run chooses, what it takes, and that all who touch a tensor agree on it."""
    fused = costs.candidates.fused
    layers = [(n, x) for n, run in enumerate(fused) for x in range(len(run.layers))]
    beside = [(n, s) for n, run in enumerate(fused) for s in range(len(run.beside))]

    @model.Constraint(layers, doc="(17)")
    def fused_layers_run(model, n, x):
        """Σ_o pair_{n,l,o} = fuse_n: each layer of a fused run has one pair of widths."""
        every = range(len(fused[n].layers[x]))
        terms = Terms().add([1.0] * len(every), [model.pair[n, x, o] for o in every])
        return terms.add([-1.0], [model.fuse[n]]).expression() == 0

    @model.Constraint(model.SOURCES, doc="(18)")
    def source_at_width(model, n, b):
        """source_{n,b} ≤ Σ_{o: ba(o) = b} pair_{n,first,o}: resident at the width that it has."""
        mine = np.flatnonzero(fused[n].layers[0].ifmap == b).tolist()
        terms = Terms().add([-1.0] * len(mine), [model.pair[n, 0, o] for o in mine])
        return terms.add([1.0], [model.source[n, b]]).expression() <= 0

    @model.Constraint(beside, doc="(19)")
    def beside_runs(model, n, s):
        """Σ_o beside_{n,s,o} = fuse_n: a tensor that it writes or adds has a width and a place."""
        every = range(len(fused[n].beside[s].width))
        terms = Terms().add([1.0] * len(every), [model.beside[n, s, o] for o in every])
        return terms.add([-1.0], [model.fuse[n]]).expression() == 0

    @model.Constraint(model.BESIDE, doc="(20)")
    def beside_agrees(model, n, s, o):
        """beside_{n,s,o} ≤ resident_{x,b}, or ≤ width_{t,b} − resident_{x,b}: as others have it."""
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


def _limit_need(
    model: pyo.ConcreteModel, costs: Coefficients, layers: list[tuple[int, int]]
) -> None:
    fused, space = costs.candidates.fused, costs.space
    unit = costs.sram_unit_bits / ROW_SCALE

    @model.Constraint(layers, doc="(21)")
    def most_psums(model, n, x):
        """psums_n ≥ Σ_o psums_o·pair_{n,l,o}: layers of a run take turns at their partial sums."""
        layer = fused[n].layers[x]
        terms = Terms().add(
            (layer.psums / unit).tolist(), [model.pair[n, x, o] for o in range(len(layer))]
        )
        return terms.add([-1.0], [model.psums[n]]).expression() <= 0

    @model.Constraint(range(len(fused)), doc="(22)")
    def runs_fit(model, n):
        """Σ_l Σ_o need_o·pair_{n,l,o} − saved + psums_n + live ≤ S + most·(1 − fuse_n).

        ``live`` is what of the tensors on chip lives while any of its layers runs, ``most`` the
        most that can be; ``saved`` what a resident input does not take twice.
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


def time_runs(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A run takes as long as all its compute or all its DRAM traffic, whichever is longer."""
    fused, unit_s = costs.candidates.fused, costs.unit["latency_s"]
    numbers = range(len(fused))
    model.run_latency = pyo.Var(numbers, domain=pyo.NonNegativeReals)

    @model.Constraint(numbers, doc="(23)")
    def run_compute_roof(model, n):
        """t_n ≥ Σ_l Σ_o compute_o·pair_{n,l,o}."""
        terms = Terms()
        for x, layer in enumerate(fused[n].layers):
            every = range(len(layer))
            terms.add((layer.compute_s / unit_s).tolist(), [model.pair[n, x, o] for o in every])
        return terms.add([-1.0], [model.run_latency[n]]).expression() <= 0

    @model.Constraint(numbers, doc="(24)")
    def run_memory_roof(model, n):
        """t_n ≥ DRAM bits of all its layers / BW."""
        terms = costs.run_traffic(model, n, unit_s * costs.space.dram_bits_per_s, Terms())
        return terms.add([-1.0], [model.run_latency[n]]).expression() <= 0
