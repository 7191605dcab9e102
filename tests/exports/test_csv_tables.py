"""Tables of results as CSV: read back equal, and refused where they are damaged."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import refused, run
from pipelines import dataflow, made_up, tiny
from random_evaluations import evaluated, random_accelerator
from random_hybrids import hybrid_case
from random_networks import random_network
from seeds import check_all, mostly_long

from codesign import Accelerator, Layer, Network, SpecError, evaluate, solve
from codesign.exports import (
    pipeline_sheet,
    pipeline_sheet_markdown,
    read_tables,
    tables_of,
    write_tables,
)
from codesign.results.dataflow_design import DataflowDesign

NAMES = ("12", "a,b", 'say "x"', "one\ntwo", "cr\rlf\r\n", " ", "=1+1", "é·λ", "\ttab")


def same(folder: Path, result: object) -> None:
    found = tables_of(result)  # type: ignore[arg-type]
    write_tables(found, folder)
    assert read_tables(folder) == found


def check_tables(seed: int, folder: Path) -> None:
    rng = random.Random(f"tables {seed}")
    network = random_network(rng, rng.choice((1, 2, 4)), 1, seed % 2 == 1)
    on = random_accelerator(rng, rng.choice(("", "mapping", "reconfigurable")))
    found = evaluated(rng, network, on, on_chip=rng.choice(("none", "tensors", "bands")))
    same(folder, found)
    tables = tables_of(found)
    told = {row["metric"]: row["value"] for row in tables["metrics"]}
    assert told == {name: float(value) for name, value in found.metrics.items()}
    assert [row["layer"] for row in tables["layers"]] == [x.name for x in network.layers]
    assert [row["latency_s"] for row in tables["layers"]] == [
        row.latency_s for row in found.layer_designs
    ]
    assert {row["tensor"]: row["bits"] for row in tables["tensors"]} == dict(found.tensor_bits)


@pytest.mark.parametrize("first", mostly_long(range(0, 300, 10), 1))
def test_tables_are_read_back_equal(first: int, tmp_path: Path) -> None:
    check_all(range(first, first + 10), lambda seed: check_tables(seed, tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_back(name: str, tmp_path: Path) -> None:
    layer = Layer(name=name, input="in", output=name, K=4, C=4)
    network = Network(name=name, layers=(layer,), tensors={"in": 4, name: 4})
    chip = {"rows": 2, "cols": 2, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    on = Accelerator(name="chip", clock_hz=1e8, sram_bits=10**5, dram_bits_per_s=1e9, **chip)
    same(tmp_path, evaluate(network, on))


def test_designs_and_pipelines(tmp_path: Path) -> None:
    design = solve(tiny(("array",), budgets={"area_mm2": 0.2}))
    same(tmp_path, design)
    (proof,) = tables_of(design)["proof"]
    assert proof["status"] == "optimal"
    assert proof["bound"] == design.proof.bound
    assert [row["metric"] for row in tables_of(design)["budgets"]] == [*design.problem.budgets]
    same(tmp_path, made_up(dataflow()))


def test_terms_of_a_machine_are_told(tmp_path: Path) -> None:
    layer = Layer(name="conv", input="in", output="out", K=4, C=4)
    network = Network(name="one", layers=(layer,), tensors={"in": 4, "out": 4})
    chip = {"rows": 2, "cols": 2, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    terms = {"weight_load": True, "sram_bits_per_cycle": 64, "accumulator_bits": 2000}
    factors = {"cycle_factors": {"3x3": "4/9", "1x1": "2"}, "mapping": ("window",)}
    on = Accelerator(
        name="chip", clock_hz=1e8, sram_bits=10**5, dram_bits_per_s=1e9, **chip, **terms, **factors
    )
    found = evaluate(network, on)
    same(tmp_path, found)
    (row,) = tables_of(found)["hardware"]
    assert {name: row[name] for name in terms} == terms
    assert row["cycle_factors"] == "3x3=4/9+1x1=2"
    assert row["stored_channels"] is None
    assert (row["fill_cycles"], row["overlap"]) == (False, 1.0)
    problem = replace(dataflow(), choices=replace(dataflow().choices, weight_load=True))
    (row,) = tables_of(made_up(problem))["hardware"]
    assert (row["weight_load"], row["fill_cycles"]) == (True, False)
    text = pipeline_sheet_markdown(pipeline_sheet(made_up(problem)))
    assert "| of all arrays | loading weights takes cycles |" in text


def test_what_waits_and_a_shared_array(tmp_path: Path) -> None:
    """Every FIFO of a pipeline; of a hybrid the layers of its segment, with their tiles."""
    pipeline = solve(tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.3}))
    assert isinstance(pipeline, DataflowDesign)
    same(tmp_path / "pipeline", pipeline)
    waiting = {x.name: dict(x.memory_bits.fifos) for x in pipeline.stages if x.memory_bits.fifos}
    told: dict[str, dict[str, float]] = {}
    for row in tables_of(pipeline)["fifos"]:
        told.setdefault(str(row["layer"]), {})[str(row["tensor"])] = float(row["bits"] or 0)
    assert told == waiting
    assert waiting
    hybrid = solve(hybrid_case(2).problem)
    assert isinstance(hybrid, DataflowDesign)
    (segment,) = hybrid.segments
    same(tmp_path / "hybrid", hybrid)
    tables = tables_of(hybrid)
    assert tables["shared_arrays"][0]["sram_bits"] == segment.sram_bits
    for row, layer in zip(tables["shared_layers"], segment.layers, strict=True):
        assert row["cycles"] == layer.cycles
        assert row["dram_bits_weights"] == layer.dram_bits.weights
        assert row.get("tile_k") == (None if layer.tile is None else layer.tile.k)


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    design = made_up(dataflow())
    write_tables(tables_of(design), tmp_path)
    layers, listed = tmp_path / "layers.csv", tmp_path / "tables.json"
    text, content = layers.read_text("utf-8"), json.loads(listed.read_text("utf-8"))

    def fault() -> str:
        with pytest.raises(SpecError) as found:
            read_tables(tmp_path)
        return str(found.value)

    layers.write_text(text + "more\n", "utf-8")
    assert "layers.csv, row 3: 1 cells, not" in fault()
    layers.write_text(text.replace("conv,", "conv,x", 1), "utf-8")
    assert "is no whole" in fault()
    layers.write_text("x" + text, "utf-8")
    assert "its columns are not those that tables.json lists" in fault()
    layers.write_text('"', "utf-8")
    assert "cannot be read" in fault()
    layers.unlink()
    assert "No such file" in fault()
    for damaged in ({"../x": {}}, {"layers": {"a": "code"}}, {"layers": []}):
        listed.write_text(json.dumps({**content, "tables": damaged}), "utf-8")
        assert "has no columns of known kinds" in fault()
    listed.write_text(json.dumps({**content, "format": "codesign-tables/2"}), "utf-8")
    assert "not a list of tables" in fault()
    listed.write_text("[]", "utf-8")
    assert "not a list of tables" in fault()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = solve(tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.3}))
    file, out = tmp_path / "p.json", tmp_path / "new" / "tables"
    design.save(file)
    code, printed, err = run(capsys, "export", "csv", str(file), "--out", str(out))
    assert (code, err) == (0, "")
    assert [Path(line).stem for line in printed.splitlines()] == [*tables_of(design)]
    assert read_tables(out) == tables_of(design)
    assert "not a folder" in refused(capsys, "export", "csv", str(file), "--out", str(file))
    assert "--out" in refused(capsys, "export", "csv", str(file))
    refused(capsys, "export", "csv", str(out / "tables.json"), "--out", str(out))
