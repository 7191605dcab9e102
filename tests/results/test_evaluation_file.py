"""The evaluation file: complete, read back as written, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from descriptions import fault
from written_designs import PRODUCT

from codesign import Accelerator, Design, Evaluation, SpecError, evaluate
from codesign.specs.load import load_accelerator, load_network, load_technology, shipped

# --- evaluations to write -----------------------------------------------------------------------

NETWORK = replace(PRODUCT, source="drawn on a napkin, in Zürich")
FULL = Accelerator(
    name="full",
    rows=2,
    cols=3,
    engine=9,
    pe_weight_bits=4,
    pe_activation_bits=8,
    precision="multi-pass",
    clock_hz=1e9 / 3,
    sram_bits=5000,
    psum_bits=20,
    dram_bits_per_s=1e10 / 7,
    area_overhead=1.1,
    technology=load_technology("tsmc28", "dual-port"),
    source="invented",
)
BARE = replace(
    FULL,
    name="bare",
    number_format="float",
    precision="fixed",
    sram_bits=None,
    psum_bits=None,
    dram_bits_per_s=None,
    technology=None,
)
QUADRATIC = replace(
    FULL, name="quadratic", technology=load_technology("tsmc28-quadratic"), pe_area_um2=0.1 + 0.2
)


@cache
def evaluation(name: str) -> Evaluation:
    """On tiles with everything known, at the ideal roofline with nothing known, or between."""
    if name == "bare":
        return evaluate(NETWORK, BARE, 4, roofline="ideal")
    if name == "quadratic":
        return evaluate(NETWORK, QUADRATIC, (8, 5), roofline="ideal", output_bits=3)
    return evaluate(NETWORK, FULL, (4, 12), on_chip="none")


def content(name: str) -> Any:
    """The file's content as JSON has it."""
    return json.loads(json.dumps(evaluation(name).to_dict()))


def entry(data: Any, place: str) -> Any:
    """The entry at ``layers.0.tile``."""
    for step in place.split(".") if place else ():
        data = data[int(step)] if isinstance(data, list) else data[step]
    return data


