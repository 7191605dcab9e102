"""Writes a certificate that a design is the best one, for `codesign.checking` to verify.

Prices are found in floating point, by the search's own dual; whether they are an argument is
decided by the verifier's exact arithmetic alone, group by group, before anything is written. Array
shapes are first bounded with ideal tilings; what that does not close, option by option with its own
SRAM. Options that close are merged into groups as large as still close; what no prices close is
enumerated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codesign.checking.certificate import FORMAT, GAP, Verifier
from codesign.checking.enumerating import TooMany
from codesign.checking.findings import Ledger
from codesign.checking.offers import Group
from codesign.checking.problem import Option, read_problem
from codesign.checking.reading import Entry
from codesign.design import Design
from codesign.design_file import problem_to_dict
from codesign.layer_tables import PRICED, Batch
from codesign.problem import Goal
from codesign.proving import Prover
from codesign.search import LeastArea, LeastMetric
from codesign.space import Space
from codesign.text_files import write_whole

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CLEAR = 1e-9  # relative; a floating-point bound this far above the claim is worth verifying


@dataclass
class Certificate:
    """Arguments for all hardware options of a problem.

    Attributes
    ----------
    bound : float
        No design within the budgets has a smaller objective.
    cuts : list of (layer, source)
    groups : list of dict
        As in the file.
    trusted : list of Option
        Options left to the solver's own proof.
    """

    bound: float
    cuts: list[tuple[str, str]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    trusted: list[Option] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The certificate file's content."""
        return {
            "format": FORMAT,
            "bound": self.bound,
            "cuts": [list(cut) for cut in self.cuts],
            "groups": self.groups,
            "trusted": [list(option) for option in self.trusted],
        }

    def save(self, path: str | Path) -> None:
        """Write the certificate file, whole or not at all.

        Raises
        ------
        SpecError
            The file cannot be written.
        """
        write_whole(Path(path), json.dumps(self.to_dict(), ensure_ascii=False) + "\n")


def certify(design: Design) -> Certificate:
    """A certificate of a design's optimality, or of its bound where it is not proven optimal."""
    return _Certifier(design).certificate()


