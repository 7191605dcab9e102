"""A certificate of a pipeline with an entry altered, missing or of another problem: refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from certified import deep
from pipelines import residual, tiny

from codesign import certify, solve

Alter = Callable[[Any], None]


@cache
def texts(of_both: bool = False) -> tuple[str, str]:
    """Files of a pipeline and its certificate, closed with labels; or of the best of both."""
    problem = residual(quality="uniform:8", budgets={"interval": 1.28e-6})
    if of_both:
        both = ("array", "dataflow")
        problem = tiny(both, objective="latency_s", budgets={"area_mm2": 0.05})
    design = solve(problem)
    found = certify(design, asked=problem)
    return json.dumps(design.to_dict()), json.dumps(found.to_dict())


def files(of_both: bool = False) -> tuple[Any, Any]:
    """Their content, anew for each use."""
    design, certificate = texts(of_both)
    return json.loads(design), json.loads(certificate)


def told(alter: Alter, of_both: bool = False) -> str:
    """What the check says first of an altered certificate; nothing where it holds."""
    design, certificate = files(of_both)
    alter(certificate)
    report = deep(design, certificate)
    assert not (report.findings and report.proven)
    return str(report.findings[0]) if report.findings else ""


def test_the_one_altered_is_proven_with_labels() -> None:
    design, certificate = files()
    assert deep(design, certificate).proven
    (only,) = certificate["pipelines"]["ranges"]
    assert only["by"] == "labels"
    assert len(only["prices"]) > 3


def test_multipliers_are_weighed_anew() -> None:
    """They close the range with labels alone, and others no more by their bound."""
    for name in ("area_mm2", "noise"):
        for factor in (1e-6, 1.0):

            def alter(given: Any, name: str = name, factor: float = factor) -> None:
                only = given["pipelines"]["ranges"][0]
                only["by"] = "bound"
                for prices in only["prices"]:
                    prices[name] = prices.get(name, 1.0) * factor

            assert "prices that rule out a better pipeline" in told(alter)


def _range(given: Any) -> Any:
    return given["pipelines"]["ranges"][0]


def _negative(given: Any) -> None:
    _range(given)["prices"][0]["area_mm2"] = -1.0


def _no_range(given: Any) -> None:
    given["pipelines"]["ranges"] = []


def _shorter(given: Any) -> None:
    _range(given)["interval_s"][1] *= 0.999


def _later(given: Any) -> None:
    _range(given)["interval_s"][0] = 1e-9


def _backwards(given: Any) -> None:
    _range(given)["interval_s"] = [2e-6, 1e-6]


def _higher_bound(given: Any) -> None:
    given["bound"] *= 1 + 2e-6


def _lower_bound(given: Any) -> None:
    given["bound"] *= 0.99


def _free_price(given: Any) -> None:
    _range(given)["prices"][0]["bops"] = 1.0


def _unknown_key(given: Any) -> None:
    _range(given)["labels"] = 3


def _no_path(given: Any) -> None:
    given["pipelines"]["detours"][0]["beside"].reverse()


def _twice(given: Any) -> None:
    detours = given["pipelines"]["detours"]
    detours.append(copy.deepcopy(detours[0]))


def _no_read(given: Any) -> None:
    given["pipelines"]["detours"][0]["waits"] = [999]


def _no_part(given: Any) -> None:
    del given["pipelines"]


def _arrays_too(given: Any) -> None:
    given["groups"] = []


@pytest.mark.parametrize(
    ("alter", "where"),
    [
        (_negative, "at least 0"),
        (_no_range, "ranges of all intervals"),
        (_shorter, "ranges of all intervals"),
        (_later, "ranges of all intervals"),
        (_backwards, "ends no sooner than it begins"),
        (_higher_bound, "for the proof that the design claims"),
        (_lower_bound, "for the proof that the design claims"),
        (_free_price, "no entry of this name"),
        (_unknown_key, "no entry of this name"),
        (_no_path, "two paths of reads"),
        (_twice, "for one detour only"),
        (_no_read, "a whole number from 0"),
        (_no_part, "it is missing"),
        (_arrays_too, "no entry of this name"),
    ],
)
def test_what_is_altered_is_refused(alter: Alter, where: str) -> None:
    assert where in told(alter)


def test_without_detours_less_is_counted_and_nothing_closes() -> None:
    def alter(given: Any) -> None:
        given["pipelines"]["detours"] = []

    assert "prices that rule out a better pipeline" in told(alter)


def test_a_range_taken_on_trust_is_no_proof() -> None:
    design, certificate = files()
    part = certificate["pipelines"]
    part["trusted"] = [part["ranges"].pop()["interval_s"]]
    report = deep(design, certificate)
    assert report.holds
    assert report.proven is False
    assert any("solver's word" in note for note in report.notes)


def test_a_certificate_of_a_tighter_problem_proves_nothing_of_a_looser_one() -> None:
    """With more area a pipeline is faster; the tighter problem's bound is above it."""
    _, certificate = files()
    loose = solve(residual(quality="uniform:8", budgets={"interval": 2.56e-6}))
    report = deep(json.loads(json.dumps(loose.to_dict())), certificate)
    assert not report.holds
    given = json.loads(json.dumps(loose.to_dict()))
    given["proof"] = {**given["proof"], "objective": loose.metrics["area_mm2"]}
    certificate["bound"] = loose.metrics["area_mm2"] * 1.0001
    assert not deep(given, certificate).holds


def test_what_was_asked_of_pipelines_agrees_with_the_array_s_problem() -> None:
    def other_limit(given: Any) -> None:
        given["pipelines"]["asked"]["budgets"]["area_mm2"] = 0.01

    def other_goal(given: Any) -> None:
        given["pipelines"]["asked"]["objective"] = "area_mm2"

    def interval(given: Any) -> None:
        given["pipelines"]["asked"]["objective"] = "interval_s"

    assert told(lambda _: None, of_both=True) == ""
    for alter in (other_limit, other_goal):
        assert "what the design's problem asks of an array" in told(alter, of_both=True)
    assert told(interval, of_both=True)  # pipelines have shorter intervals than arrays latencies


def test_either_part_is_needed_where_both_architectures_were_on_offer() -> None:
    def no_arrays(given: Any) -> None:
        given["groups"] = []

    assert "no argument for" in told(no_arrays, of_both=True)
    design, certificate = files(of_both=True)
    del certificate["pipelines"]
    report = deep(design, certificate)
    assert report.holds
    assert report.proven is False
