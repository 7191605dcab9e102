"""Certificates of suites whose members share weights: true ones pass, false ones do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from certified import certify_and_check, certify_if_feasible, claimed, deep, written
from enumerated_suites import best
from false_claims import hold, optima_of_suites
from random_suites import sharing_case
from seeds import check_all

import codesign
from codesign import Design, Problem, certify
from codesign.tasks.regret import with_references

# Least areas, latencies, noise, bits and sizes; of whole models, of caches, of limits of members.
SEEDS = (1, 6, 8, 10, 14, 17)
BLOCK = 50


def regretting(seed: int) -> Problem:
    """The least regret of networks of one model, by latency."""
    problem = sharing_case(seed).problem
    budgets = {name: limit for name, limit in problem.budgets.items() if name != "latency_s"}
    return with_references(replace(problem, objective="regret", budgets=budgets), "latency_s")


def proven(seed: int) -> None:
    certify_if_feasible(lambda: codesign.solve(sharing_case(seed).problem))


@pytest.mark.parametrize("seed", SEEDS)
def test_optima_are_proven(seed: int) -> None:
    proven(seed)


def test_a_least_regret_is_proven() -> None:
    certify_and_check(codesign.solve(regretting(10)))


def test_no_prices_prove_what_is_false() -> None:
    held = hold(optima_of_suites((seed, sharing_case(seed)) for seed in SEEDS))
    assert held.false > 30
    assert len(held.true) > 3


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 400, BLOCK))
def test_many(first: int) -> None:
    seeds = range(first, first + BLOCK)
    check_all(seeds, proven)
    check_all(seeds, lambda seed: certify_if_feasible(lambda: codesign.solve(regretting(seed))))
    held = hold(optima_of_suites((seed, sharing_case(seed)) for seed in seeds))
    assert held.false > 100
    assert len(held.true) > 15


@cache
def torn() -> tuple[Design, Design]:
    """The best design of a suite that shares weights, and a worse one of a narrower choice."""
    for seed in range(50):
        case = sharing_case(seed)
        truth = best(case)
        if truth is None or case.problem.objective != "latency_s":
            continue
        found = codesign.solve(case.problem)
        assert found.metrics["latency_s"] == pytest.approx(truth["latency_s"], rel=1e-9)
        owners = (x.weights_of for x in case.problem.network.layers if x.weights_of)
        widest = max(case.problem.choices.weight_bits)
        pinned = {**case.problem.choices.pinned, **{f"weight:{x}": widest for x in owners}}
        choices = replace(case.problem.choices, pinned=pinned)
        try:
            worse = codesign.solve(replace(case.problem, choices=choices))
        except codesign.InfeasibleError:
            continue
        if worse.metrics["latency_s"] > truth["latency_s"] * 1.01:
            return found, worse
    raise AssertionError("no such suite")


def _findings(design: Any, certificate: Any) -> list[str]:
    report = deep(design, certificate)
    assert report.holds == (not report.findings)
    return [x.where for x in report.findings]


def test_a_worse_design_is_refuted_with_either_certificate() -> None:
    """That of narrower widths, and that of the best, whose bound is raised."""
    found, worse = torn()
    false = claimed(worse, found)
    own = written(certify(worse).to_dict())
    assert any("groups" in where for where in _findings(false, own))
    raised = {**written(certify(found).to_dict()), "bound": own["bound"]}
    assert any("groups" in where for where in _findings(false, raised))
    assert not _findings(written(found.to_dict()), written(certify(found).to_dict()))


@pytest.mark.parametrize(
    "change",
    [
        lambda group: group["prices"].clear(),
        lambda group: group.update(by="bound", prices=dict.fromkeys(group["prices"], 0.0)),
    ],
)
def test_an_argument_that_is_lacking_is_found(change: Callable[[Any], None]) -> None:
    found, _ = torn()
    certificate = written(certify(found).to_dict())
    assert not certificate["trusted"]
    for group in certificate["groups"]:
        change(group)
    assert _findings(written(found.to_dict()), certificate)


def test_weights_that_are_not_shared_are_another_problem() -> None:
    """Of networks of no one model the same figures do not hold, whatever the certificate says."""
    found, _ = torn()
    content = written(found.to_dict())
    for layer in content["problem"]["network"]["layers"]:
        if layer.get("weights_of"):
            layer["weights_of"] = None
    where = _findings(content, written(certify(found).to_dict()))
    assert any("metrics" in x for x in where)
