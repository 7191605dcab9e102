"""Suites in studies: cells of several networks, their limits, results and resumed runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from study_grids import SILICON, SLOW, parameters, problems, questions
from study_work import SMALL, TINY

from codesign import Problem, Suite, solve
from codesign.errors import SpecError
from codesign.study import Serial, Study
from codesign.tasks.regret import with_references


def test_a_list_of_networks_is_a_suite() -> None:
    study = Study.grid(networks=[[TINY, TINY], TINY, {"networks": [TINY, TINY], "weights": [2, 1]}])
    names = [each["network"] for each in parameters(study)]
    assert names == ["tiny + tiny", "tiny", "2*tiny + tiny"]
    first, second, third = problems(study)
    assert first.network == Suite([TINY, TINY]).network
    assert second.network == TINY
    assert third.network == Suite([TINY, TINY], [2, 1]).network
    assert [*third.budgets] == ["noise@tiny", "noise@tiny.2"]


def test_a_network_by_itself_asks_what_it_asked() -> None:
    alone = questions(Study.grid(networks=[TINY]))
    assert questions(Study.grid(networks=[TINY, [TINY, TINY]]))[0] == alone[0]
    assert "members" not in alone[0].network


def test_limits_tell_networks_apart() -> None:
    suite = Suite([TINY, TINY])
    study = Study.grid(networks=suite, max_latency_ms=[2, "tiny=3,1"], quality="tiny.2=uniform:5")
    first, second = (problem.budgets for problem in problems(study))
    assert (first["latency_s@tiny"], first["latency_s@tiny.2"]) == (2e-3, 2e-3)
    assert (second["latency_s@tiny"], second["latency_s@tiny.2"]) == (3e-3, 1e-3)
    assert "noise@tiny" not in first


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ({"networks": ["alexnet"], "weight": [1]}, "unknown 'weight'"),
        ({"networks": ["alexnet"], "weights": [1, 2]}, "2 weights for 1 networks"),
        ({"networks": "alexnet"}, "networks of a suite: give a list"),
        ({"networks": ["alexnet"], "weights": 2}, "weights of a suite: give a list"),
        ([], "give 1 to 100 networks"),
        ([["alexnet", "vgg16"]], "not a network by itself"),
        (["alexnet", "gpt2"], "gpt2: a decoder by its parameters stands in no suite"),
    ],
)
def test_what_is_no_suite_is_refused(network: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Study.grid(networks=[network])


def test_suites_are_solved_once(tmp_path: Path) -> None:
    study = Study.grid(
        networks=[TINY, {"networks": [TINY, TINY], "weights": [2, 0.5]}],
        technology=SILICON,
        memory=SLOW,
        **SMALL,
    )
    store = tmp_path / "results.sqlite"
    assert study.run(store, executor=Serial()).failed == 0
    frame = study.results(store)
    row = frame.iloc[1]
    suite = problems(study)[1]
    assert isinstance(suite, Problem)
    design = solve(suite)
    assert row["latency_s"] == design.metrics["latency_s"]
    assert row["latency_s@tiny.2"] == design.metrics["latency_s@tiny.2"]
    assert frame.iloc[0].isna()["latency_s@tiny"]
    again = study.run(store, executor=Serial(), resume=True)
    assert study.results(store).equals(frame)
    assert again.failed == 0


def test_regret_is_of_the_metric_that_is_named(tmp_path: Path) -> None:
    study = Study.grid(
        networks=[[TINY, TINY.batched(2)]],
        minimize="regret",
        regret_of="dram",
        technology=SILICON,
        memory=SLOW,
        **SMALL,
    )
    study.run(tmp_path / "results.sqlite", executor=Serial())
    row = study.results(tmp_path / "results.sqlite").iloc[0]
    (suite,) = problems(study)
    assert isinstance(suite, Problem)
    best = with_references(suite, "dram_bits")
    own = (row[name] / least for name, least in best.references.items())
    assert row["regret"] == pytest.approx(max(own))


def test_what_regret_is_of_needs_regret(tmp_path: Path) -> None:
    study = Study.grid(networks=TINY, regret_of="dram", minimize=["area", "regret"], **SMALL)
    study.run(tmp_path / "results.sqlite", executor=Serial())
    of_area, alone = study.results(tmp_path / "results.sqlite")["error"]
    assert "regret_of: says what minimize = 'regret' is of" in of_area
    assert "regret is of a suite" in alone


def test_sizes_are_said_of_onnx_files(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx_graphs import symbolic_rows

    onnx.save(symbolic_rows("n", 1), tmp_path / "rows.onnx")
    files = {"networks": ["rows.onnx", TINY], "folder": tmp_path}
    for dims in ({"n": 7}, "n=7", ["n=7"]):
        first, second = problems(Study.grid(dim=dims, **files))
        assert [layer.N * layer.P for layer in first.network.layers][:1] == [7]
        assert second.network == TINY
    with pytest.raises(SpecError, match="dim: no network is an"):
        Study.grid(networks=TINY, dim="n=7")
    with pytest.raises(SpecError, match="dim: 'n=7,m=8': one dimension each time"):
        Study.grid(dim="n=7,m=8", **files)


def test_a_sweep_with_weights_is_of_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--rows", "4", "--cols", "8", "--bits", "8", "--on-chip", "none", "--json")
    limits = ("--max-latency-ms", "tpu_mlp0=9,tpu_mlp1=3", "--max-latency-ms", "50")
    code, out, _ = run(
        capsys,
        "sweep",
        "tpu_mlp0",
        "tpu_mlp1",
        "--weights",
        "2,1",
        *small,
        *limits,
        "--workers",
        "1",
    )
    rows = json.loads(out)
    assert code == 0
    assert [row["max_latency_ms"] for row in rows] == ["tpu_mlp0=9,tpu_mlp1=3", "50.0"]
    assert [row["network"] for row in rows] == ["2*tpu_mlp0 + tpu_mlp1"] * 2
    for row in rows:
        if row["status"] == "optimal":
            shares = row["latency_s@tpu_mlp0"], row["latency_s@tpu_mlp1"]
            assert row["latency_s"] == pytest.approx(2 * shares[0] + shares[1])


def test_single_images_stand_beside_batches_with_their_rates(tmp_path: Path) -> None:
    study = Study.grid(networks=TINY, batch=[1, 2], **SMALL)
    study.run(tmp_path / "results.sqlite", executor=Serial())
    frame = study.results(tmp_path / "results.sqlite")
    assert frame["images_per_s"].tolist() == pytest.approx([1, 2] / frame["latency_s"])
    assert frame["interval_s"].tolist() == pytest.approx(frame["latency_s"] / [1, 2])
