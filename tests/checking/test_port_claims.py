"""Certificates where the SRAM's port has a rate, or DRAM pads channels.

True claims alone are proven: of random tiny problems against plain enumeration of all tilings, by
latency, by energy, and by other metrics beside a limit on latency. Altered certificates are not.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from certified import claimed, deep, written
from enumerated_claims import Draw, certify_all, hold_to_points
from machine_questions import two_layers
from port_questions import drawn
from seeds import half_long

import codesign
from codesign import Problem, certify

KINDS = ("none", "tensors", "mapping", "reconfigurable", "widening")
SEEDS: dict[str, tuple[Sequence[int], Sequence[int]]] = {  # with a port; with padding
    "none": ((4, 6, 201, 208), (200, 202, 208)),
    "tensors": ((203, 204, 207), (203, 207, 208)),
    "mapping": ((202, 203, 208), (202, 203, 204)),
    "reconfigurable": ((203, 204, 208), (203, 204, 209)),
    "widening": ((200, 202, 204), (200, 202, 207)),
}


def of(kind: str, stored: bool) -> Draw:
    """What draws problems of a kind."""
    return lambda seed: drawn(seed, kind, stored)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kind", half_long(KINDS))
def test_true_claims_are_proven_and_false_ones_are_not(kind: str, stored: bool) -> None:
    seeds = SEEDS[kind][stored]
    seen = hold_to_points(of(kind, stored), seeds)
    assert seen["false"] == 10 * len(seeds)
    assert certify_all(of(kind, stored), seeds) == len(seeds)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, 50))
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_prices_prove_what_is_false_long(kind: str, stored: bool, first: int) -> None:
    hold_to_points(of(kind, stored), range(first, first + 50))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1200, 50))
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_optima_are_proven_long(kind: str, stored: bool, first: int) -> None:
    assert certify_all(of(kind, stored), range(first, first + 50)) > 5


# --- altered certificates -----------------------------------------------------------------------

TERMS: dict[str, dict[str, Any]] = {
    "port": {"sram_bits_per_cycle": 40},
    "stored": {"stored_channels": 16},
    "both": {"sram_bits_per_cycle": 60, "stored_channels": 8, "overlap": 0.5},
}


@cache
def questions(kind: str) -> tuple[Problem, Problem]:
    """A question, and one of narrower choices whose answer is worse."""
    asked = two_layers(mapping=("window",), **TERMS[kind])
    if kind == "both":
        asked = replace(asked, objective="energy_j", dram_energy_j_per_bit=2e-11)
    if kind == "stored":
        asked = replace(asked, dram_bits_per_s=4e10)
    return asked, replace(asked, choices=replace(asked.choices, rows=(2,), cols=(2,)))


@pytest.mark.parametrize("kind", TERMS)
def test_a_worse_design_is_not_proven(kind: str) -> None:
    asked, narrower = questions(kind)
    best, worse = codesign.solve(asked), codesign.solve(narrower)
    assert worse.proof.objective > best.proof.objective * (1 + 1e-5)
    content, certificate = claimed(worse, best), written(certify(best).to_dict())
    assert deep(written(best.to_dict()), certificate).proven
    rng = random.Random(kind)
    for _ in range(6):
        altered = copy.deepcopy(certificate)
        altered["bound"] = worse.proof.objective * (1 - 1e-7)
        for group in altered["groups"]:
            group["by"] = rng.choice(("bound", "enumeration"))
            group["tilings"] = rng.choice(("any", "fitting", "finest"))
            for name in group["prices"]:
                group["prices"][name] *= rng.choice((0, 1, 1.01, 10 ** rng.uniform(-6, 6)))
        report = deep(content, altered)
        assert not report.proven
        assert not report.holds


@pytest.mark.parametrize("kind", TERMS)
def test_what_a_certificate_counts_is_read_from_the_problem(kind: str) -> None:
    """Of machines that are slower by what was left out the bound of others is no proof."""
    asked, _ = questions(kind)
    best = codesign.solve(asked)
    plain: dict[str, Any] = dict.fromkeys(TERMS[kind]) | {"overlap": 1.0}
    faster = codesign.solve(replace(asked, choices=replace(asked.choices, **plain)))
    assert faster.proof.objective < best.proof.objective * (1 - 1e-5)
    altered = written(certify(faster).to_dict())
    altered["bound"] = best.proof.objective * (1 - 1e-7)
    file = written(best.to_dict())
    file["problem"]["choices"] = written(faster.to_dict())["problem"]["choices"]
    assert not deep(file, altered).proven
