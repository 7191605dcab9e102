"""What the space says of machines beforehand, held to enumerated tilings and designs.

Cycles, staircases and rooms of every mapping, of PEs that split and of layers that take a mapping
of their own; least and useful SRAM; arrays said to be no better than smaller ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache

import numpy as np
import oracle
import oracle_tilings
import pytest
from oracle_tilings import Cost, Tilings
from placed_points import options_of
from random_machines import KINDS
from random_on_chip import on_chip_case
from random_problems import Case, random_case

from codesign.space.hardware import HardwareSpace
from codesign.space.solution import least_sram, price
from codesign.space.staircase import chosen_by, least_of
from codesign.specs.network import Layer

SEEDS = range(4)
CASES = [(kind, False, seed) for kind in KINDS for seed in SEEDS]
CASES += [(kind, True, seed) for kind in KINDS for seed in (1, 2)]
EXACT = 1e-9
ROOMS = (0.3, 0.9, 1.0, 1.1, 3.0, 30.0)


@cache
def given(kind: str, on_chip: bool, seed: int) -> tuple[HardwareSpace, Case]:
    """The space of a problem on a kind of machine, any capacity on offer."""
    case = on_chip_case(seed, "moving", kind) if on_chip else random_case(seed, machine=kind)
    return HardwareSpace(case.problem), case


class Enumerated:
    """Tilings of a space's layers by counting."""

    def __init__(self, space: HardwareSpace) -> None:
        self.space, self.problem = space, space.problem
        self.options = options_of(space)
        self._costs: dict[tuple[object, ...], list[Cost]] = {}

    def pairs(self, option: int) -> list[tuple[int, int]]:
        """Widths that run on an option, by index."""
        hardware, widths = self.options[option], self.space.widths.tolist()
        multi_pass = self.problem.choices.precision == "multi-pass"
        return [
            (w, a)
            for w, bw in enumerate(widths)
            for a, ba in enumerate(widths)
            if multi_pass or (bw <= hardware.pe_weight_bits and ba <= hardware.pe_activation_bits)
        ]

    def tilings(
        self, option: int, layer: Layer, pair: tuple[int, int], variant: int, mapping: str
    ) -> Tilings:
        """Of a layer at widths, by index, some operands resident."""
        hardware = self.options[option]
        bw, ba = (int(self.space.widths[x]) for x in pair)
        engine = oracle.engine_at(self.problem, hardware, bw, ba) if not layer.moves else 1
        array = hardware.rows, hardware.cols, engine, mapping
        key = id(layer), *array
        if key not in self._costs:
            skips = self.problem.choices.zero_skipping
            costs = [] if layer.moves else oracle_tilings.layer_costs(layer, *array, skips)
            self._costs[key] = costs
        stay = variant >= 2, variant % 2 == 1
        return oracle_tilings.best_tilings(layer, self._costs[key], bw, ba, *stay)


def some_layers(space: HardwareSpace, *key: object) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Options, geometries and pairs of widths, a few of each."""
    rng, counted = random.Random(str(key)), Enumerated(space)
    for option in rng.sample(range(len(space)), min(4, len(space))):
        pairs = counted.pairs(option)
        for geometry in range(len(space.geometries)):
            for pair in rng.sample(pairs, min(3, len(pairs))):
                yield option, geometry, pair


@pytest.mark.parametrize(("kind", "on_chip", "seed"), CASES)
def test_tables_are_the_counted_ones(kind: str, on_chip: bool, seed: int) -> None:
    """Cycles and staircases of each mode; the best of all within any room."""
    space, _ = given(kind, on_chip, seed)
    counted = Enumerated(space)
    for option, geometry, pair in some_layers(space, kind, on_chip, seed):
        layer, shape = space.geometries[geometry], int(space.shape_of[option])
        mappings, cycles = counted.options[option].mapping, []
        for mode, mapping in enumerate(mappings):
            cycles.append(cycles_at(space, option, geometry, pair, mode))
            assert cycles[-1] == truth_of(space, counted, option, geometry, pair, mapping)
            for variant in range(space.variant_count):
                stairs = space.staircase(shape, geometry, variant, mode)
                need, traffic = stairs.need[pair], stairs.traffic[pair][1:]
                real = np.isfinite(need)
                steps = zip(need[real].tolist(), traffic[real].tolist(), strict=True)
                assert [*steps] == counted.tilings(option, layer, pair, variant, mapping)
        assert cycles_at(space, option, geometry, pair, None) == min(cycles)
        check_room(space, counted, option, geometry, pair)


def cycles_at(
    space: HardwareSpace, option: int, geometry: int, pair: tuple[int, int], mode: int | None
) -> int:
    """Of the space's table."""
    table = space.cycles_on(np.array([option]), mode)[0, geometry]
    return int(table[pair if table.shape[-1] > 1 else (0, 0)])


def truth_of(
    space: HardwareSpace,
    counted: Enumerated,
    option: int,
    geometry: int,
    pair: tuple[int, int],
    mapping: str,
) -> int:
    """The oracle's cycles of a layer of a geometry."""
    first = space.geometry_of.tolist().index(geometry)
    layer, bits = space.problem.network.layers[first], [int(space.widths[x]) for x in pair]
    found = oracle.layer_cycles(space.problem, layer, counted.options[option], *bits, mapping)
    assert found is not None
    return found


