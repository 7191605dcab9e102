"""A certificate: why no design of a problem is better than claimed, for the checker to verify.

Its file is JSON of the format ``codesign-certificate/1``; `codesign.checking.certificate.verify`
says what it means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codesign.checking.certificate import FORMAT
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.problem import Option
from codesign.files import write_atomically


@dataclass
class Certificate:
    """Arguments for all hardware options of a problem.

    Attributes
    ----------
    bound : float
        No design within the budgets has a smaller objective.
    options : int
        How many hardware options there are.
    cuts : list of (layer, source)
        Couplings of layers to widths and places that the arguments do without.
    groups : list of dict
        As in the file.
    trusted : list of Option
        Options left to the solver's own proof.
    references : dict of str to (dict, Certificate)
        Of the least regret of a suite: what members can have alone, as content of a design file,
        and its certificate.
    batches : dict of int to Certificate
        By the images of each other batch that the design's own was chosen from.
    left : list of str
        What else is left to the solver, in words.
    pipelines : dict or None
        The part on pipelines, as in the file, where they were on offer.
    hybrids : dict or None
        The same on hybrids.
    has_arrays : bool
        Whether shared arrays were.
    """

    bound: float
    options: int
    cuts: list[tuple[str, str]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    trusted: list[Option] = field(default_factory=list)
    references: dict[str, tuple[dict[str, Any], Certificate]] = field(default_factory=dict)
    batches: dict[int, Certificate] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    pipelines: dict[str, Any] | None = None
    hybrids: dict[str, Any] | None = None
    has_arrays: bool = True

    @property
    def left_to_solver(self) -> list[str]:
        """All that is taken from the solver, in words; nothing of what is proven."""
        count = f"{len(self.trusted)} of {self.options} hardware options"
        found = [count] if self.trusted else []
        for name, (_, each) in self.references.items():
            found += [f"{x} of {name} alone" for x in each.left_to_solver]
        for images, each in self.batches.items():
            found += [f"{x} on {images} images at once" for x in each.left_to_solver]
        return found + self.left

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
                "tilings": "any" if group.ideal else "finest" if group.finest else "fitting",
                "prices": prices,
                **({"further_prices": list(further)} if further else {}),
                **({"runs": list(runs)} if runs else {}),
                "by": "enumeration" if enumerated else "bound",
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """The certificate file's content."""
        found: dict[str, Any] = {"format": FORMAT, "bound": self.bound}
        found |= self.part() if self.has_arrays else {}
        parts = {"pipelines": self.pipelines, "hybrids": self.hybrids}
        found |= {name: part for name, part in parts.items() if part is not None}
        if self.references:
            found["references"] = {
                name: {"design": design, "certificate": each.to_dict()}
                for name, (design, each) in self.references.items()
            }
        if self.batches:
            every = self.batches.items()
            found["batches"] = [{"images": images, **each.part()} for images, each in every]
        return found

    def part(self) -> dict[str, Any]:
        """The arguments for one question."""
        return {
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
        _write(self.to_dict(), path)


@dataclass
class InfeasibilityCertificate:
    """Arguments that no design of a problem keeps every budget.

    Attributes
    ----------
    problem : dict
        As in a design's file.
    arrays, pipelines, hybrids : (tuple of str, dict) or None
        Of each architecture that was on offer: the budgets that clash, and the arguments.
    batches : list of dict
        The same of other batches, with their images, and budgets where these differ.
    left_to_solver : list of str
        All that is taken from the solver, in words; nothing of what is proven.
    """

    problem: dict[str, Any]
    arrays: tuple[tuple[str, ...], dict[str, Any]] | None = None
    pipelines: tuple[tuple[str, ...], dict[str, Any]] | None = None
    hybrids: tuple[tuple[str, ...], dict[str, Any]] | None = None
    batches: list[dict[str, Any]] = field(default_factory=list)
    left_to_solver: list[str] = field(default_factory=list)

    def add_arrays(self, clash: tuple[str, ...], found: Certificate) -> None:
        """Add what is argued for shared arrays."""
        self.arrays = clash, found.part()
        self.left_to_solver += found.left_to_solver

    def add_pipelines(self, clash: tuple[str, ...], part: dict[str, Any], left: list[str]) -> None:
        """Add what is argued for pipelines, and what that leaves to the solver."""
        self.pipelines = clash, part
        self.left_to_solver += left

    def add_hybrids(self, clash: tuple[str, ...], part: dict[str, Any], left: list[str]) -> None:
        """The same for hybrids."""
        self.hybrids = clash, part
        self.left_to_solver += left

    def add_batch(
        self,
        images: int,
        budgets: Mapping[str, float] | None,
        clash: tuple[str, ...],
        found: Certificate | None,
    ) -> None:
        """Add what is argued for another batch; nothing: None. Budgets where they are its own."""
        row: dict[str, Any] = {"images": images}
        row |= {} if budgets is None else {"budgets": dict(budgets)}
        row |= {} if found is None else {"clash": list(clash), "reasons": found.part()}
        self.batches.append(row)
        left = ["all"] if found is None else found.left_to_solver
        self.left_to_solver += [f"{x} on {images} images at once" for x in left]

    def to_dict(self) -> dict[str, Any]:
        """The certificate file's content."""
        content: dict[str, Any] = {"format": FORMAT, "problem": self.problem}
        parts = {"arrays": self.arrays, "pipelines": self.pipelines, "hybrids": self.hybrids}
        for key, part in parts.items():
            if part is not None:
                content[key] = {"clash": list(part[0]), "reasons": part[1]}
        return content | ({"batches": self.batches} if self.batches else {})

    def save(self, path: str | Path) -> None:
        """Write the certificate file, as `Certificate.save`."""
        _write(self.to_dict(), path)


def _write(content: dict[str, Any], path: str | Path) -> None:
    write_atomically(Path(path), json.dumps(content, ensure_ascii=False) + "\n")
