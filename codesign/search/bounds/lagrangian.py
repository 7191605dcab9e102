"""Best prices: the Lagrangian dual of a goal's budgets, for many hardware options at once.

For prices λ ≥ 0 on the limited metrics, ``min (objective + λ·metrics) − λ·limits`` is a lower
bound on the objective of every assignment of widths within the limits. One limit: the dual is a
concave piecewise-linear function of one number, and the crossing of its two outermost tangents
finds the maximum in a few steps. Several: subgradient steps of Polyak's length. Any prices give a
valid bound; good ones give a tight one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.problem.tolerances import ceiling
from codesign.search.bounds.layer_tables import TINY, Batch
from codesign.search.bounds.relaxation import Relaxation, RelaxedSolution

SmallInts = npt.NDArray[np.int8]

MOST_ROUNDS = 120  # of prices tried
ROUNDING = 1e-12  # relative; bounds are lowered by this to cover floating-point summation


@dataclass
class DualBound:
    """What is known of each option of a batch.

    Attributes
    ----------
    value : floats, shape (B,)
        Lower bound on the objective within the limits; inf where the limits cannot be kept.
    prices : floats, shape (B, limits)
        The prices that gave it.
    reached : floats, shape (B,)
        Objective of the best assignment within the limits met on the way; inf if none.
    variable_width, weight : small ints, shape (B, width variables), (B, layers)
        That assignment, as indices into the width list.
    """

    value: Floats
    multipliers: Floats
    incumbent: Floats
    variable_width: SmallInts
    weight: SmallInts


class Dual:
    """The dual of ``minimise metric within limits`` over the widths of one hardware option."""

    def __init__(
        self,
        relaxation: Relaxation,
        metric: str,
        limits: Mapping[str, float],
    ) -> None:
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
        accuracy: float = 1e-9,
        rounds: int = MOST_ROUNDS,
    ) -> DualBound:
        """Bound every option of a batch.

        Parameters
        ----------
        start : floats, shape (B, limits)
            Prices to begin with, from a similar option.
        cutoff : float
            An option whose bound has come above this needs no better one.
        accuracy : float
            Relative distance to the best dual value at which to stop.
        rounds : int
            Prices to try at most; 1: those to begin with.
        """
        count = len(batch)
        self.relaxation.check_time()
        parts = [*self.relaxation.parts(count)]
        if len(parts) > 1:  # what no price changes in their tables is then worked out once
            found_of = [
                self.bound(
                    batch.take(r), None if start is None else start[r], cutoff, accuracy, rounds
                )
                for r in parts
            ]
            names = (field.name for field in fields(DualBound))
            return DualBound(*(np.concatenate([getattr(x, n) for x in found_of]) for n in names))
        # A bound above what any assignment costs proves that none keeps the limits; not needed
        # where a bound above ``cutoff`` says all there is to say.
        asked = len(self.limited) > 0 and np.isinf(cutoff) and rounds > 1
        worst = self.relaxation.worst(batch, self.main) if asked else np.full(count, np.inf)
        ceiling = np.minimum(cutoff, np.where(np.isfinite(worst), worst * (1 + 1e-9), cutoff))
        network = self.relaxation.space.problem.network
        found = DualBound(
            value=np.full(count, -np.inf),
            multipliers=np.zeros((count, len(self.limited))),
            incumbent=np.full(count, np.inf),
            variable_width=np.zeros((count, len(self.relaxation.space.variables)), dtype=np.int8),
            weight=np.zeros((count, len(network.layers)), dtype=np.int8),
        )
        if len(self.limited) == 0:
            self._ask(found, batch, np.arange(count), found.multipliers.copy())
        elif len(self.limited) == 1:
            self._cross_tangents(found, batch, start, ceiling, accuracy, rounds)
        else:
            self._climb(found, batch, start, ceiling, accuracy, rounds)
        found.value[found.value > worst * (1 + 1e-9) + TINY] = np.inf
        # What the limits cost is taken off a sum that may be much larger than what is left.
        known = np.where(np.isfinite(found.value), found.value, 0.0)
        found.value -= ROUNDING * (np.abs(known) + found.multipliers @ self.limits) + TINY
        return found

    def _ask(
        self, found: DualBound, batch: Batch, rows: Ints, multipliers: Floats
    ) -> tuple[Floats, Floats]:
        """Dual value and its slopes at given prices for some rows; keeps what is best."""
        self.relaxation.check_time()
        part = batch if len(rows) == len(batch) else batch.take(rows)
        answer: RelaxedSolution = self.relaxation.solve(part, self.coefficients(multipliers))
        value = answer.value - multipliers @ self.limits
        slope = answer.metrics[:, self.limited] - self.limits
        better = value > found.value[rows]
        found.value[rows[better]] = value[better]
        found.multipliers[rows[better]] = multipliers[better]
        objective = answer.metrics[:, self.main]
        within = answer.runs & (slope <= 0).all(axis=1) & (objective < found.incumbent[rows])
        found.incumbent[rows[within]] = objective[within]
        found.variable_width[rows[within]] = answer.variable_width[within]
        found.weight[rows[within]] = answer.weight[within]
        return value, slope

    def _first_guess(self, batch: Batch) -> Floats:
        free = self.relaxation.solve(
            batch, self.coefficients(np.zeros((len(batch), len(self.limited))))
        )
        scale = np.where(np.isfinite(free.value), np.maximum(free.value, 1e-300), 1.0)
        return np.asarray(0.1 * scale[:, None] / self.scale)

    def _cross_tangents(
        self,
        found: DualBound,
        batch: Batch,
        start: Floats | None,
        cutoff: Floats,
        accuracy: float,
        rounds: int,
    ) -> None:
        count = len(batch)
        price = (self._first_guess(batch) if start is None else start.copy())[:, 0]
        # Tangents (price, value, slope) on the side that breaks the limit and the one that keeps it
        over = np.full((count, 3), np.nan)
        under = np.full((count, 3), np.nan)
        halved = np.zeros(count, dtype=np.int64)
        rows = np.arange(count)
        for _ in range(min(60, rounds)):
            value, slopes = self._ask(found, batch, rows, price[rows, None])
            slope = slopes[:, 0]
            tangent = np.stack([price[rows], value, slope], axis=1)
            over[rows[slope > 0]] = tangent[slope > 0]
            under[rows[slope <= 0]] = tangent[slope <= 0]
            done = (value > cutoff[rows]) | np.isinf(value) | ((slope <= 0) & (price[rows] == 0))
            rows = rows[~done]
            lacks_over, lacks_under = np.isnan(over[rows, 0]), np.isnan(under[rows, 0])
            rise = over[rows, 2] - under[rows, 2]
            with np.errstate(invalid="ignore", divide="ignore"):
                meet = (
                    under[rows, 1]
                    - over[rows, 1]
                    + over[rows, 2] * over[rows, 0]
                    - under[rows, 2] * under[rows, 0]
                ) / rise
            best = over[rows, 1] + over[rows, 2] * (meet - over[rows, 0])
            # No tangent that keeps the limit yet: go where the known one comes above ``cutoff``.
            ahead = np.where(np.isfinite(cutoff[rows]), cutoff[rows], 2 * np.abs(over[rows, 1]))
            far = over[rows, 0] + 1.1 * np.maximum(ahead - over[rows, 1], 0) / over[rows, 2]
            higher = np.maximum(price[rows] * 4, far)
            # None that breaks it: towards zero, where the unlimited optimum may keep it.
            lower = np.where(halved[rows] < 3, price[rows] / 8, 0.0)
            halved[rows] += lacks_over
            price[rows] = np.where(lacks_under, higher, np.where(lacks_over, lower, meet))
            settled = (
                ~lacks_over & ~lacks_under & (best - found.value[rows] <= accuracy * np.abs(best))
            )
            rows = rows[~settled & (price[rows] < 1e250)]
            if not len(rows):
                return

    def _climb(
        self,
        found: DualBound,
        batch: Batch,
        start: Floats | None,
        cutoff: Floats,
        accuracy: float,
        rounds: int,
    ) -> None:
        count = len(batch)
        # Prices are measured in units of (objective / limit), so that one step suits all limits.
        price = (self._first_guess(batch) if start is None else start.copy()) * self.scale
        step = np.ones(count)
        stale = np.zeros(count, dtype=np.int64)
        rows = np.arange(count)
        for _ in range(rounds):
            before = found.value[rows].copy()
            value, slope = self._ask(found, batch, rows, price[rows] / self.scale)
            slope = slope / self.scale
            slope = np.where((price[rows] <= 0) & (slope < 0), 0.0, slope)
            steep = (slope**2).sum(axis=1)
            possible = np.isfinite(value)
            with np.errstate(invalid="ignore"):  # nothing is known before the first step
                improved = ~possible | ~(value <= before + accuracy * np.abs(before))
            stale[rows] = np.where(improved, 0, stale[rows] + 1)
            tired = stale[rows] >= 3
            step[rows[tired]] /= 2
            stale[rows[tired]] = 0
            going = possible & (value <= cutoff[rows]) & (steep > 0) & (step[rows] > 1e-3)
            rows = rows[going]
            if not len(rows):
                return
            value, slope, steep, tired = value[going], slope[going], steep[going], tired[going]
            target = np.minimum(cutoff[rows], found.incumbent[rows])
            ahead = found.value[rows] + 0.05 * np.abs(found.value[rows]) + 1e-300
            target = np.where(np.isfinite(target) & (target > value), target, ahead)
            length = step[rows] * (target - value) / steep
            move = np.maximum(price[rows] + length[:, None] * slope, 0.0)
            back = found.multipliers[rows] * self.scale
            price[rows] = np.where(tired[:, None], back, move)
