"""Certificates of fused layers: none makes a false claim pass, and true ones can be proven.

On random tiny problems, against plain enumeration of hardware, widths, places, tilings and SRAM.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from banded import banded_design
from certified import bands_problem_of, deep, written
from false_claims import (
    closes,
    enumerated,
    hold_to_enumeration,
    proves,
    random_prices,
    random_weights,
)
from random_bands import bands_case
from seeds import mostly_long

from codesign.checking.certificate import FORMAT, exact_costs, run_costs, whole_numbers
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.run_costs import ROOF_SHARES
from codesign.checking.certificate.verify import Verifier

SEEDS, BLOCK = 30, 10


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, SEEDS, BLOCK), 2))
def test_no_prices_prove_what_is_false(first: int) -> None:
    """A claim just above the true optimum, at any prices, weights of runs, groups and cuts."""
    hold(range(first, first + BLOCK))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 3000, 100))
def test_no_prices_prove_what_is_false_long(first: int) -> None:
    hold(range(first, first + 100))


def hold(seeds: range) -> None:
    """Of a third some true claim is proven."""
    held = hold_to_enumeration(seeds, bands_problem_of)
    assert held.false > 3 * len(seeds)
    assert len(held.true) > len(seeds) // 3


CLOSE = [("tall", 39), ("tall", 64), ("chain", 31), ("chain", 56), ("chain", 83), ("sram", 226)]


@pytest.mark.parametrize(("kind", "seed"), CLOSE)
def test_runs_are_put_together_exactly(kind: str, seed: int) -> None:
    """Where the bound does not tell: at any weights, and with runs that all but fit."""
    ((_, checked, option, optimum),) = enumerated([seed], lambda x: bands_case(x, kind))
    rng, single = random.Random(seed), OptionGroup((option.array,), (option.pe_bits,))
    above = Verifier(checked, optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**40))
    for _ in range(10):
        assert proves(rng, checked, option, optimum)
        prices, *further = (random_prices(rng, checked) for _ in range(4))
        weights = random_weights(rng, above)
        assert not closes(above, single, prices, 20_000, further, weights)


@pytest.mark.parametrize(("kind", "seed"), CLOSE[1:4])
def test_beyond_64_bits_runs_are_put_together_as_well(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (exact_costs, run_costs, whole_numbers):
        monkeypatch.setattr(module, "MOST_IN_64_BITS", 0)
    test_runs_are_put_together_exactly(kind, seed)


def of_the_example() -> tuple[Any, Any]:
    """A design file of the example, and the certificate that its latency is not below 0."""
    design = banded_design()
    hardware = design.hardware
    group = {
        "arrays": [[hardware.rows, hardware.cols]],
        "pe_bits": [[hardware.pe_weight_bits, hardware.pe_activation_bits]],
        "tilings": "any",
        "prices": {"latency_s": 1.0},
        "runs": [["b", "d", ROOF_SHARES, 0], ["a", "d", 1, 3]],
        "by": "bound",
    }
    certificate = {"format": FORMAT, "bound": 0.0, "cuts": [], "groups": [group], "trusted": []}
    return written(design.to_dict()), certificate


FAULTS: dict[str, tuple[list[Any], str]] = {
    "no run of these": (["b", "c", 1, 0], "runs[0]: found ['b', 'c', 1, 0], expected a run of"),
    "a run twice": (["a", "d", 1, 0], "runs[1]: found ['a', 'd', 1, 3], expected a run of layers"),
    "no layer": (["b", "x", 1, 0], "runs[0][1]: found 'x', expected one of "),
    "more than all": (["b", "d", 9, 0], "runs[0][2]: found 9, expected a whole number from 0 to 8"),
    "a part of a share": (["b", "d", 0.5, 0], "runs[0][2]: found 0.5, expected a whole number"),
    "a gift": (["b", "d", 1, -1], "runs[0][3]: found -1, expected a whole number from 0 to 1e+06"),
    "no price": (["b", "d", 1], "runs[0]: found ['b', 'd', 1], expected first layer, last layer,"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_weights_of_what_is_no_run_are_refused(case: str) -> None:
    design, certificate = of_the_example()
    assert deep(design, certificate).proven
    certificate["groups"][0]["runs"][0], expected = FAULTS[case]
    (finding,) = deep(design, certificate).findings
    assert expected in str(finding)
