"""Tables solved by labels, of one hardware option or of one that dominates several.

Where there is one limit, and tables tell everything.

Dynamic programming over the tables of the dual bound, each of whose entries says all that a layer
costs, with a given SRAM. The Lagrangian of what is looked through rises in steps from the dual
bound: most often the best is little above it, and far below what is known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from codesign.problem.tolerances import UNDERFLOW
from codesign.search.bounds.labels import LabelSearch, LabelTable, TooManyLabels
from codesign.space.solution import Solution, price

if TYPE_CHECKING:
    from codesign.arrays import Floats, Ints
    from codesign.search.bounds.batch import Batch
    from codesign.search.bounds.joint_choices import Forced
    from codesign.search.bounds.labels import Chosen
    from codesign.search.bounds.lagrangian import DualBound
    from codesign.search.hardware_search import HardwareSearch

MOST_LAYERS = 500  # of more, most often alike, a MILP over counts of them is as soon solved
FIRST_STEP, GROWTH = 1 / 64, 4.0  # of the gap to what is known; of the next step
UNKNOWN_STEP = 1e-4  # of the bound, where nothing is known


def suits_labels(search: HardwareSearch, single: Batch) -> bool:
    """Whether a goal has at most one limit, and tables of few layers tell everything."""
    space = search.space
    if len(space.geometry_of) > MOST_LAYERS:
        return False
    plain = not (single.modes or space.runs or search.batches.port)
    return (
        plain
        and search.batches.energy is None
        and len(search.dual.limited) <= 1
        and search.relaxation.of(single).whole
    )


def solve_by_labels(
    search: HardwareSearch, option: int, sram_bits: float, single: Batch, found: DualBound
) -> tuple[float, Solution | None]:
    """A bound on one option that `suits_labels`, and its best where that was found.

    Where there are too many labels, the bound is what was proven by then.

    ``found`` is the bound of its tables ``single``.
    """
    bound, forced, best = _solved(search, single, found, search.incumbent_ceiling)
    if best is None:
        return bound, None
    assert forced is not None
    return bound, _priced(search, forced, option, sram_bits, best)


def bound_by_labels(search: HardwareSearch, tables: Batch, found: DualBound) -> float | None:
    """The least of tables that no design need have, up to where no better bound is of use.

    None where there are too many labels, or no end to what a bound may be.
    """
    most = search.dual_cutoff()
    if not math.isfinite(most):
        return None
    bound, _, best = _solved(search, tables, found, most)
    return bound if best is not None or bound >= most else None


def _solved(
    search: HardwareSearch, single: Batch, found: DualBound, most: float
) -> tuple[float, Forced | None, Chosen | None]:
    """A bound, as far as it is below ``most``, and what has so much where that was found."""
    dual, relaxation = search.dual, search.relaxation.of(single)
    multipliers, value = found.multipliers[0], float(found.value[0])
    coefficients = dual.coefficients(multipliers[None])
    spent = float(multipliers @ dual.limits)
    charge = float(multipliers[0]) if len(multipliers) else 0.0
    limit = float(dual.limits[0]) if len(multipliers) else math.inf
    step = FIRST_STEP * (most - value) if math.isfinite(most) else UNKNOWN_STEP * abs(value)
    step = max(step, UNKNOWN_STEP / 100 * abs(value), UNDERFLOW)
    while True:
        target = min(value + step, most)
        rounding = relaxation.marginal_rounding * (abs(target) + spent) + UNDERFLOW
        within = target + spent + 2 * rounding
        forced = relaxation.forced(single, coefficients, within)
        try:
            made = _label_search(search, forced, charge)
            best = made.solve(limit, within)
        except TooManyLabels:
            return value, None, None
        least = math.inf if best is None else float(best.costs[0])
        if least <= target:
            bound = least - relaxation.rounding * abs(least) - UNDERFLOW
            return max(value, bound), forced, best
        value = target  # no design has less
        if value >= most:
            return value, None, None
        most, step = min(most, least), step * GROWTH


def _label_search(search: HardwareSearch, forced: Forced, charge: float) -> LabelSearch:
    """The search over what a choice within the ceiling may have."""
    dual, tables, states = search.dual, forced.tables, forced.tables.states
    metrics = [dual.main, *dual.limited]
    unit = np.eye(len(dual.metrics))[metrics]
    full: dict[int, list[Floats]] = {}
    found: list[LabelTable | None] = [None] * len(tables.layers)
    for i, number, member, where, _ in forced.entries:
        if number not in full:
            each = (tables.full(number, forced.batch, x[None], None)[0] for x in unit)
            full[number] = [*each]
        costs = np.zeros((len(where[0]), 2))
        for n, table in enumerate(full[number]):
            costs[:, n] = table[member][where]
        scope = tables.scopes[i]
        values = np.array(where[len(where) - len(scope) :], dtype=np.int64)
        found[i] = LabelTable(scope, values.reshape(len(scope), len(costs)).T, costs)
    own = np.zeros((*states.barred.shape, 2))
    noise = states.along(search.space.variable_noise)
    for n, m in enumerate(metrics):
        if dual.metrics[m] == "noise":
            own[..., n] = noise
    own += states.barred[..., None]
    every = [x for x in found if x is not None]
    assert len(every) == len(found)
    return LabelSearch(every, own, states.sizes, charge, search.stop.check)


def _priced(
    search: HardwareSearch, forced: Forced, option: int, sram_bits: float, best: Chosen
) -> Solution | None:
    """The design of what is best."""
    tables, space = forced.tables, search.space
    states, left = tables.states, tables.states.left
    values = np.array(best.values, dtype=np.int64)
    widths: Ints = states.widths_of(values)
    weight = np.zeros(len(tables.layers), dtype=np.int64)
    for i, number, _, where, _ in forced.entries:
        axis = tables.families[number].weight_axis
        weight[i] = left[where[axis][best.entries[i]] % len(left)]
    places = states.places_of(values)
    return price(space, option, widths.tolist(), weight.tolist(), sram_bits, places.tolist())
