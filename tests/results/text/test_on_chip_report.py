"""What a report says of tensors on chip, by hand; and that it says nothing where none may stay.

Three layers at 8 bit: ``a`` (64 elements, 512 bits) from conv1 to conv2, ``b`` (128 elements, 1024
bits) from conv2 to fc. So 512, 1536 and 1024 bits are resident during the three.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pictures import CONV1, CONV2, FC, GIVEN, NETWORK, TENSORS
from resident_designs import evaluated

from codesign import Choices, Evaluation, Network, Problem, evaluate
from codesign.results.text.design import evaluation_parts, totals_line
from codesign.results.text.displays import problem_table
from codesign.results.text.layout import to_text


def report(found: Evaluation) -> list[str]:
    return to_text(evaluation_parts(found), terminal=False).splitlines()


def after(lines: list[str], beginning: str) -> list[str]:
    """The lines from the first that begins so."""
    return lines[next(i for i, line in enumerate(lines) if line.startswith(beginning)) :]


def test_what_stays_and_over_which_layers() -> None:
    found = evaluated(NETWORK, GIVEN, 8, ["a", "b"])
    told = after(report(found), "on chip:")
    assert told[0] == "on chip: 2 of the 2 tensors between layers"
    rows = {line.split()[0]: line.split()[1:] for line in after(told, "resident tensor")[2:4]}
    assert rows == {
        "a": ["8", "0.512", "1–2", "conv1", "conv$_2$"],
        "b": ["8", "1.024", "2–3", "conv$_2$", "fc"],
    }


def test_the_layer_of_the_fullest_sram() -> None:
    found = evaluated(NETWORK, GIVEN, 8, ["a", "b"])
    used = [(row.sram_bits or 0) + row.resident_bits for row in found.layer_designs]
    fullest = found.layer_designs[used.index(max(used))]
    assert [row.resident_bits for row in found.layer_designs] == [512, 1536, 1024]
    (line,) = (line for line in report(found) if line.startswith("SRAM fullest"))
    assert line == (
        f"SRAM fullest during {fullest.name}: resident {fullest.resident_bits / 1e6:.4g} + tiles "
        f"{fullest.sram_bits / 1e6:.4g} = {max(used) / 1e6:.4g} of 0.004 Mbit"
    )


def test_the_table_of_layers_shows_both_parts_of_the_sram() -> None:
    found = evaluated(NETWORK, GIVEN, 8, ["b"])
    lines = report(found)
    start = next(i for i, line in enumerate(lines) if line.startswith("layer "))
    assert lines[start - 1].split()[-5:-2] == ["tiles", "resident", "bound"]
    for line, row, bits in zip(
        lines[start + 2 : start + 5], found.layer_designs, (0, 1024, 1024), strict=True
    ):
        cells = line.split()
        assert cells[0] == row.name
        assert cells[6:8] == [f"{row.sram_bits / 1e3:.3f}", f"{bits / 1e3:.3f}"]
    frame = found.layers
    assert frame["resident_bits"].tolist() == [0, 1024, 1024]


def test_what_goes_to_dram_is_named() -> None:
    told = after(report(evaluated(NETWORK, GIVEN, 8, ["b"])), "on chip:")
    assert told[0] == "on chip: 1 of the 2 tensors between layers; in DRAM: a"
    told = after(report(evaluated(NETWORK, GIVEN, 8, [])), "on chip:")
    assert told[:2] == ["on chip: 0 of the 2 tensors between layers; in DRAM: a, b", ""]
    assert not [line for line in told if line.startswith(("SRAM fullest", "resident tensor"))]


def test_one_line_says_how_many_stay() -> None:
    ends = {
        ("a", "b"): ", 2 tensors on chip",
        ("b",): ", 1 tensor on chip",
        (): ", 0 tensors on chip",
    }
    for kept, end in ends.items():
        assert totals_line(evaluated(NETWORK, GIVEN, 8, kept)).endswith(f"SRAM 0.004 Mbit{end}")
    assert totals_line(evaluate(NETWORK, GIVEN, 8, on_chip="none")).endswith("SRAM 0.004 Mbit")


def test_the_tables_of_residents() -> None:
    found = evaluated(NETWORK, GIVEN, 8, ["a"]).residents
    assert found.index.tolist() == ["a"]
    assert found.loc["a"].to_dict() == {
        "bits": 8,
        "sram_bits": 512,
        "first_layer": "conv1",
        "last_layer": "conv$_2$",
    }
    assert evaluated(NETWORK, GIVEN, 8, []).residents.empty


def test_nothing_is_said_where_every_tensor_goes_to_dram() -> None:
    found = evaluate(NETWORK, GIVEN, 8, on_chip="none")
    assert found.on_chip is None
    text = "\n".join(report(found))
    for word in ("on chip", "resident", "tiles"):
        assert word not in text
    assert "resident_bits" not in found.layers
    assert found.residents.empty


def test_a_problem_in_a_notebook_says_what_may_stay() -> None:
    def told(**given: object) -> str:
        problem = Problem(network=NETWORK, choices=Choices(**given))
        return to_text([problem_table(problem)], terminal=False)

    assert "on chip" not in told(on_chip="none")
    (line,) = (x for x in told(on_chip="tensors").splitlines() if x.startswith("on chip"))
    assert line.split()[2:] == ["tensors"]
    pinned = told(on_chip="tensors", places={"a": "chip", "b": "dram"})
    assert "tensors; a chip; b dram" in pinned


@pytest.mark.parametrize("name", ["a[bold]", "\x1b[31mred", "x" * 60])
def test_names_are_shown_literally(name: str) -> None:
    layers = (replace(CONV1, output=name), replace(CONV2, input=name), FC)
    tensors = {name if key == "a" else key: size for key, size in TENSORS.items()}
    network = Network(name="tiny", layers=layers, tensors=tensors)
    for kept in ([], [name]):
        text = "\n".join(report(evaluated(network, GIVEN, 8, kept)))
        assert "\x1b" not in text
        assert name.replace("\x1b", "\\x1b")[:8] in text
