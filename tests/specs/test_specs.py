"""Descriptions that are wrong are refused in one line that names the file and the entry."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from descriptions import KINDS, MEMORY, NETWORK, TECHNOLOGY, changed, refusal, written

from codesign import SpecError, load_memory, load_network, load_technology
from codesign.files import MAX_FILE_BYTES
from codesign.specs.load import models_folder, shipped
from codesign.specs.technology import AreaFit

# --- what is right loads ------------------------------------------------------------------------


def test_right_descriptions_load(tmp_path: Path) -> None:
    network = load_network(written(tmp_path, NETWORK))
    assert (network.name, len(network.layers), network.tensors["map"]) == ("tiny", 2, 256)
    assert network.outputs == ("scores",)
    assert network.inner_tensors == ("image", "map")
    technology = load_technology(written(tmp_path, TECHNOLOGY))
    assert technology.engine == 9
    assert technology.sram_area_um2.slope == 3.0
    memory = load_memory(written(tmp_path, MEMORY))
    assert memory.bits_per_s == 128e9  # 2·10⁹ transfers of 64 bit


@pytest.mark.parametrize("kind", ["networks", "technologies", "memories"])
def test_shipped_names_are_the_files(kind: str) -> None:
    names = shipped(kind)
    assert names
    assert list(names) == sorted(path.stem for path in (models_folder() / kind).iterdir())


def test_a_string_is_a_name_and_a_path_is_a_file(tmp_path: Path) -> None:
    # Even a string that is a path to a good file is not opened.
    path = written(tmp_path, NETWORK)
    assert load_network(path).name == "tiny"
    message = refusal(load_network, str(path))
    assert "shipped: alexnet, " in message


@pytest.mark.parametrize(
    ("load", "name", "right"),
    [
        (load_network, "resnet81", "resnet18"),
        (load_network, "ResNet50", "resnet50"),
        (load_technology, "tsmc82", "tsmc28"),
        (load_memory, "ddr4_2400", "ddr4-2400"),
        (load_memory, "hbm", "hbm2"),
    ],
)
def test_unknown_names_are_answered_with_a_suggestion(
    load: Callable[[str], Any], name: str, right: str
) -> None:
    message = refusal(load, name)
    assert repr(name) in message
    assert f"did you mean {right!r}?" in message
    assert "shipped: " in message


@pytest.mark.parametrize("name", ["", "zzzzzz", "../networks/resnet18", "resnet18.toml\n", "a\0b"])
def test_unknown_names_are_not_looked_for(name: str) -> None:
    assert "shipped: " in refusal(load_network, name)


def test_unknown_kind_of_sram() -> None:
    with pytest.raises(SpecError, match="no SRAM 'triple-port'; known: single-port, dual-port"):
        load_technology("tsmc28", sram="triple-port")


# --- files that are no descriptions -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_missing_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    message = refusal(KINDS[kind][1], path)
    assert str(path) in message
    assert "No such file" in message


@pytest.mark.parametrize("kind", KINDS)
def test_folder(kind: str, tmp_path: Path) -> None:
    message = refusal(KINDS[kind][1], tmp_path)
    assert str(tmp_path) in message
    assert "cannot be read" in message


@pytest.mark.parametrize(
    "content",
    [
        NETWORK.encode("utf-16"),
        b"\xff\xfe\x00",
        NETWORK.replace("tiny", "t\u00efny").encode("latin-1"),
    ],
    ids=["utf-16", "binary", "latin-1"],
)
def test_wrong_encoding(content: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    message = refusal(load_network, path)
    assert message.startswith(f"{path}: not UTF-8 text (byte ")


def test_null_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, b"name = \0")
    assert refusal(load_network, path).startswith(f"{path}: not TOML")


def test_null_byte_in_the_path() -> None:
    assert "cannot be read" in refusal(load_network, Path("a\0b"))


def test_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)  # sparse
    assert refusal(load_network, path) == f"{path}: larger than 64 MiB"


def test_empty_file(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    message = refusal(load_network, path)
    assert message.startswith(f"{path}: ")
    assert "missing" in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (changed(NETWORK, "K = 4,", "K = ,"), 4),
        (changed(NETWORK, "map = 256\n", "map = 256 256\n"), 10),
        (changed(NETWORK, 'source = "nowhere"', "source = nowhere"), 2),
        (NETWORK + "[tensors]\n", 12),
        (changed(NETWORK, "map = 256\n", "image = 256\n"), 10),  # a key twice
        (changed(NETWORK, "map = 256\n", "map\n"), 10),
    ],
    ids=["no value", "two values", "no quotes", "table twice", "key twice", "no equals sign"],
)
def test_malformed_toml_names_the_line(text: str, line: int, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    message = refusal(load_network, path)
    assert message.startswith(f"{path}: not TOML: ")
    assert f"at line {line}, " in message


@pytest.mark.parametrize("depth", [100, 2_000, 200_000])
def test_deeply_nested(depth: int, tmp_path: Path) -> None:
    path = written(tmp_path, f"name = {'[' * depth}{']' * depth}\n")
    assert refusal(load_network, path).startswith(f"{path}: ")


def test_a_number_of_ten_thousand_digits(tmp_path: Path) -> None:
    path = written(tmp_path, changed(NETWORK, "K = 4,", f"K = {'9' * 10_000},"))
    assert refusal(load_network, path).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_description_of_another_kind(kind: str, tmp_path: Path) -> None:
    for other, (text, _) in KINDS.items():
        if other != kind:
            path = written(tmp_path, text)
            assert refusal(KINDS[kind][1], path).startswith(f"{path}: ")


# --- entries that are wrong ---------------------------------------------------------------------

# What is written instead of what, and what the message must hold beside the file's path.
WRONG: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "misspelt key of a layer": (
        "network",
        "R = 3, S = 3",
        "R = 3, S = 3, strides = 2",
        ("layers[0] ('conv').strides", "unknown key", "did you mean 'stride'?", "dilation"),
    ),
    "unknown key of a network": (
        "network",
        'source = "nowhere"',
        'sources = "nowhere"',
        ("sources", "unknown key", "did you mean 'source'?", "known: name, layers, tensors"),
    ),
    "unknown key with a line break": (
        "network",
        'source = "nowhere"',
        '"sour\\nce" = "nowhere"',
        ("unknown key", "did you mean 'source'?"),
    ),
    "unknown key of a technology": (
        "technology",
        "r2 = 0.9",
        "R2 = 0.9",
        ("pe_area_um2.R2", "unknown key", "r2"),
    ),
    "unknown key of an SRAM fit": (
        "technology",
        "slope = 3.0, intercept = 10.0",
        "slope = 3.0, intercept = 10.0, unit = 1",
        ("sram_fits.single.unit", "unknown key", "known: slope, intercept"),
    ),
    "unknown key of a measured PE": (
        "technology",
        "area_um2 = 1000.0",
        "area_um2 = 1000.0, precison = 8",
        ("pe_measured[0].precison", "unknown key", "did you mean 'precision'?"),
    ),
    "unknown key of a memory": (
        "memory",
        "bus_width_bits = 64",
        "bus_width_bits = 64\nbus_width_bit = 32",
        ("bus_width_bit", "unknown key", "did you mean 'bus_width_bits'?"),
    ),
    "missing key of a layer": (
        "network",
        "K = 10, ",
        "",
        ("layers[1] ('fc')", "K", "missing"),
    ),
    "missing key of a network": ("network", 'name = "tiny"\n', "", ("name", "missing")),
    "missing key of a memory": (
        "memory",
        "bus_width_bits = 64\n",
        "",
        ("bus_width_bits", "missing"),
    ),
    "missing key of a fit": (
        "technology",
        "slope = 1.5, ",
        "",
        ("pe_area_um2", "slope", "missing"),
    ),
    "zero count": ("network", "K = 4", "K = 0", ("layers[0] ('conv').K", "got 0")),
    "negative count": ("network", "K = 4", "K = -4", ("layers[0] ('conv').K", "got -4")),
    "fractional count": ("network", "K = 4", "K = 4.5", ("layers[0] ('conv').K", "got 4.5")),
    "whole float as count": ("network", "K = 4", "K = 4.0", ("layers[0] ('conv').K", "got 4.0")),
    "text as count": ("network", "K = 4", 'K = "4"', ("layers[0] ('conv').K", "got '4'")),
    "truth value as count": ("network", "K = 4", "K = true", ("layers[0] ('conv').K", "got True")),
    "huge count": (
        "network",
        "K = 4",
        "K = 1000000001",
        ("layers[0] ('conv').K", "got 1000000001"),
    ),
    "negative appended": (
        "network",
        "K = 10, ",
        "K = 10, appended = -1, ",
        ("layers[1] ('fc').appended", "got -1"),
    ),
    "wrong stride": (
        "network",
        "R = 3, S = 3",
        "R = 3, S = 3, stride = [1, 0]",
        ("layers[0] ('conv').stride", "got"),
    ),
    "stride of three": (
        "network",
        "R = 3, S = 3",
        "R = 3, S = 3, stride = [1, 1, 1]",
        ("layers[0] ('conv').stride", "got"),
    ),
    "no layers, and others": (
        "network",
        "layers = [\n",
        "layers = []\nolder = [\n",
        ("older: unknown",),
    ),
    "layers are a number": ("network", "layers = [\n", "layers = 3\nolder = [\n", ("layers",)),
    "residuals are a text": (
        "network",
        "K = 10, ",
        'K = 10, residuals = "map", ',
        ("layers[1] ('fc').residuals", "got 'map'"),
    ),
    "empty name": ("network", 'name = "conv"', 'name = ""', ("layers[0] ('').name", "got ''")),
    "number as name": ("network", 'name = "tiny"', "name = 3", ("name", "got 3")),
    "negative tensor": ("network", "image = 192", "image = -192", ("tensors.image", "got -192")),
    "zero rate": ("memory", "2.0", "0.0", ("transfer_rate_gt_per_s", "got 0.0")),
    "negative rate": ("memory", "2.0", "-2.0", ("transfer_rate_gt_per_s", "got -2.0")),
    "rate that is no number": ("memory", "2.0", "nan", ("transfer_rate_gt_per_s", "got nan")),
    "infinite rate": ("memory", "2.0", "inf", ("transfer_rate_gt_per_s", "got inf")),
    "huge rate": ("memory", "2.0", "1e31", ("transfer_rate_gt_per_s", "got 1e+31")),
    "truth value as rate": ("memory", "2.0", "true", ("transfer_rate_gt_per_s", "got True")),
    "text as rate": ("memory", "2.0", '"2.0"', ("transfer_rate_gt_per_s", "got '2.0'")),
    "date as rate": ("memory", "2.0", "2021-01-05", ("transfer_rate_gt_per_s", "got")),
    "zero slope": ("technology", "slope = 1.5", "slope = 0.0", ("pe_area_um2.slope", "got 0.0")),
    "infinite intercept": (
        "technology",
        "intercept = 100.0",
        "intercept = -inf",
        ("pe_area_um2.intercept", "got -inf"),
    ),
    "intercept that is no number": (
        "technology",
        "intercept = 10.0",
        "intercept = nan",
        ("sram_fits.single.intercept", "got nan"),
    ),
    "r2 above 1": ("technology", "r2 = 0.9", "r2 = 1.1", ("pe_area_um2.r2", "got 1.1")),
    "calibrated range of one": (
        "technology",
        "[1.0, 2000.0]",
        "[1.0]",
        ("pe_area_um2.calibrated",),
    ),
    "SRAM without a fit": (
        "technology",
        'sram = "single"',
        'sram = "double"',
        ("'process'", "no SRAM 'double'", "known: single"),
    ),
    "measured area of zero": (
        "technology",
        "area_um2 = 1000.0",
        "area_um2 = 0.0",
        ("pe_measured[0].area_um2", "got 0.0"),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_entries(case: str, tmp_path: Path) -> None:
    kind, old, new, parts = WRONG[case]
    text, load = KINDS[kind]
    path = written(tmp_path, changed(text, old, new))
    message = refusal(load, path)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def test_a_calibrated_range_is_ascending() -> None:
    with pytest.raises(SpecError, match=r"calibrated: .*lower end, then the upper end"):
        AreaFit(slope=1.0, intercept=1.0, calibrated=(5.0, 1.0))
