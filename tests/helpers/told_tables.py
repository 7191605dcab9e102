"""Tables that a README tells, held to the committed ones."""

from __future__ import annotations

import pandas as pd
import pytest


def rows_of(readme: str, heading: str) -> list[list[str]]:
    """Cells of the table whose header starts with ``heading``, without marks of code."""
    lines = readme[readme.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def check_told(told: list[list[str]], expected: pd.DataFrame) -> None:
    """Every cell is the one expected, a number to its last digit; a dash tells nothing."""
    assert len(told) == len(expected)
    for cells, (_, truth) in zip(told, expected.iterrows(), strict=True):
        for cell, value in zip(cells, truth, strict=True):
            if isinstance(value, str):
                assert cell == value
            elif cell != "–":
                half_a_digit = 0.5001 * 10.0 ** -len(cell.partition(".")[2])
                assert float(cell) == pytest.approx(value, abs=half_a_digit), (cells, value)
