"""Proves the optimum of the whole declared space, one goal at a time.

Hardware options are bounded in three passes, each on what the one before left over: every pair of
PE widths on an ideal array, every array shape with ideal SRAM, every option with its own SRAM and
tilings. Survivors are solved in best-bound order as the mathematical programme of `formulation`,
restricted to the widths that the bound cannot rule out. Everything dropped is dropped by a lower
bound, so the least of these bounds and of the programmes' own holds for the whole space.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from codesign.bounds import PRICED, Batch, Relaxation
from codesign.candidates import candidates
from codesign.dual import Dual, DualBound
from codesign.point import Point, price
from codesign.problem import BUDGET_TOLERANCE, Goal
from codesign.programme import solve_programme
from codesign.space import Space
from codesign.units import UM2_PER_MM2

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

OnProgress = Callable[[float | None, float], None]  # (objective of the best design, bound)

CLOSED = 1e-9  # relative; an option whose bound is this close to the best design is closed


@dataclass
class Effort:
    """What a search did with the hardware options."""

    considered: int = 0
    solved: set[int] = field(default_factory=set)
    programmes: int = 0


@dataclass(frozen=True)
class Proof:
    """Outcome of one goal.

    Attributes
    ----------
    best : Point or None
        None: nothing within the limits (proven if ``complete``).
    bound : float
        No point of the space has a smaller metric; inf if there is none at all.
    lower : floats, shape (options,)
        Lower bound of each option.
    complete : bool
        False where time ran out.
    """

    best: Point | None
    bound: float
    lower: Floats
    complete: bool


@dataclass(frozen=True)
class Inquiry:
    """One goal to prove, with what is known beforehand.

    Attributes
    ----------
    lower : floats, shape (options,)
        Bounds on the goal's metric known beforehand; inf rules an option out.
    best : Point or None
        A point within the limits, to beat.
    effort : Effort
        Counts what is done.
    rel_gap : float
        Relative gap at which an option is closed, if coarser than rounding.
    deadline : float
        Of `time.monotonic`.
    on_progress : callable, optional
        Given the metric of the best point (or None) and the bound.
    any_design : bool
        Stop at the first point within the limits (is there one?), proving no optimum.
    """

    space: Space
    relaxation: Relaxation
    goal: Goal
    lower: Floats
    best: Point | None
    effort: Effort
    rel_gap: float = CLOSED
    deadline: float = math.inf
    on_progress: OnProgress | None = None
    any_design: bool = False

    @property
    def solver_gap(self) -> float:
        """Relative gap for the solver: none of its own unless a coarse answer is asked for."""
        return self.rel_gap if self.rel_gap > CLOSED else 0.0


class OutOfTime(Exception):
    """Raised inside the search when the deadline passes."""


class Search:
    """Best-bound search for one goal; subclasses bound and solve a single option."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry = inquiry
        self.space, self.relaxation = inquiry.space, inquiry.relaxation
        self.goal, self.best = inquiry.goal, inquiry.best
        self.lower = inquiry.lower.copy()
        self.dual = Dual(self.relaxation, self.bounded_metric(), self.goal.limits)
        self.multipliers = np.zeros((len(self.space.shapes), len(self.dual.limited)))
        self.option_multipliers: dict[int, Floats] = {}
        self.moves_data = not {"latency_s", "dram_bits"}.isdisjoint(
            (self.goal.metric, *self.goal.limits)
        )
        self.queue: list[tuple[float, int, int, int]] = []  # see `_push`
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

    # The search ---------------------------------------------------------------------------------

    @property
    def cutoff(self) -> float:
        """Bounds from here on are as good as the best design."""
        if self.best is None:
            limit = self.goal.limits.get(self.goal.metric, np.inf)
            return limit * (1 + 2 * BUDGET_TOLERANCE)
        value = self.best.metrics[self.goal.metric]
        return value - self.inquiry.rel_gap * abs(value)

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
                self._check_time()
                if is_shape:
                    self._open_shape(shape)
                else:
                    self.lower[option] = max(self.lower[option], self.solve_option(option))
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
        self._check_time()
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
        self._check_time()
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
        return self.cutoff

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

    def _check_time(self) -> None:
        if time.monotonic() > self.inquiry.deadline:
            raise OutOfTime

    def solve_restricted(
        self, option: int, sram: tuple[float, float], single: Batch, multipliers: Floats
    ) -> float:
        """Solve the programme of one option over the widths its bound cannot rule out."""
        prices = self.dual.prices(multipliers[None])
        tensor, pair = self.relaxation.marginals(single, prices)
        ceiling = self.stop_at() + float(multipliers @ self.dual.limits)
        ceiling += 1e-11 * abs(ceiling)  # rounding of the sums
        listed = candidates(
            self.space,
            np.array([option]),
            np.array([sram[0]]),
            np.array([sram[1]]),
            pairs=pair <= ceiling,
            tensor_widths=self.space.tensor_allowed & (tensor <= ceiling),
            traffic_matters="dram_bits" in (self.goal.metric, *self.goal.limits),
        )
        answer = solve_programme(
            self.space,
            self.goal,
            listed,
            capacity=lambda choice: max(choice.sram_bits, sram[0]),
            rel_gap=self.inquiry.solver_gap,
            deadline=self.inquiry.deadline,
            on_progress=self._programme_progress(),
        )
        if answer.runs:
            self.inquiry.effort.solved.add(option)
            self.inquiry.effort.programmes += answer.runs
        # What the bound ruled out is no better than the cutoff was.
        bound = min(self.cutoff, answer.bound)
        self.offer(answer.point)
        if not answer.complete:
            self.lower[option] = max(self.lower[option], bound)
            raise OutOfTime
        return bound

    def _programme_progress(self) -> OnProgress | None:
        if self.inquiry.on_progress is None:
            return None

        def report(_reached: float | None, bound: float) -> None:
            self._report(min(float(self.lower.min()), max(bound, 0.0)))

        return report


