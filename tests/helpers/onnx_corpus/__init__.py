"""Small graphs built in code, each with a trait that files of real networks have.

A module holds the graphs of one group of traits in its ``ENTRIES``; `entries` finds them all, so
that a new module needs no line elsewhere. ``tests/specs/onnx/test_onnx_corpus.py`` imports each.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from onnx_corpus.entry import Entry


def entries() -> tuple[Entry, ...]:
    """The graphs of every module, those of one module together."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    modules = [import_module(f"onnx_corpus.{x}") for x in names if x not in ("__init__", "entry")]
    found = tuple(entry for module in modules for entry in module.ENTRIES)
    names = [entry.name for entry in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"two graphs of one name: {twice}"
    return found
