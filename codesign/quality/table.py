"""Tables of sensitivity: what each tensor loses at each width, in user files.

A loss is anything that adds up over the tensors of a network and should be small: a perturbation
weighted by the Hessian (Yao et al., HAWQ-V3, ICML 2021, arXiv:2011.10680), a measured drop in
accuracy, or the reciprocal SQNR that the default ``4^(−b)`` stands for.

As CSV, one row for each tensor and width, the columns in any order, lines that start with ``#``
left out::

    tensor,bits,loss
    weight:conv1,4,0.0123
    tensor:image,4,0.0039

As TOML, one table for each tensor, the same as `Problem.sensitivity`::

    "weight:conv1" = { 4 = 0.0123, 8 = 0.0001 }
    "tensor:image" = { 4 = 0.0039, 8 = 0.00002 }

A table may leave out all weights or all tensors, as those of HAWQ do tensors: their noise is
``4^(−b)`` then. One that has some of a kind must have all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from codesign.costs.widths import default_noise
from codesign.errors import SpecError, first_few
from codesign.files import expecting, read_toml, write_atomically
from codesign.specs.csv_tables import read_amount, read_rows, read_width
from codesign.specs.schema import nearest
from codesign.units import distinct_texts

SensitivityTable = Mapping[str, Mapping[int, float]]

COLUMNS = ("tensor", "bits", "loss")
SUFFIXES = (".csv", ".toml")
MOST_LOSS = 1e30
NEGLIGIBLE = 1e-30  # what is less, and not 0, is left of rounding
KINDS = {"weight": "weights", "tensor": "tensors"}
ROUNDING = 1e-9  # of a tensor's largest loss: less is no rise


def read_sensitivity(path: str | Path) -> dict[str, dict[int, float]]:
    """A table for `Problem.sensitivity` from a CSV or TOML file; see the module's text.

    Whether it has every entry is a question of the problem, which checks it. A loss that rises with
    the bits is taken as it is; `rises` finds such.

    Raises
    ------
    SpecError
        Unreadable, unknown columns, an entry that is no tensor, width or loss, or one given twice.
    """
    with expecting(Path(path), "sensitivity"):
        return _read(Path(path))


def _read(path: Path) -> dict[str, dict[int, float]]:
    if path.suffix.lower() not in SUFFIXES:
        raise SpecError(f"{path}: a table of sensitivity ends in {' or '.join(SUFFIXES)}")
    entries = _csv_entries if path.suffix.lower() == ".csv" else _toml_entries
    table: dict[str, dict[int, float]] = {}
    for where, tensor, bits, loss in entries(path):
        kind, _, name = tensor.partition(":")
        if kind not in ("weight", "tensor") or not name:
            raise SpecError(f"{where}: tensor {tensor!r}: write weight:<layer> or tensor:<tensor>")
        row = table.setdefault(tensor, {})
        width = read_width("bits", bits, where)
        if width in row:
            raise SpecError(f"{where}: {tensor!r} at {width} bits is given twice")
        row[width] = zero_if_negligible(read_amount("loss", loss, MOST_LOSS, where))
    if not table:
        raise SpecError(f"{path}: a table without entries")
    return table


def write_sensitivity(table: SensitivityTable, path: str | Path) -> None:
    """Write a table as CSV, whole or not at all; `read_sensitivity` reads the same numbers back.

    Raises
    ------
    SpecError
        The file cannot be written, or does not end in .csv.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise SpecError(f"{path}: must end in .csv")
    write_atomically(path, table_text(table))


