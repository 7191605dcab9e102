"""What each network of a suite pays for sharing its accelerator with the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from codesign.problem.problem import Metric
from codesign.results.consistency import hardware_entry
from codesign.specs.accelerator import Hardware
from codesign.specs.network import Member
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount


@spec_dataclass
class OwnBest:
    """The proven best design of one network alone, within the limits that it has in the suite.

    Attributes
    ----------
    hardware : Hardware
    metrics : mapping of str to float
        Of equal designs those of least area, then least noise.
    """

    hardware: Hardware
    metrics: Mapping[Metric, Amount]


@spec_dataclass
class SharingCost(Member):
    """A network of a suite on the shared accelerator, beside its own best.

    Attributes
    ----------
    metrics : mapping of str to float
        What it has on the shared accelerator, each sum without its weight; what hardware takes is
        the shared one's.
    own_best : OwnBest or None
        None where time ran out first: then nothing is known.
    ratio : float or None
        What it has of the metric minimised by its own best; None where that is not known, or 0.
    """

    metrics: Mapping[Metric, Amount]
    own_best: OwnBest | None = None
    ratio: Amount | None = None


@spec_dataclass
class Sharing:
    """What sharing costs each network.

    Attributes
    ----------
    metric : str
        What each own best is the least of: the objective, of whichever network; of regret the
        metric whose ratios count.
    members : tuple of SharingCost
    """

    metric: Metric
    members: tuple[SharingCost, ...]

    @property
    def unproven(self) -> int:
        """How many own bests were not proven in time."""
        return sum(each.own_best is None for each in self.members)

    def to_dict(self) -> dict[str, Any]:
        """As in the explanation's file."""
        content = asdict(self)
        for entry, each in zip(content["members"], self.members, strict=True):
            if each.own_best is not None:
                entry["own_best"]["hardware"] = hardware_entry(each.own_best.hardware)
            if each.tokens is None:
                del entry["tokens"]
        return content
