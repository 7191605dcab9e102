"""A design as Timeloop reads it (format 0.4): an architecture, a problem and mapping a piece.

A piece of a layer (`codesign.exports.pieces`) is a problem of eight dimensions, its mapping the
loops over tiles at the DRAM, those within a tile at the SRAM, and what the array takes. Timeloop
counts words, all of one width in a memory, so widths are told beside: traffic in bits is its words
times these.

Source: timeloopfe 0.4 and the exercises of Timeloop and Accelergy; Parashar et al. 2019,
doi 10.1109/ISPASS.2019.00042.
"""

from __future__ import annotations

from typing import Any

from codesign.costs.layers import LayerDesign
from codesign.exports.mapped import Exported, ExportedLayer, Mapped, kinds_of
from codesign.exports.perfect_nests import (
    PADDED,
    SPILLED,
    Nest,
    identifier,
    natural,
    nests,
    spans_as_held,
)
from codesign.exports.pieces import DIMENSIONS, IRRELEVANT
from codesign.exports.yaml_text import Quoted, Tagged, yaml_text
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.layer import Layer, along

VERSION = 0.4
NAMES = {"weights": "Weights", "ifmap": "Inputs", "output": "Outputs"}
OVERLAPPING = "rows or columns that a tile shares with the one before stay, and are not read again"
STAYING = "an operand stays while a loop of one trip runs, in pieces at the edges of a layer"
COEFFICIENTS = ("Pstride", "Qstride", "Rdilation", "Sdilation")


def export_timeloop(result: Design | Evaluation) -> Exported:
    """A design, or an evaluation with tiles, for Timeloop.

    Raises
    ------
    SpecError
        Of what it has no form for.
    """
    mapped = Mapped(result, "Timeloop")
    texts = {"arch.yaml": yaml_text({"architecture": _architecture(mapped)})}
    words: dict[str, dict[str, int]] = {}
    beside: dict[str, dict[str, int]] = {}
    layers = []
    for layer, row in mapped.layers:
        files: list[str] = []
        found = [] if layer.moves else nests(mapped, layer, row)
        for n, nest in enumerate(found):
            name = identifier(f"{layer.name}_{n + 1}", len(texts))
            content = {"problem": _problem(layer, nest, name), "mapping": _mapping(nest)}
            texts[f"{name}.yaml"] = yaml_text(content)
            words[f"{name}.yaml"] = _widths(mapped, layer, row, nest)
            files.append(f"{name}.yaml")
        moved = {each.part: each.elements * each.bits for each in mapped.transfers(layer)}
        if moved:
            beside[layer.name] = moved
        differs = None if layer.moves else _difference(layer, row, found)
        layers.append(ExportedLayer(layer.name, tuple(files), kinds_of(row), None, differs))
    texts["widths.yaml"] = yaml_text({"bits_per_word": words, "bits_beside": beside})
    return Exported(texts, tuple(layers))


def _difference(layer: Layer, row: LayerDesign, found: list[Nest]) -> str | None:
    """Why Timeloop cannot count what we do in a layer; None where it must."""
    if row.dram_bits.psum:
        return SPILLED
    if row.dram_bits.ifmap:
        if not all(spans_as_held(layer, x.piece) for x in found):
            return PADDED
        if any(_overlaps(layer, x) for x in found):
            return OVERLAPPING
    if any(_stays(x, operand) for x in found for operand in NAMES):
        return STAYING
    return None


def _overlaps(layer: Layer, nest: Nest) -> bool:
    """Whether a tile reads what the one before it has read too."""
    for axis, name in enumerate("PQ"):
        step = nest.piece.tile[name] * along(axis, layer.stride)
        if nest.piece.trips[name] > 1 and natural(layer, nest.piece, axis) > step:
            return True
    return False


def _stays(nest: Nest, operand: str) -> bool:
    """Whether an operand is fetched less often where loops of one trip are none."""
    trips, other = nest.piece.trips, {"p": "NPQ", "k": "K", "c": "C"}[IRRELEVANT[operand]]
    loops = [name for name in nest.piece.loops if trips[name] > 1]
    count = len(loops)
    while count and loops[count - 1] in other:
        count -= 1
    ours = [x for x in nest.piece.loops[: nest.above(operand)] if trips[x] > 1]
    return loops[:count] != ours and nest.piece.charged[operand]


