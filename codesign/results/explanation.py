"""Why a design is as it is: what binds, what each limit and rate is worth, and the runner-ups.

Nothing here is a dual value of a relaxation: every figure comes from a problem solved again with
one thing changed, each to a proven optimum of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from codesign.costs.layers import LayerDesign, Roof
from codesign.errors import SpecError
from codesign.problem.choices import Architecture
from codesign.problem.metrics import HARDWARE_METRICS
from codesign.problem.problem import Metric
from codesign.results.consistency import hardware_entry
from codesign.results.records import Pace, PipelineHardware, ProofRecord
from codesign.results.residency_worth import ResidencyWorth
from codesign.results.result_file import ResultFile
from codesign.results.sharing import Sharing
from codesign.results.views import (
    AnyHardware,
    DesignOutline,
    DesignView,
    LayerOutline,
    NameOutline,
    ProblemOutline,
    SolverOutline,
)
from codesign.specs.schema import parse, spec_dataclass
from codesign.specs.seam import done_by
from codesign.specs.technology import Amount
from codesign.units import METRIC_UNITS, RATE_UNITS, kind_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OfMapping = Literal["mapping", "one mapping", "own mappings"]
OfArray = Literal["array", "PE widths", "less SRAM", "more SRAM"]
OfPipeline = Literal["shared array", "own arrays", "segment", "weights on chip"]
Change = OfArray | OfMapping | OfPipeline | Literal["all in DRAM", "nothing fused"]


@dataclass(frozen=True)
class Side:
    """The best design with one given number changed.

    Attributes
    ----------
    value : float
        The number, as changed.
    objective : float or None
        Its proven optimum; None where no design keeps every budget.
    rate : float or None
        Change of the objective per unit of the number, from here to there.
    proven : bool
        False where time ran out first: then nothing is known.
    """

    value: float
    objective: float | None
    rate: float | None
    proven: bool = True


@dataclass(frozen=True)
class Sensitivity:
    """What one given number is worth.

    Attributes
    ----------
    name : str
        The metric a budget limits, or a rate of the platform.
    kind : "budget" or "platform"
    value : float
        As given, in the unit its name ends with.
    less, more : Side
        With the number a step smaller and a step larger.
    """

    name: str
    kind: Literal["budget", "platform"]
    value: float
    less: Side
    more: Side


@dataclass(frozen=True)
class RunnerUp:
    """The best design that differs from the one explained in one thing.

    Attributes
    ----------
    change : str
        "array": other rows or cols. "mapping": another of those on offer; "own mappings": a
        reconfigurable machine, each layer in its own; "one mapping": a machine that is not.
        "PE widths": another width of the PEs' operands. "less SRAM", "more SRAM": by a step at
        least. "all in DRAM": no tensor on chip. "nothing fused": no layers fused, though tensors
        may be on chip. Of pipelines and hybrids: "shared array": one for all layers, which run one
        after the other. "own arrays": one for each layer, where some share one. "segment": some
        layers share one, where each has its own. "weights on chip": no stage streams its weights.
        "one mapping": the same in all.
    hardware : Hardware, PipelineHardware or None
        None: no such design keeps every budget. Its SRAM is the least on offer that holds its
        tiles, or what was asked for; of equal designs it is that of least area, then least noise.
    metrics : mapping of str to float
        Empty without hardware.
    loss : float or None
        Its objective less the design's, proven; negative where own mappings, or a shared array, are
        a gain.
    proven : bool
        False where time ran out first: then nothing is known.
    """

    change: Change
    hardware: AnyHardware | None
    metrics: Mapping[str, float]
    loss: float | None
    proven: bool = True


@spec_dataclass
class BudgetUse:
    """A budget, and the share of it that is used."""

    limit: Amount
    used: Amount


@spec_dataclass
class LayerShare:
    """A layer, its roof and times, and its share of the latency."""

    name: str
    bound_by: Roof | None
    latency_share: Amount
    compute_s: Amount | None
    memory_s: Amount | None
    latency_s: Amount | None = None
    sram_s: Amount | None = None

    @property
    def outline(self) -> LayerOutline:
        """The layer.

        A latency that is not told is the longer of both times; of a fused layer, whose run has one
        roof, that of the roof.
        """
        times = {"compute": self.compute_s, "memory": self.memory_s, "sram": self.sram_s}
        latency_s = max((x for x in times.values() if x is not None), default=None)
        if self.bound_by is not None:
            latency_s = times[self.bound_by]
        return LayerOutline(
            name=self.name,
            bound_by=self.bound_by,
            compute_s=self.compute_s,
            memory_s=self.memory_s,
            latency_s=latency_s if self.latency_s is None else self.latency_s,
            sram_s=self.sram_s,
        )


@spec_dataclass
class FileContent:
    """What the file holds."""

    format: Literal["codesign-explanation/1"]
    network: str
    objective: Metric
    optimum: Amount
    hardware: AnyHardware
    step: Amount
    budgets: Mapping[Metric, BudgetUse]
    roofs: Mapping[str, Amount]
    layers: tuple[LayerShare, ...]
    sensitivities: tuple[Sensitivity, ...]
    runner_ups: tuple[RunnerUp, ...]
    seconds: Amount
    technology: str = ""
    scaling_note: tuple[str, ...] = ()
    quality: str | None = None
    metrics: Mapping[Metric, Amount] = field(default_factory=dict)
    proof: ProofRecord | None = None
    residency: ResidencyWorth | None = None
    sharing: Sharing | None = None
    pace: Pace | None = None


@dataclass(frozen=True, repr=False)
class Explanation(ResultFile):
    """Why a design is as it is.

    Attributes
    ----------
    design : Design, DataflowDesign or DesignOutline
        The latter of an explanation read from its file.
    step : float
        Relative size of every change.
    sensitivities : tuple of Sensitivity
        Of every budget above 0 but the objective's own, then of DRAM bandwidth and clock.
    runner_ups : tuple of RunnerUp
        Of a pipeline or a hybrid other architectures, and what its stages differ in or stream. Of
        an array others;
        more SRAM only where it must be paid for: within an area budget, or in energy that grows
        with the area. All in DRAM only where tensors stay on chip, whole or as bands; nothing fused
        only where some are bands. Mappings only where several are on offer.
    seconds : float
        What the solving took.
    residency : ResidencyWorth or None
        What each tensor on chip is worth; None where none may stay.
    sharing : Sharing or None
        What each network of a suite pays for sharing; None of a network by itself.
    pace : Pace or None
        What decides the interval of a pipeline; None of one array.
    """

    design: DesignView
    step: float
    sensitivities: tuple[Sensitivity, ...]
    runner_ups: tuple[RunnerUp, ...]
    seconds: float
    residency: ResidencyWorth | None = None
    sharing: Sharing | None = None
    pace: Pace | None = None

    FORMAT = "codesign-explanation/1"

    @property
    def unproven(self) -> int:
        """How many changes were not solved to the end in time."""
        sides = [side for each in self.sensitivities for side in (each.less, each.more)]
        left = sum(not side.proven for side in sides)
        left += sum(not each.proven for each in self.runner_ups)
        left += 0 if self.sharing is None else self.sharing.unproven
        return left + (self.residency is not None and not self.residency.complete)

    @property
    def used(self) -> dict[str, float]:
        """Used share of every budget, by metric; 1 for one of 0."""
        design = self.design
        budgets = design.problem.budgets
        return {m: design.metrics[m] / x if x > 0 else 1.0 for m, x in budgets.items()}

    @property
    def latency_share(self) -> dict[str, float]:
        """Each layer's share of the latency; of a suite with its network's weight."""
        rows = self.design.layer_designs
        whole = self.design.metrics["latency_s"]
        members = self.design.problem.network.members
        weights = [x.weight for x in members for _ in range(x.layers)] or [1.0] * len(rows)
        each = [w * (row.latency_s or 0.0) for w, row in zip(weights, rows, strict=True)]
        return {row.name: x / whole if whole else 0.0 for row, x in zip(rows, each, strict=True)}

    @property
    def roof_share(self) -> dict[str, float]:
        """Share of the latency spent under each roof: ``compute`` and ``memory``.

        And ``sram``, where the SRAM's port has a rate.
        """
        memory, rows = self.design.memory_bound_share, self.design.layer_designs
        if all(row.sram_s is None for row in rows):
            return {"compute": 1 - memory, "memory": memory}
        bound = (self.latency_share[row.name] for row in rows if row.bound_by == "sram")
        sram = math.fsum(bound)
        return {"compute": max(0.0, 1 - memory - sram), "sram": sram, "memory": memory}

    @done_by("results.plots.explanation:plot_explanation")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw a tornado chart of the sensitivities; save where a path is given.

        Of a suite below it each network's own best beside what it has on the shared accelerator.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """

    def to_dict(self) -> dict[str, Any]:
        """The content of the explanation's file."""
        design, share = self.design, self.latency_share
        objective = design.problem.objective
        technology = design.problem.technology
        worth = {} if self.residency is None else {"residency": self.residency.to_dict()}
        sharing = {} if self.sharing is None else {"sharing": self.sharing.to_dict()}
        pace = {} if self.pace is None else {"pace": self.pace.to_dict()}
        notes = {"scaling_note": technology.scaling_note} if technology.scaling_note else {}
        return {
            "format": self.FORMAT,
            "network": design.problem.network.name,
            "technology": technology.name,
            **notes,
            "objective": objective,
            "quality": design.problem.quality,
            "optimum": design.metrics[objective],
            "metrics": dict(design.metrics),
            "proof": asdict(design.proof),
            "hardware": hardware_entry(design.hardware),
            "step": self.step,
            "budgets": {
                name: {"limit": design.problem.budgets[name], "used": used}
                for name, used in self.used.items()
            },
            "roofs": self.roof_share,
            "layers": [_layer_to_dict(row, share[row.name]) for row in design.layer_designs],
            "sensitivities": [asdict(each) for each in self.sensitivities],
            "runner_ups": [_runner_up_entry(each) for each in self.runner_ups],
            "seconds": self.seconds,
            **worth,
            **sharing,
            **pace,
        }

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """An explanation from the content of its file, its design an outline."""
        cls._check_format(data, where)
        content = parse(FileContent, data, where)
        for each in content.sensitivities:
            if kind_of(each.name) not in METRIC_UNITS | RATE_UNITS:
                raise SpecError(f"{where}: sensitivities: {each.name!r} is neither metric nor rate")
        pipelined = isinstance(content.hardware, PipelineHardware)
        if pipelined != (content.pace is not None):
            fault = "is missing" if pipelined else "of one array there is none"
            raise SpecError(f"{where}: pace: {fault}")
        members = content.sharing.members if content.sharing else ()
        if members and sum(each.layers for each in members) != len(content.layers):
            raise SpecError(f"{where}: sharing: its members have other layers than the file")
        told = {name for each in content.runner_ups for name in each.metrics}
        needed = {content.objective, *({*HARDWARE_METRICS} & told or {"area_mm2"})}
        for runner_up in content.runner_ups:
            if runner_up.hardware is not None and not needed <= {*runner_up.metrics}:
                raise SpecError(f"{where}: runner_ups: metrics of {runner_up.change!r} are missing")
        return cls(
            design=_outline(content),
            step=content.step,
            sensitivities=content.sensitivities,
            runner_ups=content.runner_ups,
            seconds=content.seconds,
            residency=content.residency,
            sharing=content.sharing,
            pace=content.pace,
        )


