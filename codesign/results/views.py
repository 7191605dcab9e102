"""What reports and pictures show of a design: the design itself, or the outline a file keeps.

Files of fronts and explanations hold enough of their designs for tables and pictures. Outlines
take the place of `Design` and `Problem` there, and name their parts alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Protocol

from pydantic import Discriminator, Tag

from codesign.costs.layers import LayerDesign, Whole
from codesign.problem.choices import Architecture
from codesign.problem.problem import Metric, Problem
from codesign.results.records import (
    PipelineHardware,
    PipelineSolverRecord,
    ProofRecord,
    SolverRecord,
)
from codesign.specs.accelerator import Hardware
from codesign.specs.network import Member
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount


def _hardware_kind(given: object) -> str:
    """Which of the two a description of hardware is meant to be."""
    pipelined = isinstance(given, PipelineHardware) or (isinstance(given, dict) and "pes" in given)
    return "PipelineHardware" if pipelined else "Hardware"


AnyHardware = Annotated[
    Annotated[Hardware, Tag("Hardware")] | Annotated[PipelineHardware, Tag("PipelineHardware")],
    Discriminator(_hardware_kind),
]


@spec_dataclass
class NameOutline:
    """A network or a technology by its name; empty where the file does not tell it.

    Attributes
    ----------
    name : str
    scaling_note : tuple of str
        That the areas of a technology are scaled, where they are.
    members : tuple of Member
        Those of a suite.
    """

    name: str = ""
    scaling_note: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


@spec_dataclass
class ProblemOutline:
    """What was asked.

    Attributes
    ----------
    network, technology : NameOutline
    objective : str
    budgets : mapping of str to float
        By metric.
    quality : str or None
        What the budget of noise was made from.
    minimised_kind : str
        As of `Problem`, where the objective is regret.
    """

    network: NameOutline
    technology: NameOutline
    objective: Metric
    budgets: Mapping[Metric, Amount]
    quality: str | None = None
    minimised_kind: Metric = "latency_s"


@spec_dataclass
class LayerOutline:
    """A layer: the roof that binds it and its times, as far as the file tells them."""

    name: str = ""
    bound_by: str | None = None
    compute_s: Amount | None = None
    memory_s: Amount | None = None
    latency_s: Amount | None = None
    sram_s: Amount | None = None


@spec_dataclass
class SolverOutline:
    """What the solving took."""

    seconds: Amount


@spec_dataclass
class DesignOutline:
    """A design without its widths and tilings.

    Attributes
    ----------
    problem : ProblemOutline
    hardware : Hardware or PipelineHardware
    architecture : "array", "dataflow" or "hybrid"
    metrics : mapping of str to float
        Those that the file tells.
    memory_bound_share : float
        Share of the latency spent in layers that the DRAM binds.
    resident_tensors : int or None
        How many tensors stay on chip whole; None where none may, or the file does not tell.
    band_tensors : int or None
        Of how many others only a band does; None where no layers may be fused, or not told.
    image_rates : mapping of str to float
        As of `Design`, where the file tells them.
    layer_designs : tuple of LayerOutline
    proof : ProofRecord
    solver : SolverOutline
    """

    problem: ProblemOutline
    hardware: AnyHardware
    metrics: Mapping[Metric, Amount]
    memory_bound_share: Amount
    layer_designs: tuple[LayerOutline, ...]
    proof: ProofRecord
    solver: SolverOutline
    resident_tensors: Whole | None = None
    band_tensors: Whole | None = None
    image_rates: Mapping[str, Amount] = field(default_factory=dict)
    architecture: Architecture = "array"

    @property
    def network(self) -> NameOutline:
        """The network of the problem."""
        return self.problem.network


AnyProblem = Problem | ProblemOutline


class DesignView(Protocol):
    """A design or its outline; a protocol, for designs know of views but not conversely."""

    @property
    def problem(self) -> AnyProblem: ...
    @property
    def hardware(self) -> AnyHardware: ...
    @property
    def architecture(self) -> Architecture: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def memory_bound_share(self) -> float: ...
    @property
    def resident_tensors(self) -> int | None: ...
    @property
    def band_tensors(self) -> int | None: ...
    @property
    def layer_designs(self) -> Sequence[LayerDesign | LayerOutline]: ...
    @property
    def proof(self) -> ProofRecord: ...
    @property
    def solver(self) -> SolverRecord | PipelineSolverRecord | SolverOutline: ...
