"""What a page holds, as a program that is no browser reads it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "br", "input"}


class Page(HTMLParser):
    """Every element with its attributes, its texts, its tables, its code and its charts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = list[tuple[str, dict[str, str | None]]]()
        self.scripts, self.cells, self.tabs = list[str](), list[str](), list[str]()
        self.codes = list[str]()
        self.open, self.text = list[tuple[str, dict[str, str | None]]](), ""
        self.feed(text)
        self.close()
        assert self.open == [], "an element that does not end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "br":
            self.handle_data("\n")
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag in ("td", "th"):
            self.cells.append("")
        if tag == "code":
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.open.pop()
        assert opened == tag

    def handle_data(self, data: str) -> None:
        within = [tag for tag, _ in self.open]
        if "script" in within:
            self.scripts[-1] += data
            return
        if "style" in within:
            return
        self.text += data
        if "code" in within:
            self.codes[-1] += data
        if "td" in within or "th" in within:
            self.cells[-1] += data
        if self.open and self.open[-1][1].get("role") == "tab":
            self.tabs.append(data)

    @property
    def charts(self) -> list[dict[str, Any]]:
        """Data and layout of each chart."""
        return [json.loads(x) for x in self.scripts if x.startswith("{")]

    @property
    def programs(self) -> list[str]:
        """What runs."""
        return [x for x in self.scripts if not x.startswith("{")]

    @property
    def tags(self) -> list[str]:
        """Names of all elements in their order."""
        return [name for name, _ in self.found]
