"""How sure a result is, and what the solving took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from codesign.costs.layers import Whole
from codesign.problem.choices import Architecture
from codesign.problem.goal import Ended, TiesFound
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.specs.layer import Count, Name
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount

Outcome = Literal["best", "no better", "infeasible", "open"]  # of a batch


@spec_dataclass
class ProofRecord:
    """How sure we are.

    Attributes
    ----------
    status : "optimal" or "feasible"
        Optimal: ``gap ≤ 1e-6``, over the whole declared space.
    objective, bound : float
        Value of the objective, and a lower bound on it for every design of the space.
    gap : float
        ``(objective − bound) / objective``.
    ties_broken : bool
        Whether the design is proven to have the least area, then the least noise, among designs
        of its objective; an assignment the least noise, then the smallest model.
    ties : "broken", "left" or "not proven"
        Left: it was not asked for. Not proven: the time for it was up; it is the best found by
        then, of equal ones. None, as in old files, means what ``ties_broken`` says.
    ended : "optimal", "gap", "time", "interrupt" or None
        Why the search for the objective ended; what came of ties later is told by ``ties`` alone.
        Optimal: it is proven, exactly where ``status`` says so. Otherwise: the relative gap asked
        for was reached, the time limit was, or an interrupt (Ctrl-C) came. None: not recorded, as
        in old files of feasible answers, or a solver gave up without a reason.
    """

    status: Literal["optimal", "feasible"]
    objective: Amount
    bound: Amount
    gap: Amount
    ties_broken: bool = False
    ties: TiesFound | None = None
    ended: Ended | None = None

    def __post_init__(self) -> None:
        if self.ties is None or (self.ties == "broken") != self.ties_broken:
            object.__setattr__(self, "ties", "broken" if self.ties_broken else "not proven")
        proven = self.status == "optimal"
        if (self.ended == "optimal") != proven:
            object.__setattr__(self, "ended", "optimal" if proven else None)

    @staticmethod
    def of(objective: float, bound: float, ties: TiesFound, ended: Ended | None) -> ProofRecord:
        """What a value of the objective and a lower bound on it prove.

        Parameters
        ----------
        ended : str or None
            Why the search ended, if the two leave a gap.
        """
        bound = min(max(bound, 0.0), objective)  # no metric is negative
        gap = (objective - bound) / objective if objective > 0 else 0.0
        proven = gap <= OPTIMAL_GAP
        return ProofRecord(
            status="optimal" if proven else "feasible",
            objective=objective,
            bound=bound,
            gap=gap,
            ties_broken=ties == "broken",
            ties=ties,
            ended="optimal" if proven else ended,
        )


@spec_dataclass
class BatchRecord:
    """What was proven of one of several batches that a design was chosen from.

    Attributes
    ----------
    images : int
    outcome : "best", "no better", "infeasible" or "open"
        No better: no design of so many images at once is better than the best of the others, by the
        objective for each image. Infeasible: none keeps the budgets. Open: time was up before.
    bound : float or None
        No design of so many images has a smaller objective, for each image where that grows with
        them (latency, DRAM bits, bit operations, energy). None where there is no design.
    budgets : mapping of str to float, or None
        Those of so many images; None: those of the design's own problem.
    """

    images: Count
    outcome: Outcome
    bound: Amount | None
    budgets: Mapping[Name, Amount] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a file has it, without a word on budgets that are the problem's."""
        told = {"images": self.images, "outcome": self.outcome, "bound": self.bound}
        return told if self.budgets is None else {**told, "budgets": dict(self.budgets)}


@spec_dataclass
class SolverRecord:
    """Which solver, how long, and what happened to the hardware options.

    Attributes
    ----------
    considered, bounded_away, solved, left_open : int
        Hardware options of the space; those ruled out by a bound alone; those solved as a MILP of
        their own; those with neither when time ran out or the gap was met.
    programmes : int
        MILPs handed to the solver, tie-breaking included.
    interrupted : bool
        Whether an interrupt (Ctrl-C) ended the search.
    """

    name: str
    version: str
    seconds: Amount
    method: Literal["search", "whole"]
    considered: Whole
    bounded_away: Whole
    solved: Whole
    left_open: Whole
    programmes: Whole
    interrupted: bool = False


