"""A network that moves data, and a chip to move it on."""

from __future__ import annotations

from pathlib import Path

from codesign import Accelerator, Network, load_network

# An encoder whose result is pooled by itself, its other half read again further on.
FORKED = """
name = "forked"
layers = [
    { name = "down", input = "image", output = "both", K = 4, C = 2, P = 6, Q = 6, H = 6, W = 6, R = 3, S = 3, parts = { both = 144 } },
    { name = "pool", input = "both", output = "small", moves = true, K = 4, C = 4, P = 3, Q = 3, H = 6, W = 6, parts = { both = 144 } },
    { name = "deep", input = "small", output = "deep.out", K = 8, C = 4, P = 3, Q = 3, H = 3, W = 3 },
    { name = "up", input = "deep.out", output = "both", K = 2, C = 8, P = 6, Q = 6, H = 3, W = 3, R = 2, S = 2, input_dilation = 2, parts = { both = 72 } },
    { name = "last", input = "both", output = "out", K = 3, C = 6, P = 6, Q = 6, H = 6, W = 6, residuals = ["both"], parts = { both = 216 } },
]
[tensors]
image = 72
both = 216
small = 36
"deep.out" = 72
out = 108
"""  # noqa: E501


def forked(tmp_path: Path, *changes: tuple[str, str]) -> Network:
    """The network of the file, changed."""
    text = FORKED.replace(', residuals = ["both"], parts = { both = 216 }', "")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "forked.toml"
    path.write_text(text, encoding="utf-8")
    return load_network(path)


CHIP = Accelerator(
    name="chip",
    rows=2,
    cols=2,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e8,
    sram_bits=100_000,
    dram_bits_per_s=1e9,
    pe_area_um2=1000.0,
)
