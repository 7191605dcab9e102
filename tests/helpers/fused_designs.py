"""Designs whose fused runs are given, whether they are best or not; each figure as the model says.

`conv_chain` is arithmetic that can be checked on paper, `random_fused_design` any small network.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

from random_choices import WIDTHS
from random_networks import random_network
from random_problems import random_technology

from codesign import Choices, Design, Layer, Network, Problem
from codesign.costs.fusion import FusedRun, fused_layers, fused_runs, runs_of
from codesign.costs.layers import (
    LayerDesign,
    array_of,
    best_tiled_layer,
    moving_layer,
    operand_bits_on,
)
from codesign.costs.residency import Residents, residents, without_resident
from codesign.costs.tiling import tilings
from codesign.costs.totals import totals
from codesign.results.consistency import places_of
from codesign.results.design import accelerator_of
from codesign.results.records import ProofRecord, SolverRecord
from codesign.specs.accelerator import Accelerator, Hardware

UNPROVEN = SolverRecord(
    name="none",
    version="0",
    seconds=0.0,
    method="search",
    considered=1,
    bounded_away=0,
    solved=0,
    left_open=1,
    programmes=0,
)


def fused_design(
    problem: Problem,
    bands: Collection[str],
    on_chip: Collection[str] = (),
    widths: Mapping[str, int] | None = None,
    spare_bits: int = 0,
) -> Design:
    """The first hardware option of a problem, its SRAM the least that holds all and some spare.

    Parameters
    ----------
    bands, on_chip : collections of str
        Tensors that are held as bands, and that are resident.
    widths : mapping of str to int, optional
        By ``weight:<layer>`` and ``tensor:<tensor>``; by default the widest on offer.
    """
    network, choices = problem.network, problem.choices
    given = {x: problem.allowed_bits(x)[-1] for x in problem.noise_sources} | dict(widths or {})
    tensor_bits = {
        name: given.get(f"tensor:{name}", choices.output_bits) for name in network.tensors
    }
    hardware = Hardware(
        rows=choices.rows[0],
        cols=choices.cols[0],
        pe_weight_bits=choices.pe_weight_bits[-1],
        pe_activation_bits=choices.pe_activation_bits[-1],
        sram_bits=1,
    )
    accelerator = accelerator_of(problem, hardware)
    weight_bits = [
        None
        if layer.moves
        else given.get(layer.weight_source, tensor_bits.get(layer.weight_tensor or "", 0))
        for layer in network.layers
    ]
    rows, sram_bits = fused_rows(
        network, accelerator, weight_bits, tensor_bits, bands, on_chip, spare_bits
    )
    hardware = replace(hardware, sram_bits=sram_bits)
    accelerator = accelerator_of(problem, hardware)
    stays = on_chip, runs_of(network, bands) or ()
    metrics, _ = totals(network, accelerator, tensor_bits, rows, problem.noise_of, *stays)
    return Design(
        problem=problem,
        hardware=hardware,
        tensor_bits=tensor_bits,
        layer_designs=tuple(rows),
        metrics=metrics,
        proof=ProofRecord.of(metrics[problem.objective], 0.0, "left", "time"),
        solver=UNPROVEN,
        on_chip=places_of(network, on_chip, bands),
    )


def fused_rows(
    network: Network,
    accelerator: Accelerator,
    weight_bits: list[int | None],
    tensor_bits: Mapping[str, int],
    bands: Collection[str],
    on_chip: Collection[str],
    spare_bits: int,
) -> tuple[list[LayerDesign], int]:
    """Every layer in the least SRAM that holds all, and some spare, and the bits of that."""
    runs = runs_of(network, bands)
    assert runs is not None
    held = residents(network, tensor_bits, on_chip, [run.layers for run in runs])
    found = dict[int, LayerDesign]()
    for run in runs:
        widths = [bits or 0 for bits in weight_bits[run.first : run.last + 1]]
        made = fused_layers(network, run, accelerator, widths, tensor_bits, held[run.first])
        found |= dict(zip(run.layers, made, strict=True))
    others = [i for i in range(len(network.layers)) if i not in found]
    needs = [(row.sram_bits or 0) + row.resident_bits for row in found.values()]
    for i in others:
        least = _least_need(network.layers[i], accelerator, weight_bits[i], tensor_bits, held[i])
        needs.append(least + held[i].bits)
    sram_bits = max(needs) + spare_bits
    roomy = replace(accelerator, sram_bits=sram_bits)
    for i in others:
        layer, bits = network.layers[i], weight_bits[i]
        if bits is None:
            found[i] = moving_layer(network, layer, roomy, tensor_bits, True, held[i])
        else:
            found[i] = best_tiled_layer(network, layer, roomy, bits, tensor_bits, held[i])
    return [found[i] for i in range(len(network.layers))], sram_bits


def _least_need(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int | None,
    tensor_bits: Mapping[str, int],
    resident: Residents,
) -> int:
    """Of the smallest tiles of a layer."""
    if weight_bits is None:
        return 0
    kept = layer.weight_tensor in resident.names, layer.input in resident.names
    bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    least = []
    for mapping in accelerator.mapping:
        array = array_of(layer, accelerator, weight_bits, tensor_bits, mapping)
        table = without_resident(tilings(layer, array), *kept)
        least.append(int((table.need @ bits).min()))
    return min(least)


# --- on paper -----------------------------------------------------------------------------------

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="c1", K=4, C=2, P=8, Q=8, R=3, S=3, H=8, W=8, input="x", output="y1"),
        Layer(name="c2", K=4, C=4, P=8, Q=8, R=3, S=3, H=8, W=8, input="y1", output="y2"),
        Layer(name="c3", K=4, C=4, P=8, Q=8, H=8, W=8, input="y2", output="y3", residuals=("y1",)),
        Layer(name="c4", K=8, C=4, P=4, Q=4, R=3, S=3, H=8, W=8, stride=2, input="y3", output="y4"),
        Layer(name="fc", K=10, C=128, input="y4", output="scores"),
    ),
    tensors={"x": 128, "y1": 256, "y2": 256, "y3": 256, "y4": 128, "scores": 10},
)


def chain_problem(**given: object) -> Problem:
    """`CHAIN` at 8 bit on 2 × 4 PEs, with 20 Gbit/s of DRAM unless said otherwise."""
    choices = {"rows": (2,), "cols": (4,), "weight_bits": (8,), "activation_bits": (8,)}
    choices |= {"on_chip": "bands"}
    return Problem(
        network=CHAIN,
        choices=Choices(**{**choices, **given}),
        clock_hz=100e6,
        dram_bits_per_s=20e9,
    )


def chain_design(
    bands: Collection[str] = ("y1", "y2"), on_chip: Collection[str] = ("y4",), spare_bits: int = 0
) -> Design:
    """`CHAIN` with its first three layers fused, and ``y4`` resident."""
    return fused_design(chain_problem(), bands, on_chip, spare_bits=spare_bits)


# --- any ----------------------------------------------------------------------------------------


def random_fused_design(seed: int) -> Design:
    """Design number ``seed``: some of a network's runs fused, some of its tensors resident."""
    rng = random.Random(f"fused {seed}")
    network, most = _with_runs(rng)
    bands = some_bands(rng, network, most)
    share = rng.choice((0.0, 0.3, 0.7))
    on_chip = [x for x in network.lifetimes if x not in bands and rng.random() < share]
    bits = [tuple(rng.sample(WIDTHS, 2)) for _ in range(2)]
    multi_pass = rng.random() < 0.25
    pe = (max(*bits[0], *bits[1]), max(bits[1]))  # a tensor may stand in for weights
    choices = Choices(
        rows=(rng.choice((1, 2, 3, 5)),),
        cols=(rng.choice((1, 2, 4, 6)),),
        weight_bits=bits[0],
        activation_bits=bits[1],
        pe_weight_bits=(rng.choice(WIDTHS) if multi_pass else pe[0],),
        pe_activation_bits=(rng.choice(WIDTHS) if multi_pass else pe[1],),
        precision="multi-pass" if multi_pass else "fixed",
        output_bits=rng.choice((4, 8, 16)),
        on_chip="bands",
        fused_layers=most,
    )
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=10 ** rng.uniform(7, 9.5),
        dram_bits_per_s=10 ** rng.uniform(8, 11.5),
        choices=choices,
        objective=rng.choice(("latency_s", "dram_bits", "area_mm2")),
    )
    widths = {x: rng.choice(problem.allowed_bits(x)) for x in problem.noise_sources}
    spare_bits = rng.choice((0, 0, int(10 ** rng.uniform(1, 5))))
    return fused_design(problem, bands, on_chip, widths, spare_bits)


def _with_runs(rng: random.Random) -> tuple[Network, int]:
    """A network of which some layers may be fused, and how many at most."""
    most = rng.choice((2, 3, 4, 4))
    longest = rng.randint(2, most)
    while True:
        network = random_network(rng, layers=rng.randint(longest, 7), moving=rng.random() < 0.3)
        if any(len(run.layers) >= longest for run in fused_runs(network, most)):
            return network, most


def some_bands(rng: random.Random, network: Network, most: int) -> list[str]:
    """Tensors inside some of the runs of at most so many layers, of one at least."""
    chosen, found = list[FusedRun](), [*fused_runs(network, most)]
    rng.shuffle(found)
    if rng.random() < 0.7:
        found.sort(key=lambda run: -len(run.layers))
    for run in found:
        apart = all(run.last < x.first or x.last < run.first for x in chosen)
        if apart and (not chosen or rng.random() < 0.7):
            chosen.append(run)
    return [name for run in chosen for name in run.inner]
