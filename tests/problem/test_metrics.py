"""Metrics by either of their names, wherever one is asked for; files hold one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import BUDGET, SMALL, run

import codesign
from codesign import Problem, Study
from codesign.errors import SpecError
from codesign.problem.metrics import SEARCHED, WORDS
from codesign.specs.load import load_network, load_technology
from codesign.study.cell_keys import QuestionBuilder
from codesign.study.grid_file import front_terms

BOTH = [(word, metric) for word, metric in WORDS.items()]


def test_each_metric_has_one_word() -> None:
    assert sorted(WORDS.values()) == sorted(SEARCHED)


@pytest.mark.parametrize(("word", "metric"), BOTH)
def test_python_takes_both_names(word: str, metric: str) -> None:
    network = load_network("alexnet")
    name = "finn-lut" if metric in ("lut", "dsp", "bram") else "tsmc28"
    given: dict[str, Any] = {"network": network, "technology": load_technology(name)}
    found = Problem(**given, objective=word, budgets={word: 0.5})
    assert found == Problem(**given, objective=metric, budgets={metric: 0.5})
    assert found.objective == metric
    assert {*found.budgets} == {metric}


@pytest.mark.parametrize(("word", "metric"), [pair for pair in BOTH if pair[0] != pair[1]])
def test_a_budget_under_both_names_is_refused(word: str, metric: str) -> None:
    with pytest.raises(SpecError, match=f"{word} and {metric} are one metric"):
        Problem(network=load_network("alexnet"), budgets={word: 1.0, metric: 1.0})


@pytest.mark.parametrize("name", ["latencys", "AREA", "", "cycles", "cost", "cost:"])
def test_another_name_is_refused_with_those_known(name: str) -> None:
    with pytest.raises(SpecError, match="latency_s, area_mm2"):
        Problem(network=load_network("alexnet"), objective=name)
    with pytest.raises(SpecError, match="latency_s, area_mm2"):
        Problem(network=load_network("alexnet"), budgets={name: 1.0})


def test_the_command_line_takes_both_names(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one question asked in both ways the files are the same, but for times."""
    files = []
    for name in ("area", "area_mm2"):
        out = tmp_path / f"{name}.json"
        assert run(capsys, "solve", tiny, *SMALL, "--minimize", name, "--out", str(out))[0] == 0
        files.append(json.loads(out.read_text()))
    assert files[0]["problem"] == files[1]["problem"]
    assert files[0]["problem"]["objective"] == "area_mm2"
    points = []
    for first, second in (("latency", "area"), ("latency_s", "area_mm2")):
        out = tmp_path / "front.csv"
        asked = ("--objectives", f"{first},{second}", "--range", f"{second}=0.01:1")
        assert (
            run(capsys, "pareto", tiny, *SMALL, *asked, "--points", "2", "--out", str(out))[0] == 0
        )
        points.append(pd.read_csv(out).drop(columns=["seconds", "front"]))  # times stand there
    pd.testing.assert_frame_equal(*points)
    for name in ("model", "model_bits"):
        code, told, _ = run(capsys, "assign", tiny, "--minimize", name, "--json")
        assert code == 0
        assert json.loads(told)["problem"]["objective"] == "model_bits"


def test_fronts_take_both_names(tiny: str) -> None:
    network = load_network(Path(tiny))
    problem = Problem(network=network, choices=codesign.Choices(rows=(1, 2), cols=(1, 2)))
    fronts = [
        codesign.pareto(problem, names, 2, ranges={names[1]: (0.01, 1.0)})
        for names in (("latency", "area"), ("latency_s", "area_mm2"))
    ]
    assert fronts[0].objectives == fronts[1].objectives == ("latency_s", "area_mm2")
    assert (fronts[0].values == fronts[1].values).all()


def questions(**grid: Any) -> list[str]:
    study = Study.grid(networks=["alexnet"], **grid)
    return [QuestionBuilder(study.front).question(cell).sha256 for cell in study.cells()]


@pytest.mark.parametrize(("word", "metric"), BOTH)
def test_a_study_asks_the_same_by_both_names(word: str, metric: str) -> None:
    assert questions(minimize=word) == questions(minimize=metric)
    other = "noise" if word != "noise" else "bops"
    short = front_terms({"objectives": [word, other], "ranges": {word: [1, 2]}}, {})
    assert short == front_terms({"objectives": [metric, other], "ranges": {metric: [1, 2]}}, {})


def test_a_picture_of_a_study_takes_both_names(tmp_path: Path, tiny: str) -> None:
    study = Study.grid(networks=[tiny], max_area_mm2=[0.1, float(BUDGET[1])], rows="1", cols="1")
    study.run(tmp_path / "s.sqlite", executor=codesign.study.Serial())
    for name in ("latency", "latency_s"):
        study.plot(tmp_path / "s.sqlite", tmp_path / "s.png", x="max_area_mm2", y=name)
