"""Networks that do not hold together are refused in one line that names the layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from descriptions import NETWORK, changed, refusal, written

from codesign import Layer, Network, SpecError, load_network

WRITER = """\
    { name = "again", input = "image", output = "map", K = 256, C = 192 },
]
"""
MATMUL = """\
    { name = "mm", input = "scores", output = "more", K = 10, C = 10, weight_tensor = "map" },
]
"""

INCOHERENT: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "layer name twice": (
        'name = "fc"',
        'name = "conv"',
        ("'tiny'", "two layers are named 'conv'"),
    ),
    "undeclared input": (
        'input = "map"',
        'input = "maps"',
        ("'tiny'", "'fc'", "tensor 'maps' is not in [tensors]"),
    ),
    "undeclared output": (
        'output = "scores"',
        'output = "logits"',
        ("'fc'", "tensor 'logits' is not in [tensors]"),
    ),
    "undeclared residual": (
        "K = 10, ",
        'K = 10, residuals = ["skip"], ',
        ("'fc'", "tensor 'skip' is not in [tensors]"),
    ),
    "undeclared weight tensor": (
        "K = 10, ",
        'K = 10, weight_tensor = "keys", ',
        ("'fc'", "tensor 'keys' is not in [tensors]"),
    ),
    "unused tensor": (
        "scores = 10\n",
        "scores = 10\nspare = 3\n",
        ("'tiny'", "tensor 'spare' is declared but no layer uses it"),
    ),
    "tensor with two writers": (
        "]\n\n[tensors]\n",
        WRITER + "\n[tensors]\n",
        ("layers 'conv' and 'again' both write tensor 'map'", "one writer"),
    ),
    "layer that reads its own output": (
        "R = 3, S = 3 }",
        'R = 3, S = 3, residuals = ["map"] }',
        ("'conv'", "reads tensor 'map' before layer 'conv' writes it"),
    ),
    "residual from later": (
        "R = 3, S = 3 }",
        'R = 3, S = 3, residuals = ["scores"] }',
        ("'conv'", "reads tensor 'scores' before layer 'fc' writes it", "execution order"),
    ),
    "ifmap of another size": (
        "image = 192",
        "image = 193",
        ("'conv'", "N·G·C·H·W = 192", "tensor 'image' has 193"),
    ),
    "channels of another count": (
        "C = 256",
        "C = 255",
        ("'fc'", "N·G·C·H·W = 255", "tensor 'map' has 256"),
    ),
    "output too large": (
        "scores = 10\n",
        "scores = 11\n",
        ("'fc'", "computes 10 outputs", "'scores' has 11", "pooling can only make it smaller"),
    ),
    "residual too large": (
        "K = 10, ",
        'K = 10, residuals = ["map"], ',
        ("'fc'", "residual 'map' has 256 elements", "10 outputs"),
    ),
    "weight tensor of another size": (
        "]\n\n[tensors]\n",
        MATMUL + "\n[tensors]\nmore = 10\n",
        ("'mm'", "G·K·C·R·S = 100", "tensor 'map' has 256"),
    ),
    "too many rows": (
        "P = 8",
        "P = 15",  # 8 rows and 2·4 of padding hold 14 windows of 3
        ("layer 'conv'", "P = 15", "an ifmap of 8 with kernel 3, stride 1 and dilation 1, padded"),
    ),
    "too many columns": (
        "Q = 8",
        "Q = 15",
        ("layer 'conv'", "Q = 15", "an ifmap of 8 with kernel 3", "at most 4 on each side"),
    ),
    "stride too long": (
        "R = 3, S = 3",
        "R = 13, S = 3, stride = [3, 1]",  # 8 rows three apart reach over 34, 8 + 2·12 are 32
        ("layer 'conv'", "P = 8", "stride 3", "at most 12 on each side"),
    ),
    "too many MACs": (
        "K = 10, C = 256",
        "K = 10, C = 256, N = 1000000000, P = 1000000000, H = 1000000000",
        ("layer 'fc'", "MACs", "at most 1e+13"),
    ),
}


@pytest.mark.parametrize("case", INCOHERENT)
def test_networks_that_do_not_hold_together(case: str, tmp_path: Path) -> None:
    old, new, parts = INCOHERENT[case]
    path = written(tmp_path, changed(NETWORK, old, new))
    message = refusal(load_network, path)
    assert message.startswith(f"{path}: ")
    for part in parts:
        assert part in message


def test_the_most_output_positions_are_allowed(tmp_path: Path) -> None:
    # 8 rows and 2·4 of padding hold (16 − 3)/1 + 1 = 14 windows.
    text = changed(changed(NETWORK, "P = 8", "P = 14"), "map = 256", "map = 448")
    network = load_network(written(tmp_path, changed(text, "C = 256", "C = 448")))
    assert network.layers[0].P == 14


def test_a_fused_pooling_and_appended_elements_are_allowed(tmp_path: Path) -> None:
    smaller = changed(changed(NETWORK, "C = 256", "C = 64"), "map = 256", "map = 64")
    assert load_network(written(tmp_path, smaller)).tensors["map"] == 64
    larger = changed(changed(NETWORK, "C = 256", "C = 257"), "map = 256", "map = 257")
    larger = changed(larger, "R = 3, S = 3", "R = 3, S = 3, appended = 1")
    assert load_network(written(tmp_path, larger)).tensors["map"] == 257


def test_the_same_checks_without_a_file() -> None:
    conv = Layer(name="conv", K=2, C=1, input="in", output="out")
    with pytest.raises(SpecError, match=r"tensor 'in' is not in \[tensors\]"):
        Network(name="net", layers=(conv,), tensors={"out": 2})
    with pytest.raises(SpecError, match=r"Layer: K: .*greater than or equal to 1, got 0"):
        Layer(name="conv", K=0, C=1, input="in", output="out")
    with pytest.raises(SpecError, match="Layer: k: unknown key"):
        Layer(name="conv", K=1, C=1, k=1, input="in", output="out")  # type: ignore[call-arg]


def test_a_network_has_layers() -> None:
    with pytest.raises(SpecError, match=r"layers: .* at least 1 item"):
        Network(name="empty", layers=(), tensors={})
