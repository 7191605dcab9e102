"""Least weighted cost over all widths, by eliminating one variable after the other, exactly.

A step adds up all tables that touch its variable and minimises that away. Upwards this gives the
least cost of all widths together; downwards, for each step, the least that everything outside it
costs at given widths of the variables it shares with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import add

from codesign.checking.certificate.exact_costs import (
    Multipliers,
    Units,
    Vector,
    WidthCosts,
    layer_vectors,
    own_vectors,
)
from codesign.checking.certificate.width_variables import Step, WidthVariables

Table = list[int]


@dataclass(frozen=True)
class CostTables:
    """Weighted tables of every layer and every variable.

    Attributes
    ----------
    vectors : tuple of lists
        For each layer the choices at each key, as vectors of metrics.
    layers : tuple of lists of int
        For each layer the least multiplier at each assignment to its scope.
    own : tuple of lists of int
        For each variable the multiplier of each of its widths alone.
    """

    vectors: tuple[list[list[Vector]], ...]
    layers: tuple[Table, ...]
    own: tuple[Table, ...]

    def at(self, variables: WidthVariables, units: Units, multipliers: Multipliers) -> CostTables:
        """The same choices at other multipliers."""
        return _tables(variables, units, multipliers, self.vectors)


def cost_tables(
    variables: WidthVariables, units: Units, multipliers: Multipliers, layers: list[WidthCosts]
) -> CostTables:
    """Tables at some multipliers; what cannot run costs more than any better design."""
    known: dict[tuple[object, ...], list[list[Vector]]] = {}
    vectors = []
    for scope, mine in zip(variables.layers, layers, strict=True):
        layer = scope.layer
        noises = layer.name if layer.owns_weights and units.problem.sensitivity else None
        work = (layer.macs, layer.C * layer.R * layer.S, layer.weights, layer.owns_weights)
        kind = (id(mine), scope.keys, scope.free_weights, scope.free_inputs, noises, work)
        if kind not in known:
            known[kind] = layer_vectors(units, scope, mine)
        vectors.append(known[kind])
    return _tables(variables, units, multipliers, tuple(vectors))


def _tables(
    variables: WidthVariables,
    units: Units,
    multipliers: Multipliers,
    vectors: tuple[list[list[Vector]], ...],
) -> CostTables:
    never = multipliers.most + 1
    known: dict[int, Table] = {}
    layers = []
    for scope, each in zip(variables.layers, vectors, strict=True):
        if id(each) not in known:
            known[id(each)] = [min(map(multipliers.of, found), default=never) for found in each]
        layers.append([known[id(each)][entry] for entry in scope.entries])
    own = [
        [multipliers.of(vector) for vector in own_vectors(units, variables, v)]
        for v in range(len(variables.members))
    ]
    return CostTables(vectors, tuple(layers), tuple(own))


@dataclass(frozen=True)
class Elimination:
    """Upward sums: joint tables, their least over the variable eliminated, and the least of all."""

    joints: tuple[Table, ...]
    messages: tuple[Table, ...]
    least: int


def eliminate(variables: WidthVariables, costs: CostTables) -> Elimination:
    """Eliminate every variable."""
    joints: list[Table] = []
    messages: list[Table] = []
    least = sum(costs.layers[n][0] for n in variables.alone)
    for step in variables.steps:
        joint = [costs.own[step.variable][place] for place in step.own]
        for parts, tables in ((step.layers, costs.layers), (step.messages, messages)):
            for n, places in parts:
                joint = list(map(add, joint, map(tables[n].__getitem__, places)))
        width = len(variables.domains[step.variable])
        joints.append(joint)
        messages.append([min(joint[n : n + width]) for n in range(0, step.size, width)])
        if not step.rest:
            least += messages[-1][0]
    return Elimination(tuple(joints), tuple(messages), least)


def least_outside(variables: WidthVariables, elimination: Elimination) -> list[Table]:
    """For each step, at each entry of its message, the least that all outside it costs."""
    parents = {m: n for n, step in enumerate(variables.steps) for m, _ in step.messages}
    outside: list[Table] = [[] for _ in variables.steps]
    for n in reversed(range(len(variables.steps))):
        message = elimination.messages[n]
        if n not in parents:
            outside[n] = [elimination.least - message[0]]
            continue
        above = variables.steps[parents[n]]
        totals = with_outside(variables, above, elimination.joints[parents[n]], outside[parents[n]])
        best: list[int | None] = [None] * len(message)
        for place, total in zip(dict(above.messages)[n], totals, strict=True):
            known = best[place]
            if known is None or total < known:
                best[place] = total
        outside[n] = [(total or 0) - mine for total, mine in zip(best, message, strict=True)]
    return outside


def with_outside(variables: WidthVariables, step: Step, joint: Table, outside: Table) -> Table:
    """A step's joint table with what all outside it costs at least."""
    width = len(variables.domains[step.variable])
    return [x + outside[n // width] for n, x in enumerate(joint)]
