"""Layers that use the weights of another: read, written, counted, refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sharing_layers import recurrent

from codesign import Choices, Problem, SpecError, evaluate, load_accelerator, load_network
from codesign.specs.write_network import network_record, to_toml


def test_shared_weights_count_once() -> None:
    network = recurrent(3)
    assert [layer.weights for layer in network.layers] == [64, 64, 64]
    assert network.weights == 64
    assert network.macs == 3 * 64
    assert network.weight_layers == ("l0",)
    assert network.weight_uses == {"weight:l0": 3}
    assert {layer.weight_source for layer in network.layers} == {"weight:l0"}
    assert network.noise_sources == ("weight:l0", "tensor:t0", "tensor:t1", "tensor:t2")


def test_a_batch_shares_the_same_weights() -> None:
    assert recurrent(3).batched(4).weights == 64


def test_a_file_has_the_key_only_where_weights_are_shared(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    path.write_text(to_toml(recurrent(2)), encoding="utf-8")
    first, second = (line for line in path.read_text("utf-8").splitlines() if "name = " in line[5:])
    assert "weights_of" not in first
    assert 'weights_of = "l0"' in second
    assert load_network(path) == recurrent(2)


def test_results_have_the_key_only_where_weights_are_shared() -> None:
    first, second = network_record(recurrent(2))["layers"]
    assert "weights_of" not in first
    assert second["weights_of"] == "l0"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights_of": "l8"}, "layer 'l2': weights_of: no layer 'l8'; did you mean 'l1'?"),
        ({"weights_of": "l2"}, "layer 'l2': weights_of: layer 'l2' is no earlier layer"),
        ({"weights_of": "l1"}, "weights_of: layer 'l1' uses those of 'l0'; name an owner"),
        ({"K": 4}, "G·K·C·R·S = 32 elements but layer 'l0', whose weights it uses, has 64"),
        ({"weight_tensor": "t0"}, "give weights_of or weight_tensor"),
        ({"moves": True}, "layer 'l2': moves data only, so it has no weights_of"),
    ],
)
def test_what_cannot_be_shared_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        recurrent(3, **fields)


OWNER = "'weight:l1': its weights are those of layer 'l0'; write 'weight:l0'"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"choices": Choices(pinned={"weight:l1": 8})}, "pin"),
        ({"choices": Choices(shared=(("weight:l1", "tensor:t1"),))}, "shared:"),
        ({"sensitivity": {"weight:l1": {8: 1.0}}}, "sensitivity:"),
    ],
)
def test_a_problem_names_shared_weights_by_their_owner(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(SpecError, match=re.escape(f"{where} {OWNER}")):
        Problem(network=recurrent(3), **fields)


def test_an_evaluation_names_shared_weights_by_their_owner() -> None:
    hardware = load_accelerator("eyeriss")
    inner = {f"tensor:t{n}": 8 for n in range(4)}
    owned = evaluate(recurrent(3), hardware, {**inner, "weight:l0": 4})
    assert [row.weight_bits for row in owned.layer_designs] == [4, 4, 4]
    assert owned.metrics["model_bits"] == 4 * 64
    with pytest.raises(SpecError, match=re.escape(f"widths: {OWNER}")):
        evaluate(recurrent(3), hardware, {**inner, "weight:l1": 4})
    with pytest.raises(SpecError, match=re.escape(f"sensitivity: {OWNER}")):
        evaluate(recurrent(3), hardware, 8, sensitivity={"weight:l1": {8: 1.0}})


def test_ties_join_shared_weights_with_the_inputs_of_all_their_uses() -> None:
    problem = Problem(network=recurrent(2), choices=Choices(tied=True))
    assert problem.width_classes == (("tensor:t0", "tensor:t1", "weight:l0"),)
