"""A page: title, tabs of parts, and what makes it work by itself.

All that it needs is in the file: style, script, and Plotly where there is a chart. Its
Content-Security-Policy forbids everything else: no request can leave it, and no other script runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path

from codesign.errors import SpecError
from codesign.files import write_atomically
from codesign.results.html.markup import Html, joined, source_hash, tag
from codesign.results.html.parts import CHART, Part, parts_html

FOLDER = Path(__file__).parent
VERSION = version("codesign")
NO_PLOTLY = "charts need Plotly: pip install 'codesign[report]'"


@dataclass(frozen=True)
class Choices:
    """Groups of tabs of which one at a time is shown, as the points of a front.

    Attributes
    ----------
    key : str
        By which charts name it.
    label : str
        What is chosen.
    options : sequence of (str, sequence of Tab)
        The name of each and its tabs.
    first : int
        Which one is shown at first.
    """

    key: str
    label: str
    options: Sequence[tuple[str, Sequence[Tab]]]
    first: int = 0


@dataclass(frozen=True)
class Tab:
    """A name, and what the tab of it shows.

    Attributes
    ----------
    name : str
    parts : sequence
        Lines and tables as of the reports in ``text``, charts, code, or `Choices`.
    """

    name: str
    parts: Sequence[Part | Choices] = field(default_factory=tuple)


def page(title: str, tabs: Sequence[Tab], *, server: str | None = None) -> str:
    """A page of tabs, whole, as text.

    Parameters
    ----------
    server : str, optional
        Script of a page that talks to the server that it came from, and to no other.

    Raises
    ------
    SpecError
        There is a chart, and Plotly is not installed.
    """
    body = _tabs_html(tabs, title, count(1), title)
    scripts = [plotly_program()] if f'class="{CHART}"' in body else []
    scripts += [(FOLDER / "page.js").read_text("utf-8"), *([server] if server else [])]
    policy = _policy(scripts, asks=server is not None)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", attributes={"http-equiv": "Content-Security-Policy"}, content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"codesign {VERSION}"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html((FOLDER / "page.css").read_text("utf-8"))),
    )
    made = tag("footer", f"made by codesign {VERSION}")
    main = tag("main", tag("h1", title), body, made)
    programs = joined(*(tag("script", Html(x)) for x in scripts))
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', main, programs), lang='en')}\n"


def write_page(path: str | Path, title: str, tabs: Sequence[Tab]) -> None:
    """Write a page of tabs, whole or not at all.

    Raises
    ------
    SpecError
        The name does not end in .html, the file cannot be written, or Plotly is not installed.
    """
    check_page(path)
    write_atomically(Path(path), page(title, tabs))


def check_page(path: str | Path) -> None:
    """Refuse a name of a page that does not end in .html.

    Raises
    ------
    SpecError
        It does not.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise SpecError(f"{path}: a page's name must end in .html")


def _policy(scripts: Sequence[str], asks: bool) -> str:
    """No request to anywhere, no script but these; of a server's page, requests to that alone."""
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(map(source_hash, scripts)),
        "style-src": "'unsafe-inline'",  # Plotly sets styles of its elements
        "img-src": "data: blob:",  # an icon that is none, and pictures saved of charts
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if asks else {}),
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def plotly_program() -> str:
    """Plotly's program for browsers, as the Python package brings it.

    Raises
    ------
    SpecError
        It is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise SpecError(NO_PLOTLY) from None
    return str(get_plotlyjs())


def _tabs_html(tabs: Sequence[Tab], label: str, numbers: count[int], about: str) -> Html:
    """Tabs as the ARIA pattern has them; without the script, all panels one below the other."""
    names = [f"tab{next(numbers)}" for _ in tabs]
    buttons = [
        tag(
            *("button", tab.name),
            type="button",
            role="tab",
            id=name,
            aria_controls=f"{name}-panel",
            aria_selected="false" if i else "true",
            tabindex="-1" if i else "0",
        )
        for i, (name, tab) in enumerate(zip(names, tabs, strict=True))
    ]
    panels = [
        tag(
            "section",
            tag("h2", tab.name),
            *(_inner_html(part, numbers, about) for part in tab.parts),
            role="tabpanel",
            id=f"{name}-panel",
            aria_labelledby=name,
        )
        for name, tab in zip(names, tabs, strict=True)
    ]
    return tag(
        "div", tag("div", *buttons, role="tablist", aria_label=label), *panels, class_="tabs"
    )


def _inner_html(part: Part | Choices, numbers: count[int], about: str) -> Html:
    return _choices_html(part, numbers, about) if isinstance(part, Choices) else parts_html([part])


def _choices_html(choices: Choices, numbers: count[int], about: str) -> Html:
    """A list to choose from with buttons beside it, and what can be chosen."""
    name = f"choice{next(numbers)}"
    options = [
        tag("option", text, value=i, selected=i == choices.first)
        for i, (text, _) in enumerate(choices.options)
    ]
    bar = tag(
        "div",
        tag("label", choices.label, for_=name),
        tag("button", "‹", type="button", class_="step", data_step=-1, aria_label="previous"),
        tag("select", *options, id=name),
        tag("button", "›", type="button", class_="step", data_step=1, aria_label="next"),
        class_="bar",
    )
    shown = [
        tag(
            "article",
            tag("h3", text),
            _tabs_html(tabs, text, numbers, about),
            class_="option",
            data_chosen=i == choices.first,
        )
        for i, (text, tabs) in enumerate(choices.options)
    ]
    return tag("div", bar, *shown, class_="choices", data_key=choices.key)
