"""What a caller hears of a solve or a front under way."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """State of a running solve.

    Attributes
    ----------
    metric : str
        What is being minimised now: the objective, then the tie-breakers.
    best : float or None
        Its value in the best design so far.
    bound : float
        Proven lower bound on it.
    seconds : float
        Since the start.
    breaking_ties : bool
        Whether the objective itself is proven.
    """

    metric: str
    best: float | None
    bound: float
    seconds: float
    breaking_ties: bool = False

    @property
    def gap(self) -> float:
        """Relative distance of best and bound; inf without a design."""
        if self.best is None:
            return math.inf
        return (self.best - self.bound) / self.best if self.best > 0 else 0.0


@dataclass(frozen=True)
class FrontProgress:
    """State of a running front.

    Attributes
    ----------
    points : int
        Found so far.
    wanted : int or None
        None: all there are.
    gap : float
        See `Front.gap`.
    seconds : float
        Since the start.
    """

    points: int
    wanted: int | None
    gap: float
    seconds: float
