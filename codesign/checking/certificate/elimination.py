"""Least priced cost over all widths, by eliminating one variable after the other, exactly.

A step adds up all tables that touch its variable and minimises that away. Upwards this gives the
least cost of all widths together; downwards, for each step, the least that everything outside it
costs at given widths of the variables it shares with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import add

from codesign.checking.certificate.exact_costs import (
    Pairs,
    Prices,
    Units,
    Vector,
    layer_vectors,
    own_vectors,
)
from codesign.checking.certificate.width_variables import Couplings, Step

Table = list[int]


@dataclass(frozen=True)
class Costs:
    """Priced tables of every layer and every variable.

    Attributes
    ----------
    vectors : tuple of lists
        For each layer the choices at each key, as vectors of metrics.
    layers : tuple of lists of int
        For each layer the least price at each assignment to its scope.
    own : tuple of lists of int
        For each variable the price of each of its widths alone.
    """

    vectors: tuple[list[list[Vector]], ...]
    layers: tuple[Table, ...]
    own: tuple[Table, ...]

    def at(self, couplings: Couplings, units: Units, prices: Prices) -> Costs:
        """The same choices at other prices."""
        return _priced(couplings, units, prices, self.vectors)


def price_all(couplings: Couplings, units: Units, prices: Prices, pairs: list[Pairs]) -> Costs:
    """Tables at prices; what cannot run costs more than any better design.

    Parameters
    ----------
    pairs : list of Pairs
        For each layer.
    """
    known: dict[tuple[object, ...], list[list[Vector]]] = {}
    vectors = []
    for scope, mine in zip(couplings.layers, pairs, strict=True):
        layer = scope.layer
        noises = layer.name if layer.owns_weights and units.problem.sensitivity else None
        work = (layer.macs, layer.C * layer.R * layer.S, layer.weights, layer.owns_weights)
        kind = (id(mine), scope.keys, scope.free_weights, scope.free_inputs, noises, work)
        if kind not in known:
            known[kind] = layer_vectors(units, scope, mine)
        vectors.append(known[kind])
    return _priced(couplings, units, prices, tuple(vectors))


def _priced(
    couplings: Couplings, units: Units, prices: Prices, vectors: tuple[list[list[Vector]], ...]
) -> Costs:
    never = prices.most + 1
    known: dict[int, Table] = {}
    layers = []
    for scope, each in zip(couplings.layers, vectors, strict=True):
        if id(each) not in known:
            known[id(each)] = [min(map(prices.of, found), default=never) for found in each]
        layers.append([known[id(each)][entry] for entry in scope.entries])
    own = [
        [prices.of(vector) for vector in own_vectors(units, couplings, v)]
        for v in range(len(couplings.variables))
    ]
    return Costs(vectors, tuple(layers), tuple(own))


@dataclass(frozen=True)
class Sweep:
    """Upward sums: joint tables, their least over the variable eliminated, and the least of all."""

    joints: tuple[Table, ...]
    messages: tuple[Table, ...]
    least: int


def sweep_up(couplings: Couplings, costs: Costs) -> Sweep:
    """Eliminate every variable."""
    joints: list[Table] = []
    messages: list[Table] = []
    least = sum(costs.layers[n][0] for n in couplings.alone)
    for step in couplings.steps:
        joint = [costs.own[step.variable][place] for place in step.own]
        for parts, tables in ((step.layers, costs.layers), (step.messages, messages)):
            for n, places in parts:
                joint = list(map(add, joint, map(tables[n].__getitem__, places)))
        width = len(couplings.domains[step.variable])
        joints.append(joint)
        messages.append([min(joint[n : n + width]) for n in range(0, step.size, width)])
        if not step.rest:
            least += messages[-1][0]
    return Sweep(tuple(joints), tuple(messages), least)


def sweep_down(couplings: Couplings, swept: Sweep) -> list[Table]:
    """For each step, at each entry of its message, the least that all outside it costs."""
    parents = {m: n for n, step in enumerate(couplings.steps) for m, _ in step.messages}
    outside: list[Table] = [[] for _ in couplings.steps]
    for n in reversed(range(len(couplings.steps))):
        message = swept.messages[n]
        if n not in parents:
            outside[n] = [swept.least - message[0]]
            continue
        above = couplings.steps[parents[n]]
        totals = with_outside(couplings, above, swept.joints[parents[n]], outside[parents[n]])
        best: list[int | None] = [None] * len(message)
        for place, total in zip(dict(above.messages)[n], totals, strict=True):
            known = best[place]
            if known is None or total < known:
                best[place] = total
        outside[n] = [(total or 0) - mine for total, mine in zip(best, message, strict=True)]
    return outside


def with_outside(couplings: Couplings, step: Step, joint: Table, outside: Table) -> Table:
    """A step's joint table with what all outside it costs at least."""
    width = len(couplings.domains[step.variable])
    return [x + outside[n // width] for n, x in enumerate(joint)]
