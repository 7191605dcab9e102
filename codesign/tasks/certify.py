"""Writes a certificate that a design is the best one, for `codesign.checking` to verify.

The arguments are found by `codesign.tasks.certificate_groups`. Of the least regret of a suite there
are more, for what each member could have alone; of a batch that was chosen, for every other one; of
pipelines and hybrids, those of `codesign.tasks.certificate_pipelines` and `certificate_hybrids`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from codesign.checking.certificate.verify import GAP
from codesign.problem.metrics import PER_BATCH, REGRET
from codesign.problem.problem import Problem
from codesign.results.certificate import Certificate
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.records import ProofRecord
from codesign.search.lexicographic import LexicographicSearch
from codesign.search.member_spaces import problem_of_member
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.certificate_groups import Closer
from codesign.tasks.certificate_hybrids import HybridCloser
from codesign.tasks.certificate_pipelines import PipelineCloser, asked_of
from codesign.tasks.choose_architecture import of_array
from codesign.tasks.solve import solver_record
from codesign.units import kind_of

OnStep = Callable[[str], None]


def certify(
    design: Design | DataflowDesign,
    *,
    asked: Problem | None = None,
    time_limit_s: float | None = None,
    trusting: bool = False,
    on_step: OnStep | None = None,
) -> Certificate:
    """A certificate of a design's optimality, or of its bound where it is not proven optimal.

    Parameters
    ----------
    asked : Problem, optional
        Of one array that was found among several architectures, the problem that offered these:
        the certificate then says of the others too that none is better.
    time_limit_s : float, optional
        Seconds, after which, or after Ctrl-C, all options still open are left to the solver's word.
    trusting : bool
        Leave all options to the solver's word, at once.
    on_step : callable, optional
        Told in words how many hardware options are closed.

    Raises
    ------
    SpecError
        A limit that is not positive.
    KeyboardInterrupt
        Interrupted twice.
    """
    stop = StopCondition(time_limit_s)
    if trusting:
        return _of_all(design, asked, stop, on_step, trusting=True)
    with stop.catching_interrupts():
        return _of_all(design, asked, stop, on_step)


def _of_all(
    design: Design | DataflowDesign,
    asked: Problem | None,
    stop: StopCondition,
    on_step: OnStep | None,
    trusting: bool = False,
) -> Certificate:
    """The arguments for all architectures on offer."""
    problem, below = asked or design.problem, Fraction(_claim(design.proof))
    offered = problem.choices.architecture
    if isinstance(design, Design):
        found = _certificate(design, stop, on_step, trusting)
    elif "array" in offered:
        found = Closer(of_array(problem), below, stop, on_step).certificate(trusting)
    else:
        found = Certificate(float(below), 0, has_arrays=False)
    for name in ("dataflow", "hybrid"):
        if name not in offered:
            continue
        kind = PipelineCloser if name == "dataflow" else HybridCloser
        part, left = kind(problem, below, stop, on_step).part(trusting)
        found.left += left
        if isinstance(design, Design):
            part["asked"] = asked_of(problem)
        if name == "dataflow":
            found.pipelines = part
        else:
            found.hybrids = part
    return found


def _certificate(
    design: Design, stop: StopCondition, on_step: OnStep | None, trusting: bool = False
) -> Certificate:
    problem, below = design.problem, _claim(design.proof)
    found = Closer(problem, Fraction(below), stop, on_step).certificate(trusting)
    for m, member in enumerate(problem.network.members if problem.objective == REGRET else ()):
        alone = None if trusting or stop.reached() else _best_alone(problem, m, stop)
        if alone is None:
            found.left.append(f"what {member.name} could have alone")
            continue
        argument = Closer(alone.problem, Fraction(_claim(alone.proof)), stop, on_step)
        found.references[member.name] = alone.to_dict(), argument.certificate()
    for row in design.batches:
        if row.images != problem.network.images:
            budgets = problem.budgets if row.budgets is None else row.budgets
            network = problem.network.of_images(row.images)
            other = replace(problem, network=network, budgets=budgets, quality=None)
            grows = problem.objective in PER_BATCH
            ratio = Fraction(row.images, problem.network.images) if grows else Fraction(1)
            closer = Closer(other, Fraction(below) * ratio, stop, on_step)
            found.batches[row.images] = closer.certificate(trusting)
    return found


def _claim(proof: ProofRecord) -> float:
    """What no design goes below: a little less than the objective, or the bound that is known."""
    claim = proof.objective if proof.status == "optimal" else proof.bound
    return min(math.nextafter(claim * (1 - float(GAP)), math.inf), claim)


def _best_alone(problem: Problem, member: int, stop: StopCondition) -> Design | None:
    """The best design of one member alone, by what regret is measured by; None: out of time."""
    started_s = time.monotonic()
    kind = kind_of(next(iter(problem.references)))
    alone = problem_of_member(problem, member, kind)
    space = HardwareSpace(alone)
    search = LexicographicSearch(space, stop=stop)
    found = search.minimise((kind,), alone.budgets)
    if found.solution is None or not found.complete:
        return None
    return build_design(space, alone, found, solver_record(search, found, kind, started_s))
