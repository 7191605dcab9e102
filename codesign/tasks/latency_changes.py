"""What each change from one accelerator to another does to latency and DRAM traffic, exactly.

Two results of one network differ in up to seven things:

    clock       cycles per second
    array       PE array, PEs, mapping: whatever decides cycles, partial sums and overlap
    roofline    ideal, or on tiles
    widths      bits of weights and tensors
    tiles       tiles and loop orders, which the SRAM has room for
    places      tensors that stay on chip, layers that are fused
    bandwidth   DRAM bits per second

Of ``n`` that do differ every subset ``S`` is made, ``2^n`` states, each of which `codesign.costs`
gives its latency and traffic. The part of change ``i`` is its Shapley value

    Σ_S |S|!·(n − |S| − 1)!/n! · (v(S ∪ i) − v(S))

the mean over all ``n!`` orders of what it changes where it is made; the parts sum to
``v(all) − v(none)``. All is added in rational numbers: what rounds is the number told.

States between the two need not be accelerators that could be built: tiles and tensors stay on chip
whether or not the SRAM has room for them, and operands wider than the PEs take the cycles of the
PEs' widths. Where an operand of a layer is resident in one result alone, or the layer is fused, its
tile was chosen for that and comes with the places. Layers fused in either are taken together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any

from codesign.costs.fusion import FusedRun, fused_layers
from codesign.costs.given_tiling import (
    GivenTiling,
    check_tiling,
    given_cycles,
    one_tiling,
    whole_rounds,
)
from codesign.costs.layers import (
    LayerDesign,
    array_of,
    ideal_layer,
    moving_layer,
    tiled_layer,
)
from codesign.costs.residency import Residents, residents
from codesign.costs.stored import stored_tilings
from codesign.errors import SpecError
from codesign.results.consistency import names_on_chip
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network

CHANGES = ("clock", "array", "roofline", "widths", "tiles", "places", "bandwidth")
METRICS = ("latency_s", "dram_bits")
SAME = 1e-9  # relative: of figures computed twice
NOT_OF_ARRAY = (
    *("name", "source", "clock_hz", "dram_bits_per_s", "dram_energy_j_per_bit", "sram_bits"),
    *("pe_area_um2", "area_overhead", "technology", "energy", "number_format"),
    *("weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits"),
)  # what neither cycles nor traffic depend on, or changes of their own
Made = frozenset[str]


class LatencyChanges:
    """Every state between two results of one network.

    Attributes
    ----------
    parts : list of dict, by metric
        ``parts["latency_s"][layer][change]``: Fractions, only of changes that the layer knows.
    """

    def __init__(self, first: Design | Evaluation, other: Design | Evaluation) -> None:
        self.sides = _Side(first), _Side(other)
        self.network: Network = first.network
        self.timed = all(side.accelerator.dram_bits_per_s is not None for side in self.sides)
        self.metrics = METRICS if self.timed else METRICS[1:]
        self._accelerators: dict[tuple[int, int, int], Accelerator] = {}
        count = len(self.network.layers)
        self.parts: dict[str, list[dict[str, Fraction]]] = {
            metric: [{} for _ in range(count)] for metric in self.metrics
        }
        for block in _blocks(self.sides, count):
            self._explain(block)

    def total(self, metric: str, change: str) -> Fraction:
        """What a change does to the whole network, each member of a suite times its weight."""
        return sum(
            (
                Fraction(weight) * of.get(change, Fraction(0))
                for weight, of in zip(self.network.layer_weights, self.parts[metric], strict=True)
            ),
            Fraction(0),
        )

    def _explain(self, block: range) -> None:
        """The parts of some layers that are taken together."""
        changes = [x for x in CHANGES if any(self._differs(x, i) for i in block)]
        values = {
            made: [self._figures(row) for row in self._rows(block, made)]
            for size in range(len(changes) + 1)
            for made in map(frozenset, combinations(changes, size))
        }
        self._check(block, values[frozenset()], 0)
        self._check(block, values[frozenset(changes)], 1)
        for n, i in enumerate(block):
            for m, metric in enumerate(self.metrics):
                game = {made: each[n][m] for made, each in values.items()}
                self.parts[metric][i] = shapley(changes, game)

    def _figures(self, row: LayerDesign) -> tuple[Fraction, ...]:
        every = {"latency_s": row.latency_s or 0.0, "dram_bits": row.dram_bits.total}
        return tuple(Fraction(every[metric]) for metric in self.metrics)

    def _check(self, block: range, found: Sequence[tuple[Fraction, ...]], n: int) -> None:
        """Refuse results whose own figures are others than those that follow from them."""
        for i, figures in zip(block, found, strict=True):
            told = self._figures(self.sides[n].rows[i])
            for metric, x, right in zip(self.metrics, told, figures, strict=True):
                if abs(x - right) > SAME * right:
                    raise SpecError(
                        f"layer {self.sides[n].rows[i].name!r}: {metric} is {float(x):.6g}, but "
                        f"{float(right):.6g} follows from its tile, widths and hardware; "
                        "codesign check tells all"
                    )

    def _differs(self, change: str, i: int) -> bool:
        """Whether a layer is another by a change."""
        first, other = (side.what(change, i) for side in self.sides)
        if change == "tiles" and self._tile_follows_places(i):
            return False
        return bool(first != other)

    def _tile_follows_places(self, i: int) -> bool:
        """Whether a layer's tile was chosen for what is on chip in one of the two."""
        first, other = self.sides
        return (
            first.run_at(i) is not None
            or other.run_at(i) is not None
            or first.operands_at(i) != other.operands_at(i)
        )

    def _rows(self, block: range, made: Made) -> list[LayerDesign]:
        """The layers of a block with some changes made."""
        places = self.sides["places" in made]
        tiled = self.sides["roofline" in made].tiled
        found: dict[int, LayerDesign] = {}
        for run in places.runs if tiled else ():
            if run.first in block:
                found |= zip(run.layers, self._fused(run, made, places), strict=True)
        for i in block:
            if i not in found:
                found[i] = self._row(i, made, tiled)
        return [found[i] for i in block]

    def _fused(self, run: FusedRun, made: Made, places: _Side) -> list[LayerDesign]:
        widths, resident = self.sides["widths" in made], places.residents[run.first]
        assert resident is not None
        weight_bits = [widths.rows[i].weight_bits or 0 for i in run.layers]
        on = self._accelerator(made), weight_bits, widths.tensor_bits, resident
        return fused_layers(self.network, run, *on)

    def _row(self, i: int, made: Made, tiled: bool) -> LayerDesign:
        """A layer by itself."""
        layer, accelerator = self.network.layers[i], self._accelerator(made)
        widths = self.sides["widths" in made]
        resident = self.sides["places" in made].residents[i] if tiled else None
        on = self.network, layer, accelerator
        if layer.moves:
            return moving_layer(*on, widths.tensor_bits, tiled, resident)
        weight_bits = widths.rows[i].weight_bits
        assert weight_bits is not None
        if not tiled:
            return ideal_layer(*on, weight_bits, widths.tensor_bits)
        follows = "places" if self._tile_follows_places(i) else "tiles"
        side = self.sides[follows in made]
        if side.tiling(i) is None:  # of the ideal roofline: the other's
            side = self.sides[side is self.sides[0]]
        tiling = side.tiling(i)
        assert tiling is not None
        own = self.sides["array" in made].rows[i].mapping
        mapping = own if accelerator.reconfigurable else None
        count = None
        if side.gives(i):
            count = _given_cycles(layer, accelerator, weight_bits, widths.tensor_bits, tiling, own)
        table = one_tiling(layer, tiling)
        table = stored_tilings(table, self.network, layer, accelerator.stored_channels)
        return tiled_layer(*on, weight_bits, widths.tensor_bits, table, 0, resident, mapping, count)

    def _accelerator(self, made: Made) -> Accelerator:
        """Array, clock and bandwidth each of one of the two."""
        key = "array" in made, "clock" in made, "bandwidth" in made
        if key not in self._accelerators:
            array, clock, dram = (self.sides[which].accelerator for which in key)
            self._accelerators[key] = replace(
                array, clock_hz=clock.clock_hz, dram_bits_per_s=dram.dram_bits_per_s
            )
        return self._accelerators[key]


