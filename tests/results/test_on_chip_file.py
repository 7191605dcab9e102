"""Files of results with tensors on chip: read back as written, refused in one line if wrong.

``a`` of 64 elements stays from conv1 to conv2, at 8 bit 512 bits of SRAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from descriptions import fault
from pictures import GIVEN, NETWORK, TENSORS
from resident_designs import evaluated
from written_designs import design

from codesign import Design, Evaluation, evaluate
from codesign.checking import check_content


def content(*kept: str) -> Any:
    """The file's content as JSON has it."""
    return json.loads(json.dumps(evaluated(NETWORK, GIVEN, 8, kept).to_dict()))


@pytest.mark.parametrize("kept", [(), ("a",), ("a", "b")])
def test_round_trip(kept: tuple[str, ...], tmp_path: Path) -> None:
    found, path, again = evaluated(NETWORK, GIVEN, 8, kept), tmp_path / "one", tmp_path / "two"
    found.save(path)
    loaded = Evaluation.load(path)
    assert loaded == found
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_every_tensor_has_its_place_in_the_file() -> None:
    data = content("a")
    assert data["on_chip"] == {"image": "dram", "a": "chip", "b": "dram", "scores": "dram"}
    assert [row["resident_bits"] for row in data["layers"]] == [512, 512, 0]


def test_no_place_is_written_where_all_tensors_go_to_dram() -> None:
    data = evaluate(NETWORK, GIVEN, 8, on_chip="none").to_dict()
    assert "on_chip" not in data
    assert not any("resident_bits" in row for row in data["layers"])


def placed(name: str, place: str | None) -> Callable[[Any], object]:
    """Another place for a tensor; None: none."""

    def change(data: Any) -> None:
        if place is None:
            del data["on_chip"][name]
        else:
            data["on_chip"][name] = place

    return change


WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "a place of another kind": (
        placed("b", "shelf"),
        "on_chip.b: Input should be 'chip', 'dram' or 'band'",
    ),
    "a tensor without a place": (placed("b", None), "on_chip: 'b' is missing"),
    "a place for no tensor": (placed("c", "dram"), "on_chip: 'c' is unknown"),
    "an input on chip": (placed("image", "chip"), "on_chip: 'image' is an input or a result"),
    "a result on chip": (placed("scores", "chip"), "on_chip: 'scores' is an input or a result"),
    "a resident that takes no SRAM": (
        placed("b", "chip"),
        "layers ('conv$_2$').resident_bits: 512, but what stays on chip by then takes 1536",
    ),
    "too many bits": (
        lambda data: data["layers"][0].update(resident_bits=513),
        "layers ('conv1').resident_bits: 513, but what stays on chip by then takes 512",
    ),
    "no bits": (
        lambda data: data["layers"][1].pop("resident_bits"),
        "layers ('conv$_2$').resident_bits: 0, but what stays on chip by then takes 512",
    ),
    "half a bit": (
        lambda data: data["layers"][1].update(resident_bits=511.5),
        "layers[1] ('conv$_2$').resident_bits: ",
    ),
    "residents without places": (
        lambda data: data.pop("on_chip"),
        "layers ('conv1').resident_bits: 512, but what stays on chip by then takes 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case: str, tmp_path: Path) -> None:
    change, told = WRONG[case]
    data, path = content("a"), tmp_path / "evaluation.json"
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    assert told in fault(Evaluation.load, path)


def test_the_ideal_roofline_keeps_nothing(tmp_path: Path) -> None:
    data, path = evaluate(NETWORK, GIVEN, 8, roofline="ideal").to_dict(), tmp_path / "ideal.json"
    data["on_chip"] = dict.fromkeys(TENSORS, "dram")
    path.write_text(json.dumps(data), encoding="utf-8")
    assert "on_chip: the ideal roofline moves every tensor" in fault(Evaluation.load, path)


# --- designs ------------------------------------------------------------------------------------


def test_a_design_has_places_where_its_problem_lets_tensors_stay() -> None:
    """``mid`` of 36 elements at 4 bit is on chip, from ``a`` to ``b``, as it is told to be."""
    data = json.loads(json.dumps(design("kept").to_dict()))
    assert data["on_chip"] == {"in": "dram", "mid": "chip", "out": "dram"}
    assert [row["resident_bits"] for row in data["layers"]] == [144, 144]
    choices = data["problem"]["choices"]
    assert (choices["on_chip"], choices["places"]) == ("tensors", {"mid": "chip", "in": "dram"})
    assert check_content(data, "design.json").findings == ()
    none = json.loads(json.dumps(design("plain").to_dict()))
    assert "on_chip" not in none
    assert not {"on_chip", "places"} & {*none["problem"]["choices"]}


WRONG_DESIGNS: dict[str, tuple[Callable[[Any], object], str]] = {
    "no places": (lambda data: data.pop("on_chip"), "on_chip: does not suit the problem's choices"),
    "places by a problem that keeps none": (
        lambda data: data["problem"]["choices"].update(on_chip="none"),
        "places are given, but on_chip is 'none'",
    ),
    "another mode": (
        lambda data: data["problem"]["choices"].update(on_chip="rows"),
        "problem: choices.on_chip: Input should be 'bands', 'tensors' or 'none'",
    ),
    "a pinned tensor of no network": (
        lambda data: data["problem"]["choices"].update(places={"middle": "chip"}),
        "place of 'middle': network 'chain' has no such tensor; did you mean 'mid'",
    ),
    "a pinned input": (
        lambda data: data["problem"]["choices"].update(places={"in": "chip"}),
        "place of 'in': an input or a result of the network",
    ),
    "a resident elsewhere": (
        lambda data: data["on_chip"].update(mid="dram"),
        "layers ('a').resident_bits: 144, but what stays on chip by then takes 0",
    ),
}


@pytest.mark.parametrize("case", WRONG_DESIGNS)
def test_wrong_designs(case: str, tmp_path: Path) -> None:
    change, told = WRONG_DESIGNS[case]
    data, path = json.loads(json.dumps(design("kept").to_dict())), tmp_path / "design.json"
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    assert told in fault(Design.load, path)


def test_a_file_that_says_nothing_of_places_is_of_a_problem_that_keeps_none(tmp_path: Path) -> None:
    data, path = json.loads(json.dumps(design("plain").to_dict())), tmp_path / "old.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    found = Design.load(path)
    assert found.on_chip is None
    assert found.problem.choices.on_chip == "none"
    assert found.resident_tensors is None
