"""What is exported to AccelForge, by the rules of its documentation; run where it is installed.

It needs Python 3.12, so that the rules stand here: loops of a mapping go over tiles of the shape
given, those of every rank variable down to 1 (guide/spec/mapping); a tensor comes from where it is
kept first to where it is kept next once in each trip of the loops above that (guide/modeling); keys
are those of ``frontend/arch``, ``frontend/mapping`` and ``frontend/workload``, release 1.0.467.
"""

from __future__ import annotations

import math
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from mapped_designs import KNOWN, evaluation, random_evaluations

from codesign.exports import export_accelforge
from codesign.exports.accelforge import TENSORS
from codesign.exports.mapped import Exported, ExportedLayer
from codesign.files import write_folder
from codesign.results.evaluation import Evaluation

KINDS = {"W": "weights", "I": "ifmap", "O": "output"}
KEYS = {
    "Storage": {"component", "tensors"},
    "Temporal": {"rank_variable", "tile_shape"},
    "Spatial": {"rank_variable", "tile_shape", "component", "name"},
    "Compute": {"einsum", "component"},
    "Memory": {"name", "size", "leak_power", "area", "tensors", "actions"},
    "Container": {"name", "spatial"},
}
EINSUM = {"name", "tensor_accesses", "iteration_space_shape", "renames"}


class Loader(yaml.SafeLoader):
    """Reads ``!Tag {…}`` as a pair."""


Loader.add_multi_constructor("!", lambda x, tag, node: (tag, x.construct_mapping(node, deep=True)))


def read(text: str) -> Any:
    return yaml.load(text, Loader)


def sizes_of(einsum: dict[str, Any]) -> dict[str, int]:
    found = [re.fullmatch(r"0 <= (\w) < (\d+)", x) for x in einsum["iteration_space_shape"]]
    return {x[1]: int(x[2]) for x in found if x}


def extent(expression: str, tile: dict[str, int]) -> int:
    terms = re.findall(r"([a-z])(?: \* (\d+))?", expression)
    return 1 + sum((tile[name] - 1) * int(step or 1) for name, step in terms)


def counted(spec: dict[str, Any]) -> dict[str, int]:
    """DRAM bits by tensor of one piece, and that its mapping is one."""
    (einsum,), nodes = spec["workload"]["einsums"], spec["mapping"]["nodes"]
    assert einsum.keys() == EINSUM
    left, accesses = sizes_of(einsum), {x["name"]: x for x in einsum["tensor_accesses"]}
    homes, kept, trips = dict[str, str](), dict[str, int](), 1
    fanout = {"rows": 1, "cols": 1}
    for tag, node in nodes:
        assert node.keys() == KEYS[tag]
        if tag == "Storage":
            for tensor in node["tensors"]:
                if tensor not in homes:
                    homes[tensor] = node["component"]
                    continue
                assert tensor not in kept
                assert node["component"] == "SRAM"
                ranks = accesses[tensor]["projection"].values()
                kept[tensor] = trips * math.prod(extent(x, left) for x in ranks)
        elif tag in ("Temporal", "Spatial"):
            whole, part = divmod(left[node["rank_variable"]], node["tile_shape"])
            assert part == 0
            left[node["rank_variable"]] = node["tile_shape"]
            trips *= whole
            if tag == "Spatial":
                fanout[node["name"]] *= whole
    assert nodes[-1] == ("Compute", {"einsum": einsum["name"], "component": "MAC"})
    assert {*left.values()} == {1}
    assert homes.keys() == kept.keys() == accesses.keys()
    found = dict.fromkeys(KINDS, 0)
    for tensor, elements in kept.items():
        once = math.prod(
            extent(x, sizes_of(einsum)) for x in accesses[tensor]["projection"].values()
        )
        back = elements - once if tensor == "O" else 0  # partial sums are read again
        if homes[tensor] == "DRAM":
            found[tensor] = (elements + back) * accesses[tensor]["bits_per_value"]
    return found | fanout


def traffic(found: Exported, layer: ExportedLayer) -> dict[str, int]:
    bits = dict.fromkeys((*KINDS.values(), "residual"), 0)
    nodes = [node for _, node in read(found.texts["arch.yaml"])["arch"]["nodes"]]
    array = {x["name"]: x["fanout"] for node in nodes for x in node.get("spatial", ())}
    for file in layer.parts:
        moved = counted(read(found.texts[file]))
        assert moved.pop("rows") <= array["rows"]
        assert moved.pop("cols") <= array["cols"]
        for tensor, count in moved.items():
            bits["residual" if "_adds_" in file and tensor == "I" else KINDS[tensor]] += count
    return bits


@pytest.mark.parametrize("result", [*random_evaluations(0, 40), *KNOWN])
def test_loop_trees_move_our_bits_or_the_cause_is_told(result: Evaluation) -> None:
    found = export_accelforge(result)
    for layer in found.layers:
        assert (traffic(found, layer) == layer.ours) == (layer.differs is None), layer


def test_the_architecture_has_the_keys_there_are() -> None:
    result = evaluation("alexnet")
    nodes = read(export_accelforge(result).texts["arch.yaml"])["arch"]["nodes"]
    assert [(tag, node["name"]) for tag, node in nodes] == [
        *(("Memory", x) for x in ("DRAM", "Elsewhere", "SRAM")),
        *(("Container", "PE"), ("Compute", "MAC")),
    ]
    for tag, node in nodes[:-1]:
        assert node.keys() == KEYS[tag]
    assert nodes[2][1]["size"] == result.accelerator.sram_bits
    assert {*TENSORS.values()} == {*KINDS}


def test_most_layers_without_padding_meet() -> None:
    layers = export_accelforge(evaluation("mobilenetv2")).layers
    pointwise = [x.differs is None for x in layers if x.name.endswith((".0.0", "conv.2"))]
    assert sum(pointwise) >= 0.9 * len(pointwise) > 20


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("accelforge") is None, reason="not installed: accelforge, Python 3.12"
)
def test_accelforge_counts_our_bits(tmp_path: Path) -> None:
    import accelforge  # type: ignore[import-not-found]

    found = export_accelforge(evaluation("alexnet"))
    write_folder(tmp_path, found.texts)
    for layer in [x for x in found.layers if x.differs is None]:
        total = 0.0
        for file in layer.parts:
            spec = accelforge.Spec.from_yaml(str(tmp_path / "arch.yaml"), str(tmp_path / file))
            every = spec.evaluate_mapping().actions(
                per_component=True, per_tensor=True, per_einsum=True
            )
            total += sum(bits for (_, where, *_), bits in every.items() if where == "DRAM")
        assert total == sum(layer.ours.values())
