"""The joint tables of an elimination, for batches of hardware options.

A network of thousands of layers has few kinds of steps: those whose tables have the same axes are
added up as one array, and those that wait for nothing but earlier steps are minimised as one.

Axes: ``B`` hardware options of a batch, ``V`` variables, ``S`` steps of a kind, ``w`` values of a
variable; a variable has its own number of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.elimination import Bucket, Scope

MOST_LOOKED_UP = 2**17  # entries of joint tables, of which every least is worth knowing at once

Axes = tuple[bool, ...]  # which of a joint table's axes a table has
Added = tuple[tuple[int, Axes], ...]  # kinds of steps whose messages are added
Member = tuple[int, int]  # family, and which of its tables


@dataclass(frozen=True)
class LayerPart:
    """Tables of layers that the steps of a kind add, one each.

    Attributes
    ----------
    layers : ints, shape (S,)
    family : int
    members : ints, shape (S,)
        Which of the family's tables.
    axes : tuple of bool
    """

    layers: Ints
    family: int
    members: Ints
    axes: Axes


@dataclass(frozen=True)
class StepKind:
    """Steps with the same axes.

    Attributes
    ----------
    axis : int
        Of the variable eliminated, among those of the joint table.
    variables : ints, shape (S,)
    rest : ints, shape (axes − 1, S)
        The other variables.
    shape : tuple of int
        Of the joint table.
    parts : tuple of LayerPart
    """

    axis: int
    variables: Ints
    rest: Ints
    shape: tuple[int, ...]
    parts: tuple[LayerPart, ...]

    @property
    def own(self) -> Axes:
        """Which axis the variable's own row has."""
        return tuple(n == self.axis for n in range(len(self.shape)))

    @cached_property
    def listed(self) -> list[tuple[int, list[int]]]:
        """The variable and the others of each step."""
        return list(zip(self.variables.tolist(), self.rest.T.tolist(), strict=True))


@dataclass(frozen=True)
class Turn:
    """Steps of one kind, one after the other in its arrays, that are done at once.

    Attributes
    ----------
    kind : int
    steps : slice
    messages : tuple of (kind, which of its steps, axes)
        Earlier results to add.
    """

    kind: int
    steps: slice
    messages: tuple[tuple[int, Ints | slice, Axes], ...]


class Plan:
    """What is added up and minimised, and when.

    Parameters
    ----------
    scopes : sequence of tuple of int
        Variables of each layer's table.
    member_of : sequence of (family, member)
        Where each layer's table is found.
    sizes : sequence of int
        How many values each variable may have.

    Attributes
    ----------
    alone : list of int
        Layers of tables over no variable.
    roots : list of (kind, step)
        Steps that leave a number.
    entries : int
        Of all joint tables of one option.
    """

    def __init__(
        self,
        buckets: Sequence[Bucket],
        scopes: Sequence[Scope],
        member_of: Sequence[Member],
        sizes: Sequence[int],
    ) -> None:
        self.scopes, self.member_of, self.sizes = scopes, member_of, sizes
        self.alone = [i for i, scope in enumerate(scopes) if not scope]
        self.kinds: list[StepKind] = []
        self.turns: list[Turn] = []
        self._arrange(buckets)
        self.entries = sum(len(kind.variables) * math.prod(kind.shape) for kind in self.kinds)

    def _arrange(self, buckets: Sequence[Bucket]) -> None:
        level: list[int] = []
        for bucket in buckets:
            level.append(1 + max((level[m] for m in bucket.messages), default=-1))
        terms = [self._terms(bucket, buckets) for bucket in buckets]
        kind_of: dict[object, int] = {}
        numbers = [kind_of.setdefault(key, len(kind_of)) for key, _ in terms]
        turns: dict[tuple[int, int, Added], list[int]] = defaultdict(list)
        for b in sorted(range(len(buckets)), key=level.__getitem__):
            each = zip(buckets[b].messages, terms[b][1], strict=True)
            added = tuple((numbers[m], axes) for m, axes in each)
            turns[level[b], numbers[b], added].append(b)
        members: list[list[int]] = [[] for _ in kind_of]
        step_of: dict[int, int] = {}
        for (_, kind, added), steps in turns.items():
            first = len(members[kind])
            step_of |= {b: first + n for n, b in enumerate(steps)}
            members[kind] += steps
            sources = zip(*(buckets[b].messages for b in steps), strict=True)
            messages = tuple(
                (source, _span([step_of[m] for m in mine]), axes)
                for (source, axes), mine in zip(added, sources, strict=True)
            )
            self.turns.append(Turn(kind, slice(first, len(members[kind])), messages))
        self.kinds = [self._kind([buckets[b] for b in steps]) for steps in members]
        ends = (b for b, bucket in enumerate(buckets) if len(bucket.scope) == 1)
        self.roots = [(numbers[b], step_of[b]) for b in ends]

    def _terms(
        self, bucket: Bucket, buckets: Sequence[Bucket]
    ) -> tuple[tuple[object, ...], tuple[Axes, ...]]:
        """What makes a step's kind, and the axes of the messages it adds."""
        layers = (
            (self.member_of[i][0], _axes(self.scopes[i], bucket.scope)) for i in bucket.layers
        )
        axis = bucket.scope.index(bucket.variable)
        messages = (_axes(buckets[m].rest, bucket.scope) for m in bucket.messages)
        shape = tuple(self.sizes[v] for v in bucket.scope)
        return (shape, axis, *layers), tuple(messages)

    def _kind(self, steps: Sequence[Bucket]) -> StepKind:
        scope = steps[0].scope
        parts = []
        for layers in zip(*(step.layers for step in steps), strict=True):
            mine = [self.member_of[i] for i in layers]
            axes = _axes(self.scopes[layers[0]], scope)
            members = np.array([member for _, member in mine])
            parts.append(LayerPart(np.array(layers), mine[0][0], members, axes))
        rest = np.array([step.rest for step in steps], dtype=np.int64).T
        return StepKind(
            axis=scope.index(steps[0].variable),
            variables=np.array([step.variable for step in steps]),
            rest=rest,
            shape=tuple(self.sizes[v] for v in scope),
            parts=tuple(parts),
        )


