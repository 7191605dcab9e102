"""What Brevitas exports is read in the widths and with the weights that Brevitas has itself."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sources import ROOT

from codesign.specs.onnx import import_onnx

PROGRAM = ROOT / "tests" / "helpers" / "brevitas_networks.py"
NEEDED = ("brevitas", "onnxoptimizer", "torch")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_exports_of_brevitas(seed: int, tmp_path: Path) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    words = [sys.executable, "-W", "ignore", str(PROGRAM), str(tmp_path), str(seed)]
    run = subprocess.run(words, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    weight_bits, bits = json.loads((tmp_path / "widths.json").read_text())
    expected = [*np.load(tmp_path / "weights.npz").values()]
    files = sorted(tmp_path.glob("*.onnx"))
    assert files
    for path in files:
        found = import_onnx(path)
        layers = found.network.layers
        assert len(layers) == len(weight_bits)
        assert found.pins == {
            **{f"weight:{layer.name}": x for layer, x in zip(layers, weight_bits, strict=True)},
            **{f"tensor:{layer.input}": x for layer, x in zip(layers, bits, strict=True)},
        }
        for layer, array in zip(layers, expected, strict=True):
            read = found.weights[layer.name].reshape(array.shape)
            np.testing.assert_allclose(read, array, rtol=1e-5, atol=1e-7)
