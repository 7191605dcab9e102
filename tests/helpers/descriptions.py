"""Right descriptions to make wrong ones of, and the one line of their refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codesign import SpecError, load_memory, load_network, load_technology

NETWORK = """\
name = "tiny"
source = "nowhere"
layers = [
    { name = "conv", input = "image", output = "map", K = 4, C = 3, P = 8, Q = 8, H = 8, W = 8, \
R = 3, S = 3 },
    { name = "fc", input = "map", output = "scores", K = 10, C = 256 },
]

[tensors]
image = 192
map = 256
scores = 10
"""
TECHNOLOGY = """\
name = "process"
sram = "single"
pe_area_um2 = { slope = 1.5, intercept = 100.0, r2 = 0.9, calibrated = [1.0, 2000.0] }
sram_fits = { single = { slope = 3.0, intercept = 10.0 } }
pe_measured = [{ precision = "fixed8", area_um2 = 1000.0, source = "table" }]
"""
MEMORY = """\
name = "dram"
transfer_rate_gt_per_s = 2.0
bus_width_bits = 64
"""
KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "network": (NETWORK, load_network),
    "technology": (TECHNOLOGY, load_technology),
    "memory": (MEMORY, load_memory),
}


def refusal(load: Callable[[Any], Any], given: Any) -> str:
    """The one line of the `SpecError` that loading must raise."""
    with pytest.raises(SpecError) as caught:
        load(given)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert len(message) < 500
    return message


def fault(load: Callable[[Any], Any], path: Path) -> str:
    """The same of a file, without the path the line starts with."""
    message = refusal(load, path)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def written(folder: Path, text: str | bytes, name: str = "given.toml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def changed(text: str, old: str, new: str) -> str:
    """The text with one occurrence of ``old`` replaced."""
    assert text.count(old) == 1, old
    return text.replace(old, new)
