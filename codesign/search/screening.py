"""Screening: the first bounds of all hardware options, at few multipliers each.

Two passes over ever fewer options: each pair of PE widths on an ideal array (the least cycles of
all, ideal tilings), then each array shape with ideal tilings. Tensors that may stay on chip do, and
take no room. Each pass prunes what the one before left open, and hands good multipliers on.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.problem.tolerances import beyond
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import members_limits
from codesign.search.hardware_search import HardwareSearch

MOST_UNSCREENED = 64  # options: so many are as soon bounded shape by shape
POLISHED = 2.0  # times the least bound: shapes bounded again, at multipliers of their own


def screen(search: HardwareSearch) -> None:
    """Bound all open options of a search, unless an earlier goal did so within the same limits."""
    search.bound_as_one()
    options = search.open_options()
    additive = search.space.additive_metrics
    metric = search.bounded_metric()
    own = members_limits(metric, search.goal.limits)  # which the bounds of members are held to
    limits = sorted(x for x in search.goal.limits.items() if x[0] in additive and x[0] not in own)
    screened = (metric, *limits)
    if len(options) <= MOST_UNSCREENED or screened in search.cut_pool.screened:
        return
    search.cut_pool.screened.add(screened)
    multipliers = _screen_pe_pairs(search, options)
    options = search.open_options()
    if len(options):
        _screen_shapes(search, options, multipliers)


def _screen_pe_pairs(search: HardwareSearch, options: Ints) -> Floats:
    """Bound each pair of PE widths at the multipliers of the widest; returns these."""
    ideal, row = search.batches.of_pe_pairs(options, search.space.compulsory_traffic)
    search.stop.check()
    widest = search.dual_bound(ideal.take(np.array([len(ideal) - 1])), None, accuracy=1e-4)
    start = np.broadcast_to(widest.multipliers, (len(ideal), widest.multipliers.shape[1]))
    found = search.dual_bound(ideal, start, rounds=1)
    search.take_envelope_bounds(options, found, row)
    _rule_out_by_single_limits(search, options, ideal, row)
    return np.asarray(widest.multipliers[0])


def _screen_shapes(search: HardwareSearch, options: Ints, multipliers: Floats) -> None:
    """Bound each array shape, those near the least bound at multipliers of their own."""
    shapes, row = np.unique(search.space.shape_of[options], return_inverse=True)
    ideal = search.batches.of_shapes(options, shapes, row)
    start = np.broadcast_to(multipliers, (len(shapes), len(multipliers)))
    _rule_out_by_single_limits(search, options, ideal, row)
    search.stop.check()
    found = search.dual_bound(ideal, start, rounds=1)
    near = np.flatnonzero(found.value <= POLISHED * np.abs(found.value).min())
    better = search.dual_bound(ideal.take(near), start[near], accuracy=1e-3)
    found.value[near], found.multipliers[near] = better.value, better.multipliers
    search.take_envelope_bounds(options, found, row)
    search.multipliers[shapes] = found.multipliers
    search.ideal = {int(x): ideal.take(np.array([n])) for n, x in enumerate(shapes)}


def _rule_out_by_single_limits(
    search: HardwareSearch, options: Ints, ideal: Batch, row: Ints
) -> None:
    """Rule out options whose envelope breaks one of the limits whatever its widths."""
    keepable = np.ones(len(ideal), dtype=bool)
    additive = search.space.additive_metrics
    for m, name in enumerate(additive):
        if name in search.goal.limits:
            coefficients = np.zeros((len(ideal), len(additive)))
            coefficients[:, m] = 1.0
            least = search.relaxation.solve(ideal, coefficients).value
            keepable &= least <= beyond(search.goal.limits[name])
    search.lower[options[~keepable[row]]] = np.inf
