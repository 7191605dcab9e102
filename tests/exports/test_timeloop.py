"""What is exported to Timeloop, by the published rules of its format 0.4.

Timeloop is no Python package, so that the rules stand here. Of the format (timeloopfe 0.4, its
classes of architectures, problems and constraints, and the exercises): factors of a dimension
multiply to its size, permutations are innermost first, a spatial split tells how many dimensions go
along X. Of the count (Parashar et al. 2019, section V): a tile stays while loops innermost at its
level run that its data space has no dimension of; loops of one trip are none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from mapped_designs import KNOWN, evaluation, random_evaluations

from codesign.errors import SpecError
from codesign.exports import export_timeloop
from codesign.exports.mapped import Exported
from codesign.files import write_folder
from codesign.results.evaluation import Evaluation

KINDS = {"Weights": "weights", "Inputs": "ifmap", "Outputs": "output"}
TARGETS = [("DRAM", "temporal"), ("DRAM", "dataspace"), ("SRAM", "temporal")]
TARGETS += [("SRAM", "dataspace"), ("PE", "spatial")]


class Loader(yaml.SafeLoader):
    """Reads ``!Tag {…}`` as a mapping."""


Loader.add_multi_constructor("!", lambda x, _, node: x.construct_mapping(node, deep=True))


def factors(constraint: dict[str, Any]) -> dict[str, int]:
    found = dict(x.split("=") for x in constraint["factors"])
    assert [*found] == constraint["permutation"]
    return {name: int(n) for name, n in found.items()}


def extents(space: dict[str, Any], tile: dict[str, int]) -> list[int]:
    """Of a data space, along each of its axes: sums of dimensions times coefficients."""
    return [
        1 + sum((tile[term[0]] - 1) * math.prod(tile[x] for x in term[1:]) for term in axis)
        for axis in space["projection"]
    ]


def counted(spec: dict[str, Any], arch: dict[str, Any]) -> dict[str, int]:
    """Words that each data space moves from or to the DRAM, and that the mapping is one."""
    problem, mapping = spec["problem"], spec["mapping"]
    assert [(x["target"], x["type"]) for x in mapping] == TARGETS
    shape, instance = problem["shape"], problem["instance"]
    names = shape["dimensions"]
    over, inside, spatial = (factors(mapping[n]) for n in (0, 2, 4))
    for name in names:
        assert over[name] * inside[name] * spatial[name] == instance[name]
    split = mapping[4]["split"]
    along_x = [spatial[x] for x in mapping[4]["permutation"][:split]]
    along_y = [spatial[x] for x in mapping[4]["permutation"][split:]]
    (mesh,) = (x["spatial"] for x in arch["nodes"] if "spatial" in x)
    assert math.prod(along_x) <= mesh["meshX"]
    assert math.prod(along_y) <= mesh["meshY"]
    coefficients = {x["name"]: instance[x["name"]] for x in shape["coefficients"]}
    assert instance.keys() == {*names, *coefficients}
    tile = {name: inside[name] * spatial[name] for name in names} | coefficients
    found = {}
    for space in shape["data_spaces"]:
        depends = {x for axis in space["projection"] for term in axis for x in term} & {*names}
        loops = [(x, over[x]) for x in mapping[0]["permutation"] if over[x] > 1]
        while loops and loops[0][0] not in depends:
            loops.pop(0)
        words = math.prod(n for _, n in loops) * math.prod(extents(space, tile))
        once = math.prod(extents(space, instance))
        found[space["name"]] = words + (words - once if space.get("read_write") else 0)
    return found


def traffic(found: Exported, layer: str, parts: tuple[str, ...]) -> int:
    arch = yaml.load(found.texts["arch.yaml"], Loader)["architecture"]
    widths = yaml.safe_load(found.texts["widths.yaml"])
    bits = sum(widths["bits_beside"].get(layer, {}).values())
    for file in parts:
        words = counted(yaml.safe_load(found.texts[file]), arch)
        bits += sum(words[x] * widths["bits_per_word"][file][x] for x in KINDS)
    return bits


RANDOM = random_evaluations(0, 40)


@pytest.mark.parametrize("result", [*RANDOM, *KNOWN])
def test_loops_move_our_bits_where_no_cause_is_told(result: Evaluation) -> None:
    found = export_timeloop(result)
    for layer in found.layers:
        moved = traffic(found, layer.name, layer.parts)
        if layer.differs is None:
            assert moved == sum(layer.ours.values()), layer


def test_causes_are_not_told_of_all() -> None:
    layers = [x for result in RANDOM for x in export_timeloop(result).layers]
    told = sum(x.differs is not None for x in layers)
    assert 0.1 * len(layers) < told < 0.7 * len(layers)


def test_the_architecture_is_of_the_design() -> None:
    result = evaluation("alexnet", bits=6)
    arch = yaml.load(export_timeloop(result).texts["arch.yaml"], Loader)["architecture"]
    assert arch["version"] == 0.4
    by_name = {x["name"]: x for x in arch["nodes"]}
    assert [*by_name] == ["system", "DRAM", "SRAM", "PE", "MAC"]
    chip = result.accelerator
    assert by_name["PE"]["spatial"] == {"meshX": chip.cols, "meshY": chip.rows * chip.engine}
    sram = by_name["SRAM"]["attributes"]
    assert sram["depth"] == (chip.sram_bits or 0) // sram["datawidth"]


def test_what_another_export_has_left_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    (tmp_path / "L0099_mapping.yaml").write_text("of another design", "utf-8")
    with pytest.raises(SpecError, match=r"holds L0099_mapping\.yaml, which is not written now"):
        write_folder(tmp_path, {"L0001_mapping.yaml": "of this one"})
    assert [path.name for path in tmp_path.iterdir()] == ["L0099_mapping.yaml"]
