"""What each network of a suite pays for sharing: its own best alone, within the same limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.results.design import Design
from codesign.results.sharing import OwnBest, Sharing, SharingCost
from codesign.search.lexicographic import LexicographicSearch, tie_breakers
from codesign.search.member_spaces import problem_of_member
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import hardware_of
from codesign.stopping import StopCondition, Stopped
from codesign.units import of_member


def cost_of_sharing(
    design: Design, stop: StopCondition, on_step: Callable[[str], None] | None
) -> Sharing:
    """What each network of a suite has on the shared accelerator, and what it could have alone.

    Alone it is held to the limits on the hardware and to its own; those on sums over all networks
    do not bind it.
    """
    kind, found = design.problem.minimised_kind, []
    for m, member in enumerate(design.network.members):
        if on_step is not None:
            on_step(f"the best for {member.name} alone")
        metrics = _shared(design, member.name)
        try:
            own: OwnBest | None = _own_best(design, m, stop)
        except Stopped:
            own = None
        best = 0.0 if own is None else own.metrics[kind]
        ratio = metrics[kind] / best if best > 0 else None
        given = {field.name: getattr(member, field.name) for field in fields(member)}
        found.append(SharingCost(**given, metrics=metrics, own_best=own, ratio=ratio))
    return Sharing(metric=kind, members=tuple(found))


def _shared(design: Design, name: str) -> dict[str, float]:
    """What one network has on the shared accelerator, and what that takes."""
    metrics, hardware = design.metrics, design.problem.technology.hardware_metrics
    shares = {x: of_member(x, name) for x in (*ADDITIVE_METRICS, ENERGY)}
    own = {x: metrics[share] for x, share in shares.items() if share in metrics}
    return {x: metrics[x] for x in hardware} | own


def _own_best(design: Design, member: int, stop: StopCondition) -> OwnBest:
    """The best design of one network alone, of equal ones that of least area, then least noise.

    Raises
    ------
    Stopped
        Time ran out before it was proven.
    """
    problem = design.problem
    kind = problem.minimised_kind
    alone = problem_of_member(problem, member, kind)
    space = HardwareSpace(alone)
    metrics = tuple(dict.fromkeys((kind, *tie_breakers(problem.technology))))
    found = LexicographicSearch(space, stop=stop).minimise(metrics, alone.budgets)
    if not found.complete:
        raise Stopped
    best = found.solution
    assert best is not None  # what it has on the shared accelerator is within its limits
    told = (*alone.metrics, ENERGY)
    return OwnBest(
        hardware=hardware_of(space, best),
        metrics={x: best.metrics[x] for x in told if x in best.metrics},
    )
