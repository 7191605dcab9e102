"""Writes a certificate that a design is the best one, for `codesign.checking` to verify.

Prices are found in floating point, by the search's own dual; whether they are an argument is
decided by the verifier's exact arithmetic alone, group by group, before anything is written. Array
shapes are first bounded with ideal tilings, what is left option by option with its own SRAM. What
closes is merged into groups as large as still close, by bound or, where budgets leave a duality
gap, by enumeration; an option that does not close at all is left to the solver's word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.checking.certificate.enumeration import MOST_WORK
from codesign.checking.certificate.option_groups import Group
from codesign.checking.certificate.verify import FORMAT, GAP, Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Option, read_problem
from codesign.files import write_atomically
from codesign.problem.file import problem_to_dict
from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import CLOSING_GAP
from codesign.results.design import Design
from codesign.search.bounds.lagrangian import DualBound
from codesign.search.bounds.layer_tables import Batch
from codesign.search.least_area import LeastArea
from codesign.search.least_metric import LeastMetric
from codesign.search.lexicographic import LexicographicSearch
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition, Stopped

ToGroup = Callable[[list[int]], Group]
OnStep = Callable[[str], None]

AIM = 1.02  # prices are improved until their bound is so many times the claim
NEAR = 0.98  # a bound of so many times the claim makes an enumeration worth a try
A_FEW = 100_000  # partial choices to look at for a group, before it is halved
FAR = 4.0  # what is short of the claim at the best prices, and so many times it at further ones
TILTS = tuple(2.0**-n for n in range(1, 9))  # relative changes of a price


@dataclass
class Certificate:
    """Arguments for all hardware options of a problem.

    Attributes
    ----------
    bound : float
        No design within the budgets has a smaller objective.
    cuts : list of (layer, source)
        Couplings of widths that the arguments do without.
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
        write_atomically(Path(path), json.dumps(self.to_dict(), ensure_ascii=False) + "\n")


def certify(
    design: Design,
    *,
    time_limit_s: float | None = None,
    trusting: bool = False,
    on_step: OnStep | None = None,
) -> Certificate:
    """A certificate of a design's optimality, or of its bound where it is not proven optimal.

    Parameters
    ----------
    time_limit_s : float, optional
        Seconds, after which, or after Ctrl-C, all options still open are left to the solver's word.
    trusting : bool
        Leave all options to the solver's word, at once.
    on_step : callable, optional
        Told in words how many hardware options are closed.

    Raises
    ------
    SpecError
        A limit that is not positive.
    KeyboardInterrupt
        Interrupted twice.
    """
    stop = StopCondition(time_limit_s)
    with stop.catching_interrupts():
        stop.interrupted = trusting
        return _Certifier(design, stop, on_step).certificate()


