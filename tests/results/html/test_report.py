"""Pages of results say what their reports and tables say, in charts too, and nothing forged."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from command_line import SMALL, TINY
from markup import HOSTILE
from pages import Page
from pictures import CONV1, FC, GIVEN, NETWORK, TENSORS, designed
from pipelines import dataflow, made_up
from random_hybrids import hybrid_case
from rich.table import Table

import codesign
from codesign.cli import app, inputs
from codesign.problem.file import problem_to_dict
from codesign.results.design import Design
from codesign.results.html.page import page
from codesign.results.html.report import page_title, result_tabs, tabs_of
from codesign.results.html.reproduce import command_words
from codesign.results.text.assignment import assignment_parts
from codesign.results.text.design import design_parts, evaluation_parts
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.front import front_parts
from codesign.results.text.pipeline import pipeline_parts
from codesign.specs.load import load_network
from codesign.specs.network import Network


def shown(result: Any, **beside: Any) -> Page:
    """The page of a result."""
    return Page(page(page_title(result), result_tabs(result, **beside)))


@pytest.fixture(scope="module")
def design() -> Design:
    """A small network, with tensors on chip."""
    return designed(NETWORK.layers, TENSORS, on_chip="bands", rows=(2, 4))


@pytest.fixture(scope="module")
def front() -> codesign.Front:
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices, quality="uniform:4")
    return codesign.pareto(problem, ["latency", "area"], 4)


def told(parts: Iterable[Any]) -> tuple[set[str], list[str]]:
    """The cells of all tables and the lines of all else."""
    cells, lines = set[str](), list[str]()
    for part in parts:
        if isinstance(part, Table):
            cells |= {str(x) for column in part.columns for x in column.cells}
        elif str(part):
            lines.append(str(part))
    return cells, lines


def check_all_is_told(found: Page, parts: Iterable[Any]) -> None:
    """Every cell and line of a report is in the page as it is there."""
    cells, lines = told(parts)
    assert cells <= {*found.cells}
    assert [x for x in lines if x not in found.text] == []


def check_charts(found: Page, least: int) -> None:
    """Plotly takes every chart, and knows every property in it."""
    assert len(found.charts) >= least
    for chart in found.charts:
        text = re.sub(r'"theme:\w+"', '"#123456"', json.dumps(chart))
        go.Figure(**json.loads(text))


def test_a_design_is_told_as_in_its_report(design: Design) -> None:
    found = shown(design)
    check_all_is_told(found, design_parts(design))
    check_charts(found, 5)
    tabs = ["summary", "layers", "roofline", "SRAM", "energy", "proof", "problem", "reproduce"]
    assert found.tabs == tabs
    assert "figures hold" in found.text
    assert json.dumps(problem_to_dict(design.problem), indent=1, ensure_ascii=False) in found.text


def test_charts_of_a_design_have_its_figures(design: Design) -> None:
    charts = {x["layout"]["yaxis"]["title"]["text"]: x["data"] for x in shown(design).charts}
    rows = design.layer_designs
    bars = [x for x in charts["latency (ms)"] if x["type"] == "bar"]
    heights = dict(pair for x in bars for pair in zip(x["x"], x["y"], strict=True))
    assert [heights[n] for n in range(1, len(rows) + 1)] == [
        pytest.approx(1e3 * row.latency_s) for row in rows
    ]
    points = [x for x in charts["attained, 2 operations a MAC (GOPS)"] if x["mode"] == "markers"]
    gops = sorted(y for x in points for y in x["y"])
    assert {*gops} == {*design.layers["gops"]}
    energy = charts["energy (mJ)"]
    assert sum(sum(x["y"]) for x in energy) == pytest.approx(1e3 * design.metrics["energy_j"])
    widths = {x["name"]: x.get("y") for x in charts["width (bits)"]}
    assert widths["weights"] == [row.weight_bits for row in rows]


def test_a_suite_tells_its_members() -> None:
    suite = codesign.Suite([load_network("tpu_mlp0"), load_network("tpu_mlp1")])
    choices = codesign.Choices(rows=(8,), cols=(8,), on_chip="none", weight_bits=(8,))
    problem = codesign.Problem(network=suite.network, choices=choices, budgets={"area_mm2": 3.0})
    found = codesign.solve(problem)
    check_all_is_told(shown(found), design_parts(found))


def test_an_evaluation_is_told_as_in_its_report() -> None:
    for roofline in ("tiled", "ideal"):
        found = codesign.evaluate(NETWORK, GIVEN, 8, roofline=roofline)
        made = shown(found)
        check_all_is_told(made, evaluation_parts(found))
        check_charts(made, 3 if roofline == "ideal" else 4)
    dark = codesign.evaluate(NETWORK, replace(GIVEN, dram_bits_per_s=None), 8)
    made = shown(dark)
    check_all_is_told(made, evaluation_parts(dark))
    assert "roofline" not in made.tabs


def test_a_pipeline_is_told_as_in_its_report() -> None:
    found = made_up(dataflow(NETWORK))
    made = Page(page("a", tabs_of(found)))
    check_all_is_told(made, pipeline_parts(found))
    check_charts(made, 3)


def test_an_assignment_is_told_as_in_its_report() -> None:
    problem = codesign.Problem(network=NETWORK, objective="model_bits", quality="uniform:5")
    found = codesign.assign(problem)
    made = shown(found)
    check_all_is_told(made, assignment_parts(found))
    check_charts(made, 1)


def test_an_explanation_has_a_tab_beside_its_own_design_alone(design: Design) -> None:
    why = design.explain()
    made = shown(design, explanation=why)
    check_all_is_told(made, explanation_parts(why))
    assert made.tabs[-3:] == ["explanation", "problem", "reproduce"]
    check_all_is_told(shown(why), explanation_parts(why))
    other = designed(NETWORK.layers, TENSORS, on_chip="none")
    with pytest.raises(codesign.SpecError, match="of another design"):
        shown(other, explanation=why)


def test_a_certificate_is_verified(design: Design, tmp_path: Path) -> None:
    codesign.certify(design).save(tmp_path / "proof.json")
    made = shown(design, certificate=tmp_path / "proof.json")
    assert "proven in exact arithmetic" in made.text
    content = json.loads((tmp_path / "proof.json").read_text())
    content["bound"] *= 2
    (tmp_path / "proof.json").write_text(json.dumps(content))
    with pytest.raises(codesign.SpecError, match="codesign check tells all"):
        shown(design, certificate=tmp_path / "proof.json")


def test_a_figure_that_does_not_hold_has_no_page(design: Design) -> None:
    metrics = {**design.metrics, "bops": design.metrics["bops"] / 2}
    with pytest.raises(codesign.SpecError, match=r"bops.*codesign check tells all"):
        shown(replace(design, metrics=metrics))


def test_a_front_shows_the_designs_of_its_points(front: codesign.Front, tmp_path: Path) -> None:
    made = shown(front)
    check_all_is_told(made, front_parts(front))
    check_charts(made, 1 + 5 * len(front))
    assert made.tabs[:2] == ["front", "designs"]
    assert made.tabs.count("reproduce") == len(front)
    for design in front.whole_designs:
        check_all_is_told(made, design_parts(design)[2:3])
    (points, *_) = made.charts
    drawn = [n for x in points["data"] for n in x.get("customdata", ())]
    assert sorted(drawn) == [*range(len(front))]
    front.save(tmp_path / "front.csv")
    kept = codesign.Front.load(tmp_path / "front.csv")
    assert shown(kept).tabs == ["front"]
    assert shown(kept, designs=front.whole_designs).text == made.text
    with pytest.raises(codesign.SpecError, match="not of point 1"):
        shown(kept, designs=front.whole_designs[::-1])
    with pytest.raises(codesign.SpecError, match="give that of each point"):
        shown(kept, designs=front.whole_designs[1:])


def test_a_front_of_three_has_a_chart_of_each_pair() -> None:
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices)
    found = codesign.pareto(problem, ["latency", "area", "noise"], 4)
    made = shown(found)
    check_all_is_told(made, front_parts(found))
    axes = [(x["layout"]["xaxis"], x["layout"]["yaxis"]) for x in made.charts[:3]]
    words = [(x["title"]["text"], y["title"]["text"]) for x, y in axes]
    assert words[0] == ("area (mm²)", "latency (ms)")
    assert words[1:] == [("noise", "latency (ms)"), ("noise", "area (mm²)")]


@pytest.mark.parametrize("name", [HOSTILE[1], HOSTILE[4], "</script><b>%{x}$x$"])
def test_names_of_files_are_shown_and_not_obeyed(name: str) -> None:
    def made(word: str) -> Page:
        layers = replace(CONV1, name=word, input=word), replace(FC, C=64, input="a")
        tensors = {word: TENSORS["image"], "a": 64, "scores": 10}
        network = Network(name=word, layers=layers, tensors=tensors)
        choices = codesign.Choices(rows=(2,), cols=(4,), weight_bits=(8,), activation_bits=(8,))
        problem = codesign.Problem(network=network, choices=choices, budgets={"area_mm2": 0.5})
        return shown(codesign.solve(problem))

    plain, hostile = made("plain"), made(name)
    assert hostile.tags == plain.tags
    assert hostile.programs == plain.programs
    hovers = [x for c in hostile.charts for t in c["data"] for x in t.get("hovertext", ())]
    assert hovers
    assert not [x for x in hovers if re.search(r"<(?!br>)", x)]


def test_hybrids_are_told_as_in_their_report() -> None:
    found = codesign.solve(hybrid_case(1).problem)
    made = shown(found)
    check_all_is_told(made, pipeline_parts(found))
    check_charts(made, 3)
    area = next(x for x in made.charts if x["layout"]["yaxis"]["title"]["text"] == "area (mm²)")
    assert sum(sum(x["y"]) for x in area["data"]) == pytest.approx(found.metrics["area_mm2"])


def test_programs_shown_solve_the_problem_again(
    design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    problem = codesign.Problem(network=NETWORK, objective="model_bits", quality="uniform:5")
    piped = replace(dataflow(NETWORK), budgets={"area_mm2": 5.0})
    for found in (design, codesign.assign(problem), codesign.solve(piped)):
        found.save("result.json")
        programs = [x for x in shown(found).codes if x.startswith("import codesign")]
        assert len(programs) == 1
        names: dict[str, Any] = {}
        exec(programs[0], names)
        assert dict(names["again"].metrics) == dict(found.metrics)


COMMANDS = [
    "resnet18 --max-area-mm2 6",
    "alexnet --max-latency-ms 3.3 --minimize area --memory hbm2 --clock-mhz 700",
    "vgg16 --batch 4 --rows 8,16 --cols 8 --square --max-area-mm2 5.7 --quality sqnr:30",
    "resnet18 --mapping window,output --reconfigurable --fill-cycles --precision widening",
    "resnet18 --dram-gbit-per-s 12.5 --weight-bits 4,8 --activation-bits 8 --max-noise 0.1",
    "resnet18 --sram-kbit 512,1024 --on-chip none --pin weight:conv1=8 --tie --output-bits 6",
    "resnet18 --technology finn-lut --max-lut 200000 --max-bram 1000 --on-chip none",
    "resnet18 --architecture dataflow --max-area-mm2 60 --minimize interval --sram dual-port",
]


def asked(words: list[str]) -> codesign.Problem:
    """The problem that the words of solve pose."""
    context = app.solve.make_context("solve", words)
    (problem,) = inputs.problems(context.params)
    return problem


@pytest.mark.parametrize("words", COMMANDS)
def test_the_command_shown_poses_the_same_problem(words: str) -> None:
    problem = asked(shlex.split(words))
    again = command_words(problem, "solve")
    assert again is not None
    assert again[0] == "solve"
    assert problem_to_dict(asked(again[1:])) == problem_to_dict(problem)


def test_no_command_is_shown_that_poses_another_problem(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    of_a_file = asked([str(tmp_path / "tiny.toml"), *SMALL])
    assert command_words(of_a_file, "solve") is None
    problem = asked(["resnet18", "--max-area-mm2", "6"])
    another = replace(load_network("alexnet"), name="resnet18")
    assert (
        command_words(replace(problem, network=another, quality=None, budgets={}), "solve") is None
    )
