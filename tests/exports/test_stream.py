"""What is exported to Stream, by the rules of its sources; run where it is installed.

Stream 2.1.1 needs Python 3.12, so that the rules stand here: keys are those of the schemas in its
``parser/accelerator_validator.py``, ``core_validator.py`` and ``mapping_validator.py``; ids of
cores run from 0; a tile divides its dimension, by whole strides of a pooling in its group; every
node has a core; groups hold all nodes in order; what a graph makes is read in it, but for one
result (``parser/onnx/model.py``). A Conv runs over b, ox, oy, fx, fy, c, k and, grouped, g
(``parser/onnx/conv.py``). ``STREAM_PYTHON`` names a Python that has it, to run it too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from command_line import run
from machine_questions import two_layers
from mapped_designs import KNOWN, evaluation, random_evaluations
from onnx import TensorProto, shape_inference

import codesign
from codesign.costs.given_tiling import GivenTiling
from codesign.costs.layers import Tile
from codesign.exports import export_stream
from codesign.exports.mapped import Exported
from codesign.files import write_folder
from codesign.results.evaluation import Evaluation
from codesign.specs.network import Network

BITS = {TensorProto.INT8: 8, TensorProto.INT16: 16, TensorProto.INT32: 32}
CORE = {"name", "type", "memories", "operational_array", "operand_precision"}
MEMORY = {
    *("size", "r_cost", "w_cost", "area", "latency", "operands", "ports", "served_dimensions"),
}
PORT = {"name", "type", "bandwidth_min", "bandwidth_max", "allocation"}
LOOPS = ("N", "Q", "P", "S", "R", "C", "K", "G")  # of a Conv, D0 to D7
RUN = """
import json, sys
from pathlib import Path
from stream.api import SolveOptions, evaluate_mapping
folder, out = Path(sys.argv[1]), {}
for graph in sorted(folder.glob("*.onnx")):
    given = str(folder / "accelerator.yaml"), str(graph), str(folder / "solved")
    options = SolveOptions(artifacts=False, temporal_mapping_type="even")
    found = evaluate_mapping(*given, str(graph.with_suffix(".mapping.yaml")), options)
    every = found.context.get("group_memory_accesses").values()
    dram = [core for group in every for core in group["cores"] if core["is_offchip"]]
    out[graph.name] = {
        "cycles": found.group_cycles,
        "dram": [{x["tensor"]: x["read"] + x["write"] for x in core["tensors"]} for core in dram],
    }
