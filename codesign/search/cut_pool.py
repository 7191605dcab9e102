"""What earlier goals over the same space proved, for later goals to start from.

A dual bound is a cut: with coefficients ``c`` on the metrics, every design of an option with at
most ``S`` bits of SRAM, and with no more noise than its goal allowed, has ``c · metrics ≥ V``. It
holds for every goal that allows no more noise, whatever its other limits. Where power grows with
the SRAM, it may hold from some bits on alone: those below are then ruled out by others, if at all.
What labels or a MILP prove of a range of SRAM is a cut, too, within all limits of their goal. The
bounds that a search ends with, and the domains it reduces, hold for every goal whose limits are as
tight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import SUM_ROUNDING, UNDERFLOW, ceiling
from codesign.search.domains import Domains
from codesign.space.solution import Solution

Indices = npt.NDArray[np.integer[Any]]  # of few bytes where there are many

MOST_CUTS, MOST_PROVEN = 2_000, 500  # kept; each goal goes through all of them
MOST_BYTES = 2**27  # of each of the two


@dataclass(frozen=True)
class Cut:
    """``coefficients · metrics ≥ value`` for designs of some options within some SRAM."""

    options: Indices  # (n,)
    row: Indices  # (n,): which of the bounds below is an option's; many may share one
    coefficients: Floats  # (bounds, metrics), in the order of the pool's ``metrics``
    value: Floats  # (bounds,)
    sram_bits: Floats  # (bounds,): inf where it holds for every capacity
    # It holds for designs within these: the noise of its goal, or all limits.
    limits: Mapping[str, float] = field(default_factory=dict)
    from_bits: Floats | None = None  # (bounds,): and of no less SRAM; by default, of any

    @property
    def nbytes(self) -> int:
        """Memory taken, nearly."""
        return self.options.nbytes + self.row.nbytes + self.coefficients.nbytes

    def where_useful(self) -> Cut:
        """The rows that bound anything, and their options, in little memory."""
        useful = np.isfinite(self.value)
        number = np.cumsum(useful) - 1
        mine = useful[self.row]
        options, row = self.options[mine], number[self.row[mine]]
        kept = self.coefficients[useful], self.value[useful], self.sram_bits[useful]
        from_bits = None if self.from_bits is None else self.from_bits[useful]
        return Cut(options.astype(np.int32), row.astype(np.int32), *kept, self.limits, from_bits)


@dataclass(frozen=True)
class ProvenBounds:
    """Lower bounds of all options on a goal's metric, within its limits."""

    goal: Goal
    lower: Floats


@dataclass(frozen=True)
class ReducedDomains:
    """Widths that designs of one option may have, within limits and some SRAM."""

    limits: Mapping[str, float]
    sram_bits: float
    domains: Domains


