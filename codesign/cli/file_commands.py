"""Commands that read or write a file: check, explain, fit, import and sensitivity.

Only click and the standard library are imported up here, so that ``--help`` is immediate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codesign.cli import flags
from codesign.cli.options import CHECK, EXPLAIN, FIT, IMPORT, TABLE, network
from codesign.cli.terminal import (
    PROVEN,
    UNPROVEN,
    WRONG,
    print_either,
    print_json,
    print_text,
    watched,
)


@click.command(params=[*EXPLAIN])
def explain(**given: Any) -> int:
    """Explain a proven design: what binds, what every budget is worth, what comes next.

    DESIGN is a file that solve --out has written. Its problem is solved again with one thing
    changed at a time, each budget, DRAM bandwidth and clock by a step down and up, and without its
    PE array, its PEs' widths and its SRAM.

    \b
    Exit codes: 0 every figure proven     4 some left open for want of time
                2 bad input, a file that check says is wrong, or not the optimum of its problem
                5 no answer: not even that proven in time, or out of memory
              130 interrupted
    """
    from codesign.checking import check as check_file
    from codesign.errors import SpecError
    from codesign.results.design import Design
    from codesign.results.explanation import to_dict
    from codesign.results.text.explanation import explanation_parts

    flags.check_files(given)
    design = Design.load(given["design"])
    report = check_file(given["design"])
    if not report.holds:
        raise SpecError(f"{given['design']}: {report.findings[0]}; codesign check tells all")
    with watched(given, "step_line") as on_step:
        found = design.explain(
            step=given["step"], time_limit_s=given["time_limit_s"], on_step=on_step
        )
    try:
        if given["out"] is not None:
            found.save(given["out"])
        if given["plot"] is not None:
            found.plot(given["plot"])
    finally:  # a full disk does not cost the result
        print_either(given["json"], lambda: to_dict(found), lambda: explanation_parts(found))
    return UNPROVEN if found.unproven else PROVEN


@click.command(params=[*FIT])
def fit(**given: Any) -> int:
    """Fit areas measured to a technology for solve.

    CSV has one heading line. PEs: bw, ba (bits), n, m (input and output channels of 3×3 kernels),
    area_um2; fitted against their BOPS. SRAMs: bits, area_um2.
    """
    from codesign.results.text.area_fit import fit_parts, fit_record
    from codesign.specs.load import load_technology
    from codesign.tasks.fit_area import fit_area

    flags.check_files(given)
    rest = load_technology(flags.name_or_path(given["technology"]))
    result = fit_area(
        given["measured"],
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
        print_either(given["json"], lambda: fit_record(result), lambda: fit_parts(result))
    return PROVEN


@click.command(params=[*CHECK])
def check(**given: Any) -> int:
    """Recompute every figure of FILE without solver and search.

    FILE is what solve, assign or evaluate --out have written.

    With --deep, prove again that no design is better: in exact arithmetic, by a certificate that
    solve has written.

    \b
    Exit codes: 0 all holds             4 all holds, but the certificate relies on the solver
                2 bad input             5 no answer: out of memory
                1 something is wrong: what and where is printed
              130 interrupted
    """
    from codesign.checking import check as check_file
    from codesign.results.text.check import report_lines, report_record

    if given["deep"] != (given["certificate"] is not None):
        raise click.UsageError("--deep and --certificate FILE belong together; give both.")
    with watched(given, "words_line") as on_step:
        report = check_file(given["file"], given["certificate"], on_step)
    if given["json"]:
        print_json(report_record(str(given["file"]), report))
    else:
        click.echo("\n".join(report_lines(str(given["file"]), report)))
    if not report.holds:
        return WRONG
    return UNPROVEN if report.proven is False else PROVEN


@click.command(params=[network(), *TABLE])
def sensitivity(**given: Any) -> int:
    """Write a sensitivity table of NETWORK to fill in: every weight and tensor at every width.

    Its values are 4^−bits, or those of --sensitivity: measured on the weights, or of a table,
    which may lack a kind. --sensitivity of solve, pareto, evaluate and assign reads it back.
    """
    from codesign.quality import check_table, filled_table, table_text, write_sensitivity

    flags.check_files(given)
    described, given = flags.network({**given, "keep_widths": False, "pin": ()})
    table = flags.sensitivity(given, described, given["bits"])
    flags.tell_of_table(table, described)
    sources, results = described.noise_sources, [f"tensor:{x}" for x in described.outputs]
    if table is not None:
        check_table(table, [(x, bits) for x in sources for bits in given["bits"]], results)
    filled = filled_table(table, sources, given["bits"])
    if given["out"] is None:
        print_text(table_text(filled))
    else:
        write_sensitivity(filled, given["out"])
    return PROVEN


@click.command("import", params=[click.Argument(["network"], metavar="MODEL"), *IMPORT])
def import_model(**given: Any) -> int:
    """Show the network in MODEL, an ONNX file, layer by layer, and write it as TOML.

    A symbolic dimension needs its size: --dim, or --batch for the first of the first input.
    With --keep-widths, the widths declared are shown as options for solve.
    """
    from codesign.files import write_atomically
    from codesign.results.text import specs
    from codesign.specs.write_network import to_toml

    flags.check_files({**given, "network": None, "model": Path(given["network"])})
    found = flags.imported(Path(given["network"]), given)
    pins = found.pins if given["keep_widths"] else {}
    try:
        if given["out"] is not None:
            write_atomically(given["out"], to_toml(found.network, found.notes))
    finally:  # a full disk does not cost the result
        read = found.network, found.notes, pins
        print_either(
            given["json"],
            lambda: specs.imported_record(*read),
            lambda: specs.imported_parts(*read),
        )
    return PROVEN
