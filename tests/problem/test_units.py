"""Amounts in messages: two that differ never look alike, and what is enough is."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codesign import Layer, Network, Problem, SpecError, evaluate
from codesign.specs.accelerator import Accelerator
from codesign.units import METRIC_UNITS, conflict_texts, distinct_texts, four_digits, rounded_up

AMOUNTS = st.floats(1e-30, 1e30)
# How far above a limit: so many steps of floating point, or relative.
STEPS = st.integers(1, 1000)
SHARES = st.floats(1e-15, 0.1)


def number(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


@given(limit=AMOUNTS, above=st.one_of(STEPS, SHARES), metric=st.sampled_from([*METRIC_UNITS]))
@example(limit=0.012, above=1, metric="latency_s")
@example(limit=4e8, above=1, metric="dram_bits")
def test_what_is_needed_never_looks_like_the_budget_it_breaks(
    limit: float, above: float, metric: str
) -> None:
    steps = above if isinstance(above, int) else above * limit / math.ulp(limit)
    value = limit + max(1, round(steps)) * math.ulp(limit)
    asked, alone, needed = conflict_texts(metric, (limit, value, value * 1.5))
    assert number(asked) < number(alone) < number(needed)
    scale = Fraction(repr(METRIC_UNITS[metric].scale))
    for text, exact in ((alone, value), (needed, value * 1.5)):
        enough_is = number(text) * scale / Fraction(exact)
        assert 1 - Fraction(1, 10**11) <= enough_is <= 1 + Fraction(11, 10**4)
    assert number(asked) * scale / Fraction(limit) == pytest.approx(1, abs=6e-4)


@given(value=AMOUNTS, digits=st.integers(2, 20))
def test_what_is_enough_is_the_next_above_of_so_many_digits(value: float, digits: int) -> None:
    shown, exact = number(rounded_up(value, digits)), Fraction(value)
    dust = Fraction(1, 10**12) if digits < 12 else 0
    assert exact * (1 - dust) <= shown < exact * (1 + Fraction(1, 10 ** (digits - 1)))


def test_amounts_far_enough_apart_keep_four_digits() -> None:
    assert distinct_texts(6.0, [6.1, 1234.5678]) == ("6", ["6.1", "1235"])
    assert distinct_texts(0.03031, [0.030308]) == ("0.03031", ["0.03031"])  # keeps the limit
    assert distinct_texts(0.03031, [0.0303101]) == ("0.03031", ["0.03032"])
    assert conflict_texts("latency_s", (12e-3, 1e-3, None)) == ("12", "1", "–")
    assert rounded_up(0.0) == four_digits(0.0) == "0"


def one_layer() -> Network:
    layer = Layer(name="l", K=1000, C=1000, P=1, Q=1, R=1, S=1, H=1, W=1, input="x", output="y")
    return Network(
        name="one", layers=(layer,), tensors={"x": layer.ifmap, "y": layer.computed_outputs}
    )


def test_other_messages_tell_two_amounts_apart() -> None:
    network = one_layer()
    limit = Problem(network=network, quality="uniform:6").budgets["noise"]
    for given_ in (limit * (1 + 1e-9), limit * (1 - 1e-9)):
        with pytest.raises(SpecError) as caught:
            Problem(network=network, quality="uniform:6", budgets={"noise": given_})
        words = str(caught.value).replace(",", "").replace(";", "").split()
        means, gives = (number(words[words.index(x) + 1]) for x in ("of", "give"))
        assert (means < gives) == (limit < given_)
    least = 1000 * 1000 * 8 + 1000 * 8 + 1000 * (8 + 8 + 10)  # all of the layer in one tile
    accelerator = Accelerator(
        name="one",
        rows=1000,
        cols=1000,
        engine=1,
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=1e9,
        sram_bits=least - 1,
        dram_bits_per_s=1e9,
    )
    with pytest.raises(SpecError, match="kbit holds no tile") as caught:
        evaluate(network, accelerator, 8)
    words = str(caught.value).split()
    held, needed = (number(words[words.index(x) + 1]) for x in ("of", "needs"))
    assert held < needed == least / Fraction(1000)
