"""The joint tables of an elimination, for batches of hardware options.

Axes: ``B`` hardware options of a batch, ``V`` variables, ``S`` steps of a kind, ``T`` joint tables
of a kind, ``w`` values of a variable; a variable has its own number of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.plan import Axes, Plan, StepKind

MOST_LOOKED_UP = 2**17  # entries of joint tables, of which every least is worth knowing at once


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
    joints : list of floats, shape (T, B, w, …)
        The joint tables of each kind of steps.
    messages : list of floats, shape (T, B, w, …)
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
            joint = self.joints[turn.kind][turn.tables]
            kind = plan.kinds[turn.kind]
            for source, _, added, axes in turn.messages:
                joint += self._along(axes, kind, self.messages[source][added])
            least = self.messages[turn.kind][turn.tables]
            np.minimum.reduce(joint, axis=2 + kind.axis, out=least)
        self.value = np.zeros(self.count)
        for _, least in (*self.of_roots(), *self.of_alone()):
            self.value = self.value + least

    def of_roots(self) -> Iterator[tuple[int, Floats]]:
        """The variable eliminated last in each part of the network, and the part's least (B,)."""
        for kind, step in self.plan.roots:
            of_kind = self.plan.kinds[kind]
            yield int(of_kind.variables[step]), self.messages[kind][of_kind.table_of[step]]

    def of_alone(self) -> Iterator[tuple[int, Floats]]:
        """The layers of tables over no variable, and the least of each (B,)."""
        for i in self.plan.alone:
            family, member = self.plan.member_of[i]
            yield i, self.tables[family][:, member]

    def _parts_of(self, kind: StepKind, own: Floats) -> Floats:
        """(T, B, w, …): the variables' own rows and layers' tables, added up."""
        size, shape = kind.shape[kind.axis], (len(kind.first), self.count, *kind.shape)
        variables, parts = kind.of_tables
        joint, mine = self._along(kind.own, kind, own[variables, :, :size]), False
        for family, members, axes in parts:
            table = self.tables[family].swapaxes(0, 1)[members]
            copied = not isinstance(members, slice)
            table = self._along(axes, kind, table)
            if mine and joint.shape == shape:
                joint += table
            else:
                out = table if copied and table.shape == shape else None
                joint, mine = np.add(joint, table, out=out), True
        return joint if mine and joint.shape == shape else np.broadcast_to(joint, shape).copy()

    def _along(self, axes: Axes, kind: StepKind, tables: Floats) -> Floats:
        """Tables (S, B, w, …) with axes of length 1 for those of a joint table that they lack."""
        return tables.reshape(-1, self.count, *_sizes(axes, kind.shape))

    def best(self) -> Ints:
        """(B, V): index of the best width of each variable."""
        count = sum(len(kind.variables) for kind in self.plan.kinds)
        if self.count == 1 and self.plan.entries < MOST_LOOKED_UP:
            return self._best_of_one(count)
        chosen = np.zeros((count, self.count), dtype=np.int64)
        everyone = np.arange(self.count)
        for turn in reversed(self.plan.turns):
            kind = self.plan.kinds[turn.kind]
            where = [*chosen[kind.rest[:, turn.steps]]]
            where.insert(kind.axis, slice(None))
            # Indexed so, steps and batch come first and the variable's own axis last.
            table = kind.table_of[turn.steps, None]
            joint = self.joints[turn.kind][(table, everyone, *where)]
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
            for variable, others, table in kind.listed[turn.steps]:
                entry = 0
                for size, other in zip(sizes, others, strict=True):
                    entry = entry * size + chosen[other]
                chosen[variable] = best[turn.kind][table][entry]
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
        outside = [
            np.empty((len(kind.table_of), *message.shape[1:]))
            for kind, message in zip(plan.kinds, self.messages, strict=True)
        ]
        for root, step in plan.roots:
            message = self.messages[root][plan.kinds[root].table_of[step]]
            outside[root][step] = minus(self.value, message)
        count = sum(len(kind.variables) for kind in plan.kinds)
        own = np.full((count, self.count, max(plan.sizes)), np.inf)
        parts: list[tuple[Ints, int, Ints, Floats]] = []
        for i in plan.alone:
            family, member = plan.member_of[i]
            parts.append((np.array([i]), family, np.array([member]), self.value[None]))
        for turn in reversed(plan.turns):
            kind = plan.kinds[turn.kind]
            total = self.joints[turn.kind][kind.table_of[turn.steps]]
            total += np.expand_dims(outside[turn.kind][turn.steps], 2 + kind.axis)
            size = kind.shape[kind.axis]
            own[kind.variables[turn.steps], :, :size] = project(total, kind.own)
            for source, steps, _, axes in turn.messages:
                message = self.messages[source][plan.kinds[source].table_of[steps]]
                outside[source][steps] = minus(project(total, axes), message)
            for part in kind.parts:
                layers, members = part.layers[turn.steps], part.members[turn.steps]
                parts.append((layers, part.family, members, project(total, part.axes)))
        return own.swapaxes(0, 1), parts


@lru_cache
def _sizes(axes: Axes, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of axes, 1 of those that are left out."""
    return tuple(size if kept else 1 for size, kept in zip(shape, axes, strict=True))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def project(table: Floats, axes: Axes) -> Floats:
    """Least of a table (S, B, w, …) over all but some axes."""
    return np.asarray(table.min(axis=tuple(2 + n for n, kept in enumerate(axes) if not kept)))


def minus(total: Floats, part: Floats) -> Floats:
    """``total − part`` where an impossible part leaves an impossible rest."""
    return np.asarray(
        np.where(np.isinf(total), np.inf, total - np.where(np.isinf(part), 0.0, part))
    )
