"""The answer where no hardware is chosen: a width for every weight and tensor, and the proof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from codesign.consistency import check_layers, check_tensor_bits
from codesign.costs.arithmetic import layer_bops
from codesign.design import ProofRecord, TiesFound, recheck
from codesign.errors import SpecError
from codesign.figures import Amount, Whole
from codesign.hardware import Bits
from codesign.latency_table import CostTable, LatencyTable, check_cost, cost_title, value_of
from codesign.metrics import COST
from codesign.network import Layer, Name, Network
from codesign.problem import Choices, Problem
from codesign.schema import described
from codesign.source_widths import all_widths, model_bits, noise
from codesign.stored import Stored
from codesign.text_files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from codesign.point import Point
    from codesign.tabled_space import TabledSpace

KNOWN = ("noise", "model_bits", "bops")  # metrics of widths alone; a latency stands in a table


@described
class AssignmentRecord:
    """Which solver, and how long.

    Attributes
    ----------
    seconds : float
        All in all.
    solver_s : float
        Of those in the solver.
    programmes : int
        Programmes handed to it, tie-breaking included.
    interrupted : bool
        Whether an interrupt (Ctrl-C) ended the search.
    """

    name: str
    version: str
    seconds: Amount
    solver_s: Amount
    programmes: Whole
    interrupted: bool = False


@described
class LayerWidths:
    """One layer at the widths it was assigned.

    Attributes
    ----------
    weight_bits : int or None
        Width of the weight operand (of the weight tensor, where that stands in); None where data
        only moves.
    input_bits, output_bits : int
    bops : float
    latency_s : float or None
        None without a latency table.
    costs : mapping of str to float
        Of one's own, by name.
    """

    name: Name
    weight_bits: Bits | None
    input_bits: Bits
    output_bits: Bits
    bops: Amount
    latency_s: Amount | None
    costs: Mapping[Name, Amount] = field(default_factory=dict)


@described
class Assignment(Stored):
    """Widths for a network, with their figures and their proof.

    Attributes
    ----------
    problem : Problem
        Its platform is of no account.
    latency_table : mapping or None
        By layer, ``{(weight_bits, input_bits): seconds}``; see `codesign.latency_table`.
    costs : mapping
        By name, tables of costs of one's own, of the same form.
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_widths : tuple of LayerWidths
    metrics : mapping of str to float
        ``noise``, ``model_bits``, ``bops``; with a latency table ``latency_s``, and
        ``cost:NAME`` of each cost.
    proof : ProofRecord
    solver : AssignmentRecord
    """

    problem: Problem
    latency_table: LatencyTable | None
    tensor_bits: Mapping[Name, Bits]
    layer_widths: tuple[LayerWidths, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: AssignmentRecord
    costs: Mapping[Name, CostTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.latency_table is not None:
            check_cost(self.problem, self.latency_table)
        for name, table in self.costs.items():
            check_cost(self.problem, table, cost_title(name))
        check_tensor_bits(self.network, self.tensor_bits)
        check_layers(self.network, self.layer_widths)
        timed = self.latency_table is not None
        expected = {*KNOWN, *(("latency_s",) if timed else ())}
        expected |= {COST + name for name in self.costs}
        if set(self.metrics) != expected:
            raise SpecError(f"metrics: must be {', '.join(sorted(expected))}")
        for layer, row in zip(self.network.layers, self.layer_widths, strict=True):
            self._check_row(layer, row, timed)

    def _check_row(self, layer: Layer, row: LayerWidths, timed: bool) -> None:
        where = f"layers ({row.name!r})"
        if (row.weight_bits is None) != layer.moves:
            fault = "a layer that only moves data has none" if layer.moves else "missing"
            raise SpecError(f"{where}.weight_bits: {fault}")
        if (row.latency_s is not None) != timed:
            fault = "missing" if timed else "not known without a latency table"
            raise SpecError(f"{where}.latency_s: {fault}")
        if {*row.costs} != {*self.costs}:
            raise SpecError(f"{where}.costs: must be {', '.join(self.costs) or 'none'}")
        stored = self.tensor_bits[layer.input], self.tensor_bits[layer.output]
        if stored != (row.input_bits, row.output_bits):
            raise SpecError(f"{where}: its widths are not those of tensor_bits")

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as `evaluate` takes it."""
        return all_widths(self.network, self.layer_widths, self.tensor_bits)

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, MACs, weights, bit operations, latency (s) if known, costs."""
        from codesign.tables import widths_frame

        return widths_frame(self)

    def save_csv(self, path: str | Path) -> None:
        """Write `layers` as CSV, whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        write_whole(Path(path), self.layers.to_csv(lineterminator="\n"))


