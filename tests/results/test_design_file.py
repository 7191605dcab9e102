"""The design file: complete, read back as written, and refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from descriptions import fault
from written_designs import CHAIN, design

import codesign
from codesign import Choices, Design, Problem, SpecError
from codesign.checking import check_content

pytestmark = pytest.mark.smoke


@pytest.fixture(params=["plain", "full", "kept"])
def solved(request: pytest.FixtureRequest) -> Design:
    """Each of them."""
    return design(request.param)


# --- what is written is read back ---------------------------------------------------------------


def as_kept(solved: Design) -> Design:
    """The design with what a file keeps of its technology, its own: the fits that it used."""
    technology = solved.problem.technology
    used = {technology.sram: technology.sram_area_um2}
    technology = replace(technology, sram_fits=used, pe_measured=(), node_nm=None)
    return replace(solved, problem=replace(solved.problem, technology=technology))


def test_round_trip(solved: Design, tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    solved.save(path)
    loaded = Design.load(path)
    for field in fields(Design):
        assert getattr(loaded, field.name) == getattr(as_kept(solved), field.name), field.name
    again = tmp_path / "again.json"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    design("plain").save(str(tmp_path / "design.json"))
    assert Design.load(str(tmp_path / "design.json")).metrics == design("plain").metrics


def test_the_loaded_problem_has_the_same_answer(solved: Design, tmp_path: Path) -> None:
    solved.save(tmp_path / "design.json")
    again = codesign.solve(Design.load(tmp_path / "design.json").problem)
    assert again.metrics == solved.metrics
    assert again.hardware == solved.hardware


def test_noise_budget_of_zero_comes_back(tmp_path: Path) -> None:
    silent = {source: {2: 0.0, 4: 0.0, 8: 0.0} for source in Problem(network=CHAIN).noise_sources}
    choices = Choices(rows=(1,), cols=(2,), weight_bits=(2,), activation_bits=(4,))
    problem = Problem(network=CHAIN, choices=choices, sensitivity=silent, quality="uniform:4")
    found = codesign.solve(problem)
    found.save(tmp_path / "design.json")
    assert Design.load(tmp_path / "design.json") == as_kept(found)


# --- the format ---------------------------------------------------------------------------------

LAYER_KEYS = ["name", "N", "G", "K", "C", "P", "Q", "R", "S", "H", "W", "stride", "dilation"]
LAYER_KEYS += ["input", "output", "residuals", "weight_tensor"]
KEYS: dict[str, list[str]] = {
    "": ["format", "problem", "hardware", "tensor_bits", "layers", "metrics", "proof", "solver"],
    "problem": [
        *("network", "technology", "clock_hz", "dram_bits_per_s", "area_overhead", "choices"),
        *("sensitivity", "objective", "budgets"),
    ],
    "problem.network": ["name", "layers", "tensors"],
    "problem.network.layers.0": LAYER_KEYS,
    "problem.network.layers.1": LAYER_KEYS,
    "problem.technology": ["name", "pe_area_um2", "sram_area_um2"],
    "problem.technology.pe_area_um2": ["slope", "intercept"],
    "problem.technology.sram_area_um2": ["slope", "intercept"],
    "problem.choices": [
        *("rows", "cols", "square", "pe_weight_bits", "pe_activation_bits", "weight_bits"),
        *("activation_bits", "precision", "pinned", "output_bits"),
    ],
    "hardware": ["rows", "cols", "pe_weight_bits", "pe_activation_bits", "sram_bits"],
    "layers.0": [
        *("name", "weight_bits", "tile", "order", "cycles", "sram_bits", "dram_bits"),
        *("compute_s", "memory_s", "latency_s", "bound_by"),
    ],
    "layers.1.tile": ["g", "k", "c", "p", "images"],
    "layers.1.dram_bits": ["weights", "ifmap", "output", "psum", "residual"],
    "metrics": ["latency_s", "area_mm2", "dram_bits", "noise", "model_bits", "bops"],
    "proof": ["status", "objective", "bound", "gap"],
    "solver": ["name", "version", "seconds"],
}


def content(solved: Design) -> Any:
    """The file's content as JSON has it."""
    return json.loads(json.dumps(solved.to_dict()))


def entry(data: Any, place: str) -> Any:
    """The entry at ``problem.network.layers.0``."""
    for step in place.split(".") if place else ():
        data = data[int(step)] if isinstance(data, list) else data[step]
    return data


@pytest.mark.parametrize("place", KEYS)
def test_keys(place: str, solved: Design) -> None:
    missing = [key for key in KEYS[place] if key not in entry(content(solved), place)]
    assert not missing


