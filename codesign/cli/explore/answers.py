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
from codesign.problem.metrics import INTERVAL, value_in
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP, ceiling
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.front import Front, RuledOut
from codesign.results.html.report import check_designs
from codesign.results.text.phrases import hardware_text, metrics_text
from codesign.results.views import DesignOutline
from codesign.units import METRIC_UNITS

AnyDesign = Design | DataflowDesign | DesignOutline
ROOM = 2.0  # by how much sliders go beyond what is known


@dataclass
class Family:
    """Designs of one problem, but for its budgets.

    Attributes
    ----------
    problem : Problem
        Without budgets.
    label : str
    designs : list of (int, Design, DataflowDesign or DesignOutline)
        With the number of each; an outline is of a front's point whose design is not there.
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
        """Take up a design, in place of the outline of its number, and what its proof rules out."""
        known = [n for n, _ in self.designs]
        if number in known:
            self.designs[known.index(number)] = number, design
        else:
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

    def outline_of(self, design: AnyDesign) -> int | None:
        """The number of an outline that a design is at least as good as, in all that counts."""
        counts = [self.problem.objective, *self.limited]
        for number, known in self.designs:
            if isinstance(known, DesignOutline) and all(
                value_of(design, x) <= _about(value_of(known, x, -math.inf)) for x in counts
            ):
                return number
        return None

    def limits_at(self, design: AnyDesign) -> dict[str, float]:
        """The limits that a design was found within; its own value where there was none."""
        budgets = design.problem.budgets
        return {x: budgets.get(x, value_of(design, x)) for x in self.limited}

    @property
    def limited(self) -> list[str]:
        """The metrics that may be limited: those of some design's budgets, and those traded."""
        names = dict.fromkeys(self.traded)
        names |= dict.fromkeys(x for _, design in self.designs for x in design.problem.budgets)
        return [x for x in names if x != self.problem.objective]

    def span(self, metric: str) -> tuple[float, float]:
        """From where to where limits on a metric are of interest."""
        known = [value_of(x, metric) for _, x in self.designs]
        known += [rule.limits[metric] for rule in self.ruled if metric in rule.limits]
        above = [x for x in known if 0 < x < math.inf] or [1.0]
        return min(above) / ROOM, max(above) * ROOM

    def answer(self, limits: Mapping[str, float]) -> Answer:
        """What is known within limits."""
        objective = self.problem.objective
        within = [
            (value_of(design, objective), number)
            for number, design in self.designs
            if all(value_of(design, name) <= ceiling(x) for name, x in limits.items())
        ]
        bounds = [
            rule.bound
            for rule in self.ruled
            if all(
                ceiling(most) >= limits.get(name, math.inf) for name, most in rule.limits.items()
            )
        ]
        best, number = min(within, default=(math.inf, None))
        whole = {n for n, design in self.designs if not isinstance(design, DesignOutline)}
        seen = [x for x in within if x[1] in whole and x[0] <= _about(best)]
        number = min(seen)[1] if seen else number
        return Answer(objective, best, number, max(bounds, default=0.0), bool(seen))

    def asked(self, limits: Mapping[str, float]) -> Problem:
        """The problem of these limits."""
        return replace(self.problem, budgets=dict(limits))


@dataclass(frozen=True)
class Answer:
    """What is known within limits.

    Attributes
    ----------
    best : float
        The value of the best design; infinite where none is known.
    number : int or None
        Of that design.
    bound : float
        What none goes below.
    whole : bool
        Whether the design can be seen; else only its totals are known.
    """

    objective: str
    best: float
    number: int | None
    bound: float
    whole: bool = True

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
            more = "" if self.whole else "; solve it to see its design, which is in no file here"
            return f"{found}, proven: nothing within these limits is better{more}"
        return f"{found}, the best known; {least if self.bound > 0 else 'how good is not known'}"


class Explored:
    """All designs, numbered, in their families."""

    def __init__(
        self,
        designs: Iterable[AnyDesign],
        objectives: Sequence[str] = (),
        problem: Problem | None = None,
    ) -> None:
        """``problem``: of designs that are outlines, or of several architectures."""
        self.designs = list[AnyDesign]()
        self.families = list[Family]()
        self.changes = 0
        self._by_key = dict[str, Family]()
        self._objectives = tuple(objectives)
        for design in designs:
            self.add(design, problem)
        if not self.designs:
            raise SpecError("no design to explore")
        if not any(family.limited for family in self.families):
            raise SpecError("no design has a budget; there is nothing to slide")

    def add(self, design: AnyDesign, of: Problem | None = None) -> int:
        """Take up a design; its number.

        Parameters
        ----------
        of : Problem, optional
            Whose family it belongs to; by default its own, which of the best of several
            architectures, where that is an array, is of arrays alone.
        """
        asked = design.problem if of is None else of
        assert isinstance(asked, Problem)
        objective = next(iter(self._objectives), asked.objective)
        problem = replace(asked, objective=objective, budgets={}, quality=None)
        key = digest(problem_to_dict(problem))
        if key not in self._by_key:
            made = Family(problem, self._label(problem), traded=self._objectives[1:])
            self._by_key[key] = made
            self.families.append(self._by_key[key])
        family, number = self._by_key[key], None
        if not isinstance(design, DesignOutline):
            number = family.outline_of(design)
        if number is None:
            number = len(self.designs)
            self.designs.append(design)
        self.designs[number] = design
        family.add(number, design)
        self.changes += 1
        return number

    def _label(self, problem: Problem) -> str:
        label = f"{problem.network.name} on {problem.technology.name}, least "
        label += METRIC_UNITS[problem.objective].label
        same = sum(family.label.partition(" (")[0] == label for family in self.families)
        return f"{label} ({same + 1})" if same else label


def value_of(design: AnyDesign, metric: str, absent: float = math.inf) -> float:
    """A metric of a design; the interval of one array is its latency."""
    known = metric in design.metrics or metric == INTERVAL
    return value_in(design.metrics, metric) if known else absent


def design_text(number: int, design: AnyDesign) -> str:
    """A design in a line."""
    hardware = design.accelerator if isinstance(design, Design) else design.hardware
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


def _about(value: float) -> float:
    """What counts as no more than a value, by the gap within which optima are proven."""
    return value + OPTIMAL_GAP * abs(value)


def of_front(front: Front, designs: Sequence[Design | DataflowDesign] | None = None) -> Explored:
    """The points of a front, with what was ruled out on the way, within the front's budgets.

    Without their designs their totals and proofs are known, and each can be solved again.

    Raises
    ------
    SpecError
        The designs are not those of the points; or there are none, and the problem is not known.
    """
    problem = front.problem if isinstance(front.problem, Problem) else None
    if designs is not None:
        check_designs(front, designs)
        several = problem is not None and len(problem.choices.architecture) > 1
        made = Explored(designs, front.objectives, problem if several else None)
    elif problem is not None:
        made = Explored(front.designs, front.objectives, problem)
    else:
        raise SpecError("holds neither whole designs nor the problem; give --designs DIR of pareto")
    if len(made.families) > 1:
        raise SpecError("the designs are of several problems, not of one front")
    for rule in front.ruled:
        within = {x: limit for x, limit in rule.limits.items() if math.isfinite(limit)}
        budgets = front.problem.budgets
        tighter = {x: min(limit, budgets.get(x, limit)) for x, limit in within.items()}
        made.families[0].rule_out({**budgets, **tighter}, rule.bound)
    return made
