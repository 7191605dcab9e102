"""Certificates of tensors on chip: none makes a false claim pass, and true ones can be proven.

On random tiny problems, against plain enumeration of hardware, widths, places, tilings and SRAM.
"""

from __future__ import annotations

import copy
import math
import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from altered import findings
from certified import ADDITIVE, as_checked, chip_problem_of, deep, solved, written
from false_claims import hold_to_enumeration, option_of
from seeds import mostly_long

import codesign
from codesign import certify
from codesign.checking.certificate.elimination import cost_tables, eliminate
from codesign.checking.certificate.exact_costs import Multipliers
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import Verifier
from codesign.errors import InfeasibleError
from codesign.tasks import certificate_cuts

SEEDS, BLOCK = 60, 15


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, SEEDS, BLOCK), 1))
def test_no_prices_prove_what_is_false(first: int) -> None:
    """A claim just above the true optimum, at any prices, groups and cuts."""
    hold(range(first, first + BLOCK))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 3000, 100))
def test_no_prices_prove_what_is_false_long(first: int) -> None:
    hold(range(first, first + 100))


def hold(seeds: range) -> None:
    """Of a third some true claim is proven."""
    held = hold_to_enumeration(seeds, chip_problem_of)
    assert held.false > 4 * len(seeds)
    assert len(held.true) > len(seeds) // 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long(range(24), 12))
def test_the_least_priced_cost_is_that_of_the_oracle(seed: int) -> None:
    """At each option's own SRAM; and with ideal tiles, which take none, no more."""
    problem, points = chip_problem_of(seed)
    rng = random.Random(seed)
    sizes = sorted({point.sram_bits for point in points})
    if not sizes:
        return
    sram_bits = rng.choice(sizes)
    choices = replace(
        problem.choices, sram_bits=(sram_bits,), min_sram_bits=None, max_sram_bits=None
    )
    limits = dict.fromkeys(ADDITIVE, 1e20)
    problem = replace(problem, choices=choices, quality=None, budgets=limits)
    checked = as_checked(problem)
    verifier = Verifier(checked, Fraction(10**20))
    for option in checked.choices.options[:6]:
        mine = [x for x in points if option_of(checked, x.hardware) == option]
        mine = [x for x in mine if x.sram_bits <= sram_bits]
        prices = {name: Fraction(10 ** rng.uniform(-3, 3)) for name in ADDITIVE}
        scaled = Multipliers(verifier.units, verifier.threshold, prices)
        least = []
        for ideal in (False, True):
            group = OptionGroup((option.array,), (option.pe_bits,), ideal)
            layers = verifier.option_groups.layer_costs(group)
            costs = cost_tables(verifier.variables, verifier.units, scaled, layers)
            least.append(eliminate(verifier.variables, costs).least)
        assert least[1] <= least[0]
        if not mine:
            assert least[0] > scaled.most
            continue
        expected = min(
            math.fsum(float(prices[name]) * point.value(name) for name in ADDITIVE)
            for point in mine
        )
        unit = prices["dram_bits"] * verifier.units.unit["dram_bits"] / scaled.each[1]
        assert float(least[0] * unit) == pytest.approx(expected, rel=1e-9)


def worse_designs(seeds: range) -> list[tuple[Any, Any]]:
    """Design files whose figures all hold, but which keep tensors in the wrong place.

    Found with a tensor pinned there, then written as an answer to the problem without; each with
    the true certificate.
    """
    found = []
    for seed in seeds:
        best = solved(seed, on_chip=True)
        if best is None or best.problem.objective not in ("latency_s", "dram_bits", "area_mm2"):
            continue
        choices = best.problem.choices
        free = [name for name in best.network.lifetimes if name not in choices.places]
        for name, place in product(free, ("chip", "dram")):
            pinned = replace(choices, places={**choices.places, name: place})
            try:
                worse = codesign.solve(replace(best.problem, choices=pinned))
            except InfeasibleError:
                continue
            if worse.proof.objective > best.proof.objective * 1.001:
                content = replace(worse, problem=best.problem).to_dict()
                found.append((written(content), written(certify(best).to_dict())))
                break
    return found


@pytest.mark.long
def test_a_design_that_keeps_the_wrong_tensors_is_refused() -> None:
    every = worse_designs(range(20))
    assert len(every) > 4
    rng = random.Random(1)
    for worse, certificate in every:
        assert findings(worse) == []
        report = deep(worse, certificate)
        assert not report.holds
        assert not report.proven
        certificate["bound"] = worse["proof"]["objective"] * (1 - 1e-7)
        for _ in range(4):
            report = deep(worse, certificate)
            assert not report.holds
            assert not report.proven
            certificate = copy.deepcopy(certificate)
            for group in certificate["groups"]:
                group["tilings"], group["by"] = rng.choice(("any", "fitting")), "bound"
                for name in group["prices"]:
                    group["prices"][name] *= rng.choice((0, 1, 1.01, 10 ** rng.uniform(-3, 3)))


@pytest.mark.slow
def test_cuts_from_places_are_weighed() -> None:
    """The more is cut the less is proven, and nothing but layers from places and widths."""
    told = set()
    for seed in range(8):
        design = solved(seed, on_chip=True)
        if design is None:
            continue
        content, certificate = written(design.to_dict()), written(certify(design).to_dict())
        every = product(design.network.layers, design.network.lifetimes)
        pairs = [[layer.name, f"place:{name}"] for layer, name in every]
        for cuts in ([], pairs[:1], pairs):
            report = deep(content, {**certificate, "cuts": cuts})
            assert report.proven == report.holds
            told.add((len(cuts) > 1, report.holds))
        for pair in (["x", pairs[0][1]], [pairs[0][0], "place:x"], [pairs[0][0], "place:in"]):
            (finding,) = deep(content, {**certificate, "cuts": [pair]}).findings
            assert finding.where.startswith("certificate.cuts[0][")
    assert told >= {(False, True), (True, True), (True, False)}


@pytest.mark.slow
def test_what_tables_have_no_room_for_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """First what a layer does not touch, then what it does; what is then too loose is trusted."""
    kinds: Counter[str] = Counter()
    for most in (10**9, 60, 1):
        monkeypatch.setattr(certificate_cuts, "MOST_ENTRIES", most)
        for seed in range(10):
            design = solved(seed, on_chip=True)
            if design is None:
                continue
            layers = {x.name: (*x.reads, x.output) for x in design.network.layers}
            certificate = certify(design)
            places = [(a, b[6:]) for a, b in certificate.cuts if b.startswith("place:")]
            assert most < 10**9 or not certificate.cuts
            kinds[f"{most} beside"] += sum(name not in layers[layer] for layer, name in places)
            kinds[f"{most} touched"] += sum(name in layers[layer] for layer, name in places)
            report = deep(written(design.to_dict()), written(certificate.to_dict()))
            assert report.holds
            assert report.proven == (not certificate.trusted)
    assert 0 < kinds["60 beside"] <= kinds["1 beside"]
    assert kinds["60 touched"] < kinds["1 touched"]
