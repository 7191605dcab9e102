"""What bands are worth: every figure is that of enumerated choices of runs and residents."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
from chosen_designs import as_problems_have_it, design_of
from compare_whole_explanations import compare_explanation
from enumerated_fusion import Choice, FusedEnumeration
from enumerated_residency import Outcome
from fusion_questions import fusion_question
from random_bands import KINDS, bands_case
from residency_questions import Question, random_question
from seeds import check_all, half_long

from codesign import Design
from codesign.problem.places import Place
from codesign.results.residency_worth import USEFUL, ResidencyWorth
from codesign.results.text.layout import to_text
from codesign.results.text.residency_worth import worth_parts
from codesign.stopping import StopCondition
from codesign.tasks.explain_residency import residency_worth
from codesign.units import BITS_PER_MBIT

MOST_LAYERS = 3
SEEDS = (*range(5001, 5020), 5268, 5713, 6461)


class Explained(NamedTuple):
    """A question answered, and all that can be chosen."""

    question: Question
    design: Design
    worth: ResidencyWorth
    every: FusedEnumeration

    def best(
        self, sram_bits: int, may_be: Callable[[Choice], bool] = lambda choice: True
    ) -> Outcome | None:
        """The best outcome in an SRAM of the choices that may be."""
        every = self.every.every(MOST_LAYERS, sram_bits)
        return min((x for choice, x in every.items() if may_be(choice)), default=None)

    def with_places(self, name: str, *places: Place) -> Outcome | None:
        """The best outcome in the SRAM given with a tensor in one of some places."""
        place_of = self.every.place_of
        return self.best(self.question.sram_bits, lambda choice: place_of(choice)[name] in places)


@cache
def explained(seed: int) -> Explained | None:
    """None where nothing fits, or there is much to enumerate."""
    question = as_problems_have_it(fusion_question(seed))
    every = FusedEnumeration(question.network, question.on, question.widths)
    if len(every.lives) > 5 or not every.every(MOST_LAYERS, question.sram_bits):
        return None
    design = design_of(question, most_layers=MOST_LAYERS)
    worth = residency_worth(design, StopCondition(None), None)
    return Explained(question, design, worth, every)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=0)


def check_saved(
    saved: tuple[float | None, float | None], then: Outcome | None, now: Outcome
) -> bool:
    """Hold what is saved to the two outcomes; whether it is any latency."""
    if then is None:
        assert saved == (None, None)
        return False
    less = float(then.latency_s - now.latency_s)
    assert saved[0] == pytest.approx(less, rel=1e-6, abs=1e-12 * float(now.latency_s))
    assert saved[1] == then.dram_bits - now.dram_bits
    return less > 0


@pytest.mark.slow
def test_each_band_and_tensor_saves_what_enumeration_says() -> None:
    bands = tensors = runs = nothing = 0
    for seed in SEEDS:
        if (found := explained(seed)) is None:
            continue
        question, design, worth, _ = found
        now = found.best(question.sram_bits)
        assert now is not None
        assert (worth.latency_s, worth.dram_bits) == (close(float(now.latency_s)), now.dram_bits)
        assert (worth.complete, worth.proven) == (True, True)
        fusion = worth.fusion
        assert fusion is not None
        apart = found.best(question.sram_bits, lambda choice: max(map(len, choice.blocks)) == 1)
        if apart is None:
            assert (fusion.latency_s, fusion.dram_bits) == (None, None)
            nothing += 1
        else:
            assert fusion.latency_s == close(float(apart.latency_s))
            assert fusion.dram_bits == apart.dram_bits
            runs += apart > now
        assert design.on_chip is not None
        held = [name for name, place in design.on_chip.items() if place == "band"]
        assert [each.name for each in fusion.bands] == held
        for band in fusion.bands:
            then = found.with_places(band.name, "chip", "dram")
            bands += check_saved((band.latency_s, band.dram_bits), then, now)
        for each in worth.tensors:
            then = found.with_places(each.name, "dram")
            tensors += check_saved((each.latency_s, each.dram_bits), then, now)
    assert min(bands, tensors, runs, nothing) > 0


@pytest.mark.slow
def test_larger_srams_hold_what_enumeration_says() -> None:
    steps = moves = 0
    for seed in SEEDS:
        if (found := explained(seed)) is None:
            continue
        question, design, worth, _ = found
        for each in worth.larger:
            then = found.best(each.sram_bits)
            assert then is not None
            assert (each.latency_s, each.dram_bits) == (
                close(float(then.latency_s)),
                then.dram_bits,
            )
            assert design.on_chip is not None
            for place, comes, goes in (
                ("chip", each.comes, each.goes),
                ("band", each.bands_come, each.bands_go),
            ):
                now = {name for name, x in design.on_chip.items() if x == place}
                assert now.isdisjoint(comes)
                assert now.issuperset(goes)
            moves += bool(each.bands_come) and bool(each.bands_go or each.goes)
        more, *step = worth.larger
        assert more.sram_bits == question.sram_bits + BITS_PER_MBIT
        if step:
            before = found.best(step[0].sram_bits - 1)
            assert before is not None
            wanted = worth.latency_s * (1 - USEFUL)
            assert float(before.latency_s) > wanted >= step[0].latency_s
            steps += 1
    assert min(steps, moves) > 0


def test_bands_in_words_and_in_the_file() -> None:
    told = next(x for x in map(explained, SEEDS) if x and x.worth.fusion and x.worth.fusion.bands)
    text = to_text(worth_parts(told.worth), terminal=False)
    assert "tensor held as a band" in text
    assert "no layers fused: " in text
    content = told.worth.to_dict()
    assert {"name", "sram_bits", "latency_s", "dram_bits"} == {*content["fusion"]["bands"][0]}
    assert "bands_come" in content["larger"][0]


def test_nothing_of_bands_where_there_can_be_none() -> None:
    question = as_problems_have_it(random_question(2002))
    worth = residency_worth(design_of(question), StopCondition(None), None)
    assert worth.complete
    assert worth.fusion is None
    assert "fused" not in to_text(worth_parts(worth), terminal=False)
    content = worth.to_dict()
    assert "fusion" not in content
    assert all({*each}.isdisjoint(("bands_come", "bands_go")) for each in content["larger"])


# --- whole explanations -------------------------------------------------------------------------

SOME = [
    ("chain", 0),
    ("chain", 5),
    ("tall", 3),
    ("broken", 5),
    ("broken", 7),
    ("sharing", 3),
    ("moving", 0),
]
LONG_BLOCKS = range(100, 160, 20)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), half_long(SOME))
def test_every_figure_is_the_enumerated_one(kind: str, seed: int) -> None:
    assert compare_explanation(*bands_case(seed, kind))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_every_figure_is_the_enumerated_one_long(kind: str, first: int) -> None:
    check_all(range(first, first + 20), lambda seed: compare_explanation(*bands_case(seed, kind)))