class Sweep:
    """Every variable eliminated, upwards: joint tables, messages, and the optimum.

    Parameters
    ----------
    own : floats, shape (B, V, w)
        What each variable's values cost by themselves; padded to the longest.
    tables : list of floats, shape (B, members, w, …)
        Of each family of layers.

    Attributes
    ----------
    joints : list of floats, shape (S, B, w, …)
        Of each kind of steps.
    messages : list of floats, shape (S, B, w, …)
        The same without the variable eliminated.
    value : floats, shape (B,)
    """

    def __init__(self, plan: Plan, own: Floats, tables: Sequence[Floats]) -> None:
        self.plan, self.tables, self.count = plan, tables, len(own)
        own = own.swapaxes(0, 1)
        self.joints = [self._parts_of(kind, own) for kind in plan.kinds]
        self.messages = [
            np.empty((*joint.shape[:2], *_without(kind.shape, kind.axis)))
            for kind, joint in zip(plan.kinds, self.joints, strict=True)
        ]
        for turn in plan.turns:
            joint = self.joints[turn.kind][turn.steps]
            for source, steps, axes in turn.messages:
                joint += _along(axes, joint, self.messages[source][steps])
            least = self.messages[turn.kind][turn.steps]
            np.minimum.reduce(joint, axis=2 + plan.kinds[turn.kind].axis, out=least)
        self.value = np.zeros(self.count)
        for kind, step in plan.roots:
            self.value = self.value + self.messages[kind][step]
        for i in plan.alone:
            family, member = plan.member_of[i]
            self.value = self.value + tables[family][:, member]

    def _parts_of(self, kind: StepKind, own: Floats) -> Floats:
        """(S, B, w, …): the variables' own rows and layers' tables, added up."""
        size, shape = kind.shape[kind.axis], (len(kind.variables), self.count, *kind.shape)
        tables = [self.tables[x.family].swapaxes(0, 1)[x.members] for x in kind.parts]
        own = own[kind.variables, :, :size]
        if kind.parts and all(kind.parts[0].axes):  # a copy already
            joint = tables[0].reshape(shape)
            joint += _along(kind.own, joint, own)
        else:
            joint = np.empty(shape)
            joint[...] = _along(kind.own, joint, own)
            if kind.parts:
                joint += _along(kind.parts[0].axes, joint, tables[0])
        for part, table in zip(kind.parts[1:], tables[1:], strict=True):
            joint += _along(part.axes, joint, table)
        return joint

    def best(self) -> Ints:
        """(B, V): index of the best width of each variable."""
        count = sum(len(kind.variables) for kind in self.plan.kinds)
        if self.count == 1 and self.plan.entries < MOST_LOOKED_UP:
            return self._best_of_one(count)
        chosen = np.zeros((count, self.count), dtype=np.int64)
        everyone = np.arange(self.count)
        for turn in reversed(self.plan.turns):
            kind, joint = self.plan.kinds[turn.kind], self.joints[turn.kind][turn.steps]
            if len(kind.rest):
                where = [*chosen[kind.rest[:, turn.steps]]]
                where.insert(kind.axis, slice(None))
                # Indexed so, steps and batch come first and the variable's own axis last.
                joint = joint[(np.arange(len(joint))[:, None], everyone, *where)]
            chosen[kind.variables[turn.steps]] = joint.argmin(axis=-1)
        return chosen.T

    def _best_of_one(self, count: int) -> Ints:
        """The same for a batch of one, where looking up is quicker than indexing arrays."""
        chosen = [0] * count
        best = [
            joint.argmin(axis=2 + kind.axis).reshape(len(joint), -1).tolist()
            for kind, joint in zip(self.plan.kinds, self.joints, strict=True)
        ]
        for turn in reversed(self.plan.turns):
            kind = self.plan.kinds[turn.kind]
            sizes = _without(kind.shape, kind.axis)
            mine = zip(kind.listed[turn.steps], best[turn.kind][turn.steps], strict=True)
            for (variable, others), widths_at in mine:
                entry = 0
                for size, other in zip(sizes, others, strict=True):
                    entry = entry * size + chosen[other]
                chosen[variable] = widths_at[entry]
        return np.array([chosen])

    def marginals(self) -> tuple[Floats, list[tuple[Ints, int, Ints, Floats]]]:
        """The optimum if one choice were forced.

        Returns
        -------
        own : floats, shape (B, V, w)
            For each value of each variable; inf beyond its own.
        parts : list of (layers, family, members, floats of shape (layers, B, w, …))
            For each entry of layers' tables.
        """
        plan = self.plan
        outside = [np.empty_like(message) for message in self.messages]
        for root, step in plan.roots:
            outside[root][step] = minus(self.value, self.messages[root][step])
        count = sum(len(kind.variables) for kind in plan.kinds)
        own = np.full((count, self.count, max(plan.sizes)), np.inf)
        parts: list[tuple[Ints, int, Ints, Floats]] = []
        for i in plan.alone:
            family, member = plan.member_of[i]
            parts.append((np.array([i]), family, np.array([member]), self.value[None]))
        for turn in reversed(plan.turns):
            kind = plan.kinds[turn.kind]
            rest = np.expand_dims(outside[turn.kind][turn.steps], 2 + kind.axis)
            total = self.joints[turn.kind][turn.steps] + rest
            size = kind.shape[kind.axis]
            own[kind.variables[turn.steps], :, :size] = project(total, kind.own)
            for source, steps, axes in turn.messages:
                least = project(total, axes)
                outside[source][steps] = minus(least, self.messages[source][steps])
            for part in kind.parts:
                layers, members = part.layers[turn.steps], part.members[turn.steps]
                parts.append((layers, part.family, members, project(total, part.axes)))
        return own.swapaxes(0, 1), parts


def _along(axes: Axes, joint: Floats, tables: Floats) -> Floats:
    """Tables (S, B, w, …) with an axis of length 1 for each of a joint table's they have not."""
    shape = (size if kept else 1 for size, kept in zip(joint.shape[2:], axes, strict=True))
    return tables.reshape(-1, joint.shape[1], *shape)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def project(table: Floats, axes: Axes) -> Floats:
    """Least of a table (S, B, w, …) over all but some axes."""
    return np.asarray(table.min(axis=tuple(2 + n for n, kept in enumerate(axes) if not kept)))


def _axes(own: Scope, scope: Scope) -> Axes:
    """Which variables of a scope are a table's own."""
    return tuple(variable in own for variable in scope)


def minus(total: Floats, part: Floats) -> Floats:
    """``total − part`` where an impossible part leaves an impossible rest."""
    return np.asarray(
        np.where(np.isinf(total), np.inf, total - np.where(np.isinf(part), 0.0, part))
    )


def _span(numbers: list[int]) -> Ints | slice:
    """Places in ascending order without a gap as a slice, for the sake of speed."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return np.array(numbers)
