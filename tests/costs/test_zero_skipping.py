"""Inserted zeros that a machine skips: products, cycles, tiles and SRAM accesses phase by phase."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import product

import numpy as np
import oracle_machine
import oracle_tilings
import pytest
from random_machines import FACTORS, KERNELS
from random_networks import random_network
from small_layers import layer

from codesign import Accelerator, Network, SpecError, evaluate
from codesign.checking import check_content
from codesign.costs.compute import PEArray, cycles, trips
from codesign.costs.energy import accesses
from codesign.costs.tiling import ORDERS, least_needs, operand_bits, tilings
from codesign.problem.choices import Choices
from codesign.specs.layer import Layer
from codesign.specs.machine import MAPPINGS, Mapping

SIDES = (1, 2, 3, 4, 5, 6, 8, 12)
ENGINES = (1, 2, 4, 9, 9, 9, 18, 36)
BITS = ((1, 1), (1, 16), (4, 8))


def up(kernel: int, zeros: int, size: int = 4, **sizes: int) -> Layer:
    """A square transposed convolution that makes ``zeros`` times as many rows and columns."""
    sides = {"P": zeros * size, "Q": zeros * size, "H": size, "W": size}
    return layer(**{**sides, "R": kernel, "S": kernel, "input_dilation": zeros, **sizes})


def random_layers(rng: random.Random) -> list[Layer]:
    """Layers that multiply, at least one of them with inserted zeros in most draws."""
    network = random_network(rng, layers=3, scale=rng.choice((1, 1, 2)), moving=True)
    return [x for x in network.layers if not x.moves]


# --- products -----------------------------------------------------------------------------------


def counted(made: Layer, top: int, left: int) -> int:
    """Products with stored elements, or padding, counted one by one at some padding."""
    found = [
        sum(
            (i * step - before + tap * apart) % spacing == 0
            for i in range(outputs)
            for tap in range(taps)
        )
        for outputs, taps, step, apart, spacing, before in (
            (made.P, made.R, *(oracle_machine._along(x, 0) for x in steps(made)), top),
            (made.Q, made.S, *(oracle_machine._along(x, 1) for x in steps(made)), left),
        )
    ]
    return made.N * made.G * made.K * made.C * found[0] * found[1]


def steps(made: Layer) -> tuple[int | tuple[int, int], ...]:
    return made.stride, made.dilation, made.input_dilation


def test_products_are_those_of_stored_elements() -> None:
    """No fewer than at any padding; exactly those without any, and of whole rounds of phases."""
    exact = 0
    for seed in range(60):
        rng = random.Random(f"products {seed}")
        for made in random_layers(rng):
            paddings = [(rng.randrange(4), rng.randrange(4)) for _ in range(3)]
            each = [counted(made, *padding) for padding in paddings]
            assert made.stored_macs >= max(each)
            assert made.stored_macs <= made.macs
            if made.stride == made.dilation == 1:
                assert made.stored_macs == counted(made, 0, 0)
                exact += 1
    assert exact > 20


@pytest.mark.parametrize(("kernel", "zeros"), [(2, 2), (3, 2), (4, 2), (3, 3), (5, 3), (1, 2)])
def test_whole_rounds_have_a_share_of_the_products(kernel: int, zeros: int) -> None:
    """R² products for u² outputs, where R² for each are counted with the zeros."""
    made = up(kernel, zeros)
    assert made.macs == zeros**2 * made.stored_macs


def test_phases_by_hand() -> None:
    # 3 rows over one zero: even outputs meet 2 of them, odd ones 1; 9 outputs are 5 and 4.
    made = layer(P=9, Q=1, H=4, W=1, R=3, S=1, input_dilation=(2, 1))
    assert [(x.alike, x.rows, x.cols, x.window) for x in made.phases] == [
        (1, 5, 1, 2),
        (1, 4, 1, 1),
    ]
    assert made.stored_macs == made.macs * (5 * 2 + 4 * 1) // (9 * 3)


# --- cycles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_cycles_are_the_counted_ones(mapping: Mapping) -> None:
    fewer = 0
    for seed in range(25):
        rng = random.Random(f"skipped {mapping} {seed}")
        factors = {kernel: rng.choice(FACTORS) for kernel in KERNELS if rng.random() < 0.3}
        fill, load = rng.random() < 0.5, rng.random() < 0.5
        machine = Choices(
            fill_cycles=fill, weight_load=load, cycle_factors=factors, zero_skipping=True
        )
        rows, cols = (np.array(rng.sample(SIDES, 3)) for _ in range(2))
        engine = rng.choice(ENGINES)
        for made in random_layers(rng):
            found = cycles(made, rows[:, None], cols, engine, mapping, machine)
            each = [*product(rows.tolist(), cols.tolist())]
            truth = [
                oracle_machine.machine_cycles(machine, made, *x, engine, mapping) for x in each
            ]
            assert found.ravel().tolist() == truth
            usual = replace(machine, zero_skipping=False)
            fewer += (found < cycles(made, rows[:, None], cols, engine, mapping, usual)).any()
    assert fewer > 10


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("engine", [1, 9])
def test_two_by_two_of_stride_two_takes_a_quarter(mapping: Mapping, engine: int) -> None:
    """36 channels fill 4 rows of 9 multipliers with windows of 1 × 1; of 2 × 2, a PE packs two."""
    made = up(2, 2, size=8, C=36, K=8)
    with_zeros, without = (
        int(cycles(made, 4, 8, engine, mapping, Choices(zero_skipping=skips)))
        for skips in (False, True)
    )
    assert with_zeros / without == (5 if (mapping, engine) == ("window", 9) else 4)


# --- tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("first", [0, pytest.param(100, marks=pytest.mark.long)])
def test_no_tiling_is_missing_and_none_is_illegal(first: int, mapping: Mapping) -> None:
    for seed in range(first, first + (4 if first == 0 else 300)):
        rng = random.Random(f"tilings {mapping} {seed}")
        on = rng.choice(SIDES), rng.choice(SIDES), rng.choice(ENGINES), mapping
        for made in random_layers(rng):
            check_tilings(made, PEArray(*on, zero_skipping=True))


def check_tilings(made: Layer, array: PEArray) -> None:
    """All that can be best are there, each of them legal and priced as its tiles are."""
    on = array.rows, array.cols, array.engine, array.mapping, True
    found, kept = tilings(made, array), set()
    legal = set(oracle_tilings.legal_tiles(made, *on))
    for i in range(len(found)):
        tile = oracle_tilings.Tile(*found.tile[i].tolist())
        assert tile in legal
        cost = oracle_tilings.tiling_cost(made, tile, ORDERS[int(found.order[i])])
        assert (*found.need[i].tolist(), *found.traffic[i].tolist()) == cost
        kept.add(cost)
    every = oracle_tilings.layer_costs(made, *on)
    for bw, ba in BITS:
        best = oracle_tilings.best_tilings(made, every, bw, ba)
        assert oracle_tilings.best_tilings(made, kept, bw, ba) == best
    least = least_needs(made, np.array([on[0]]), np.array([on[1]]), on[2], True)[0]
    if array.mapping == "window":
        bits = operand_bits(4, 8, made.accumulation_bits)
        assert (least @ bits).min() == min(int(np.array(x[:3]) @ bits) for x in every)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_tiles_one_by_one_take_as_long_as_the_layer(mapping: Mapping) -> None:
    """Each tile of channels and pixels runs every phase of its own; rounds of phases are whole."""
    compared = 0
    for seed in range(12):
        rng = random.Random(f"busy {seed}")
        zeros, kernel = rng.choice((2, 3)), rng.choice((1, 2, 3, 4))
        made = up(kernel, zeros, size=rng.choice((2, 4)), C=rng.choice((5, 12, 24)), K=6, N=2)
        on = rng.choice((1, 2, 4)), rng.choice((1, 2, 4)), rng.choice(ENGINES), mapping
        whole = oracle_machine.machine_cycles(Choices(zero_skipping=True), made, *on)
        found = tilings(made, PEArray(*on, zero_skipping=True))
        for row in rng.sample(range(len(found)), min(6, len(found))):
            _, k, c, p, q, images = found.tile[row].tolist()
            if images > 1 or p % zeros or q % zeros:
                continue  # phases of a tile are known where it has whole rounds
            pieces = product(parts(made.K, k), parts(made.C, c), parts(made.P, p), parts(made.Q, q))
            count = sum(
                oracle_machine.machine_cycles(
                    Choices(zero_skipping=True), replace(made, K=a, C=b, P=x, Q=y), *on
                )
                for a, b, x, y in pieces
            )
            assert count == whole
            compared += 1
    assert compared > 15


def parts(size: int, tile: int) -> list[int]:
    """Sizes of the tiles of a loop, the last with what is left."""
    return [min(tile, size - first) for first in range(0, size, tile)]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_equal_trips_are_equal_cycles_and_tiles_no_larger(mapping: Mapping) -> None:
    machine, alike = Choices(zero_skipping=True), 0
    for seed in range(10):
        rng = random.Random(f"trips {mapping} {seed}")
        sides, engine = np.array(sorted(rng.sample(SIDES, 5))), rng.choice(ENGINES)
        for made in random_layers(rng):
            rows, cols = trips(made, sides, sides, engine, mapping, True)
            same = [*product(pairs(rows), pairs(cols))]
            (r, a), (c, b) = rng.choice(same)
            small, large = ((int(sides[i]), int(sides[j]), engine) for i, j in ((r, c), (a, b)))
            if small == large:
                continue
            counts = [int(cycles(made, *x, mapping, machine)) for x in (small, large)]
            assert counts[0] == counts[1]
            best, other = (
                oracle_tilings.best_tilings(
                    made, oracle_tilings.layer_costs(made, *x, mapping, True), 4, 4
                )
                for x in (small, large)
            )
            for need, traffic in other:
                assert oracle_tilings.least_traffic(best, need) <= traffic
            alike += 1
    assert alike > 5


def pairs(table: np.ndarray) -> list[tuple[int, int]]:
    """Numbers of equal rows, the smaller first; else of a row and itself."""
    rows = [tuple(row) for row in table.tolist()]
    every = [(i, j) for i, x in enumerate(rows) for j, y in enumerate(rows) if x == y and i <= j]
    return [pair for pair in every if pair[0] < pair[1]] or every


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_given_tiles_take_as_long_as_each_does(mapping: Mapping) -> None:
    """Of any size, but that rows of pixels of one phase take whole rounds of phases."""
    slower = 0
    for seed in range(25):
        rng = random.Random(f"given {seed}")
        zeros, kernel = rng.choice((2, 3)), rng.choice((1, 2, 3, 4))
        sizes = {"C": rng.choice((2, 5, 12)), "K": rng.choice((2, 6)), "G": rng.choice((1, 3))}
        made = up(kernel, zeros, size=rng.choice((2, 3)), N=2, **sizes)
        on = rng.choice((1, 2, 4, 8)), rng.choice((1, 2, 4, 8)), rng.choice(ENGINES), mapping
        chip = replace(CHIP, rows=on[0], cols=on[1], engine=on[2], mapping=mapping)
        tile = {part: rng.randint(1, getattr(made, part.upper())) for part in "gkc"}
        if tile["g"] > 1:  # else pieces at the edge might have room for several of its groups
            tile |= {"k": made.K, "c": made.C}
        tile |= {part: zeros * rng.randint(1, made.P // zeros) for part in "pq"}
        given = {made.name: {"tile": tile | {"images": 1}, "order": rng.choice(ORDERS)}}
        found = evaluate(network(made), chip, 8, tiling=given)
        along = [parts(getattr(made, part.upper()), tile[part]) for part in "gkc"]
        if mapping == "output":
            along += [parts(made.P, tile["p"]), parts(made.Q, tile["q"])]
        count = sum(
            oracle_machine.machine_cycles(
                chip, replace(made, **dict(zip("GKCPQ", each, strict=False))), *on
            )
            for each in product(*along)
        )
        assert found.layer_designs[0].cycles == count
        slower += count > oracle_machine.machine_cycles(chip, made, *on)
        content = json.loads(json.dumps(found.to_dict()))
        assert check_content(content, "given").findings == ()
        content["layers"][0]["cycles"] += 1
        assert check_content(content, "given").findings
    assert slower > 5


def test_given_parts_of_a_round_of_phases_are_refused_on_rows_of_pixels() -> None:
    made = network(up(2, 2))
    tile = {"g": 1, "k": 1, "c": 1, "p": 3, "q": 2, "images": 1}
    given = {made.layers[0].name: {"tile": tile, "order": "kcp"}}
    content = json.loads(json.dumps(evaluate(made, CHIP, 8, tiling=given).to_dict()))
    assert check_content(content, "given").findings == ()
    content["accelerator"]["mapping"] = ["output"]
    told = " ".join(map(str, check_content(content, "given").findings))
    assert "8, or a multiple of 2: whole rounds of phases" in told
    with pytest.raises(SpecError, match="mapping output, which takes whole rounds of 2 × 2"):
        evaluate(made, replace(CHIP, mapping="output"), 8, tiling=given)


# --- SRAM and energy ----------------------------------------------------------------------------


def test_accesses_by_hand() -> None:
    # 3 × 3 over one zero, 4 × 4 outputs: four phases of 4 outputs, windows of 4, 2, 2 and 1.
    made = up(3, 2, size=2, C=8, K=4)
    on = 2, 2, 4  # PEs of 4: of 4, 2, 2 and 1 positions 1, 2, 2 and 4 channels at once, on 2 rows
    held = accesses(made, *on, "window", zero_skipping=True)
    sums = 4 * 4 * (4 + 2 + 2 + 1)  # outputs of a phase, channels, turns over 8 input channels
    assert held.written.tolist() == [0, 0, sums]
    assert held.read.tolist() == [0, 2 * 8 * 2 * 2, sums - 4 * 4 * 4]
    held = accesses(made, *on, "output", zero_skipping=True)
    weights = 4 * 8 * (4 + 2 + 2 + 1)  # of each phase, in each of two turns over its 4 pixels
    assert held.read.tolist() == [2 * weights, 2 * 8 * 2 * 2, 0]


CHIP = Accelerator(
    name="chip",
    rows=4,
    cols=4,
    engine=4,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e9,
    sram_bits=10**6,
    dram_bits_per_s=1e12,
    zero_skipping=True,
)


def network(*layers: Layer) -> Network:
    """One layer after the other."""
    sizes = {x.input: x.ifmap for x in layers} | {x.output: x.computed_outputs for x in layers}
    return Network(name="up", layers=layers, tensors=sizes)


def test_figures_are_of_the_products_that_are_computed() -> None:
    made = up(2, 2, size=8, C=16, K=16)
    found = evaluate(network(made), CHIP, 8)
    usual = evaluate(network(made), replace(CHIP, zero_skipping=False), 8)
    assert found.layer_designs[0].cycles * 4 == usual.layer_designs[0].cycles
    assert found.metrics["bops"] == usual.metrics["bops"]
    assert found.layers["utilisation"].max() <= 1
    ideal = evaluate(network(made), CHIP, 8, roofline="ideal")
    assert ideal.layer_designs[0].compute_s == made.stored_macs / (4 * 4 * 4 * 1e9)
    for result in (found, usual, ideal):  # as files hold them
        assert check_content(json.loads(json.dumps(result.to_dict())), "given").findings == ()


def test_what_does_not_count_it_refuses_it() -> None:
    told = "zero_skipping: not counted where layers may be fused; make on_chip 'tensors'"
    with pytest.raises(SpecError, match=told):
        Choices(zero_skipping=True, on_chip="bands")
    made = network(up(2, 2))
    with pytest.raises(SpecError, match=told):
        evaluate(made, CHIP, 8, on_chip="bands")
