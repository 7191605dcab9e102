"""The Lagrangian dual of a goal's limits, for many hardware options at once.

For multipliers λ ≥ 0 on the limited metrics, ``min (objective + λ·metrics) − λ·limits`` is a lower
bound on the objective of every assignment of widths within the limits (Fisher 1981). Any
multipliers give a valid bound; good ones give a tight one, and are found for one limit by cutting
planes (Kelley 1960), for several by subgradient steps (Polyak 1969). Beside the bound stands the
best assignment within the limits met on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.tolerances import CLOSING_GAP, UNDERFLOW, ceiling
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.relaxation import Relaxation

SmallInts = npt.NDArray[np.int8]

MAX_ROUNDS = 120  # of multipliers tried
MAX_CROSSINGS = 60  # of tangents, where one limit is all there is
FIRST_CHARGE = 0.1  # of the unlimited optimum, charged for a limit by the multiplier tried first
GROWTH, SHRINK, SHRINKS = 4.0, 8.0, 3  # of a multiplier while it has no tangent on one side
OVERSHOOT = 1.1  # beyond where a tangent reaches what would rule an option out
LARGEST = 1e250  # multiplier: no product with a metric overflows
PATIENCE, LEAST_STEP = 3, 1e-3  # rounds without a better bound before a step is halved; its least
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
    """

    value: Floats
    multipliers: Floats
    incumbent: Floats
    variable_width: SmallInts
    weight: SmallInts
    on_chip: Bools


class Dual:
    """The dual of ``minimise metric within limits`` over the widths of one hardware option."""

    def __init__(self, relaxation: Relaxation, metric: str, limits: Mapping[str, float]) -> None:
        self.relaxation = relaxation
        self.metrics = relaxation.space.additive_metrics
        self.main = self.metrics.index(metric)
        limited = [name for name in limits if name in self.metrics and name != metric]
        self.limited = [self.metrics.index(name) for name in limited]
        self.limits = ceiling(np.array([limits[name] for name in limited], dtype=np.float64))
        self.scale = np.where(self.limits > 0, self.limits, 1.0)

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
            far as a single limit tells.
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
            if len(self.limited) == 1:
                search.cross_tangents(first, enough, accuracy, rounds, below)
            else:
                search.step_by_subgradients(first, enough, accuracy, rounds)
        search.found.value[search.found.value > worst + UNDERFLOW] = np.inf
        return search.found


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
        )

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
        self.relaxation.check_time()
        found, dual = self.found, self.dual
        if len(rows) == len(self.batch):
            self.part, self.part_rows = self.batch, rows
        elif not np.array_equal(rows, self.part_rows):
            self.part, self.part_rows = self.batch.take(rows), rows
        answer = self.relaxation.solve(self.part, dual.coefficients(multipliers))
        charge = multipliers @ self.limits
        value = answer.value - charge
        slope = answer.metrics[:, dual.limited] - self.limits
        size = np.where(np.isfinite(value), np.abs(value), 0.0) + charge
        bound = value - (self.relaxation.rounding * size + UNDERFLOW)
        better = bound > found.value[rows]
        found.value[rows[better]] = bound[better]
        found.multipliers[rows[better]] = multipliers[better]
        objective = answer.metrics[:, dual.main]
        within = answer.runs & (slope <= 0).all(axis=1) & (objective < found.incumbent[rows])
        found.incumbent[rows[within]] = objective[within]
        found.variable_width[rows[within]] = answer.variable_width[within]
        found.weight[rows[within]] = answer.weight[within]
        found.on_chip[rows[within]] = answer.on_chip[within]
        return value, slope

    def cross_tangents(
        self, multipliers: Floats, cutoff: Floats, accuracy: float, rounds: int, below: float
    ) -> None:
        """Maximise over the multiplier of a single limit.

        The dual is concave and piecewise linear: no value is above where two of its tangents cross.
        Kept are the last tangent where the relaxed optimum breaks the limit, which rises, and the
        last one where it keeps it, which falls; their crossing is tried next, and ends the search
        where it is no more than ``accuracy`` above the best value known. Twice on the same side in
        a row, their middle is. Where couplings are cut tangents mislead, and patience ends.
        """
        count, multiplier = len(self.batch), multipliers[:, 0]
        breaks, keeps = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
        shrunk, side, stale = (np.zeros(count, dtype=np.int64) for _ in range(3))
        rows, patience = np.arange(count), PATIENCE if self.relaxation.coarse else MAX_CROSSINGS
        for _ in range(min(MAX_CROSSINGS, rounds)):
            before = self.found.value[rows]
            value, slopes = self.evaluate(rows, multiplier[rows, None])
            tangent = np.stack([multiplier[rows], value, slopes[:, 0]], axis=1)
            broken = slopes[:, 0] > self.unclear
            side[rows] = np.where(
                broken, np.maximum(side[rows], 0) + 1, np.minimum(side[rows], 0) - 1
            )
            with np.errstate(invalid="ignore"):  # nothing is known before the first
                better = ~(self.found.value[rows] <= before + accuracy * np.abs(before))
            stale[rows] = np.where(better, 0, stale[rows] + 1)
            breaks[rows[broken]], keeps[rows[~broken]] = tangent[broken], tangent[~broken]
            done = (self.found.value[rows] > cutoff[rows]) | np.isinf(value)
            done |= stale[rows] >= patience
            rows = rows[~(done | (~broken & (multiplier[rows] == 0)))]
            rising, falling = breaks[rows], keeps[rows]
            lacks_rising, lacks_falling = np.isnan(rising[:, 0]), np.isnan(falling[:, 0])
            meet, top = _crossing(rising, falling)
            # Without a tangent that falls: to where the rising one is above the cutoff.
            ahead = np.where(np.isfinite(cutoff[rows]), cutoff[rows], 2 * np.abs(rising[:, 1]))
            reach = OVERSHOOT * np.maximum(ahead - rising[:, 1], 0) / rising[:, 2]
            higher = np.maximum(multiplier[rows] * GROWTH, rising[:, 0] + reach)
            # Without one that rises: towards 0, where the unlimited optimum may keep the limit.
            lower = np.where(shrunk[rows] < SHRINKS, multiplier[rows] / SHRINK, 0.0)
            shrunk[rows] += lacks_rising
            tried = np.where(np.abs(side[rows]) > 2, (rising[:, 0] + falling[:, 0]) / 2, meet)
            multiplier[rows] = np.where(lacks_falling, higher, np.where(lacks_rising, lower, tried))
            known = np.maximum(rising[:, 1], falling[:, 1])
            wanted = np.where(top < cutoff[rows], max(accuracy, below), accuracy)
            near = top - known <= wanted * np.abs(top)
            rows = rows[~near & (multiplier[rows] < LARGEST)]  # a missing tangent is never near
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
            falling[:, 1]
            - rising[:, 1]
            + rising[:, 2] * rising[:, 0]
            - falling[:, 2] * falling[:, 0]
        ) / (rising[:, 2] - falling[:, 2])
    return meet, rising[:, 1] + rising[:, 2] * (meet - rising[:, 0])
