"""What is asked of a search: a metric to minimise while others stay within limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from codesign.errors import SpecError
from codesign.problem.metrics import INTERVAL, SEARCHED, kinds_of, metric_of
from codesign.problem.tolerances import keeps
from codesign.specs.schema import nearest
from codesign.units import kind_of

TiesFound = Literal["broken", "left", "not proven"]
Ended = Literal["optimal", "gap", "time", "interrupt"]  # why the proof of an objective ended


def front_objectives(names: Sequence[Any], where: str = "objectives") -> tuple[str, ...]:
    """What a front is between: two or three different metrics, by their full names.

    Metrics of members of a suite among them; whose they are, `check_members_named` knows.

    Raises
    ------
    SpecError
        Unknown, repeated, too few or too many, at ``where``.
    """
    names = [metric_of(name) for name in names]
    for name in names:
        if kind_of(str(name)) not in (*SEARCHED, INTERVAL):
            known = f"(known: {', '.join(SEARCHED)})"
            raise SpecError(f"{where}: unknown {name!r}{nearest(str(name), SEARCHED)} {known}")
    if len(set(names)) != len(names) or not 2 <= len(names) <= 3:
        given = ", ".join(names) or "none"
        raise SpecError(f"{where}: give two or three different metrics, got {given}")
    return tuple(names)


@dataclass(frozen=True)
class Goal:
    """One step of a solve: a metric to minimise while others stay within limits.

    Attributes
    ----------
    metric : str
    limits : mapping of str to float
    """

    metric: str
    limits: Mapping[str, float]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of metrics that are asked about, members' shares of them included."""
        return kinds_of((self.metric, *self.limits))

    def kept_by(self, metrics: Mapping[str, float]) -> bool:
        """Whether a design with these metrics is within every limit."""
        return all(keeps(metrics[name], limit) for name, limit in self.limits.items())

    def holds_all_of(self, other: Goal) -> bool:
        """Whether all that is within another's limits is within these."""
        limits = self.limits.items()
        return all(other.limits.get(name, math.inf) <= most for name, most in limits)
