"""Pipelines put together by hand, every stage alike and started early; and a tiny problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codesign import Choices, Layer, Network, Problem
from codesign.costs.pipeline import StageChoice, pipeline_metrics, reads_of, stages_of
from codesign.costs.stages import lag_of
from codesign.results.dataflow_design import DataflowDesign, platform_of
from codesign.results.records import PipelineSolverRecord, ProofRecord

WIDTHS = ("weight_bits", "activation_bits")


def dataflow(network: Network | None = None) -> Problem:
    """A problem of pipelines for a network, or for one of a single layer."""
    layer = Layer(name="conv", input="in", output="out", K=4, C=4)
    alone = Network(name="alone", layers=(layer,), tensors={"in": 4, "out": 4})
    choices = Choices(architecture=("dataflow",))
    return Problem(network=network or alone, choices=choices, objective="interval")


def earliest(problem: Problem, band_rows: Sequence[int]) -> list[float]:
    """When each stage may start at the earliest, in intervals."""
    layers, starts = problem.network.layers, list[float]()
    lags = [float(lag_of(x, p)) for x, p in zip(layers, band_rows, strict=True)]
    for i in range(len(layers)):
        mine = [read.writer for read in reads_of(problem.network) if read.reader == i]
        starts.append(max((starts[w] + lags[w] for w in mine if w is not None), default=0.0))
    return starts


def pipeline(
    problem: Problem, bits: int = 4, band_rows: int = 1, **same: Any
) -> tuple[Sequence[StageChoice], Mapping[str, int]]:
    """Choices of stages, 2 × 2 in mapping window unless told otherwise, and widths of tensors."""
    layers = problem.network.layers
    bands = [layer.P if layer.moves else min(band_rows, layer.P) for layer in layers]
    starts = earliest(problem, bands)
    alike = {"mapping": "window", "rows": 2, "cols": 2, "weights": "chip", **same}
    none = dict.fromkeys(alike)
    choices = [
        StageChoice(
            weight_bits=None if layer.moves else bits,
            band_rows=p,
            start=start,
            **(none if layer.moves else alike),
        )
        for layer, p, start in zip(layers, bands, starts, strict=True)
    ]
    return choices, dict.fromkeys(problem.network.tensors, bits)


def made_up(problem: Problem, **given: Any) -> DataflowDesign:
    """A design of it, which nobody has proven."""
    choices, tensor_bits = pipeline(problem, **given)
    network, platform = problem.network, platform_of(problem)
    stages = stages_of(network, platform, choices, tensor_bits)
    metrics, _ = pipeline_metrics(network, platform, stages, tensor_bits, problem.noise_of)
    value = metrics[problem.objective]
    solver = {"name": "nobody", "version": "0", "seconds": 0.0, "method": "search"}
    counts = {"options": 1, "intervals": 1, "programmes": 0}
    return DataflowDesign(
        problem=problem,
        tensor_bits=tensor_bits,
        stages=stages,
        metrics=metrics,
        proof=ProofRecord.of(value, 0.0, "left", None),
        solver=PipelineSolverRecord(**solver, **counts),
    )


def tiny(architecture: tuple[str, ...], **asked: object) -> Problem:
    """Two layers, one of which adds the other's input."""
    first = Layer(name="a", input="in", output="x", C=4, K=4, P=4, Q=4, R=3, S=3, H=4, W=4)
    second = Layer(
        name="b",
        input="x",
        output="y",
        C=4,
        K=4,
        P=4,
        Q=4,
        R=3,
        S=3,
        H=4,
        W=4,
        residuals=("in",),
    )
    network = Network(name="skip", layers=(first, second), tensors={"in": 64, "x": 64, "y": 64})
    choices = Choices(
        rows=(1, 4),
        cols=(1, 4),
        weight_bits=(4, 8),
        activation_bits=(4, 8),
        architecture=architecture,  # type: ignore[arg-type]
    )
    return Problem(network=network, choices=choices, quality="uniform:4", **asked)  # type: ignore[arg-type]


def residual(**asked: Any) -> Problem:
    """A problem of a network with a skip connection and one that is convolved."""

    def conv(name: str, fed: str, c: int, k: int, rows: int, **more: Any) -> Layer:
        high = rows * more.get("stride", 1)
        sizes = {"C": c, "K": k, "P": rows, "Q": rows, "H": high, "W": high}
        return Layer(name=name, input=fed, output=f"{name}.out", **sizes, **more)

    three, down = {"R": 3, "S": 3}, {"stride": 2}
    layers = (
        conv("conv", "image", 3, 8, 16, **three),
        conv("one", "conv.out", 8, 8, 16, **three),
        conv("two", "one.out", 8, 8, 16, residuals=("conv.out",), **three),
        conv("skip", "two.out", 8, 16, 8, **down),
        conv("three", "two.out", 8, 16, 8, **three, **down),
        conv("four", "three.out", 16, 16, 8, residuals=("skip.out",), **three),
    )
    tensors = {"image": 3 * 16 * 16, **{x.output: x.K * x.P * x.Q for x in layers}}
    choices = {"architecture": ("dataflow",), **dict.fromkeys(WIDTHS, (2, 4, 8))}
    return Problem(
        network=Network(name="residual", layers=layers, tensors=tensors),
        choices=Choices(**choices),  # type: ignore[arg-type]
        **{"objective": "area", "budgets": {"interval": 6.4e-7}, "quality": "uniform:4", **asked},
    )