class LeastMetric(Search):
    """Minimise any metric but area: each option gets all the SRAM its area limit leaves."""

    def bounded_metric(self) -> str:
        return self.goal.metric

    def raise_bounds(self, options: Ints, bound: DualBound) -> None:
        self.lower[options] = np.maximum(self.lower[options], bound.value)

    def prove(self) -> Proof:
        sram = self._sram(np.arange(len(self.space)))
        self.lower[sram < 1] = np.inf
        self.solved_tables: list[tuple[Batch, float]] = []
        return super().prove()

    def _sram(self, options: Ints) -> Floats:
        return self.space.sram_bits_within(options, self.goal.limits.get("area_mm2"))

    def bound_options(self, shape: int, options: Ints) -> None:
        self.lower[options] = np.maximum(
            self.lower[options], self._bound_from_solved(self.ideal[shape])
        )
        options = options[self.lower[options] < self.cutoff]
        if not len(options):
            return
        sram = self._sram(options)
        start = np.broadcast_to(self.multipliers[shape], (len(options), len(self.dual.limited)))
        batch = self.batch(options, shape, sram)
        found = self.dual.bound(batch, start=start, stop=self.cutoff, accuracy=1e-5)
        self.raise_bounds(options, found)
        for n, option in enumerate(options):
            self.option_multipliers[int(option)] = found.prices[n]
        if np.isfinite(found.reached).any():
            n = int(found.reached.argmin())
            self.offer(
                price(self.space, int(options[n]), found.tensor[n], found.weight[n], sram[n])
            )

    def solve_option(self, option: int) -> float:
        options = np.array([option])
        sram = float(self._sram(options)[0])
        single = self.batch(options, int(self.space.shape_of[option]), np.array([sram]))
        known = self._bound_from_solved(single)
        if known >= self.cutoff:
            return known
        start = self.option_multipliers[option][None]
        found = self.dual.bound(single, start=start, stop=self.cutoff)
        if np.isfinite(found.reached[0]):
            self.offer(price(self.space, option, found.tensor[0], found.weight[0], sram))
        bound = max(known, float(found.value[0]))
        if bound < self.cutoff:
            solved = self.solve_restricted(option, (sram, sram), single, found.prices[0])
            bound = max(bound, solved)
            self.solved_tables.append((single, bound))
        return bound

    def _bound_from_solved(self, single: Batch) -> float:
        """Bound from solved options that are at least as good as this one in every table."""
        metrics = (self.goal.metric, *self.goal.limits)
        bound = -np.inf
        for better, its_bound in self.solved_tables:
            if its_bound <= bound:
                continue
            if "latency_s" in metrics or "dram_bits" in metrics:
                contains = (better.traffic <= single.traffic).all()
            else:
                contains = (np.isfinite(better.traffic) | ~np.isfinite(single.traffic)).all()
            if "latency_s" in metrics:
                contains = contains and (better.compute_s <= single.compute_s).all()
            if contains:
                bound = its_bound
        return bound