print("\\n" + json.dumps(out))
"""


def python_with_stream() -> str | None:
    named = os.environ.get("STREAM_PYTHON")
    if named is None and sys.version_info >= (3, 12) and find_spec("stream"):
        named = sys.executable
    return named


needs_stream = pytest.mark.skipif(
    python_with_stream() is None, reason="stream-dse, which needs Python 3.12, is not installed"
)


def graphs(found: Exported) -> dict[str, onnx.ModelProto]:
    named = {name: x for name, x in found.texts.items() if name.endswith(".onnx")}
    return {name: onnx.load_from_string(x) for name, x in named.items() if isinstance(x, bytes)}


def mapping_of(found: Exported, graph: str) -> Any:
    return yaml.safe_load(found.texts[graph.replace(".onnx", ".mapping.yaml")])


def shapes_of(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    every = (*graph.input, *graph.value_info, *graph.output)
    found = {x.name: tuple(d.dim_value for d in x.type.tensor_type.shape.dim) for x in every}
    return found | {x.name: tuple(x.dims) for x in graph.initializer}


def types_of(graph: onnx.GraphProto) -> dict[str, int]:
    every = (*graph.input, *graph.value_info, *graph.output)
    found = {x.name: x.type.tensor_type.elem_type for x in every}
    return found | {x.name: x.data_type for x in graph.initializer}


def check_shapes(model: onnx.ModelProto) -> None:
    """ONNX itself infers the shapes that are told, of numbers that its operators take."""
    real = onnx.ModelProto()
    real.CopyFrom(model)
    told = shapes_of(model.graph)
    for value in (*real.graph.input, *real.graph.value_info, *real.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    for weights in real.graph.initializer:
        weights.data_type = TensorProto.FLOAT
        weights.raw_data = bytes(4 * prod(weights.dims))
    del real.graph.value_info[:]
    onnx.checker.check_model(real, full_check=True)
    inferred = shape_inference.infer_shapes(real, strict_mode=True, data_prop=True)
    assert shapes_of(inferred.graph) == told


def check_hardware(found: Exported, result: Evaluation) -> None:
    top = yaml.safe_load(found.texts["accelerator.yaml"])
    chip = result.accelerator
    assert top["cores"] == {0: "./array.yaml", 1: "./dram.yaml"}
    assert top["offchip_core_id"] == 1
    (link,) = top["core_connectivity"]
    assert chip.dram_bits_per_s is not None
    assert link["bandwidth"] * chip.clock_hz == pytest.approx(chip.dram_bits_per_s)
    for name, kind in (("array", "compute"), ("dram", "offchip")):
        core = yaml.safe_load(found.texts[f"{name}.yaml"])
        assert core.keys() <= CORE
        assert core["type"] == f"zigzag.{kind}"
        (memory,) = core["memories"].values()
        assert memory.keys() == MEMORY
        assert all(port.keys() == PORT for port in memory["ports"])
        if kind == "compute":
            assert memory["size"] == chip.sram_bits
            assert core["operational_array"]["sizes"] == [chip.rows * chip.engine, chip.cols]


def check_files(found: Exported, result: Evaluation) -> None:
    """All rules, and that layers, widths and tiles are the design's."""
    check_hardware(found, result)
    seen: dict[str, dict[str, Any]] = {}
    for name, model in graphs(found).items():
        check_shapes(model)
        graph, mapping = model.graph, mapping_of(found, name)
        assert len(graph.output) == 1
        read = {x for node in graph.node for x in node.input} | {graph.output[0].name}
        assert all(node.output[0] in read for node in graph.node)
        nodes = {node.name: node for node in graph.node}
        groups = mapping["fused_groups"]
        assert mapping.keys() == {"layers", "fused_groups"}
        assert [x["name"] for x in mapping["layers"]] == [*nodes]
        assert all(x["core_allocation"] == [[0]] for x in mapping["layers"])
        assert [x for group in groups for x in group["layers"]] == [*nodes]
        for group in groups:
            shapes, types = shapes_of(graph), types_of(graph)
            mine = [nodes[x] for x in group["layers"]]
            tiles = {x["dim"].rsplit(".", 1)[1]: x["tile"] for x in group["intra_core_tiling"]}
            assert all(x["dim"].startswith(f"{mine[0].name}.D") for x in group["intra_core_tiling"])
            seen[group["name"]] = {"nodes": mine, "shapes": shapes, "types": types, "tiles": tiles}
    told = {layer.name: layer for layer in found.layers}
    for layer, row in zip(result.network.layers, result.layer_designs, strict=True):
        assert (layer.name in seen) == (not layer.moves)
        if layer.moves:
            assert told[layer.name].parts == ()
            assert told[layer.name].differs
            continue
        each = seen[layer.name]
        conv, shapes, types = each["nodes"][0], each["shapes"], each["types"]
        group = next(x.i for x in conv.attribute if x.name == "group")
        out, weights = shapes[conv.output[0]], shapes[conv.input[1]]
        assert prod(weights) == layer.weights
        assert prod(out) * prod(weights[1:]) == layer.macs
        assert group == layer.G
        assert [x.op_type for x in each["nodes"][1:]].count("Add") == len(layer.residuals)
        widths = {
            conv.input[0]: result.tensor_bits[layer.input],
            conv.input[1]: row.weight_bits,
            each["nodes"][-1].output[0]: result.tensor_bits[layer.output],
        }
        for name, bits in widths.items():
            assert BITS[types[name]] == min(x for x in BITS.values() if x >= (bits or 1))
        sizes = (
            out[0],
            out[3],
            out[2],
            weights[3],
            weights[2],
            weights[1],
            weights[0] // group,
            group,
        )
        assert row.tile is not None
        ours = row.tile.sizes(layer)
        limits = dict(zip(LOOPS, (ours[x] for x in ("images", "q", "p")), strict=False))
        limits |= {"C": ours["c"], "K": ours["k"], "G": ours["g"]}
        steps = {"P": 1, "Q": 1}
        if each["nodes"][-1].op_type == "MaxPool":
            window = next(x.ints for x in each["nodes"][-1].attribute if x.name == "strides")
            steps = dict(zip("PQ", window, strict=True))
        exact = True
        for name, tile in each["tiles"].items():
            loop, size = LOOPS[int(name[1:])], sizes[int(name[1:])]
            assert size % tile == 0
            assert tile % steps.get(loop, 1) == 0
            assert tile <= max(limits[loop], steps.get(loop, 1))
            exact &= tile == limits[loop] // (layer.C // weights[1] if loop == "C" else 1)
        assert exact or "tiles do not divide" in (told[layer.name].differs or "")


