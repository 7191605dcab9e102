"""HTML put together from elements; every text is escaped where it goes in."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from codesign.files import as_json

VOID = {"meta", "link", "br", "input"}  # elements that have no end


class Html(str):
    """Text that is markup already, and safe; any other text is escaped when it is put in."""

    __slots__ = ()


def tag(
    element: str, /, *children: str, attributes: Mapping[str, object] | None = None, **more: object
) -> Html:
    """An element. Attributes whose value is False or None are left out, those True have no value.

    Underscores in names of attributes are hyphens, and ``class_`` is ``class``.
    """
    written = [element]
    for key, value in {**(attributes or {}), **more}.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        written.append(word if value is True else f'{word}="{escape(str(value))}"')
    start = f"<{' '.join(written)}>"
    return Html(start if element in VOID else f"{start}{joined(*children)}</{element}>")


def joined(*children: str) -> Html:
    """Markup and texts, one after the other."""
    return Html("".join(x if isinstance(x, Html) else escape(x) for x in children))


def lines_of(text: str) -> Html:
    """A text whose line breaks are kept."""
    lines = [part for line in text.split("\n") for part in (tag("br"), line)]
    return joined(*lines[1:])


def script_json(content: Any) -> Html:
    """Content as JSON that may stand in a script element: nothing in it can end that.

    What is not finite is null.
    """
    text = json.dumps(as_json(content), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Html(text)


def source_hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script: ``'sha256-…'``."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
