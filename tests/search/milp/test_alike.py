"""Counts of layers alike: a bound that never rules out the optimum, and mostly reaches it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import compare_designs
import pytest
from random_on_chip import on_chip_case
from seeds import check_all
from sharing_layers import recurrent, repeated

import codesign
from codesign import Choices, Network, Problem
from codesign.search.milp import alike, solve

KINDS = ("repeated", "repeated", "plain", "sharing", "reusing", "moving", "in place")
CHOICES = Choices(rows=(2, 4), cols=(2, 4), weight_bits=(2, 3, 4, 6), activation_bits=(2, 4, 8))


@pytest.fixture(autouse=True)
def _any_network_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "LEAST_LAYERS", 1)
    monkeypatch.setattr(alike, "LEAST_ALIKE", 0)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6, 7, 8, 9, 14, 15, 21])
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    compare_designs.compare(on_chip_case(seed, KINDS[seed % len(KINDS)]))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1700, 100))
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    def check(seed: int) -> None:
        compare_designs.compare(on_chip_case(seed, KINDS[seed % len(KINDS)]))

    check_all(range(first, first + 100), check)


def drawn(seed: int) -> Problem:
    """A network of alike blocks, beyond enumeration."""
    rng = random.Random(f"alike {seed}")
    network = recurrent(8) if seed % 3 == 2 else repeated(rng, layers=rng.choice((6, 8, 9)))
    problem = Problem(
        network=network,
        choices=CHOICES,
        dram_bits_per_s=10 ** rng.uniform(9, 10.5),
        objective=rng.choice(("latency_s", "latency_s", "dram_bits", "noise")),
        budgets={"area_mm2": 10 ** rng.uniform(-1.7, -1)},
    )
    return replace(problem, quality=None if problem.objective == "noise" else "uniform:3")


def check_against_uncounted(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same optimum and ties as where every layer is listed."""
    problem, found = drawn(seed), Counter[str]()
    told = solve._least_by_counts

    def counted(*given: object) -> tuple[float, float]:
        found["counted"] += 1
        return told(*given)

    monkeypatch.setattr(solve, "_least_by_counts", counted)
    mine = codesign.solve(problem)
    monkeypatch.setattr(alike, "LEAST_LAYERS", 10**6)
    theirs = codesign.solve(problem)
    monkeypatch.setattr(alike, "LEAST_LAYERS", 1)
    assert mine.proof.status == theirs.proof.status == "optimal"
    for metric in (problem.objective, "area_mm2", "noise"):
        assert mine.metrics[metric] == pytest.approx(theirs.metrics[metric], rel=1e-9)
    SEEN.update(found)


SEEN: Counter[str] = Counter()


@pytest.mark.parametrize("seed", [0, 2, 4, 5])
def test_counted_and_listed_layers_have_one_optimum(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_against_uncounted(seed, monkeypatch)


def test_layers_were_counted() -> None:
    assert SEEN["counted"] >= 2


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_counted_and_listed_layers_have_one_optimum_long(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_against_uncounted(seed, monkeypatch)


def test_few_layers_alike_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "LEAST_ALIKE", 8)
    problem = Problem(network=chain_of_all_sizes(), choices=CHOICES, quality="uniform:3")
    assert codesign.solve(problem).proof.status == "optimal"


def chain_of_all_sizes() -> Network:
    """No two layers are alike."""
    rng = random.Random("sizes")
    made = repeated(rng, layers=4)
    return replace(made, name="sizes")
