"""The fronts of this study, as a command line, as a problem and as genes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import codesign
from codesign.tasks.pareto import pareto

NETWORK = "resnet18"
QUALITY = "uniform:6"
MODEL = ("--on-chip", "none", "--quiet")  # the baseline knows no other
AREA_MM2 = 6.0
AREA_RANGE_MM2 = (1.0, 16.0)


@dataclass(frozen=True)
class Question:
    """A front to find.

    Attributes
    ----------
    name : str
    objectives : tuple of str
    points : int
        How many the ratio is measured with.
    limit : float
        Aim of that ratio.
    counts : tuple of (int or None)
        Numbers of points asked for in the race, ascending; None: all there are.
    options : tuple of str
        Of ``codesign pareto``.
    """

    name: str
    objectives: tuple[str, ...]
    points: int
    limit: float
    counts: tuple[int | None, ...]
    options: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    quality: str | None = None
    budgets: Mapping[str, float] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Arguments of ``codesign``."""
        return ["pareto", NETWORK, "--points", str(self.points), *MODEL, *self.options]

    def problem(self, sides: tuple[int, ...] | None) -> codesign.Problem:
        """As a fresh problem; ``sides`` narrows the space."""
        return fresh_problem(sides, self.quality, self.budgets)

    def front(self, sides: tuple[int, ...] | None, points: int | None) -> codesign.Front:
        """So many points, or all."""
        return pareto(self.problem(sides), self.objectives, points, ranges=self.ranges)

    def smaller(self) -> Question:
        """The same front with few points."""
        return replace(self, points=3, counts=(3, 4))


@dataclass(frozen=True)
class SearchStats:
    """How much is spent.

    Attributes
    ----------
    repeats : int
        Rounds of the ratios.
    solves : int
        Per round: one solve is short, and its noise is that of every ratio.
    seeds : int
        Runs of NSGA-II.
    limit_s : float
        Of each.
    sides : tuple of int or None
        Sides of the arrays on offer; None: the default space.
    """

    repeats: int
    solves: int
    seeds: int
    limit_s: float
    sides: tuple[int, ...] | None = None


FULL = SearchStats(repeats=5, solves=3, seeds=5, limit_s=30.0)
QUICK = SearchStats(repeats=1, solves=1, seeds=2, limit_s=0.3, sides=(16, 64))


WITHIN = ("--range", "area={:g}:{:g}".format(*AREA_RANGE_MM2))
QUESTIONS = (
    Question(
        name="latency–area",
        objectives=("latency_s", "area_mm2"),
        points=20,
        limit=4.0,
        counts=(3, 5, 10, 20, 40, 80, None),
        options=("--objectives", "latency,area", "--quality", QUALITY, *WITHIN),
        ranges={"area_mm2": AREA_RANGE_MM2},
        quality=QUALITY,
    ),
    Question(
        name="latency–noise",
        objectives=("latency_s", "noise"),
        points=20,
        limit=6.0,
        counts=(3, 5, 10, 20, 40, 80, 160),
        options=("--objectives", "latency,noise", "--max-area-mm2", f"{AREA_MM2:g}"),
        budgets={"area_mm2": AREA_MM2},
    ),
    Question(
        name="latency–area–noise",
        objectives=("latency_s", "area_mm2", "noise"),
        points=50,
        limit=15.0,
        counts=(6, 12, 25, 50, 100, 200),
        options=("--objectives", "latency,area,noise", *WITHIN),
        ranges={"area_mm2": AREA_RANGE_MM2},
    ),
)
SOLVE = ("solve", NETWORK, "--max-area-mm2", f"{AREA_MM2:g}", "--quality", QUALITY, *MODEL)


def fresh_problem(
    sides: tuple[int, ...] | None = None,
    quality: str | None = QUALITY,
    budgets: Mapping[str, float] | None = None,
) -> codesign.Problem:
    """A problem that shares nothing with an earlier one; by default that of the one solve."""
    given = {} if sides is None else {"rows": sides, "cols": sides}
    choices = codesign.Choices(**given, on_chip="none")
    return codesign.Problem(
        network=codesign.load_network(NETWORK),
        choices=choices,
        quality=quality,
        budgets={"area_mm2": AREA_MM2} if budgets is None else budgets,
    )
