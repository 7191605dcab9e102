"""A certificate of a hybrid with an entry altered, missing or of another problem: refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from certified import deep
from random_hybrids import hybrid_case

from codesign import certify, solve
from codesign.results.text.check import certificate_lines

Alter = Callable[[Any], None]
SEED = 1  # of three layers, where multipliers or labels are needed
ENERGY, FPGA = (37, "still"), (30, "fpga")  # likewise
TWO = 1, "", 2


@cache
def texts(seed: int = SEED, kind: str = "", segments: int = 1) -> tuple[str, str]:
    """Files of a hybrid and its certificate."""
    design = solve(hybrid_case(seed, kind, segments).problem)
    return json.dumps(design.to_dict()), json.dumps(certify(design).to_dict())


def told(alter: Alter, seed: int = SEED, kind: str = "", segments: int = 1) -> str:
    """What the check says first of an altered certificate; nothing where it holds."""
    design, certificate = map(json.loads, texts(seed, kind, segments))
    alter(certificate)
    report = deep(design, certificate)
    assert not (report.findings and report.proven)
    return str(report.findings[0]) if report.findings else ""


def _segment(given: Any) -> Any:
    """The first that takes a multiplier to rule out."""
    every = given["hybrids"]["segments"]
    return next(x for x in every if any(y["rounds"][0]["prices"] for y in x["ranges"]))


def _range(given: Any) -> Any:
    return _segment(given)["ranges"][0]


def test_the_one_altered_is_proven() -> None:
    assert told(lambda given: None) == ""


def test_what_it_holds_is_shown() -> None:
    content = json.loads(texts()[1])
    lines = certificate_lines(content, "c.json")
    assert any("segments that no better hybrid shares: 5; left" in line for line in lines)
    assert not any("hardware options" in line for line in lines)


def _no_prices(given: Any) -> None:
    for each in given["hybrids"]["segments"]:
        for by in each["ranges"]:
            by["rounds"] = [{"prices": [], "together": 0}]


def _no_rounds(given: Any) -> None:
    _range(given)["rounds"] = []


def _negative(given: Any) -> None:
    next(x for x in _range(given)["rounds"][0]["prices"])["area_mm2"] = -1.0


def _free_price(given: Any) -> None:
    _range(given)["rounds"][0]["prices"][0]["bops"] = 1.0


def _together(given: Any) -> None:
    _range(given)["rounds"][0]["together"] = -1


def _no_segment(given: Any) -> None:
    given["hybrids"]["segments"].pop()


def _twice(given: Any) -> None:
    every = given["hybrids"]["segments"]
    every[1] = every[0]


def _whole(given: Any) -> None:
    _segment(given)["layers"] = ["layer0", "layer2"]


def _shorter(given: Any) -> None:
    _range(given)["interval_s"][1] *= 0.999


def _later(given: Any) -> None:
    _range(given)["interval_s"][0] = 1e-9


def _no_range(given: Any) -> None:
    _segment(given)["ranges"] = []


def _unknown_key(given: Any) -> None:
    _segment(given)["boxes"] = 3


def _no_path(given: Any) -> None:
    _segment(given)["detours"] = [{"waits": [0], "beside": [1]}]


def _higher_bound(given: Any) -> None:
    given["bound"] *= 1 + 2e-6


def _no_part(given: Any) -> None:
    del given["hybrids"]


def _for_pipelines(given: Any) -> None:
    given["pipelines"] = given["hybrids"]


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (_no_prices, "rounds after which no hardware is left"),
        (_no_rounds, "rounds after which no hardware is left"),
        (_negative, "area_mm2"),
        (_free_price, "bops"),
        (_together, "together"),
        (_no_segment, "all 5 segments"),
        (_twice, "each segment once"),
        (_whole, "first and last layer of a segment"),
        (_shorter, "ranges of all intervals"),
        (_later, "ranges of all intervals"),
        (_no_range, "ranges of all intervals"),
        (_unknown_key, "boxes"),
        (_no_path, "detours"),
        (_higher_bound, "bound"),
        (_no_part, "hybrids"),
        (_for_pipelines, "pipelines"),
    ],
)
def test_what_is_altered_is_refused(alter: Alter, expected: str) -> None:
    assert expected in told(alter)


def _without(name: str) -> Alter:
    """All multipliers of a metric left out, and labels too."""

    def alter(given: Any) -> None:
        for each in given["hybrids"]["segments"]:
            for by in (x for y in each["ranges"] for x in y["rounds"]):
                by["together"] = 0
                by["prices"] = [{k: v for k, v in x.items() if k != name} for x in by["prices"]]

    return alter


@pytest.mark.parametrize(
    ("seed", "kind", "alter"),
    [(*ENERGY, _no_prices), (*ENERGY, _without("energy_j")), (*FPGA, _no_prices)],
)
def test_of_energy_and_on_an_fpga_too(seed: int, kind: str, alter: Alter) -> None:
    assert told(lambda given: None, seed, kind) == ""
    assert "rounds after which no hardware is left" in told(alter, seed, kind)
    assert "bound" in told(_higher_bound, seed, kind)
    assert "segments" in told(_no_segment, seed, kind)


def _no_pair(given: Any) -> None:
    every = given["hybrids"]["segments"]
    every.remove(next(x for x in every if len(x["layers"]) == 4))


def _in_another_order(given: Any) -> None:
    of = next(x for x in given["hybrids"]["segments"] if len(x["layers"]) == 4)
    of["layers"] = of["layers"][2:] + of["layers"][:2]


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (lambda given: None, ""),
        (_no_prices, "rounds after which no hardware is left"),
        (_without("second_segment_s"), "rounds after which no hardware is left"),
        (_no_pair, "segments"),
        (_in_another_order, "each segment once"),
        (_higher_bound, "bound"),
    ],
)
def test_of_two_segments_too(alter: Alter, expected: str) -> None:
    assert expected in told(alter, *TWO)
    assert expected or not told(alter, *TWO)


def test_pairs_are_told_apart() -> None:
    lines = certificate_lines(json.loads(texts(*TWO)[1]), "c.json")
    assert any("segments and pairs of them that no better hybrid shares" in x for x in lines)
