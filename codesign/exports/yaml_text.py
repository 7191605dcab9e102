"""YAML as the tools of other makers read it: blocks outside, short lists on a line.

Strings are written as JSON writes them wherever a plain one could be read as something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*(?<! )")
TAKEN = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan"}
WIDTH = 88


class Quoted(str):
    """A string that is written in quotes, however plain: some tools evaluate those without."""


@dataclass(frozen=True)
class Tagged:
    """A mapping with a tag, ``!Memory`` say."""

    tag: str
    content: Mapping[str, Any]


def yaml_text(content: Any) -> str:
    """A document, its keys in the order given."""
    return "\n".join(_block(content, "")) + "\n"


def _block(content: Any, indent: str) -> Iterator[str]:
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _entry(f"{indent}{_scalar(key)}:", value, indent + "  ")
    elif isinstance(content, list | tuple) and content:
        for value in content:
            yield from _item(value, indent)
    else:
        yield indent + _flow(content)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Tagged):
        yield f"{head} !{value.tag}"
        yield from _block(value.content, indent)
    elif _is_short(value, len(head)):
        yield f"{head} {_flow(value)}"
    else:
        yield head
        yield from _block(value, indent)


def _item(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Tagged):
        yield f"{indent}- !{value.tag}"
        yield from _block(value.content, indent + "  ")
    elif _is_short(value, len(indent) + 2):
        yield f"{indent}- {_flow(value)}"
    else:
        first, *rest = _block(value, indent + "  ")
        yield f"{indent}- {first.lstrip()}"
        yield from rest


def _is_short(value: Any, before: int) -> bool:
    if isinstance(value, Mapping):
        return not value
    if isinstance(value, list | tuple):
        nested = any(isinstance(x, Mapping | Tagged) for x in value)
        return not nested and before + len(_flow(value)) < WIDTH
    return True


def _flow(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        text = repr(value)
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    if isinstance(text, Quoted):
        return False
    return PLAIN.fullmatch(text) is not None and text.lower() not in TAKEN
