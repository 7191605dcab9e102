"""Points of a front, by architecture: the best within limits, in one space for all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codesign.errors import SpecError
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.search.lexicographic import LexicographicResult, LexicographicSearch, tie_breakers
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.solve import nothing_found, solver_record
from codesign.tasks.solve_dataflow import FoundPipeline, PipelineSolver


class Point(NamedTuple):
    """What a search has found within some limits.

    Attributes
    ----------
    found : LexicographicResult or FoundPipeline
    exists : bool
        Whether there is a design.
    complete : bool
        Whether all of it is proven.
    bound : float
        Of the first metric.
    """

    found: LexicographicResult | FoundPipeline
    exists: bool
    complete: bool
    bound: float


class ArrayPoints:
    """Designs of one shared array."""

    def __init__(self, problem: Problem, objectives: Sequence[str], stop: StopCondition) -> None:
        self.space = HardwareSpace(problem)
        if ENERGY in kinds_of(objectives):
            self.space.count_energy()
        self.search = LexicographicSearch(self.space, stop=stop)
        self.breakers = tie_breakers(problem.technology)

    def best(self, order: Sequence[str], limits: Mapping[str, float]) -> Point:
        """The least of each metric in order."""
        metrics = tuple(dict.fromkeys((*order, *self.breakers)))
        found = self.search.minimise(metrics, limits)
        return Point(found, found.solution is not None, found.complete, found.first.bound)

    def design(self, point: Point, problem: Problem, started_s: float) -> Design:
        """The design of a point, for a problem of the space."""
        assert isinstance(point.found, LexicographicResult)
        record = solver_record(self.search, point.found, problem.objective, started_s)
        return build_design(self.space, problem, point.found, record)

    def nothing(self, point: Point, goal: Goal) -> BaseException:
        """What to raise where there is none."""
        assert isinstance(point.found, LexicographicResult)
        return nothing_found(self.search, point.found, goal)


class PipelinePoints:
    """Pipelines of stages."""

    def __init__(self, problem: Problem, stop: StopCondition) -> None:
        how = (stop, "search", OPTIMAL_GAP, "highs", "break", time.monotonic())
        self.solver = PipelineSolver(problem, *how)  # type: ignore[arg-type]

    def best(self, order: Sequence[str], limits: Mapping[str, float]) -> Point:
        """As of `ArrayPoints`."""
        self.solver.started_s = time.monotonic()
        found = self.solver.find(limits, lambda metric: None, order)
        complete = found.first.complete and found.ties != "not proven"
        bound = found.first.lower if found.design is not None else math.inf
        return Point(found, found.design is not None, complete, bound)

    def design(self, point: Point, problem: Problem, started_s: float) -> DataflowDesign:
        """As of `ArrayPoints`."""
        assert isinstance(point.found, FoundPipeline)
        return self.solver.design(point.found, problem)

    def nothing(self, point: Point, goal: Goal) -> BaseException:
        """As of `ArrayPoints`."""
        assert isinstance(point.found, FoundPipeline)
        return self.solver.nothing_found(point.found)


def points_of(
    problem: Problem, objectives: Sequence[str], stop: StopCondition
) -> ArrayPoints | PipelinePoints:
    """The points of a problem's architecture.

    Raises
    ------
    SpecError
        Several architectures.
    """
    offered = problem.choices.architecture
    if len(offered) > 1:
        raise SpecError(f"architecture {', '.join(offered)}: a front is of one of them; give one")
    return (
        PipelinePoints(problem, stop)
        if problem.choices.pipelined
        else ArrayPoints(problem, objectives, stop)
    )
