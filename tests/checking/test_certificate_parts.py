"""The parts of a certificate's verification, against the oracle's plain enumeration."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import oracle_tilings
import pytest
from certified import ADDITIVE, as_checked, problem_of
from false_claims import option_of
from random_problems import random_case
from seeds import mostly_long

from codesign.checking.certificate import tilings
from codesign.checking.certificate.elimination import cost_tables, eliminate
from codesign.checking.certificate.enumeration import nondominated
from codesign.checking.certificate.exact_costs import Multipliers, whole_numbers
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.tilings import LayerTilings, Staircases, ideal_traffic
from codesign.checking.certificate.verify import Verifier
from codesign.checking.certificate.width_variables import Part, Scope, WidthVariables
from codesign.checking.cost_model import Array
from codesign.checking.network import Layer as CheckedLayer
from codesign.problem.choices import Choices
from codesign.problem.places import OnChip
from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network


@pytest.mark.parametrize("most", [tilings.MOST_IN_64_BITS, 0])
@pytest.mark.parametrize("seed", mostly_long(range(30), 12))
def test_least_traffic_is_that_of_the_oracle(
    seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tilings, "MOST_IN_64_BITS", most)  # 0: in Python's own whole numbers
    problem = random_case(seed, moving=seed % 2 == 0).problem
    layers: tuple[CheckedLayer, ...] = as_checked(problem).network.layers
    widths = (1, 3, 4, 8)
    for layer, checked in zip(problem.network.layers, layers, strict=True):
        if layer.moves:
            continue
        for rows, cols, engine in ((1, 1, 9), (2, 3, 9), (8, 4, 4), (5, 8, 1)):
            stairs = LayerTilings(checked, Array(rows, cols, engine), widths)
            costs = oracle_tilings.layer_costs(layer, rows, cols, engine)
            for bw, ba in product(widths, repeat=2):
                steps = oracle_tilings.best_tilings(layer, costs, bw, ba)
                assert ideal_traffic(checked).bits(bw, ba, 0) <= steps[-1][1]
                assert stairs_of(stairs, bw, ba) == steps


def stairs_of(tilings: LayerTilings, bw: int, ba: int) -> list[tuple[int, int]]:
    """Need and traffic of the tilings no other is as good as in both, by asking at each need."""
    needs, _ = tilings.stairs(bw, ba)
    found = []
    for need in needs.tolist():
        room = whole_numbers([need, need - 1])
        both = Staircases([tilings.stairs(bw, ba), None, tilings.stairs(bw, ba)])
        least = [both.least_traffic(np.full(2, which), room) for which in (0, 2)]
        assert [x.tolist() for x in least[0]] == [x.tolist() for x in least[1]]
        assert not both.least_traffic(np.full(2, 1), room)[1].any()
        (traffic, before), (fits, fitted) = (x.tolist() for x in least[0])
        assert fits
        assert before > traffic if fitted else need == needs[0]
        found.append((need, traffic))
    return found


@pytest.mark.parametrize("mapping", ["window", "im2col", "output"])
@pytest.mark.parametrize("seed", mostly_long(range(30), 4))
def test_tilings_of_one_pe_are_as_good_as_those_of_any_array(seed: int, mapping: str) -> None:
    problem = random_case(seed, moving=seed % 2 == 0).problem
    for layer in as_checked(problem).network.layers:
        for rows, cols, engine in product((1, 2, 3), (1, 2, 8), (4, 9)):
            if layer.moves:
                continue
            one, many = (
                np.hstack(tilings.tilings(layer, Array(*sides, engine, mapping), 8))
                for sides in ((1, 1), (rows, cols))
            )
            as_good = (one[:, None] <= many[None]).all(axis=2)
            assert as_good.any(axis=0).all()


@pytest.mark.parametrize("resident", [*product((False, True), repeat=2)])
@pytest.mark.parametrize("seed", mostly_long(range(8), 4))
def test_resident_operands_take_and_move_nothing(seed: int, resident: tuple[bool, bool]) -> None:
    problem = random_case(seed, moving=seed % 2 == 0).problem
    layers: tuple[CheckedLayer, ...] = as_checked(problem).network.layers
    widths = (1, 3, 8)
    for layer, checked in zip(problem.network.layers, layers, strict=True):
        for rows, cols, engine in ((1, 1, 9), (2, 3, 9), (8, 4, 4)):
            if layer.moves:
                continue
            stairs = LayerTilings(checked, Array(rows, cols, engine), widths, *resident)
            costs = [
                cost._replace(
                    **dict.fromkeys(("held_weights", "moved_weights"), 0) if resident[0] else {},
                    **dict.fromkeys(("held_ifmap", "moved_ifmap"), 0) if resident[1] else {},
                )
                for cost in oracle_tilings.layer_costs(layer, rows, cols, engine)
            ]
            for bw, ba in product(widths, repeat=2):
                steps = oracle_tilings.best_tilings(layer, costs, bw, ba)
                assert stairs_of(stairs, bw, ba) == steps


@pytest.mark.parametrize("channels", [1, 2**20, 2**45, 2**80])
def test_least_traffic_is_exact_beyond_64_bits(channels: int) -> None:
    """5 rows of so many channels, read once if held whole; tiles of fewer rows are held twice."""
    layer = replace(
        as_checked(chain(1)).network.layers[0],
        K=4,
        C=channels,
        P=3,
        Q=1,
        H=5,
        W=1,
        R=3,
        S=1,
    )
    stairs = LayerTilings(layer, Array(channels, 1, 9), (1, 32))
    ifmap_bits = 5 * channels * 32
    room = np.array([10**60, ifmap_bits - 1], dtype=object)
    both = Staircases([stairs.stairs(1, 32), stairs.stairs(32, 32)])
    least, fits = both.least_traffic(np.zeros(2, dtype=int), room)
    assert least.tolist() == [4 * channels * 3 + ifmap_bits, 0]
    assert fits.tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long(range(24), 12))
def test_the_least_priced_cost_is_that_of_the_oracle(seed: int) -> None:
    problem, points = problem_of(seed)
    problem = replace(problem, quality=None, budgets=dict.fromkeys(ADDITIVE, 1e20))
    checked, rng = as_checked(problem), random.Random(seed)
    verifier = Verifier(checked, Fraction(10**20))
    for option in checked.choices.options[:6]:
        mine = [point for point in points if option_of(checked, point.hardware) == option]
        prices = {name: Fraction(10 ** rng.uniform(-3, 3)) for name in ADDITIVE}
        scaled = Multipliers(verifier.units, verifier.threshold, prices)
        group = OptionGroup((option.array,), (option.pe_bits,))
        width_costs = verifier.option_groups.layer_costs(group)
        costs = cost_tables(verifier.variables, verifier.units, scaled, width_costs)
        least = eliminate(verifier.variables, costs).least
        if not mine:
            assert least > scaled.most
            continue
        expected = min(
            math.fsum(float(prices[name]) * point.value(name) for name in ADDITIVE)
            for point in mine
        )
        units = [verifier.units.unit[name] for name in ADDITIVE]
        unit = prices["dram_bits"] * units[1] / scaled.each[1]
        assert float(least * unit) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("more", ["", "of others and sums"])
@pytest.mark.parametrize("dimensions", [0, 1, 2, 3, 4])
def test_unbeaten_labels(dimensions: int, more: str) -> None:
    """With metrics that are alike in all, and multiples of one, which rise or fall with it."""
    rng = random.Random(dimensions)
    for _ in range(200 if not more else 50):
        labels = [
            tuple(rng.randint(0, 6) for _ in range(dimensions)) for _ in range(rng.randint(0, 30))
        ]
        if more and dimensions:
            times, start = rng.choice((-2, 1, 3)), rng.randint(0, 9)
            labels = [(start, times * x[0] + 7, *x, 2 * x[-1]) for x in labels]
        expected = {
            mine
            for mine in labels
            if not any(
                other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
                for other in labels
            )
        }
        found = nondominated(labels)
        assert set(found) == expected
        assert len(found) == len(expected)


@pytest.mark.parametrize("layers", [50, 400])
@pytest.mark.parametrize("on_chip", ["tensors", "none"])
def test_a_long_chain_is_planned_with_a_few_looks_at_each_layer(
    layers: int, on_chip: OnChip, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Counter[str]()
    joined = WidthVariables._joined

    def counted(variable: int, parts: Mapping[Part, Scope]) -> Scope:
        looks["parts"] += len(parts)
        return joined(variable, parts)

    monkeypatch.setattr(WidthVariables, "_joined", staticmethod(counted))
    steps = WidthVariables(as_checked(chain(layers, on_chip))).steps
    variables, most = (layers, 4) if on_chip == "none" else (2 * layers - 1, 8)  # and places
    assert sorted(step.variable for step in steps) == [*range(variables)]
    assert looks["parts"] <= most * variables


def chain(layers: int, on_chip: OnChip = "none") -> Problem:
    """A layer after the other, each with a tensor of its own."""
    names = [f"t{n}" for n in range(layers + 1)]
    network = Network(
        name="chain",
        layers=tuple(
            Layer(name=f"layer{n}", K=4, C=4, input=names[n], output=names[n + 1])
            for n in range(layers)
        ),
        tensors=dict.fromkeys(names, 4),
    )
    choices = Choices(on_chip=on_chip)
    return Problem(network=network, choices=choices, budgets={"area_mm2": 1.0})


def test_what_nothing_joins_adds_up() -> None:
    """Layers that share no tensor are eliminated on their own, and their costs summed."""

    def least(*names: str) -> Fraction:
        layers = tuple(
            Layer(name=name, K=6, C=4, input=f"{name}.in", output=f"{name}.out") for name in names
        )
        sizes = {f"{name}.in": 4 for name in names} | {f"{name}.out": 6 for name in names}
        problem = Problem(
            network=Network(name="apart", layers=layers, tensors=sizes),
            choices=Choices(rows=(2,), cols=(2,), weight_bits=(4, 8), activation_bits=(2, 8)),
            objective="dram_bits",
            budgets={"noise": 1.0, "area_mm2": 9.0},
        )
        verifier = Verifier(as_checked(problem), Fraction(10**9))
        weights = {"dram_bits": Fraction(1), "noise": Fraction(10**5)}
        multipliers = Multipliers(verifier.units, verifier.threshold, weights)
        pairs = verifier.option_groups.layer_costs(OptionGroup(((2, 2),), ((8, 8),)))
        costs = cost_tables(verifier.variables, verifier.units, multipliers, pairs)
        return Fraction(eliminate(verifier.variables, costs).least, multipliers.each[0])

    assert least("a", "b", "c") == 3 * least("a") > 0
