"""Files in which weights are shared: their check, and what it finds where they are altered."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from sharing_layers import recurrent

import codesign
from codesign import Choices, Problem
from codesign.checking import check_content

CHOICES = Choices(rows=(2,), cols=(2,), weight_bits=(2, 4), activation_bits=(4, 8))
PROBLEM = Problem(network=recurrent(3), choices=CHOICES, quality="uniform:4")
SMALLEST = replace(PROBLEM, objective="model_bits")


@cache
def texts() -> dict[str, str]:
    """A design, an evaluation and an assignment."""
    files = (
        codesign.solve(PROBLEM),
        codesign.evaluate(recurrent(3), codesign.load_accelerator("eyeriss"), 4),
        codesign.assign(SMALLEST),
    )
    kinds = "design", "evaluation", "assignment"
    return {kind: json.dumps(file.to_dict()) for kind, file in zip(kinds, files, strict=True)}


KINDS = ("design", "evaluation", "assignment")


def found(kind: str, content: Any) -> list[str]:
    """Where the check finds something, leaving aside the digest."""
    report = check_content(content, f"{kind}.json")
    return [x.where for x in report.findings if x.where != "sha256"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold(kind: str) -> None:
    assert found(kind, json.loads(texts()[kind])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_use_of_another_width_is_found(kind: str) -> None:
    content = json.loads(texts()[kind])
    content["layers"][1]["weight_bits"] += 1
    assert any("layers[1]" in where and "weight_bits" in where for where in found(kind, content))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_counted_for_each_use_are_found(kind: str) -> None:
    content = json.loads(texts()[kind])
    content["metrics"]["model_bits"] *= 3
    assert "metrics.model_bits" in found(kind, content)


@pytest.mark.parametrize(("owner", "of"), [("l2", 1), ("l1", 1), ("none", 1), ("l1", 2), ("l0", 0)])
def test_weights_of_no_earlier_owner_are_found(owner: str, of: int) -> None:
    content = json.loads(texts()["design"])
    content["problem"]["network"]["layers"][of]["weights_of"] = owner
    assert any("layers" in where for where in found("design", content))


def test_more_weights_than_the_owner_has_are_found() -> None:
    content = json.loads(texts()["design"])
    network = content["problem"]["network"]
    network["layers"][2]["K"], network["tensors"]["t3"] = 4, 4
    assert any("'l2'" in where for where in found("design", content))
