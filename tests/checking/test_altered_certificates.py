"""A certificate with an entry altered, missing or out of place: refused, or weighed anew."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from certified import ADDITIVE, deep, solved, tiny

from codesign import SpecError, certify
from codesign.checking.certificate import FORMAT, width_variables
from codesign.checking.certificate.enumeration import ALL_WORK, MOST_WORK
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import read_problem


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


def test_a_price_on_what_nothing_limits_is_refused() -> None:
    design, certificate = tiny()
    limited = (*design["problem"]["budgets"], "latency_s")
    free = next(name for name in ADDITIVE if name not in limited)
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
        for other in rng.sample(strange, 2):
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


def test_there_is_a_limit_to_enumeration() -> None:
    design, certificate = tiny()
    assert MOST_WORK > 10**6
    problem = read_problem(Entry("problem", design["problem"], Ledger()))
    verifier = Verifier(problem, Fraction(certificate["bound"]))
    choices = problem.choices
    every = OptionGroup(
        tuple(product(choices.rows, choices.cols)),
        tuple(product(choices.pe_weight_bits, choices.pe_activation_bits)),
    )
    with pytest.raises(TooMany):
        verifier.closed(every, {}, 1)
    verifier.work = ALL_WORK  # by other groups
    with pytest.raises(TooMany):
        verifier.closed(every, {}, MOST_WORK)
