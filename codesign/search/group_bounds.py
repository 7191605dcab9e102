"""Bounds many options of nearly equal worth at once.

Where the hardware hardly matters, hundreds of options come within the budgets' duality gap of the
best design, and none can be closed by a dual bound. One programme over an imagined option, at
least as good as each of them in every table, bounds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from codesign.arrays import Ints
from codesign.problem.goal import Goal
from codesign.search.bounds.layer_tables import Batch
from codesign.search.milp.solve import bound_milp
from codesign.space.candidates import candidates_of_tables
from codesign.space.point import Solution
from codesign.stopping import Stopped

if TYPE_CHECKING:
    from codesign.search.best_bound import Search


SOLVED_ALONE = 4  # options solved one by one between attempts
ALL_AFTER = 16  # solved options after which those of unopened shapes are included
MANY = 16  # options worth bounding before their own tables are known
FEW_PAIRS = 20  # of widths per layer, on average, that are no long programme
SMALLEST_GROUP = 3
NEAR = 0.05  # relative; where the least bound is this close to the best, hardware hardly matters


class GroupBounds:
    """Bounds the open options of a search in groups, halving a group that does not close."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.solved = 0
        self.matched: Solution | None = None  # the best design when all open options were bounded
        self.tried: set[int] = set()

    def of_all_open(self) -> None:
        """Where the hardware hardly matters, bound all open options by the best of ideal tables.

        Once for every design that is the best so far.
        """
        search = self.search
        if search.incumbent is self.matched or search.bounded_metric() != search.goal.metric:
            return
        near = (1 - NEAR) * search.incumbent_ceiling
        if not search.ideal or search.queue[0][0] < near:  # all of a long list is dear to look at
            return
        options = np.flatnonzero(search.lower < search.cutoff)
        if len(options) < MANY or search.lower[options].min() < near:
            return
        self.matched = search.incumbent
        shapes = search.space.shapes_among(options).tolist()
        union = best_of([search.ideal[shape] for shape in shapes])
        bound = self._bound_of_tables(int(options[0]), union, FEW_PAIRS)
        search.lower[options] = np.maximum(search.lower[options], bound)

    def after_option(self) -> None:
        """Count an option solved alone; now and then, bound the rest in groups."""
        self.solved += 1
        if self.solved % SOLVED_ALONE or self.search.incumbent is None:
            return
        if self.search.bounded_metric() not in (self.search.goal.metric, *self.search.goal.limits):
            return
        lower, cutoff = self.search.lower, self.search.cutoff
        if self.solved >= ALL_AFTER:
            options = np.flatnonzero(lower < cutoff)
        else:
            queued = [option for _, _, option, _ in self.search.queue if option >= 0]
            options = np.array(sorted(o for o in queued if lower[o] < cutoff), dtype=np.int64)
        fresh = np.array([int(o) not in self.tried for o in options], dtype=bool)
        self.tried.update(int(o) for o in options)
        self._bound(options[fresh])

    def _bound(self, options: Ints) -> None:
        stack = [options]
        while stack:
            group = stack.pop()
            group = group[self.search.lower[group] < self.search.cutoff]
            if len(group) < SMALLEST_GROUP:
                continue
            self.search.stop.check()
            bound = self._bound_of_union(group)
            self.search.lower[group] = np.maximum(self.search.lower[group], bound)
            if bound < self.search.cutoff:
                half = len(group) // 2
                stack += [group[half:], group[:half]]

    def _bound_of_union(self, group: Ints) -> float:
        """Bound on the goal's metric for every option of a group."""
        return self._bound_of_tables(int(group[0]), self._union(group))

    def _bound_of_tables(
        self, label: int, union: Batch, most_pairs_per_layer: float = np.inf
    ) -> float:
        """The same for every option whose tables are nowhere better than these.

        By the dual alone where that leaves more pairs of widths.
        """
        search = self.search
        known = search.bound_from_tables(union)
        shape = int(search.space.shape_of[label])
        start = search.multipliers[shape][None]
        found = search.dual.bound(union, start=start, cutoff=search.dual_cutoff())
        known = max(known, search.bound_from_milp(float(found.value[0])))
        if known >= search.cutoff:
            return known
        pairs, variable_allowed = search.reduced_domains(union, found.multipliers[0])
        listed = candidates_of_tables(
            search.space,
            label,
            union.traffic[0],
            union.compute_s[0],
            pairs,
            variable_allowed,
        )
        if listed.count > most_pairs_per_layer * len(listed.layers):
            return known
        limits = {name: x for name, x in search.goal.limits.items() if name != "area_mm2"}
        goal = Goal(search.bounded_metric(), limits)
        # The option is imagined: its choices are no designs, only the bound means something.
        answer = bound_milp(
            search.space,
            goal,
            listed,
            rel_gap=search.task.solver_gap,
            stop=search.task.stop,
            solver=search.task.solver,
        )
        search.task.stats.count(answer)
        if not answer.complete:
            raise Stopped
        bound = max(known, search.bound_from_milp(answer.bound))
        search.remember(union, bound)
        return bound

    def _union(self, group: Ints) -> Batch:
        """An imagined option with the least traffic and cycles of all in a group."""
        search = self.search
        batches = []
        for shape in search.space.shapes_among(group):
            mine = group[search.space.shape_of[group] == shape]
            batches.append(search.batch(mine, search.capacity(mine)))
        return best_of(batches)


def best_of(batches: Sequence[Batch]) -> Batch:
    """One imagined option with the least traffic and cycles of all."""
    compute_s = [np.broadcast_to(b.compute_s, b.traffic.shape).min(axis=0) for b in batches]
    traffic = [b.traffic.min(axis=0) for b in batches]
    return Batch(np.min(compute_s, axis=0)[None], np.min(traffic, axis=0)[None])
