"""Explanations of machines with several mappings, held to plain enumeration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare_whole_explanations import compare_explanation
from random_on_chip import on_chip_case
from seeds import check_all
from study_work import TINY

from codesign import Choices, Explanation, Problem, solve
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text

SOME = [("several", 3), ("several", 5), ("reconfigurable", 0), ("widening", 0), ("terms", 2)]
LONG_BLOCKS = range(100, 160, 20)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "seed"), SOME)
def test_every_figure_is_the_enumerated_one(machine: str, seed: int) -> None:
    assert compare(machine, seed)


@pytest.mark.long
@pytest.mark.parametrize("machine", ["several", "reconfigurable", "widening", "terms"])
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_every_figure_is_the_enumerated_one_long(machine: str, first: int) -> None:
    check_all(range(first, first + 20), lambda seed: compare(machine, seed))


def compare(machine: str, seed: int) -> bool:
    return compare_explanation(*on_chip_case(seed, "plain", machine))


def explained(**more: bool) -> Explanation:
    choices = Choices(
        mapping=("window", "output"),
        rows=(2, 4),
        cols=(1, 2),
        weight_bits=(4, 8),
        activation_bits=(4, 8),
        **more,
    )
    problem = Problem(network=TINY, choices=choices, budgets={"area_mm2": 0.2})
    return solve(problem).explain()


@pytest.mark.slow
def test_reports_and_files_say_what_other_mappings_are_worth(tmp_path: Path) -> None:
    fixed = explained()
    changes = [each.change for each in fixed.runner_ups]
    assert changes[:3] == ["array", "mapping", "own mappings"]
    lines = to_text(explanation_parts(fixed), terminal=False).splitlines()
    rows = {row[:24].strip(): row[24:] for row in lines}
    (mine,) = fixed.design.hardware.mapping
    other = {"window": "output", "output": "window"}[mine]
    assert other in rows["another mapping"]
    assert "window/output by layer" in rows["each layer's own mapping"]
    own = fixed.runner_ups[2]
    assert own.loss is not None
    assert own.loss <= 0  # a choice more costs nothing
    fixed.save(tmp_path / "fixed.json")
    again = Explanation.load(tmp_path / "fixed.json")
    assert again.runner_ups == fixed.runner_ups
    assert to_text(explanation_parts(again), terminal=False).splitlines() == lines


@pytest.mark.slow
def test_gains_carry_a_sign(tmp_path: Path) -> None:
    fixed = explained()
    own = replace(fixed.runner_ups[2], loss=-0.25 * fixed.design.metrics["latency_s"])
    shown = replace(fixed, runner_ups=(own,))
    text = to_text(explanation_parts(shown), terminal=False)
    (row,) = [line for line in text.splitlines() if line.startswith("each layer's own mapping")]
    assert row.split()[-1] == "−25"
    assert row.split()[-2].startswith("−")


@pytest.mark.slow
def test_a_reconfigurable_machine_is_held_against_one_mapping() -> None:
    found = explained(reconfigurable=True)
    assert [each.change for each in found.runner_ups][:2] == ["array", "one mapping"]
    one = found.runner_ups[1]
    assert one.hardware is not None
    assert len(one.hardware.mapping) == 1
    assert one.loss is not None
    assert one.loss >= 0
    text = to_text(explanation_parts(found), terminal=False)
    assert "window/output by layer, SRAM" in text.splitlines()[1]
    assert "one mapping for all layers" in text
