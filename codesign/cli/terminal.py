"""What all commands share: exit codes, printing, a line of progress.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from codesign.errors import one_line, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from codesign.results.load import Result

PLAIN_S = 30.0  # from one line of progress to the next, where no terminal shows it
PROVEN, WRONG, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER = 0, 1, 2, 3, 4, 5


class Group(click.Group):
    """A group of commands that alone prints its help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asked = args or ctx.resilient_parsing
        return super().parse_args(ctx, args if asked else ["--help"])


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


def print_either(
    as_json: bool, record: Callable[[], Any], parts: Callable[[], Iterable[RenderableType]]
) -> None:
    """Print what programs read, or what people do; only that is made."""
    if as_json:
        print_json(record())
    else:
        print_parts(parts())


def _for_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _for_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_parts(result: Result, quiet: bool) -> list[RenderableType]:
    """What is printed of a result: one line, or all."""
    from codesign.results.design import Design
    from codesign.results.text import design

    if isinstance(result, Design):
        return [design.summary_line(result)] if quiet else design.design_parts(result)
    from codesign.results.assignment import Assignment
    from codesign.results.text import assignment

    if isinstance(result, Assignment):
        if quiet:
            return [assignment.assignment_summary(result)]
        return assignment.assignment_parts(result)
    return [design.figures_line(result)] if quiet else design.evaluation_parts(result)


@contextmanager
def watched(given: dict[str, Any], line: str) -> Iterator[Callable[[Any], None] | None]:
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
                click.echo(f"codesign: {one_line(words)}", err=True)
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
