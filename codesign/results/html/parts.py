"""What a page is made of: the parts of reports, charts, and text to copy, as HTML.

A part is what the reports in ``text`` are made of (lines and tables of rich), or one of the things
below. Figures are written there, and here they are only put in place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from codesign.errors import printable
from codesign.results.html.markup import Html, joined, lines_of, script_json, tag
from codesign.units import ABSENT

# A cell that is a number: signs, thousands, a share, as in ``≤ 1,234.5`` or ``−3.1 %``.
NUMBER = re.compile(r"[≤≥<>~ ]*([+−-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)(?: %)?")
CHART = "chart"  # class of the element that a chart is drawn in


@dataclass(frozen=True)
class Chart:
    """A figure of Plotly's.

    Names in it must have gone through `chart_text`. A colour ``theme:NAME`` is that of the page's
    theme, light, dark or printed: ``ink``, ``faint``, ``grid``, ``paper``, and ``a`` to ``f``.

    Attributes
    ----------
    title : str
        What it shows; its heading, not escaped for charts.
    says : str
        The same in a sentence for those who do not see it.
    data : sequence of dict
        Traces.
    layout : mapping
        What differs from the page's own layout.
    height : int
        In pixels.
    opens : str or None
        Key of the `Choices` in which a click on a point opens what its ``customdata`` numbers.
    """

    title: str
    says: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any] = field(default_factory=dict)
    height: int = 420
    opens: str | None = None


@dataclass(frozen=True)
class Code:
    """Text to be copied as it is, as a command or a file's content.

    Attributes
    ----------
    text : str
    label : str
        What it is.
    folded : bool
        Shown only when opened.
    """

    text: str
    label: str
    folded: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading within a tab."""

    text: str


@dataclass(frozen=True)
class Numbered:
    """A table whose rows are numbered from 1, as layers are in charts."""

    table: Table


Part = RenderableType | Chart | Code | Heading | Numbered


def chart_text(text: str) -> str:
    """A text from a file for Plotly, which takes some HTML, shown literally."""
    return escape(printable(text), quote=False)


def part_html(part: Part) -> Html:
    """A part as HTML; nothing of an empty line."""
    match part:
        case Html():
            return part
        case Chart():
            return _chart_html(part)
        case Code():
            return _code_html(part)
        case Heading():
            return tag("h3", part.text)
        case Numbered():
            return table_html(part.table, numbered=True)
        case Table():
            return table_html(part)
    text = str(part)
    kind = next((x for x in ("note", "warning") if text.startswith(f"{x}: ")), None)
    return tag("p", lines_of(text), class_=kind) if text else Html()


def _chart_html(chart: Chart) -> Html:
    """An element for the chart and its data, which the page's script draws."""
    layout = {"height": chart.height, **chart.layout}
    content = script_json({"data": list(chart.data), "layout": layout})
    drawn = tag("div", class_=CHART, role="img", aria_label=chart.says, data_opens=chart.opens)
    stored = tag("script", content, type="application/json")
    return tag("figure", tag("figcaption", chart.title), drawn, stored)


def _code_html(code: Code) -> Html:
    copy = tag("button", "copy", type="button", class_="copy", hidden=True)
    text = tag("pre", tag("code", code.text), tabindex="0", aria_label=code.label)
    if code.folded:
        return tag("details", tag("summary", code.label), copy, text, class_="code")
    return tag("div", tag("p", code.label), copy, text, class_="code")


def table_html(table: Table, numbered: bool = False) -> Html:
    """A table that scrolls in itself, and whose headings sort it where it has several rows."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    justified = [column.justify for column in table.columns]
    headings = [str(column.header) for column in table.columns]
    if numbered:
        columns.insert(0, [str(n) for n in range(1, len(columns[0]) + 1)])
        justified.insert(0, "right")
        headings.insert(0, "no.")
    count = len(columns[0]) if columns else 0
    keys = [sort_keys(cells) for cells in columns]
    rows = [
        tag(
            "tr",
            *(
                _cell(cells[n], justify, None if key is None else key[n], head=not i)
                for i, (cells, justify, key) in enumerate(
                    zip(columns, justified, keys, strict=True)
                )
            ),
        )
        for n in range(count)
    ]
    sorts = table.show_header and count > 1
    head = [tag("thead", tag("tr", *map(_heading, headings, justified, [sorts] * len(headings))))]
    made = tag("table", *(head if table.show_header else ()), tag("tbody", *rows))
    words = [x.replace("\n", " ").strip() for x in headings]
    label = f"table: {', '.join(x for x in words if x)}" if table.show_header else "table"
    return tag("div", made, class_="scroll", role="region", tabindex="0", aria_label=label)


def _heading(text: str, justify: str, sorts: bool) -> Html:
    """A heading, in a button that sorts; what has no text, as the column of units, does not."""
    inner = lines_of(text.strip("\n"))
    if sorts and text.strip():
        inner = tag("button", inner, type="button", class_="sort")
    return tag("th", inner, scope="col", class_=_side(justify))


def _cell(text: str, justify: str, key: float | None, head: bool) -> Html:
    """A cell; the first of a row is its heading."""
    inner = lines_of(text)
    name, scope = ("th", "row") if head else ("td", None)
    return tag(name, inner, class_=_side(justify), data_key=key, scope=scope)


def _side(justify: str) -> str | None:
    return "right" if justify == "right" else None


def sort_keys(cells: Sequence[str]) -> list[float | None] | None:
    """Numbers by which to sort a column; None where it is one of words.

    What is not known has none, and stays at the end.
    """
    keys = list[float | None]()
    for cell in cells:
        if cell.strip() in ("", ABSENT):
            keys.append(None)
            continue
        found = NUMBER.fullmatch(cell.strip())
        if found is None:
            return None
        keys.append(float(found[1].replace(",", "").replace("−", "-")))
    return keys if any(key is not None for key in keys) else None


def parts_html(parts: Sequence[Part]) -> Html:
    """Parts one below the other."""
    return joined(*map(part_html, parts))
