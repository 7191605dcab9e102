"""What files of fronts and explanations tell of their designs: enough for tables and pictures.

The names are those of `Design` and `Problem`, whose place these take there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from codesign.costs.compute import fold
from codesign.costs.layers import Amount, LayerDesign
from codesign.problem.problem import Metric
from codesign.results.records import ProofRecord
from codesign.specs.accelerator import Accelerator, Hardware
from codesign.specs.network import Network
from codesign.specs.schema import spec_dataclass
from codesign.units import OPS_PER_GOP, OPS_PER_MAC, OPS_PER_TOP

if TYPE_CHECKING:
    import pandas as pd


class Figures(Protocol):
    """What tables and pictures show: a design, or an evaluation."""

    @property
    def network(self) -> Network:
        """What runs."""

    @property
    def accelerator(self) -> Accelerator:
        """What it runs on."""

    @property
    def tensor_bits(self) -> Mapping[str, int]:
        """Width of every activation tensor."""

    @property
    def layer_designs(self) -> tuple[LayerDesign, ...]:
        """One per layer of the network."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Those that are known."""

    @property
    def area_breakdown_mm2(self) -> Mapping[str, float]:
        """Area of the PE array and of the SRAM, where known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the figures."""

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer."""


def throughput(figures: Figures) -> dict[str, float]:
    """Rates in conventional units, two operations a MAC: those that are known.

    ``peak_gops`` with every multiplier busy and ``gops`` as attained over the whole network, in
    10⁹ operations per second; both in 10¹² per mm² of the whole area, ``peak_tops_per_mm2`` and
    ``tops_per_mm2``; ``images_per_s``.
    """
    network, metrics = figures.network, figures.metrics
    rates = {"peak_": OPS_PER_MAC * figures.accelerator.peak_macs_per_s}
    found = {}
    if "latency_s" in metrics:
        rates[""] = OPS_PER_MAC * network.macs / metrics["latency_s"]
        found["images_per_s"] = network.images / metrics["latency_s"]
    found |= {f"{which}gops": rate / OPS_PER_GOP for which, rate in rates.items()}
    if "area_mm2" in metrics:
        for which, rate in rates.items():
            found[f"{which}tops_per_mm2"] = rate / OPS_PER_TOP / metrics["area_mm2"]
    return found


def peaks_ops_per_s(figures: Figures) -> dict[str, float]:
    """The most a full array delivers of one kernel, by kernel, those of most MACs first.

    A MAC counts as two operations. On tiles, kernels smaller than the engine share a PE as far as
    they fit and larger ones take whole passes; on the ideal roofline no multiplier idles.
    """
    accelerator = figures.accelerator
    tiled = any(row.tile is not None for row in figures.layer_designs)
    macs, peaks = dict[str, int](), dict[str, float]()
    for layer in (layer for layer in figures.network.layers if not layer.moves):
        kernel = f"{layer.R}×{layer.S}"
        macs[kernel] = macs.get(kernel, 0) + layer.macs
        macs_per_s = accelerator.peak_macs_per_s
        if tiled:
            on = fold(layer, accelerator.rows, accelerator.cols, accelerator.engine)
            macs_per_cycle = accelerator.pes * on.pack * layer.window / on.passes
            macs_per_s = macs_per_cycle * accelerator.clock_hz
        peaks[kernel] = OPS_PER_MAC * macs_per_s
    return {kernel: peaks[kernel] for kernel in sorted(macs, key=lambda kernel: -macs[kernel])}


class NamedView(Protocol):
    """A network or a technology: whole, or its name alone."""

    @property
    def name(self) -> str:
        """Empty where a file does not tell it."""


class QuestionView(Protocol):
    """What was asked: a problem, or a `Question`."""

    @property
    def network(self) -> NamedView:
        """What runs."""

    @property
    def technology(self) -> NamedView:
        """What it is made in."""

    @property
    def objective(self) -> str:
        """The metric that is minimised."""

    @property
    def budgets(self) -> Mapping[str, float]:
        """By metric."""

    @property
    def quality(self) -> str | None:
        """What the budget of noise was made from."""


class RowView(Protocol):
    """A layer's roof and times."""

    @property
    def name(self) -> str:
        """The layer's."""

    @property
    def bound_by(self) -> str | None:
        """The roof that binds it."""

    @property
    def compute_s(self) -> float | None:
        """Time of its arithmetic."""

    @property
    def memory_s(self) -> float | None:
        """Time of its DRAM traffic."""

    @property
    def latency_s(self) -> float | None:
        """The longer of both."""


class TakenView(Protocol):
    """What the solving took."""

    @property
    def seconds(self) -> float:
        """All in all."""


class DesignView(Protocol):
    """What is told of a design: a `Design`, or an `Outline` of one."""

    @property
    def problem(self) -> QuestionView:
        """What was asked."""

    @property
    def network(self) -> NamedView:
        """That of the problem."""

    @property
    def hardware(self) -> Hardware:
        """Array, PEs and SRAM."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Those that are known."""

    @property
    def memory_bound_share(self) -> float:
        """Share of the latency spent in layers that the DRAM binds."""

    @property
    def layer_designs(self) -> Sequence[RowView]:
        """The layers, as far as they are known."""

    @property
    def proof(self) -> ProofRecord:
        """How sure it is."""

    @property
    def solver(self) -> TakenView:
        """What the solving took."""


@spec_dataclass
class Named:
    """A network or a technology by its name; empty where the file does not tell it."""

    name: str = ""


@spec_dataclass
class Question:
    """What was asked.

    Attributes
    ----------
    network, technology : Named
    objective : str
    budgets : mapping of str to float
        By metric.
    quality : str or None
    """

    network: Named
    technology: Named
    objective: Metric
    budgets: Mapping[Metric, Amount]
    quality: str | None = None


@spec_dataclass
class Row:
    """A layer: the roof that binds it and its times, as far as the file tells them."""

    name: str = ""
    bound_by: str | None = None
    compute_s: Amount | None = None
    memory_s: Amount | None = None
    latency_s: Amount | None = None


@spec_dataclass
class Taken:
    """What the solving took."""

    seconds: Amount


@spec_dataclass
class Outline:
    """A design without its widths and tilings.

    Attributes
    ----------
    problem : Question
    hardware : Hardware
    metrics : mapping of str to float
        Those that the file tells.
    memory_bound_share : float
        Share of the latency spent in layers that the DRAM binds.
    layer_designs : tuple of Row
    proof : ProofRecord or None
    solver : Taken
    """

    problem: Question
    hardware: Hardware
    metrics: Mapping[Metric, Amount]
    memory_bound_share: Amount
    layer_designs: tuple[Row, ...]
    proof: ProofRecord
    solver: Taken

    @property
    def network(self) -> Named:
        """The network of the problem."""
        return self.problem.network
