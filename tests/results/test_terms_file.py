"""Files of results on machines with optional terms: keys, round trips, altered numbers, explained.

A key of a term is there where the term is.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from altered import alterations, findings, put
from machine_terms import all_terms_case

import codesign
from codesign import Design, Evaluation, InfeasibleError, evaluate
from codesign.results.explanation import Explanation

TERMS = ("overlap", "weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits")


@cache
def designs() -> list[Design]:
    """The best designs of random problems, some with fused layers."""
    found: list[Design] = []
    for seed in range(300, 340):
        try:
            found.append(codesign.solve(all_terms_case(seed).problem))
        except InfeasibleError:
            continue
        if len(found) >= 4 and any(design.fused_runs for design in found):
            return found
    raise AssertionError("no layers are fused")


def written(result: Design | Evaluation) -> Any:
    return json.loads(json.dumps(result.to_dict()))


def evaluation_of(design: Design) -> Evaluation:
    """The design's hardware and places, evaluated."""
    places: dict[str, Any] = dict(design.on_chip or {})
    mode: Any = design.problem.choices.on_chip
    return evaluate(design.network, design.accelerator, design.widths, on_chip=mode, places=places)


@pytest.mark.slow
def test_round_trips_and_keys(tmp_path: Path) -> None:
    for design in designs():
        for result in (design, evaluation_of(design)):
            path = tmp_path / "result.json"
            result.save(path)
            loaded = type(result).load(path)
            assert loaded.to_dict() == result.to_dict()
            content = json.loads(path.read_text(encoding="utf-8"))
            assert findings(content) == []
            given = (
                content["accelerator"]
                if "accelerator" in content
                else (content["problem"]["choices"])
            )
            choices = design.problem.choices
            there = {name for name in TERMS if getattr(choices, name) not in (None, 1.0)}
            assert there == {*TERMS} & given.keys()


@pytest.mark.slow
def test_the_evaluated_design_is_the_solved_one() -> None:
    for design in designs():
        metrics = evaluation_of(design).metrics
        for name in ("latency_s", "dram_bits", "area_mm2"):
            assert metrics[name] == pytest.approx(design.metrics[name], rel=1e-12)


@pytest.mark.slow
def test_altered_terms_are_told() -> None:
    told = tried = 0
    for design in designs():
        content = written(design)
        choices = content["problem"]["choices"]
        path = ("problem", "choices", "overlap")
        if "overlap" in choices and design.metrics["latency_s"] > 0:
            for altered in alterations(content, path, choices["overlap"]):
                tried += 1
                told += bool(findings(altered))
        for name in TERMS[1:]:
            if name in choices:  # another area, and a part of some tile does not fit
                tried += 1
                told += bool(findings(put(content, ("problem", "choices", name), 1)))
    assert tried > 5
    assert told == tried


@pytest.mark.slow
def test_an_explanation_keeps_latencies_that_are_neither_time() -> None:
    design = next(x for x in designs() if x.problem.choices.overlap < 1)
    explanation = design.explain(step=0.2)
    again = Explanation.from_dict(json.loads(json.dumps(explanation.to_dict())), "given.json")
    assert again.latency_share == pytest.approx(explanation.latency_share)
    assert sum(again.latency_share.values()) == pytest.approx(1)
    rows = again.design.layer_designs
    assert [x.latency_s for x in rows] == [x.latency_s for x in design.layer_designs]
