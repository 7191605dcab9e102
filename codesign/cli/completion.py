"""What a shell offers while a command is typed: shipped names, and files of the right kind.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names_and_files(kind: str, *suffixes: str) -> Completer:
    """Complete to shipped names of a kind and to files; folders are left to the shell."""

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        from codesign.specs.load import shipped

        offered = [*shipped(kind), *_files(typed, suffixes)]
        found = [CompletionItem(word) for word in offered if word.startswith(typed)]
        return [*found, CompletionItem(typed, type="dir")]

    return complete


def _files(typed: str, suffixes: tuple[str, ...]) -> list[str]:
    """Files in the folder that is typed so far, written as they would be typed on."""
    folder = os.path.dirname(typed)
    try:
        found = sorted(path for path in Path(folder or ".").iterdir() if path.is_file())
    except OSError:
        return []
    return [os.path.join(folder, x.name) for x in found if x.suffix.lower() in suffixes]


NETWORK = names_and_files("networks", ".toml", ".onnx")
SHOWN_FILES = (".toml", ".onnx", ".json", ".csv", ".sqlite")


def shown(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete to kinds of what is shipped, all shipped names, and files that can be shown."""
    from codesign.specs.load import KINDS, shipped

    names = [name for kind in KINDS for name in shipped(kind)]
    offered = [*KINDS, *names, *_files(typed, SHOWN_FILES)]
    found = [CompletionItem(word) for word in offered if word.startswith(typed)]
    return [*found, CompletionItem(typed, type="dir")]


OF_OPTIONS = {
    "--technology": names_and_files("technologies", ".toml"),
    "--memory": names_and_files("memories", ".toml"),
    "--accelerator": names_and_files("accelerators", ".toml", ".json"),
}