def _problem(layer: Layer, nest: Nest, name: str) -> dict[str, Any]:
    steps = [*(along(x, layer.stride) for x in (0, 1)), *(along(x, layer.dilation) for x in (0, 1))]
    inputs = [[["N"]], [["G"]], [["C"]]]
    inputs += [[["R", "Rdilation"], ["P", "Pstride"]], [["S", "Sdilation"], ["Q", "Qstride"]]]
    return {
        "version": VERSION,
        "shape": {
            "name": name,
            "dimensions": [*DIMENSIONS],
            "coefficients": [{"name": x, "default": 1} for x in COEFFICIENTS],
            "data_spaces": [
                {"name": "Weights", "projection": [[[x]] for x in "GKCRS"]},
                {"name": "Inputs", "projection": inputs},
                {"name": "Outputs", "projection": [[[x]] for x in "NGKPQ"], "read_write": True},
            ],
        },
        "instance": {**nest.piece.sizes, **dict(zip(COEFFICIENTS, steps, strict=True))},
    }


def _mapping(nest: Nest) -> list[dict[str, Any]]:
    """Permutations are innermost first."""
    piece, kept = nest.piece, [*NAMES.values()]
    over = [*reversed(piece.loops)]
    rest = [x for x in DIMENSIONS if x not in over]
    array = {**nest.across, **nest.down}
    columns = [*nest.across]
    rows = [x for x in DIMENSIONS if x not in columns]
    inner = [*nest.turns][::-1]
    return [
        {"target": "DRAM", "type": "temporal", **_loops(piece.trips, [*over, *rest])},
        {"target": "DRAM", "type": "dataspace", "keep": kept, "bypass": []},
        {"target": "SRAM", "type": "temporal", **_loops(nest.turns, inner)},
        {"target": "SRAM", "type": "dataspace", "keep": kept, "bypass": []},
        {
            "target": "PE",
            "type": "spatial",
            **_loops({x: array.get(x, 1) for x in DIMENSIONS}, [*columns, *rows]),
            "split": len(columns),
        },
    ]


def _loops(counts: dict[str, int], order: list[str]) -> dict[str, list[str]]:
    return {"factors": [f"{x}={counts[x]}" for x in order], "permutation": order}


def _widths(mapped: Mapped, layer: Layer, row: LayerDesign, nest: Nest) -> dict[str, int]:
    """Bits of a word of each data space; 0 where it does not pass the DRAM."""
    weights, ifmap, psum = mapped.widths(layer, row)
    output = psum if row.dram_bits.psum else mapped.written_bits(layer)
    bits = {"weights": weights, "ifmap": ifmap, "output": output}
    return {NAMES[x]: bits[x] * nest.piece.charged[x] for x in NAMES}


def _architecture(mapped: Mapped) -> dict[str, Any]:
    """Memories hold words: as many in the SRAM as it has of the narrowest operand."""
    chip = mapped.accelerator
    used = [*mapped.result.tensor_bits.values()]
    used += [row.weight_bits for _, row in mapped.layers if row.weight_bits]
    word = min(used)
    rate = {}
    if chip.dram_bits_per_s is not None:
        rate = {"shared_bandwidth": chip.dram_bits_per_s / chip.clock_hz / word}
    nodes = [
        Tagged("Container", {"name": "system"}),
        _component(
            "DRAM", "DRAM", {"type": Quoted("LPDDR4"), "width": word, "datawidth": word, **rate}
        ),
        _component(
            "SRAM",
            "SRAM",
            {"depth": (chip.sram_bits or 2**50) // word, "width": word, "datawidth": word},
        ),
        Tagged(
            "Container",
            {
                "name": "PE",
                "spatial": {"meshX": chip.cols, "meshY": chip.rows * chip.engine},
            },
        ),
        _component(
            "MAC",
            "intmac",
            {
                "multiplier_width": max(chip.pe_weight_bits, chip.pe_activation_bits),
                "adder_width": chip.psum_bits or 32,
            },
        ),
    ]
    return {"version": VERSION, "nodes": nodes}


def _component(name: str, kind: str, attributes: dict[str, Any]) -> Tagged:
    return Tagged("Component", {"name": name, "class": kind, "attributes": attributes})
