"""From a problem to its proven best widths, no hardware chosen: bit allocation alone.

With a latency table and a budget on size, bit operations or latency this is the problem of Yao et
al., HAWQ-V3, ICML 2021 (arXiv:2011.10680); with tables of costs, of whatever else adds up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from codesign.errors import SpecError
from codesign.problem.choices import Choices
from codesign.problem.latency_table import (
    LATENCY,
    CostTable,
    LatencyTable,
    check_cost,
    cost_title,
    read_cost,
    without_fixed,
)
from codesign.problem.metrics import COST, is_cost
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.assignment import CHOICES_KEYS, PROBLEM_KEYS, WIDTH_METRICS, Assignment
from codesign.results.records import AssignmentRecord
from codesign.search.lexicographic import LexicographicSearch, Ties, check_ties
from codesign.search.milp import highs
from codesign.search.progress import Progress
from codesign.space.tabled import LatencyTableSpace
from codesign.specs.schema import nearest
from codesign.specs.suite import refuse_suite
from codesign.stopping import StopCondition
from codesign.tasks.build_assignment import build_assignment
from codesign.tasks.solve import find_best, reporter, with_interrupt

# Among equal assignments the least noisy, then the smallest.
WIDTH_TIE_BREAKERS = ("noise", "model_bits")


def assign(
    problem: Problem,
    latency_table: str | Path | LatencyTable | None = None,
    *,
    costs: Mapping[str, str | Path | CostTable] = MappingProxyType({}),
    fixed: Mapping[str, int] = MappingProxyType({}),
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
        with a latency table ``latency_s``, and ``cost:NAME`` of every cost.
    latency_table : path or mapping, optional
        What each layer takes at each pair of widths: a CSV file, or by layer
        ``{(weight_bits, input_bits): seconds}``; see `codesign.problem.latency_table`.
    costs : mapping of str to path or mapping, optional
        By name, further tables of that form with any values that add up over the layers and of
        which less is better: an energy, a size, another count of operations. ``cost:NAME`` may
        be the objective and have a budget.
    fixed : mapping of str to int, optional
        Widths given, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as ``Choices.pinned``; and
        a layer whose weights are fixed may be left out of any table, which then counts it as 0:
        budgets on latency and costs are of the other layers. Noise, model size and bit
        operations count it as ever.
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
    started_s = time.monotonic()
    check_ties(ties)
    refuse_suite(problem.network, "widths alone are assigned to")
    space = _space(problem, latency_table, costs, fixed)
    stop = StopCondition(time_limit_s)
    search = LexicographicSearch(space, rel_gap=rel_gap, stop=stop)
    with stop.catching_interrupts():
        report = reporter(on_progress, problem, stop, started_s)
        found = find_best(search, space.problem, WIDTH_TIE_BREAKERS, ties, report, "assignment")
        record = AssignmentRecord(
            name=highs.NAME,
            version=highs.version(),
            seconds=time.monotonic() - started_s,
            solver_s=found.stats.solver_s,
            programmes=found.stats.milps,
        )
        assignment = build_assignment(space, found, record)
    return with_interrupt(assignment, stop)


def _of_widths(problem: Problem, fixed: Mapping[str, int]) -> Problem:
    """The same question with some widths pinned as well, on the platform that is the default."""
    pinned = dict(problem.choices.pinned)
    for source, bits in fixed.items():
        if pinned.setdefault(source, bits) != bits:
            raise SpecError(f"fixed {source!r}: {bits} bit, but pinned to {pinned[source]}")
    choices = {key: getattr(problem.choices, key) for key in CHOICES_KEYS} | {"pinned": pinned}
    kept = {key: getattr(problem, key) for key in PROBLEM_KEYS} | {"choices": Choices(**choices)}
    return Problem(**kept)


def _space(
    problem: Problem,
    latency_table: str | Path | LatencyTable | None,
    costs: Mapping[str, str | Path | CostTable],
    fixed: Mapping[str, int],
) -> LatencyTableSpace:
    """All widths there are, priced by the tables, each read and checked."""
    for name in costs:
        if not is_cost(COST + name):
            raise SpecError(f"cost {name!r}: a name is letters, digits, '_', '-', '.', 40 at most")
    problem = _of_widths(problem, fixed)

    def table(given: str | Path | CostTable, what: str) -> CostTable:
        read = read_cost(given, what) if isinstance(given, str | Path) else given
        complete = without_fixed(problem, read, fixed)
        check_cost(problem, complete, what)
        return complete

    latency = None if latency_table is None else table(latency_table, LATENCY)
    named = {name: table(given, cost_title(name)) for name, given in costs.items()}
    _check_metrics(problem, latency is not None, named)
    return LatencyTableSpace(problem, latency, named)


def _check_metrics(problem: Problem, timed: bool, costs: Mapping[str, CostTable]) -> None:
    """Refuse an objective or budget that widths alone do not decide."""
    known = [*WIDTH_METRICS, *(["latency_s"] if timed else []), *(COST + name for name in costs)]
    asked = {"objective": [problem.objective], "budgets": [*problem.budgets]}
    for where, metrics in asked.items():
        for metric in metrics:
            if metric == "latency_s" and not timed:
                raise SpecError(
                    f"{where}: no latency is known without a latency table (--latency-table)"
                )
            if is_cost(metric) and metric not in known:
                near = nearest(metric, tuple(known))
                raise SpecError(f"{where}: {metric} has no table (--cost NAME=TABLE){near}")
            if metric not in known:
                raise SpecError(
                    f"{where}: {metric} needs hardware, and none is chosen here; known are "
                    f"{', '.join(WIDTH_METRICS)}, with a latency table latency_s, "
                    "and costs of one's own"
                )
