"""In what order tables are added up and minimised: the plan of an elimination.

A network of thousands of layers has few kinds of steps: those whose tables have the same axes are
added up as one array, and those that wait for nothing but earlier steps are minimised as one. Steps
that add up the same, such as those of blocks that repeat, are done once for all of them.

Axes: ``S`` steps of a kind, ``T`` joint tables of a kind.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from codesign.arrays import Ints
from codesign.search.bounds.elimination import Bucket, Scope

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
    table_of : ints, shape (S,)
        Which of the kind's joint tables is each step's.
    first : ints, shape (T,)
        The first step of each joint table.
    """

    axis: int
    variables: Ints
    rest: Ints
    shape: tuple[int, ...]
    parts: tuple[LayerPart, ...]
    table_of: Ints
    first: Ints

    @property
    def own(self) -> Axes:
        """Which axis the variable's own row has."""
        return tuple(n == self.axis for n in range(len(self.shape)))

    @cached_property
    def of_tables(self) -> tuple[Ints | slice, list[tuple[int, Ints | slice, Axes]]]:
        """The variable of each joint table; family, members and axes of each part.

        Parts of few axes first: then all but the last sum are over few.
        """
        parts = [
            (part.family, _span(part.members[self.first].tolist()), part.axes)
            for part in sorted(self.parts, key=lambda part: sum(part.axes))
        ]
        return _span(self.variables[self.first].tolist()), parts

    @cached_property
    def listed(self) -> list[tuple[int, list[int], int]]:
        """The variable and the others of each step, and its joint table."""
        each = self.variables.tolist(), self.rest.T.tolist(), self.table_of.tolist()
        return list(zip(*each, strict=True))


class Message(NamedTuple):
    """Earlier results that the steps of a turn add: those of some steps of a kind.

    ``steps`` has one for each step of the turn, ``tables`` one joint table for each of its tables.
    """

    kind: int
    steps: Ints | slice
    tables: Ints | slice
    axes: Axes


@dataclass(frozen=True)
class Turn:
    """Steps of one kind, one after the other in its arrays, that are done at once.

    Attributes
    ----------
    kind : int
    steps, tables : slice
        The steps, and their joint tables.
    messages : tuple of Message
    """

    kind: int
    steps: slice
    tables: slice
    messages: tuple[Message, ...]


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
    rows : sequence of int, optional
        A number of each variable: where two have the same, so has each of their values a cost of
        its own. By default no two have.

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
        rows: Sequence[int] | None = None,
    ) -> None:
        self.scopes, self.member_of, self.sizes = scopes, member_of, sizes
        self.rows = range(len(sizes)) if rows is None else rows
        self.alone = [i for i, scope in enumerate(scopes) if not scope]
        self.kinds: list[StepKind] = []
        self.turns: list[Turn] = []
        self._arrange(buckets)
        self.entries = sum(len(kind.first) * math.prod(kind.shape) for kind in self.kinds)

    def _arrange(self, buckets: Sequence[Bucket]) -> None:
        level: list[int] = []
        for bucket in buckets:
            level.append(1 + max((level[m] for m in bucket.messages), default=-1))
        terms = [self._terms(bucket, buckets) for bucket in buckets]
        kind_of: dict[object, int] = {}
        numbers = [kind_of.setdefault(key, len(kind_of)) for key, _ in terms]
        alike = self._alike(buckets, numbers, [axes for _, axes in terms])
        turns: dict[tuple[int, int, Added], list[int]] = defaultdict(list)
        for b in sorted(range(len(buckets)), key=level.__getitem__):
            each = zip(buckets[b].messages, terms[b][1], strict=True)
            added = tuple((numbers[m], axes) for m, axes in each)
            turns[level[b], numbers[b], added].append(b)
        members: list[list[int]] = [[] for _ in kind_of]
        firsts: list[list[int]] = [[] for _ in kind_of]
        step_of, table_of = dict[int, int](), dict[int, int]()
        for (_, kind, added), steps in turns.items():
            first = [b for b in steps if alike[b] == b]
            step_of |= {b: len(members[kind]) + n for n, b in enumerate(steps)}
            table_of |= {b: len(firsts[kind]) + n for n, b in enumerate(first)}
            sources = [[step_of[m] for m in buckets[b].messages] for b in steps]
            tables = [[table_of[alike[m]] for m in buckets[b].messages] for b in first]
            messages = tuple(
                Message(source, _span([x[n] for x in sources]), _span([x[n] for x in tables]), axes)
                for n, (source, axes) in enumerate(added)
            )
            mine = (_next(members[kind], steps), _next(firsts[kind], first))
            self.turns.append(Turn(kind, *mine, messages))
        self.kinds = [
            self._kind([buckets[b] for b in steps], [table_of[alike[b]] for b in steps])
            for steps in members
        ]
        ends = (b for b, bucket in enumerate(buckets) if len(bucket.scope) == 1)
        self.roots = [(numbers[b], step_of[b]) for b in ends]

    def _alike(
        self, buckets: Sequence[Bucket], kinds: Sequence[int], axes: Sequence[tuple[Axes, ...]]
    ) -> list[int]:
        """The first bucket whose joint table is the same as each one's: it adds up the same.

        The same members of the same families, the same costs of the variable's values, and the
        messages of buckets alike; all along the same axes.
        """
        first: dict[object, int] = {}
        alike: list[int] = []
        for b, bucket in enumerate(buckets):
            members = tuple(self.member_of[i] for i in bucket.layers)
            messages = tuple(alike[m] for m in bucket.messages)
            added = self.rows[bucket.variable], members, messages, axes[b]
            alike.append(first.setdefault((kinds[b], *added), b))
        return alike

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

    def _kind(self, steps: Sequence[Bucket], table_of: Sequence[int]) -> StepKind:
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
            table_of=np.array(table_of),
            first=np.unique(table_of, return_index=True)[1],
        )


def _axes(own: Scope, scope: Scope) -> Axes:
    """Which variables of a scope are a table's own."""
    return tuple(variable in own for variable in scope)


def _next(those: list[int], more: list[int]) -> slice:
    """Append some; returns where."""
    those += more
    return slice(len(those) - len(more), len(those))


def _span(numbers: list[int]) -> Ints | slice:
    """Places in ascending order without a gap as a slice, for the sake of speed."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return np.array(numbers)
