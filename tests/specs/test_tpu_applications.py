"""The six applications of TPU v1 have the counts that Jouppi et al. 2017 publish of them."""

from __future__ import annotations

import pytest
from published import TPU_APPLICATIONS

from codesign.specs.load import load_accelerator, load_network

NAMES = list(TPU_APPLICATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_as_many_millions_as_printed(name: str) -> None:
    _, millions, _, _ = TPU_APPLICATIONS[name]
    assert round(load_network(name).weights / 1e6) == millions


@pytest.mark.parametrize("name", [name for name in NAMES if name != "tpu_cnn1"])
def test_macs_per_weight_are_the_published_ones(name: str) -> None:
    _, _, batch, macs_per_weight = TPU_APPLICATIONS[name]
    network = load_network(name).batched(batch)
    assert network.macs == macs_per_weight * network.weights


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_as_many_of_each_kind_as_published(name: str) -> None:
    (connected, convolutions, _, poolings), *_ = TPU_APPLICATIONS[name]
    layers = load_network(name).layers
    moving = [x for x in layers if x.moves]
    flat = [x for x in layers if not x.moves and x.P * x.Q == 1]
    assert len(flat) == connected
    if name == "tpu_cnn1":  # three convolutions are not public; three poolings are fused
        convolutions, poolings = 69, 10
    assert (len(layers) - len(flat) - len(moving), len(moving)) == (convolutions, poolings)


@pytest.mark.parametrize("name", NAMES)
def test_one_input_and_one_result(name: str) -> None:
    network = load_network(name)
    kept = {*network.lifetimes, *network.outputs}
    assert len(set(network.tensors) - kept) == len(network.outputs) == 1


def test_cnn0_fills_the_array() -> None:
    # 0.0 % of MACs unused on active cycles, Table 3: both channels are multiples of the side.
    tpu = load_accelerator("tpu_v1")
    for layer in load_network("tpu_cnn0").layers:
        assert (layer.C % tpu.rows, layer.K % tpu.cols, layer.P * layer.Q) == (0, 0, 361)


def test_cnn1_is_inception_v2() -> None:
    # Ioffe and Szegedy 2015, Figure 5: rows and channels behind each module.
    network = load_network("tpu_cnn1")
    published = {
        "3a": (28, 256),
        "3b": (28, 320),
        **dict.fromkeys(("3c", "4a", "4b", "4c", "4d"), (14, 576)),
        **dict.fromkeys(("4e", "5a"), (7, 1024)),
    }
    for module, (rows, channels) in published.items():
        assert network.tensors[f"{module}.out"] == channels * rows * rows
    assert network.tensors["5b.out"] == 1024  # averaged
    assert sum(layer.window > 1 for layer in network.layers) == 2 + 10 * 3
    assert sum(layer.weights for layer in network.layers if layer.P > 1) == 10_150_080
