"""Pages that say what the code itself says: of every public name, of every command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

import click
from terminal_page import table, to_markdown

import codesign
from codesign.cli.app import program

WIDTH = 79  # columns of a command's help


def api_pages(link: Callable[[str], str]) -> dict[str, str]:
    """A page for each public name, their index by rooms, and the rooms themselves."""
    pages = {name: api_page(name) for name in codesign.__all__}
    listed = ["house", *(name for names in by_room().values() for name in names)]
    parts = ["# From Python", ""]
    for room, names in by_room().items():
        rows = [[f"[`{name}`]({name}.md)", summary(name, link)] for name in names]
        parts += [f"**{room}**", "", table(rows), ""]
    parts += ["```{toctree}", ":hidden:", "", *listed, "```", ""]
    text = (codesign.__doc__ or "").partition("\n")[2].replace("``", "`")
    house = f"# The rooms of the package\n\n{to_markdown(text, link)}"
    return pages | {"index": "\n".join(parts), "house": house}


def api_page(name: str) -> str:
    """The page of one public name, from its docstring."""
    value = getattr(codesign, name)
    if inspect.ismodule(value):
        kind, options = "automodule", ["   :members:"]
    elif inspect.isclass(value) and issubclass(value, Exception):
        kind, options = "autoexception", ["   :members:"]
    elif inspect.isclass(value):
        kind, options = "autoclass", ["   :members:", "   :inherited-members: Exception"]
    else:
        kind, options = "autofunction", []
    body = [f".. {kind}:: codesign.{name}", *options]
    return "\n".join([f"# {name}", "", "```{eval-rst}", *body, "```", ""])


def by_room() -> dict[str, list[str]]:
    """Public names by what the rooms that hold them are for, in the order of the rooms."""
    told = re.findall(r"^    (\w+(?: \w+)*)  +(\S.*)$", codesign.__doc__ or "", re.MULTILINE)
    found: dict[str, list[str]] = {}
    for rooms, about in told:
        for room in rooms.split():
            names = [name for name in codesign.__all__ if home(name) == room]
            if names:
                found.setdefault(about[0].upper() + about[1:].partition(";")[0], []).extend(names)
    return found


def home(name: str) -> str:
    """The room of a public name."""
    value = getattr(codesign, name)
    module = value.__name__ if inspect.ismodule(value) else value.__module__
    return str(module).split(".")[1]


def summary(name: str, link: Callable[[str], str]) -> str:
    """The first sentence of a docstring."""
    text = inspect.getdoc(getattr(codesign, name)) or ""
    return link(" ".join(text.split("\n\n")[0].split()).replace("``", "`"))


def commands_page() -> str:
    """The help of every command, as it is printed."""
    parts = ["# Commands", ""]
    for names, command, context in commands(program, click.Context(program, info_name="codesign")):
        with context:
            told = command.get_help(context)
        parts += [f"{'#' * min(len(names) + 1, 3)} {' '.join(['codesign', *names])}", ""]
        parts += ["```text", told, "```", ""]
    return "\n".join(parts)


def commands(
    command: click.Command, context: click.Context, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command, click.Context]]:
    """Every command below one, with the words that call it."""
    context.terminal_width = WIDTH
    if names:
        yield names, command, context
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            below = click.Context(inner, info_name=name, parent=context)
            yield from commands(inner, below, (*names, name))
