"""What all commands share: exit codes, the answer printed and written, a line of progress."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from codesign.errors import one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_S = 30.0  # from one line of progress to the next, where no terminal shows it
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

    text = json.dumps(_for_json(content), indent=1, allow_nan=False)
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
    with ExitStack() as last_first:
        last_first.callback(print_view, view, given["json"])
        for name, write in reversed(writers.items()):
            if given.get(name) is not None:
                last_first.callback(write, given[name])


def _for_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _for_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def watched(given: Mapping[str, Any], line: str) -> Iterator[Callable[[Any], None] | None]:
    """Show progress on standard error, written by the function of `live` so named.

    On one line of a terminal; elsewhere, and with --json, on a line now and then; never with
    --quiet.
    """
    if sys.stderr is None or given.get("quiet"):
        yield None
    elif sys.stderr.isatty() and not given.get("json"):
        from codesign.cli import live

        with live.live_line(sys.stderr, getattr(live, line)) as on_progress:
            yield on_progress
    else:

        def plain(state: Any, seconds: float) -> str:
            from codesign.cli import live

            return str(getattr(live, line)(state, seconds))

        with plain_lines(plain) as on_progress:
            yield on_progress


@contextmanager
def plain_lines(line: Callable[[Any, float], str]) -> Iterator[Callable[[Any], None]]:
    """Meanwhile print a line on standard error every `PLAIN_S` seconds.

    Yields the function to hand over as ``on_progress``; ``line`` writes what that was last given
    (None before) and the seconds since the start.
    """
    started, over = time.monotonic(), Event()
    latest: deque[Any] = deque(maxlen=1)

    def tell() -> None:
        while not over.wait(PLAIN_S):
            words = line(latest[0] if latest else None, time.monotonic() - started)
            try:
                note(words)
            except OSError:  # nobody reads it
                return

    thread = Thread(target=tell, name="progress", daemon=True)
    with suppress(RuntimeError):  # no memory for one more
        thread.start()
    try:
        yield latest.append
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()
