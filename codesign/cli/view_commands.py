"""Commands that show what a file holds: show and plot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from codesign.cli import inputs
from codesign.cli.options import FILE, completed, flag, option, repeatable
from codesign.cli.terminal import View, print_view
from codesign.cli.views import certificate_view, description_view, store_view, view_of
from codesign.errors import SpecError
from codesign.problem.words import name_or_path

DESCRIBED = {  # kinds of files that `show` finds descriptions in, by the folders of ``models/``
    **dict.fromkeys(("network", "onnx"), "networks"),
    "technology": "technologies",
    "memory": "memories",
    "accelerator": "accelerators",
}
RESULTS = ("design", "dataflow", "evaluation", "assignment", "explanation", "comparison", "front")
DRAWN = ("design", "dataflow", "evaluation", "front", "explanation", "comparison", "store")
HELD = ("design", "evaluation")  # drawn too: what their SRAM holds
OF_STORES = ("x", "y", "by", "panels")


def _shown(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete to kinds of what is shipped, all shipped names, and files that can be shown."""
    from codesign.specs.load import KINDS

    files = (".toml", ".onnx", ".json", ".csv", ".sqlite")
    return completed(KINDS, files, *KINDS)(ctx, param, typed)


@click.command(
    params=[
        click.Argument(["what"], required=False, shell_complete=_shown),
        click.Argument(["name"], required=False),
        flag("--json", "Print the same as JSON and nothing else."),
    ]
)
def show(what: str | None, name: str | None, json: bool) -> None:
    """List what is shipped, or show one description or file.

    WHAT is networks, technologies, memories or accelerators, and lists those shipped; with NAME,
    shown is the one of that name or in that file. Or WHAT is a shipped name; or a file: of a
    network (TOML, ONNX), technology, memory or accelerator (TOML), a design, evaluation,
    assignment, explanation, comparison or certificate (.json), a front (.csv) or a study's store
    (.sqlite). A result is shown as by the command that found it.
    """
    from codesign.results.text import specs
    from codesign.specs.load import KINDS, shipped

    load = _loaders()
    if what is None:
        names = {kind: shipped(kind) for kind in KINDS}
        view = View(lambda: names, lambda: specs.kinds_parts(names))
    elif what not in load and name is not None:
        if isinstance(name_or_path(what), Path):
            raise SpecError(f"Got unexpected extra argument ({name})")
        raise SpecError(f"{what!r} is not one of {', '.join(map(repr, KINDS))}.")
    elif what not in load:
        view = _of_name_or_file(what)
    elif name is None:
        known = [load[what](x) for x in shipped(what)]
        view = View(lambda: [*map(specs.spec_record, known)], lambda: specs.catalogue(known))
    else:
        view = description_view(load[what](name_or_path(name)))
    print_view(view, json)


