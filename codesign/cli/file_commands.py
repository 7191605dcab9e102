"""Commands that read or write a file: check, explain, fit, import and sensitivity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codesign.cli import inputs
from codesign.cli.options import FILE, choice, file, flag, network, option
from codesign.cli.progress import step_line, watched, words_line
from codesign.cli.solve_options import BATCH, BITS, LARGE, OF_DECODER, OF_ONNX, SENSITIVITY
from codesign.cli.terminal import (
    PROVEN,
    UNPROVEN,
    WRONG,
    View,
    hand_over,
    print_json,
    print_text,
)
from codesign.cli.views import view_of
from codesign.errors import SpecError
from codesign.problem.posed import sensitivity_of
from codesign.problem.readers import Number, WholeNumbers
from codesign.problem.words import DEFAULT_TECHNOLOGY, TIME_LIMIT, name_or_path


@click.command(
    params=[
        click.Argument(["design"], type=FILE),
        option("--step X", "Relative size of every change.", Number(1e-6, 0.99), default="0.05"),
        option("--time-limit-s X", "Then say what is left open.", TIME_LIMIT),
        file("--out", "Write the explanation file (JSON)."),
        file("--plot", "Draw the sensitivities: .png, .pdf or .svg."),
        flag("--json", "Print the explanation (JSON) and nothing else."),
    ]
)
def explain(**given: Any) -> int:
    """Explain a proven design: what binds, what every budget is worth, what comes next.

    DESIGN is a file that solve --out has written. Its problem is solved again with one thing
    changed at a time, each budget, DRAM bandwidth and clock by a step down and up, and without its
    PE array, its PEs' widths and its SRAM. Of a suite, each network is also solved alone; beside
    a pipeline stand one shared array and the pipeline with all weights on chip.

    \b
    Exit codes: 0 every figure proven     4 some left open for want of time
                2 bad input, a file that check says is wrong, or not the optimum of its problem
                5 no answer: not even that proven in time, or out of memory
              130 interrupted
    """
    from codesign.results.load import load_design

    inputs.check_files(given)
    design = load_design(given["design"])
    inputs.check_holds(given["design"])
    with watched(given, step_line) as on_step:
        found = design.explain(
            step=given["step"], time_limit_s=given["time_limit_s"], on_step=on_step
        )
    hand_over(view_of(found), given, out=found.save, plot=found.plot)
    return UNPROVEN if found.unproven else PROVEN


@click.command(
    params=[
        click.Argument(["measured"], metavar="CSV", type=FILE),
        choice("--kind pe|sram", "What was measured.", required=True),
        flag("--relative", "Least squares of the relative errors: every point counts alike."),
        flag(
            "--quadratic", "Quadratic in the width, not linear in BOPS; needs bw = ba, n = m = 1."
        ),
        option(
            "--engine N",
            "Multipliers of one kernel window of the PEs.",
            LARGE,
            shown="9, a 3×3 window",
        ),
        option("--name NAME", "Name of the technology.", shown="the CSV's, without its ending"),
        option(
            "--technology NAME",
            "What --out takes the part from that is not fitted.",
            default=DEFAULT_TECHNOLOGY,
        ),
        file("--out", "Write the technology (TOML) for solve."),
        file("--plot", "Draw the fit: .png, .pdf or .svg."),
        flag("--json", "Print the fit (JSON) and nothing else."),
    ]
)
def fit(**given: Any) -> int:
    """Fit areas measured to a technology for solve.

    CSV has one heading line. PEs: bw, ba (bits), n, m (input and output channels of 3×3 kernels),
    area_um2; fitted against their BOPS. SRAMs: bits, area_um2.
    """
    from codesign.specs.load import load_technology
    from codesign.specs.technology import Technology
    from codesign.tasks.fit_area import fit_area

    inputs.check_files(given)
    inputs.check_toml(given)
    rest = load_technology(name_or_path(given["technology"]))
    if not isinstance(rest, Technology):
        raise SpecError(f"--technology {given['technology']}: an FPGA, which has no areas")
    found = fit_area(
        given["measured"],
        form="quadratic" if given["quadratic"] else "linear",
        **{word: given[word] for word in ("kind", "relative", "engine", "name")},
    )
    hand_over(view_of(found), given, out=lambda path: found.save(path, rest), plot=found.plot)
    return PROVEN


@click.command(
    params=[
        click.Argument(["file"], type=FILE),
        flag("--deep", "Prove the design's optimality again; needs --certificate."),
        file("--certificate", "Written by solve --certificate."),
        flag("--json", "Print what was found (JSON) and nothing else."),
    ]
)
def check(**given: Any) -> int:
    """Recompute every figure of FILE without solver and search.

    FILE is what solve, assign or evaluate --out have written, or a certificate of solve that no
    design keeps every budget.

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
        raise SpecError("--deep and --certificate FILE belong together; give both.")
    with watched(given, words_line) as on_step:
        report = check_file(given["file"], given["certificate"], on_step)
    name = str(given["file"])
    if given["json"]:
        print_json(report_record(name, report))
    else:
        click.echo("\n".join(report_lines(name, report)))
    if not report.holds:
        return WRONG
    return UNPROVEN if report.proven is False else PROVEN