@spec_dataclass
class ArchitectureRecord:
    """What was proven of one of several architectures that a design was chosen from.

    Attributes
    ----------
    architecture : "array" or "dataflow"
    outcome, bound
        As of `BatchRecord`.
    """

    architecture: Architecture
    outcome: Outcome
    bound: Amount | None


@spec_dataclass
class PipelineSolverRecord:
    """Which solver, how long, and what happened to the stages' options.

    Attributes
    ----------
    options : int
        Of all stages together: arrays, widths, places of weights and bands, without those that
        others equal or beat in all that is asked.
    intervals : int
        Ranges of the interval that were ruled out or solved.
    programmes : int
        MILPs handed to the solver, tie-breaking included.
    interrupted : bool
        Whether an interrupt (Ctrl-C) ended the search.
    """

    name: str
    version: str
    seconds: Amount
    method: Literal["search", "whole"]
    options: Whole
    intervals: Whole
    programmes: Whole
    interrupted: bool = False


@spec_dataclass
class PipelineHardware:
    """The hardware of a pipeline in all.

    Attributes
    ----------
    stages : int
        With arrays of their own.
    pes : int
        In all arrays.
    memory_bits : float
        Of all memories.
    streamed : int
        Stages that stream their weights.
    """

    stages: Whole
    pes: Whole
    memory_bits: Amount
    streamed: Whole


@spec_dataclass
class LayerPace:
    """How long a layer on a shared array takes for an image: the array, and its DRAM traffic.

    Of a layer that only moves data ``compute_s`` is None.
    """

    name: Name
    compute_s: Amount | None
    memory_s: Amount

    @property
    def latency_s(self) -> float:
        """The longer of both."""
        return max(self.compute_s or 0.0, self.memory_s)


@spec_dataclass
class StagePace:
    """How long a stage of a pipeline takes for an image: its array, and its DRAM traffic alone.

    Of a layer that only moves data ``compute_s`` is None. Of a segment it is what its layers take,
    one after the other, each the longer of its own two.

    Attributes
    ----------
    layers : tuple of LayerPace
        Of a segment, those that share its array; of a stage with one of its own none.
    """

    name: str
    compute_s: Amount | None
    memory_s: Amount
    layers: tuple[LayerPace, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a file has it, without a word on layers where none share an array."""
        told = {"name": self.name, "compute_s": self.compute_s, "memory_s": self.memory_s}
        return {**told, "layers": [asdict(x) for x in self.layers]} if self.layers else told


@spec_dataclass
class Pace:
    """What decides the interval of a pipeline.

    Attributes
    ----------
    memory_s : float
        All DRAM traffic of an image, at the DRAM bandwidth.
    stages : tuple of StagePace
    """

    memory_s: Amount
    stages: tuple[StagePace, ...]

    @property
    def interval_s(self) -> float:
        """The longest of all: from one image to the next."""
        return max([self.memory_s, *(row.compute_s or 0.0 for row in self.stages)])

    @property
    def slowest(self) -> tuple[StagePace, ...]:
        """Stages that take the whole interval; none where it is the DRAM alone that does."""
        return tuple(row for row in self.stages if row.compute_s == self.interval_s)

    @property
    def hybrid(self) -> bool:
        """Whether some layers share an array."""
        return any(row.layers for row in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """As a file has it."""
        return {"memory_s": self.memory_s, "stages": [x.to_dict() for x in self.stages]}


@spec_dataclass
class AssignmentRecord:
    """Which solver, and how long.

    Attributes
    ----------
    seconds : float
        All in all.
    solver_s : float
        Of those in the solver.
    programmes : int
        MILPs handed to it, tie-breaking included.
    interrupted : bool
        Whether an interrupt (Ctrl-C) ended the search.
    """

    name: str
    version: str
    seconds: Amount
    solver_s: Amount
    programmes: Whole
    interrupted: bool = False