def without_platform(problem: Problem) -> Problem:
    """The same question of widths alone, on the platform that is the default."""
    choices = problem.choices
    return Problem(
        network=problem.network,
        choices=Choices(
            weight_bits=choices.weight_bits,
            activation_bits=choices.activation_bits,
            pinned=choices.pinned,
            output_bits=choices.output_bits,
            shared=choices.shared,
            tied=choices.tied,
        ),
        sensitivity=problem.sensitivity,
        quality=problem.quality,
        objective=problem.objective,
        budgets=problem.budgets,
    )


def assigned(
    space: TabledSpace, point: Point, bound: float, ties: TiesFound, solver: AssignmentRecord
) -> Assignment:
    """Recompute a point layer by layer into an assignment with its proof.

    Parameters
    ----------
    bound : float
        Lower bound on the objective over all widths.
    ties : "broken", "left" or "not proven"
        What became of the tie-breaking goals.

    Raises
    ------
    SolverError
        The recomputed figures differ from the point's, or a budget is not kept.
    """
    problem, network = space.problem, space.problem.network
    tensor_bits = space.tensor_bits(point.variable_width)
    rows = tuple(
        _row(layer, int(space.widths[point.weight[i]]), tensor_bits, space)
        for i, layer in enumerate(network.layers)
    )
    metrics = _totals(problem, tensor_bits, rows)
    for name in space.cost_tables:
        metrics[COST + name] = math.fsum(row.costs[name] for row in rows)
    recheck(problem, point, metrics)
    return Assignment(
        problem=problem,
        latency_table=space.latency,
        costs=space.cost_tables,
        tensor_bits=tensor_bits,
        layer_widths=rows,
        metrics=metrics,
        proof=ProofRecord.of(metrics[problem.objective], bound, ties),
        solver=solver,
    )


def _row(
    layer: Layer, weight_bits: int, tensor_bits: Mapping[str, int], space: TabledSpace
) -> LayerWidths:
    latency = space.latency
    input_bits = tensor_bits[layer.input]
    operand = layer.weight_tensor
    weight = weight_bits if operand is None else tensor_bits[operand]
    pair = (None if layer.moves else weight), input_bits
    return LayerWidths(
        name=layer.name,
        weight_bits=pair[0],
        input_bits=input_bits,
        output_bits=tensor_bits[layer.output],
        bops=float(layer_bops(layer, weight, input_bits)),
        latency_s=None if latency is None else value_of(latency, layer, pair),
        costs={name: value_of(table, layer, pair) for name, table in space.cost_tables.items()},
    )


def _totals(
    problem: Problem, tensor_bits: Mapping[str, int], rows: tuple[LayerWidths, ...]
) -> dict[str, float]:
    network = problem.network
    metrics = {
        "noise": noise(network, rows, tensor_bits, problem.noise_of),
        "model_bits": model_bits(network, rows),
        "bops": math.fsum(row.bops for row in rows),
    }
    timed = [row.latency_s for row in rows if row.latency_s is not None]
    return metrics | ({"latency_s": math.fsum(timed)} if timed else {})
