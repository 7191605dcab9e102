"""Which couplings a certificate does without, lest its tables grow too large."""

from __future__ import annotations

from collections.abc import Callable

from codesign.checking.certificate.layer_scopes import PLACE, Variables
from codesign.checking.certificate.width_variables import TooLarge, WidthVariables
from codesign.checking.problem import Problem

Cuts = list[tuple[str, str]]
MOST_ENTRIES = 2**22  # of all tables, lest a group takes long to verify


def certificate_cuts(
    problem: Problem, of_widths: Callable[[], Cuts], check_time: Callable[[], None]
) -> Cuts:
    """The couplings to cut, each a layer and a source of a width or ``place:<tensor>``.

    Cut first are tensors on chip from layers that do not touch them, where most else lives; then
    couplings to widths; then places of all but the operands.

    Parameters
    ----------
    of_widths : callable
        Couplings to widths that another relaxation cuts.
    check_time : callable
        Called before each look at all tables; may raise.
    """

    def fits(cuts: Cuts) -> bool:
        check_time()
        try:
            WidthVariables(problem, cuts, MOST_ENTRIES)
        except TooLarge:
            return False
        return True

    if not problem.choices.on_chip:
        return of_widths()
    beside = _beside(problem)
    if fits(beside):
        return beside[: _least(len(beside), lambda n: fits(beside[:n]))]
    cuts = [*beside, *of_widths()]
    return cuts if fits(cuts) else [*cuts, *_further(problem)]


def _least(most: int, right: Callable[[int], bool]) -> int:
    """The least number that is right, those above it being so: ``most`` is."""
    least = 0
    while least < most:
        middle = (least + most) // 2
        if right(middle):
            most = middle
        else:
            least = middle + 1
    return most


def _beside(problem: Problem) -> Cuts:
    """Tensors that live while a layer runs and that it does not touch, layers of most first."""
    variables, network = Variables(problem, ()), problem.network
    found = []
    for n, layer in enumerate(network.layers):
        touched = (*layer.reads, layer.output)
        size = variables.size(variables.scope(n))
        beside = (name for name in variables.living[n] if name not in touched)
        found += [(-size, -_span(problem, name), layer.name, name) for name in beside]
    return [(layer, f"{PLACE}{name}") for _, _, layer, name in sorted(found)]


def _span(problem: Problem, name: str) -> int:
    first, last = problem.network.lifetimes[name]
    return last - first


def _further(problem: Problem) -> Cuts:
    """Places of what layers write and add."""
    alive = problem.network.lifetimes
    return [
        (layer.name, f"{PLACE}{name}")
        for layer in problem.network.layers
        for name in (layer.output, *layer.residuals)
        if name in alive
    ]