def test_values() -> None:
    data = content(design("full"))
    assert data["format"] == Design.FORMAT == "codesign-design/1"
    problem = data["problem"]
    assert problem["network"]["tensors"] == {"x": 16, "w": 4, "y": 8, "z": 9}
    assert problem["network"]["layers"][0]["stride"] == [2, 1]
    assert problem["network"]["layers"][0]["weight_tensor"] is None
    assert problem["network"]["layers"][1]["weight_tensor"] == "w"
    # The SRAM kind in use, and no other.
    assert problem["technology"]["sram_area_um2"]["slope"] == 4.16
    assert problem["technology"]["pe_area_um2"]["intercept"] == 153.46
    assert problem["choices"]["pinned"] == {"weight:a": 8, "tensor:x": 2}
    assert problem["sensitivity"]["weight:a"] == {"2": 0.25, "4": 0.0625, "8": 1 / 256}
    assert problem["budgets"]["noise"] == pytest.approx((1 + 2 + 3 + 4) / 16)
    assert sorted(problem["budgets"]) == ["latency_s", "model_bits", "noise"]
    assert content(design("plain"))["problem"]["sensitivity"] is None


def test_figures_belong_together(solved: Design) -> None:
    data = content(solved)
    assert sorted(data["tensor_bits"]) == sorted(data["problem"]["network"]["tensors"])
    assert [row["name"] for row in data["layers"]] == ["a", "b"]
    for row in data["layers"]:
        assert sorted(row["order"]) == ["c", "k", "p"]
        assert row["latency_s"] == max(row["compute_s"], row["memory_s"])
        assert row["bound_by"] == ("compute" if row["compute_s"] >= row["memory_s"] else "memory")
        assert row["sram_bits"] <= data["hardware"]["sram_bits"]
    total = sum(sum(row["dram_bits"].values()) for row in data["layers"])
    assert data["metrics"]["dram_bits"] == total
    assert data["proof"]["objective"] == data["metrics"][data["problem"]["objective"]]
    assert data["proof"]["status"] == "optimal"


def test_the_file_is_plain_json_in_utf8(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    path = tmp_path / "design.json"
    design("plain").save(path)
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("}\n")
    data = json.loads(text, parse_constant=refuse)
    assert data["problem"]["network"]["source"] == "drawn on a napkin, in Zürich"


# --- bad files ----------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    """The one line of the `SpecError` that loading must raise, without the path."""
    return fault(Design.load, path)


def written(folder: Path, data: Any) -> Path:
    """A file with this content."""
    path = folder / "given.json"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.json")


def test_folder(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "design", "{'format': 1}", '{"format": }', "[1, 2"])
def test_not_json(text: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, text)).startswith("not JSON: ")


@pytest.mark.parametrize(
    "content", [b"\x88PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xfe{\0}\0"], ids=["noise", "utf-16"]
)
def test_binary(content: bytes, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, content)).startswith("not UTF-8 text")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"codesign-design/1"', "{}", '{"format": 1}'])
def test_not_a_design(text: str, tmp_path: Path) -> None:
    message = refusal(written(tmp_path, text))
    assert message.startswith("not a design file")
    assert "expected 'codesign-design/1'" in message


@pytest.mark.parametrize("name", ["codesign-design/2", "other", "", "two\nlines", ["a"]])
def test_another_format(name: Any, tmp_path: Path) -> None:
    data = {**content(design("plain")), "format": name}
    assert "not a design file" in refusal(written(tmp_path, data))


@pytest.mark.parametrize("depth", [500, 900, 985, 5_000, 200_000])
@pytest.mark.parametrize("place", ["{}", '{{"format": "codesign-design/1", "problem": {}}}'])
def test_deeply_nested(depth: int, place: str, tmp_path: Path) -> None:
    refusal(written(tmp_path, place.format("[" * depth + "]" * depth)))


def test_a_number_of_ten_thousand_digits(tmp_path: Path) -> None:
    text = json.dumps(content(design("plain")))
    assert text.count('"square": false') == 1
    refusal(written(tmp_path, text.replace('"square": false', f'"square": {"9" * 10_000}')))


# Keys of a problem that the descriptions have defaults for.
OPTIONAL = {
    *("N", "G", "P", "Q", "R", "S", "H", "W", "stride", "dilation", "residuals", "weight_tensor"),
    *("clock_hz", "dram_bits_per_s", "area_overhead", "choices", "sensitivity", "objective"),
    *("budgets", *KEYS["problem.choices"]),
}
NEEDED = [
    (place, key)
    for place, keys in KEYS.items()
    for key in keys
    if not (place.startswith("problem") and key in OPTIONAL)
]


@pytest.mark.parametrize(("place", "key"), NEEDED)
def test_a_missing_key(place: str, key: str, tmp_path: Path) -> None:
    data = content(design("plain"))
    del entry(data, place)[key]
    assert key in refusal(written(tmp_path, data))


@pytest.mark.parametrize("place", KEYS)
def test_an_unknown_key(place: str, tmp_path: Path) -> None:
    data = content(design("plain"))
    entry(data, place)["colour"] = 1
    message = refusal(written(tmp_path, data))
    assert "colour" in message


@pytest.mark.parametrize(
    ("place", "key"),
    [("", "layer_designs"), ("problem.technology", "sram_fits")],
)
def test_a_name_of_ours_is_an_unknown_key_too(place: str, key: str, tmp_path: Path) -> None:
    data = content(design("plain"))
    entry(data, place)[key] = {}
    assert key in refusal(written(tmp_path, data))


