"""Which SRAM capacities are on offer: sizes to choose from, or a least and a most.

Optima, fronts, explanations and certificates of problems that say so are the enumerated ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import oracle
import pytest
from certified import certify_and_check, deep
from command_line import SMALL, run
from compare_designs import compare
from compare_explanations import check_runner_up, with_more_sram
from compare_fronts import compare as compare_front
from enumerated_fronts import front_case
from random_problems import Case, random_case
from seeds import check_all, half_long, mostly_long

from codesign import Choices, Design, Problem, SpecError, certify, solve
from codesign.checking import check_content
from codesign.errors import InfeasibleError
from codesign.problem.goal import Goal
from codesign.problem.metrics import METRICS
from codesign.results.result_file import DIGEST, with_digest
from codesign.search.milp.formulation import build
from codesign.space.candidates import candidates
from codesign.space.capacities import Capacities
from codesign.space.hardware import HardwareSpace
from codesign.tasks.explain import explain

SEEDS = (*range(50), 78)
BLOCK = 100
LONG_BLOCKS = (50, *range(1000, 2200, BLOCK))  # the first seed of each
SEEN: dict[int, set[str]] = {}  # features of the problems made so far


@cache
def sram_case(seed: int) -> Case:
    """Random tiny problems of every kind, with SRAM sizes or limits on it."""
    return random_case(seed, moving=seed % 5 == 1, sharing=seed % 5 == 2, sram=True)


# --- the optimum --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = sram_case(seed)
    SEEN[seed] = features(case)
    for method in both(seed):
        compare(case, method)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    def check(seed: int) -> None:
        for method in both(0):
            compare(sram_case(seed), method)

    check_all(range(first, first + BLOCK), check)


def both(seed: int) -> Sequence[Literal["search", "whole"]]:
    """Both methods, for every other problem; else the search."""
    return ("search", "whole") if seed % 2 == 0 else ("search",)


def features(case: Case) -> set[str]:
    """What a problem says of its SRAM, and whether that makes a difference."""
    problem, points = case
    choices, objective = problem.choices, problem.objective
    free = replace(problem, choices=replace(choices, **FREE))
    every = oracle.all_points(free)
    truth = oracle.best(points, objective, problem.budgets)
    without = oracle.best(every, objective, problem.budgets)
    changed = without and truth and truth.metrics != without.metrics
    present = {
        "one size": len(choices.sram_bits) == 1,
        "several sizes": len(choices.sram_bits) > 1,
        "least": choices.min_sram_bits is not None,
        "most": choices.max_sram_bits is not None,
        "no design for want of SRAM": bool(every) and not points,
        "no design in the budgets for want of SRAM": without and not truth,
        "infeasible": truth is None,
        "another design": changed,
        "the same design": truth and without and not changed,
        f"objective {objective}": True,
    }
    return {name for name, here in present.items() if here}


FREE: dict[str, Any] = {"sram_bits": (), "min_sram_bits": None, "max_sram_bits": None}


def test_the_problems_had_all_there_is() -> None:
    count: dict[str, int] = {}
    for seed in SEEDS:
        for feature in SEEN.get(seed) or features(sram_case(seed)):
            count[feature] = count.get(feature, 0) + 1
    wanted = ["one size", "several sizes", "least", "most", "infeasible"]
    wanted += ["another design", "the same design", "no design in the budgets for want of SRAM"]
    wanted += [f"objective {metric}" for metric in METRICS]
    rare = [feature for feature in wanted if count.get(feature, 0) < 3]
    assert not rare, f"too rare in the seeds: {rare}; found {count}"


# --- what capacities mean -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "capacities",
    [
        Capacities(),
        Capacities(5, 40),
        Capacities.of_sizes((7,)),
        Capacities.of_sizes((3, 8, 20, 50)),
        Capacities.of_sizes((3, 8, 20, 50)).between(4, 49),
        Capacities.of_sizes((3, 8)).between(9, 100),
        Capacities(5, 40).between(50, 60),
    ],
)
def test_capacities_are_those_listed(capacities: Capacities) -> None:
    """Rounding up and down agree with looking at every capacity."""
    every = [n for n in range(100) if capacities.min_bits <= n <= capacities.max_bits]
    every = [n for n in every if not capacities.sizes or n in capacities.sizes]
    for bits in range(60):
        assert capacities.holding(bits) == min((n for n in every if n >= bits), default=math.inf)
        assert capacities.within(bits) == max((n for n in every if n <= bits), default=-1)


def test_a_tiling_takes_the_size_that_holds_it() -> None:
    """Of the tilings that one size holds the cheapest is a candidate, and it alone."""
    for seed in (0, 4, 8, 12):
        problem = random_case(seed).problem
        free = HardwareSpace(problem)
        needs = np.concatenate(
            [free.staircase(0, g).need.ravel() for g in range(len(free.geometries))]
        )
        needs = np.unique(needs[np.isfinite(needs)])
        sizes = tuple(int(need) for need in needs[:: max(1, len(needs) // 4)])
        space = HardwareSpace(replace(problem, choices=replace(problem.choices, sram_bits=sizes)))
        everything = np.zeros(1, dtype=np.int64), np.zeros(1), np.full(1, float(sizes[-1]))
        mine, every = candidates(space, *everything), candidates(free, *everything)
        for rows, those in zip(mine.layers, every.layers, strict=True):
            wanted = {}
            for w, a, need, traffic in zip(
                those.weight, those.ifmap, those.need, those.traffic, strict=True
            ):
                key = w, a, min(size for size in sizes if size >= need)
                wanted[key] = min(traffic, wanted.get(key, math.inf))
            keys = zip(rows.weight, rows.ifmap, rows.need, strict=True)
            assert dict(zip(keys, rows.traffic, strict=True)) == wanted
            assert len(rows) == len(wanted)


def test_no_programme_has_less_than_the_least_sram() -> None:
    choices = Choices(rows=(2,), cols=(2,), on_chip="none")
    problem = Problem(network=random_case(0).problem.network, choices=choices)
    for bits in (1, 1000, 10**9):
        space = HardwareSpace(
            replace(problem, choices=replace(problem.choices, min_sram_bits=bits))
        )
        listed = candidates(space, np.array([0]), np.zeros(1), np.full(1, np.inf))
        model = build(space, listed, Goal("area_mm2", {}))
        most = max(bits, *(layer.need.max() for layer in listed.layers))
        assert model.sram.lb * most == pytest.approx(bits)


# --- what more to choose from does --------------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long(range(0, 60, 3), 10))
def test_all_sizes_that_matter_are_as_good_as_any_size(seed: int) -> None:
    problem, points = random_case(seed)
    sizes = tuple({point.sram_bits for point in points})
    if not 1 <= len(sizes) <= 1000:
        return
    listed = replace(problem, choices=replace(problem.choices, sram_bits=sizes))
    assert answer(listed) == pytest.approx(answer(problem), rel=1e-9)


@pytest.mark.parametrize("seed", mostly_long(range(0, 60, 3), 10))
def test_more_on_offer_never_hurts(seed: int) -> None:
    problem, points = random_case(seed)
    if not points:
        return
    needs = sorted(point.sram_bits for point in points)
    low, middle, high = needs[0], needs[len(needs) // 2], needs[-1]
    offers: list[dict[str, Any]] = [
        {"sram_bits": (middle,)},
        {"sram_bits": (low, middle)},
        {"sram_bits": (low, middle, high)},
        {"min_sram_bits": low, "max_sram_bits": high},
        {"max_sram_bits": 2 * high},
        {},
    ]
    values = [
        answer(replace(problem, choices=replace(problem.choices, **offer)))[:1] for offer in offers
    ]
    values = [value or [math.inf] for value in values]
    for less, more in pairwise(values):
        assert more[0] <= less[0] * (1 + 1e-9)


def answer(problem: Problem) -> list[float]:
    """Objective, area and noise of the optimum; nothing where there is none."""
    try:
        design = solve(problem)
    except InfeasibleError:
        return []
    return [design.metrics[metric] for metric in (problem.objective, "area_mm2", "noise")]


# --- fronts, explanations, certificates ---------------------------------------------------------


@pytest.mark.parametrize("seed", mostly_long(range(300, 324), 10))
def test_front_is_the_enumerated_one(seed: int) -> None:
    compare_front(front_case(seed, sram=True))


@pytest.mark.long
@pytest.mark.parametrize("first", range(20_000, 20_400, BLOCK))
def test_front_is_the_enumerated_one_long(first: int) -> None:
    for seed in range(first, first + BLOCK):
        compare_front(front_case(seed, most={2: 25, 3: 10}, largest=60, sram=True))


@cache
def solved(seed: int) -> Design | None:
    """The best design of a problem, if there is one."""
    try:
        return solve(sram_case(seed).problem)
    except InfeasibleError:
        return None


@pytest.mark.parametrize("seed", mostly_long(range(0, 80, 3), 12))
def test_runner_ups_are_the_enumerated_ones(seed: int) -> None:
    design = solved(seed)
    if design is None:
        return
    points, step = sram_case(seed).points, 0.2
    problem, mine = design.problem, design.hardware
    most, least = math.floor((1 - step) * mine.sram_bits), math.ceil((1 + step) * mine.sram_bits)
    pes = mine.pe_weight_bits, mine.pe_activation_bits
    others = {
        "array": [p for p in points if p.hardware[:2] != (mine.rows, mine.cols)],
        "PE widths": [p for p in points if p.hardware[2:4] != pes],
        "less SRAM": [p for p in points if p.sram_bits <= most],
        "more SRAM": with_more_sram(points, least, problem),
    }
    for each in explain(design, step=step).runner_ups:
        check_runner_up(each, others[each.change], design)


@pytest.mark.parametrize("seed", mostly_long(range(1, 80, 4), 10))
def test_designs_are_proven(seed: int) -> None:
    if (design := solved(seed)) is not None:
        certify_and_check(design)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, BLOCK))
def test_designs_are_proven_long(first: int) -> None:
    for seed in range(first, first + BLOCK):
        if (design := solved(seed)) is not None:
            certify_and_check(design)


@pytest.mark.long
def test_no_certificate_proves_the_best_of_fewer_sizes_the_best_of_more() -> None:
    """A design that another size beats is told, whichever problem its certificate is of."""
    told = 0
    for seed in SEEDS:
        design = solved(seed)
        if design is None:
            continue
        problem, value = design.problem, design.proof.objective
        wider = replace(problem, choices=replace(problem.choices, **FREE))
        best = oracle.best(oracle.all_points(wider), problem.objective, problem.budgets)
        if best is None or best.value(problem.objective) >= value * (1 - 1e-5):
            continue
        told += 1
        forged = replace(design, problem=wider)
        for certificate in (certify(design), certify(forged)):
            assert not deep(as_json(forged.to_dict()), as_json(certificate.to_dict())).proven
    assert told >= 5


def as_json(content: Any) -> Any:
    """Content as a file has it."""
    return json.loads(json.dumps(content))


@pytest.mark.parametrize("seed", mostly_long(range(2, 80, 6), 7))
def test_an_sram_that_is_not_on_offer_is_told(seed: int) -> None:
    design = solved(seed)
    if design is None:
        return
    content = as_json(design.to_dict())
    del content[DIGEST]
    assert check_content(with_digest(content), "a").holds
    bits = design.hardware.sram_bits
    for offer in (
        {"sram_bits": [bits + 1]},
        {"sram_bits": [1, bits - 1, 2 * bits]},
        {"min_sram_bits": bits + 1},
        {"max_sram_bits": bits - 1},
    ):
        content["problem"]["choices"] |= as_json(FREE) | offer
        findings = check_content(with_digest(content), "a").findings
        assert [finding.where for finding in findings] == ["hardware.sram_bits"]


# --- files, refusals, the command line ----------------------------------------------------------


def test_older_files_know_no_choice_of_sram() -> None:
    design = next(found for seed in SEEDS if (found := solved(seed)))
    content = as_json(design.to_dict())
    assert Design.from_dict(content, "new").problem.choices == design.problem.choices
    for key in FREE:
        del content["problem"]["choices"][key]
    del content[DIGEST]
    older = Design.from_dict(with_digest(content), "older")
    assert older.problem.choices == replace(design.problem.choices, **FREE)
    assert check_content(with_digest(content), "older").holds


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"sram_bits": (5,), "min_sram_bits": 4}, "sram_bits lists the capacities on offer"),
        ({"sram_bits": (5,), "max_sram_bits": 6}, "sram_bits lists the capacities on offer"),
        ({"min_sram_bits": 6, "max_sram_bits": 5}, "min_sram_bits 6 is above max_sram_bits 5"),
        ({"sram_bits": (0,)}, "sram_bits"),
        ({"sram_bits": (9, 9_000_001)}, "sram_bits: 9000001 is more than 1000000 times 9; leave"),
        ({"sram_bits": 5}, "sram_bits"),
        ({"min_sram_bits": 10**18}, "min_sram_bits"),
        ({"max_sram_bits": 1.5}, "max_sram_bits"),
    ],
)
def test_choices_that_make_no_sense(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Choices(**choices)
    if "more than" in message:  # of which exact arithmetic needs not be afraid
        return
    file = {"sram_bits": [], "min_sram_bits": None, "max_sram_bits": None} | choices
    design = next(found for seed in SEEDS if (found := solved(seed)))
    content = as_json(design.to_dict())
    content["problem"]["choices"] |= as_json(file)
    del content[DIGEST]
    assert not check_content(with_digest(content), "a").holds


def test_sizes_are_sorted_and_named_once() -> None:
    assert Choices(sram_bits=(8, 2, 8)).sram_bits == (2, 8)


def test_what_would_work_does(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The SRAM that is said to be needed is enough, and a bit less is not."""
    asked = ("solve", tiny, *SMALL, "--quality", "none", "--quiet", "--max-sram-kbit")
    err = run(capsys, *asked, "0.1")[2]
    needed = float(err.split("need ")[1].split(" kbit")[0])
    assert run(capsys, *asked, str(needed))[0] == 0
    assert run(capsys, *asked, str(needed - 0.001))[0] == 3
