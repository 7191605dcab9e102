"""Keys of cells: a hash over all that an answer depends on, the same in every process."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from sources import HELPERS
from study_grids import GRID, SILICON, SLOW, problems, questions
from study_work import TINY

from codesign.files import canonical_json, sha256
from codesign.problem.choices import Choices
from codesign.specs.network import Layer
from codesign.study import Study
from codesign.study.cell_keys import ADDED_FIELDS


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
        {"dram_gbit_per_s": 153.6, "dram_pj_per_bit": 20.3},
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
# Where they do because a description got a field, its neutral value belongs into `ADDED_FIELDS`.
GOLDEN = (
    "5d906fe23901d01ce9b6f1fad1cbac23cc221bc3779496cd38197f97ad90a852",
    "1e08252d260713e3cb0d4cbe538ede427a20a86e222cf087109a633dad30ccd1",
)


@pytest.mark.slow
def test_the_hash_is_the_same_in_every_process() -> None:
    here = [
        question.sha256
        for question in questions(Study.grid(networks=[TINY], on_chip="none", **GRID))
    ]
    script = (
        "from study_grids import GRID, questions\n"
        "from study_work import TINY\n"
        "from codesign.study import Study\n"
        "print(*[q.sha256 for q in questions(Study.grid(networks=[TINY], on_chip='none', **GRID))])"
    )
    places = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
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
