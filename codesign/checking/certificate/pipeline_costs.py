"""What pipelines of a range of the interval cost at least, in whole numbers, layer by layer.

Of every metric that is limited a cost is counted in a unit of which the limit is ``2^36``, rounded
down, so that a sum of parts is never more than what a pipeline has. A layer's costs depend on the
widths of its own operands, of the residuals that wait for it, and of what waits for its lag
(`codesign.checking.certificate.pipeline_waits`); those sources are its scope. The layer by itself
chooses its stage, and the width of weights that nothing else uses.

Stages are those that keep the range's end in cycles, and all DRAM bits together do so too; latency
and static energy are those of its beginning. Waits that are too short to count, and starts that
are early by as much, are taken off beforehand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.pipeline_waits import Detour, least_ends
from codesign.checking.certificate.stage_options import NoStage, Offer, StageOption
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import TooLarge
from codesign.checking.cost_model import accumulation_bits, bops
from codesign.checking.dataflow import LEAST_WAIT, Read, reads
from codesign.checking.energy import Energies
from codesign.checking.network import Layer
from codesign.checking.problem import INTERVAL, Problem
from codesign.checking.segment import edge_bits, within
from codesign.checking.stages import block_rams
from codesign.checking.technology import ENERGY, UM2_PER_MM2, Fpga

PARTS = 2**36  # of a limit
MOST_PARTS = 2**38  # of any cost: what is more is as good as out of reach
LAG_PARTS = 2**30  # of an interval
SURELY = Fraction(1, 10**6)  # intervals that something waits
MOST_CELLS = 20_000  # assignments to a layer's scope
LATENCY, DRAM, AREA, BRAM = "latency_s", "dram_bits", "area_mm2", "bram"


@dataclass(frozen=True)
class Range:
    """Of the interval, s; no end: None."""

    least_s: Fraction
    most_s: Fraction | None


class PipelineCosts:
    """Costs of the pipelines of a problem that are better than claimed, in a range.

    Attributes
    ----------
    names : tuple of str
        Metrics, by column.
    most : whole numbers, shape (metrics,)
        Of a better pipeline, in the metric's unit.
    segments : tuple of range
        Of layers that are no stages.
    domains : list of tuple of int
        Widths of each class.
    unsafe : list of int
        Detours of which ``W`` may be below 0; their columns are behind those of the metrics.

    Parameters
    ----------
    like : PipelineCosts, optional
        Of the same problem, claim and range: what is known of its stages is taken over.

    Raises
    ------
    NoStage, TooLarge
    """

    segments: tuple[range, ...] = ()

    def __init__(
        self,
        problem: Problem,
        threshold: Threshold,
        span: Range,
        detours: Sequence[Detour],
        offers: Mapping[int, Offer],
        like: PipelineCosts | None = None,
    ) -> None:
        self.problem, self.network, self.span = problem, problem.network, span
        self.threshold, self.detours, self.offers = threshold, detours, offers
        self.reads = self._reads()
        self.domains = [problem.allowed(x[0]) for x in problem.classes]
        self.class_of = {x: c for c, members in enumerate(problem.classes) for x in members}
        self.energies = self._energies()
        self.most_s: dict[str, Fraction] = self._limits()
        self.names = tuple(self.most_s)
        self.unit = {x: (y or Fraction(1)) / PARTS for x, y in self.most_s.items()}
        self.most = np.array([math.floor(y / self.unit[x]) for x, y in self.most_s.items()])
        self.users = Counter(layer.weight_source for layer in self.network.layers)
        self._offered: dict[tuple[object, ...], list[StageOption]] = {}
        self._known: dict[tuple[object, ...], Whole] = {}
        if like is not None:
            self._offered, self._known = like._offered, like._known
        self.options = [self._options(n) for n in range(len(self.network.layers))]
        negative = [n for n, x in enumerate(detours) if self._least_more(x) < 0]
        self.unsafe = negative if self.charged else []
        self.rows = len(self.names) + len(self.unsafe)

    def _reads(self) -> list[Read]:
        return reads(self.network, self.segments)

    @cached_property
    def moved(self) -> dict[str, Fraction]:
        """Elements of each tensor that stages move from and to DRAM."""
        none = dict.fromkeys(self.network.tensors, 0)
        return {x: edge_bits(self.network, self.segments, {**none, x: 1}) for x in none}

    # What is limited ----------------------------------------------------------------------------

    def _energies(self) -> tuple[Energies, Fraction] | None:
        """Energies without an area, and static power of each mm²."""
        if ENERGY not in (self.problem.objective, *self.threshold.limits):
            return None
        silicon = not isinstance(self.problem.technology, Fpga)
        none, one = (self.problem.energies(Fraction(x) if silicon else None) for x in (0, 1))
        if none is None or one is None:
            return None
        return none, one.static_w - none.static_w

    def _limits(self) -> dict[str, Fraction]:
        names = dict.fromkeys((self.problem.objective, *self.threshold.limits))
        found = {}
        for name in names:
            most = self.threshold.most(name)
            if name != INTERVAL and most is not None:
                found[name] = most
        if self.span.most_s is not None:
            moved = self.span.most_s * self.problem.dram_bits_per_s
            found[DRAM] = min(moved, found.get(DRAM, moved))
        by_area = self.span.least_s * (self.energies[1] if self.energies else 0)
        if by_area and AREA not in found:
            found[AREA] = found[ENERGY] / by_area
        return found

    def _units(self, name: str, amount: Fraction) -> int:
        """An amount of a metric in its unit, rounded down."""
        return min(math.floor(amount / self.unit[name]), MOST_PARTS)

    # Stages -------------------------------------------------------------------------------------

    def _options(self, n: int) -> list[StageOption]:
        layer = self.network.layers[n]
        if layer.moves or within(self.segments, n) is not None:
            return []
        most_s = self.span.most_s
        cycles = None if most_s is None else most_s * self.problem.clock_hz
        mine = [x for x in self.detours if n in x.signs]
        signs = {x.signs[n] > 0 for x in mine}
        if any(self._may_lack(x) for x in mine):  # then more lag may be better, and less
            signs = {True, False}
        signs |= {True} if LATENCY in self.names or self._residuals(n) else set()
        key = id(self.offers[n]), tuple(sorted(signs))
        if key not in self._offered:
            each = [1 if x else -1 for x in sorted(signs)]
            self._offered[key] = self.offers[n].within(cycles, each)
        if not self._offered[key]:
            raise NoStage
        return self._offered[key]

    def _residuals(self, n: int) -> list[Read]:
        return [x for x in self.reads if x.reader == n and x.until_output]

    def _lags(self, n: int) -> list[Fraction]:
        found = [x.lag for x in self.options[n]]
        return found or [*self._lag_without(n)]

    def _lag_without(self, n: int) -> tuple[Fraction]:
        """Of a layer without options: one that moves data, or is of the segment."""
        return (Fraction(within(self.segments, n) is None),)

    def _may_lack(self, detour: Detour) -> bool:
        """Whether ``W`` may be below 0, whatever stages are on offer."""
        found = Fraction(detour.more)
        for n, sign in detour.signs.items():
            ends = self.offers[n].lag_ends if n in self.offers else self._lag_without(n)
            found += min(sign * x for x in ends)
        return found < 0

    def _least_more(self, detour: Detour) -> Fraction:
        """The least that ``W`` may be."""
        each = (min(sign * x for x in self._lags(n)) for n, sign in detour.signs.items())
        return sum(each, Fraction(detour.more))

    # Scopes -------------------------------------------------------------------------------------

    @cached_property
    def is_private(self) -> list[bool]:
        """Of each class whether it is of weights that one layer alone uses."""
        found = []
        for members in self.problem.classes:
            weights = members[0].startswith("weight:") and self.users[members[0]] == 1
            found.append(len(members) == 1 and weights)
        return found

    def operand_classes(self, layer: Layer) -> tuple[int, int]:
        """Of its weights, or what stands in for them, and of its input."""
        return self.class_of[layer.weight_source or ""], self.class_of[f"tensor:{layer.input}"]

    def _own_classes(self, n: int) -> list[int]:
        layer = self.network.layers[n]
        return [] if layer.moves else [*self.operand_classes(layer)]

    def scope(self, n: int) -> tuple[int, ...]:
        """Classes of several widths that a layer's costs depend on."""
        mine = self._own_classes(n)
        if self.charged:
            mine += [self._class_of(k) for _, reads in self._waiting[n] for k in reads]
        kept = {c for c in mine if not self.is_private[c] and len(self.domains[c]) > 1}
        if math.prod(len(self.domains[c]) for c in kept) > MOST_CELLS:
            raise TooLarge
        return tuple(sorted(kept))

    @cached_property
    def _waiting(self) -> list[list[tuple[int, tuple[int, ...]]]]:
        """Of each layer what waits for its lag: how often, and which reads, of which the least."""
        found: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in self.network.layers]
        for n, mine in enumerate(found):
            mine += [(d.signs[n], d.waits) for d in self.detours if n in d.signs]
            every = enumerate(self.reads)
            mine += [(1, (k,)) for k, x in every if x.reader == n and x.until_output]
        return found

    def _class_of(self, read: int) -> int:
        return self.class_of[f"tensor:{self.reads[read].tensor}"]

    @property
    def memory(self) -> str:
        """The metric that memories take."""
        return BRAM if isinstance(self.problem.technology, Fpga) else AREA

    @property
    def charged(self) -> bool:
        """Whether memories count."""
        return self.memory in self.names

    # Costs --------------------------------------------------------------------------------------

    def nothing(self, count: int) -> Whole:
        """(count, rows) of no costs."""
        return np.zeros((count, self.rows), dtype=np.int64)

    def of_layer(self, n: int, bits: Mapping[int, int]) -> Whole:
        """(m, rows): all that a layer may be, at widths of the classes of its scope."""
        layer = self.network.layers[n]
        waits = self._of_lags(n, bits)
        if layer.moves:
            return waits
        w_class, a_class = self.operand_classes(layer)
        a, found = bits.get(a_class, self.domains[a_class][0]), []
        for w in (bits[w_class],) if w_class in bits else self.domains[w_class]:
            costs = self._stages(n, w, a) + waits
            found.append(costs + self.of_class(w_class, w) if self.is_private[w_class] else costs)
        return np.concatenate(found)

    def of_class(self, c: int, width: int) -> Whole:
        """(rows,): what all sources of a width cost, and reads of them whatever the lags."""
        amounts = dict.fromkeys(self.names, Fraction(0))
        for source in self.problem.classes[c]:
            kind, _, name = source.partition(":")
            if "noise" in amounts:
                amounts["noise"] += self.problem.noise_of(source, width)
            if kind == "tensor":
                self._add_dram(amounts, self.moved[name] * width)
            if kind == "weight" and "model_bits" in amounts:
                owner = next(x for x in self.network.layers if x.weight_source == source)
                amounts["model_bits"] += owner.weights * width
        for read in range(len(self.reads)):
            if self._class_of(read) == c:
                self._add_read(amounts, read, width)
        return self._row(amounts)

    def constant(self) -> Whole:
        """(rows,): what every pipeline has, less what waits too briefly to count."""
        results = sum((self.moved[x] for x in self.network.results), Fraction(0))
        amounts = dict.fromkeys(self.names, Fraction(0))
        self._add_dram(amounts, results * self.problem.choices.output_bits)
        if LATENCY in amounts:
            amounts[LATENCY] += self.span.least_s * (1 + self._path[0])
        if self.energies is not None and ENERGY in amounts:
            amounts[ENERGY] += self.span.least_s * self.energies[0].static_w
        if self.charged:
            most = max(max(x) for x in self.domains)
            briefly = sum((x.elements for x in self.reads), Fraction(0)) * most * 4 * LEAST_WAIT
            amounts[self.memory] -= self._per_bit * briefly
            if self.memory == BRAM:  # of which a hair more is none
                amounts[BRAM] -= LEAST_WAIT * len(self.reads)
        return self._row(amounts)

    def _row(self, amounts: Mapping[str, Fraction]) -> Whole:
        """(rows,): amounts of metrics in their units."""
        found: Whole = self.nothing(1)[0]
        for r, name in enumerate(self.names):
            found[r] = self._units(name, amounts[name])
        return found

    def correction(self, number: int, bits: Mapping[int, int], lacking: Whole) -> Whole:
        """What the memories of a detour take beyond what was counted, where ``W`` is below 0.

        Then nothing of what was counted waits, and what is beside waits by itself, which counts
        where it is part of no other detour. ``lacking`` is ``−W``, at most, in parts of an
        interval.
        """
        detour = self.detours[self.unsafe[number]]
        others = (x for x in self.detours if x is not detour)
        alone = {*detour.beside}.isdisjoint(n for x in others for n in (*x.waits, *x.beside))
        each, fixed = self._narrowest(detour.waits, bits), Fraction(0)
        if alone:
            each += self._narrowest(detour.beside, bits)
            if not any(self._is_there(x) or self.reads[x].stored for x in detour.beside):
                fixed = self._fixed
        per_part = self._per_bit * each / self.unit[self.memory] / LAG_PARTS
        short = np.maximum(lacking, 0).astype(object)
        found = np.array(short * per_part.numerator // per_part.denominator, dtype=np.int64)
        return found + self._units(self.memory, fixed) * (lacking > SURELY * LAG_PARTS)

    # Parts of costs -----------------------------------------------------------------------------

    @cached_property
    def _path(self) -> tuple[Fraction, set[int]]:
        """Intervals to the last stage's end but for lags of arrays on the way there; its stages."""
        lags = [min(self._lags(n)) for n in range(len(self.network.layers))]
        end, path = least_ends(self.network, self.reads, lags)
        return end - sum(lags[n] for n in path if self.options[n]), {*path}

    @property
    def _per_bit(self) -> Fraction:
        """Of a memory, in the metric's own unit."""
        return self.problem.technology.per_bit[self.memory]

    @property
    def _fixed(self) -> Fraction:
        """Of a memory however small; on an FPGA what bits take is all that is counted."""
        technology = self.problem.technology
        if isinstance(technology, Fpga):
            return Fraction(0)
        return technology.sram_intercept / UM2_PER_MM2

    def _narrowest(self, reads: Iterable[int], bits: Mapping[int, int]) -> Fraction:
        """Bits of an interval that some reads wait together: those of one at least."""
        each = []
        for read in reads:
            c, there = self._class_of(read), not self.reads[read].stored
            each.append(self.reads[read].elements * bits.get(c, self.domains[c][0]) * there)
        return min(each)

    def _of_lags(self, n: int, bits: Mapping[int, int]) -> Whole:
        """(options, rows): what waits for a layer's lag, and time."""
        lags = self._lags(n)
        found = self.nothing(len(lags))
        row = {name: r for r, name in enumerate(self.names)}
        first = [x for x in self.detours if x.signs and min(x.signs) == n]
        if self.charged:
            each = sum(
                (sign * self._narrowest(waits, bits) for sign, waits in self._waiting[n]),
                Fraction(0),
            )
            more = sum((x.more * self._narrowest(x.waits, bits) for x in first), Fraction(0))
            costs = [self._units(self.memory, (each * x + more) * self._per_bit) for x in lags]
            found[:, row[self.memory]] = costs
        for x in first:
            found += self._there(n, x, bits)
        if LATENCY in row and n in self._path[1] and self.options[n]:
            found[:, row[LATENCY]] = [self._units(LATENCY, self.span.least_s * x) for x in lags]
        for k, number in enumerate(self.unsafe):
            x = self.detours[number]
            each_lag = [x.signs.get(n, 0) * lag for lag in lags]
            if x.signs and min(x.signs) == n:
                each_lag = [lag + x.more for lag in each_lag]
            found[:, len(self.names) + k] = [math.floor(-lag * LAG_PARTS) for lag in each_lag]
        return found

    def _there(self, n: int, detour: Detour, bits: Mapping[int, int]) -> Whole:
        """(options, rows): the FIFO that a detour has, where none of its reads has one anyway.

        By the lags of one of its stages, the others' at their least; something waits for sure.
        """
        lags = self._lags(n)
        amounts = dict.fromkeys(self.names, Fraction(0))
        if self.charged:
            amounts[self.memory] = self._fixed
        if ENERGY in amounts and self.energies is not None:
            moved_j = self.energies[0].read + self.energies[0].write
            amounts[ENERGY] = moved_j * self._narrowest(detour.waits, bits)
        others = self._least_more(detour) - min(detour.signs[n] * x for x in lags)
        waits = np.array([others + detour.signs[n] * x > SURELY for x in lags])
        waits &= not any(self._is_there(x) for x in detour.waits)
        return np.asarray(waits[:, None] * self._row(amounts)[None])

    def _is_there(self, number: int) -> bool:
        """Whether a read has a FIFO whatever the lags."""
        read = self.reads[number]
        lag = min(self._lags(read.reader)) if read.until_output else Fraction(0)
        return self._held(read) + lag > 2 * LEAST_WAIT

    @staticmethod
    def _held(read: Read) -> int:
        """Intervals that a read waits whatever the lags: of one that waits in DRAM, on chip."""
        return read.images if read.stored else read.after + read.images

    def _stages(self, n: int, w: int, a: int) -> Whole:
        """(options, rows): arrays and their memories at two widths."""
        key = id(self.options[n]), w, a, self.rows
        if key not in self._known:
            self._known[key] = self._priced(self.network.layers[n], self.options[n], w, a)
        found: Whole = self._known[key]
        return found

    def _priced(self, layer: Layer, options: Sequence[StageOption], w: int, a: int) -> Whole:
        found = self.nothing(len(options))
        hardware: dict[tuple[int, int], dict[str, Fraction]] = {}
        for k, option in enumerate(options):
            shape = option.pes, option.cols
            if shape not in hardware:
                hardware[shape] = self._array(option, w, a)
            amounts = {**dict.fromkeys(self.names, Fraction(0)), **hardware[shape]}
            sums = w + a + accumulation_bits(layer)
            held = option.weights * w, option.lines * a, option.psums * sums
            if self.charged:
                amounts[self.memory] += sum(map(self._memory, held))
            self._add_dram(amounts, option.fetched * w)
            if "bops" in amounts:
                amounts["bops"] += bops(layer, w, a)
            if ENERGY in amounts and self.energies is not None:
                amounts[ENERGY] += self._energy(layer, option, w, a)
            for r, name in enumerate(self.names):
                found[k, r] = self._units(name, amounts[name])
            if self._static_by_area:
                e, r = self.names.index(ENERGY), self.names.index(AREA)
                area = int(found[k, r]) * self.unit[AREA]
                found[k, e] += self._units(ENERGY, area * self._static_by_area)
        return found

    @property
    def _static_by_area(self) -> Fraction:
        """Static energy of each mm², J."""
        if self.energies is None or AREA not in self.names or ENERGY not in self.names:
            return Fraction(0)
        return self.energies[1] * self.span.least_s

    def _array(self, option: StageOption, w: int, a: int) -> dict[str, Fraction]:
        technology, overhead = self.problem.technology, self.problem.area_overhead
        if isinstance(technology, Fpga):
            terms = technology.terms(option.pes, overhead, (w, a), (), option.cols)
            return {x: sum(terms[x], Fraction(0)) for x in ("lut", "dsp") if x in self.names}
        if AREA not in self.names:
            return {}
        pe_um2 = sum(technology.pe_terms_um2(w, a), Fraction(0))
        return {AREA: overhead * option.pes * pe_um2 / UM2_PER_MM2}

    def _memory(self, bits: int) -> Fraction:
        """What a memory takes; nothing where there is none."""
        technology = self.problem.technology
        if not bits:
            return Fraction(0)
        if isinstance(technology, Fpga):
            return Fraction(block_rams(technology.block_bits, Fraction(bits))[0])
        return (technology.sram_slope * bits + technology.sram_intercept) / UM2_PER_MM2

    def _energy(self, layer: Layer, option: StageOption, w: int, a: int) -> Fraction:
        assert self.energies is not None
        energies, widths = self.energies[0], (w, a, w + a + accumulation_bits(layer))
        macs = self.problem.choices.machine.macs(layer)
        operations = bops(layer, w, a) * Fraction(macs, layer.macs)
        read, written = (
            sum(x * y for x, y in zip(moved, widths, strict=True))
            for moved in (option.read, option.written)
        )
        at_work = energies.mac * macs + energies.bop * operations
        return at_work + energies.read * read + energies.write * written

    def _add_dram(self, amounts: dict[str, Fraction], bits: Fraction | int) -> None:
        if DRAM in amounts:
            amounts[DRAM] += bits
        if ENERGY in amounts and self.energies is not None:
            amounts[ENERGY] += self.energies[0].dram * bits

    def _add_read(self, amounts: dict[str, Fraction], number: int, width: int) -> None:
        """A FIFO that is there whatever the lags, without what waits for them."""
        read = self.reads[number]
        held, bits = self._held(read), read.elements * width
        if not self._is_there(number):
            return
        if self.charged:
            amounts[self.memory] += self._per_bit * bits * held + self._fixed
        if ENERGY in amounts and self.energies is not None:
            amounts[ENERGY] += (self.energies[0].read + self.energies[0].write) * bits
