"""The least of one cost within a limit on another, over tables that share variables.

Variables are eliminated one after the other as where tables are minimised (`elimination`), but a
joint table keeps in each entry every undominated pair of costs, its labels, instead of one least
sum: dynamic programming as for shortest paths within a budget (Joksch 1966). What a label costs in
the Lagrangian, and the least that the rest can add to it, bounds all that it is a part of; above a
ceiling it is left out (Dumitrescu and Boland 2003). What is left is small where the ceiling is near
the least Lagrangian.

Axes: ``n`` labels or entries, ``k`` variables of a scope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.elimination import Bucket, Scope, eliminate

MOST_LABELS = 2**21  # at once; of more a MILP is as quick
FEW_ROWS = 48  # gone through one by one


class TooManyLabels(Exception):
    """There are more labels than are worth going through."""


@dataclass(frozen=True)
class LabelTable:
    """Entries of one table that may be chosen, several for the same values where costs differ.

    Attributes
    ----------
    scope : tuple of int
    values : ints, shape (n, k)
    costs : floats, shape (n, 2)
    """

    scope: Scope
    values: Ints
    costs: Floats


@dataclass(frozen=True)
class Chosen:
    """What is best within the limit.

    Attributes
    ----------
    costs : floats, shape (2,)
    values : list of int
        Of each variable.
    entries : list of int
        The row of each table.
    """

    costs: Floats
    values: list[int]
    entries: list[int]


@dataclass
class _Labels:
    """Labels of the entries of a table, in the order of their codes.

    Attributes
    ----------
    scope : tuple of int
    code : ints, shape (n,)
        Of the values of the scope's variables.
    costs : floats, shape (n, 2)
    regret : floats, shape (n,)
        The Lagrangian above the least of the same values.
    row : ints, shape (n,)
        Of a table its entry, of a joint table the row of ``parts``.
    """

    scope: Scope
    code: Ints
    costs: Floats
    regret: Floats
    row: Ints


@dataclass
class _Joint:
    """The joint table of a bucket: entries by code, their least Lagrangian, and that outside.

    ``least`` and ``outside`` are of the codes ``rest``, without the variable eliminated, and
    ``rest_of`` says which is an entry's. ``parts`` (n, sources) holds what each label is made of,
    ``entry`` (n,) of which entry it is.
    """

    bucket: Bucket
    values: Ints  # (entries, k)
    value: Floats
    rest: Ints
    rest_of: Ints
    least: Floats
    outside: Floats = field(default_factory=lambda: np.zeros(0))
    entry: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    parts: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))


class LabelSearch:
    """Finds the least first cost among what keeps the second within a limit.

    Parameters
    ----------
    tables : sequence of LabelTable
    own : floats, shape (variables, values, 2)
        What each variable's values cost by themselves; inf of what is none.
    sizes : sequence of int
        How many values each variable may have.
    charge : float
        Of a unit of the second cost in the Lagrangian.
    check_time : callable
        Called before each step; may raise.
    """

    def __init__(
        self,
        tables: Sequence[LabelTable],
        own: Floats,
        sizes: Sequence[int],
        charge: float,
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.tables, self.own, self.sizes, self.charge = tables, own, sizes, charge
        self.check_time = check_time
        self.labels = [self._of_table(table) for table in tables]
        self.least = [_least(x.code, self._lagrangian(x.costs)) for x in self.labels]
        for each, (code, least) in zip(self.labels, self.least, strict=True):
            each.regret = self._lagrangian(each.costs) - least[np.searchsorted(code, each.code)]
        self.buckets = eliminate([x.scope for x in tables], sizes, check_time)
        self.alone = [i for i, x in enumerate(tables) if not x.scope]

    def solve(self, limit: float, ceiling: float) -> Chosen | None:
        """The best within the limit of all whose Lagrangian is within the ceiling.

        Raises
        ------
        TooManyLabels
        """
        joints: list[_Joint] = []
        for bucket in self.buckets:
            self.check_time()
            joints.append(self._join(bucket, joints))
        ends = [b for b, joint in enumerate(joints) if len(joint.bucket.scope) == 1]
        each = [*(joints[b].least for b in ends), *(self.least[i][1] for i in self.alone)]
        if not all(map(len, each)):
            return None
        total = float(sum(least[0] for least in each))
        if total > ceiling:
            return None
        for b in ends:
            joints[b].outside = total - joints[b].least
        for joint in reversed(joints):
            self._look_outside(joint, joints, ceiling)
        of_joints: list[_Labels] = []
        for joint in joints:
            self.check_time()
            of_joints.append(self._label(joint, joints, of_joints, ceiling))
        roots = [*(of_joints[b] for b in ends), *(self.labels[i] for i in self.alone)]
        found = self._best_of(roots, limit, ceiling - total)
        return None if found is None else self._trace(found, ends, joints, of_joints)

    # Codes --------------------------------------------------------------------------------------

    def _code(self, scope: Scope, values: Ints, of: Scope) -> Ints:
        """(n,): a number for the values (n, k) of a scope's variables, of some of them, ``of``."""
        code = np.zeros(len(values), dtype=np.int64)
        for v in of:
            code = code * self.sizes[v] + values[:, scope.index(v)]
        return code

    def _lagrangian(self, costs: Floats) -> Floats:
        return np.asarray(costs[:, 0] + self.charge * costs[:, 1])

    def _of_table(self, table: LabelTable) -> _Labels:
        code = self._code(table.scope, table.values, table.scope)
        rows = _undominated(code, table.costs)
        return _Labels(table.scope, code[rows], table.costs[rows], np.zeros(0), rows)

    # Least Lagrangians --------------------------------------------------------------------------

    def _join(self, bucket: Bucket, joints: Sequence[_Joint]) -> _Joint:
        """The joint table of a bucket, of least Lagrangians."""
        v = bucket.variable
        values = np.flatnonzero(np.isfinite(self.own[v, : self.sizes[v]]).all(axis=1))[:, None]
        scope: Scope = (v,)
        value = self._lagrangian(self.own[v, values[:, 0]])
        parts = [(self.tables[i].scope, *self.least[i]) for i in bucket.layers]
        parts += [(joints[m].bucket.rest, joints[m].rest, joints[m].least) for m in bucket.messages]
        for part in sorted(parts, key=lambda x: len(x[1])):
            scope, values, value = self._with(scope, values, value, *part)
        order = [scope.index(x) for x in bucket.scope]
        values = values[:, order]
        rest, rest_of = np.unique(
            self._code(bucket.scope, values, bucket.rest), return_inverse=True
        )
        least = np.full(len(rest), np.inf)
        np.minimum.at(least, rest_of, value)
        return _Joint(bucket, values, value, rest, rest_of, least)

    def _with(
        self, scope: Scope, values: Ints, value: Floats, other: Scope, code: Ints, least: Floats
    ) -> tuple[Scope, Ints, Floats]:
        """Entries joined with those of another table, given by code, which agree with them."""
        common = tuple(x for x in other if x in scope)
        digits = self._decoded(other, code)
        asked = self._code(other, digits, common)
        order = np.argsort(asked, kind="stable")
        mine, theirs = _pairs(self._code(scope, values, common), asked[order])
        theirs = order[theirs]
        new = [n for n, x in enumerate(other) if x not in scope]
        joined = np.concatenate([values[mine], digits[theirs][:, new]], axis=1)
        return (*scope, *(other[n] for n in new)), joined, value[mine] + least[theirs]

    def _decoded(self, scope: Scope, code: Ints) -> Ints:
        """(n, k): the values of codes."""
        digits = np.empty((len(code), len(scope)), dtype=np.int64)
        for n in reversed(range(len(scope))):
            code, digits[:, n] = np.divmod(code, self.sizes[scope[n]])
        return digits

    def _look_outside(self, joint: _Joint, joints: Sequence[_Joint], ceiling: float) -> None:
        """Leave out entries above the ceiling; tell earlier joint tables what is outside them."""
        total = joint.value + joint.outside[joint.rest_of]
        kept = total <= ceiling
        joint.values, joint.value = joint.values[kept], joint.value[kept]
        joint.rest_of, total = joint.rest_of[kept], total[kept]
        for m in joint.bucket.messages:
            source = joints[m]
            code = self._code(joint.bucket.scope, joint.values, source.bucket.rest)
            whole = np.full(len(source.rest), np.inf)
            np.minimum.at(whole, np.searchsorted(source.rest, code), total)
            source.outside = whole - source.least

    # Labels -------------------------------------------------------------------------------------

    def _label(
        self, joint: _Joint, joints: Sequence[_Joint], found: Sequence[_Labels], ceiling: float
    ) -> _Labels:
        """The undominated labels of a bucket's joint table, its variable eliminated."""
        bucket = joint.bucket
        entry = np.arange(len(joint.values))
        left = ceiling - (joint.value + joint.outside[joint.rest_of])
        costs = self.own[bucket.variable, joint.values[:, bucket.scope.index(bucket.variable)]]
        regret, parts = np.zeros(len(entry)), np.zeros((len(entry), 0), dtype=np.int64)
        for source in (
            *(self.labels[i] for i in bucket.layers),
            *(found[m] for m in bucket.messages),
        ):
            code = self._code(bucket.scope, joint.values, source.scope)
            mine, theirs = _pairs(code[entry], source.code)
            total = regret[mine] + source.regret[theirs]
            kept = total <= left[entry[mine]]
            mine, theirs, regret = mine[kept], theirs[kept], total[kept]
            entry, costs = entry[mine], costs[mine] + source.costs[theirs]
            parts = np.concatenate([parts[mine], theirs[:, None]], axis=1)
            rows = _undominated(entry, costs)
            entry, costs, regret, parts = entry[rows], costs[rows], regret[rows], parts[rows]
        rest = joint.rest_of[entry]
        regret = regret + joint.value[entry] - joint.least[rest]
        rows = _undominated(rest, costs)
        joint.entry, joint.parts = entry[rows], parts[rows]
        every = np.arange(len(rows))
        return _Labels(bucket.rest, joint.rest[rest[rows]], costs[rows], regret[rows], every)

    def _best_of(
        self, roots: Sequence[_Labels], limit: float, left: float
    ) -> tuple[Floats, Ints] | None:
        """The best within the limit of what adds up from each root's labels; which they are."""
        costs, regret = np.zeros((1, 2)), np.zeros(1)
        parts = np.zeros((1, 0), dtype=np.int64)
        for root in roots:
            mine, theirs = _pairs(np.zeros(len(costs), dtype=np.int64), 0 * root.code)
            total = regret[mine] + root.regret[theirs]
            kept = total <= left
            mine, theirs, regret = mine[kept], theirs[kept], total[kept]
            costs = costs[mine] + root.costs[theirs]
            parts = np.concatenate([parts[mine], theirs[:, None]], axis=1)
            rows = _undominated(np.zeros(len(costs), dtype=np.int64), costs)
            costs, regret, parts = costs[rows], regret[rows], parts[rows]
        within = np.flatnonzero(costs[:, 1] <= limit)
        if not len(within):
            return None
        best = within[costs[within, 0].argmin()]
        return costs[best], parts[best]

    def _trace(
        self,
        found: tuple[Floats, Ints],
        ends: Sequence[int],
        joints: Sequence[_Joint],
        labels: Sequence[_Labels],
    ) -> Chosen:
        """What the best is made of."""
        costs, roots = found
        values, entries = [0] * len(self.sizes), [0] * len(self.tables)
        for i, row in zip(self.alone, roots[len(ends) :].tolist(), strict=True):
            entries[i] = int(self.labels[i].row[row])
        stack = list(zip(ends, roots[: len(ends)].tolist(), strict=True))
        while stack:
            b, row = stack.pop()
            joint = joints[b]
            bucket, row = joint.bucket, int(labels[b].row[row])
            own = joint.values[joint.entry[row], bucket.scope.index(bucket.variable)]
            values[bucket.variable] = int(own)
            parts = joint.parts[row].tolist()
            for i, part in zip(bucket.layers, parts, strict=False):
                entries[i] = int(self.labels[i].row[part])
            stack += zip(bucket.messages, parts[len(bucket.layers) :], strict=True)
        return Chosen(costs, values, entries)


