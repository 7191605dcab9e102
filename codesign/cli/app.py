"""The command line: reads the question, asks `solve`, prints what `report` makes of the answer.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from mmap import mmap
from typing import TYPE_CHECKING, Any

import click

from codesign import __version__
from codesign.cli import flags
from codesign.cli.file_commands import check, explain, fit, import_model, sensitivity
from codesign.cli.help import help_command
from codesign.cli.options import (
    ASSIGN,
    ASSIGN_CONTRADICTIONS,
    EVALUATE,
    EVALUATE_CONTRADICTIONS,
    PARETO,
    PARETO_CONTRADICTIONS,
    QUALITY,
    SOLVE,
    SOLVE_CONTRADICTIONS,
    network,
    sectioned,
)
from codesign.cli.study import study, sweep
from codesign.cli.terminal import (
    BAD_INPUT,
    INFEASIBLE,
    NO_ANSWER,
    PROVEN,
    UNPROVEN,
    Group,
    print_either,
    print_json,
    print_parts,
    result_parts,
    watched,
)
from codesign.cli.view_commands import plot, show
from codesign.errors import CodesignError, InfeasibleError, SpecError, one_line
from codesign.problem.metrics import metric_of
from codesign.stopping import INTERRUPTED

if TYPE_CHECKING:
    from codesign.problem.problem import Problem
    from codesign.results.design import Design
    from codesign.results.front import Front
    from codesign.results.load import Result


MUTE = logging.CRITICAL + 1
LIBRARIES_BYTES = 2**28  # with less, numpy's own library ends the process in its way


@contextmanager
def _aborting() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort from None


class Commands(Group):
    """The group of commands; keeps click from writing an empty line when interrupted."""

    def make_context(self, *given: Any, **how: Any) -> click.Context:
        with _aborting():
            return super().make_context(*given, **how)

    def invoke(self, ctx: click.Context) -> Any:
        with _aborting():
            return super().invoke(ctx)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="codesign %(version)s")
def front() -> None:
    """The proven best neural-network accelerator for a network and a silicon budget.

    \b
    codesign solve resnet18 --max-area-mm2 6
    codesign pareto resnet18 --objectives latency,area --range area=1:16 --plot front.png
    codesign evaluate vgg16 --accelerator eyeriss
    codesign assign resnet50 --max-model-mbit 100 --tie
    codesign explain design.json --plot worth.png
    codesign fit pe.csv --kind pe --out my_technology.toml
    codesign check design.json
    codesign sweep resnet18 --clock-mhz 400,800 --max-area-mm2 2,4,6 --plot sweep.png
    codesign study run grid.toml --store results.sqlite
    codesign import model.onnx --out network.toml
    codesign sensitivity resnet50 --out table.csv
    codesign show design.json
    codesign plot front.csv
    codesign show networks
    codesign help model

    Standard output holds the answer alone, with --json as JSON. Notes and progress go to standard
    error: progress on a live line of a terminal, elsewhere and with --json on a line every 30 s,
    with --quiet not at all.

    \b
    Completion of commands, options, shipped names and files (also zsh_source, fish_source):
    eval "$(_CODESIGN_COMPLETE=bash_source codesign)"
    """


@front.command(
    cls=sectioned(SOLVE),
    params=[network(), *chain.from_iterable(SOLVE.values())],
)
def solve(**given: Any) -> int:
    """Find the best accelerator for NETWORK and prove it.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. Smaller is better for every metric.

    \b
    Exit codes: 0 proven best         4 a design, but its proof is unfinished
                2 bad input           5 no answer: out of time or memory, or a failing solver
                3 infeasible        130 interrupted before any design was found
    Ctrl-C ends the search with the best design so far; pressed twice, without.
    """
    flags.check_contradictions(given, SOLVE_CONTRADICTIONS)
    flags.check_files(given)
    problem = flags.problem(given)
    flags.tell_of_table(problem.sensitivity, problem.network)
    design = _solved(problem, given)
    _tell_interrupted(design.solver.interrupted, "design")
    _hand_over(design, given)
    if given["certificate"] is not None:
        _certify(design, given)
    return PROVEN if design.proof.status == "optimal" else UNPROVEN


@front.command(
    cls=sectioned(PARETO),
    params=[network(), *chain.from_iterable(PARETO.values())],
)
def pareto(**given: Any) -> int:
    """Find the Pareto front of NETWORK: designs that no other beats in every objective.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. Every point is proven. The first objective is minimised
    within limits on the others, placed where most is still unknown.

    \b
    Exit codes: 0 all points proven     4 a point's proof, or --all, is unfinished
                2 bad input             5 no answer: out of time or memory, or a failing solver
                3 infeasible          130 interrupted before any design was found
    Ctrl-C ends the search with the points found so far (4); pressed twice, without.
    """
    from codesign.tasks.pareto import pareto as find_front

    flags.check_contradictions(given, PARETO_CONTRADICTIONS)
    if given["rel_step"] is not None and not given["all"]:
        raise click.UsageError("--rel-step says how far --all goes; give both.")
    flags.check_files(given)
    first = "noise" if "noise" in given["objectives"] else given["objectives"][0]
    problem = flags.problem({**given, "minimize": first})
    flags.tell_of_table(problem.sensitivity, problem.network)
    with _explained(given, first), watched(given, "front_line") as on_progress:
        found = find_front(
            problem,
            [metric_of(word) for word in given["objectives"]],
            None if given["all"] else given["points"] or 20,
            ranges=flags.ranges(given),
            rel_step=given["rel_step"] or 0.0,
            time_limit_s=given["time_limit_s"],
            on_progress=on_progress,
        )
    _tell_interrupted(found.interrupted, "points")
    try:
        if given["designs"] is not None:
            found.save_designs(given["designs"])
        if given["out"] is not None:
            found.save(given["out"])
        if given["plot"] is not None:
            found.plot(given["plot"])
    finally:  # a full disk does not cost the result
        _tell_front(found, given)
    proven = all(design.proof.status == "optimal" for design in found.designs)
    asked_for = found.complete or not (given["all"] or found.interrupted)
    return PROVEN if proven and asked_for else UNPROVEN


@front.command(
    cls=sectioned(EVALUATE),
    params=[
        network(),
        *(option for part in EVALUATE.values() for option in part),
    ],
)
def evaluate(**given: Any) -> int:
    """Find where each layer of NETWORK stands on a given accelerator.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. The accelerator is shipped (codesign show accelerators), a
    file, TOML or that of a design, or given by --rows, --cols, --pe-bits and --sram-kbit.
    """
    from codesign.tasks.evaluate import evaluate as evaluate_network

    flags.check_contradictions(given, EVALUATE_CONTRADICTIONS)
    flags.check_files(given)
    described, given = flags.network(given)
    accelerator = flags.accelerator(given)
    widths = flags.widths(given, described, accelerator)
    table = flags.sensitivity(given, described, {*widths.values()})
    flags.tell_of_table(table, described)
    evaluation = evaluate_network(
        described, accelerator, widths, roofline=given["roofline"], sensitivity=table
    )
    _hand_over(evaluation, given)
    return PROVEN


@front.command(
    cls=sectioned(ASSIGN),
    params=[network(), *chain.from_iterable(ASSIGN.values())],
)
def assign(**given: Any) -> int:
    """Find the best bitwidths of NETWORK and prove them; no hardware is chosen.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. Smaller is better for every metric. The latency table has
    one heading line: layer, weight_bits, activation_bits (of the layer's input), latency_s; that of
    a cost has value for latency_s. --fixed is --pin, and a layer whose weights are fixed may be
    left out of these tables: their budgets are of the others then.

    \b
    Exit codes: 0 proven best         4 an assignment, but its proof is unfinished
                2 bad input           5 no answer: out of time or memory, or a failing solver
                3 infeasible        130 interrupted before any assignment was found
    Ctrl-C ends the search with the best assignment so far; pressed twice, without.
    """
    from codesign.tasks.assign import assign as assign_widths

    flags.check_contradictions(given, ASSIGN_CONTRADICTIONS)
    flags.check_files(given)
    problem = flags.assignment(given)
    flags.tell_of_table(problem.sensitivity, problem.network)
    with (
        _explained(given, given["minimize"]),
        watched(given, "assignment_line") as on_progress,
    ):
        found = assign_widths(
            problem,
            given["latency_table"],
            costs=flags.costs(given),
            fixed=dict(given["fixed"]),
            time_limit_s=given["time_limit_s"],
            rel_gap=given["rel_gap"],
            ties=given["ties"],
            on_progress=on_progress,
        )
    _tell_interrupted(found.solver.interrupted, "assignment")
    try:
        if given["csv"] is not None:
            found.save_csv(given["csv"])
    finally:  # a full disk does not cost the rest
        _hand_over(found, given)
    return PROVEN if found.proof.status == "optimal" else UNPROVEN


for command in (explain, fit, check, import_model, sensitivity, show, plot, study, sweep):
    front.add_command(command)
front.add_command(help_command)


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
    """Write the programme that a solver failed on for a bug report, and say where."""
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
    click.echo(f"codesign: {one_line(message)}", err=True)
    return code


def _solved(problem: Problem, given: dict[str, Any]) -> Design:
    from codesign.tasks.solve import solve as solve_problem

    quality, line = _explained(given, given["minimize"]), watched(given, "progress_line")
    with quality, line as on_progress:
        return solve_problem(
            problem,
            method=given["method"],
            solver=given["solver"],
            time_limit_s=given["time_limit_s"],
            rel_gap=given["rel_gap"],
            ties=given["ties"],
            on_progress=on_progress,
        )


def _certify(design: Design, given: dict[str, Any]) -> None:
    """Write a certificate; say if parts of the proof are left out."""
    from codesign.tasks.certify import certify

    with watched(given, "words_line") as on_step:
        found = certify(
            design,
            time_limit_s=given["time_limit_s"],
            trusting=design.solver.interrupted,
            on_step=on_step,
        )
    found.save(given["certificate"])
    if found.trusted:
        count = f"{len(found.trusted)} of {design.solver.considered} hardware options"
        click.echo(f"codesign: the certificate leaves {count} to the solver's word", err=True)


@contextmanager
def _explained(given: dict[str, Any], minimize: str) -> Iterator[None]:
    """Explain an infeasible problem: as JSON, if asked for; if by default only, that it is so."""
    try:
        yield
    except InfeasibleError as error:
        found = error
        clashing = {name for clash in (error.clashing, *error.further) for name in clash}
        if "noise" in clashing and flags.quality_is_default({**given, "minimize": minimize}):
            default = f"the limit on noise is the default --quality {QUALITY}"
            found = InfeasibleError(f"{error}; {default}", error.clashing, error.further)
        if given.get("json"):
            print_json(found.to_dict())
        several = sum(map(len, (found.clashing, *found.further))) > 1
        if given.get("json") or given["quiet"] or not several:
            raise found from None
        from codesign.results.text.design import clash_parts

        _complain(str(found), INFEASIBLE)  # in one line, as every error; below it the same to read
        print_parts(clash_parts(found), err=True)
        raise click.exceptions.Exit(INFEASIBLE) from None


def _tell_interrupted(interrupted: bool, what: str) -> None:
    if interrupted:
        click.echo(f"codesign: interrupted; what follows is the {what} found by then", err=True)


def _hand_over(result: Result, given: dict[str, Any]) -> None:
    """Write the files asked for, and print."""
    try:
        if given["out"] is not None:
            result.save(given["out"])
        if given.get("plot") is not None:
            from codesign.results.assignment import Assignment

            assert not isinstance(result, Assignment)  # `assign` has no --plot
            result.plot(given["plot"])
    finally:  # a full disk does not cost the result
        _tell(result, given)


def _tell(result: Result, given: dict[str, Any]) -> None:
    def record() -> dict[str, Any]:
        from codesign.results.load import to_dict

        return to_dict(result)

    print_either(given["json"], record, lambda: result_parts(result, given["quiet"]))


def _tell_front(found: Front, given: dict[str, Any]) -> None:
    from codesign.results.front_file import to_dict
    from codesign.results.text.front import front_parts, front_summary

    print_either(
        given["json"],
        lambda: to_dict(found),
        lambda: [front_summary(found)] if given["quiet"] else front_parts(found),
    )
