"""Values and their indices, and what is placed by indices: what is read and written."""

from __future__ import annotations

from pathlib import Path

from onnx_corpus import indices
from onnx_graphs import imported, loops, story

import codesign
from codesign import Choices, Problem


def test_values_and_indices_are_parts_of_one_tensor(tmp_path: Path) -> None:
    found = imported(tmp_path, indices.best()).network
    assert story(found) == ["a: x -> h", "~t: h -> t.results"]
    assert found.tensors["t.results"] == 2 * 4 * 3


def test_indices_go_out_with_what_is_pooled(tmp_path: Path) -> None:
    found = imported(tmp_path, indices.unpooled()).network
    assert story(found) == [
        "a: x -> m.results",
        "b: m.results[64] -> g",
        "~r: g + m.results[64] -> u",
        "c: u -> y",
    ]
    # 64 positions of 4 channels are pooled to 16: so many values and indices are stored
    assert found.tensors["m.results"] == 2 * 64


def test_values_alone_are_as_if_there_were_no_indices(tmp_path: Path) -> None:
    made = indices.best()
    del made.graph.output[1]
    found = imported(tmp_path, made).network
    assert story(found) == ["a: x -> h", "~t: h -> y"]


def test_more_updates_than_data_are_read_beside_them(tmp_path: Path) -> None:
    network = imported(tmp_path, indices.scattered_many()).network
    assert network.layers[1].moves
    assert sorted(network.touched(network.layers[1], x) for x in network.layers[1].reads) == [
        *(8, 36, 36)
    ]
    choices = Choices(rows=(2,), cols=(2,), weight_bits=(8,), activation_bits=(8,))
    design = codesign.solve(Problem(network=network, choices=choices, budgets={"area_mm2": 0.1}))
    moved = next(x for x in design.layer_designs if x.name == network.layers[1].name)
    assert moved.dram_bits.total == 8 * (8 + 36 + 36 + 8)
    assert moved.dram_bits.ifmap + moved.dram_bits.residual == 8 * (8 + 36 + 36)


def test_a_deformed_window_is_gathered_before_it_is_multiplied(tmp_path: Path) -> None:
    found = imported(tmp_path, indices.deformed(masked=True))
    assert story(found.network) == [
        "o: x -> f",
        "~d.samples: f + m + x -> d.samples",
        "d: d.samples -> y",
    ]
    assert found.network.tensors["d.samples"] == 2 * (4 * 9) * 18  # 9 of each channel and window
    assert loops(found.network.layers[2]) == {
        "N": 2,
        "G": 2,
        "K": 3,
        "C": 2 * 9,
        "P": 3,
        "Q": 6,
        "H": 3,
        "W": 6,
    }
