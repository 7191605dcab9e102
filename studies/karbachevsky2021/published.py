"""What the paper printed, and how our numbers stand beside it.

A published number is kept as it was printed, in ``published.csv``, with its source. Ours agrees
where rounding it to as many decimals gives the same digits.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

FOLDER = Path(__file__).parent
KEYS = ["item", "row", "quantity"]
HEADINGS = ("where", "row", "quantity", "published", "ours", "deviation", "ours comes from")
MUST_AGREE = ("Table 3", "Table 4", "Table 6")
GIVEN = "taken over: an input of the model"
NOT_MODELLED = "not modelled"


class Ours(NamedTuple):
    """Our number for one published one; None where we have none."""

    item: str
    row: str
    quantity: str
    value: float | None
    how: str


@cache
def published() -> pd.DataFrame:
    """Every published number: ``item, row, quantity, printed, unit, source``, as text."""
    return pd.read_csv(FOLDER / "published.csv", dtype=str, keep_default_na=False)


def rows_of(item: str) -> list[str]:
    """Rows of a published table in their order, its conditions left out."""
    rows = published().query("item == @item and row != 'conditions'")["row"]
    return list(dict.fromkeys(rows))


def printed(item: str, row: str, quantity: str) -> str | None:
    """A published number as printed, or None where the paper prints none."""
    found = published().query("item == @item and row == @row and quantity == @quantity")["printed"]
    return None if found.empty else str(found.item())


def number(item: str, row: str, quantity: str) -> float:
    """A published number."""
    text = printed(item, row, quantity)
    if text is None:
        raise KeyError((item, row, quantity))
    return float(text)


def decimals(text: str) -> int:
    """Digits printed after the point."""
    return len(text.partition(".")[2])


def agrees(value: float, text: str) -> bool:
    """Whether a value gives the printed digits when it is rounded to their precision."""
    return f"{value:.{decimals(text)}f}" == text


def compare(ours: list[Ours]) -> pd.DataFrame:
    """Every published number beside ours; one without a word of ours is an error."""
    table = published().merge(pd.DataFrame(ours), on=KEYS, how="left")  # keeps the printed order
    strays = {x[:3] for x in ours} ^ {tuple(key) for key in published()[KEYS].to_numpy()}
    if strays:
        raise KeyError(f"published numbers and ours do not pair up: {sorted(strays)}")
    theirs = table["printed"].astype(float)
    table["deviation_percent"] = 100 * (table["value"] / theirs - 1)
    table["agrees"] = [
        "" if pd.isna(value) else "yes" if agrees(value, text) else "no"
        for value, text in zip(table["value"], table["printed"], strict=True)
    ]
    named = table.rename(columns={"value": "ours"}).reset_index(drop=True)
    return named[[*KEYS, "unit", "printed", "ours", "deviation_percent", "agrees", "how", "source"]]


def readme_table(table: pd.DataFrame) -> str:
    """The table of the README, in Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---|---:|---:|---:|---|"]
    for row in table.to_dict("records"):
        unit = "" if row["unit"] == "–" else f" {row['unit']}"
        ours = deviation = "–"
        if not pd.isna(row["ours"]):
            ours = f"{row['ours']:.{decimals(row['printed'])}f}"
            deviation = f"{round(row['deviation_percent'], 2) + 0.0:+.2f} %".replace("+0.00", "0")
            deviation += "" if row["agrees"] == "yes" else " **≠**"
        cells = (row["item"], row["row"], row["quantity"], row["printed"] + unit, ours, deviation)
        lines.append("| " + " | ".join((*cells, row["how"])) + " |")
    return "\n".join(lines)


def disagreements(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers of Tables 3, 4 and 6 that ours do not reproduce to the printed precision."""
    return table[table["item"].isin(MUST_AGREE) & (table["agrees"] != "yes")]
