"""A certificate: why no design of a problem is better than claimed, for the checker to verify.

Its file is JSON of the format ``codesign-certificate/1``; `codesign.checking.certificate.verify`
says what it means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import FORMAT
from codesign.checking.problem import Option
from codesign.files import write_atomically


@dataclass
class Certificate:
    """Arguments for all hardware options of a problem.

    Attributes
    ----------
    bound : float
        No design within the budgets has a smaller objective.
    cuts : list of (layer, source)
        Couplings of layers to widths and places that the arguments do without.
    groups : list of dict
        As in the file.
    trusted : list of Option
        Options left to the solver's own proof.
    """

    bound: float
    cuts: list[tuple[str, str]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    trusted: list[Option] = field(default_factory=list)

    def add(
        self,
        group: OptionGroup,
        prices: dict[str, float],
        further: Sequence[dict[str, float]],
        runs: Sequence[list[object]],
        enumerated: bool,
    ) -> None:
        """Add an argument for a group: prices of its bound, others that help, weights of runs."""
        self.groups.append(
            {
                "arrays": [list(array) for array in group.arrays],
                "pe_bits": [list(bits) for bits in group.pe_bits],
                **({"sram_bits": list(group.sram_bits)} if group.sram_bits else {}),
                "tilings": "any" if group.ideal else "fitting",
                "prices": prices,
                **({"further_prices": list(further)} if further else {}),
                **({"runs": list(runs)} if runs else {}),
                "by": "enumeration" if enumerated else "bound",
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """The certificate file's content."""
        return {
            "format": FORMAT,
            "bound": self.bound,
            "cuts": [list(cut) for cut in self.cuts],
            "groups": self.groups,
            "trusted": [[x for x in option if x is not None] for option in self.trusted],
        }

    def save(self, path: str | Path) -> None:
        """Write the certificate file, whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        write_atomically(Path(path), json.dumps(self.to_dict(), ensure_ascii=False) + "\n")
