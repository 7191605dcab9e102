"""Explain a design: solve its problem again with one thing changed at a time.

What its tensors on chip are worth is found by `codesign.tasks.explain_residency`, what each network
of a suite pays for sharing by `codesign.tasks.explain_sharing`. Pipelines are explained by
`codesign.tasks.explain_dataflow`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from codesign.arrays import Bools
from codesign.checking import check_content
from codesign.errors import SolverError, SpecError
from codesign.problem.choices import Choices
from codesign.problem.metrics import ENERGY, REGRET, kinds_of
from codesign.problem.places import DEFAULT_FUSED_LAYERS, Place
from codesign.problem.tolerances import CLOSING_GAP, OPTIMAL_GAP, SAME_VALUE
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.explanation import Change, Explanation, RunnerUp, Sensitivity, Side
from codesign.search.lexicographic import LexicographicSearch, Ties, tie_breakers
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, hardware_of, price
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.explain_residency import residency_worth
from codesign.tasks.explain_sharing import cost_of_sharing
from codesign.tasks.regret import least_regret

STEP = 0.05
DRAM: Place = "dram"
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
    started_s = time.monotonic()
    check_asked(design, step)
    try:
        analysis = _Analysis(design, step, StopCondition(time_limit_s), on_step)
    except Stopped:
        raise not_proven_again(time_limit_s) from None
    sharing = cost_of_sharing(design, analysis.stop, on_step) if design.network.members else None
    sensitivities = (*analysis.of_budgets(), *analysis.of_rates())
    runner_ups = tuple(analysis.runner_ups())
    worth = None if design.on_chip is None else residency_worth(design, analysis.stop, on_step)
    seconds = time.monotonic() - started_s
    return Explanation(design, step, sensitivities, runner_ups, seconds, worth, sharing)


def check_asked(design: Design | DataflowDesign, step: float) -> None:
    """Refuse a step out of range, or a design that is not of its problem."""
    if not 0 < step < 1:
        raise SpecError(f"step must be above 0 and below 1, got {step}")
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    if not report.holds:
        raise SpecError(f"the design does not hold: {report.findings[0]}; solve it again")


def not_proven_again(time_limit_s: float | None) -> SolverError:
    """What to raise where time ran out before the problem itself was proven again."""
    late = "" if time_limit_s is None else f" within {time_limit_s} s; allow more time"
    return SolverError(f"the design is not proven to be the optimum again{late}")


def check_optimal(objective: str, reached: float, best: float | None) -> None:
    """Refuse a design that is not the optimum of its problem."""
    if best is None or abs(best - reached) > OPTIMAL_GAP * reached:
        found = "no design at all" if best is None else f"{best!r}"
        raise SpecError(
            f"the design's {objective} of {reached!r} is not the optimum of its problem "
            f"({found}); solve it to the end first"
        )


class _Analysis:
    """Post-optimality analysis: a design's problem, proven again once, then changed in one thing.

    What is proven for one question (bounds, cuts, solutions) serves the next.

    Raises
    ------
    SpecError
        The design is not the optimum of its problem.
    Stopped
        Time ran out before that was known.
    """

    def __init__(
        self, design: Design, step: float, stop: StopCondition, on_step: OnStep | None
    ) -> None:
        self.design, self.step, self.stop, self.on_step = design, step, stop, on_step
        self.problem = design.problem
        self.objective = self.problem.objective
        self.limits = self.problem.budgets
        self.space = HardwareSpace(self.problem)
        self.search = LexicographicSearch(self.space, stop=stop)
        self.solution = _solution_of(self.space, design)
        self.search.cut_pool.solutions.append(self.solution)
        best = self._best(self.search, self.limits, "the problem as it is")
        value = None if best is None else best.metrics[self.objective]
        check_optimal(self.objective, design.metrics[self.objective], value)
        assert best is not None
        self.optimum = best.metrics[self.objective]

    # Sensitivities ------------------------------------------------------------------------------

    def of_budgets(self) -> list[Sensitivity]:
        """Every budget a step tighter and a step looser."""
        return [
            sensitivity(name, "budget", limit, self.step, self.optimum, self._with_budget)
            for name, limit in self.limits.items()
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
        limits = {**self.limits, name: value}
        best = self._best(self.search, limits, f"{name} ≤ {value:.5g}")
        return None if best is None else self._loss(best)

    def _with_rate(self, name: str, value: float) -> float | None:
        rates = {rate: getattr(self.problem, rate) for rate in RATES} | {name: value}
        space, known = self.space.at_rates(**rates), self.solution
        search = LexicographicSearch(space, stop=self.stop)
        chosen = known.variable_width, known.weight, known.sram_bits, known.on_chip, known.modes
        same = price(space, known.option, *chosen)
        assert same is not None  # it fits its SRAM at any clock
        search.cut_pool.solutions.append(same)
        best = self._best(search, self.limits, f"{name} = {value:.5g}")
        return None if best is None else self._loss(best)

    # Runner-ups ---------------------------------------------------------------------------------

    def runner_ups(self) -> list[RunnerUp]:
        """The best designs with another array, other PEs, less SRAM and more."""
        space, mine = self.space, self.solution.option
        other_array = (space.rows != space.rows[mine]) | (space.cols != space.cols[mine])
        other_pes = (space.pe_weight_bits != space.pe_weight_bits[mine]) | (
            space.pe_activation_bits != space.pe_activation_bits[mine]
        )
        every = np.ones(len(space), dtype=bool)
        less, more = (x * self.design.hardware.sram_bits for x in (1 - self.step, 1 + self.step))
        found = [
            self._runner_up("array", other_array),
            *self._of_mappings(),
            self._runner_up("PE widths", other_pes),
            self._runner_up("less SRAM", every, (0, math.floor(less))),
        ]
        if self._sram_is_paid():
            min_bits = math.ceil(more)  # of which a design may leave some empty
            room = space.sram_bits_within(np.arange(len(space)), self.limits)
            found.append(self._runner_up("more SRAM", room >= min_bits, (min_bits, math.inf)))
        choices, on_chip = self.problem.choices, self.design.on_chip or {}
        if any(place != "dram" for place in on_chip.values()):
            places = dict.fromkeys(self.problem.network.tensors, DRAM)
            found.append(self._best_of("all in DRAM", self._among(replace(choices, places=places))))
        if self.design.fused_runs:
            places = {name: place for name, place in choices.places.items() if place != "band"}
            apart = replace(
                choices, on_chip="tensors", fused_layers=DEFAULT_FUSED_LAYERS, places=places
            )
            found.append(self._best_of("nothing fused", self._among(apart)))
        return found

    def _sram_is_paid(self) -> bool:
        """Whether SRAM takes of what a budget limits, or energy, and is not what is minimised."""
        paid = [x for x, metric in self.space.hardware_metrics.items() if metric.slope]
        if self.objective in paid:
            return False
        energy = self.space.energy if ENERGY in kinds_of((self.objective, *self.limits)) else None
        powered = energy is not None and energy.static_w_per_mm2 > 0
        return powered or any(x in self.limits for x in paid)

    def _of_mappings(self) -> list[RunnerUp]:
        """Another mapping, and one for each layer; of a reconfigurable machine, one for all."""
        space, choices = self.space, self.problem.choices
        if len(choices.mapping) < 2:
            return []
        other = self._among(replace(choices, reconfigurable=not choices.reconfigurable))
        if choices.reconfigurable:
            return [self._best_of("one mapping", other)]
        mapping_of = np.array([array.mapping for array in space.shapes])[space.shape_of]
        another = mapping_of != mapping_of[self.solution.option]
        return [self._runner_up("mapping", another), self._best_of("own mappings", other)]

    def _among(self, choices: Choices) -> LexicographicSearch:
        """A search of the same hardware with other choices of where tensors are, or of mappings."""
        space = HardwareSpace(replace(self.problem, choices=choices))
        return LexicographicSearch(space, stop=self.stop)

    def _runner_up(
        self, change: Change, kept: Bools, sram_bits: tuple[float, float] = (0.0, math.inf)
    ) -> RunnerUp:
        """The best design of the options kept, with an SRAM in a range."""
        return self._best_of(change, self.search.part(kept, *sram_bits))

    def _best_of(self, change: Change, part: LexicographicSearch) -> RunnerUp:
        """The best design that a search finds; ties broken as ever."""
        metrics = tuple(dict.fromkeys((self.objective, *tie_breakers(self.problem.technology))))
        try:
            best = self._best(part, self.limits, f"another design: {change}", metrics)
        except Stopped:
            return RunnerUp(change, None, {}, None, proven=False)
        if best is None:
            return RunnerUp(change, None, {}, None)
        told = *self.problem.metrics, ENERGY  # the latter where it counts
        values = {name: best.metrics[name] for name in told if name in best.metrics}
        assert isinstance(part.space, HardwareSpace)
        return RunnerUp(change, hardware_of(part.space, best), values, self._loss(best))

    # Both ---------------------------------------------------------------------------------------

    def _loss(self, best: Solution) -> float:
        """How much more the objective is than the optimum; 0 for what both proofs leave open."""
        left_open = SAME_VALUE if self.objective == REGRET else CLOSING_GAP
        return loss_of(best.metrics[self.objective], self.optimum, left_open)

    def _best(
        self,
        search: LexicographicSearch,
        limits: Mapping[str, float],
        words: str,
        metrics: Sequence[str] = (),
    ) -> Solution | None:
        """The best design by these metrics in turn; by the objective alone where none is said.

        Of regret, the references stay what they are in the problem as it is.

        Raises
        ------
        Stopped
            Time ran out before it was proven.
        """
        if self.on_step is not None:
            self.on_step(words)
        if self.objective == REGRET:
            asked = replace(self.problem, quality=None, budgets=limits)
            ties: Ties | None = None if metrics else "leave"
            found = least_regret(search, asked, tuple(metrics[1:]), ties)
        else:
            found = search.minimise(metrics or (self.objective,), limits)
        if not found.complete:
            raise Stopped
        return found.solution


def sensitivity(
    name: str,
    kind: Literal["budget", "platform"],
    given: float,
    step: float,
    optimum: float,
    loss_with: Callable[[str, float], float | None],
) -> Sensitivity:
    """What a number is worth: the best design with it a step smaller and a step larger.

    Parameters
    ----------
    loss_with : callable
        How much more than ``optimum`` the objective is at a value; None where no design is left.
        Raises `Stopped` where time runs out.
    """
    sides = []
    for value in (given * (1 - step), given * (1 + step)):
        try:
            loss = loss_with(name, value)
        except Stopped:
            sides.append(Side(value, None, None, proven=False))
            continue
        if loss is None:
            sides.append(Side(value, None, None))
            continue
        sides.append(Side(value, optimum + loss, loss / (value - given)))
    return Sensitivity(name, kind, given, *sides)


def loss_of(value: float, optimum: float, left_open: float = CLOSING_GAP) -> float:
    """How much more a value is than the optimum; 0 for what both proofs leave open, relative."""
    loss = value - optimum
    return 0.0 if abs(loss) <= 2 * left_open * optimum else loss


def _solution_of(space: HardwareSpace, design: Design) -> Solution:
    """The design, which holds, as a solution in its problem's space."""
    wanted = design.hardware
    mapping_of = np.array([array.mapping for array in space.shapes])[space.shape_of]
    (option,) = np.flatnonzero(
        ((mapping_of == wanted.mapping[0]) | (len(wanted.mapping) > 1))
        & (space.rows == wanted.rows)
        & (space.cols == wanted.cols)
        & (space.pe_weight_bits == wanted.pe_weight_bits)
        & (space.pe_activation_bits == wanted.pe_activation_bits)
    )
    index = {int(bits): i for i, bits in enumerate(space.widths)}
    widths = design.widths
    variable_width = [index[widths[members[0]]] for members in space.variables]
    weight = [index[row.weight_bits or int(space.widths[0])] for row in design.layer_designs]
    places = design.on_chip or {}
    on_chip = [places[name] == "chip" for name in space.placed]
    on_chip += [run in design.fused_runs for run in space.runs]
    modes = [0 if x.mapping is None else space.modes.index(x.mapping) for x in design.layer_designs]
    chosen = variable_width, weight, wanted.sram_bits, on_chip
    solution = price(space, int(option), *chosen, modes if len(space.modes) > 1 else ())
    assert solution is not None
    return solution
