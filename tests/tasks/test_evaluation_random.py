"""Random accelerators evaluated, all tensors in DRAM: against enumerated tilings, and one another.

Every tiling of random layers is enumerated by `oracle`, which shares no code with
`codesign.costs.tiling`.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import oracle_tilings
import oracle_widths
import pytest
from random_problems import random_network
from seeds import mostly_long

from codesign import Accelerator, SpecError, evaluate
from codesign.costs.layers import LayerDesign
from codesign.costs.pixel_tiles import Axis, horizontal, vertical
from codesign.specs.network import Layer, Network

EXACT = 1e-12
ROOFLINES: Any = ("tiled", "ideal")


def close(value: float) -> object:
    return pytest.approx(value, rel=EXACT, abs=0)


class Question(NamedTuple):
    """A network, an accelerator whose SRAM is about as large as it must be, and widths."""

    network: Network
    accelerator: Accelerator
    widths: dict[str, int]


def random_question(seed: int) -> Question:
    rng = random.Random(f"evaluation {seed}")
    network = random_network(rng, layers=rng.choice((1, 2, 3, 4)))
    fixed = rng.random() < 0.4
    most = rng.choice((4, 8, 16))
    accelerator = Accelerator(
        name="random",
        rows=rng.choice((1, 2, 3, 4, 6, 8)),
        cols=rng.choice((1, 2, 3, 4, 6, 8)),
        engine=rng.choice((9, 9, 4, 1)),
        pe_weight_bits=most if fixed else rng.choice((1, 2, 4, 8)),
        pe_activation_bits=most if fixed else rng.choice((1, 3, 4, 8)),
        precision="fixed" if fixed else "multi-pass",
        psum_bits=rng.choice((None, None, 1, 8, 16, 32)),
        clock_hz=10 ** rng.uniform(6, 9),
        dram_bits_per_s=10 ** rng.uniform(8, 10),
    )
    sources = [f"weight:{name}" for name in network.weight_layers]
    sources += [f"tensor:{name}" for name in network.tensors]
    widths = {source: rng.randint(1, most) for source in sources}
    question = Question(network, accelerator, widths)
    needs = [[need for need, _ in enumerated(question, layer)] for layer in network.layers]
    smallest = max(min(layer) for layer in needs)
    largest = max(max(layer) for layer in needs)
    sram_bits = smallest + rng.choice((-1, 0, 0, rng.randint(0, max(0, largest - smallest))))
    return question._replace(accelerator=replace(accelerator, sram_bits=max(1, sram_bits)))


def enumerated(question: Question, layer: Layer) -> list[tuple[int, int]]:
    """SRAM need and DRAM traffic of every tiling of a layer; the outputs' one write is left out."""
    accelerator = question.accelerator
    bw, ba = oracle_widths.layer_widths(layer, question.widths)
    bacc = accelerator.psum_bits or bw + ba + oracle_tilings.reduction_bits(layer)
    array = (accelerator.rows, accelerator.cols, accelerator.engine)
    return [
        (
            cost.held_weights * bw + cost.held_ifmap * ba + cost.held_output * bacc,
            cost.moved_weights * bw + cost.moved_ifmap * ba + cost.moved_psum * bacc,
        )
        for cost in oracle_tilings.layer_costs(layer, *array)
    ]


