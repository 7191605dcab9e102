"""Residents and fused runs on machines with optional terms, against every choice tried."""

from __future__ import annotations

from dataclasses import replace

import pytest
from enumerated_fusion import FusedEnumeration
from fusion_questions import fusion_question
from machine_terms import OVERLAPS
from residency_questions import Question

from codesign.space.exact_cost import First


def questions(seeds: range) -> list[Question]:
    """On machines that overlap compute and DRAM in part."""
    found = []
    for seed in seeds:
        question = fusion_question(seed)
        overlap = OVERLAPS[seed % len(OVERLAPS)]
        question = question._replace(on=replace(question.on, overlap=overlap))
        every = FusedEnumeration(question.network, question.on, question.widths)
        if question.on.dram_bits_per_s is not None and len(every.lives) <= 5:
            found.append(question)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("first", ["latency_s", "dram_bits"])
def test_best_of_all_choices(first: First) -> None:
    others = fused = 0
    for question in questions(range(700, 730)):
        every = FusedEnumeration(question.network, question.on, question.widths).every(
            4, question.sram_bits, question.places
        )
        found = question.fusing(4).residency(question.sram_bits, question.places, first)
        if found is None:
            assert not every
            continue
        ranked = sorted(getattr(x, first) for x in every.values())
        assert (found.bound, found.proven) == (pytest.approx(float(ranked[0]), rel=1e-15), True)
        best = min(x.latency_s for x in every.values() if getattr(x, first) == ranked[0])
        reached = question.fusing(4).latency_s(found)
        assert reached == pytest.approx(float(best), rel=1e-12, abs=0)
        others += ranked[-1] > ranked[0]
        fused += bool(found.runs)
    assert min(others, fused) > 5
