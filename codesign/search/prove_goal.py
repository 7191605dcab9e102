"""Proves one goal by the search that suits its space and metric."""

from codesign.problem.metrics import ENERGY
from codesign.search.best_bound import BestBound
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.hardware_search import HardwareSearch
from codesign.search.least_hardware import LeastHardware
from codesign.search.least_metric import LeastMetric
from codesign.search.least_over_srams import LeastOverSrams
from codesign.search.least_widths import LeastWidths
from codesign.space.tabled import LatencyTableSpace


def prove_goal(task: GoalTask) -> SearchResult:
    """Prove a goal over the whole space."""
    if isinstance(task.space, LatencyTableSpace):
        return LeastWidths(task).prove()
    return BestBound(hardware_search(task)).prove()


def hardware_search(task: GoalTask) -> HardwareSearch:
    """What bounds and solves hardware options for a goal."""
    if task.goal.metric in task.space.hardware_metrics:
        return LeastHardware(task)
    counts_energy = ENERGY in (task.goal.metric, *task.goal.limits)
    return LeastOverSrams(task) if counts_energy else LeastMetric(task)
