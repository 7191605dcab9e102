"""The answer: hardware, widths and tilings with every figure, and the proof.

A design is built from a priced point by recomputing each layer from its tile; totals that differ
from the point's, or a budget that is not kept, are an error of ours and raise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from codesign.costs.area import array_area_um2, pe_bops, sram_area_um2
from codesign.costs.arithmetic import layer_bops
from codesign.costs.compute import cycles, precision_passes
from codesign.costs.tiling import ORDERS, Tilings, operand_bits
from codesign.errors import SolverError, SpecError
from codesign.hardware import Hardware
from codesign.network import Count, Layer, Name
from codesign.problem import BUDGET_TOLERANCE, METRICS, Problem
from codesign.schema import described
from codesign.technology import AreaFit, QuadraticFit
from codesign.units import UM2_PER_MM2

if TYPE_CHECKING:
    import pandas as pd

    from codesign.plots import Figure
    from codesign.point import Point
    from codesign.space import Space

Amount = Annotated[float, Field(ge=0, le=1e30, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0)]

Order = Annotated[str, Field(pattern="^(kcp|ckp|kpc|pkc|cpk|pck)$")]

OPTIMAL_GAP = 1e-6


@described
class Tile:
    """Groups, output channels, input channels, output rows and images of one tile."""

    g: Count
    k: Count
    c: Count
    p: Count
    images: Count


@described
class Traffic:
    """DRAM bits of one layer by what moves."""

    weights: Whole
    ifmap: Whole
    output: Whole
    psum: Whole
    residual: Whole

    @property
    def total(self) -> int:
        """All bits the layer moves."""
        return self.weights + self.ifmap + self.output + self.psum + self.residual


@described
class LayerDesign:
    """One layer of a design.

    Attributes
    ----------
    weight_bits : int
        Width of the weight operand (of the weight tensor, where that stands in).
    order : str
        Tile loops, outermost first: a permutation of ``kcp``.
    cycles : int
    sram_bits : int
        What its tiling needs.
    dram_bits : Traffic
    compute_s, memory_s, latency_s : float
        ``latency_s`` is the longer of the two others.
    bound_by : "compute" or "memory"
    """

    name: Name
    weight_bits: Count
    tile: Tile
    order: Order
    cycles: Whole
    sram_bits: Whole
    dram_bits: Traffic
    compute_s: Amount
    memory_s: Amount
    latency_s: Amount
    bound_by: Literal["compute", "memory"]


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
        of its objective.
    """

    status: Literal["optimal", "feasible"]
    objective: Amount
    bound: Amount
    gap: Amount
    ties_broken: bool = False


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


