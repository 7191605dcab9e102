"""An assignment with its proof, recomputed layer by layer from the solution of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping

from codesign.costs.widths import layer_bops, model_bits, noise
from codesign.problem.latency_table import value_of
from codesign.problem.metrics import COST
from codesign.results.assignment import Assignment, LayerWidths
from codesign.results.records import AssignmentRecord
from codesign.search.lexicographic import LexicographicResult
from codesign.space.tabled import LatencyTableSpace
from codesign.specs.network import Layer
from codesign.tasks.build_design import checked_proof


def build_assignment(
    space: LatencyTableSpace, found: LexicographicResult, solver: AssignmentRecord
) -> Assignment:
    """The assignment of a solution.

    Raises
    ------
    SolverError
        The recomputed figures differ from the search's, or a budget is not kept.
    """
    problem, network, solution = space.problem, space.problem.network, found.solution
    assert solution is not None
    tensor_bits = space.tensor_bits(solution.variable_width)
    rows = tuple(
        _layer_widths(layer, int(space.widths[solution.weight[i]]), tensor_bits, space)
        for i, layer in enumerate(network.layers)
    )
    metrics = {
        "noise": noise(network, rows, tensor_bits, problem.noise_of),
        "model_bits": model_bits(network, rows),
        "bops": math.fsum(row.bops for row in rows),
    }
    if space.latency is not None:
        metrics["latency_s"] = math.fsum(row.latency_s or 0.0 for row in rows)
    for name in space.cost_tables:
        metrics[COST + name] = math.fsum(row.costs[name] for row in rows)
    return Assignment(
        problem=problem,
        latency_table=space.latency,
        costs=space.cost_tables,
        tensor_bits=tensor_bits,
        layer_widths=rows,
        metrics=metrics,
        proof=checked_proof(problem, found, metrics),
        solver=solver,
    )


def _layer_widths(
    layer: Layer, weight_bits: int, tensor_bits: Mapping[str, int], space: LatencyTableSpace
) -> LayerWidths:
    input_bits = tensor_bits[layer.input]
    if layer.weight_tensor is not None:
        weight_bits = tensor_bits[layer.weight_tensor]
    pair = (None if layer.moves else weight_bits), input_bits
    return LayerWidths(
        name=layer.name,
        weight_bits=pair[0],
        input_bits=input_bits,
        output_bits=tensor_bits[layer.output],
        bops=float(layer_bops(layer, weight_bits, input_bits)),
        latency_s=None if space.latency is None else value_of(space.latency, layer, pair),
        costs={name: value_of(table, layer, pair) for name, table in space.cost_tables.items()},
    )
