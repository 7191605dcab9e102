"""Rows of the MILP on power at all times, where it differs between the hardware options on offer.

What it costs is a product of the option that is built and of latency. On one option, or on options
of the same power, it is linear.
"""

from __future__ import annotations

import numpy as np
import pyomo.core as pyo

from codesign.search.milp.coefficients import Coefficients, Terms


def time_on_each(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A layer has a latency on each hardware option, and none on those that are not built.

    ``t_{l,h}`` is as (8) and (9) of the options of one ``h``. The bits that move beside operands
    follow from widths, whatever is built: ``moved_{l,h}`` says where they do.
    """
    candidates, unit_s = costs.candidates, costs.unit["latency_s"]
    unit_bits = unit_s * costs.space.dram_bits_per_s
    model.latency_on = pyo.Var(model.LAYERS, model.HARDWARE, domain=pyo.NonNegativeReals)
    model.moved_on = pyo.Var(model.LAYERS, model.HARDWARE, domain=pyo.NonNegativeReals)

    def roof(model, i, h, of_compute, of_memory):
        """t_{l,h} is no less than these shares of both times."""
        rows = candidates.layers[i]
        mine = rows.option == candidates.options[h]
        seconds = of_compute * rows.compute_s / unit_s + of_memory * rows.traffic / unit_bits
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

        In units of the time that it takes.
        """
        moved = costs.moved(model, i, unit_bits, Terms())
        each = [model.moved_on[i, h] for h in model.HARDWARE]
        return moved.add([-1.0] * len(each), each).expression() == 0

    @model.Constraint(model.LAYERS, model.HARDWARE, doc="(32)")
    def moved_where_built(model, i, h):
        """moved_{l,h} ≤ most_l·build_h: and on none but the one that is built.

        ``most_l`` is what the layer moves where its output and residuals are widest.
        """
        most = costs.most_moved(i) / unit_bits
        return model.moved_on[i, h] - most * model.build[h] <= 0