# --- what is written is read back ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["full", "bare", "quadratic"])
def test_round_trip(name: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    evaluation(name).save(path)
    loaded = Evaluation.load(str(path))
    for field in fields(Evaluation):
        assert getattr(loaded, field.name) == getattr(evaluation(name), field.name), field.name
    assert loaded == evaluation(name)
    assert loaded.notes == evaluation(name).notes
    assert loaded.layers.equals(evaluation(name).layers)
    again = tmp_path / "again.json"
    loaded.save(str(again))
    assert again.read_bytes() == path.read_bytes()


def test_a_loaded_accelerator_is_evaluated_alike(tmp_path: Path) -> None:
    evaluation("full").save(tmp_path / "evaluation.json")
    loaded = Evaluation.load(tmp_path / "evaluation.json")
    assert loaded.accelerator.technology == load_technology("tsmc28", "dual-port")
    again = evaluate(loaded.network, loaded.accelerator, (4, 12), on_chip="none")
    assert again == evaluation("full")


@pytest.mark.parametrize("name", shipped("accelerators"))
def test_shipped_accelerators_come_back(name: str, tmp_path: Path) -> None:
    found = evaluate(load_network("alexnet"), load_accelerator(name), roofline="ideal")
    found.save(tmp_path / "evaluation.json")
    assert Evaluation.load(tmp_path / "evaluation.json") == found


def test_values() -> None:
    data = content("full")
    assert data["format"] == Evaluation.FORMAT == "codesign-evaluation/1"
    assert list(data)[1:] == [
        *("network", "accelerator", "roofline", "tensor_bits"),
        *("metrics", "absent", "layers", "throughput", "sha256"),
    ]
    assert data["network"]["layers"][0]["stride"] == [2, 1]
    assert data["accelerator"]["technology"]["sram"] == "dual-port"
    assert data["accelerator"]["clock_hz"] == 1e9 / 3
    assert data["tensor_bits"] == {"x": 12, "w": 12, "y": 12, "z": 12}
    assert data["absent"] == {"energy_j": "no energy of a DRAM bit is given (--dram-pj-per-bit)"}
    for row in data["layers"]:
        assert row["latency_s"] == max(row["compute_s"], row["memory_s"])
    total = sum(sum(row["dram_bits"].values()) for row in data["layers"])
    assert data["metrics"]["dram_bits"] == total
    bare = content("bare")
    assert sorted(bare["metrics"]) == ["dram_bits", "model_bits"]
    assert sorted(bare["absent"]) == ["area_mm2", "bops", "energy_j", "latency_s", "noise"]
    for row in bare["layers"]:
        assert row["tile"] is row["latency_s"] is row["bound_by"] is None


def test_the_file_is_plain_json_in_utf8(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    evaluation("full").save(tmp_path / "evaluation.json")
    text = (tmp_path / "evaluation.json").read_bytes().decode("utf-8")
    assert text.endswith("}\n")
    assert json.loads(text, parse_constant=refuse)["network"]["source"].endswith("Zürich")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent" / "evaluation.json"):
        with pytest.raises(SpecError, match="cannot be written: ") as refused:
            evaluation("full").save(path)
        assert len(str(refused.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# --- bad files ----------------------------------------------------------------------------------


def refusal(folder: Path, data: Any) -> str:
    """The one line of the `SpecError` that loading must raise, without the path it starts with."""
    path = folder / "given.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return fault(Evaluation.load, path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        Evaluation.load(tmp_path / "absent.json")


@pytest.mark.parametrize("text", ["", "{", "[1, 2", "evaluation"])
def test_not_json(text: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, text).startswith("not JSON: ")


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", "{}", '{"format": 1}', f'"{Evaluation.FORMAT}"']
)
def test_not_an_evaluation(text: str, tmp_path: Path) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith("not an evaluation file (format ")
    assert message.endswith(f"expected '{Evaluation.FORMAT}')")


@pytest.mark.parametrize("name", ["codesign-evaluation/2", "", ["a"]])
def test_another_format(name: Any, tmp_path: Path) -> None:
    assert "not an evaluation file" in refusal(tmp_path, {**content("full"), "format": name})


def test_an_evaluation_is_no_design(tmp_path: Path) -> None:
    evaluation("full").save(tmp_path / "evaluation.json")
    with pytest.raises(SpecError, match="this is an evaluation file; wanted is a design file"):
        Design.load(tmp_path / "evaluation.json")


PLACES = ["", "network", "network.layers.0", "accelerator", "accelerator.technology", "layers.0"]
PLACES += ["accelerator.technology.pe_area_um2", "layers.1.tile", "layers.1.dram_bits"]


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_key(place: str, tmp_path: Path) -> None:
    data = content("full")
    entry(data, place)["colour"] = 1
    assert "colour: unknown key" in refusal(tmp_path, data)


def test_a_name_of_ours_is_an_unknown_key_too(tmp_path: Path) -> None:
    data = {**content("full"), "layer_designs": []}
    assert refusal(tmp_path, data) == "layer_designs: unknown key"


# Told of in words of its own, or absent from older files.
OPTIONAL = ("format", "throughput", "sha256")
NEEDED = [("", key) for key in content("full") if key not in OPTIONAL]
NEEDED += [
    (place, key)
    for place in ("accelerator", "layers.0", "layers.1.tile", "layers.1.dram_bits")
    for key in entry(content("full"), place)
    if (place, key) != ("layers.1.tile", "q")  # older files have none
]
NEEDED += [
    ("network", "layers"),
    ("network", "tensors"),
    ("tensor_bits", "x"),
    ("metrics", "noise"),
]


@pytest.mark.parametrize(("place", "key"), NEEDED)
def test_a_missing_key(place: str, key: str, tmp_path: Path) -> None:
    data = content("full")
    del entry(data, place)[key]
    told = {"tensor_bits": "tensor_bits: 'x' is missing", "metrics": "metrics and absent: "}
    assert told.get(place, f"{key}: missing") in refusal(tmp_path, data)


WRONG: dict[str, tuple[str, Any, str]] = {
    "latency that is no number": ("metrics.latency_s", float("nan"), "got nan"),
    "infinite traffic": ("metrics.dram_bits", float("inf"), "got inf"),
    "negative area": ("metrics.area_mm2", -1.0, "got -1.0"),
    "roofline of another kind": ("roofline", "flat", "got 'flat'"),
    "clock as text": ("accelerator.clock_hz", "1e9", "got '1e9'"),
    "fractional rows": ("accelerator.rows", 1.5, "got 1.5"),
    "technology by name": ("accelerator.technology", "tsmc28", "accelerator.technology: "),
    "no network": ("network", None, "network: "),
    "tensor of another size": ("network.tensors.y", 7, "'y' has 7"),
    "width of no bits": ("tensor_bits.x", 0, "got 0"),
    "width of 33 bits": ("tensor_bits.x", 33, "got 33"),
    "layers in one text": ("layers", "ab", "layers: "),
    "loop order": ("layers.0.order", "kcc", "got 'kcc'"),
    "bound by nothing": ("layers.0.bound_by", "luck", "got 'luck'"),
    "tile of zero": ("layers.0.tile.k", 0, "layers[0] ('a').tile.k: "),
    "half a cycle": ("layers.0.cycles", 0.5, "got 0.5"),
    "no time at all": ("layers.0.latency_s", 0.0, "latency_s: Input should be greater than 0"),
    "another layer's name": ("layers.0.name", "z", "not the network's 2, in its order"),
    "tiles at the ideal roofline": ("roofline", "ideal", "layers ('a').tile: not known"),
    "no SRAM for its tiles": ("accelerator.sram_bits", None, "accelerator.sram_bits: missing"),
    "time without bandwidth": ("accelerator.dram_bits_per_s", None, "metrics.latency_s: does not"),
    "an absent metric that is there": ("absent", {"noise": "?"}, "metrics and absent: each of"),
    "absent for no reason": ("absent", {"noise": None}, "absent.noise: "),
    **{
        f"no {key}": (f"layers.1.{key}", None, f"layers ('b').{key}: missing")
        for key in ("tile", "order", "cycles", "sram_bits", "memory_s", "latency_s", "bound_by")
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values(case: str, tmp_path: Path) -> None:
    place, value, told = WRONG[case]
    data = content("full")
    above, _, key = place.rpartition(".")
    entry(data, above)[key] = value
    assert told in refusal(tmp_path, data)


CONTRADICTIONS: dict[str, Callable[[Any], None]] = {
    "a layer too few": lambda data: data["layers"].pop(),
    "layers in another order": lambda data: data["layers"].reverse(),
    "a width for no tensor": lambda data: data["tensor_bits"].update(other=4),
    "a metric of another kind": lambda data: data["metrics"].update(energy_j=1.0),
    "a metric moved away": lambda data: data["absent"].update(
        latency_s=str(data["metrics"].pop("latency_s"))
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions(case: str, tmp_path: Path) -> None:
    data = content("full")
    CONTRADICTIONS[case](data)
    refusal(tmp_path, data)


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_deeply_nested(depth: int, tmp_path: Path) -> None:
    nested = "[" * depth + "]" * depth
    refusal(tmp_path, f'{{"format": "{Evaluation.FORMAT}", "layers": [], "network": {nested}}}')


def test_where_is_named_without_a_file() -> None:
    with pytest.raises(SpecError, match=r"^the answer: not an evaluation file"):
        Evaluation.from_dict({}, "the answer")
