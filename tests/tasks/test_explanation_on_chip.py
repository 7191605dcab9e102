"""Explanations of designs whose tensors may stay on chip, held to plain enumeration."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import oracle
import pytest
from compare_explanations import check_runner_up, check_side, random_points, with_more_sram
from random_on_chip import KINDS, on_chip_case
from seeds import check_all

from codesign import Explanation, Problem, SpecError, solve
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text
from codesign.tasks.explain import explain

SOME = [("plain", 1), ("plain", 4), ("moving", 2), ("sharing", 3), ("in place", 1), ("deep", 0)]
LONG_BLOCKS = range(100, 160, 20)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), SOME)
def test_every_figure_is_the_enumerated_one(kind: str, seed: int) -> None:
    assert compare(kind, seed)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_every_figure_is_the_enumerated_one_long(kind: str, first: int) -> None:
    check_all(range(first, first + 20), lambda seed: compare(kind, seed))


def compare(kind: str, seed: int) -> bool:
    """Explain the best design of a problem, if it has one, in steps of 20 %."""
    problem, points = on_chip_case(seed, kind)
    if oracle.best(points, problem.objective, problem.budgets) is None:
        return False
    explanation = explain(solve(problem), step=0.2)
    for each in explanation.sensitivities:
        for side in (each.less, each.more):
            budgets, other = {**problem.budgets, each.name: side.value}, problem
            if each.kind == "platform":
                budgets, other = problem.budgets, replace(problem, **{each.name: side.value})
            check_side(side, each.value, random_points(other), problem, budgets)
    for each in explanation.runner_ups:
        check_runner_up(each, others(explanation, points)[each.change], explanation.design)
    kept = [x for x, place in (explanation.design.on_chip or {}).items() if place == "chip"]
    assert explanation.residency is not None
    assert [each.name for each in explanation.residency.tensors] == kept
    assert ("all in DRAM" in {each.change for each in explanation.runner_ups}) == bool(kept)
    check_file(explanation)
    return True


def others(explanation: Explanation, points: list[oracle.Point]) -> dict[str, list[oracle.Point]]:
    """The designs that differ from the one explained in one thing."""
    problem: Problem = explanation.design.problem
    mine, step = explanation.design.hardware, explanation.step
    array, pes = (mine.rows, mine.cols), (mine.pe_weight_bits, mine.pe_activation_bits)
    most, least = math.floor((1 - step) * mine.sram_bits), math.ceil((1 + step) * mine.sram_bits)
    choices = replace(problem.choices, places=dict.fromkeys(problem.network.tensors, "dram"))
    return {
        "array": [p for p in points if p.hardware[:2] != array],
        "PE widths": [p for p in points if p.hardware[2:] != pes],
        "less SRAM": [p for p in points if p.sram_bits <= most],
        "more SRAM": with_more_sram(points, least, problem),
        "all in DRAM": random_points(replace(problem, choices=choices)),
    }


def check_file(explanation: Explanation) -> None:
    """What is written is read back, and shown the same."""
    content = json.loads(json.dumps(explanation.to_dict()))
    again = Explanation.from_dict(content, "file")
    assert again.residency == explanation.residency
    assert json.loads(json.dumps(again.to_dict())) == content
    shown = [to_text(explanation_parts(x), terminal=False) for x in (explanation, again)]
    assert shown[0] == shown[1]


def explained() -> Explanation:
    """An explanation of a design with a tensor on chip."""
    for seed in range(20):
        problem, points = on_chip_case(seed)
        if oracle.best(points, problem.objective, problem.budgets) is not None:
            design = solve(problem)
            if "chip" in (design.on_chip or {}).values():
                return design.explain()
    raise AssertionError("no design keeps a tensor on chip")


def test_reports_say_what_stays_is_worth(tmp_path: Path) -> None:
    explanation = explained()
    text = to_text(explanation_parts(explanation), terminal=False)
    assert "saves latency" in text
    assert "one Mbit more, an SRAM of " in text
    assert "no tensor on chip" in text
    path = tmp_path / "worth.json"
    explanation.save(path)
    assert Explanation.load(path).residency == explanation.residency


def test_files_without_residents_hold_nothing_of_them() -> None:
    explanation = explained()
    content = explanation.to_dict()
    del content["residency"]
    content["runner_ups"] = [x for x in content["runner_ups"] if x["change"] != "all in DRAM"]
    old = Explanation.from_dict(content, "file")
    assert old.residency is None
    assert "residency" not in old.to_dict()
    text = to_text(explanation_parts(old), terminal=False)
    assert "resident" not in text
    assert "no tensor on chip" not in text
    content["residency"] = {"metric": "area_mm2"}
    with pytest.raises(SpecError, match="residency"):
        Explanation.from_dict(content, "file")
