"""Results on machines of all kinds hold wherever they are kept: in files, fronts and studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from altered import findings
from certified import written
from machine_questions import two_layers
from study_grids import questions
from study_work import TINY

import codesign
from codesign import Design, Evaluation, Front, SpecError, Study, pareto
from codesign.results.front_file import to_dict
from codesign.study.solve_cell import answer_question

MACHINES: dict[str, dict[str, Any]] = {
    "several": {},
    "own": {"reconfigurable": True, "fill_cycles": True, "cycle_factors": {"3x3": "4/9"}},
    "splitting": {"mapping": ("im2col",), "precision": "widening", "pe_weight_bits": (8,)},
}


@pytest.mark.parametrize("kind", MACHINES)
def test_designs_are_read_back_and_explained(kind: str, tmp_path: Path) -> None:
    design = codesign.solve(two_layers(**MACHINES[kind]))
    path = tmp_path / "design.json"
    design.save(path)
    assert written(Design.load(path).to_dict()) == written(design.to_dict())
    assert codesign.check(path).findings == ()
    reached = design.explain().design.metrics
    assert reached == design.metrics


@pytest.mark.parametrize("kind", MACHINES)
def test_fronts_are_read_back(kind: str, tmp_path: Path) -> None:
    front = pareto(two_layers(**MACHINES[kind]), objectives=("latency_s", "area_mm2"))
    hardware = [design.hardware for design in front.designs]
    for design in front.whole_designs:
        assert findings(written(design.to_dict())) == []
    front.save(tmp_path / "front.csv")
    (tmp_path / "front.json").write_text(json.dumps(to_dict(front)))
    for name in ("front.csv", "front.json"):
        found = Front.load(tmp_path / name)
        assert [design.hardware for design in found.designs] == hardware
    assert len(hardware) > 1
    if kind == "own":
        assert {x.mapping for x in hardware} == {("window", "im2col", "output")}


READ: dict[str, tuple[str, Any, str]] = {
    "two of a machine": (
        "several",
        lambda x: x["hardware"].update(mapping=["output", "window"]),
        "hardware.mapping: output, window, which the problem's choices.mapping does not offer",
    ),
    "none on offer": (
        "splitting",
        lambda x: x["hardware"].update(mapping=["output"]),
        "hardware.mapping: output, which the problem's choices.mapping does not offer",
    ),
    "not all": (
        "own",
        lambda x: x["hardware"].update(mapping=["output"]),
        "hardware.mapping: output, which",
    ),
    "its own": (
        "several",
        lambda x: x["layers"][0].update(mapping="output"),
        "layers ('a').mapping: layers of this machine have none of their own",
    ),
    "none": ("own", lambda x: x["layers"][1].pop("mapping"), "layers ('b').mapping: missing"),
}


@pytest.mark.parametrize("case", READ)
def test_mappings_that_do_not_suit_are_refused(case: str) -> None:
    kind, alter, told = READ[case]
    content = written(codesign.solve(two_layers(**MACHINES[kind])).to_dict())
    del content["sha256"]
    Design.from_dict(content, "design.json")
    alter(content)
    with pytest.raises(SpecError) as raised:
        Design.from_dict(content, "design.json")
    assert str(raised.value).startswith(f"design.json: {told}")
    assert findings(content) != []


def test_a_mapping_that_an_accelerator_has_not_is_refused() -> None:
    problem = two_layers(reconfigurable=True)
    accelerator = codesign.solve(problem).accelerator
    done = codesign.evaluate(problem.network, accelerator, 8, on_chip="none")
    content = written(done.to_dict())
    del content["sha256"]
    content["accelerator"]["mapping"] = ["window"]
    with pytest.raises(SpecError, match=r"layers \('a'\).mapping: output, none of window"):
        Evaluation.from_dict(content, "evaluation.json")


def test_figures_that_no_machine_has_are_refused_or_found_wrong() -> None:
    """Operands wider than PEs that split; more bits than seconds or joules can be of."""
    content = written(codesign.solve(two_layers(**MACHINES["splitting"])).to_dict())
    del content["sha256"]
    wide = {**content, "layers": [{**content["layers"][0], "weight_bits": 9}, content["layers"][1]]}
    found = Design.from_dict(wide, "design.json").to_dict()
    assert any("weight_bits: found 9, expected at most the PE's 8" in x for x in findings(wide))
    assert found["layers"][0]["weight_bits"] == 9
    content["layers"][0]["dram_bits"]["weights"] = 10**400
    with pytest.raises(SpecError, match=r"layers\[0\] .*dram_bits.weights"):
        Design.from_dict(content, "design.json")


def test_answers_of_a_study_hold() -> None:
    given: dict[str, Any] = {
        "rows": "2,4",
        "cols": "2",
        "bits": "4,8",
        "max_area_mm2": 0.1,
        "mapping": ["im2col", "window,im2col,output"],
        "precision": ["fixed", "widening"],
    }
    study = Study.grid(networks=[TINY], reconfigurable=False, weight_load=True, **given)
    found = set()
    for question in questions(study):
        answer = answer_question(question.text, question.network)
        assert answer.error is None
        (content,) = answer.designs
        content["problem"]["network"] = json.loads(question.network)
        del content["sha256"]  # of the network as the layers have it, later fields among them
        assert findings(written(content)) == []
        found.add(tuple(content["hardware"].get("mapping", ["window"])))
    assert len(found) > 1
