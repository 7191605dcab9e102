"""One monolithic MILP over all hardware options at once, for small spaces.

Where energy counts, one for each of few ranges of SRAM.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.errors import SpecError
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import keeps
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.milp.choice import MilpSolution
from codesign.search.milp.solve import MilpResult, solve_milp
from codesign.search.milp_over_srams import MilpOverSrams
from codesign.space.candidates import Candidates, candidates
from codesign.space.energy_tilings import EnergyTilings
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, price
from codesign.stopping import Stopped

MAX_CANDIDATES = 3_000_000


def prove_monolithic(task: GoalTask) -> SearchResult:
    """Prove a goal by one MILP over all hardware options still open.

    Raises
    ------
    SpecError
        More candidates than a model can hold in memory.
    """
    space, goal = task.space, task.goal
    assert isinstance(space, HardwareSpace)
    options = np.flatnonzero(task.lower < np.inf)
    sram = space.sram_bits_within(options, goal.limits)
    options, sram = options[sram >= 1], sram[sram >= 1]
    lower = np.full(len(space), np.inf)
    if not len(options):
        return SearchResult(task.incumbent, task.value_of(task.incumbent), lower, True)
    rough = len(options) * len(space.problem.network.layers) * len(space.widths) ** 2
    if rough > MAX_CANDIDATES:
        raise SpecError(
            f"method 'whole' would list over {rough} candidates, at most {MAX_CANDIDATES} fit; "
            "use the default method or a smaller space"
        )
    task.stats.solved.update(int(option) for option in options)
    if ENERGY in goal.kinds:
        result = MilpOverSrams(task, options, sram, solve_whole).prove()
    else:
        result = _solve(task, space, options, sram)
    best = result.solution
    if best is None or task.value_of(task.incumbent) < task.value_of(best):
        best = task.incumbent
    # The MILP's bound is that of all options together: none may be excluded for a later goal.
    lower[options] = result.bound if best is None else -np.inf
    bound = min(result.bound, task.value_of(best))
    if goal.metric in goal.limits and not keeps(bound, goal.limits[goal.metric]):
        bound = np.inf
    return SearchResult(best, bound, lower, result.complete)


def _solve(task: GoalTask, space: HardwareSpace, options: Ints, sram: Floats) -> MilpResult:
    """Solve the MILP over options, each with at most so much SRAM."""
    goal, most = task.goal, dict(zip(options.tolist(), sram.tolist(), strict=True))

    def priced(choice: MilpSolution) -> Solution | None:
        sram_bits = (
            choice.sram_bits if goal.metric in space.hardware_metrics else most[choice.option]
        )
        chosen = choice.variable_width, choice.weight, sram_bits, choice.on_chip
        return price(space, choice.option, *chosen, choice.modes, choice.tilings)

    def listed() -> Candidates:
        tilings = None
        if space.port is not None and "latency_s" in goal.kinds:
            shapes = space.shape_of[options].tolist()
            first = dict(zip(shapes, options.tolist(), strict=True))
            of_shape = {x: EnergyTilings(space, first[x], False, True) for x in first}
            tilings = [of_shape[x] for x in shapes]
        return candidates(
            space,
            options,
            np.full(len(options), space.capacities.min_bits),
            sram,
            traffic_matters="dram_bits" in goal.kinds,
            energy=tilings,
        )

    return solve_whole(task, listed, priced)


def solve_whole(
    task: GoalTask,
    listed: Callable[[], Candidates],
    price: Callable[[MilpSolution], Solution | None],
) -> MilpResult:
    """Solve one MILP of a goal; where it has to end before its solver was asked, it knows nothing.

    ``listed`` lists its candidates.
    """
    try:
        with task.stop.stopping_at_interrupts():
            found = listed()
        result = solve_milp(
            task.space,
            task.goal,
            found,
            price=price,
            rel_gap=task.solver_gap,
            stop=task.stop,
            on_progress=task.on_progress,
            solver=task.solver,
        )
    except Stopped:
        return MilpResult(None, -np.inf, False, 0)
    task.stats.count(result)
    return result
