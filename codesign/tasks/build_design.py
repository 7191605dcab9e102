"""A point of a search recomputed layer by layer into a design with its proof.

Totals that differ from the point's, or a budget that is not kept, are an error of ours and raise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codesign.costs.layers import moving_layer, tiled_layer
from codesign.costs.totals import totals
from codesign.errors import SolverError
from codesign.problem.problem import Problem
from codesign.problem.tolerances import keeps
from codesign.results.design import Design, _accelerator
from codesign.results.records import ProofRecord, SolverRecord
from codesign.space.point import hardware_of

if TYPE_CHECKING:
    from codesign.search.lexicographic import LexicographicResult
    from codesign.space.hardware import HardwareSpace
    from codesign.space.point import Solution


def build_design(
    space: HardwareSpace,
    problem: Problem,
    point: Solution,
    proven: LexicographicResult,
    solver: SolverRecord,
) -> Design:
    """Recompute a point layer by layer into a design with its proof.

    Parameters
    ----------
    problem : Problem
        That of the space, perhaps with another objective and other budgets.
    proven : LexicographicResult
        Of the objective, then of what breaks ties.

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
        proof=proof_of(metrics[problem.objective], proven),
        solver=solver,
    )


def proof_of(objective: float, found: LexicographicResult) -> ProofRecord:
    """The proof of a result whose objective, recomputed, has this value."""
    return ProofRecord.of(objective, found.first.bound, found.ties, found.ended)


def recheck(problem: Problem, point: Solution, metrics: Mapping[str, float]) -> None:
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
