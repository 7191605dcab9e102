"""A pipeline that was found for a problem, or a hybrid in which some layers share arrays.

Its file, format ``codesign-dataflow/1``, is self-contained, as that of a `Design` is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from codesign.costs.pipeline import (
    Platform,
    array_metrics,
    memory_metrics,
    pipeline_energy,
    reads_of,
    spans_of,
    waits,
)
from codesign.costs.segment import SegmentDesign
from codesign.costs.stage_row import StageDesign
from codesign.costs.widths import all_widths
from codesign.errors import SpecError
from codesign.problem.choices import Architecture
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.problem.problem import Problem
from codesign.results.consistency import (
    check_known,
    check_layers,
    check_names,
    check_positive,
    without_usual,
)
from codesign.results.energy import EnergyFigures, StageEnergy, absence, pipeline_energy_figures
from codesign.results.records import (
    ArchitectureRecord,
    PipelineHardware,
    PipelineSolverRecord,
    ProofRecord,
)
from codesign.results.result_file import ResultFile, parse_content, read_content, with_digest
from codesign.specs.given_stage import ANY_STAGE, FIELDS
from codesign.specs.layer import Count, Name
from codesign.specs.network import Network
from codesign.specs.schema import spec_dataclass
from codesign.specs.seam import done_by
from codesign.specs.technology import Amount

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from codesign.results.explanation import Explanation

ROWS = "stages"
WORDS = {"band_rows": "band rows", "weights": "where weights are", "cols": "columns"}
WORDS |= {"mapping": "mapping", "rows": "rows"}
OF_ARRAYS = ("weight_bits", "mapping", "rows", "cols", "weights")


@spec_dataclass
class DataflowDesign(ResultFile):
    """A pipeline for a problem, with the costs of every stage and its proof.

    Attributes
    ----------
    problem : Problem
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    stages : tuple of StageDesign
        One for each layer, in the network's order.
    metrics : mapping of str to float
        For an image: ``interval_s``, ``latency_s``, ``area_mm2`` (on an FPGA ``lut``, ``dsp``,
        ``bram``), ``dram_bits``, ``noise``, ``model_bits``, ``bops``, and ``energy_j`` where it is
        known.
    proof : ProofRecord
    solver : PipelineSolverRecord
    segments : tuple of SegmentDesign
        Of a hybrid, what layers share an array, one or two, in execution order; their stages have
        none of their own.
    architectures : tuple of ArchitectureRecord
        Where the architecture was a choice, what was proven of each.
    """

    problem: Problem
    tensor_bits: Mapping[Name, Count]
    stages: tuple[StageDesign, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: PipelineSolverRecord
    segments: tuple[SegmentDesign, ...] = ()
    architectures: tuple[ArchitectureRecord, ...] = ()

    FORMAT = "codesign-dataflow/1"

    def __post_init__(self) -> None:
        if self.architecture not in self.problem.choices.architecture:
            raise SpecError(f"problem.choices.architecture: does not offer {self.architecture!r}")
        self._check_segments()
        check_layers(self.network, [row.name for row in self.stages])
        check_names("tensor_bits", self.network.tensors, self.tensor_bits)
        for i, (layer, row) in enumerate(zip(self.network.layers, self.stages, strict=True)):
            for field in OF_ARRAYS:
                alone = i not in self.shared_layers or field == "weight_bits"
                why_not = "a layer that only moves data has none"
                why_not = why_not if layer.moves else "a layer that shares an array has none"
                own = alone and not layer.moves
                check_known(row.name, field, getattr(row, field), own, why_not)
            if row.mapping is not None and row.mapping not in self.problem.choices.mapping:
                offered = ", ".join(self.problem.choices.mapping)
                raise SpecError(f"layers ({row.name!r}).mapping: {row.mapping}, none of {offered}")
            check_names(f"layers ({row.name!r}).taken", self._taken, row.taken)
        self._check_starts()
        known = self.problem.metrics
        known += () if self._no_energy else self.problem.energies
        check_names("metrics", known, self.metrics)
        check_positive(self.metrics)

    def _check_starts(self) -> None:
        """Refuse stages that start before what they read is there."""
        starts, lags = zip(*((row.start, row.lag) for row in self.stages), strict=True)
        for read, wait in waits(reads_of(self.network, self.spans), starts, lags):
            if wait < 0:
                row = self.stages[read.reader]
                raise SpecError(
                    f"layers ({row.name!r}).start: {row.start:g}, before tensor {read.tensor!r} is "
                    "there"
                )

    def _check_segments(self) -> None:
        """Refuse segments whose layers are none of the network's, one after the other."""
        names, end = [x.name for x in self.network.layers], 0
        most = self.problem.choices.segments
        if len(self.segments) > most:
            raise SpecError(f"segments: {len(self.segments)}, more than choices.segments, {most}")
        for n, segment in enumerate(self.segments):
            check_names(f"segments[{n}].taken", self._taken_apart, segment.taken or {})
            for field in ("array_mm2", "sram_mm2"):
                known, given = not self._taken_apart, getattr(segment, field)
                check_known(f"segments[{n}]", field, given, known, "on an FPGA there is none")
            where, mine = f"segments[{n}].layers", [row.name for row in segment.layers]
            first = names.index(mine[0]) if mine[0] in names else len(names)
            if names[first : first + len(mine)] != mine or mine == names:
                raise SpecError(f"{where}: not some of the network's, one after the other")
            if first < end:
                raise SpecError(f"{where}: not after those of the segment before it")
            end = first + len(mine)
            for row in segment.layers:
                for field in ("memory_s", "latency_s", "bound_by", "cycles", "sram_bits"):
                    check_known(row.name, field, getattr(row, field), True, "")

    @property
    def architecture(self) -> Architecture:
        """What it is of."""
        return "hybrid" if self.segments else "dataflow"

    @cached_property
    def spans(self) -> tuple[range, ...]:
        """Numbers of the layers of each segment."""
        return spans_of(self.network, self.segments)

    @cached_property
    def sharing(self) -> dict[int, int]:
        """By the number of each layer that shares an array, the number of its segment."""
        return {i: n for n, span in enumerate(self.spans) for i in span}

    @property
    def shared_layers(self) -> tuple[int, ...]:
        """Numbers of the layers that share an array."""
        return tuple(self.sharing)

    @property
    def _taken_apart(self) -> tuple[str, ...]:
        """What segments tell apart from areas."""
        return () if self._taken == ("area_mm2",) else self._taken

    @property
    def _taken(self) -> tuple[str, ...]:
        return self.problem.technology.hardware_metrics

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def platform(self) -> Platform:
        """What its stages are built in and fed by."""
        return platform_of(self.problem)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``."""
        return all_widths(self.network, self.stages, self.tensor_bits)

    @cached_property
    def _no_energy(self) -> tuple[str, ...]:
        """Why the energy is not known; nothing where it is."""
        return self.platform.rates(self.metrics.get("area_mm2"))[1]

    @property
    def images_per_s(self) -> float:
        """Images in a second, one after the other."""
        return 1 / self.metrics["interval_s"]

    @property
    def image_rates(self) -> dict[str, float]:
        """Nothing beside the interval, which is a metric."""
        return {}

    @cached_property
    def bottleneck(self) -> StageDesign | None:
        """The stage that takes longest, if it is what decides the interval; None where DRAM is.

        Of a segment its first layer.
        """
        slowest = max(range(len(self.stages)), key=lambda i: self.busy_s[i])
        own_s = self.busy_s[slowest]
        return self.stages[slowest] if own_s >= self.metrics["interval_s"] else None

    @cached_property
    def busy_s(self) -> tuple[float, ...]:
        """How long each stage takes for an image; each layer of a segment, what all of it takes."""
        together, clock_hz = [x.latency_s for x in self.segments], self.problem.clock_hz
        return tuple(
            together[self.sharing[i]] if i in self.sharing else row.cycles / clock_hz
            for i, row in enumerate(self.stages)
        )

    @cached_property
    def hardware(self) -> PipelineHardware:
        """All stages together."""
        arrays = [(row.rows or 0) * (row.cols or 0) for row in self.stages]
        shared = sum(x.rows * x.cols for x in self.segments)
        held = [*(row.memory_bits.total for row in self.stages)]
        return PipelineHardware(
            stages=sum(pes > 0 for pes in arrays),
            pes=sum(arrays) + shared,
            memory_bits=math.fsum([*held, *(x.sram_bits for x in self.segments)]),
            streamed=sum(row.weights == "stream" for row in self.stages),
        )

    @property
    def memory_bound_share(self) -> float:
        """1 where DRAM traffic decides the interval, 0 where a stage does."""
        return float(self.bottleneck is None)

    @property
    def layer_designs(self) -> tuple[()]:
        """None: no layer of a pipeline has a roof of its own."""
        return ()

    @property
    def resident_tensors(self) -> None:
        """None: what stays on chip is not chosen."""
        return

    @property
    def band_tensors(self) -> None:
        """None, likewise."""
        return

    @cached_property
    def stage_parts(self) -> tuple[dict[str, dict[str, float]], ...]:
        """Of each stage what its array, weights, lines, partial sums and FIFOs take, by metric.

        A shared array counts in equal shares to its layers.
        """
        found = []
        for layer, row in zip(self.network.layers, self.stages, strict=True):
            held = row.memory_bits
            sizes = {"weights": [held.weights], "lines": [held.lines], "psums": [held.psums]}
            sizes["fifos"] = [*held.fifos.values()]
            parts = {part: memory_metrics(self.platform, bits) for part, bits in sizes.items()}
            if row.rows is not None and row.cols is not None and row.weight_bits is not None:
                widths = row.weight_bits, self.tensor_bits[layer.input]
                parts["PEs"] = array_metrics(self.platform, row.rows, row.cols, *widths)
            found.append(parts)
        for i, n in self.sharing.items():
            of = self.segments[n]
            found[i]["shared"] = {x: each / len(of.layers) for x, each in of.hardware.items()}
        return tuple(found)

    @cached_property
    def energy(self) -> EnergyFigures[StageEnergy] | None:
        """Energy by stage and part, for an image, and rates made of it; None where not known."""
        rates, _ = self.platform.rates(self.metrics.get("area_mm2"))
        if rates is None:
            return None
        on = self.network, self.platform, self.stages, self.tensor_bits
        stages_j = pipeline_energy(*on, rates, self.metrics["interval_s"], self.segments)
        products = self.platform.machine.executed_products(self.network)
        return pipeline_energy_figures(self.network, products, stages_j, self.metrics)

    @property
    @done_by("results.stage_tables:stage_frame")
    def layers(self) -> pd.DataFrame:
        """One row per stage: widths, array, bands, memories (bits), area, cycles, utilisation."""

    @done_by("results.plots.pipeline:plot_pipeline")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw area by part, busy time and widths of every stage; save where a path is given.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """

    @done_by("results.plots.energy:plot_energy")
    def plot_energy(self, path: str | Path | None = None) -> Figure:
        """Draw the energy of each stage by part; save where a path is given.

        Raises
        ------
        SpecError
            No energy is known, it is 0, or the picture cannot be written.
        """

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is given of stages; what is not known, or leans on a scaled fit."""
        energy = [absence(self._no_energy)] if self._no_energy else []
        return (*self._given_note, *energy, *self.problem.technology.scaling_note)

    @property
    def _given_note(self) -> tuple[str, ...]:
        """What is chosen beside what is given, of all stages or of some."""
        stages = self.problem.choices.stages
        if not stages:
            return ()
        of = [stages.get(x.name, ANY_STAGE).told for x in self.network.layers if not x.moves]
        left = {WORDS[x]: sum(x not in told for told in of) for x in FIELDS}
        chosen = [f"{x} of {n} stages" for x, n in left.items() if n]
        chosen += ["starts"] if chosen or self.proof.ties != "left" else []  # given beside all else
        given = f"{sum(map(bool, of))} of {len(of)} stages are given"
        return (f"{given}; chosen are {', '.join(chosen)}" if chosen else given,)

    @done_by("tasks.explain_dataflow:explain")
    def explain(
        self,
        *,
        step: float = 0.05,
        time_limit_s: float | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Explanation:
        """Find out what binds and what comes next, by solving again.

        What every budget and rate is worth, what decides the interval, and the runner-ups.
        Parameters and errors are those of `codesign.Design.explain`.
        """

    def to_dict(self) -> dict[str, Any]:
        """The content of the design's file."""
        tried = [asdict(x) for x in self.architectures]
        content = {
            "format": self.FORMAT,
            "problem": problem_to_dict(self.problem),
            "tensor_bits": dict(self.tensor_bits),
            "layers": [asdict(row) for row in self.stages],
            "metrics": dict(self.metrics),
            "throughput": {"images_per_s": self.images_per_s},
            "proof": asdict(self.proof),
            "solver": asdict(self.solver),
            **({"segments": [*map(_segment_dict, self.segments)]} if self.segments else {}),
            **({"architectures": tried} if tried else {}),
        }
        return with_digest(content)

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """A design from the content of its file; errors as of `ResultFile.from_dict`."""
        content = read_content(cls, ROWS, data, where)
        content["problem"] = problem_from_dict(content.get("problem"), where)
        if "segments" not in content and "segment" in content:  # as files had it of the only one
            content["segments"] = [content.pop("segment")]
        return parse_content(cls, ROWS, content, where)