@described
class Design:
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
        network = self.problem.network
        expected = {
            "metrics": (set(METRICS), set(self.metrics)),
            "tensor_bits": (set(network.tensors), set(self.tensor_bits)),
        }
        for what, (right, given) in expected.items():
            if right != given:
                odd = min(right ^ given)
                fault = "missing" if odd in right else "unknown"
                raise SpecError(f"{what}: {odd!r} is {fault}")
        names = [layer.name for layer in network.layers]
        given_names = [layer.name for layer in self.layer_designs]
        if names != given_names:
            raise SpecError(
                f"layers: {len(given_names)} that are not the network's {len(names)}, in its order"
            )

    @cached_property
    def area_breakdown_mm2(self) -> dict[str, float]:
        """Area of the PE array (overhead included) and of the SRAM."""
        hardware, technology = self.hardware, self.problem.technology
        pe_array = array_area_um2(
            technology,
            hardware.rows,
            hardware.cols,
            hardware.pe_weight_bits,
            hardware.pe_activation_bits,
            self.problem.area_overhead,
        )
        sram = sram_area_um2(technology, hardware.sram_bits)
        return {"PE array": float(pe_array) / UM2_PER_MM2, "SRAM": float(sram) / UM2_PER_MM2}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Where the design leans on a fit outside the range it was calibrated for."""
        hardware, technology = self.hardware, self.problem.technology
        widths = hardware.pe_weight_bits, hardware.pe_activation_bits
        pe = technology.pe_area_um2
        leans: list[tuple[str, float, str, AreaFit | QuadraticFit]]
        if isinstance(pe, QuadraticFit):
            leans = [("PE area", float(b), "bits per operand", pe) for b in sorted({*widths})]
        else:
            bops = float(pe_bops(*widths, technology.engine))
            leans = [("PE area", bops, "BOPS per cycle", pe)]
        leans.append(("SRAM area", hardware.sram_bits, "bits", technology.sram_area_um2))
        found = []
        for what, x, unit, fit in leans:
            if fit.calibrated and not fit.calibrated[0] <= x <= fit.calibrated[1]:
                found.append(
                    f"{what} of {technology.name} at {x:.5g} {unit} is extrapolated: the fit is "
                    f"calibrated for {fit.calibrated[0]:.5g} to {fit.calibrated[1]:.5g}"
                )
        return tuple(found)

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, tile, cycles, traffic (bits), times (s), utilisation, roof."""
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

        return plot_design(self, None if path is None else Path(path))

    def save(self, path: str | Path) -> None:
        """Write the design file (JSON, ``codesign-design/1``), whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        from codesign.design_file import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Design:
        """Read a design file.

        Raises
        ------
        SpecError
            Unreadable, or not a design file.
        """
        from codesign.design_file import load

        return load(Path(path))


def realise(
    space: Space, point: Point, bound: float, ties_broken: bool, solver: SolverRecord
) -> Design:
    """Recompute a point layer by layer into a design with its proof.

    Parameters
    ----------
    bound : float
        Lower bound on the objective over the whole space.
    ties_broken : bool
        Whether the tie-breaking goals were proven as well.

    Raises
    ------
    SolverError
        The recomputed figures differ from the point's, or a budget is not kept.
    """
    problem = space.problem
    network = problem.network
    hardware = Hardware(
        rows=int(space.rows[point.option]),
        cols=int(space.cols[point.option]),
        pe_weight_bits=int(space.pe_weight_bits[point.option]),
        pe_activation_bits=int(space.pe_activation_bits[point.option]),
        sram_bits=point.sram_bits,
    )
    tensor_bits = dict.fromkeys(network.tensors, problem.choices.output_bits)
    for name, index in space.tensor_index.items():
        tensor_bits[name] = int(space.widths[point.tensor[index]])
    shape = int(space.shape_of[point.option])
    layers = tuple(
        _realise_layer(
            problem,
            layer,
            hardware,
            int(space.widths[point.weight[i]]),
            tensor_bits,
            space.staircase(shape, int(space.geometry_of[i])).tilings,
            point.tiling[i],
        )
        for i, layer in enumerate(network.layers)
    )
    metrics = _totals(problem, hardware, tensor_bits, layers)
    _recheck(problem, point, hardware, layers, metrics)
    objective = metrics[problem.objective]
    bound = min(max(bound, 0.0), objective)  # no metric is negative
    distance = (objective - bound) / objective if objective > 0 else 0.0
    proof = ProofRecord(
        status="optimal" if distance <= OPTIMAL_GAP else "feasible",
        objective=objective,
        bound=bound,
        gap=distance,
        ties_broken=ties_broken,
    )
    return Design(
        problem=problem,
        hardware=hardware,
        tensor_bits=tensor_bits,
        layer_designs=layers,
        metrics=metrics,
        proof=proof,
        solver=solver,
    )


def _realise_layer(
    problem: Problem,
    layer: Layer,
    hardware: Hardware,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    tilings: Tilings,
    row: int,
) -> LayerDesign:
    tensors, engine = problem.network.tensors, problem.technology.engine
    ifmap_bits = tensor_bits[layer.input]
    operands = operand_bits(weight_bits, ifmap_bits, layer.accumulation_bits)
    weights, ifmap, psum = (int(x) for x in tilings.traffic[row] * operands)
    traffic = Traffic(
        weights=weights,
        ifmap=ifmap,
        output=tensors[layer.output] * tensor_bits[layer.output],
        psum=psum,
        residual=sum(tensors[name] * tensor_bits[name] for name in layer.residuals),
    )
    count = cycles(layer, hardware.rows, hardware.cols, engine)
    if problem.choices.precision == "multi-pass":
        count *= precision_passes(
            weight_bits, ifmap_bits, hardware.pe_weight_bits, hardware.pe_activation_bits
        )
    compute_s = count / problem.clock_hz
    memory_s = traffic.total / problem.dram_bits_per_s
    g, k, c, p, images = (int(x) for x in tilings.tile[row])
    return LayerDesign(
        name=layer.name,
        weight_bits=weight_bits,
        tile=Tile(g=g, k=k, c=c, p=p, images=images),
        order=ORDERS[int(tilings.order[row])],
        cycles=count,
        sram_bits=int(tilings.need[row] @ operands),
        dram_bits=traffic,
        compute_s=compute_s,
        memory_s=memory_s,
        latency_s=max(compute_s, memory_s),
        bound_by="compute" if compute_s >= memory_s else "memory",
    )


def _totals(
    problem: Problem,
    hardware: Hardware,
    tensor_bits: Mapping[str, int],
    layers: tuple[LayerDesign, ...],
) -> dict[str, float]:
    network = problem.network
    owned = [
        (layer, row)
        for layer, row in zip(network.layers, layers, strict=True)
        if layer.weight_tensor is None
    ]
    noise = [problem.noise_of(f"weight:{layer.name}", row.weight_bits) for layer, row in owned]
    noise += [problem.noise_of(f"tensor:{t}", tensor_bits[t]) for t in network.inner_tensors]
    array_um2 = array_area_um2(
        problem.technology,
        hardware.rows,
        hardware.cols,
        hardware.pe_weight_bits,
        hardware.pe_activation_bits,
        problem.area_overhead,
    )
    area_um2 = float(array_um2 + sram_area_um2(problem.technology, hardware.sram_bits))
    return {
        "latency_s": math.fsum(row.latency_s for row in layers),
        "area_mm2": area_um2 / UM2_PER_MM2,
        "dram_bits": float(sum(row.dram_bits.total for row in layers)),
        "noise": math.fsum(noise),
        "model_bits": float(sum(layer.weights * row.weight_bits for layer, row in owned)),
        "bops": math.fsum(
            float(layer_bops(layer, row.weight_bits, tensor_bits[layer.input]))
            for layer, row in zip(network.layers, layers, strict=True)
        ),
    }


def _recheck(
    problem: Problem,
    point: Point,
    hardware: Hardware,
    layers: tuple[LayerDesign, ...],
    metrics: Mapping[str, float],
) -> None:
    for name in METRICS:
        if not math.isclose(metrics[name], point.metrics[name], rel_tol=1e-9, abs_tol=1e-300):
            raise SolverError(
                f"recomputed {name} is {metrics[name]!r}, the search had {point.metrics[name]!r}; "
                "please report this with the problem"
            )
    for name, limit in problem.budgets.items():
        if metrics[name] > limit * (1 + 2 * BUDGET_TOLERANCE):
            raise SolverError(
                f"the design found has {name} = {metrics[name]!r} over its budget {limit!r}; "
                "please report this with the problem"
            )
    if max(row.sram_bits for row in layers) > hardware.sram_bits:
        raise SolverError("a tile of the design found does not fit its SRAM; please report this")