def check_layer(question: Question, layer: Layer, row: LayerDesign) -> None:
    network, accelerator, widths = question
    assert accelerator.sram_bits is not None
    fitting = [x for x in enumerated(question, layer) if x[0] <= accelerator.sram_bits]
    moved, need = min((moved, need) for need, moved in fitting)
    once = network.tensors[layer.output] * widths[f"tensor:{layer.output}"]
    once += sum(network.tensors[name] * widths[f"tensor:{name}"] for name in layer.residuals)
    assert (row.dram_bits.total, row.sram_bits) == (moved + once, need)
    assert row.tile is not None
    assert row.order is not None
    tile = oracle_tilings.Tile(**asdict(row.tile))
    cost = oracle_tilings.tiling_cost(layer, tile, row.order)
    bw, ba = oracle_widths.layer_widths(layer, widths)
    assert row.weight_bits == bw
    assert row.dram_bits.weights == cost.moved_weights * bw
    assert row.dram_bits.ifmap == cost.moved_ifmap * ba
    array = (accelerator.rows, accelerator.cols, accelerator.engine)
    cycles = oracle_tilings.array_cycles(layer, *array)
    passes = -(-bw // accelerator.pe_weight_bits) * -(-ba // accelerator.pe_activation_bits)
    assert row.cycles == cycles * passes  # one pass where precision is fixed
    assert row.compute_s == close(row.cycles / accelerator.clock_hz)
    assert row.memory_s == close(row.dram_bits.total / accelerator.dram_bits_per_s)
    assert row.latency_s == max(row.compute_s, row.memory_s)


@pytest.mark.parametrize("first", mostly_long(range(0, 300, 50), 2))
def test_tiled_is_the_enumerated_least(first: int) -> None:
    fitted = refused = spilled = 0
    for seed in range(first, first + 50):
        question = random_question(seed)
        network, accelerator, widths = question
        least = {x.name: min(need for need, _ in enumerated(question, x)) for x in network.layers}
        too_large = [name for name, need in least.items() if need > accelerator.sram_bits]
        if too_large:
            with pytest.raises(SpecError, match=rf"holds no tile of layer '{too_large[0]}'"):
                evaluate(network, accelerator, widths, on_chip="none")
            refused += 1
            continue
        found = evaluate(network, accelerator, widths, on_chip="none")
        for layer, row in zip(network.layers, found.layer_designs, strict=True):
            check_layer(question, layer, row)
        latency_s = sum(row.latency_s for row in found.layer_designs)
        assert found.metrics["latency_s"] == pytest.approx(latency_s, rel=1e-9)
        assert found.metrics["dram_bits"] == sum(x.dram_bits.total for x in found.layer_designs)
        fitted += 1
        spilled += any(row.dram_bits.psum > 0 for row in found.layer_designs)
    assert min(fitted, refused, spilled) > 0  # each of them was tried


# --- what must hold between evaluations ---------------------------------------------------------


def fitting_question(seed: int) -> Question:
    """A random question with an SRAM that holds some tile of every layer."""
    question = random_question(seed)
    least = max(min(enumerated(question, x))[0] for x in question.network.layers)
    assert question.accelerator.sram_bits is not None
    sram_bits = max(least, question.accelerator.sram_bits)
    return question._replace(accelerator=replace(question.accelerator, sram_bits=sram_bits))


def test_tiled_is_never_below_ideal() -> None:
    compared = 0
    for seed in range(1000, 1100):
        network, accelerator, widths = fitting_question(seed)
        given = network, accelerator, widths
        tiled, ideal = (evaluate(*given, roofline=x, on_chip="none") for x in ROOFLINES)
        for layer, above, below in zip(
            network.layers, tiled.layer_designs, ideal.layer_designs, strict=True
        ):
            assert above.compute_s >= below.compute_s * (1 - EXACT)
            assert above.dram_bits.weights >= below.dram_bits.weights
            assert above.dram_bits.output == below.dram_bits.output
            assert above.dram_bits.residual == below.dram_bits.residual
            if all(reads_all(axis) for axis in (vertical(layer), horizontal(layer))):
                assert above.dram_bits.total >= below.dram_bits.total
                assert above.latency_s >= below.latency_s * (1 - EXACT)
                compared += 1
    assert compared > 100


def reads_all(axis: Axis) -> bool:
    """Whether no row (column) of the ifmap lies between the windows or after the last one."""
    last = (axis.outputs - 1) * axis.stride + axis.kernel
    return axis.kernel >= axis.stride and last >= axis.stored


def test_more_sram_never_moves_more() -> None:
    fewer = 0
    for seed in range(1100, 1160):
        network, accelerator, widths = fitting_question(seed)
        capacities = [accelerator.sram_bits * factor // 4 for factor in (4, 5, 7, 11, 40)]
        moved = []
        for sram_bits in capacities:
            on = replace(accelerator, sram_bits=sram_bits)
            found = evaluate(network, on, widths, on_chip="none")
            moved.append([row.dram_bits.total for row in found.layer_designs])
            assert all(row.sram_bits <= sram_bits for row in found.layer_designs)
        for more, less in itertools.pairwise(moved):
            assert all(a <= b for a, b in zip(less, more, strict=True))
        fewer += moved[-1] != moved[0]
    assert fewer > 10


@pytest.mark.parametrize("roofline", ROOFLINES)
def test_more_bandwidth_is_never_slower(roofline: Any) -> None:
    faster = 0
    for seed in range(1160, 1200):
        network, accelerator, widths = fitting_question(seed)
        latencies = [
            evaluate(network, on, widths, roofline=roofline, on_chip="none")
            for on in (replace(accelerator, dram_bits_per_s=x) for x in (1e8, 1.1e8, 1e9, 1e11))
        ]
        for slow, fast in itertools.pairwise(latencies):
            assert fast.metrics["latency_s"] <= slow.metrics["latency_s"]
            assert fast.metrics["dram_bits"] == slow.metrics["dram_bits"]
        faster += latencies[-1].metrics["latency_s"] < latencies[0].metrics["latency_s"]
    assert faster > 20
