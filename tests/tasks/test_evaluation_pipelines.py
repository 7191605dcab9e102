"""Given pipelines: their figures are enumerated ones; of what is left the best is taken."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dataflow_oracle
import pytest
from built_pipelines import drawn
from pipelines import residual, tiny
from random_dataflow import dataflow_case
from seeds import check_all

from codesign import (
    Choices,
    GivenPipeline,
    GivenStage,
    Layer,
    Network,
    Problem,
    SpecError,
    check,
    evaluate,
    load_pipeline,
    load_technology,
    solve,
)
from codesign.costs.finn_units import Unit, array_of, unit_of
from codesign.exports import finn_folding
from codesign.results.dataflow_design import DataflowDesign
from codesign.specs.given_stage import FIELDS
from codesign.specs.machine import MACHINE_FIELDS
from codesign.tasks.evaluate_pipeline import given_problem
from codesign.tasks.given_pipelines import PLATFORM

SAME = 1e-9
CONV = Layer(name="conv", input="in", output="x", K=8, C=4, P=6, Q=6, R=3, S=3, H=6, W=6)
WISE = Layer(name="wise", input="x", output="y", G=8, K=1, C=1, P=6, Q=6, R=3, S=3, H=6, W=6)
FC = Layer(name="fc", input="y", output="out", K=10, C=288)
SMALL = Network(
    name="small", layers=(CONV, WISE, FC), tensors={"in": 144, "x": 288, "y": 288, "out": 10}
)
MVAU = {"technology": load_technology("finn-mvau")}


def given_by(design: DataflowDesign, share: float, rng: random.Random) -> GivenPipeline:
    """A pipeline as a design has it; starts and a share of the rest."""
    rows = zip(design.network.layers, design.stages, strict=True)
    kept = ("rows", "cols")
    stages = {
        x.name: GivenStage(
            **{f: getattr(row, f) for f in FIELDS if f in kept or rng.random() < share}
        )
        for x, row in rows
        if not x.moves
    }
    problem = design.problem
    platform = {name: getattr(problem, name) for name in PLATFORM}
    machine = {name: getattr(problem.choices, name) for name in MACHINE_FIELDS}
    starts = {row.name: row.start for row in design.stages} if share == 1 else {}
    return GivenPipeline(stages=stages, starts=starts, **platform, **machine)


def widths_of(design: DataflowDesign) -> dict[str, int]:
    results = {f"tensor:{x}": design.tensor_bits[x] for x in design.network.outputs}
    return {**{x: design.widths[x] for x in design.problem.noise_sources}, **results}


def hold_to_figures(seed: int) -> None:
    """Some pipeline, wholly given: every figure is that of the enumeration."""
    problem, groups = dataflow_case(seed)
    if not any(group.bases for group in groups):
        return
    rng = random.Random(seed)
    design, metrics = drawn(rng, replace(problem, budgets={}, quality=None), groups)
    given = given_by(design, 1.0, rng)
    found = evaluate(design.network, given, widths_of(design), sensitivity=problem.sensitivity)
    assert isinstance(found, DataflowDesign)
    assert {x: found.metrics[x] for x in metrics} == pytest.approx(metrics, rel=SAME)
    assert found.stages == design.stages
    assert found.proof.status == "optimal"


def hold_to_best(seed: int) -> None:
    """Some pipeline, given in part: of all that is left the best by enumeration."""
    problem, groups = dataflow_case(seed)
    if not any(group.bases for group in groups):
        return
    rng = random.Random(seed)
    design, _ = drawn(rng, replace(problem, budgets={}, quality=None), groups)
    given, widths = given_by(design, 0.4, rng), widths_of(design)
    found = evaluate(design.network, given, widths, sensitivity=problem.sensitivity)
    asked = given_problem(design.network, given, widths, None, problem.sensitivity)
    best = dataflow_oracle.best(asked, dataflow_oracle.all_groups(asked))
    assert best is not None
    for metric in ("interval_s", *dataflow_oracle.names(asked)):
        assert math.isclose(found.metrics[metric], best.metrics[metric], rel_tol=2e-6)
    assert found.metrics["interval_s"] <= design.metrics["interval_s"] * (1 + SAME)
    assert solve(asked).metrics == found.metrics


def test_figures_of_given_pipelines_are_enumerated_ones() -> None:
    check_all(range(12), hold_to_figures)


def test_what_is_not_given_is_the_enumerated_best() -> None:
    check_all(range(6), hold_to_best)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 300, 20))
def test_many_given_pipelines_are_enumerated_ones(first: int) -> None:
    for seed in range(first, first + 20):
        hold_to_figures(seed)
        hold_to_best(seed)


def on_fpga(network: Network, **asked: Any) -> DataflowDesign:
    choices = Choices(
        architecture=("dataflow",),
        mapping=("im2col", "output"),
        weight_bits=(4,),
        activation_bits=(4,),
        stages={
            "conv": GivenStage(mapping="im2col"),
            "wise": GivenStage(mapping="output", rows=1),
            "fc": GivenStage(mapping="im2col"),
        },
    )
    found = solve(Problem(network=network, choices=choices, objective="interval", **MVAU, **asked))
    assert isinstance(found, DataflowDesign)
    return found


@pytest.mark.parametrize("most_lut", [4_000.0, 20_000.0])
def test_a_folding_written_and_read_has_the_same_metrics(tmp_path: Path, most_lut: float) -> None:
    design = on_fpga(SMALL, budgets={"lut": most_lut})
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(finn_folding(design)))
    found = evaluate(SMALL, load_pipeline(path, SMALL, **MVAU), 4)
    assert found.metrics == pytest.approx(design.metrics)
    assert finn_folding(found) == finn_folding(design)
    assert "chosen are band rows of 3 stages, starts" in found.notes[0]


def test_a_design_written_and_read_is_the_same(tmp_path: Path) -> None:
    design = solve(residual(objective="latency", budgets={"area": 0.25}))
    assert isinstance(design, DataflowDesign)
    design.save(tmp_path / "d.json")
    found = evaluate(design.network, load_pipeline(tmp_path / "d.json", design.network))
    assert (found.stages, found.metrics) == (design.stages, design.metrics)
    found.save(tmp_path / "e.json")
    assert check(tmp_path / "e.json").holds
    assert DataflowDesign.load(tmp_path / "e.json") == found
    explained = found.explain()
    assert not explained.unproven
    assert any(x.change == "shared array" for x in explained.runner_ups)


def edited(design: DataflowDesign, **of_first: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(design.to_dict()))
    content["layers"][0] |= of_first
    return content


def read(tmp_path: Path, network: Network, content: Any, **platform: Any) -> DataflowDesign:
    (tmp_path / "given.json").write_text(json.dumps(content))
    return evaluate(network, load_pipeline(tmp_path / "given.json", network, **platform))


def test_a_stage_edited_by_hand_is_priced_anew(tmp_path: Path) -> None:
    design = solve(tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.03}))
    assert isinstance(design, DataflowDesign)
    (first, *_) = design.stages
    assert first.cols is not None
    wider = read(tmp_path, design.network, edited(design, cols=2 * first.cols))
    assert wider.stages[0].cols == 2 * first.cols
    assert wider.metrics["area_mm2"] > design.metrics["area_mm2"]
    assert wider.stages[1:] == design.stages[1:]
    slower = read(tmp_path, design.network, edited(design), clock_hz=4e8)
    assert slower.metrics["interval_s"] == pytest.approx(2 * design.metrics["interval_s"])
    assert check(tmp_path / "given.json").holds  # as it was solved


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "c"}, r"layers\[0\]: network 'skip' has no layer 'c'"),
        ({"colz": 1}, "unknown key 'colz'; did you mean 'cols'"),
        ({"cols": None}, r"\('a'\).cols: missing"),
        ({"mapping": "rows"}, "'window', 'im2col' or 'output'"),
        ({"band_rows": 5}, r"band_rows: 5, and its output has 4"),
        ({"band_rows": 3}, "bands of 3 rows are as many as bands of fewer.*1, 2, 4"),
        ({"start": None}, r"\('a'\).start: missing; give that of every layer, or of none"),
        ({"start": 3.0}, "is there; leave every start out, and the best are taken"),
        ({"weights": None}, "weights: missing, though starts are given"),
        ({"weight_bits": 0}, "widths.weight:a"),
    ],
)
def test_edits_that_are_none_are_told_in_a_line(
    tmp_path: Path, change: Mapping[str, Any], fault: str
) -> None:
    design = solve(tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.03}))
    assert isinstance(design, DataflowDesign)
    with pytest.raises(SpecError, match=fault) as raised:
        read(tmp_path, design.network, edited(design, **change))
    assert "\n" not in str(raised.value)


UNITS = {"MVAU_hls_0": {"PE": 4, "SIMD": 2}, "VVAU_hls_0": {"PE": 4, "SIMD": 1}}
UNITS |= {"MVAU_hls_1": {"PE": 5, "SIMD": 3}}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"MVAU_hls_0": {"PE": 3, "SIMD": 2}}, "MVAU_hls_0: PE: 3 does not divide the 8 output"),
        ({"MVAU_hls_0": {"PE": 4, "SIMD": 5}}, "SIMD: 5 does not divide the 36 products"),
        ({"MVAU_hls_0": {"PE": 4}}, "MVAU_hls_0: SIMD: missing"),
        ({"MVAU_hls_0": {"PE": True, "SIMD": 2}}, "PE: True, no whole number"),
        ({"VVAU_hls_0": {"PE": 4, "SIMD": 9}}, "SIMD of a depthwise layer is 1"),
        ({"MVAU_hls_1": {"PE": 5, "SIMD": 3, "mem_mode": "far"}}, "mem_mode: 'far' is none of"),
        ({"MVAU_hls_1": {"PE": 5, "SIMD": 3, "mem_mode": []}}, r"mem_mode: \[\] is none of"),
        ({"MVAU_hls_2": {"PE": 5, "SIMD": 3}}, "MVAU_hls_2: unknown unit; 'small' has 2 layers"),
        ({"MVAU_hls_0": None}, "MVAU_hls_0: no node of FINN"),
        ({"Unit_0": {"PE": 5, "SIMD": 3}}, "Unit_0: unknown unit with PE and SIMD"),
        ({"Defaults": {"PE": 3}}, "Defaults.PE: write"),
    ],
)
def test_foldings_that_fit_no_layer_are_told(
    tmp_path: Path, change: Mapping[str, Any], fault: str
) -> None:
    path = tmp_path / "folding.json"
    path.write_text(json.dumps({**UNITS, **change}))
    with pytest.raises(SpecError, match=fault):
        load_pipeline(path, SMALL, **MVAU)


def test_units_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    for left_out, fault in (
        ("MVAU_hls_0", "MVAU_hls_0: missing; it is of layer 'conv'"),
        ("MVAU_hls_1", "1 matrix-vector units.*first without one is 'fc'"),
        ("VVAU_hls_0", "0 vector-vector units.*'wise'"),
    ):
        path.write_text(json.dumps({x: y for x, y in UNITS.items() if x != left_out}))
        with pytest.raises(SpecError, match=fault):
            load_pipeline(path, SMALL, **MVAU)


@pytest.mark.parametrize("channels", [2, 4, 8])
def test_depthwise_units_may_fold_as_an_array_whose_rows_take_channels(channels: int) -> None:
    array = array_of(WISE, Unit(channels, 1), 1, ("window", "im2col"))
    assert array is not None
    assert (array.mapping, array.rows, array.cols) == ("window", channels, channels)
    assert unit_of(WISE, array) == (channels, 1)


def test_starts_are_chosen_where_anything_else_of_a_stage_is() -> None:
    stages = {"a": GivenStage(rows=4)}
    for ties in ("break", "leave"):
        problem = tiny(("dataflow",), objective="interval")
        asked = replace(problem, choices=replace(problem.choices, stages=stages))
        found = solve(asked, ties=ties)
        assert found.notes[0].endswith(", starts")


def test_names_of_other_versions_and_defaults_are_read(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    content = {
        "Defaults": {"mem_mode": ["external", ["MatrixVectorActivation"]]},
        "Thresholding_rtl_0": {"PE": 2},
        "MatrixVectorActivation_1": UNITS["MVAU_hls_1"],
        "MatrixVectorActivation_0": {**UNITS["MVAU_hls_0"], "mem_mode": "const"},
        "Vector_Vector_Activate_Batch_0": UNITS["VVAU_hls_0"],
    }
    path.write_text(json.dumps(content))
    stages = load_pipeline(path, SMALL, **MVAU).stages
    told = {name: (x.mapping, x.rows, x.cols, x.weights) for name, x in stages.items()}
    assert told == {
        "conv": ("im2col", 2, 4, "chip"),
        "wise": ("output", 1, 4, "chip"),
        "fc": ("im2col", 3, 5, "stream"),
    }


def test_what_is_of_one_array_is_refused_of_pipelines(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(UNITS))
    given = load_pipeline(path, SMALL, **MVAU)
    with pytest.raises(SpecError, match="on_chip: of one shared array"):
        evaluate(SMALL, given, 4, on_chip="tensors")  # type: ignore[call-overload]
    with pytest.raises(SpecError, match="the pipeline tells none; give widths"):
        evaluate(SMALL, given)
    with pytest.raises(SpecError, match="images follow each other"):
        evaluate(SMALL.batched(2), given, 4)
    stages = {name: x for name, x in given.stages.items() if name != "fc"}
    with pytest.raises(SpecError, match="layer 'fc' has none"):
        evaluate(SMALL, replace(given, stages=stages), 4)
