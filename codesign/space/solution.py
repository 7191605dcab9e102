"""A solution, priced exactly: hardware, widths, and each layer's best tiling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.roofline import latency_s, longer, roofs
from codesign.costs.tiling import Tilings, operand_bits
from codesign.costs.totals import over_members
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import keeps
from codesign.space.candidates import constants_of
from codesign.space.fusion import RunLayer
from codesign.space.hardware import HardwareSpace
from codesign.space.staircase import stacked
from codesign.specs.accelerator import Hardware
from codesign.units import kind_of

BY_TILING = ("latency_s", "dram_bits")  # kinds of metrics that grow as the SRAM shrinks


@dataclass(frozen=True)
class Solution:
    """A complete choice and its metrics.

    Attributes
    ----------
    option : int
        Index of the hardware option in the space.
    variable_width, weight : tuple of int
        Indices into the space's width list: of each width variable, of each layer's weight operand.
    sram_bits : int
        The least capacity on offer that its tilings fit in.
    tiling : tuple of int
        Row of each layer's chosen tiling in its staircase's table.
    modes : tuple of int
        Which mapping each layer takes, where it has one of its own, see `HardwareSpace.modes`.
    metrics : mapping of str to float
    on_chip : tuple of bool
        Of each of the space's placed tensors, then of each of its fused runs.
    """

    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    sram_bits: int
    tiling: tuple[int, ...]
    metrics: Mapping[str, float]
    on_chip: tuple[bool, ...] = ()
    modes: tuple[int, ...] = ()


def price(
    space: HardwareSpace,
    option: int,
    variable_width: Sequence[int],
    weight: Sequence[int],
    sram_bits: float,
    on_chip: Sequence[bool] = (),
    modes: Sequence[int] = (),
    tilings: Sequence[int] = (),
) -> Solution | None:
    """Price a choice with each layer's cheapest tiling that fits; None where none does.

    ``on_chip`` tells of each placed tensor whether it is, and of each fused run; by default none.
    ``modes`` tells which mapping each layer takes, where it has one of its own; by default the one
    of least latency, then of least traffic. ``tilings`` are rows of each layer's table, where it
    does not take the cheapest.

    ``sram_bits`` stands for the least capacity on offer that holds as much. Each metric is rounded
    as in the figures of a design: budgets are kept by both or by none.
    """
    widths = tuple(map(int, variable_width)), tuple(map(int, weight))
    places = _places(space, on_chip)
    if len(space.modes) > 1 and not modes:
        modes = best_modes(space, int(option), *widths, places, sram_bits)
    chosen = _Chosen(space, int(option), *widths, places, tuple(modes), tuple(tilings))
    return chosen.solution(sram_bits)


def best_modes(
    space: HardwareSpace,
    option: int,
    variable_width: tuple[int, ...],
    weight: tuple[int, ...],
    on_chip: tuple[bool, ...],
    sram_bits: float,
) -> tuple[int, ...]:
    """The mode of each layer of least latency with so much SRAM, then of least traffic."""
    count, costs = len(space.geometry_of), []
    for mode in range(len(space.modes)):
        chosen = _Chosen(space, option, variable_width, weight, on_chip, (mode,) * count)
        costs.append(chosen.layer_costs(sram_bits))
    seconds, moved = np.stack([s for s, _ in costs]), np.stack([m for _, m in costs])
    return tuple(np.lexsort((moved, seconds), axis=0)[0].tolist())


def _places(space: HardwareSpace, on_chip: Sequence[bool]) -> tuple[bool, ...]:
    return tuple(map(bool, on_chip)) or (False,) * (len(space.placed) + len(space.runs))


def least_sram(space: HardwareSpace, solution: Solution, limits: Mapping[str, float]) -> Solution:
    """The same hardware, widths and places with the least SRAM that keeps the limits it keeps.

    Of the metrics only latency and DRAM traffic grow as the SRAM shrinks, and neither ever falls:
    the least is found by bisection among the needs of tilings. Where energies count, which also
    grow with the SRAM, or the SRAM's port, it is the solution itself, whose SRAM is no more than
    its tilings need.
    """
    if space.counts_energy or space.port is not None:
        return solution
    places = _places(space, solution.on_chip)
    widths = solution.variable_width, solution.weight
    chosen = _Chosen(space, solution.option, *widths, places, solution.modes)
    needs = np.sort(chosen.need[chosen.need <= solution.sram_bits])
    bounded = [(x, limit) for x, limit in limits.items() if kind_of(x) in BY_TILING]
    known, low, high = solution, 0, len(needs)
    while low < high:
        middle = (low + high) // 2
        made = chosen.solution(needs[middle])
        if made and all(keeps(made.metrics[x], limit) for x, limit in bounded):
            known, high = made, middle
        else:
            low = middle + 1
    return known


@dataclass(frozen=True)
class _Chosen:
    """A hardware option with all widths and places chosen, but not its SRAM."""

    space: HardwareSpace
    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    on_chip: tuple[bool, ...]
    modes: tuple[int, ...] = ()
    tilings: tuple[int, ...] = ()

    @cached_property
    def _modes(self) -> tuple[int, ...]:
        return self.modes or (0,) * len(self.space.geometry_of)

    @cached_property
    def _stairs(self) -> list[tuple[Floats, Floats, Ints]]:
        """Need, traffic and rows of each layer's tilings."""
        space, shape = self.space, int(self.space.shape_of[self.option])
        variants = space.variants(self._places) if self.on_chip else 0 * space.geometry_of
        kinds = space.geometry_of.tolist(), variants.tolist(), self._modes
        chosen = zip(*kinds, self.weight, self._ifmap.tolist(), strict=True)
        if self.tilings:
            return [
                self._one_step(space.staircase(shape, g, v, m).tilings, g, row, w, a)
                for (g, v, m, w, a), row in zip(chosen, self.tilings, strict=True)
            ]
        found = ((space.staircase(shape, g, v, m), w, a) for g, v, m, w, a in chosen)
        return [
            (stairs.need[w, a], stairs.traffic[w, a], stairs.row[w, a]) for stairs, w, a in found
        ]

    def _one_step(
        self, tiles: Tilings, geometry: int, row: int, weight: int, ifmap: int
    ) -> tuple[Floats, Floats, Ints]:
        """A tiling as the only step of a staircase."""
        bits = self._bits_of(geometry, weight, ifmap)
        need = self.space.tile_bits(tiles.need[[row]], bits)
        traffic = float(tiles.traffic[row] @ bits)
        return need, np.array([np.inf, traffic]), np.array([row])

    def _bits_of(self, geometry: int, weight: int, ifmap: int) -> Ints:
        """Bits of an element of weights, ifmap and partial sums."""
        space = self.space
        widths = space.widths[weight], space.widths[ifmap]
        return operand_bits(*widths, space.geometries[geometry].accumulation_bits)

    def _energy_j(self, rows: Sequence[int], seconds: Floats, area_mm2: float) -> list[list[float]]:
        """Of each layer with these tilings, in parts."""
        space, costs = self.space, self.space.energy
        assert costs is not None
        shape, option = int(space.shape_of[self.option]), np.array([self.option])
        constants = {m: costs.constants(option, m)[0] for m in {*self._modes}}
        moved_j = np.array(space.moved_j(np.array(self.variable_width), self._places))
        fused = {x.layer: x for run in self._fused for x in run}
        static_j = (float(costs.static_w(np.array(area_mm2))) * seconds).tolist()
        each = [[own] for own in static_j]
        for i, (g, v, m) in enumerate(self._kinds):
            if i in fused:
                each[i] += self._fused_j(fused[i]).tolist()
                continue
            pair = self.weight[i], int(self._ifmap[i])
            bits = self._bits_of(g, *pair)
            moved = space.staircase(shape, g, v, m).tilings.traffic[rows[i]] * bits
            of_dram = float(moved @ costs.per_bit(costs.mapping(shape, m), g))
            constant = float(constants[m][(v * len(space.geometries) + g, *pair)])
            each[i] += [float(moved_j[i]), constant, of_dram]
        return each

    def _fused_j(self, x: RunLayer) -> Floats:
        """Of a layer in a fused run, in parts."""
        space, costs = self.space, self.space.energy
        assert costs is not None
        weight, ifmap = self.weight[x.layer], int(self._ifmap[x.layer])
        own = float(costs.fused(np.array([self.option]))[0, x.geometry, weight, ifmap])
        _, ba, resident = self._operand_bits(x)
        fetched = 0 if resident else x.ifmap_elements * ba
        added = x.added_elements * ba * costs.rates.sram_read_j_per_bit
        per_bit = costs.moved_per_bit(space.problem.network.layers[x.layer])
        moved = [
            count
            * (space.problem.choices.output_bits if v is None else self._bits(v))
            * per_bit[k][t is not None and self.on_chip[t]]
            for (v, count, t), k in zip(x.moved, x.moved_number, strict=True)
        ]
        return np.array([own, fetched * costs.fetched_j_per_bit, added, *moved])

    @cached_property
    def need(self) -> Floats:
        """(layers, steps): SRAM bits with each tiling; inf beyond the last."""
        need = stacked([need for need, _, _ in self._stairs])
        if not self.on_chip:
            return need
        for run in self._fused:
            layers = [x.layer for x in run]
            need[layers] = np.inf
            need[layers, 0] = self._run_need(run)
        held = self.space.resident_bits(np.array(self.variable_width), self._places)
        return need + held[:, None]

    @cached_property
    def _fused(self) -> list[tuple[RunLayer, ...]]:
        """Its fused runs."""
        chosen = self.on_chip[len(self.space.placed) :]
        return [self.space.run_layers[r] for r, there in enumerate(chosen) if there]

    def _operand_bits(self, x: RunLayer) -> tuple[int, int, bool]:
        """Widths of weights and input of a fused layer, and whether the input is resident."""
        bw, ba = self.space.widths[[self.weight[x.layer], self._ifmap[x.layer]]].tolist()
        return bw, ba, x.source is not None and self.on_chip[x.source]

    def _run_need(self, run: tuple[RunLayer, ...]) -> int:
        """SRAM bits of a run, beside what is resident."""
        bits = [self._operand_bits(x) for x in run]
        held = sum(x.held_bits(*b) for x, b in zip(run, bits, strict=True))
        return held + max(x.psum_bits(*b[:2]) for x, b in zip(run, bits, strict=True))

    @cached_property
    def _places(self) -> Bools:
        return np.array(self.on_chip, dtype=bool)

    @cached_property
    def _traffic(self) -> Floats:
        """(layers, steps + 1): DRAM bits of operands, or of all of a fused layer."""
        traffic = stacked([traffic for _, traffic, _ in self._stairs])
        for run in self._fused:
            for x in run:
                moved = (
                    count * (self.space.problem.choices.output_bits if v is None else self._bits(v))
                    for v, count, t in x.moved
                    if t is None or not self.on_chip[t]
                )
                traffic[x.layer, 1] = x.fetched_bits(*self._operand_bits(x)) + sum(moved)
        return traffic

    def _bits(self, variable: int) -> int:
        return int(self.space.widths[self.variable_width[variable]])

    @cached_property
    def _ifmap(self) -> Ints:
        return np.asarray(np.array(self.variable_width)[self.space.input_index])

    @cached_property
    def _cycles(self) -> Ints:
        """(layers,)"""
        space, made = self.space, np.zeros(len(self.space.geometry_of), dtype=np.int64)
        fused = [x.layer for run in self._fused for x in run]  # they need not be tiled
        modes = np.array(self._modes)
        modes[fused] = -1
        for mode in sorted({*modes.tolist()}):
            mine = np.flatnonzero(modes == mode)
            table = space.cycles_on(np.array([self.option]), None if mode < 0 else mode)[0]
            wide = np.array(self.weight)[mine], self._ifmap[mine]
            pairs = wide if table.shape[-1] > 1 else (0, 0)
            made[mine] = table[(space.geometry_of[mine], *pairs)]
        return made

    @cached_property
    def _moved_bits(self) -> Floats:
        bits = self.space.moved_bits(np.array(self.variable_width), self._places)
        bits[[x.layer for run in self._fused for x in run]] = 0
        return bits

    @cached_property
    def _width_metrics(self) -> list[dict[str, float]]:
        """Of each member of a suite, or of all layers."""
        widths = self.variable_width, self.weight
        return [self.space.width_metrics(*widths, member) for member in self._members]

    @property
    def _members(self) -> list[int | None]:
        return [*range(len(self.space.problem.network.members))] or [None]

    def layer_costs(self, sram_bits: float) -> tuple[Floats, Floats]:
        """(layers,) twice: latency of each with so much SRAM, inf where no tile fits; DRAM bits."""
        layers = np.arange(len(self.need))
        step = np.count_nonzero(self.need <= sram_bits, axis=1) - 1
        dram_bits = self._traffic[layers, step + 1] + self._moved_bits
        seconds = self._latencies_s(dram_bits, step)
        return np.where(step < 0, np.inf, seconds), dram_bits

    def _latencies_s(self, dram_bits: Floats, step: Ints) -> Floats:
        """(layers,): of so many DRAM bits, each layer with a tiling; as if none were fused."""
        space, problem = self.space, self.space.problem
        rates = problem.clock_hz, problem.dram_bits_per_s
        if space.port is None:
            return latency_s(self._cycles, dram_bits, *rates, space.exposed)
        port_s = self._port_bits(np.maximum(step, 0)) / space.port_bits_per_s
        own_s = np.maximum(self._cycles / problem.clock_hz, port_s)
        return longer(own_s, dram_bits / problem.dram_bits_per_s, space.exposed)

    def _port_bits(self, step: Ints) -> Floats:
        """(layers,): SRAM bits read and written, each layer with a tiling."""
        space, costs = self.space, self.space.port
        assert costs is not None
        bits, shape = [], int(space.shape_of[self.option])
        rows = (row[n] for (_, _, row), n in zip(self._stairs, step.tolist(), strict=True))
        for kind, weight, ifmap, row in zip(
            self._kinds, self.weight, self._ifmap.tolist(), rows, strict=True
        ):
            geometry, variant, mode = kind
            elements = space.staircase(shape, geometry, variant, mode).tilings.traffic[row]
            moved = elements * self._bits_of(geometry, weight, ifmap)
            constant = constants_of(space, costs, self.option, kind)[weight, ifmap]
            bits.append(constant + moved @ costs.per_bit(costs.mapping(shape, mode), geometry))
        widths = np.array(self.variable_width)
        return np.array(bits) + space.moved_j(widths, self._places, port=True)

    @property
    def _kinds(self) -> list[tuple[int, int, int]]:
        """Geometry, variant and mode of each layer."""
        space = self.space
        variants = space.variants(self._places) if self.on_chip else 0 * space.geometry_of
        each = space.geometry_of.tolist(), variants.tolist(), self._modes
        return [*zip(*each, strict=True)]

    def solution(self, sram_bits: float) -> Solution | None:
        """The choice with so much SRAM; see `price`."""
        space, problem, capacities = self.space, self.space.problem, self.space.capacities
        sram_bits = min(float(capacities.holding(sram_bits)), capacities.max_bits)
        layers = np.arange(len(self.need))
        step = np.count_nonzero(self.need <= sram_bits, axis=1) - 1
        if (step < 0).any():
            return None
        dram_bits = self._traffic[layers, step + 1] + self._moved_bits
        rates = problem.clock_hz, problem.dram_bits_per_s
        seconds = self._latencies_s(dram_bits, step)
        for run in self._fused:
            mine = [x.layer for x in run]
            per_s = self._cycles[mine], dram_bits[mine]
            compute_s, memory_s = (each / rate for each, rate in zip(per_s, rates, strict=True))
            all_s = [each.sum() / rate for each, rate in zip(per_s, rates, strict=True)]
            of_roofs = roofs(compute_s, memory_s, space.exposed)
            seconds[mine] = of_roofs[0 if all_s[0] >= all_s[1] else 1]
        needed = float(capacities.holding(self.need[layers, step].max()))
        option, network = np.array([self.option]), problem.network
        metrics = {
            name: float(metric.value(option, np.array([needed]))[0])
            for name, metric in space.hardware_metrics.items()
        }
        rows = [int(row[n]) for (_, _, row), n in zip(self._stairs, step.tolist(), strict=True)]
        joules = list[list[float]]()
        if space.counts_energy:
            joules = self._energy_j(rows, seconds, metrics.get("area_mm2", 0.0))
        sums = []
        for member, of_widths in zip(self._members, self._width_metrics, strict=True):
            those = space.shares.layers(member)
            of_tilings = {
                "latency_s": math.fsum(seconds[those].tolist()),
                "dram_bits": math.fsum(dram_bits[those].tolist()),
            }
            if joules:
                of_tilings[ENERGY] = math.fsum(x for i in those.tolist() for x in joules[i])
            sums.append(of_tilings | of_widths)
        metrics = over_members(network, sums, self.space.model_bits(self.weight)) | metrics
        return Solution(
            self.option,
            self.variable_width,
            self.weight,
            int(needed),
            tuple(rows),
            metrics,
            self.on_chip,
            self.modes,
        )


def hardware_of(space: HardwareSpace, solution: Solution) -> Hardware:
    """The hardware of a solution."""
    return Hardware(
        rows=int(space.rows[solution.option]),
        cols=int(space.cols[solution.option]),
        pe_weight_bits=int(space.pe_weight_bits[solution.option]),
        pe_activation_bits=int(space.pe_activation_bits[solution.option]),
        sram_bits=solution.sram_bits,
        mapping=space.mappings_of(solution.option),
    )
