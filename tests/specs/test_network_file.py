"""Networks written as TOML: what is read back is the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
from published import PUBLISHED, TPU_APPLICATIONS

from codesign.specs.load import load_network
from codesign.specs.network import Layer, Network
from codesign.specs.write_network import to_toml

EVERYTHING = Network(
    name='odd "name" \\ with\ttab',
    source="somewhere: § 3",
    layers=(
        Layer(name="/a/Conv", input="x", output="both", N=2, K=8, C=3, P=4, Q=5, H=9, W=5, R=3,
              S=2, stride=(2, 1), dilation=(1, 2), appended=7, parts={"both": 327}),
        Layer(name="up", input="x", output="both", N=2, K=1, C=3, P=18, Q=1, H=9, W=5, R=2,
              input_dilation=2, parts={"both": 36}),
        Layer(name="pool", input="both", output="small", moves=True, K=4, C=300,
              parts={"both": 300}),
        Layer(name="mul", input="small", output="z", weight_tensor="k", residuals=("r", "x.y"),
              G=2, K=3, C=2),
    ),
    tensors={"x": 270, "both": 363, "small": 4, "k": 12, "r": 6, "x.y": 1, "z": 6},
)  # fmt: skip


@pytest.mark.parametrize("name", [*PUBLISHED, *TPU_APPLICATIONS])
def test_a_shipped_network_comes_back(name: str, tmp_path: Path) -> None:
    network = load_network(name)
    path = tmp_path / "network.toml"
    path.write_text(to_toml(network), encoding="utf-8")
    assert load_network(path) == network


def test_every_key_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    path.write_text(to_toml(EVERYTHING, ["two\nlines \x07"]), encoding="utf-8")
    assert load_network(path) == EVERYTHING
    assert path.read_text(encoding="utf-8").splitlines()[0] == r"# two\nlines \x07"


def test_one_aligned_line_per_layer() -> None:
    lines = to_toml(load_network("mobilenetv2")).splitlines()
    rows = [line for line in lines if line.startswith("    { name = ")]
    assert len(rows) == 53
    for word in ("input = ", "output = ", " K = ", " C = ", " P = ", " H = "):
        assert len({row.index(word) for row in rows if word in row}) == 1
    assert "moves" not in "".join(rows)
    assert rows[-1].endswith(" K = 1000, C = 1280 },")
