"""What known designs and their proofs say of limits that were never asked about.

Designs of one problem but for its budgets are a family. Within any limits the best known design is
an upper bound. What was proven within looser limits holds within tighter ones, and is a lower
bound. Where both meet, the answer is proven without a solve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codesign.errors import SpecError
from codesign.files import digest
from codesign.problem.file import problem_to_dict
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP, ceiling
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.front import Front, RuledOut
from codesign.results.html.report import check_designs
from codesign.results.text.phrases import hardware_text, metrics_text
from codesign.units import METRIC_UNITS

AnyDesign = Design | DataflowDesign
ROOM = 2.0  # by how much sliders go beyond what is known


@dataclass
class Family:
    """Designs of one problem, but for its budgets.

    Attributes
    ----------
    problem : Problem
        Without budgets.
    label : str
    designs : list of (int, Design or DataflowDesign)
        With the number of each.
    ruled : list of RuledOut
        Of the objective.
    traded : tuple of str
        The metrics that may be limited though no design was.
    """

    problem: Problem
    label: str
    designs: list[tuple[int, AnyDesign]] = field(default_factory=list)
    ruled: list[RuledOut] = field(default_factory=list)
    traded: tuple[str, ...] = ()

    def add(self, number: int, design: AnyDesign) -> None:
        """Take up a design and what its proof rules out."""
        self.designs.append((number, design))
        if design.problem.objective == self.problem.objective:
            self.rule_out(design.problem.budgets, design.proof.bound)

    def rule_out(self, limits: Mapping[str, float], bound: float) -> None:
        """Take up that within limits the objective is proven not to be below a bound.

        Of a limit on the objective itself what is left is that it is not below both.
        """
        objective = self.problem.objective
        others = {name: x for name, x in limits.items() if name != objective}
        self.ruled.append(RuledOut(others, min(bound, limits.get(objective, math.inf))))

    @property
    def limited(self) -> list[str]:
        """The metrics that may be limited: those of some design's budgets, and those traded."""
        names = dict.fromkeys(self.traded)
        names |= dict.fromkeys(x for _, design in self.designs for x in design.problem.budgets)
        return [x for x in names if x != self.problem.objective]

    def span(self, metric: str) -> tuple[float, float]:
        """From where to where limits on a metric are of interest."""
        known = [x.metrics[metric] for _, x in self.designs if metric in x.metrics]
        known += [rule.limits[metric] for rule in self.ruled if metric in rule.limits]
        above = [x for x in known if 0 < x < math.inf] or [1.0]
        return min(above) / ROOM, max(above) * ROOM

    def answer(self, limits: Mapping[str, float]) -> Answer:
        """What is known within limits."""
        objective = self.problem.objective
        within = [
            (design.metrics[objective], number)
            for number, design in self.designs
            if all(design.metrics.get(name, math.inf) <= ceiling(x) for name, x in limits.items())
        ]
        bounds = [
            rule.bound
            for rule in self.ruled
            if all(
                ceiling(most) >= limits.get(name, math.inf) for name, most in rule.limits.items()
            )
        ]
        best, number = min(within, default=(math.inf, None))
        return Answer(objective, best, number, max(bounds, default=0.0))

    def asked(self, limits: Mapping[str, float]) -> Problem:
        """The problem of these limits."""
        return replace(self.problem, budgets=dict(limits))


@dataclass(frozen=True)
class Answer:
    """What is known within limits: the best design and its value, and what none goes below."""

    objective: str
    best: float
    number: int | None
    bound: float

    @property
    def proven(self) -> bool:
        """Whether nothing is left to find out."""
        if math.isinf(self.best):
            return math.isinf(self.bound)
        return self.best - self.bound <= OPTIMAL_GAP * abs(self.best)

    @property
    def text(self) -> str:
        """The same in words."""
        unit = METRIC_UNITS[self.objective]
        if math.isinf(self.bound) and self.number is None:
            return "proven: no design keeps these limits"
        least = f"proven: {unit.label} not below {unit.amount(self.bound)}"
        if self.number is None:
            return f"no design known within these limits; {least}" if self.bound else "not known"
        found = f"{unit.label} {unit.amount(self.best)}"
        if self.proven:
            return f"{found}, proven: nothing within these limits is better"
        return f"{found}, the best known; {least if self.bound > 0 else 'how good is not known'}"


class Explored:
    """All designs, numbered, in their families."""

    def __init__(self, designs: Iterable[AnyDesign], objectives: Sequence[str] = ()) -> None:
        self.designs = list[AnyDesign]()
        self.families = list[Family]()
        self._by_key = dict[str, Family]()
        self._objectives = tuple(objectives)
        for design in designs:
            self.add(design)
        if not self.designs:
            raise SpecError("no design to explore")
        if not any(family.limited for family in self.families):
            raise SpecError("no design has a budget; there is nothing to slide")

    def add(self, design: AnyDesign) -> int:
        """Take up a design; its number."""
        objective = next(iter(self._objectives), design.problem.objective)
        problem = replace(design.problem, objective=objective, budgets={}, quality=None)
        key = digest(problem_to_dict(problem))
        if key not in self._by_key:
            made = Family(problem, self._label(problem), traded=self._objectives[1:])
            self._by_key[key] = made
            self.families.append(self._by_key[key])
        self._by_key[key].add(len(self.designs), design)
        self.designs.append(design)
        return len(self.designs) - 1

    def _label(self, problem: Problem) -> str:
        label = f"{problem.network.name} on {problem.technology.name}, least "
        label += METRIC_UNITS[problem.objective].label
        same = sum(family.label.partition(" (")[0] == label for family in self.families)
        return f"{label} ({same + 1})" if same else label


def design_text(number: int, design: AnyDesign) -> str:
    """A design in a line."""
    hardware = design.hardware if isinstance(design, DataflowDesign) else design.accelerator
    return f"design {number + 1}: {metrics_text(design.metrics)}; {hardware_text(hardware)}"


def limits_of(family: Family, given: Any) -> dict[str, float]:
    """Limits as a page gives them, in the units that people write, as the model has them.

    Raises
    ------
    SpecError
        Not a positive number for each metric that is limited.
    """
    if not isinstance(given, Mapping) or {*given} != {*family.limited}:
        raise SpecError(f"limits: give one for each of {', '.join(family.limited)}")
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < 1e300:
            raise SpecError(f"limits: {name}: not a positive number")
    return {name: float(value) * METRIC_UNITS[name].scale for name, value in given.items()}


def of_front(front: Front, designs: Sequence[AnyDesign]) -> Explored:
    """The points of a front, with what was ruled out on the way, within the front's budgets.

    Raises
    ------
    SpecError
        The designs are not those of the points.
    """
    check_designs(front, designs)
    made = Explored(designs, front.objectives)
    if len(made.families) > 1:
        raise SpecError("the designs are of several problems, not of one front")
    for rule in front.ruled:
        within = {x: limit for x, limit in rule.limits.items() if math.isfinite(limit)}
        budgets = front.problem.budgets
        tighter = {x: min(limit, budgets.get(x, limit)) for x, limit in within.items()}
        made.families[0].rule_out({**budgets, **tighter}, rule.bound)
    return made
