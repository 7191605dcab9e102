"""What the widths of a network couple: width variables, the layers over them, their elimination.

A width variable stands for all that takes one common width. Weights that share their width with
nothing are no variable: they concern their layer alone. A coupling of a layer to a variable may be
cut: the layer then takes the width that suits it best, whatever the others take, so that its cost
only falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import product

from codesign.checking.network import Layer
from codesign.checking.problem import Problem

MOST_ENTRIES = 2**23  # of all tables together
Scope = tuple[int, ...]
Part = tuple[str, int]  # number of a layer, or of the step that left a message
Key = tuple[int | None, int | None, int]  # width of weights and of input, further bits moved


@dataclass(frozen=True)
class LayerScope:
    """A layer over the variables that it touches.

    Attributes
    ----------
    scope : tuple of int
        Its variables, ascending.
    free_weights, free_inputs : tuple of int
        Widths of the operand where no variable of the scope stands for it; ``(0,)`` for the weights
        of a layer without any.
    keys : tuple of Key
        What its cost depends on; None for a free operand.
    entries : tuple of int
        Number of the key of each assignment to the scope, the last variable running fastest.
    """

    layer: Layer
    scope: Scope
    free_weights: tuple[int, ...]
    free_inputs: tuple[int, ...]
    keys: tuple[Key, ...]
    entries: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """Elimination of one variable: what is added up over which variables.

    Attributes
    ----------
    variable : int
    rest : tuple of int
        The other variables of the table.
    size : int
        Entries of the table, those of the variable eliminated running fastest.
    own : tuple of int
        Entry of the variable's own row for each entry of the table.
    layers, messages : tuple of (int, tuple of int)
        Layers, or earlier steps, whose tables are added, and which of their entries to which.
    """

    variable: int
    rest: Scope
    size: int
    own: tuple[int, ...]
    layers: tuple[tuple[int, tuple[int, ...]], ...]
    messages: tuple[tuple[int, tuple[int, ...]], ...]


class TooMany(Exception):
    """Raised where there is too much to enumerate."""


class TooLarge(TooMany):
    """Raised where the tables of an elimination would be too large."""


class WidthVariables:
    """Variables, layers and order of elimination of a problem.

    Parameters
    ----------
    cut_couplings : iterable of (layer, source)
        Couplings to cut: name of the layer, and any source that has the variable's width.

    Attributes
    ----------
    domains : tuple of tuple of int
        Widths each variable may take, ascending.

    Raises
    ------
    TooLarge
        Tables of over `MOST_ENTRIES` entries: too little is cut.
    """

    def __init__(self, problem: Problem, cut_couplings: Iterable[tuple[str, str]] = ()) -> None:
        self.problem, self._room = problem, MOST_ENTRIES
        self.members = tuple(
            members
            for members in problem.classes
            if len(members) > 1 or members[0].startswith("tensor:")
        )
        self.of = {source: v for v, members in enumerate(self.members) for source in members}
        self.domains = tuple(problem.allowed(members[0]) for members in self.members)
        self.cut = {
            (layer, self.of[source]) for layer, source in cut_couplings if source in self.of
        }
        self.layers = tuple(self._layer_scope(layer) for layer in problem.network.layers)
        self.alone = tuple(n for n, x in enumerate(self.layers) if not x.scope)
        self.steps = self._plan()

    def size(self, scope: Scope) -> int:
        """Entries of a table over variables."""
        return math.prod(len(self.domains[v]) for v in scope)

    def _take(self, entries: int) -> None:
        self._room -= entries
        if self._room < 0:
            raise TooLarge

    # Layers -------------------------------------------------------------------------------------

    def _layer_scope(self, layer: Layer) -> LayerScope:
        network = self.problem.network
        weights = f"weight:{layer.name}" if layer.owns_weights else None
        if layer.weight_tensor is not None:
            weights = f"tensor:{layer.weight_tensor}"
        ifmap = f"tensor:{layer.input}"
        moved = {f"tensor:{x}": 0 for x in (layer.output, *layer.residuals)}
        for name in (layer.output, *layer.residuals):
            moved[f"tensor:{name}"] += network.touched(layer, name)
        every = {self._variable(layer, source) for source in (weights, ifmap, *moved)}
        scope = tuple(sorted(v for v in every if v is not None))
        given: dict[Key, int] = {}
        entries = []
        self._take(self.size(scope))
        for widths in product(*(self.domains[v] for v in scope)):
            at: dict[int | None, int] = dict(zip(scope, widths, strict=True))
            bits = (self._stored_bits(layer, source, at) * x for source, x in moved.items())
            operands = (at.get(self._variable(layer, source)) for source in (weights, ifmap))
            entries.append(given.setdefault((*operands, sum(bits)), len(given)))  # type: ignore
        return LayerScope(
            layer=layer,
            scope=scope,
            free_weights=self._free(layer, weights),
            free_inputs=self._free(layer, ifmap),
            keys=tuple(given),
            entries=tuple(entries),
        )

    def _variable(self, layer: Layer, source: str | None) -> int | None:
        """Variable of a source to a layer; None where it has none or is cut from it."""
        variable = self.of.get(source or "")
        return None if (layer.name, variable) in self.cut else variable

    def _stored_bits(self, layer: Layer, source: str, at: Mapping[int | None, int]) -> int:
        """Width of a tensor written or added; where it is cut, the narrowest, which costs least."""
        if source not in self.of:
            return self.problem.choices.output_bits
        variable = self._variable(layer, source)
        return min(self.domains[self.of[source]]) if variable is None else at[variable]

    def _free(self, layer: Layer, source: str | None) -> tuple[int, ...]:
        if source is None:
            return (0,)
        return self.problem.allowed(source) if self._variable(layer, source) is None else ()

    # Elimination --------------------------------------------------------------------------------

    def _plan(self) -> tuple[Step, ...]:
        """Eliminate variables, that of the smallest table first."""
        touching: list[dict[Part, Scope]] = [{} for _ in self.members]
        for n, each in enumerate(self.layers):
            for v in each.scope:
                touching[v]["layer", n] = each.scope
        joint = [self._joined(v, touching[v]) for v in range(len(touching))]
        queue = [(self.size(scope), v) for v, scope in enumerate(joint)]
        heapify(queue)
        left = set(range(len(joint)))
        steps: list[Step] = []
        while queue:
            size, variable = heappop(queue)
            if variable not in left or size != self.size(joint[variable]):
                continue  # its table has another size by now, and its place in the queue with it
            left.remove(variable)
            taken = touching[variable]
            steps.append(self._step(variable, joint[variable], taken))
            rest = steps[-1].rest
            for v in rest:
                touching[v] = {part: x for part, x in touching[v].items() if part not in taken}
                touching[v]["message", len(steps) - 1] = rest
                joint[v] = self._joined(v, touching[v])
                heappush(queue, (self.size(joint[v]), v))
        return tuple(steps)

    @staticmethod
    def _joined(variable: int, parts: Mapping[Part, Scope]) -> Scope:
        return tuple(sorted({variable}.union(*parts.values())))

    def _step(self, variable: int, joint: Scope, taken: Mapping[Part, Scope]) -> Step:
        rest = tuple(v for v in joint if v != variable)
        order = (*rest, variable)
        self._take(self.size(joint) * (1 + len(taken)))
        found: dict[str, list[tuple[int, tuple[int, ...]]]] = {"layer": [], "message": []}
        for (kind, n), scope in taken.items():
            found[kind].append((n, self._places(order, scope)))
        return Step(
            variable=variable,
            rest=rest,
            size=self.size(joint),
            own=self._places(order, (variable,)),
            layers=tuple(found["layer"]),
            messages=tuple(found["message"]),
        )

    def _places(self, order: Scope, scope: Scope) -> tuple[int, ...]:
        """For each entry of a table over ``order``, the entry of one over ``scope``."""
        strides, stride = dict[int, int](), 1
        for v in reversed(scope):
            strides[v] = stride
            stride *= len(self.domains[v])
        axes = [[n * strides.get(v, 0) for n in range(len(self.domains[v]))] for v in order]
        return tuple(sum(steps) for steps in product(*axes))
