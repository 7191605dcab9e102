"""Evaluate a network on a given pipeline; what is not given of it is chosen, and proven best."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import numpy as np

from codesign.errors import SpecError
from codesign.problem.choices import Choices
from codesign.problem.metrics import INTERVAL
from codesign.problem.problem import Problem
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.quality import SensitivityTable
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.evaluation import Widths
from codesign.results.records import ProofRecord
from codesign.search.dataflow.pricing import price
from codesign.specs.given_pipeline import GivenPipeline
from codesign.specs.given_stage import check_stages
from codesign.specs.machine import MACHINE_FIELDS, MAPPINGS
from codesign.specs.network import Network
from codesign.stopping import StopCondition
from codesign.tasks.given_widths import given_widths
from codesign.tasks.solve import solve
from codesign.tasks.solve_dataflow import PipelineSolver

DEFAULT_OUTPUT_BITS = Choices.__dataclass_fields__["output_bits"].default


def evaluate_pipeline(
    network: Network,
    pipeline: GivenPipeline,
    widths: Widths | None = None,
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
    time_limit_s: float | None = None,
) -> DataflowDesign:
    """The pipeline with all its figures; parameters and errors are those of `evaluate`.

    Its problem is that of what is not given: least interval, then least hardware. Where starts are
    given nothing is left to choose.
    """
    problem = given_problem(network, pipeline, widths, output_bits, sensitivity)
    if not pipeline.starts:
        return solve(problem, time_limit_s=time_limit_s)  # type: ignore[return-value]
    return _as_given(problem, pipeline.starts)


def given_problem(
    network: Network,
    pipeline: GivenPipeline,
    widths: Widths | None,
    output_bits: int | None,
    sensitivity: SensitivityTable | None,
) -> Problem:
    """The problem of which a pipeline, but for what is not given of it, is the only design."""
    _check_complete(network, pipeline)
    if widths is None and not pipeline.widths:
        raise SpecError("widths: the pipeline tells none; give widths (--bits)")
    asked = pipeline.widths if widths is None else widths
    if output_bits is None and not isinstance(asked, Mapping):
        output_bits = DEFAULT_OUTPUT_BITS
    given = given_widths(network, asked, output_bits)
    results = {given[f"tensor:{name}"] for name in network.outputs}
    if len(results) > 1:
        raise SpecError(f"widths: results of {sorted(results)} bits; those of a pipeline have one")
    sources = {x: given[x] for x in network.noise_sources}
    weights = _distinct(bits for x, bits in sources.items() if x.startswith("weight:"))
    tensors = _distinct(bits for x, bits in sources.items() if x.startswith("tensor:"))
    stages = pipeline.stages.values()
    mapped = {x.mapping for x in stages} - {None}
    mapped |= {*pipeline.mapping} if None in {x.mapping for x in stages} else set()
    machine = {name: getattr(pipeline, name) for name in MACHINE_FIELDS}
    choices = Choices(
        **{**machine, "mapping": tuple(x for x in MAPPINGS if x in mapped) or pipeline.mapping},
        rows=_distinct(x.rows for x in stages if x.rows is not None),
        cols=_distinct(x.cols for x in stages if x.cols is not None),
        weight_bits=weights or tensors,
        activation_bits=tensors,
        pinned=sources if max(len(weights), len(tensors)) > 1 else {},
        output_bits=max(results, default=DEFAULT_OUTPUT_BITS),
        architecture=("dataflow",),
        stages=pipeline.stages,
    )
    return Problem(
        network=network,
        technology=pipeline.technology,
        clock_hz=pipeline.clock_hz,
        dram_bits_per_s=pipeline.dram_bits_per_s,
        dram_energy_j_per_bit=pipeline.dram_energy_j_per_bit,
        area_overhead=pipeline.area_overhead,
        choices=choices,
        sensitivity=sensitivity,
        objective=INTERVAL,
    )


def _distinct(given: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({*given}))


def _check_complete(network: Network, pipeline: GivenPipeline) -> None:
    """Refuse a pipeline that lacks a stage or its array."""
    check_stages(network, pipeline.stages, "stages")
    for layer in network.layers:
        if layer.moves:
            continue
        stage = pipeline.stages.get(layer.name)
        if stage is None:
            raise SpecError(f"stages: layer {layer.name!r} has none; give its rows and cols")
        for side in ("rows", "cols"):
            if getattr(stage, side) is None:
                raise SpecError(f"stages ({layer.name!r}).{side}: missing")
    for layer in network.layers if pipeline.starts else ():
        if layer.name not in pipeline.starts:
            raise SpecError(f"starts: layer {layer.name!r} has none; give all, or none")


def _as_given(problem: Problem, starts: Mapping[str, float]) -> DataflowDesign:
    """The one design of a problem that starts so; its interval is that of any starts."""
    stop, now_s = StopCondition(None), time.monotonic()
    solver = PipelineSolver(problem, stop, "search", OPTIMAL_GAP, "highs", "leave", now_s)
    for layer, options in zip(problem.network.layers, solver.space.options, strict=True):
        if options is not None and len(options.rows) > 1:
            told = problem.choices.stages[layer.name].told
            lacks = next(x for x in ("mapping", "weights", "band_rows") if x not in told)
            raise SpecError(
                f"stages ({layer.name!r}).{lacks}: missing, though starts are given; give it, or "
                "leave every start out"
            )
    at = np.array([starts[layer.name] for layer in problem.network.layers])
    widths = np.zeros(len(solver.space.classes), dtype=np.int64)
    found = price(solver.space, dict.fromkeys(solver.space.chosen_layers, 0), widths, at)
    interval_s = found.metrics[INTERVAL]
    try:
        return DataflowDesign(
            problem=problem,
            tensor_bits=found.tensor_bits,
            stages=found.stages,
            metrics=found.metrics,
            proof=ProofRecord.of(interval_s, interval_s, "left", None),
            solver=solver.record(),
        )
    except SpecError as error:
        raise SpecError(f"{error}; leave every start out, and the best are taken") from None
