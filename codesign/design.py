"""The answer: hardware, widths and tilings with every figure, and the proof.

A design is built from a priced point by recomputing each layer from its tile; totals that differ
from the point's, or a budget that is not kept, are an error of ours and raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from codesign.budgets import keeps
from codesign.consistency import check_names, check_rows, check_tensor_bits
from codesign.errors import SolverError
from codesign.figures import (
    Amount,
    LayerDesign,
    Whole,
    areas_mm2,
    extrapolations,
    moving_layer,
    tiled_layer,
    totals,
)
from codesign.hardware import Accelerator, Hardware
from codesign.metrics import METRICS
from codesign.network import MAX_NAME, Count, Name, Network
from codesign.problem import Problem
from codesign.schema import described
from codesign.slack import area_notes
from codesign.source_widths import all_widths
from codesign.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

    from codesign.explanation import Explanation
    from codesign.plots import Figure
    from codesign.point import Point
    from codesign.space import Space

OPTIMAL_GAP = 1e-6
TiesFound = Literal["broken", "left", "not proven"]


@described
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
    """

    status: Literal["optimal", "feasible"]
    objective: Amount
    bound: Amount
    gap: Amount
    ties_broken: bool = False
    ties: TiesFound | None = None

    def __post_init__(self) -> None:
        if self.ties is None or (self.ties == "broken") != self.ties_broken:
            object.__setattr__(self, "ties", "broken" if self.ties_broken else "not proven")

    @staticmethod
    def of(objective: float, bound: float, ties: TiesFound) -> ProofRecord:
        """What a value of the objective and a lower bound on it prove."""
        bound = min(max(bound, 0.0), objective)  # no metric is negative
        gap = (objective - bound) / objective if objective > 0 else 0.0
        return ProofRecord(
            status="optimal" if gap <= OPTIMAL_GAP else "feasible",
            objective=objective,
            bound=bound,
            gap=gap,
            ties_broken=ties == "broken",
            ties=ties,
        )


