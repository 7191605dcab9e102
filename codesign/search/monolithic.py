"""The whole-space programme: all hardware options in one model, for small spaces."""

from __future__ import annotations

import numpy as np

from codesign.errors import SpecError
from codesign.problem.tolerances import keeps
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.milp.formulation import MilpSolution
from codesign.search.milp.solve import MilpResult, solve_milp
from codesign.space.candidates import candidates
from codesign.space.hardware import HardwareSpace
from codesign.space.point import Solution, price
from codesign.stopping import Stopped

MAX_CANDIDATES = 3_000_000


def prove_monolithic(task: GoalTask) -> SearchResult:
    """Prove a goal by one programme over all hardware options still open.

    Raises
    ------
    SpecError
        More candidates than a model can hold in memory.
    """
    space, goal = task.space, task.goal
    assert isinstance(space, HardwareSpace)
    area_limit = goal.limits.get("area_mm2")
    options = np.flatnonzero(task.lower < np.inf)
    sram = space.sram_bits_within(options, area_limit)
    options, sram = options[sram >= 1], sram[sram >= 1]
    lower = np.full(len(space), np.inf)
    if not len(options):
        return SearchResult(task.incumbent, _reached(task), lower, True)
    rough = len(options) * len(space.problem.network.layers) * len(space.widths) ** 2
    if rough > MAX_CANDIDATES:
        raise SpecError(
            f"method 'whole' would list over {rough} candidates, at most {MAX_CANDIDATES} fit; "
            "use the default method or a smaller space"
        )
    task.stats.solved.update(int(option) for option in options)
    most = dict(zip(options.tolist(), sram.tolist(), strict=True))

    def priced(choice: MilpSolution) -> Solution | None:
        capacity = choice.sram_bits if goal.metric == "area_mm2" else most[choice.option]
        return price(space, choice.option, choice.variable_width, choice.weight, capacity)

    try:
        with task.stop.stopping_at_interrupts():
            listed = candidates(
                space,
                options,
                np.full(len(options), space.capacities.least_bits),
                sram,
                traffic_matters="dram_bits" in (goal.metric, *goal.limits),
            )
        answer = solve_milp(
            space,
            goal,
            listed,
            price=priced,
            rel_gap=task.solver_gap,
            stop=task.stop,
            on_progress=task.on_progress,
            solver=task.solver,
        )
    except Stopped:
        answer = MilpResult(None, -np.inf, False, 0)
    task.stats.count(answer)
    best = answer.point
    if best is None or (
        task.incumbent is not None
        and task.incumbent.metrics[goal.metric] < best.metrics[goal.metric]
    ):
        best = task.incumbent
    # An option is known by the bound of all; none may be dropped for a later goal.
    lower[options] = answer.bound if best is None else -np.inf
    reached = np.inf if best is None else best.metrics[goal.metric]
    bound = answer.bound if best is None else min(answer.bound, reached)
    if goal.metric in goal.limits and not keeps(bound, goal.limits[goal.metric]):
        bound = np.inf
    return SearchResult(best, bound, lower, answer.complete)


def _reached(task: GoalTask) -> float:
    return np.inf if task.incumbent is None else task.incumbent.metrics[task.goal.metric]
