"""Tables cut from a variable, what its values cost them taken off and left with the variable.

A table that is cut from a variable takes the value that suits it best, whatever the others take.
What each value costs it at least need not be cut with it: taken off the table and added to the
variable's own row, the least of both together is still no more than that of the whole. Where the
table is a sum of a part of the variable's and a part of all else it is exactly that, as where a
layer's time is that of its DRAM bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from codesign.arrays import Floats
from codesign.problem.tolerances import sum_rounding
from codesign.search.bounds.elimination import Role
from codesign.search.bounds.joint_tables import minus

if TYPE_CHECKING:
    from codesign.search.bounds.batch import Batch, RunPrices
    from codesign.search.bounds.layer_tables import LayerTables

Aside = Mapping[int, Floats]

ROUNDING = sum_rounding(2)  # of what is taken off here and added there


def taken_apart(table: Floats, values: int) -> tuple[Floats, Floats]:
    """A table (B, K, w, …) less the least at each value of its first axis, and that least.

    The least (B, K, w) is less all that rounding can have added to the sum of both.
    """
    if table.shape[2] != values:
        table = np.broadcast_to(table, (*table.shape[:2], values, *table.shape[3:]))
    flat = table.reshape(*table.shape[:3], -1)
    least = flat.min(axis=3)
    most = np.where(np.isfinite(flat), np.abs(flat), 0.0).max(axis=(2, 3))
    rest = minus(table, least.reshape(*least.shape, *(1,) * (table.ndim - 3)))
    return rest, least - ROUNDING * most[..., None]


class TablesApart:
    """The tables of layers, less what is taken off those that are cut from their weights' widths.

    Attributes
    ----------
    of : mapping of int to (ints, ints)
        Of families that costs are taken off: the kind and the variable of each of its layers.
    """

    def __init__(self, tables: LayerTables) -> None:
        self.tables = tables
        found: dict[int, list[tuple[int, int]]] = {}
        for i, (family, kind) in enumerate(tables.member_of):
            variable = tables.space.weight_index[i]
            if tables.families[family].apart and variable is not None:
                found.setdefault(family, []).append((kind, variable))
        each = {family: np.array(pairs).T for family, pairs in found.items()}
        self.of = {family: (kinds, variables) for family, (kinds, variables) in each.items()}

    def full(
        self, batch: Batch, coefficients: Floats, prices: RunPrices | None
    ) -> tuple[list[Floats], list[Floats], Aside]:
        """Of each family `LayerTables.full`, the least over its free axes, and what was taken off.

        The last (B, K, w), of those families alone that anything is taken off.
        """
        full, least, aside = list[Floats](), list[Floats](), dict[int, Floats]()
        for n in range(len(self.tables.families)):
            table = self.tables.full(n, batch, coefficients, prices)
            if n in self.of:
                table, aside[n] = taken_apart(table, len(self.tables.widths))
            full.append(table)
            least.append(self.tables.reduced(n, table))
        return full, least, aside

    def least(
        self, batch: Batch, coefficients: Floats, prices: RunPrices | None
    ) -> tuple[list[Floats], Aside]:
        """Of each family `LayerTables.least`, and what was taken off, as of `full`."""
        least, aside = list[Floats](), dict[int, Floats]()
        for n in range(len(self.tables.families)):
            if n in self.of:
                table = self.tables.full(n, batch, coefficients, prices)
                table, aside[n] = taken_apart(table, len(self.tables.widths))
                least.append(self.tables.reduced(n, table))
            else:
                least.append(self.tables.least(n, batch, coefficients, prices))
        return least, aside

    def charged(self, own: Floats, aside: Aside) -> Floats:
        """(B, variables, values): what values cost by themselves, and what was taken off tables."""
        for family, costs in aside.items():
            own = np.broadcast_to(own, (len(costs), *own.shape[-2:])).copy()
            kinds, variables = self.of[family]
            for n, v in enumerate(variables.tolist()):
                own[:, v, : costs.shape[2]] += costs[:, kinds[n]]
        return own

    def numbered(self, rows: Sequence[int]) -> list[int]:
        """Numbers of variables: equal where rows are, and what is taken off tables for them."""
        added: list[list[int]] = [[] for _ in rows]
        for family, (kinds, variables) in self.of.items():
            for kind, v in zip(kinds.tolist(), variables.tolist(), strict=True):
                added[v] += family, kind
        known: dict[tuple[int, ...], int] = {}
        each = ((row, *more) for row, more in zip(rows, added, strict=True))
        return [known.setdefault(x, len(known)) for x in each]


def of_one_member(
    roles: Sequence[Mapping[int, Role]], member_of: Sequence[int]
) -> list[dict[int, Role]]:
    """Variables of each layer's table, those of several members left to the first that has one."""
    first: dict[int, int] = {}
    for each, member in zip(roles, member_of, strict=True):
        for variable in each:
            first.setdefault(variable, member)
    return [
        {v: role for v, role in each.items() if first[v] == member}
        for each, member in zip(roles, member_of, strict=True)
    ]
