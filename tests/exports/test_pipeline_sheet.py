"""Sheets of pipelines: every stage's figures by what its bands do, and all that adds up."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from math import ceil, fsum
from pathlib import Path
from typing import Any

import pytest
from built_pipelines import drawn
from command_line import run
from markup import HOSTILE
from pipelines import dataflow, made_up, tiny
from random_dataflow import dataflow_case
from random_hybrids import hybrid_case
from seeds import check_all, mostly_long
from sheet_walk import Walk, check_sheet

from codesign import InfeasibleError, Layer, Network, solve
from codesign.exports import pipeline_sheet, pipeline_sheet_markdown
from codesign.results.dataflow_design import DataflowDesign

HELD = {"weights": "weights", "lines": "lines", "psums": "psums"}


def streamed(statements: list[dict[str, Any]]) -> int:
    """How often all weights are fetched."""
    found = 0
    for each in statements:
        found += each["trips"] * streamed(each["do"]) if "for" in each else "stream" in each
    return found


def arriving(statements: list[dict[str, Any]]) -> int:
    """Rows that are taken in, of all images."""
    found = 0
    for each in statements:
        found += each["trips"] * arriving(each["do"]) if "for" in each else each.get("rows", 0)
    return found


def check_pipeline(design: DataflowDesign) -> None:
    content = pipeline_sheet(design)
    assert json.loads(json.dumps(content)) == content
    plain = not any(
        (design.problem.choices.fill_cycles, design.problem.choices.weight_load)
    ) and not (design.problem.choices.cycle_factors or design.problem.choices.zero_skipping)
    assert [x["name"] for x in content["stages"]] == [x.name for x in design.network.layers]
    bits, pes = [], 0
    for stage, row in zip(content["stages"], design.stages, strict=True):
        held = row.memory_bits
        fifos = {x["name"]: x["bits"] for x in stage["fifos"]}
        assert fifos == pytest.approx(dict(held.fifos))
        for name in HELD:
            told = stage["memories"].get(name, {"bits": 0, "elements": 0, "element_bits": 0})
            assert told["bits"] == getattr(held, name)
            assert told["elements"] * told["element_bits"] == told["bits"]
        for word in stage["memories"].values():
            assert word["word_bits"] == word["word_elements"] * word["element_bits"]
            assert word["depth_words"] == ceil(word["elements"] / word["word_elements"])
        bits += [*fifos.values(), *(x["bits"] for x in stage["memories"].values())]
        assert {x["tensor"] for x in stage["reads"]} <= {*design.network.tensors}
        if stage["kind"] != "own array":
            assert stage["nest"] == []
            continue
        array, shape = stage["array"], stage["shape"]
        pes += array["pes"]
        walk = Walk(stage | {"tile": {"p": shape["P"], "q": shape["Q"]}}, array)
        if plain:
            assert walk.cycles == row.cycles
        weights = shape["G"] * shape["K"] * shape["C"] * shape["R"] * shape["S"]
        assert streamed(stage["nest"]) * weights * stage["bits"]["weights"] == row.dram_bits
        assert arriving(stage["nest"]) >= min(shape["H"], shape["P"]) * shape["N"]
        least = stage["band"]["input_rows"] + stage["band"]["rows_arriving"]
        rows = shape["W"] * shape["G"] * shape["C"]
        assert least * rows == stage["memories"]["lines"]["elements"]
    for shared, segment in zip(content["shared"], design.segments, strict=True):
        check_sheet({**shared, "residents": [], "runs": []}, plain)
        assert [x["cycles"] for x in shared["layers"]] == [x.cycles for x in segment.layers]
        pes += shared["array"]["pes"]
        bits.append(shared["sram"]["bits"])
    assert pes == content["pes"] == design.hardware.pes
    assert fsum(bits) == pytest.approx(content["memory_bits"])
    moved = [bits for name, bits in content["dram_bits"].items() if name != "total"]
    assert fsum(moved) == pytest.approx(design.metrics["dram_bits"])
    text = pipeline_sheet_markdown(content)
    own = sum(x["kind"] == "own array" for x in content["stages"])
    tiled = sum(x["kind"] == "tiled" for shared in content["shared"] for x in shared["layers"])
    assert text.count("```") == 2 * (own + tiled)


def check_random(seed: int) -> None:
    rng, case = random.Random(f"pipeline sheet {seed}"), dataflow_case(seed)
    if any(x.bases for x in case.groups):
        check_pipeline(drawn(rng, case.problem, case.groups)[0])


@pytest.mark.parametrize("first", mostly_long(range(0, 200, 10), 1))
def test_stages_do_what_the_design_counts(first: int) -> None:
    check_all(range(first, first + 10), check_random)


def check_hybrid(seed: int) -> None:
    problem = hybrid_case(seed).problem
    try:
        found = solve(problem)
    except InfeasibleError:
        return
    assert isinstance(found, DataflowDesign)
    check_pipeline(found)


@pytest.mark.parametrize("first", mostly_long(range(0, 60, 3), 1))
def test_a_shared_array_is_told_as_one_by_itself(first: int) -> None:
    check_all(range(first, first + 3), check_hybrid)


def test_a_stage_by_hand() -> None:
    design = made_up(dataflow(), weights="stream")
    (stage,) = pipeline_sheet(design)["stages"]
    # A product of 4 × 4 on 2 × 2 PEs, whose 9 multipliers take a window of one element each.
    assert stage["reads"] == [{"tensor": "in", "from": "dram", "elements": 4.0, "bits": 4}]
    assert stage["output"] == {"tensor": "out", "to": ["dram"]}
    assert stage["nest"] == [
        {"take": "ifmap", "rows": 1},
        {"stream": "weights"},
        {"compute": True},
        {"pass": "output"},
    ]
    text = pipeline_sheet_markdown(pipeline_sheet(design))
    assert "stream all weights from DRAM\ncompute the band  # " in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name: str) -> None:
    layer = Layer(name=name, input="in", output="out", K=4, C=4)
    network = Network(name=name, layers=(layer,), tensors={"in": 4, "out": 4})
    text = pipeline_sheet_markdown(pipeline_sheet(made_up(dataflow(network))))
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = replace(tiny(("dataflow",), objective="interval"), budgets={"area_mm2": 0.3})
    design = solve(problem)
    assert isinstance(design, DataflowDesign)
    file, out = tmp_path / "p.json", tmp_path / "sheet"
    design.save(file)
    code, printed, err = run(capsys, "export", "sheet", str(file), "--out", str(out))
    assert (code, err) == (0, "")
    assert printed.split() == [str(out / "sheet.md"), str(out / "sheet.json")]
    assert json.loads((out / "sheet.json").read_text("utf-8")) == pipeline_sheet(design)
    _, told, _ = run(capsys, "export", "sheet", str(file))
    assert told == (out / "sheet.md").read_text("utf-8")
