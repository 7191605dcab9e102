"""From a problem that offers several architectures to the best of all, proven over all of them.

Pipelines come first, then arrays, then hybrids, of which there are most: each is searched for what
is no worse than the best so far; hybrids first for what is better in the first metric, and only
then for what is as good in it and no worse in the next. Layers of an array run one after the other:
its interval is its latency, and a limit on the one is a limit on the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from codesign.errors import InfeasibleError
from codesign.problem.choices import Architecture
from codesign.problem.goal import Goal, TiesFound
from codesign.problem.metrics import INTERVAL, of_interval
from codesign.problem.problem import Problem
from codesign.problem.tolerances import SAME_VALUE, same_total
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.records import ArchitectureRecord, Outcome, SolverRecord
from codesign.search.dataflow.search import Proven
from codesign.search.infeasibility import infeasibility_error
from codesign.search.lexicographic import (
    TIES_LEAST_S,
    TIES_TIMES,
    LexicographicResult,
    LexicographicSearch,
    ReportMetric,
    Ties,
    tie_breakers,
)
from codesign.tasks.build_design import build_design
from codesign.tasks.solve_dataflow import FoundPipeline, PipelineSolver

ORDER: tuple[Architecture, ...] = ("dataflow", "array", "hybrid")  # in which they are searched
MakeRecord = Callable[[LexicographicSearch, LexicographicResult], SolverRecord]


def of_array(problem: Problem) -> Problem:
    """The same question of one shared array alone."""
    return replace(problem, choices=problem.choices.of_one("array"))


def limits_of_array(limits: Mapping[str, float]) -> dict[str, float]:
    """The same limits of one shared array: that on the interval is one on its latency."""
    found = dict(limits)
    interval_s = found.pop(INTERVAL, None)
    if interval_s is not None:
        found["latency_s"] = min(interval_s, found.get("latency_s", interval_s))
    return found


@dataclass(frozen=True)
class Tried:
    """What came of an architecture: the best no worse than those before, and what is proven.

    Attributes
    ----------
    metrics : mapping of str to float, or None
        Of its best, by the problem's names; None where there is none.
    bound : float
        No design of it has a smaller first metric; inf: there is none.
    complete : bool
        Whether that is proven.
    ties : "broken", "left" or "not proven"
        Of what follows it.
    """

    architecture: Architecture
    metrics: dict[str, float] | None
    bound: float
    complete: bool
    ties: TiesFound
    found: FoundPipeline | LexicographicResult


class Architectures:
    """The architectures of a problem, searched one after the other.

    Parameters
    ----------
    pipelines : sequence of PipelineSolver
        One for each architecture but the array; of the same problem.
    search : LexicographicSearch or None
        Over the space of `of_array`.
    """

    def __init__(
        self, pipelines: Sequence[PipelineSolver], search: LexicographicSearch | None
    ) -> None:
        self.pipelines, self.search = pipelines, search
        self.problem, self.stop = pipelines[0].problem, pipelines[0].stop
        self.breakers = tie_breakers(self.problem.technology)

    def best(
        self,
        order: Sequence[str],
        limits: Mapping[str, float],
        report: ReportMetric,
        ties: Ties = "break",
    ) -> tuple[Tried | None, list[Tried]]:
        """The best within limits, by metrics in order and then by what breaks ties; and all tried.

        Each architecture is searched for what is no worse than the best of those before; all tried
        are told in the order of the pipelines, then the array.
        """
        found, best = dict[Architecture, Tried](), None
        solvers = {x.architecture: x for x in self.pipelines}
        for each in ORDER:
            if each == "array" and self.search is not None:
                found[each] = self._array_beside(self.search, best, order, limits, report, ties)
            elif each in solvers:
                found[each] = self._pipeline_beside(solvers[each], best, order, limits, report)
            best = self._better(order, best, found[each]) if each in found else best
        return best, [found[x] for x in (*solvers, "array") if x in found]

    def design(
        self,
        best: Tried,
        tried: Sequence[Tried],
        record: MakeRecord,
        of: Problem | None = None,
    ) -> Design | DataflowDesign:
        """The design of the best of all that was tried, for the problem or another of its space."""
        bound, complete = min(x.bound for x in tried), all(x.complete for x in tried)
        ended = "gap" if complete else self.stop.reason()
        tied = any(x.ties == "not proven" and _may_tie(x, best) for x in tried)
        ties = best.ties if (complete and not tied) or best.ties != "broken" else "not proven"
        records, found = tuple(_record(x, x is best) for x in tried), best.found
        problem = of or self.problem
        if isinstance(found, LexicographicResult):
            assert self.search is not None
            proven = replace(found.first, bound=min(bound, found.first.bound))
            found = replace(found, first=proven, ties=ties, ended=ended)
            made = record(self.search, found)
            design = build_design(self.search.space, of_array(problem), found, made)  # type: ignore[arg-type]
            return replace(design, architectures=records)
        least = replace(found.first, lower=min(bound, found.first.lower))
        solver = next(x for x in self.pipelines if x.architecture == best.architecture)
        made_of = solver.design(replace(found, first=least, ties=ties, ended=ended), problem)
        return replace(made_of, architectures=records)

    def nothing(self, tried: Sequence[Tried], limits: Mapping[str, float]) -> BaseException:
        """Why there is no design of any within limits."""
        told: list[tuple[str, InfeasibleError]] = []
        for solver, of in zip(self.pipelines, tried, strict=False):
            assert isinstance(of.found, FoundPipeline)
            why = solver.nothing_found(of.found, limits)
            if not isinstance(why, InfeasibleError):
                return why
            told.append((solver.architecture, why))
        if self.search is not None:
            if not tried[-1].complete:
                return self.pipelines[0].out_of_time()
            goal = Goal(self.search.space.problem.objective, limits_of_array(limits))
            told.append(("array", infeasibility_error(self.search.goal_task(goal))))
        message = "; ".join(f"architecture {name}: {why}" for name, why in told)
        first = told[0][1]
        each = {name: why.clashing for name, why in told}
        return InfeasibleError(message, first.clashing, first.further, each)

    def _array_beside(
        self,
        search: LexicographicSearch,
        best: Tried | None,
        order: Sequence[str],
        limits: Mapping[str, float],
        report: ReportMetric,
        ties: Ties,
    ) -> Tried:
        """Search arrays for what is no worse than the best so far."""
        held, most = _no_worse(best, order, limits)
        metrics = dict.fromkeys((*map(of_interval, order), *self.breakers))
        found = search.minimise(tuple(metrics), limits_of_array(held), report, ties)
        bound, values = found.first.bound, None
        if found.first.complete and found.solution is None:
            bound = most
        if found.solution is None:
            bound = min(most, bound)
        else:
            values = dict(found.solution.metrics)
            values[INTERVAL] = values["latency_s"]
        return Tried("array", values, bound, found.first.complete, found.ties, found)

    def _pipeline_beside(
        self,
        solver: PipelineSolver,
        best: Tried | None,
        order: Sequence[str],
        limits: Mapping[str, float],
        report: ReportMetric,
    ) -> Tried:
        """Search pipelines, or hybrids, for what is no worse than the best so far."""
        held, most = _no_worse(best, order, limits)
        if best is None or best.metrics is None:
            found = solver.find(held, report, order)
        else:
            found = self._find_beside(solver, best.metrics, order, held, report)
        first, metrics = found.first, None
        bound = min(most, first.lower)
        if found.design is not None:
            bound, metrics = first.lower, dict(found.design.metrics)
        return Tried(solver.architecture, metrics, bound, first.complete, found.ties, found)

    def _find_beside(
        self,
        solver: PipelineSolver,
        best: Mapping[str, float],
        order: Sequence[str],
        held: Mapping[str, float],
        report: ReportMetric,
    ) -> FoundPipeline:
        """What is better than the best so far in the first metric; else what is as good there.

        Of metrics with few values, like cycles, far more is as good than better: of that only what
        has no more of the next metric is looked for, in the time of what breaks ties.
        """
        started, first = time.monotonic(), order[0]
        better = min(best[first] * (1 - SAME_VALUE), held[first])
        found = solver.find({**held, first: better}, report, order)
        if found.design is not None or not found.first.complete:
            return found
        found = replace(found, first=Proven(None, better, True))
        if solver.ties == "leave":
            return found
        second, *further = (x for x in dict.fromkeys((*order, *self.breakers)) if x != first)
        as_good = {**held, second: min(best[second], held.get(second, math.inf))}
        with self.stop.within(max(TIES_TIMES * (time.monotonic() - started), TIES_LEAST_S)):
            again = solver.find(as_good, report, (second, *further))
        ties = again.ties if again.first.complete else "not proven"
        return replace(again, first=Proven(again.design, better, True), ties=ties)

    def _better(self, order: Sequence[str], best: Tried | None, new: Tried) -> Tried | None:
        """The better: by metrics in order, hardware, noise; of equal ones the earlier."""
        if new.metrics is None or best is None or best.metrics is None:
            return best if new.metrics is None else new
        pairs = [(new.metrics[x], best.metrics[x]) for x in (*order, *self.breakers)]
        differing = [(a, b) for a, b in pairs if not same_total(a, b)]
        return new if differing and differing[0][0] < differing[0][1] else best


def best_of_all(
    pipelines: Sequence[PipelineSolver],
    search: LexicographicSearch | None,
    report: ReportMetric,
    ties: Ties,
    record: MakeRecord,
) -> Design | DataflowDesign:
    """The best of a problem's pipelines, of its hybrids, and of the arrays of a search.

    Parameters
    ----------
    pipelines, search
        As of `Architectures`.

    Raises
    ------
    InfeasibleError
        None keeps every budget.
    SolverError, KeyboardInterrupt
        As of `codesign.solve`.
    """
    every = Architectures(pipelines, search)
    budgets = every.problem.budgets
    best, tried = every.best((every.problem.objective,), budgets, report, ties)
    if best is None:
        with every.stop.raising_interrupts():
            raise every.nothing(tried, budgets)
    return every.design(best, tried, record)


def _no_worse(
    best: Tried | None, order: Sequence[str], limits: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Limits within which the first metric is no worse than the best so far, and what that has."""
    held, most = dict(limits), math.inf
    if best is not None and best.metrics is not None:
        most = best.metrics[order[0]]
        held[order[0]] = min(most, held.get(order[0], math.inf))
    return held, most


def _may_tie(tried: Tried, best: Tried) -> bool:
    """Whether an architecture may have what is as good as the best in the first metric."""
    return tried.bound <= best.bound * (1 + SAME_VALUE)


def _record(tried: Tried, best: bool) -> ArchitectureRecord:
    bound = tried.bound
    outcome: Outcome = "best" if best else "no better" if math.isfinite(bound) else "infeasible"
    if not best and not tried.complete:
        outcome = "open"
    least = max(bound, 0.0) if bound < math.inf else None
    return ArchitectureRecord(architecture=tried.architecture, outcome=outcome, bound=least)
