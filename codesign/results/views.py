"""What files of fronts and explanations tell of their designs: enough for tables and pictures.

The names are those of `Design` and `Problem`, whose place these take there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from codesign.costs.layers import Amount
from codesign.problem.problem import Metric
from codesign.results.records import ProofRecord
from codesign.specs.accelerator import Hardware
from codesign.specs.schema import spec_dataclass

if TYPE_CHECKING:
    pass


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
