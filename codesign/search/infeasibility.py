"""Why no design keeps every budget: irreducible infeasible subsets, and what would be feasible."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from codesign.costs.buffers import NO_BUFFERS
from codesign.errors import Clash, InfeasibleError, SolverError
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.problem.tolerances import keeps
from codesign.quality import uniform_bits
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import CutPool
from codesign.search.goal_task import GoalTask, SearchResult, SearchStats
from codesign.search.prove_goal import prove_goal
from codesign.space.hardware import HardwareSpace
from codesign.stopping import Stopped
from codesign.units import BITS_PER_KBIT, METRIC_UNITS, conflict_texts, distinct_texts, four_digits

Feasible = Callable[[Mapping[str, float]], bool]
Least = Callable[[str, Mapping[str, float]], float | None]


def infeasibility_error(task: GoalTask) -> InfeasibleError:
    """The error that tells which budgets clash, and for each the least that would do.

    An irreducible infeasible subset is found by deletion: leave out one budget after the other, for
    good if the rest is still infeasible. For each budget of the subset two least values are proven:
    with no other budget at all, and with the other budgets as they are. The budgets outside the
    subset may be infeasible on their own: then they have a subset too, and so on.

    Raises
    ------
    SolverError
        A budget's least value is within the budget: the solver was wrong somewhere.
    """
    try:
        clashes = clashes_of(task.goal.limits, partial(_feasible, task), partial(_least, task))
    except Stopped:
        return out_of_time()
    if not clashes:
        return InfeasibleError(f"no design at all: {_nothing_runs(task)}")
    message = clash_message(clashes)
    if _feasible_with_any_sram(task, task.goal.limits):
        message += "; with an SRAM of any size some design keeps all budgets"
    message += where_widths_end(task.space.problem, clashes)
    return InfeasibleError(message, clashes[0], clashes[1:])


def out_of_time() -> InfeasibleError:
    """Where it is known that nothing keeps every budget, and not why."""
    return InfeasibleError(
        "infeasible: proven, but no time was left to find out which budgets clash"
    )


def clashes_of(limits: Mapping[str, float], feasible: Feasible, least: Least) -> list[Clash]:
    """Irreducible infeasible subsets of infeasible limits, one beside the other; see above.

    Parameters
    ----------
    feasible, least : callable
        Whether some design keeps limits, and the least of a metric within limits, None where there
        is none: both proven.
    """
    left, clashes = dict(limits), list[Clash]()
    while left and (not clashes or not feasible(left)):
        clash = _infeasible_subset(left, feasible, least)
        if not clash:
            break
        clashes.append(clash)
        left = {name: limit for name, limit in left.items() if name not in clash}
    return clashes


def where_widths_end(problem: Problem, clashes: Sequence[Clash]) -> str:
    """Where a quality is asked for that the widest widths do not reach: which they do."""
    for limit, alone, _ in (clash["noise"] for clash in clashes if "noise" in clash):
        if problem.quality is None or alone <= limit:
            continue
        widest = max(problem.allowed_bits(source)[-1] for source in problem.noise_sources)
        asked, ends = uniform_bits(problem.quality), f"; the widths on offer end at {widest} bit"
        if asked is None:
            return f"{ends}, which reach {-10 * math.log10(alone):.4g} dB"
        if asked > widest:
            return f"{ends}, and {problem.quality} asks for the noise of {asked}: offer wider ones"
    return ""


def _nothing_runs(task: GoalTask) -> str:
    """Why no design runs, whatever the budgets."""
    space = task.space
    if isinstance(space, HardwareSpace):
        least, most = space.min_sram_bits_of_shapes.min(), space.capacities.max_bits
        if math.isinf(least):
            return (
                "the buffers beside the SRAM hold no tile of some layer, even at its narrowest "
                "widths; give them more bits, or leave them out"
            )
        block = space.capacities.block_bits
        if block > 1 and most < max(space.capacities.min_bits, block):
            return (
                f"no whole block RAM of {block / BITS_PER_KBIT:g} kbit lies within the limits on "
                "the SRAM; widen them"
            )
        if most < least:
            ends, (needed,) = distinct_texts(most, [least], BITS_PER_KBIT)
            exact = space.problem.choices.mapping == ("window",) and not space.widens
            bound = "" if exact else "at least "
            return (
                f"the SRAM on offer ends at {ends} kbit, and the smallest tiles at the narrowest "
                f"widths need {bound}{needed} kbit; offer more"
            )
        if _feasible_with_any_sram(task, {}):
            ends = four_digits(most / BITS_PER_KBIT)
            return f"the SRAM on offer ends at {ends} kbit, and not all layers fit it; offer more"
    buffers = space.problem.choices.buffers != NO_BUFFERS
    return (
        f"with these pins{', buffers' * buffers} and PE widths some layer cannot run; "
        f"offer wider PEs{', larger buffers' * buffers} or allow precision 'multi-pass'"
    )


def _feasible_with_any_sram(task: GoalTask, limits: Mapping[str, float]) -> bool:
    """Whether only the choice of SRAM, if there is one, is known to leave no design."""
    problem = task.space.problem
    free = replace(problem.choices, sram_bits=(), min_sram_bits=None, max_sram_bits=None)
    if not isinstance(task.space, HardwareSpace) or free == problem.choices:
        return False
    space = HardwareSpace(replace(problem, choices=free))
    try:
        relaxation = Relaxation(space, task.stop.check)
        task = replace(
            task, space=space, relaxation=relaxation, cut_pool=CutPool(space.additive_metrics)
        )
        return _feasible(task, limits)
    except Stopped:  # what clashes is known all the same
        return False


def _infeasible_subset(limits: Mapping[str, float], feasible: Feasible, least: Least) -> Clash:
    """An irreducible infeasible subset of infeasible limits; empty where no design runs at all."""
    subset = dict(limits)
    for metric in limits:
        rest = {name: limit for name, limit in subset.items() if name != metric}
        if not feasible(rest):
            subset = rest
    found: Clash = {}
    for metric, limit in subset.items():
        alone = least(metric, {})
        assert alone is not None  # each budget by itself only fails for its own limit
        others = {name: value for name, value in limits.items() if name != metric}
        needed = alone if not others else least(metric, others)
        if needed is not None and keeps(needed, limit):
            raise SolverError(
                f"recheck failed: {metric} of {needed!r} keeps every budget, but with a budget of "
                f"{limit!r} the solver called the problem infeasible; please report it"
            )
        found[metric] = (limit, alone, needed)
    return found


def _least(task: GoalTask, metric: str, limits: Mapping[str, float]) -> float | None:
    incumbent = _prove(task, Goal(metric, limits)).incumbent
    return None if incumbent is None else incumbent.metrics[metric]


def _feasible(task: GoalTask, limits: Mapping[str, float]) -> bool:
    """Whether some design keeps these limits (proven either way)."""
    goal = Goal(next(iter(limits), "noise"), limits)
    return _prove(task, goal, feasibility_only=True).incumbent is not None


def _prove(task: GoalTask, goal: Goal, feasibility_only: bool = False) -> SearchResult:
    result = prove_goal(
        replace(
            task,
            goal=goal,
            lower=np.full(len(task.space), -np.inf),
            incumbent=None,
            stats=SearchStats(),
            on_progress=None,
            feasibility_only=feasibility_only,
        )
    )
    if not result.complete:
        raise Stopped
    return result


def clash_message(clashes: Sequence[Clash]) -> str:
    """What clashes, in one sentence; each subset after the first by itself."""
    first, *others = map(_sentence, clashes)
    if others:
        return "; and even without these: ".join([f"infeasible: {first}", *others])
    return f"infeasible: {first}"


def _sentence(found: Clash) -> str:
    parts = []
    for metric, (limit, alone, needed) in found.items():
        amounts = conflict_texts(metric, (limit, alone, needed))
        asked, least_alone, least = (f"{x} {METRIC_UNITS[metric].unit}".rstrip() for x in amounts)
        text = f"{METRIC_UNITS[metric].label} at most {asked} (alone at least {least_alone}"
        if len(found) > 1 or needed != alone:
            text += ", with the other budgets "
            text += "no value is enough" if needed is None else f"at least {least}"
        parts.append(text + ")")
    if len(parts) == 1:
        return f"no design keeps {parts[0]}"
    return "these budgets clash: " + "; ".join(parts)