class LeastArea(Search):
    """Minimise area: the array's area is known, its least SRAM is found by bisection and programme.

    An option is infeasible with ``S`` bits when the dual bound of one limited metric exceeds its
    limit there; more SRAM never hurts, so the least ``S`` not ruled out bounds the option's area.
    """

    def bounded_metric(self) -> str:
        limited = [name for name in PRICED if name in self.goal.limits]
        return limited[0] if limited else "noise"

    def stop_at(self) -> float:
        limit = self.goal.limits.get(self.bounded_metric(), np.inf)
        return limit * (1 + BUDGET_TOLERANCE)

    def raise_bounds(self, options: Ints, bound: DualBound) -> None:
        self.lower[options[bound.value > self.stop_at()]] = np.inf

    def prove(self) -> Proof:
        self.least_sram = np.zeros(len(self.space))
        self._raise_area(np.arange(len(self.space)))
        return super().prove()

    def _raise_area(self, options: Ints) -> None:
        slope = self.space.problem.technology.sram_area_um2.slope
        area_um2 = self.space.base_area_um2[options] + slope * self.least_sram[options]
        self.lower[options] = np.maximum(self.lower[options], area_um2 / UM2_PER_MM2)

    def _most_sram(self, options: Ints) -> Floats:
        """SRAM bits that keep each option's area at the cutoff; no more than any tiling needs."""
        within = self.space.sram_bits_within(
            options, self.cutoff if np.isfinite(self.cutoff) else None
        )
        return np.minimum(within, self._useful_sram(int(self.space.shape_of[options[0]])))

    def _useful_sram(self, shape: int) -> float:
        """SRAM bits beyond which nothing improves on an array shape."""
        if self.moves_data:
            return self.space.most_need(shape)
        return float(self.space.least_need(shape).max())

    def _start_from_least_need(self, shape: int, options: Ints) -> None:
        """Every layer needs room for its smallest tile at the widths it may take."""
        need = self.space.least_need(shape)[self.space.geometry_of]
        weights, ifmaps = self.space.runnable(options)
        inputs = [self.space.tensor_index[layer.input] for layer in self.relaxation.layers]
        allowed = self.space.weight_allowed[:, :, None] & self.space.tensor_allowed[inputs][:, None]
        runs = weights[:, None, :, None] & ifmaps[:, None, None, :] & allowed
        least = np.where(runs, need, np.inf).min(axis=(2, 3)).max(axis=1)
        self.lower[options[np.isinf(least)]] = np.inf
        fits = np.isfinite(least)
        self.least_sram[options[fits]] = np.maximum(self.least_sram[options[fits]], least[fits])
        self._raise_area(options)

    def bound_options(self, shape: int, options: Ints) -> None:
        self._start_from_least_need(shape, options)
        options = options[self.lower[options] < self.cutoff]
        if not len(options):
            return
        start = np.broadcast_to(self.multipliers[shape], (len(options), len(self.dual.limited)))
        self._bisect(shape, options, np.array(start), ratio=1.05)

    def _bisect(self, shape: int, options: Ints, multipliers: Floats, ratio: float) -> None:
        """Raise ``least_sram`` of options until the undecided range is within ``ratio``."""
        high = self._most_sram(options)
        probe = high.copy()  # first the most that could pay: is the option worth anything?
        rows = np.arange(len(options))
        while len(rows):
            self._check_time()
            high = np.minimum(high, self._most_sram(options))
            mine = options[rows]
            probe[rows] = np.minimum(probe[rows], high[rows])
            batch = self.batch(mine, shape, probe[rows])
            found = self.dual.bound(
                batch, start=multipliers[rows], stop=self.stop_at(), accuracy=1e-5
            )
            multipliers[rows] = found.prices
            self._offer_reached(mine, probe[rows], found)
            ruled_out = found.value > self.stop_at()
            self.least_sram[mine[ruled_out]] = probe[rows[ruled_out]] + 1
            high[rows[~ruled_out]] = probe[rows[~ruled_out]]
            self._raise_area(mine)
            low = self.least_sram[mine]
            self.lower[mine[low > self._useful_sram(shape)]] = np.inf
            probe[rows] = np.floor(np.sqrt(np.maximum(low, 64.0) * high[rows]))
            undecided = (high[rows] > np.maximum(low, 64.0) * ratio) & (
                self.lower[mine] < self.cutoff
            )
            rows = rows[undecided]
        for n, option in enumerate(options):
            self.option_multipliers[int(option)] = multipliers[n]

    def _offer_reached(self, options: Ints, sram: Floats, found: DualBound) -> None:
        for n in np.flatnonzero(np.isfinite(found.reached)):
            self.offer(
                price(self.space, int(options[n]), found.tensor[n], found.weight[n], float(sram[n]))
            )

    def solve_option(self, option: int) -> float:
        options, shape = np.array([option]), int(self.space.shape_of[option])
        self._bisect(shape, options, self.option_multipliers[option][None].copy(), ratio=1.01)
        if self.lower[option] >= self.cutoff:
            return float(self.lower[option])
        high = float(self._most_sram(options)[0])
        single = self.batch(options, shape, np.array([high]))
        low = float(self.least_sram[option])
        start = self.option_multipliers[option][None]
        found = self.dual.bound(single, start=start, stop=self.stop_at())
        if found.value[0] > self.stop_at():
            return self.cutoff
        return self.solve_restricted(option, (low, high), single, found.prices[0])


def prove(inquiry: Inquiry) -> Proof:
    """Prove a goal over the whole space by the search that suits its metric."""
    search = LeastArea if inquiry.goal.metric == "area_mm2" else LeastMetric
    return search(inquiry).prove()
