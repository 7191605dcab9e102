"""Suites in studies: cells of several networks, their limits, results and resumed runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_grids import SILICON, SLOW, parameters, problems, questions
from study_work import SMALL, TINY

from codesign import Problem, Suite, solve
from codesign.errors import SpecError
from codesign.study import Serial, Study


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
