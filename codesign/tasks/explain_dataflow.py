"""Explain a pipeline or a hybrid: solve its problem again with one thing changed at a time.

Where several architectures are on offer, every optimum is that of all of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from codesign.costs.layers import LayerDesign
from codesign.costs.segment import SegmentDesign
from codesign.errors import SpecError
from codesign.problem.choices import Architecture
from codesign.problem.metrics import ENERGY, INTERVAL
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.explanation import Change, Explanation, RunnerUp, Sensitivity
from codesign.results.records import LayerPace, Pace, StagePace
from codesign.search.dataflow.pricing import Pipeline
from codesign.search.lexicographic import LexicographicSearch, Ties, tie_breakers
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, hardware_of
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.choose_architecture import Architectures, of_array
from codesign.tasks.explain import (
    RATES,
    STEP,
    OnStep,
    check_asked,
    check_optimal,
    loss_of,
    not_proven_again,
    sensitivity,
)
from codesign.tasks.solve_dataflow import PipelineSolver


def explain(
    design: DataflowDesign,
    *,
    step: float = STEP,
    time_limit_s: float | None = None,
    on_step: OnStep | None = None,
) -> Explanation:
    """Solve the problem of a proven pipeline again, with one thing changed at a time.

    Parameters and errors are those of `DataflowDesign.explain`.
    """
    started_s = time.monotonic()
    check_asked(design, step)
    try:
        analysis = _Analysis(design, step, StopCondition(time_limit_s), on_step)
    except Stopped:
        raise not_proven_again(time_limit_s) from None
    sensitivities = (*analysis.of_budgets(), *analysis.of_rates())
    runner_ups = tuple(analysis.runner_ups())
    seconds = time.monotonic() - started_s
    return Explanation(design, step, sensitivities, runner_ups, seconds, pace=pace_of(design))


def pace_of(design: DataflowDesign) -> Pace:
    """What decides the interval of a pipeline, or of a hybrid, of which a segment is one stage."""
    bits_per_s, rows = design.problem.dram_bits_per_s, list[StagePace]()
    for i, row in enumerate(design.stages):
        if i in design.sharing:
            n = design.sharing[i]
            rows += [_segment_pace(design.segments[n])] if i == design.spans[n].start else []
            continue
        own_s = None if row.rows is None else row.cycles / design.problem.clock_hz
        memory_s = row.dram_bits / bits_per_s
        rows.append(StagePace(name=row.name, compute_s=own_s, memory_s=memory_s))
    return Pace(memory_s=design.metrics["dram_bits"] / bits_per_s, stages=tuple(rows))


def _segment_pace(segment: SegmentDesign) -> StagePace:
    """Of the layers that share an array, one after the other."""
    layers = tuple(
        LayerPace(name=x.name, compute_s=x.compute_s, memory_s=x.memory_s or 0.0)
        for x in segment.layers
    )
    return StagePace(
        name=_ends_of(segment.layers),
        compute_s=segment.latency_s,
        memory_s=math.fsum(x.memory_s for x in layers),
        layers=layers,
    )


def _ends_of(layers: Sequence[LayerDesign]) -> str:
    first, last = layers[0].name, layers[-1].name
    return first if len(layers) == 1 else f"{first} … {last}"


class _Analysis:
    """Post-optimality analysis: a problem of pipelines, proven again, then changed in one thing.

    Raises
    ------
    SpecError
        The design is not the optimum of its problem.
    Stopped
        Time ran out before that was known.
    """

    def __init__(
        self, design: DataflowDesign, step: float, stop: StopCondition, on_step: OnStep | None
    ) -> None:
        self.design, self.step, self.stop, self.on_step = design, step, stop, on_step
        self.problem, self.objective = design.problem, design.problem.objective
        self.every = self._architectures(self.problem)
        for solver in self.every.pipelines:
            if solver.architecture == design.architecture:
                solver.known = Pipeline(
                    design.tensor_bits, design.stages, design.metrics, design.segments
                )
        best = self._optimum(self.problem.budgets, "the problem as it is", self.every)
        check_optimal(self.objective, design.metrics[self.objective], best)
        assert best is not None
        self.optimum = best

    # Sensitivities ------------------------------------------------------------------------------

    def of_budgets(self) -> list[Sensitivity]:
        """Every budget a step tighter and a step looser."""
        return [
            sensitivity(name, "budget", limit, self.step, self.optimum, self._with_budget)
            for name, limit in self.problem.budgets.items()
            if name != self.objective and limit > 0
        ]

    def of_rates(self) -> list[Sensitivity]:
        """DRAM bandwidth and clock, a step lower and a step higher."""
        given = ((name, getattr(self.problem, name)) for name in RATES)
        return [
            sensitivity(name, "platform", value, self.step, self.optimum, self._with_rate)
            for name, value in given
        ]

    def _with_budget(self, name: str, value: float) -> float | None:
        limits = {**self.problem.budgets, name: value}
        return self._loss(self._optimum(limits, f"{name} ≤ {value:.5g}", self.every))

    def _with_rate(self, name: str, value: float) -> float | None:
        rates = {rate: getattr(self.problem, rate) for rate in RATES} | {name: value}
        every = self._architectures(replace(self.problem, **rates))
        return self._loss(self._optimum(self.problem.budgets, f"{name} = {value:.5g}", every))

    # Runner-ups ---------------------------------------------------------------------------------

    def runner_ups(self) -> Iterator[RunnerUp]:
        """The best of other architectures, and of this one without a freedom that it uses.

        The array is left out where it has more options than are searched; a hybrid where none was
        on offer.
        """
        try:
            space = HardwareSpace(of_array(self.problem))
        except SpecError:
            space = None
        if space is not None:
            yield self._proven("shared array", lambda: self._shared_array(space))
        segments, offered = self.design.segments, self.problem.choices.architecture
        if segments:
            yield self._proven("own arrays", lambda: self._alone("own arrays", "dataflow"))
        elif "hybrid" in offered:
            yield self._proven("segment", lambda: self._alone("segment", "hybrid"))
        if self.design.hardware.streamed:
            yield self._proven("weights on chip", self._weights_on_chip)
        mappings = {row.mapping for row in self.design.stages} - {None}
        mappings |= {x.mapping for x in segments}
        if len(mappings) > 1:
            yield self._proven("one mapping", self._one_mapping)

    def _proven(self, change: Change, found: Callable[[], RunnerUp]) -> RunnerUp:
        if self.on_step is not None:
            self.on_step(f"another design: {change}")
        try:
            return found()
        except Stopped:
            return RunnerUp(change, None, {}, None, proven=False)

    def _shared_array(self, space: HardwareSpace) -> RunnerUp:
        """The best array, whose interval is its latency."""
        best = self._best_array(space, tie_breakers(self.problem.technology))
        if best is None:
            return RunnerUp("shared array", None, {}, None)
        metrics = {**best.metrics, INTERVAL: best.metrics["latency_s"]}
        values = self._told(metrics)
        loss = loss_of(values[self.objective], self.optimum)
        return RunnerUp("shared array", hardware_of(space, best), values, loss)

    def _alone(self, change: Change, architecture: Architecture) -> RunnerUp:
        """The best of one architecture; none where a layer folds as no stage, on an FPGA."""
        try:
            solver = self._solver(self.problem, architecture, "break")
        except SpecError:
            return RunnerUp(change, None, {}, None)
        return self._of_pipelines(change, [solver])

    def _weights_on_chip(self) -> RunnerUp:
        """The best none of whose stages streams its weights."""
        solver = self._solver(self._freed("weights"), self.design.architecture, "break")
        solver.space.options = [
            None if x is None else x.take(np.flatnonzero(~x.streams)) for x in solver.space.options
        ]
        solver.search_anew()
        return self._of_pipelines("weights on chip", [solver])

    def _one_mapping(self) -> RunnerUp:
        """The best whose stages, and shared array, have all the same mapping."""
        choices, solvers = self._freed("mapping").choices, []
        for mapping in choices.mapping:
            same = replace(self.problem, choices=replace(choices, mapping=(mapping,)))
            try:
                solvers.append(self._solver(same, self.design.architecture, "break"))
            except SpecError:  # no array on offer folds a layer, on an FPGA
                continue
        return self._of_pipelines("one mapping", solvers)

    def _freed(self, word: str) -> Problem:
        """The problem in which that much of given stages is free."""
        choices = self.problem.choices
        stages = {name: replace(x, **{word: None}) for name, x in choices.stages.items()}
        return replace(self.problem, choices=replace(choices, stages=stages))

    def _of_pipelines(self, change: Change, solvers: list[PipelineSolver]) -> RunnerUp:
        """The best that any of these finds."""
        order = self.objective, *tie_breakers(self.problem.technology)
        found = [(solver, self._best_pipeline(solver)) for solver in solvers]
        every = [(best, solver) for solver, best in found if best is not None]
        if not every:
            return RunnerUp(change, None, {}, None)
        best, solver = min(every, key=lambda x: [x[0].metrics[name] for name in order])
        values = self._told(best.metrics)
        loss = loss_of(values[self.objective], self.optimum)
        made = DataflowDesign(
            problem=solver.problem,
            tensor_bits=best.tensor_bits,
            stages=best.stages,
            segments=best.segments,
            metrics=best.metrics,
            proof=self.design.proof,
            solver=solver.record(),
        )
        return RunnerUp(change, made.hardware, values, loss)

    def _told(self, metrics: Mapping[str, float]) -> dict[str, float]:
        told = *self.problem.metrics, ENERGY  # the latter where it is known
        return {name: metrics[name] for name in told if name in metrics}

    # Both ---------------------------------------------------------------------------------------

    def _loss(self, value: float | None) -> float | None:
        return None if value is None else loss_of(value, self.optimum)

    def _solver(
        self, problem: Problem, architecture: Architecture, ties: Ties = "leave"
    ) -> PipelineSolver:
        """Of one architecture, whether it was on offer or not."""
        alone = replace(problem, choices=problem.choices.of_one(architecture))
        started_s = time.monotonic()
        return PipelineSolver(alone, self.stop, "search", OPTIMAL_GAP, "highs", ties, started_s)

    def _architectures(self, problem: Problem) -> Architectures:
        """All on offer."""
        offered, search = sorted(problem.choices.architecture), None
        if "array" in offered:
            search = LexicographicSearch(HardwareSpace(of_array(problem)), stop=self.stop)
        return Architectures([self._solver(problem, x) for x in offered if x != "array"], search)

    def _optimum(
        self, limits: Mapping[str, float], words: str, every: Architectures
    ) -> float | None:
        """The least objective of all architectures on offer; None where no design is left.

        Raises
        ------
        Stopped
            Time ran out before it was proven.
        """
        if self.on_step is not None:
            self.on_step(words)
        self.stop.check()
        best, tried = every.best((self.objective,), limits, lambda _: None, "leave")
        if not all(x.complete for x in tried):
            raise Stopped
        return None if best is None or best.metrics is None else best.metrics[self.objective]

    def _best_pipeline(self, solver: PipelineSolver) -> Pipeline | None:
        found = solver.find(self.problem.budgets, lambda _: None)
        if not found.first.complete:
            raise Stopped
        return found.design

    def _best_array(self, space: HardwareSpace, ties: tuple[str, ...]) -> Solution | None:
        asked = space.problem
        metrics = tuple(dict.fromkeys((asked.objective, *ties)))
        found = LexicographicSearch(space, stop=self.stop).minimise(metrics, asked.budgets)
        if not found.complete:
            raise Stopped
        return found.solution
