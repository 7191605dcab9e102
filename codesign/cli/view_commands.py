"""Commands that show what a file holds: show and plot.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesign.cli import completion, flags
from codesign.cli.options import FILE, flag, option
from codesign.cli.terminal import print_either, result_parts
from codesign.errors import SpecError

if TYPE_CHECKING:
    from rich.console import RenderableType

DESCRIBED = {
    **dict.fromkeys(("network", "onnx"), "networks"),
    "technology": "technologies",
    "memory": "memories",
    "accelerator": "accelerators",
}
DRAWN = ("design", "evaluation", "front", "explanation", "store")
OF_STORES = ("x", "y", "by", "panels")

View = tuple[Callable[[], Any], Callable[[], "Iterable[RenderableType]"]]  # as JSON, as text

SHOW: list[click.Parameter] = [
    click.Argument(["what"], required=False, shell_complete=completion.shown),
    click.Argument(["name"], required=False),
    flag("--json", "Print the same as JSON and nothing else."),
]
PLOT: list[click.Parameter] = [
    click.Argument(["file"], type=FILE),
    option(
        *("--out", "PICTURE", "Write .png, .pdf or .svg."),
        type=FILE,
        told="FILE's name with .png",
    ),
    option("--x", "COLUMN", "Of a store: a parameter or metric.", told="what varies most"),
    option("--y", "METRIC", "Of a store: a metric.", told="the objective"),
    option(
        *("--by", "COLUMN", "Of a store: a line for each value. Repeatable."),
        multiple=True,
        told="all else that varies",
    ),
    option("--panels", "COLUMN", "Of a store: a panel for each value.", told="network"),
]


@click.command(params=SHOW)
def show(what: str | None, name: str | None, json: bool) -> None:
    """List what is shipped, or show one description or file.

    WHAT is networks, technologies, memories or accelerators, and lists those shipped; with NAME,
    shown is the one of that name or in that file. Or WHAT is a shipped name; or a file: of a
    network (TOML, ONNX), technology, memory or accelerator (TOML), a design, evaluation,
    assignment, explanation or certificate (.json), a front (.csv) or a study's store (.sqlite). A
    result is shown as by the command that found it.
    """
    from codesign.results.text import specs as catalogue
    from codesign.specs.load import KINDS, shipped

    load = _loaders()
    if what is None:
        names = {kind: shipped(kind) for kind in KINDS}
        print_either(json, lambda: names, lambda: catalogue.kinds_parts(names))
    elif what not in load and name is not None:
        if isinstance(flags.name_or_path(what), Path):
            raise click.UsageError(f"Got unexpected extra argument ({name})")
        raise click.UsageError(f"{what!r} is not one of {', '.join(map(repr, KINDS))}.")
    elif what not in load:
        print_either(json, *_of_name_or_file(what))
    elif name is None:
        known = [load[what](x) for x in shipped(what)]
        print_either(
            json, lambda: [*map(catalogue.record, known)], lambda: catalogue.catalogue(known)
        )
    else:
        print_either(json, *_described(load[what](flags.name_or_path(name))))


@click.command(params=PLOT)
def plot(**given: Any) -> None:
    """Draw what FILE holds, and print the name of the picture.

    FILE is of a design, an evaluation or an explanation (.json), a front (.csv) or a study's store
    (.sqlite); the picture is the one that --plot of the command draws. A picture that is there is
    replaced.
    """
    from codesign.files import kind_of

    path: Path = given["file"]
    out: Path = given["out"] or Path(f"{path.stem}.png")
    if out.suffix.lower() not in flags.PLOT_SUFFIXES:
        raise SpecError(f"--out {out}: must end in {', '.join(flags.PLOT_SUFFIXES)}")
    flags.check_files({"plot": out, "design": path})
    kind = kind_of(path)
    axes = {name: given[name] for name in OF_STORES if given[name]}
    if axes and kind in DRAWN and kind != "store":
        raise click.UsageError(f"--{next(iter(axes))} is for the store of a study.")
    if kind == "assignment":
        raise SpecError(f"{path}: an assignment has no picture; codesign show prints it")
    if kind is None or kind not in DRAWN:
        raise _refusal(path, kind, DRAWN)
    _draw(kind, path, out, axes)
    click.echo(out)


def _draw(kind: str, path: Path, out: Path, axes: Mapping[str, Any]) -> None:
    if kind == "store":
        from codesign.study.plot import plot_study

        plot_study(path, out, **axes)
    elif kind == "front":
        from codesign.results.front import Front

        Front.load(path).plot(out)
    elif kind == "explanation":
        from codesign.results.explanation import Explanation

        Explanation.load(path).plot(out)
    else:
        from codesign.results.load import load_on_hardware

        load_on_hardware(path).plot(out)


def _loaders() -> dict[str, Callable[[str | Path], Any]]:
    from codesign.specs import load as specs

    return {
        "networks": specs.load_network,
        "technologies": specs.load_technology,
        "memories": specs.load_memory,
        "accelerators": specs.load_accelerator,
    }


def _described(found: Any) -> View:
    from codesign.results.text import specs as catalogue

    return lambda: catalogue.record(found), lambda: catalogue.description(found)


def _of_name_or_file(what: str) -> View:
    """What is shipped under a name, or what a file holds."""
    from codesign.specs.load import KINDS, shipped
    from codesign.specs.schema import nearest

    names = {name: kind for kind in KINDS for name in shipped(kind)}
    if what in names:
        return _described(_loaders()[names[what]](what))
    path = flags.name_or_path(what)
    if not isinstance(path, Path) and not Path(what).is_file():
        kinds = ", ".join(map(repr, KINDS))
        near = nearest(what, (*KINDS, *names))
        raise click.UsageError(f"{what!r} is not one of {kinds}, no shipped name and no file{near}")
    return _of_file(Path(path))


def _of_file(path: Path) -> View:
    """What is shown of a file of any kind that is."""
    from codesign.files import kind_of

    kind = kind_of(path)
    views: Mapping[str, Callable[[Path], View]] = {
        **dict.fromkeys(DESCRIBED, lambda path: _described(_loaders()[DESCRIBED[str(kind)]](path))),
        **dict.fromkeys(("design", "evaluation", "assignment"), _result),
        "explanation": _explained,
        "front": _points,
        "certificate": _certified,
        "store": _cells,
    }
    if kind is None or kind not in views:
        raise _refusal(path, kind, (*views,))
    return views[kind](path)


def _refusal(path: Path, kind: str | None, wanted: tuple[str, ...]) -> SpecError:
    """What to say of a file of another kind, or of one that is none."""
    from codesign.files import kinds_text, read_text, read_toml, wrong_kind
    from codesign.results.load import load_result

    if kind is None:
        ours = {".json": load_result, ".toml": read_toml}
        ours.get(path.suffix.lower(), read_text)(path)  # says what is wrong with the file
        return SpecError(f"{path}: hard to say what this is; wanted is {kinds_text(wanted)}")
    return wrong_kind(path, kind, wanted)


def _result(path: Path) -> View:
    from codesign.results.load import load_result, to_dict

    found = load_result(path)
    return lambda: to_dict(found), lambda: result_parts(found, quiet=False)


def _explained(path: Path) -> View:
    from codesign.results.explanation import Explanation, to_dict
    from codesign.results.text.explanation import explanation_parts

    found = Explanation.load(path)
    return lambda: to_dict(found), lambda: explanation_parts(found)


def _points(path: Path) -> View:
    from codesign.results.front import Front
    from codesign.results.front_file import to_dict
    from codesign.results.text.front import front_parts

    found = Front.load(path)
    return lambda: to_dict(found), lambda: front_parts(found)


def _certified(path: Path) -> View:
    from codesign.files import read_json
    from codesign.results.text.check import certificate_lines

    content = read_json(path)
    lines = certificate_lines(content, str(path))
    return lambda: content, lambda: [*lines]


def _cells(path: Path) -> View:
    from codesign.study.store import opened
    from codesign.study.text import overview, overview_parts, overview_record

    with opened(path) as file:
        found = overview(file)
    return lambda: overview_record(found), lambda: overview_parts(found)
