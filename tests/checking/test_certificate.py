"""Certificates: true ones verify, and nothing makes a false claim pass."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import oracle
import pytest
from certified import PRICED, as_checked, certify_and_check, deep, problem_of, solved, written

import codesign
from codesign import Choices, Problem, SpecError, certify, load_network
from codesign.checking import check_content
from codesign.checking.certificate import width_variables
from codesign.checking.certificate.elimination import price_all
from codesign.checking.certificate.enumeration import ALL_WORK, MOST_WORK, Enumeration
from codesign.checking.certificate.exact_costs import Prices
from codesign.checking.certificate.option_groups import Group
from codesign.checking.certificate.verify import FORMAT, Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Option, read_problem
from codesign.checking.problem import Problem as CheckedProblem
from codesign.errors import InfeasibleError
from codesign.results.design import to_dict


@cache
def tiny_texts() -> tuple[str, str]:
    """Design and certificate files of a problem with several groups, one by enumeration."""
    for seed in range(200):
        design = solved(seed)
        if design is None or design.problem.objective != "latency_s":
            continue
        certificate = certify(design).to_dict()
        ways = [group["by"] for group in certificate["groups"]]
        if len(ways) > 2 and "enumeration" in ways and "bound" in ways:
            return json.dumps(to_dict(design)), json.dumps(certificate)
    raise AssertionError("no such problem")


def tiny() -> tuple[Any, Any]:
    """Their content, anew for each use."""
    design, certificate = tiny_texts()
    return json.loads(design), json.loads(certificate)


# --- true claims are proven ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_random_designs_are_proven(block: int) -> None:
    found = [solved(seed) for seed in range(block * 12, block * 12 + 12)]
    designs = [design for design in found if design is not None]
    assert len(designs) > 4
    for design in designs:
        certify_and_check(design)


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_random_designs_are_proven(block: int) -> None:
    for seed in range(1000 + block * 50, 1050 + block * 50):
        design = solved(seed)
        if design is not None:
            certify_and_check(design)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["latency_s", "area_mm2", "noise", "model_bits"])
def test_a_shipped_network_is_proven(objective: Any) -> None:
    choices = Choices(
        rows=(8, 16, 32), cols=(8, 16, 64), weight_bits=(4, 6, 8), activation_bits=(4, 6, 8)
    )
    budgets: dict[Any, float] = {"area_mm2": 6.0, "latency_s": 1.5e-3, "noise": 0.01}
    budgets.pop(objective, None)
    problem = Problem(
        network=load_network("resnet18"), choices=choices, objective=objective, budgets=budgets
    )
    certify_and_check(codesign.solve(problem))


@pytest.mark.slow
def test_the_default_space_is_proven() -> None:
    problem = Problem(
        network=load_network("resnet18"), quality="uniform:6", budgets={"area_mm2": 6.0}
    )
    design = codesign.solve(problem)
    assert design.solver.considered == 7056
    certify_and_check(design)


def test_an_unfinished_proof_is_certified_as_far_as_it_claims() -> None:
    found = solved(next(seed for seed in range(200) if solved(seed) is not None))
    assert found is not None
    bound = found.proof.objective * 0.8
    proof = replace(
        found.proof,
        status="feasible",
        bound=bound,
        gap=(found.proof.objective - bound) / found.proof.objective,
    )
    unfinished = replace(found, proof=proof)
    report = deep(written(to_dict(unfinished)), written(certify(unfinished).to_dict()))
    assert report.proven
    assert report.holds


def test_out_of_time_the_rest_is_left_to_the_solver() -> None:
    design = next(x for x in map(solved, range(200)) if x is not None and x.proof.objective > 0)
    certificate = certify(design, time_limit_s=1e-9)
    assert certificate.groups == []
    assert certificate.trusted != []
    report = deep(written(to_dict(design)), written(certificate.to_dict()))
    assert report.holds
    assert report.proven is False


def test_steps_are_told() -> None:
    design = next(x for x in map(solved, range(200)) if x is not None and x.proof.objective > 0)
    told: list[str] = []
    certificate = certify(design, on_step=told.append)
    groups = len(certificate.groups)
    assert len(told) == groups
    assert told[-1].endswith(f" of {design.solver.considered} hardware options")
    content, proof = written(to_dict(design)), written(certificate.to_dict())
    told.clear()
    check_content(content, "design.json", proof, on_step=told.append)
    assert len(told) == groups
    assert told[-1] == f"verified: {groups - 1} of {groups} groups of hardware options"


# --- false claims are not -----------------------------------------------------------------------


def enumerated(seeds: Iterable[int]) -> Iterator[tuple[int, CheckedProblem, Option, Fraction]]:
    """Seed, feasible problem, hardware of its optimum, and that, by plain enumeration."""
    for seed in seeds:
        problem, points = problem_of(seed)
        best = oracle.best(points, problem.objective, problem.budgets)
        if best is not None:
            optimum = Fraction(best.value(problem.objective))
            yield seed, as_checked(problem), Option(*best.hardware), optimum


def random_prices(rng: random.Random, problem: CheckedProblem) -> dict[str, Fraction]:
    """Prices of any size on what the objective and the budgets make matter."""
    names = [name for name in PRICED if name in (problem.objective, *problem.budgets)]
    return {name: Fraction(rng.choice((0.0, 1.0, 10 ** rng.uniform(-15, 5)))) for name in names}


def groups_with(rng: random.Random, problem: CheckedProblem, option: Option) -> Iterator[Group]:
    """Groups that an option is in: alone, with all others, and in between."""
    arrays = [*dict.fromkeys((x.rows, x.cols) for x in problem.choices.options)]
    pe_bits = [
        *dict.fromkeys((x.pe_weight_bits, x.pe_activation_bits) for x in problem.choices.options)
    ]
    mine = (option[:2], option[2:])
    yield Group((mine[0],), (mine[1],))
    for ideal in (False, True):
        some = [x for x in arrays if rng.random() < 0.5 or x == mine[0]]
        yield Group(tuple(some), tuple(pe_bits), ideal)
    yield Group(tuple(arrays), tuple(pe_bits))


def closes(
    verifier: Verifier,
    group: Group,
    prices: dict[str, Fraction],
    most: int,
    further: Iterable[dict[str, Fraction]] = (),
) -> bool:
    """Whether a claim is accepted."""
    try:
        return verifier.closed(group, prices, most, further)
    except TooMany:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_no_prices_prove_what_is_false(block: int) -> None:
    """A claim just above the true optimum, by plain enumeration, at any prices, groups and cuts."""
    rng, tried = random.Random(block), 0
    for seed, checked, option, optimum in enumerated(range(block * 25, block * 25 + 25)):
        claim = optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**40)
        network = checked.network
        cuts = [
            (layer.name, rng.choice(network.sources))
            for layer in network.layers
            if rng.random() < 0.3
        ]
        for verifier in (Verifier(checked, claim), Verifier(checked, claim, cuts)):
            for group in groups_with(rng, checked, option):
                prices = random_prices(rng, checked)
                assert not closes(verifier, group, prices, 0), seed
                further = [random_prices(rng, checked) for _ in range(3)]
                assert not closes(verifier, group, prices, 50_000, further), seed
                tried += 1
    assert tried > 50


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_enumeration_proves_what_is_true(block: int) -> None:
    """At any prices that leave few enough choices: the optimum itself is never beaten."""
    rng, proven = random.Random(block), 0
    for seed, checked, option, optimum in enumerated(range(block * 25, block * 25 + 25)):
        claim = optimum * (1 - Fraction(1, 10**8))
        single = Group((option[:2],), (option[2:],))
        try:
            prices, *further = (random_prices(rng, checked) for _ in range(4))
            assert Verifier(checked, claim).closed(single, prices, 10**5, further), seed
            proven += 1
        except TooMany:
            continue
    assert proven > 10


def worse_design() -> tuple[Any, Any]:
    """A design file whose figures all hold, but which is not the best, and the true certificate.

    Found by solving with some widths pinned, then written as an answer to the problem without.
    """
    for seed in range(300):
        best = solved(seed)
        if best is None or best.problem.objective != "latency_s":
            continue
        for source in best.problem.noise_sources:
            for bits in best.problem.allowed_bits(source):
                pinned = {**best.problem.choices.pinned, source: bits}
                choices = replace(best.problem.choices, pinned=pinned)
                try:
                    worse = codesign.solve(replace(best.problem, choices=choices))
                except (InfeasibleError, SpecError):
                    continue
                if worse.proof.objective > best.proof.objective * 1.01:
                    content = written(to_dict(replace(worse, problem=best.problem)))
                    return content, written(certify(best).to_dict())
    raise AssertionError("no such problem")


def test_a_design_that_is_not_the_best_is_refused() -> None:
    worse, certificate = worse_design()
    assert check_content(worse, "worse.json").holds
    report = deep(worse, certificate)
    assert not report.holds
    assert not report.proven
    assert [finding.where for finding in report.findings] == ["certificate.bound"]
    certificate["bound"] = worse["proof"]["objective"] * (1 - 1e-7)
    report = deep(worse, certificate)
    assert not report.proven
    assert any(".groups" in finding.where for finding in report.findings)


@pytest.mark.slow
def test_no_multiplier_makes_a_false_claim_pass() -> None:
    worse, certificate = worse_design()
    certificate["bound"] = worse["proof"]["objective"] * (1 - 1e-7)
    rng = random.Random(4)
    for _ in range(60):
        altered = copy.deepcopy(certificate)
        for group in altered["groups"]:
            group["by"] = rng.choice(("bound", "enumeration"))
            group["tilings"] = rng.choice(("any", "fitting"))
            for name in group["prices"]:
                group["prices"][name] *= rng.choice((0, 1, 1.01, 0.9, 10 ** rng.uniform(-6, 6)))
        report = deep(worse, altered)
        assert report.proven is False
        assert not report.holds


# --- altered certificates -----------------------------------------------------------------------


def test_the_tiny_one_is_proven() -> None:
    assert deep(*tiny()).proven


def test_every_group_is_needed() -> None:
    design, certificate = tiny()
    covered = 0
    for n, group in enumerate(certificate["groups"]):
        altered = copy.deepcopy(certificate)
        del altered["groups"][n]
        report = deep(design, altered)
        assert not report.holds
        assert "no argument for" in str(report.findings[-1])
        for key in ("arrays", "pe_bits"):
            for place in range(len(group[key])):
                altered = copy.deepcopy(certificate)
                del altered["groups"][n][key][place]
                assert not deep(design, altered).holds
                covered += 1
    assert covered >= 2 * len(certificate["groups"])


def test_options_taken_on_trust_are_no_proof() -> None:
    design, certificate = tiny()
    group = certificate["groups"].pop()
    certificate["trusted"] = [[*a, *b] for a, b in product(group["arrays"], group["pe_bits"])]
    report = deep(design, certificate)
    assert report.holds
    assert report.proven is False
    assert any("solver's word" in note and "not proven" in note for note in report.notes)


def test_altered_multipliers_are_weighed_anew() -> None:
    design, certificate = tiny()
    told = set()
    for n, group in enumerate(certificate["groups"]):
        for name, price in group["prices"].items():
            for other in (0.0, price * 1e-3, price * 1.5, price * 1e3, -price, 1e-300, 1e29):
                altered = copy.deepcopy(certificate)
                altered["groups"][n]["prices"][name] = other
                report = deep(design, altered)
                assert report.proven == report.holds  # the claim is true: either is right
                assert other >= 0 or not report.holds
                told.add(report.holds)
    assert told == {True, False}


@pytest.mark.slow
def test_further_prices_leave_fewer_choices_to_look_at() -> None:
    fewer = 0
    for seed, checked, option, optimum in enumerated(range(80)):
        if len(checked.budgets) < 2:
            continue
        rng, claim = random.Random(seed), optimum * (1 - Fraction(1, 10**8))
        single = Group((option[:2],), (option[2:],))
        verifier = Verifier(checked, claim)
        width_variables, units, threshold = verifier.couplings, verifier.units, verifier.threshold
        free = Prices(units, threshold, {})
        costs = price_all(width_variables, units, free, verifier.offers.pairs(single))
        limits = {**threshold.limits, threshold.objective: claim}
        further = [
            {name: Fraction(rng.random()) / (limits[name] or 1) for name in units.names}
            for _ in range(10)
        ]
        plain = Enumeration(width_variables, units, threshold, free, costs)
        helped = Enumeration(width_variables, units, threshold, free, costs, further)
        assert plain.better() == helped.better() == []
        assert helped.work <= plain.work
        fewer += helped.work < plain.work
    assert fewer > 0


def test_a_price_on_what_nothing_limits_is_refused() -> None:
    design, certificate = tiny()
    free = next(name for name in PRICED if name not in (*design["problem"]["budgets"], "latency_s"))
    certificate["groups"][0]["prices"][free] = 1.0
    report = deep(design, certificate)
    assert f"prices.{free}" in str(report.findings[0])


@pytest.mark.parametrize("bound", [0.0, 0.5, 1 - 2e-6, 1.1])
def test_a_bound_that_is_not_the_claimed_one(bound: float) -> None:
    design, certificate = tiny()
    certificate["bound"] = design["proof"]["objective"] * bound
    report = deep(design, certificate)
    assert [finding.where for finding in report.findings] == ["certificate.bound"]


def test_a_figure_that_is_wrong_ends_it() -> None:
    design, certificate = tiny()
    design["metrics"]["noise"] *= 1.5
    report = deep(design, certificate)
    assert not report.holds
    assert report.proven is False


def test_anything_in_place_of_any_entry_is_told_not_raised() -> None:
    design, certificate = tiny()
    strange = (None, True, [], {}, "", "x\x1b[0m", -1, 0, 7, 1e300, float("inf"), [[]], {"a": 1})

    def entries(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        for key in node if isinstance(node, dict) else range(len(node)):
            yield (*path, key)
            if isinstance(node[key], dict | list):
                yield from entries(node[key], (*path, key))

    rng = random.Random(3)
    for path in entries(certificate):
        for other in rng.sample(strange, 4):
            if path == ("format",):
                continue
            altered = copy.deepcopy(certificate)
            place = altered
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            report = deep(design, altered)
            assert all(str(finding).isprintable() for finding in report.findings)
            assert report.proven == report.holds


@pytest.mark.parametrize("content", [[], 3, {}, {"format": "codesign-design/1"}])
def test_what_is_no_certificate_is_refused(content: Any) -> None:
    with pytest.raises(SpecError, match=f"^given.certificate: format .* expected {FORMAT}"):
        deep(tiny()[0], content)


def test_cuts_must_keep_tables_small(monkeypatch: pytest.MonkeyPatch) -> None:
    design, certificate = tiny()
    monkeypatch.setattr(width_variables, "MOST_ENTRIES", 3)
    (finding,) = deep(design, certificate).findings
    assert finding.where == "certificate.groups[0].by"
    assert finding.expected.startswith("cuts that keep all tables within")
    best = next(x for x in map(solved, range(200)) if x is not None and x.proof.objective > 0)
    left = certify(best)
    assert (left.groups, len(left.trusted) > 0) == ([], True)


@pytest.mark.parametrize("limit", [0, -1.0, math.nan])
def test_a_time_limit_must_be_positive(limit: float) -> None:
    design = next(x for x in map(solved, range(200)) if x is not None)
    with pytest.raises(SpecError, match="time_limit_s must be positive"):
        certify(design, time_limit_s=limit)


def test_there_is_a_limit_to_enumeration() -> None:
    design, certificate = tiny()
    assert MOST_WORK > 10**6
    problem = read_problem(Entry("problem", design["problem"], Ledger()))
    verifier = Verifier(problem, Fraction(certificate["bound"]))
    choices = problem.choices
    every = Group(
        tuple(product(choices.rows, choices.cols)),
        tuple(product(choices.pe_weight_bits, choices.pe_activation_bits)),
    )
    with pytest.raises(TooMany):
        verifier.closed(every, {}, 1)
    verifier.work = ALL_WORK  # by other groups
    with pytest.raises(TooMany):
        verifier.closed(every, {}, MOST_WORK)
