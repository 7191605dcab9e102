"""What pipelines of a range of the interval cost at least, in whole numbers, layer by layer.

Costs are rounded down, in the units of `codesign.checking.certificate.pipeline_stages`: a sum of
parts is never more than what a pipeline has. A layer's costs depend on the widths of its own
operands, of the residuals that wait for it, and of what waits for its lag
(`codesign.checking.certificate.pipeline_waits`); those sources are its scope. The layer by itself
chooses its stage, and the width of weights that nothing else uses. Waits that are too short to
count, and starts that are early by as much, are taken off beforehand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np

from codesign.checking.certificate.pipeline_stages import (
    AREA,
    BRAM,
    DRAM,
    LATENCY,
    MOST_PARTS,
    PipelineStages,
)
from codesign.checking.certificate.pipeline_waits import Detour, least_ends
from codesign.checking.certificate.stage_options import StageOption
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import TooLarge
from codesign.checking.cost_model import accumulation_bits, bops
from codesign.checking.dataflow import LEAST_WAIT, Read
from codesign.checking.network import Layer
from codesign.checking.stages import block_rams
from codesign.checking.technology import ENERGY, UM2_PER_MM2, Fpga

LAG_PARTS = 2**30  # of an interval
SURELY = Fraction(1, 10**6)  # intervals that something waits
MOST_CELLS = 20_000  # assignments to a layer's scope
Term = tuple[Fraction, Whole]  # so much of a metric for each of what is counted


class PipelineCosts(PipelineStages):
    """Costs of the pipelines of a problem that are better than claimed, in a range.

    Raises
    ------
    NoStage, TooLarge
    """

    @cached_property
    def users(self) -> Counter[str | None]:
        """How many layers use each source of weights."""
        return Counter(layer.weight_source for layer in self.network.layers)

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
        """(rows,): amounts of metrics in their units, with the static energy of an area."""
        found: Whole = self.nothing(1)[0]
        static_j = self._static_by_area * amounts.get(AREA, 0)
        for r, name in enumerate(self.names):
            found[r] = self._units(name, amounts[name] + static_j * (name == ENERGY))
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
            part, counts = _one_term(lags)
            taken = [
                (each * self._per_bit * part, counts),
                (more * self._per_bit, counts * 0 + 1),
            ]
            found[:, row[self.memory]] = _rounded_down(taken, self.unit[self.memory])
            if self._static_by_area:
                spent = [(x * self._static_by_area, y) for x, y in taken]
                found[:, row[ENERGY]] = _rounded_down(spent, self.unit[ENERGY])
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
        """(options, rows): all at once, each metric's sum rounded down by itself."""
        terms: dict[str, list[Term]] = {name: [] for name in self.names}
        for name, each in self._arrays(options, w, a).items():
            terms[name] += each
        elements = np.array([(x.weights, x.lines, x.psums) for x in options], dtype=object)
        held = elements * np.array([w, a, w + a + accumulation_bits(layer)], dtype=object)
        if self.charged:
            terms[self.memory] += self._memories(held)
        fetched = np.array([x.fetched * w for x in options], dtype=object)
        if DRAM in terms:
            terms[DRAM].append((Fraction(1), fetched))
        if "bops" in terms:
            terms["bops"].append((bops(layer, w, a), held[:, 0] * 0 + 1))
        if ENERGY in terms and self.energies is not None:
            terms[ENERGY] += self._energy(layer, options, w, a)
            terms[ENERGY].append((self.energies[0].dram, fetched))
        if self._static_by_area:
            terms[ENERGY] += [(x * self._static_by_area, y) for x, y in terms[AREA]]
        found = self.nothing(len(options))
        for r, name in enumerate(self.names):
            if terms[name]:
                found[:, r] = _rounded_down(terms[name], self.unit[name])
        return found

    @cached_property
    def _static_by_area(self) -> Fraction:
        """Static energy of each mm², J."""
        if self.energies is None or AREA not in self.names or ENERGY not in self.names:
            return Fraction(0)
        return self.energies[1] * self.span.least_s

    def _arrays(self, options: Sequence[StageOption], w: int, a: int) -> dict[str, list[Term]]:
        """PEs of options, by metric."""
        technology, overhead = self.problem.technology, self.problem.area_overhead
        if isinstance(technology, Fpga):
            shapes = [(x.pes, x.cols) for x in options]
            on = {x: technology.terms(x[0], overhead, (w, a), (), x[1]) for x in {*shapes}}
            return {
                name: [_one_term([sum(on[x][name], Fraction(0)) for x in shapes])]
                for name in ("lut", "dsp")
                if name in self.names
            }
        if AREA not in self.names:
            return {}
        pe_um2 = sum(technology.pe_terms_um2(w, a), Fraction(0))
        pes = np.array([x.pes for x in options], dtype=object)
        return {AREA: [(overhead * pe_um2 / UM2_PER_MM2, pes)]}

    def _memories(self, bits: Whole) -> list[Term]:
        """What memories of (options, memories) bits take; nothing where there is none."""
        technology = self.problem.technology
        if isinstance(technology, Fpga):
            size = technology.block_bits
            blocks = {x: block_rams(size, Fraction(x))[0] for x in {*bits.ravel().tolist()} if x}
            each = [sum(blocks.get(x, 0) for x in row) for row in bits.tolist()]
            return [(Fraction(1), np.array(each, dtype=object))]
        count = np.array([sum(x > 0 for x in row) for row in bits.tolist()], dtype=object)
        return [
            (technology.sram_slope / UM2_PER_MM2, bits.sum(axis=1)),
            (technology.sram_intercept / UM2_PER_MM2, count),
        ]

    def _energy(self, layer: Layer, options: Sequence[StageOption], w: int, a: int) -> list[Term]:
        """Of MACs and of memories."""
        assert self.energies is not None
        energies = self.energies[0]
        widths = np.array([w, a, w + a + accumulation_bits(layer)], dtype=object)
        macs = self.problem.choices.machine.macs(layer)
        operations = bops(layer, w, a) * Fraction(macs, layer.macs)
        at_work = energies.mac * macs + energies.bop * operations
        read, written = (
            np.array([*each], dtype=object) @ widths
            for each in zip(*((x.read, x.written) for x in options), strict=True)
        )
        ones = read * 0 + 1
        return [(at_work, ones), (energies.read, read), (energies.write, written)]

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


def _one_term(amounts: Sequence[Fraction]) -> Term:
    """Amounts as whole numbers of one part."""
    parts = math.lcm(*(x.denominator for x in amounts))
    return Fraction(1, parts), np.array([int(x * parts) for x in amounts], dtype=object)


def _rounded_down(terms: Sequence[Term], unit: Fraction) -> Whole:
    """(n,): sums of terms in a unit, as `PipelineStages._units` of each."""
    factors = [factor / unit for factor, _ in terms]
    parts = math.lcm(*(x.denominator for x in factors))
    each = (int(x * parts) * counts for x, (_, counts) in zip(factors, terms, strict=True))
    return np.minimum(sum(each) // parts, MOST_PARTS).astype(np.int64)
