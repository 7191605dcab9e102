"""Questions over one space, each a list of metrics to minimise one after the other.

All questions share what the space's tables cost to build, what was proved for earlier ones, and
the designs met on the way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from codesign.errors import SpecError
from codesign.problem.goal import OPTIMAL_GAP, Goal, TiesFound
from codesign.problem.tolerances import beyond
from codesign.search import CLOSED, Effort, Inquiry, Memory, OnProgress, Proof, prove
from codesign.search.bounds.layer_tables import priced_by
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.milp.solvers import SolverName, check_installed
from codesign.search.whole_space import prove_whole
from codesign.space.hardware import Space
from codesign.space.point import Point
from codesign.space.widths import WidthSpace
from codesign.stopping import Halt

Method = Literal["search", "whole"]
Ties = Literal["break", "leave"]
METHODS = get_args(Method)
TIES = get_args(Ties)
# Seconds for ties: so many times what the first metric took, or so many.
TIES_TIMES, TIES_LEAST_S = 5.0, 10.0
TIE_BREAKERS = ("area_mm2", "noise")  # among equal designs the smallest, then the least noisy

ReportMetric = Callable[[str], OnProgress | None]


def check_ties(ties: str) -> None:
    """Refuse an unknown word for what to do with ties.

    Raises
    ------
    SpecError
    """
    if ties not in TIES:
        raise SpecError(f"ties must be one of {', '.join(TIES)}, got {ties!r}")


@dataclass(frozen=True)
class Proven:
    """A question's answer.

    Attributes
    ----------
    point : Point or None
        None: nothing within the limits, proven if ``first.complete``.
    first : Proof
        Of the first metric.
    complete : bool
        Whether the least of every metric asked for was proven, in their order.
    effort : Effort
    ties : "broken", "left" or "not proven"
        What became of the metrics after the first.
    """

    point: Point | None
    first: Proof
    complete: bool
    effort: Effort
    ties: TiesFound


class Prover:
    """Answers questions over one space.

    Parameters
    ----------
    method : "search" or "whole"
    rel_gap : float
        Relative gap at which to stop minimising the first metric.
    halt : Halt, optional
        When to end with what is found.
    solver : "highs", "scip" or "cbc"
        Which solves the programmes.

    Raises
    ------
    SpecError
        An unknown method, a gap outside [0, 1), or a solver that is not installed.
    """

    def __init__(
        self,
        space: WidthSpace,
        *,
        method: Method = "search",
        rel_gap: float = OPTIMAL_GAP,
        halt: Halt | None = None,
        solver: SolverName = "highs",
    ) -> None:
        if method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not 0 <= rel_gap < 1:
            raise SpecError(f"rel_gap must be at least 0 and below 1, got {rel_gap}")
        check_installed(solver)
        self.solver = solver
        self.halt = Halt() if halt is None else halt
        self.space, self.relaxation = space, Relaxation(space, self.halt.check)
        self.memory = Memory(priced_by(space))
        self.open = np.ones(len(space), dtype=bool)
        self.prove = prove_whole if method == "whole" else prove
        self.rel_gap = rel_gap

    def part(
        self,
        kept: npt.NDArray[np.bool_],
        least_sram_bits: float = 0.0,
        most_sram_bits: float = math.inf,
    ) -> Prover:
        """A prover over part of the space: of the hardware options those kept, in a range of SRAM.

        It starts from what is known of the whole; what it finds stays its own.
        """
        assert isinstance(self.space, Space)  # widths alone have no parts
        made = copy(self)
        made.space = self.space.with_sram(least_sram_bits, most_sram_bits)
        made.open = self.open & kept
        made.memory = self.memory.within(
            lambda point: (
                bool(made.open[point.option])
                and least_sram_bits <= point.sram_bits <= most_sram_bits
            )
        )
        return made

    def inquiry(self, goal: Goal, report: OnProgress | None = None) -> Inquiry:
        """One goal over the whole space."""
        return Inquiry(
            space=self.space,
            relaxation=self.relaxation,
            goal=goal,
            lower=np.where(self.open, -np.inf, np.inf),
            best=None,
            effort=Effort(),
            rel_gap=self.rel_gap if self.rel_gap > OPTIMAL_GAP else CLOSED,
            halt=self.halt,
            on_progress=report,
            memory=self.memory,
            solver=self.solver,
        )

    def answer(
        self,
        metrics: Sequence[str],
        limits: Mapping[str, float],
        report: ReportMetric = lambda metric: None,
        ties: Ties | None = None,
    ) -> Proven:
        """Minimise the metrics one after the other, each with those before held at their least.

        Parameters
        ----------
        ties : "break" or "leave", optional
            Leave: the first metric alone. Break: the others, within a share of the time. By default
            they are all of equal account.
        """
        inquiry = self.inquiry(Goal(metrics[0], dict(limits)), report(metrics[0]))
        started = time.monotonic()
        proof = first = self.prove(inquiry)
        if ties == "leave":
            outcome: TiesFound = "left" if first.complete else "not proven"
            return Proven(first.best, first, first.complete, inquiry.effort, outcome)
        share_s = max(TIES_TIMES * (time.monotonic() - started), TIES_LEAST_S)
        with self.halt.sooner(share_s if ties else math.inf):
            for metric in metrics[1:]:
                if proof.best is not None and proof.complete:
                    inquiry = _next_goal(inquiry, proof, metric, report(metric))
                    proof = self.prove(inquiry)
        outcome = "broken" if proof.complete else "not proven"
        return Proven(proof.best, first, proof.complete, inquiry.effort, outcome)


def _next_goal(inquiry: Inquiry, proof: Proof, metric: str, report: OnProgress | None) -> Inquiry:
    """Minimise another metric with the last one held at the value just proven.

    That may be a little above a limit of its own, which stays the limit.
    """
    assert proof.best is not None
    last, limits = inquiry.goal.metric, inquiry.goal.limits
    value = proof.best.metrics[last]
    held = min(value, limits.get(last, math.inf))
    return Inquiry(
        space=inquiry.space,
        relaxation=inquiry.relaxation,
        goal=Goal(metric, {**limits, last: held}),
        lower=np.where(proof.lower > beyond(value), np.inf, -np.inf),
        best=proof.best,
        effort=inquiry.effort,
        halt=inquiry.halt,
        on_progress=report,
        memory=inquiry.memory,
        solver=inquiry.solver,
        held=inquiry.held or last,
    )
