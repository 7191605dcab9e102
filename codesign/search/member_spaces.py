"""The members of a suite as problems of their own, over the same hardware options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codesign.problem.choices import Choices
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution
from codesign.specs.suite import alone, sources_alone
from codesign.units import kind_of, member_of


@dataclass
class KnownLeast:
    """What is known of a member's least of a metric on one option, by its SRAM.

    More SRAM is no worse: a bound holds for less, a design for more.

    Attributes
    ----------
    bounds : list of (SRAM bits, bound)
    best : list of Solution
        Each with the least SRAM that it is so good with.
    """

    metric: str
    bounds: list[tuple[float, float]] = field(default_factory=list)
    best: list[Solution] = field(default_factory=list)

    def lower(self, sram_bits: float) -> float:
        """No design with so much SRAM has less."""
        return max((x for bits, x in self.bounds if bits >= sram_bits), default=-math.inf)

    def within(self, sram_bits: float) -> Solution | None:
        """The best known with so much."""
        fit = (x for x in self.best if x.sram_bits <= sram_bits)
        return min(fit, key=lambda x: x.metrics[self.metric], default=None)


@dataclass
class MemberSpaces:
    """The spaces of a suite's members, each of the same hardware options; made when asked for."""

    problem: Problem | None = None
    spaces: list[HardwareSpace] = field(default_factory=list)
    relaxations: list[Relaxation] = field(default_factory=list)
    known: dict[tuple[object, ...], KnownLeast] = field(default_factory=dict)

    def of(self, space: HardwareSpace) -> list[HardwareSpace]:
        """Those of a suite's space."""
        if self.problem is not space.problem:
            members = range(len(space.problem.network.members))
            self.problem = space.problem
            self.known.clear()
            self.spaces = [HardwareSpace(_problem_of(space.problem, m)) for m in members]
            self.relaxations = [Relaxation(each) for each in self.spaces]
        return self.spaces

    def known_of(self, space: HardwareSpace, member: int, option: int, goal: Goal) -> KnownLeast:
        """What is known of a member's least of a goal on one option of a suite's space."""
        self.of(space)
        asked = member, option, goal.metric, tuple(sorted(goal.limits.items()))
        return self.known.setdefault(asked, KnownLeast(goal.metric))


def problem_of_member(problem: Problem, member: int, metric: str) -> Problem:
    """What is asked of one member alone: the least of a metric, within its limits."""
    made, limits = _problem_of(problem, member), limits_of_member(problem, member)
    budgets = {kind_of(x): limit for x, limit in limits.items()}
    return replace(made, objective=metric, budgets=budgets)


def limits_of_member(problem: Problem, member: int) -> dict[str, float]:
    """The budgets that one member has to keep by itself: its own, and those of the hardware."""
    name, hardware = problem.network.members[member].name, problem.technology.hardware_metrics
    return {
        x: limit for x, limit in problem.budgets.items() if member_of(x) == name or x in hardware
    }


def _problem_of(problem: Problem, member: int) -> Problem:
    """One member alone, without limits."""
    network = problem.network
    name = network.members[member].name

    sources = sources_alone(network, member)

    def own(source: str) -> str | None:
        kind, _, rest = sources.get(source, "").partition(":")
        return f"{kind}:{rest.removeprefix(f'{name}/')}" if kind else None

    def mine(table: Mapping[str, Any]) -> dict[str, Any]:
        return {key: x for source, x in table.items() if (key := own(source)) is not None}

    choices = problem.choices
    places = {f"tensor:{x}": place for x, place in choices.places.items()}
    given = vars(choices) | {
        "pinned": mine(choices.pinned),
        "places": {x.removeprefix("tensor:"): place for x, place in mine(places).items()},
        "shared": tuple(
            group for each in choices.shared if (group := tuple(filter(None, map(own, each))))
        ),
    }
    sensitivity = None if problem.sensitivity is None else mine(problem.sensitivity)
    return replace(
        problem,
        network=alone(network, member),
        choices=Choices(**given),
        sensitivity=sensitivity,
        quality=None,
        objective="latency_s",
        budgets={},
        references={},
    )
