"""Claims about energy within a whole range of SRAM; widths that noise leaves out of a proof.

On random tiny problems against plain enumeration: the least energy of one hardware option with no
less than so much SRAM, where power at all times grows with it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import product

import oracle
import pytest
from certified import as_checked, deep, problem_of, written
from enumerated_energy import EnergyPoint
from false_claims import closes, option_of, random_cuts
from random_energy import drawn

import codesign
from codesign import Choices, Problem, certify
from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.possible_widths import with_possible_widths
from codesign.checking.certificate.verify import Verifier
from codesign.checking.problem import Problem as CheckedProblem
from codesign.checking.width_problem import most_kept

SEEDS = {
    "none": range(21, 29),
    "tensors": (2, 3, 7, 11),
    "mapping": (3, 7, 20),
    "reconfigurable": (20, 21),
}
ABOVE, BELOW = Fraction(1, 10**9), Fraction(1, 10**6)  # relative, of claims beside the truth
MOST = 200_000  # partial choices of one range


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEEDS)
def test_a_whole_range_is_enumerated_exactly(kind: str) -> None:
    seen = hold_ranges(kind, SEEDS[kind])
    assert seen["false"] > 5
    assert seen["whole"] > 1  # and none was left open that is true


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1200, 50))
@pytest.mark.parametrize("kind", SEEDS)
def test_a_whole_range_is_enumerated_exactly_long(kind: str, first: int) -> None:
    hold_ranges(kind, range(first, first + 50))


@pytest.mark.long
@pytest.mark.parametrize("on_chip", ["none", "tensors"])
def test_a_shipped_network_is_proven_long(on_chip: str) -> None:
    problem = Problem(
        network=codesign.load_network("alexnet"),
        choices=Choices(on_chip=on_chip),
        quality="uniform:6",
        budgets={"area_mm2": 2.0},
        objective="energy_j",
    )
    design = codesign.solve(problem, ties="leave")
    certificate = certify(design)
    assert certificate.trusted == []
    assert deep(written(design.to_dict()), written(certificate.to_dict())).proven


def hold_ranges(kind: str, seeds: Iterable[int]) -> Counter[str]:
    """Hold claims about ranges to the least energy enumerated: a little above it, and below."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        problem, points = drawn(seed, kind)
        given = problem.technology.energy
        if not points or given is None or not given.static_w_per_mm2:
            continue
        rng = random.Random(f"range {kind} {seed}")
        hardware = rng.choice(points).hardware
        mine = [x for x in points if x.hardware == hardware]
        noise = rng.choice(mine).metrics["noise"]
        asked = replace(problem, objective="energy_j", budgets={"noise": noise}, quality=None)
        kept = [x for x in mine if x.metrics["noise"] <= noise * (1 + oracle.TOLERANCE)]
        for low in (1, rng.choice(mine).sram_bits):
            least = min(with_sram(asked, x, low) for x in kept)
            hold_range(rng, as_checked(asked), kept[0], low, Fraction(least), seen)
    return seen


def with_sram(problem: Problem, point: EnergyPoint, low: int) -> float:
    """The energy of a design that has no less SRAM than so much."""
    given = problem.technology.energy
    assert given is not None
    assert given.static_w_per_mm2 is not None
    area = oracle.area_mm2(problem, point.hardware, max(low, point.sram_bits))
    more_w = given.static_w_per_mm2 * (area - point.metrics["area_mm2"])
    return point.metrics["energy_j"] + more_w * point.metrics["latency_s"]


def hold_range(
    rng: random.Random,
    problem: CheckedProblem,
    point: EnergyPoint,
    low: int,
    least: Fraction,
    seen: Counter[str],
) -> None:
    """The same of one range, from so much SRAM on."""
    option = option_of(problem, point.hardware)
    group = OptionGroup((option.array,), (option.pe_bits,), sram_bits=(low, 10**9))
    for cuts in ([], random_cuts(rng, problem)):
        false = Verifier(problem, least * (1 + ABOVE), cuts)
        prices = [prices_near(rng, problem, least) for _ in range(3)]
        assert not closes(false, group, prices[0], MOST, prices[1:]), low
        seen["false"] += 1
    true = Verifier(problem, least * (1 - BELOW))
    prices = [prices_near(rng, problem, least) for _ in range(3)]
    if not closes(true, group, prices[0], 0):
        assert closes(true, group, prices[0], MOST, prices[1:]), low
        seen["whole"] += 1


def prices_near(
    rng: random.Random, problem: CheckedProblem, least: Fraction
) -> dict[str, Fraction]:
    """Of energy, and of noise about as much as all energy, or none."""
    price = Fraction(rng.choice((0.0, 10 ** rng.uniform(-2, 1)))) * least
    most = problem.budgets["noise"]
    return {"energy_j": Fraction(1), "noise": price / most if most else price}


@pytest.mark.slow
def test_widths_left_out_are_those_that_no_choice_within_the_noise_has() -> None:
    rng, seen = random.Random(7), Counter[bool]()
    for seed in range(30):
        checked = as_checked(replace(problem_of(seed).problem, budgets={}, quality=None))
        noises = [
            [sum(checked.noise_of(x, b) for x in each) for b in checked.allowed(each[0])]
            for each in checked.classes
        ]
        every = [*product(*(range(len(x)) for x in noises))]
        if not 1 < len(every) <= 500:
            continue
        totals = {x: sum(of[n] for of, n in zip(noises, x, strict=True)) for x in every}
        limit = rng.choice([*totals.values()])
        asked = replace(checked, objective="latency_s", budgets={"noise": limit})
        found = with_possible_widths(asked, Threshold.of(asked, Fraction(1)))
        kept = [x for x, total in totals.items() if total <= most_kept(limit)]
        for n, members in enumerate(checked.classes):
            widths = checked.allowed(members[0])
            right = tuple(widths[i] for i in sorted({x[n] for x in kept}))
            assert {found.allowed(x) for x in members} == {right}
            seen[right == widths] += 1
        assert checked.allowed(members[0]) == widths  # of the problem given, none is left out
    assert min(seen.values()) > 5


def test_a_limit_that_no_widths_keep_leaves_out_none() -> None:
    checked = as_checked(replace(problem_of(1).problem, budgets={}, quality=None))
    for budgets in ({}, {"noise": Fraction(0)}):
        asked = replace(checked, objective="latency_s", budgets=budgets)
        assert with_possible_widths(asked, Threshold.of(asked, Fraction(1))) is asked