class _Side:
    """One of the two results, and what decides its latency."""

    def __init__(self, result: Design | Evaluation) -> None:
        self.result, self.accelerator = result, result.accelerator
        self.rows, self.tensor_bits = result.layer_designs, result.tensor_bits
        self.runs = result.fused_runs
        self.tiled = not isinstance(result, Evaluation) or result.roofline == "tiled"

    @cached_property
    def residents(self) -> Sequence[Residents | None]:
        """What is on chip during each layer."""
        if self.result.on_chip is None:
            return [None] * len(self.rows)
        runs = [run.layers for run in self.runs]
        names = names_on_chip(self.result.on_chip)
        return residents(self.result.network, self.tensor_bits, names, runs)

    @cached_property
    def array(self) -> dict[str, Any]:
        """What of the accelerator belongs to the array."""
        fields = Accelerator.__dataclass_fields__
        return {x: getattr(self.accelerator, x) for x in fields if x not in NOT_OF_ARRAY}

    def run_at(self, i: int) -> FusedRun | None:
        """The fused run that a layer is of."""
        return next((run for run in self.runs if i in run.layers), None)

    def operands_at(self, i: int) -> tuple[bool, bool]:
        """Whether a layer's weight operand and its ifmap are resident."""
        layer, resident = self.result.network.layers[i], self.residents[i]
        names = frozenset[str]() if resident is None else resident.names
        return layer.weight_tensor in names, layer.input in names

    def tiling(self, i: int) -> GivenTiling | None:
        """A layer's tile and order; None on the ideal roofline."""
        row = self.rows[i]
        if row.tile is None or row.order is None:
            return None
        found = GivenTiling(tile=row.tile, order=row.order)
        check_tiling(self.result.network.layers[i], found)
        return found

    def gives(self, i: int) -> bool:
        """Whether a layer's tile was given, so that its cycles are those of its tiles."""
        return isinstance(self.result, Evaluation) and self.rows[i].name in self.result.given_tiles

    def what(self, change: str, i: int) -> object:
        """What of a layer a change alters."""
        layer, row = self.result.network.layers[i], self.rows[i]
        if change == "clock":
            return self.accelerator.clock_hz
        if change == "bandwidth":
            return self.accelerator.dram_bits_per_s
        if change == "roofline":
            return self.tiled
        if change == "array":
            return self.array, row.mapping
        if change == "widths":
            return row.weight_bits, [self.tensor_bits[x] for x in (*layer.reads, layer.output)]
        if change == "tiles":
            sizes = None if row.tile is None else row.tile.sizes(layer)
            return sizes, row.order, self.gives(i)
        run, resident = self.run_at(i), self.residents[i]
        names = frozenset[str]() if resident is None else resident.names
        here = [x in names for x in (*layer.reads, layer.output)]
        return here, None if run is None else run.layers, resident is None and layer.moves


