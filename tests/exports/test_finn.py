"""Foldings for FINN: factors that divide, and cycles as its published formulas have them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run
from pipelines import made_up, tiny

from codesign import Choices, Layer, Network, Problem, SpecError, load_technology, solve
from codesign.exports import finn_folding
from codesign.results.dataflow_design import DataflowDesign

CONV = Layer(name="conv", input="in", output="x", K=8, C=4, P=6, Q=6, R=3, S=3, H=6, W=6)
WISE = Layer(name="wise", input="x", output="y", G=8, K=1, C=1, P=6, Q=6, R=3, S=3, H=6, W=6)
FC = Layer(name="fc", input="y", output="out", K=10, C=288)
NETWORK = Network(
    name="small", layers=(CONV, WISE, FC), tensors={"in": 144, "x": 288, "y": 288, "out": 10}
)


def problem(network: Network = NETWORK) -> Problem:
    return Problem(
        network=network,
        choices=Choices(architecture="dataflow", mapping=("window", "im2col", "output")),
        technology=load_technology("finn-mvau"),
        objective="interval",
    )


def with_arrays(design: DataflowDesign, *arrays: tuple[str, int, int]) -> DataflowDesign:
    stages = [
        replace(row, mapping=mapping, rows=rows, cols=cols)  # type: ignore[arg-type]
        for row, (mapping, rows, cols) in zip(design.stages, arrays, strict=True)
    ]
    return replace(design, stages=tuple(stages))


def test_foldings_are_columns_and_rows() -> None:
    arrays = ("window", 2, 4), ("output", 1, 4), ("im2col", 3, 5)
    found = finn_folding(with_arrays(made_up(problem()), *arrays))
    matrices = [found["MVAU_hls_0"], found["MVAU_hls_1"]]
    assert [(x["PE"], x["SIMD"]) for x in matrices] == [(4, 2), (5, 3)]
    assert (found["VVAU_hls_0"]["PE"], found["VVAU_hls_0"]["SIMD"]) == (4, 1)
    assert found["ConvolutionInputGenerator_rtl_1"]["SIMD"] == 4
    assert found["Defaults"] == {}
    for layer, unit in zip((CONV, FC), matrices, strict=True):
        assert layer.K % unit["PE"] == 0  # MH % PE
        assert layer.C * layer.window % unit["SIMD"] == 0  # MW % SIMD
    # FINN: (MH / PE)·(MW / SIMD) for each output pixel.
    (stage, *_) = made_up(problem()).stages
    assert stage.cycles == 36 * (8 // 2) * (36 // 2)


def test_windows_keep_up_with_the_pipeline() -> None:
    design = made_up(problem())
    window = finn_folding(design)["ConvolutionInputGenerator_rtl_0"]
    reads = 36 * 9 * CONV.C
    assert reads / window["SIMD"] <= design.metrics["interval_s"] * 800e6
    assert not window["parallel_window"]
    fast = replace(design, metrics={**design.metrics, "interval_s": 36 / 800e6})
    window = finn_folding(fast)["ConvolutionInputGenerator_rtl_0"]
    assert window == {"SIMD": 4, "parallel_window": 1, "ram_style": "auto"}


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ((("window", 3, 4), ("output", 1, 4), ("window", 2, 2)), "layer 'conv': FINN cannot fold"),
        ((("window", 2, 3), ("output", 1, 4), ("window", 2, 2)), "layer 'conv': FINN cannot fold"),
        (
            (("output", 2, 4), ("output", 1, 4), ("window", 2, 2)),
            "layer 'conv': FINN cannot fold .*; solve with --mapping window,im2col",
        ),
    ],
)
def test_what_finn_cannot_fold_is_refused(
    arrays: tuple[tuple[str, int, int], ...], fault: str
) -> None:
    with pytest.raises(SpecError, match=fault):
        finn_folding(with_arrays(made_up(problem()), *arrays))


def test_what_finn_has_no_unit_for_is_refused() -> None:
    grouped = replace(WISE, G=4, K=2, C=2)
    network = replace(NETWORK, layers=(CONV, grouped, FC))
    with pytest.raises(SpecError, match="layer 'wise': FINN has no unit for groups of several"):
        finn_folding(made_up(problem(network)))
    with pytest.raises(SpecError, match="--technology finn-mvau"):
        finn_folding(made_up(replace(problem(), technology=load_technology("tsmc28"))))


def test_layers_that_share_an_array_are_refused() -> None:
    asked = {"objective": "interval", "technology": load_technology("finn-lut")}
    design = solve(tiny(("hybrid",), **asked))
    assert isinstance(design, DataflowDesign)
    with pytest.raises(SpecError, match="share an array; solve with --architecture dataflow"):
        finn_folding(design)


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_fpga = {"technology": load_technology("finn-mvau"), "budgets": {"lut": 50_000}}
    design = solve(tiny(("dataflow",), objective="interval", **on_fpga))
    design.save(tmp_path / "d.json")
    out = tmp_path / "folding.json"
    code, printed, err = run(capsys, "export", "finn", str(tmp_path / "d.json"), "--out", str(out))
    assert (code, err) == (0, "")
    assert json.loads(out.read_text("utf-8")) == finn_folding(design)
    assert "MVAU_hls_0" in printed
    code, _, err = run(capsys, "export", "finn", str(out))
    assert code == 2
    assert err.count("\n") == 1
    made_up(problem()).save(tmp_path / "altered.json")  # whose figures are nobody's
    code, _, err = run(capsys, "export", "finn", str(tmp_path / "altered.json"))
    assert (code, err.count("\n")) == (2, 1)
    assert "codesign check tells all" in err
