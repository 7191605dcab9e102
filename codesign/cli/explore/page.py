"""The page that explores: sliders, the answer, the solve under way, the designs known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codesign.cli.explore.answers import Explored, Family, value_of
from codesign.results.html.markup import Html, joined, tag
from codesign.results.html.page import Tab, page
from codesign.results.html.parts import Chart, Part
from codesign.units import METRIC_UNITS

SCRIPT = Path(__file__).with_name("explore.js")
STEPS = 1000  # of a slider
DIGITS = 11  # of a limit: what is left is far below the tolerance of budgets


def explore_page(explored: Explored, title: str) -> str:
    """The whole page."""
    chart = Chart(
        "Designs known: objective over the first limit", "designs known", **chart_of(explored, 0)
    )
    parts: list[Part] = [
        _choice(explored),
        *(_sliders(n, x) for n, x in enumerate(explored.families)),
    ]
    parts += [_answer(), chart, tag("h3", "designs known"), tag("ul", id="designs")]
    return page(title, [Tab("explore", parts)], server=SCRIPT.read_text("utf-8"))


def chart_of(explored: Explored, family: int) -> dict[str, Any]:
    """Data and layout of the designs of a family: its objective over its first limited metric."""
    mine = explored.families[family]
    across = (*mine.limited, mine.problem.objective)[0]
    x, y = METRIC_UNITS[across], METRIC_UNITS[mine.problem.objective]
    designs = [design for _, design in mine.designs]
    proven = [design.proof.status == "optimal" for design in designs]
    data = []
    looks = ((True, "proven", "square", "theme:a"), (False, "feasible", "diamond", "theme:b"))
    for sure, name, symbol, colour in looks:
        ours = [design for design, is_sure in zip(designs, proven, strict=True) if is_sure == sure]
        marker = {"symbol": symbol, "color": colour, "size": 11}
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{name}: {len(ours)}",
                "x": [value_of(design, across) / x.scale for design in ours],
                "y": [value_of(design, mine.problem.objective) / y.scale for design in ours],
                "marker": marker | {"line": {"width": 1, "color": "theme:ink"}},
                "showlegend": True,
            }
        )
    axes = {"xaxis": {"title": {"text": x.heading}}, "yaxis": {"title": {"text": y.heading}}}
    layout = {"height": 420, **axes}
    return {"data": data, "layout": layout}


def _choice(explored: Explored) -> Html:
    """Which family is explored, where there are several."""
    options = [tag("option", x.label, value=n) for n, x in enumerate(explored.families)]
    listed = tag("select", *options, id="family")
    hidden = len(explored.families) < 2
    return tag("div", tag("label", "problem", for_="family"), listed, class_="bar", hidden=hidden)


def _sliders(number: int, family: Family) -> Html:
    """A slider and a number for each limit."""
    rows, first = list[Html](), family.designs[0][1]
    for name in family.limited:
        unit, (low, high) = METRIC_UNITS[name], family.span(name)
        key = f"limit-{number}-{len(rows)}"
        now = first.problem.budgets.get(name, value_of(first, name, high))
        slider = tag(
            "input",
            type="range",
            min=0,
            max=STEPS,
            id=key,
            aria_label=f"{unit.label} at most",
            data_low=low / unit.scale,
            data_high=high / unit.scale,
        )
        words = f"{unit.label} at most"
        typed = tag(
            "input",
            type="number",
            step="any",
            min="0",
            value=limit_text(now / unit.scale),
            aria_label=f"{unit.heading} at most",
        )
        label = tag("label", words, for_=key)
        rows.append(tag("div", label, slider, typed, unit.unit, class_="limit", data_metric=name))
    return tag("fieldset", *rows, class_="limits", hidden=number > 0, data_family=number)


def limit_text(value: float) -> str:
    """A limit in so many digits that it counts as the one it stands for, to every tolerance."""
    return f"{value:.{DIGITS}g}"


def _answer() -> Html:
    """The answer, and the solve under way."""
    see = tag("a", "see the design", href="#", id="see", target="_blank", hidden=True)
    buttons = [
        tag("button", "solve", type="button", id="solve", class_="act", hidden=True),
        tag("button", "cancel", type="button", id="cancel", class_="act", hidden=True),
    ]
    own = tag("input", type="checkbox", id="own", checked=True)
    return joined(
        tag("p", id="answer", role="status"),
        tag("p", see),
        tag(
            "div", *buttons, tag("label", own, " solve by itself what is not proven"), class_="bar"
        ),
        tag("p", id="job", role="status"),
    )