def _given_cycles(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Any,
    tiling: GivenTiling,
    own: Any,
) -> int | None:
    """Cycles of a tile that was given; None, those of the whole layer, where it has none."""
    offered = (own,) if own in accelerator.mapping else accelerator.mapping
    on = layer, accelerator, weight_bits, tensor_bits
    known = [x for x in offered if whole_rounds(layer, array_of(*on, x), tiling.tile)]
    return min((given_cycles(*on, tiling.tile, x) for x in known), default=None)


def _blocks(sides: tuple[_Side, _Side], count: int) -> Iterator[range]:
    """Layers that are taken together: those fused in one of the two, or a layer by itself."""
    ends = [i + 1 for i in range(count)]
    for side in sides:
        for run in side.runs:
            for i in run.layers:
                ends[i] = max(ends[i], run.last + 1)
    start = 0
    while start < count:
        end = start + 1
        while (reach := max(ends[start:end])) > end:
            end = reach
        yield range(start, end)
        start = end


def shapley(players: Sequence[str], game: dict[Made, Fraction]) -> dict[str, Fraction]:
    """Each player's mean effect over all orders: exact, and summing to all less nothing.

    Parameters
    ----------
    game : mapping of frozenset to Fraction
        The value of every subset of the players.
    """
    count, found = len(players), dict[str, Fraction]()
    for player in players:
        others = [x for x in players if x != player]
        value = Fraction(0)
        for size in range(count):
            share = Fraction(math.factorial(size) * math.factorial(count - size - 1))
            effect = sum(
                (game[made | {player}] - game[made])
                for made in map(frozenset, combinations(others, size))
            )
            value += share * effect
        found[player] = value / math.factorial(count)
    return found
