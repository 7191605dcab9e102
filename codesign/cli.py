"""The command line: reads the question, asks `solve`, prints what `report` makes of the answer.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesign import __version__
from codesign.errors import CodesignError, InfeasibleError, SpecError
from codesign.options import (
    CONTRADICTIONS,
    FIT,
    LIMITS,
    MEMORY,
    OBJECTIVES,
    QUALITY,
    SECTIONS,
    Sectioned,
)
from codesign.units import BITS_PER_GBIT, HZ_PER_MHZ

if TYPE_CHECKING:
    from rich.console import RenderableType

    from codesign.design import Design
    from codesign.optimum import Progress
    from codesign.problem import Choices, Problem

PROVEN, BAD_INPUT, INFEASIBLE, UNPROVEN, NO_ANSWER, INTERRUPTED = 0, 2, 3, 4, 5, 130

KINDS = ("networks", "technologies", "memories")
PLOT_SUFFIXES = (".png", ".pdf", ".svg")


class Front(click.Group):
    """The group of commands; keeps click from writing an empty line when interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None


@click.group(
    cls=Front,
    no_args_is_help=False,  # a missing command is an error of one line like any other
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="codesign %(version)s")
def front() -> None:
    """The proven best neural-network accelerator for a network and a silicon budget.

    \b
    codesign solve resnet18 --max-area-mm2 6
    codesign fit pe.csv --kind pe --out my_technology.toml
    codesign show networks
    """


@front.command(
    cls=Sectioned,
    params=[
        click.Argument(["network"]),
        *(option for options in SECTIONS.values() for option in options),
    ],
)
def solve(**given: Any) -> int:
    """Find the best accelerator for NETWORK and prove it.

    NETWORK is a shipped name (see: codesign show networks) or a TOML file: what ends in .toml
    or contains a path separator is a file. Smaller is better for every metric.

    \b
    Exit codes: 0 proven best         4 a design, but its proof is unfinished
                2 bad input           5 no design found in time
                3 infeasible        130 interrupted
    """
    for one, other in CONTRADICTIONS:
        if given[one] not in (None, False) and given[other] not in (None, False):
            raise click.UsageError(f"{_flag(one)} and {_flag(other)} contradict each other.")
    _check_files(given)
    problem = _problem(given)
    design = _solved(problem, given)
    try:
        if given["out"] is not None:
            design.save(given["out"])
        if given["plot"] is not None:
            design.plot(given["plot"])
    finally:  # a full disk does not cost the result
        _tell(design, given)
    return PROVEN if design.proof.status == "optimal" else UNPROVEN


@front.command(params=[*FIT])
def fit(**given: Any) -> int:
    """Fit areas measured to a technology for solve.

    CSV has one heading line. PEs: bw, ba (bits), n, m (input and output channels of 3×3 kernels),
    area_um2; fitted against their BOPS. SRAMs: bits, area_um2.
    """
    from codesign.fit_report import fit_parts
    from codesign.fits import fit_area
    from codesign.specs import load_technology

    _check_files(given)
    rest = load_technology(_name_or_path(given["technology"]))
    result = fit_area(
        given["csv"],
        kind=given["kind"],
        relative=given["relative"],
        form="quadratic" if given["quadratic"] else "linear",
        engine=given["engine"],
        name=given["name"],
    )
    try:
        if given["out"] is not None:
            result.save(given["out"], rest)
        if given["plot"] is not None:
            result.plot(given["plot"])
    finally:  # a full disk does not cost the result
        _print(fit_parts(result))
    return PROVEN


@front.command()
@click.argument("kind", type=click.Choice(KINDS), required=False, metavar="[KIND]")
@click.argument("name", required=False, metavar="[NAME]")
def show(kind: str | None, name: str | None) -> None:
    """List what is shipped, or show one description.

    KIND is networks, technologies or memories; NAME is a shipped name or a TOML file.
    """
    from codesign import catalogue, specs

    load: dict[str, Callable[[str | Path], Any]] = {
        "networks": specs.load_network,
        "technologies": specs.load_technology,
        "memories": specs.load_memory,
    }
    if kind is None:
        _print(catalogue.kinds_parts({kind: specs.shipped(kind) for kind in KINDS}))
    elif name is None:
        _print(catalogue.catalogue([load[kind](name) for name in specs.shipped(kind)]))
    else:
        _print(catalogue.description(load[kind](_name_or_path(name))))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ²
    try:
        code = front.main(args=argv, prog_name="codesign", standalone_mode=False)
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
        return _complain(f"error: {error}", NO_ANSWER)
    except MemoryError:
        return _complain("error: out of memory; offer fewer widths or arrays", NO_ANSWER)
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the one Python flushes at its end
        where = error.filename or "standard output"
        return _complain(f"error: {where}: {error.strerror}", BAD_INPUT)
    return int(code or PROVEN)


