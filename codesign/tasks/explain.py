"""Explain a design: solve its problem again with one thing changed at a time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from codesign.arrays import Bools
from codesign.checking import check_content
from codesign.errors import SolverError, SpecError
from codesign.problem.tolerances import CLOSING_GAP, OPTIMAL_GAP
from codesign.results.design import Design
from codesign.results.explanation import Change, Explanation, RunnerUp, Sensitivity, Side
from codesign.search.lexicographic import TIE_BREAKERS, LexicographicSearch
from codesign.space.hardware import HardwareSpace
from codesign.space.point import Solution, hardware_of, price
from codesign.stopping import StopCondition, Stopped

STEP = 0.05
RATES = ("dram_bits_per_s", "clock_hz")
OnStep = Callable[[str], None]


def explain(
    design: Design,
    *,
    step: float = STEP,
    time_limit_s: float | None = None,
    on_step: OnStep | None = None,
) -> Explanation:
    """Solve the problem of a proven design again, with one thing changed at a time.

    Parameters and errors are those of `Design.explain`.
    """
    if not 0 < step < 1:
        raise SpecError(f"step must be above 0 and below 1, got {step}")
    started = time.monotonic()
    _check_figures(design)
    try:
        question = _Question(design, step, StopCondition(time_limit_s), on_step)
    except Stopped:
        late = "" if time_limit_s is None else f" within {time_limit_s} s; allow more time"
        raise SolverError(f"the design is not proven to be the optimum again{late}") from None
    sensitivities = (*question.of_budgets(), *question.of_rates())
    runner_ups = tuple(question.runner_ups())
    return Explanation(design, step, sensitivities, runner_ups, time.monotonic() - started)


def _check_figures(design: Design) -> None:
    """Refuse a design that is not one of its problem, down to each layer's figures.

    Raises
    ------
    SpecError
    """
    from codesign.results.design import to_dict

    report = check_content(json.loads(json.dumps(to_dict(design))), "design")
    if not report.holds:
        raise SpecError(f"the design does not hold: {report.findings[0]}; solve it again")


class _Question:
    """A design's problem, proven once, to be asked again with changes."""

    def __init__(
        self, design: Design, step: float, stop: StopCondition, on_step: OnStep | None
    ) -> None:
        self.design, self.step, self.stop, self.on_step = design, step, stop, on_step
        self.problem = design.problem
        self.metric = str(self.problem.objective)
        self.limits = {str(name): limit for name, limit in self.problem.budgets.items()}
        self.prover = LexicographicSearch(HardwareSpace(self.problem), stop=stop)
        self.point = _point_of(_space_of(self.prover), design)
        self.prover.cut_pool.solutions.append(self.point)
        best = self._best(self.prover, self.limits, "the problem as it is")
        reached = design.metrics[self.metric]
        if best is None or abs(best.metrics[self.metric] - reached) > OPTIMAL_GAP * reached:
            found = "no design at all" if best is None else f"{best.metrics[self.metric]!r}"
            raise SpecError(
                f"the design's {self.metric} of {reached!r} is not the optimum of its problem "
                f"({found}); solve it to the end first"
            )
        self.optimum = best.metrics[self.metric]

    def of_budgets(self) -> list[Sensitivity]:
        """Every budget a step tighter and a step looser."""
        found = []
        for name, limit in self.limits.items():
            if name != self.metric and limit > 0:
                sides = [self._other_budget(name, x) for x in self._values(limit)]
                found.append(Sensitivity(name, "budget", limit, *sides))
        return found

    def of_rates(self) -> list[Sensitivity]:
        """DRAM bandwidth and clock, a step lower and a step higher."""
        found = []
        for name in RATES:
            value: float = getattr(self.problem, name)
            sides = [self._other_rate(name, x) for x in self._values(value)]
            found.append(Sensitivity(name, "platform", value, *sides))
        return found

    def runner_ups(self) -> list[RunnerUp]:
        """The best designs with another array, other PEs, less SRAM and more."""
        space, mine = _space_of(self.prover), self.point.option
        other_array = space.shape_of != space.shape_of[mine]
        other_pes = (space.pe_weight_bits != space.pe_weight_bits[mine]) | (
            space.pe_activation_bits != space.pe_activation_bits[mine]
        )
        least, most = (x * self.design.hardware.sram_bits for x in (1 - self.step, 1 + self.step))
        found = [
            self._without("array", other_array),
            self._without("PE widths", other_pes),
            self._without("less SRAM", np.ones(len(space), dtype=bool), (0, math.floor(least))),
        ]
        if "area_mm2" in self.limits and self.metric != "area_mm2":
            found.append(self._with_more_sram(math.ceil(most)))
        return found

    def _values(self, value: float) -> tuple[float, float]:
        return value * (1 - self.step), value * (1 + self.step)

    def _other_budget(self, name: str, value: float) -> Side:
        limits = {**self.limits, name: value}
        return self._side(self.prover, limits, (name, self.limits[name], value), "≤")

    def _other_rate(self, name: str, value: float) -> Side:
        rates = {rate: getattr(self.problem, rate) for rate in RATES} | {name: value}
        space, known = _space_of(self.prover).at_rates(**rates), self.point
        prover = LexicographicSearch(space, stop=self.stop)
        same = price(space, known.option, known.variable_width, known.weight, known.sram_bits)
        assert same is not None  # it fits its SRAM at any clock
        prover.cut_pool.solutions.append(same)
        return self._side(prover, self.limits, (name, getattr(self.problem, name), value), "=")

    def _side(
        self,
        prover: LexicographicSearch,
        limits: Mapping[str, float],
        change: tuple[str, float, float],
        sign: str,
    ) -> Side:
        """The best design with a number of this name, as given, at another value."""
        name, given, value = change
        try:
            point = self._best(prover, limits, f"{name} {sign} {value:.5g}")
        except Stopped:
            return Side(value, None, None, proven=False)
        if point is None:
            return Side(value, None, None)
        worse = self._change(point)
        return Side(value, self.optimum + worse, worse / (value - given))

    def _change(self, point: Solution) -> float:
        """How much more the objective is than the optimum; 0 for what rounding leaves."""
        change = point.metrics[self.metric] - self.optimum
        return 0.0 if abs(change) <= 2 * CLOSING_GAP * self.optimum else change

    def _without(
        self, change: Change, kept: Bools, sram_bits: tuple[float, float] = (0.0, math.inf)
    ) -> RunnerUp:
        """The best design of the options kept, with an SRAM in a range; ties broken as ever."""
        part = self.prover.part(kept, *sram_bits)
        metrics = tuple(dict.fromkeys((self.metric, *TIE_BREAKERS)))
        try:
            point = self._best(part, self.limits, f"another design: {change}", metrics)
        except Stopped:
            return RunnerUp(change, None, {}, None, proven=False)
        if point is None:
            return RunnerUp(change, None, {}, None)
        hardware = hardware_of(_space_of(part), point)
        return RunnerUp(change, hardware, point.metrics, self._change(point))

    def _with_more_sram(self, sram_bits: int) -> RunnerUp:
        """The best design with at least so much SRAM, of which it may leave some empty."""
        space = _space_of(self.prover)
        room = space.sram_bits_within(np.arange(len(space)), self.limits["area_mm2"])
        return self._without("more SRAM", room >= sram_bits, (sram_bits, math.inf))

    def _best(
        self,
        prover: LexicographicSearch,
        limits: Mapping[str, float],
        words: str,
        metrics: Sequence[str] = (),
    ) -> Solution | None:
        """The best design by these metrics in turn; by the objective alone where none is said."""
        if self.on_step is not None:
            self.on_step(words)
        found = prover.minimise(metrics or (self.metric,), limits)
        if not found.complete:
            raise Stopped
        return found.solution


def _space_of(prover: LexicographicSearch) -> HardwareSpace:
    assert isinstance(prover.space, HardwareSpace)
    return prover.space


def _point_of(space: HardwareSpace, design: Design) -> Solution:
    """The design, which holds, as a point of its problem's space."""
    wanted = design.hardware
    options = np.flatnonzero(
        (space.rows == wanted.rows)
        & (space.cols == wanted.cols)
        & (space.pe_weight_bits == wanted.pe_weight_bits)
        & (space.pe_activation_bits == wanted.pe_activation_bits)
    )
    index = {int(bits): i for i, bits in enumerate(space.widths)}
    widths = design.widths
    variable_width = [index[widths[members[0]]] for members in space.variables]
    weight = [index[row.weight_bits or int(space.widths[0])] for row in design.layer_designs]
    point = price(space, int(options[0]), variable_width, weight, wanted.sram_bits)
    assert point is not None
    return point
