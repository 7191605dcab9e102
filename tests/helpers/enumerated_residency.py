"""Every set of resident tensors of a network on a given accelerator, tried one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

import oracle_tilings
import oracle_widths
from oracle_machine import ceil_div, machine_cycles, split_engine

from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network


class Outcome(NamedTuple):
    """What a choice of residents costs; latency 0 where no DRAM bandwidth is known."""

    latency_s: Fraction
    dram_bits: int


def lives(network: Network) -> dict[str, tuple[int, int]]:
    """First layer that writes and last that reads each tensor that is both written and read."""
    found = {}
    for name in network.tensors:
        writers = [i for i, layer in enumerate(network.layers) if layer.output == name]
        readers = [i for i, layer in enumerate(network.layers) if name in layer.reads]
        if writers and readers:
            found[name] = (writers[0], readers[-1])
    return found


class Enumeration:
    """A network at given widths (``weight:<layer>``, ``tensor:<tensor>``) on an accelerator."""

    def __init__(self, network: Network, on: Accelerator, widths: Mapping[str, int]) -> None:
        self.network, self.on, self.widths = network, on, widths
        self.lives = lives(network)
        self.mappings = on.mapping if on.reconfigurable else on.mapping[:1]
        self._costs: dict[tuple[int, str], list[oracle_tilings.Cost]] = {}

    def sets(self) -> Iterator[frozenset[str]]:
        """Every set of tensors that can be resident."""
        for size in range(len(self.lives) + 1):
            yield from map(frozenset, combinations(self.lives, size))

    def outcome(self, residents: frozenset[str], sram_bits: int) -> Outcome | None:
        """What a set costs; None where it and some layer's tiles do not fit."""
        latency_s, dram_bits = Fraction(0), 0
        for i, layer in enumerate(self.network.layers):
            held = sum(
                self.network.tensors[name] * self.widths[f"tensor:{name}"]
                for name in residents
                if self.lives[name][0] <= i <= self.lives[name][1]
            )
            best = self.best_in(i, layer, residents, sram_bits - held)
            if best is None:
                return None
            latency_s, dram_bits = latency_s + best.latency_s, dram_bits + best.dram_bits
        return Outcome(latency_s, dram_bits)

    def best_in(self, i: int, layer: Layer, residents: frozenset[str], room: int) -> Outcome | None:
        """A layer in the best mapping that it may take, in the room that residents leave."""
        found = []
        for mapping in self.mappings:
            moved = self._moved(i, layer, residents, room, mapping)
            if moved is not None:
                found.append(self.outcome_at(self.cycles(layer, mapping), moved))
        return min(found, default=None)

    def outcome_at(self, cycles: int, moved: int) -> Outcome:
        """Of so many cycles and DRAM bits that pass together."""
        if self.on.dram_bits_per_s is None:
            return Outcome(Fraction(0), moved)
        return Outcome(self.latency_of(cycles / Fraction(self.on.clock_hz), moved), moved)

    def latency_of(self, compute_s: Fraction, dram_bits: int) -> Fraction:
        """The longer of two times, and of the shorter the share that does not pass meanwhile."""
        times = compute_s, dram_bits / Fraction(self.on.dram_bits_per_s or 1)
        return max(times) + (1 - Fraction(str(self.on.overlap))) * min(times)

    def _moved(
        self, i: int, layer: Layer, residents: frozenset[str], room: int, mapping: str
    ) -> int | None:
        """Least DRAM bits of a layer in a mapping, in the room that residents leave."""
        touched = {layer.output: 1}
        for name in layer.residuals:
            touched[name] = touched.get(name, 0) + 1
        once = sum(
            self.network.touched(layer, name) * self.widths[f"tensor:{name}"] * times
            for name, times in touched.items()
            if name not in residents
        )
        ba = self.widths[f"tensor:{layer.input}"]
        if layer.moves:
            elements = layer.N * layer.G * layer.C * layer.H * layer.W
            return None if room < 0 else once + elements * ba * (layer.input not in residents)
        bw = oracle_widths.layer_widths(layer, self.widths)[0] * (
            layer.weight_tensor not in residents
        )
        bacc = self.on.psum_bits
        if bacc is None:
            widths = oracle_widths.layer_widths(layer, self.widths)
            bacc = sum(widths) + oracle_tilings.reduction_bits(layer)
        ba *= layer.input not in residents
        fitting = [
            cost.moved_weights * bw + cost.moved_ifmap * ba + cost.moved_psum * bacc
            for cost in self._tilings(i, layer, mapping)
            if oracle_tilings.in_buffers(cost, (bw, ba, bacc), self.on.buffers)
            and oracle_tilings.shared_bits(cost, (bw, ba, bacc), self.on.buffers) <= room
        ]
        return min(fitting) + once if fitting else None

    def _tilings(self, i: int, layer: Layer, mapping: str) -> list[oracle_tilings.Cost]:
        """All tilings of a layer in a mapping."""
        on, key = self.on, (i, mapping)
        if key not in self._costs:
            array = on.rows, on.cols, self._engine(layer), mapping
            self._costs[key] = oracle_tilings.layer_costs(layer, *array, on.zero_skipping)
        return self._costs[key]

    def _engine(self, layer: Layer) -> int:
        """Multipliers of a PE at a layer's widths."""
        on = self.on
        if on.precision != "widening":
            return on.engine
        pe_bits = on.pe_weight_bits, on.pe_activation_bits
        return split_engine(on.engine, oracle_widths.layer_widths(layer, self.widths), pe_bits)

    def least_cycles(self, layer: Layer) -> int:
        """In the fastest mapping."""
        return min(self.cycles(layer, mapping) for mapping in self.mappings)

    def cycles(self, layer: Layer, mapping: str) -> int:
        """In a mapping, at a layer's widths."""
        on = self.on
        if layer.moves:
            read = sum(self.network.touched(layer, name) for name in layer.reads)
            most = max(read, self.network.touched(layer, layer.output))
            return ceil_div(most, on.rows * on.engine)
        array = on.rows, on.cols, self._engine(layer), mapping
        cycles = machine_cycles(on, layer, *array)
        if on.precision != "multi-pass":
            return cycles
        bw, ba = oracle_widths.layer_widths(layer, self.widths)
        return cycles * -(-bw // on.pe_weight_bits) * -(-ba // on.pe_activation_bits)
