"""What files of fronts and explanations tell of their designs: enough for tables and pictures.

The names are those of `Design` and `Problem`, whose place these take there.
"""

from __future__ import annotations

from collections.abc import Mapping

from codesign.design import ProofRecord
from codesign.figures import Amount
from codesign.hardware import Hardware
from codesign.problem import Metric
from codesign.schema import described


@described
class Named:
    """A network or a technology by its name; empty where the file does not tell it."""

    name: str = ""


@described
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


@described
class Row:
    """A layer: the roof that binds it and its times, as far as the file tells them."""

    name: str = ""
    bound_by: str | None = None
    compute_s: Amount | None = None
    memory_s: Amount | None = None
    latency_s: Amount | None = None


@described
class Taken:
    """What the solving took."""

    seconds: Amount


@described
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
