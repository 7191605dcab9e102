"""Grids: which cells a study has, what each asks, and one line for what it cannot ask."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import TINY as TINY_TOML
from sources import HELPERS
from study_work import SMALL, TINY

from codesign.errors import SpecError
from codesign.files import canonical_json, sha256
from codesign.problem.choices import Choices
from codesign.problem.file import problem_from_dict
from codesign.problem.problem import Problem
from codesign.specs import load
from codesign.specs.network import Layer, Network
from codesign.specs.technology import AreaFit, Memory, Technology
from codesign.study import Study
from codesign.study.cell_keys import ADDED_FIELDS, QuestionBuilder, parameters_json
from codesign.study.grid_file import FRONT_OBJECTIVES, FRONT_POINTS, NOT_OF_FRONTS, front_terms
from codesign.study.records import Question

FLAT = AreaFit(slope=1.0, intercept=1.0)
SILICON = Technology(name="silicon", pe_area_um2=FLAT, sram_fits={"sram": FLAT}, sram="sram")
SLOW = Memory(name="slow", transfer_rate_gt_per_s=0.5, bus_width_bits=8)


def questions(study: Study) -> list[Question]:
    builder = QuestionBuilder(study.front)
    return [builder.question(cell) for cell in study.cells()]


def problems(study: Study) -> list[Problem]:
    found = []
    for question in questions(study):
        assert question.refused is None
        asked = json.loads(question.text)["problem"]
        assert asked["network"] == question.network_sha256 == sha256(question.network)
        network = json.loads(question.network)
        found.append(problem_from_dict({**asked, "network": network}, "question"))
    return found


def parameters(study: Study) -> list[dict[str, Any]]:
    return [cell.parameters for cell in study.cells()]


# --- expansion ----------------------------------------------------------------------------------


def test_every_combination_once() -> None:
    study = Study.grid(
        max_area_mm2=[1, 2.5],
        networks=[TINY, "alexnet"],
        quality=["uniform:5", "none"],
        square=True,
    )
    assert len(study) == 8
    found = [tuple(cell.values()) for cell in parameters(study)]
    assert found == [
        (network, area, quality, True)
        for network in ("tiny", "alexnet")
        for area in (1.0, 2.5)
        for quality in ("uniform:5", "none")
    ]
    assert list(parameters(study)[0]) == ["network", "max_area_mm2", "quality", "square"]


def test_values_reach_the_problem() -> None:
    study = Study.grid(
        networks=[TINY],
        technologies=[SILICON],
        memories=[SLOW],
        clock_mhz=100,
        max_latency_ms=2,
        bits=[[4, 6], "8"],
        pin={"weight:fc": 6},
        output_bits=4,
        batch=2,
        minimize="area",
        quality=None,
    )
    first, second = problems(study)
    assert first.network == TINY.batched(2)
    assert first.technology == SILICON
    assert (first.dram_bits_per_s, first.clock_hz) == (4e9, 1e8)
    assert first.choices.weight_bits == (4, 6)
    assert second.choices.activation_bits == (8,)
    assert first.choices.pinned == {"weight:fc": 6}
    assert first.choices.output_bits == 4
    assert (first.objective, first.quality) == ("area_mm2", "uniform:6")
    assert first.budgets["latency_s"] == 2e-3
    assert parameters(study)[0]["bits"] == "4,6"
    assert parameters(study)[0]["pin"] == "weight:fc=6"


def test_images_per_second_are_a_latency_of_the_batch() -> None:
    found = problems(Study.grid(networks=[TINY], min_fps=[100, 250], batch=5))
    assert [problem.budgets["latency_s"] for problem in found] == [5 / 100, 5 / 250]


def test_defaults_are_those_of_the_command_line() -> None:
    (found,) = problems(Study.grid(network="alexnet"))
    network = load.load_network("alexnet")
    expected = Problem(network=network, quality="uniform:6")
    assert found.choices == expected.choices
    assert found.budgets == expected.budgets
    assert found.dram_bits_per_s == expected.dram_bits_per_s
    (question,) = questions(Study.grid(network="alexnet"))
    how = json.loads(question.text)
    assert (how["method"], how["rel_gap"], how["time_limit_s"]) == ("search", 1e-6, None)


@pytest.mark.parametrize("value", ["none", None])
def test_a_budget_may_be_absent_in_some_cells(value: str | None) -> None:
    study = Study.grid(networks=[TINY], max_area_mm2=[1, value])
    assert [cell["max_area_mm2"] for cell in parameters(study)] == [1.0, None]
    assert ["area_mm2" in problem.budgets for problem in problems(study)] == [True, False]


def test_axes_may_be_arrays_and_hold_a_value_twice() -> None:
    study = Study.grid(networks=[TINY, TINY], max_area_mm2=np.linspace(1, 2, 3), batch=range(1, 3))
    assert len(study) == 6
    assert {cell["max_area_mm2"] for cell in parameters(study)} == {1.0, 1.5, 2.0}


def test_sensitivity_is_a_table() -> None:
    table = {
        source: {str(bits): 2.0**-bits for bits in (4, 6)}
        for source in ("weight:conv1", "weight:fc", "tensor:image", "tensor:a")
    }
    study = Study.grid(networks=[TINY], bits="4,6", sensitivity=[None, table], quality="uniform:6")
    plain, measured = problems(study)
    assert plain.sensitivity is None
    assert measured.noise_of("weight:fc", 4) == 2**-4
    assert measured.budgets["noise"] == 4 * 2**-6
    assert [len(str(cell["sensitivity"] or "")) for cell in parameters(study)] == [0, 8]


def test_what_makes_no_problem_is_a_cell_all_the_same() -> None:
    study = Study.grid(networks=[TINY], pin=[{}, {"weight:nix": 4}])
    fine, refused = questions(study)
    assert fine.refused is None
    assert refused.refused is not None
    assert "no such weight-owning layer" in refused.refused


def test_a_front_leaves_the_noise_free_where_it_is_an_objective() -> None:
    noisy = Study.grid(networks=[TINY], front={"objectives": ["noise", "area_mm2"]})
    assert problems(noisy)[0].budgets == {}
    usual = Study.grid(networks=[TINY], front={})
    assert "noise" in problems(usual)[0].budgets
    assert json.loads(questions(usual)[0].text)["front"] == {
        "objectives": [*FRONT_OBJECTIVES],
        "points": FRONT_POINTS,
        "ranges": {},
        "rel_step": 0.0,
    }


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "networks: missing"),
    ({"networks": []}, "networks: an axis without values"),
    ({"networks": ["resnt18"]}, "networks[0]: networks: no 'resnt18'; did you mean 'resnet18'?"),
    ({"networks": "no/such.toml"}, "networks: no/such.toml: cannot be read: No such file"),
    ({"networks": [3]}, "networks[0]: 3 is neither a name nor a file nor a Network"),
    ({"networks": None}, "networks: None is neither a name nor a file"),
    ({"networks": [TINY], "network": TINY}, "network: network is given twice"),
    ({"max_aera_mm2": 1}, "unknown 'max_aera_mm2'; did you mean 'max_area_mm2'? (known: networks,"),
    ({"out": "x"}, "unknown 'out'"),
    ({"max_area_mm2": [1, "six"]}, "max_area_mm2[1]: 'six' is not a number"),
    ({"max_area_mm2": -1}, "max_area_mm2: '-1' is not a positive number"),
    ({"max_area_mm2": float("nan")}, "'nan' is not a positive number"),
    ({"max_area_mm2": True}, "max_area_mm2: True is neither a number nor a word"),
    ({"max_area_mm2": [[1, 2]]}, "max_area_mm2[0]: [1, 2] is neither a number nor a word"),
    ({"max_area_mm2": {1, 2}}, "max_area_mm2: a set has no order"),
    ({"max_area_mm2": {"a": 1}}, "neither a number nor a word"),
    ({"quality": ["uniform:6", "6"]}, "quality[1]: quality '6': write uniform:<bits>"),
    ({"minimize": "power"}, "minimize: 'power' is not one of 'latency', 'area'"),
    ({"batch": [1, 1.5]}, "batch[1]: '1.5' is not a valid integer"),
    ({"bits": [4, 6, 8]}, "bits: a list holds the values of an axis; write [[4, 6, 8]] or '4,6,8'"),
    ({"rows": [[4, 0]]}, "rows[0]: 0 is not between 1 and 65536"),
    ({"bits": [[4, [6]]]}, "bits[0]: [6] is neither a number nor a word"),
    ({"square": [1]}, "square[0]: 1 is neither true nor false"),
    ({"pin": ["weight:fc"]}, "pin[0]: 'weight:fc': write weight:LAYER=BITS"),
    ({"pin": 3}, "pin: 3 is neither a word nor a list of words"),
    ({"pin": [3]}, "pin[0]: 3 is neither a word nor a list of words"),
    ({"group": 3}, "group: 3 is neither a word nor a list of words"),
    ({"sram": "\ud800"}, "sram: 'utf-8' codec can't encode"),
    ({"batch": 16**5000}, "batch: Exceeds the limit"),
    (
        {"max_area_mm2": range(1, 2000), "clock_mhz": range(1, 2000)},
        "4e+06 cells; a study has at most 1,000,000, shorten its axes",
    ),
    ({"name": "\udcff"}, "name: '\\udcff' is no name"),
    ({"pin": {"weight:fc": 40}}, "pin: 40 is not between 1 and 32"),
    ({"sensitivity": 3}, "sensitivity: write a table of noise"),
    ({"sensitivity": "x"}, "sensitivity: x: a table of sensitivity ends in .csv or .toml"),
    ({"sensitivity": "no.csv"}, "sensitivity: no.csv: cannot be read: No such file"),
    ({"granularity": "tensor"}, "unknown 'granularity'"),
    ({"sensitivity": {"weight:fc": {"x": 1}}}, "sensitivity: weight:fc: 'x' is no bitwidth"),
    ({"quality": ["none", "uniform:4"], "max_noise": 1}, "quality and max_noise contradict"),
    ({"max_latency_ms": 1, "min_fps": 9}, "max_latency_ms and min_fps contradict each other"),
    ({"bits": "4", "weight_bits": "4"}, "bits and weight_bits contradict each other"),
    ({"memory": "hbm2", "dram_gbit_per_s": 1}, "memory and dram_gbit_per_s contradict each other"),
    ({"name": ""}, "name: '' is no name"),
    ({"front": 3}, "front: 3: give a table"),
    ({"front": {"points": 10**7}}, "and 1,000,000 at most"),
    ({"front": {"ranges": {"area_mm2": "12"}}}, "front.ranges.area_mm2: give a lower and a high"),
    ({"front": {"ranges": {"area_mm2": [1, 10**400]}}}, "front.ranges.area_mm2: give a lower"),
    ({"front": {"ranges": {"area_mm2": [1, 2, 3]}}}, "front.ranges.area_mm2: give a lower and"),
    ({"front": {"point": 3}}, "front: unknown 'point'; did you mean 'points'?"),
    ({"front": {"objectives": "latency_s"}}, "front.objectives: give a list"),
    ({"front": {"objectives": ["latency", "aera"]}}, "front.objectives: unknown 'aera'"),
    ({"front": {"objectives": ["latency", "latency_s"]}}, "two or three different metrics"),
    ({"front": {"points": 1}}, "front.points: 1: give 'all' or a whole number"),
    ({"front": {"rel_step": 0.1}}, "front.rel_step: says how far points = 'all' goes"),
    ({"front": {"rel_step": "a", "points": "all"}}, "front.rel_step: 'a': give a number"),
    ({"front": {"ranges": 3}}, "front.ranges: give a table"),
    ({"front": {"ranges": {"noise": [1, 2]}}}, "front.ranges: 'noise' is no objective"),
    ({"front": {"ranges": {"area_mm2": [2, 1]}}}, "front.ranges.area_mm2: give a lower and a high"),
    ({"front": {"ranges": {"area_mm2": 3}}}, "front.ranges.area_mm2: give a lower and a higher"),
    ({"front": {}, "rel_gap": 0.1}, "rel_gap: has no meaning for fronts"),
]


@pytest.mark.parametrize(("given", "told"), BAD, ids=[told[:50] for _, told in BAD])
def test_bad_values_are_named(given: dict[str, Any], told: str) -> None:
    grid = given if {"networks"} & {*given} or not given else {"networks": [TINY], **given}
    with pytest.raises(SpecError) as raised:
        Study.grid(**grid)
    assert told in str(raised.value)


def test_no_quality_is_no_limit_on_noise() -> None:
    (problem,) = problems(Study.grid(networks=[TINY], quality="none", max_noise=0.5))
    assert (problem.quality, problem.budgets) == (None, {"noise": 0.5})


def test_two_networks_of_one_name_are_refused() -> None:
    other = Network(name="tiny", layers=TINY.batched(2).layers, tensors=TINY.batched(2).tensors)
    with pytest.raises(SpecError, match="two different ones are called 'tiny'"):
        Study.grid(networks=[TINY, other])


def test_words_without_a_meaning_for_fronts() -> None:
    for word in NOT_OF_FRONTS:
        with pytest.raises(SpecError, match=f"{word}: has no meaning for fronts"):
            front_terms({}, {word: 1})


# --- the hash -----------------------------------------------------------------------------------

GRID = {**SMALL, "max_area_mm2": [0.1, 0.2], "technology": SILICON, "memory": SLOW}


def test_the_hash_covers_what_the_answer_depends_on() -> None:
    base: dict[str, Any] = {"networks": [TINY], "max_area_mm2": 1}
    variants: list[dict[str, Any]] = [
        {},
        {"max_area_mm2": 2},
        {"networks": [TINY.batched(2)]},
        {"technology": SILICON},
        {"memory": SLOW},
        {"clock_mhz": 100},
        {"quality": "uniform:5"},
        {"minimize": "area"},
        {"rows": "4"},
        {"pin": {"weight:fc": 4}},
        {"method": "whole"},
        {"rel_gap": 0.1},
        {"time_limit_s": 3},
        {"front": {}},
        {"front": {"points": 3}},
        {"front": {"points": "all"}},
    ]
    hashes = [questions(Study.grid(**{**base, **more}))[0].sha256 for more in variants]
    assert len({*hashes}) == len(variants)


def test_the_hash_knows_equal_questions() -> None:
    base = questions(Study.grid(networks=[TINY], max_area_mm2=1))[0]
    same: list[dict[str, Any]] = [
        {"memory": "ddr4-2400"},
        {"max_area_mm2": "1.0"},
        {"dram_gbit_per_s": 153.6},
        {"quality": "uniform:6", "bits": "8,7,6,5,4,3,2"},
        {"batch": 1, "name": "other", "rel_gap": "0.000001"},
    ]
    for more in same:
        study = Study.grid(**{"networks": [TINY], "max_area_mm2": 1, **more})
        assert questions(study)[0] == base
    timed = questions(Study.grid(networks=[TINY], max_area_mm2=1, time_limit_s=9))[0]
    assert timed.untimed == base.untimed == base.sha256 != timed.sha256


def test_the_hash_is_that_of_the_text() -> None:
    for question in questions(Study.grid(networks=[TINY], **GRID)):
        assert sha256(question.text) == question.sha256
        assert canonical_json(json.loads(question.text)) == question.text


def test_later_fields_are_left_out_only_where_they_say_nothing() -> None:
    sized = {"name": "x", "K": 1, "C": 1, "input": "a", "output": "b"}
    for kind, described, needed in (("layer", Layer, sized), ("choices", Choices, {})):
        made = described(**needed)  # what a question without them is read as
        assert {name: getattr(made, name) for name in ADDED_FIELDS[kind]} == ADDED_FIELDS[kind]
    doubled = dataclasses.replace(TINY.layers[0], input_dilation=(1, 1))
    network = dataclasses.replace(TINY, layers=(doubled, TINY.layers[1]))
    plain, used = questions(Study.grid(networks=[TINY], tie=[False, True]))
    assert "input_dilation" not in plain.network
    assert "input_dilation" in questions(Study.grid(networks=[network]))[0].network
    assert problems(Study.grid(networks=[network]))[0].network == network
    assert "tied" not in plain.text
    assert json.loads(used.text)["problem"]["choices"]["tied"] is True
    grouped = Study.grid(networks=[TINY], group="weight:conv1,weight:fc")
    assert problems(grouped)[0].choices.shared == (("weight:conv1", "weight:fc"),)


# A store made by one version is continued by the next: these change only with the question itself.
# Where they do because a description got a field, its neutral value belongs into `LATER`.
GOLDEN = (
    "5d906fe23901d01ce9b6f1fad1cbac23cc221bc3779496cd38197f97ad90a852",
    "1e08252d260713e3cb0d4cbe538ede427a20a86e222cf087109a633dad30ccd1",
)


@pytest.mark.slow
def test_the_hash_is_the_same_in_every_process() -> None:
    here = [question.sha256 for question in questions(Study.grid(networks=[TINY], **GRID))]
    script = (
        "from test_study_grid import *\n"
        "print(*[q.sha256 for q in questions(Study.grid(networks=[TINY], **GRID))])"
    )
    here_and_helpers = [str(Path(__file__).parent), str(HELPERS), os.environ.get("PYTHONPATH", "")]
    places = os.pathsep.join(here_and_helpers)
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": places}
        ran = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        assert ran.stdout.split() == here
    assert tuple(here) == GOLDEN


# --- the file -----------------------------------------------------------------------------------

STUDY_TOML = """
name = "tiny budgets"
[grid]
networks = ["tiny.toml", "alexnet"]
max_area_mm2 = [0.1, 1, "none"]
bits = "4,6,8"
pin = { "weight:fc" = 8 }
[front]
objectives = ["latency", "area_mm2"]
points = 5
ranges = { area_mm2 = [0.01, 1] }
"""


def written(folder: Path, text: str) -> Path:
    (folder / "tiny.toml").write_text(TINY_TOML)
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_python_says(tmp_path: Path) -> None:
    study = Study.load(written(tmp_path, STUDY_TOML))
    same = Study.grid(
        name="tiny budgets",
        networks=["tiny.toml", "alexnet"],
        max_area_mm2=[0.1, 1, None],
        bits="4,6,8",
        pin=[["weight:fc=8"]],
        folder=tmp_path,
        front={"objectives": FRONT_OBJECTIVES, "points": 5, "ranges": {"area_mm2": (0.01, 1)}},
    )
    assert study == same
    assert [parameters_json(cell) for cell in study.cells()] == [
        parameters_json(cell) for cell in same.cells()
    ]
    assert questions(study) == questions(same)


def test_a_file_is_named_after_itself(tmp_path: Path) -> None:
    assert Study.load(written(tmp_path, '[grid]\nnetworks = "alexnet"')).name == "grid"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[grid", "grid.toml: not TOML: "),
        ("", "grid.toml: grid: missing"),
        ("grid = 3", "grid: must be a table, [grid]"),
        ("[grid]\n[font]", "unknown 'font'; did you mean 'front'? (known: name, grid, front)"),
        ("[grid]\nname = 'x'", "grid: unknown 'name'"),
        ("[grid]\nnetworks = 'nix.toml'", "nix.toml: cannot be read: No such file"),
        ("[grid]\nnetworks = 'grid.toml'", "a study's grid (TOML); wanted is a network"),
        ("[grid]\nnetworks = 'alexnet'\nqualty = 3", "grid.toml: unknown 'qualty'; did you mean"),
        ("name = 3\n[grid]\nnetworks = 'alexnet'", "grid.toml: name: 3 is no name"),
        ("a = " + "[" * 3000, "not "),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SpecError) as raised:
        Study.load(path)
    assert str(raised.value).startswith(str(path)) or str(path) in str(raised.value)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


# --- paths in a file ----------------------------------------------------------------------------

TABLE = "tensor,bits,loss\nweight:conv1,4,0.1\n"


def two_folders(folder: Path) -> tuple[Path, Path]:
    """A study's folder, and another one with a network, a table of noise and a link to it."""
    mine, other = folder / "mine", folder / "other"
    for made in (mine / "deeper", other):
        made.mkdir(parents=True)
    (other / "tiny.toml").write_text(TINY_TOML)
    (mine / "deeper" / "tiny.toml").write_text(TINY_TOML)
    (other / "noise.csv").write_text(TABLE)
    (mine / "link.toml").symlink_to(other / "tiny.toml")
    return mine, other


