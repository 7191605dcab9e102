"""What ZigZag counts of a design that is exported to it: DRAM bits of each layer.

ZigZag parses the files' content as it does files, takes the loops of every node as they are given,
those inside a tile to the SRAM and those over tiles to the DRAM, and counts what moves between
them. Nothing is searched for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from codesign.errors import SpecError


def zigzag_bits(
    accelerator: dict[str, Any],
    workload: list[dict[str, Any]],
    mapping: list[dict[str, Any]],
    over: dict[str, list[tuple[str, int]]],
) -> dict[str, dict[str, int]]:
    """DRAM bits by node and ZigZag's operand, of what its three files hold.

    ``over``: by node, which of its loops run over tiles, innermost first.

    Raises
    ------
    SpecError
        ZigZag is not installed, or does not take what is exported.
    """
    try:
        from zigzag.parser.accelerator_factory import AcceleratorFactory
        from zigzag.parser.accelerator_validator import AcceleratorValidator
        from zigzag.parser.mapping_validator import MappingValidator
        from zigzag.parser.workload_factory import WorkloadFactory
        from zigzag.parser.workload_validator import WorkloadValidator
    except ImportError:
        raise SpecError(
            "ZigZag is not installed: pip install 'codesign[zigzag]', or leave --run out"
        ) from None
    with _quiet():
        given = {
            "accelerator": AcceleratorValidator(accelerator),
            "workload": WorkloadValidator(workload),
            "mapping": MappingValidator(mapping),
        }
        for what, validator in given.items():
            if not validator.validate():
                raise SpecError(f"ZigZag does not take this {what}: {validator.validator.errors}")
        data = {what: validator.normalized_data for what, validator in given.items()}
        chip = AcceleratorFactory(data["accelerator"]).create()
        graph = WorkloadFactory(data["workload"], data["mapping"]).create()
        return {node.name: _dram_bits(chip, node, over[node.name]) for node in graph.node_list}


def _dram_bits(accelerator: Any, node: Any, tile_loops: list[tuple[str, int]]) -> dict[str, int]:
    """What one node moves between SRAM and DRAM."""
    from zigzag.datatypes import LayerDim
    from zigzag.hardware.architecture.memory_port import DataDirection
    from zigzag.mapping.data_movement import DataMoveAttr
    from zigzag.mapping.mapping import Mapping
    from zigzag.mapping.temporal_mapping import TemporalMapping, TemporalMappingType
    from zigzag.stages.mapping.spatial_mapping_conversion import SpatialMappingConversionStage

    node.spatial_mapping.initialize_oa_dims(accelerator.operational_array.dimension_sizes)
    stage = SpatialMappingConversionStage([None], accelerator=accelerator, layer=node)
    spatial, _ = stage.convert_user_spatial_mapping(node.spatial_mapping)
    over = [(LayerDim(name), trips) for name, trips in tile_loops]
    every = node.temporal_ordering.to_legacy_format()
    inside = every[: len(every) - sum(trips > 1 for _, trips in over)]
    by_operand = {operand: [[*inside], [*over]] for operand in node.layer_operands}
    temporal = TemporalMapping(by_operand, node, TemporalMappingType.EVEN)
    mapping = Mapping(accelerator, spatial, temporal, node)
    sides = (DataDirection.RD_OUT_TO_LOW, DataDirection.WR_IN_BY_LOW)
    found = {}
    for operand in node.layer_operands:
        dram = mapping.unit_mem_data_movement[operand][-1]
        count = dram.get_attribute(DataMoveAttr.DATA_ELEM_MOVE_COUNT)
        bits = dram.get_attribute(DataMoveAttr.DATA_PRECISION)
        found[operand.name] = int(sum(count.get(x) * bits.get(x) for x in sides))
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ZigZag's log, of which nothing concerns the user."""
    logger = logging.getLogger("zigzag")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
