"""Certificates on machines of all kinds: none makes a false claim pass, true ones can be proven.

Mappings, several on offer, layers with mappings of their own, PEs that split, cycles beside
multiplications; all tensors in DRAM, some on chip, or layers fused. On random tiny problems,
against plain enumeration.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest
from certified import certify_and_check, deep, machine_problem_of, written
from false_claims import hold_to_enumeration
from machine_questions import two_layers
from random_machines import KINDS
from seeds import half_long
from sources import TESTS

import codesign
from codesign import Design, certify
from codesign.checking.certificate import exact_costs, run_costs, whole_numbers
from codesign.errors import InfeasibleError

SEEDS, BLOCK = 20, 10


@pytest.mark.slow
@pytest.mark.parametrize("first", half_long(range(0, SEEDS, BLOCK)))
def test_no_prices_prove_what_is_false(first: int) -> None:
    """A claim just above the true optimum, at any prices, groups and cuts."""
    hold(range(first, first + BLOCK))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1500, 100))
def test_no_prices_prove_what_is_false_long(first: int) -> None:
    hold(range(first, first + 100))


@pytest.mark.slow
def test_beyond_64_bits_costs_are_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (exact_costs, run_costs, whole_numbers):
        monkeypatch.setattr(module, "MOST_IN_64_BITS", 0)
    hold(range(500, 505))


def hold(seeds: range) -> None:
    """Of every kind of machine some true claims are proven."""
    held = hold_to_enumeration(seeds, machine_problem_of)
    seen = Counter(KINDS[seed % len(KINDS)] for seed in held.true)
    assert held.false > 4 * len(seeds)
    assert min(seen[kind] for kind in KINDS) >= len(seeds) // 10, seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(KINDS))
def test_designs_are_proven(kind: str) -> None:
    certify_all(kind, range(3), least=1)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1200, 50))
@pytest.mark.parametrize("kind", KINDS)
def test_designs_are_proven_long(kind: str, first: int) -> None:
    certify_all(kind, range(first, first + 50), least=20)


def certify_all(kind: str, numbers: range, least: int) -> None:
    """The best designs of random problems on a kind of machine, certified and checked."""
    proven = 0
    for number in numbers:
        problem = machine_problem_of(number * len(KINDS) + KINDS.index(kind)).problem
        try:
            design = codesign.solve(problem)
        except InfeasibleError:
            continue
        certify_and_check(design)
        proven += 1
    assert proven >= least


# --- certificates of several mappings -------------------------------------------------------------


def mapped() -> tuple[Any, Any]:
    """Its design and its certificate."""
    design = codesign.solve(two_layers())
    certificate = certify(design)
    assert certificate.trusted == []
    return written(design.to_dict()), written(certificate.to_dict())


def test_every_mapping_of_an_array_is_argued_for() -> None:
    design, certificate = mapped()
    assert deep(design, certificate).proven
    named = [array for group in certificate["groups"] for array in group["arrays"]]
    assert {mapping for _, _, mapping in named} == {"window", "im2col", "output"}
    for n, group in enumerate(certificate["groups"]):
        for place, array in enumerate(group["arrays"]):
            altered = copy.deepcopy(certificate)
            del altered["groups"][n]["arrays"][place]
            report = deep(design, altered)
            assert not report.proven
            missing = f"no argument for {array[0]} × {array[1]} PEs of "
            told = [str(finding) for finding in report.findings if missing in str(finding)]
            assert len(told) == 1
            assert f" in mapping {array[2]}" in told[0]
            for other in (array[:2], [*array[:2], "rows"], [*array[:2], None], [*array, "window"]):
                altered["groups"][n]["arrays"] = [*group["arrays"][:place], other]
                (finding, *_) = deep(design, altered).findings
                assert finding.where == f"certificate.groups[{n}].arrays[{place}]"
                assert finding.expected == "3 entries that are on offer"


def test_options_taken_on_trust_name_their_mapping() -> None:
    design, certificate = mapped()
    certificate["trusted"] = [
        [*array[:2], *bits, array[2]]
        for group in certificate["groups"]
        for array in group["arrays"]
        for bits in group["pe_bits"]
    ]
    certificate["groups"] = []
    report = deep(design, certificate)
    assert (report.holds, report.proven) == (True, False)
    for other in (certificate["trusted"][0][:4], [*certificate["trusted"][0][:4], "im3col"]):
        altered = {**certificate, "trusted": [other, *certificate["trusted"][1:]]}
        assert not deep(design, altered).holds


@pytest.mark.parametrize("mapping", ["window", "im2col", "output"])
def test_a_design_in_another_mapping_is_not_proven(mapping: Any) -> None:
    """The best of one mapping, written as an answer to the question that offers all."""
    best, certificate = mapped()
    other = codesign.solve(two_layers(mapping=(mapping,)))
    content = written(other.to_dict())
    content["problem"]["choices"] = best["problem"]["choices"]
    content["solver"]["considered"] = best["solver"]["considered"]
    content["solver"]["bounded_away"] += 2 * other.solver.considered
    del content["sha256"]
    report = deep(content, certificate)
    is_best = other.proof.objective == best["proof"]["objective"]
    assert report.proven == is_best
    if is_best:
        return
    assert [finding.where for finding in report.findings] == ["certificate.bound"]
    certificate["bound"] = other.proof.objective * (1 - 1e-7)
    report = deep(content, certificate)
    assert not report.proven
    assert any(".groups" in finding.where for finding in report.findings)


def test_kept_files_of_machines_are_proven() -> None:
    """Files of the formats as they are, so that later versions still read them."""
    design, certificate = (
        json.loads((TESTS / "checking/golden" / name).read_text("utf-8"))
        for name in ("machine_design.json", "machine_certificate.json")
    )
    choices = design["problem"]["choices"]
    assert {"mapping", "weight_load", "cycle_factors"} <= {*choices}
    assert choices["precision"] == "widening"
    report = deep(design, certificate)
    assert report.findings == ()
    assert report.proven
    assert Design.from_dict(design, "machine_design.json").hardware.mapping == ("output",)
