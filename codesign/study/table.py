"""The results of a study as one tidy table, and as a CSV or Parquet file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from codesign.errors import SpecError
from codesign.files import write_atomically
from codesign.problem.metrics import ALL_METRICS, ENERGY, REGRET, REPORTED
from codesign.study.database import json_object
from codesign.study.store import opened
from codesign.units import OF_MEMBER, RATES

HARDWARE = ("rows", "cols", "pe_weight_bits", "pe_activation_bits", "sram_bits")
PIPELINES = ("stages", "pes", "memory_bits", "streamed")  # where some design is one
ARCHITECTURE = "architecture"  # likewise
MAPPING, USUAL = "mapping", "window"  # a column where some design has another than the usual one
PROOF = ("objective", "bound", "gap", "ties_broken", "ended")
STUDY, STATUS = "study", "status"  # the parameters stand between them
LAST_COLUMNS = ("front_gap", "solver", "codesign", "seconds", "error", "question", "design")
TEXT_COLUMNS = (
    STUDY,
    STATUS,
    ARCHITECTURE,
    MAPPING,
    "ended",
    "solver",
    "codesign",
    "error",
    "question",
)
SUFFIXES = (".csv", ".parquet")


def read_results(
    store: Path, wanted: Callable[[str, str], bool] = lambda study, parameters: True
) -> pd.DataFrame:
    """The cells of a store: one row per design, one for a cell without.

    Parameters
    ----------
    wanted : callable
        Of a study's name and a cell's parameters as JSON.

    Raises
    ------
    SpecError
        No such store, or one that cannot be read.
    """
    with opened(store) as file:
        rows = [_row(row) for row in file.cells() if wanted(row["study"], row["parameters"])]
    if any("interval_s" in row for row in rows):  # which single images have no word for
        for row in rows:
            if "latency_s" in row and "images_per_s" not in row:
                interval_s = row.get("interval_s", row["latency_s"])
                row |= {"images_per_s": 1 / interval_s, "interval_s": interval_s}
    parameters = dict.fromkeys(name for row in rows for name in row["parameters"])
    mapped = any(row.get(MAPPING) not in (None, USUAL) for row in rows)
    hardware = (*HARDWARE, MAPPING) if mapped else HARDWARE
    if any("stages" in row for row in rows):
        hardware = (ARCHITECTURE, *hardware, *PIPELINES)
    every = (*ALL_METRICS, ENERGY, REGRET)
    metrics = (x for x in every if x in REPORTED or any(x in row for row in rows))
    shares = dict.fromkeys(x for row in rows for x in row if OF_MEMBER in x)
    rates = (x for x in RATES if any(x in row for row in rows))
    columns = (
        STUDY,
        *parameters,
        STATUS,
        *metrics,
        *shares,
        *rates,
        *hardware,
        *PROOF,
        *LAST_COLUMNS,
    )
    return pd.DataFrame(
        {name: _column([row.get(name) for row in rows], name in TEXT_COLUMNS) for name in columns}
    )


def parameters_of(frame: pd.DataFrame) -> list[str]:
    """Columns of a table of results that hold the parameters of the grid."""
    columns = [str(column) for column in frame.columns]
    if STUDY not in columns or STATUS not in columns:
        raise SpecError(f"not a table of results: it lacks {STUDY!r} or {STATUS!r}")
    return columns[columns.index(STUDY) + 1 : columns.index(STATUS)]


def export(frame: pd.DataFrame, path: Path) -> None:
    """Write results, whole or not at all; the suffix (csv, parquet) is the format.

    Raises
    ------
    SpecError
        Another suffix, Parquet without pyarrow, or the file cannot be written.
    """
    check_suffix(path)
    if path.suffix.lower() == ".csv":
        write_atomically(path, frame.to_csv(index=False))
        return
    data = io.BytesIO()
    try:
        frame.to_parquet(data, engine="pyarrow", index=False)
    except ImportError:
        raise SpecError(f"{path}: Parquet needs pyarrow: pip install 'codesign[parquet]'") from None
    write_atomically(path, data.getvalue())


def check_suffix(path: Path) -> None:
    """Refuse a file of an unknown format.

    Raises
    ------
    SpecError
        The name does not end in .csv or .parquet.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SpecError(f"{path}: must end in {' or '.join(SUFFIXES)}")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One row of the store, its JSON taken apart."""
    parameters = {_column_of(word): x for word, x in json_object(row["parameters"]).items()}
    found: dict[str, Any] = {**parameters, "parameters": tuple(parameters)}
    for part in ("metrics", "hardware", "proof"):
        found.update({} if row[part] is None else json_object(row[part]))
    if "stages" not in found and row["hardware"] is not None:
        found[ARCHITECTURE] = "array"  # which names a mapping where it is not the usual one
        found[MAPPING] = "+".join(found.get(MAPPING, [USUAL]))
    for name in (STUDY, STATUS, *LAST_COLUMNS):
        found[name] = row[name]
    return found


def _column_of(word: str) -> str:
    """``rows`` is the design's, ``rows_offered`` the grid's."""
    return f"{word}_offered" if word in (*HARDWARE, MAPPING, ARCHITECTURE) else word


def _column(values: list[Any], words: bool) -> pd.Series[Any]:
    """A column of one type in which values may be missing."""
    kinds = {type(value) for value in values if value is not None}
    if words or (kinds and not kinds <= {bool, int, float}):
        return pd.Series([None if x is None else str(x) for x in values], dtype="string")
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    return pd.Series(values, dtype="Int64" if kinds == {int} else "float64")
