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
            taken = [(each * x + more) * self._per_bit for x in lags]
            found[:, row[self.memory]] = [self._units(self.memory, x) for x in taken]
            if self._static_by_area:
                spent = [self._units(ENERGY, x * self._static_by_area) for x in taken]
                found[:, row[ENERGY]] = spent
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
            found[k] = self._row(amounts)
        return found

    @cached_property
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
