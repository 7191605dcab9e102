"""From problems that differ in their batch to the best design of all of them, proven over all.

The objective is compared for each image where it grows with the images at once: a latency by
images is an interval. Each batch is searched with the best design so far as a limit on the
objective, so most are ruled out by bounds alone. What no design of a batch goes below is its bound;
the least of these bounds is that of the whole choice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from codesign.errors import InfeasibleError, SpecError
from codesign.problem.goal import Goal
from codesign.problem.metrics import PER_BATCH, REGRET
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP, same_total
from codesign.results.design import Design
from codesign.results.records import BatchRecord, Outcome
from codesign.search.lexicographic import (
    LexicographicResult,
    LexicographicSearch,
    Method,
    Ties,
    check_ties,
    tie_breakers,
)
from codesign.search.milp.solvers import SolverName
from codesign.search.progress import Progress
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.solve import nothing_found, reporter, solver_record, with_interrupt


def solve_batches(
    problems: Sequence[Problem],
    *,
    method: Method = "search",
    time_limit_s: float | None = None,
    rel_gap: float = OPTIMAL_GAP,
    solver: SolverName = "highs",
    ties: Ties = "break",
    on_progress: Callable[[Progress], None] | None = None,
) -> Design:
    """Find the best design of problems that differ in their batch, and prove it over all of them.

    Best is the least objective, for each image where it grows with the batch; of equal ones the
    least area, then noise, then the smallest batch. The design is of its own problem, and
    ``design.batches`` says what was proven of each batch.

    Parameters
    ----------
    problems : sequence of Problem
        Of networks that are equal but for their ``images``, with equal choices, platform and
        objective: ``[Problem(network=network.batched(n), ...) for n in (1, 2, 4)]``. Budgets may
        differ: those of latency, energy and traffic are of the whole batch.
    method, time_limit_s, rel_gap, solver, ties, on_progress
        As of `codesign.solve`, the time limit for all together.

    Raises
    ------
    SpecError
        Problems that differ in more, or two of one batch; and as of `codesign.solve`.
    InfeasibleError
        No design of any batch keeps every budget.
    SolverError, KeyboardInterrupt
        As of `codesign.solve`.
    """
    started_s = time.monotonic()
    check_ties(ties)
    _check_alike(problems)
    stop = StopCondition(time_limit_s)
    how = _How(method, rel_gap, stop, solver, ties)
    with stop.catching_interrupts():
        search = _BatchSearch(how, started_s, on_progress)
        for problem in _in_order(problems):
            search.of(problem)
        design = search.design(problems)
    return with_interrupt(design, stop)


@dataclass(frozen=True)
class _How:
    """How each batch is searched."""

    method: Method
    rel_gap: float
    stop: StopCondition
    solver: SolverName
    ties: Ties

    def search(self, space: HardwareSpace) -> LexicographicSearch:
        """A search over the space of one batch."""
        return LexicographicSearch(
            space,
            method=self.method,
            rel_gap=self.rel_gap,
            stop=self.stop,
            solver=self.solver,
        )


@dataclass(frozen=True)
class _Found:
    """The best design of one batch, and what the search for it has proven."""

    problem: Problem
    space: HardwareSpace
    search: LexicographicSearch
    result: LexicographicResult

    def rank(self) -> tuple[float, ...]:
        """What is compared, the first first: objective for each image, hardware, noise, images."""
        assert self.result.solution is not None
        metrics, problem = self.result.solution.metrics, self.problem
        first = metrics[problem.objective] / _divisor(problem)
        rest = (metrics[name] for name in tie_breakers(problem.technology))
        return (first, *rest, problem.network.images)

    def better_than(self, other: _Found | None) -> bool:
        """Whether it is, totals that differ by no more than rounding being equal."""
        if other is None:
            return True
        for mine, theirs in zip(self.rank(), other.rank(), strict=True):
            if not same_total(mine, theirs):
                return mine < theirs
        return False


class _BatchSearch:
    """One batch after the other, with the best of those before as a limit."""

    def __init__(
        self, how: _How, started_s: float, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self.how, self.started_s, self.on_progress = how, started_s, on_progress
        self.best: _Found | None = None
        self.bounds: dict[int, float] = {}  # by images: for each image; inf where there is none
        self.unfinished: set[int] = set()
        self.all_ties_proven, self.programmes = True, 0

    def of(self, problem: Problem) -> None:
        """Search one batch for what is no worse than the best so far."""
        stop, images = self.how.stop, problem.network.images
        if stop.reached():
            self.bounds[images] = 0.0
            self.unfinished.add(images)
            return
        limits, most = dict(problem.budgets), math.inf
        if self.best is not None:
            most = self.best.rank()[0]
            most -= abs(most) * (self.how.rel_gap if self.how.rel_gap > OPTIMAL_GAP else 0.0)
            own = limits.get(problem.objective, math.inf)
            limits[problem.objective] = min(own, most * _divisor(problem))
        space = HardwareSpace(problem)
        search = self.how.search(space)
        metrics = dict.fromkeys((problem.objective, *tie_breakers(problem.technology)))
        report = reporter(self.on_progress, problem, stop, self.started_s)
        result = search.minimise(tuple(metrics), limits, report, self.how.ties)
        self.programmes += result.stats.milps
        bound = result.first.bound / _divisor(problem)
        if not result.first.complete:
            self.unfinished.add(images)
        elif self.best is None and result.solution is None:
            bound = math.inf
        self.bounds[images] = min(most, bound)
        found = _Found(problem, space, search, result)
        if result.solution is not None:
            self.all_ties_proven &= result.ties != "not proven"
            if found.better_than(self.best):
                self.best = found

    def design(self, problems: Sequence[Problem]) -> Design:
        """The best design with the proof over all batches.

        Raises
        ------
        InfeasibleError, SolverError, KeyboardInterrupt
            There is none.
        """
        if self.best is None:
            raise self._nothing_found(min(problems, key=lambda x: x.network.images))
        problem, search, result = self.best.problem, self.best.search, self.best.result
        record = solver_record(search, result, problem.objective, self.started_s)
        bound = min(self.bounds.values()) * _divisor(problem)
        ties = result.ties if self.all_ties_proven and not self.unfinished else "not proven"
        found = replace(
            result,
            first=replace(result.first, bound=min(bound, result.first.bound)),
            ties="left" if self.how.ties == "leave" else ties,
            ended=self.how.stop.reason() if self.unfinished else result.ended,
        )
        record = replace(record, programmes=max(record.programmes, self.programmes))
        design = build_design(self.best.space, problem, found, record)
        return replace(design, batches=self._records(problem, problems))

    def _records(self, own: Problem, problems: Sequence[Problem]) -> tuple[BatchRecord, ...]:
        budgets, chosen = {x.network.images: x.budgets for x in problems}, own.network.images
        return tuple(
            BatchRecord(
                images=images,
                outcome=self._outcome(images, chosen),
                bound=max(bound, 0.0) if bound < math.inf else None,
                budgets=None if budgets[images] == own.budgets else budgets[images],
            )
            for images, bound in sorted(self.bounds.items())
        )

    def _outcome(self, images: int, chosen: int) -> Outcome:
        if images == chosen:
            return "best"
        if images in self.unfinished:
            return "open"
        return "no better" if self.bounds[images] < math.inf else "infeasible"

    def _nothing_found(self, problem: Problem) -> BaseException:
        """What to raise where no batch has a design: why the smallest has none."""
        search = self.how.search(HardwareSpace(problem))
        goal = Goal(problem.objective, problem.budgets)
        result = search.minimise((goal.metric,), goal.limits, ties="leave")
        with self.how.stop.raising_interrupts():
            error = nothing_found(search, result, goal)
        if not isinstance(error, InfeasibleError):
            return error
        every = ", ".join(f"{images}" for images in sorted(self.bounds))
        message = f"no batch of {every} has a design; of {problem.network.images}: {error}"
        return InfeasibleError(message, error.clashing, error.further)


def _divisor(problem: Problem) -> int:
    """Images that the objective is of, in a suite of each network; 1 where it does not grow."""
    return problem.network.images if problem.objective in PER_BATCH else 1


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """The batch first that is likely the best: weights are fetched once for all its images."""
    grows = problems[0].objective in PER_BATCH
    return sorted(problems, key=lambda problem: problem.network.images, reverse=grows)


def _check_alike(problems: Sequence[Problem]) -> None:
    """Refuse problems that differ in more than their batch and budgets."""
    if not problems:
        raise SpecError("batches: give one problem at least")
    if problems[0].objective == REGRET:
        raise SpecError("batches: regret is of one batch, as each network's own best is")
    images = [problem.network.images for problem in problems]
    if len({*images}) < len(images):
        raise SpecError(
            f"batches: two problems have networks of {max(images, key=images.count)} images each"
        )
    first = problems[0]
    names = [layer.name for layer in first.network.layers]
    for problem in problems[1:]:
        if [layer.name for layer in problem.network.layers] != names:
            raise SpecError("batches: the problems are of different networks")
        for field in ("technology", "dram_bits_per_s", "dram_energy_j_per_bit", "clock_hz"):
            _check_same(first, problem, field)
        for field in ("area_overhead", "choices", "sensitivity", "objective"):
            _check_same(first, problem, field)


def _check_same(one: Problem, other: Problem, field: str) -> None:
    if getattr(one, field) != getattr(other, field):
        raise SpecError(f"batches: the problems differ in {field}; they may differ in their batch")
