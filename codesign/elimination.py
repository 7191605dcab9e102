"""Which tables are joined over which width variables, and in what order those are eliminated.

Dynamic programming over tables that share variables: a variable's bucket adds up all tables that
touch it and minimises it away, which leaves one table over the others. Where a bucket would grow
too large, couplings are cut: a layer's table then runs over a copy of the variable of its own.
Copies may differ where the truth may not, so a minimum over them bounds the true one from below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

Scope = tuple[int, ...]


class Role(IntEnum):
    """What a width variable is to a layer; those that cost the bound most, if cut, last."""

    RESIDUAL = 0
    OUTPUT = 1
    WEIGHTS = 2  # the layer's own, sharing their width
    OPERAND = 3  # the input, or the tensor that stands in for the weights


@dataclass(frozen=True)
class Bucket:
    """Elimination of one variable: what is added up, over which variables.

    Attributes
    ----------
    variable : int
    scope : tuple of int
        Ascending, the variable itself among them.
    layers : tuple of int
        Whose tables are added here.
    messages : tuple of int
        Indices of earlier buckets whose results are.
    """

    variable: int
    scope: Scope
    layers: tuple[int, ...]
    messages: tuple[int, ...]

    @property
    def rest(self) -> Scope:
        """The scope once the variable is eliminated."""
        return tuple(other for other in self.scope if other != self.variable)


def eliminate(scopes: Sequence[Scope], variables: int) -> list[Bucket]:
    """Order of elimination by the smallest table first, with what each step adds up."""
    touching: list[dict[tuple[str, int], frozenset[int]]] = [{} for _ in range(variables)]
    for i, scope in enumerate(scopes):
        for variable in scope:
            touching[variable]["layer", i] = frozenset(scope)
    joined = [frozenset({v}).union(*touching[v].values()) for v in range(variables)]
    left = set(range(variables))
    buckets: list[Bucket] = []
    while left:
        variable = min(left, key=lambda v: (len(joined[v]), v))
        parts = touching[variable]
        buckets.append(
            Bucket(
                variable,
                tuple(sorted(joined[variable])),
                tuple(i for kind, i in parts if kind == "layer"),
                tuple(i for kind, i in parts if kind == "message"),
            )
        )
        left.remove(variable)
        rest = joined[variable] - {variable}
        for other in rest:
            touching[other] = {k: s for k, s in touching[other].items() if k not in parts}
            touching[other]["message", len(buckets) - 1] = rest
            joined[other] = frozenset({other}).union(*touching[other].values())
    return buckets


def choose_scopes(
    roles: Sequence[Mapping[int, Role]],
    variables: int,
    too_large: Callable[[int], bool],
    far_too_large: Callable[[int], bool],
) -> list[Scope]:
    """Width variables of each layer's table, so that no table gets too large.

    Cut first are residuals and what reaches over several layers (long skip connections, parts of a
    concatenation written early), the farthest first; then, one group at a time, the shared widths
    of weights; whatever else only where a table would be far too large.

    Parameters
    ----------
    roles : sequence of mappings
        What the width variables are to each layer.
    too_large, far_too_large : callable
        Of a number of axes.
    """
    kept = [dict(each) for each in roles]
    while True:
        scopes = [tuple(sorted(each)) for each in kept]
        widest = max((b.scope for b in eliminate(scopes, variables)), key=len)
        if len(widest) == 1 or not too_large(len(widest)):
            return scopes
        cuts = _far_couplings(kept, widest) or _weights_of_a_group(kept, widest)
        if not cuts and far_too_large(len(widest)):
            cuts = _any_coupling(kept, widest)
        if not cuts:
            return scopes
        for layer, variable in cuts:
            del kept[layer][variable]


def _users(kept: Sequence[Mapping[int, Role]], variable: int) -> list[int]:
    return [i for i, each in enumerate(kept) if variable in each]


def _far_couplings(kept: Sequence[Mapping[int, Role]], scope: Scope) -> list[tuple[int, int]]:
    """The coupling that reaches farthest: a residual, or another over more than one layer."""
    found = []
    for variable in scope:
        users = _users(kept, variable)
        for before, i in zip([None, *users], users, strict=False):
            reach = 0 if before is None else i - before
            if i == users[0] and len(users) > 1:
                reach = users[1] - i
            role, end = kept[i][variable], i in (users[0], users[-1])
            if role == Role.RESIDUAL or (end and reach > 1):
                found.append((reach, -role, i, variable))
    return [max(found)[2:]] if found else []


def _weights_of_a_group(kept: Sequence[Mapping[int, Role]], scope: Scope) -> list[tuple[int, int]]:
    """Every coupling of weights to the variable most weights share."""
    each = [[(i, v) for i in _users(kept, v) if kept[i][v] == Role.WEIGHTS] for v in scope]
    return max(each, key=len)


def _any_coupling(kept: Sequence[Mapping[int, Role]], scope: Scope) -> list[tuple[int, int]]:
    found = [(-kept[i][v], i, v) for v in scope for i in _users(kept, v)]
    return [max(found)[1:]]
