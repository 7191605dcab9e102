"""Quantisation: the best clipping against plain enumeration of every step that matters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.errors import SpecError
from codesign.quality import quantise, relative_errors, weight_sensitivity
from codesign.quality.quantise import most_code
from codesign.specs.network import Layer, Network

Floats = npt.NDArray[np.float64]
DRAWN = {
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(3, size=size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size=size),
}


def least_error(weights: npt.ArrayLike, bits: int, largest_step: float = np.inf) -> float:
    """Least relative error over all steps: the codes change only at ``|w|/(k − 1/2)``.

    Within a piece of constant codes the error is a parabola, least at its projection or, where
    that is outside, at an end.
    """
    magnitudes = np.abs(np.asarray(weights, dtype=np.float64).ravel())
    whole = float(magnitudes @ magnitudes)
    halves = np.arange(1, most_code(bits) + 1) - 0.5
    changes = np.unique(np.outer(magnitudes[magnitudes > 0], 1 / halves))
    changes = np.append(changes[changes < largest_step], min(largest_step, 2 * changes[-1]))
    best = whole
    for low, high in zip(np.append(0, changes[:-1]), changes, strict=True):
        codes = np.minimum(np.rint(magnitudes / ((low + high) / 2)), most_code(bits))
        step = np.clip(magnitudes @ codes / max(codes @ codes, 1), low, high)
        rest = magnitudes - step * codes
        best = min(best, float(rest @ rest))
    return best / whole


# --- by hand --------------------------------------------------------------------------------------


def test_three_weights_at_two_bits() -> None:
    # Levels −s, 0, s. Codes (1, 0, 0): s = 1, error 0.36 + 0.01 = 0.37. Codes (1, −1, 0):
    # s = 1.6/2 = 0.8, error 0.04 + 0.04 + 0.01 = 0.09. Codes (1, −1, 1): s = 1.7/3, error
    # 1.37 − 1.7²/3 = 0.4067. The second is best.
    found = quantise([1.0, -0.6, 0.1], 2, "tensor")
    assert found.steps == pytest.approx([0.8])
    assert found.values == pytest.approx([0.8, -0.8, 0.0])
    assert found.relative_error == pytest.approx(0.09 / 1.37)


def test_one_bit_is_the_sign_times_the_mean_magnitude() -> None:
    # s = (1 + 0.6 + 0.2)/3 = 0.6, error 0.16 + 0 + 0.16, of 1 + 0.36 + 0.04.
    found = quantise([1.0, -0.6, 0.2], 1, "tensor")
    assert found.values == pytest.approx([0.6, -0.6, 0.6])
    assert found.relative_error == pytest.approx(0.32 / 1.4)


def test_each_channel_has_a_step_of_its_own() -> None:
    # 3 bits: codes up to 3. Each channel is on a grid of three steps, the whole array is not.
    array = [[3.0, -2.0, 1.0], [30.0, -20.0, 10.0]]
    found = quantise(array, 3, "channel")
    assert found.steps == pytest.approx([1, 10])
    assert found.values == pytest.approx(np.array(array))
    assert found.relative_error == pytest.approx(0, abs=1e-15)
    assert quantise(array, 3, "tensor").relative_error > 1e-3


def test_clipping_pays_where_one_weight_is_far_out() -> None:
    # 100 × ±1 and a 4, at 3 bits. Unclipped: s = 4/3, each 1 becomes 4/3. Error about 100/9.
    # Clipped at 3: s = 1, only the 4 is off, by 1. The best step is a little above 1.
    found = quantise([1.0, -1.0] * 50 + [4.0], 3, "tensor")
    assert 1 < found.steps[0] < 1.05
    assert found.relative_error < 1 / 116


@pytest.mark.parametrize("channels", [1, 2])
def test_clipping_down_to_the_mean_square(channels: int) -> None:
    # 100 × ±1 and a 4, at 2 bits: all codes ±1, s = 104/101, error 116 − 104²/101.
    found = quantise([[1.0, -1.0] * 50 + [4.0]] * channels, 2)
    assert found.steps == pytest.approx([104 / 101] * channels)
    assert found.relative_error == pytest.approx(1 - 104**2 / 101 / 116)


def test_error_is_that_of_the_values() -> None:
    weights = np.random.default_rng(1).normal(size=(5, 3, 3, 3))
    for bits in (1, 2, 5, 12):
        found = quantise(weights, bits)
        lost = np.square(weights - found.values).sum() / np.square(weights).sum()
        assert found.relative_error == pytest.approx(lost, rel=1e-9)
        assert relative_errors(weights, [bits])[bits] == pytest.approx(lost, rel=1e-6)
        levels = found.values / found.steps[:, None, None, None]
        assert np.abs(levels - np.rint(levels)).max() < 1e-9
        assert np.abs(levels).max() < most_code(bits) + 0.5


# --- against enumeration --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", DRAWN)
@pytest.mark.parametrize(
    ("elements", "bits"), [(9, 4), (9, 8), (64, 3), (64, 6), (300, 2), (300, 5)]
)
def test_error_is_nearly_the_least_of_all(shape: str, elements: int, bits: int) -> None:
    rng = np.random.default_rng([elements, bits])
    ratios = []
    for _ in range(4):
        weights = DRAWN[shape](rng, elements)
        found, truth = relative_errors([weights], [bits])[bits], least_error(weights, bits)
        assert truth * (1 - 1e-9) <= found <= truth + 4.0**-bits
        ratios.append(found / truth)
    assert np.mean(ratios) < (1.2 if elements < 64 else 1.05)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 6))
def test_clipping_is_as_good_as_promised(seed: int, elements: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.standard_t(3, size=elements) * (rng.random(elements) < 0.8) + 1e-3
    unclipped = np.abs(weights).max() / most_code(bits)
    promised = least_error(weights, bits, largest_step=unclipped) + 4.0**-bits / 4
    assert relative_errors([weights], [bits])[bits] <= promised


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_one_long_row(bits: int) -> None:
    weights = np.random.default_rng(bits).standard_t(6, size=30_000)
    steps = np.abs(weights).max() / most_code(bits) * np.linspace(0.02, 1.1, 400)
    errors = []
    for step in steps:
        codes = np.clip(np.rint(weights / step), -most_code(bits), most_code(bits))
        errors.append(np.square(weights - step * codes).sum())
    least = min(errors) / np.square(weights).sum()
    for rows in (weights, weights[None]):
        assert quantise(rows, bits, "tensor").relative_error <= least * 1.001
    assert relative_errors(weights[None], [bits])[bits] <= least * 1.001


@pytest.mark.parametrize("used", [4, 5, 7])
def test_weights_on_a_grid_are_kept(used: int) -> None:
    # Already quantised with codes up to ``used``; 8 bits have 127, a multiple of which fits.
    codes = np.random.default_rng(used).integers(-used, used + 1, size=(3, 200))
    codes[:, 0] = used
    weights = (codes * [[0.01], [0.3], [7.0]]).astype(np.float32)
    for width, error in relative_errors(weights, (4, 6, 8, 12)).items():
        assert error < 1e-12, width


# --- properties -----------------------------------------------------------------------------------

ARRAYS = st.tuples(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 60)).map(
    lambda drawn: np.random.default_rng(drawn[0]).normal(size=drawn[1:])
)


@settings(max_examples=40, deadline=None)
@given(ARRAYS, st.integers(1, 12), st.integers(-60, 60), st.sampled_from(("channel", "tensor")))
def test_scale_and_sign_change_nothing(
    array: Floats, bits: int, power: int, granularity: str
) -> None:
    plain = quantise(array, bits, granularity)  # type: ignore[arg-type]
    scaled = quantise(-np.ldexp(array, power), bits, granularity)  # type: ignore[arg-type]
    assert scaled.relative_error == plain.relative_error
    assert scaled.steps == pytest.approx(np.ldexp(plain.steps, power), rel=1e-15)


@settings(max_examples=40, deadline=None)
@given(ARRAYS, st.integers(1, 8), st.integers(-3, 3))
def test_channels_of_their_own_are_never_worse(array: Floats, bits: int, power: int) -> None:
    array = array * np.logspace(0, power, len(array))[:, None]
    fine, coarse = (relative_errors(array, [bits], g)[bits] for g in ("channel", "tensor"))
    assert fine <= coarse + 4.0**-bits


@settings(max_examples=40, deadline=None)
@given(ARRAYS)
def test_more_bits_are_no_worse_than_promised(array: Floats) -> None:
    errors = relative_errors(array, range(1, 17))
    assert all(errors[bits + 1] <= errors[bits] + 4.0 ** -(bits + 1) for bits in range(1, 16))


def test_all_zero_weights_lose_nothing() -> None:
    assert relative_errors(np.zeros((2, 3)), (1, 4, 16)) == {1: 0, 4: 0, 16: 0}
    assert relative_errors(np.zeros(20_000), (1, 2, 16), "tensor") == {1: 0, 2: 0, 16: 0}
    found = quantise([[0.0, 0.0], [3.0, 1.0]], 3)
    assert found.values == pytest.approx(np.array([[0.0, 0.0], [3.0, 1.0]]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_any_real_numbers(dtype: type) -> None:
    array = np.array([[1, -2, 3], [4, 0, 5]], dtype=dtype)
    assert quantise(array, 4).relative_error < 1e-3


def test_extreme_magnitudes() -> None:
    for scale in (1e-300, 1e-30, 1e30, 1e300):
        assert relative_errors(np.array([[3.0, 2.0, -1.0]]) * scale, [3])[3] < 1e-12


@pytest.mark.parametrize(
    ("array", "how", "told"),
    [
        ([1.0, np.nan, np.inf], {}, "2 of 3 weights are not finite"),
        ([], {}, "no weights: the array is empty"),
        (["a"], {}, "weights are real numbers"),
        ([1.0], {"bits": 0}, "0: a bitwidth is a whole number from 1 to 32"),
        ([1.0], {"bits": 33}, "33: a bitwidth"),
        ([1.0], {"granularity": "row"}, "granularity 'row': write channel or tensor"),
    ],
)
def test_bad_input(array: list[float], how: dict[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        quantise(array, **{"bits": 4, **how})  # type: ignore[arg-type]


# --- networks -------------------------------------------------------------------------------------

LAYERS = (
    Layer(name="conv", G=2, K=3, C=2, R=3, S=3, P=4, Q=4, H=4, W=4, input="x", output="y"),
    Layer(name="fc", K=5, C=96, input="y", output="z"),
    Layer(name="product", K=5, C=1, input="z", output="out", weight_tensor="z", H=5, P=5),
)
NETWORK = Network(name="net", layers=LAYERS, tensors={"x": 64, "y": 96, "z": 5, "out": 25})


def arrays(**other: npt.ArrayLike) -> dict[str, npt.ArrayLike]:
    rng = np.random.default_rng(3)
    return {"conv": rng.normal(size=(6, 2, 3, 3)), "fc": rng.normal(size=(5, 96)), **other}


def test_weights_are_measured_and_activations_assumed() -> None:
    given_arrays = arrays()
    table = weight_sensitivity(NETWORK, given_arrays, (4, 2), "tensor")
    assert list(table) == ["weight:conv", "weight:fc", "tensor:x", "tensor:y", "tensor:z"]
    assert table["tensor:y"] == {2: 1 / 16, 4: 1 / 256}
    for name, array in given_arrays.items():
        assert table[f"weight:{name}"] == relative_errors(array, (2, 4), "tensor")
    finer = weight_sensitivity(NETWORK, given_arrays, [4])["weight:conv"]
    assert finer == relative_errors(given_arrays["conv"], [4], "channel")


@pytest.mark.parametrize(
    ("name", "array", "told"),
    [
        ("conv", np.full((6, 2, 3, 3), np.nan), "layer 'conv': 108 of 108 weights are not finite"),
        (
            "conv",
            np.ones((2, 6, 3, 3)),
            "'conv': an array of 2 × 6 × 3 × 3, but the layer has 6 ou",
        ),
        (
            "fc",
            np.ones((5, 95)),
            "'fc': an array of 5 × 95, but the layer has 5 output channels of",
        ),
        ("fc", np.float64(3), "'fc': an array of "),
    ],
)
def test_weights_that_do_not_fit(name: str, array: Floats, told: str) -> None:
    with pytest.raises(SpecError, match="weights of layer") as caught:
        weight_sensitivity(NETWORK, arrays(**{name: array}), [4])
    assert told in str(caught.value)


def test_weights_that_are_missing() -> None:
    with pytest.raises(SpecError, match="weights of layer 'conv': missing"):
        weight_sensitivity(NETWORK, {}, [4])
