"""The check of tensors on chip: right places hold, and nothing about them is altered unnoticed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from altered import Path_, at, findings, matches, put, unnoticed
from certified import solved
from residents import mixed_design, mixed_evaluation, some_of, with_residents
from seeds import mostly_long

from codesign.checking import check_content
from codesign.results.result_file import DIGEST

# --- right files hold ---------------------------------------------------------------------------


def test_what_lives_and_moves_by_hand() -> None:
    """4 bit for y, 36 elements, and for z2, 72; 8 bit for p, 90; 2·9 multipliers fed by the SRAM.

    y lives over a and b, z2 over m, c and d, p over c and d: 144 bit; 288, and 720 beside them.
    m reads 36 elements and writes 72 in ⌈72/18⌉ = 4 cycles. d fetches nothing, and needs room for
    its sums alone: of 2·8 outputs, in tiles of 1 row twice, of 8 + 4 + ⌈log₂ 9⌉ bit each.
    """
    content = mixed_design()
    assert findings(content) == []
    rows = {row["name"]: row for row in content["layers"]}
    live = {name: row["resident_bits"] for name, row in rows.items()}
    assert live == {"a": 144, "b": 144, "m": 288, "c": 1008, "d": 1008}
    assert rows["m"]["cycles"] == 4
    moved = {"weights": 4 * 4 * 8, "ifmap": 0, "output": 36 * 4, "psum": 0, "residual": 0}
    assert rows["b"]["dram_bits"] == moved
    assert rows["m"]["dram_bits"]["ifmap"] == 36 * 4
    assert sum(rows["d"]["dram_bits"].values()) == rows["d"]["dram_bits"]["output"] == 16 * 8
    assert rows["d"]["sram_bits"] == 2 * 2 * 1 * (8 + 4 + 4)


@pytest.mark.parametrize("seed", mostly_long(range(40), 20))
def test_any_places_hold(seed: int) -> None:
    design = solved(seed)
    if design is None:
        return
    rng = random.Random(seed)
    for _ in range(3):
        on_chip = some_of(rng, design.network)
        placed = with_residents(design, on_chip, rng.choice((0, 0, 999)))
        assert findings(json.loads(json.dumps(placed.to_dict()))) == []


def test_an_evaluation_holds() -> None:
    assert findings(mixed_evaluation()) == []


def test_pins_that_are_kept_hold() -> None:
    content = unsealed(mixed_design())
    content["problem"]["choices"]["places"] = {"y": "chip", "z": "dram", "x": "dram"}
    assert findings(content) == []


# --- nothing can be altered ---------------------------------------------------------------------


def unsealed(content: Any) -> Any:
    """Without the digest, so that the arithmetic alone tells."""
    del content[DIGEST]
    return content


FREE = (
    r"solver\.(seconds|programmes)",
    r"proof\.\w+",  # nothing is proven
    r"problem\.choices\.(rows|cols|(pe_)?(weight|activation)_bits)\.\d+",
    r"problem\.technology\.\w+\.(r2|calibrated.*|bank_bits)",
    r"problem\.network\.layers\.\d+\.(stride|(input_)?dilation|appended)",
    r"problem\.network\.layers\.2\.[NGKCPQHW]",  # of the movement, only products
)


def is_free(_content: Any, path: Path_) -> bool:
    """Whether a number may be altered, the figures being right as they were."""
    return any(matches(pattern, path) for pattern in FREE)


@pytest.mark.slow
def test_no_number_of_a_design_can_be_altered() -> None:
    assert unnoticed(unsealed(mixed_design()), is_free) == []


def test_no_number_of_an_evaluation_can_be_altered() -> None:
    content = unsealed(mixed_evaluation())
    found = unnoticed(content, lambda _, path: path[0] not in ("layers", "tensor_bits", "metrics"))
    assert found == ["metrics.noise"]  # which may be of a table that is not kept


@pytest.mark.parametrize("made", [mixed_design, mixed_evaluation])
def test_no_place_can_be_altered(made: Callable[[], Any]) -> None:
    content = unsealed(made())
    assert set(content["on_chip"].values()) == {"chip", "dram"}
    for name, place in content["on_chip"].items():
        other = {"chip": "dram", "dram": "chip"}[place]
        altered = put(content, ("on_chip", name), other)
        assert findings(altered), name
        del altered["on_chip"][name]
        assert findings(altered) == [
            f"on_chip.{name}: found None, expected an entry: it is missing"
        ]


# --- faults, each told in one line --------------------------------------------------------------

LEAST = "on_chip.x: found 'chip', expected dram, as an input or a result of the network"

FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an input on chip": (lambda d: d["on_chip"].update(x="chip"), LEAST),
    "a result on chip": (lambda d: d["on_chip"].update(r="chip"), LEAST.replace("x", "r", 1)),
    "a place that is none": (
        lambda d: d["on_chip"].update(y="band"),
        "on_chip.y: found 'band', expected one of chip, dram",
    ),
    "a tensor that is none": (
        lambda d: d["on_chip"].update(q="dram"),
        "on_chip.q: found 'dram', expected no entry of this name",
    ),
    "no places": (lambda d: d.pop("on_chip"), "on_chip: found None, expected a table"),
    "a live tensor forgotten": (
        lambda d: d["layers"][3].update(resident_bits=720),
        "layers[3] ('c').resident_bits: found 720, expected 1008",
    ),
    "live bits missing": (
        lambda d: d["layers"][0].pop("resident_bits"),
        "layers[0] ('a').resident_bits: found None, expected 144",
    ),
    "one bit too little room": (
        lambda d: d["hardware"].update(sram_bits=d["hardware"]["sram_bits"] - 1),
        "expected at most the SRAM's",
    ),
    "a pin that is not kept": (
        lambda d: d["problem"]["choices"]["places"].update(z="chip"),
        "on_chip.z: found 'dram', expected 'chip'",
    ),
    "a pin of an input": (
        lambda d: d["problem"]["choices"]["places"].update(x="chip"),
        "problem.choices.places.x: found 'chip', expected dram, as an input or a result",
    ),
    "a pin of nothing": (
        lambda d: d["problem"]["choices"]["places"].update(q="dram"),
        "problem.choices.places.q: found 'dram', expected no entry of this name",
    ),
    "another mode": (
        lambda d: d["problem"]["choices"].update(on_chip="all"),
        "problem.choices.on_chip: found 'all', expected one of bands, tensors, none",
    ),
    "places in DRAM's mode": (
        lambda d: d["problem"]["choices"].update(on_chip="none"),
        "on_chip: found {",
    ),
    "pins in DRAM's mode": (
        lambda d: d["problem"]["choices"].update(on_chip="none", places={"y": "dram"}),
        "expected no places where no tensor stays on chip",
    ),
    "a fetch of what is resident": (
        lambda d: d["layers"][1]["dram_bits"].update(ifmap=144),
        "layers[1] ('b').dram_bits.ifmap: found 144, expected 0",
    ),
    "a resident that is written": (
        lambda d: d["layers"][0]["dram_bits"].update(output=144),
        "layers[0] ('a').dram_bits.output: found 144, expected 0",
    ),
    "a movement in no time": (
        lambda d: d["layers"][2].update(cycles=0),
        "layers[2] ('m').cycles: found 0, expected 4",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults(case: str) -> None:
    alter, expected = FAULTS[case]
    content = unsealed(mixed_design())
    alter(content)
    found = findings(content)
    assert any(expected in line for line in found), found
    assert all(len(line.splitlines()) == 1 for line in found)


def test_capacity_counts_tile_and_residents_together() -> None:
    content = unsealed(mixed_design())
    rows = content["layers"]
    most = max(row["sram_bits"] + row["resident_bits"] for row in rows)
    content["hardware"]["sram_bits"] = most - 1
    full = [f"layers[{n}] ({row['name']!r}).sram_bits" for n, row in enumerate(rows)]
    full = [x for x, row in zip(full, rows, strict=True) if sum_of(row) == most]
    found = [line.partition(":")[0] for line in findings(content)]
    assert [line for line in found if line.endswith("sram_bits")] == full
    assert all(row["sram_bits"] < most for row in rows)


def sum_of(row: Any) -> int:
    """What a layer takes of the SRAM."""
    return int(row["sram_bits"] + row["resident_bits"])


def test_the_ideal_roofline_keeps_nothing() -> None:
    content = unsealed(mixed_evaluation())
    content["roofline"] = "ideal"
    (finding,) = findings(content)
    assert finding.endswith("expected no entry: the ideal roofline moves every tensor")


def test_without_the_keys_a_file_is_of_dram_alone() -> None:
    design = next(x for x in map(solved, range(99)) if x is not None)
    content = json.loads(json.dumps(design.to_dict()))
    assert "on_chip" not in {*content, *content["problem"]["choices"]}
    assert findings(content) == []
    content["problem"]["choices"]["on_chip"] = "none"
    assert [line for line in findings(content) if not line.startswith(DIGEST)] == []
    content["layers"][0]["resident_bits"] = 0
    assert any("resident_bits" in line for line in findings(content))
    content["on_chip"] = dict.fromkeys(design.network.tensors, "dram")
    assert any(line.startswith("on_chip: found {") for line in findings(content))


def test_anything_in_place_of_an_entry_is_told_not_raised() -> None:
    content = mixed_design()
    paths: list[Path_] = [("on_chip",), ("on_chip", "y"), ("layers", 1, "resident_bits")]
    paths += [("problem", "choices", key) for key in ("on_chip", "places")]
    for path in paths:
        for strange in (None, True, [], {}, "", "x\n\x1b[0m", -1, 0, 1e300, [[]], {"a": 1}):
            if strange != at(content, path):
                report = check_content(put(content, path, strange), "given.json")
                assert report.findings
                assert all(str(x).isprintable() for x in report.findings)
