"""Whole explanations of designs with tensors on chip, held to plain enumeration."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import oracle
from compare_explanations import check_runner_up, check_side, random_points, with_more_sram

from codesign import Choices, Explanation, Problem, solve
from codesign.problem.places import DEFAULT_FUSED_LAYERS
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text
from codesign.tasks.explain import explain

OF_MAPPINGS = ("mapping", "one mapping", "own mappings")


def compare_explanation(problem: Problem, points: list[oracle.Point]) -> bool:
    """Explain the best design of a problem, if it has one, in steps of 20 %."""
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
    changes = {each.change for each in explanation.runner_ups}
    assert changes & {*OF_MAPPINGS} == _of_mappings(problem.choices)
    on_chip, worth = explanation.design.on_chip or {}, explanation.residency
    kept, bands = ([x for x, y in on_chip.items() if y == place] for place in ("chip", "band"))
    assert worth is not None
    assert [each.name for each in worth.tensors] == kept
    assert (worth.fusion is not None) == (problem.choices.on_chip == "bands")
    assert [each.name for each in (worth.fusion.bands if worth.fusion else ())] == bands
    assert ("all in DRAM" in changes) == bool(kept or bands)
    assert ("nothing fused" in changes) == bool(bands)
    check_file(explanation)
    return True


def others(explanation: Explanation, points: list[oracle.Point]) -> dict[str, list[oracle.Point]]:
    """The designs that differ from the one explained in one thing."""
    problem: Problem = explanation.design.problem
    mine, step = explanation.design.hardware, explanation.step
    array, pes = (mine.rows, mine.cols), (mine.pe_weight_bits, mine.pe_activation_bits)
    most, least = math.floor((1 - step) * mine.sram_bits), math.ceil((1 + step) * mine.sram_bits)
    choices = replace(problem.choices, places=dict.fromkeys(problem.network.tensors, "dram"))
    apart = replace(problem, choices=unfused(problem.choices))
    return {
        **_other_mappings(problem, mine.mapping, points),
        "array": [p for p in points if p.hardware[:2] != array],
        "PE widths": [p for p in points if p.hardware[2:4] != pes],
        "less SRAM": [p for p in points if p.sram_bits <= most],
        "more SRAM": with_more_sram(points, least, problem),
        "all in DRAM": random_points(replace(problem, choices=choices)),
        "nothing fused": random_points(apart) if explanation.design.fused_runs else [],
    }


def _of_mappings(choices: Choices) -> set[str]:
    """What is asked of mappings where several are on offer."""
    if len(choices.mapping) == 1:
        return set()
    return {"one mapping"} if choices.reconfigurable else {"mapping", "own mappings"}


def _other_mappings(
    problem: Problem, mine: tuple[str, ...], points: list[oracle.Point]
) -> dict[str, list[oracle.Point]]:
    """The designs of another mapping, and those where layers have their own, or have not."""
    choices = problem.choices
    if len(choices.mapping) == 1:
        return {}
    other = replace(problem, choices=replace(choices, reconfigurable=not choices.reconfigurable))
    if choices.reconfigurable:
        return {"one mapping": random_points(other)}
    own = random_points(other)
    return {"mapping": [p for p in points if p.hardware.mapping != mine], "own mappings": own}


def unfused(choices: Choices) -> Choices:
    """The same without fused layers, and without a word on bands."""
    places = {name: place for name, place in choices.places.items() if place != "band"}
    return replace(choices, on_chip="tensors", fused_layers=DEFAULT_FUSED_LAYERS, places=places)


def check_file(explanation: Explanation) -> None:
    """What is written is read back, and shown the same."""
    content = json.loads(json.dumps(explanation.to_dict()))
    again = Explanation.from_dict(content, "file")
    assert again.residency == explanation.residency
    assert json.loads(json.dumps(again.to_dict())) == content
    shown = [to_text(explanation_parts(x), terminal=False) for x in (explanation, again)]
    assert shown[0] == shown[1]