@pytest.mark.parametrize("key", ["networks", "technologies", "memories", "sensitivity"])
@pytest.mark.parametrize(
    "where", ["../other/FILE", "deeper/../../other/FILE", "OTHER/FILE", "../no/FILE", "link.toml"]
)
def test_a_file_names_no_file_out_of_its_folder(tmp_path: Path, key: str, where: str) -> None:
    mine, other = two_folders(tmp_path)
    named = where.replace("OTHER", str(other))
    named = named.replace("FILE", "noise.csv" if key == "sensitivity" else "tiny.toml")
    grid = {"networks": "alexnet", key: named}
    text = "".join(f"{word} = {json.dumps(value)}\n" for word, value in grid.items())
    path = written(mine, f"[grid]\n{text}")
    told = f"{path}: {key}: {named}: outside the study's folder; allow the folder it is in with"
    with pytest.raises(SpecError) as raised:
        Study.load(path)
    assert str(raised.value).startswith(told)
    with pytest.raises(SpecError, match="outside the study's folder"):
        Study.load(path, allow=[mine / "deeper"])


def test_files_of_folders_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = two_folders(tmp_path)
    names = ["../other/tiny.toml", str(other / "tiny.toml"), "link.toml", "./tiny.toml"]
    path = written(mine, f"[grid]\nnetworks = {json.dumps(names)}")
    monkeypatch.chdir(tmp_path)
    study = Study.load(path, allow=["other"])
    assert [cell["network"] for cell in parameters(study)] == names
    assert {network.network_sha256 for network in questions(study)} == {
        questions(Study.grid(networks=[TINY]))[0].network_sha256
    }
    path.write_text(f"[grid]\nnetworks = {json.dumps(['deeper/tiny.toml', names[3]])}")
    assert len(Study.load("mine/grid.toml")) == 2
    inside = f"[grid]\nnetworks = {json.dumps(str(mine / 'deeper' / 'tiny.toml'))}"
    path.write_text(inside)
    assert len(Study.load("mine/grid.toml")) == 1  # absolute, but within
    with pytest.raises(SpecError, match="nowhere: no such folder to allow"):
        Study.load(path, allow=["nowhere"])


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    with pytest.raises(SpecError, match=r"networks: loop\.toml: "):
        Study.load(written(tmp_path, "[grid]\nnetworks = 'loop.toml'"))


def test_python_may_name_any_file(tmp_path: Path) -> None:
    mine, other = two_folders(tmp_path)
    assert len(Study.grid(networks=["../other/tiny.toml"], folder=mine)) == 1
    assert len(Study.grid(networks=[other / "tiny.toml"])) == 1
