"""The program ``codesign``: its commands, and one line and an exit code for whatever ends them."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from typing import Any

import click

from codesign import __version__
from codesign.cli.compare import compare
from codesign.cli.export_commands import export
from codesign.cli.file_commands import check, explain, fit, import_model, sensitivity
from codesign.cli.help import help_command
from codesign.cli.options import Group
from codesign.cli.report_commands import explore, report
from codesign.cli.solve_commands import assign, evaluate, pareto, solve
from codesign.cli.study import study, sweep
from codesign.cli.technology_commands import technology
from codesign.cli.terminal import BAD_INPUT, INFEASIBLE, NO_ANSWER, PROVEN, note
from codesign.cli.view_commands import plot, show
from codesign.errors import CodesignError, InfeasibleError, SpecError
from codesign.stopping import INTERRUPTED

MUTE = logging.CRITICAL + 1
LIBRARIES_BYTES = 2**28  # with less, numpy's own library ends the process in its way


@contextmanager
def _aborting() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort from None


class Program(Group):
    """The group of all commands; keeps click from writing an empty line when interrupted."""

    def make_context(self, *given: Any, **how: Any) -> click.Context:
        """The context of a run."""
        with _aborting():
            return super().make_context(*given, **how)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command asked for."""
        with _aborting():
            return super().invoke(ctx)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="codesign %(version)s")
def program() -> None:
    """The proven best neural-network accelerator for a network and a silicon budget.

    \b
    codesign solve resnet18 --max-area-mm2 6
    codesign pareto resnet18 --objectives latency,area --range area=1:16 --plot front.png
    codesign evaluate vgg16 --accelerator eyeriss
    codesign assign resnet50 --max-model-mbit 100 --tie
    codesign explain design.json --plot worth.png
    codesign compare a.json b.json --plot compare.png
    codesign fit pe.csv --kind pe --out my_technology.toml
    codesign technology scale tsmc28 --node 16 --out t16.toml
    codesign check design.json
    codesign export finn design.json --out folding.json
    codesign sweep resnet18 --clock-mhz 400,800 --max-area-mm2 2,4,6 --plot sweep.png
    codesign study run grid.toml --store results.sqlite
    codesign import model.onnx --out network.toml
    codesign sensitivity resnet50 --out table.csv
    codesign show design.json
    codesign plot front.csv
    codesign report design.json
    codesign explore front.csv --designs designs
    codesign show networks
    codesign help model

    Standard output holds the answer alone, with --json as JSON. Notes and progress go to standard
    error: progress on a live line of a terminal, elsewhere and with --json on a line every 30 s,
    with --quiet not at all.

    \b
    Completion of commands, options, shipped names and files (also zsh_source, fish_source):
    eval "$(_CODESIGN_COMPLETE=bash_source codesign)"
    """


for command in (solve, pareto, evaluate, assign, explain, fit, check, import_model, sensitivity):
    program.add_command(command)
for command in (compare, technology, export, show, plot, report, explore):
    program.add_command(command)
for command in (study, sweep, help_command):
    program.add_command(command)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ²
    logging.getLogger("pyomo").setLevel(MUTE)  # it would write to standard output
    try:
        mmap(-1, LIBRARIES_BYTES).close()
    except OSError:
        return _complain("error: out of memory; numpy alone needs more", NO_ANSWER)
    try:
        code = program.main(args=argv, prog_name="codesign", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.Abort:
        return _complain("interrupted", INTERRUPTED)
    except click.ClickException as error:
        return _complain(f"error: {error.format_message()}", BAD_INPUT)
    except InfeasibleError as error:
        return _complain(str(error), INFEASIBLE)
    except SpecError as error:
        return _complain(f"error: {error}", BAD_INPUT)
    except CodesignError as error:
        return _complain(f"error: {error}{_kept_model(error)}", NO_ANSWER)
    except MemoryError:
        return _complain("error: out of memory; offer fewer widths or arrays", NO_ANSWER)
    except ImportError as error:  # memory too short for it, or a broken installation
        return _complain(
            f"error: a library cannot be loaded: {error.__cause__ or error}", NO_ANSWER
        )
    except OSError as error:
        if error.filename is None:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the one Python flushes at its end
        where = error.filename or "standard output"
        return _complain(f"error: {where}: {error.strerror}", BAD_INPUT)
    return int(code or PROVEN)


def _kept_model(error: CodesignError) -> str:
    """Write the model that a solver failed on for a bug report, and say where."""
    model = getattr(error, "model", None)
    if model is None:
        return ""
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="codesign-", suffix=".lp", encoding="utf-8", delete=False
        ) as file:
            file.write(model)
    except OSError as fault:
        return f"; its programme cannot be written: {fault.strerror}"
    return f"; its programme is in {file.name}"


def _complain(message: str, code: int) -> int:
    note(message)
    return code
