"""Pipelines that an enumeration found, built by the cost model: as a design, with a proof of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction

import oracle_widths
from dataflow_oracle import Base, Group, metrics_of

from codesign.costs.pipeline import StageChoice, pipeline_metrics, stages_of
from codesign.problem.problem import Problem
from codesign.results.dataflow_design import DataflowDesign, platform_of
from codesign.results.records import PipelineSolverRecord, ProofRecord


def built(
    problem: Problem, widths: Mapping[str, int], base: Base, starts: Sequence[Fraction]
) -> DataflowDesign:
    """The design, said to be optimal."""
    network, platform = problem.network, platform_of(problem)
    choices = []
    for layer, priced, start in zip(network.layers, base.stages, starts, strict=True):
        bw = None if layer.moves else oracle_widths.layer_widths(layer, widths)[0]
        choices.append(StageChoice(bw, *priced.stage, float(start)))
    bits = {name: oracle_widths.tensor_bits(problem, widths, name) for name in network.tensors}
    stages = stages_of(network, platform, choices, bits)

    def noise_of(source: str, bits: int) -> float:
        return oracle_widths.noise_at(problem, source, bits)

    metrics, _ = pipeline_metrics(network, platform, stages, bits, noise_of)
    value = metrics[problem.objective]
    return DataflowDesign(
        problem=problem,
        tensor_bits=bits,
        stages=stages,
        metrics=metrics,
        proof=ProofRecord(status="optimal", objective=value, bound=value, gap=0.0),
        solver=PipelineSolverRecord(
            name="none",
            version="0",
            seconds=0.0,
            method="search",
            options=1,
            intervals=1,
            programmes=0,
        ),
    )


def drawn(
    rng: random.Random, problem: Problem, groups: Sequence[Group]
) -> tuple[DataflowDesign, dict[str, float]]:
    """Some pipeline, built, and its enumerated metrics."""
    group = rng.choice([x for x in groups if x.bases])
    base, corner = rng.choice(group.bases), rng.choice(rng.choice(group.waits))
    metrics = metrics_of(problem, group, base, corner)
    return built(problem, group.widths, base, corner.starts), metrics
