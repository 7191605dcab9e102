"""``codesign help``: pages on what the options' own help has no room for.

Enters: the name of a topic, each a page beside this file, or of a command.
Leaves: the page as plain text of at most 80 columns, headings bold in a terminal.
Must not import: anything but click and the standard library.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import click
from click.shell_completion import CompletionItem

PAGES = Path(__file__).parent
HEADING = "# "  # of a page, whose first line is its topic and what it is about
QUESTIONS = {  # of a reader, each with the topics that answer it
    "Which accelerator is best, and why": (
        "answers",
        "explanations",
        "comparisons",
        "fronts",
        "studies",
    ),
    "For which network": ("onnx", "decoders", "suites", "throughput"),
    "On what hardware": ("accelerators", "machines", "on-chip", "dataflow"),
    "At which bitwidths": ("quality", "assignments"),
    "What is counted, and how it is proven": ("model", "formulation", "certificates"),
    "Files and programs": ("files", "reports", "exports", "sheets", "python"),
}


def topics() -> dict[str, str]:
    """Every topic and what it is about in one line, in the order of the questions."""
    lines = [page.read_text("utf-8").partition("\n")[0] for page in sorted(PAGES.glob("*.md"))]
    found = dict(line.removeprefix(HEADING).split(": ", 1) for line in lines)
    order = [topic for answering in QUESTIONS.values() for topic in answering]
    return {topic: found[topic] for topic in dict.fromkeys((*order, *found))}


def page(topic: str) -> str:
    """The text of a topic, headings bold."""
    lines = (PAGES / f"{topic}.md").read_text("utf-8").splitlines()
    return "\n".join(click.style(x, bold=True) if x.startswith("#") else x for x in lines)


def _offered(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    found = sorted(topics().items())
    return [CompletionItem(x, help=about) for x, about in found if x.startswith(typed)]


def _index(ctx: click.Context, known: dict[str, str]) -> str:
    """All topics by the questions that they answer, in one column."""
    formatter, widest = ctx.make_formatter(), max(map(len, known))
    formatter.write_text("codesign help TOPIC")
    for question, answering in QUESTIONS.items():
        apart = 2 + widest - max(map(len, answering))
        with formatter.section(question):
            formatter.write_dl([(x, known[x]) for x in answering], col_spacing=apart)
    return formatter.getvalue()


@click.command("help", params=[click.Argument(["topic"], required=False, shell_complete=_offered)])
@click.pass_context
def help_command(ctx: click.Context, topic: str | None) -> None:
    """Explain TOPIC, or list the topics."""
    known, parent = topics(), ctx.parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    commands = parent.command.commands
    if topic is None:
        click.echo(_index(ctx, known), nl=False)
    elif topic in known:
        click.echo(page(topic))
    elif topic in commands:
        with click.Context(commands[topic], info_name=topic, parent=parent) as asked:
            click.echo(asked.get_help())
    else:
        near = get_close_matches(topic, [*known, *commands])
        hint = f"did you mean {' or '.join(near)}?" if near else f"topics: {', '.join(known)}"
        raise click.UsageError(f"no help on {topic!r}; {hint}")
