"""Best-bound search over hardware options: screening, queue, and the programme of one option."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from codesign.bounds import PRICED, Batch
from codesign.candidates import Candidates, candidates
from codesign.dual import Dual, DualBound
from codesign.formulation import Choice
from codesign.point import Point
from codesign.problem import BUDGET_TOLERANCE, Goal
from codesign.programme import Answer, solve_programme
from codesign.search.inquiry import Inquiry, OnProgress, OutOfTime, Proof
from codesign.search.together import Together

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Search:
    """Best-bound search for one goal; subclasses bound and solve a single option."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry = inquiry
        self.space, self.relaxation = inquiry.space, inquiry.relaxation
        self.goal, self.best = inquiry.goal, inquiry.best
        self.lower = inquiry.lower.copy()
        self.dual = Dual(self.relaxation, self.bounded_metric(), self.goal.limits, self.check_time)
        self.multipliers = np.zeros((len(self.space.shapes), len(self.dual.limited)))
        self.option_multipliers: dict[int, Floats] = {}
        self.moves_data = not {"latency_s", "dram_bits"}.isdisjoint(
            (self.goal.metric, *self.goal.limits)
        )
        self.queue: list[tuple[float, int, int, int]] = []  # see `_push`
        self.together = Together(self)
        self.ideal: dict[int, Batch] = {}  # of each shape, from the second screening

    # What subclasses say ------------------------------------------------------------------------

    def bounded_metric(self) -> str:
        """The metric whose dual bound prunes."""
        raise NotImplementedError

    def raise_bounds(self, options: Ints, bound: DualBound) -> None:
        """Take over a dual bound that holds for these options."""
        raise NotImplementedError

    def bound_options(self, shape: int, options: Ints) -> None:
        """Bound options of one shape with their own tilings and SRAM."""
        raise NotImplementedError

    def solve_option(self, option: int) -> float:
        """Solve one option; returns a bound on what it can still offer below the cutoff."""
        raise NotImplementedError

    def capacity(self, options: Ints) -> Floats:
        """SRAM bits with which options of one shape still matter."""
        raise NotImplementedError

    def bound_from_programme(self, bound: float) -> float:
        """What a bound on the dual's metric at `capacity` says of the goal's metric."""
        raise NotImplementedError

    def bound_from_tables(self, single: Batch) -> float:
        """Bound from programmes already solved over tables at least as good as these."""
        return -np.inf

    def remember(self, single: Batch, bound: float) -> None:
        """Note the bound a programme over these tables gave."""

    # The search ---------------------------------------------------------------------------------

    @property
    def cutoff(self) -> float:
        """Bounds from here on are as good as the best design."""
        if self.best is None:
            limit = self.goal.limits.get(self.goal.metric, np.inf)
            return float(np.nextafter(limit * (1 + 2 * BUDGET_TOLERANCE), np.inf))
        value = self.best.metrics[self.goal.metric]
        return value - self.inquiry.rel_gap * abs(value)

    @property
    def reach(self) -> float:
        """Just above the best design: what is not below is worse, and no tie either."""
        if self.best is None:
            return self.cutoff
        return self.best.metrics[self.goal.metric] * (1 + 4 * BUDGET_TOLERANCE)

    def prove(self) -> Proof:
        """Search until everything is closed or time is up."""
        complete = True
        try:
            self._screen()
            while self.queue and not (self.inquiry.any_design and self.best):
                _, is_shape, option, shape = heapq.heappop(self.queue)
                bound = self._open_bound(option, shape)
                if bound >= self.cutoff:
                    continue
                self._report(bound)
                self.check_time()
                if is_shape:
                    self._open_shape(shape)
                else:
                    self.lower[option] = max(self.lower[option], self.solve_option(option))
                    self.together.after_option()
        except OutOfTime:
            complete = False
        reached = np.inf if self.best is None else self.best.metrics[self.goal.metric]
        bound = min(reached, float(self.lower.min(initial=np.inf)))
        return Proof(self.best, bound, self.lower, complete)

    def offer(self, point: Point | None) -> bool:
        """Keep a point if it is within the limits and better than the best so far."""
        if point is None or not self.goal.kept_by(point.metrics):
            return False
        metric = self.goal.metric
        if self.best is None or point.metrics[metric] < self.best.metrics[metric]:
            self.best = point
            return True
        return False

    def shape_options(self, shape: int) -> Ints:
        """Options of a shape that are still open."""
        mine = self.space.shape_of == shape
        return np.flatnonzero(mine & (self.lower < self.cutoff))

    def batch(self, options: Ints, shape: int, sram_bits: Floats) -> Batch:
        """Tables of options of one shape, each with its own SRAM capacity."""
        if self.moves_data:
            traffic = self.space.traffic_within(shape, sram_bits)
        else:  # what fits is all that matters
            fits = self.space.least_need(shape) <= sram_bits[:, None, None, None]
            traffic = np.where(fits, 0.0, np.inf)
        return self._masked(options, traffic, self.space.shape_cycles[[shape]])

    def _masked(self, options: Ints, traffic: Floats, cycles: Ints) -> Batch:
        weights, ifmaps = self.space.runnable(options)
        runs = weights[:, None, :, None] & ifmaps[:, None, None, :]
        compute_s = cycles[:, :, None, None] / self.space.problem.clock_hz
        factor = self.space.option_precision_factor(options)
        if (factor > 1).any():
            compute_s = compute_s * factor[:, None]
        shape = (len(options), *compute_s.shape[1:])
        return Batch(np.broadcast_to(compute_s, shape), np.where(runs, traffic, np.inf))

    def _screen(self) -> None:
        """Bound pairs of PE widths, then array shapes, with the least traffic any tiling has."""
        space = self.space
        open_options = np.flatnonzero(self.lower < self.cutoff)
        if not len(open_options):
            return
        least_cycles = space.shape_cycles[np.unique(space.shape_of[open_options])].min(axis=0)
        pair = space.pe_weight_bits * 64 + space.pe_activation_bits
        pairs, first, which = np.unique(pair[open_options], return_index=True, return_inverse=True)
        ideal = self._masked(
            open_options[first],
            np.broadcast_to(
                space.compulsory_traffic, (len(pairs), *space.compulsory_traffic.shape)
            ),
            least_cycles[None],
        )
        self.check_time()
        found = self.dual.bound(ideal, stop=self.stop_at(), accuracy=1e-4)
        self._spread_bound(open_options, found, which)
        self._rule_out(open_options[~self._each_limit_keepable(ideal)[which]])
        open_options = np.flatnonzero(self.lower < self.cutoff)
        shapes, which = np.unique(space.shape_of[open_options], return_inverse=True)
        if not len(shapes):
            return
        ideal = self._ideal_shapes(open_options, shapes, which)
        start = np.broadcast_to(found.prices[-1], (len(shapes), found.prices.shape[1]))
        keepable = self._each_limit_keepable(ideal)
        self._rule_out(open_options[~keepable[which]])
        self.check_time()
        found = self.dual.bound(ideal, start=start, stop=self.stop_at(), accuracy=1e-3)
        self._spread_bound(open_options, found, which)
        self.multipliers[shapes] = found.prices
        for shape in shapes:
            mine = self.shape_options(int(shape))
            if len(mine):
                self.ideal[int(shape)] = ideal.take(shapes == shape)
                self._push(-1, int(shape))

    def _each_limit_keepable(self, batch: Batch) -> Bools:
        """(B,): whether each limit, taken alone, can be kept."""
        keepable = np.ones(len(batch), dtype=bool)
        for m, name in enumerate(PRICED):
            if name in self.goal.limits:
                prices = np.zeros((len(batch), len(PRICED)))
                prices[:, m] = 1.0
                least = self.relaxation.solve(batch, prices).value
                keepable &= least <= self.goal.limits[name] * (1 + 2 * BUDGET_TOLERANCE)
        return keepable

    def _rule_out(self, options: Ints) -> None:
        self.lower[options] = np.inf

    def _ideal_shapes(self, options: Ints, shapes: Ints, which: Ints) -> Batch:
        """Each shape with the least cycles and widest PEs of its open options, ideal tilings."""
        space = self.space
        weights, ifmaps = space.runnable(options)
        runs = np.zeros((len(shapes), len(space.widths), len(space.widths)), dtype=bool)
        np.logical_or.at(runs, which, weights[:, :, None] & ifmaps[:, None, :])
        compute_s = space.shape_cycles[shapes][:, :, None, None] / space.problem.clock_hz
        if space.problem.choices.precision == "multi-pass":
            factor = np.full(runs.shape, np.iinfo(np.int64).max)
            np.minimum.at(factor, which, space.option_precision_factor(options))
            compute_s = compute_s * factor[:, None]
        return Batch(compute_s, np.where(runs[:, None], space.compulsory_traffic, np.inf))

    def _spread_bound(self, options: Ints, found: DualBound, which: Ints) -> None:
        spread = DualBound(
            found.value[which], found.prices[which], found.reached, found.tensor, found.weight
        )
        self.raise_bounds(options, spread)

    def stop_at(self) -> float:
        """Dual bounds above this need no improvement."""
        return self.reach

    def _open_shape(self, shape: int) -> None:
        options = self.shape_options(shape)
        self.bound_options(shape, options)
        for option in options:
            if self.lower[option] < self.cutoff:
                self._push(int(option), shape)

    def _open_bound(self, option: int, shape: int) -> float:
        if option >= 0:
            return float(self.lower[option])
        return float(self.lower[self.space.shape_of == shape].min())

    def _push(self, option: int, shape: int) -> None:
        """Queue an option, or a whole shape (option −1), by its bound; options first among equals.

        Bounds are compared to seven digits, so that of many nearly equal ones an option is solved
        before more shapes are opened.
        """
        bound = self._open_bound(option, shape)
        key = float(f"{bound:.6e}")
        heapq.heappush(self.queue, (key, int(option < 0), option, shape))

    def _report(self, bound: float) -> None:
        if self.inquiry.on_progress is not None:
            reached = None if self.best is None else self.best.metrics[self.goal.metric]
            self.inquiry.on_progress(reached, bound if reached is None else min(bound, reached))

    def check_time(self) -> None:
        """Raise `OutOfTime` when the deadline has passed."""
        if time.monotonic() > self.inquiry.deadline:
            raise OutOfTime

    def solve_restricted(
        self, option: int, sram: tuple[float, float], single: Batch, multipliers: Floats
    ) -> float:
        """Solve the programme of one option over the widths its bound cannot rule out."""
        pairs, tensor_widths = self.left_over(single, multipliers)
        listed = candidates(
            self.space,
            np.array([option]),
            np.array([sram[0]]),
            np.array([sram[1]]),
            pairs=pairs,
            tensor_widths=tensor_widths,
            traffic_matters="dram_bits" in (self.goal.metric, *self.goal.limits),
        )
        reach = self.reach  # what was left out is no better than this
        answer = self.run_programme(
            self.goal, listed, lambda choice: max(choice.sram_bits, sram[0])
        )
        if answer.runs:
            self.inquiry.effort.solved.add(option)
        bound = min(reach, answer.bound)
        self.offer(answer.point)
        if not answer.complete:
            self.lower[option] = max(self.lower[option], bound)
            raise OutOfTime
        return bound

    def left_over(self, single: Batch, multipliers: Floats) -> tuple[Bools, Bools]:
        """Width pairs of each layer and widths of each tensor that could still pay."""
        tensor, pair = self.relaxation.marginals(single, self.dual.prices(multipliers[None]))
        ceiling = self.stop_at() + float(multipliers @ self.dual.limits)
        ceiling += 1e-11 * abs(ceiling)  # rounding of the sums
        return pair <= ceiling, self.space.tensor_allowed & (tensor <= ceiling)

    def run_programme(
        self, goal: Goal, listed: Candidates, capacity: Callable[[Choice], float]
    ) -> Answer:
        """Hand a programme to the solver within the time left."""
        answer = solve_programme(
            self.space,
            goal,
            listed,
            capacity=capacity,
            rel_gap=self.inquiry.solver_gap,
            deadline=self.inquiry.deadline,
            on_progress=self._programme_progress(),
        )
        self.inquiry.effort.programmes += answer.runs
        return answer

    def _programme_progress(self) -> OnProgress | None:
        if self.inquiry.on_progress is None:
            return None

        def report(_reached: float | None, _bound: float) -> None:
            self._report(float(self.lower.min()))

        return report