def table_text(table: SensitivityTable) -> str:
    """A table as `write_sensitivity` writes it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tensor, row in table.items():
        writer.writerows((tensor, bits, repr(float(row[bits]))) for bits in sorted(row))
    return text.getvalue()


def filled_table(
    table: SensitivityTable | None, known: Iterable[str], bits: Iterable[int]
) -> dict[str, dict[int, float]]:
    """The noise of every tensor known at some widths: by a table, or ``4^(−b)`` as `noise_by`."""
    known, widths = tuple(known), sorted(set(bits))
    noise = noise_by(table, known)
    return {tensor: {width: noise(tensor, width) for width in widths} for tensor in known}


def zero_if_negligible(loss: float) -> float:
    """A loss, 0 where it is so small that only rounding can have left it."""
    return 0.0 if 0 < loss < NEGLIGIBLE else loss


def check_table(
    table: SensitivityTable,
    needed: Iterable[tuple[str, int]],
    results: Iterable[str],
    why: str = "",
) -> None:
    """Refuse a table that lacks entries of a kind it has, or has some for what is no tensor.

    Parameters
    ----------
    needed : iterable of (tensor, bits)
        Every tensor of the network at least once.
    results : iterable of str
        Tensors that add no noise, whose entries are ignored.
    why : str
        Added to the message.

    Raises
    ------
    SpecError
        Naming what is unknown, or the first missing entries and how many there are.
    """
    needed = tuple(dict.fromkeys(needed))
    known = dict.fromkeys(tensor for tensor, _ in needed)
    for tensor in table:
        if tensor not in (*known, *results):
            raise SpecError(f"sensitivity: unknown {tensor!r}{nearest(tensor, (*known,))}")
    there = kinds_of(table, known)
    missing = [
        f"{tensor!r} at {bits} bits"
        for tensor, bits in needed
        if bits not in table.get(tensor, {}) and (kind_of(tensor) in there or not there)
    ]
    if missing:
        raise SpecError(f"sensitivity: no value for {first_few(missing)}{why}")


def kind_of(tensor: str) -> str:
    """``weight`` or ``tensor``."""
    return tensor.partition(":")[0]


def kinds_of(table: SensitivityTable, known: Iterable[str]) -> frozenset[str]:
    """The kinds of which a table has entries for some of the tensors known."""
    return frozenset(kind_of(tensor) for tensor in known if tensor in table)


def noise_by(table: SensitivityTable | None, known: Iterable[str]) -> Callable[[str, int], float]:
    """``e_t(b)`` by a table; ``4^(−b)`` without one, and of a kind that it leaves out."""
    if table is None:
        return lambda tensor, bits: float(default_noise(bits))
    there = kinds_of(table, known)

    def noise(tensor: str, bits: int) -> float:
        if kind_of(tensor) not in there:
            return float(default_noise(bits))
        return zero_if_negligible(float(table[tensor][bits]))

    return noise


def table_notes(
    table: SensitivityTable | None, known: Sequence[str], results: Iterable[str]
) -> tuple[str, ...]:
    """What a table leaves to be assumed, and what of it is ignored, in words."""
    if table is None:
        return ()
    there, found = kinds_of(table, known), []
    for kind in dict.fromkeys(map(kind_of, known)):
        if kind not in there:
            other = next((KINDS[x] for x in KINDS if x != kind), "")
            found.append(
                f"the sensitivity table has no {KINDS[kind]}: their noise is 4^−bits, which is of "
                f"one unit with that of the {other} only if the table holds reciprocal SQNRs"
            )
    unused = [tensor for tensor in results if tensor in table]
    if unused:
        found.append(
            f"the sensitivity table's {', '.join(map(repr, unused[:3]))} is a result of the "
            "network: its width is --output-bits, and it adds no noise"
        )
    return tuple(found)


def rises(table: SensitivityTable) -> str | None:
    """Where more bits lose more, in words; None where they never do."""
    found = []
    for tensor, row in table.items():
        widths = sorted(row)
        slack = ROUNDING * max(row.values(), default=0.0)
        for fewer, more in pairwise(widths):
            if row[more] > row[fewer] + slack:
                less, (lost,) = distinct_texts(row[fewer], [row[more]])
                found.append(f"{tensor!r} ({less} at {fewer} bits, {lost} at {more})")
    if not found:
        return None
    return f"sensitivity: more bits lose more for {first_few(found)}"


TableEntry = tuple[str, str, Any, Any]  # where it stands, tensor, bits, loss


def _csv_entries(path: Path) -> Iterator[TableEntry]:
    for where, cells in read_rows(path, COLUMNS, "tensor"):
        yield where, cells["tensor"], cells["bits"], cells["loss"]


def _toml_entries(path: Path) -> Iterator[TableEntry]:
    for tensor, row in read_toml(path).items():
        if not isinstance(row, Mapping):
            raise SpecError(f'{path}: {tensor}: write a table of losses, "{tensor}" = {{ 8 = … }}')
        for bits, loss in row.items():
            yield f"{path}: {tensor}: {bits}", tensor, bits, loss
