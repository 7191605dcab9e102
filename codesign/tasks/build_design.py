"""A design with its proof, recomputed layer by layer from the solution that a search has found.

Metrics that differ from the search's, or a budget that is not kept, are an error of ours and raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codesign.costs.fusion import FusedRun, fused_layers
from codesign.costs.layers import LayerDesign, moving_layer, tiled_layer
from codesign.costs.residency import Residents, residents
from codesign.costs.totals import totals
from codesign.errors import SolverError
from codesign.problem.metrics import ENERGY, REGRET
from codesign.problem.problem import Problem
from codesign.problem.tolerances import keeps, same_total
from codesign.results.consistency import places_of
from codesign.results.design import Design, accelerator_of
from codesign.results.records import ProofRecord, SolverRecord
from codesign.search.lexicographic import LexicographicResult
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, hardware_of
from codesign.specs.accelerator import Accelerator
from codesign.tasks.regret import regret
from codesign.units import kind_of


def build_design(
    space: HardwareSpace, problem: Problem, found: LexicographicResult, solver: SolverRecord
) -> Design:
    """The design of a solution.

    Parameters
    ----------
    problem : Problem
        That of the space, perhaps with another objective and other budgets.

    Raises
    ------
    SolverError
        The recomputed figures differ from the search's, or a budget is not kept.
    """
    network, solution = problem.network, found.solution
    assert solution is not None
    hardware = hardware_of(space, solution)
    tensor_bits = space.tensor_bits(solution.variable_width)
    accelerator = accelerator_of(problem, hardware)
    on_chip = [x for x, there in zip(space.placed, solution.on_chip, strict=False) if there]
    fused = solution.on_chip[len(space.placed) :]
    runs = [run for run, there in zip(space.runs, fused, strict=True) if there]
    held: list[Residents | None] = [None] * len(network.layers)
    if problem.choices.on_chip != "none":
        held = [*residents(network, tensor_bits, on_chip, [run.layers for run in runs])]
    layers = _layer_designs(space, solution, accelerator, tensor_bits, held, runs)
    bands = [name for run in runs for name in run.inner]
    metrics, absent = totals(
        *(network, accelerator, tensor_bits, layers, problem.noise_of), on_chip, runs
    )
    if problem.objective == REGRET:
        metrics[REGRET] = regret(metrics, problem.references)
    assert {*absent} <= {ENERGY}  # a problem has all that the other metrics need
    proof = checked_proof(problem, found, metrics)
    if max((row.sram_bits or 0) + row.resident_bits for row in layers) > hardware.sram_bits:
        raise SolverError("a tile of the design found does not fit its SRAM; please report this")
    return Design(
        problem=problem,
        hardware=hardware,
        tensor_bits=tensor_bits,
        layer_designs=layers,
        metrics=metrics,
        proof=proof,
        solver=solver,
        on_chip=None if held[0] is None else places_of(network, on_chip, bands),
    )


def _layer_designs(
    space: HardwareSpace,
    solution: Solution,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    held: Sequence[Residents | None],
    runs: Sequence[FusedRun],
) -> tuple[LayerDesign, ...]:
    """Each layer with its tiling, or in its run, beside what is on chip while it runs."""
    network, shape = space.problem.network, int(space.shape_of[solution.option])
    modes = solution.modes or (0,) * len(network.layers)
    fused: dict[int, LayerDesign] = {}
    for run in runs:
        bits = [int(space.widths[solution.weight[i]]) for i in run.layers]
        beside = held[run.first]
        assert beside is not None
        made = fused_layers(network, run, accelerator, bits, tensor_bits, beside)
        fused |= dict(zip(run.layers, made, strict=True))
    return tuple(
        fused[i]
        if i in fused
        else moving_layer(network, layer, accelerator, tensor_bits, True, held[i])
        if layer.moves
        else tiled_layer(
            network,
            layer,
            accelerator,
            int(space.widths[solution.weight[i]]),
            tensor_bits,
            space.staircase(shape, int(space.geometry_of[i]), 0, mode).tilings,
            solution.tiling[i],
            held[i],
            space.modes[mode],
        )
        for i, (layer, mode) in enumerate(zip(network.layers, modes, strict=True))
    )


def checked_proof(
    problem: Problem, found: LexicographicResult, metrics: Mapping[str, float]
) -> ProofRecord:
    """What is proven of a result, once its recomputed metrics are what the search had.

    Raises
    ------
    SolverError
        They are not, or over a budget.
    """
    assert found.solution is not None
    for name, value in metrics.items():
        if kind_of(name) == ENERGY and name not in found.solution.metrics:
            continue  # reported, and not asked for
        searched = found.solution.metrics[name]
        if not same_total(value, searched):
            raise SolverError(
                f"recomputed {name} is {value!r}, the search had {searched!r}; "
                "please report this with the problem"
            )
    for name, limit in problem.budgets.items():
        if not keeps(metrics[name], limit):
            raise SolverError(
                f"the answer found has {name} = {metrics[name]!r} over its budget {limit!r}; "
                "please report this with the problem"
            )
    return ProofRecord.of(metrics[problem.objective], found.first.bound, found.ties, found.ended)
