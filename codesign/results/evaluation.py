"""A given accelerator, evaluated: where each layer of a network stands under its roofline.

The analysis of Karbachevsky et al. 2021, Section 2.5, at two levels: their ideal roofline, and
the same with the array's ragged edges, tiles that fit the SRAM, and partial sums that travel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from codesign.costs.layers import Amount, LayerDesign
from codesign.costs.totals import areas_mm2, extrapolations
from codesign.errors import SpecError
from codesign.problem.metrics import METRICS
from codesign.results.consistency import check_positive, check_rows, check_tensor_bits
from codesign.results.stored import THROUGHPUT, Stored, content_of, parse_result, with_digest
from codesign.results.views import throughput
from codesign.specs.accelerator import Accelerator, Bits
from codesign.specs.network import Name, Network
from codesign.specs.schema import require_keys, spec_dataclass
from codesign.specs.seam import done_by
from codesign.units import METRIC_UNITS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Roofline = Literal["tiled", "ideal"]
ROOFLINES = get_args(Roofline)
Widths = int | tuple[int, int] | Mapping[str, int]


@spec_dataclass
class Evaluation(Stored):
    """A network on a given accelerator, with every figure that is known.

    Attributes
    ----------
    network : Network
    accelerator : Accelerator
    roofline : "tiled" or "ideal"
    tensor_bits : mapping of str to int
        Width of every activation tensor, the network's results included.
    layer_designs : tuple of LayerDesign
    metrics : mapping of str to float
        Of ``latency_s``, ``area_mm2``, ``dram_bits``, ``noise``, ``model_bits``, ``bops`` those
        that are known.
    absent : mapping of str to str
        Why each of the others is not.
    """

    network: Network
    accelerator: Accelerator
    roofline: Roofline
    tensor_bits: Mapping[Name, Bits]
    layer_designs: tuple[LayerDesign, ...]
    metrics: Mapping[Name, Amount]
    absent: Mapping[Name, str]

    def __post_init__(self) -> None:
        if sorted([*self.metrics, *self.absent]) != sorted(METRICS):
            raise SpecError(f"metrics and absent: each of {', '.join(METRICS)} once, in one of two")
        check_positive(self.metrics)
        check_tensor_bits(self.network, self.tensor_bits)
        tiled, timed = self.roofline == "tiled", self.accelerator.dram_bits_per_s is not None
        if tiled and self.accelerator.sram_bits is None:
            raise SpecError("accelerator.sram_bits: missing, and tiles need it")
        if timed != ("latency_s" in self.metrics):
            raise SpecError("metrics.latency_s: does not suit accelerator.dram_bits_per_s")
        check_rows(self.network, self.layer_designs, tiled, timed)

    @cached_property
    def area_breakdown_mm2(self) -> dict[str, float]:
        """Area of the PE array (overhead included) and of the SRAM, where known."""
        return areas_mm2(self.accelerator)[0]

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Which metrics are absent and why, and where an area is extrapolated."""
        absent = (f"no {METRIC_UNITS[name].label}: {why}" for name, why in self.absent.items())
        return (*absent, *extrapolations(self.accelerator))

    @property
    @done_by("results.tables:layer_frame")
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, tile, cycles, traffic (bits), times (s), utilisation, roof.

        ``gops`` counts two operations a MAC, in 10⁹ per second; ``ops`` are those of Karbachevsky
        et al. 2021, one product for each element of a kernel window and one sum for the window.

        Columns of what is not known, or not defined on the ideal roofline, are left out.
        """

    @done_by("results.plots.design:plot_design")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw roofline, latency per layer, widths per layer and area; save where a path is given.

        Raises
        ------
        SpecError
            No DRAM bandwidth is known, or the picture cannot be written.
        """


FORMAT = "codesign-evaluation/1"
ROWS = "layer_designs"  # what the result calls the file's layers


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation file's content."""
    content = asdict(evaluation)
    content["layers"] = content.pop("layer_designs")
    content[THROUGHPUT] = throughput(evaluation)
    return with_digest({"format": FORMAT, **content})


def from_dict(data: Any, where: str) -> Evaluation:
    """An evaluation from an evaluation file's content.

    Raises
    ------
    SpecError
        Naming ``where`` and what is wrong.
    """
    content = content_of(data, FORMAT, "an evaluation", ROWS, where)
    accelerator = content.get("accelerator")
    if isinstance(accelerator, Mapping):
        names = (field.name for field in fields(Accelerator))
        require_keys(accelerator, names, f"{where}: accelerator")
    return parse_result(Evaluation, content, ROWS, where)
