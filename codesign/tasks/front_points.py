"""Points of a front, by architecture: the best within limits, in one space for all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.records import SolverRecord
from codesign.search.lexicographic import LexicographicResult, LexicographicSearch, tie_breakers
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.choose_architecture import Architectures, Tried, of_array
from codesign.tasks.solve import nothing_found, solver_record
from codesign.tasks.solve_dataflow import FoundPipeline, PipelineSolver


class Point(NamedTuple):
    """What a search has found within some limits.

    Attributes
    ----------
    found : LexicographicResult, FoundPipeline, or tuple of Tried
        The last of several architectures, the best first.
    exists : bool
        Whether there is a design.
    complete : bool
        Whether all of it is proven.
    bound : float
        Of the first metric.
    """

    found: LexicographicResult | FoundPipeline | tuple[Tried, ...]
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
        return self.solver.nothing_found(point.found, goal.limits)


class SeveralPoints:
    """Designs of several architectures, each point the best of all."""

    def __init__(self, problem: Problem, objectives: Sequence[str], stop: StopCondition) -> None:
        how = (stop, "search", OPTIMAL_GAP, "highs", "break", time.monotonic())
        offered = problem.choices.architecture
        others = sorted(x for x in offered if x != "array")
        pipelines = [PipelineSolver(problem, *how, x) for x in others]  # type: ignore[arg-type]
        arrays = ArrayPoints(of_array(problem), objectives, stop) if "array" in offered else None
        self.every = Architectures(pipelines, None if arrays is None else arrays.search)

    def best(self, order: Sequence[str], limits: Mapping[str, float]) -> Point:
        """As of `ArrayPoints`."""
        for solver in self.every.pipelines:
            solver.started_s = time.monotonic()
        best, tried = self.every.best(order, limits, lambda metric: None)
        complete = all(x.complete for x in tried)
        if best is None:
            return Point(tuple(tried), False, complete, math.inf)
        proven = complete and all(x.ties != "not proven" for x in tried)
        every = best, *(x for x in tried if x is not best)
        return Point(every, True, proven, min(x.bound for x in tried))

    def design(self, point: Point, problem: Problem, started_s: float) -> Design | DataflowDesign:
        """As of `ArrayPoints`."""
        assert isinstance(point.found, tuple)

        def record(search: LexicographicSearch, found: LexicographicResult) -> SolverRecord:
            return solver_record(search, found, of_array(problem).objective, started_s)

        return self.every.design(point.found[0], point.found, record, problem)

    def nothing(self, point: Point, goal: Goal) -> BaseException:
        """As of `ArrayPoints`."""
        assert isinstance(point.found, tuple)
        return self.every.nothing(point.found, goal.limits)


def points_of(
    problem: Problem, objectives: Sequence[str], stop: StopCondition
) -> ArrayPoints | PipelinePoints | SeveralPoints:
    """The points of a problem's architectures."""
    if len(problem.choices.architecture) > 1:
        return SeveralPoints(problem, objectives, stop)
    if problem.choices.pipelined:
        return PipelinePoints(problem, stop)
    return ArrayPoints(problem, objectives, stop)
