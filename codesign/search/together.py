"""Bounds many options of nearly equal worth at once.

Where the hardware hardly matters, hundreds of options come within the budgets' duality gap of the
best design, and none can be closed by a dual bound. One programme over an imagined option, at
least as good as each of them in every table, bounds them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from codesign.candidates import candidates_of_tables
from codesign.halt import OutOfTime
from codesign.layer_tables import Batch
from codesign.problem import Goal
from codesign.programme import bound_programme

if TYPE_CHECKING:
    from codesign.search.best_bound import Search

Ints = npt.NDArray[np.int64]

SOLVED_ALONE = 4  # options solved one by one between attempts
ALL_AFTER = 16  # solved options after which those of unopened shapes are included
SMALLEST_GROUP = 3


class Together:
    """Bounds the open options of a search in groups, halving a group that does not close."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.solved = 0
        self.tried: set[int] = set()

    def after_option(self) -> None:
        """Count an option solved alone; now and then, bound the rest in groups."""
        self.solved += 1
        if self.solved % SOLVED_ALONE or self.search.best is None:
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
            self.search.halt.check()
            bound = self._bound_of_union(group)
            self.search.lower[group] = np.maximum(self.search.lower[group], bound)
            if bound < self.search.cutoff:
                half = len(group) // 2
                stack += [group[half:], group[:half]]

    def _bound_of_union(self, group: Ints) -> float:
        """Bound on the goal's metric for every option of a group."""
        search = self.search
        union = self._union(group)
        known = search.bound_from_tables(union)
        shape = int(search.space.shape_of[group[0]])
        start = search.multipliers[shape][None]
        found = search.dual.bound(union, start=start, stop=search.stop_at())
        known = max(known, search.bound_from_programme(float(found.value[0])))
        if known >= search.cutoff:
            return known
        pairs, variable_allowed = search.left_over(union, found.prices[0])
        listed = candidates_of_tables(
            search.space,
            int(group[0]),
            union.traffic[0],
            union.compute_s[0],
            pairs,
            variable_allowed,
        )
        limits = {name: x for name, x in search.goal.limits.items() if name != "area_mm2"}
        goal = Goal(search.bounded_metric(), limits)
        # The option is imagined: its choices are no designs, only the bound means something.
        answer = bound_programme(
            search.space,
            goal,
            listed,
            rel_gap=search.inquiry.solver_gap,
            halt=search.inquiry.halt,
            solver=search.inquiry.solver,
        )
        search.inquiry.effort.count(answer)
        if not answer.complete:
            raise OutOfTime
        bound = max(known, search.bound_from_programme(answer.bound))
        search.remember(union, bound)
        return bound

    def _union(self, group: Ints) -> Batch:
        """An imagined option with the least traffic and cycles of all in a group."""
        search = self.search
        compute_s, traffic = [], []
        for shape in np.unique(search.space.shape_of[group]):
            mine = group[search.space.shape_of[group] == shape]
            batch = search.batch(mine, search.capacity(mine))
            every = np.broadcast_to(batch.compute_s, batch.traffic.shape)
            compute_s.append(every.min(axis=0))
            traffic.append(batch.traffic.min(axis=0))
        return Batch(np.min(compute_s, axis=0)[None], np.min(traffic, axis=0)[None])
