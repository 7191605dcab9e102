"""Which tensors to keep in an SRAM that holds nothing else, and whether they find their places."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from codesign import Network

SHUFFLES = 2000
SEED = 0

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


def best_kept(network: Network, sizes: Sizes, capacity_bytes: int) -> frozenset[str]:
    """The tensors to keep for the least `moved_bytes`, within the capacity in every layer.

    Exact: a dynamic programme over the layers, whose states are the kept tensors that are alive.
    It knows nothing of parts: every layer that meets a tensor moves it whole.
    """
    saved = dict.fromkeys(network.lifetimes, 0)
    for layer in network.layers:
        for name in (*layer.reads, layer.output):
            if name in saved:
                saved[name] += sizes[name]
    # What is alive and kept → the most bytes saved so far, and all that is kept for it.
    best: dict[frozenset[str], tuple[int, frozenset[str]]] = {frozenset(): (0, frozenset())}
    for number in range(len(network.layers)):
        for name, (first, _) in network.lifetimes.items():
            if first == number:
                best |= {
                    alive | {name}: (value + saved[name], kept | {name})
                    for alive, (value, kept) in best.items()
                }
        going: dict[frozenset[str], tuple[int, frozenset[str]]] = {}
        for alive, found in best.items():
            if sum(sizes[name] for name in alive) <= capacity_bytes:
                rest = frozenset(x for x in alive if network.lifetimes[x][1] > number)
                going[rest] = max(going.get(rest, found), found, key=lambda pair: pair[0])
        best = going
    return best[frozenset()][1]


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
