"""The answer: hardware, widths and tilings with every figure, and the proof.

Its file is JSON, self-contained, of the format ``codesign-design/1``: an independent program
recomputes every figure from it alone, for it holds the whole problem beside the design.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from codesign.costs.layer_energy import rates_of
from codesign.costs.layers import LayerDesign
from codesign.costs.totals import extrapolations
from codesign.errors import SpecError
from codesign.problem.choices import Architecture, Place
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.problem.problem import Problem
from codesign.results.consistency import (
    check_mappings,
    check_names,
    check_positive,
    check_rows,
    names_in_bands,
    names_on_chip,
    without_usual,
)
from codesign.results.energy import absence, energy_notes
from codesign.results.hardware_notes import hardware_notes
from codesign.results.hardware_result import ROWS, HardwareResult, image_rates
from codesign.results.records import (
    ArchitectureRecord,
    BatchRecord,
    ProofRecord,
    SolverRecord,
)
from codesign.results.result_file import parse_content, read_content, with_digest
from codesign.specs.accelerator import Accelerator, Hardware
from codesign.specs.layer import MAX_NAME, Count, Name
from codesign.specs.machine import MACHINE_FIELDS
from codesign.specs.network import Network
from codesign.specs.schema import spec_dataclass
from codesign.specs.seam import done_by
from codesign.specs.technology import Amount

if TYPE_CHECKING:
    from codesign.results.explanation import Explanation


@spec_dataclass
class Design(HardwareResult):
    """An accelerator for a problem, with the costs of every layer and its proof.

    Attributes
    ----------
    problem : Problem
    hardware : Hardware
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_designs : tuple of LayerDesign
    metrics : mapping of str to float
        ``latency_s``, ``area_mm2``, ``dram_bits``, ``noise``, ``model_bits``, ``bops``, and
        ``energy_j`` where it is known.
    proof : ProofRecord
    solver : SolverRecord
    on_chip : mapping of str to "chip", "dram" or "band", or None
        Where every tensor is between the layers that touch it; None where the problem keeps all in
        DRAM.
    batches : tuple of BatchRecord
        Where the batch was a choice, what was proven of each; the problem is of the best of them.
    architectures : tuple of ArchitectureRecord
        Where the architecture was a choice, what was proven of each; the problem is of an array.
    """

    problem: Problem
    hardware: Hardware
    tensor_bits: Mapping[Name, Count]
    layer_designs: tuple[LayerDesign, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: SolverRecord
    on_chip: Mapping[Name, Place] | None = None
    batches: tuple[BatchRecord, ...] = ()
    architectures: tuple[ArchitectureRecord, ...] = ()

    FORMAT = "codesign-design/1"

    def __post_init__(self) -> None:
        self._check_mapping()
        known = self.problem.metrics
        known += () if self._no_energy else self.problem.energies
        check_names("metrics", known, self.metrics)
        check_positive(self.metrics)
        check_names("tensor_bits", self.network.tensors, self.tensor_bits)
        if (self.on_chip is None) != (self.problem.choices.on_chip == "none"):
            raise SpecError("on_chip: does not suit the problem's choices.on_chip")
        given = self.layer_designs, True, True, self.on_chip, self.tensor_bits
        check_rows(self.network, *given, self.problem.choices)
        check_mappings(self.network, self.layer_designs, self.accelerator, tiled=True)
        self._check_runs()
        if self.batches:
            chosen = [x.images for x in self.batches if x.outcome == "best"]
            if chosen != [self.network.images]:
                raise SpecError("batches: the best is not the one that the problem's network has")

    def _check_mapping(self) -> None:
        choices, mapping = self.problem.choices, self.hardware.mapping
        right = mapping == choices.mapping if choices.reconfigurable else len(mapping) == 1
        if not (right and {*mapping} <= {*choices.mapping}):
            raise SpecError(
                f"hardware.mapping: {', '.join(mapping)}, which the problem's choices.mapping does "
                "not offer"
            )

    def _check_runs(self) -> None:
        choices = self.problem.choices
        if self.fused_runs and choices.on_chip != "bands":
            raise SpecError("on_chip: bands, which the problem's choices.on_chip does not offer")
        for run in self.fused_runs:
            if len(run.layers) > choices.fused_layers:
                raise SpecError(
                    f"on_chip: layers {run.first + 1} to {run.last + 1} are fused, more than the "
                    f"{choices.fused_layers} of the problem's choices.fused_layers"
                )

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def accelerator(self) -> Accelerator:
        """The hardware found as an accelerator that other networks can be evaluated on."""
        return accelerator_of(self.problem, self.hardware)

    @cached_property
    def _no_energy(self) -> tuple[str, ...]:
        """Why the energy is not known; nothing where it is."""
        return rates_of(self.accelerator, self.metrics.get("area_mm2"))[1]

    @property
    def architecture(self) -> Architecture:
        """One array for all layers."""
        return "array"

    @property
    def memory_bound_share(self) -> float:
        """Share of the latency spent in layers that the DRAM binds."""
        rows = zip(self.network.layer_weights, self.layer_designs, strict=True)
        bound = (w * (row.latency_s or 0.0) for w, row in rows if row.bound_by == "memory")
        return min(1.0, math.fsum(bound) / self.metrics["latency_s"])

    @property
    def resident_tensors(self) -> int | None:
        """How many tensors stay on chip whole; None where the problem keeps all in DRAM."""
        return None if self.on_chip is None else len(names_on_chip(self.on_chip))

    @property
    def band_tensors(self) -> int | None:
        """Of how many tensors only a band stays; None where the problem fuses no layers."""
        fuses = self.problem.choices.on_chip == "bands"
        return len(names_in_bands(self.on_chip)) if fuses else None

    @property
    def image_rates(self) -> dict[str, float]:
        """``images_per_s`` with ``interval_s`` of several images, ``tokens_per_s`` of tokens."""
        return image_rates(self)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is not known or leans on an extrapolated fit, and limits that do nothing."""
        proven = self.proof.status == "optimal" and self.proof.ties_broken
        slack = hardware_notes(self.problem, self.metrics, proven)
        energy = [absence(self._no_energy)] if self._no_energy else []
        energy += energy_notes(self.accelerator, self.metrics)
        return (*energy, *extrapolations(self.accelerator), *slack)

    def to_dict(self) -> dict[str, Any]:
        """The content of the design's file."""
        tried = [asdict(x) for x in self.architectures]
        content = {
            "format": self.FORMAT,
            "problem": problem_to_dict(self.problem),
            "hardware": asdict(self.hardware),
            "tensor_bits": dict(self.tensor_bits),
            "layers": [asdict(layer) for layer in self.layer_designs],
            "metrics": dict(self.metrics),
            **self._rates_section,
            **self._energy_section,
            "proof": asdict(self.proof),
            "solver": asdict(self.solver),
            "on_chip": None if self.on_chip is None else dict(self.on_chip),
            **({"batches": [x.to_dict() for x in self.batches]} if self.batches else {}),
            **({"architectures": tried} if tried else {}),
        }
        return with_digest(without_usual(content, "layers"))

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Self:
        """A design from the content of its file; errors as of `ResultFile.from_dict`."""
        content = read_content(cls, ROWS, data, where)
        content["problem"] = problem_from_dict(content.get("problem"), where)
        return parse_content(cls, ROWS, content, where)

    @done_by("tasks.explain:explain")
    def explain(
        self,
        *,
        step: float = 0.05,
        time_limit_s: float | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Explanation:
        """Find out what binds and what comes next, by solving again.

        What every budget, rate and tensor on chip is worth, and the runner-ups.

        Parameters
        ----------
        step : float
            Relative size of every change, above 0 and below 1.
        time_limit_s : float, optional
            What is not proven by then says so.
        on_step : callable, optional
            Told in words what is being solved next.

        Raises
        ------
        SpecError
            A step or limit out of range, a design that is not of its problem, or not its optimum.
        SolverError
            Time ran out before the problem itself was proven again.
        """


def accelerator_of(problem: Problem, hardware: Hardware) -> Accelerator:
    """Hardware chosen for a problem, with what the problem gives."""
    machine = {name: getattr(problem.choices, name) for name in MACHINE_FIELDS}
    machine["mapping"] = hardware.mapping
    return Accelerator(
        name=f"design for {problem.network.name}"[:MAX_NAME],
        rows=hardware.rows,
        cols=hardware.cols,
        engine=problem.technology.engine,
        pe_weight_bits=hardware.pe_weight_bits,
        pe_activation_bits=hardware.pe_activation_bits,
        precision=problem.choices.precision,
        clock_hz=problem.clock_hz,
        sram_bits=hardware.sram_bits,
        dram_bits_per_s=problem.dram_bits_per_s,
        dram_energy_j_per_bit=problem.dram_energy_j_per_bit,
        area_overhead=problem.area_overhead,
        technology=problem.technology,
        **machine,
    )
