"""The part of a certificate on hybrids: no hybrid within the budgets is better than claimed.

Of every segment, and of every pair where there may be two, the part holds ranges of the interval,
which together leave out none that the budgets and the claim allow. In each all hardware that the
segments may share is ruled out, in rounds: boxes of hardware (all of it, to begin with), of a pair
one for each, by Lagrange multipliers, one by one (`codesign.checking.certificate.segment_sums`), or
some of them together by labels (`codesign.checking.certificate.pipeline_labels`); those left are
cut in half for the next round, of a pair those of one segment and of the other in turn. After the
last nothing is left. What waits between stages is bounded by detours that the part names for them.
Ranges that are ``trusted`` are left to the search's word.
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
from codesign.checking.certificate.segment_costs import SEGMENTS, SegmentCosts, segment_reads
from codesign.checking.certificate.segment_sums import SegmentSums
from codesign.checking.certificate.shared_boxes import BoxesOfEach
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
Segments = tuple[range, ...]


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


def segments_of(network: Network, most: int) -> list[Segments]:
    """Every run of layers from one with MACs to another, unless it has all of those; every two."""
    macs = [n for n, x in enumerate(network.layers) if not x.moves]
    every = [range(a, b + 1) for n, a in enumerate(macs) for b in macs[n:]]
    found: list[Segments] = [(x,) for x in every if len(x) < macs[-1] - macs[0] + 1]
    if most > 1:
        found += [(x, y) for x in every for y in every if x[-1] < y[0]]
    return found


def told_hybrid(problem: Problem) -> str:
    """What hybrids there may be, in words."""
    return "hybrid of one segment" + " or two" * (problem.choices.segments > 1)


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
        return [*super().names, *SEGMENTS[: self.problem.choices.segments]]

    def rules_out(
        self, span: Range, segments: Segments, detours: Sequence[Detour], rounds: Sequence[Round]
    ) -> bool:
        """Whether no hybrid of some segments in a range is better than claimed.

        Raises
        ------
        TooMany
            Boxes, labels, or tables that are too large.
        """
        boxes = self.first(segments)
        for n, each in enumerate(rounds):
            boxes = boxes.halved(n - 1) if n else boxes
            boxes = self.left(span, segments, detours, boxes, each)
            if not boxes.size:
                return True
        return False

    def first(self, segments: Segments) -> BoxesOfEach:
        """All hardware that segments may share."""
        return BoxesOfEach.product([self.hardware.first(x) for x in segments])

    def left(
        self,
        span: Range,
        segments: Segments,
        detours: Sequence[Detour],
        boxes: BoxesOfEach,
        by: Round,
    ) -> BoxesOfEach:
        """Boxes that a round does not rule out."""
        if self.threshold.below <= 0:  # no metric is below 0
            return boxes.take(np.zeros(boxes.size, dtype=bool))
        if boxes.size > MOST_BOXES:
            raise TooMany
        on, found = (span, segments, detours), []
        for part in _parts(boxes, self._at_once(on, boxes, by.prices)):
            costs = self._costs(*on, part)
            if costs is not None:
                sums = SegmentSums(costs, by.prices, self.check_time)
                found.append(part.take(~sums.ruled_out()))
        left = BoxesOfEach.together(boxes, found)
        if not by.together or not left.size:
            return left
        found = []
        for part in _parts(self._ascending(left), by.together):
            costs = self._costs(*on, part)
            if costs is not None and not self._by_labels(costs, by.prices):
                found.append(part)
        return BoxesOfEach.together(boxes, found)

    def _by_labels(self, costs: SegmentCosts, prices: Prices) -> bool:
        """Whether labels rule boxes out; not where there are too many."""
        try:
            return PipelineLabels(costs, prices, self.check_time).closed()
        except TooMany:
            return False

    def _at_once(
        self, on: tuple[Range, Segments, Sequence[Detour]], boxes: BoxesOfEach, prices: Prices
    ) -> int:
        """Boxes that are worked out at once: tables stay small."""
        costs = self._costs(*on, boxes)
        if costs is None:
            return boxes.size
        plan = LeastSums(costs, prices)
        most = min(MOST_SUMS, MOST_ENTRIES // plan.most_cells)
        return max(most // int(plan.weights.shape[1]), 1)

    def _ascending(self, boxes: BoxesOfEach) -> BoxesOfEach:
        """Boxes by their area, or LUTs."""
        name = next(iter(self.problem.technology.per_bit))
        each = [self.hardware.taken(x, name, LITTLE) for x in boxes.each]
        return boxes.take(np.argsort(np.sum(each, axis=0), kind="stable"))

    def _costs(
        self, span: Range, segments: Segments, detours: Sequence[Detour], boxes: BoxesOfEach
    ) -> SegmentCosts | None:
        """What is on boxes; None where no pipeline has the other stages, or nothing is to keep."""
        on = self.problem, self.threshold, span, detours, self.offers
        try:
            found = SegmentCosts(*on, segments, self.hardware, boxes, self._like.get(span))
        except NoStage:
            return None
        self._like.setdefault(span, found)
        return None if (found.most < 0).any() else found


def _parts(boxes: BoxesOfEach, most: int) -> list[BoxesOfEach]:
    """Boxes in parts of so many at most."""
    every = np.arange(boxes.size)
    return [boxes.take(every[n : n + most]) for n in range(0, boxes.size, most)]


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
    names, trusted = [x.name for x in network.layers], list[str]()
    every_segments = segments_of(network, problem.choices.segments)
    left = {tuple(names[n] for x in each for n in (x[0], x[-1])): each for each in every_segments}
    every, count = entry["segments"].items(), len(left)
    for n, item in enumerate(every):
        if on_step is not None:
            on_step(f"verified: {n} of {len(every)} segments")
        item.known_keys(PART)
        segments = left.pop(tuple(x.text(names) for x in item["layers"].items()), None)
        if segments is None:
            item["layers"].fault("first and last layer of a segment, each segment once")
        trusted += _verified(item, segments, verifier)
    found = f"all but {len(left)}" if left else f"all {count}"
    entry.ledger.holds(entry["segments"].where, not left, found, f"all {count} segments")
    return trusted


def _verified(item: Entry, segments: Segments, verifier: HybridVerifier) -> list[str]:
    """Hold the ranges of segments to what is said of them; those trusted, in words."""
    detours = read_detours(item["detours"], segment_reads(verifier.problem.network, segments))
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
            closed = verifier.rules_out(span, segments, detours, given)
        except TooMany:
            rounds.fault("rounds that leave fewer boxes of hardware")
        expected = "rounds after which no hardware is left"
        if not rounds.ledger.holds(rounds.where, closed, f"{len(given)} rounds", expected):
            raise Unreadable
        covered.append(span)
    trusted = [read_range(x) for x in item["trusted"].items()]
    check_cover(ranges, [*covered, *trusted], verifier.most_s)
    ends = [x.text() for x in item["layers"].items()]
    pairs = zip(ends[::2], ends[1::2], strict=True)
    layers = ", and ".join(f"{first} to {last}" for first, last in pairs)
    return [f"hybrids that share {layers} at intervals {told_range(x)}" for x in trusted]


def _read_round(item: Entry, names: Sequence[str]) -> Round:
    item.known_keys(("prices", "together"))
    every = item["prices"].items()
    if len(every) > MOST_PRICES:
        item["prices"].fault(f"at most {MOST_PRICES} multipliers of each metric")
    prices = [read_prices(each, names) for each in every]
    return Round(prices, item["together"].whole(0, MOST_BOXES))
