"""A bound on the MILP of one option where most layers are alike: they are counted, not listed.

Layers of a kind that touch variables of the same kinds are one class, and so are variables that the
same classes touch. Of each class of layers a programme chooses how many run each option, of each
class of variables how many have each value (a width or, of a tensor that may stay on chip, a width
and a place):

    every_layer_runs     Σ_o count_{c,o} = layers of c                                        ∀ c
    every_variable_has   Σ_s having_{d,s} = variables of d                                    ∀ d
    no_more_touched      Σ_{o: value = s} count_{c,o} ≤ most·having_{d,s}                ∀ c, d, s
    no_fewer_touched     Σ_{o: value = s} count_{c,o} ≥ least·having_{d,s}               ∀ c, d, s
    within_budget        metric ≤ limit                            latency, DRAM, noise, size, BOPS

where each variable of ``d`` is touched by at least and at most so many layers of ``c`` in a role;
likewise for the widths of tensors and their places. Metrics are sums of counts times costs.

Whatever all layers and variables choose gives such counts, of the same cost: the least over counts
is no more than that of the MILP, whose symmetry takes branch and bound so long to see through, and
mostly the same. The counts need not be those of any choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyomo.core as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from codesign.arrays import Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.problem.tolerances import LIMIT_MARGIN
from codesign.search.milp.coefficients import Coefficients, Terms
from codesign.space.candidates import Candidates
from codesign.space.widths import WidthSpace
from codesign.units import kind_of

LEAST_LAYERS = 200  # of a network worth counting
LEAST_ALIKE = 8  # layers of a class, on average
ROUNDS = 3  # by which classes tell how far from an end of the network they are

WIDTH, PLACE = 0, 1
Options = dict[int, list[tuple[int, int]]]  # by a value: class, and number
Variable = tuple[int, int]  # its kind, and number of a width variable or a placed tensor


class Role(NamedTuple):
    """A variable that a layer touches as its input, its weights or beside these.

    And the value that each of its options has there.
    """

    name: str
    variable: Variable
    values: Ints


@dataclass(frozen=True)
class Classes:
    """Layers and variables by their classes.

    Attributes
    ----------
    roles : list of lists of Role
        Of each layer.
    layers : list of lists of int
        Of each class, its layers.
    variables : list of lists of Variable
    """

    roles: list[list[Role]]
    layers: list[list[int]]
    variables: list[list[Variable]]


def is_alike(space: WidthSpace, listed: Candidates, goal: Goal) -> bool:
    """Whether layers may be counted: many, with options that say all, and no energy."""
    joint = all(rows.joint for rows in listed.layers)
    plain = (
        not listed.fused and not listed.port and ENERGY not in kinds_of((goal.metric, *goal.limits))
    )
    additive = goal.metric in space.additive_metrics
    return joint and plain and additive and len(listed.layers) >= LEAST_LAYERS


def counted_model(
    space: WidthSpace, listed: Candidates, goal: Goal, check_time: Callable[[], None]
) -> pyo.ConcreteModel | None:
    """The programme over counts, in the units of the MILP; None where few layers are alike."""
    classes = _classes(space, listed)
    check_time()
    if len(classes.layers) * LEAST_ALIKE > len(listed.layers):
        return None
    return _Programme(space, listed, goal, classes).written()


# --- classes ------------------------------------------------------------------------------------


def _roles(space: WidthSpace, listed: Candidates, i: int) -> list[Role]:
    """What layer ``i`` touches."""
    rows, (weight, ifmap) = listed.layers[i], space.operand_tensors[i]
    found = [Role("input", (WIDTH, int(space.input_index[i])), rows.ifmap)]
    own = space.weight_index[i]
    if own is not None:
        found.append(Role("weights", (WIDTH, own), rows.weight))
    found += [Role("beside", (WIDTH, v), width) for v, width in rows.widths_beside]
    operands = ("input", ifmap, rows.ifmap, 1), ("weights", weight, rows.weight, 2)
    for name, t, width, bit in operands:
        if t is not None:
            found.append(Role(name, (PLACE, t), 2 * width + ((rows.variant & bit) > 0)))
    for t, width, there in rows.places_beside:
        found.append(Role("beside", (PLACE, t), 2 * width + there))
    return found


def _classes(space: WidthSpace, listed: Candidates) -> Classes:
    """By what layers and variables are, and by what is near them."""
    roles = [_roles(space, listed, i) for i in range(len(listed.layers))]
    free = (rows.free_beside for rows in listed.layers)
    kinds = (_kind(space, i, *each) for i, each in enumerate(zip(roles, free, strict=True)))
    layer = _numbered([*kinds])
    noises: dict[Variable, list[Hashable]] = {}
    parts = space.member_noise
    for v, m, row in zip(parts.variable.tolist(), parts.member.tolist(), parts.noise, strict=True):
        noises.setdefault((WIDTH, v), []).append((m, row.tobytes()))
    of_variable: dict[Variable, Hashable] = {v: tuple(each) for v, each in noises.items()}
    of_variable |= {(PLACE, t): int(n) for t, n in enumerate(space.placed_elements)}
    names = [*of_variable]
    variable = dict(zip(names, _numbered([*of_variable.values()]), strict=True))
    beside = {(PLACE, t): (WIDTH, int(v)) for t, v in enumerate(space.placed_variable)}
    for _ in range(ROUNDS):
        met: dict[Variable, list[Hashable]] = {name: [variable[name]] for name in names}
        for color, mine in zip(layer, roles, strict=True):
            for n, role in enumerate(mine):
                met[role.variable].append((color, n))
        for tensor, width in beside.items():
            met[tensor].append(("width", variable[width]))
            met[width].append(("place", variable[tensor]))
        each = [(x[0], frozenset(Counter(x[1:]).items())) for x in met.values()]
        variable = dict(zip(names, _numbered(each), strict=True))
        both = [(variable[name], variable[beside.get(name, name)]) for name in names]
        variable = dict(zip(names, _numbered(both), strict=True))
        near = (tuple(variable[role.variable] for role in mine) for mine in roles)
        layer = _numbered([*zip(layer, near, strict=True)])
    return Classes(roles, _members(range(len(layer)), layer), _members(names, variable.values()))


def _kind(space: WidthSpace, i: int, roles: Sequence[Role], free_beside: Sequence[int]) -> Hashable:
    """What layers need in common to have the same options at the same costs."""
    first: dict[Variable, int] = {}
    pattern = tuple(
        (role.variable[0], first.setdefault(role.variable, n)) for n, role in enumerate(roles)
    )
    moved = tuple(
        (x.elements, x.variable is None, x.tensor is None, x.tensor in free_beside)
        for x in space.moved(space.problem.network.layers[i])
    )
    of = int(space.shares.member_of[i]), int(space.geometry_of[i]), int(space.own_weights[i])
    return *of, space.weight_noise[i].tobytes(), moved, pattern


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    """One number for all equal keys."""
    known: dict[Hashable, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]


def _members(those: Any, numbers: Any) -> list[list[Any]]:
    found: dict[int, list[Any]] = {}
    for member, number in zip(those, numbers, strict=True):
        found.setdefault(number, []).append(member)
    return [*found.values()]


# --- the programme ------------------------------------------------------------------------------


class _Link(NamedTuple):
    """That so many of some binaries' counts have a value, for each variable that has it.

    ``those`` are counts of options (``count``) or of values (``having``), by their indices.
    """

    of: str
    those: list[tuple[int, int]]
    having: tuple[int, int]
    least: int
    most: int


class _Programme:
    """What the programme is made of."""

    def __init__(self, space: WidthSpace, listed: Candidates, goal: Goal, classes: Classes) -> None:
        self.space, self.classes, self.goal = space, classes, goal
        self.costs = Coefficients(space, listed, goal, LIMIT_MARGIN)
        asked = goal.metric, *(x for x in goal.limits if x in space.additive_metrics)
        self.metrics = [*dict.fromkeys(asked)]
        self.class_of = {x: n for n, d in enumerate(classes.variables) for x in d}
        self.values = [self._values(d) for d in classes.variables]
        self.options = [self._options(members) for members in classes.layers]
        self.links = [*self._links()]
        self.links += [link for d in range(len(classes.variables)) for link in self._place_links(d)]

    def _values(self, members: list[Variable]) -> list[int]:
        """Values that some variable of a class may have."""
        candidates, numbers = self.costs.candidates, [n for _, n in members]
        if members[0][0] == WIDTH:
            allowed = candidates.variable_allowed[numbers].any(axis=0)
            return [int(b) for b in np.flatnonzero(allowed)]
        each = candidates.places[:, numbers].any(axis=1)  # (2, widths)
        return [2 * int(b) + int(there) for there, b in np.argwhere(each)]

    def _options(self, members: list[int]) -> tuple[Ints, list[Floats]]:
        """(options, roles + 2) what a layer of a class may run; the cost of each in each metric."""
        listed, rows = self.costs.candidates, []
        costs: list[list[Floats]] = [[] for _ in self.metrics]
        for i in members:
            own = listed.layers[i]
            mine = [*(role.values for role in self.classes.roles[i]), own.weight, own.mode]
            rows.append(np.stack(mine, axis=1))
            for found, metric in zip(costs, self.metrics, strict=True):
                each = self.costs.per_run(i, kind_of(metric))
                found.append(self.costs.counts(metric, i) * each)
        unique, which = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
        least = [np.full(len(unique), np.inf) for _ in costs]
        for each, found in zip(least, costs, strict=True):
            np.minimum.at(each, which.ravel(), np.concatenate(found))
        return unique, least

    def _links(self) -> Iterator[_Link]:
        """What options say of the values of variables.

        Those of a class in one role; and those of all classes that touch variables in roles of one
        name, as the variables of a class may be read by layers of several.
        """
        together: dict[tuple[int, str], tuple[Counter[Variable], Options]] = {}
        for c, members in enumerate(self.classes.layers):
            for n, role in enumerate(self.classes.roles[members[0]]):
                touched = Counter(self.classes.roles[i][n].variable for i in members)
                by_value: Options = {}
                for o, value in enumerate(self.options[c][0][:, n].tolist()):
                    by_value.setdefault(value, []).append((c, o))
                d = self.class_of[role.variable]
                yield from self._agree("count", d, touched, by_value)
                all_touched, every = together.setdefault((d, role.name), (Counter(), {}))
                all_touched.update(touched)
                for value, those in by_value.items():
                    every.setdefault(value, []).extend(those)
        for (d, _), (touched, by_value) in together.items():
            yield from self._agree("count", d, touched, by_value)

    def _place_links(self, d: int) -> Iterator[_Link]:
        """A tensor that has a place at a width has that width."""
        if self.classes.variables[d][0][0] == WIDTH:
            return
        width_of = self.space.placed_variable
        touched = Counter((WIDTH, int(width_of[t])) for _, t in self.classes.variables[d])
        by_value: Options = {}
        for s in self.values[d]:
            by_value.setdefault(s // 2, []).append((d, s))
        yield from self._agree("having", self.class_of[next(iter(touched))], touched, by_value)

    def _agree(
        self, of: str, d: int, touched: Counter[Variable], by_value: Options
    ) -> Iterator[_Link]:
        each = [touched[x] for x in self.classes.variables[d]]
        for s in self.values[d]:
            yield _Link(of, by_value.get(s, []), (d, s), min(each), max(each))

    def written(self) -> pyo.ConcreteModel:
        """The model."""
        layers, variables = self.classes.layers, self.classes.variables
        counts = [(c, o) for c, (rows, _) in enumerate(self.options) for o in range(len(rows))]
        values = [(d, s) for d, mine in enumerate(self.values) for s in mine]
        model, whole = pyo.ConcreteModel(), pyo.NonNegativeIntegers

        def all_layers(model, c, o):
            return 0, len(layers[c])

        def all_variables(model, d, s):
            return 0, len(variables[d])

        model.count = pyo.Var(counts, domain=whole, bounds=all_layers)
        model.having = pyo.Var(values, domain=whole, bounds=all_variables)
        limited = [x for x in self.metrics if x in self.goal.limits]

        @model.Constraint(range(len(layers)))
        def every_layer_runs(model, c):
            return sum(model.count[c, o] for o in range(len(self.options[c][0]))) == len(layers[c])

        @model.Constraint(range(len(variables)))
        def every_variable_has(model, d):
            return sum(model.having[d, s] for s in self.values[d]) == len(variables[d])

        def touching(model, link):
            of = model.count if link.of == "count" else model.having
            return Terms().add([1.0] * len(link.those), [of[each] for each in link.those])

        @model.Constraint(range(len(self.links)))
        def no_more_touched(model, n):
            link = self.links[n]
            terms = touching(model, link).add([-float(link.most)], [model.having[link.having]])
            return terms.expression() <= 0

        @model.Constraint(range(len(self.links)))
        def no_fewer_touched(model, n):
            link = self.links[n]
            terms = touching(model, link).add([-float(link.least)], [model.having[link.having]])
            return terms.expression() >= 0

        @model.Constraint(limited)
        def within_budget(model, metric):
            return self._total(model, metric, self.costs.unit[metric]) <= self.costs.ceiling(metric)

        unit = self.costs.objective_unit
        model.objective = pyo.Objective(expr=self._total(model, self.goal.metric, unit))
        model.objective_unit = pyo.Param(initialize=unit)
        return model

    def _total(self, model: pyo.ConcreteModel, metric: str, unit: float) -> LinearExpression:
        """A metric of all, in a unit."""
        terms, n = Terms(), self.metrics.index(metric)
        for c, (_, costs) in enumerate(self.options):
            used = np.flatnonzero(costs[n]).tolist()
            terms.add((costs[n][used] / unit).tolist(), [model.count[c, o] for o in used])
        if kind_of(metric) == "noise":
            noises = self.space.noise_in(metric)
            for d, ((kind, v), *_) in enumerate(self.classes.variables):
                if kind == WIDTH:  # all of a class have the same noise
                    noise = noises[v] / unit
                    mine = self.values[d]
                    terms.add([float(noise[s]) for s in mine], [model.having[d, s] for s in mine])
        return terms.expression()
