"""Convolutions over three axes or more, as layers of rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random

import pytest
from onnx_corpus import volumes
from onnx_graphs import imported, loops, model

from codesign.costs import pixel_tiles
from codesign.specs.onnx.products.volumes import Axis, plane
from codesign.specs.zeros import phases

CI, MORE = range(3), range(3, 40)
Reads = Callable[[int], list[int]]


def test_time_is_rows_and_the_plane_columns(tmp_path: Path) -> None:
    found = imported(tmp_path, volumes.plain())
    first, second, _ = found.network.layers
    assert loops(first) == {
        "N": 2,
        "K": 4,
        "C": 3,
        "P": 6,
        "Q": 80,
        "R": 3,
        "S": 9,
        "H": 6,
        "W": 80,
        "dilation": (1, 3),  # a kernel of three lines of 10 and 3 more reaches 23 positions
    }
    assert {name: loops(second)[name] for name in ("G", "P", "Q", "H", "W")} == {
        "G": 2,
        "P": 3,
        "Q": 6,
        "H": 3,
        "W": 20,
    }
    assert second.stride == (1, 4)
    assert found.network.tensors[first.output] == 2 * 4 * 3 * 4 * 5
    assert "rows are the first axis" in found.notes[0]
    assert found.notes[0].endswith(": a, b")


def test_frames_are_images_and_pixels_columns(tmp_path: Path) -> None:
    frames, time = imported(tmp_path, volumes.factorised()).network.layers
    assert loops(frames) == {
        "N": 12,
        "K": 4,
        "C": 3,
        "P": 8,
        "Q": 10,
        "R": 3,
        "S": 3,
        "H": 8,
        "W": 10,
    }
    assert loops(time) == {"N": 2, "K": 4, "C": 4, "P": 6, "Q": 80, "R": 3, "H": 6, "W": 80}


def test_zeros_around_a_volume_are_padding(tmp_path: Path) -> None:
    found = imported(tmp_path, volumes.odd()).network
    assert not any(layer.moves for layer in found.layers)
    assert found.layers[0].input == "x"


def test_padding_of_a_kernel_of_one_plane_is_stored(tmp_path: Path) -> None:
    line = "a: y = Conv <pads=[0,9,9,0,9,9]> (x, w)"
    made = model(line, {"x": (1, 2, 5, 4, 4)}, {"w": (3, 2, 2, 1, 1)})
    moved, layer = imported(tmp_path, made).network.layers
    assert moved.moves
    assert layer.ifmap == 2 * 5 * 22 * 22
    assert layer.macs == 3 * 2 * 2 * 4 * 22 * 22


def drawn_axis(chance: Random, most: int, transposed: bool) -> tuple[Axis, Reads]:
    """An axis of a convolution, and the stored positions that each result reads."""
    while True:
        stored, taps = chance.randint(1, most), chance.randint(1, 3)
        step, dilation = chance.randint(1, 3), chance.randint(1, 2)
        reach = (taps - 1) * dilation + 1
        before, after = chance.randint(0, reach - 1), chance.randint(0, reach - 1)
        apart, stride = (step, 1) if transposed else (1, step)
        room = (stored - 1) * apart + 1 + before + after - reach
        if room >= 0:
            break

    def reads(result: int) -> list[int]:
        at = (result * stride - before + tap * dilation for tap in range(taps))
        return [x // apart for x in at if x % apart == 0 and 0 <= x // apart < stored]

    return Axis(room // stride + 1, stored, taps, stride, dilation, apart), reads


@pytest.mark.parametrize("seed", [*CI, *(pytest.param(n, marks=pytest.mark.long) for n in MORE)])
def test_tiles_of_columns_hold_and_read_no_more_than_they_say(seed: int) -> None:
    """By the sets of elements that stretches of a plane, or of a volume, read."""
    chance = Random(seed)
    for _ in range(60):
        inner = chance.choice((2, 2, 3))
        transposed = chance.random() < 0.5
        drawn = [drawn_axis(chance, 6 if inner == 2 else 4, transposed) for _ in range(inner)]
        line = plane([Axis(3, 3, 2), *(axis for axis, _ in drawn)]).columns
        assert line.fits
        if line.taps == 1:
            continue
        tiles = pixel_tiles.Axis(line.outputs, line.stored, line.reach, line.stride, line.inserted)
        every = [
            {*product(*(reads(n) for n, (_, reads) in zip(place, drawn, strict=True)))}
            for place in product(*(range(axis.outputs) for axis, _ in drawn))
        ]
        for size in range(1, line.outputs + 1):
            held = [{*()}.union(*every[n : n + size]) for n in range(0, line.outputs, size)]
            assert max(map(len, held)) <= tiles.held(size)
            assert sum(map(len, held)) <= tiles.read(size)


@pytest.mark.parametrize(("taps", "stride"), [(2, 2), (4, 2), (3, 3), (6, 3)])
@pytest.mark.parametrize("sizes", [(8, 8), (5, 14), (32, 7)])
def test_phases_of_a_plane_are_those_of_its_axes(
    taps: int, stride: int, sizes: tuple[int, int]
) -> None:
    """Every result meets so many stored positions: counted one by one along either axis."""
    inner = [Axis(size * stride, size, taps, inserted=stride) for size in sizes]
    line = plane([Axis(4, 4, 3), *inner]).columns
    stored = {n * stride for n in range(99)}
    met = [len(stored & {*range(first, first + taps)}) for first in range(2 * stride)]
    assert {*met} == {taps // stride}
    (found,) = phases(line.outputs, line.taps, line.stride, line.dilation, line.inserted)
    assert found.taps == (taps // stride) ** 2
    assert found.alike * found.outputs == sizes[0] * sizes[1] * stride**2