@described
class SolverRecord:
    """Which solver, how long, and what happened to the hardware options.

    Attributes
    ----------
    considered, bounded_away, solved, left_open : int
        Hardware options of the space; those ruled out by a bound alone; those solved as a
        programme of their own; those with neither when time ran out or the gap was met.
    programmes : int
        Programmes handed to the solver, tie-breaking included.
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


@described
class Design(Stored):
    """An accelerator for a problem, with its figures and its proof.

    Attributes
    ----------
    problem : Problem
    hardware : Hardware
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_designs : tuple of LayerDesign
    metrics : mapping of str to float
        ``latency_s``, ``area_mm2``, ``dram_bits``, ``noise``, ``model_bits``, ``bops``.
    proof : ProofRecord
    solver : SolverRecord
    """

    problem: Problem
    hardware: Hardware
    tensor_bits: Mapping[Name, Count]
    layer_designs: tuple[LayerDesign, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: SolverRecord

    def __post_init__(self) -> None:
        check_names("metrics", METRICS, self.metrics)
        check_tensor_bits(self.network, self.tensor_bits)
        check_rows(self.network, self.layer_designs, tiled=True, timed=True)

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def accelerator(self) -> Accelerator:
        """The hardware found as an accelerator that other networks can be evaluated on."""
        return _accelerator(self.problem, self.hardware)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as `evaluate` takes it."""
        return all_widths(self.network, self.layer_designs, self.tensor_bits)

    @property
    def memory_bound_share(self) -> float:
        """Share of the latency spent in layers that the DRAM binds."""
        bound = (row.latency_s or 0.0 for row in self.layer_designs if row.bound_by == "memory")
        return math.fsum(bound) / self.metrics["latency_s"]

    @cached_property
    def area_breakdown_mm2(self) -> dict[str, float]:
        """Area of the PE array (overhead included) and of the SRAM."""
        return areas_mm2(self.accelerator)[0]

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Where it leans on a fit outside its calibrated range, and area limits that do nothing."""
        proven = self.proof.status == "optimal" and self.proof.ties_broken
        slack = area_notes(self.problem, self.metrics, proven)
        return (*extrapolations(self.accelerator), *slack)

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, tile, cycles, traffic (bits), times (s), utilisation, roof.

        ``gops`` counts two operations a MAC, in 10⁹ per second; ``ops`` are those of Karbachevsky
        et al. 2021, one product for each element of a kernel window and one sum for the window.
        """
        from codesign.tables import layer_frame

        return layer_frame(self)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw roofline, latency per layer, widths per layer and area; save where a path is given.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """
        from codesign.plots import plot_design

        return plot_design(self, path)

    def explain(
        self,
        *,
        step: float = 0.05,
        time_limit_s: float | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Explanation:
        """Find out what binds, what every budget is worth, and the runner-ups, by solving again.

        Parameters
        ----------
        step : float
            Relative size of every change, above 0 and below 1.
        time_limit_s : float, optional
            What is not proven by then says so.
        on_step : callable, optional
            Told in words what is being solved next.

        Raises
        ------
        SpecError
            A step or limit out of range, a design that is not of its problem, or not its optimum.
        SolverError
            Time ran out before the problem itself was proven again.
        """
        from codesign.explanation import explain

        return explain(self, step=step, time_limit_s=time_limit_s, on_step=on_step)


def realise(
    space: Space,
    problem: Problem,
    point: Point,
    bound: float,
    ties: TiesFound,
    solver: SolverRecord,
) -> Design:
    """Recompute a point layer by layer into a design with its proof.

    Parameters
    ----------
    problem : Problem
        That of the space, perhaps with another objective and other budgets.
    bound : float
        Lower bound on the objective over the whole space.
    ties : "broken", "left" or "not proven"
        What became of the tie-breaking goals.

    Raises
    ------
    SolverError
        The recomputed figures differ from the point's, or a budget is not kept.
    """
    network = problem.network
    hardware = hardware_of(space, point)
    tensor_bits = space.tensor_bits(point.variable_width)
    shape = int(space.shape_of[point.option])
    accelerator = _accelerator(problem, hardware)
    layers = tuple(
        moving_layer(network, layer, accelerator, tensor_bits, tiled=True)
        if layer.moves
        else tiled_layer(
            network,
            layer,
            accelerator,
            int(space.widths[point.weight[i]]),
            tensor_bits,
            space.staircase(shape, int(space.geometry_of[i])).tilings,
            point.tiling[i],
        )
        for i, layer in enumerate(network.layers)
    )
    metrics, absent = totals(network, accelerator, tensor_bits, layers, problem.noise_of)
    assert not absent  # a problem has all that a metric needs
    recheck(problem, point, metrics)
    if max(row.sram_bits or 0 for row in layers) > hardware.sram_bits:
        raise SolverError("a tile of the design found does not fit its SRAM; please report this")
    return Design(
        problem=problem,
        hardware=hardware,
        tensor_bits=tensor_bits,
        layer_designs=layers,
        metrics=metrics,
        proof=ProofRecord.of(metrics[problem.objective], bound, ties),
        solver=solver,
    )


def hardware_of(space: Space, point: Point) -> Hardware:
    """The hardware of a point."""
    return Hardware(
        rows=int(space.rows[point.option]),
        cols=int(space.cols[point.option]),
        pe_weight_bits=int(space.pe_weight_bits[point.option]),
        pe_activation_bits=int(space.pe_activation_bits[point.option]),
        sram_bits=point.sram_bits,
    )


def _accelerator(problem: Problem, hardware: Hardware) -> Accelerator:
    return Accelerator(
        name=f"design for {problem.network.name}"[:MAX_NAME],
        rows=hardware.rows,
        cols=hardware.cols,
        engine=problem.technology.engine,
        pe_weight_bits=hardware.pe_weight_bits,
        pe_activation_bits=hardware.pe_activation_bits,
        precision=problem.choices.precision,
        clock_hz=problem.clock_hz,
        sram_bits=hardware.sram_bits,
        dram_bits_per_s=problem.dram_bits_per_s,
        area_overhead=problem.area_overhead,
        technology=problem.technology,
    )


def recheck(problem: Problem, point: Point, metrics: Mapping[str, float]) -> None:
    """Refuse metrics that are not what the search had, or over a budget.

    Raises
    ------
    SolverError
    """
    for name, value in metrics.items():
        if not math.isclose(value, point.metrics[name], rel_tol=1e-12, abs_tol=1e-300):
            raise SolverError(
                f"recomputed {name} is {value!r}, the search had {point.metrics[name]!r}; "
                "please report this with the problem"
            )
    for name, limit in problem.budgets.items():
        if not keeps(metrics[name], limit):
            raise SolverError(
                f"the answer found has {name} = {metrics[name]!r} over its budget {limit!r}; "
                "please report this with the problem"
            )
