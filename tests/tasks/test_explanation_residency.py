"""What resident tensors are worth: every figure is that of enumerated choices."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pytest
from chosen_designs import as_problems_have_it, design_of
from enumerated_residency import Enumeration, Outcome, lives
from residency_questions import Question, random_question
from seeds import mostly_long

from codesign import Accelerator, Design, Layer, Network
from codesign.results.residency_worth import USEFUL, ResidencyWorth
from codesign.results.text.layout import to_text
from codesign.results.text.residency_worth import worth_parts
from codesign.stopping import StopCondition
from codesign.tasks.explain_residency import residency_worth
from codesign.units import BITS_PER_MBIT


def question_of(seed: int) -> Question | None:
    """A question on hardware as problems have it; None where nothing fits, or much could."""
    question = as_problems_have_it(random_question(seed))
    few = len(lives(question.network)) <= 5
    return question if few and question.enumerated() else None


class Explained(NamedTuple):
    """A question answered, and all that can be on chip."""

    question: Question
    design: Design
    worth: ResidencyWorth
    every: Enumeration

    def best(self, sram_bits: int, without: str | None = None) -> Outcome:
        """The best outcome in an SRAM, perhaps without a tensor."""
        sets = (chosen for chosen in self.every.sets() if without not in chosen)
        return min(x for chosen in sets if (x := self.every.outcome(chosen, sram_bits)) is not None)


@cache
def explained(seed: int) -> Explained | None:
    question = question_of(seed)
    if question is None:
        return None
    design = design_of(question)
    worth = residency_worth(design, StopCondition(None), None)
    every = Enumeration(question.network, question.on, question.widths)
    return Explained(question, design, worth, every)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=0)


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(2000, 2060, 30), 1))
def test_each_tensor_saves_what_enumeration_says(first: int) -> None:
    saving = 0
    for seed in range(first, first + 30):
        if (found := explained(seed)) is None:
            continue
        question, design, worth, _ = found
        now = found.best(question.sram_bits)
        assert (worth.latency_s, worth.dram_bits) == (close(float(now.latency_s)), now.dram_bits)
        assert worth.complete
        assert worth.proven
        assert design.on_chip is not None
        kept = [name for name, place in design.on_chip.items() if place == "chip"]
        assert [each.name for each in worth.tensors] == kept
        for each in worth.tensors:
            width = question.widths[f"tensor:{each.name}"]
            assert each.sram_bits == question.network.tensors[each.name] * width
            then = found.best(question.sram_bits, each.name)
            assert each.dram_bits == then.dram_bits - now.dram_bits
            less = float(then.latency_s - now.latency_s)
            assert each.latency_s == pytest.approx(less, rel=1e-6, abs=1e-12 * worth.latency_s)
            saving += less > 0
    assert saving > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(2000, 2060, 30))
def test_larger_srams_hold_what_enumeration_says(first: int) -> None:
    steps = ends = 0
    for seed in range(first, first + 30):
        if (found := explained(seed)) is None:
            continue
        question, design, worth, _ = found
        for each in worth.larger:
            then = found.best(each.sram_bits)
            assert each.latency_s == close(float(then.latency_s))
            assert each.dram_bits == then.dram_bits
            assert design.on_chip is not None
            kept = {name for name, place in design.on_chip.items() if place == "chip"}
            assert kept.isdisjoint(each.comes)
            assert kept.issuperset(each.goes)
        more, *step = worth.larger
        assert more.sram_bits == question.sram_bits + BITS_PER_MBIT
        wanted = worth.latency_s * (1 - USEFUL)
        if not step:
            assert more.latency_s > wanted  # a Mbit holds all of so small a network
            ends += 1
            continue
        before = found.best(step[0].sram_bits - 1)
        assert float(before.latency_s) > wanted >= step[0].latency_s
        steps += 1
    assert min(steps, ends) > 0


def test_traffic_counts_first_where_it_is_minimised() -> None:
    differ = 0
    for seed in (*range(2000, 2005), 2032, 2265):
        question = question_of(seed)
        if question is None:
            continue
        worth = residency_worth(design_of(question, "dram_bits"), StopCondition(None), None)
        least = min((x.dram_bits, x.latency_s) for x, _ in question.enumerated())
        assert (worth.metric, worth.dram_bits) == ("dram_bits", least[0])
        assert worth.latency_s == close(float(least[1]))
        differ += min(x for x, _ in question.enumerated()).dram_bits != least[0]
    assert differ > 0


def test_what_nothing_fits_without() -> None:
    """Layer two holds 96 bits of weights, two rows of 104 bits of sums and all of a, 128: 432.

    From DRAM it takes six rows of a at once, 192 bits, or else sums of all four rows: 496 at least.
    Then 128 bits of a are written and, a row of results at a time, 10 rows of 32 bits are read.
    """
    one = Layer(name="one", K=4, C=1, P=4, H=4, input="in", output="a")
    two = Layer(name="two", K=8, C=4, P=4, H=4, R=3, input="a", output="out")
    tensors = {"in": 4, "a": 16, "out": 32}
    network = Network(name="tight", layers=(one, two), tensors=tensors)
    widths = {"weight:one": 1, "weight:two": 1} | {f"tensor:{name}": 8 for name in tensors}
    array = {"rows": 4, "cols": 8, "engine": 9, "pe_weight_bits": 1, "pe_activation_bits": 8}
    on = Accelerator(name="given", clock_hz=1e9, dram_bits_per_s=1e9, **array)
    for sram_bits, saves in ((432, None), (495, None), (496, 448 / 1e9)):
        question = Question(network, on, widths, {}, sram_bits)
        worth = residency_worth(design_of(question), StopCondition(None), None)
        (tensor,) = worth.tensors
        assert (tensor.name, tensor.sram_bits) == ("a", 128)
        assert tensor.latency_s == (None if saves is None else close(saves))
        row = to_text(worth_parts(worth), terminal=False).splitlines()[3].split()
        assert row[:2] == ["a", "128"]
        assert row[2:] == (["–", "–"] if saves is None else ["0.000448", "0.000448"])


def test_says_when_time_ran_out() -> None:
    design = design_of(next(x for x in map(question_of, range(2000, 2010)) if x))
    stop = StopCondition(None)
    stop.interrupt()
    worth = residency_worth(design, stop, None)
    assert not worth.complete
    assert worth.tensors == worth.larger == ()
    assert "not in time" in to_text(worth_parts(worth), terminal=False)
