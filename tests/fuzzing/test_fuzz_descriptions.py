"""Descriptions (TOML) with something wrong: refused in one line, or read as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import CHIP, TINY
from fuzzing import altered, answered, as_toml, cases, check_whole, damaged, told, tried
from hypothesis import strategies as st

from codesign import evaluate
from codesign.specs.accelerator import Accelerator
from codesign.specs.load import (
    load_accelerator,
    load_memory,
    load_network,
    load_technology,
    models_folder,
)
from codesign.specs.write_network import to_toml

RICH = """
name = "rich"
source = "of one's own"
layers = [
    { name = "down", input = "image", output = "both", K = 8, C = 3, P = 8, Q = 8, H = 8, W = 8, R = 3, S = 3, parts = { both = 512 } },
    { name = "pool", input = "both", output = "pooled", K = 8, C = 8, P = 4, Q = 4, H = 8, W = 8, moves = true, parts = { both = 512 } },
    { name = "up", input = "pooled", output = "both", K = 8, C = 8, P = 8, Q = 8, H = 4, W = 4, R = 2, S = 2, input_dilation = 2, parts = { both = 512 } },
    { name = "wide", input = "both", output = "a", K = 1, C = 1, G = 16, P = 8, Q = 8, H = 8, W = 8, R = 3, S = 3, dilation = [2, 2] },
    { name = "last", input = "a", output = "b", K = 16, C = 16, P = 4, Q = 4, H = 8, W = 8, R = 3, S = 3, stride = 2, appended = 4 },
    { name = "add", input = "b", output = "mask", K = 16, C = 260, residuals = ["c"] },
    { name = "product", input = "mask", output = "out", K = 4, C = 16, weight_tensor = "d" },
]
[tensors]
image = 192
both = 1024
pooled = 128
a = 1024
b = 260
c = 16
mask = 16
d = 64
out = 4
"""  # noqa: E501


def shipped(kind: str, name: str) -> str:
    return (models_folder() / kind / f"{name}.toml").read_text("utf-8")


KINDS: dict[str, tuple[Any, list[str]]] = {
    "networks": (load_network, [TINY, RICH]),
    "technologies": (
        load_technology,
        [shipped("technologies", "tsmc28"), shipped("technologies", "tsmc28-quadratic")],
    ),
    "memories": (load_memory, [shipped("memories", "hbm2")]),
    "accelerators": (
        load_accelerator,
        [CHIP, shipped("accelerators", "eyeriss"), shipped("accelerators", "table3-fixed16")],
    ),
}


def wrong_text(data: Any, texts: list[str]) -> bytes:
    """A description with some entries altered, or with damage to its text."""
    text = data.draw(st.sampled_from(texts), "text")
    if data.draw(st.integers(0, 3), "of the text") == 0:
        return damaged(data, text)
    return as_toml(altered(data, tomllib.loads(text))).encode()


@pytest.mark.parametrize("kind", KINDS)
@cases(60, 1500)
def test_loaded(kind: str, number: int, tmp_path: Path) -> None:
    load, texts = KINDS[kind]
    path = tmp_path / "given.toml"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_text(data, texts))
        found = answered(lambda: load(path))
        if found is not None and kind == "networks":
            path.write_text(to_toml(found), "utf-8")
            assert load(path) == found
        elif isinstance(found, Accelerator):
            answered(lambda: evaluate(load_network("alexnet"), found, 8).metrics)

    tried(number, judge)


@pytest.mark.parametrize("kind", KINDS)
@cases(15, 400)
def test_shown(kind: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / "given.toml"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_text(data, KINDS[kind][1]))
        told("show", kind, str(path))

    tried(number, judge)


@cases(30, 1000)
def test_evaluated(number: int, tmp_path: Path) -> None:
    network, chip = tmp_path / "network.toml", tmp_path / "chip.toml"

    def judge(data: Any) -> None:
        which = data.draw(st.booleans(), "network or chip")
        network.write_bytes(wrong_text(data, [TINY, RICH]) if which else RICH.encode())
        chip.write_bytes(CHIP.encode() if which else wrong_text(data, [CHIP]))
        out = tmp_path / "out.json"
        out.unlink(missing_ok=True)
        told("evaluate", str(network), "--accelerator", str(chip), "--out", str(out))
        check_whole(tmp_path, "out.json")
        if out.exists():
            assert told("check", str(out)).code == 0
            assert told("show", str(out)).code == 0

    tried(number, judge)


@cases(15, 500)
def test_solved(number: int, tmp_path: Path) -> None:
    network, technology = tmp_path / "network.toml", tmp_path / "technology.toml"
    small = ("--rows", "1,8", "--cols", "2", "--bits", "4,8", "--pe-bits", "8", "--quality", "none")

    def judge(data: Any) -> None:
        which = data.draw(st.booleans(), "network or technology")
        network.write_bytes(wrong_text(data, [TINY, RICH]) if which else TINY.encode())
        technologies = KINDS["technologies"][1]
        technology.write_bytes(
            technologies[0].encode() if which else wrong_text(data, technologies)
        )
        out = tmp_path / "out.json"
        out.unlink(missing_ok=True)
        files = ("--technology", str(technology), "--out", str(out))
        told("solve", str(network), *small, *files, "--max-area-mm2", "0.5", "--time-limit-s", "5")
        check_whole(tmp_path, "out.json")
        if out.exists():
            assert told("check", str(out)).code == 0

    tried(number, judge)
