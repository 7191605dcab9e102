"""Every graph of the corpus: legal, run by a runtime, imported as its entry says."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_corpus import Entry, entries
from onnx_graphs import imported

import codesign
from codesign import Choices, Problem

ALL = {entry.name: entry for entry in entries()}
FEW = Choices(rows=(2, 4), cols=(2, 4), weight_bits=(4, 8), activation_bits=(8,))


def of(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", [ALL[name] for name in names], ids=names)


@of([name for name, entry in ALL.items() if entry.legal])
def test_is_legal(entry: Entry) -> None:
    onnx.checker.check_model(entry.build(), full_check=True)


@of([name for name, entry in ALL.items() if entry.runs])
def test_runs(entry: Entry) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    made = entry.build()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(made.SerializeToString(), options)
    assert all(array is not None for array in session.run(None, entry.inputs(made)))


@pytest.mark.long
@of([name for name, entry in ALL.items() if entry.runs])
def test_is_the_same_as_the_runtime_rewrites_it(entry: Entry, tmp_path: Path) -> None:
    """Fused, folded, in other operators: what is multiplied stays; tied weights may be copied."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "rewritten.onnx")
    runtime.InferenceSession(entry.build().SerializeToString(), options)
    rewritten = onnx.load(tmp_path / "rewritten.onnx")
    assert imported(tmp_path, rewritten, **entry.how).network.macs == entry.macs


@of([*ALL])
def test_is_imported_as_it_is(entry: Entry, tmp_path: Path) -> None:
    found = imported(tmp_path, entry.build(), **entry.how)
    network = found.network
    assert (network.macs, network.weights) == (entry.macs, entry.weights)
    assert entry.pins is None or found.pins == entry.pins
    assert entry.layers is None or len(network.layers) == entry.layers
    owners = {layer.name for layer in network.layers if layer.owns_weights}
    assert {*found.weights} == owners
    assert sum(found.weights[name].size for name in owners) == entry.weights


@of([name for name, entry in ALL.items() if entry.solved])
def test_is_solved(entry: Entry, tmp_path: Path) -> None:
    network = imported(tmp_path, entry.build(), **entry.how).network
    design = codesign.solve(Problem(network=network, choices=FEW, budgets={"area_mm2": 0.2}))
    design.save(tmp_path / "design.json")
    assert design.proof.status == "optimal"
    assert codesign.check(tmp_path / "design.json").holds
