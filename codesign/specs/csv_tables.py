"""Small tables in CSV files: named columns in any order, each cell read with care.

The first line that is neither empty nor starts with ``#`` names the columns, and says what stands
between cells: commas, semicolons or tabs. Where it is no comma, numbers may have decimal commas:
all of a file, or none.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import read_text
from codesign.specs.accelerator import MAX_BITS
from codesign.specs.schema import nearest


class Decimals:
    """Reads the numbers of one file, which have decimal points or, all of them, decimal commas."""

    def __init__(self, separator: str) -> None:
        self._commas = separator != ","
        self._sign = ""

    def point(self, cell: str, where: str) -> str:
        """A cell with a decimal point in place of its comma, if that is what it is.

        Raises
        ------
        SpecError
            Another cell of the file has the other sign, or this one has both.
        """
        if not self._commas:
            return cell
        for sign in ".,":
            if sign in cell:
                if self._sign not in ("", sign):
                    raise SpecError(f"{where}: {cell!r}: decimal points and commas in one file")
                self._sign = sign
        return cell.replace(",", ".") if cell.count(",") == 1 else cell


def separator_of(text: str) -> str:
    """What stands between the cells of a table, by its headings: a semicolon, tab or comma."""
    lines = (line for line in io.StringIO(text) if line.strip() and not line.startswith("#"))
    headings = next(lines, "")
    return next((sign for sign in ";\t" if sign in headings), ",")


def read_rows(
    path: Path, columns: Sequence[str], words: str, optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each row, for messages, and its cells by column.

    Parameters
    ----------
    columns : sequence of str
        Those needed, and the only ones but for those ``optional``.
    words : str
        The one that holds no numbers.

    Raises
    ------
    SpecError
        Unreadable, not CSV, other columns than these, a row of another length, or numbers some of
        which have decimal commas.
    """
    text = read_text(path).removeprefix("\ufeff")
    separator = separator_of(text)
    decimals = Decimals(separator)
    lines = ("\n" if line.startswith("#") else line for line in io.StringIO(text))
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    headings: list[str] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            where = f"{path}: line {reader.line_num}"
            if not headings:
                _check_headings(cells, columns, optional, where)
                headings = cells
                continue
            if len(cells) != len(headings):
                fault = f"{len(cells)} cells for {len(headings)} columns"
                commas = separator == "," and len(cells) > len(headings)
                hint = "; beside decimal commas, separate cells by semicolons" if commas else ""
                raise SpecError(f"{where}: {fault}{hint}")
            named = dict(zip(headings, cells, strict=True))
            yield (
                where,
                {x: c if x == words else decimals.point(c, where) for x, c in named.items()},
            )
    except csv.Error as error:
        raise SpecError(f"{path}: line {reader.line_num}: not CSV: {error}") from None


def _check_headings(
    cells: Sequence[str], columns: Sequence[str], optional: Sequence[str], where: str
) -> None:
    needed, known = f"(needed: {', '.join(columns)})", (*columns, *optional)
    for name in cells:
        if name not in known:
            raise SpecError(f"{where}: unknown column {name!r}{nearest(name, known)} {needed}")
    for name in known:
        if cells.count(name) != 1 and (name in columns or name in cells):
            fault = "missing" if name not in cells else "there twice"
            raise SpecError(f"{where}: column {name!r} is {fault} {needed}")


def read_width(column: str, given: str, where: str) -> int:
    """A bitwidth."""
    short = given.isascii() and given.isdecimal() and len(given) <= 2
    if not short or not 1 <= int(given) <= MAX_BITS:
        raise SpecError(
            f"{where}: {column} must be a whole number from 1 to {MAX_BITS}, got {given!r}"
        )
    return int(given)


def read_amount(column: str, given: Any, most: float, where: str) -> float:
    """A number, or a text that is one, from 0 to ``most``."""
    try:
        amount = math.nan if isinstance(given, bool) or "_" in str(given) else float(given)
    except (TypeError, ValueError, OverflowError):
        amount = math.nan
    if not 0 <= amount <= most:
        raise SpecError(
            f"{where}: {column} must be a number from 0 to {most:g}, got {str(given)[:40]!r}"
        )
    return amount
