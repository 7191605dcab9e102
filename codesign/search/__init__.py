"""Proves the optimum of the whole declared space, one goal at a time.

Hardware options are bounded in three passes, each on what the one before left over: every pair of
PE widths on an ideal array, every array shape with ideal SRAM, every option with its own SRAM and
tilings. Survivors are solved in best-bound order as the mathematical programme of `formulation`,
restricted to the widths that the bound cannot rule out. Everything dropped is dropped by a lower
bound, so the least of these bounds and of the programmes' own holds for the whole space. Where no
hardware is chosen (`LeastWidths`), one imagined option is bounded and solved the same way.
"""

from codesign.search.cut_pool import CutPool
from codesign.search.goal_task import CLOSED, GoalTask, OnProgress, SearchResult, SearchStats
from codesign.search.least_area import LeastArea
from codesign.search.least_metric import LeastMetric
from codesign.search.least_widths import LeastWidths
from codesign.space.tabled import LatencyTableSpace

__all__ = [
    "CLOSED",
    "CutPool",
    "GoalTask",
    "LeastArea",
    "LeastMetric",
    "OnProgress",
    "SearchResult",
    "SearchStats",
    "prove",
]


def prove(task: GoalTask) -> SearchResult:
    """Prove a goal over the whole space by the search that suits its metric."""
    if isinstance(task.space, LatencyTableSpace):
        return LeastWidths(task).prove()
    search = LeastArea if task.goal.metric == "area_mm2" else LeastMetric
    return search(task).prove()
