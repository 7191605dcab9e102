"""What all commands share: exit codes, notes, the answer printed and written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from codesign.errors import CodesignError, one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

PROVEN, WRONG, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER = 0, 1, 2, 3, 4, 5


def note(message: str) -> None:
    """Say something on standard error, in one line."""
    click.echo(f"codesign: {one_line(message)}", err=True)


class View(NamedTuple):
    """What is printed of something: content for programs, parts of text for people."""

    record: Callable[[], Any]
    parts: Callable[[], Iterable[RenderableType]]


def print_parts(parts: Iterable[RenderableType], err: bool = False) -> None:
    """Print as a terminal shows it, or plain where it is none."""
    from codesign.results.text.layout import to_text

    stream = sys.stderr if err else sys.stdout
    terminal = stream is not None and stream.isatty()
    click.echo(to_text(parts, terminal), nl=False, err=err)


def print_text(text: str) -> None:
    """Print a table or file as it is; on a terminal, its control characters spelt out."""
    if sys.stdout is not None and sys.stdout.isatty():
        text = "\n".join(map(printable, text.split("\n")))
    click.echo(text, nl=False)


def print_json(content: Any) -> None:
    """Print content as JSON in plain ASCII, safe on any terminal; null is what is not finite."""
    import json

    from codesign.files import as_json

    text = json.dumps(as_json(content), indent=1, allow_nan=False)
    click.echo(text.replace("\x7f", "\\u007f"))


def print_view(view: View, as_json: bool) -> None:
    """Print what programs read, or what people do; only that is made."""
    if as_json:
        print_json(view.record())
    else:
        print_parts(view.parts())


def hand_over(view: View, given: Mapping[str, Any], **writers: Callable[[Path], object]) -> None:
    """Write the files asked for, each option's by its writer, and print the answer.

    A full disk costs neither the answer nor the files after the one it was too small for.
    """
    faults = []
    try:
        for name, write in writers.items():
            if given.get(name) is not None:
                try:
                    write(given[name])
                except CodesignError as fault:
                    faults.append(fault)
    finally:
        print_view(view, given["json"])
    if faults:
        raise faults[0]
