"""Measured areas from a CSV file or a frame, checked number by number."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd

from codesign.errors import SpecError
from codesign.files import expecting, read_text
from codesign.specs.csv_tables import Decimals, separator_of

MOST = {"bw": 1024, "ba": 1024, "n": 65536, "m": 65536, "bits": 10**15, "area_um2": 10**15}
LEAST_AREA_UM2 = 1e-9  # keeps the squares of 1/area finite
MAX_ROWS = 1_000_000
MAX_COLUMNS = 1000


def read_areas(
    measured: pd.DataFrame | str | Path, columns: tuple[str, ...]
) -> tuple[pd.DataFrame, str]:
    """The named columns as numbers, and the name of where they come from.

    A CSV has its headings in the first line; what follows a ``#`` is a comment; cells and decimals
    are separated as in `codesign.specs.csv_tables`. All numbers are positive, all but the areas
    whole.

    Raises
    ------
    SpecError
        An unreadable file, a missing column, or an entry that is no such number.
    """
    if isinstance(measured, pd.DataFrame):
        return _numbers(measured, Decimals(","), "frame", columns), "frame"
    path = Path(measured)
    with expecting(path, "pe_areas" if "bw" in columns else "sram_areas"):
        return _numbers(*_read_csv(path), str(path), columns), path.name


def _numbers(
    frame: pd.DataFrame, decimals: Decimals, where: str, columns: tuple[str, ...]
) -> pd.DataFrame:
    headings = [str(heading) for heading in frame.columns]
    for column in columns:
        if headings.count(column) != 1:
            fault = "missing" if column not in headings else "there twice"
            raise SpecError(
                f"{where}: column {column!r} is {fault} (needed: {', '.join(columns)}; "
                f"found: {', '.join(headings)[:200] or 'none'})"
            )
    if len(frame) > MAX_ROWS:
        raise SpecError(f"{where}: {len(frame)} rows; at most {MAX_ROWS} are fitted")
    numbers = {}
    for column in columns:
        values = frame.iloc[:, headings.index(column)].tolist()
        numbers[column] = [
            _number(value, column, decimals, f"{where}: row {row}")
            for row, value in enumerate(values, 1)
        ]
    return pd.DataFrame(numbers, dtype=float)


def _read_csv(path: Path) -> tuple[pd.DataFrame, Decimals]:
    """All cells as text, headings stripped, and what reads their numbers."""
    text = read_text(path).removeprefix("\ufeff")
    separator = separator_of(text)
    if any(line.count(separator) >= MAX_COLUMNS for line in text.split("\n")):
        raise SpecError(f"{path}: a row of more than {MAX_COLUMNS} columns")
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            comment="#",
        )
    except pd.errors.EmptyDataError:
        raise SpecError(f"{path}: empty") from None
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise SpecError(f"{path}: not a CSV table: {str(error).strip()}") from None
    frame = cells.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index([str(cell).strip() for cell in cells.iloc[0]])
    return frame, Decimals(separator)


def _number(value: object, column: str, decimals: Decimals, where: str) -> float:
    """One positive number, whole unless it is an area."""
    text = decimals.point(str(value), where)
    try:
        number = math.nan if isinstance(value, bool) or "_" in text else float(text)
    except ValueError:
        number = math.nan
    whole = column != "area_um2"
    least = 1 if whole else LEAST_AREA_UM2
    if not least <= number <= MOST[column] or (whole and number != int(number)):
        kind = "whole number" if whole else "number"
        raise SpecError(
            f"{where}: {column} must be a {kind} above 0 and at most {MOST[column]:g}, "
            f"got {str(value)[:40]!r}"
        )
    return number
