"""A design as Stream reads it: an accelerator of two cores, ONNX workloads and their mappings.

Core 0 has the array and the SRAM, core 1 is the DRAM; the link between them carries what the DRAM
delivers in a cycle. A group of a mapping is a layer with its residuals and its pooling, so that
what lies between these stays on chip. It is tiled as the layer is, its loops innermost first, by
the largest tiles that divide what they run over and are not larger than ours.

Source: Stream 2.1.1 (KU Leuven), its validators of accelerators, cores and mappings; Symons et al.
2025, IEEE Transactions on Computers 74(1), pages 237–249.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codesign.costs.layer_row import LayerDesign
from codesign.errors import SpecError
from codesign.exports.mapped import Exported, ExportedLayer, Mapped, kinds_of
from codesign.exports.nests import loops_of
from codesign.exports.perfect_nests import identifier
from codesign.exports.yaml_text import yaml_text
from codesign.exports.zigzag import AMPLE_BITS_PER_CYCLE, zigzag_accelerator
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.layer import Layer

if TYPE_CHECKING:
    from codesign.exports.stream_workload import Shaped, Workload

DIMENSIONS = {"n": 0, "q": 1, "p": 2, "c": 5, "k": 6, "g": 7}  # of a Conv, by our loops
SUMS = {4: "int4", 8: "int8", 16: "int16", 24: "int24", 32: "int32"}
NOT_FILED = (
    "what stays in the SRAM while other tiles pass, and double buffers: Stream's solver chooses",
    "how a tile is unrolled over the array, and in what order it is computed: Stream searches",
    "cycles to fill and load the array, PEs that split, passes of wide operands, cycle factors",
)
MOVES = "data that only move are no operation there, so it is left out"
STAYS = "a tensor that stays on chip from layer to layer passes the DRAM there"
TILES = "its tiles do not divide what they run over, those there are smaller"
WIDTHS = "widths are rounded up to 8, 16 or 32 bit there"
STORED = "it stores other elements than it computes, by no pooling that divides: all are stored"
BESIDE = "a residual of another size than its outputs counts as one of their size"
UNREAD = "rows or columns of the input that no window covers are not read"


def export_stream(result: Design | Evaluation) -> Exported:
    """A design, or an evaluation with tiles, for Stream.

    Raises
    ------
    SpecError
        Of what Stream has no form for; or ONNX is not installed.
    """
    try:
        from codesign.exports.stream_workload import workloads
    except ImportError:
        raise SpecError("workloads of Stream need ONNX: pip install 'codesign[onnx]'") from None
    mapped = Mapped(result, "Stream")
    texts: dict[str, str | bytes] = {
        f"{name}.yaml": yaml_text(content) for name, content in _hardware(mapped).items()
    }
    rows = {layer.name: row for layer, row in mapped.layers}
    files: dict[str, tuple[tuple[str, ...], set[str]]] = {}
    for found, part in workloads(mapped):
        alone = len(part) == 1 and len(rows) > 1
        stem = identifier(part[0].layer.name, len(files) + 1) if alone else "network"
        texts[f"{stem}.onnx"] = found.content(mapped.network.name)
        groups, exact = _groups(found, part, rows)
        cores = [{"name": x, "core_allocation": [[0]]} for each in groups for x in each["layers"]]
        texts[f"{stem}.mapping.yaml"] = yaml_text({"layers": cores, "fused_groups": groups})
        for each in part:
            told = _causes(mapped, each, rows[each.layer.name], found, exact)
            nodes = found.nodes[each.layer.name]
            files[each.layer.name] = tuple(f"{stem}.onnx: {x}" for x in nodes), told
    layers = []
    for layer, row in mapped.layers:
        parts, causes = files.get(layer.name, ((), {MOVES}))
        differs = "; ".join(sorted(causes)) or None
        layers.append(ExportedLayer(layer.name, parts, kinds_of(row), None, differs))
    return Exported(texts, tuple(layers), NOT_FILED)


def _hardware(mapped: Mapped) -> dict[str, dict[str, Any]]:
    """The accelerator and its two cores."""
    chip, given = mapped.accelerator, zigzag_accelerator(mapped)
    per_cycle = float(AMPLE_BITS_PER_CYCLE)
    if chip.dram_bits_per_s is not None:
        per_cycle = chip.dram_bits_per_s / chip.clock_hz
    rows = [(layer, row) for layer, row in mapped.layers if not layer.moves]
    sums = max(mapped.widths(layer, row)[-1] for layer, row in rows)
    sum_bits = next((x for x in SUMS if x >= sums), max(SUMS))
    return {
        "accelerator": {
            "name": "codesign",
            "cores": {0: "./array.yaml", 1: "./dram.yaml"},
            "offchip_core_id": 1,
            "unit_energy_cost": 0.0,
            "core_connectivity": [{"type": "link", "cores": [0, 1], "bandwidth": per_cycle}],
        },
        "array": {
            "name": "array",
            "type": "zigzag.compute",
            "memories": {"sram": given["memories"]["sram"]},
            "operational_array": given["operational_array"],
            "operand_precision": {"accumulator": SUMS[sum_bits]},
        },
        "dram": {
            "name": "dram",
            "type": "zigzag.offchip",
            "memories": {"dram": given["memories"]["dram"]},
            "operational_array": {
                **given["operational_array"],
                "unit_energy": 0.0,
                "sizes": [0, 0],
            },
        },
    }


def _groups(
    found: Workload, part: list[Shaped], rows: dict[str, LayerDesign]
) -> tuple[list[dict[str, Any]], set[str]]:
    """A group for each layer, and the layers that have just our tiles."""
    groups, exact = [], set[str]()
    for each in part:
        nodes = found.nodes[each.layer.name]
        tiling, same = _tiling(each, rows[each.layer.name])
        if same:
            exact.add(each.layer.name)
        entries = [{"dim": f"{nodes[0]}.D{n}", "tile": tile} for n, tile in tiling]
        groups.append({"name": each.layer.name, "layers": nodes, "intra_core_tiling": entries})
    return groups, exact


def _tiling(each: Shaped, row: LayerDesign) -> tuple[list[tuple[int, int]], bool]:
    """Tiles of a layer's dimensions, innermost loop first, and whether they are ours."""
    layer, same = each.layer, True
    found: list[tuple[int, int]] = []
    steps = {"p": each.pool.rows, "q": each.pool.cols} if each.pool else {}
    for loop in reversed(loops_of(layer, row)):
        name, of, step = loop["for"], loop["of"], loop["step"]
        if loop["trips"] == 1:
            continue
        if name == "c":  # of an image that is one window, channels alone
            inside = layer.C // each.weights[1]
            same &= step % inside == 0
            of, step = of // inside, step // inside
        tile = _largest(of, step, steps.get(name, 1))
        same &= tile == step
        if tile < of:
            found.append((DIMENSIONS[name], tile))
    return found or [(DIMENSIONS["n"], layer.N)], same


def _largest(size: int, most: int, step: int) -> int:
    """The largest divisor in whole steps that is no larger; one step where none is."""
    fit = (x for x in range(min(size, most), 0, -1) if size % x == 0 and x % step == 0)
    return next(fit, step)


def _causes(
    mapped: Mapped, each: Shaped, row: LayerDesign, found: Workload, exact: set[str]
) -> set[str]:
    """Why Stream counts otherwise in a layer, as far as its files say."""
    layer, network = each.layer, mapped.network
    told = {
        WIDTHS: layer.name in found.widened,
        TILES: layer.name not in exact,
        STORED: not each.whole,
        STAYS: any(mapped.on_chip(x) for x in (*layer.reads, layer.output)),
        BESIDE: any(network.touched(layer, x) != layer.computed_outputs for x in layer.residuals),
        UNREAD: bool(row.dram_bits.ifmap) and _skips(layer, each),
    }
    return {cause for cause, holds in told.items() if holds}


def _skips(layer: Layer, each: Shaped) -> bool:
    return each.reads[2] * each.reads[3] < layer.H * layer.W
