"""Rows of the MILP on power at all times, where it differs between the designs on offer.

What it costs is a product of the power of the design and of latency. On one hardware option, or on
options of the same power, with so much SRAM, it is linear.
"""

from __future__ import annotations

import math

import numpy as np
import pyomo.core as pyo

from codesign.problem.metrics import timed_by
from codesign.search.milp.coefficients import Coefficients, Terms
from codesign.search.milp.fusion import unless_fused


def time_on_each(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A layer has a latency on each hardware option, and none on those that are not built.

    ``t_{l,h}`` is as (8) and (9) of the options of one ``h``. The bits that move beside operands
    follow from widths, whatever is built: ``moved_{l,h}`` says where they do.
    """
    candidates, bits_per_s = costs.candidates, costs.space.dram_bits_per_s
    model.latency_on = pyo.Var(model.LAYERS, model.HARDWARE, domain=pyo.NonNegativeReals)
    model.moved_on = pyo.Var(model.LAYERS, model.HARDWARE, domain=pyo.NonNegativeReals)

    def roof(model, i, h, of_compute, of_memory):
        """t_{l,h} is no less than these shares of both times."""
        rows = candidates.layers[i]
        mine = rows.option == candidates.options[h]
        unit_s = costs.unit_s(i)
        memory = rows.traffic / (unit_s * bits_per_s)
        seconds = of_compute * rows.compute_s / unit_s + of_memory * memory
        terms = costs.runs(model, i, np.where(mine, seconds, 0.0), Terms())
        if of_memory:
            terms.add([of_memory], [model.moved_on[i, h]])
        return terms.add([-1.0], [model.latency_on[i, h]]).expression() <= 0

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(29)")
    def compute_on(model, i, h):
        """t_{l,h} ≥ Σ_{o ∈ O(l,h)} compute_o·run_o + e·memory_{l,h}: 0 where h is not built."""
        return roof(model, i, h, 1.0, costs.space.exposed)

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(30)")
    def memory_on(model, i, h):
        """t_{l,h} ≥ memory_{l,h} + e·Σ_{o ∈ O(l,h)} compute_o·run_o.

        ``memory_{l,h} = (Σ_{o ∈ O(l,h)} traffic_o·run_o + moved_{l,h}) / BW``.
        """
        return roof(model, i, h, costs.space.exposed, 1.0)

    @model.Constraint(model.LAYERS, doc="(31)")
    def moved_once(model, i):
        """Σ_h moved_{l,h} = Σ_b moved_{l,t}·b·width_{t,b}: all of it moves on some option.

        In units of the time that it takes. With ``≥`` less ``most_l·Σ_n fuse_n``, as (26), where
        the layer may be in a fused run.
        """
        unit_bits = costs.unit_s(i) * bits_per_s
        moved = costs.moved(model, i, unit_bits, Terms())
        unless_fused(model, costs, i, unit_bits, moved)
        each = [model.moved_on[i, h] for h in model.HARDWARE]
        row = moved.add([-1.0] * len(each), each).expression()
        return row <= 0 if costs.fused_at[i] else row == 0

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(32)")
    def moved_where_built(model, i, h):
        """moved_{l,h} ≤ most_l·build_h: and on none but the one that is built.

        ``most_l`` is what the layer moves where its output and residuals are widest.
        """
        most = costs.most_moved(i) / (costs.unit_s(i) * bits_per_s)
        return model.moved_on[i, h] - most * model.build[h] <= 0


def charge_growth(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """Power at all times that grows with the SRAM, as long as the network runs.

    ``(S − S_least)·L`` is no less than either plane (McCormick 1976), and equal to one of them at
    the ends of the ranges of S and of L.
    """
    growth = costs.candidates.growth
    assert growth is not None
    (least, most), ends_s = growth.sram_bits, growth.latency_s
    model.static_j = pyo.Var([*ends_s], domain=pyo.NonNegativeReals)

    def plane(metric, seconds, further_bits):
        """static_j ≥ w·(seconds·(S − S_least) + further_bits·(L − seconds))."""
        per_bit = growth.w_per_bit / costs.unit[metric]
        terms = Terms(-per_bit * seconds * (least + further_bits))
        terms.add([per_bit * seconds * costs.sram_unit_bits], [model.sram])
        if further_bits:
            costs.latency(model, timed_by(metric), 1 / (per_bit * further_bits), terms)
        return terms.add([-1.0], [model.static_j[metric]]).expression() <= 0

    @model.Constraint([*ends_s], doc="(36)")
    def static_at_least(model, metric):
        """static_j ≥ w·L_least·(S − S_least), of all and of each member that is asked about."""
        return plane(metric, ends_s[metric][0], 0.0)

    @model.Constraint([x for x in ends_s if math.isfinite(ends_s[x][1])], doc="(37)")
    def static_at_most(model, metric):
        """static_j ≥ w·(L_most·(S − S_least) + (S_most − S_least)·(L − L_most))."""
        return plane(metric, ends_s[metric][1], most - least)
