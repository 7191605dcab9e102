"""Every way to fuse layers of a network on a given accelerator, and every set of residents beside.

Written from the rules of fused runs alone: nothing that the library prices runs with is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

import oracle_tilings
import oracle_widths
from enumerated_residency import Enumeration, Outcome

from codesign.problem.places import Place
from codesign.specs.network import Layer

Blocks = tuple[range, ...]  # all layers in order; those of one block are fused


class Choice(NamedTuple):
    """Which layers are fused, and which tensors stay whole."""

    blocks: Blocks
    residents: frozenset[str]


class FusedEnumeration(Enumeration):
    """Choices of residents and of fused runs, and what each costs."""

    def every(
        self, most_layers: int, sram_bits: int, places: Mapping[str, Place] | None = None
    ) -> dict[Choice, Outcome]:
        """All choices that fit and keep to the places given."""
        found = {}
        for blocks in self.partitions(most_layers):
            bands = {self.network.layers[i].output for block in blocks for i in block[:-1]}
            left = [name for name in self.lives if name not in bands]
            for size in range(len(left) + 1):
                for residents in map(frozenset, combinations(left, size)):
                    choice = Choice(blocks, residents)
                    if not (places or {}).items() <= self.place_of(choice).items():
                        continue
                    outcome = self.outcome_of(choice, sram_bits)
                    if outcome is not None:
                        found[choice] = outcome
        return found

    def place_of(self, choice: Choice) -> dict[str, Place]:
        """Where each tensor is."""
        found: dict[str, Place] = dict.fromkeys(self.network.tensors, "dram")
        found |= dict.fromkeys(choice.residents, "chip")
        for block in choice.blocks:
            found |= {self.network.layers[i].output: "band" for i in block[:-1]}
        return found

    # Blocks -------------------------------------------------------------------------------------

    def partitions(self, most_layers: int, first: int = 0) -> Iterator[Blocks]:
        """The layers from one on in blocks that may be fused."""
        if first == len(self.network.layers):
            yield ()
        for stop in range(first + 1, min(first + most_layers, len(self.network.layers)) + 1):
            block = range(first, stop)
            if all(self._may_be_band(block, i) for i in block[:-1]):
                for rest in self.partitions(most_layers, stop):
                    yield (block, *rest)

    def runs(self, most_layers: int) -> list[range]:
        """Every block of more than one layer."""
        blocks = {block for blocks in self.partitions(most_layers) for block in blocks}
        return sorted((x for x in blocks if len(x) > 1), key=lambda x: (x[0], x[-1]))

    def _may_be_band(self, block: range, i: int) -> bool:
        """Whether what a layer writes can be a band within a block."""
        layers = self.network.layers
        layer, name = layers[i], layers[i].output
        readers = [n for n, x in enumerate(layers) if name in x.reads]
        if not readers or readers[0] != i + 1 or readers[-1] not in block:
            return False
        if any(layers[n].moves or layers[n].weight_tensor is not None for n in (i, *readers)):
            return False
        if layer.appended or any(name in x.parts for x in layers):
            return False
        made = layer.N * layer.G * layer.K * layer.P * layer.Q
        if self.network.tensors[name] != made:
            return False  # pooled
        after = layers[i + 1]
        if after.input != name or any(layers[n].input == name for n in readers[1:]):
            return False
        if (after.N, after.H, after.W) != (layer.N, layer.P, layer.Q):
            return False
        adding = [n for n in readers if name in layers[n].residuals]
        return all(self._in_step(range(i + 1, n + 1)) for n in adding)

    def _in_step(self, layers: range) -> bool:
        """Whether the last of some fused layers makes the rows that the first reads, one by one."""
        each = [self.network.layers[i] for i in layers]
        for x in each:
            if (x.stride if isinstance(x.stride, int) else x.stride[0]) > 1:
                return False
            if any((y if isinstance(y, int) else y[0]) > 1 for y in spreads(x)):
                return False
        return (each[0].N, each[0].H, each[0].W) == (each[-1].N, each[-1].P, each[-1].Q)

    # Costs --------------------------------------------------------------------------------------

    def outcome_of(self, choice: Choice, sram_bits: int) -> Outcome | None:
        """What a choice costs; None where some step does not fit."""
        latency_s, dram_bits = Fraction(0), 0
        for block in choice.blocks:
            best: Outcome | None = None
            if len(block) == 1:
                room = sram_bits - self._held(block, choice.residents)
                layer = self.network.layers[block[0]]
                best = self.best_in(block[0], layer, choice.residents, room)
            elif self.needed(block, choice.residents) <= sram_bits:
                cycles = sum(self.least_cycles(self.network.layers[i]) for i in block)
                best = self.outcome_at(cycles, self._moved_by_run(block, choice.residents))
            if best is None:
                return None
            latency_s, dram_bits = latency_s + best.latency_s, dram_bits + best.dram_bits
        return Outcome(latency_s, dram_bits)

    def _bits(self, name: str) -> int:
        return self.widths[f"tensor:{name}"]

    def _held(self, block: range, residents: Collection[str]) -> int:
        """SRAM bits of residents during some layer of a block."""
        return sum(
            self.network.tensors[name] * self._bits(name)
            for name in residents
            if any(self.lives[name][0] <= i <= self.lives[name][1] for i in block)
        )

    def needed(self, block: range, residents: Collection[str]) -> int:
        """SRAM bits of a fused run and of what is resident beside it."""
        layers = [self.network.layers[i] for i in block]
        bits, psums = 0, []
        for layer in layers:
            bw, ba = oracle_widths.layer_widths(layer, self.widths)
            bits += layer.G * layer.K * layer.C * layer.R * layer.S * bw
            bacc = self.on.psum_bits
            if bacc is None:
                bacc = bw + ba + oracle_tilings.reduction_bits(layer)
            psums.append(min(2, layer.N * layer.P) * layer.Q * layer.G * layer.K * bacc)
        rows = self._rows(layers)
        for layer, count in zip(layers[1:], rows[1:], strict=True):
            bits += count * layer.W * layer.G * layer.C * self._bits(layer.input)
        head = layers[0]
        if head.input not in residents:
            held = min(2 * rows[0], head.N * head.H)
            bits += held * head.W * head.G * head.C * self._bits(head.input)
        return bits + max(psums) + self._held(block, residents)

    def _rows(self, layers: list[Layer]) -> list[int]:
        """Rows of the input of each layer of a run, for a row of the last one's output."""
        found: list[int] = []
        for layer in reversed(layers):
            stride, dilation, zeros, again = (
                x if isinstance(x, int) else x[0]
                for x in (layer.stride, layer.dilation, *spreads(layer))
            )
            made = found[0] if found else 1
            reach = (made - 1) * stride + (layer.R - 1) * dilation + 1
            rows = -(-reach // zeros)
            if again > 1:
                rows = max(len({(at + n) // again for n in range(reach)}) for at in range(again))
            found.insert(0, min(layer.H, rows))
        return found

    def _moved_by_run(self, block: range, residents: frozenset[str]) -> int:
        """DRAM bits: weights and input once, the output, and residuals from outside."""
        layers = [self.network.layers[i] for i in block]
        head, inner = layers[0], {x.output for x in layers[:-1]}
        bits = 0
        if head.input not in residents:
            bits += head.N * head.G * head.C * head.H * head.W * self._bits(head.input)
        for i, layer in zip(block, layers, strict=True):
            bw = oracle_widths.layer_widths(layer, self.widths)[0]
            bits += layer.G * layer.K * layer.C * layer.R * layer.S * bw
            for name in (layer.output, *layer.residuals):
                whole = name not in head.parts and name not in layer.parts
                there = name == head.input and whole and self._in_step(range(block[0], i + 1))
                if name not in inner | residents and not there:
                    bits += self.network.touched(layer, name) * self._bits(name)
        return bits


def spreads(layer: Layer) -> tuple[int | tuple[int, int], ...]:
    """Zeros between rows of a layer's input, and how often each is seen."""
    return layer.input_dilation, layer.input_repetition
