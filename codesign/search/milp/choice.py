"""What a solved model chose, and rows that forbid choices found to break a limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyomo.core as pyo

from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY
from codesign.search.milp.coefficients import Coefficients
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace
from codesign.units import kind_of


@dataclass(frozen=True)
class MilpSolution:
    """What a solved model chose, in the space's indices."""

    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    sram_bits: float
    on_chip: tuple[bool, ...] = ()
    modes: tuple[int, ...] = ()
    tilings: tuple[int, ...] = ()  # where energies or the SRAM's port count


def read_choice(
    model: pyo.ConcreteModel, space: WidthSpace, candidates: Candidates
) -> MilpSolution:
    """The solved model's choice: hardware, widths, and the SRAM its tiles need."""
    runs, widths = _chosen(model, candidates)
    on_chip = _on_chip(model, candidates)
    fused = _fused(model, candidates)
    every = [
        *on_chip,
        *(r in {candidates.fused[n].run for n in fused} for r in range(len(space.runs))),
    ]
    held = space.resident_bits(np.array(widths), np.array(every, dtype=bool)).tolist()
    weight, needs, option = dict[int, int](), [0.0], -1
    modes, tilings = [0] * len(runs), [-1] * len(runs)
    for n in fused:
        run, psums, need = candidates.fused[n], 0.0, 0.0
        option = run.option
        for x, layer in enumerate(run.layers):
            o = max(range(len(layer)), key=lambda o: pyo.value(model.pair[n, x, o]))
            weight[layer.layer] = int(layer.weight[o])
            psums, need = max(psums, float(layer.psums[o])), need + float(layer.need[o])
        if run.source is not None and on_chip[run.source]:
            own = widths[int(space.placed_variable[run.source])]
            need -= float(run.source_need[run.source_width == own].sum())
        needs.append(need + psums + held[run.layers[0].layer])
    for i, (rows, o) in enumerate(zip(candidates.layers, runs, strict=True)):
        if i not in weight:
            option, weight[i] = int(rows.option[o]), int(rows.weight[o])
            modes[i], tilings[i] = int(rows.mode[o]), int(rows.tiling[o])
            needs.append(float(rows.need[o]) + (0 if rows.joint else held[i]))
    return MilpSolution(
        option=option,
        variable_width=tuple(widths),
        weight=tuple(weight[i] for i in range(len(runs))),
        sram_bits=max(needs),
        on_chip=tuple(every),
        modes=tuple(modes),
        tilings=tuple(max(row, 0) for row in tilings) if max(tilings, default=-1) >= 0 else (),
    )


def _fused(model: pyo.ConcreteModel, candidates: Candidates) -> list[int]:
    """Numbers of the runs that are fused."""
    return [n for n in range(len(candidates.fused)) if pyo.value(model.fuse[n]) > 0.5]


def _on_chip(model: pyo.ConcreteModel, candidates: Candidates) -> tuple[bool, ...]:
    """Which placed tensors are on chip."""
    there = {x for (x, _), each in model.resident.items() if pyo.value(each) > 0.5}
    return tuple(x in there for x in range(candidates.places.shape[1]))


def _chosen(model: pyo.ConcreteModel, candidates: Candidates) -> tuple[list[int], list[int]]:
    """The option of each layer that runs, and the width that each variable has."""

    def largest(variable: pyo.Var, n: int, among: range | list[int]) -> int:
        return max(among, key=lambda each: pyo.value(variable[n, each]))

    runs = [
        largest(model.run, i, range(len(rows))) if len(rows) else -1
        for i, rows in enumerate(candidates.layers)
    ]
    allowed = [np.flatnonzero(row).tolist() for row in candidates.variable_allowed]
    return runs, [largest(model.width, t, widths) for t, widths in enumerate(allowed)]


