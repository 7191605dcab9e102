"""The part of a certificate on hybrids: no hybrid within the budgets is better than claimed.

Of every segment the part holds ranges of the interval, which together leave out none that the
budgets and the claim allow. In each all hardware that the segment may share is ruled out, in
rounds: boxes of hardware (all of it, to begin with) by Lagrange multipliers, one by one
(`codesign.checking.certificate.segment_sums`), or some of them together by labels
(`codesign.checking.certificate.pipeline_labels`); those left are cut in half for the next round.
After the last nothing is left. What waits between stages is bounded by detours that the part names
for the segment. Ranges that are ``trusted`` are left to the search's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.pipeline_labels import PipelineLabels
from codesign.checking.certificate.pipeline_ranges import (
    MOST_PRICES,
    MOST_RANGES,
    OnStep,
    PipelineVerifier,
    check_cover,
    read_range,
    told_range,
)
from codesign.checking.certificate.pipeline_stages import Range
from codesign.checking.certificate.pipeline_sums import LeastSums
from codesign.checking.certificate.pipeline_waits import Detour, read_detours
from codesign.checking.certificate.possible_widths import with_possible_widths
from codesign.checking.certificate.read_groups import read_prices
from codesign.checking.certificate.segment_costs import SEGMENT, SegmentCosts, segment_reads
from codesign.checking.certificate.segment_sums import SegmentSums
from codesign.checking.certificate.shared_boxes import Boxes
from codesign.checking.certificate.shared_hardware import SharedHardware
from codesign.checking.certificate.stage_options import NoStage
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Network
from codesign.checking.problem import Problem, may_share
from codesign.checking.technology import ENERGY

PART = ("layers", "detours", "ranges", "trusted")
MOST_BOXES = 2**16  # of a segment
MOST_ROUNDS = 100  # for a range
LITTLE = Fraction(1, 10**12)  # of mm² or LUTs, by which boxes are put in order
MOST_SUMS = 2**13  # of boxes and multipliers, that are worked out at once
MOST_ENTRIES = 2**23  # of the largest table of these
Prices = Sequence[Mapping[str, Fraction]]


class Round(NamedTuple):
    """One round of an argument.

    Attributes
    ----------
    prices : sequence of mapping of str to Fraction
        Multipliers.
    together : int
        Boxes that labels rule out at once; 0: by multipliers alone.
    """

    prices: Prices
    together: int = 0


def segments_of(network: Network) -> list[range]:
    """Every run of layers from one with MACs to another, unless it has all of those."""
    macs = [n for n, x in enumerate(network.layers) if not x.moves]
    every = [range(a, b + 1) for n, a in enumerate(macs) for b in macs[n:]]
    return [x for x in every if len(x) < macs[-1] - macs[0] + 1]


class HybridVerifier(PipelineVerifier):
    """Verifies claims about segments in ranges of the interval."""

    def __init__(
        self,
        problem: Problem,
        below: Fraction,
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(problem, below, (), check_time)
        self.problem = with_possible_widths(problem, self.threshold)
        self.hardware = SharedHardware(self.problem, self._energy(), check_time)
        self._like: dict[Range, SegmentCosts] = {}

    def _energy(self) -> EnergyCosts | None:
        """Of shared layers, where it counts and is known; what DRAM and power take is of others."""
        most_j, energies = self.threshold.most(ENERGY), self.problem.energies(Fraction(0))
        return (
            None
            if most_j is None or energies is None
            else EnergyCosts(self.problem, energies, most_j)
        )

    @property
    def names(self) -> list[str]:
        """Metrics that multipliers may be of."""
        return [*super().names, SEGMENT]

    def rules_out(
        self, span: Range, segment: range, detours: Sequence[Detour], rounds: Sequence[Round]
    ) -> bool:
        """Whether no hybrid of a segment in a range is better than claimed.

        Raises
        ------
        TooMany
            Boxes, labels, or tables that are too large.
        """
        boxes = self.hardware.first(segment)
        for n, each in enumerate(rounds):
            boxes = self.left(span, segment, detours, boxes.halved() if n else boxes, each)
            if not boxes.size:
                return True
        return False

    def left(
        self,
        span: Range,
        segment: range,
        detours: Sequence[Detour],
        boxes: Boxes,
        by: Round,
    ) -> Boxes:
        """Boxes that a round does not rule out."""
        if self.threshold.below <= 0:  # no metric is below 0
            return boxes.take(np.zeros(boxes.size, dtype=bool))
        if boxes.size > MOST_BOXES:
            raise TooMany
        on, found = (span, segment, detours), []
        for part in _parts(boxes, self._at_once(on, boxes, by.prices)):
            costs = self._costs(*on, part)
            if costs is not None:
                sums = SegmentSums(costs, by.prices, self.check_time)
                found.append(part.take(~sums.ruled_out()))
        left = _together(boxes, found)
        if not by.together or not left.size:
            return left
        found = []
        for part in _parts(self._ascending(left), by.together):
            costs = self._costs(*on, part)
            if costs is not None and not self._by_labels(costs, by.prices):
                found.append(part)
        return _together(boxes, found)

    def _by_labels(self, costs: SegmentCosts, prices: Prices) -> bool:
        """Whether labels rule boxes out; not where there are too many."""
        try:
            return PipelineLabels(costs, prices, self.check_time).closed()
        except TooMany:
            return False

    def _at_once(
        self, on: tuple[Range, range, Sequence[Detour]], boxes: Boxes, prices: Prices
    ) -> int:
        """Boxes that are worked out at once: tables stay small."""
        costs = self._costs(*on, boxes)
        if costs is None:
            return boxes.size
        plan = LeastSums(costs, prices)
        most = min(MOST_SUMS, MOST_ENTRIES // plan.most_cells)
        return max(most // int(plan.weights.shape[1]), 1)

    def _ascending(self, boxes: Boxes) -> Boxes:
        """Boxes by their area, or LUTs."""
        name = next(iter(self.problem.technology.per_bit))
        return boxes.take(np.argsort(self.hardware.taken(boxes, name, LITTLE), kind="stable"))

    def _costs(
        self, span: Range, segment: range, detours: Sequence[Detour], boxes: Boxes
    ) -> SegmentCosts | None:
        """What is on boxes; None where no pipeline has the other stages, or nothing is to keep."""
        on = self.problem, self.threshold, span, detours, self.offers
        try:
            found = SegmentCosts(*on, segment, self.hardware, boxes, self._like.get(span))
        except NoStage:
            return None
        self._like.setdefault(span, found)
        return None if (found.most < 0).any() else found


def _parts(boxes: Boxes, most: int) -> list[Boxes]:
    """Boxes in parts of so many at most."""
    every = np.arange(boxes.size)
    return [boxes.take(every[n : n + most]) for n in range(0, boxes.size, most)]


def _together(like: Boxes, parts: Sequence[Boxes]) -> Boxes:
    none = like.take(np.zeros(like.size, dtype=bool))
    return Boxes(*(np.concatenate(x) for x in zip(none, *parts, strict=True)))


def verify_hybrids(
    entry: Entry, problem: Problem, bound: Fraction, on_step: OnStep | None = None
) -> list[str]:
    """Verify that no hybrid within the budgets has an objective below a bound.

    What of that is taken from the search, in words.
    """
    entry.known_keys(("segments", "asked"))
    if not may_share(problem):
        entry.fault("no part on hybrids: there are none of such a machine or network")
    verifier, network = HybridVerifier(problem, bound), problem.network
    if not verifier.known:
        entry.fault("no certificate: energy is not known")
    if problem.choices.segments > 1:
        entry.fault("no certificate: of two segments there is none")
    names, trusted = [x.name for x in network.layers], list[str]()
    left = {(names[x[0]], names[x[-1]]): x for x in segments_of(network)}
    every, count = entry["segments"].items(), len(left)
    for n, item in enumerate(every):
        if on_step is not None:
            on_step(f"verified: {n} of {len(every)} segments")
        item.known_keys(PART)
        ends = [x.text(names) for x in item["layers"].items()]
        segment = left.pop((ends[0], ends[1]), None) if len(ends) == 2 else None
        if segment is None:
            item["layers"].fault("first and last layer of a segment, each segment once")
        trusted += _verified(item, segment, verifier)
    found = f"all but {len(left)}" if left else f"all {count}"
    entry.ledger.holds(entry["segments"].where, not left, found, f"all {count} segments")
    return trusted


def _verified(item: Entry, segment: range, verifier: HybridVerifier) -> list[str]:
    """Hold the ranges of a segment to what is said of them; those trusted, in words."""
    detours = read_detours(item["detours"], segment_reads(verifier.problem.network, segment))
    ranges, covered = item["ranges"], list[Range]()
    if len(ranges.items()) > MOST_RANGES:
        ranges.fault(f"at most {MOST_RANGES} ranges")
    for each in ranges.items():
        each.known_keys(("interval_s", "rounds"))
        span, rounds = read_range(each["interval_s"]), each["rounds"]
        given = [_read_round(x, verifier.names) for x in rounds.items()]
        if len(given) > MOST_ROUNDS:
            rounds.fault(f"at most {MOST_ROUNDS} rounds")
        try:
            closed = verifier.rules_out(span, segment, detours, given)
        except TooMany:
            rounds.fault("rounds that leave fewer boxes of hardware")
        expected = "rounds after which no hardware is left"
        if not rounds.ledger.holds(rounds.where, closed, f"{len(given)} rounds", expected):
            raise Unreadable
        covered.append(span)
    trusted = [read_range(x) for x in item["trusted"].items()]
    check_cover(ranges, [*covered, *trusted], verifier.most_s)
    layers = " to ".join(x.text() for x in item["layers"].items())
    return [f"hybrids that share {layers} at intervals {told_range(x)}" for x in trusted]


def _read_round(item: Entry, names: Sequence[str]) -> Round:
    item.known_keys(("prices", "together"))
    every = item["prices"].items()
    if len(every) > MOST_PRICES:
        item["prices"].fault(f"at most {MOST_PRICES} multipliers of each metric")
    prices = [read_prices(each, names) for each in every]
    return Round(prices, item["together"].whole(0, MOST_BOXES))
