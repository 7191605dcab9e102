"""Least weighted cost over all widths and places, by eliminating one variable after the other.

A step adds up all tables that touch its variable and minimises that away, exactly. Upwards this
gives the least cost of all choices together; downwards, for each step, the least that everything
outside it costs at given values of the variables it shares with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from codesign.checking.certificate.exact_costs import LayerMetrics, Multipliers, own_vectors
from codesign.checking.certificate.layer_costs import LayerCosts
from codesign.checking.certificate.layer_scopes import Scope
from codesign.checking.certificate.metric_units import Units
from codesign.checking.certificate.run_costs import RunCosts
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import Step, WidthVariables


@dataclass(frozen=True)
class CostTables:
    """Weighted tables of every layer and every variable, one axis for each variable.

    Attributes
    ----------
    metrics : tuple of LayerMetrics
        What each layer's choices take of each metric.
    layers : tuple of whole numbers
        For each layer the least multiplier at each assignment to its scope.
    own : tuple of whole numbers
        For each variable the multiplier of each of its values alone.
    """

    metrics: tuple[LayerMetrics, ...]
    layers: tuple[Whole, ...]
    own: tuple[Whole, ...]

    def at(self, variables: WidthVariables, units: Units, multipliers: Multipliers) -> CostTables:
        """The same choices at other multipliers."""
        return _tables(variables, units, multipliers, self.metrics)


def cost_tables(
    variables: WidthVariables,
    units: Units,
    multipliers: Multipliers,
    layers: list[LayerCosts],
    run_costs: RunCosts | None = None,
    static_w: Fraction = Fraction(0),
) -> CostTables:
    """Tables at some multipliers; what cannot run costs more than any better design.

    ``run_costs``: of fused runs, where there are any. ``static_w``: power at all times.
    """
    known: dict[tuple[object, ...], LayerMetrics] = {}
    metrics = []
    for n, (scope, mine) in enumerate(zip(variables.layers, layers, strict=True)):
        layer, in_runs = scope.layer, len(variables.fused_runs.of_layer(n)) > 0
        first = units.problem.network.first_uses[n]
        noises = layer.weight_source if first and units.problem.sensitivity else None
        owns = first, layer.owns_weights
        work = (layer.macs, layer.C * layer.R * layer.S, layer.weights, owns)
        member = units.member_of[n]
        kind = (id(mine), scope.kind, noises, work, member, n if in_runs else None)
        if kind not in known:
            known[kind] = LayerMetrics(units, scope, mine, n, run_costs, static_w)
        metrics.append(known[kind])
    return _tables(variables, units, multipliers, tuple(metrics))


def _tables(
    variables: WidthVariables,
    units: Units,
    multipliers: Multipliers,
    metrics: tuple[LayerMetrics, ...],
) -> CostTables:
    known: dict[int, Whole] = {}
    layers = []
    for scope, each in zip(variables.layers, metrics, strict=True):
        if id(each) not in known:
            known[id(each)] = each.least(multipliers)
        shape = [len(variables.domains[v]) for v in scope.scope]
        layers.append(known[id(each)].reshape(shape))
    kind = object if any(x.dtype == object for x in layers) else multipliers.kind
    never = multipliers.most + 1
    own: list[Whole] = [
        np.array(
            [min(multipliers.of(vector), never) for vector in own_vectors(units, variables, v)],
            dtype=kind,
        )
        for v in range(len(variables.members))
    ]
    return CostTables(metrics, tuple(x.astype(kind, copy=False) for x in layers), tuple(own))


@dataclass(frozen=True)
class Elimination:
    """Upward sums: joint tables, their least over the variable eliminated, and the least of all."""

    joints: tuple[Whole, ...]
    messages: tuple[Whole, ...]
    least: int


def eliminate(variables: WidthVariables, costs: CostTables) -> Elimination:
    """Eliminate every variable."""
    joints: list[Whole] = []
    messages: list[Whole] = []
    least = sum(int(costs.layers[n][()]) for n in variables.alone)
    for step in variables.steps:
        own = costs.own[step.variable]
        shape = [len(variables.domains[v]) for v in step.order]
        joint: Whole = np.broadcast_to(own, shape)
        for n in step.layers:
            joint = joint + spread(costs.layers[n], variables.layers[n].scope, step.order)
        for n in step.messages:
            joint = joint + spread(messages[n], variables.steps[n].rest, step.order)
        joints.append(joint)
        messages.append(joint.min(axis=-1, keepdims=True).reshape(shape[:-1]))
        if not step.rest:
            least += int(messages[-1][()])
    return Elimination(tuple(joints), tuple(messages), least)


def best_entries(variables: WidthVariables, elimination: Elimination) -> list[int]:
    """The entry of each layer's table in a choice of least cost."""
    value: dict[int, int] = {}
    for step, joint in reversed([*zip(variables.steps, elimination.joints, strict=True)]):
        rest = tuple(value[v] for v in step.rest)
        value[step.variable] = int(joint[rest].argmin())
    found = []
    for scope in variables.layers:
        shape = [len(variables.domains[v]) for v in scope.scope]
        index = tuple(value[v] for v in scope.scope)
        found.append(int(np.ravel_multi_index(index, shape)) if shape else 0)
    return found


def spread(table: Whole, scope: Scope, order: Scope) -> Whole:
    """A table over some variables, to be broadcast to one over more of them in another order."""
    axes = [scope.index(v) for v in order if v in scope]
    sizes = [table.shape[scope.index(v)] if v in scope else 1 for v in order]
    return table.transpose(axes).reshape(sizes)


def least_outside(variables: WidthVariables, elimination: Elimination) -> list[Whole]:
    """For each step, at each entry of its message, the least that all outside it costs."""
    parents = {m: n for n, step in enumerate(variables.steps) for m in step.messages}
    outside: list[Whole] = [np.zeros(())] * len(variables.steps)
    for n in reversed(range(len(variables.steps))):
        message = elimination.messages[n]
        if n not in parents:
            outside[n] = np.array(elimination.least - message, dtype=message.dtype)
            continue
        parent = parents[n]
        above = variables.steps[parent]
        totals = with_outside(elimination.joints[parent], outside[parent])
        rest = variables.steps[n].rest
        others = tuple(axis for axis, v in enumerate(above.order) if v not in rest)
        kept = tuple(v for v in above.order if v in rest)
        best = np.array(totals.min(axis=others), dtype=message.dtype)
        outside[n] = np.array(spread(best, kept, rest) - message, dtype=message.dtype)
    return outside


def with_outside(joint: Whole, outside: Whole) -> Whole:
    """A step's joint table with what all outside it costs at least."""
    return joint + outside[..., None]


def table_entry(step: Step, index: tuple[int, ...], scope: Scope) -> tuple[int, ...]:
    """Where an entry of a step's joint table is in a table over some of its variables."""
    return tuple(index[step.order.index(v)] for v in scope)
