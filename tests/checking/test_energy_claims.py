"""Certificates that count energy: true claims are proven, false ones are not.

On random tiny problems against plain enumeration of all tilings: energy as the objective, or
limited beside another; power at all times that grows with the SRAM; mappings, PEs that split,
tensors on chip.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import oracle_tilings
import pytest
from certified import as_checked, claimed, deep, written
from enumerated_claims import Draw, certify_all, hold_to_points
from machine_questions import two_layers
from random_energy import drawn
from random_problems import random_case
from seeds import half_long
from small_layers import square

import codesign
from codesign import Choices, Design, Network, Problem, certify
from codesign.checking.certificate.coverage import Coverage
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.tiling_menus import undominated_within
from codesign.checking.certificate.tilings import LayerTilings
from codesign.checking.certificate.whole_numbers import rounded_down, whole_numbers
from codesign.checking.cost_model import Array
from codesign.tasks import certificate_ranges

SEEDS: dict[str, Sequence[int]] = {  # of each kind, some that are quickly enumerated
    "none": (4, 6, 21, 22),
    "tensors": (2, 3, 7),
    "mapping": (3, 7, 20),
    "reconfigurable": (20, 21, 53),
    "widening": (0, 3, 6),
    "bands": (10, 13, 18),
    "bands reconfigurable": (12,),
    "bands widening": (12,),
    "bands mapping": (17,),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(SEEDS))
def test_true_claims_are_proven_and_false_ones_are_not(kind: str) -> None:
    seen = hold_to_points(of(kind), SEEDS[kind])
    assert seen["false"] == 10 * len(SEEDS[kind])
    assert seen["true"] > 0
    assert certify_all(of(kind), SEEDS[kind]) == len(SEEDS[kind])


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, 50))
@pytest.mark.parametrize("kind", SEEDS)
def test_no_prices_prove_what_is_false_long(kind: str, first: int) -> None:
    hold_to_points(of(kind), range(first, first + 50))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1200, 50))
@pytest.mark.parametrize("kind", SEEDS)
def test_optima_are_proven_long(kind: str, first: int) -> None:
    assert certify_all(of(kind), range(first, first + 50)) > 10


def of(kind: str) -> Draw:
    """What draws problems of a kind."""
    return lambda seed: drawn(seed, kind)


# --- altered certificates -----------------------------------------------------------------------


@cache
def question(**changed: Any) -> Problem:
    """A question of several arrays and widths, where much of the energy is power by area."""
    asked = two_layers(mapping=("window",), **changed)
    energy = asked.technology.energy
    assert energy is not None
    technology = replace(asked.technology, energy=replace(energy, static_w_per_mm2=2.0))
    return replace(
        asked,
        technology=technology,
        dram_energy_j_per_bit=2e-11,
        objective="energy_j",
        dram_bits_per_s=1e10,
    )


@cache
def powered() -> tuple[Design, Any]:
    """Its best design, and what the certificate of that holds."""
    design = codesign.solve(question())
    certificate = certify(design)
    assert certificate.trusted == []
    return design, certificate.to_dict()


def files() -> tuple[Any, Any]:
    """The content of both, anew for each use."""
    design, certificate = powered()
    return written(design.to_dict()), written(certificate)


def test_every_range_of_sram_is_argued_for() -> None:
    design, certificate = files()
    assert deep(design, certificate).proven
    ranged = [n for n, group in enumerate(certificate["groups"]) if "sram_bits" in group]
    assert len(ranged) > 8
    for n in random.Random(4).sample(ranged, 8):
        altered = copy.deepcopy(certificate)
        low, high = altered["groups"].pop(n)["sram_bits"]
        report = deep(design, altered)
        (finding,) = report.findings
        assert f"with {low} to {high} bit of SRAM" in str(finding) or "no argument" in str(finding)
        assert not report.proven
        for other in ([low + 1, high], [low, high - 1]):
            if other[0] <= other[1]:
                altered = copy.deepcopy(certificate)
                altered["groups"][n]["sram_bits"] = other
                (finding,) = deep(design, altered).findings
                assert "bit of SRAM" in str(finding)


def test_options_of_too_many_ranges_are_left_to_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_ranges, "MOST_RANGES", 1)
    design, _ = powered()
    certificate = certify(design)
    assert 0 < len(certificate.trusted) < len(design.problem.choices.rows) * 20
    report = deep(written(design.to_dict()), written(certificate.to_dict()))
    assert report.holds
    assert not report.proven


def test_ranges_and_prices_are_weighed_anew() -> None:
    design, certificate = files()
    told, rng = Counter[bool](), random.Random(5)
    for n in rng.sample(range(len(certificate["groups"])), 8):
        group = certificate["groups"][n]
        for other in (None, [1, 2**62], [7, 10**5]):
            altered = copy.deepcopy(certificate)
            altered["groups"][n]["sram_bits"] = other
            report = deep(design, altered)
            assert report.proven == report.holds  # the claim is true: either is right
            told[report.holds] += 1
        altered = copy.deepcopy(certificate)
        name = rng.choice([*group["prices"]])
        altered["groups"][n]["prices"][name] *= rng.choice((0, 1e-3, 1.5, 1e3))
        report = deep(design, altered)
        assert report.proven == report.holds
        told[report.holds] += 1
    assert told[False] > 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("x", "a list"),
        ([5], "the least and the most SRAM bits"),
        ([0, 5], "a whole number from 1"),
        ([6, 5], "a whole number from 6"),
        ([1, 2**63], "a whole number from 1"),
        ([1.0, 5], "a whole number from 1"),
    ],
)
def test_what_is_no_range_is_refused(given: Any, told: str) -> None:
    design, certificate = files()
    certificate["groups"][0]["sram_bits"] = given
    (finding,) = deep(design, certificate).findings
    assert finding.where.startswith("certificate.groups[0].sram_bits")
    assert finding.expected.startswith(told)


def test_a_worse_design_is_not_proven() -> None:
    """Of the same question, with more SRAM and its power."""
    best, certificate = powered()
    asked = best.problem
    rng, seen = random.Random(6), 0
    for more in (100, 10_000):
        larger = replace(asked.choices, min_sram_bits=best.hardware.sram_bits + more)
        worse = codesign.solve(replace(asked, choices=larger))
        assert worse.proof.objective > best.proof.objective * 1.001
        content = written(replace(worse, problem=asked).to_dict())
        for n in range(5):
            altered = written(certificate)
            altered["bound"] = worse.proof.objective * (1 - 1e-7)
            for group in altered["groups"] if n else ():
                group["by"] = rng.choice(("bound", "enumeration"))
                group["tilings"] = rng.choice(("any", "fitting"))
                for name in group["prices"]:
                    factor = rng.choice((0, 1, 1.01, 0.9, 10 ** rng.uniform(-6, 6)))
                    group["prices"][name] *= factor
            report = deep(content, altered)
            assert not report.proven
            assert not report.holds
            seen += any(".groups" in finding.where for finding in report.findings)
    assert seen == 10


def test_energy_that_is_not_known_has_no_certificate() -> None:
    design, certificate = files()
    design["problem"]["dram_energy_j_per_bit"] = None
    assert not deep(design, certificate).proven


def test_a_design_without_fused_layers_is_not_proven_where_they_save_energy() -> None:
    asked = fused_question()
    best = codesign.solve(asked)
    apart = codesign.solve(replace(asked, choices=replace(asked.choices, places={"y": "dram"})))
    assert isinstance(best, Design)
    assert isinstance(apart, Design)
    assert "band" in (best.on_chip or {}).values()
    assert apart.proof.objective > best.proof.objective * (1 + 1e-5)
    certificate = written(certify(best).to_dict())
    assert deep(written(best.to_dict()), certificate).proven
    content, rng = claimed(apart, best), random.Random(7)
    for n in range(6):
        altered = copy.deepcopy(certificate)
        altered["bound"] = apart.proof.objective * (1 - 1e-7)
        for group in altered["groups"] if n else ():
            group["by"] = rng.choice(("bound", "enumeration"))
            group["runs"] = [["a", "b", rng.randint(0, 8), rng.choice((0, 1, 64, 10**6))]]
            for name in group["prices"]:
                group["prices"][name] *= rng.choice((0, 1, 1.01, 10 ** rng.uniform(-6, 6)))
        report = deep(content, altered)
        assert not report.proven
        assert {x.where.split("[")[0] for x in report.findings} == {"certificate.groups"}


@cache
def fused_question() -> Problem:
    """A question of two layers which take least energy where they are fused."""
    depthwise = square(1, 1, 24, 3, G=8, name="a", input="x", output="y")
    pointwise = square(16, 8, 24, 1, name="b", input="y", output="z")
    sizes = {"x": 8 * 576, "y": 8 * 576, "z": 16 * 576}
    network = Network(name="two", layers=(depthwise, pointwise), tensors=sizes)
    return replace(question(on_chip="bands"), network=network)


# --- parts --------------------------------------------------------------------------------------


def test_gaps_between_ranges_are_found() -> None:
    """Against all sizes on offer, one by one."""
    rng, seen = random.Random(1), Counter[bool]()
    for _ in range(300):
        sizes = tuple(sorted(rng.sample(range(1, 40), rng.randint(1, 5))))
        given = rng.choice(({"sram_bits": sizes}, {}, {"min_sram_bits": 7, "max_sram_bits": 30}))
        problem = as_checked(replace(question(), choices=Choices(**FEW, **given)))
        (option,), most = problem.choices.options, problem.choices.most_sram(rng.randint(1, 40))
        if not most:
            continue
        coverage = Coverage(problem.choices, {option: most})
        ranges = [
            sorted((rng.randint(1, 40), rng.randint(1, 40))) for _ in range(rng.randint(1, 4))
        ]
        for low, high in ranges:
            group = OptionGroup((option.array,), (option.pe_bits,), sram_bits=(low, high))
            coverage.add(group)
        offered = [x for x in range(1, most + 1) if problem.choices.most_sram(x) == x]
        lacking = [x for x in offered if not any(low <= x <= high for low, high in ranges)]
        left = coverage.left()
        assert (option in left) == bool(lacking)
        if lacking:
            gap = left[option]
            assert gap is not None
            assert gap[0] <= lacking[0] <= gap[1]
        seen[bool(lacking)] += 1
    assert min(seen.values()) > 30


FEW: dict[str, Any] = {"rows": (2,), "cols": (2,), "weight_bits": (8,), "activation_bits": (8,)}


def test_menus_hold_what_no_other_tiling_within_the_room_beats() -> None:
    rng = np.random.default_rng(2)
    for count in (0, 1, 3, 10, 60):
        for values in (2, 5, 50):
            need, traffic, cost = rng.integers(values, size=(3, count))
            needs, menus = undominated_within(need, traffic, cost)
            assert needs == sorted({*needs})
            rows = [*zip(need, traffic, cost, strict=True)]
            for room in range(values):
                fit = [(int(x), int(y)) for n, x, y in rows if n <= room]
                right = {
                    mine
                    for mine in fit
                    if not any(x != mine and x[0] <= mine[0] and x[1] <= mine[1] for x in fit)
                }
                place = sum(x <= room for x in needs)
                assert ({*menus[place - 1]} if place else set()) == right


@pytest.mark.parametrize("seed", range(6))
def test_least_costs_of_tilings_are_those_of_the_oracle(seed: int) -> None:
    problem, rng = random_case(seed).problem, random.Random(seed)
    layers, widths = as_checked(problem).network.layers, (1, 3, 8)
    per_bit = tuple(rng.randint(1, 50) for _ in range(3))
    for layer, checked in zip(problem.network.layers, layers, strict=True):
        for rows, cols, engine in ((1, 1, 9), (2, 3, 9), (8, 4, 4)):
            found = LayerTilings(checked, Array(rows, cols, engine), widths, per_bit=(per_bit,))
            every = oracle_tilings.layer_costs(layer, rows, cols, engine)
            for bw, ba in product(widths, repeat=2):
                bits = bw, ba, bw + ba + oracle_tilings.reduction_bits(layer)
                by_need = {}
                for x in every:
                    need = oracle_tilings.shared_bits(x, bits, (None, None, None))
                    moved = (x.moved_weights, x.moved_ifmap, x.moved_psum)
                    costs = sum(m * b * p for m, b, p in zip(moved, bits, per_bit, strict=True))
                    by_need[need] = min(costs, by_need.get(need, costs))
                least, right = None, []
                for need, costs in sorted(by_need.items()):
                    if least is None or costs < least:
                        least = costs
                        right.append((need, costs))
                needs, costs_by_need = found.stairs(bw, ba, 1)
                assert [*zip(needs.tolist(), costs_by_need.tolist(), strict=True)] == right


def test_products_are_rounded_down_and_little() -> None:
    rng = random.Random(3)
    for _ in range(300):
        size = 10 ** rng.randint(0, 30)
        values = [rng.randint(0, size) for _ in range(5)]
        factor = Fraction(rng.randint(0, 10**9), 10 ** rng.randint(0, 18))
        found = rounded_down(whole_numbers(values), factor).tolist()
        for value, each in zip(values, found, strict=True):
            exact = value * factor
            assert exact * (1 - Fraction(1, 2**29)) - 1 < each <= exact
