"""Which tensors are stored where values are joined: parts of one tensor, and what is copied.

Images are 4 channels of 8 × 8 = 256 elements unless said otherwise; convolutions keep that size.
"""

from __future__ import annotations

from pathlib import Path

from onnx_graphs import story
from onnx_images import CONSTANTS, U, V, W, read

BOTH = {**W, **V, "u": (4, 8, 1, 1)}


def test_the_parts_of_a_concatenation_are_one_tensor(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        b: h = Conv (x, v)
        r = Relu (g)
        t = Concat <axis=1> (r, h)
        c: y = Conv (t, u)
    """
    found = read(tmp_path, lines, BOTH)
    assert story(found) == ["a: x -> t[256]", "b: x -> t[256]", "c: t -> y"]
    assert found.tensors == {"x": 256, "t": 512, "y": 256}


def test_a_part_is_read_alone(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nb: h = Conv (g, v)\nt = Concat <axis=1> (h, g)\nc: y = Conv (t, u)"
    # b reads one part and writes another of the same size
    assert story(read(tmp_path, lines, BOTH)) == [
        "a: x -> t[256]",
        "b: t[256] -> t[256]",
        "c: t -> y",
    ]


def test_a_part_of_another_size_is_copied_before_it_is_read(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nb: h = Conv (g, v)\nt = Concat <axis=1> (h, g)\nc: y = Conv (t, u)"
    found = read(tmp_path, lines, {**W, "v": (2, 4, 1, 1), "u": (4, 6, 1, 1)})
    assert story(found) == [
        "a: x -> t[256]",
        "~b.copy: t[256] -> t.copy",
        "b: t.copy -> t[128]",
        "c: t -> y",
    ]


def test_a_dense_block_is_one_tensor(tmp_path: Path) -> None:
    lines = """
        a: g0 = Conv (x, w)
        b1: m1 = Conv (g0, v)
        b2: g1 = Conv (m1, w)
        t1 = Concat <axis=1> (g0, g1)
        c1: m2 = Conv (t1, u)
        c2: g2 = Conv (m2, w)
        t2 = Concat <axis=1> (g0, g1, g2)
        d: y = Conv (t2, s)
    """
    found = read(tmp_path, lines, {**BOTH, "s": (4, 12, 1, 1)})
    assert story(found) == [
        "a: x -> t2[256]",
        "b1: t2[256] -> m1",
        "b2: m1 -> t2[256]",
        "c1: t2[512] -> m2",
        "c2: m2 -> t2[256]",
        "d: t2 -> y",
    ]


def test_nested_concatenations(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        b: h = Conv (x, v)
        c: k = Conv (x, w)
        t = Concat <axis=1> (g, h)
        s = Concat <axis=1> (t, k)
        d: z = Conv (t, u)
        e: y = Conv (s, r)
    """
    found = read(tmp_path, lines, {**BOTH, "r": (4, 12, 1, 1)}, outputs=("z", "y"))
    assert story(found)[:3] == [f"{name}: x -> s[256]" for name in "abc"]
    assert story(found)[3:] == ["d: s[512] -> z", "e: s -> y"]


def test_part_of_a_concatenation_beside_something_else_is_copied(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        b: h = Conv (x, v)
        c: k = Conv (x, w)
        t = Concat <axis=1> (g, h)
        s: s = Concat <axis=1> (h, k)
        d: z = Conv (t, u)
        e: y = Conv (s, u)
    """
    found = read(tmp_path, lines, BOTH, outputs=("z", "y"))
    assert story(found) == [
        "a: x -> t[256]",
        "b: x -> t[256]",
        "c: x -> s[256]",
        "~s.copy0: t[256] -> s[256]",
        "d: t -> z",
        "e: s -> y",
    ]


def test_a_smaller_concatenation_of_the_same_parts(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        b: h = Conv (x, v)
        c: k = Conv (x, w)
        s = Concat <axis=1> (g, h, k)
        t = Concat <axis=1> (h, g)
        d: z = Conv (t, u)
        e: y = Conv (s, r)
    """
    found = read(tmp_path, lines, {**BOTH, "r": (4, 12, 1, 1)}, outputs=("z", "y"))
    assert story(found)[3:] == ["d: s[512] -> z", "e: s -> y"]


def test_an_input_is_copied_into_a_concatenation(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nt: t = Concat <axis=1> (g, x)\nc: y = Conv (t, u)"
    found = read(tmp_path, lines, BOTH)
    assert story(found) == ["a: x -> t[256]", "~t.copy1: x -> t[256]", "c: t -> y"]


def test_the_second_of_two_equal_parts_is_copied(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nt: t = Concat <axis=1> (g, g)\nc: y = Conv (t, u)"
    found = read(tmp_path, lines, BOTH)
    assert story(found) == ["a: x -> t[256]", "~t.copy1: t[256] -> t[256]", "c: t -> y"]


def test_constants_are_appended(tmp_path: Path) -> None:
    lines = "a: g = Conv (x, w)\nt = Concat <axis=1> (k, g)\nc: y = Conv (t, v)"
    found = read(tmp_path, lines, {**W, "k": (1, 1, 8, 8), "v": (4, 5, 1, 1)})
    assert story(found) == ["a: x -> t and 64", "c: t -> y"]
    assert found.tensors["t"] == 5 * 64


def test_some_slices_joined_with_more_are_their_source(tmp_path: Path) -> None:
    lines = """
        a: h = Conv (x, w)
        l, r = Split <axis=1, num_outputs=2> (h)
        b: k = Conv (r, s)
        z = Add (r, k)
        t = Concat <axis=1> (l, r, z)
        c: y = Conv (t, q)
    """
    found = read(tmp_path, lines, {**W, "s": (2, 2, 1, 1), "q": (4, 6, 1, 1)})
    assert story(found) == ["a: x -> t[256]", "b: t[128] + t[128] -> t[128]", "c: t -> y"]


def test_a_lone_slice_in_a_concatenation_is_what_is_stored(tmp_path: Path) -> None:
    lines = """
        a: h = Conv (x, w)
        l = Slice (h, i0, i3, i1)
        b: k = Conv (x, v)
        t = Concat <axis=1> (l, k)
        c: y = Conv (t, q)
    """
    found = read(tmp_path, lines, {**CONSTANTS, "q": (4, 7, 1, 1)})
    assert story(found) == ["a: x -> t[192]", "b: x -> t[256]", "c: t -> y"]


def test_each_part_is_pooled_by_its_writer(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        b: h = Conv (x, v)
        k = Concat <axis=1> (g, h)
        p: t = MaxPool <kernel_shape=[2,2], strides=[2,2]> (k)
        c: y = Conv (t, u)
    """
    found = read(tmp_path, lines, BOTH)
    assert story(found) == ["a: x -> t[64]", "b: x -> t[64]", "c: t -> y"]
    along = read(tmp_path, lines.replace("axis=1", "axis=2"), {**BOTH, **U})
    assert story(along)[2:] == ["~p: k -> t", "c: t -> y"]  # a window may see both parts


def test_a_part_that_is_copied_is_not_pooled_by_its_writer(tmp_path: Path) -> None:
    lines = """
        a: g = Conv (x, w)
        k: k = Concat <axis=1> (g, x)
        p: t = MaxPool <kernel_shape=[2,2], strides=[2,2]> (k)
        c: y = Conv (t, u)
    """
    told = story(read(tmp_path, lines, BOTH))
    assert told == ["a: x -> k[256]", "~k.copy1: x -> k[256]", "~p: k -> t", "c: t -> y"]
