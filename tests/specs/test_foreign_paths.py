"""Paths in files that others wrote lead nowhere but where those files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import TINY
from onnx_graphs import model

from codesign import SpecError
from codesign.specs.load import load_accelerator
from codesign.specs.onnx import import_onnx
from codesign.study import Study
from codesign.study.grid_file import inside

OUTSIDE = [
    "../secret.toml",
    "./../secret.toml",
    "deeper/../../secret.toml",
    "linked/secret.toml",
    "linked/../secret.toml",
    "link.toml",
    "chain.toml",
    "ABSOLUTE/secret.toml",
    "ABSOLUTE/mine/../secret.toml",
    "//ABSOLUTE/secret.toml",
]
NOT_THERE = [
    "~/secret.toml",
    "~root/secret.toml",
    "$HOME/secret.toml",
    "${HOME}/secret.toml",
    "C:\\secret.toml",
    "C:/secret.toml",
    "\\\\host\\share\\secret.toml",
    "file:///secret.toml",
    "http://localhost/secret.toml",
    "*.toml",
    "|cat secret.toml",
    "secret.toml\x00.toml",
    "-.toml",
]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder, a network outside of it, and links that lead there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder, other = tmp_path / "mine", tmp_path / "other"
    for made in (folder / "deeper", other):
        made.mkdir(parents=True)
    for secret in (tmp_path / "secret.toml", other / "secret.toml"):
        secret.write_text(TINY)
    (folder / "linked").symlink_to(other, target_is_directory=True)
    (folder / "link.toml").symlink_to("../secret.toml")
    (folder / "chain.toml").symlink_to("link.toml")
    return folder


def loaded(folder: Path, named: str) -> Study:
    """A study of one network."""
    path = folder / "grid.toml"
    path.write_text(f"[grid]\nnetworks = {json.dumps(named)}\n")
    return Study.load(path)


@pytest.mark.parametrize("named", OUTSIDE)
def test_what_is_outside_is_refused(named: str, mine: Path) -> None:
    with pytest.raises(SpecError, match="outside the study's folder; allow the folder"):
        loaded(mine, named.replace("ABSOLUTE", str(mine.parent)))


@pytest.mark.parametrize("named", NOT_THERE)
def test_no_word_is_more_than_a_name(named: str, mine: Path) -> None:
    """No home, variable, drive, address, pattern or command is read into a path."""
    with pytest.raises(SpecError, match=r"cannot be read: |embedded null|outside the study's"):
        loaded(mine, named)


def test_what_is_inside_is_read(mine: Path) -> None:
    (mine / "deeper" / "tiny.toml").write_text(TINY)
    (mine / "near.toml").symlink_to("deeper/tiny.toml")
    for named in ("near.toml", "deeper/tiny.toml", f"{mine}/deeper/../near.toml"):
        assert len(loaded(mine, named)) == 1


def test_a_folder_whose_name_begins_alike_is_another(mine: Path) -> None:
    (mine.parent / "mine2").mkdir()
    (mine.parent / "mine2" / "tiny.toml").write_text(TINY)
    with pytest.raises(SpecError, match="outside"):
        inside(mine)(Path("../mine2/tiny.toml"))


@pytest.mark.parametrize(
    "location", ["../weights.bin", "ABSOLUTE/weights.bin", "link.bin", "sub/../../weights.bin"]
)
def test_weights_beside_a_model_are_beside_it(location: str, mine: Path) -> None:
    """External data that lead out of the model's folder are not read."""
    secret = mine.parent / "weights.bin"
    secret.write_bytes(np.ones(24, np.float32).tobytes())
    (mine / "link.bin").symlink_to(secret)
    (mine / "sub").mkdir()
    made = model("a: y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)})
    (weights,) = made.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    entry: dict[str, Any] = {"location": location.replace("ABSOLUTE", str(mine.parent))}
    for key, value in {**entry, "offset": "0", "length": "96"}.items():
        weights.external_data.add(key=key, value=value)
    path = mine / "model.onnx"
    path.write_bytes(made.SerializeToString())
    found = import_onnx(path)
    assert len(found.network.layers) == 1
    with pytest.raises(SpecError, match="weights of layer 'a' cannot be read: "):
        found.weights["a"]


def test_an_accelerator_names_no_file(mine: Path) -> None:
    """Its technology is a shipped name, however much it looks like a path."""
    path = mine / "chip.toml"
    path.write_text("name = 'chip'\ntechnology = '../secret.toml'\n")
    with pytest.raises(SpecError, match=r"technologies: no '\.\./secret\.toml'"):
        load_accelerator(path)
