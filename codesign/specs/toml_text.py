"""Pieces of TOML: strings, keys and comments that hold any text."""

from __future__ import annotations

import json
import re


def quoted(value: str) -> str:
    """A basic string: TOML's escapes are JSON's, but for the delete character."""
    shown = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
    return shown.replace("\x7f", "\\u007F")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else quoted(name)


def one_line(remark: str) -> str:
    """One line without control characters, which a comment must not have."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in remark)
