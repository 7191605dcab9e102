"""Commands that compute a result of a network: solve, pareto, evaluate, assign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from codesign.cli import inputs
from codesign.cli.options import network, networks, sectioned
from codesign.cli.progress import assignment_line, design_line, front_line, watched, words_line
from codesign.cli.solve_options import (
    ASSIGN,
    ASSIGN_CONTRADICTIONS,
    EVALUATE,
    EVALUATE_CONTRADICTIONS,
    PARETO,
    PARETO_CONTRADICTIONS,
    SOLVE_ALONE,
)
from codesign.cli.terminal import (
    INFEASIBLE,
    PROVEN,
    UNPROVEN,
    hand_over,
    note,
    print_json,
    print_parts,
)
from codesign.cli.views import view_of
from codesign.errors import InfeasibleError, SpecError
from codesign.problem.metrics import REGRET, kinds_of, metric_of
from codesign.problem.places import DEFAULT_ON_CHIP
from codesign.problem.posed import most_fused, placed, sensitivity_of
from codesign.problem.words import DEFAULT_QUALITY, SOLVE_CONTRADICTIONS
from codesign.units import kind_of

if TYPE_CHECKING:
    from codesign.cli.progress import OnProgress
    from codesign.problem.problem import Problem
    from codesign.results.dataflow_design import DataflowDesign
    from codesign.results.design import Design


@sectioned(SOLVE_ALONE, networks())
def solve(**given: Any) -> int:
    """Find the best accelerator for NETWORK and prove it.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. Smaller is better for every metric. Of several networks, one
    accelerator for all (see: codesign help suites).

    \b
    Exit codes: 0 proven best         4 a design, but its proof is unfinished
                2 bad input           5 no answer: out of time or memory, or a failing solver
                3 infeasible        130 interrupted before any design was found
    Ctrl-C ends the search with the best design so far; pressed twice, without.
    """
    from codesign.results.design import Design

    inputs.check_contradictions(given, SOLVE_CONTRADICTIONS)
    inputs.check_files(given)
    problems = inputs.problems(given)
    _check_pipelined(problems[0], given)
    if given["regret_of"] is not None and given["minimize"] != REGRET:
        raise SpecError("--regret-of says what --minimize regret is of; give both.")
    inputs.warn_of_table(problems[0].sensitivity, problems[0].network)
    explained = _explained(given, problems[0])
    with explained, _certified(given, problems), watched(given, design_line) as on_progress:
        design = _solved(problems, given, on_progress)
    _note_interrupted(design.solver.interrupted, "design")
    hand_over(
        view_of(design, given["quiet"]),
        given,
        out=design.save,
        plot=design.plot,
        **({"plot_sram": design.plot_sram} if isinstance(design, Design) else {}),
    )
    if given["certificate"] is not None:
        _certify(design, problems[0], given)
    return PROVEN if design.proof.status == "optimal" else UNPROVEN


@sectioned(PARETO, networks())
def pareto(**given: Any) -> int:
    """Find the Pareto front of NETWORK: designs that no other beats in every objective.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file. Of several networks, one accelerator for all (see: codesign
    help suites). Every point is proven. The first objective is minimised
    within limits on the others, placed where most is still unknown.

    \b
    Exit codes: 0 all points proven     4 a point's proof, or --all, is unfinished
                2 bad input             5 no answer: out of time or memory, or a failing solver
                3 infeasible          130 interrupted before any design was found
    Ctrl-C ends the search with the points found so far (4); pressed twice, without.
    """
    from codesign.tasks.pareto import pareto as find_front

    inputs.check_contradictions(given, PARETO_CONTRADICTIONS)
    if given["rel_step"] is not None and not given["all"]:
        raise SpecError("--rel-step says how far --all goes; give both.")
    inputs.check_files(given)
    first, *_ = sorted(given["objectives"], key=lambda word: kind_of(word) != "noise")
    problem = inputs.problem({**given, "minimize": first})
    inputs.warn_of_table(problem.sensitivity, problem.network)
    with _explained(given, problem), watched(given, front_line) as on_progress:
        found = find_front(
            problem,
            [metric_of(word) for word in given["objectives"]],
            None if given["all"] else given["points"] or 20,
            ranges=inputs.ranges(given),
            rel_step=given["rel_step"] or 0.0,
            time_limit_s=given["time_limit_s"],
            on_progress=on_progress,
        )
    _note_interrupted(found.interrupted, "points")
    hand_over(
        view_of(found, given["quiet"]),
        given,
        designs=found.save_designs,
        out=found.save,
        plot=found.plot,
    )
    proven = all(design.proof.status == "optimal" for design in found.designs)
    asked_for = found.complete or not (given["all"] or found.interrupted)
    return PROVEN if proven and asked_for else UNPROVEN


@sectioned(EVALUATE, networks())
def evaluate(**given: Any) -> int:
    """Find where each layer of NETWORK stands on a given accelerator.

    NETWORK is a shipped name (see: codesign show networks) or a file, TOML or ONNX: what contains a
    dot or a path separator is a file; several are executed one after the other (see: codesign help
    suites). The accelerator is shipped (codesign show accelerators), a file, TOML or that of a
    design, or given by --rows, --cols, --pe-bits and --sram-kbit. A pipeline takes its place with
    --folding or --pipeline (see: codesign help dataflow).
    """
    from codesign.tasks.evaluate import evaluate as evaluate_network

    inputs.check_contradictions(given, EVALUATE_CONTRADICTIONS)
    if given["folding"] is not None or given["pipeline"] is not None:
        return _evaluate_pipeline(given)
    if given["time_limit_s"] is not None:
        raise SpecError("--time-limit-s: of a pipeline; give --folding or --pipeline.")
    if given["plot_sram"] is not None and given["roofline"] == "ideal":
        raise SpecError("--plot-sram: the ideal roofline has no tiles and needs no SRAM.")
    inputs.check_files(given)
    read = inputs.one_network(given)
    accelerator = inputs.accelerator(given)
    widths = inputs.widths(given, read, accelerator)
    table = sensitivity_of(
        given["sensitivity"], given["granularity"], read.weights, read.network, {*widths.values()}
    )
    inputs.warn_of_table(table, read.network)
    on_chip = given["on_chip"] or DEFAULT_ON_CHIP
    found = evaluate_network(
        read.network,
        accelerator,
        widths,
        roofline=given["roofline"],
        sensitivity=table,
        on_chip=given["on_chip"],
        places=placed(read.pins, on_chip),
        fused_layers=most_fused(given["fused_layers"], on_chip),
        tiling=given["tiling"],
    )
    hand_over(
        view_of(found, given["quiet"]),
        given,
        out=found.save,
        plot=found.plot,
        plot_sram=found.plot_sram,
    )
    return PROVEN


def _evaluate_pipeline(given: inputs.Given) -> int:
    """The same of a pipeline."""
    from codesign.tasks.evaluate import evaluate as evaluate_network

    if given["roofline"] == "ideal":
        raise SpecError("--roofline ideal: of one shared array; leave it out of a pipeline.")
    inputs.check_files(given)
    read = inputs.one_network(given)
    pipeline = inputs.pipeline(given, read.network)
    widths = inputs.pipeline_widths(given, read, pipeline)
    table = sensitivity_of(
        given["sensitivity"], given["granularity"], read.weights, read.network, {*widths.values()}
    )
    inputs.warn_of_table(table, read.network)
    with watched(given, design_line):
        found = evaluate_network(
            read.network,
            pipeline,
            widths,
            sensitivity=table,
            time_limit_s=given["time_limit_s"],
        )
    hand_over(view_of(found, given["quiet"]), given, out=found.save, plot=found.plot)
    return PROVEN if found.proof.status == "optimal" else UNPROVEN


@sectioned(ASSIGN, network())
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

    inputs.check_contradictions(given, ASSIGN_CONTRADICTIONS)
    inputs.check_files(given)
    problem = inputs.assignment(given)
    inputs.warn_of_table(problem.sensitivity, problem.network)
    with _explained(given, problem), watched(given, assignment_line) as on_progress:
        found = assign_widths(
            problem,
            given["latency_table"],
            costs=inputs.costs(given),
            fixed=dict(given["fixed"]),
            time_limit_s=given["time_limit_s"],
            rel_gap=given["rel_gap"],
            ties=given["ties"],
            on_progress=on_progress,
        )
    _note_interrupted(found.solver.interrupted, "assignment")
    hand_over(view_of(found, given["quiet"]), given, csv=found.save_csv, out=found.save)
    return PROVEN if found.proof.status == "optimal" else UNPROVEN


def _solved(
    problems: list[Problem], given: inputs.Given, on_progress: OnProgress | None
) -> Design | DataflowDesign:
    """The best design of a problem, or of several that differ in their batch."""
    words = ("method", "solver", "time_limit_s", "rel_gap", "ties")
    how = {**{word: given[word] for word in words}, "on_progress": on_progress}
    if len(problems) > 1:
        from codesign.tasks.solve_batches import solve_batches

        return solve_batches(problems, **how)
    from codesign.tasks.solve import solve as solve_problem

    if given["regret_of"] is not None:
        from codesign.tasks.regret import with_references

        problems = [with_references(problems[0], metric_of(given["regret_of"]))]
    return solve_problem(problems[0], **how)


def _check_pipelined(problem: Problem, given: inputs.Given) -> None:
    """Refuse what is asked of one array alone, before the solve."""
    if not problem.choices.pipelined:
        return
    for word, why in {
        "plot_sram": "--plot draws all stages",
    }.items():
        if given[word] is not None:
            flag = "--" + word.replace("_", "-")
            raise SpecError(f"{flag}: of architecture 'array' alone; {why}")


def _certify(design: Design | DataflowDesign, problem: Problem, given: inputs.Given) -> None:
    """Write a certificate; say if parts of the proof are left out."""
    from codesign.tasks.certify import certify

    with watched(given, words_line) as on_step:
        found = certify(
            design,
            asked=problem if problem.choices.pipelined else None,
            time_limit_s=given["time_limit_s"],
            trusting=design.solver.interrupted,
            on_step=on_step,
        )
    found.save(given["certificate"])
    if found.left_to_solver:
        note(f"the certificate leaves {'; '.join(found.left_to_solver)} to the solver's word")


@contextmanager
def _certified(given: inputs.Given, problems: list[Problem]) -> Iterator[None]:
    """Write a certificate that a problem is infeasible, where one is asked for."""
    try:
        yield
    except InfeasibleError as error:
        if given["certificate"] is None:
            raise
        from codesign.tasks.certify_infeasible import certify_infeasible

        first, *others = sorted(problems, key=lambda x: x.network.images)

        with watched(given, words_line) as on_step:
            limit_s = given["time_limit_s"]
            how = {"time_limit_s": limit_s, "on_step": on_step}
            found = certify_infeasible(first, error, others=others, **how)
        found.save(given["certificate"])
        if found.left_to_solver:
            note(f"the certificate leaves {'; '.join(found.left_to_solver)} to the solver's word")
        raise


@contextmanager
def _explained(given: inputs.Given, problem: Problem) -> Iterator[None]:
    """Explain an infeasible problem, as JSON where asked for; say if a default made it so."""
    try:
        yield
    except InfeasibleError as error:
        found = error
        clashing = {name for clash in (error.clashing, *error.further) for name in clash}
        default = given["quality"] is None and problem.quality is not None
        if "noise" in kinds_of(clashing) and default:
            message = f"{error}; the limit on noise is the default --quality {DEFAULT_QUALITY}"
            found = InfeasibleError(message, error.clashing, error.further)
        if given["json"]:
            print_json(found.to_dict())
        several = sum(map(len, (found.clashing, *found.further))) > 1
        if given["json"] or given["quiet"] or not several:
            raise found from None
        from codesign.results.text.design import conflict_parts

        note(str(found))  # in one line, as every error; below it the same to read
        print_parts(conflict_parts(found), err=True)
        raise click.exceptions.Exit(INFEASIBLE) from None


def _note_interrupted(interrupted: bool, what: str) -> None:
    if interrupted:
        note(f"interrupted; what follows is the {what} found by then")
