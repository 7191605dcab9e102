"""Layers that only move data, parts of tensors, transposed convolutions: read, counted, refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from moving import CHIP, forked

from codesign import Layer, Network, evaluate
from codesign.costs.compute import cycles
from codesign.errors import SpecError


def test_what_moves_has_no_weights_and_no_macs(tmp_path: Path) -> None:
    network = forked(tmp_path)
    pool = network.layers[1]
    assert (pool.macs, pool.ops, pool.weights) == (0, 0, 0)
    assert not pool.owns_weights
    assert network.weight_layers == ("down", "deep", "up", "last")
    assert (pool.ifmap, pool.computed_outputs) == (144, 36)
    assert network.weights == 4 * 2 * 9 + 8 * 4 + 2 * 8 * 4 + 3 * 6
    assert cycles(pool, 2, 2, 9) == 0


def test_parts_are_what_is_touched(tmp_path: Path) -> None:
    network = forked(tmp_path)
    down, pool, _, up, last = network.layers
    touched = [network.touched(layer, "both") for layer in (down, pool, up, last)]
    assert touched == [144, 144, 72, 216]
    assert network.touched(down, "image") == 72


def test_a_transposed_convolution_multiplies_every_inserted_zero(tmp_path: Path) -> None:
    up = forked(tmp_path).layers[3]
    assert up.macs == 2 * 8 * 2 * 2 * 6 * 6  # K·C·R·S·P·Q
    assert up.ifmap == 8 * 3 * 3  # as stored, without the zeros


@pytest.mark.parametrize("images", [2, 5])
def test_a_batch_moves_as_many_times_as_much(tmp_path: Path, images: int) -> None:
    one, many = forked(tmp_path), forked(tmp_path).batched(images)
    for alone, together in zip(one.layers, many.layers, strict=True):
        assert together.ifmap == images * alone.ifmap
        assert together.macs == images * alone.macs
        for name in (*alone.reads, alone.output):
            assert many.touched(together, name) == images * one.touched(alone, name)
    rows = [evaluate(network, CHIP, 8, roofline="ideal").layer_designs for network in (one, many)]
    for alone, together in zip(*rows, strict=True):
        moved = replace(alone.dram_bits, weights=0).total
        assert together.dram_bits.total == alone.dram_bits.weights + images * moved


WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "parts of another's tensor": (
        ('name = "deep",', 'name = "deep", parts = { both = 3 },'),
        "layer 'deep': parts: it does not touch tensor 'both'",
    ),
    "a part larger than its tensor": (
        ("R = 3, S = 3, parts = { both = 144 }", "R = 3, S = 3, parts = { both = 217 }"),
        "layers that write tensor 'both' write 289 of its 216 elements",
    ),
    "a part of the input larger than it": (
        ('input = "small",', 'parts = { small = 37 }, input = "small",'),
        "layer 'deep': parts: 37 elements of tensor 'small', which has 36",
    ),
    "a part that the shape does not read": (
        ("H = 6, W = 6, parts = { both = 144 } }", "H = 6, W = 6, parts = { both = 143 } }"),
        "layer 'pool': parts: 143 elements of tensor 'both', of which its shape reads 144",
    ),
    "parts that leave something out": (
        ("input_dilation = 2, parts = { both = 72 }", "input_dilation = 2, parts = { both = 71 }"),
        "layers that write tensor 'both' write 215 of its 216 elements",
    ),
    "two writers, one of the whole": (
        ("input_dilation = 2, parts = { both = 72 }", "input_dilation = 2"),
        "layers 'down' and 'up' both write tensor 'both'; a tensor has one writer, unless each",
    ),
    "read before any part is written": (
        (
            'name = "down", input = "image"',
            'name = "down", residuals = ["deep.out"], input = "image"',
        ),
        "reads tensor 'deep.out' before layer 'deep' writes it",
    ),
    "read whole before it is complete": (
        ('output = "deep.out",', 'output = "deep.out", residuals = ["both"],'),
        "layer 'deep': reads tensor 'both' before layer 'up' writes it",
    ),
    "a movement with a kernel": (("moves = true,", "moves = true, R = 2,"), "so it has no R"),
    "a movement with a stride": (
        ("moves = true,", "moves = true, stride = [2, 1],"),
        "so it has no stride",
    ),
    "a movement with inserted zeros": (
        ("moves = true,", "moves = true, input_dilation = 2,"),
        "layer 'pool': moves data only, so it has no input_dilation",
    ),
    "a movement with a weight tensor": (
        ("moves = true,", 'moves = true, weight_tensor = "image",'),
        "layer 'pool': moves data only, so it has no weight_tensor",
    ),
    "too many rows for the zeros inserted": (
        ("P = 6, Q = 6, H = 3", "P = 14, Q = 6, H = 3"),
        "layer 'up': P = 14 output positions do not fit an ifmap of 6",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_hold_together_is_refused(case: str, tmp_path: Path) -> None:
    change, told = WRONG[case]
    with pytest.raises(SpecError) as caught:
        forked(tmp_path, change)
    assert told in str(caught.value)


def test_a_network_multiplies() -> None:
    copy = Layer(name="copy", moves=True, K=2, C=2, input="a", output="b")
    with pytest.raises(SpecError, match="its layers only move data; at least one must multiply"):
        Network(name="still", layers=(copy,), tensors={"a": 2, "b": 2})


def test_one_tensor_in_two_roles_is_touched_as_far_as_the_larger() -> None:
    product = Layer(
        name="product",
        K=2,
        C=2,
        P=4,
        H=4,
        input="x",
        output="y",
        weight_tensor="x",
        parts={"x": 8},
    )
    assert (
        Network(name="n", layers=(product,), tensors={"x": 12, "y": 8}).touched(product, "x") == 8
    )
    with pytest.raises(SpecError, match="parts: 4 elements of tensor 'x', of which its shape read"):
        Network(name="n", layers=(replace(product, parts={"x": 4}),), tensors={"x": 12, "y": 8})
