"""Grids: which cells a study has, what each asks, and one line for what it cannot ask."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from study_grids import SILICON, SLOW, parameters, problems, questions
from study_work import TINY

from codesign.errors import SpecError
from codesign.problem.problem import Problem
from codesign.specs import load
from codesign.specs.network import Network
from codesign.study import Study
from codesign.study.grid_file import FRONT_OBJECTIVES, FRONT_POINTS, NOT_OF_FRONTS, front_terms


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
