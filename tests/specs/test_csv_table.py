"""Tables as spreadsheets of other countries write them: read as what they say, or refused."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codesign.errors import SpecError
from codesign.problem.latency_table import read_cost
from codesign.quality import read_sensitivity
from codesign.tasks.fit_area import fit_area

Rows = list[list[str]]

LOSSES = [["tensor", "bits", "loss"], ["weight:a", "4", "0.125"], ["tensor:x", "8", "1.5e-3"]]
TIMES = [
    ["layer", "weight_bits", "activation_bits", "latency_s"],
    ["a,b; c", "4", "8", "0.25"],
    ["pool", "", "8", "3"],
]
AREAS = [
    ["bw", "ba", "n", "m", "area_um2"],
    *([str(b), str(b), "4", "2", f"{100 + 7.5 * b * b}"] for b in (2, 3, 4, 6, 8)),
]
KINDS: dict[str, tuple[Rows, Callable[[Path], Any]]] = {
    "losses": (LOSSES, read_sensitivity),
    "times": (TIMES, read_cost),
    "areas": (AREAS, lambda path: fit_area(path, kind="pe").fit),
}
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def written(rows: Rows, separator: str, decimal: str, quoted: bool) -> str:
    """The table as a spreadsheet writes it; numbers stand in all columns but a first of words."""
    words = 0 if rows[0][0] in ("tensor", "layer") else -1
    local = [
        [x if n == words else x.replace(".", decimal) for n, x in enumerate(row)] for row in rows
    ]
    text = io.StringIO()
    how = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=separator, quoting=how, lineterminator="\r\n").writerows(local)
    return text.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("separator", "decimal"),
    [(s, d) for s, d in itertools.product(SEPARATORS, ".,") if (s, d) != ("comma", ",")],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_every_clear_table_is_read_as_the_plain_one(
    kind: str, mark: str, separator: str, decimal: str, quoted: bool, tmp_path: Path
) -> None:
    rows, read = KINDS[kind]
    plain, path = tmp_path / "plain.csv", tmp_path / "other" / "plain.csv"
    path.parent.mkdir()
    plain.write_text(written(rows, ",", ".", quoted=False))
    path.write_text(mark + written(rows, SEPARATORS[separator], decimal, quoted), newline="")
    assert read(path) == read(plain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quoted", [False, True])
def test_decimal_commas_between_commas_are_refused(kind: str, quoted: bool, tmp_path: Path) -> None:
    """Quoted they could as well separate thousands; unquoted they make cells of their own."""
    rows, read = KINDS[kind]
    path = tmp_path / "table.csv"
    path.write_text(written(rows, ",", ",", quoted).replace('"', "" if not quoted else '"'))
    with pytest.raises(SpecError, match=r"cells for|must be a|not a CSV table"):
        read(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "pair", [("1.5", "1,5"), ("1,5", "1.5"), ("1.234,5", "1"), ("1,234.5", "1")]
)
@pytest.mark.parametrize("separator", [";", "\t"])
def test_both_signs_in_one_file_are_refused(
    kind: str, pair: tuple[str, str], separator: str, tmp_path: Path
) -> None:
    rows, read = KINDS[kind]
    changed = [[*row[:-1], x] for row, x in zip(rows[1:3], pair, strict=True)]
    path = tmp_path / "table.csv"
    lines = [separator.join(f'"{x}"' for x in row) for row in [rows[0], *changed]]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(SpecError, match="decimal points and commas in one file"):
        read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_are_no_decimals(kind: str, tmp_path: Path) -> None:
    rows, read = KINDS[kind]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(";".join(x) for x in [rows[0], [*rows[1][:-1], "1,234,567"]]))
    if kind == "times":
        path.write_text(path.read_text().replace("a,b; c", "a"))
    with pytest.raises(SpecError, match=r"must be a number .* got '1,234,567'"):
        read(path)
