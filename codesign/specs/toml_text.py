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
