"""The monolithic MILP where energy counts: over ranges of SRAM, until their bounds close.

Power at all times grows with the area, so what it costs is a product of the SRAM and of latency. In
a range of SRAM it is at least that of the least SRAM; what a tiling needs is known, so where a
programme finds a design, the range is split at its SRAM, from where on the power is that design's.
The rows (36) and (37), which would be nearer, are of one hardware option.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.tolerances import beyond
from codesign.search.goal_task import GoalTask
from codesign.search.milp.choice import MilpSolution
from codesign.search.milp.solve import MilpResult
from codesign.search.sram_ranges import split_at
from codesign.space.candidates import Candidates, candidates
from codesign.space.energy import EnergyCosts
from codesign.space.energy_tilings import EnergyTilings
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, price

Solve = Callable[
    [GoalTask, Callable[[], Candidates], Callable[[MilpSolution], Solution | None]], MilpResult
]


class MilpOverSrams:
    """All of some hardware options, by one MILP for each range of SRAM.

    Parameters
    ----------
    options : ints, shape (n,)
    most : floats, shape (n,)
        The most SRAM bits that each may have.
    solve : callable
        What solves the MILP of a task, given what lists its candidates and what prices a choice.
    """

    def __init__(self, task: GoalTask, options: Ints, most: Floats, solve: Solve) -> None:
        assert isinstance(task.space, HardwareSpace)
        assert task.space.energy is not None
        self.energy: EnergyCosts = task.space.energy
        self.task, self.space, self.options, self._solve_one = task, task.space, options, solve
        capacities, shape_of = self.space.capacities, self.space.shape_of[options]
        self.least = capacities.holding(self.space.min_sram_bits_of_shapes[shape_of])
        shapes = self.space.shapes_among(options).tolist()
        useful = {shape: self.space.useful_sram_bits(shape, True) for shape in shapes}
        useful_bits = np.array([useful[shape] for shape in shape_of.tolist()])
        self.most = np.minimum(most, capacities.holding(useful_bits))
        first = {shape: int(options[shape_of == shape][0]) for shape in shapes}
        tilings = {shape: EnergyTilings(self.space, first[shape]) for shape in shapes}
        self._tilings = [tilings[shape] for shape in shape_of.tolist()]
        self.incumbent = task.incumbent
        self.runs, self.solver_s, self._found_bits = 0, 0.0, 0.0

    def prove(self) -> MilpResult:
        """Solve range after range, the least bound first."""
        closed, queue = np.inf, [(-np.inf, float(self.least.min()), float(self.most.max()))]
        while queue and queue[0][0] < self._cutoff:
            known, low, high = heapq.heappop(queue)
            others = min([closed, *(bound for bound, _, _ in queue)])
            result = self._solve(low, high, others)
            bound = max(known, result.bound)
            if not result.complete:
                return self._result(min(bound, others), False)
            if bound >= self._cutoff or not self._grows(low, high).any():
                closed = min(closed, bound)
                continue
            for part in split_at(self._found_bits, low, high, self.space.capacities):
                heapq.heappush(queue, (bound, *part))
        return self._result(min([closed, *(bound for bound, _, _ in queue)]), True)

    def _result(self, bound: float, complete: bool) -> MilpResult:
        bound = min(bound, self.task.value_of(self.incumbent))
        return MilpResult(self.incumbent, bound, complete, self.runs, self.solver_s)

    @property
    def _cutoff(self) -> float:
        """The bound from which a range holds nothing better than what is found, or allowed."""
        if self.incumbent is None:
            limit = self.task.goal.limits.get(self.task.goal.metric, np.inf)
            return float(np.nextafter(beyond(limit), np.inf))
        value = self.task.value_of(self.incumbent)
        return value - self.task.rel_gap * abs(value)

    def _ends(self, low: float, high: float) -> tuple[Bools, Floats, Floats]:
        """Which options have SRAMs in a range, and (options,) the least and the most bits."""
        least, most = np.maximum(self.least, low), np.minimum(self.most, high)
        return least <= most, least, most

    def _power(self, sram_bits: Floats) -> Floats:
        """(options,): W at all times with so much SRAM each."""
        return self.energy.static_w(self.space.least_area_mm2(self.options, sram_bits))

    def _grows(self, low: float, high: float) -> Bools:
        """(options,): whether the power of each is worth telling apart within a range."""
        among, least, most = self._ends(low, high)
        most = np.where(among, most, least)
        return self.energy.power_grows(self._power(least), self._power(most))

    def _solve(self, low: float, high: float, others: float) -> MilpResult:
        """Solve one range; ``others`` bounds all others."""
        task, among = self.task, np.flatnonzero(self._ends(low, high)[0])
        if not len(among):
            return MilpResult(None, np.inf, True, 0)
        report = task.on_progress

        def heard(value: float | None, bound: float) -> None:
            assert report is not None
            known = task.value_of(self.incumbent)
            best = min(known, np.inf if value is None else value)
            report(None if np.isinf(best) else best, min(bound, others, best))

        def listed() -> Candidates:
            return self._candidates(among, low, high)

        def priced(choice: MilpSolution) -> Solution | None:
            self._found_bits = max(choice.sram_bits, low)
            chosen = choice.variable_width, choice.weight, self._found_bits, choice.on_chip
            return price(self.space, choice.option, *chosen, choice.modes, choice.tilings)

        self._found_bits = 0.0
        goal_task = task if report is None else replace(task, on_progress=heard)
        result = self._solve_one(goal_task, listed, priced)
        self.runs, self.solver_s = self.runs + result.runs, self.solver_s + result.solver_s
        if task.value_of(result.solution) < task.value_of(self.incumbent):
            self.incumbent = result.solution
        return result

    def _candidates(self, among: Ints, low: float, high: float) -> Candidates:
        """Those of some options, with tilings of the most SRAM and power of the least."""
        _, least, most = self._ends(low, high)
        made = candidates(
            self.space,
            self.options[among],
            least[among],
            most[among],
            energy=[self._tilings[n] for n in among.tolist()],
        )
        grows = bool(self._grows(low, high)[among].any())
        return replace(made, static_w=self._power(least)[among], grows=grows)
