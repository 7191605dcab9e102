"""Sets a MILP with fused runs to a design, and what is continuous in it to the least it can be."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
from placed_points import PlacedPoint, live_bits

from codesign.problem.goal import Goal
from codesign.problem.tolerances import ROW_SCALE
from codesign.search.milp.coefficients import Coefficients
from codesign.space.candidates import Candidates
from codesign.space.fused_candidates import FusedCandidates
from codesign.space.hardware import HardwareSpace


def set_design(
    model: pyo.ConcreteModel,
    space: HardwareSpace,
    offered: Candidates,
    placed: PlacedPoint,
    sram_bits: float | None = None,
) -> None:
    """Set every variable but the SRAM: tilings are those of least traffic in it.

    ``sram_bits`` is the design's by default.
    """
    sram_bits = placed.point.sram_bits if sram_bits is None else sram_bits
    runs = {n for n, x in enumerate(offered.fused) if fused(space, placed, x)}
    alone = rows_alone(space, offered, placed, sram_bits)
    inside = {x.layer for n in runs for x in offered.fused[n].layers}
    for h, built in model.build.items():
        built.set_value(int(offered.options[h] == placed.option))
    for (i, o), run in model.run.items():
        run.set_value(int(i not in inside and alone[i] == o))
    for (t, b), width in model.width.items():
        width.set_value(int(placed.variable_width[t] == b))
    for (x, b), resident in model.resident.items():
        resident.set_value(int(placed.on_chip[x] and width_of(space, placed, x) == b))
    if not offered.fused:
        return
    for n, fuse in model.fuse.items():
        fuse.set_value(int(n in runs))
    for (n, at, o), pair in model.pair.items():
        x = offered.fused[n].layers[at]
        ifmap = placed.variable_width[int(space.input_index[x.layer])]
        mine = (int(x.weight[o]), int(x.ifmap[o])) == (placed.weight[x.layer], ifmap)
        pair.set_value(int(n in runs and mine))
    for (n, b), source in model.source.items():
        x = offered.fused[n].source
        there = n in runs and placed.on_chip[x] and width_of(space, placed, x) == b
        source.set_value(int(there))
    for (n, s, o), beside in model.beside.items():
        each = offered.fused[n].beside[s]
        there = each.tensor is not None and placed.on_chip[each.tensor]
        mine = placed.variable_width[each.variable] == each.width[o] and there == each.on_chip[o]
        beside.set_value(int(n in runs and mine))


def fused(space: HardwareSpace, placed: PlacedPoint, run: FusedCandidates) -> bool:
    """Whether a design fuses these layers on this hardware."""
    return run.option == placed.option and placed.on_chip[len(space.placed) + run.run]


def width_of(space: HardwareSpace, placed: PlacedPoint, x: int) -> int:
    """Index of the width of a placed tensor."""
    return placed.variable_width[int(space.placed_variable[x])]


def rows_alone(
    space: HardwareSpace, offered: Candidates, placed: PlacedPoint, sram_bits: float
) -> list[int]:
    """Of each layer the row of least traffic that fits so much SRAM; −1 where there is none."""
    held, found = live_bits(space, placed), []
    variants = space.variants(np.array(placed.on_chip, dtype=bool)).tolist()
    for i, rows in enumerate(offered.layers):
        ifmap = placed.variable_width[int(space.input_index[i])]
        mine = (rows.option == placed.option) & (rows.weight == placed.weight[i])
        mine &= (rows.ifmap == ifmap) & (rows.variant == variants[i])
        mine &= rows.need + (0 if rows.joint else held[i]) <= sram_bits
        for v, width in rows.widths_beside:
            mine &= width == placed.variable_width[v]
        for t, _, there in rows.places_beside:
            mine &= there == placed.on_chip[t]
        among = np.flatnonzero(mine)
        best = among[rows.traffic[among].argmin()] if len(among) else -1
        found.append(int(best))
    return found


def least_sram_bits(model: pyo.ConcreteModel) -> float:
    """The least SRAM that the rows allow; sets partial sums to what they are."""
    if hasattr(model, "psums"):
        _least_of(model, "psums", ("most_psums",))
    model.sram.set_value(0.0)
    every = [*model.tiles_fit.values()]
    every += [*model.runs_fit.values()] if hasattr(model, "runs_fit") else []
    largest: float = max(pyo.value(row.body) for row in every)
    return largest / ROW_SCALE


def settle_rest(
    model: pyo.ConcreteModel, space: HardwareSpace, offered: Candidates, sram_bits: int
) -> None:
    """Set the SRAM; partial sums, times and what layers alone move to the least they can be."""
    if hasattr(model, "psums"):
        _least_of(model, "psums", ("most_psums",))
    model.sram.set_value(sram_bits / unit_bits(space, offered))
    if hasattr(model, "size"):
        for n, size in model.size.items():
            size.set_value(int(space.capacities.sizes[n] == sram_bits))
    for name, roofs in (
        ("latency", ("compute_roof", "memory_roof")),
        ("run_latency", ("run_compute_roof", "run_memory_roof")),
        ("moved_alone", ("moves_alone",)),
    ):
        if hasattr(model, name):
            _least_of(model, name, roofs)


def unit_bits(space: HardwareSpace, offered: Candidates) -> float:
    """SRAM bits that 1 stands for in a model."""
    return Coefficients(space, offered, Goal("noise", {}), 0.0).sram_unit_bits


def _least_of(model: pyo.ConcreteModel, name: str, rows: tuple[str, ...]) -> None:
    """Each of some variables to the largest of the rows of its own number, at 0 of it."""
    variables = getattr(model, name)
    least = dict.fromkeys(variables, 0.0)
    for variable in variables.values():
        variable.set_value(0.0)
    for constraint in rows:
        for key, row in getattr(model, constraint).items():
            own = key[0] if isinstance(key, tuple) else key
            least[own] = max(least[own], pyo.value(row.body) - pyo.value(row.upper))
    for key, value in least.items():
        variables[key].set_value(value)


def broken(model: pyo.ConcreteModel, by: float = 1e-6) -> set[str]:
    """Constraints with a row that does not hold, by more than so much."""
    return {
        row.parent_component().local_name
        for row in model.component_data_objects(pyo.Constraint)
        if pyo.value(row.body) - pyo.value(row.upper) > by
        or (row.equality and pyo.value(row.upper) - pyo.value(row.body) > by)
    }
