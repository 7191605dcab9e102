"""Problems of several architectures that say what is of one shared array: answered in full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from certified import deep, written
from pipelines import tiny
from seeds import half_long

from codesign import Choices, InfeasibleError, certify, certify_infeasible, solve
from codesign.problem.choices import OF_ONE_ARRAY

SAID: dict[str, dict[str, Any]] = {
    "overlap": {"overlap": 0.5},
    "sizes of SRAM": {"sram_bits": (2_000, 8_000)},
    "limits on the SRAM": {"min_sram_bits": 1_000, "max_sram_bits": 50_000},
    "a buffer": {"weight_buffer_bits": 4_000},
    "bands": {"on_chip": "bands", "fused_layers": 2},
    "a place": {"places": {"x": "dram"}},
    "precision": {"precision": "multi-pass"},
    "reconfigurable": {"reconfigurable": True, "mapping": ("window", "output")},
}


@pytest.mark.parametrize("said", half_long(SAID))
@pytest.mark.parametrize("area_mm2", [pytest.param(0.03, marks=pytest.mark.long), 0.2])
def test_what_is_of_one_array_is_explained_and_certified(said: str, area_mm2: float) -> None:
    asked = {"objective": "interval", "budgets": {"area_mm2": area_mm2}}
    problem = tiny(("array", "dataflow"), **asked)
    problem = replace(problem, choices=replace(problem.choices, **SAID[said]))
    design = solve(problem)
    report = deep(written(design.to_dict()), written(certify(design, asked=problem).to_dict()))
    assert report.proven
    explained = design.explain()
    assert explained.unproven == 0
    plain = tiny(("dataflow",), **asked)
    plain = replace(plain, choices=replace(plain.choices, mapping=problem.choices.mapping))
    found = {x.architecture: x for x in design.architectures}["dataflow"]
    try:
        least = solve(plain).proof.objective
    except InfeasibleError:
        assert found.outcome == "infeasible"
    else:
        assert found.bound is None or found.bound <= least * (1 + 1e-6)
        assert design.proof.objective <= least * (1 + 1e-6)


def test_that_there_is_none_is_certified() -> None:
    problem = tiny(("array", "dataflow"), objective="interval", budgets={"area_mm2": 1e-4})
    problem = replace(problem, choices=replace(problem.choices, overlap=0.0))
    with pytest.raises(InfeasibleError) as raised:
        solve(problem)
    assert not certify_infeasible(problem, raised.value).left_to_solver


def test_choices_of_one_architecture() -> None:
    given: dict[str, Any] = {"sram_bits": (2_000,), "overlap": 0.5, "weight_buffer_bits": 9}
    several = Choices(architecture=("array", "dataflow", "hybrid"), segments=2)
    several = replace(several, **{x: y for x, y in given.items() if x == "sram_bits"})
    for name in ("dataflow", "hybrid"):
        one = several.of_one(name)
        assert all(getattr(one, x) == usual for x, usual in OF_ONE_ARRAY.items())
        assert (one.architecture, one.segments) == ((name,), 2 if name == "hybrid" else 1)
    both = Choices(architecture=("array", "dataflow"), on_chip="bands", fused_layers=3, **given)
    assert both.of_one("array") == replace(both, architecture=("array",))
    assert (both.of_one("dataflow").on_chip, both.of_one("dataflow").fused_layers) == ("tensors", 4)