class _Certifier:
    def __init__(self, design: Design, stop: StopCondition, on_step: OnStep | None) -> None:
        self.stop, self.on_step, self.closed = stop, on_step, 0
        proof, problem = design.proof, design.problem
        claim = proof.objective if proof.status == "optimal" else proof.bound
        below = min(math.nextafter(claim * (1 - float(GAP)), math.inf), claim)
        self.space = HardwareSpace(problem)
        limits = {str(name): limit for name, limit in problem.budgets.items()}
        task = LexicographicSearch(self.space, stop=stop).goal_task(Goal(problem.objective, limits))
        of_area = problem.objective == "area_mm2"
        self.search = (LeastArea if of_area else LeastMetric)(task)
        self.cutoff = (self.search.dual_cutoff() if of_area else below) * (1 + CLOSING_GAP)
        self.found = Certificate(below, self._cuts())
        content = json.loads(json.dumps(problem_to_dict(problem)))
        checked = read_problem(Entry("problem", content, Ledger()))
        self.verifier = Verifier(checked, Fraction(below), self.found.cuts, stop.check)
        capacity = self.verifier.option_groups.capacity
        every = (self._option(n) for n in range(len(self.space)))
        self.sram = np.array([float(capacity.get(option, -1)) for option in every])

    def _cuts(self) -> list[tuple[str, str]]:
        """Couplings that the search's relaxation cuts as well, lest tables grow too large.

        None where time is up before they are known: next to nothing is then argued.
        """
        try:
            cuts = self.search.relaxation.cuts
        except Stopped:
            return []
        return [(layer, self.space.variables[variable][0]) for layer, variable in cuts]

    def _option(self, n: int) -> Option:
        space = self.space
        sides = int(space.rows[n]), int(space.cols[n])
        return Option(*sides, int(space.pe_weight_bits[n]), int(space.pe_activation_bits[n]))

    def certificate(self) -> Certificate:
        """Close all options that have any SRAM at all; those without need no argument."""
        options = np.flatnonzero(self.sram >= 1)
        try:
            if self.found.bound > 0 or not self._close_below_nothing(options):
                self._close_all(options)
        except Stopped:
            pairs = ((x["arrays"], x["pe_bits"]) for x in self.found.groups)
            closed = {(*a, *b) for arrays, bits in pairs for a, b in product(arrays, bits)}
            every = map(self._option, map(int, options))
            self.found.trusted = [option for option in every if option not in closed]
        return self.found

    def _close_below_nothing(self, options: Ints) -> bool:
        """Close all options at once where the claim is that nothing is below 0."""
        choices = [self._option(int(n)) for n in options]
        arrays = tuple(dict.fromkeys((x.rows, x.cols) for x in choices))
        pe_bits = tuple(dict.fromkeys((x.pe_weight_bits, x.pe_activation_bits) for x in choices))
        free = np.zeros((1, len(self.search.dual.limited)))
        return self._note(Group(arrays, pe_bits, ideal=True), free, 0)

    def _close_all(self, options: Ints) -> None:
        options = self._close_shapes(options)
        left: list[int] = []
        for shape in self.space.shapes_among(options):
            left += self._close_options(options[self.space.shape_of[options] == shape], NEAR)
        options = np.array(left, dtype=np.int64)
        pair = self.space.pe_weight_bits[options] * 64 + self.space.pe_activation_bits[options]
        for each in np.unique(pair):
            for option in self._close_options(options[pair == each], 0.0):
                self.found.trusted.append(self._option(option))

    def _close_shapes(self, options: Ints) -> Ints:
        """Close array shapes with ideal tilings; the options left over."""
        if not len(options):
            return options
        shapes, which = np.unique(self.space.shape_of[options], return_inverse=True)
        pe_bits = tuple(sorted({self._option(int(n))[2:] for n in options}))

        def group(rows: list[int]) -> Group:
            return Group(tuple(self.space.shapes[shapes[n]] for n in rows), pe_bits, ideal=True)

        left = self._close(
            self.search.batches.of_shapes(options, shapes, which), group, NEAR, A_FEW
        )
        return options[np.isin(which, left)]

    def _close_options(self, options: Ints, near: float) -> list[int]:
        """Close options of one shape, or of one pair of PE widths; those left over."""
        sides = {int(n): self._option(int(n)) for n in options}

        def group(rows: list[int]) -> Group:
            mine = [sides[int(options[n])] for n in rows]
            arrays = dict.fromkeys((x.rows, x.cols) for x in mine)
            pe_bits = dict.fromkeys((x.pe_weight_bits, x.pe_activation_bits) for x in mine)
            return Group(tuple(arrays), tuple(pe_bits))

        batch = self.search.batches.of_options(options, self.sram[options])
        most = A_FEW if near else MOST_WORK
        return [int(options[n]) for n in self._close(batch, group, near, most)]

    # Groups -------------------------------------------------------------------------------------

    def _close(self, every: Batch, group: ToGroup, near: float, most: int) -> list[int]:
        """Close rows of a batch, those first that bounds alone close; those left over.

        Parameters
        ----------
        near : float
            Rows of bounds below this times the claim are not tried by enumeration.
        most : int
            Partial choices to look at for a row alone.
        """
        found = self._bound(every, None)
        order = [int(n) for n in np.argsort(found.value)]
        by_bound = [n for n in order if found.value[n] > self.cutoff]
        left = self._halve(by_bound, every, found.multipliers, group, 0)
        others = [n for n in order if n not in by_bound]
        hopeless = [n for n in others if found.value[n] < near * self.cutoff]
        left += [n for n in others if n in hopeless]
        tried = [n for n in others if n not in hopeless]
        return left + self._halve(tried, every, found.multipliers, group, most)

    def _halve(
        self, rows: list[int], every: Batch, multipliers: Floats, group: ToGroup, most: int
    ) -> list[int]:
        """Close rows in groups, halving a group that does not close; those left over."""
        left, stack = [], [rows] if rows else []
        while stack:
            mine = stack.pop()
            self.stop.check()
            if self._closes(mine, every, multipliers, group, most):
                continue
            if len(mine) == 1:
                left += mine
                continue
            half = len(mine) // 2
            stack += [mine[half:], mine[:half]]
        return left

    def _closes(
        self, rows: list[int], every: Batch, multipliers: Floats, group: ToGroup, most: int
    ) -> bool:
        """Close an imagined option that is as good as each of some rows."""
        table = every.compute_s
        compute_s = np.broadcast_to(table, (len(every), *table.shape[1:]))[rows]
        union = Batch(compute_s.min(axis=0)[None], every.traffic[rows].min(axis=0)[None])
        found = self._bound(union, multipliers[rows[-1]][None])
        if found.value[0] > self.cutoff:
            return self._note(group(rows), found.multipliers[:1], 0)
        alone = len(rows) == 1
        if not most or (not alone and found.value[0] < NEAR * self.cutoff):
            return False
        if not alone or most == A_FEW:
            return self._note(group(rows), found.multipliers[:1], A_FEW)
        return self._note(group(rows), self._tilted(union, found), most)

    def _bound(self, batch: Batch, start: Floats | None) -> DualBound:
        return self.search.dual.bound(batch, start=start, cutoff=AIM * self.cutoff)

    def _tilted(self, union: Batch, found: DualBound) -> Floats:
        """(prices, limits) the best multipliers, and others whose bounds are not much worse.

        Choices that cost little at the best ones trade one metric for another; multipliers that are
        tilted to either side make most of them cost too much.
        """
        dual, best = self.search.dual, found.multipliers[0]
        short = FAR * (self.cutoff - found.value[0])
        tilted = [best]
        for which in (*np.eye(len(best), dtype=bool), np.ones(len(best), dtype=bool)):
            for sign in (1, -1):
                tries = best * (1 + sign * np.outer(TILTS, which))
                coefficients = dual.coefficients(tries)
                value = [dual.relaxation.solve(union, each[None]).value[0] for each in coefficients]
                near = found.value[0] - (np.array(value) - tries @ dual.limits) < short
                tilted += [*tries[near & which.any()][:1]]
        return np.array(tilted)

    def _note(self, group: Group, multipliers: Floats, most: int) -> bool:
        """Add a group if its argument is verified.

        Parameters
        ----------
        multipliers : floats, shape (prices, limits)
            Those of the bound, then those that help to enumerate.
        """
        exact = [{x: Fraction(p) for x, p in each.items()} for each in self._prices(multipliers)]
        try:
            if not self.verifier.closed(group, exact[0], most, exact[1:]):
                return False
        except TooMany:
            return False
        best, *further = self._prices(multipliers)
        self.found.groups.append(
            {
                "arrays": [list(array) for array in group.arrays],
                "pe_bits": [list(bits) for bits in group.pe_bits],
                "tilings": "any" if group.ideal else "fitting",
                "prices": best,
                **({"further_prices": further} if further else {}),
                "by": "enumeration" if most else "bound",
            }
        )
        self.closed += len(group.arrays) * len(group.pe_bits)
        if self.on_step is not None:
            total = len(self.space)
            self.on_step(f"certified: {min(self.closed, total)} of {total} hardware options")
        return True

    def _prices(self, multipliers: Floats) -> list[dict[str, float]]:
        """Prices of the metrics that matter, for each row of multipliers."""
        names = self.verifier.units.names
        return [
            {x: float(p) for x, p in zip(ADDITIVE_METRICS, each, strict=True) if p and x in names}
            for each in self.search.dual.coefficients(multipliers)
        ]