def _segment_dict(segment: SegmentDesign) -> dict[str, Any]:
    """A segment as a file has it: its layers as those of a `Design`, nothing on chip."""
    told = {name: x for name, x in asdict(segment).items() if x is not None}
    return without_usual({**told, "on_chip": None}, "layers")


def platform_of(problem: Problem) -> Platform:
    """What the stages of a problem's pipelines are built in and fed by."""
    return Platform(
        technology=problem.technology,
        machine=problem.choices,
        area_overhead=problem.area_overhead,
        clock_hz=problem.clock_hz,
        dram_bits_per_s=problem.dram_bits_per_s,
        dram_energy_j_per_bit=problem.dram_energy_j_per_bit,
    )


def utilisation(design: DataflowDesign) -> list[float | None]:
    """Share of its interval's multiplications that each stage does; None where data only moves.

    Of a shared array the share that each layer does of it.
    """
    per_cycle = design.metrics["interval_s"] * design.problem.clock_hz
    engine, choices = design.problem.technology.engine, design.problem.choices
    found: list[float | None] = []
    for i, (layer, row) in enumerate(zip(design.network.layers, design.stages, strict=True)):
        pes = (row.rows or 0) * (row.cols or 0)
        if i in design.sharing and not layer.moves:
            segment = design.segments[design.sharing[i]]
            pes = segment.rows * segment.cols
        could = pes * engine * per_cycle
        found.append(math.fsum([choices.products(layer)]) / could if pes else None)
    return found