WRONG: dict[str, tuple[str, Any, str]] = {
    "latency that is no number": ("metrics.latency_s", float("nan"), "got nan"),
    "infinite bound": ("proof.bound", float("inf"), "got inf"),
    "negative gap": ("proof.gap", -0.1, "got -0.1"),
    "status of another kind": ("proof.status", "best", "got 'best'"),
    "rate that is no number": ("problem.dram_bits_per_s", float("nan"), "got nan"),
    "clock as text": ("problem.clock_hz", "800e6", "got '800e6'"),
    "budget of a metric unknown": ("problem.budgets", {"cost": 1.0}, "cost"),
    "budget that is no number": ("problem.budgets", {"area_mm2": float("nan")}, "got nan"),
    "objective unknown": ("problem.objective", "cost", "got 'cost'"),
    "fractional rows": ("hardware.rows", 1.5, "got 1.5"),
    "negative SRAM": ("hardware.sram_bits", -1, "got -1"),
    "loop order": ("layers.0.order", "kcc", "got 'kcc'"),
    "bound by nothing": ("layers.0.bound_by", "luck", "got 'luck'"),
    "tile of zero": ("layers.0.tile.k", 0, "got 0"),
    "layers in one text": ("layers", "ab", "layers"),
    "no problem": ("problem", None, "problem"),
    "problem as a list": ("problem", [], "problem"),
    "technology as a text": ("problem.technology", "tsmc28", "technology"),
    "SRAM kind as a list": ("problem.technology.sram", [], "sram"),
    "network as a text": ("problem.network", "chain", "network"),
    "sensitivity as a list": ("problem.sensitivity", [], "sensitivity"),
    "sensitivity of text": ("problem.sensitivity", {"weight:a": {"two": 1.0}}, "two"),
    "sensitivity without a table": ("problem.sensitivity", {"weight:a": 3}, "weight:a"),
    "sensitivity that is no number": (
        "problem.sensitivity",
        {"weight:a": {"2": float("nan")}},
        "got nan",
    ),
    "sensitivity at a width of 5000 digits": (
        "problem.sensitivity",
        {"weight:a": {"9" * 5000: 1.0}},
        "weight:a",
    ),
    "a layer twice": ("problem.network.layers.1.name", "a", "two layers are named 'a'"),
    "tensor of another size": ("problem.network.tensors.mid", 35, "'mid' has 35"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values(case: str, tmp_path: Path) -> None:
    place, value, part = WRONG[case]
    data = content(design("plain"))
    above, _, key = place.rpartition(".")
    entry(data, above)[key] = value
    assert part in refusal(written(tmp_path, data))


CONTRADICTIONS: dict[str, Callable[[Any], None]] = {
    "a layer too few": lambda data: data["layers"].pop(),
    "a layer of another name": lambda data: data["layers"][0].update(name="z"),
    "a tensor without a width": lambda data: data["tensor_bits"].pop("mid"),
    "a width for no tensor": lambda data: data["tensor_bits"].update(other=4),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_design_that_is_not_one_of_its_problem(case: str, tmp_path: Path) -> None:
    data = content(design("plain"))
    CONTRADICTIONS[case](data)
    refusal(written(tmp_path, data))


def test_where_is_named_without_a_file() -> None:
    with pytest.raises(SpecError, match=r"^the answer: not a design file"):
        Design.from_dict({}, "the answer")


@pytest.mark.parametrize("path", [("clock_hz",), ("choices",), ("choices", "precision")])
def test_what_the_figures_depend_on_has_no_default(tmp_path: Path, path: tuple[str, ...]) -> None:
    content = json.loads(json.dumps(design("plain").to_dict()))
    entry = content["problem"]
    for key in path[:-1]:
        entry = entry[key]
    del entry[path[-1]]
    with pytest.raises(SpecError, match=rf"problem\.{'.'.join(path)}: missing"):
        Design.from_dict(content, "given.json")


def test_rates_follow_from_the_rest(solved: Design) -> None:
    """A file without them, as older ones are, is valid; a batch counts all its images."""
    content = solved.to_dict()
    latency_s, area_mm2 = solved.metrics["latency_s"], solved.metrics["area_mm2"]
    ops_per_s = 2 * solved.network.macs / latency_s
    peak_ops_per_s = 2 * solved.accelerator.peak_macs_per_s
    expected = {
        "images_per_s": solved.network.images / latency_s,
        "gops": ops_per_s / 1e9,
        "peak_gops": peak_ops_per_s / 1e9,
        "tops_per_mm2": ops_per_s / 1e12 / area_mm2,
        "peak_tops_per_mm2": peak_ops_per_s / 1e12 / area_mm2,
    }
    assert content["throughput"] == pytest.approx(expected, rel=1e-12)
    older = {key: x for key, x in content.items() if key not in ("throughput", "sha256")}
    assert Design.from_dict(older, "older.json").metrics == solved.metrics
    assert check_content(json.loads(json.dumps(older)), "older.json").holds
    assert solved.network.batched(3).images == 3 * solved.network.images
