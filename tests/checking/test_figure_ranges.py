"""Figures beyond the range of the numbers given, and entries at the ends of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzzing import cases, tried
from hypothesis import strategies as st
from seeds import mostly_long

import codesign
from codesign import Choices, Layer, Network, Problem
from codesign.checking import check_content
from codesign.cli.app import main
from codesign.errors import SpecError
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.technology import AreaFit, Technology

MAC = Network(
    name="tiny",
    layers=(Layer(name="conv", K=4, C=4, input="image", output="result"),),
    tensors={"image": 4, "result": 4},
)
ENDS = (0, 5e-324, 1e-30, 1e300)


def technology(slope: float, intercept: float) -> Technology:
    fit = AreaFit(slope=slope, intercept=intercept)
    pe = AreaFit(slope=1.0, intercept=1.0)
    return Technology(name="odd", pe_area_um2=pe, sram_fits={"one": fit}, sram="one")


def evaluated(**changes: Any) -> Evaluation:
    given = {"rows": 1, "cols": 1, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    given |= {"clock_hz": 1e9, "sram_bits": 10**6, "dram_bits_per_s": 1e9}
    return codesign.evaluate(MAC, Accelerator(name="odd", **{**given, **changes}), 8)


def findings(found: Evaluation) -> tuple[Any, ...]:
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert Evaluation.from_dict(content, "evaluation.json") == found
    return check_content(content, "evaluation.json").findings


def test_rates_beyond_the_range_of_given_numbers_check() -> None:
    """2·65536²·10⁹·10³⁰ operations per second are more than any number that may be given."""
    fast = evaluated(rows=65536, cols=65536, engine=10**9, clock_hz=1e30, dram_bits_per_s=1e30)
    small = evaluated(clock_hz=1e30, area_overhead=1e-30, technology=technology(1e-30, 1e-30))
    assert fast.to_dict()["throughput"]["peak_gops"] > 1e30
    assert small.to_dict()["throughput"]["peak_tops_per_mm2"] > 1e40
    assert findings(fast) == findings(small) == ()


@cases(60, 2000)
def test_areas_whose_terms_cancel_check(number: int) -> None:
    """A sum is rounded as its terms are, however little is left of it."""

    def judge(data: Any) -> None:
        left = data.draw(st.sampled_from([0.0, 1e-13, -1e-13, 1e-12, 1e-9, -1e-6, 1e-3]), "left")
        pe_um2, pes = data.draw(st.floats(1, 1e6), "pe"), data.draw(st.integers(1, 99), "pes")
        sram = technology(1e-3, -pe_um2 * pes * (1 - left))
        found = evaluated(rows=pes, pe_area_um2=pe_um2, technology=sram, sram_bits=500)
        assert found.metrics.get("area_mm2", 1.0) > 0
        assert findings(found) == ()

    tried(number, judge)


def test_no_positive_area_is_no_area() -> None:
    found = evaluated(pe_area_um2=1000.0, technology=technology(1.0, -2000.0), sram_bits=1000)
    assert "no positive area" in found.absent["area_mm2"]
    assert findings(found) == ()


def test_small_overheads_leave_designs_an_area() -> None:
    with pytest.raises(SpecError, match="small designs would have no area"):
        Problem(network=MAC, technology=technology(1e-3, -80.0), area_overhead=0.1)


def entries(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all numbers."""
    if isinstance(content, dict | list):
        keys = content if isinstance(content, dict) else range(len(content))
        for key in keys:
            yield from entries(content[key], (*path, key))
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield path


@pytest.mark.slow
@pytest.mark.parametrize("kind", mostly_long(["evaluation", "design", "assignment"], 1))
def test_any_entry_at_an_end_is_shown_or_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Show and check answer, in one line or many, whatever one number of a file is."""
    problem = Problem(network=MAC, choices=Choices(rows=(2, 4), cols=(2,), weight_bits=(4, 8)))
    small = Problem(network=MAC, objective="model_bits", quality="uniform:4")
    content = {
        "design": lambda: codesign.solve(problem).to_dict(),
        "evaluation": lambda: evaluated().to_dict(),
        "assignment": lambda: codesign.assign(small).to_dict(),
    }[kind]()
    content = json.loads(json.dumps(content))
    path = tmp_path / "altered.json"
    for place in entries(content):
        for end in ENDS:
            altered = copy.deepcopy(content)
            entry = altered
            for key in place[:-1]:
                entry = entry[key]
            entry[place[-1]] = end
            path.write_text(json.dumps(altered))
            assert main(["show", str(path)]) in (0, 2), place
            check_content(altered, "altered.json")
    capsys.readouterr()
