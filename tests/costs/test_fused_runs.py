"""Fused runs of random networks: all there are, what they hold, and that it is just enough."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import oracle_bands
from line_buffers import random_padding, rows_missed
from moving import CHIP
from random_chains import random_chain
from random_networks import random_network

from codesign import Choices, Layer, Network, Problem
from codesign.costs.fusion import FusedRun, fused_layers, fused_runs, run_need, runs_of
from codesign.costs.pixel_tiles import vertical
from codesign.costs.residency import residents

SEEDS = range(300)


def any_network(seed: int) -> Network:
    """A chain, a broken one, or layers of every kind."""
    rng = random.Random(f"fusion {seed}")
    layers = rng.choice((2, 3, 4, 4, 5))
    if seed % 3 == 2:
        return random_network(rng, layers, moving=rng.random() < 0.5)
    return random_chain(rng, layers, broken=seed % 3 == 1)


def test_runs_are_all_that_there_are_and_follow_from_their_bands() -> None:
    count = Counter[str]()
    for seed in SEEDS:
        network, most = any_network(seed), (2, 3, 4, 9)[seed % 4]
        ways = oracle_bands.all_runs(network, most)
        assert {x.layers for x in fused_runs(network, most)} == {run for way in ways for run in way}
        every = {frozenset(_inside(network, way)) for way in oracle_bands.all_runs(network, 9)}
        for way in ways:
            found = runs_of(network, _inside(network, way))
            assert found is not None
            assert tuple(run.layers for run in found) == way
        rng = random.Random(seed)
        names = [name for name in network.tensors if rng.random() < 0.5]
        assert (runs_of(network, names) is not None) == (frozenset(names) in every)
        count["ways"] += len(ways) - 1
        count["of several"] += sum(len(way) > 1 for way in ways)
        count["refused"] += frozenset(names) not in every
    assert count["ways"] > 500
    assert min(count.values()) > 100


def _inside(network: Network, way: Iterable[range]) -> list[str]:
    return [name for run in way for name in oracle_bands.inside(network, run)]


def test_needs_and_traffic_are_those_of_the_rules() -> None:
    runs = 0
    for seed in SEEDS:
        network, rng = any_network(seed), random.Random(f"bits {seed}")
        places = Choices(on_chip="bands", output_bits=rng.randint(1, 9), weight_bits=(1,))
        problem = Problem(network=network, choices=places, dram_bits_per_s=1e6)
        widths = {source: rng.randint(1, 9) for source in problem.noise_sources}
        bits = {x: widths.get(f"tensor:{x}", problem.choices.output_bits) for x in network.tensors}
        for run in fused_runs(network, 4):
            on_chip = {x for x in network.lifetimes if rng.random() < 0.4} - {*run.inner}
            weights = [widths[f"weight:{network.layers[i].name}"] for i in run.layers]
            held = residents(network, bits, on_chip, [run.layers])[run.first]
            rows = fused_layers(network, run, CHIP, weights, bits, held)
            need = oracle_bands.run_need(problem, run.layers, widths, on_chip)
            assert {row.sram_bits for row in rows} == {need}
            moved = oracle_bands.run_traffic(problem, run.layers, widths, on_chip)
            kinds = ("weights", "ifmap", "output", "residual")
            assert [{x: getattr(row.dram_bits, x) for x in kinds} for row in rows] == moved
            runs += 1
    assert runs > 300


def test_the_rows_held_are_enough_and_each_is_made_once() -> None:
    """Row by row, with any padding that the shapes allow; a row less is mostly too few."""
    missed = Counter[str]()
    for seed in SEEDS:
        network, rng = any_network(seed), random.Random(f"padding {seed}")
        for run in fused_runs(network, 5):
            layers = [
                replace(
                    network.layers[i],
                    residuals=[x for x in network.layers[i].residuals if x not in moved],
                    parts={},
                )
                for i, moved in zip(run.layers, run.moved, strict=True)
            ]
            paddings = [random_padding(rng, x) for x in layers]
            held = rows_of(run, layers)
            assert rows_missed(layers, paddings, held) == 0
            for n in range(1, len(layers)):
                fewer = [rows - (m == n) for m, rows in enumerate(held)]
                missed["some" if rows_missed(layers, paddings, fewer) else "none"] += 1
    assert missed["some"] > 0.5 * missed.total()


def rows_of(run: FusedRun, layers: list[Layer]) -> list[int]:
    """Rows held of each layer's input; of the first, those without the second buffer."""
    rows = [n // (x.W * x.G * x.C) for n, x in zip(run.band_elements, layers[1:], strict=True)]
    return [vertical(layers[0]).held(rows[0]), *rows]


def test_more_rows_at_a_time_need_no_less() -> None:
    """Of everything held, so many output rows of the last layer at a time take as much or more."""
    runs = 0
    for seed in SEEDS:
        network, rng = any_network(seed), random.Random(f"rows {seed}")
        bits = {name: rng.randint(1, 8) for name in network.tensors}
        for run in fused_runs(network, 5):
            layers = network.layers[run.first : run.last + 1]
            sums = [rng.randint(1, 30) for _ in layers]
            needs = [need_of(rows, layers, sums, bits) for rows in range(1, layers[-1].P + 1)]
            weights = sum(x.weights * 3 for x in layers)
            ours = run_need(run, network, [3] * len(layers), sums, bits, ())
            assert ours == needs[0] + weights == min(needs) + weights
            runs += 1
    assert runs > 300


def need_of(rows: int, layers: tuple[Layer, ...], sums: list[int], bits: dict[str, int]) -> int:
    """SRAM bits beside the weights for so many output rows of the last layer at a time.

    Sums of one row at a time suffice to all layers but the last.
    """
    at_once = [min(2, x.N * x.P) for x in layers]
    at_once[-1] = min(2 * rows, layers[-1].N * layers[-1].P)
    psums = [n * x.Q * x.G * x.K * b for n, x, b in zip(at_once, layers, sums, strict=True)]
    total = max(psums)
    for x in reversed(layers):
        reach = (rows - 1) * x.stride_rows + x.kernel_rows
        rows = min(x.H, -(-reach // x.spread_rows))
        held = min(2 * rows, x.N * x.H) if x is layers[0] else rows
        total += held * x.W * x.G * x.C * bits[x.input]
    return total
