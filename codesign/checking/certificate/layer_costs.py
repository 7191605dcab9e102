"""What a layer costs on the hardware options of a group, by its operands and the room it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
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


class FusedTaken(NamedTuple):
    """What a layer of a fused run takes on the array, shape (entries, choices) each.

    Attributes
    ----------
    cycles : whole numbers
    most_bits : whole numbers
        The most SRAM that there may be; -1 where it does not run.
    energy : whole numbers or None
        In units, of what does not depend on where its tensors are; None where none counts.
    """

    cycles: Whole
    most_bits: Whole
    energy: Whole | None = None

    def least(self, other: FusedTaken) -> FusedTaken:
        """The least of each measure where either runs, and the most SRAM."""
        new, both = self.most_bits < 0, (self.most_bits >= 0) & (other.most_bits >= 0)

        def less(a: Whole, b: Whole) -> Whole:
            found: Whole = np.where(new | (both & (b < a)), b, a)
            return found

        most, energy = np.maximum(self.most_bits, other.most_bits), None
        if self.energy is not None and other.energy is not None:
            energy = less(self.energy, other.energy)
        return FusedTaken(less(self.cycles, other.cycles), most, energy)

    def fastest(self, other: FusedTaken) -> FusedTaken:
        """That of the fewer cycles; of as many, of the least energy."""
        either = self.least(other)
        if either.energy is None or self.energy is None or other.energy is None:
            return either
        one, two = (
            (x.most_bits >= 0) & ((y.most_bits < 0) | (x.cycles <= y.cycles))
            for x, y in ((self, other), (other, self))
        )
        alone = np.where(one, self.energy, other.energy)
        return either._replace(energy=np.where(one & two, either.energy, alone))


def fused_on(
    runs: Runs,
    once: int,
    spends: Callable[[Operands], int] | None,
    operands: Sequence[Operands],
    which: Whole,
) -> FusedTaken:
    """Of a layer on an array that takes it so many cycles where operands fit the PE."""
    most, passes = columns([runs.get(x[:2], (-1, 1)) for x in operands])
    energy = None
    if spends is not None:
        each = (spends(x) if bits >= 0 else 0 for x, bits in zip(operands, most, strict=True))
        energy = whole_numbers(each)[which]
    return FusedTaken(times(passes, once)[which], most[which], energy)


class LayerCosts(Protocol):
    """What a layer costs on hardware."""

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """What each of the operands ``which`` takes beside so many bits of resident tensors.

        ``which`` and ``live_bits`` are of shape (entries, choices); what is found may have each
        choice in several ways: all of them in one, then all in the next.
        """

    def fused(self, operands: Sequence[Operands], which: Whole) -> FusedTaken:
        """The same in a fused run, each choice once."""


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
    in_run : callable, optional
        The least energy in a fused run.
    tells_sram : bool
        Say what SRAM it takes: that of what is resident.
    """

    def __init__(
        self,
        least: Elements,
        runs: Runs,
        otherwise: Pair | None,
        measures: Mapping[str, Callable[[Operands], int]],
        in_run: Callable[[Operands], int] | None = None,
        tells_sram: bool = False,
    ) -> None:
        self.least, self.runs, self.otherwise = least, runs, otherwise
        self.measures, self.in_run, self.tells_sram = measures, in_run, tells_sram

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

    def fused(self, operands: Sequence[Operands], which: Whole) -> FusedTaken:
        """As `LayerCosts` says."""
        return fused_on(self.runs, 1, self.in_run, operands, which)

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

    def fused(self, operands: Sequence[Operands], which: Whole) -> FusedTaken:
        """As `LayerCosts` says."""
        each = (fused_on(mine, once, None, operands, which) for mine, once, _ in self.arrays)
        return reduce(FusedTaken.least, each, fused_on({}, 1, None, operands, which))


class CostsByMapping:
    """Of a layer that has a mapping of its own: its costs in each, side by side.

    Parameters
    ----------
    each : sequence of LayerCosts
    single : bool
        Whether they are of one hardware option.
    """

    def __init__(self, each: Sequence[LayerCosts], single: bool) -> None:
        self.each, self.single = each, single

    def of(self, operands: Sequence[Operands], which: Whole, live_bits: Whole) -> Taken:
        """As `LayerCosts` says."""
        return Taken.side_by_side([x.of(operands, which, live_bits) for x in self.each])

    def fused(self, operands: Sequence[Operands], which: Whole) -> FusedTaken:
        """As `LayerCosts` says: in a run, a layer has its fastest mapping."""
        each = [x.fused(operands, which) for x in self.each]
        return reduce(FusedTaken.fastest if self.single else FusedTaken.least, each)
