"""Operators that are spelt out: the plain nodes compute what the operator computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_corpus.transforms import einsum, spectrogram, transform
from onnx_graphs import imported, model, story

from codesign.errors import SpecError
from codesign.specs.onnx.spelling.rules import spell_out

EQUATIONS = {
    "...ij,...jk->...ik": [(2, 3, 4, 5), (2, 3, 5, 6)],
    "b...d,de->b...e": [(2, 3, 4, 5), (5, 6)],
    "ij...,jk...->ik...": [(4, 5, 2), (5, 6, 2)],
    "ij,jk": [(4, 5), (5, 6)],
    "bi,ijk,bk->bj": [(4, 5), (5, 6, 7), (4, 7)],
    "ab,cd,ef,bc,de,fa->": [(2, 3), (4, 5), (6, 7), (3, 4), (5, 6), (7, 2)],
    "ij->ji": [(4, 5)],
    "ij->i": [(4, 5)],
    "i->": [(4,)],
    "ij,jk->k": [(4, 5), (5, 6)],
    "ij,->ij": [(4, 5), ()],
    "ij,jk->ik": [(4, 1), (5, 6)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    made = einsum(equation, EQUATIONS[equation])
    chance = np.random.default_rng(0)
    given = {
        value.name: chance.standard_normal(shape).astype(np.float32)
        for value, shape in zip(made.graph.input, EQUATIONS[equation], strict=True)
    }
    expected = np.einsum(equation, *given.values())
    assert spell_out(made, {name: x.shape for name, x in given.items()}, {}, {})[0]
    assert all(
        "." not in attribute.s.decode() and attribute.s.count(b",") == 1
        for node in made.graph.node
        for attribute in node.attribute
        if attribute.name == "equation"
    )
    (found,) = ReferenceEvaluator(made).run(None, given)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_einsum_takes_the_cheapest_order(tmp_path: Path) -> None:
    made = imported(tmp_path, einsum("bi,ij,jk->bk", [(2, 5), (5, 50)], 50, 5))
    # 5·50·5 and 2·5·5 by the last two first, which is fewer than 2·5·50 and 2·50·5
    assert story(made.network) == ["a.product1: x0 × x1 -> a.product1", "a: a.product1 -> y"]
    assert made.network.macs == 2 * 5 * 50 * 2
    assert made.notes == (
        "einsum 'a' multiplies 3 operands two at a time, in the order of fewest products",
    )


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ii,ij->j", [(4, 4), (4, 5)], "takes a diagonal"),
        ("ij,kl,mn,op,qr,st,uv->", [(1, 1)] * 7, "at most 6"),
    ],
)
def test_einsum_refused(
    equation: str, shapes: list[tuple[int, ...]], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=f"node 'a' .*{expected}"):
        imported(tmp_path, einsum(equation, shapes))


def test_points_that_are_no_ellipsis_are_refused(tmp_path: Path) -> None:
    made = einsum("ij->ij", [(4, 4)])
    made.graph.node[0].attribute[0].s = b"i..j.->ij"  # ONNX's inference would not end
    with pytest.raises(SpecError, match=r"node 'a' .*an ellipsis has three points"):
        imported(tmp_path, made)


def real(parts: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs on a last axis, in a row."""
    return np.stack([parts.real, parts.imag], -1).reshape(*parts.shape[:-1], -1)


TRANSFORMS = {
    "real": ({"shape": (3, 12, 1), "one_sided": 1}, np.fft.rfft),
    "both sides": ({"shape": (3, 12, 1)}, np.fft.fft),
    "complex": ({"shape": (3, 12, 2)}, np.fft.fft),
    "odd": ({"shape": (3, 9, 1), "one_sided": 1}, np.fft.rfft),
    "inverse": ({"shape": (3, 12, 2), "inverse": 1}, np.fft.ifft),
    "cut": ({"shape": (3, 12, 2), "length": 7}, lambda x: np.fft.fft(x, 7)),
    "filled": ({"shape": (3, 12, 2), "length": 20}, lambda x: np.fft.fft(x, 20)),
    "real results": ({"shape": (3, 7, 2), "inverse": 1, "one_sided": 1}, np.fft.irfft),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_matrix_is_the_transform(name: str, tmp_path: Path) -> None:
    how, expected = TRANSFORMS[name]
    weights = imported(tmp_path, transform(axis=1, **how)).weights["d"][..., 0, 0]
    samples = np.random.default_rng(1).standard_normal(how["shape"])
    numbers = samples[..., 0] + (1j * samples[..., 1] if samples.shape[-1] == 2 else 0)
    wanted = expected(numbers if np.iscomplexobj(numbers) else numbers.real)
    wanted = wanted if np.isrealobj(wanted) else real(wanted)
    rows = samples[:, : how.get("length") or None].reshape(3, -1)
    np.testing.assert_allclose(rows @ weights.T, wanted, atol=1e-5)


def test_a_window_is_part_of_the_kernel(tmp_path: Path) -> None:
    made = spectrogram()
    window = np.linspace(0.5, 1, 16).astype(np.float32)
    (stored,) = (x for x in made.graph.initializer if x.name == "window")
    stored.raw_data = window.tobytes()
    weights = imported(tmp_path, made).weights["d"][:, 0, :, 0]
    frame = np.random.default_rng(1).standard_normal(16)
    np.testing.assert_allclose(weights @ frame, real(np.fft.rfft(frame * window)), atol=1e-5)


def test_frames_whose_step_is_data_are_refused(tmp_path: Path) -> None:
    made = model(
        *("d: y = STFT (x, step, , length)", {"x": (2, 80, 1), "step": ()}),
        {"length": np.array(16)},
        opset=17,
        kinds={"step": 7},
    )
    with pytest.raises(SpecError, match=r"node 'd' \(STFT\): the step between frames \(None\)"):
        imported(tmp_path, made)
