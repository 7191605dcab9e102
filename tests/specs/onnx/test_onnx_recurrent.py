"""Recurrent operators: which layers they are, by which weights, and what is said of them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import compare_designs
import numpy as np
import onnx
import pytest
from certified import certify_and_check
from onnx import numpy_helper
from onnx_corpus.recurrent import BACK, BOTH, dynamic_lstm, recurrent
from onnx_graphs import ROOMY, imported, loops, story
from random_on_chip import on_chip_case
from recurrent_stacks import Stack
from seeds import check_all

import codesign
from codesign import Network, evaluate
from codesign.checking import check_content
from codesign.errors import InfeasibleError, SpecError
from codesign.specs.load import load_network
from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.read import Imported
from codesign.specs.write_network import to_toml

T, N, C, H = 3, 2, 5, 4  # sizes of the corpus: steps, images, inputs, state


def read(folder: Path, *given: Any, **how: Any) -> Imported:
    return imported(folder, recurrent(*given, **how))


def test_inputs_of_all_steps_and_the_state_of_each(tmp_path: Path) -> None:
    found = read(tmp_path, "LSTM", "x, w, r, b", "y, yh").network
    assert story(found) == [
        "cell.inputs: x -> cell.inputs",
        "cell.step_0: cell.initial_h + cell.inputs[32] -> y[8]",
        "cell.step_1: y[8] + cell.inputs[32] -> y[8]",
        "cell.step_2: y[8] + cell.inputs[32] -> y[8]",
    ]
    assert [loops(layer) for layer in found.layers] == [
        {"N": N, "K": 4 * H, "C": C, "P": T, "H": T},
        *[{"N": N, "K": 4 * H, "C": H}] * T,
    ]
    assert found.tensors == {
        "x": T * N * C,
        "cell.inputs": T * N * 4 * H,
        "cell.initial_h": N * H,
        "y": T * N * H,
    }


@pytest.mark.parametrize(("layout", "state"), [("", 8), (", layout=1", 8)])
def test_steps_run_backwards_in_reverse(tmp_path: Path, layout: str, state: int) -> None:
    found = read(tmp_path, "GRU", "x, w, r, , , h0", how=BACK + layout, fed=("h0",)).network
    assert story(found) == [
        "cell.inputs: x -> cell.inputs",
        f"cell.step_2: h0 + cell.inputs[24] -> y[{state}]",
        f"cell.step_1: y[{state}] + cell.inputs[24] -> y[{state}]",
        f"cell.step_0: y[{state}] + cell.inputs[24] -> y[{state}]",
    ]


def test_both_directions_write_one_tensor_by_weights_of_their_own(tmp_path: Path) -> None:
    given = "x, w, r, b, n, h0, c0, p"
    found = read(
        *(tmp_path, "LSTM", given, "y, yh, yc"), directions=2, how=BOTH, fed=("n", "h0", "c0")
    )
    assert story(found.network) == [
        "cell.inputs: x -> cell.inputs",
        "cell.step_0: h0[8] + cell.inputs[32] + c0[8] -> y[8]",
        "cell.step_1: y[8] + cell.inputs[32] -> y[8]",
        "cell.step_2: y[8] + cell.inputs[32] -> y[8]",
        "cell.inputs.reverse: x -> cell.inputs.reverse",
        "cell.step_2.reverse: h0[8] + cell.inputs.reverse[32] + c0[8] -> y[8]",
        "cell.step_1.reverse: y[8] + cell.inputs.reverse[32] -> y[8]",
        "cell.step_0.reverse: y[8] + cell.inputs.reverse[32] -> y[8]",
        "~cell.Y_c: y[16] -> yc",
    ]
    assert found.network.tensors["y"] == T * 2 * N * H
    owners = {layer.weights_of or layer.name for layer in found.network.layers if not layer.moves}
    assert owners == {*("cell.inputs", "cell.step_0", "cell.inputs.reverse", "cell.step_2.reverse")}


def test_the_last_state_is_a_part_of_all(tmp_path: Path) -> None:
    found = read(
        *(tmp_path, "RNN", "x, w, r", ", yh"),
        after="f = Reshape (yh, rows)\na: z = MatMul (f, v)",
    ).network
    assert story(found)[-1] == "a: cell.states[8] -> z"
    assert found.tensors["cell.states"] == T * N * H


def test_what_is_said(tmp_path: Path) -> None:
    used_again, *plain = read(tmp_path, "GRU", "x, w, r, b, n", fed=("n",)).notes
    assert used_again == (
        "weights of 'cell.step_0' are used again, and count once: cell.step_1, cell.step_2"
    )
    assert [note.partition(": ")[0] for note in plain] == [
        "recurrent operators are a product of the inputs of all steps and a product of the state "
        "for each step; what else they hold stays on chip, the state of LSTM cells too",
        "first states that no input gives are stored and read like inputs",
        "every sequence is computed to its padded length",
        "the candidate's product is counted with the gates', though it waits for the reset gate "
        "of its step",
    ]
    assert {note.partition(": ")[2] for note in plain} == {"cell (GRU, steps: 3)"}
    given = read(tmp_path, "LSTM", "x, w, r, , , h0", "y, , yc", fed=("h0",)).notes
    assert [note.partition(" ")[0] for note in given] == ["weights", "recurrent", "layers"]
    assert given[2] == "layers that only move data, 1: cell.Y_c (LastCell)"


def test_weights_are_matrices_of_one_direction(tmp_path: Path) -> None:
    made = recurrent("LSTM", directions=2, how=BOTH)
    arrays = dict(zip("wr", drawn((2, 4 * H, C), (2, 4 * H, H)), strict=True))
    for tensor in made.graph.initializer:
        if tensor.name in arrays:
            tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    weights = imported(tmp_path, made).weights
    for layer, name, which in (
        ("cell.inputs", "w", 0),
        ("cell.inputs.reverse", "w", 1),
        ("cell.step_0", "r", 0),
        ("cell.step_2.reverse", "r", 1),
    ):
        assert np.array_equal(weights[layer][..., 0, 0], arrays[name][which])


@pytest.mark.parametrize("by_column", [False, True])
def test_quantised_weights_are_scaled(tmp_path: Path, by_column: bool) -> None:
    made = dynamic_lstm(2, by_column)
    stored = {
        tensor.name: numpy_helper.to_array(tensor).copy() for tensor in made.graph.initializer
    }
    generator = np.random.default_rng(0)
    for name in ("w", "r", "wz", "rz"):
        stored[name][:] = generator.integers(-5, 5, stored[name].shape)
    for name in ("ws", "rs"):
        stored[name][:] = generator.random(stored[name].shape)
    for tensor in made.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(stored[tensor.name], tensor.name))
    weights = imported(tmp_path, made).weights
    for layer, name, which in (("cell.inputs", "w", 0), ("cell.step_2.reverse", "r", 1)):
        matrix = stored[name][which].astype(float) - stored[f"{name}z"][which]
        expected = (matrix * stored[f"{name}s"][which]).T
        assert np.allclose(weights[layer][..., 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("by_column", [False, True])
def test_as_the_runtime_quantises(tmp_path: Path, by_column: bool) -> None:
    """Weights within half a step of those before: 8 bit of a range of 1 either side of 0."""
    quantisation = pytest.importorskip("onnxruntime.quantization", reason="no ONNX Runtime")
    made, path = recurrent("LSTM", directions=2, how=BOTH), tmp_path / "quantised.onnx"
    arrays = dict(zip("wr", drawn((2, 4 * H, C), (2, 4 * H, H)), strict=True))
    for tensor in made.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
    quantisation.quantize_dynamic(
        made, path, weight_type=quantisation.QuantType.QInt8, per_channel=by_column
    )
    before, after = imported(tmp_path, made), import_onnx(path)
    assert [node.op_type for node in onnx.load(path).graph.node] == ["DynamicQuantizeLSTM"]
    assert after.network.macs == before.network.macs
    assert {*after.pins.values()} == {8}
    assert len(after.pins) == len(after.weights) == 4
    for old, new in zip(before.weights.values(), after.weights.values(), strict=True):
        assert 0 < np.abs(new - old).max() < 0.51 / 127


def drawn(*shapes: tuple[int, ...]) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    return [generator.random(shape, dtype=np.float32) for shape in shapes]


def test_a_long_sequence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = recurrent("RNN", how=BACK)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "steps"
    with pytest.raises(SpecError, match=r"node 'cell' \(RNN\): 1000000000 steps, each a layer"):
        imported(tmp_path, made, dims={"steps": 10**9})
    monkeypatch.setattr("codesign.specs.onnx.storage.build_network.MAX_LAYERS", 10)
    assert len(imported(tmp_path, made, dims={"steps": 9}).network.layers) == 10
    with pytest.raises(SpecError, match="11 layers, and a network has at most 10; each step of"):
        imported(tmp_path, made, dims={"steps": 10})


@pytest.mark.parametrize(
    ("operand", "shape", "message"),
    [
        ("w", (1, 16, 6), "W is 1 × 16 × 6, not 1 × 16 × 5 as the other operands, hidden_size and"),
        ("r", (1, 12, 4), "R is 1 × 12 × 4, not 1 × 16 × 4 as the other operands"),
        ("r", (2, 16, 4), "R is 2 × 16 × 4, not 1 × 16 × 4 as the other operands"),
        ("h0", (1, 3, 4), "initial_h is 1 × 3 × 4, not 1 × 2 × 4 as the other operands"),
    ],
)
def test_operands_that_do_not_fit(
    tmp_path: Path, operand: str, shape: tuple[int, ...], message: str
) -> None:
    made = recurrent("LSTM", "x, w, r, , , h0")
    (tensor,) = (each for each in made.graph.initializer if each.name == operand)
    tensor.CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), operand))
    with pytest.raises(SpecError, match="node 'cell' \\(LSTM\\): " + message):
        imported(tmp_path, made)


def test_weights_that_are_data(tmp_path: Path) -> None:
    made = recurrent("RNN")
    (weights,) = (each for each in made.graph.initializer if each.name == "r")
    made.graph.initializer.remove(weights)
    made.graph.input.append(onnx.helper.make_tensor_value_info("r", 1, weights.dims))
    found = imported(tmp_path, made).network
    assert story(found)[1:] == [
        "cell.step_0: cell.initial_h + cell.inputs[8] × r -> y[8]",
        "cell.step_1: y[8] + cell.inputs[8] × r -> y[8]",
        "cell.step_2: y[8] + cell.inputs[8] × r -> y[8]",
    ]


def test_names_that_are_taken(tmp_path: Path) -> None:
    made = recurrent("RNN", after="z = Relu (y)")
    made.graph.node[1].name = "cell.step_1"
    for node in made.graph.node:
        for names in (node.input, node.output):
            names[:] = ["cell.states" if name == "y" else name for name in names]
    found = imported(tmp_path, made).network
    assert [layer.name for layer in found.layers][1:3] == ["cell.step_0", "cell.step_1_2"]
    assert found.layers[-1].output == "z"


def test_the_domain_of_what_is_spelt_out_is_not_for_files(tmp_path: Path) -> None:
    made = recurrent("RNN", after="z = Relu (y)")
    made.graph.node[1].domain, made.graph.node[1].op_type = "codesign", "Cell"
    made.opset_import.append(onnx.helper.make_opsetid("codesign", 1))
    with pytest.raises(SpecError, match="operators of domain 'codesign'"):
        imported(tmp_path, made)


def check_stack(seed: int, folder: Path) -> Stack:
    """A random stack counts what it must, is written and read again, and its evaluation holds."""
    stack = Stack(seed)
    found = imported(folder, stack.model())
    network = found.network
    counted = network.macs, network.weights, len(network.layers)
    assert counted == (stack.macs, stack.weights, stack.layers), seed
    sizes = {layer.name: layer.weights for layer in network.layers}
    assert {name: array.size for name, array in found.weights.items()} == {
        name: sizes[name] for name in network.weight_layers
    }
    assert network.batched(3).weights == stack.weights
    (folder / "back.toml").write_text(to_toml(network), encoding="utf-8")
    assert load_network(folder / "back.toml") == network
    done = json.loads(json.dumps(evaluate(network, ROOMY).to_dict()))
    assert check_content(done, "given.json").findings == ()
    return stack


def test_random_stacks(tmp_path: Path) -> None:
    stacks = [check_stack(seed, tmp_path) for seed in range(30)]
    assert sum(stack.reused for stack in stacks) >= 3


def check_solved(seed: int, folder: Path) -> None:
    """What a solve finds for a small stack is the best of all designs, and certified."""

    def drawn(rng: random.Random) -> Network:
        while True:
            stack = Stack(rng.randrange(10**6))
            if stack.layers <= 6:
                network = imported(folder, stack.model()).network
                if 1 <= len(network.lifetimes) <= 4:
                    return network

    case = on_chip_case(seed, "recurrent", drawn=drawn)
    compare_designs.compare(case)
    if seed % 7 == 0:
        try:
            certify_and_check(codesign.solve(case.problem))
        except InfeasibleError:
            return


@pytest.mark.slow
def test_solved_stacks(tmp_path: Path) -> None:
    check_all(range(10), lambda seed: check_solved(seed, tmp_path))


@pytest.mark.long
def test_many_solved_stacks(tmp_path: Path) -> None:
    check_all(range(10, 700), lambda seed: check_solved(seed, tmp_path))


@pytest.mark.long
def test_many_random_stacks(tmp_path: Path) -> None:
    """The runtime takes all of them."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    for seed in range(30, 2000):
        stack = check_stack(seed, tmp_path)
        runtime.InferenceSession(stack.model().SerializeToString(), options)
