"""The order in which the variables of a network are eliminated, and the tables that this takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush

from codesign.checking.certificate.layer_scopes import LayerScope, Scope, Variables
from codesign.checking.problem import Problem

MOST_ENTRIES = 2**24  # of all tables together
Part = tuple[str, int]  # number of a layer, or of the step that left a message


@dataclass(frozen=True)
class Step:
    """Elimination of one variable: what is added up over which variables.

    Attributes
    ----------
    variable : int
    rest : tuple of int
        The other variables of the table, ascending; the one eliminated comes last.
    layers, messages : tuple of int
        Layers, or earlier steps, whose tables are added.
    """

    variable: int
    rest: Scope
    layers: tuple[int, ...]
    messages: tuple[int, ...]

    @property
    def order(self) -> Scope:
        """Variables of the table, by its axes."""
        return (*self.rest, self.variable)


class TooMany(Exception):
    """Raised where there is too much to enumerate."""


class TooLarge(TooMany):
    """Raised where the tables of an elimination would be too large."""


class WidthVariables(Variables):
    """Variables, layers and order of elimination of a problem.

    Attributes
    ----------
    steps : tuple of Step
    alone : tuple of int
        Layers that depend on no variable.
    apart : tuple of tuple of int
        Numbers of steps, those together that have anything to do with each other.

    Parameters
    ----------
    most_entries : int, optional
        Of all tables together; `MOST_ENTRIES` by default.

    Raises
    ------
    TooLarge
        Tables of more entries: too little is cut.
    """

    def __init__(
        self,
        problem: Problem,
        cut_couplings: Iterable[tuple[str, str]] = (),
        most_entries: int | None = None,
    ) -> None:
        super().__init__(problem, cut_couplings)
        self._room = MOST_ENTRIES if most_entries is None else most_entries
        scopes = [self.scope(n) for n in range(len(problem.network.layers))]
        for n, scope in enumerate(scopes):
            self._take(self.size(scope) * self.choices(n))
        self.steps = self._plan(scopes)
        self.alone = tuple(n for n, scope in enumerate(scopes) if not scope)
        self.apart = self._apart()

    @cached_property
    def layers(self) -> tuple[LayerScope, ...]:
        """The table of each layer; equal ones are held once."""
        known: dict[object, LayerScope] = {}
        found = []
        for n, layer in enumerate(self.problem.network.layers):
            mine = self.layer_scope(n)
            held = known.setdefault(mine.content, mine)
            found.append(replace(held, layer=layer, scope=mine.scope))
        return tuple(found)

    def _apart(self) -> tuple[tuple[int, ...], ...]:
        """Steps by what they have to do with each other, ascending: the last of each has no rest.

        Those of members of a suite are apart, as their networks are.
        """
        home: dict[int, list[int]] = {}
        for n, step in enumerate(self.steps):
            home[n] = sorted([n, *(x for m in step.messages for x in home.pop(m))])
        return tuple(map(tuple, home.values()))

    def _take(self, entries: int) -> None:
        self._room -= entries
        if self._room < 0:
            raise TooLarge

    def _plan(self, scopes: list[Scope]) -> tuple[Step, ...]:
        """Eliminate variables, that of the smallest table first."""
        touching: list[dict[Part, Scope]] = [{} for _ in self.members]
        for n, scope in enumerate(scopes):
            for v in scope:
                touching[v]["layer", n] = scope
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

    def _step(self, variable: int, joint: Scope, taken: Iterable[Part]) -> Step:
        self._take(self.size(joint))
        return Step(
            variable=variable,
            rest=tuple(v for v in joint if v != variable),
            layers=tuple(n for kind, n in taken if kind == "layer"),
            messages=tuple(n for kind, n in taken if kind == "message"),
        )