@click.command(
    params=[
        network(),
        BATCH,
        *OF_DECODER,
        *(option for option in OF_ONNX if option.name != "keep_widths"),
        *SENSITIVITY,
        option("--bits LIST", "Widths.", WholeNumbers(32), default=BITS),
        file("--out", "Write the table (CSV).", shown="printed"),
    ]
)
def sensitivity(**given: Any) -> int:
    """Write a sensitivity table of NETWORK to fill in: every weight and tensor at every width.

    Its values are 4^−bits, or those of --sensitivity: measured on the weights, or of a table,
    which may lack a kind. --sensitivity of solve, pareto, evaluate and assign reads it back.
    """
    from codesign.quality import check_table, filled_table, table_text, write_sensitivity

    inputs.check_files(given)
    read = inputs.network({**given, "keep_widths": False, "pin": ()})
    described, bits = read.network, given["bits"]
    asked = given["sensitivity"], given["granularity"]
    table = sensitivity_of(*asked, read.weights, described, bits)
    inputs.warn_of_table(table, described)
    sources, results = described.noise_sources, [f"tensor:{x}" for x in described.outputs]
    if table is not None:
        check_table(table, [(x, width) for x in sources for width in bits], results)
    filled = filled_table(table, sources, bits)
    if given["out"] is None:
        print_text(table_text(filled))
    else:
        write_sensitivity(filled, given["out"])
    return PROVEN


@click.command(
    "import",
    params=[
        click.Argument(["network"], metavar="MODEL"),
        BATCH,
        *OF_ONNX,
        file("--out", "Write the network (TOML)."),
        flag("--json", "Print the network (JSON) and nothing else."),
    ],
)
def import_model(**given: Any) -> int:
    """Show the network in MODEL, an ONNX file, layer by layer, and write it as TOML.

    A symbolic dimension needs its size: --dim, or --batch for the first of the first input.
    With --keep-widths, the widths declared are shown as options for solve.
    """
    from codesign.files import write_atomically
    from codesign.results.text import specs
    from codesign.specs.write_network import to_toml

    model = Path(given["network"])
    inputs.check_files({**given, "network": None, "model": model})
    inputs.check_toml(given)
    found = inputs.imported(model, given)
    read = found.network, found.notes, found.pins if given["keep_widths"] else {}
    view = View(lambda: specs.imported_record(*read), lambda: specs.imported_parts(*read))
    toml = to_toml(found.network, found.notes)
    hand_over(view, given, out=lambda path: write_atomically(path, toml))
    return PROVEN
