"""A page of ``codesign help``, written for a terminal, as Markdown.

In a terminal a page is prose of at most 79 columns, with indented blocks that are commands,
programs, tables aligned by spaces, or equations. Here each becomes what it is: a block of its
language, a table, or text as it stands. No word is added or left out.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterable
from itertools import groupby

INDENT = 4  # spaces before what is no prose
CELLS = re.compile(r"\S+(?: \S+)*")  # what two spaces or more keep apart
LIST_ITEM = re.compile(r"(?:- |\d+\. )")
MARKUP = re.compile(r"[\\_<\[\]|]|(?<!\*)\*(?!\*)")  # two asterisks are meant
INLINE = re.compile(r"(`[^`]*`)")

Link = Callable[[str], str]  # puts links into prose


def to_markdown(text: str, link: Link) -> str:
    """The Markdown of a page, its first line left out."""
    return "\n\n".join(_block(lines, link) for lines in _blocks(text.splitlines()[1:])) + "\n"


def _blocks(lines: list[str]) -> Iterable[list[str]]:
    """Paragraphs, list items among them, and indented blocks with the empty lines inside them."""
    found: list[list[str]] = []
    for empty, group in groupby(lines, key=lambda line: not line.strip()):
        block = list(group)
        if empty:
            continue
        goes_on = found and _indented(found[-1]) and _indented(block)
        if goes_on and _language(found[-1]) == _language([*found[-1], "", *block]):
            found[-1] += ["", *block]
        else:
            found.append(block)
    for block in found:
        yield from _split_at_lists(block)


def _split_at_lists(block: list[str]) -> Iterable[list[str]]:
    """A paragraph that leads into a list without an empty line is two blocks."""
    at = next((n for n, line in enumerate(block) if LIST_ITEM.match(line)), 0)
    if at > 0 and not _indented(block) and block[at].startswith("- "):
        yield block[:at]
        yield block[at:]
    else:
        yield block


def _indented(block: list[str]) -> bool:
    return all(line.startswith(INDENT * " ") or not line for line in block)


def _block(lines: list[str], link: Link) -> str:
    if lines[0].startswith("#"):
        return "\n".join(lines)
    if _indented(lines):
        inner = [line[INDENT:] for line in lines]
        if inner[0].startswith("1. "):
            return link(prose("\n".join(inner)))
        language = _language(lines)
        if language == "table":
            return _table(inner, link)
        return "\n".join([f"```{language}", *inner, "```"])
    if _is_table(lines) and len(lines) > 1:
        return _table(lines, link)
    return link(_joined(prose("\n".join(lines)).splitlines()))


def _language(block: list[str]) -> str:
    """What an indented block is."""
    lines = [line[INDENT:] for line in block]
    text = "\n".join(lines)
    if re.match(r"(?:codesign|pip|eval|python3?) ", text):
        return "bash"
    if _is_python(text):
        return "python"
    if _is_toml(text):
        return "toml"
    return "table" if _is_table([line for line in lines if line]) else "text"


def _is_python(text: str) -> bool:
    """Whether a block is a program that imports or calls something."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(x, ast.Import | ast.ImportFrom | ast.Call) for x in ast.walk(tree))


def _is_toml(text: str) -> bool:
    try:
        return bool(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return False


def _starts(lines: list[str]) -> list[int]:
    """Where the columns of a table begin."""
    return sorted({found.start() for line in lines for found in CELLS.finditer(line)})


def _is_table(lines: list[str]) -> bool:
    """Whether lines have two to four columns, and no equation goes over several."""
    starts = _starts(lines)
    numbered = any(re.match(r"\(\d+\)", line) for line in lines)
    firsts = [line for line in lines if not line.startswith(" ")]
    alone = sum(len(CELLS.findall(line)) == 1 for line in firsts)
    continued = any(line.startswith(" ") for line in lines)
    return (
        2 <= len(starts) <= 4
        and starts[0] == 0
        and starts[1] >= INDENT
        and not numbered
        and (alone < len(firsts) or (continued and firsts[0].startswith("--")))
    )


def _table(lines: list[str], link: Link) -> str:
    """A Markdown table; a line that begins further right goes on with the row above it."""
    starts = _starts(lines)
    rows: list[list[str]] = []
    for line in filter(None, lines):
        cells = {starts.index(m.start()): m.group() for m in CELLS.finditer(line)}
        if 0 in cells:
            rows.append([cells.get(n, "") for n in range(len(starts))])
            continue
        for n, text in cells.items():
            apart = "<br>" if " = " in text and not text.startswith("(") else " "
            rows[-1][n] = f"{rows[-1][n]}{apart if rows[-1][n] else ''}{text}"
    return table([[_cell(n, x, link) for n, x in enumerate(row)] for row in rows])


def table(rows: list[list[str]]) -> str:
    """A Markdown table without headings, of cells that are Markdown."""
    head = ["|" + len(rows[0]) * "  |", "|" + len(rows[0]) * "---|"]
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["```{container} plain-table", *head, *body, "```"])


def _cell(column: int, text: str, link: Link) -> str:
    """Prose; a name or an option in the first column is code."""
    is_code = column == 0 and (" " not in text or text.startswith("--") or "@" in text)
    is_code |= bool(re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+)+", text))
    if is_code or text.startswith("codesign."):
        return ", ".join(link(f"`{name}`") for name in text.split(", "))
    parts = text.split("<br>")
    return "<br>".join(link(prose(part)) for part in parts)


def _joined(lines: list[str]) -> str:
    """Lines of a paragraph or list, those of a paragraph safe from being read as a list."""
    if LIST_ITEM.match(lines[0]):
        return "\n".join(lines)
    return "\n".join(re.sub(r"^([-+]|\d+[.)])(?= )", r"\\\1", line) for line in lines)


def prose(text: str) -> str:
    """Plain text in which no sign is markup but those of code, and options are code."""
    parts = INLINE.split(text)
    for n in range(0, len(parts), 2):
        escaped = MARKUP.sub(r"\\\g<0>", parts[n])
        parts[n] = re.sub(r"(?<![\w`-])--[a-z][a-z0-9-]*", r"`\g<0>`", escaped)
    return "".join(parts)
