"""Resident tensors beside those that Arm's compiler Vela keeps in SRAM, on the same graphs.

Vela compiles networks for Arm's Ethos-U processors, and decides which feature maps stay in the
processor's SRAM and which go to DRAM. Without what it does beyond that (`vela_compiler.FEATURES`)
the two models meet: whole tensors, from the operator that writes them to the last that reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from allocation import BITS, best_kept, evaluated, live_bytes, moved_bytes, packed_bytes
from micro_planner import arena_bytes
from separate import separated
from to_tflite import shapes, to_tflite
from vela_compiler import BYTES_PER_KIB, FEATURES, Compiled, compiled

from codesign import Network, load_network
from codesign.costs.residency import resident_bits

NETWORKS = ("resnet18", "mobilenetv2", "resnet50", "vgg16", "resnet152")
SHARES = (2, 4, 8)  # of the SRAM that holds everything: a half, a quarter, an eighth
BRICK = 16  # channels that Vela stores together, in its format NHCWB16
AMPLE_BYTES = 1 << 30
SMALL = ("resnet18", "mobilenetv2", "resnet50")  # compiled with each feature alone
SMALL_SHARE = 4
FEATURE_SETS = {
    "none": (),
    "chains": ("chaining",),
    "in place": ("ifm-reuse",),
    "cascades": ("cascading",),
    "cascades, buffered weights": ("cascading", "buffering"),
    "all": FEATURES,
}
BYTES_PER_MB = 10**6


def tables(
    networks: Sequence[str] = NETWORKS,
    shares: Sequence[int] = SHARES,
    small: Sequence[str] = SMALL,
) -> dict[str, pd.DataFrame]:
    """All three tables, a network after the other."""
    peaks, traffic, features = [], [], []
    for name in networks:
        network = load_network(name)
        file = to_tflite(separated(network))
        ample = compiled(file, AMPLE_BYTES)
        graph = in_order(separated(network), list(ample.staged_bytes))
        peaks.append(compare_peaks(network, graph, ample, arena_bytes(file)))
        for share in shares:
            sram_bytes = ample.peak_bytes // share
            runs = [compiled(file, sram_bytes, with_) for with_ in ((), FEATURES)]
            traffic.append(compare_traffic(network, graph, sram_bytes, *runs))
        if name in small:
            features += with_features(name, file, ample.peak_bytes // SMALL_SHARE)
    found = {"vela_peaks": peaks, "vela_traffic": traffic, "vela_features": features}
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def in_order(network: Network, outputs: Sequence[str]) -> Network:
    """The same layers in the order of what they write."""
    by_output = {layer.output: layer for layer in network.layers}
    return replace(network, layers=tuple(by_output[name] for name in outputs))


def unpadded(network: Network) -> dict[str, int]:
    """Bytes of each tensor."""
    return {name: elements * BITS // 8 for name, elements in network.tensors.items()}


def in_bricks(network: Network) -> dict[str, int]:
    """Bytes of each tensor as Vela stores it: inner ones with their channels in whole bricks."""
    found = unpadded(network)
    for name, (_, rows, cols, channels) in shapes(network).items():
        if name in network.lifetimes:
            found[name] = rows * cols * -(-channels // BRICK) * BRICK * BITS // 8
    return found


def held_bytes(network: Network) -> list[int]:
    """SRAM bytes during each layer with everything resident, as `codesign` counts them."""
    bits = dict.fromkeys(network.tensors, BITS)
    return [held // 8 for held in resident_bits(network, bits, network.lifetimes)]


def compare_peaks(
    network: Network, graph: Network, ample: Compiled, planned_bytes: int
) -> dict[str, object]:
    """SRAM taken at most when everything stays, and layers in which both agree to the byte.

    Columns: ours of the network as described (``fused``), of the graph that Vela compiles, of the
    graph with padded tensors (``bricks``); Vela's; and that of TensorFlow Lite's planner.
    """
    told = list(ample.staged_bytes.values())
    bricks = live_bytes(graph, in_bricks(graph), graph.lifetimes)
    return {
        "network": network.name,
        "fused_kib": max(held_bytes(network)) / BYTES_PER_KIB,
        "graph_kib": max(held_bytes(graph)) / BYTES_PER_KIB,
        "bricks_kib": max(bricks) / BYTES_PER_KIB,
        "vela_kib": ample.peak_bytes / BYTES_PER_KIB,
        "planner_kib": planned_bytes / BYTES_PER_KIB,
        "operators": len(graph.layers),
        "same_graph": sum(x == y for x, y in zip(held_bytes(graph), told, strict=True)),
        "same_bricks": sum(x == y for x, y in zip(bricks, told, strict=True)),
    }


def compare_traffic(
    network: Network, graph: Network, sram_bytes: int, plain: Compiled, default: Compiled
) -> dict[str, object]:
    """DRAM traffic within one SRAM: what Vela keeps, the best, and what lies beyond.

    ``vela_mb`` and ``best_mb`` count what each keeps by the same rule, every other tensor once for
    each operator it meets; ``fused_best_mb`` is the same of the network as described. With tiles in
    the same SRAM and weights: ``tiled``, of the network as described. Vela's own estimates:
    ``told``, of what it keeps, and ``default``, with all it can do.
    """
    sizes, fused = in_bricks(graph), unpadded(network)
    best = best_kept(graph, sizes, sram_bytes)
    vela_bytes, best_bytes = (moved_bytes(graph, sizes, kept) for kept in (plain.kept, best))
    fused_bytes = moved_bytes(network, fused, best_kept(network, fused, sram_bytes))
    traffic = [design.dram_bits for design in evaluated(network, sram_bytes).layer_designs]
    weight_bytes = sum(x.weights for x in traffic) // 8
    return {
        "network": network.name,
        "sram_kib": sram_bytes / BYTES_PER_KIB,
        "vela_kept": len(plain.kept),
        "best_kept": len(best),
        "best_packed_kib": packed_bytes(graph, sizes, best) / BYTES_PER_KIB,
        "vela_mb": vela_bytes / BYTES_PER_MB,
        "best_mb": best_bytes / BYTES_PER_MB,
        "vela_per_best": vela_bytes / best_bytes,
        "fused_best_mb": fused_bytes / BYTES_PER_MB,
        "tiled_mb": (sum(x.total for x in traffic) // 8 - weight_bytes) / BYTES_PER_MB,
        "tiled_weights_mb": weight_bytes / BYTES_PER_MB,
        "told_mb": plain.moved_bytes / BYTES_PER_MB,
        "told_weights_mb": plain.weight_bytes / BYTES_PER_MB,
        "default_mb": default.moved_bytes / BYTES_PER_MB,
        "default_weights_mb": default.weight_bytes / BYTES_PER_MB,
    }


def with_features(name: str, file: bytes, sram_bytes: int) -> list[dict[str, object]]:
    """What some of Vela's features change: SRAM with everything in it, traffic within less."""
    rows = []
    for words, features in FEATURE_SETS.items():
        ample = compiled(file, AMPLE_BYTES, features)
        small = compiled(file, sram_bytes, features)
        rows.append(
            {
                "network": name,
                "features": words,
                "ample_kib": ample.peak_bytes / BYTES_PER_KIB,
                "told_mb": small.moved_bytes / BYTES_PER_MB,
                "told_weights_mb": small.weight_bytes / BYTES_PER_MB,
                "told_total_mb": (small.moved_bytes + small.weight_bytes) / BYTES_PER_MB,
            }
        )
    return rows