def _least(code: Ints, value: Floats) -> tuple[Ints, Floats]:
    """The codes, ascending, and the least value of each."""
    codes, which = np.unique(code, return_inverse=True)
    least = np.full(len(codes), np.inf)
    np.minimum.at(least, which, value)
    return codes, least


def _pairs(asked: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """Rows of ``asked``, each with every row of the ascending ``codes`` that has the same.

    Raises
    ------
    TooManyLabels
    """
    first = np.searchsorted(codes, asked, side="left")
    count = np.searchsorted(codes, asked, side="right") - first
    total = int(count.sum())
    if total > MOST_LABELS:
        raise TooManyLabels
    mine = np.repeat(np.arange(len(asked)), count)
    before = np.cumsum(count) - count
    return mine, np.arange(total) - before[mine] + first[mine]


def _undominated(group: Ints, costs: Floats) -> Ints:
    """Rows of which no other of the same group costs no more of both; ascending by group."""
    if len(group) <= FEW_ROWS:
        return _undominated_of_few(group, costs)
    order = np.lexsort((costs[:, 0], costs[:, 1], group))
    first = costs[order, 0]
    # Ranks that fall from group to group, so that one running minimum serves all.
    rank = np.searchsorted(np.sort(first), first)
    of_group = group[order]
    number = np.cumsum(np.diff(of_group, prepend=of_group[:1]) != 0)
    falling = rank - number * (len(first) + 1)
    least: Ints = np.minimum.accumulate(falling)
    better: Bools = np.ones(len(order), dtype=bool)
    better[1:] = falling[1:] < least[:-1]
    return np.asarray(order[better])


def _undominated_of_few(group: Ints, costs: Floats) -> Ints:
    """The same of so few rows that arrays take longer than to go through them."""
    found, last, least = list[int](), -1, math.inf
    rows = group.tolist(), *costs.T[::-1].tolist(), range(len(group))
    for of_group, _, cost, row in sorted(zip(*rows, strict=True)):
        if of_group != last or cost < least:
            found.append(row)
            last, least = of_group, cost
    return np.array(found, dtype=np.int64)
