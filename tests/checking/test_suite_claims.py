"""Certificates of suites, of least regret and of chosen batches: true ones pass, false ones not."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from certified import certify_and_check, certify_if_feasible, claimed, deep, written
from false_claims import hold, optima_of_suites
from random_batches import questions
from random_suites import energy_case, suite_case
from seeds import check_all, mostly_long
from sharing_layers import recurrent
from small_layers import square

import codesign
from codesign import Choices, Design, Network, Problem, Suite, certify
from codesign.results.result_file import with_digest
from codesign.tasks.regret import with_references

SEEDS = (2, 4, 11, 33)  # of every kind of places, budgets of members and of all
BLOCK = 50
SMALL: dict[str, Any] = {"weight_bits": (2, 4), "activation_bits": (2, 4), "on_chip": "none"}


def regretting(seed: int) -> Problem:
    """The least regret of a random suite, by latency or by traffic."""
    problem, kind = suite_case(seed).problem, ("latency_s", "dram_bits")[seed % 2 == 0]
    budgets = {name: limit for name, limit in problem.budgets.items() if name != kind}
    return with_references(replace(problem, objective="regret", budgets=budgets), kind)


# --- true claims --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_designs_of_suites_are_proven(seed: int) -> None:
    certify_if_feasible(lambda: codesign.solve(suite_case(seed).problem))


def test_a_least_regret_is_proven() -> None:
    certify_if_feasible(lambda: codesign.solve(regretting(6)))


@pytest.mark.parametrize("seed", [3, 10])
def test_chosen_batches_are_proven(seed: int) -> None:
    certify_if_feasible(lambda: codesign.solve_batches(questions(seed)))


def test_least_energies_of_suites_are_proven() -> None:
    problem = replace(suite_case(200, "none").problem, objective="energy_j", quality=None)
    certify_if_feasible(lambda: codesign.solve(problem))


@pytest.mark.parametrize("seed", mostly_long([10, 12, 25], 2))
def test_energies_of_members_are_proven(seed: int) -> None:
    certify_if_feasible(lambda: codesign.solve(energy_case(seed).problem))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, BLOCK))
def test_many_are_proven(first: int) -> None:
    seeds, every = range(first, first + BLOCK), certify_if_feasible
    check_all(seeds, lambda seed: every(lambda: codesign.solve(suite_case(seed).problem)))
    check_all(seeds, lambda seed: every(lambda: codesign.solve(regretting(seed))))
    check_all(seeds, lambda seed: every(lambda: codesign.solve(_energies(seed))))
    check_all(seeds, lambda seed: every(lambda: codesign.solve_batches(questions(seed))))


def _energies(seed: int) -> Problem:
    """Of energies of members; certificates count none where layers may be fused."""
    problem = energy_case(seed).problem
    choices = problem.choices
    if choices.on_chip == "bands":
        problem = replace(problem, choices=replace(choices, on_chip="tensors", places={}))
    return problem


# --- false claims -------------------------------------------------------------------------------


def test_no_prices_prove_what_is_false_of_a_suite() -> None:
    held = hold(optima_of_suites((seed, suite_case(seed)) for seed in range(4)))
    assert held.false > 15
    assert len(held.true) > 1


def test_no_prices_prove_what_is_false_where_members_energies_are_limited() -> None:
    """Energies with power at all times are proven range by range of SRAM alone: see above."""
    held = hold(optima_of_suites((seed, energy_case(seed)) for seed in (10, 12, 25)), truths=False)
    assert held.false > 10


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 300, BLOCK))
def test_no_prices_prove_what_is_false_of_many_suites(first: int) -> None:
    held = hold(optima_of_suites((seed, suite_case(seed)) for seed in range(first, first + BLOCK)))
    assert held.false > 100
    assert len(held.true) > 15


@cache
def torn() -> tuple[Problem, Design, Design]:
    """A suite, its best design, and the best one where a member is to be faster.

    Of one network rows of an array are of use, of the other columns; there is no room for both.
    """
    tensors = {"in": 8 * 8 * 16, "out": 8 * 8 * 2}
    rows = Network(name="rows", layers=(square(2, 16, 8, 3),), tensors=tensors)
    turned = {"in": tensors["out"], "out": tensors["in"]}
    cols = Network(name="cols", layers=(square(16, 2, 8, 3),), tensors=turned)
    problem = Problem(
        network=Suite([cols, rows], [1.0, 2.0]).network,
        choices=Choices(**SMALL, rows=(2, 8), cols=(2, 8), sram_bits=(8192,)),
        dram_bits_per_s=1e12,
        quality="uniform:2",
        budgets={"area_mm2": 0.04},
    )
    fair = codesign.solve(problem)
    name = f"latency_s@{problem.network.members[0].name}"
    limit = fair.metrics[name] * 0.97
    return problem, fair, codesign.solve(replace(problem, budgets={**problem.budgets, name: limit}))


def batches() -> list[Problem]:
    """A network of fully connected layers, whose weights all images share, on one and on two."""
    how: dict[str, Any] = {"choices": Choices(**SMALL, rows=(2,), cols=(2,))}
    how |= {"dram_bits_per_s": 1e6, "quality": "uniform:2"}
    return [Problem(network=recurrent(2).batched(n), **how) for n in (1, 2)]


def refuted(design: Any, certificate: Any) -> list[str]:
    """Where a certificate of a sound file fails, taken as it is and with the bound it lacks."""
    assert codesign.checking.check_content(design, "design.json").holds
    found = []
    for bound in (certificate["bound"], design["proof"]["objective"] * (1 - 1e-7)):
        report = deep(design, {**certificate, "bound": bound})
        assert not report.proven
        assert not report.holds
        found += [finding.where for finding in report.findings]
    return found


def test_a_dropped_limit_of_a_member_is_refuted() -> None:
    problem, fair, limited = torn()
    assert limited.metrics["latency_s"] > fair.metrics["latency_s"] * 1.01
    certify_and_check(limited)
    name = f"latency_s@{problem.network.members[0].name}"
    certificate = written(certify(limited).to_dict())
    where = refuted(claimed(limited, fair), certificate)
    assert any(x.endswith(f"prices.{name}") for x in where)  # which nothing limits there
    for group in certificate["groups"]:
        for prices in (group["prices"], *group.get("further_prices", [])):
            prices["latency_s"] = prices.get("latency_s", 0.0) + prices.pop(name, 0.0)
    assert any(".groups[" in x for x in refuted(claimed(limited, fair), certificate))


def test_a_changed_weight_is_refuted() -> None:
    problem, fair, _ = torn()
    first, *others = problem.network.members
    heavier = replace(first, weight=first.weight * 100)
    heavy = replace(problem, network=replace(problem.network, members=(heavier, *others)))
    best, hardware = codesign.solve(heavy), fair.hardware
    same = replace(heavy.choices, rows=(hardware.rows,), cols=(hardware.cols,))
    mine = codesign.solve(replace(heavy, choices=same))
    assert mine.proof.objective > best.proof.objective * 1.01
    for design in (fair, best):
        refuted(claimed(mine, best), written(certify(design).to_dict()))


@cache
def regretted() -> tuple[str, str]:
    """Design and certificate of a least regret above 1."""
    design = codesign.solve(regretting(40))
    assert design.metrics["regret"] > 1.5
    return json.dumps(design.to_dict()), json.dumps(certify(design).to_dict())


def test_references_are_proven_too() -> None:
    text, proof = regretted()
    names = [*json.loads(proof)["references"]]
    assert deep(json.loads(text), json.loads(proof)).proven
    lacking = json.loads(proof)
    del lacking["references"][names[0]]
    report = deep(json.loads(text), lacking)
    assert report.holds
    assert report.proven is False
    assert any(f"what {names[0]} could have alone" in note for note in report.notes)
    swapped = json.loads(proof)
    one, other = (swapped["references"][name] for name in names)
    swapped["references"] = {names[0]: other, names[1]: one}
    found = deep(json.loads(text), swapped).findings
    assert any(x.where.endswith("design.problem") for x in found)
    shallow = json.loads(proof)
    for group in shallow["references"][names[1]]["certificate"]["groups"]:
        group |= {"prices": {}, "by": "bound"}
    assert not deep(json.loads(text), shallow).proven


@pytest.mark.parametrize("times", [0.9, 1.2])
def test_other_references_are_refuted(times: float) -> None:
    """A regret measured against what no member is proven to have: figures hold, proofs do not."""
    text, proof = regretted()
    content, certificate = json.loads(text), json.loads(proof)
    for name in content["problem"]["references"]:
        content["problem"]["references"][name] *= times
    content["metrics"]["regret"] /= times
    content["proof"] |= dict.fromkeys(("objective", "bound"), content["metrics"]["regret"])
    content["proof"] |= {"gap": 0.0}
    content = with_digest({key: x for key, x in content.items() if key != "sha256"})
    assert codesign.checking.check_content(content, "design.json").holds
    certificate["bound"] = content["proof"]["objective"] * (1 - 5e-7)
    where = [x.where for x in deep(content, certificate).findings]
    assert any(".references." in x and x.endswith("design.metrics") for x in where)


def test_a_batch_of_a_suite_within_an_interval_of_each_network_is_proven() -> None:
    problems = []
    for n, problem in enumerate(batches(), 1):
        network = Suite([problem.network, problem.network], [1.0, 3.0]).network
        limits = {f"latency_s@{member.name}": 1e-3 * n for member in network.members}
        limits["noise@recurrent"] = problem.budgets["noise"]
        problems.append(replace(problem, network=network, budgets=limits, quality=None))
    design = codesign.solve_batches(problems)
    assert any(row.budgets for row in design.batches)
    certify_and_check(design)


def test_a_choice_of_batches_needs_an_argument_for_each() -> None:
    design = codesign.solve_batches(batches())
    content, certificate = written(design.to_dict()), written(certify(design).to_dict())
    assert deep(content, certificate).proven
    images = [part["images"] for part in certificate["batches"]]
    lacking = {**certificate, "batches": certificate["batches"][1:]}
    report = deep(content, lacking)
    assert report.holds
    assert report.proven is False
    assert any(f"all of {images[0]} images at once" in note for note in report.notes)
    empty = written(certificate)
    empty["batches"][0]["groups"] = []
    assert not deep(content, empty).holds
    twice = {**certificate, "batches": certificate["batches"][:1] * 2}
    assert not deep(content, twice).holds


def test_a_batch_that_is_not_the_best_is_refuted() -> None:
    """The best of another batch as the choice, the true choice's batch among those ruled out."""
    problems = batches()
    design = codesign.solve_batches(problems)
    (worse,) = (x for x in problems if x.network.images != design.network.images)
    other = codesign.solve_batches([worse])
    rows = [
        replace(x, outcome="best" if x.images == worse.network.images else "no better")
        for x in design.batches
    ]
    least = other.proof.objective / worse.network.images
    rows = [replace(x, bound=least) for x in rows]
    content = written(replace(other, batches=tuple(rows)).to_dict())
    certificate = written(certify(design).to_dict())
    own = written(certify(other).to_dict())
    parts = [{key: certificate[key] for key in ("cuts", "groups", "trusted")}]
    parts[0]["images"] = design.network.images
    report = deep(content, {**own, "batches": parts})
    assert not report.holds
    assert any("batches" in x.where for x in report.findings)


def test_a_suite_of_one_is_proven_as_its_network() -> None:
    problem = batches()[1]
    network = Suite([problem.network], [3.0]).network
    certify_and_check(codesign.solve(replace(problem, network=network)))