def _layer_to_dict(row: LayerDesign | LayerOutline, share: float) -> dict[str, Any]:
    """A layer of the file; with a latency that is neither of its two times."""
    content = {
        "name": row.name,
        "bound_by": row.bound_by,
        "latency_share": share,
        "compute_s": row.compute_s,
        "memory_s": row.memory_s,
    }
    if row.sram_s is not None:
        content["sram_s"] = row.sram_s
    if row.latency_s not in (row.compute_s, row.memory_s, row.sram_s):
        content["latency_s"] = row.latency_s
    return content


def _runner_up_entry(each: RunnerUp) -> dict[str, Any]:
    hardware = None if each.hardware is None else hardware_entry(each.hardware)
    return asdict(each) | {"hardware": hardware}


def _architecture(content: FileContent) -> Architecture:
    """What the design is of."""
    if not isinstance(content.hardware, PipelineHardware):
        return "array"
    return "hybrid" if content.pace is not None and content.pace.hybrid else "dataflow"


def _outline(content: FileContent) -> DesignOutline:
    """The design explained, as far as the file tells it."""
    rows = tuple(row.outline for row in content.layers)
    used = {name: each.limit * each.used for name, each in content.budgets.items()}
    latency_s = math.fsum(row.latency_s or 0.0 for row in rows)
    members = content.sharing.members if content.sharing else ()
    known = {**used, "latency_s": latency_s, **content.metrics}
    proven = ProofRecord.of(content.optimum, content.optimum, "not proven", "optimal")
    return DesignOutline(
        problem=ProblemOutline(
            network=NameOutline(name=content.network, members=members),
            technology=NameOutline(name=content.technology, scaling_note=content.scaling_note),
            objective=content.objective,
            budgets={name: each.limit for name, each in content.budgets.items()},
            quality=content.quality,
            minimised_kind=content.sharing.metric if content.sharing else content.objective,
        ),
        hardware=content.hardware,
        architecture=_architecture(content),
        metrics=known | {content.objective: content.optimum},
        memory_bound_share=content.roofs.get("memory", 0.0),
        layer_designs=rows,
        proof=content.proof or proven,
        solver=SolverOutline(seconds=content.seconds),
    )