class _Certifier:
    def __init__(self, design: Design) -> None:
        proof, problem = design.proof, design.problem
        claim = proof.objective if proof.status == "optimal" else proof.bound
        below = math.nextafter(claim * (1 - float(GAP)), math.inf)
        self.space = Space(problem)
        prover = Prover(self.space)
        limits = {str(name): limit for name, limit in problem.budgets.items()}
        inquiry = prover.inquiry(Goal(problem.objective, limits))
        self.of_area = problem.objective == "area_mm2"
        self.search = (LeastArea if self.of_area else LeastMetric)(inquiry)
        self.stop = (self.search.stop_at() if self.of_area else below) * (1 + CLEAR)
        content = json.loads(json.dumps(problem_to_dict(problem)))
        self.found = Certificate(below, self._cuts())
        checked = read_problem(Entry("problem", content, Ledger()))
        self.verifier = Verifier(checked, Fraction(below), self.found.cuts)
        capacity = self.verifier.offers.capacity
        every = (self._option(n) for n in range(len(self.space)))
        self.sram = np.array([float(capacity.get(option, -1)) for option in every])

    def _cuts(self) -> list[tuple[str, str]]:
        """Couplings that the search's relaxation cuts as well, lest tables grow too large."""
        return [
            (layer, self.space.variables[variable][0])
            for layer, variable in self.search.relaxation.cuts
        ]

    def _option(self, n: int) -> Option:
        space = self.space
        sides = int(space.rows[n]), int(space.cols[n])
        return Option(*sides, int(space.pe_weight_bits[n]), int(space.pe_activation_bits[n]))

    def certificate(self) -> Certificate:
        for shape in self._close_shapes():
            for option, prices in self._close_options(shape):
                self._enumerate(option, prices)
        return self.found

    # Groups that prices close -------------------------------------------------------------------

    def _close_shapes(self) -> list[int]:
        """Close array shapes with ideal tilings; those left over."""
        options = np.flatnonzero(self.sram >= 1)
        shapes, which = np.unique(self.space.shape_of[options], return_inverse=True)
        if not len(shapes):
            return []
        every = self.search.union_of_shapes(options, shapes, which)
        found = self.search.dual.bound(every, stop=self.stop)
        order = [int(n) for n in np.argsort(found.value) if found.value[n] > self.stop]
        pe_bits = sorted({self._option(int(n))[2:] for n in options})

        def group(rows: list[int]) -> Group:
            return Group(
                tuple(self.space.shapes[shapes[n]] for n in rows), tuple(pe_bits), ideal=True
            )

        left = self._close(order, every, found.prices, group)
        closed = set(order) - set(left)
        return [int(shape) for n, shape in enumerate(shapes) if n not in closed]

    def _close_options(self, shape: int) -> list[tuple[int, Floats]]:
        """Close options of a shape with their own SRAM; those left over, with prices."""
        options = np.flatnonzero((self.space.shape_of == shape) & (self.sram >= 1))
        every = self.search.batch(options, self.sram[options])
        found = self.search.dual.bound(every, stop=self.stop)
        order = [int(n) for n in np.argsort(found.value) if found.value[n] > self.stop]

        def group(rows: list[int]) -> Group:
            bits = tuple(self._option(int(options[n]))[2:] for n in rows)
            return Group((self.space.shapes[shape],), bits)

        left = self._close(order, every, found.prices, group)
        closed = set(order) - set(left)
        return [(int(options[n]), found.prices[n]) for n in range(len(options)) if n not in closed]

    def _close(
        self, rows: list[int], every: Batch, prices: Floats, group: Callable[[list[int]], Group]
    ) -> list[int]:
        """Close rows of a batch in groups, halving those that do not close; those left over."""
        left, stack = [], [rows] if rows else []
        while stack:
            mine = stack.pop()
            value, good = self._bound_union(every, mine, prices[mine[-1]])
            if value > self.stop and self._note(group(mine), good, by="bound"):
                continue
            if len(mine) == 1:
                left += mine
                continue
            half = len(mine) // 2
            stack += [mine[half:], mine[:half]]
        return left

    def _bound_union(self, every: Batch, rows: list[int], start: Floats) -> tuple[float, Floats]:
        """Dual bound and prices of an imagined option as good as each of some rows."""
        compute_s = np.broadcast_to(every.compute_s, (len(every), *every.compute_s.shape[1:]))
        if compute_s.shape[2:] != every.traffic.shape[2:]:
            compute_s = np.broadcast_to(compute_s, every.traffic.shape)
        union = Batch(
            compute_s[rows].min(axis=0, keepdims=True),
            every.traffic[rows].min(axis=0, keepdims=True),
        )
        found = self.search.dual.bound(union, start=start[None], stop=self.stop)
        return float(found.value[0]), found.prices[0]

    # Verification -------------------------------------------------------------------------------

    def _enumerate(self, option: int, prices: Floats) -> None:
        """Close one option by enumeration; where there is too much, leave it to the solver."""
        mine = self._option(option)
        group = Group((mine[:2],), (mine[2:],))
        if not self._note(group, prices, by="enumeration"):
            self.found.trusted.append(mine)

    def _note(self, group: Group, multipliers: Floats, by: str) -> bool:
        """Add a group if its argument is verified."""
        every = self.search.dual.prices(multipliers[None])[0]
        names = self.verifier.units.names
        prices = {
            name: float(p) for name, p in zip(PRICED, every, strict=True) if p and name in names
        }
        exact = {name: Fraction(price) for name, price in prices.items()}
        try:
            if not self.verifier.closed(group, exact, by == "enumeration"):
                return False
        except TooMany:
            return False
        self.found.groups.append(
            {
                "arrays": [list(array) for array in group.arrays],
                "pe_bits": [list(bits) for bits in group.pe_bits],
                "tilings": "any" if group.ideal else "fitting",
                "prices": prices,
                "by": by,
            }
        )
        return True
