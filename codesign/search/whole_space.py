"""The whole-space programme: all hardware options in one model, for small spaces."""

from __future__ import annotations

import numpy as np

from codesign.errors import SpecError
from codesign.problem.tolerances import keeps
from codesign.search import Inquiry, Proof
from codesign.search.milp.formulation import Choice
from codesign.search.milp.solve import Answer, solve_programme
from codesign.space.candidates import candidates
from codesign.space.hardware import Space
from codesign.space.point import Point, price
from codesign.stopping import OutOfTime

MAX_CANDIDATES = 3_000_000


def prove_whole(inquiry: Inquiry) -> Proof:
    """Prove a goal by one programme over all hardware options still open.

    Raises
    ------
    SpecError
        More candidates than a model can hold in memory.
    """
    space, goal = inquiry.space, inquiry.goal
    assert isinstance(space, Space)
    area_limit = goal.limits.get("area_mm2")
    options = np.flatnonzero(inquiry.lower < np.inf)
    sram = space.sram_bits_within(options, area_limit)
    options, sram = options[sram >= 1], sram[sram >= 1]
    lower = np.full(len(space), np.inf)
    if not len(options):
        return Proof(inquiry.best, _reached(inquiry), lower, True)
    rough = len(options) * len(space.problem.network.layers) * len(space.widths) ** 2
    if rough > MAX_CANDIDATES:
        raise SpecError(
            f"method 'whole' would list over {rough} candidates, at most {MAX_CANDIDATES} fit; "
            "use the default method or a smaller space"
        )
    inquiry.effort.solved.update(int(option) for option in options)
    most = dict(zip(options.tolist(), sram.tolist(), strict=True))

    def priced(choice: Choice) -> Point | None:
        capacity = choice.sram_bits if goal.metric == "area_mm2" else most[choice.option]
        return price(space, choice.option, choice.variable_width, choice.weight, capacity)

    try:
        with inquiry.halt.breaking():
            listed = candidates(
                space,
                options,
                np.full(len(options), space.capacities.least_bits),
                sram,
                traffic_matters="dram_bits" in (goal.metric, *goal.limits),
            )
        answer = solve_programme(
            space,
            goal,
            listed,
            price=priced,
            rel_gap=inquiry.solver_gap,
            halt=inquiry.halt,
            on_progress=inquiry.on_progress,
            solver=inquiry.solver,
        )
    except OutOfTime:
        answer = Answer(None, -np.inf, False, 0)
    inquiry.effort.count(answer)
    best = answer.point
    if best is None or (
        inquiry.best is not None and inquiry.best.metrics[goal.metric] < best.metrics[goal.metric]
    ):
        best = inquiry.best
    # An option is known by the bound of all; none may be dropped for a later goal.
    lower[options] = answer.bound if best is None else -np.inf
    reached = np.inf if best is None else best.metrics[goal.metric]
    bound = answer.bound if best is None else min(answer.bound, reached)
    if goal.metric in goal.limits and not keeps(bound, goal.limits[goal.metric]):
        bound = np.inf
    return Proof(best, bound, lower, answer.complete)


def _reached(inquiry: Inquiry) -> float:
    return np.inf if inquiry.best is None else inquiry.best.metrics[inquiry.goal.metric]
