"""Residents where the SRAM's port is a roof too, against every set of them and every tiling."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from enumerated_energy import accessed
from enumerated_residency import Enumeration, Outcome
from machine_terms import OVERLAPS
from oracle import HardwareOption
from oracle_stored import in_dram
from oracle_tilings import in_buffers, reduction_bits, shared_bits
from oracle_widths import layer_widths
from residency_questions import Question, random_question

from codesign.specs.network import Layer

PADDED = (0, 2, 4, 6, 10, 13, 15, 18, 19, 20, 23, 24)
MACHINES = ("", "mapping", "reconfigurable", "widening")


class PortEnumeration(Enumeration):
    """Of each layer every tiling, its time on chip the longer of compute and port."""

    def best_in(self, i: int, layer: Layer, residents: frozenset[str], room: int) -> Outcome | None:
        found = []
        for mapping in self.mappings:
            cycles = self.cycles(layer, mapping) / Fraction(self.on.clock_hz)
            for need, moved, port in self._ways(i, layer, residents, mapping):
                rate = self.on.sram_bits_per_cycle
                port_s = Fraction(port) / rate if rate else Fraction(0)
                own_s = max(cycles, port_s / Fraction(self.on.clock_hz))
                if need <= room:
                    found.append(Outcome(self.latency_of(own_s, moved), moved))
        return min(found, default=None)

    def _ways(
        self, i: int, layer: Layer, residents: frozenset[str], mapping: str
    ) -> Iterator[tuple[int, int, float]]:
        """SRAM need, DRAM bits and SRAM bits read and written, of every tiling."""

        stored = self.network, self.on.stored_channels

        def bits(name: str, dram: bool = False) -> int:
            count = self.network.touched(layer, name)
            count = in_dram(*stored, name, count) if dram else count
            return count * self.widths[f"tensor:{name}"]

        others = (layer.output, *layer.residuals)
        once = sum(bits(name, True) for name in others if name not in residents)
        added = sum(bits(name) for name in layer.residuals if name in residents)
        stays = layer.weight_tensor in residents, layer.input in residents
        ba = self.widths[f"tensor:{layer.input}"]
        if layer.moves:
            size = layer.N * layer.G * layer.C * layer.H * layer.W * ba
            written = bits(layer.output) * (layer.output in residents)
            moved = in_dram(*stored, layer.input, size // ba) * ba * (not stays[1])
            yield 0, once + moved, added + size * stays[1] + written
            return
        bw, _ = layer_widths(layer, self.widths)
        fetched = bw * (not stays[0]), ba * (not stays[1]), bw + ba + reduction_bits(layer)
        array = HardwareOption(self.on.rows, self.on.cols, 1, 1)
        left = 0 if layer.output in residents else bits(layer.output, True)
        for cost in self._tilings(i, layer, mapping):
            if in_buffers(cost, fetched, self.on.buffers):
                weights = in_dram(*stored, layer.weight_tensor, cost.moved_weights)
                each = weights, in_dram(*stored, layer.input, cost.moved_ifmap), cost.moved_psum
                moved = tuple(n * width for n, width in zip(each, fetched, strict=True))
                on = layer, array, self._engine(layer), mapping, (bw, ba)
                port = sum(accessed(*on, moved, stays, self.on.zero_skipping)) + added + left
                yield shared_bits(cost, fetched, self.on.buffers), sum(moved) + once, port


def questions(seeds: Iterable[int], padded: bool) -> Iterator[tuple[Question, PortEnumeration]]:
    """On machines whose port binds at times, or also those whose DRAM pads channels."""
    for seed in seeds:
        rng = random.Random(f"port {seed}")
        question = random_question(seed, MACHINES[seed % len(MACHINES)])
        if len(question.network.lifetimes) > 5:
            continue
        terms = {"sram_bits_per_cycle": int(10 ** rng.uniform(1, 3.3)), "psum_bits": None}
        rate = question.on.dram_bits_per_s or 1e9
        terms |= {"overlap": OVERLAPS[seed % len(OVERLAPS)], "dram_bits_per_s": rate}
        terms |= {"stored_channels": rng.choice((2, 3, 4, 8))} if padded else {}
        if padded and seed % 2:
            del terms["sram_bits_per_cycle"]
        on = replace(question.on, **terms)
        yield question._replace(on=on), PortEnumeration(question.network, on, question.widths)


def check(seeds: Iterable[int], padded: bool = False) -> int:
    """Hold the best choice to enumeration; how many of them port and padding make slower."""
    slower = 0
    for question, every in questions(seeds, padded):
        outcomes = [every.outcome(chosen, question.sram_bits) for chosen in every.sets()]
        best = min((x for x in outcomes if x is not None), default=None)
        given = question.given
        found = given.residency(question.sram_bits)
        if best is None:
            assert found is None
            continue
        assert found is not None
        assert found.proven
        assert found.bound == pytest.approx(float(best.latency_s), rel=1e-15)
        assert sum(row.dram_bits for row in found.layers) == best.dram_bits
        assert given.latency_s(found) == pytest.approx(float(best.latency_s), rel=1e-12)
        usual = replace(question.on, sram_bits_per_cycle=None, stored_channels=None)
        plain = question._replace(on=usual).given
        without = plain.residency(question.sram_bits)
        assert without is not None
        slower += found.bound > without.bound
    return slower


@pytest.mark.slow
def test_best_of_all_sets() -> None:
    assert check((5, 11, 12, 13, 15, 18, 21, 24, 25, 26, 30, 31)) > 9


@pytest.mark.slow
def test_best_of_all_sets_where_channels_are_padded() -> None:
    assert check(PADDED, padded=True) > 11


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 500, 50))
def test_best_of_all_sets_long(first: int) -> None:
    check(range(first, first + 50))
    check(range(first, first + 50), padded=True)
