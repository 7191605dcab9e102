"""How commands and options are made, what a shell completes them to, how help lists them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from codesign.problem.readers import OneMetric, OneOf, Reader, WholeNumber
from codesign.problem.words import ALL_WORDS, MAPPINGS

if TYPE_CHECKING:
    Type = click.ParamType[Any, Any]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class _Path(click.Path):
    """A path that is not empty, which would be the folder one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of a word."""
        if value == "":
            self.fail("empty; give a path", param, ctx)
        return super().convert(value, param, ctx)


FILE = _Path(path_type=Path)


class Group(click.Group):
    """A group of commands that alone prints its help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What click makes of the words, or of the wish for help."""
        asked = args or ctx.resilient_parsing
        return super().parse_args(ctx, args if asked else ["--help"])


class ReadValue(click.ParamType):  # type: ignore[type-arg]
    """A value that a reader makes of its text."""

    name = "text"

    def __init__(self, read: Reader) -> None:
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the reader makes of it, or its sentence on what is wrong."""
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MetricChoice(click.Choice[str]):
    """One of a few metrics; click completes its words."""

    def __init__(self, read: OneMetric) -> None:
        super().__init__(read.known)
        self.read = ReadValue(read)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The metric's word, whichever of its names is given."""
        return self.read.convert(value, param, ctx)


def type_of(read: Reader | Type) -> Type | None:
    """The type of an option: click's own, which help and completion know, where it has one."""
    match read:
        case click.ParamType():
            return read
        case WholeNumber():
            return click.IntRange(read.low, read.high)
        case OneOf():
            return click.Choice(read.known)
        case OneMetric():
            return MetricChoice(read)
    return None if read is str else ReadValue(read)


def option(
    usage: str,
    text: str,
    read: Reader | Type = str,
    *,
    default: str | None = None,
    shown: str | None = None,
    **details: Any,
) -> click.Option:
    """An option by its usage, ``--clock-mhz X``; ``shown`` is a default that only help knows."""
    name, metavar = usage.split(maxsplit=1)
    shown = shown or default
    text += "" if shown is None else f"  [default: {shown}]"
    details.setdefault("shell_complete", COMPLETED.get(name))
    if not details.get("required"):  # click takes a default of None for an answer
        details["default"] = default
    return click.Option([name], metavar=metavar, help=text, type=type_of(read), **details)


def flag(name: str, text: str) -> click.Option:
    """An option that takes no value."""
    return click.Option([name], is_flag=True, help=text)


def choice(
    usage: str, text: str, *, default: str | None = None, shown: str | None = None, **how: Any
) -> click.Option:
    """An option that takes one of the words its usage lists, as in ``--roofline tiled|ideal``."""
    known = tuple(usage.split()[1].split("|"))
    return option(usage, text, OneOf(known), default=default, shown=shown, **how)


def repeatable(usage: str, text: str, read: Reader = str, shown: str | None = None) -> click.Option:
    """An option that may be given again, each time with another value."""
    return option(usage, f"{text} Repeatable.", read, shown=shown, multiple=True)


def file(name: str, text: str, shown: str | None = None) -> click.Option:
    """An option that takes the name of a file."""
    return option(f"{name} FILE", text, FILE, shown=shown)


def word(name: str, text: str, shown: str | None = None) -> click.Option:
    """An option that studies know too: read, and by default, as the table of words has it."""
    known = ALL_WORDS[name.removeprefix("--").replace("-", "_")]
    if known.read is None:
        return flag(name, text)
    usage = f"{name} {known.metavar}"
    if known.repeated:
        return repeatable(usage, text, known.read)
    return option(usage, text, known.read, default=known.default, shown=shown)


def network() -> click.Argument:
    """The argument NETWORK."""
    return click.Argument(["network"], shell_complete=NETWORK)


def networks() -> click.Argument:
    """The arguments NETWORK, one or more."""
    how: dict[str, Any] = {"nargs": -1, "required": True, "metavar": "NETWORK..."}
    return click.Argument(["networks"], shell_complete=NETWORK, **how)


def sectioned(
    sections: Mapping[str, Iterable[click.Option]], argument: click.Argument
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of an argument and sections of options, which its help lists as such."""

    class Sectioned(click.Command):
        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            for title, options in sections.items():
                with formatter.section(title):
                    formatter.write_dl([row for o in options if (row := o.get_help_record(ctx))])
            with formatter.section("Help"):
                formatter.write_dl([("-h, --help", "Show this and exit.")])

    params: list[click.Parameter] = [argument, *chain.from_iterable(sections.values())]
    return click.command(cls=Sectioned, params=params)


def completed(kinds: Iterable[str], suffixes: Iterable[str], *words: str) -> Completer:
    """Complete to words, shipped names of some kinds and files; folders are left to the shell."""

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        from codesign.specs.load import shipped

        offered = [*words, *(name for kind in kinds for name in shipped(kind))]
        offered += _files(typed, suffixes)
        found = [CompletionItem(text) for text in offered if text.startswith(typed)]
        return [*found, CompletionItem(typed, type="dir")]

    return complete


def _files(typed: str, suffixes: Iterable[str]) -> list[str]:
    """Files in the folder that is typed so far, written as they would be typed on."""
    folder = os.path.dirname(typed)
    try:
        found = sorted(path for path in Path(folder or ".").iterdir() if path.is_file())
    except OSError:
        return []
    return [os.path.join(folder, x.name) for x in found if x.suffix.lower() in suffixes]


def listed(words: Iterable[str]) -> Completer:
    """Complete a list of words, written with commas, by those that it lacks."""

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        *before, last = typed.split(",")
        left = (word for word in words if word not in before and word.startswith(last))
        return [CompletionItem(",".join([*before, word])) for word in left]

    return complete


NETWORK = completed(["networks"], (".toml", ".onnx"))
COMPLETED = {
    "--technology": completed(["technologies"], [".toml"]),
    "--memory": completed(["memories"], [".toml"]),
    "--accelerator": completed(["accelerators"], (".toml", ".json")),
    "--mapping": listed(MAPPINGS),
}
WORKERS = option(
    "--workers N", "Processes, one solver thread each.", WholeNumber(1, 1024), shown="one per core"
)
RESUME = flag("--resume", "Go on with a store that holds results.")
