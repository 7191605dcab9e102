"""Which tables are joined over which variables, and in what order those are eliminated.

Dynamic programming over tables that share variables: a variable's bucket adds up all tables that
touch it and minimises it away, which leaves one table over the others. Where a bucket would grow
too large, couplings are cut: a layer's table then runs over a copy of the variable of its own.
Copies may differ where the truth may not, so a minimum over them bounds the true one from below.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

Scope = tuple[int, ...]

AXES = 23  # of a table; arrays have few more, which variables of one value would come to


class Role(IntEnum):
    """What a variable is to a layer; those that cost the bound most, if cut, last."""

    LIVE = -1  # of a tensor on chip that the layer does not touch
    RESIDUAL = 0
    OUTPUT = 1
    WEIGHTS = 2  # sharing their width, or used by other layers too
    OPERAND = 3  # the input, or the tensor that stands in for the weights
    FUSED = 4  # input or output of a layer that a fused run may hold a band of


MOST_KNOWN = 512  # largest joint tables: places of one member leave those of others as they are
_KNOWN: dict[tuple[tuple[Scope, ...], Scope], tuple[int, Scope]] = {}

Kept = Mapping[int, Mapping[int, Role]]  # of layers: what the variables of its table are to it


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


def eliminate(
    scopes: Sequence[Scope],
    sizes: Sequence[int],
    check_time: Callable[[], None] = lambda: None,
) -> list[Bucket]:
    """Order of elimination by the smallest table first, with what each step adds up.

    ``sizes`` are how many values each variable may have; ``check_time`` is called before each step
    and may raise.
    """
    order = _order(scopes, sizes, check_time)
    place = {variable: n for n, (variable, _) in enumerate(order)}
    layers: list[list[int]] = [[] for _ in order]
    messages: list[list[int]] = [[] for _ in order]
    for i, scope in enumerate(scopes):
        if scope:
            layers[min(place[v] for v in scope)].append(i)
    buckets: list[Bucket] = []
    for n, (variable, scope) in enumerate(order):
        buckets.append(Bucket(variable, scope, tuple(layers[n]), tuple(messages[n])))
        if buckets[n].rest:
            messages[min(place[v] for v in buckets[n].rest)].append(n)
    return buckets


def _order(
    scopes: Sequence[Scope], sizes: Sequence[int], check_time: Callable[[], None]
) -> list[tuple[int, Scope]]:
    """Variables in the order of `eliminate`, and what the sum of tables over each runs over."""
    met = [{v} for v in range(len(sizes))]  # in tables; a sum runs over all that its tables do
    for scope in scopes:
        for v in scope:
            met[v].update(scope)
    counts = [_entries(each, sizes) for each in met]
    queue = [(count, v) for v, count in enumerate(counts)]
    heapq.heapify(queue)
    order: list[tuple[int, Scope]] = []
    while queue:
        count, variable = heapq.heappop(queue)
        if count != counts[variable]:
            continue  # its table has changed since, or it is gone
        check_time()
        rest, counts[variable] = met[variable] - {variable}, -1
        order.append((variable, tuple(sorted(met[variable]))))
        for other in rest:
            met[other] |= rest
            met[other].discard(variable)
            counts[other] = _entries(met[other], sizes)
            heapq.heappush(queue, (counts[other], other))
    return order


def _entries(scope: Collection[int], sizes: Sequence[int]) -> int:
    """Entries of a table; with more axes than arrays should have, as if it had many more."""
    count = math.prod(map(sizes.__getitem__, scope))
    return int(count << 2 * max(len(scope) - AXES, 0))


def choose_scopes(
    roles: Sequence[Mapping[int, Role]],
    sizes: Sequence[int],
    too_large: Callable[[int], bool],
    far_too_large: Callable[[int], bool],
    check_time: Callable[[], None] = lambda: None,
) -> list[Scope]:
    """Variables of each layer's table, so that no table gets too large.

    Cut first are tensors on chip that a layer does not touch; then residuals and what spans several
    layers (long skip connections, parts of a concatenation written early), the farthest first;
    then, one group at a time, the shared widths of weights; whatever else only where a table would
    be far too large.

    Parameters
    ----------
    roles : sequence of mappings
        What the variables are to each layer.
    sizes : sequence of int
        How many values each variable may have.
    too_large, far_too_large : callable
        Of a number of entries.
    check_time : callable
        Called before each step of an elimination; may raise.
    """
    kept = {i: dict(each) for i, each in enumerate(roles)}
    parts = [(layers, *_largest(kept, layers, sizes, check_time)) for layers in _connected(kept)]
    while parts:
        n = max(range(len(parts)), key=lambda n: parts[n][1])
        layers, largest, widest = parts[n]
        if len(widest) == 1 or not too_large(largest):
            break
        of_part = {i: kept[i] for i in layers}
        cuts = _live_couplings(of_part, widest)
        cuts = cuts or _far_couplings(of_part, widest) or _weights_of_a_group(of_part, widest)
        if not cuts and far_too_large(largest):
            cuts = _any_coupling(of_part, widest)
        if not cuts:
            break
        for layer, variable in cuts:
            del of_part[layer][variable]
        split = _connected(of_part)
        parts[n : n + 1] = [(x, *_largest(kept, x, sizes, check_time)) for x in split]
    return [tuple(sorted(each)) for each in kept.values()]


def _connected(kept: Kept) -> list[list[int]]:
    """Layers, in parts whose tables share no variable; those of no variable left out."""
    first: dict[int, int] = {}  # of each variable, a layer over it
    root = {i: i for i in kept}

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for i, each in kept.items():
        for v in each:
            one, other = sorted((find(first.setdefault(v, i)), find(i)))
            root[other] = one
    found: dict[int, list[int]] = {}
    for i, each in kept.items():
        if each:
            found.setdefault(find(i), []).append(i)
    return list(found.values())


def _largest(
    kept: Kept,
    layers: Sequence[int],
    sizes: Sequence[int],
    check_time: Callable[[], None],
) -> tuple[int, Scope]:
    """The entries and variables of the largest joint table of some layers."""
    scopes = [tuple(sorted(kept[i])) for i in layers]
    variables = sorted({v for scope in scopes for v in scope})
    number = {v: n for n, v in enumerate(variables)}
    own = tuple(sizes[v] for v in variables)
    asked = tuple(tuple(number[v] for v in x) for x in scopes), own
    if asked not in _KNOWN:
        counted = ((_entries(x, own), x) for _, x in _order(*asked, check_time))
        found = max(counted, key=lambda each: each[0])
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[asked] = found
    largest, widest = _KNOWN[asked]
    return largest, tuple(variables[n] for n in widest)


def _users(kept: Kept, variable: int) -> list[int]:
    return [i for i, each in kept.items() if variable in each]


def _live_couplings(kept: Kept, scope: Scope) -> list[tuple[int, int]]:
    """Every coupling to the one that most layers have on chip without touching it."""
    each = [[(i, v) for i in _users(kept, v) if kept[i][v] == Role.LIVE] for v in scope]
    return max(each, key=len)


def _far_couplings(kept: Kept, scope: Scope) -> list[tuple[int, int]]:
    """The coupling that spans most layers: a residual, or another over more than one layer."""
    found = []
    for variable in scope:
        users = _users(kept, variable)
        for before, i in zip([None, *users], users, strict=False):
            span = 0 if before is None else i - before
            if i == users[0] and len(users) > 1:
                span = users[1] - i
            role, end = kept[i][variable], i in (users[0], users[-1])
            if role == Role.RESIDUAL or (end and span > 1):
                found.append((span, -role, i, variable))
    return [max(found)[2:]] if found else []


def _weights_of_a_group(kept: Kept, scope: Scope) -> list[tuple[int, int]]:
    """Every coupling of weights to the variable most weights share."""
    each = [[(i, v) for i in _users(kept, v) if kept[i][v] == Role.WEIGHTS] for v in scope]
    return max(each, key=len)


def _any_coupling(kept: Kept, scope: Scope) -> list[tuple[int, int]]:
    found = [(-kept[i][v], i, v) for v in scope for i in _users(kept, v)]
    return [max(found)[1:]]