@pytest.mark.parametrize("result", [*random_evaluations(0, 40), *KNOWN])
def test_files_keep_the_rules_and_hold_the_design(result: Evaluation) -> None:
    check_files(export_stream(result), result)


def test_a_network_whose_tensors_fit_is_one_workload() -> None:
    for name, one in (("resnet18", True), ("mobilenetv2", True), ("vit_b_16", False)):
        result = evaluation(name)
        found = export_stream(result)
        check_files(found, result)
        assert (len(graphs(found)) == 1) == one
        if one:
            (model,) = graphs(found).values()
            inputs = [x.name for x in model.graph.input]
            assert inputs == [result.network.layers[0].input]


def test_loops_are_told_from_the_innermost_one() -> None:
    """A layer of 8 × 4 channels on tiles of 4 × 2, whose loop over inputs is inside or outside."""
    layer = codesign.Layer(name="a", K=8, C=4, P=4, Q=4, H=4, W=4, input="x", output="y")
    network = codesign.Network(name="n", layers=(layer,), tensors={"x": 64, "y": 128})
    chip = evaluation("alexnet").accelerator
    for order, dims in (("pkc", ["D5", "D6"]), ("pck", ["D6", "D5"])):
        tiling = GivenTiling(tile=Tile(k=4, c=2, p=4, q=4, g=1, images=1), order=order)
        result = codesign.evaluate(network, chip, 8, tiling={"a": tiling})
        (group,) = mapping_of(export_stream(result), "network.onnx")["fused_groups"]
        assert [x["dim"] for x in group["intra_core_tiling"]] == [f"a.{x}" for x in dims]
        assert [x["tile"] for x in group["intra_core_tiling"]] == (
            [2, 4] if dims[0] == "D5" else [4, 2]
        )


def test_layers_may_have_any_name() -> None:
    result = evaluation("alexnet")
    names = ["a: #", "a: #/Add", "default", "Conv", "null", "1e3", "é\n", "x.D1"]
    layers = zip(result.network.layers, names, strict=True)
    network = replace(result.network, layers=tuple(replace(x, name=y) for x, y in layers))
    found = codesign.evaluate(network, result.accelerator, 8)
    check_files(export_stream(found), found)


def test_the_command_tells_what_the_files_cannot_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "design.json", tmp_path / "stream"
    codesign.solve(two_layers()).save(path)
    code, printed, err = run(capsys, "export", "stream", str(path), "--out", str(out))
    assert (code, err) == (0, "")
    assert "not in the files: what stays in the SRAM" in " ".join(printed.split())
    code, printed, _ = run(capsys, "export", "stream", str(path), "--json")
    told = json.loads(printed)
    assert len(told["not_filed"]) == 3
    assert {name.split(": ")[0] for x in told["layers"] for name in x["parts"]} <= {
        x.name for x in out.iterdir()
    }


def untiled(network: Network) -> dict[str, GivenTiling]:
    return {
        x.name: GivenTiling(tile=Tile(k=x.K, c=x.C, p=x.P, q=x.Q, g=x.G, images=x.N), order="kcp")
        for x in network.layers
        if not x.moves
    }


@needs_stream
def test_stream_takes_the_files_and_moves_what_fits_once(tmp_path: Path) -> None:
    """Where the whole layer is one tile, every tensor passes the DRAM once, as in ours."""
    same = 0
    for n, result in enumerate(random_evaluations(0, 6)):
        chip = replace(result.accelerator, dram_bits_per_s=result.accelerator.clock_hz)
        chip = replace(chip, sram_bits=10**7)
        given = codesign.evaluate(
            result.network, chip, 8, on_chip="none", tiling=untiled(result.network)
        )
        found, folder = export_stream(given), tmp_path / str(n)
        write_folder(folder, found.texts)
        program = [str(python_with_stream()), "-c", RUN, str(folder)]
        told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
        groups = [x for each in json.loads(told.splitlines()[-1]).values() for x in each["dram"]]
        rows = zip(given.layer_designs, found.layers, strict=True)
        counted = [each for each in rows if each[1].parts]
        for group, (row, layer) in zip(groups, counted, strict=True):
            if layer.differs is None:
                same += 1
                assert sum(group.values()) == row.dram_bits.total
    assert same > 2
