"""The Lagrangian dual of a goal's limits, for many hardware options at once.

For multipliers λ ≥ 0 on the limited metrics, ``min (objective + λ·metrics) − λ·limits`` is a lower
bound on the objective of every assignment of widths within the limits (Fisher 1981). Any
multipliers give a valid bound; good ones give a tight one, and are found for one limit by cutting
planes (Kelley 1960), for several by subgradient steps (Polyak 1969). Where each member of a suite
has one limit of its own, each is maximised by itself: the Lagrangian is a sum over the members.
Beside the bound stands the best assignment within the limits met on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ENERGY, timed_by
from codesign.problem.tolerances import CLOSING_GAP, UNDERFLOW, beyond, ceiling
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.bounds.relaxed_solution import RelaxedSolution
from codesign.space.widths import WidthSpace
from codesign.units import kind_of, member_of, of_member

SmallInts = npt.NDArray[np.int8]

MAX_ROUNDS = 120  # of multipliers tried
MAX_CROSSINGS = 60  # of tangents, where each limit is maximised by itself
FIRST_CHARGE = 0.1  # of the unlimited optimum, charged for a limit by the multiplier tried first
# Of a multiplier while it has no tangent on one side: squared each time, and so often towards 0.
STEP, STEPS, MOST_SQUARED = 1.25, 5, 8
OVERSHOOT = 1.1  # beyond where a tangent reaches what would rule an option out
LARGEST = 1e250  # multiplier: no product with a metric overflows
PATIENCE = 3  # rounds without a better bound, before a step is halved or tangents are given up
LEAST_STEP = 1e-3  # of halved ones
AIM_ABOVE = 0.05  # relative; of the best value known, where nothing better says what to aim at


@dataclass
class DualBound:
    """What is known of each option of a batch.

    Attributes
    ----------
    value : floats, shape (B,)
        Lower bound on the objective within the limits; inf where the limits cannot be kept.
    multipliers : floats, shape (B, limits)
        Those that gave it.
    incumbent : floats, shape (B,)
        Objective of the best assignment within the limits met on the way; inf if none.
    variable_width, weight : small ints, shape (B, width variables), (B, layers)
        That assignment, as indices into the width list.
    on_chip : bools, shape (B, placed tensors and fused runs)
        And where it has tensors, and what it fuses.
    of_members : floats, shape (B, members)
        Lower bound on what each member of a suite has by itself, unweighted, at the multipliers of
        its limit; no columns where they are not bounded one by one.
    latency_s : floats, shape (B,)
        Of the relaxed optimum at the multipliers.
    """

    value: Floats
    multipliers: Floats
    incumbent: Floats
    variable_width: SmallInts
    weight: SmallInts
    on_chip: Bools
    of_members: Floats
    latency_s: Floats


def members_limits(metric: str, limits: Iterable[str]) -> list[str]:
    """Limits of members on what is minimised of all of them together."""
    return [x for x in limits if member_of(x) is not None and kind_of(x) == metric]


def member_of_limits(space: WidthSpace, metric: str, limited: list[str]) -> Ints | None:
    """(limits,): whose each is, where each member has one, and the objective is a sum of them.

    Or where the objective is one member's, who has the only limit; of a network by itself 0 of its
    only one. None where limits or widths hold several together.
    """
    names = [x.name for x in space.problem.network.members]
    if not names:
        return np.zeros(1, dtype=np.int64) if len(limited) == 1 else None
    own = [member_of(x) for x in limited]
    of_all = member_of(metric) is None and sorted(map(str, own)) == sorted(names)
    of_one = member_of(metric) is not None and own == [member_of(metric)]
    together = space.coupled or bool(space.runs) or kind_of(metric) == ENERGY
    if together or not (of_all or of_one):
        return None
    return np.array([names.index(str(x)) for x in own], dtype=np.int64)


class Dual:
    """The dual of ``minimise metric within limits`` over the widths of one hardware option."""

    def __init__(self, relaxation: Relaxation, metric: str, limits: Mapping[str, float]) -> None:
        self.relaxation = relaxation
        self.metrics = relaxation.space.additive_metrics
        self.main = self.metrics.index(metric)
        time = timed_by(metric) if kind_of(metric) == ENERGY else "latency_s"
        self.timed = self.metrics.index(time)
        limited = [name for name in limits if name in self.metrics and name != metric]
        # What each member has of the metric at least is known where each is bounded by itself.
        own = members_limits(metric, limited)
        others = [x for x in limited if x not in own]
        if member_of_limits(relaxation.space, metric, others) is None:
            own, others = [], limited
        self.of_members = {str(member_of(x)): limits[x] for x in own}
        limited = others
        self.limited = [self.metrics.index(name) for name in limited]
        self.limits = ceiling(np.array([limits[name] for name in limited], dtype=np.float64))
        self.scale = np.where(self.limits > 0, self.limits, 1.0)
        self.by_member = member_of_limits(relaxation.space, metric, limited)

    def coefficients(self, multipliers: Floats) -> Floats:
        """(B, metrics) coefficients of the Lagrangian from (B, limits) multipliers."""
        coefficients = np.zeros((len(multipliers), len(self.metrics)))
        coefficients[:, self.main] = 1.0
        coefficients[:, self.limited] = multipliers
        return coefficients

    def bound(
        self,
        batch: Batch,
        start: Floats | None = None,
        cutoff: float = np.inf,
        accuracy: float = CLOSING_GAP,
        rounds: int = MAX_ROUNDS,
        below: float = 0.0,
    ) -> DualBound:
        """Bound every option of a batch.

        Parameters
        ----------
        start : floats, shape (B, limits)
            Multipliers to begin with, from a similar option.
        cutoff : float
            An option whose bound has come above this needs no better one.
        accuracy : float
            Relative distance to the best dual value at which to stop.
        rounds : int
            Multipliers to try at most; 1: those to begin with.
        below : float
            The accuracy, if that is less, of an option that no multiplier brings to the cutoff, as
            far as tangents tell.
        """
        self.relaxation.check_time()
        relaxation = self.relaxation.of(batch)
        parts = [*relaxation.parts(len(batch))]
        if len(parts) > 1:  # what no multiplier changes in their tables is then worked out once
            each = [
                self.bound(
                    batch.take(r),
                    None if start is None else start[r],
                    cutoff,
                    accuracy,
                    rounds,
                    below,
                )
                for r in parts
            ]
            names = (field.name for field in fields(DualBound))
            return DualBound(*(np.concatenate([getattr(x, n) for x in each]) for n in names))
        search = _Ascent(self, batch)
        # A bound above what any assignment costs proves that none keeps the limits; not needed
        # where a bound above ``cutoff`` says all there is to say.
        if len(self.limited) > 0 and np.isinf(cutoff) and rounds > 1:
            worst = ceiling(relaxation.upper_bound(batch, self.main))
        else:
            worst = np.full(len(batch), np.inf)
        enough = np.minimum(cutoff, np.where(np.isfinite(worst), worst, cutoff))
        if len(self.limited) == 0:
            search.evaluate(np.arange(len(batch)), search.found.multipliers.copy())
        else:
            first = search.first_multipliers() if start is None else start.copy()
            if self.by_member is not None:
                search.cross_tangents(first, enough, accuracy, rounds, below)
            else:
                search.step_by_subgradients(first, enough, accuracy, rounds)
        search.found.value[search.found.value > worst + UNDERFLOW] = np.inf
        search.tell_members_apart()
        return search.found


class _OfLimits(NamedTuple):
    """What is best of each limit's member: its value and its incumbent's objective, (B, limits)."""

    value: Floats
    incumbent: Floats


class _LimitsOf(NamedTuple):
    """A limit's number for each width variable, layer, and placed tensor and fused run."""

    variables: Ints
    layers: Ints
    places: Ints


