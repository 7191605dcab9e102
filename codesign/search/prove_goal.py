"""Proves one goal by the search that suits its space and metric."""

from dataclasses import replace

import numpy as np

from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.search.best_bound import BestBound
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.hardware_search import HardwareSearch
from codesign.search.least_hardware import LeastHardware
from codesign.search.least_metric import LeastMetric
from codesign.search.least_over_srams import LeastOverSrams
from codesign.search.least_widths import LeastWidths
from codesign.space.tabled import LatencyTableSpace
from codesign.units import kind_of


def prove_goal(task: GoalTask) -> SearchResult:
    """Prove a goal over the whole space."""
    if isinstance(task.space, LatencyTableSpace):
        return LeastWidths(task).prove()
    asked = task.goal.metric, task.primary_metric or task.goal.metric
    limited = ENERGY in kinds_of(task.goal.limits) and ENERGY not in kinds_of(asked)
    if limited and not task.feasibility_only:
        return _prove_within_energy(task)
    return BestBound(hardware_search(task)).prove()


def _prove_within_energy(task: GoalTask) -> SearchResult:
    """Prove a goal without its limits on energy first, which takes far less time.

    What is best then, and keeps the limit, is best within it; else the options' bounds still hold.
    """
    report = task.on_progress
    limits = {x: most for x, most in task.goal.limits.items() if kind_of(x) != ENERGY}

    def tell_bound(_: float | None, bound: float) -> None:
        assert report is not None
        report(None, bound)

    free = replace(
        task,
        goal=Goal(task.goal.metric, limits),
        on_progress=None if report is None else tell_bound,
    )
    found = BestBound(hardware_search(free)).prove()
    known = found.incumbent
    if known is None or task.goal.kept_by(known.metrics):
        return found
    task = replace(task, lower=np.maximum(task.lower, found.lower))
    return BestBound(hardware_search(task)).prove()


def hardware_search(task: GoalTask) -> HardwareSearch:
    """What bounds and solves hardware options for a goal."""
    if task.goal.metric in task.space.hardware_metrics:
        return LeastHardware(task)
    return LeastOverSrams(task) if ENERGY in task.goal.kinds else LeastMetric(task)
