"""Files of hybrids: right ones hold, and a figure that is altered anywhere is found."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from altered import Path_, findings, matches, numbers, put, unnoticed
from random_hybrids import hybrid_case

from codesign import solve
from codesign.checking.digest import DIGEST

TOLD = "layers", "tensor_bits", "metrics", "throughput", "segment"
SEEDS = (2, 27)


def content_of(seed: int, kind: str = "") -> Any:
    """Of the best hybrid of a problem without budgets; no digest tells of what is altered."""
    problem = replace(hybrid_case(seed, kind).problem, budgets={}, quality=None)
    content = json.loads(json.dumps(solve(problem, ties="leave").to_dict()))
    del content[DIGEST]
    return content


def is_free(_content: Any, path: Path_) -> bool:
    """Whether a number is no figure; a start by itself decides what waits, see below."""
    return path[0] not in TOLD or matches(r"layers\.\d+\.start", path)


@pytest.mark.parametrize(("seed", "kind"), [*((x, "") for x in SEEDS), (9, "energy")])
def test_every_figure_of_a_hybrid_is_compared(seed: int, kind: str) -> None:
    content = content_of(seed, kind)
    assert findings(content) == []
    assert ("energy_j" in content["metrics"]) == (kind == "energy")
    assert unnoticed(content, is_free, most=40, ways=3) == []
    inside = {row["name"] for row in content["segment"]["layers"]}
    for path, value in numbers(content):
        if matches(r"layers\.\d+\.start", path):
            altered = findings(put(content, path, value + 1e-3))
            assert altered or content["layers"][int(path[1])]["name"] not in inside


def test_a_segment_of_other_layers_is_refused() -> None:
    content = content_of(SEEDS[0])
    layers = content["segment"]["layers"]
    assert findings(put(content, ("segment", "layers"), [*layers, layers[0]]))
    assert findings(put(content, ("segment", "layers"), []))
    del content["segment"]
    assert findings(content)