def check_room(
    space: HardwareSpace,
    counted: Enumerated,
    option: int,
    geometry: int,
    pair: tuple[int, int],
) -> None:
    """The least traffic of all modes in rooms around what tilings need."""
    layer, shape = space.geometries[geometry], int(space.shape_of[option])
    for variant in range(space.variant_count):
        every = [
            counted.tilings(option, layer, pair, variant, mapping)
            for mapping in counted.options[option].mapping
        ]
        least = min(tilings[0][0] for tilings in every)
        rooms = np.array([math.floor(max(least, 1) * factor) for factor in ROOMS], dtype=float)
        table = space.rooms(shape)
        row = (variant * len(space.geometries) + geometry, *pair)
        found = table.within(rooms)[(slice(None), *row)]
        for room, traffic in zip(rooms.tolist(), found.tolist(), strict=True):
            fitting = [moved for tilings in every for need, moved in tilings if need <= room]
            assert traffic == min(fitting, default=math.inf)
        assert table.least[row] == least
        assert space.rooms(shape, moves_data=False).least[row] == least
        most = max(need for tilings in every for need, _ in tilings)
        assert space.most_need(shape, moves_data=True)[row] == most


@pytest.mark.parametrize(("kind", "on_chip", "seed"), CASES)
def test_no_design_has_less_sram_than_its_shape_takes(kind: str, on_chip: bool, seed: int) -> None:
    space, (_, points) = given(kind, on_chip, seed)
    index = {hardware: n for n, hardware in enumerate(options_of(space))}
    for point in points:
        assert space.min_sram_bits_of_shapes[space.shape_of[index[point.hardware]]] <= (
            point.sram_bits
        )


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS for seed in SEEDS])
def test_no_array_is_better_than_the_smallest_alike(kind: str, seed: int) -> None:
    """For each design there is one on the smaller array that is as good in every metric."""
    space, (_, points) = given(kind, False, seed)
    index = {hardware: n for n, hardware in enumerate(options_of(space))}
    of: dict[tuple[object, ...], list[tuple[float, ...]]] = {}
    for point in points:
        option = index[point.hardware]
        pes, widths = point.hardware[2:4], tuple(point.widths.values())
        of.setdefault((int(space.shape_of[option]), pes, widths), []).append(point.metrics)
    for (shape, *rest), designs in of.items():
        alike = int(space.smallest_alike[shape])
        if alike != shape:
            others = np.array(of[(alike, *rest)]) * (1 - EXACT)
            for metrics in designs:
                assert (others <= np.array(metrics)).all(axis=1).any()


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS for seed in SEEDS])
def test_more_than_the_useful_sram_is_of_no_use(kind: str, seed: int) -> None:
    """Priced designs, of least latency; the least SRAM is the least enumerated within limits."""
    space, (problem, points) = given(kind, False, seed)
    if not points:
        return
    rng, bits = random.Random(f"useful {kind} {seed}"), space.widths.tolist()
    index = {hardware: n for n, hardware in enumerate(options_of(space))}
    for point in rng.sample(points, min(8, len(points))):
        option = index[point.hardware]
        weight = [
            0 if x.moves else bits.index(oracle.layer_widths(x, point.widths)[0])
            for x in problem.network.layers
        ]
        variables = [bits.index(point.widths[members[0]]) for members in space.variables]
        useful = space.useful_sram_bits(int(space.shape_of[option]), moves_data=True)
        most, enough = (price(space, option, variables, weight, x) for x in (1e15, useful))
        assert most == enough
        alike = [x for x in points if (x.hardware, x.widths) == (point.hardware, point.widths)]
        made = price(space, option, variables, weight, point.sram_bits)
        assert made is not None
        least = min(x.value("latency_s") for x in alike if x.sram_bits <= point.sram_bits)
        assert made.metrics["latency_s"] == pytest.approx(least, rel=EXACT)
        if len(space.modes) == 1:  # else some other modes might do with less
            limits = {"latency_s": made.metrics["latency_s"] * 1.05}
            truth = min(x.sram_bits for x in oracle.within(alike, limits))
            assert least_sram(space, made, limits).sram_bits == truth


@pytest.mark.parametrize("seed", SEEDS)
def test_staircases_joined_are_those_of_their_parts(seed: int) -> None:
    """At each pair of widths one of some kind; and the least of several within any room."""
    rng = random.Random(f"joined {seed}")
    space, _ = given("several", False, seed)
    count, shapes = len(space.widths), range(len(space.shapes))
    every = [space.staircase(rng.choice(shapes), 0) for _ in range(3)]
    kind = np.array([[rng.randrange(3) for _ in range(count)] for _ in range(count)])
    joined = chosen_by(kind, dict(enumerate(every)))
    least = least_of(every)
    for w in range(count):
        for a in range(count):
            part = every[kind[w, a]]
            steps = np.isfinite(part.need[w, a])
            own = np.isfinite(joined.need[w, a])
            assert joined.need[w, a][own].tolist() == part.need[w, a][steps].tolist()
            assert joined.traffic[w, a][1:][own].tolist() == part.traffic[w, a][1:][steps].tolist()
            rows, parts = joined.row[w, a][own], part.row[w, a][steps]
            for name in ("tile", "order", "need", "traffic"):
                mine = getattr(joined.tilings, name)[rows]
                assert np.array_equal(mine, getattr(part.tilings, name)[parts])
            for room in sorted({x for each in every for x in each.need[w, a].tolist()})[:-1]:
                best = min(traffic_in(each.need[w, a], each.traffic[w, a], room) for each in every)
                assert traffic_in(least.need[w, a], least.traffic[w, a], room) == best


def traffic_in(need: np.ndarray, traffic: np.ndarray, room: float) -> float:
    """Of the last step that fits."""
    return float(traffic[np.count_nonzero(need <= room)])
