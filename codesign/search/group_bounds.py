"""Bounds many options of nearly equal worth at once.

Where the hardware hardly matters, the bounds of hundreds of options lie between the incumbent and
what its budgets' duality gap leaves below, so that no dual bound can prune one. One MILP over the
envelope of a group (`option_batches`), a dominating option, bounds all of it. What stays on chip
takes room of each option's own SRAM, which an envelope of several has not: it holds all tensors
that may stay for nothing. That is tried where the incumbent holds them all as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codesign.arrays import Ints
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.charged_costs import least_on_chip_s
from codesign.search.by_labels import bound_by_labels, suits_labels
from codesign.search.hardware_search import HardwareSearch
from codesign.search.option_batches import envelope
from codesign.space.candidates import candidates_of_tables
from codesign.space.solution import Solution
from codesign.stopping import Stopped
from codesign.units import kind_of

# Options solved one by one between attempts, since most attempts close nothing, and before those of
# unopened shapes are tried as well.
SOLVED_BETWEEN_ATTEMPTS, SOLVED_BEFORE_ALL = 4, 16
LEAST_GROUP = 3  # options; fewer are as soon solved alone
LEAST_IDEAL_GROUP = 16  # options; fewer are as soon bounded by their own tables
SHORT_MILP_PAIRS = 20  # of widths, per layer on average
# Relative: hardware hardly matters where the least bound is this close to the incumbent.
NEAR_INCUMBENT = 0.05


class GroupBounds:
    """Bounds the open options of a search in groups, halving a group that does not close."""

    def __init__(self, search: HardwareSearch) -> None:
        self.search = search
        self.solved = 0  # options, each alone
        self.tried: set[int] = set()  # options that were in a group
        self.bounded_for: Solution | None = None  # incumbent when all open options were bounded
        self.bounded_shapes: list[int] = []  # theirs

    def of_all_open(self, least_bound: float) -> None:
        """Where the hardware hardly matters, bound all open options by one ideal envelope.

        Once for each incumbent; by the dual alone where that leaves many pairs of widths.

        Parameters
        ----------
        least_bound : float
            In the queue: it tells whether to look through all options, which takes longer.
        """
        search = self.search
        if search.space.placed and not self._all_on_chip():
            return
        if search.incumbent is self.bounded_for or search.bounded_metric() != search.goal.metric:
            return
        near = (1 - NEAR_INCUMBENT) * search.incumbent_ceiling
        if not search.ideal or least_bound < near:
            return
        options = search.open_options()
        if len(options) < LEAST_IDEAL_GROUP or search.lower[options].min() < near:
            return
        self.bounded_for = search.incumbent
        shapes = search.space.shapes_among(options).tolist()
        if shapes == self.bounded_shapes:  # of the same envelope no more is to be known
            return
        self.bounded_shapes = shapes
        ideal = envelope([search.ideal[shape] for shape in shapes])
        bound = self.bound_tables(int(options[0]), ideal, SHORT_MILP_PAIRS)
        search.lower[options] = np.maximum(search.lower[options], bound)

    def _all_on_chip(self) -> bool:
        """Whether in the incumbent all tensors stay on chip that may, and there are no bands.

        Then they may in an envelope, for which they take no room, and it is likely no better.
        """
        space, incumbent = self.search.space, self.search.incumbent
        known = incumbent is not None and not space.runs and self.search.batches.energy is None
        return known and incumbent is not None and all(incumbent.on_chip[: len(space.placed)])

    def after_option(self, queued: Sequence[int]) -> None:
        """Count an option solved alone; after every few, bound the rest in groups.

        Parameters
        ----------
        queued : sequence of int
            Options of opened shapes.
        """
        search = self.search
        self.solved += 1
        if self.solved % SOLVED_BETWEEN_ATTEMPTS or search.incumbent is None:
            return
        if search.space.placed:
            return
        if search.bounded_metric() not in (search.goal.metric, *search.goal.limits):
            return
        if self.solved >= SOLVED_BEFORE_ALL:
            options = search.open_options()
        else:
            options = search.still_open(np.array(sorted(queued), dtype=np.int64))
        fresh = np.array([option not in self.tried for option in options.tolist()], dtype=bool)
        self.tried.update(options.tolist())
        self._bound_halving(options[fresh])

    def _bound_halving(self, options: Ints) -> None:
        search, stack = self.search, [options]
        while stack:
            group = search.still_open(stack.pop())
            if len(group) < LEAST_GROUP:
                continue
            search.stop.check()
            bound = self.bound_group(group)
            search.lower[group] = np.maximum(search.lower[group], bound)
            if bound < search.cutoff:
                half = len(group) // 2
                stack += [group[half:], group[:half]]

    def bound_group(self, group: Ints) -> float:
        """Lower bound on the goal's metric that holds for every option of a group."""
        search, batches = self.search, []
        for shape in search.space.shapes_among(group):
            mine = group[search.space.shape_of[group] == shape]
            batches.append(search.batches.of_options(mine, search.most_sram_bits(mine)))
        return self.bound_tables(int(group[0]), envelope(batches))

    def bound_tables(
        self, option: int, tables: Batch, most_pairs_per_layer: float = np.inf
    ) -> float:
        """Lower bound that holds for every option whose tables are nowhere better than these.

        By the dual, then by labels or, where these do not tell, by a MILP unless more pairs of
        widths are left for it. ``option``, one of them, lends multipliers to begin with.
        """
        search = self.search
        known = search.bound_from_tables(tables)
        start = search.multipliers[search.space.shape_of[option]][None]
        found = search.dual_bound(tables, start)
        known = max(known, search.bound_from_milp(float(found.value[0])))
        if known >= search.cutoff or kind_of(search.bounded_metric()) == ENERGY:
            return known  # candidates of tables have no energies, so that a MILP says no more
        joined = tables.finely() if search.relaxation.apart else tables
        if suits_labels(search, joined):
            labelled = bound_by_labels(search, joined, found)
            if labelled is not None:
                bound = max(known, search.bound_from_milp(labelled))
                search.add_tables(tables, bound)
                return bound
        multipliers = found.multipliers[0]
        domains = search.reduced_domains(search.marginals(tables, multipliers), multipliers)
        listed = candidates_of_tables(
            *(search.space, option, tables.traffic[0], least_on_chip_s(tables)[0]),
            *(domains.pairs, domains.variable_allowed),
        )
        if listed.count > most_pairs_per_layer * len(listed.layers):
            return known
        mine = search.space.hardware_metrics
        limits = {name: x for name, x in search.goal.limits.items() if name not in mine}
        # No design need have these tables: the bound is all that the MILP is solved for.
        result = search.run_milp(listed, None, Goal(search.bounded_metric(), limits))
        if not result.complete:
            raise Stopped
        bound = max(known, search.bound_from_milp(result.bound))
        search.add_tables(tables, bound)
        return bound
