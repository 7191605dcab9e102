"""From a problem to its proven best pipeline, or hybrid of a pipeline and one shared array.

Their searches are those of `codesign.search.dataflow`; ties are broken as for arrays: objective,
then area (on an FPGA LUTs, then block RAMs), then noise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from codesign.errors import InfeasibleError, SolverError, SpecError
from codesign.problem.choices import Architecture
from codesign.problem.goal import Ended, Goal, TiesFound
from codesign.problem.metrics import ENERGY
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP, OPTIMAL_GAP, keeps
from codesign.results.dataflow_design import DataflowDesign, platform_of
from codesign.results.records import PipelineSolverRecord, ProofRecord
from codesign.search.dataflow.goal_bounds import OnProgress
from codesign.search.dataflow.hybrid import HybridSearch
from codesign.search.dataflow.pipeline_search import PipelineSearch
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.dataflow.search import Proven
from codesign.search.infeasibility import (
    clash_message,
    clashes_of,
    out_of_time,
    where_widths_end,
)
from codesign.search.lexicographic import (
    TIES_LEAST_S,
    TIES_TIMES,
    Method,
    Ties,
    tie_breakers,
)
from codesign.search.milp import solvers
from codesign.search.milp.solvers import SolverName, check_installed
from codesign.space.dataflow import PipelineSpace
from codesign.stopping import StopCondition, Stopped

NO_ARRAY = (
    "infeasible: no array on offer takes the widths of any layers in a row; offer wider PEs with "
    "pe_weight_bits and pe_activation_bits"
)
ReportMetric = Callable[[str], OnProgress | None]


@dataclass(frozen=True)
class FoundPipeline:
    """The best pipeline of a problem, None where there is none, and what is proven of it.

    Attributes
    ----------
    first : Proven
        Of the objective.
    ties : "broken", "left" or "not proven"
    ended : "gap", "time", "interrupt" or None
        As of `LexicographicResult`.
    record : PipelineSolverRecord
    """

    design: Pipeline | None
    first: Proven
    ties: TiesFound
    ended: Ended | None
    record: PipelineSolverRecord


class PipelineSolver:
    """Solves problems of pipelines, or of hybrids, in one way.

    Parameters
    ----------
    method, rel_gap, solver, ties
        As of `codesign.solve`.
    architecture : "dataflow" or "hybrid"
        Of those on offer, by default the only one.

    Attributes
    ----------
    known : Pipeline or None
        A design to start from wherever it is within the limits; None until one is set.
    """

    def __init__(
        self,
        problem: Problem,
        stop: StopCondition,
        method: Method,
        rel_gap: float,
        solver: SolverName,
        ties: Ties,
        started_s: float,
        architecture: Architecture | None = None,
    ) -> None:
        if not 0 <= rel_gap < 1:
            raise SpecError(f"rel_gap must be at least 0 and below 1, got {rel_gap}")
        check_installed(solver)
        self.problem, self.stop, self.method = problem, stop, method
        self.rel_gap, self.solver, self.ties, self.started_s = rel_gap, solver, ties, started_s
        self.known: Pipeline | None = None
        self._check_energy()
        self.architecture = architecture or problem.choices.architecture[0]
        shared = self.architecture == "hybrid"
        self.space = PipelineSpace(problem, platform_of(problem), shared)
        self.search_anew()

    def search_anew(self) -> None:
        """Start a search of the space as it is now."""
        kind = HybridSearch if self.architecture == "hybrid" else PipelineSearch
        whole = self.method == "whole"
        self.search = kind(self.space, self.stop, solver=self.solver, whole=whole)

    def _check_energy(self) -> None:
        """Refuse questions about energy where it is not known."""
        problem = self.problem
        if ENERGY in (problem.objective, *problem.budgets):
            missing = platform_of(problem).rates(0.0)[1]
            if missing:
                raise SpecError(f"{ENERGY}: not known: {'; '.join(missing)}")

    def solve(self, report: ReportMetric) -> DataflowDesign:
        """The best pipeline of the problem.

        Raises
        ------
        InfeasibleError, SolverError, KeyboardInterrupt
            As of `codesign.solve`.
        """
        found = self.find(self.problem.budgets, report)
        if found.design is None:
            with self.stop.raising_interrupts():
                raise self.nothing_found(found)
        return self.design(found)

    def find(
        self, limits: Mapping[str, float], report: ReportMetric, order: Sequence[str] = ()
    ) -> FoundPipeline:
        """The best within limits: by the metrics in order, then by what breaks ties.

        Parameters
        ----------
        order : sequence of str
            By default the problem's objective alone.
        """
        problem, stop, started = self.problem, self.stop, time.monotonic()
        gap = self.rel_gap if self.rel_gap > OPTIMAL_GAP else CLOSING_GAP
        metric, *further = order or (problem.objective,)
        held = dict(limits)
        goal, start = Goal(metric, held), self.known
        if start is not None and not goal.kept_by(start.metrics):
            start = None
        result = first = self.search.prove(goal, start, report(metric), gap)
        ended: Ended | None = "gap" if first.complete else stop.reason()
        ties: TiesFound = "left" if self.ties == "leave" else "broken"
        breakers = dict.fromkeys((*further, *tie_breakers(problem.technology)))
        breakers = breakers if self.ties != "leave" else {}
        share_s = max(TIES_TIMES * (time.monotonic() - started), TIES_LEAST_S)
        with stop.within(math.inf if further else share_s):  # metrics of an order are no ties
            for following in breakers:
                if result.design is None or not result.complete or following == metric:
                    continue
                value = result.design.metrics[metric]
                held[metric] = min(value, held.get(metric, math.inf))
                metric = following
                goal = Goal(metric, dict(held))
                result = self.search.prove(goal, result.design, report(metric))
        return FoundPipeline(
            result.design, first, ties if result.complete else "not proven", ended, self.record()
        )

    def record(self) -> PipelineSolverRecord:
        """What the search took."""
        counts = self.search.counts
        return PipelineSolverRecord(
            name=solvers.TITLES[self.solver],
            version=solvers.version(self.solver),
            seconds=time.monotonic() - self.started_s,
            method=self.method,
            options=counts.options,
            intervals=counts.intervals,
            programmes=counts.programmes,
            interrupted=self.stop.interrupted,
        )

    def design(self, found: FoundPipeline, of: Problem | None = None) -> DataflowDesign:
        """The design of what was found, for the problem or another of its space.

        Raises
        ------
        SolverError
            A budget is not kept: an error of ours.
        """
        problem, best = of or self.problem, found.design
        assert best is not None
        for name, limit in problem.budgets.items():
            if not keeps(best.metrics[name], limit):
                raise SolverError(
                    f"the answer found has {name} = {best.metrics[name]!r} over its budget "
                    f"{limit!r}; please report this with the problem"
                )
        proof = ProofRecord.of(
            best.metrics[problem.objective], found.first.lower, found.ties, found.ended
        )
        return DataflowDesign(
            problem=problem,
            tensor_bits=best.tensor_bits,
            stages=best.stages,
            segments=best.segments,
            metrics=best.metrics,
            proof=proof,
            solver=found.record,
        )

    def nothing_found(
        self, found: FoundPipeline, limits: Mapping[str, float] | None = None
    ) -> BaseException:
        """What to raise where there is no pipeline, or none was found in time.

        Parameters
        ----------
        limits : mapping of str to float, optional
            Within which one was looked for; by default the problem's budgets.
        """
        if found.first.complete:
            return self._infeasible(self.problem.budgets if limits is None else limits)
        return self.out_of_time()

    def out_of_time(self) -> BaseException:
        """What to raise where nothing was found in time."""
        stop = self.stop
        if stop.interrupted:
            return KeyboardInterrupt()
        if stop.limit_s is None:
            return SolverError("the solver gave up: no design found, and none ruled out")
        return SolverError(
            f"no design found within {stop.limit_s} s, and none ruled out; allow more time"
        )

    def _infeasible(self, limits: Mapping[str, float]) -> InfeasibleError:
        """Which budgets clash, and what would do."""

        def prove(goal: Goal) -> Pipeline | None:
            proven = self.search.prove(goal)
            if not proven.complete:
                raise Stopped
            return proven.design

        def least(metric: str, limits: Mapping[str, float]) -> float | None:
            design = prove(Goal(metric, dict(limits)))
            return None if design is None else design.metrics[metric]

        def feasible(limits: Mapping[str, float]) -> bool:
            return prove(Goal(next(iter(limits), "noise"), dict(limits))) is not None

        try:
            if not feasible({}):
                return InfeasibleError(NO_ARRAY, {})
            clashes = clashes_of(limits, feasible, least)
        except Stopped:
            return out_of_time()
        message = clash_message(clashes) + where_widths_end(self.problem, clashes)
        return InfeasibleError(message, clashes[0], clashes[1:])
