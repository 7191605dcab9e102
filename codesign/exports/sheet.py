"""What a designer of the hardware needs to know of a design: every size, width and loop.

All numbers follow from the design alone; nothing is chosen here but how wide a word is: as many
elements as the array takes, or gives, in a cycle.

    weights   cols·engine elements of the PE's width (a row of the array loaded, or streamed)
    ifmap     rows·engine elements of the PE's width
    psum      cols elements of the accumulator's width

Elements are packed in words at the widths of their layers, as the cost model counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codesign.costs.compute import PEArray, ceil_div, channels_per_pe, fold
from codesign.costs.fusion import FusedRun
from codesign.costs.given_tiling import GivenTiling, check_tiling, one_tiling
from codesign.costs.layer_row import LayerDesign
from codesign.costs.layers import array_of, operand_bits_on, passes_on
from codesign.costs.pixel_tiles import Axis, horizontal, vertical
from codesign.costs.stage_row import StageDesign
from codesign.costs.tiling import TILE_COLUMNS
from codesign.errors import SpecError
from codesign.exports.nests import loops_of, nest_of
from codesign.results.consistency import names_on_chip
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.layer import Layer, along
from codesign.specs.machine import MACHINE_FIELDS, Machine, unusual
from codesign.specs.network import Network

FORMAT = "codesign-sheet/1"
OPERANDS = ("weights", "ifmap", "psum")


@dataclass(frozen=True)
class OnArray:
    """Layers on an array that is one of several: a shared one of a hybrid, or that of a stage.

    Attributes
    ----------
    layer_designs : mapping of int to LayerDesign
        By number in the network.
    """

    network: Network
    accelerator: Accelerator
    layer_designs: Mapping[int, LayerDesign]
    tensor_bits: Mapping[str, int]
    on_chip: None = None
    fused_runs: tuple[()] = ()


Result = Design | Evaluation | OnArray


def sheet(result: Design | Evaluation) -> dict[str, Any]:
    """The content of the sheet's file.

    Raises
    ------
    SpecError
        Of the ideal roofline, which has no tiles.
    """
    if isinstance(result, Evaluation) and result.roofline == "ideal":
        raise SpecError("a sheet is of tiles, and the ideal roofline has none; take tiled")
    found = array_part(result, range(len(result.layer_designs)))
    return {
        "format": FORMAT,
        "network": result.network.name,
        "images": result.network.images,
        "technology": None
        if result.accelerator.technology is None
        else result.accelerator.technology.name,
        **{name: part for name, part in found.items() if name != "layers"},
        "residents": _residents(result),
        "runs": [_run(result, run) for run in result.fused_runs],
        "layers": found["layers"],
    }


def array_part(result: Result, numbers: Iterable[int]) -> dict[str, Any]:
    """An array, its SRAM and buffers, and those of the network's layers that it works off."""
    layers = [_layer(result, i) for i in numbers]
    return {
        "array": array_facts(result.accelerator),
        "accumulator": _accumulator(layers),
        "sram": _sram(result),
        "buffers": _buffers(result, layers),
        "layers": layers,
    }


def array_facts(on: Accelerator) -> dict[str, Any]:
    """Sides, widths and rates of an array."""
    return {
        "rows": on.rows,
        "cols": on.cols,
        "pes": on.pes,
        "multipliers_per_pe": on.engine,
        "weight_bits": on.pe_weight_bits,
        "activation_bits": on.pe_activation_bits,
        "product_bits": on.pe_weight_bits + on.pe_activation_bits,
        "precision": on.precision,
        "mapping": list(on.mapping),
        "terms": terms(on),
        "clock_hz": on.clock_hz,
        "dram_bits_per_s": on.dram_bits_per_s,
    }


def terms(machine: Machine, names: Iterable[str] = MACHINE_FIELDS) -> dict[str, Any]:
    """What of a machine is not plain, by the name of its field; its mapping is told elsewhere."""
    found = unusual(machine)
    return {name: found[name] for name in names if name in found and name != "mapping"}


