"""What a layer costs on the hardware options of a group, by its operands and the room it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.tilings import Staircases
from codesign.checking.certificate.whole_numbers import Whole, times, whole_numbers
from codesign.checking.cost_model import Elements

Pair = tuple[int, int]
Runs = dict[Pair, Pair]  # for each pair of widths that runs, the most SRAM and the fewest passes
StaircasesOf = Callable[[frozenset[Pair], tuple[Operands, ...]], Staircases]


class Taken(NamedTuple):
    """What a layer takes, shape (entries, choices) each; nothing where it does not run.

    Attributes
    ----------
    cycles : whole numbers
    dram_bits : whole numbers
        Of operands and partial sums.
    runs : bools
    energy : whole numbers or None
        In units, but that of outputs, residuals and power at all times; None where none counts.
    sram_bits : whole numbers or None
        Taken at least, by the tiling and by what is resident; None where that is not told.
    port_bits : whole numbers or None
        That the SRAM reads and writes, but those of outputs, residuals and what only moves; None
        where its port has no rate.
    """

    cycles: Whole
    dram_bits: Whole
    runs: Whole
    energy: Whole | None = None
    sram_bits: Whole | None = None
    port_bits: Whole | None = None

    @staticmethod
    def least(each: Sequence[Taken]) -> Taken:
        """The least of each measure."""
        found = each[0]
        for other in each[1:]:
            new, both = other.runs & ~found.runs, other.runs & found.runs
            measures = {"runs": found.runs | other.runs}
            for name, a in found._measures.items():
                b = other._measures[name]
                measures[name] = np.where(new | (both & (b < a)), b, a)
            found = Taken(**measures)
        return found

    @staticmethod
    def side_by_side(each: Sequence[Taken]) -> Taken:
        """All choices."""
        known = (name for name, x in each[0]._asdict().items() if x is not None)
        return Taken(**{name: np.hstack([getattr(x, name) for x in each]) for name in known})

    @property
    def _measures(self) -> dict[str, Whole]:
        found = self._asdict()
        return {name: x for name, x in found.items() if x is not None and name != "runs"}


class LayerCosts(Protocol):
    """What a layer costs on hardware.

    Attributes
    ----------
    ways : int
        Mappings to run it in.
    """

    ways: int

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """What each of the operands ``which`` takes beside so many bits of resident tensors.

        ``which`` and ``live_bits`` are of shape (entries, choices); what is found may have each
        choice in several ways: all of them in one, then all in the next.
        """

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """Cycles in a fused run, and the most SRAM that there may be; -1 where it does not run.

        ``which`` has as many columns for each of the `ways`.
        """


def columns(found: Sequence[Pair]) -> tuple[Whole, Whole]:
    """SRAM bits, -1 for none, and passes or cycles of each."""
    return np.array([most for most, _ in found]), whole_numbers(count for _, count in found)


class IdealCosts:
    """Of a layer whose tilings move the least there is; what is resident has to fit alone.

    Parameters
    ----------
    least : Elements
        Moved at least.
    runs : Runs
        The most SRAM and the fewest cycles of each pair of widths.
    otherwise : (int, int) or None
        The same of all other pairs; None: none of them runs.
    measures : mapping of str to callable
        The least at some operands of what else counts, as `Taken` has it.
    tells_sram : bool
        Say what SRAM it takes: that of what is resident.
    """

    ways = 1

    def __init__(
        self,
        least: Elements,
        runs: Runs,
        otherwise: Pair | None,
        measures: Mapping[str, Callable[[Operands], int]],
        tells_sram: bool = False,
    ) -> None:
        self.least, self.runs, self.otherwise = least, runs, otherwise
        self.measures, self.tells_sram = measures, tells_sram

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        found = [self.runs.get(x[:2], self.otherwise) or (-1, 0) for x in operands]
        most, once = columns(found)
        moved = np.array([self._moved(x) for x in operands])
        fits = live_bits <= most[which]
        taken = Taken(np.where(fits, once[which], 0), np.where(fits, moved[which], 0), fits)
        for name, least in self.measures.items():
            runs = (bits >= 0 for bits, _ in found)
            each = (least(x) if right else 0 for x, right in zip(operands, runs, strict=True))
            taken = taken._replace(**{name: np.where(fits, whole_numbers(each)[which], 0)})
        return taken._replace(sram_bits=live_bits) if self.tells_sram else taken

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says."""
        most, once = columns([self.runs.get(x[:2], (-1, 0)) for x in operands])
        return once[which], most[which]

    def _moved(self, operands: Operands) -> int:
        weight_bits = 0 if operands.weights_resident else operands.weight_bits
        input_bits = 0 if operands.input_resident else operands.input_bits
        return self.least.bits(weight_bits, input_bits, 0)


class TiledCosts:
    """Of a layer on some arrays, with tilings that fit beside what is resident.

    Parameters
    ----------
    arrays : sequence of (Runs, int, StaircasesOf)
        What runs on each, in how many cycles where operands fit the PE, and its tilings.
    """

    ways = 1

    def __init__(self, arrays: Sequence[tuple[Runs, int, StaircasesOf]]) -> None:
        self.arrays = arrays

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        nothing = np.zeros(which.shape, dtype=np.int64)
        found = Taken(nothing, nothing, np.zeros(which.shape, dtype=bool))
        for mine, once, staircases_of in self.arrays:
            most, passes = columns([mine.get(x[:2], (-1, 1)) for x in operands])
            stairs = staircases_of(frozenset(mine), tuple(operands))
            bits, fits = stairs.least_traffic(which, most[which] - live_bits)
            found = Taken.least([found, Taken(times(passes, once)[which], bits, fits)])
        return found

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says."""
        most = np.full(len(operands), -1, dtype=np.int64)
        count = np.zeros(len(operands), dtype=np.int64)
        for mine, once, _ in self.arrays:
            bits, passes = columns([mine.get(x[:2], (-1, 1)) for x in operands])
            mine_count = times(passes, once)
            fewer = (bits >= 0) & ((most < 0) | (mine_count < count))
            count, most = np.where(fewer, mine_count, count), np.maximum(most, bits)
        return count[which], most[which]


class CostsByMapping:
    """Of a layer that has a mapping of its own: its costs in each, side by side.

    Parameters
    ----------
    each : sequence of LayerCosts
    """

    def __init__(self, each: Sequence[LayerCosts]) -> None:
        self.each, self.ways = each, len(each)

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        return Taken.side_by_side([x.of(operands, which, live_bits) for x in self.each])

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says: no tile matters, so that only the fastest mapping is of use."""
        first = np.hsplit(which, self.ways)[0]
        count, most = self.each[0].fused(operands, first)
        for other in self.each[1:]:
            others, bits = other.fused(operands, first)
            fewer = (bits >= 0) & ((most < 0) | (others < count))
            count, most = np.where(fewer, others, count), np.maximum(most, bits)
        rest = np.zeros((len(which), which.shape[1] - first.shape[1]), dtype=np.int64)
        return np.hstack([count, rest]), np.hstack([most, rest - 1])
