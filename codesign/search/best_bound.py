"""Best-bound search over hardware options: screening, queue, and the programme of one option."""

from __future__ import annotations

import heapq

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import beyond
from codesign.search.bounds.lagrangian import DualBound
from codesign.search.bounds.layer_tables import Batch
from codesign.search.cut_pool import Cut, ProvenBounds
from codesign.search.goal_search import GoalSearch
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.group_bounds import GroupBounds
from codesign.search.milp.formulation import MilpSolution
from codesign.search.milp.solve import MilpResult
from codesign.space.candidates import Candidates, candidates
from codesign.space.hardware import HardwareSpace
from codesign.space.point import Solution, price
from codesign.stopping import Stopped

OPTION, SEEN, UNSEEN = range(3)  # what is queued: an option, or a shape before or after a look
SEEN_TOGETHER = 8  # shapes looked at at once
FAR = 2.0  # times the least bound; shapes whose first bound is beyond are bounded no better
MANY_PAIRS = 10_000  # of widths, all layers together, that make a long programme
CORE_PAIRS = 3  # of them for each layer, on average, in the first programme then
FEW_OPTIONS = 64  # so many are bounded one shape after the other, without screening


class Search(GoalSearch):
    """Best-bound search over hardware options; subclasses bound and solve a single option."""

    space: HardwareSpace

    def __init__(self, task: GoalTask) -> None:
        assert isinstance(task.space, HardwareSpace)
        super().__init__(task)
        self.multipliers = np.zeros((len(self.space.shapes), len(self.dual.limited)))
        self.option_multipliers: dict[int, Floats] = {}
        self.moves_data = not {"latency_s", "dram_bits"}.isdisjoint(
            (self.goal.metric, *self.goal.limits)
        )
        self.queue: list[tuple[float, int, int, int]] = []  # see `_push`
        self.group_bounds = GroupBounds(self)
        self.ideal: dict[int, Batch] = {}  # of each shape, from the second screening

    # What subclasses say ------------------------------------------------------------------------

    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        """Take over dual bounds of these options."""
        raise NotImplementedError

    def bound_options(self, shape: int, options: Ints) -> None:
        """Bound options of one shape with their own tilings and SRAM."""
        raise NotImplementedError

    def bound_capacities(self, options: Ints) -> None:
        """Bound the shapes of options with the SRAM their limits leave, where that helps."""

    def solve_option(self, option: int) -> float:
        """Solve one option; returns a bound on what it can still offer below the cutoff."""
        raise NotImplementedError

    def capacity(self, options: Ints) -> Floats:
        """SRAM bits with which options of one shape still matter."""
        raise NotImplementedError

    def bound_from_milp(self, bound: float) -> float:
        """What a bound on the dual's metric at `capacity` says of the goal's metric."""
        raise NotImplementedError

    def bound_from_tables(self, single: Batch) -> float:
        """Bound from programmes already solved over tables at least as good as these."""
        return -np.inf

    def remember(self, single: Batch, bound: float) -> None:
        """Note the bound a programme over these tables gave."""

    # The search ---------------------------------------------------------------------------------

    def prove(self) -> SearchResult:
        """Search until everything is closed or it has to end."""
        complete = True
        options, as_good = self._dominated()
        self.lower[options] = np.inf  # till the end
        try:
            self._screen()
            while self.queue and not (self.task.feasibility_only and self.incumbent):
                self.group_bounds.of_all_open()
                _, stage, option, shape = heapq.heappop(self.queue)
                bound = self._open_bound(option, shape)
                if bound >= self.cutoff:
                    continue
                self._report(bound)
                self.stop.check()
                if stage == UNSEEN:
                    self._look_at_shapes([shape, *self._next_unseen()])
                elif stage == SEEN:
                    self._open_shape(shape)
                else:
                    self.lower[option] = max(self.lower[option], self.solve_option(option))
                    self.group_bounds.after_option()
        except Stopped:
            complete = False
        self.lower[options] = self.lower[as_good]
        reached = np.inf if self.incumbent is None else self.incumbent.metrics[self.goal.metric]
        bound = min(reached, float(self.lower.min(initial=np.inf)))
        self.cut_pool.add_bounds(ProvenBounds(self.goal, self.lower))
        return SearchResult(self.incumbent, bound, self.lower, complete)

    def _dominated(self) -> tuple[Ints, Ints]:
        """Options that need no search, and for each the one on a smaller array that is as good."""
        space, everyone = self.space, np.arange(len(self.space))
        as_good = space.smallest_alike[space.shape_of] * space.pe_pairs + everyone % space.pe_pairs
        offered = self.task.lower < np.inf
        options = np.flatnonzero((as_good != everyone) & offered[as_good])
        return options, as_good[options]

    def shape_options(self, shape: int) -> Ints:
        """Options of a shape that are still open."""
        first = shape * self.space.pe_pairs
        return first + np.flatnonzero(self._lower_of(shape) < self.cutoff)

    def _lower_of(self, shape: int) -> Floats:
        """(PE pairs,): bounds of a shape's options."""
        first = shape * self.space.pe_pairs
        return self.lower[first : first + self.space.pe_pairs]

    def batch(self, options: Ints, sram_bits: Floats) -> Batch:
        """Tables of options, each with its own SRAM capacity."""
        shape_of = self.space.shape_of[options]
        tables = np.empty((len(options), *self.space.compulsory_traffic.shape))
        for shape in self.space.shapes_among(options):
            mine = shape_of == shape
            tables[mine] = self._traffic(int(shape), sram_bits[mine])
        return self._masked(options, tables, self.space.shape_cycles[shape_of])

    def _traffic(self, shape: int, sram_bits: Floats) -> Floats:
        """(capacities, geometries, widths, widths): DRAM bits, or 0, where some tiling fits."""
        if self.moves_data:
            return self.space.traffic_within(shape, sram_bits)
        fits = self.space.least_need(shape) <= sram_bits[:, None, None, None]
        return np.where(fits, 0.0, np.inf)  # what fits is all that matters

    def _masked(self, options: Ints, traffic: Floats, cycles: Ints) -> Batch:
        runs = self.space.runnable(options)
        compute_s = cycles[:, :, None, None] / self.space.problem.clock_hz
        factor = self.space.option_precision_factor(options)
        if (factor > 1).any():
            compute_s = compute_s * factor[:, None]
        shape = (len(options), *compute_s.shape[1:])
        return Batch(np.broadcast_to(compute_s, shape), np.where(runs, traffic, np.inf))

    def _screen(self) -> None:
        """Bound pairs of PE widths, then array shapes, with the least traffic any tiling has."""
        open_options = np.flatnonzero(self.lower < self.cutoff)
        limits = [(name, x) for name, x in self.goal.limits.items() if name in ADDITIVE_METRICS]
        screened = (self.bounded_metric(), *sorted(limits))
        if len(open_options) > FEW_OPTIONS and screened not in self.cut_pool.screened:
            self.cut_pool.screened.add(screened)
            start = self._screen_pairs(open_options)
            open_options = np.flatnonzero(self.lower < self.cutoff)
            self._screen_shapes(open_options, start)
        open_options = np.flatnonzero(self.lower < self.cutoff)
        for shape in self.space.shapes_among(open_options):
            self._push(UNSEEN, -1, int(shape))

    def _screen_pairs(self, open_options: Ints) -> Floats:
        """Bound pairs of PE widths on an ideal array; returns good multipliers."""
        ideal, which = self.union_of_pairs(open_options, self.space.compulsory_traffic)
        self.stop.check()
        widest = self.dual.bound(
            ideal.take(np.array([len(ideal) - 1])), cutoff=self.dual_cutoff(), accuracy=1e-4
        )
        start = np.broadcast_to(widest.multipliers, (len(ideal), widest.multipliers.shape[1]))
        found = self.dual.bound(ideal, start=start, cutoff=self.dual_cutoff(), rounds=1)
        self.spread_bound(open_options, found, which, np.full(len(found.value), np.inf))
        self._rule_out(open_options[~self._each_limit_keepable(ideal)[which]])
        return np.asarray(widest.multipliers[0])

    def _screen_shapes(self, open_options: Ints, multipliers: Floats) -> None:
        """Bound array shapes with ideal SRAM."""
        shapes, which = np.unique(self.space.shape_of[open_options], return_inverse=True)
        if not len(shapes):
            return
        ideal = self.union_of_shapes(open_options, shapes, which)
        start = np.broadcast_to(multipliers, (len(shapes), len(multipliers)))
        keepable = self._each_limit_keepable(ideal)
        self._rule_out(open_options[~keepable[which]])
        self.stop.check()
        found = self.dual.bound(ideal, start=start, cutoff=self.dual_cutoff(), rounds=1)
        near = np.flatnonzero(found.value <= FAR * np.abs(found.value).min())
        best = self.dual.bound(ideal.take(near), start[near], self.dual_cutoff(), accuracy=1e-3)
        found.value[near], found.multipliers[near] = best.value, best.multipliers
        self.spread_bound(open_options, found, which, np.full(len(found.value), np.inf))
        self.multipliers[shapes] = found.multipliers
        tables = zip(shapes.tolist(), ideal.compute_s[:, None], ideal.traffic[:, None], strict=True)
        self.ideal = {shape: Batch(compute_s, traffic) for shape, compute_s, traffic in tables}

    def _each_limit_keepable(self, batch: Batch) -> Bools:
        """(B,): whether each limit, taken alone, can be kept."""
        keepable = np.ones(len(batch), dtype=bool)
        for m, name in enumerate(ADDITIVE_METRICS):
            if name in self.goal.limits:
                coefficients = np.zeros((len(batch), len(ADDITIVE_METRICS)))
                coefficients[:, m] = 1.0
                least = self.relaxation.solve(batch, coefficients).value
                keepable &= least <= beyond(self.goal.limits[name])
        return keepable

    def _rule_out(self, options: Ints) -> None:
        self.lower[options] = np.inf

    def union_of_pairs(self, options: Ints, traffic: Floats) -> tuple[Batch, Ints]:
        """Each pair of PE widths with the least cycles of all arrays, and which one an option has.

        ``traffic`` (geometries, widths, widths) is that of all.
        """
        space = self.space
        least_cycles = space.shape_cycles[space.shapes_among(options)].min(axis=0)
        pair = space.pe_weight_bits * 64 + space.pe_activation_bits
        pairs, first, which = np.unique(pair[options], return_index=True, return_inverse=True)
        each = np.broadcast_to(traffic, (len(pairs), *traffic.shape))
        return self._masked(options[first], each, least_cycles[None]), which

    def union_of_shapes(
        self, options: Ints, shapes: Ints, which: Ints, sram_bits: Floats | None = None
    ) -> Batch:
        """Each shape with the widest PEs and least cycles of its open options; ideal tilings, or
        those within some SRAM.
        """
        space = self.space
        each_runs = space.runnable(options)
        runs = np.zeros((len(shapes), *each_runs.shape[1:]), dtype=bool)
        np.logical_or.at(runs, which, each_runs)
        compute_s = space.shape_cycles[shapes][:, :, None, None] / space.problem.clock_hz
        if space.problem.choices.precision == "multi-pass":
            factor = np.full((len(shapes), *runs.shape[2:]), np.iinfo(np.int64).max)
            np.minimum.at(factor, which, space.option_precision_factor(options))
            compute_s = compute_s * factor[:, None]
        traffic = space.compulsory_traffic
        if sram_bits is not None:
            each = zip(shapes.tolist(), sram_bits[:, None], strict=True)
            traffic = np.concatenate([self._traffic(shape, bits) for shape, bits in each])
        return Batch(compute_s, np.where(runs, traffic, np.inf))

    def spread_bound(self, options: Ints, found: DualBound, which: Ints, sram_bits: Floats) -> None:
        """Take over, for each option, the bound of what it was united into, within its SRAM."""
        self.raise_bounds(options, found.value[which])
        self.note_cut(options, found, sram_bits, which)

    def note_cut(
        self, options: Ints, found: DualBound, sram_bits: Floats, which: Ints | None = None
    ) -> None:
        """Remember dual bounds for later goals: each option's own, or which one is its."""
        row = np.arange(len(options)) if which is None else which
        value = found.value + found.multipliers @ self.dual.limits
        cut = Cut(options, row, self.dual.coefficients(found.multipliers), value, sram_bits)
        self.cut_pool.add_cut(self.bounded_metric(), cut, len(self.space))

    def first_multipliers(self, options: Ints) -> Floats:
        """Multipliers to begin with: an option's own of an earlier bound, or its shape's."""
        names = [ADDITIVE_METRICS[metric] for metric in self.dual.limited]
        own, known = self.cut_pool.multipliers(options, self.bounded_metric(), names)
        shapes = self.multipliers[self.space.shape_of[options]]
        return np.where(known[:, None], own, shapes)

    def _next_unseen(self) -> list[int]:
        """A few further shapes at the head of the queue."""
        found: list[int] = []
        while self.queue and self.queue[0][1] == UNSEEN and len(found) + 1 < SEEN_TOGETHER:
            found.append(heapq.heappop(self.queue)[3])
        return found

    def _look_at_shapes(self, shapes: list[int]) -> None:
        """Bound shapes with the most SRAM that one of their options has; queue what is open."""
        options = np.sort(np.concatenate([self.shape_options(shape) for shape in shapes]))
        # A first goal's first shape may well give a design that closes the others.
        if (
            self.incumbent is not None
            and self.cut_pool.proven_bounds
            and len(options) > len(shapes)
        ):
            self.bound_capacities(options)
        for shape in shapes:
            if self._open_bound(-1, shape) < self.cutoff:
                self._push(SEEN, -1, shape)

    def _open_shape(self, shape: int) -> None:
        options = self.shape_options(shape)
        self.bound_options(shape, options)
        for option in options:
            if self.lower[option] < self.cutoff:
                self._push(OPTION, int(option), shape)

    def _open_bound(self, option: int, shape: int) -> float:
        if option >= 0:
            return float(self.lower[option])
        return float(self._lower_of(shape).min())

    def _push(self, stage: int, option: int, shape: int) -> None:
        """Queue an option, or a whole shape (option −1), by its bound; options first among equals.

        Bounds are compared to seven digits, so that of many nearly equal ones an option is solved
        before more shapes are opened.
        """
        bound = self._open_bound(option, shape)
        key = float(f"{bound:.6e}")
        heapq.heappush(self.queue, (key, stage, option, shape))

    def solve_restricted(
        self, option: int, sram: tuple[float, float], left: tuple[Bools, Bools]
    ) -> float:
        """Solve the programme of one option over the widths left to it; see `reduced_domains`."""
        reach = self.incumbent_ceiling  # what was left out is no better than this
        answer = self._answer(option, sram, left)
        bound = min(reach, answer.bound)
        if not answer.complete:
            self.lower[option] = max(self.lower[option], bound)
            raise Stopped
        return bound

    def solve_core(
        self,
        option: int,
        sram: tuple[float, float],
        left: tuple[Bools, Bools],
        marginals: tuple[Floats, Floats],
    ) -> bool:
        """Solve it over the few pairs of widths that look best, if many are left; whether it was.

        For the design alone, which leaves fewer; what is left out may be better.
        """
        (pairs, variable_allowed), (width, pair) = left, marginals
        wanted = CORE_PAIRS * len(pairs)
        if np.count_nonzero(pairs) <= max(MANY_PAIRS, 2 * wanted):
            return False
        ceiling = np.partition(pair[pairs], wanted)[wanted]
        core = pairs & (pair <= ceiling), variable_allowed & (width <= ceiling)
        if not self._answer(option, sram, core).complete:
            raise Stopped
        return True

    def _answer(
        self, option: int, sram: tuple[float, float], left: tuple[Bools, Bools]
    ) -> MilpResult:
        """Solve the programme of one option over some widths, and offer what it finds."""
        listed = self._listed(option, sram, left)

        def priced(choice: MilpSolution) -> Solution | None:
            capacity = max(choice.sram_bits, sram[0])
            return price(self.space, option, choice.variable_width, choice.weight, capacity)

        answer = self.run_milp(listed, priced)
        if answer.runs:
            self.task.stats.solved.add(option)
        self.update_incumbent(answer.point)
        return answer

    def _listed(
        self, option: int, sram: tuple[float, float], left: tuple[Bools, Bools]
    ) -> Candidates:
        """What one option may choose from, of the widths left, with an SRAM of a range."""
        return candidates(
            self.space,
            np.array([option]),
            np.array([sram[0]]),
            np.array([sram[1]]),
            pairs=left[0],
            variable_allowed=left[1],
            traffic_matters="dram_bits" in (self.goal.metric, *self.goal.limits),
        )

    def known_reduced_domains(self, option: int, sram_bits: float) -> tuple[Bools, Bools] | None:
        """The same, if an earlier goal within whose limits this one stays has found it."""
        known = self.cut_pool.known_domains(option, self.goal, sram_bits)
        return None if known is None else (known.pairs, known.variable_allowed)
