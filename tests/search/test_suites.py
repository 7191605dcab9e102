"""The optimum of a suite is the enumerated one: members weighted, budgets of each and of all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from compare_suites import compare_suite
from enumerated_suites import all_places, best, least_regret
from random_suites import energy_case, regret_case, sharing_case, suite_case
from seeds import check_all, half_long

from codesign import InfeasibleError, solve, solve_batches
from codesign.checking import check_content
from codesign.tasks.regret import with_references

# After them: limits of a member on the metric of the sum, and limits on that sum.
SEEDS = (*range(24), 358, 538, 819, 905)
TRADED = (33, 98, 145, 162, 256)  # what suits one member best suits another less
BLOCK = 50


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = suite_case(seed)
    compare_suite(case)
    if seed % 6 == 0:
        compare_suite(case, "whole")


@pytest.mark.parametrize("seed", range(9))
def test_optimum_with_shared_weights_is_the_enumerated_one(seed: int) -> None:
    case = sharing_case(seed)
    compare_suite(case)
    if seed % 4 == 0:
        compare_suite(case, "whole")


def compare_regret(seed: int) -> float | None:
    """Least regret, of what each member has alone and of twice that; None: one has nothing."""
    case = regret_case(seed)
    if case is None:
        return None
    problem = case.problem
    kind = next(iter(problem.references)).partition("@")[0]
    proven = with_references(replace(problem, references={}), kind)
    assert proven.references == pytest.approx(problem.references, rel=1e-9)
    twice = {name: 2 * best for name, best in problem.references.items()}
    least = least_regret(case)
    # Of latency, what is proven of the members on the way is told to the search for the least.
    asked_first = replace(problem, references={}) if kind == "latency_s" else proven
    for asked, truth in ((asked_first, least), (replace(problem, references=twice), least / 2)):
        design = solve(asked)
        assert design.metrics["regret"] == pytest.approx(truth, rel=1e-7)
        assert design.proof.status == "optimal"
        assert design.proof.bound <= truth * (1 + 1e-9)
        report = check_content(json.loads(json.dumps(design.to_dict())), "design")
        assert report.holds, report.findings
    return least


@pytest.mark.parametrize("seed", [*range(4), *TRADED])
def test_least_regret_is_the_enumerated_one(seed: int) -> None:
    least = compare_regret(seed)
    assert seed not in TRADED or (least is not None and least > 1.01)


@pytest.mark.parametrize("seed", range(3))
def test_batch_that_is_chosen_is_the_best_of_all(seed: int) -> None:
    """Each batch enumerated: of a sum that grows with the images the least for each of them."""
    case, each = suite_case(seed), {}
    asked = replace(
        case.problem, objective="latency_s", budgets={"area_mm2": case.places[0].area_mm2}
    )
    problems = [replace(asked, network=asked.network.batched(n), quality=None) for n in (1, 2)]
    for n, problem in enumerate(problems, 1):
        alone = [replace(x, network=x.network.batched(n)) for x in case.alone]
        truth = best(case._replace(problem=problem, places=all_places(alone)))
        if truth is not None:
            each[problem.network.images] = truth["latency_s"] / problem.network.images
    design = solve_batches(problems)
    images = design.network.images
    assert design.metrics["latency_s"] / images == pytest.approx(min(each.values()), rel=1e-9)
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    assert report.holds, report.findings


def test_regret_where_a_member_has_nothing() -> None:
    problem = replace(suite_case(0).problem, budgets={"area_mm2": 1e-9}, objective="regret")
    with pytest.raises(InfeasibleError):
        solve(problem)


# After them: an option whose ranges of SRAM the first design priced closes, asked for by ties.
@pytest.mark.parametrize("seed", [3, 10, 12, 19, 25, 42])
def test_optimum_by_energies_of_members_is_the_enumerated_one(seed: int) -> None:
    case = energy_case(seed)
    compare_suite(case)
    if seed in (10, 25):
        compare_suite(case, "whole")


@pytest.mark.parametrize("seed", range(200, 204))
def test_least_energy_is_that_of_one_programme(seed: int) -> None:
    """By bounds and by one MILP over all hardware: weighted energy, then area, then noise."""
    problem = replace(suite_case(seed).problem, objective="energy_j", quality=None)
    found = [solve(problem, method=method).metrics for method in ("search", "whole")]
    for metric in ("energy_j", "area_mm2", "noise"):
        assert found[0][metric] == pytest.approx(found[1][metric], rel=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 600, BLOCK))
def test_optimum_of_many_is_the_enumerated_one(first: int) -> None:
    check_all(range(first, first + BLOCK), lambda seed: compare_suite(suite_case(seed)))
    check_all(range(first, first + BLOCK), lambda seed: compare_suite(sharing_case(seed)))
    check_all(range(first, first + BLOCK), lambda seed: compare_suite(energy_case(seed)))


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 500, BLOCK))
def test_least_regret_of_many_is_the_enumerated_one(first: int) -> None:
    check_all(range(first, first + BLOCK), compare_regret)
