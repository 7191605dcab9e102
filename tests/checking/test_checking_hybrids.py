"""Files of hybrids: right ones hold, and a figure that is altered anywhere is found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from altered import Path_, findings, matches, numbers, put, unnoticed
from random_hybrids import drawn_hybrid, hybrid_case

from codesign import SpecError, solve
from codesign.checking.digest import DIGEST
from codesign.results.dataflow_design import DataflowDesign

TOLD = "layers", "tensor_bits", "metrics", "throughput", "segments"
SEEDS = (2, 27)
DRAWN, LONG_DRAWN = range(12), range(100, 400)


def content_of(seed: int, kind: str = "") -> Any:
    """Of the best hybrid of a problem without budgets; no digest tells of what is altered."""
    problem = replace(hybrid_case(seed, kind).problem, budgets={}, quality=None)
    content = json.loads(json.dumps(solve(problem, ties="leave").to_dict()))
    del content[DIGEST]
    return content


def is_free(_content: Any, path: Path_) -> bool:
    """Whether a number is no figure; a start by itself decides what waits, see below."""
    return path[0] not in TOLD or matches(r"layers\.\d+\.start", path)


@pytest.mark.parametrize(("seed", "kind"), [*((x, "") for x in SEEDS), (9, "energy"), (7, "fpga")])
def test_every_figure_of_a_hybrid_is_compared(seed: int, kind: str) -> None:
    content = content_of(seed, kind)
    assert findings(content) == []
    assert ("energy_j" in content["metrics"]) == (kind == "energy")
    assert unnoticed(content, is_free, most=40, ways=3) == []
    inside = {row["name"] for x in content["segments"] for row in x["layers"]}
    for path, value in numbers(content):
        if matches(r"layers\.\d+\.start", path):
            altered = findings(put(content, path, value + 1e-3))
            assert altered or content["layers"][int(path[1])]["name"] not in inside


def test_a_segment_of_other_layers_is_refused() -> None:
    content = content_of(SEEDS[0])
    layers = content["segments"][0]["layers"]
    assert findings(put(content, ("segments", 0, "layers"), [*layers, layers[0]]))
    assert findings(put(content, ("segments", 0, "layers"), []))
    del content["segments"]
    assert findings(content)


def hold(seed: int) -> None:
    """Figures of a hybrid of two segments, whatever it is made of."""
    design = drawn_hybrid(seed)
    assert len(design.segments) == 2
    assert findings(json.loads(json.dumps(design.to_dict()))) == []
    again = DataflowDesign.from_dict(json.loads(json.dumps(design.to_dict())), "again")
    assert again.segments == design.segments


@pytest.mark.parametrize("seed", DRAWN)
def test_figures_of_two_segments_hold(seed: int) -> None:
    hold(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_DRAWN)
def test_figures_of_more_of_two_segments_hold(seed: int) -> None:
    hold(seed)


def two() -> Any:
    """The file of a hybrid of two segments; no digest tells of what is altered."""
    content = json.loads(json.dumps(drawn_hybrid(1).to_dict()))
    del content[DIGEST]
    return content


def test_every_figure_of_two_segments_is_compared() -> None:
    content = two()
    assert findings(content) == []
    assert unnoticed(content, is_free, most=40, ways=3) == []


def test_segments_in_another_order_or_of_the_same_layers_are_refused() -> None:
    content = two()
    first, second = content["segments"]
    for altered in ([second, first], [first, first], [first, second, second], [first]):
        wrong = put(content, ("segments",), altered)
        assert findings(wrong)
        with pytest.raises(SpecError):
            DataflowDesign.from_dict(wrong, "wrong")


def test_a_file_of_the_only_segment_is_read_as_it_was_written_once() -> None:
    content = content_of(SEEDS[0])
    (only,) = content.pop("segments")
    content["segment"] = only
    assert findings(content) == []
    again = DataflowDesign.from_dict(content, "old").to_dict()["segments"]
    assert json.loads(json.dumps(again)) == [only]
    assert findings({**content, "segments": [only]})
