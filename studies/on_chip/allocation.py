"""Which tensors to keep in an SRAM that holds nothing else, and whether they find their places."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

from codesign import Accelerator, Evaluation, Layer, Network, evaluate
from codesign.problem.places import OnChip

SHUFFLES = 2000
SEED = 0
BITS = 8  # of every tensor and weight
PROBE = "probe"
# As many MACs as the processor that Vela compiles for. No DRAM bandwidth, so that residents are
# chosen for the least DRAM traffic.
ARRAY = Accelerator(
    name="array",
    rows=32,
    cols=32,
    engine=1,
    pe_weight_bits=BITS,
    pe_activation_bits=BITS,
    clock_hz=1e9,
)

Sizes = Mapping[str, int]  # bytes of each tensor


def moved_bytes(network: Network, sizes: Sizes, kept: Collection[str]) -> int:
    """DRAM bytes of feature maps: each tensor that is not kept, once for every layer it meets."""
    meets = ((*layer.reads, layer.output) for layer in network.layers)
    return sum(sizes[name] for names in meets for name in names if name not in kept)


def live_bytes(network: Network, sizes: Sizes, kept: Collection[str]) -> list[int]:
    """Bytes of the kept tensors that are alive during each layer, in the network's order."""
    spans = [(sizes[name], *network.lifetimes[name]) for name in kept]
    return [
        sum(size for size, first, last in spans if first <= number <= last)
        for number in range(len(network.layers))
    ]


def best_kept(network: Network, sizes: Sizes, sram_bytes: int) -> frozenset[str]:
    """The resident tensors with the least `moved_bytes` of all that the SRAM holds.

    Proven by `codesign.evaluate`, on a network whose layers only move data: these need no tiles.
    """
    return kept_by(evaluated(_as_movements(network, sizes), sram_bytes))


def evaluated(network: Network, sram_bytes: int, on_chip: OnChip = "tensors") -> Evaluation:
    """A network on the array with so much SRAM, and the best of what may stay on chip."""
    accelerator = replace(ARRAY, sram_bits=sram_bytes * 8)
    return evaluate(network, accelerator, BITS, on_chip=on_chip)


def kept_by(evaluation: Evaluation) -> frozenset[str]:
    """The resident tensors of an evaluation."""
    assert evaluation.on_chip is not None
    return frozenset(name for name, place in evaluation.on_chip.items() if place == "chip")


def _as_movements(network: Network, sizes: Sizes) -> Network:
    """Layers that read and write tensors of the sizes given, after one MAC that a network needs."""
    layers = [Layer(name=PROBE, K=1, C=1, input=PROBE, output=f"{PROBE}.out")]
    for layer in network.layers:
        written = max(sizes[name] for name in (layer.output, *layer.reads[1:]))
        layers.append(
            Layer(
                name=layer.name,
                K=written,
                C=sizes[layer.input],
                input=layer.input,
                output=layer.output,
                residuals=layer.reads[1:],
                moves=True,
            )
        )
    tensors = {PROBE: 1, f"{PROBE}.out": 1, **sizes}
    return Network(name=network.name, layers=tuple(layers), tensors=tensors)


def packed_bytes(network: Network, sizes: Sizes, kept: Collection[str]) -> int:
    """Bytes of SRAM in which the kept tensors have addresses of their own while they live.

    First fit in several orders, up to the lower bound that `live_bytes` gives: where it is met,
    nothing is lost to fragmentation.
    """
    if not kept:
        return 0
    spans = {name: network.lifetimes[name] for name in kept}
    bound = max(live_bytes(network, sizes, kept))
    by_size = sorted(kept, key=lambda name: (-sizes[name], spans[name], name))
    by_start = sorted(kept, key=lambda name: (spans[name], name))
    found = min(_first_fit(order, sizes, spans) for order in (by_size, by_start))
    order, shuffled = by_start, random.Random(SEED)
    for _ in range(SHUFFLES):
        if found == bound:
            break
        shuffled.shuffle(order)
        found = min(found, _first_fit(order, sizes, spans))
    return found


def _first_fit(names: list[str], sizes: Sizes, spans: Mapping[str, tuple[int, int]]) -> int:
    """The end of the memory when each takes the lowest addresses that are free while it lives."""
    placed: list[tuple[int, int, str]] = []
    for name in names:
        first, last = spans[name]
        start = 0
        for begin, end, other in sorted(placed):
            together = spans[other][0] <= last and first <= spans[other][1]
            if together and begin < start + sizes[name] and start < end:
                start = end
        placed.append((start, start + sizes[name], name))
    return max((end for _, end, _ in placed), default=0)
