"""Residents and fused runs on machines with optional terms, against every choice tried."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from enumerated_fusion import FusedEnumeration
from fusion_questions import fusion_question
from machine_terms import BUFFERS, OVERLAPS
from residency_questions import Question

from codesign.space.exact_cost import First


def questions(seeds: range) -> list[Question]:
    """On machines that overlap compute and DRAM in part, two in three with buffers."""
    found = []
    for seed in seeds:
        question, rng = fusion_question(seed), random.Random(f"terms {seed}")
        terms: dict[str, Any] = {"overlap": OVERLAPS[seed % len(OVERLAPS)]}
        if seed % 3:
            most = [0, 0, 0]
            for i, layer in enumerate(question.network.layers):
                if not layer.moves:
                    held = question.given.table(i, "window").need * question.given.bits_of(i)
                    part = rng.choice((held.min(axis=0), held.max(axis=0)))
                    most = [max(pair) for pair in zip(most, part.tolist(), strict=True)]
            names = rng.sample(BUFFERS, rng.choice((1, 2, 3)))
            terms |= {name: max(1, most[BUFFERS.index(name)]) for name in names}
        question = question._replace(on=replace(question.on, **terms))
        every = FusedEnumeration(question.network, question.on, question.widths)
        if question.on.dram_bits_per_s is not None and len(every.lives) <= 5:
            found.append(question)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("first", ["latency_s", "dram_bits"])
def test_best_of_all_choices(first: First) -> None:
    others = fused = none = 0
    for question in questions(range(700, 740)):
        every = FusedEnumeration(question.network, question.on, question.widths).every(
            4, question.sram_bits, question.places
        )
        found = question.fusing(4).residency(question.sram_bits, question.places, first)
        if found is None:
            assert not every
            none += 1
            continue
        ranked = sorted(getattr(x, first) for x in every.values())
        assert (found.bound, found.proven) == (pytest.approx(float(ranked[0]), rel=1e-15), True)
        best = min(x.latency_s for x in every.values() if getattr(x, first) == ranked[0])
        reached = question.fusing(4).latency_s(found)
        assert reached == pytest.approx(float(best), rel=1e-12, abs=0)
        others += ranked[-1] > ranked[0]
        fused += bool(found.runs)
    assert min(others, fused) > 5
    assert none > 0