class _Ascent:
    """One batch's way up the dual: the best bounds and assignments so far, and how to go on."""

    def __init__(self, dual: Dual, batch: Batch) -> None:
        self.dual, self.batch = dual, batch
        self.part, self.part_rows = batch, np.arange(len(batch))  # evaluated last
        self.relaxation = dual.relaxation.of(batch)
        self.limits, self.scale = dual.limits, dual.scale
        # A limit that is broken by no more is kept, as far as sums can tell: to charge ever more
        # for it proves nothing.
        self.unclear = self.relaxation.rounding * self.limits
        count, space = len(batch), self.relaxation.space
        self.found = DualBound(
            value=np.full(count, -np.inf),
            multipliers=np.zeros((count, len(dual.limited))),
            incumbent=np.full(count, np.inf),
            variable_width=np.zeros((count, len(space.variables)), dtype=np.int8),
            weight=np.zeros((count, len(space.problem.network.layers)), dtype=np.int8),
            on_chip=np.zeros((count, len(space.placed) + len(space.runs)), dtype=bool),
            of_members=np.zeros((count, 0)),
            latency_s=np.zeros(count),
        )
        shape = count, len(dual.limited)
        self.of_limits = _OfLimits(np.full(shape, -np.inf), np.full(shape, np.inf))
        self.members_of = self._limits_of()

    def _limits_of(self) -> _LimitsOf:
        """The limit of the member that each variable, layer and place is of."""
        space, of = self.relaxation.space, self.dual.by_member
        layers = space.shares.member_of
        variables = space.member_of_variable
        places = np.concatenate([variables[space.placed_variable], space.member_of_run])
        limit_of = np.zeros(layers.max() + 1, dtype=np.int64)
        if of is not None:
            limit_of[of] = np.arange(len(of))
        return _LimitsOf(limit_of[variables], limit_of[layers], limit_of[places])

    def first_multipliers(self) -> Floats:
        """(B, limits): so much that each limit's charge is a share of the unlimited optimum."""
        none = np.zeros((len(self.batch), len(self.limits)))
        free = self.relaxation.solve(self.batch, self.dual.coefficients(none)).value
        objective = np.where(np.isfinite(free), np.maximum(free, UNDERFLOW), 1.0)
        return np.asarray(FIRST_CHARGE * objective[:, None] / self.scale)

    def evaluate(self, rows: Ints, multipliers: Floats) -> tuple[Floats, Floats]:
        """Dual values (R,) and their slopes (R, limits) of some rows; keeps what is best.

        What is kept as a bound is lowered by all that rounding can have added: the charge for the
        limits is taken off a sum that may be much larger than what is left.
        """
        found, dual = self.found, self.dual
        answer = self._solve(rows, multipliers)
        charge = multipliers @ self.limits
        value = answer.value - charge
        slope = answer.metrics[:, dual.limited] - self.limits
        bound = self._lowered(value, charge)
        better = bound > found.value[rows]
        found.value[rows[better]] = bound[better]
        found.multipliers[rows[better]] = multipliers[better]
        found.latency_s[rows[better]] = answer.metrics[better, dual.timed]
        objective = answer.metrics[:, dual.main]
        within = answer.runs & (slope <= 0).all(axis=1) & (objective < found.incumbent[rows])
        found.incumbent[rows[within]] = objective[within]
        found.variable_width[rows[within]] = answer.variable_width[within]
        found.weight[rows[within]] = answer.weight[within]
        found.on_chip[rows[within]] = answer.on_chip[within]
        return value, slope

    def _solve(self, rows: Ints, multipliers: Floats) -> RelaxedSolution:
        """The least Lagrangians of some rows."""
        self.relaxation.check_time()
        if len(rows) == len(self.batch):
            self.part, self.part_rows = self.batch, rows
        elif not np.array_equal(rows, self.part_rows):
            self.part, self.part_rows = self.batch.take(rows), rows
        return self.relaxation.solve(self.part, self.dual.coefficients(multipliers))

    def _lowered(self, value: Floats, charge: Floats) -> Floats:
        """Values less all that rounding can have added to them."""
        size = np.where(np.isfinite(value), np.abs(value), 0.0) + charge
        return np.asarray(value - (self.relaxation.rounding * size + UNDERFLOW))

    def _evaluate_each(self, rows: Ints, multipliers: Floats) -> tuple[Floats, Floats]:
        """Values and slopes of each limit's member, (R, limits) both; keeps what is best of each.

        Members share nothing that the relaxation chooses: the best of each are a bound, and an
        assignment, of all.
        """
        found, dual, best, of = self.found, self.dual, self.of_limits, self.dual.by_member
        assert of is not None
        answer = self._solve(rows, multipliers)
        charge = multipliers * self.limits
        value = answer.of_members[:, of] - charge
        slope = answer.metrics[:, dual.limited] - self.limits
        bound = self._lowered(value, charge)
        better = bound > best.value[rows]
        best.value[rows] = np.where(better, bound, best.value[rows])
        found.multipliers[rows] = np.where(better, multipliers, found.multipliers[rows])
        raised = better.any(axis=1)
        found.latency_s[rows[raised]] = answer.metrics[raised, dual.timed]
        values = best.value[rows]
        size = np.where(np.isfinite(values), np.abs(values), 0.0).sum(axis=1)
        found.value[rows] = values.sum(axis=1) - self.relaxation.rounding * size
        objective = self._objectives(answer.metrics)
        within = answer.runs[:, None] & (slope <= 0) & (objective < best.incumbent[rows])
        best.incumbent[rows] = np.where(within, objective, best.incumbent[rows])
        found.incumbent[rows] = best.incumbent[rows].sum(axis=1)
        for kept, chosen, members in (
            (found.variable_width, answer.variable_width, self.members_of.variables),
            (found.weight, answer.weight, self.members_of.layers),
            (found.on_chip, answer.on_chip, self.members_of.places),
        ):
            mine = within[:, members]
            kept[rows] = np.where(mine, chosen, kept[rows])
        return value, slope

    def _objectives(self, metrics: Floats) -> Floats:
        """(R, limits): what each limit's member adds to the objective."""
        space, main, of = self.relaxation.space, self.dual.main, self.dual.by_member
        members = space.problem.network.members
        if not members or of is None:
            return metrics[:, [main]]
        name = self.dual.metrics[main]
        own = [self.dual.metrics.index(of_member(kind_of(name), x.name)) for x in members]
        return np.asarray((metrics[:, own] * space.shares.of_members(name))[:, of])

    def tell_members_apart(self) -> None:
        """Keep what bounds each member; one that breaks its own limit rules an option out."""
        dual, space = self.dual, self.relaxation.space
        members = space.problem.network.members
        whole = member_of(dual.metrics[dual.main]) is None
        if dual.by_member is None or not members or not whole:
            return
        share = space.shares.of_members(dual.metrics[dual.main])
        mine = np.argsort(dual.by_member)  # its limit
        self.found.of_members = self.of_limits.value[:, mine] / share
        most = np.array([dual.of_members.get(x.name, np.inf) for x in members])
        self.found.value[(self.found.of_members > beyond(most)).any(axis=1)] = np.inf

    def cross_tangents(
        self, multipliers: Floats, cutoff: Floats, accuracy: float, rounds: int, below: float
    ) -> None:
        """Maximise over the multiplier of a single limit, or over each member's own.

        The dual is concave and piecewise linear: no value is above where two of its tangents cross.
        Kept are the last tangent where the relaxed optimum breaks the limit, which rises, and the
        last one where it keeps it, which falls; their crossing is tried next, and ends the search
        where it is no more than ``accuracy`` above the best value known. Twice on the same side in
        a row, their middle is. Where couplings are cut tangents mislead, and patience ends.
        """
        shape, multiplier = multipliers.shape, multipliers
        breaks, keeps = np.full((*shape, 3), np.nan), np.full((*shape, 3), np.nan)
        shrunk, side, stale = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        going, best = np.ones(shape, dtype=bool), self.of_limits
        rows, patience = np.arange(shape[0]), PATIENCE if self.relaxation.coarse else MAX_CROSSINGS
        for _ in range(min(MAX_CROSSINGS, rounds)):
            before = best.value[rows]
            value, slopes = self._evaluate_each(rows, multiplier[rows])
            tangent = np.stack([multiplier[rows], value, slopes], axis=2)
            broken = slopes > self.unclear
            onward = np.maximum(side[rows], 0) + 1, np.minimum(side[rows], 0) - 1
            side[rows] = np.where(broken, *onward)
            with np.errstate(invalid="ignore"):  # nothing is known before the first
                better = ~(best.value[rows] <= before + accuracy * np.abs(before))
            stale[rows] = np.where(better, 0, stale[rows] + 1)
            breaks[rows] = np.where(broken[..., None], tangent, breaks[rows])
            keeps[rows] = np.where(broken[..., None], keeps[rows], tangent)
            going[rows] &= ~(stale[rows] >= patience) & (broken | (multiplier[rows] != 0))
            done = (self.found.value[rows] > cutoff[rows]) | np.isinf(value).any(axis=1)
            rows = rows[~done & going[rows].any(axis=1)]
            rising, falling = breaks[rows], keeps[rows]
            lacks_rising, lacks_falling = np.isnan(rising[..., 0]), np.isnan(falling[..., 0])
            meet, top = _crossing(rising, falling)
            # Without a tangent that falls: upwards, from 0 to where the rising one is above what
            # the others leave. What a similar option began with is mostly near: a little at first.
            others = best.value[rows].sum(axis=1)[:, None] - best.value[rows]
            left = cutoff[rows, None] - others
            ahead = np.where(np.isfinite(left), left, 2 * np.abs(rising[..., 1]))
            reach = OVERSHOOT * np.maximum(ahead - rising[..., 1], 0) / rising[..., 2]
            step = STEP ** np.exp2(np.minimum(np.abs(side[rows]) - 1, MOST_SQUARED))
            higher = np.where(multiplier[rows] > 0, multiplier[rows] * step, rising[..., 0] + reach)
            # Without one that rises: towards 0, where the unlimited optimum may keep the limit.
            lower = np.where(shrunk[rows] < STEPS, multiplier[rows] / step, 0.0)
            shrunk[rows] += lacks_rising
            tried = np.where(np.abs(side[rows]) > 2, (rising[..., 0] + falling[..., 0]) / 2, meet)
            following = np.where(lacks_falling, higher, np.where(lacks_rising, lower, tried))
            known = np.maximum(rising[..., 1], falling[..., 1])
            wanted = np.where(top < left, max(accuracy, below), accuracy)
            near = top - known <= wanted * np.abs(top)  # a missing tangent is never near
            going[rows] &= ~near & (following < LARGEST)
            settled = self.found.multipliers[rows]
            multiplier[rows] = np.where(going[rows], following, settled)
            rows = rows[going[rows].any(axis=1)]
            if not len(rows):
                return

    def step_by_subgradients(
        self, multipliers: Floats, cutoff: Floats, accuracy: float, rounds: int
    ) -> None:
        """Maximise over the multipliers of several limits.

        Steps along the subgradient of Polyak's length, ``step·(target − value) / |slope|²``, the
        target being the least that is known to be attained. Where several in a row lead to no
        better bound, the step is halved, and the best multipliers so far are where the next starts
        (Held, Wolfe and Crowder 1974). Multipliers are measured in objective per limit, so that one
        step suits all limits.
        """
        found, scaled = self.found, multipliers * self.scale
        step = np.ones(len(self.batch))
        stale = np.zeros(len(self.batch), dtype=np.int64)
        rows = np.arange(len(self.batch))
        for _ in range(rounds):
            before = found.value[rows].copy()
            value, slope = self.evaluate(rows, scaled[rows] / self.scale)
            flat = (slope <= self.unclear) & ((slope > 0) | (scaled[rows] <= 0))
            slope = np.where(flat, 0.0, slope / self.scale)
            steepness = (slope**2).sum(axis=1)
            with np.errstate(invalid="ignore"):  # nothing is known before the first step
                improved = ~(found.value[rows] <= before + accuracy * np.abs(before))
            stale[rows] = np.where(improved, 0, stale[rows] + 1)
            tired = stale[rows] >= PATIENCE
            step[rows[tired]] /= 2
            stale[rows[tired]] = 0
            going = np.isfinite(value) & (found.value[rows] <= cutoff[rows])
            going &= (steepness > 0) & (step[rows] > LEAST_STEP)
            rows = rows[going]
            if not len(rows):
                return
            value, slope, tired = value[going], slope[going], tired[going]
            target = np.minimum(cutoff[rows], found.incumbent[rows])
            above = found.value[rows] + AIM_ABOVE * np.abs(found.value[rows]) + UNDERFLOW
            target = np.where(np.isfinite(target) & (target > value), target, above)
            length = step[rows] * (target - value) / steepness[going]
            move = np.maximum(scaled[rows] + length[:, None] * slope, 0.0)
            back = found.multipliers[rows] * self.scale
            scaled[rows] = np.where(tired[:, None], back, move)


def _crossing(rising: Floats, falling: Floats) -> tuple[Floats, Floats]:
    """Where pairs of tangents (multiplier, value, slope) cross, and the value there."""
    with np.errstate(invalid="ignore", divide="ignore"):
        meet = (
            falling[..., 1]
            - rising[..., 1]
            + rising[..., 2] * rising[..., 0]
            - falling[..., 2] * falling[..., 0]
        ) / (rising[..., 2] - falling[..., 2])
    return meet, rising[..., 1] + rising[..., 2] * (meet - rising[..., 0])
