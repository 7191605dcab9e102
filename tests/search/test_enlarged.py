"""Images that windows see enlarged: the optimum is the enumerated one, whatever stays on chip."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import dataflow_oracle
import pytest
from certified import certify_and_check
from compare_designs import compare
from compare_energy import check as compare_energy
from random_bands import bands_case
from random_dataflow import dataflow_case
from random_networks import Draft
from random_on_chip import on_chip_case
from random_problems import Case, random_case
from seeds import half_long, mostly_long

import codesign
from codesign.checking import check_content
from codesign.errors import InfeasibleError, SpecError
from codesign.search import lexicographic
from codesign.specs.layer import Layer


class Kind(NamedTuple):
    """Problems by their seeds, and those of the default run."""

    case: Callable[[int], Case]
    seeds: tuple[int, ...]


KINDS = {
    "dram": Kind(lambda seed: random_case(seed, moving=True), (0, 2, 3, 5)),
    "output": Kind(lambda seed: random_case(seed, moving=True, machine="mapping"), (1, 2)),
    "on chip": Kind(lambda seed: on_chip_case(seed, "moving"), (0, 1, 2, 4)),
    "bands": Kind(lambda seed: bands_case(seed, "chain"), (0, 1)),
    "broken bands": Kind(lambda seed: bands_case(seed, "broken"), (0,)),
}


@pytest.fixture(autouse=True)
def enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random layers see rows again where others see zeros; ties have their time in any case."""
    monkeypatch.setattr(Draft, "spread", "input_repetition")
    monkeypatch.setattr(lexicographic, "TIES_LEAST_S", 300.0)


def repeats(layer: Layer) -> bool:
    """Whether windows see its input enlarged."""
    return layer.input_repetition not in (1, (1, 1))


def check(seed: int, kind: str) -> int:
    """Layers that repeat, of a problem whose answer is the enumerated one and checks."""
    case = KINDS[kind].case(seed)
    compare(case)
    if seed % 3 == 0:
        compare(case, "whole")
    try:
        design = codesign.solve(case.problem)
    except InfeasibleError:
        return 0
    content = json.loads(json.dumps(design.to_dict()))
    assert check_content(content, "design").findings == ()
    assert codesign.Design.from_dict(content, "written").to_dict() == design.to_dict()
    if case.problem.objective != "energy_j":
        certify_and_check(design)
    return sum(map(repeats, design.network.layers))


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(KINDS))
def test_the_optimum_is_the_enumerated_one(kind: str) -> None:
    assert sum(check(seed, kind) for seed in KINDS[kind].seeds)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 300, 20))
@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_is_the_enumerated_one_at_length(first: int, kind: str) -> None:
    assert sum(check(seed, kind) for seed in range(first, first + 20))


def check_pipeline(seed: int) -> int:
    """The same of a pipeline of layers that have arrays of their own."""
    problem, groups = dataflow_case(seed, "moving")
    best = dataflow_oracle.best(problem, groups)
    try:
        design = codesign.solve(problem)
    except (InfeasibleError, SpecError):
        assert best is None
        return 0
    assert best is not None
    value = best.metrics[problem.objective]
    assert design.metrics[problem.objective] == pytest.approx(value, rel=1e-6)
    assert design.proof.status == "optimal"
    assert check_content(json.loads(json.dumps(design.to_dict())), "design").findings == ()
    return sum(map(repeats, problem.network.layers))


@pytest.mark.slow
def test_the_best_pipeline_is_the_enumerated_one() -> None:
    assert all(map(check_pipeline, (5, 9, 17, 30, 37)))


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 300, 20))
def test_the_best_pipeline_is_the_enumerated_one_at_length(first: int) -> None:
    assert sum(map(check_pipeline, range(first, first + 20)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seed"), mostly_long([("tensors", 7), ("none", 0), ("none", 3)], 1)
)
def test_the_least_energy_is_the_enumerated_one(kind: str, seed: int) -> None:
    compare_energy(seed, kind)
