"""Fused layers beside the cascades of Arm's compiler Vela, on the same graphs.

A cascade is a run of operators that Vela splits into stripes of rows: of the tensors between them
the SRAM holds the rows in flight, as of bands. Vela chooses how many rows a stripe has, by its own
rules which operators, and may buffer weights beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import pandas as pd
from allocation import ARRAY, BITS, evaluated, moved_bytes
from separate import separated
from to_tflite import shapes, to_tflite
from vela import AMPLE_BYTES, BRICK, BYTES_PER_MB, NETWORKS, SHARES, in_bricks, in_order
from vela_compiler import BYTES_PER_KIB, Cascade, Compiled, compiled

from codesign import Evaluation, Layer, Network, load_network
from codesign.costs.pixel_tiles import vertical
from codesign.problem.places import DEFAULT_FUSED_LAYERS
from codesign.space.given_hardware import GivenHardware
from codesign.space.resident_runs import ResidentRun

CASCADES = ("cascading", "buffering")


def tables(
    networks: Sequence[str] = NETWORKS, shares: Sequence[int] = SHARES
) -> dict[str, pd.DataFrame]:
    """Both tables, a network after the other."""
    traffic, stripes = [], []
    for name in networks:
        network = load_network(name)
        file = to_tflite(separated(network))
        ample = compiled(file, AMPLE_BYTES)
        graph = in_order(separated(network), list(ample.staged_bytes))
        for share in shares:
            sram_bytes = ample.peak_bytes // share
            found = compiled(file, sram_bytes, CASCADES)
            traffic.append(compare_traffic(network, graph, sram_bytes, found))
            stripes.append(compare_stripes(graph, sram_bytes, found))
    found = {"vela_cascades": traffic, "vela_stripes": stripes}
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def compare_traffic(
    network: Network, graph: Network, sram_bytes: int, vela: Compiled
) -> dict[str, object]:
    """DRAM traffic within one SRAM: the best with and without fused layers, and Vela's cascades.

    Ours, of the network as described, with tiles in the same SRAM: feature maps (``resident_mb``,
    nothing fused; ``bands_mb``) and weights; and how many times the data would move at best if each
    band took twice its SRAM (``if_twice``). Vela's: its own estimates (``told``), and feature maps
    as `vela.compare_traffic` counts them, each that it has in DRAM once for each operator it meets.
    """
    fused = evaluated(network, sram_bytes, "bands")
    maps, weights = _moved_mb(fused)
    told = vela.moved_bytes / BYTES_PER_MB, vela.weight_bytes / BYTES_PER_MB
    ruled_bytes = moved_bytes(graph, in_bricks(graph), vela.kept)
    return {
        "network": network.name,
        "sram_kib": sram_bytes / BYTES_PER_KIB,
        "resident_mb": _moved_mb(evaluated(network, sram_bytes))[0],
        "bands_mb": maps,
        "weights_mb": weights,
        "if_twice": moved_with_double_bands(network, sram_bytes) / fused.metrics["dram_bits"],
        "runs": len(fused.fused_runs),
        "bands": sum(len(run.inner) for run in fused.fused_runs),
        "cascades": len(vela.cascades),
        "vela_bands": sum(len(each.stripes) - 1 for each in vela.cascades),
        "vela_mb": ruled_bytes / BYTES_PER_MB,
        "told_mb": told[0],
        "told_weights_mb": told[1],
        "told_per_ours": sum(told) / (maps + weights),
    }


def _moved_mb(evaluation: Evaluation) -> tuple[float, float]:
    """DRAM traffic of feature maps and of weights, in 10⁶ bytes."""
    bits = [design.dram_bits for design in evaluation.layer_designs]
    weights = sum(x.weights for x in bits)
    return tuple(x / 8 / BYTES_PER_MB for x in (sum(x.total for x in bits) - weights, weights))


class DoubleBands(GivenHardware):
    """Given hardware on which each band takes twice its SRAM."""

    @cached_property
    def runs(self) -> list[ResidentRun]:
        """All runs of layers that may be fused."""
        found = []
        for run in super().runs:
            more = sum(
                count * self.tensor_bits[name]
                for name, count in zip(run.run.inner, run.run.band_elements, strict=True)
            )
            found.append(run._replace(need=(run.need[0] + more, run.need[1] + more)))
        return found


def moved_with_double_bands(network: Network, sram_bytes: int) -> int:
    """DRAM bits of the best choice with them."""
    on = replace(ARRAY, sram_bits=sram_bytes * 8)
    weight_bits = [None if layer.moves else BITS for layer in network.layers]
    tensor_bits = dict.fromkeys(network.tensors, BITS)
    hardware = DoubleBands(network, on, weight_bits, tensor_bits, DEFAULT_FUSED_LAYERS)
    found = hardware.residency(sram_bytes * 8)
    assert found is not None  # what fits with nothing fused is among the choices
    return sum(row.dram_bits for row in found.layers)


def compare_stripes(graph: Network, sram_bytes: int, vela: Compiled) -> dict[str, object]:
    """Rows in flight between the operators of cascades.

    Columns: operators that read such rows, and those whose stripes of input and output have the
    numbers of rows that the model counts (``same_rows``); SRAM that Vela takes for all rows in
    flight, that of the rows the next operator reads at a time (``rows_kib``), and the same where
    the last one makes a single row (``one_row_kib``), channels in whole bricks as Vela stores them.
    """
    layers = {layer.output: layer for layer in graph.layers}
    operators = same = at_once = single = 0
    for cascade in vela.cascades:
        inner = [layers[name] for name in list(cascade.stripes)[1:]]
        made, one = _rows_made(cascade), 1
        for layer, rows in zip(reversed(inner), reversed(made), strict=True):
            read, told = rows_read(layer, rows), cascade.stripes[layer.output][0]
            one = rows_read(layer, one)
            operators, same = operators + 1, same + (read == told)
            at_once += told * row_bytes(graph, layer.input)
            single += one * row_bytes(graph, layer.input)
    return {
        "network": graph.name,
        "sram_kib": sram_bytes / BYTES_PER_KIB,
        "cascades": len(vela.cascades),
        "operators": operators,
        "same_rows": same,
        "vela_kib": sum(each.buffer_bytes for each in vela.cascades) / BYTES_PER_KIB,
        "rows_kib": at_once / BYTES_PER_KIB,
        "one_row_kib": single / BYTES_PER_KIB,
    }


def _rows_made(cascade: Cascade) -> list[int]:
    """Rows of the output stripe of each operator after the first."""
    return [made for _, made in list(cascade.stripes.values())[1:]]


def rows_read(layer: Layer, rows: int) -> int:
    """Rows of its input that a layer reads for some of its output; a pooling's do not overlap."""
    return rows * layer.H // layer.P if layer.moves else vertical(layer).held(rows)


def row_bytes(graph: Network, name: str) -> int:
    """Bytes of one row of a tensor, channels in whole bricks."""
    _, _, cols, channels = shapes(graph)[name]
    return cols * -(-channels // BRICK) * BRICK
