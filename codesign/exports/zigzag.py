"""A design as ZigZag reads it: accelerator, workload and mapping.

The accelerator is an array of multipliers, rows × engine by columns, one SRAM and one DRAM. The
workload has a node for each piece of a layer (`codesign.exports.pieces`), at the layer's widths,
and one for each tensor that moves beside: residuals, a movement layer's operands, and an output
that is not as large when it is stored as when it is computed. What an operand does not fetch, for
it is on chip or was there before, has no bits. The mapping unrolls every node over the array and
fixes the order of its loops; how many of these run inside a tile, in the SRAM, ZigZag's files have
no place for, and is told beside them.

Source: ZigZag 3.9.1, its validators of accelerators, workloads and mappings; Mei et al. 2021,
doi 10.1109/TC.2021.3059962.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codesign.costs.layers import LayerDesign
from codesign.exports.mapped import KINDS, Exported, ExportedLayer, Mapped, Transfer, kinds_of
from codesign.exports.pieces import DIMENSIONS, Piece, pieces
from codesign.exports.yaml_text import yaml_text
from codesign.exports.zigzag_run import zigzag_bits
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.layer import Layer, along

NAMES = dict(zip(DIMENSIONS, ("B", "G", "K", "C", "OY", "OX", "FY", "FX"), strict=True))
CONV = (
    "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
    ("B", "G", "K", "C", "OY", "OX", "FY", "FX"),
)
LINKS = {"O": "O", "W": "I2", "I": "I1"}
PJ_PER_J = 1e12
AMPLE_BITS_PER_CYCLE = 2**24
AMPLE_BITS = 2**50


@dataclass(frozen=True)
class ZigzagFiles:
    """What is written.

    Attributes
    ----------
    accelerator, workload, mapping
        As ZigZag's files of these names have them.
    over : dict of str to list
        By node: those of its temporal loops that run over tiles, innermost first. Among them are
        loops of one trip, which only say that others outside them fetch their operand again.
    nodes : dict of str to dict
        By layer of the design: its nodes, and of each the kind of traffic that it has, by ZigZag's
        operands: ``{"conv1": {"W": "weights", "I": "ifmap", "O": "output"}, …}``.
    """

    accelerator: dict[str, Any]
    workload: list[dict[str, Any]]
    mapping: list[dict[str, Any]]
    over: dict[str, list[tuple[str, int]]]
    nodes: dict[str, dict[str, dict[str, str]]]


def export_zigzag(result: Design | Evaluation, run: bool = False) -> Exported:
    """A design, or an evaluation with tiles, for ZigZag; ``run``: with what it counts.

    Raises
    ------
    SpecError
        Of what ZigZag has no form for; or it is to run and is not installed.
    """
    mapped = Mapped(result, "ZigZag")
    files = zigzag_files(mapped)
    given = files.accelerator, files.workload, files.mapping, files.over
    moved = zigzag_bits(*given) if run else None
    layers = []
    for layer, row in mapped.layers:
        nodes, theirs = files.nodes[layer.name], None
        if moved is not None:
            theirs = dict.fromkeys(KINDS, 0)
            for node, traffic in nodes.items():
                for operand, kind in traffic.items():
                    theirs[kind] += moved[node][operand]
        differs = difference(layer, row)
        layers.append(ExportedLayer(layer.name, tuple(nodes), kinds_of(row), theirs, differs))
    content = {
        "accelerator": files.accelerator,
        "workload": files.workload,
        "mapping": files.mapping,
        "tiles": files.over,
    }
    return Exported({f"{x}.yaml": yaml_text(each) for x, each in content.items()}, tuple(layers))


def difference(layer: Layer, row: LayerDesign) -> str | None:
    """Why ZigZag cannot count what we do in a layer; None where it must.

    It writes finished outputs as wide as the partial sums that have spilled before. And of the
    ifmap it reads what windows cover, where we read all rows and columns that lie between.
    """
    if layer.moves:
        return None
    if row.dram_bits.psum:
        return "spilled sums: their last write is as wide as the others"
    if row.dram_bits.ifmap and any(_skips(layer, piece) for piece in pieces(layer, row)):
        return "rows or columns of the input that no window covers are not read"
    return None


def _skips(layer: Layer, piece: Piece) -> bool:
    """Whether ZigZag reads less of the ifmap for a tile than we do."""
    for axis, (pixels, taps) in enumerate((("P", "R"), ("Q", "S"))):
        a, b = piece.tile[pixels], piece.tile[taps]
        stride, dilation = along(axis, layer.stride), along(axis, layer.dilation)
        common = math.gcd(stride, dilation)
        covered = a * b - max(0, b - stride // common) * (a - dilation // common)
        if covered < piece.held[axis]:
            return True
    return False


def zigzag_files(mapped: Mapped) -> ZigzagFiles:
    """The three files of a design, and where the tiles in them end."""
    found = ZigzagFiles(zigzag_accelerator(mapped), [], [], {}, {})
    written: dict[str, int] = {}  # the node that a tensor comes from
    for layer, row in mapped.layers:
        nodes = found.nodes[layer.name] = {}
        for node in _nodes(mapped, layer, row):
            number = len(found.workload)
            name = layer.name if node.part == "" else f"{layer.name}/{node.part}"
            while name in found.over:  # a layer that is called as the part of another
                name += "_"
            sources = {x: written.get(tensor, number) for x, tensor in node.tensors.items()}
            content = {"id": number, "name": name, **node.content}
            found.workload.append(
                {**content, "operand_source": {"W": number, "I": number} | sources}
            )
            found.mapping.append({"name": name, **node.mapping, "memory_operand_links": LINKS})
            found.over[name] = node.over
            nodes[name] = node.traffic
        written[layer.output] = len(found.workload) - 1
    default = {"name": "default", "spatial_mapping": {}, "memory_operand_links": LINKS}
    found.mapping.append(default)
    return found


@dataclass(frozen=True)
class _Node:
    """One node of the workload, its mapping, and what its operands are."""

    part: str
    content: dict[str, Any]
    mapping: dict[str, Any]
    over: list[tuple[str, int]]
    traffic: dict[str, str]
    tensors: dict[str, str]


def _nodes(mapped: Mapped, layer: Layer, row: LayerDesign) -> Iterator[_Node]:
    """Of one layer: its pieces, then what moves beside them."""
    tensors = {"I": layer.input} | ({"W": layer.weight_tensor} if layer.weight_tensor else {})
    if not layer.moves:
        found = pieces(layer, row)
        for n, piece in enumerate(found):
            part = "" if len(found) == 1 else str(n + 1)
            yield _convolution(mapped, layer, row, piece, part, tensors)
    lanes = mapped.accelerator.rows * mapped.accelerator.engine
    for each in mapped.transfers(layer):
        yield _transfer(each, lanes)


def _transfer(given: Transfer, lanes: int) -> _Node:
    """Elements read for a sum on chip, or written from there."""
    part, elements, bits, kind, tensor = given
    own = "O" if given.written else "I"
    content = {
        "operator_type": "Add",
        "equation": "O[k]=W[k]+I[k]",
        "loop_dims": ["K"],
        "loop_sizes": [elements],
        "operand_precision": {
            "W": 0,
            "I": bits if own == "I" else 0,
            "O": bits,
            "O_final": bits if own == "O" else 0,
        },
    }
    at_once = _divisor(elements, max(1, min(lanes, elements // 2)))  # one loop at least
    order = [("K", elements // at_once)] if elements > at_once else []
    spatial = {"D1": [f"K, {at_once}"], "D2": ["K, 1"]}
    mapping = {"spatial_mapping": spatial, "temporal_ordering": order}
    return _Node(
        part, content, mapping, order, {own: kind}, {} if tensor is None else {"I": tensor}
    )


def _convolution(
    mapped: Mapped,
    layer: Layer,
    row: LayerDesign,
    piece: Piece,
    part: str,
    tensors: dict[str, str],
) -> _Node:
    """A piece of a layer; its outputs are written here where they are stored as computed."""
    weights, ifmap, psum = mapped.widths(layer, row)
    final = mapped.written_bits(layer)
    sizes, charged = piece.sizes, piece.charged
    content = {
        "operator_type": "Conv",
        "equation": CONV[0],
        "dimension_relations": [
            f"iy={along(0, layer.stride)}*oy+{along(0, layer.dilation)}*fy",
            f"ix={along(1, layer.stride)}*ox+{along(1, layer.dilation)}*fx",
        ],
        "loop_dims": [*CONV[1]],
        "loop_sizes": [sizes[x] for x in DIMENSIONS],
        "pr_loop_dims": ["IY", "IX"],
        "pr_loop_sizes": [*piece.held],
        "operand_precision": {
            "W": weights if charged["weights"] else 0,
            "I": ifmap if charged["ifmap"] else 0,
            "O": psum,
            "O_final": final if charged["output"] else 0,
        },
    }
    array, turns = unrolled(row, piece, mapped.accelerator)
    inner = [(NAMES[x], n) for x, n in turns.items() if n > 1]
    over: list[tuple[str, int]] = [(NAMES[x], piece.trips[x]) for x in reversed(piece.loops)]
    spatial = {
        f"D{n + 1}": [f"{NAMES[x]}, {size}" for x, size in each.items()]
        for n, each in enumerate(array)
    }
    mapping = {
        "spatial_mapping": spatial,
        "temporal_ordering": inner + [x for x in over if x[1] > 1],
    }
    traffic = {"W": "weights", "I": "ifmap", "O": "output"}
    return _Node(part, content, mapping, over, traffic, tensors)


def unrolled(
    row: LayerDesign, piece: Piece, accelerator: Accelerator
) -> tuple[tuple[dict[str, int], dict[str, int]], dict[str, int]]:
    """What the multipliers of a column take, and the columns; and the turns of each dimension.

    Turns are innermost first: pixels pass while weights stay, then positions of the window, input
    and output channels, groups, images. ZigZag divides a dimension evenly among its turns.
    """
    kind = row.mapping or accelerator.mapping[0]
    lanes, engine = accelerator.rows * accelerator.engine, accelerator.engine
    tile, trips = piece.tile, piece.trips
    down: dict[str, int] = {}
    if kind == "output":
        down["Q"] = _divisor(tile["Q"], accelerator.rows)
        room = engine
    else:
        room = engine if kind == "window" else lanes
    down["S"] = _even(tile["S"], 1, room)
    down["R"] = _even(tile["R"], 1, room // down["S"])
    room //= down["S"] * down["R"]
    inputs = room * accelerator.rows if kind == "window" else room
    down["C"] = _even(tile["C"], trips["C"], inputs)
    across = {"K": _even(tile["K"], trips["K"], accelerator.cols)}
    groups = accelerator.cols // tile["K"]
    if kind == "output":
        across["G"] = _even(tile["G"], trips["G"], groups)
    else:
        down["G"] = _even(tile["G"], trips["G"], min(groups, inputs // tile["C"]))
    spatial = down | across
    turns = {x: _turns(tile[x], trips[x], spatial.get(x, 1)) for x in "QPSRCKGN"}
    kept = {x: n for x, n in down.items() if n > 1} or {"C": 1}
    return (kept, across), turns


def _turns(tile: int, trips: int, unrolling: int) -> int:
    return math.ceil(tile * trips / unrolling) // trips


def _even(tile: int, trips: int, most: int) -> int:
    """The largest unrolling whose turns go up in the tiles, as ZigZag counts them."""
    for turns in range(-(-tile // max(most, 1)), tile + 1):
        unrolling = -(-tile // turns)
        if -(-tile * trips // unrolling) == turns * trips and _exact(tile * trips, turns * trips):
            return unrolling
    return 1


def _exact(size: int, turns: int) -> bool:
    """Whether a size divided and multiplied again is the same number in floating point."""
    return int(size / turns * turns) == size


def _divisor(size: int, most: int) -> int:
    return next(x for x in range(min(size, most), 0, -1) if size % x == 0)


def zigzag_accelerator(mapped: Mapped) -> dict[str, Any]:
    """Array, SRAM and DRAM; energies in pJ per bit and per MAC at the PE's widths, 0 if unknown.

    Ports have a granule of one bit. The SRAM's are as wide as the array asks, unless the machine
    has a rate; the DRAM's as it delivers in a cycle, at least one bit.
    """
    chip = mapped.accelerator
    read, write, dram, mac = (PJ_PER_J * x for x in mapped.energies_j)
    on_chip = chip.sram_bits_per_cycle or AMPLE_BITS_PER_CYCLE
    off_chip = AMPLE_BITS_PER_CYCLE
    if chip.dram_bits_per_s is not None:
        off_chip = max(1, int(chip.dram_bits_per_s / chip.clock_hz))
    return {
        "name": "codesign",
        "memories": {
            "sram": _memory(chip.sram_bits or AMPLE_BITS, read, write, int(on_chip)),
            "dram": _memory(AMPLE_BITS, dram, dram, off_chip),
        },
        "operational_array": {
            "unit_energy": mac,
            "unit_area": 0.0,
            "dimensions": ["D1", "D2"],
            "sizes": [chip.rows * chip.engine, chip.cols],
        },
    }


def _memory(size: int, read: float, write: float, width: int) -> dict[str, Any]:
    names = [f"{x}, {way}" for x in ("I1", "I2") for way in ("fh", "tl")]
    names += [f"O, {way}" for way in ("fh", "tl", "fl", "th")]
    port = {"name": "rw_port_1", "type": "read_write", "bandwidth_min": 1, "bandwidth_max": width}
    return {
        "size": size,
        "r_cost": read,
        "w_cost": write,
        "area": 0.0,
        "latency": 1,
        "operands": ["I1", "I2", "O"],
        "ports": [{**port, "allocation": names}],
        "served_dimensions": ["D1", "D2"],
    }
