"""Writes a certificate that no design of a problem keeps every budget, for `codesign.checking`.

Of budgets that clash, each is a bound on the first's metric within the others: what
`codesign.tasks.certificate_groups`, `codesign.tasks.certificate_pipelines` and
`codesign.tasks.certificate_hybrids` close. Where some layer runs on no hardware at all, groups of
it are closed as they are. Of several batches each has arguments of its own, for the budgets that
clash in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codesign.checking.certificate.infeasible import asked_within, bound_of
from codesign.checking.certificate.verify import Verifier
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Problem as CheckedProblem
from codesign.checking.problem import read_problem
from codesign.errors import InfeasibleError, SpecError
from codesign.problem.file import problem_to_dict
from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY, INTERVAL, REGRET
from codesign.problem.problem import Problem
from codesign.results.certificate import Certificate, InfeasibilityCertificate
from codesign.search.lexicographic import LexicographicSearch
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition, Stopped
from codesign.tasks.certificate_groups import Closer
from codesign.tasks.certificate_hybrids import HybridCloser
from codesign.tasks.certificate_options import group_of, named_options
from codesign.tasks.certificate_pipelines import PipelineCloser
from codesign.tasks.certify import OnStep
from codesign.tasks.choose_architecture import of_array
from codesign.tasks.solve import nothing_found
from codesign.units import kind_of

FIRST = (INTERVAL, *(x for x in ADDITIVE_METRICS if x != "noise"), ENERGY, "noise")


def certify_infeasible(
    problem: Problem,
    error: InfeasibleError,
    *,
    others: Sequence[Problem] = (),
    time_limit_s: float | None = None,
    on_step: OnStep | None = None,
) -> InfeasibilityCertificate:
    """A certificate that no design keeps every budget of a problem.

    Parameters
    ----------
    error : InfeasibleError
        What `codesign.solve` raised, which names the budgets that clash.
    others : sequence of Problem, optional
        Of other batches, as `codesign.solve_batches` takes them: nor have they any design. What it
        raised is of the smallest batch, which is then the problem.
    time_limit_s : float, optional
        Seconds, after which, or after Ctrl-C, all that is still open is left to the solver's word.
    on_step : callable, optional
        Told in words how much is closed.

    Raises
    ------
    SpecError
        A limit that is not positive; another batch with a design.
    KeyboardInterrupt
        Interrupted twice.
    """
    if problem.objective == REGRET:  # what nothing is measured by where there is no design
        problem = replace(problem, objective="latency_s", references={})
    found = InfeasibilityCertificate(json.loads(json.dumps(problem_to_dict(problem))))
    offered, stop = problem.choices.architecture, StopCondition(time_limit_s)
    clashes = error.of_architectures or dict.fromkeys(offered, error.clashing)
    with stop.catching_interrupts():
        if "array" in offered:
            clash = _ordered(clashes["array"])
            found.add_arrays(clash, _of_arrays(of_array(problem), clash, stop, on_step))
        if "dataflow" in offered:
            clash = _ordered(clashes["dataflow"])
            found.add_pipelines(clash, *_of_pipelines(problem, clash, stop, on_step))
        if "hybrid" in offered:
            clash = _ordered(clashes["hybrid"])
            found.add_hybrids(clash, *_of_hybrids(problem, clash, stop, on_step))
        for other in others:
            _add_batch(found, problem, other, stop, on_step)
    return found


def _add_batch(
    found: InfeasibilityCertificate,
    problem: Problem,
    other: Problem,
    stop: StopCondition,
    on_step: OnStep | None,
) -> None:
    """Arguments for another batch, of the budgets that clash in it."""
    images = other.network.images
    budgets = None if other.budgets == problem.budgets else other.budgets
    clash = None if stop.reached() else _clash_of(other, stop)
    arguments = None if clash is None else _of_arrays(other, clash, stop, on_step)
    found.add_batch(images, budgets, clash or (), arguments)


def _clash_of(problem: Problem, stop: StopCondition) -> tuple[str, ...] | None:
    """Budgets that clash; None where time is up first."""
    goal = Goal(problem.objective, problem.budgets)
    search = LexicographicSearch(HardwareSpace(problem), stop=stop)
    result = search.minimise((goal.metric,), goal.limits, ties="leave")
    if result.first.incumbent is not None:
        raise SpecError(f"others: there is a design of {problem.network.images} images at once")
    error = nothing_found(search, result, goal)
    return _ordered(error.clashing) if isinstance(error, InfeasibleError) else None


def _ordered(clash: Mapping[str, object]) -> tuple[str, ...]:
    """First that whose least is looked for: one that sums over layers, if there is any."""
    place = {name: n for n, name in enumerate(FIRST)}
    return tuple(sorted(clash, key=lambda name: place.get(kind_of(name), len(place))))


def _of_arrays(
    problem: Problem, clash: tuple[str, ...], stop: StopCondition, on_step: OnStep | None
) -> Certificate:
    if not clash:
        return _nothing_runs(problem, stop)
    below = bound_of(_checked(problem), clash)
    return Closer(_asked(problem, clash), below, stop, on_step).certificate()


def _of_pipelines(
    problem: Problem, clash: tuple[str, ...], stop: StopCondition, on_step: OnStep | None
) -> tuple[dict[str, Any], list[str]]:
    """The arguments, and what is left to the solver."""
    if not clash:
        return {"detours": [], "ranges": [], "trusted": [[0.0, None]]}, ["all pipelines"]
    below = bound_of(_checked(problem), clash)
    return PipelineCloser(_asked(problem, clash), below, stop, on_step).part()


def _of_hybrids(
    problem: Problem, clash: tuple[str, ...], stop: StopCondition, on_step: OnStep | None
) -> tuple[dict[str, Any], list[str]]:
    """As of pipelines."""
    if not clash:
        return {"segments": []}, ["all hybrids"]
    below = bound_of(_checked(problem), clash)
    return HybridCloser(_asked(problem, clash), below, stop, on_step).part()


def _asked(problem: Problem, clash: Sequence[str]) -> Problem:
    """The least of the first of some budgets within the others."""
    first, *others = clash
    budgets = {name: problem.budgets[name] for name in others}
    return replace(problem, objective=first, budgets=budgets, quality=None, references={})


def _checked(problem: Problem) -> CheckedProblem:
    content = json.loads(json.dumps(problem_to_dict(problem)))
    return read_problem(Entry("problem", content, Ledger()))


def _nothing_runs(problem: Problem, stop: StopCondition) -> Certificate:
    """Groups of hardware options on each of which some layer does not run, whatever the budgets."""
    checked = _checked(problem)
    verifier = Verifier(asked_within(checked, ()), bound_of(checked, ()))
    options = named_options(HardwareSpace(problem))
    found, left = Certificate(0.0, len(options)), [options]
    try:
        while left:
            stop.check()
            mine = left.pop()
            group = group_of(mine)
            if verifier.closed(group, {}):
                found.add(group, {}, (), (), enumerated=False)
            elif len(mine) == 1:
                found.trusted += mine
            else:
                half = len(mine) // 2
                left += [mine[half:], mine[:half]]
    except Stopped:
        found.trusted += [*mine, *(option for each in left for option in each)]
    return found
