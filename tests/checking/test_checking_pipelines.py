"""Files of pipelines: right ones hold, and a figure that is altered anywhere is found."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from altered import Path_, at, findings, matches, numbers, put, unnoticed
from built_pipelines import drawn
from pipelines import tiny
from random_dataflow import KINDS, dataflow_case
from seeds import check_all

import codesign
from codesign.checking import check_content
from codesign.checking.digest import DIGEST
from codesign.errors import SpecError

TOLD = "layers", "tensor_bits", "metrics", "throughput"
SEEDS = 1


def files(seed: int, kind: str, count: int) -> list[Any]:
    """Of some pipelines of a problem without budgets; no digest tells of what is altered."""
    problem, groups = dataflow_case(seed, kind)
    problem, rng = replace(problem, budgets={}, quality=None), random.Random(seed)
    drawn_ones = [drawn(rng, problem, groups)[0] for _ in range(count if _any(groups) else 0)]
    found = [json.loads(json.dumps(design.to_dict())) for design in drawn_ones]
    for content in found:
        del content[DIGEST]
    return found


def _any(groups: Any) -> bool:
    return any(group.bases for group in groups)


def is_free(_content: Any, path: Path_) -> bool:
    """Whether a number is no figure; a start by itself decides what waits, see below."""
    return path[0] not in TOLD or matches(r"layers\.\d+\.start", path)


def check(kind: str, seed: int) -> None:
    for content in files(seed, kind, 3):
        assert findings(content) == []
    for content in files(seed, kind, 1):
        assert unnoticed(content, is_free, most=25, ways=3) == []
        for path, value in numbers(content):
            if matches(r"layers\.\d+\.start", path):
                assert findings(put(content, path, value + 1e-3))


@pytest.mark.parametrize("kind", KINDS)
def test_figures_of_drawn_pipelines(kind: str) -> None:
    check_all(range(SEEDS), lambda seed: check(kind, seed))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_figures_of_many_drawn_pipelines(kind: str) -> None:
    check_all(range(SEEDS, 60), lambda seed: check(kind, seed))


def test_choices_that_are_not_on_offer() -> None:
    (content,) = files(1, "plain", 1)
    falses: list[tuple[Path_, object]] = [
        (("layers", 0, "rows"), 7),
        (("layers", 0, "mapping"), "diagonal"),
        (("layers", 0, "weights"), None),
        (("layers", 0, "weights"), "dram"),
        (("layers", 0, "band_rows"), 10**6),
        (("layers", 0, "memory_bits", "fifos"), {"nothing": 8.0}),
        (("problem", "choices", "architecture"), ["array"]),
        (("problem", "choices", "architecture"), ["dataflow", "dataflow"]),
        (("problem", "choices", "sram_bits"), [8192]),
        (("problem", "choices", "overlap"), 0.5),
        (("problem", "technology", "sram_area_um2", "intercept"), -1.0),
    ]
    for path, value in falses:
        assert at(content, path[:-1]) is not None
        assert len(findings(put(content, path, value))) > 0, path


def test_stages_that_are_not_as_given() -> None:
    problem = tiny(("dataflow",), objective="interval", budgets={"area_mm2": 0.1})
    stages = {"a": codesign.GivenStage(rows=1, cols=4, weights="chip", band_rows=2)}
    choices = replace(problem.choices, stages=stages)
    content = json.loads(json.dumps(codesign.solve(replace(problem, choices=choices)).to_dict()))
    del content[DIGEST]
    assert findings(content) == []
    given = "problem", "choices", "stages"
    falses: list[tuple[Path_, object]] = [
        ((*given, "a", "rows"), 4),
        ((*given, "a", "cols"), 1),
        ((*given, "a", "band_rows"), 1),
        ((*given, "a", "weights"), "stream"),
        ((*given, "a"), {"mapping": "output"}),
        ((*given, "a"), {"start": 0}),
        ((*given, "a"), 3),
        (given, {"c": {}}),
        (given, []),
        (("problem", "choices", "architecture"), ["array", "dataflow"]),
    ]
    for path, value in falses:
        assert len(findings(put(content, path, value))) > 0, path


@pytest.mark.parametrize("objective", ["interval_s", "latency_s"])
def test_a_design_of_either_architecture_is_held_to_the_bounds_of_both(objective: str) -> None:
    asked = {"objective": objective, "budgets": {"area_mm2": 0.05}}
    design = codesign.solve(tiny(("array", "dataflow"), **asked))
    assert isinstance(design, codesign.Design) == (objective == "latency_s")
    content = json.loads(json.dumps(design.to_dict()))
    del content[DIGEST]
    assert findings(content) == []
    tried = content["architectures"]
    for n, told in enumerate(tried):
        for false in (
            [{**told, "bound": told["bound"] / 2} if m == n else x for m, x in enumerate(tried)],
            [{**told, "bound": None} if m == n else x for m, x in enumerate(tried)],
            [{**x, "outcome": "best" if m == n else "no better"} for m, x in enumerate(tried)],
            [{**told, "outcome": "no better"} if m == n else x for m, x in enumerate(tried)],
            [told],
            [told, *tried],
        ):
            same = false == tried
            assert bool(findings({**content, "architectures": false})) != same, false


def test_what_is_no_certificate_proves_nothing() -> None:
    (content,) = files(1, "plain", 1)
    with pytest.raises(SpecError, match=r"format 'codesign-design/1', expected codesign-certif"):
        check_content(content, "given", {"format": "codesign-design/1"})
    report = check_content(content, "given", {"format": "codesign-certificate/1"})
    assert report.findings
    assert not report.proven