def _complain(message: str, code: int) -> int:
    line = " ".join(message.split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    click.echo(f"codesign: {shown}", err=True)
    return code


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _name_or_path(text: str) -> str | Path:
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    is_path = text.endswith(".toml") or any(separator in text for separator in separators)
    return Path(text) if is_path else text


def _check_files(given: dict[str, Any]) -> None:
    """Refuse, before the solve, files that cannot or should not be written."""
    from codesign.design_file import check_writable

    read = [given.get(key) or "" for key in ("network", "technology", "memory")]
    taken = [Path(text) for text in read if isinstance(_name_or_path(text), Path)]
    taken += [given["csv"]] if "csv" in given else []
    for key in ("out", "plot"):
        path = given[key]
        if path is None:
            continue
        if key == "plot" and path.suffix.lower() not in PLOT_SUFFIXES:
            raise SpecError(f"--plot {path}: must end in {', '.join(PLOT_SUFFIXES)}")
        check_writable(path)
        if path.exists() and not path.is_file():
            raise SpecError(f"{path}: cannot be written: not a regular file")
        if any(path.resolve() == other.resolve() for other in taken):
            raise SpecError(f"{path}: given twice, for two different files")
        taken.append(path)


def _problem(given: dict[str, Any]) -> Problem:
    from codesign.problem import Problem
    from codesign.specs import load_memory, load_network, load_technology

    budgets: dict[Any, float] = {
        metric: given[name] * factor
        for name, (metric, factor) in LIMITS.items()
        if given[name] is not None
    }
    dram_bits_per_s = (
        load_memory(_name_or_path(given["memory"] or MEMORY)).bits_per_s
        if given["dram_gbit_per_s"] is None
        else given["dram_gbit_per_s"] * BITS_PER_GBIT
    )
    return Problem(
        network=load_network(_name_or_path(given["network"])),
        technology=load_technology(_name_or_path(given["technology"]), given["sram"]),
        dram_bits_per_s=dram_bits_per_s,
        clock_hz=given["clock_mhz"] * HZ_PER_MHZ,
        area_overhead=given["area_overhead"],
        choices=_choices(given),
        quality=_quality(given),
        objective=OBJECTIVES[given["minimize"]],  # type: ignore[arg-type]
        budgets=budgets,
    )


def _quality(given: dict[str, Any]) -> str | None:
    if given["quality"] is None:
        return QUALITY if _quality_is_default(given) else None
    return None if given["quality"] == "none" else str(given["quality"])


def _quality_is_default(given: dict[str, Any]) -> bool:
    return given["quality"] is None and given["max_noise"] is None and given["minimize"] != "noise"


def _choices(given: dict[str, Any]) -> Choices:
    from codesign.problem import Choices

    pinned: dict[str, int] = {}
    for key, bits in given["pin"]:
        if pinned.setdefault(key, bits) != bits:
            raise SpecError(f"--pin {key}: given as {pinned[key]} and as {bits} bits")
    rows, cols = given["rows"], given["cols"]
    if given["square"]:
        rows, cols = rows or cols, cols or rows
    wanted = {
        "rows": rows,
        "cols": cols,
        "weight_bits": given["weight_bits"] or given["bits"],
        "activation_bits": given["activation_bits"] or given["bits"],
        "pe_weight_bits": given["pe_weight_bits"] or given["pe_bits"],
        "pe_activation_bits": given["pe_activation_bits"] or given["pe_bits"],
    }
    return Choices(
        **{key: values for key, values in wanted.items() if values is not None},
        square=given["square"],
        precision=given["precision"],
        pinned=pinned,
        output_bits=given["output_bits"],
    )


def _solved(problem: Problem, given: dict[str, Any]) -> Design:
    from codesign.optimum import solve as solve_problem
    from codesign.report import live_line

    watched = sys.stderr is not None and sys.stderr.isatty()
    line: AbstractContextManager[Callable[[Progress], None] | None] = (
        live_line(sys.stderr, problem.objective)
        if watched and not given["json"] and not given["quiet"]
        else nullcontext()
    )
    try:
        with line as on_progress:
            return solve_problem(
                problem,
                method=given["method"],
                time_limit_s=given["time_limit_s"],
                rel_gap=given["rel_gap"],
                on_progress=on_progress,
            )
    except InfeasibleError as error:
        if "noise" not in error.clashing or not _quality_is_default(given):
            raise
        raise InfeasibleError(
            f"{error}; the limit on noise is the default --quality {QUALITY}", error.clashing
        ) from None


def _tell(design: Design, given: dict[str, Any]) -> None:
    if given["json"]:
        import json

        from codesign.design_file import to_dict

        click.echo(json.dumps(to_dict(design), indent=1))
        return
    from codesign.report import design_parts, summary_line

    _print([summary_line(design)] if given["quiet"] else design_parts(design))


def _print(parts: Iterable[RenderableType]) -> None:
    from codesign.report import to_text

    click.echo(to_text(parts, terminal=sys.stdout is not None and sys.stdout.isatty()), nl=False)
