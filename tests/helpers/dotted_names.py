"""What a dotted name in a text stands for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def resolved(name: str) -> Any:
    """The module, class, function or attribute of a dotted name; an error where there is none."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"no module {name}")
