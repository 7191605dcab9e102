"""TOML as people read it: a table a line, columns aligned, units beside numbers.

tomli-w writes no comments and no inline tables, tomlkit aligns no columns, so text is made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from codesign.errors import printable


def quoted(value: str) -> str:
    """A basic string: TOML's escapes are JSON's, but for the delete character."""
    shown = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
    return shown.replace("\x7f", "\\u007F")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else quoted(name)


def comments(remarks: Iterable[str]) -> list[str]:
    """A line for each remark."""
    return [f"# {printable(remark)}" for remark in remarks]


def value_text(value: object) -> str:
    """A value: text, number, truth, list or inline table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key(name)} = {value_text(entry)}" for name, entry in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(value_text, value))}]"
    return repr(value)