def exclude(model: pyo.ConcreteModel) -> None:
    """Forbid exactly the choice the model holds now (a solution that fails the exact recheck)."""
    chosen = [run for run in model.run.values() if pyo.value(run) > 0.5]
    chosen += [width for width in model.width.values() if pyo.value(width) > 0.5]
    if hasattr(model, "pair"):
        chosen += [pair for pair in model.pair.values() if pyo.value(pair) > 0.5]
    count, placed = len(chosen), [*model.resident.values()]
    for there in placed:
        on_chip = pyo.value(there) > 0.5
        chosen.append(there if on_chip else 1 - there)
    _forbid_all(model, chosen, count + len(placed))


def exclude_costlier(
    model: pyo.ConcreteModel, space: WidthSpace, candidates: Candidates, metric: str
) -> None:
    """Forbid the choice the model holds now, as `exclude` does, and all that cost no less.

    In ``metric``, whose limit the choice breaks, each of a costlier choice's layers takes at least
    as much; so it breaks the limit too: a cover of the limit's row.
    """
    # What costs less of one may cost more of the other.
    if candidates.fused or candidates.port or kind_of(metric) == ENERGY:
        exclude(model)
        return
    costs, layers = Coefficients(space, candidates, Goal(metric, {}), 0.0), candidates.layers
    kind = kind_of(metric)
    runs, chosen_widths = _chosen(model, candidates)
    covered, parts = [], len(layers)
    for i, (rows, run) in enumerate(zip(layers, runs, strict=True)):
        if not costs.counts(metric, i):  # of another member of a suite: whatever it takes
            parts -= 1
            continue
        each = [costs.per_run(i, kind)]
        if kind == "latency_s" and not rows.joint:  # the roofs of what moves depend on widths
            each = [rows.compute_s, rows.traffic]
        costlier = np.all([x >= x[run] for x in each], axis=0)
        covered += [model.run[i, o] for o in np.flatnonzero(costlier).tolist()]
    on_chip = _on_chip(model, candidates)
    counted = [bool(costs.counts(metric, i)) for i in range(len(layers))]
    moved, tensors = _moved_in_dram(space, candidates, on_chip, counted)
    if kind in ("latency_s", "dram_bits"):
        # A tensor that is in DRAM has to be there in what costs no less; one on chip need not.
        for x in tensors:
            fitting = np.flatnonzero(candidates.places[1, x]).tolist()
            if fitting:
                parts += 1
                covered.append(1 - sum(model.resident[x, b] for b in fitting))
    counts, noise = space.member_noise.touches(space.shares.of_members(metric)), space.noise_in
    for t, own in enumerate(chosen_widths):
        widths = np.flatnonzero(candidates.variable_allowed[t])
        if not counts[t]:
            continue
        if kind == "noise":
            costlier = noise(metric)[t][widths] >= noise(metric)[t][own]
        elif kind in ("latency_s", "dram_bits") and t in moved:
            costlier = widths >= own
        else:
            continue
        parts += 1
        covered += [model.width[t, b] for b in widths[costlier].tolist()]
    _forbid_all(model, covered, parts)


def _moved_in_dram(
    space: WidthSpace, candidates: Candidates, on_chip: tuple[bool, ...], counted: list[bool]
) -> tuple[set[int | None], list[int]]:
    """Width variables of what moves beside operands, of layers without joint options; tensors.

    Of layers that count.
    """
    layers = zip(space.problem.network.layers, candidates.layers, counted, strict=True)
    mine = [layer for layer, rows, counts in layers if counts and not rows.joint]
    every = [each for layer in mine for each in space.moved(layer)]
    moved = [each for each in every if each.tensor is None or not on_chip[each.tensor]]
    tensors = {each.tensor for each in moved if each.tensor is not None}
    return {each.variable for each in moved}, sorted(tensors)


def _forbid_all(model: pyo.ConcreteModel, chosen: list[pyo.Var], count: int) -> None:
    """Forbid choices that take ``count`` of some binaries."""
    if not hasattr(model, "excluded"):
        model.EXCLUDED = pyo.Set(dimen=1, ordered=True)
        model.excluded = pyo.Constraint(model.EXCLUDED, doc="choices that failed the recheck")
    model.EXCLUDED.add(len(model.EXCLUDED))
    model.excluded[len(model.EXCLUDED) - 1] = sum(chosen) <= count - 1
