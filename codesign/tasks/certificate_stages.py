"""What closers of pipelines and of hybrids have in common: a problem, and ranges of intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from codesign.checking.certificate.pipeline_stages import Range
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import read_problem
from codesign.problem.choices import Architecture
from codesign.problem.file import problem_to_dict
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP
from codesign.results.dataflow_design import platform_of
from codesign.space.dataflow import PipelineSpace
from codesign.stopping import StopCondition

SPAN_RATIO = 2.0  # of the ends of first ranges of a product with the interval
NARROWEST = 3e-7  # relative, of a range that is halved no more
GAPS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1)  # relative, of weaker claims where some ranges do not close
OnStep = Callable[[str], None]


class StageCloser:
    """A problem as the search has it and as the verifier reads it, and a claim about it.

    Parameters
    ----------
    problem : Problem
        Of one architecture.
    below : Fraction
        The claim: no design within the budgets has a smaller objective.
    """

    def __init__(
        self, problem: Problem, below: Fraction, stop: StopCondition, on_step: OnStep | None
    ) -> None:
        self.below, self.stop, self.on_step = below, stop, on_step
        shared = problem.choices.architecture == ("hybrid",)
        self.space = PipelineSpace(problem, platform_of(problem), shared)
        self.goal = Goal(problem.objective, problem.budgets)
        content = json.loads(json.dumps(problem_to_dict(problem)))
        self.checked = read_problem(Entry("problem", content, Ledger()))


def told_gap(gap: float | None, what: str) -> str:
    """How far below the claim no design is, where that much is known."""
    return "" if gap is None else f" (none has a {what} more than {100 * gap:g} % below the claim)"


def of_one_architecture(problem: Problem, name: Architecture) -> Problem:
    """A problem whose other architectures are left aside."""
    return replace(problem, choices=problem.choices.of_one(name))


def first_ranges(ends: tuple[float, float] | None, most: Fraction | None) -> list[Range]:
    """Of a product with the interval: ranges of all intervals.

    Parameters
    ----------
    ends : (float, float) or None
        The least interval of any design and the most, s; None where there is no design.
    most : Fraction or None
        The longest that is asked for, s.
    """
    low = ends[0] * (1 - CLOSING_GAP) if ends else CLOSING_GAP  # below: no stage
    high = float(most) if most is not None else (ends[1] if ends else 1.0)
    count = max(1, math.ceil(math.log(max(high / low, 1.0)) / math.log(SPAN_RATIO)))
    cuts = [Fraction(float(low * (high / low) ** (n / count))) for n in range(1, count)]
    cuts = [Fraction(0), Fraction(low), *cuts]
    last = most if most is not None else Fraction(high)
    pairs = zip(cuts, [*cuts[1:], last], strict=True)
    found = [Range(a, b) for a, b in pairs if a < b]
    return found if most is not None else [*found, Range(last, None)]


def halves(span: Range) -> list[Range]:
    """Both parts of a range of a product; none where it is narrow."""
    least, most = float(span.least_s), number(span.most_s)
    if least <= 0 or (most is not None and most <= least * (1 + NARROWEST)):
        return []
    ratio = SPAN_RATIO if most is None else math.sqrt(most / least)
    if not math.isfinite(least * ratio):
        return []
    middle = Fraction(least * ratio)
    return [Range(span.least_s, middle), Range(middle, span.most_s)]


def number(value: Fraction | None) -> float | None:
    """As files have it."""
    return None if value is None else float(value)
