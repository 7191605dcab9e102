"""Layers that use the weights of others: every answer is that of plain enumeration.

One width, one noise and one size in the model for all uses; cycles and traffic for each.
"""

from __future__ import annotations

import compare_designs
import compare_fronts
import pytest
import random_assignments
from certified import certify_and_check
from enumerated_fronts import front_case
from random_bands import bands_case
from random_on_chip import on_chip_case
from random_problems import Case, random_case
from seeds import check_all, half_long

import codesign
from codesign.errors import InfeasibleError
from codesign.search.bounds import relaxation


def drawn(seed: int) -> Case:
    """Problem number ``seed``, with such layers; some move data or share widths as well."""
    return random_case(seed, reusing=True, moving=seed % 4 == 1, sharing=seed % 4 == 2)


def check(seed: int) -> None:
    case = drawn(seed)
    compare_designs.compare(case)
    if seed % 3 == 0:
        compare_designs.compare(case, "whole")


def check_certificate(seed: int) -> None:
    try:
        design = codesign.solve(drawn(seed).problem)
    except InfeasibleError:
        return
    certify_and_check(design)


def placed(seed: int) -> Case:
    """Where tensors may stay on chip, or layers be fused."""
    return on_chip_case(seed, "reusing") if seed % 2 else bands_case(seed, "reusing")


def check_placed(seed: int) -> None:
    compare_designs.compare(placed(seed))


def check_placed_certificate(seed: int) -> None:
    try:
        design = codesign.solve(placed(seed).problem)
    except InfeasibleError:
        return
    certify_and_check(design)


def check_front(seed: int) -> None:
    compare_fronts.compare(front_case(seed, reusing=True))


def assigned(seed: int) -> random_assignments.Case:
    """Where no hardware is chosen."""
    return random_assignments.random_case(seed, costly=seed % 3 == 0, reusing=True)


def check_assignment(seed: int) -> None:
    case = assigned(seed)
    truth = random_assignments.best(case)
    ask = case.problem, case.table
    if truth is None:
        with pytest.raises(InfeasibleError):
            codesign.assign(*ask, costs=case.costs, fixed=case.fixed)
        return
    found = codesign.assign(*ask, costs=case.costs, fixed=case.fixed)
    assert found.proof.status == "optimal"
    for metric in (case.problem.objective, *random_assignments.TIES):
        assert found.metrics[metric] == pytest.approx(truth.metrics[metric], rel=3e-9, abs=1e-300)
    inner = {x: bits for x, bits in found.widths.items() if x in truth.widths}
    (same,) = (each for each in case.all if each.widths == inner)
    assert found.metrics == pytest.approx(same.metrics, rel=1e-12)


CHECKS = {  # with seeds of which each has such layers
    "solve": (check, (1, 2, 4, 5, 6, 8, 10, 11, 12, 13)),
    "certify": (check_certificate, (16, 18, 19, 20, 22, 23)),
    "placed": (check_placed, (0, 1, 2, 4, 5)),
    "certify placed": (check_placed_certificate, (6, 7, 8)),
    "pareto": (check_front, (0, 2, 3, 4)),
    "assign": (check_assignment, (1, 2, 3, 4, 5, 6, 8, 9)),
}
CASES = {
    "solve": drawn,
    "certify": drawn,
    "placed": placed,
    "certify placed": placed,
    "pareto": lambda seed: front_case(seed, reusing=True),
    "assign": assigned,
}


@pytest.mark.parametrize(
    ("kind", "seed"),
    half_long([(kind, seed) for kind, (_, seeds) in CHECKS.items() for seed in seeds]),
)
def test_answer_is_the_enumerated_one(kind: str, seed: int) -> None:
    CHECKS[kind][0](seed)


@pytest.mark.parametrize("kind", CASES)
def test_every_problem_has_such_layers(kind: str) -> None:
    for seed in CHECKS[kind][1]:
        layers = CASES[kind](seed).problem.network.layers
        assert any(layer.weights_of is not None for layer in layers)


@pytest.mark.long
@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("first", [1000, 1100, 1200])
def test_answer_is_the_enumerated_one_long(kind: str, first: int) -> None:
    check_all(range(first, first + 100), CHECKS[kind][0])


@pytest.mark.parametrize("seed", [2, 5, 8, 12])
def test_uses_cut_from_their_width_bear_shares_of_it(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaxation, "MAX_TABLE", 3)
    monkeypatch.setattr(relaxation, "MAX_FINE_TABLE", 9)
    check(seed)