@click.command(
    params=[
        click.Argument(["file"], type=FILE),
        flag("--sram", "Of a design or evaluation: what the SRAM holds during each layer."),
        flag("--energy", "Of a design, pipeline or evaluation: the energy of each layer by part."),
        option("--out PICTURE", "Write .png, .pdf or .svg.", FILE, shown="FILE's name with .png"),
        option("--x COLUMN", "Of a store: a parameter or metric.", shown="what varies most"),
        option("--y METRIC", "Of a store: a metric.", shown="the objective"),
        repeatable(
            "--by COLUMN", "Of a store: a line for each value.", shown="all else that varies"
        ),
        option("--panels COLUMN", "Of a store: a panel for each value.", shown="network"),
    ]
)
def plot(**given: Any) -> None:
    """Draw what FILE holds, and print the name of the picture.

    FILE is of a design, evaluation, explanation or comparison (.json), a front (.csv) or a study's
    store (.sqlite); the picture is the one that --plot of the command draws. A picture that is
    there is replaced.
    """
    from codesign.files import kind_of

    path: Path = given["file"]
    out: Path = given["out"] or Path(f"{path.stem}.png")
    inputs.check_picture("out", out)
    inputs.check_files({"plot": out, "design": path})
    kind = kind_of(path)
    axes = {name: given[name] for name in OF_STORES if given[name]}
    if axes and kind in DRAWN and kind != "store":
        raise SpecError(f"--{next(iter(axes))} is for the store of a study.")
    if kind == "assignment":
        raise SpecError(f"{path}: an assignment has no picture; codesign show prints it")
    if kind is None or kind not in DRAWN:
        raise refusal(path, kind, DRAWN)
    if given["sram"] and kind not in HELD:
        raise SpecError("--sram is for a design or an evaluation.")
    if given["energy"] and kind not in (*HELD, "dataflow"):
        raise SpecError("--energy is for a design, a pipeline or an evaluation.")
    if given["sram"] and given["energy"]:
        raise SpecError("--sram and --energy are pictures of their own; give one of them.")
    if kind == "store":
        from codesign.study.plot import plot_study

        plot_study(path, out, **axes)
    elif given["sram"]:
        load_result_of(kind, path).plot_sram(out)
    elif given["energy"]:
        load_result_of(kind, path).plot_energy(out)
    else:
        load_result_of(kind, path).plot(out)
    click.echo(out)


def load_result_of(kind: str, path: Path) -> Any:
    """Read the file of a result; only what its kind needs is loaded."""
    if kind == "front":
        from codesign.results.front import Front

        return Front.load(path)
    if kind == "explanation":
        from codesign.results.explanation import Explanation

        return Explanation.load(path)
    if kind == "comparison":
        from codesign.results.comparison import Comparison

        return Comparison.load(path)
    from codesign.results.load import load_result

    return load_result(path)


def _loaders() -> dict[str, Callable[[str | Path], Any]]:
    from codesign.specs import load as specs

    return {
        "networks": specs.describe_network,
        "technologies": specs.load_technology,
        "memories": specs.load_memory,
        "accelerators": specs.load_accelerator,
    }


def _of_name_or_file(what: str) -> View:
    """What is shipped under a name, or what a file holds."""
    from codesign.specs.decoder import phase_in
    from codesign.specs.load import KINDS, load_network, shipped
    from codesign.specs.schema import nearest

    if phase_in(name_or_path(what))[1] is not None:
        return description_view(load_network(name_or_path(what)))
    names = {name: kind for kind in KINDS for name in shipped(kind)}
    if what in names:
        return description_view(_loaders()[names[what]](what))
    path = name_or_path(what)
    if not isinstance(path, Path) and not Path(what).is_file():
        kinds = ", ".join(map(repr, KINDS))
        near = nearest(what, (*KINDS, *names))
        raise SpecError(f"{what!r} is not one of {kinds}, no shipped name and no file{near}")
    return _of_file(Path(path))


def _of_file(path: Path) -> View:
    """What is shown of a file of any kind that is."""
    from codesign.files import kind_of

    kind = kind_of(path)
    others = {"certificate": certificate_view, "store": store_view}
    if kind in DESCRIBED:
        return description_view(_loaders()[DESCRIBED[kind]](path))
    if kind in RESULTS:
        return view_of(load_result_of(kind, path))
    if kind in others:
        return others[kind](path)
    raise refusal(path, kind, (*DESCRIBED, *RESULTS, *others))


def refusal(path: Path, kind: str | None, wanted: tuple[str, ...]) -> SpecError:
    """What to say of a file of another kind, or of one that is none."""
    from codesign.files import kinds_text, read_text, read_toml, wrong_kind
    from codesign.results.load import load_result

    if kind is None:
        ours = {".json": load_result, ".toml": read_toml}
        ours.get(path.suffix.lower(), read_text)(path)  # says what is wrong with the file
        return SpecError(f"{path}: hard to say what this is; wanted is {kinds_text(wanted)}")
    return wrong_kind(path, kind, wanted)
