"""What all commands share: exit codes, printing, a line of progress.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from codesign.result_files import Result

PROVEN, WRONG, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER = 0, 1, 2, 3, 4, 5


class Group(click.Group):
    """A group of commands that alone prints its help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asked = args or ctx.resilient_parsing
        return super().parse_args(ctx, args if asked else ["--help"])


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print as a terminal shows it, or plain where it is none."""
    from codesign.layout import to_text

    click.echo(to_text(parts, terminal=sys.stdout is not None and sys.stdout.isatty()), nl=False)


def print_text(text: str) -> None:
    """Print a table or file as it is; on a terminal, its control characters spelt out."""
    if sys.stdout is not None and sys.stdout.isatty():
        text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    click.echo(text, nl=False)


def print_json(content: Any) -> None:
    """Print content as JSON in plain ASCII, safe on any terminal."""
    import json

    click.echo(json.dumps(content, indent=1).replace("\x7f", "\\u007f"))


def result_parts(result: Result, quiet: bool) -> list[RenderableType]:
    """What is printed of a result: one line, or all."""
    from codesign import report
    from codesign.design import Design

    if isinstance(result, Design):
        return [report.summary_line(result)] if quiet else report.design_parts(result)
    from codesign import assignment_report
    from codesign.assignment import Assignment

    if isinstance(result, Assignment):
        if quiet:
            return [assignment_report.assignment_summary(result)]
        return assignment_report.assignment_parts(result)
    return [report.figures_line(result)] if quiet else report.evaluation_parts(result)


@contextmanager
def watched(given: dict[str, Any], line: str) -> Iterator[Callable[[Any], None] | None]:
    """Show progress on one line of a terminal, written by the function of `report` so named."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    if not watched or given.get("json") or given.get("quiet"):
        yield None
        return
    from codesign import report

    with report.live_line(sys.stderr, getattr(report, line)) as on_progress:
        yield on_progress
