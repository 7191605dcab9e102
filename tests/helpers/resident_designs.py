"""Evaluations whose resident tensors are given, and what a greedy choice keeps."""

from __future__ import annotations

from collections.abc import Collection

from codesign.costs.layers import LayerDesign, best_tiled_layer, moving_layer
from codesign.costs.residency import residents
from codesign.costs.totals import totals
from codesign.errors import SpecError
from codesign.quality import noise_by
from codesign.results.consistency import places_of
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Network


def evaluated(
    network: Network, accelerator: Accelerator, bits: int, on_chip: Collection[str]
) -> Evaluation:
    """A network at one width, its tensors ``on_chip`` resident, each layer at its best tiling."""
    tensor_bits = dict.fromkeys(network.tensors, bits)
    rows = list[LayerDesign]()
    held = residents(network, tensor_bits, on_chip)
    for layer, resident in zip(network.layers, held, strict=True):
        if layer.moves:
            rows.append(moving_layer(network, layer, accelerator, tensor_bits, True, resident))
        else:
            rows.append(best_tiled_layer(network, layer, accelerator, bits, tensor_bits, resident))
    noise_of = noise_by(None, network.noise_sources)
    metrics, absent = totals(network, accelerator, tensor_bits, rows, noise_of, on_chip, ())
    return Evaluation(
        network=network,
        accelerator=accelerator,
        roofline="tiled",
        tensor_bits=tensor_bits,
        layer_designs=tuple(rows),
        metrics=metrics,
        absent=absent,
        on_chip=places_of(network, on_chip),
    )


def greedy(network: Network, accelerator: Accelerator, bits: int) -> Evaluation:
    """The same, keeping every tensor that fits, those of the shortest lives first."""
    kept = list[str]()
    found = evaluated(network, accelerator, bits, kept)
    lives = {name: last - first for name, (first, last) in network.lifetimes.items()}
    for name in sorted(lives, key=lambda name: lives[name]):
        try:
            found = evaluated(network, accelerator, bits, [*kept, name])
        except SpecError:
            continue
        kept.append(name)
    return found
