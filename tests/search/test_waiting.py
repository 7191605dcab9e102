"""Bits that wait in FIFOs at least, as bounds count them, against what some pipeline holds."""

from __future__ import annotations

import random

import numpy as np
import pytest
from random_dataflow import KINDS, random_choices, random_tiny_network

from codesign import Choices, Layer, Network, Problem, load_network
from codesign.costs.pipeline import waits
from codesign.results.dataflow_design import platform_of
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.starts import earliest
from codesign.search.dataflow.waiting import Waiting
from codesign.space.dataflow import PipelineSpace


def space_of(network: Network, choices: Choices) -> PipelineSpace:
    """All pipelines of a network."""
    problem = Problem(network=network, choices=choices, objective="interval_s", quality=None)
    return PipelineSpace(problem, platform_of(problem))


def counted(fifos: Fifos, widths: np.ndarray, lags: np.ndarray) -> float:
    """Bits that wait at least, at the index of each class's width and the lags of stages."""
    waiting = Waiting(fifos, [bits[0] for bits in fifos.space.bits])
    chosen = np.zeros(len(lags))
    chosen[fifos.space.chosen_layers] = lags[fifos.space.chosen_layers]
    bits = float(waiting.prices @ chosen)
    bits += sum(float(x[b]) for x, b in zip(waiting.of_classes, widths, strict=True))
    for layer, (c, number) in fifos.couplings.items():
        each = waiting.cycle_bits[number][widths[c]]
        bits += float(each * fifos.lasting[number].factors[layer] * lags[layer])
    return bits


def held(fifos: Fifos, widths: np.ndarray, starts: np.ndarray, lags: np.ndarray) -> float:
    """Bits that wait, read by read."""
    space = fifos.space
    bits = 0.0
    for read, wait in waits(space.reads, starts.tolist(), lags.tolist()):
        assert wait >= 0
        c = space.class_of_tensor[read.tensor]
        bits += read.elements * wait * space.bits[c][widths[c]]
    return bits


@pytest.mark.parametrize("seed", range(60))
def test_no_pipeline_holds_less_than_is_counted(seed: int) -> None:
    rng = random.Random(f"waiting {seed}")
    network = random_tiny_network(rng, rng.choice(KINDS))
    space = space_of(network, random_choices(rng, network))
    fifos = Fifos(space)
    for _ in range(20):
        widths = np.array([rng.randrange(len(bits)) for bits in space.bits])
        lags = np.array(space.least_lags)
        for layer in space.chosen_layers:
            found = space.options[layer]
            assert found is not None
            lags[layer] = rng.choice(found.table.lag.tolist())
        starts = earliest(fifos, lags)
        if rng.random() < 0.5:  # all that comes after a stage may start later too
            stage = rng.randrange(len(lags))
            lags[stage], late = lags[stage] + 0.25, lags[stage]
            starts = earliest(fifos, lags)
            lags[stage] = late
        assert counted(fifos, widths, lags) <= held(fifos, widths, starts, lags) * (1 + 1e-9) + 1e-6


def test_what_is_added_waits_at_its_own_width() -> None:
    def conv(name: str, tensor: str, channels: tuple[int, int], **more: object) -> Layer:
        k, c = channels
        side = {"P": 8, "Q": 8, "H": 8, "W": 8, **more}
        return Layer(name=name, input=tensor, output=f"{name}.out", K=k, C=c, **side)  # type: ignore[arg-type]

    layers = (
        conv("stem", "in", (4, 2)),
        conv("a", "stem.out", (4, 4), R=3, S=3),
        conv("down", "stem.out", (16, 4)),
        conv("b", "a.out", (16, 4), R=3, S=3, residuals=("down.out",)),
    )
    tensors = {"in": 128, **{f"{x.name}.out": x.K * 64 for x in layers}}
    network = Network(name="block", layers=layers, tensors=tensors)
    widths_on_offer = {"weight_bits": (4, 8), "activation_bits": (4, 8)}
    choices = Choices(architecture=("dataflow",), rows=(1,), cols=(1,), **widths_on_offer)  # type: ignore[arg-type]
    space = space_of(network, choices)
    fifos = Fifos(space)
    lags = np.array(space.least_lags)
    starts, widths = earliest(fifos, lags), np.zeros(len(space.bits), dtype=np.int64)
    widths[space.class_of_tensor["down.out"]] = 1
    # a and b are 3/8 of an image behind, down 1/8: the stem's 256 elements wait 1/4 at 4 bits, and
    # the 1024 that are added wait at 8 bits for as long as b is behind.
    assert lags[1] == lags[3]
    late = lags[1] - lags[2]
    expected = 256 * 4 * late + 1024 * 8 * lags[3]
    assert counted(fifos, widths, lags) == pytest.approx(expected)
    assert held(fifos, widths, np.array([*starts[:2], starts[3] - lags[2], starts[3]]), lags) == (
        pytest.approx(expected)
    )


def test_a_block_of_resnet50_is_counted_at_both_widths() -> None:
    network = load_network("resnet50")
    fifos = Fifos(space_of(network, Choices(architecture=("dataflow",))))
    names = [x.name for x in network.layers]
    classes = fifos.space.classes
    by_layer = {names[i]: classes[c] for i, (c, _) in fifos.couplings.items()}
    assert by_layer["layer1.0.conv3"] == ("tensor:layer1.0.downsample.out",)
    assert by_layer["layer1.0.conv2"] == ("tensor:conv1.out",)
