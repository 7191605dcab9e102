"""From a problem to its proven best widths, no hardware chosen: bit allocation alone.

With a latency table and a budget on size, bit operations or latency this is the problem of Yao et
al., HAWQ-V3, ICML 2021 (arXiv:2011.10680).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from codesign import solver
from codesign.assignment import (
    KNOWN,
    Assignment,
    AssignmentRecord,
    assigned,
    without_platform,
)
from codesign.design import OPTIMAL_GAP
from codesign.errors import SpecError
from codesign.halt import Halt
from codesign.latency_table import LatencyTable, check_latency, read_latency
from codesign.optimum import Progress, settle
from codesign.point import Point
from codesign.problem import Problem
from codesign.proving import Proven, Prover, Ties, check_ties
from codesign.tabled_space import TabledSpace

TIE_BREAKERS = ("noise", "model_bits")  # among equal assignments the least noisy, then smallest


def assign(
    problem: Problem,
    latency_table: str | Path | LatencyTable | None = None,
    *,
    time_limit_s: float | None = None,
    rel_gap: float = OPTIMAL_GAP,
    ties: Ties = "break",
    on_progress: Callable[[Progress], None] | None = None,
) -> Assignment:
    """Find the best widths of a network and prove them; no hardware is chosen.

    Ties are broken lexicographically: among assignments with the best objective the one of least
    noise, then of least model size. Interrupts end the search as they do in `codesign.solve`;
    then ``assignment.solver.interrupted`` is True.

    Parameters
    ----------
    problem : Problem
        Its network, widths, sensitivity, objective and budgets count; its platform (technology,
        memory, clock, PE arrays) is of no account. Metrics are ``noise``, ``model_bits``, ``bops``
        and, with a latency table, ``latency_s``.
    latency_table : path or mapping, optional
        What each layer takes at each pair of widths: a CSV file, or by layer
        ``{(weight_bits, input_bits): seconds}``; see `codesign.latency_table`.
    time_limit_s : float, optional
        Return the best assignment found by then, with its honest gap.
    rel_gap : float
        Relative gap at which to stop; at most 1e-6 counts as optimal.
    ties : "break" or "leave"
        As in `codesign.solve`.
    on_progress : callable, optional
        Called now and then with a `Progress`.

    Raises
    ------
    SpecError
        A metric that is not known here, a table that does not suit the network, a limit or gap
        out of range.
    InfeasibleError
        No assignment keeps every budget; names those that clash and what would work.
    SolverError
        Time ran out before any assignment was found.
    KeyboardInterrupt
        Interrupted before any assignment was found, or twice.
    """
    started = time.monotonic()
    check_ties(ties)
    table = read_latency(latency_table) if isinstance(latency_table, str | Path) else latency_table
    _check_metrics(problem, timed=table is not None)
    if table is not None:
        check_latency(problem, table)
    halt = Halt.within(time_limit_s)
    space = TabledSpace(without_platform(problem), table)
    prover = Prover(space, rel_gap=rel_gap, halt=halt)

    def realised(found: Proven, point: Point) -> Assignment:
        record = AssignmentRecord(
            name=solver.NAME,
            version=solver.version(),
            seconds=time.monotonic() - started,
            solver_s=found.effort.solver_s,
            programmes=found.effort.programmes,
        )
        return assigned(space, point, found.first.bound, found.ties, record)

    breaking = TIE_BREAKERS, ties
    return settle(prover, problem, breaking, realised, "assignment", on_progress, started)


def _check_metrics(problem: Problem, timed: bool) -> None:
    """Refuse an objective or budget that widths alone do not decide."""
    asked = {"objective": [problem.objective], "budgets": [*problem.budgets]}
    for where, metrics in asked.items():
        for metric in metrics:
            if metric == "latency_s" and not timed:
                raise SpecError(
                    f"{where}: no latency is known without a latency table (--latency-table)"
                )
            if metric not in (*KNOWN, "latency_s"):
                raise SpecError(
                    f"{where}: {metric} needs hardware, and none is chosen here; known are "
                    f"{', '.join(KNOWN)} and, with a latency table, latency_s"
                )
