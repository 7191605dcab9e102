"""Layers in many tilings, their energy by ZigZag beside ours, component by component."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import zigzag_side

from codesign import Accelerator, Layer, Network
from codesign.costs.layer_energy import layer_energies, rates_of
from codesign.costs.layers import LayerDesign, array_of, tiled_layer
from codesign.costs.tiling import tilings
from codesign.specs.technology import Energies

PJ_PER_J = 1e12
BITS = {"weights": 6, "ifmap": 5}
ENERGIES = Energies(  # each of another size, so that none stands in for another
    j_per_mac=1.3e-12, sram_read_j_per_bit=1.9e-13, sram_write_j_per_bit=2.9e-13
)
DRAM_J_PER_BIT = 7.1e-12
SHAPES = {  # every size is a multiple of the array's sides and of its own tiles
    "pointwise": {"K": 16, "C": 16, "P": 8, "Q": 8, "H": 8, "W": 8},
    "wide": {"K": 32, "C": 8, "P": 4, "Q": 4, "H": 4, "W": 4},
    "batch": {"N": 4, "K": 8, "C": 32, "P": 2, "Q": 4, "H": 2, "W": 4},
    "dense": {"K": 64, "C": 64},
}
MAPPINGS = ("window", "im2col", "output")
EQUAL, STAYS = "equal activity", "a cycle needs what the last one had: not read again"
COMPONENTS = (
    *("macs", "sram_weights", "sram_ifmap", "sram_output"),
    *("dram_weights", "dram_ifmap", "dram_output"),
)


def tables() -> dict[str, pd.DataFrame]:
    """By mapping and component: tilings of equal activity, and by cause those of another."""
    return {"zigzag": told(pd.DataFrame([*rows()]))}


def told(found: pd.DataFrame) -> pd.DataFrame:
    """Sums of both, the most that one tiling is apart, and ZigZag's outputs as it adds them up."""
    grouped = found.groupby(["mapping", "component", "cause"], sort=False)
    table = grouped.agg(
        tilings=("ours_pj", "size"),
        ours_pj=("ours_pj", "sum"),
        zigzag_pj=("zigzag_pj", "sum"),
        most_apart=("apart", "max"),
        added_up_pj=("added_up_pj", "sum"),
    ).reset_index()
    table["ratio"] = table["zigzag_pj"] / table["ours_pj"]
    table["ratio_as_added_up"] = table.pop("added_up_pj") / table["ours_pj"]
    return table


def rows() -> Iterator[dict[str, Any]]:
    """Every component of every tiling: ours, ZigZag's, how far they are apart, and why."""
    for name, mapping in itertools.product(SHAPES, MAPPINGS):
        for network, layer, chip, row, widths in cases(name, mapping):
            ours = own(network, layer, chip, row, widths)
            side = zigzag_side.zigzag(layer, row, chip, widths)
            theirs = {"macs": side.macs}
            theirs |= {f"sram_{x}": pj for x, pj in side.sram.items()}
            theirs |= {f"dram_{x}": pj for x, pj in side.dram.items()}
            added = theirs | {"sram_output": side.sram_output, "dram_output": side.dram_output}
            other = causes(layer, chip, row)
            for component in COMPONENTS:
                yield {
                    "shape": name,
                    "mapping": mapping,
                    "order": row.order,
                    "component": component,
                    "cause": other.get(component, EQUAL),
                    "ours_pj": ours[component],
                    "zigzag_pj": theirs[component],
                    "apart": abs(theirs[component] / ours[component] - 1),
                    "added_up_pj": added[component],
                    "spills": row.dram_bits.psum > 0,
                }


def causes(layer: Layer, chip: Accelerator, row: LayerDesign) -> dict[str, str]:
    """Why the two count another activity of a component; nothing where they count the same."""
    tile, found = row.tile, dict[str, str]()
    assert tile is not None
    pixels = tile.p * (tile.q or layer.Q) * tile.images
    if chip.mapping == ("output",):
        if tile.c < layer.C:
            found["sram_output"] = "channels in tiles: sums leave the PE before they are whole"
            found |= dict.fromkeys(("sram_weights", "sram_ifmap"), STAYS) if tile.c == 1 else {}
        return found
    visits = (layer.K // tile.k) * (layer.C // tile.c) * (layer.macs // layer.weights // pixels)
    fetches = row.dram_bits.weights // (tile.k * tile.c * BITS["weights"])
    if tile.k * tile.c > chip.rows * chip.cols and visits > fetches:
        found["sram_weights"] = "several turns in a tile: read again at every visit"
    if pixels == 1:
        found["sram_ifmap"] = STAYS
    return found


def cases(
    name: str, mapping: Any
) -> Iterator[tuple[Network, Layer, Accelerator, LayerDesign, dict[str, int]]]:
    """Tilings of one layer on arrays of 2 × 4 and 4 × 2 PEs whose tiles divide it."""
    layer = Layer(name=name, input="i", output="o", **SHAPES[name])
    tensors = {"i": layer.ifmap, "o": layer.computed_outputs}
    network = Network(name=name, layers=(layer,), tensors=tensors)
    for sides in ((2, 4), (4, 2)):
        chip = Accelerator(
            name="array",
            rows=sides[0],
            cols=sides[1],
            engine=1,
            mapping=(mapping,),
            pe_weight_bits=8,
            pe_activation_bits=8,
            clock_hz=1e9,
            dram_energy_j_per_bit=DRAM_J_PER_BIT,
            energy=ENERGIES,
            sram_bits=10**9,
        )
        psum = BITS["weights"] + BITS["ifmap"] + layer.accumulation_bits
        widths = BITS | {"psum": psum}
        bits = {"i": widths["ifmap"], "o": psum}
        table = tilings(layer, array_of(layer, chip, widths["weights"], bits))
        for n in range(len(table)):
            row = tiled_layer(network, layer, chip, widths["weights"], bits, table, n)
            if divides(layer, row) and (mapping != "output" or columns(layer, row) % sides[0] == 0):
                yield network, layer, chip, row, widths


def columns(layer: Layer, row: LayerDesign) -> int:
    """Output columns of a tile."""
    assert row.tile is not None
    return row.tile.q or layer.Q


def divides(layer: Layer, row: LayerDesign) -> bool:
    """Whether no tile is smaller than the others."""
    tile = row.tile
    assert tile is not None
    parts = [(layer.K, tile.k), (layer.C, tile.c), (layer.P, tile.p), (layer.N, tile.images)]
    parts.append((layer.Q, columns(layer, row)))
    return all(size % part == 0 for size, part in parts)


def own(
    network: Network, layer: Layer, chip: Accelerator, row: LayerDesign, widths: dict[str, int]
) -> dict[str, float]:
    """Ours by component, pJ; partial sums and outputs together."""
    rates, _ = rates_of(chip, None)
    assert rates is not None
    bits = {"i": widths["ifmap"], "o": widths["psum"]}
    (found,) = layer_energies(network, chip, rates, bits, [row], (), ())
    parts, moved = found.parts_j, row.dram_bits
    dram = {"weights": moved.weights, "ifmap": moved.ifmap, "output": moved.output + moved.psum}
    each = {
        "macs": parts["macs"],
        "sram_weights": parts["sram_weights"],
        "sram_ifmap": parts["sram_ifmap"],
        "sram_output": parts["sram_output"] + parts["sram_psum"],
        **{f"dram_{x}": bits * rates.dram_j_per_bit for x, bits in dram.items()},
    }
    return {name: float(np.float64(joules) * PJ_PER_J) for name, joules in each.items()}
