"""Machines of all kinds evaluated: against enumerated tilings, mappings, residents and runs."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from enumerated_fusion import FusedEnumeration
from enumerated_residency import Outcome
from fusion_questions import fusion_question
from random_machines import KINDS
from residency_questions import Question, random_question
from seeds import check_all

from codesign import Evaluation, SpecError, evaluate
from codesign.checking import check_content

REFUSALS = r"no tile of layer|does not hold|no band|no fused runs"
BLOCK = 50
LONG_BLOCKS = [pytest.param(x, marks=pytest.mark.long) for x in range(1000, 1300, BLOCK)]


def check_answer(question: Question, found: Evaluation, best: Any) -> None:
    """The best of all choices, its layers' figures adding up, accepted by the check."""
    assert found.metrics["dram_bits"] == best.dram_bits
    if question.on.dram_bits_per_s is not None:
        latency_s = found.metrics["latency_s"]
        assert latency_s == pytest.approx(float(best.latency_s), rel=1e-12, abs=0)
    for layer, row in zip(question.network.layers, found.layer_designs, strict=True):
        assert (row.sram_bits or 0) + row.resident_bits <= question.sram_bits
        own = question.on.reconfigurable and not layer.moves
        assert row.mapping in (question.on.mapping if own else (None,))
    report = check_content(json.loads(json.dumps(found.to_dict())), "evaluation")
    assert tuple(map(str, report.findings)) == ()
    assert Evaluation.from_dict(found.to_dict(), "file") == found


def check_question(seed: int, kind: str, on_chip: Any) -> bool:
    """One question, all tensors in DRAM, some on chip, or bands too; whether it has an answer."""
    most_layers = 2 + seed % 3 if on_chip == "bands" else 1
    make = fusion_question if on_chip == "bands" else random_question
    question = make(seed, kind)
    if on_chip == "none":
        question = question._replace(places={})
    every = FusedEnumeration(question.network, question.on, question.widths)
    if len(every.lives) > 5 and on_chip != "none":
        return True
    if on_chip == "none":
        outcomes = all_in_dram(question, every)
    else:
        outcomes = [*every.every(most_layers, question.sram_bits, question.places).values()]
    given = question.network, question.accelerator, question.widths
    options: dict[str, Any] = {"on_chip": on_chip, "places": question.places}
    if on_chip == "bands":
        options["fused_layers"] = most_layers
    if not outcomes:
        with pytest.raises(SpecError, match=REFUSALS):
            evaluate(*given, **options)
        return False
    check_answer(question, evaluate(*given, **options), min(outcomes))
    return True


def all_in_dram(question: Question, every: FusedEnumeration) -> list[Outcome]:
    """What the network costs with every tensor in DRAM, if it fits: moving data takes no cycles."""
    latency_s, dram_bits = Fraction(0), 0
    for i, layer in enumerate(question.network.layers):
        best = every.best_in(i, layer, frozenset(), question.sram_bits)
        if best is None:
            return []
        if layer.moves:
            best = every.outcome_at(0, best.dram_bits)
        latency_s, dram_bits = latency_s + best.latency_s, dram_bits + best.dram_bits
    return [Outcome(latency_s, dram_bits)]


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, *LONG_BLOCKS])
@pytest.mark.parametrize("on_chip", ["none", "tensors", "bands"])
@pytest.mark.parametrize("kind", KINDS)
def test_best_of_all_choices(kind: str, on_chip: str, first: int) -> None:
    answered: list[bool] = []
    seeds = range(first, first + (BLOCK if first else 10))
    check_all(seeds, lambda seed: answered.append(check_question(seed, kind, on_chip)))
    assert any(answered)
