"""No certificate makes a false claim pass: whatever its prices, groups and cuts."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from certified import deep, problem_of, solved, written
from false_claims import enumerated, hold_to_enumeration
from seeds import mostly_long

import codesign
from codesign import SpecError, certify
from codesign.checking import check_content
from codesign.checking.certificate.elimination import cost_tables
from codesign.checking.certificate.enumeration import Enumeration
from codesign.checking.certificate.exact_costs import Multipliers
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import Verifier
from codesign.errors import InfeasibleError


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, 100, 25), 1))
def test_no_prices_prove_what_is_false(first: int) -> None:
    """A claim just above the true optimum; one just below is proven, if choices are few enough."""
    held = hold_to_enumeration(range(first, first + 25), problem_of)
    assert held.false > 50
    assert len(held.true) > 10


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
                    content = written(replace(worse, problem=best.problem).to_dict())
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


@pytest.mark.long
def test_further_prices_leave_fewer_choices_to_look_at() -> None:
    fewer = 0
    for seed, checked, option, optimum in enumerated(range(80)):
        if len(checked.budgets) < 2:
            continue
        rng, claim = random.Random(seed), optimum * (1 - Fraction(1, 10**8))
        single = OptionGroup((option.array,), (option.pe_bits,))
        verifier = Verifier(checked, claim)
        variables, units, threshold = verifier.variables, verifier.units, verifier.threshold
        free = Multipliers(units, threshold, {})
        layers = verifier.option_groups.layer_costs(single)
        costs = cost_tables(variables, units, free, layers)
        limits = {**threshold.limits, threshold.objective: claim}
        further = [
            {name: Fraction(rng.random()) / (limits[name] or 1) for name in units.names}
            for _ in range(10)
        ]
        plain = Enumeration(variables, units, threshold, free, costs)
        helped = Enumeration(variables, units, threshold, free, costs, further)
        assert plain.better() == helped.better() == []
        assert helped.work <= plain.work
        fewer += helped.work < plain.work
    assert fewer > 0
