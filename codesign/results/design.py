"""The answer: hardware, widths and tilings with every figure, and the proof.

Its file is JSON, self-contained, of the format ``codesign-design/1``: an independent program
recomputes every figure from it alone, for it holds the whole problem beside the design.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.costs.layers import Amount, LayerDesign
from codesign.costs.totals import areas_mm2, extrapolations
from codesign.costs.widths import all_widths
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.problem.metrics import METRICS
from codesign.problem.problem import Problem
from codesign.results.area_notes import area_notes
from codesign.results.consistency import check_names, check_positive, check_rows, check_tensor_bits
from codesign.results.records import ProofRecord, SolverRecord
from codesign.results.stored import THROUGHPUT, Stored, content_of, parse_result, with_digest
from codesign.results.views import throughput
from codesign.specs.accelerator import Accelerator, Hardware
from codesign.specs.network import MAX_NAME, Count, Name, Network
from codesign.specs.schema import spec_dataclass
from codesign.specs.seam import done_by

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from codesign.results.explanation import Explanation

FORMAT = "codesign-design/1"
ROWS = "layer_designs"  # what the result calls the file's layers


def to_dict(design: Design) -> dict[str, Any]:
    """The design file's content."""
    content = {
        "format": FORMAT,
        "problem": problem_to_dict(design.problem),
        "hardware": asdict(design.hardware),
        "tensor_bits": dict(design.tensor_bits),
        "layers": [asdict(layer) for layer in design.layer_designs],
        "metrics": dict(design.metrics),
        THROUGHPUT: throughput(design),
        "proof": asdict(design.proof),
        "solver": asdict(design.solver),
    }
    return with_digest(content)


def from_dict(data: Any, where: str) -> Design:
    """A design from a design file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    content = content_of(data, FORMAT, "a design", ROWS, where)
    content["problem"] = problem_from_dict(content.get("problem"), where)
    return parse_result(Design, content, ROWS, where)


@spec_dataclass
class Design(Stored):
    """An accelerator for a problem, with its figures and its proof.

    Attributes
    ----------
    problem : Problem
    hardware : Hardware
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_designs : tuple of LayerDesign
    metrics : mapping of str to float
        ``latency_s``, ``area_mm2``, ``dram_bits``, ``noise``, ``model_bits``, ``bops``.
    proof : ProofRecord
    solver : SolverRecord
    """

    problem: Problem
    hardware: Hardware
    tensor_bits: Mapping[Name, Count]
    layer_designs: tuple[LayerDesign, ...]
    metrics: Mapping[Name, Amount]
    proof: ProofRecord
    solver: SolverRecord

    def __post_init__(self) -> None:
        check_names("metrics", METRICS, self.metrics)
        check_positive(self.metrics)
        check_tensor_bits(self.network, self.tensor_bits)
        check_rows(self.network, self.layer_designs, tiled=True, timed=True)

    @property
    def network(self) -> Network:
        """The network of the problem."""
        return self.problem.network

    @cached_property
    def accelerator(self) -> Accelerator:
        """The hardware found as an accelerator that other networks can be evaluated on."""
        return _accelerator(self.problem, self.hardware)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as `evaluate` takes it."""
        return all_widths(self.network, self.layer_designs, self.tensor_bits)

    @property
    def memory_bound_share(self) -> float:
        """Share of the latency spent in layers that the DRAM binds."""
        bound = (row.latency_s or 0.0 for row in self.layer_designs if row.bound_by == "memory")
        return math.fsum(bound) / self.metrics["latency_s"]

    @cached_property
    def area_breakdown_mm2(self) -> dict[str, float]:
        """Area of the PE array (overhead included) and of the SRAM."""
        return areas_mm2(self.accelerator)[0]

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Where it leans on a fit outside its calibrated range, and area limits that do nothing."""
        proven = self.proof.status == "optimal" and self.proof.ties_broken
        slack = area_notes(self.problem, self.metrics, proven)
        return (*extrapolations(self.accelerator), *slack)

    @property
    @done_by("results.tables:layer_frame")
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, tile, cycles, traffic (bits), times (s), utilisation, roof.

        ``gops`` counts two operations a MAC, in 10⁹ per second; ``ops`` are those of Karbachevsky
        et al. 2021, one product for each element of a kernel window and one sum for the window.
        """

    @done_by("results.plots.design:plot_design")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw roofline, latency per layer, widths per layer and area; save where a path is given.

        Raises
        ------
        SpecError
            The picture cannot be written.
        """

    @done_by("tasks.explain:explain")
    def explain(
        self,
        *,
        step: float = 0.05,
        time_limit_s: float | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Explanation:
        """Find out what binds, what every budget is worth, and the runner-ups, by solving again.

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


def _accelerator(problem: Problem, hardware: Hardware) -> Accelerator:
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
        area_overhead=problem.area_overhead,
        technology=problem.technology,
    )