@dataclass
class CutPool:
    """Cuts, proven bounds, reduced domains and designs met, over all goals of one space."""

    metrics: tuple[str, ...] = ADDITIVE_METRICS  # columns of the cuts' coefficients
    cuts: list[Cut] = field(default_factory=list)
    proven_bounds: list[ProvenBounds] = field(default_factory=list)
    reduced_domains: dict[int, ReducedDomains] = field(default_factory=dict)  # of each option
    solutions: list[Solution] = field(default_factory=list)
    cut_bytes: int = 0
    forgotten: int = 0  # cuts that stood before those kept
    # By metric: number of the latest cut of each option, and its row there.
    latest: dict[str, tuple[Indices, Indices]] = field(default_factory=dict)
    screened: set[tuple[object, ...]] = field(default_factory=set)  # metric and limits

    def within(self, holds: Callable[[Solution], bool]) -> CutPool:
        """A copy for the part of the space whose designs hold.

        A bound of the whole space is one of any part; what is found in the part is the part's.
        """
        return replace(
            self,
            cuts=[*self.cuts],
            proven_bounds=[*self.proven_bounds],
            reduced_domains={**self.reduced_domains},
            solutions=[solution for solution in self.solutions if holds(solution)],
            latest={metric: (n.copy(), row.copy()) for metric, (n, row) in self.latest.items()},
            screened={*self.screened},
        )

    def add_cut(self, metric: str | None, cut: Cut, options: int) -> None:
        """Keep a cut that was made to bound ``metric``, for a space of so many options.

        None: its coefficients are no multipliers to begin with.
        """
        kept = cut.where_useful()
        if len(kept.options):
            if metric is not None:
                fresh = np.full(options, -1, np.int32), np.zeros(options, np.int32)
                number, row = self.latest.setdefault(metric, fresh)
                number[kept.options] = self.forgotten + len(self.cuts)
                row[kept.options] = kept.row
            self.cuts.append(kept)
            self.cut_bytes += kept.nbytes
        while len(self.cuts) > MOST_CUTS or self.cut_bytes > MOST_BYTES:
            self.cut_bytes -= self.cuts.pop(0).nbytes
            self.forgotten += 1

    def add_bounds(self, proven: ProvenBounds) -> None:
        """Keep the bounds that a search ended with; the oldest are forgotten."""
        self.proven_bounds.append(proven)
        most = min(MOST_PROVEN, MOST_BYTES // proven.lower.nbytes)
        del self.proven_bounds[: max(0, len(self.proven_bounds) - max(1, most))]

    def lower(self, goal: Goal, sram_bits: Floats) -> Floats:
        """(options,): bounds on the goal's metric for options of these capacities."""
        lower = np.full(len(sram_bits), -np.inf)
        for proven in self.proven_bounds:
            if _as_tight(goal.limits, proven.goal.limits):
                known = proven.lower
                if proven.goal.metric != goal.metric:  # all it says is where there is no design
                    known = np.where(known == np.inf, np.inf, -np.inf)
                np.maximum(lower, known, out=lower)
        if goal.metric in self.metrics:
            for cut, bound in self._bounds_by_cuts(goal.metric, goal.limits):
                holds = cut.sram_bits[cut.row] >= sram_bits[cut.options]
                if cut.from_bits is not None:
                    holds &= cut.from_bits[cut.row] == 0
                known = np.where(holds, bound[cut.row], -np.inf)
                lower[cut.options] = np.maximum(lower[cut.options], known)
        return lower

    def too_small(
        self, metric: str, limits: Mapping[str, float], most: float, options: int
    ) -> Floats:
        """(options,): largest capacity known to keep ``metric`` above ``most``; −1 if none."""
        found = np.full(options, -1.0)
        for cut, bound in self._bounds_by_cuts(metric, limits):
            above = (bound > most)[cut.row]
            if cut.from_bits is not None:  # of no use before all below is known to be too small
                above &= cut.from_bits[cut.row] <= np.maximum(found[cut.options], 0.0) + 1
            np.maximum.at(found, cut.options[above], cut.sram_bits[cut.row[above]])
        return found

    def _bounds_by_cuts(
        self, metric: str, limits: Mapping[str, float]
    ) -> Iterator[tuple[Cut, Floats]]:
        """Every cut with what its bounds say of ``metric`` within the limits; −inf for nothing."""
        main = self.metrics.index(metric)
        limit = ceiling(np.array([limits.get(name, np.inf) for name in self.metrics]))
        limit[main] = 0.0  # its own coefficient is divided by
        unlimited = np.isinf(limit)
        known = np.where(unlimited, 0.0, limit)
        for cut in self.cuts:
            if not _as_tight(limits, cut.limits):
                continue
            main_coefficient, spent = cut.coefficients[:, main], cut.coefficients @ known
            total = cut.value - spent - SUM_ROUNDING * (np.abs(cut.value) + spent) - UNDERFLOW
            holds = (main_coefficient > 0) & (cut.coefficients[:, unlimited] == 0).all(axis=1)
            with np.errstate(over="ignore"):  # beyond all numbers: no design has so much
                each = total / np.where(holds, main_coefficient, 1.0)
            yield cut, np.where(holds, each, -np.inf)

    def multipliers(
        self, options: Ints, metric: str, limited: Sequence[int]
    ) -> tuple[Floats, Bools]:
        """(options, limited): coefficients of some metrics in each option's latest cut.

        And (options,): whether there is one that was made to bound ``metric``.
        """
        coefficients = np.zeros((len(options), len(self.metrics)))
        if metric in self.latest:
            number, row = (x[options] for x in self.latest[metric])
            for n in np.flatnonzero(np.bincount(number[number >= self.forgotten])):
                mine = number == n
                coefficients[mine] = self.cuts[n - self.forgotten].coefficients[row[mine]]
        return coefficients[:, limited], coefficients[:, self.metrics.index(metric)] > 0

    def known_domains(self, option: int, goal: Goal, sram_bits: float) -> Domains | None:
        """Widths left to designs of an option within a goal's limits, if that is known."""
        found = self.reduced_domains.get(option)
        if found is None or found.sram_bits < sram_bits or not _as_tight(goal.limits, found.limits):
            return None
        return found.domains

    def best_solution(self, goal: Goal) -> Solution | None:
        """The best design met so far within a goal's limits."""
        within = (solution for solution in self.solutions if goal.kept_by(solution.metrics))
        return min(within, key=lambda solution: solution.metrics[goal.metric], default=None)


def _as_tight(limits: Mapping[str, float], others: Mapping[str, float]) -> bool:
    """Whether every design within ``limits`` is within ``others``."""
    return all(limits.get(name, np.inf) <= limit for name, limit in others.items())
