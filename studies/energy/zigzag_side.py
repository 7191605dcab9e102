"""The energy of a layer in ZigZag, with the array, tiling and numbers of one of ours.

ZigZag (Mei et al., IEEE Trans. Computers 2021, doi 10.1109/TC.2021.3059962) counts what every
level of a memory hierarchy reads and writes by the loops that a mapping gives to it. Here its
hierarchy is ours: PEs that hold a weight or a sum for nothing, one SRAM, one DRAM, ports of one
bit; its loops are those of our tiling, which must divide everything, for ZigZag knows no ragged
edges. No search of its own takes part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from zigzag.cost_model.cost_model import CostModelEvaluation
from zigzag.datatypes import LayerDim, LayerOperand
from zigzag.hardware.architecture.memory_port import DataDirection
from zigzag.mapping.data_movement import DataMoveAttr
from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
from zigzag.parser.accelerator_factory import AcceleratorFactory
from zigzag.parser.accelerator_validator import AcceleratorValidator
from zigzag.parser.mapping_validator import MappingValidator
from zigzag.parser.workload_factory import WorkloadFactory
from zigzag.parser.workload_validator import WorkloadValidator
from zigzag.stages.mapping.spatial_mapping_conversion import SpatialMappingConversionStage

from codesign import Accelerator, Layer
from codesign.costs.layer_energy import rates_of
from codesign.costs.layers import LayerDesign

OPERANDS = {"weights": "W", "ifmap": "I", "output": "O"}  # ours, and ZigZag's
AMPLE_BITS = 10**12
PJ_PER_J = 1e12
READ = (DataDirection.RD_OUT_TO_LOW, DataDirection.RD_OUT_TO_HIGH)
WRITTEN = (DataDirection.WR_IN_BY_LOW, DataDirection.WR_IN_BY_HIGH)


class Side(NamedTuple):
    """What ZigZag says, pJ; outputs and their partial sums are one operand there.

    Attributes
    ----------
    macs : float
    sram, dram : dict of str to float
        By operand. Of outputs from the elements that it says move, see `counted`.
    sram_output, dram_output : float
        Of outputs as its cost model adds them up.
    """

    macs: float
    sram: dict[str, float]
    dram: dict[str, float]
    sram_output: float
    dram_output: float


def zigzag(layer: Layer, row: LayerDesign, chip: Accelerator, widths: dict[str, int]) -> Side:
    """The energy of a layer whose kernel is 1×1, on one multiplier a PE.

    ``widths`` are those of weights, ifmap and partial sums, in bits; outputs are as wide as these.
    """
    rates, missing = rates_of(chip, None)
    assert rates is not None, missing
    macs_pj = PJ_PER_J * rates.j_per_mac
    costs = [PJ_PER_J * x for x in rates[2:5]]
    output = chip.mapping[0] == "output"
    accelerator = _array(chip, macs_pj, costs, output)
    node = _node(layer, chip, widths, output)
    stage = SpatialMappingConversionStage([None], accelerator=accelerator, layer=node)
    spatial, whole = stage.convert_user_spatial_mapping(node.spatial_mapping)
    found = CostModelEvaluation(
        accelerator=accelerator,
        layer=node,
        spatial_mapping=spatial,
        spatial_mapping_int=whole,
        temporal_mapping=_loops(layer, row, chip, node, output),
    )
    by_level = {
        name: found.mem_energy_breakdown[LayerOperand(theirs)] for name, theirs in OPERANDS.items()
    }
    moved = _output_bits(found)
    read, write, dram = costs
    sram = {name: each[-2] for name, each in by_level.items()}
    off_chip = {name: each[-1] for name, each in by_level.items()}
    sram["output"] = read * moved[0][0] + write * moved[0][1]
    off_chip["output"] = dram * sum(moved[1])
    return Side(found.mac_energy, sram, off_chip, by_level["output"][-2], by_level["output"][-1])


def _output_bits(found: CostModelEvaluation) -> list[tuple[int, int]]:
    """Bits of outputs that SRAM and DRAM read and write, from the elements that move."""
    each = []
    for level in found.mapping.unit_mem_data_movement[LayerOperand("O")][-2:]:
        count = level.get_attribute(DataMoveAttr.DATA_ELEM_MOVE_COUNT)
        bits = level.get_attribute(DataMoveAttr.DATA_PRECISION)
        sums = [sum(count.get(x) * bits.get(x) for x in kind) for kind in (READ, WRITTEN)]
        each.append((int(sums[0]), int(sums[1])))
    return each


def _array(chip: Accelerator, macs_pj: float, costs: list[float], output: bool) -> Any:
    read, write, dram = costs
    both = ["D1", "D2"]
    held, operand = ("O", "O") if output else ("W", "I2")
    directions = ["fh", "tl", "fl", "th"] if output else ["fh", "tl"]
    register = _memory(AMPLE_BITS if output else 64, 0, 0, {operand: directions}, [])
    every = {"I1": ["fh", "tl"], "I2": ["fh", "tl"], "O": ["fh", "tl", "fl", "th"]}
    data = {
        "name": "array",
        "memories": {
            f"register_{held}": register,
            "sram": _memory(AMPLE_BITS, read, write, every, both),
            "dram": _memory(AMPLE_BITS, dram, dram, every, both),
        },
        "operational_array": {
            "unit_energy": macs_pj,
            "unit_area": 0,
            "dimensions": both,
            "sizes": [chip.rows, chip.cols],
        },
    }
    checked = AcceleratorValidator(data)
    assert checked.validate()
    return AcceleratorFactory(checked.normalized_data).create()


def _memory(
    size: int, read: float, write: float, operands: dict[str, list[str]], serves: list[str]
) -> dict[str, Any]:
    ports = []
    for kind, sides in (("read", ("tl", "th")), ("write", ("fh", "fl"))):
        names = [f"{x}, {way}" for x, ways in operands.items() for way in ways if way in sides]
        ports.append(
            {
                "name": f"{kind[0]}_port_1",
                "type": kind,
                "bandwidth_min": 1,
                "bandwidth_max": 1,
                "allocation": names,
            }
        )
    return {
        "size": size,
        "r_cost": read,
        "w_cost": write,
        "area": 0,
        "latency": 1,
        "operands": [*operands],
        "ports": ports,
        "served_dimensions": serves,
    }


def _node(layer: Layer, chip: Accelerator, widths: dict[str, int], output: bool) -> Any:
    precision = {"W": widths["weights"], "I": widths["ifmap"], "O": widths["psum"]}
    workload = [
        {
            "id": 0,
            "name": layer.name,
            "operator_type": "Conv",
            "equation": "O[b][k][oy][ox]+=W[k][c]*I[b][c][oy][ox]",
            "dimension_relations": [],
            "loop_dims": ["B", "K", "C", "OY", "OX"],
            "loop_sizes": [layer.N, layer.K, layer.C, layer.P, layer.Q],
            "operand_precision": {**precision, "O_final": widths["psum"]},
            "operand_source": {"I": 0, "W": 0},
        }
    ]
    rows = f"OX, {chip.rows}" if output else f"C, {chip.rows}"
    mapping = [
        {
            "name": "default",
            "spatial_mapping": {"D1": [rows], "D2": [f"K, {chip.cols}"]},
            "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
        }
    ]
    given, mapped = WorkloadValidator(workload), MappingValidator(mapping)
    assert given.validate()
    assert mapped.validate()
    (node,) = WorkloadFactory(given.normalized_data, mapped.normalized_data).create().node_list
    node.spatial_mapping.initialize_oa_dims(
        dict(zip(node.spatial_mapping, (chip.rows, chip.cols), strict=True))
    )
    return node


def _loops(layer: Layer, row: LayerDesign, chip: Accelerator, node: Any, output: bool) -> Any:
    """Innermost first: what passes while a turn lasts, turns within a tile, loops over tiles."""
    tile = row.tile
    assert tile is not None
    assert row.order is not None
    sizes = {
        "k": (layer.K, tile.k, chip.cols, "K"),
        "c": (layer.C, tile.c, 1 if output else chip.rows, "C"),
    }
    turns = {x: (name, size // step) for x, (_, size, step, name) in sizes.items()}
    trips = {x: (name, size // part) for x, (size, part, _, name) in sizes.items()}
    columns = tile.q or layer.Q
    in_row = columns // chip.rows if output else columns
    pixels = [("OX", in_row), ("OY", tile.p), ("B", tile.images)]
    trips_p = [("OX", layer.Q // columns), ("OY", layer.P // tile.p), ("B", layer.N // tile.images)]
    inner = [turns["c"], *pixels, turns["k"]] if output else [*pixels, turns["c"], turns["k"]]
    outer = []
    for loop in reversed(row.order):
        outer += trips_p if loop == "p" else [trips[loop]]
    in_tile, over = ([(LayerDim(x), n) for x, n in each if n > 1] for each in (inner, outer))
    by_operand = {
        LayerOperand(x): [[], [*in_tile], [*over]]
        if x == ("O" if output else "W")
        else [[*in_tile], [*over]]
        for x in OPERANDS.values()
    }
    if output:
        sums = [loop for loop in in_tile if loop[0] == LayerDim("C")]
        rest = [loop for loop in in_tile if loop[0] != LayerDim("C")]
        by_operand[LayerOperand("O")] = [sums, rest, [*over]]
    return TemporalMapping(by_operand, node, TemporalMappingType.UNEVEN)
