"""Tables of latency: what is read, what is needed, and one line for every fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codesign import Choices, Layer, Network, Problem, SpecError
from codesign.problem.latency_table import (
    check_cost,
    needed_pairs,
    read_cost,
    read_pair,
    value_of,
    write_pair,
)

HEAD = "layer,weight_bits,activation_bits,latency_s\n"
NETWORK = Network(
    name="all",
    layers=(
        Layer(name="conv", K=2, C=4, H=2, W=2, P=2, Q=2, input="x", output="y"),
        Layer(name="pool", moves=True, K=2, C=2, H=2, W=2, P=1, Q=1, input="y", output="q"),
        Layer(name="product", K=8, C=2, H=1, W=1, input="q", output="z", weight_tensor="x"),
    ),
    tensors={"x": 16, "y": 8, "q": 2, "z": 8},
)
CHOICES = Choices(weight_bits=(2, 3), activation_bits=(4, 8), pinned={"tensor:q": 6})
PROBLEM = Problem(network=NETWORK, choices=CHOICES)
TABLE = {
    "conv": {(2, 4): 1.0, (2, 8): 2.0, (3, 4): 3.0, (3, 8): 4.0},
    "product": {(4, 6): 5.0, (8, 6): 6.0},
}


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_table_is_read(tmp_path: Path) -> None:
    """Columns in any order, comments, empty lines, spaces, a mark of byte order."""
    text = "\ufeff# measured\nlatency_s, layer,activation_bits,weight_bits\n\n1e-3, a,4,8\n"
    text += '0,"b, c",4,\n# more\n2,a,8,8\n'
    table = read_cost(written(tmp_path, text))
    assert table == {"a": {(8, 4): 1e-3, (8, 8): 2.0}, "b, c": {(None, 4): 0.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "a table without entries"),
        ("", "a table without entries"),
        ("layer,weight_bits,activation_bits,latency_ms\na,2,2,1\n", "unknown column .latency_ms.;"),
        ("layer,weight_bits,activation_bits\na,2,2\n", "line 1: column .latency_s. is missing"),
        (HEAD.replace("layer", "latency_s"), "unknown|there twice|missing"),
        (HEAD + "a,2,2\n", "line 2: 3 cells for 4 columns"),
        (HEAD + "a,2,2,-1\n", "line 2: latency_s must be a number from 0 to 1e.09, got .-1"),
        (HEAD + "a,2,2,nan\n", "line 2: latency_s must be a number from 0 to 1e.09, got .nan"),
        (HEAD + "a,2,2,inf\n", "line 2: latency_s must be a number from 0 to 1e.09, got .inf"),
        (HEAD + "a,2,2,1_0\n", "line 2: latency_s must be a number from 0"),
        (HEAD + "a,2,2,\n", "line 2: latency_s must be a number from 0"),
        (HEAD + "a,0,2,1\n", "line 2: weight_bits must be a whole number from 1 to 32, got .0."),
        (HEAD + "a,2,33,1\n", "line 2: activation_bits must be a whole number from 1 to 32"),
        (HEAD + "a,2,,1\n", "line 2: activation_bits must be a whole number from 1 to 32, got ..$"),
        (HEAD + "a,2.5,2,1\n", "line 2: weight_bits must be a whole number"),
        (HEAD + ",2,2,1\n", "line 2: layer is empty"),
        (HEAD + "a,2,4,1\na,2,4,1\n", "line 3: .a. at 2 × 4 bit is given twice"),
        (HEAD + "a,,4,1\na,,4,1\n", "line 3: .a. at 4 bit is given twice"),
        (HEAD + '"a,2,4,1\n', "not CSV"),
    ],
)
def test_faulty_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as raised:
        read_cost(written(tmp_path, text))
    assert str(raised.value).startswith(str(tmp_path / "table.csv"))
    assert "\n" not in str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"a latency table ends in \.csv"):
        read_cost(written(tmp_path, HEAD, "table.toml"))
    with pytest.raises(SpecError, match="cannot be read"):
        read_cost(tmp_path / "none.csv")


def test_pairs_are_written_as_they_are_read() -> None:
    for pair in ((2, 4), (None, 4)):
        assert read_pair(*write_pair(pair).split(","), where="here") == pair


# --- what a problem needs -----------------------------------------------------------------------


def test_needed_pairs() -> None:
    """A product runs at the width of its weight tensor; what moves data has no weights."""
    conv, pool, product = NETWORK.layers
    assert needed_pairs(PROBLEM, conv) == ((2, 4), (2, 8), (3, 4), (3, 8))
    assert needed_pairs(PROBLEM, pool) == ((None, 4), (None, 8))
    assert needed_pairs(PROBLEM, product) == ((4, 6), (8, 6))


def test_widths_that_are_shared_need_equal_pairs() -> None:
    tied = Problem(network=NETWORK, choices=Choices(weight_bits=(2, 4, 8), tied=True))
    assert needed_pairs(tied, NETWORK.layers[0]) == ((2, 2), (4, 4), (8, 8))
    check_cost(tied, {"conv": {(b, b): 1.0 for b in (2, 4, 8)}, "product": every(2, 8)})


def every(low: int, high: int) -> dict[tuple[int | None, int], float]:
    return {(w, a): 1.0 for w in range(low, high + 1) for a in range(low, high + 1)}


def test_movement_takes_no_time_unless_the_table_says_so() -> None:
    check_cost(PROBLEM, TABLE)
    pool = NETWORK.layers[1]
    assert value_of(TABLE, pool, (None, 4)) == 0.0
    timed = {**TABLE, "pool": {(None, 4): 7.0, (None, 8): 8.0}}
    check_cost(PROBLEM, timed)
    assert value_of(timed, pool, (None, 8)) == 8.0


def test_more_than_is_needed_is_of_no_account() -> None:
    check_cost(PROBLEM, {**TABLE, "conv": {**TABLE["conv"], (9, 9): 1.0}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conf": {(2, 4): 1.0}}, r"unknown layer 'conf'; did you mean 'conv'\?"),
        ({"conv": {(2, 4): 1.0, (3, 8): 1.0}}, "no value for 'conv' at 2 × 8 bit, 'conv' at 3 × 4"),
        ({"conv": {}}, "'conv' at 2 × 4 bit, .* bit and 1 more$"),
        ({"product": {(6, 4): 1.0, (6, 8): 1.0}}, "no value for 'product' at 4 × 6 bit, 'product'"),
        ({"pool": {(None, 4): 1.0}}, "no value for 'pool' at 8 bit$"),
        ({"pool": {(4, 4): 1.0}}, "layer 'pool' moves data only, so it has no weight_bits"),
        ({"conv": {(None, 4): 1.0}}, "layer 'conv' needs weight_bits"),
        ({"conv": {(2, 4): -1.0}}, "'conv' at 2 × 4 bit: latency_s must be a number from 0"),
        ({"conv": {(2, 4): float("nan")}}, "'conv' at 2 × 4 bit: latency_s must be a number"),
    ],
)
def test_tables_that_do_not_suit(change: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message) as raised:
        check_cost(PROBLEM, {**TABLE, **change})
    assert str(raised.value).startswith("latency table: ")


def test_a_missing_layer_is_named() -> None:
    with pytest.raises(SpecError, match="no value for 'product' at 4 × 6 bit, 'product' at 8 × 6"):
        check_cost(PROBLEM, {"conv": TABLE["conv"]})
    narrow = replace(PROBLEM, choices=replace(CHOICES, weight_bits=(2,)))
    check_cost(narrow, {"conv": {(2, 4): 1.0, (2, 8): 1.0}, "product": TABLE["product"]})
