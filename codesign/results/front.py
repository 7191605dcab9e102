"""A Pareto front: proven designs none of which is better in every objective, and what is certain.

Between the points the front is not unknown: each proof also says which region holds no design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.files import check_writable, kind_of, make_folder
from codesign.problem.metrics import value_in
from codesign.problem.problem import Problem
from codesign.problem.tolerances import ceiling
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.views import DesignOutline, DesignView, ProblemOutline
from codesign.specs.schema import Displayed
from codesign.specs.seam import done_by

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


DESIGNS = "design", "dataflow"  # kinds of their files
DECADE = 10.0  # an objective that spans more is looked at logarithmically


@dataclass(frozen=True)
class RuledOut:
    """Proven: no design within ``limits`` on the other objectives has a first one below ``bound``.

    Attributes
    ----------
    limits : mapping of str to float
        inf where an objective is not limited.
    bound : float
        inf: no design at all.
    """

    limits: Mapping[str, float]
    bound: float


@dataclass(frozen=True, repr=False)
class Front(Displayed):
    """Proven designs of a problem, from the best in the first objective to the worst.

    Attributes
    ----------
    problem : Problem or ProblemOutline
        The latter of a front read from a file that does not tell the problem.
    objectives : tuple of str
        Two or three metrics.
    designs : tuple of Design, of DataflowDesign, or of DesignOutline
        None is as good as another in all objectives; each with its own proof. Where time ran out
        the status is ``feasible``, or ``ties_broken`` is False: another objective may be lower.
    ruled : tuple of RuledOut
        All that was proven on the way, infeasible parts of the range included.
    complete : bool
        Whether every point of the front is there, up to ``rel_step``.
    rel_step : float
        Points that differ by less, relative, in some objective may be missing from a complete
        front.
    gap : float
        Hypervolume, of the box between the best and the worst of the points, in which undiscovered
        points may lie; 1 is all of it. Not-a-number where a file does not tell it.
    seconds : float
    interrupted : bool
        Whether an interrupt (Ctrl-C) ended the search.
    """

    problem: Problem | ProblemOutline
    objectives: tuple[str, ...]
    designs: tuple[Design | DataflowDesign | DesignOutline, ...]
    ruled: tuple[RuledOut, ...]
    complete: bool
    rel_step: float
    gap: float
    seconds: float
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.designs)

    @cached_property
    def values(self) -> Floats:
        """(points, objectives): each in the unit its name ends with."""
        return values_of(self.designs, self.objectives)

    @property
    def infeasible(self) -> tuple[Mapping[str, float], ...]:
        """Limits within which there is no design."""
        return tuple(rule.limits for rule in self.ruled if rule.bound == np.inf)

    def hypervolume(self, reference: Sequence[float] | None = None) -> float:
        """Volume of what is dominated by the front and better than a reference point.

        Parameters
        ----------
        reference : sequence of float, optional
            One value per objective; default: the worst of the points in each.

        Raises
        ------
        SpecError
            Not one finite value per objective.
        """
        worst = self.values.max(axis=0) if reference is None else np.array(reference, dtype=float)
        if worst.shape != (len(self.objectives),) or not np.isfinite(worst).all():
            raise SpecError(f"reference: give one value for each of {', '.join(self.objectives)}")
        return dominated_volume(self.values, worst)

    def upper(self, *limits: float) -> float:
        """Best first objective reached with the others at most ``limits``; inf if none is known.

        Raises
        ------
        SpecError
            Not one limit for each objective after the first.
        """
        self._check_limits(limits)
        most = ceiling(np.array(limits, dtype=np.float64))
        within = (self.values[:, 1:] <= most).all(axis=1)
        return float(self.values[within, 0].min(initial=np.inf))

    def lower(self, *limits: float) -> float:
        """First objective that no design with the others at most ``limits`` goes below (proven).

        Raises
        ------
        SpecError
            Not one limit for each objective after the first.
        """
        self._check_limits(limits)
        within = dict(zip(self.objectives[1:], limits, strict=True))
        bounds = [
            rule.bound
            for rule in self.ruled
            if all(ceiling(rule.limits.get(name, np.inf)) >= x for name, x in within.items())
        ]
        return max(bounds, default=0.0)

    @cached_property
    def rates(self) -> Floats:
        """(points − 1,): change of the first objective per unit of the second between neighbours.

        For latency and area in s/mm²: what the next mm² saves.

        Raises
        ------
        SpecError
            A front of three objectives.
        """
        if len(self.objectives) != 2:
            raise SpecError("only a front of two objectives has rates")
        steps = np.diff(self.values, axis=0)
        return np.asarray(steps[:, 0] / steps[:, 1])

    @cached_property
    def logarithmic(self) -> tuple[bool, ...]:
        """Which objectives span more than a decade, and are looked at logarithmically."""
        best, worst = self.values.min(axis=0), self.values.max(axis=0)
        return tuple(bool(x) for x in (best > 0) & (worst > DECADE * best))

    @cached_property
    def knee(self) -> int:
        """Index of the point farthest below the line (plane) through the ends of the front.

        Each objective is scaled to its range, logarithmically where that spans a decade. The ends
        are the points best in one objective each.
        """
        seen = np.where(self.logarithmic, np.log(np.maximum(self.values, 1e-300)), self.values)
        best, worst = seen.min(axis=0), seen.max(axis=0)
        scaled = (seen - best) / np.where(worst > best, worst - best, 1.0)
        return int(scaled.sum(axis=1).argmin())

    @property
    @done_by("results.tables:front_frame")
    def points(self) -> pd.DataFrame:
        """One row per point: objectives, all metrics, hardware, proof, and what binds.

        ``mapping`` is there where some point has another than window; of a reconfigurable machine
        it names all, as in ``window+output``.
        """

    @done_by("results.plots.front:plot_front")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the points, the certified region, the knee, and what binds at each point.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """

    @done_by("results.html.report:report_front")
    def report(
        self,
        path: str | Path,
        *,
        designs: Sequence[Design | DataflowDesign] | None = None,
    ) -> None:
        """Write a page (.html) for a browser, self-contained; see `codesign.report`.

        Raises
        ------
        SpecError
            As of `codesign.report`.
        """

    @done_by("results.front_file:save")
    def save(self, path: str | Path) -> None:
        """Write `points` as CSV, and in a last column what `load` needs, whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """

    @classmethod
    @done_by("results.front_file:load")
    def load(cls, path: str | Path) -> Front:
        """Read a front that `save` has written; its designs are outlines, without layers.

        Raises
        ------
        SpecError
            Unreadable, or no table of a front.
        """

    @done_by("results.front_file:to_dict")
    def to_dict(self) -> dict[str, Any]:
        """All that is known of the front, as ``--json`` prints it (``codesign-front/1``)."""

    @property
    def whole_designs(self) -> tuple[Design | DataflowDesign, ...]:
        """The designs with all their layers.

        Raises
        ------
        SpecError
            The front was read from its table, which does not hold them.
        """
        whole = tuple(design for design in self.designs if not isinstance(design, DesignOutline))
        if len(whole) < len(self):
            raise SpecError("a front read from its table has no whole designs; see save_designs")
        return whole

    def save_designs(self, folder: str | Path) -> None:
        """Write each design's file into a folder, made if needed, as ``point_01.json``, …

        Designs of such names that another front has left there are removed.

        Raises
        ------
        SpecError
            The folder or a file cannot be written; where that shows beforehand, none is. Or the
            front was read from its table.
        """
        folder, designs = Path(folder), self.whole_designs
        make_folder(folder)
        digits = len(str(len(self)))
        paths = [folder / f"point_{n:0{digits}}.json" for n in range(1, len(self) + 1)]
        for path in paths:
            check_writable(path)
        left = [x for x in folder.glob("point_*.json") if kind_of(x) in DESIGNS and x not in paths]
        for path, design in zip(paths, designs, strict=True):
            design.save(path)
        for path in left:
            path.unlink(missing_ok=True)

    def _check_limits(self, limits: Sequence[float]) -> None:
        others = self.objectives[1:]
        if len(limits) != len(others):
            raise SpecError(f"give one limit on each of {', '.join(others)}, got {len(limits)}")


def values_of(designs: Sequence[DesignView], objectives: Sequence[str]) -> Floats:
    """(designs, objectives): their metrics."""
    rows = [[value_in(design.metrics, name) for name in objectives] for design in designs]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


def dominated_volume(points: Floats, worst: Floats) -> float:
    """Volume between points and ``worst`` that some point dominates, by sweeping the last axis."""
    points = points[(points < worst).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(worst[0] - points.min())
    order = np.argsort(points[:, -1], kind="stable")
    points = points[order]
    ends = np.append(points[1:, -1], worst[-1])
    volume = 0.0
    for count, (start, end) in enumerate(zip(points[:, -1], ends, strict=True), 1):
        if end > start:
            volume += (end - start) * dominated_volume(points[:count, :-1], worst[:-1])
    return float(volume)
