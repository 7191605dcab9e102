"""A network at given widths on a given accelerator: tilings, fused runs, the best residents."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from collections.abc import Mapping as MappingOf
from functools import cached_property, partial

import numpy as np

from codesign.arrays import Ints
from codesign.costs import roofline
from codesign.costs.buffers import NO_BUFFERS, Buffers, fits_buffers, in_unified
from codesign.costs.compute import movement_cycles
from codesign.costs.energy import MOVES, accesses
from codesign.costs.fusion import FusedRun, fused_runs, run_need
from codesign.costs.given_tiling import Settled
from codesign.costs.layers import array_of, cycles_on, operand_bits_on
from codesign.costs.port import tilings_port_bits
from codesign.costs.residency import moved_elements, without_resident
from codesign.costs.stored import stored_tilings
from codesign.costs.tiling import Tilings, check_tiles, tilings
from codesign.problem.choices import Place
from codesign.space.energy_tilings import undominated_rows
from codesign.space.exact_cost import First, Rates
from codesign.space.residency import Residency, best_residency
from codesign.space.resident_layers import Mode, Ported, Stairs
from codesign.space.resident_lives import ResidentLives
from codesign.space.resident_runs import ResidentRun, resident_run
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Mapping
from codesign.specs.network import Network

GEOMETRY = ("N", "G", "K", "C", "P", "Q", "R", "S", "H", "W", "stride", "dilation")


class GivenHardware:
    """A network whose hardware and widths are chosen, but not which tensors stay on chip.

    Parameters
    ----------
    weight_bits : sequence of int or None
        Width of each layer's weight operand; None where data only moves.
    tensor_bits : mapping of str to int
        Width of every tensor, the network's results included.
    fused_layers : int
        Layers of a fused run at most; 1: none are fused.
    settled : mapping of str to Settled, optional
        Layers whose tiling is given. Those are not to be fused.

    Raises
    ------
    SpecError
        A layer has too many tiles to go through.
    """

    def __init__(
        self,
        network: Network,
        accelerator: Accelerator,
        weight_bits: Sequence[int | None],
        tensor_bits: MappingOf[str, int],
        fused_layers: int = 1,
        settled: MappingOf[str, Settled] | None = None,
    ) -> None:
        self.network, self.accelerator = network, accelerator
        self.weight_bits, self.tensor_bits = tuple(weight_bits), tensor_bits
        self.fused_layers = fused_layers
        self.settled = settled or {}
        self.lives = ResidentLives(network, accelerator.stored_channels)
        self._tables: dict[tuple[object, ...], Tilings] = {}
        self._stairs: dict[tuple[object, ...], Stairs] = {}

    def residency(
        self,
        sram_bits: int,
        places: MappingOf[str, Place] | None = None,
        first: First = "latency_s",
        no_bands: Collection[str] = (),
    ) -> Residency | None:
        """The residents and runs of least latency, then of least DRAM traffic; None: none fit.

        The other way round where traffic is said to count first; without a DRAM bandwidth of
        least traffic. Some tensors may be said not to be bands.
        """
        on = self.accelerator
        port = on.sram_bits_per_cycle
        rates = Rates(on.clock_hz, on.dram_bits_per_s, first, on.exposed, port)
        (cycles, stairs, ported), *others = self.modes
        given = self.tensor_bits, cycles, stairs, sram_bits, rates, places
        runs = [run for run in self.runs if not {*no_bands} & {*run.run.inner}]
        return best_residency(self.lives, *given, runs=runs, others=others, ported=ported)

    def latency_s(self, found: Residency) -> float:
        """Of all layers, where a DRAM bandwidth is known."""
        clock, rate = self.accelerator.clock_hz, self.accelerator.dram_bits_per_s
        assert rate is not None
        exposed = float(self.accelerator.exposed)
        dram_bits = [row.dram_bits for row in found.layers]
        cycles = np.array([self.modes[row.mode].cycles[i] for i, row in enumerate(found.layers)])
        port_bits = np.array([float(row.port_bits) for row in found.layers])
        own_s = np.maximum(cycles / clock, port_bits / (clock * self._port_rate))
        each = roofline.longer(own_s, np.array(dram_bits) / rate, exposed).tolist()
        for run in found.runs:
            compute_s = sum(self._least_cycles(i) for i in run.layers) / clock
            memory_s = sum(dram_bits[i] for i in run.layers) / rate
            rest = [0.0] * (run.last - run.first)
            longest = max(roofline.roofs(compute_s, memory_s, exposed))
            each[run.first : run.last + 1] = [longest, *rest]
        return math.fsum(each)

    @property
    def _buffers(self) -> Buffers:
        return self.accelerator.buffers

    @cached_property
    def ample_sram_bits(self) -> int:
        """SRAM in which everything fits: any tiling, any run, beside all tensors that live."""
        size = {
            name: count * self.tensor_bits[name] for name, count in self.network.tensors.items()
        }
        most = 0
        for i, touched in enumerate(self.lives.touched):
            held = sum(size[self.lives.names[t]] for _, t in touched.held)
            shared = self.bits_of(i) * in_unified(self._buffers)
            for mapping in self.accelerator.mapping:
                most = max(most, held + int((self.table(i, mapping).need @ shared).max()))
        for run in self.runs:
            held = sum(size[self.lives.names[t]] for t in run.live)
            most = max(most, held + max(run.need))
        return most

    @cached_property
    def runs(self) -> list[ResidentRun]:
        """All runs of layers that may be fused."""
        return [self._run(run) for run in fused_runs(self.network, self.fused_layers)]

    def _run(self, run: FusedRun) -> ResidentRun:
        """A run at the widths given."""
        network, bits = self.network, self.tensor_bits
        layers = network.layers[run.first : run.last + 1]
        operands = self._widths[run.first : run.last + 1]
        widths = [weight for weight, _, _ in operands], [psum for _, _, psum in operands]
        source = layers[0].input
        dram, chip = (run_need(run, network, *widths, bits, x) for x in ((), (source,)))
        tensors = [
            [(name, network.touched(layer, name) * bits[name]) for name in moved]
            for layer, moved in zip(layers, run.moved, strict=True)
        ]
        tensors[0].insert(0, (source, layers[0].ifmap * bits[source]))
        weights = [layer.weights * width for layer, width in zip(layers, widths[0], strict=True)]
        cycles = sum(self._least_cycles(i) for i in run.layers)
        return resident_run(self.lives, run, (dram, chip), cycles, weights, tensors)

    @cached_property
    def modes(self) -> list[Mode]:
        """The mappings that each layer may take, one where all have the machine's."""
        on = self.accelerator
        mappings = on.mapping if on.reconfigurable else on.mapping[:1]
        found = []
        for x in mappings:
            stairs, ported = partial(self.stairs, mapping=x), partial(self.ported, mapping=x)
            timed = on.sram_bits_per_cycle is not None
            found.append(Mode(self._cycles(x), stairs, ported if timed else None))
        return found

    def _least_cycles(self, i: int) -> int:
        """Of a layer whose tiling is no choice: its cycles in the best mode."""
        return min(mode.cycles[i] for mode in self.modes)

    def table(self, i: int, mapping: Mapping) -> Tilings:
        """All tilings of a layer worth considering."""
        layer, on = self.network.layers[i], self.accelerator
        factors = self.network.operand_factors(layer, on.stored_channels)
        stored = self.network, layer, on.stored_channels
        if layer.name in self.settled:
            own = (layer.name,)
            if own not in self._tables:
                self._tables[own] = stored_tilings(self.settled[layer.name].table, *stored)
            return self._tables[own]
        array = array_of(layer, on, self.weight_bits[i] or 0, self.tensor_bits, mapping)
        letters = (*GEOMETRY, "input_dilation", "input_repetition", "moves")
        key = (array, factors, *(getattr(layer, letter) for letter in letters))
        if key not in self._tables:
            check_tiles(layer, array)
            self._tables[key] = stored_tilings(tilings(layer, array), *stored)
        return self._tables[key]

    def stairs(self, i: int, weights: bool, ifmap: bool, mapping: Mapping) -> Stairs:
        """Needs and traffic of a layer's tilings that no other is as good as in both.

        ``weights``, ``ifmap``: whether its weight operand, and its input, are resident.
        """
        table = self.table(i, mapping)
        bits = self.bits_of(i)
        key = (id(table), *bits.tolist(), weights, ifmap)
        if key not in self._stairs:
            table = without_resident(table, weights, ifmap)
            if self._buffers != NO_BUFFERS:
                table = table.take(np.flatnonzero(fits_buffers(table.need, bits, self._buffers)))
            need, traffic = table.need @ (bits * in_unified(self._buffers)), table.traffic @ bits
            order = np.lexsort((traffic, need))
            need, traffic = need[order], traffic[order]
            falls = np.ones(len(need), dtype=bool)
            falls[1:] = traffic[1:] < np.minimum.accumulate(traffic)[:-1]
            nothing = ([math.inf], [math.inf])  # of no tiling that fits its buffers
            found = need[falls].tolist(), traffic[falls].tolist()
            self._stairs[key] = found if len(need) else nothing
        return self._stairs[key]

    def ported(self, i: int, weights: bool, ifmap: bool, mapping: Mapping) -> Ported:
        """The same tilings where the SRAM's port takes time, see `Mode`."""
        layer, bits = self.network.layers[i], self.bits_of(i)
        table = without_resident(self.table(i, mapping), weights, ifmap)
        table = table.take(np.flatnonzero(fits_buffers(table.need, bits, self._buffers)))
        counted, beside = MOVES, 0
        if layer.moves:
            beside = layer.ifmap * self.tensor_bits[layer.input] * ifmap
        else:
            weight_bits = self.weight_bits[i] or 0
            array = array_of(layer, self.accelerator, weight_bits, self.tensor_bits, mapping)
            on = array.rows, array.cols, array.engine, mapping
            counted = accesses(layer, *on, weights, array.zero_skipping)
        need, traffic = table.need @ (bits * in_unified(self._buffers)), table.traffic @ bits
        port = tilings_port_bits(counted, bits, table) + beside
        kept = undominated_rows(*(x.astype(np.float64) for x in (need, traffic, port)))
        return tuple(x[kept].astype(np.int64).tolist() for x in (need, traffic, port))

    @property
    def _port_rate(self) -> float:
        """Bits of the SRAM's port in a cycle."""
        return float(self.accelerator.sram_bits_per_cycle or math.inf)

    def bits_of(self, i: int) -> Ints:
        """Bits of an element of a layer's weights, ifmap and partial sums."""
        layer, weight_bits = self.network.layers[i], self.weight_bits[i]
        return operand_bits_on(layer, self.accelerator, weight_bits or 0, self.tensor_bits)

    @cached_property
    def _widths(self) -> list[list[int]]:
        """`bits_of` all layers."""
        return [self.bits_of(i).tolist() for i in range(len(self.network.layers))]

    def _cycles(self, mapping: Mapping) -> list[int]:
        """Compute cycles of each layer."""
        on, found = self.accelerator, []
        for layer, weight_bits in zip(self.network.layers, self.weight_bits, strict=True):
            if weight_bits is None:
                elements = moved_elements(self.network, layer)
                found.append(int(movement_cycles(elements, on.rows, on.engine)))
                continue
            if layer.name in self.settled:
                found.append(self.settled[layer.name].cycles)
                continue
            found.append(cycles_on(layer, on, weight_bits, self.tensor_bits, mapping))
        return found
