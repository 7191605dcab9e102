"""Small tables in CSV files: named columns in any order, each cell read with care.

The first line that is neither empty nor starts with ``#`` names the columns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.hardware import MAX_BITS
from codesign.schema import nearest
from codesign.text_files import read_text

NAMED = 3  # entries that a message names


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each row, for messages, and its cells by column.

    Raises
    ------
    SpecError
        Unreadable, not CSV, other columns than these, or a row of another length.
    """
    text = read_text(path).removeprefix("\ufeff")
    lines = ("\n" if line.startswith("#") else line for line in io.StringIO(text))
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    headings: list[str] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            where = f"{path}: line {reader.line_num}"
            if not headings:
                _check_headings(cells, columns, where)
                headings = cells
                continue
            if len(cells) != len(headings):
                raise SpecError(f"{where}: {len(cells)} cells for {len(headings)} columns")
            yield where, dict(zip(headings, cells, strict=True))
    except csv.Error as error:
        raise SpecError(f"{path}: line {reader.line_num}: not CSV: {error}") from None


def _check_headings(cells: Sequence[str], columns: Sequence[str], where: str) -> None:
    needed = f"(needed: {', '.join(columns)})"
    for name in cells:
        if name not in columns:
            near = nearest(name, tuple(columns))
            raise SpecError(f"{where}: unknown column {name!r}{near} {needed}")
    for name in columns:
        if cells.count(name) != 1:
            fault = "missing" if name not in cells else "there twice"
            raise SpecError(f"{where}: column {name!r} is {fault} {needed}")


def read_width(column: str, given: str, where: str) -> int:
    """A bitwidth.

    Raises
    ------
    SpecError
    """
    short = given.isascii() and given.isdecimal() and len(given) <= 2
    if not short or not 1 <= int(given) <= MAX_BITS:
        raise SpecError(
            f"{where}: {column} must be a whole number from 1 to {MAX_BITS}, got {given!r}"
        )
    return int(given)


def read_amount(column: str, given: Any, most: float, where: str) -> float:
    """A number, or a text that is one, from 0 to ``most``.

    Raises
    ------
    SpecError
    """
    try:
        amount = math.nan if isinstance(given, bool) or "_" in str(given) else float(given)
    except (TypeError, ValueError, OverflowError):
        amount = math.nan
    if not 0 <= amount <= most:
        raise SpecError(
            f"{where}: {column} must be a number from 0 to {most:g}, got {str(given)[:40]!r}"
        )
    return amount


def some(entries: Sequence[str]) -> str:
    """The first few of a list in words, and how many more."""
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return ", ".join(entries[:NAMED]) + more
