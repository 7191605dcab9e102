"""Explanations of designs whose tensors may stay on chip, held to plain enumeration."""

from __future__ import annotations

from pathlib import Path

import oracle
import pytest
from compare_whole_explanations import compare_explanation
from random_on_chip import KINDS, on_chip_case
from seeds import check_all, half_long

from codesign import Explanation, SpecError, solve
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text

SOME = [("plain", 1), ("plain", 4), ("moving", 2), ("sharing", 3), ("in place", 1), ("deep", 0)]
LONG_BLOCKS = range(100, 160, 20)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), half_long(SOME))
def test_every_figure_is_the_enumerated_one(kind: str, seed: int) -> None:
    assert compare(kind, seed)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_every_figure_is_the_enumerated_one_long(kind: str, first: int) -> None:
    check_all(range(first, first + 20), lambda seed: compare(kind, seed))


def compare(kind: str, seed: int) -> bool:
    return compare_explanation(*on_chip_case(seed, kind))


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