def _accumulator(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The widest partial sums, and the layer that has them."""
    widest = max(
        (x for x in layers if x["bits"]["psum"] is not None),
        key=lambda x: x["bits"]["psum"],
        default=None,
    )
    if widest is None:
        return {"bits": None, "layer": None}
    return {"bits": widest["bits"]["psum"], "layer": widest["name"]}


def _sram(result: Result) -> dict[str, Any]:
    """Capacity, banks, and buffers of operands' own."""
    on = result.accelerator
    technology = on.technology
    energy = on.energy or (technology.energy if technology is not None else None)
    bank_bits = None if energy is None else energy.bank_bits
    assert on.sram_bits is not None
    return {
        "bits": on.sram_bits,
        "bank_bits": bank_bits,
        "banks": None if bank_bits is None else ceil_div(on.sram_bits, bank_bits),
        "ports_bits_per_cycle": on.sram_bits_per_cycle,
        "own_bits": dict(zip(OPERANDS, on.buffers, strict=True)),
    }


def _buffers(result: Result, layers: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Word and depth of each operand, and the layer that decides the depth."""
    on = result.accelerator
    lanes = {"weights": on.cols * on.engine, "ifmap": on.rows * on.engine, "psum": on.cols}
    psum_bits = max((x["bits"]["psum"] or 1 for x in layers), default=1)
    widths = on.pe_weight_bits, on.pe_activation_bits, psum_bits
    found: dict[str, dict[str, Any]] = {}
    for operand, bits in zip(OPERANDS, widths, strict=True):
        word = lanes[operand] * bits
        depth, copies, layer = 0, 1, None
        for each in layers:
            tile = each["operands"].get(operand) if each["kind"] == "tiled" else None
            if tile is None or tile["place"] == "chip":
                continue
            mine = ceil_div(tile["tile_elements"] * each["bits"][operand], word)
            if mine * tile["copies"] > depth * copies:
                depth, copies, layer = mine, tile["copies"], each["name"]
        found[operand] = {
            "word_elements": lanes[operand],
            "element_bits": bits,
            "word_bits": word,
            "depth_words": depth,
            "copies": copies,
            "bits": word * depth * copies,
            "deepest_layer": layer,
        }
    return found


def _residents(result: Result) -> list[dict[str, Any]]:
    """Tensors that stay on chip whole, and during which layers."""
    network, bits = result.network, result.tensor_bits
    found = []
    for name in names_on_chip(result.on_chip):
        first, last = network.lifetimes[name]
        found.append(
            {
                "tensor": name,
                "elements": network.tensors[name],
                "bits": bits[name],
                "sram_bits": network.tensors[name] * bits[name],
                "first_layer": network.layers[first].name,
                "last_layer": network.layers[last].name,
            }
        )
    return found


def _run(result: Result, run: FusedRun) -> dict[str, Any]:
    """A run of fused layers: all that it holds, which adds up to its need of the SRAM."""
    network, bits = result.network, result.tensor_bits
    layers, rows = network.layers[run.first : run.last + 1], result.layer_designs
    stays = names_on_chip(result.on_chip)
    held = [
        {"what": "weights", "of": x.name, "elements": x.weights, "bits": rows[i].weight_bits}
        for i, x in zip(run.layers, layers, strict=True)
    ]
    if layers[0].input not in stays:
        held.append(_held("input rows", layers[0].input, run.input_elements, bits))
    bands = zip(run.inner, run.band_elements, strict=True)
    held += [_held("band", name, elements, bits) for name, elements in bands]
    sums = [
        (elements * _psum_bits(result, i), elements, _psum_bits(result, i), x.name)
        for i, elements, x in zip(run.layers, run.psum_elements, layers, strict=True)
    ]
    _, elements, width, name = max(sums)
    held.append({"what": "psum", "of": name, "elements": elements, "bits": width})
    return {
        "layers": [x.name for x in layers],
        "held": held,
        "sram_bits": rows[run.first].sram_bits,
        "cycles": sum(rows[i].cycles or 0 for i in run.layers),
    }


def _held(what: str, name: str, elements: int, bits: Any) -> dict[str, Any]:
    return {"what": what, "of": name, "elements": elements, "bits": bits[name]}


def _psum_bits(result: Result, i: int) -> int:
    layer, row = result.network.layers[i], result.layer_designs[i]
    assert row.weight_bits is not None
    on = layer, result.accelerator, row.weight_bits, result.tensor_bits
    return int(operand_bits_on(*on)[-1])


def _layer(result: Result, i: int) -> dict[str, Any]:
    """A layer: shape, widths, and what it does."""
    network, row, bits = result.network, result.layer_designs[i], result.tensor_bits
    layer, traffic = network.layers[i], row.dram_bits
    run = next((n for n, each in enumerate(result.fused_runs) if i in each.layers), None)
    kind = "moves" if layer.moves else "tiled" if run is None else "fused"
    found: dict[str, Any] = {
        "name": layer.name,
        "kind": kind,
        "run": run,
        "shape": shape_of(layer),
        "bits": {
            "weights": row.weight_bits,
            "ifmap": bits[layer.input],
            "psum": None if layer.moves else _psum_bits(result, i),
            "output": bits[layer.output],
        },
        "output_elements": {
            "computed": layer.computed_outputs,
            "stored": network.touched(layer, layer.output),
        },
        "cycles": row.cycles,
        "sram_bits": row.sram_bits,
        "resident_bits": row.resident_bits,
        "dram_bits": {
            x: getattr(traffic, x) for x in ("weights", "ifmap", "psum", "output", "residual")
        },
        "operands": {},
        "spatial": None if layer.moves else spatial(result, layer, row),
        "nest": [],
    }
    if kind == "tiled":
        found |= _tiled(result, layer, row)
    return found


def shape_of(layer: Layer) -> dict[str, Any]:
    """Sizes of a layer's loops, and pairs of what it has down and across."""
    sizes = {x: getattr(layer, x) for x in "NGKCPQRSHW"}
    pairs = {
        name: [along(0, getattr(layer, name)), along(1, getattr(layer, name))]
        for name in ("stride", "dilation", "input_dilation", "input_repetition")
    }
    return {**sizes, **pairs}


def _tiled(result: Result, layer: Layer, row: LayerDesign) -> dict[str, Any]:
    """Tile, operands, pixels and loops of a layer that is tiled."""
    assert row.tile is not None
    assert row.order is not None
    stays = names_on_chip(result.on_chip)
    places = {
        "weights": "chip" if layer.weight_tensor in stays else "dram",
        "ifmap": "chip" if layer.input in stays else "dram",
        "psum": None,  # made here
    }
    tiling = GivenTiling(tile=row.tile, order=row.order)
    check_tiling(layer, tiling)
    table = one_tiling(layer, tiling)
    sizes = row.tile.sizes(layer)
    loops = {loop["for"]: loop["trips"] for loop in loops_of(layer, row)}
    pixels = loops["n"] * loops["p"] * loops["q"]
    tiles = (
        loops["g"] * loops["k"] * loops["c"],
        loops["g"] * loops["c"] * pixels,
        loops["g"] * loops["k"] * pixels,
    )
    operands, start, widths = {}, 0, _widths(result, layer, row)
    for n, operand in enumerate(OPERANDS):
        copies = 2 if tiles[n] > 1 else 1
        here = places[operand] != "chip"
        elements = int(table.need[0, n]) // copies
        size = elements * copies * widths[n] if here else 0
        own = result.accelerator.buffers[n] is not None
        operands[operand] = {
            "place": places[operand],
            "tile_elements": elements,
            "copies": copies,
            "sram_bits": size,
            "sram_offset_bits": None if own or not here else start,
        }
        start += 0 if own else size
    in_dram = [x for x in ("weights", "ifmap") if places[x] == "dram"]
    in_dram += ["output"] if layer.output not in stays else []
    axes = {"rows": (vertical(layer), sizes["p"]), "columns": (horizontal(layer), sizes["q"])}
    return {
        "tile": {x: sizes[x] for x in TILE_COLUMNS},
        "order": row.order,
        "operands": operands,
        "pixels": {name: _axis(*axis) for name, axis in axes.items()},
        "nest": nest_of(layer, row, in_dram),
    }


def _widths(result: Result, layer: Layer, row: LayerDesign) -> tuple[int, int, int]:
    assert row.weight_bits is not None
    on = layer, result.accelerator, row.weight_bits, result.tensor_bits
    weights, ifmap, psum = operand_bits_on(*on).tolist()
    return weights, ifmap, psum


def _axis(axis: Axis, tile: int) -> dict[str, int]:
    """Stored rows (columns) that a tile holds, that neighbours share, and that a pass fetches."""
    return {
        "tile": tile,
        "trips": ceil_div(axis.outputs, tile),
        "held": axis.held(tile),
        "halo": axis.halo,
        "per_pass": axis.read(tile),
    }


def spatial(result: Result, layer: Layer, row: LayerDesign | StageDesign) -> dict[str, Any]:
    """What the array takes at once, and what it takes in turn."""
    assert row.weight_bits is not None
    on = layer, result.accelerator, row.weight_bits, result.tensor_bits
    array: PEArray = array_of(*on, row.mapping)
    laid = fold(layer, array)
    products = array.engine if array.mapping == "output" else array.rows * array.engine
    products = min(products, layer.C * layer.window)
    if array.mapping == "window":
        channels = array.rows * channels_per_pe(layer.window, array.engine)
        products = min(channels, layer.C) * min(layer.window, array.engine)
    return {
        "mapping": array.mapping,
        "multipliers_per_pe": array.engine,
        "groups_at_once": laid.side_by_side,
        "outputs_at_once": min(array.cols, layer.K),
        "products_at_once": products,
        "pixels_at_once": array.rows if array.mapping == "output" else 1,
        "channels_granule": laid.tile_c,
        "passes_of_precision": passes_on(*on),
    }
