"""Files of designs with fused layers: read back as written, refused in one line if wrong.

Of `CHAIN` the first three layers are fused, ``y3`` that the last of them writes (256 elements, at 8
bit 2048 bits) is resident, so during all three and the layer that reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from descriptions import fault
from fused_designs import chain_design, chain_problem, random_fused_design
from resident_designs import evaluated
from residents import as_evaluation

from codesign import Design, Evaluation
from codesign.problem.file import problem_to_dict


def content() -> Any:
    """The design's file as JSON has it."""
    return json.loads(json.dumps(chain_design(on_chip=["y3"]).to_dict()))


def test_what_is_in_the_file() -> None:
    data = content()
    places = {"x": "dram", "y1": "band", "y2": "band", "y3": "chip", "y4": "dram", "scores": "dram"}
    assert data["on_chip"] == places
    assert [row["resident_bits"] for row in data["layers"]] == [2048] * 4 + [0]
    assert len({row["sram_bits"] for row in data["layers"][:3]}) == 1
    choices = data["problem"]["choices"]
    assert (choices["on_chip"], choices["fused_layers"]) == ("bands", 4)


@pytest.mark.parametrize("seed", range(40))
def test_round_trip(seed: int, tmp_path: Path) -> None:
    found, path, again = random_fused_design(seed), tmp_path / "one.json", tmp_path / "two.json"
    for made in (found, as_evaluation(found)):
        made.save(path)
        loaded = type(made).load(path)
        assert loaded.fused_runs == found.fused_runs != ()
        loaded.save(again)
        assert again.read_bytes() == path.read_bytes()


def test_without_bands_no_layers_are_fused() -> None:
    found = chain_design()
    accelerator, network = found.accelerator, found.network
    assert evaluated(network, accelerator, 8, ["y4"]).fused_runs == ()
    assert chain_design(bands=[]).fused_runs == ()


def row(number: int, **changed: object) -> Callable[[Any], object]:
    return lambda data: data["layers"][number].update(changed)


def choices(**changed: object) -> Callable[[Any], object]:
    return lambda data: data["problem"]["choices"].update(changed)


def place(**changed: str) -> Callable[[Any], object]:
    return lambda data: data["on_chip"].update(changed)


FUSED = "does not suit layers 1 to 3, which are fused"
WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "a band of an input": (place(x="band"), "on_chip: 'x' is an input or a result of the network"),
    "a band of a result": (place(scores="band"), "on_chip: 'scores' is an input or a result"),
    "a band that a layer outside the run reads": (
        place(y2="dram"),
        "on_chip: the tensors held as bands are not those between fused layers",
    ),
    "a band that is read otherwise than by rows": (
        place(y4="band"),
        "on_chip: the tensors held as bands are not those between fused layers",
    ),
    "a longer run than may be": (
        choices(fused_layers=2),
        "on_chip: layers 1 to 3 are fused, more than the 2 of the problem's choices.fused_layers",
    ),
    "a mode without bands": (choices(on_chip="tensors"), "on_chip: bands, which the problem's"),
    "a run of one layer": (choices(fused_layers=1), "choices.fused_layers: "),
    "a resident that is there for a part of the run": (
        row(0, resident_bits=0),
        "layers ('c1').resident_bits: 0, but what stays on chip by then takes 2048",
    ),
    "several rows": (
        row(1, tile={"g": 1, "k": 4, "c": 4, "p": 2, "q": 8, "images": 1}),
        f"layers ('c2').tile: {FUSED}",
    ),
    "an order": (row(2, order="kcp"), f"layers ('c3').order: {FUSED}"),
    "a need of its own": (row(1, sram_bits=4000), f"layers ('c2').sram_bits: {FUSED}"),
    "a roof of its own": (row(2, bound_by="memory"), f"layers ('c3').bound_by: {FUSED}"),
    "a latency of its own": (row(2, latency_s=2e-6), f"layers ('c3').latency_s: {FUSED}"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case: str, tmp_path: Path) -> None:
    change, told = WRONG[case]
    data, path = content(), tmp_path / "design.json"
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    assert told in fault(Design.load, path)


def test_an_evaluation_is_checked_as_well(tmp_path: Path) -> None:
    data, path = json.loads(json.dumps(as_evaluation(chain_design()).to_dict())), tmp_path / "x"
    data["layers"][1]["order"] = "kcp"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert f"layers ('c2').order: {FUSED}" in fault(Evaluation.load, path)


@pytest.mark.parametrize(("mode", "keys"), [("tensors", {"on_chip", "places"}), ("none", set())])
def test_other_modes_have_no_key_of_bands(mode: str, keys: set[str]) -> None:
    written = problem_to_dict(chain_problem(on_chip=mode))["choices"]
    assert {"on_chip", "places", "fused_layers"} & {*written} == keys
