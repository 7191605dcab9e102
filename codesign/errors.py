"""The four exceptions of the project; every message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Clash = dict[str, tuple[float, float, float | None]]  # see `InfeasibleError`

MOST_SHOWN = 2000  # characters of a message, which may repeat what a file holds


def printable(text: str) -> str:
    """Text with the control characters that foreign names may hold spelt out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(message: str) -> str:
    """A message as one printable line of sensible length."""
    line = printable(" ".join(message.split()))
    if len(line) > MOST_SHOWN:
        line = f"{line[: MOST_SHOWN * 3 // 4]} … {line[3 - MOST_SHOWN // 4 :]}"
    return line


def first_few(entries: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first entries of a list, and how many more there are."""
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return separator.join(entries[:most]) + more


class CodesignError(Exception):
    """Any error this package raises on purpose; its message is one line, safe for a terminal."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class SpecError(CodesignError):
    """A description, a problem or a file is wrong: what, where, and what would be right."""


class InfeasibleError(CodesignError):
    """No design of the declared space keeps every budget.

    Attributes
    ----------
    clashing : dict of str to tuple
        Metric name of each budget that takes part, to ``(limit, alone, needed)`` in the metric's
        unit: the limit given, the smallest value any design reaches with no other budget, and the
        smallest value that would make the problem feasible while the other budgets stay as they
        are (None where no value would).
    further : tuple of dict
        Where the budgets outside ``clashing`` cannot be kept either: the same of a set of these,
        with those before left aside; and so on.
    of_architectures : dict of str to dict
        Where several architectures were on offer, ``clashing`` of each, by the names that it has
        for its budgets; else empty.
    """

    def __init__(
        self,
        message: str,
        clashing: Clash | None = None,
        further: Sequence[Clash] = (),
        of_architectures: Mapping[str, Clash] | None = None,
    ) -> None:
        super().__init__(message)
        self.clashing, self.further = clashing or {}, tuple(further)
        self.of_architectures = {**(of_architectures or {})}

    def to_dict(self) -> dict[str, Any]:
        """The explanation for a program: JSON, format ``codesign-infeasible/1``."""
        keys = ("limit", "alone", "needed")
        first, *others = (
            {name: dict(zip(keys, x, strict=True)) for name, x in clash.items()}
            for clash in (self.clashing, *self.further)
        )
        content = {"format": "codesign-infeasible/1", "message": str(self)}
        return {**content, "clashing": first, "further": others}


class SolverError(CodesignError):
    """The solver gave no usable answer (time limit before any design, or a failed recheck).

    Attributes
    ----------
    model : str or None
        The MILP in the LP format, for a bug report, where the solver is at fault.
    """

    def __init__(self, message: str, model: str | None = None) -> None:
        super().__init__(message)
        self.model = model
